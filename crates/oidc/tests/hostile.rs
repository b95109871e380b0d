//! What comes from outside is believed only when all of it is right: each thing that a provider, or somebody who passes for
//! it, may get wrong.

use chrono::Utc;
use domain::{Placement, Standing};
use jsonwebtoken::{Algorithm, EncodingKey};
use oidc::{
    Answer, Config, OidcError, Person, RelyingParty, SignIn, Start,
    testing::{CLIENT, FakeProvider, Reply, key, parameter, public, signed, unsigned},
};
use secret::Secret;
use serde_json::{Value, json};
use std::{process::Command, time::Duration};

const LAB: &str = "https://lab.example.org";

fn config(provider: &FakeProvider) -> Config {
    let config = Config {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::from("s3cret: %&é")),
        scopes: "openid email".to_owned(),
        label: "Example".to_owned(),
        public_url: format!("{LAB}/"),
        rules: "groups staff = operator 480; * = student 96".parse().expect("rules"),
        group_rules: "groups staff = teacher of Colour 101; groups chem = member of Colour 101".parse().expect("rules"),
        email_domains: Vec::new(),
        makes_accounts: true,
        links_accounts: false,
        assumes_auth_time: false,
    };
    config.check().expect("settings")
}

fn party(provider: &FakeProvider) -> RelyingParty {
    RelyingParty::new(config(provider)).expect("a party")
}

/// What a browser comes back with after a sign-in that went well there.
fn answer(provider: &FakeProvider, start: &Start) -> Answer {
    let code = Some("code".to_owned());
    Answer { state: parameter(&start.url, "state"), code, issuer: Some(provider.issuer.clone()), error: None }
}

/// All that an ID token may say, so that nothing need be asked for.
fn known() -> Value {
    json!({ "email": "Ada@Example.org", "email_verified": true, "groups": ["staff"], "sid": "s1" })
}

async fn finish(
    provider: &FakeProvider,
    party: &RelyingParty,
    token: impl FnOnce(&str) -> String,
) -> Result<Person, OidcError> {
    let start = party.start("/robots", SignIn::Any).await.expect("begun");
    provider.give(&token(&start.url));
    party.finish(&start.cookie, &answer(provider, &start)).await
}

fn openssl(arguments: &[&str]) -> EncodingKey {
    let made = Command::new("openssl")
        .arg("genpkey")
        .args(arguments)
        .output()
        .expect("openssl, as scripts/test.sh installs it");
    assert!(made.status.success());
    if arguments.contains(&"EC") {
        return EncodingKey::from_ec_pem(&made.stdout).expect("a key");
    }
    EncodingKey::from_rsa_pem(&made.stdout).expect("a key")
}

#[tokio::test]
async fn a_good_sign_in_says_who_it_is_and_what_they_are() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let start = party.start("/robots", SignIn::Any).await.expect("begun");
    for (name, value) in
        [("response_type", "code"), ("client_id", CLIENT), ("code_challenge_method", "S256"), ("scope", "openid email")]
    {
        assert_eq!(parameter(&start.url, name), value);
    }
    assert_eq!(parameter(&start.url, "redirect_uri"), format!("{LAB}/auth/oidc/callback"));
    provider.give(&provider.sign(&provider.claims(&start.url, "a1", &known())));
    let person = party.finish(&start.cookie, &answer(&provider, &start)).await.expect("signed in");
    assert_eq!((person.subject.as_str(), person.email.as_deref()), ("a1", Some("ada@example.org")));
    assert_eq!((person.role.as_str(), person.quota, person.session.as_deref()), ("operator", 480, Some("s1")));
    let place = Placement { group: "Colour 101".to_owned(), standing: Some(Standing::Teacher) };
    assert_eq!(person.groups, [place]);
    assert_eq!(person.next, "/robots");
    let asked = provider.asked("/token").remove(0);
    // Of RFC 6749, 2.3.1: each half is encoded as in a form, then both together.
    assert!(asked.to_lowercase().contains("authorization: basic bgfionmzy3jldcuzqsslmjulmjylqzmlqtk="), "{asked}");
    assert!(asked.contains("grant_type=authorization_code") && asked.contains("code_verifier="), "{asked}");
    assert!(!format!("{person:?} {start:?} {party:?}").contains("s3cret"));
    assert!(provider.asked("/userinfo").is_empty(), "nothing was missing");
    assert!(
        party
            .sign_out_url()
            .await
            .expect("a way")
            .starts_with(&format!("{}/out?client_id=lab&post_logout", provider.issuer))
    );
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for_and_what_it_says_stays() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let bare = |start: &str| provider.sign(&provider.claims(start, "a1", &json!({ "groups": ["none"] })));
    let more =
        json!({ "sub": "a1", "email": "ada@example.org", "email_verified": true, "groups": ["staff"], "sid": "x" });
    provider.answer("/userinfo", Reply::json(200, &more));
    let person = finish(&provider, &party, bare).await.expect("signed in");
    assert_eq!((person.email.as_deref(), person.role.as_str()), (Some("ada@example.org"), "student"));
    assert_eq!(person.session, None, "a session is the token's to name");
    assert!(provider.asked("/userinfo")[0].to_lowercase().contains("authorization: bearer opaque"));

    provider
        .answer("/userinfo", Reply::json(200, &json!({ "sub": "eve", "email": "e@x.org", "email_verified": true })));
    assert!(matches!(finish(&provider, &party, bare).await, Err(OidcError::Unbelievable(_))));
    provider.answer("/userinfo", Reply::json(500, &json!({})));
    assert!(matches!(finish(&provider, &party, bare).await, Err(OidcError::Provider(_))));
}

#[tokio::test]
async fn an_address_is_one_only_when_it_is_verified() {
    let provider = FakeProvider::start().await;
    let open = party(&provider);
    let strict = Config { email_domains: vec!["example.org".to_owned()], ..config(&provider) };
    let strict = RelyingParty::new(strict).expect("a party");
    for (claims, email, refused) in [
        (json!({ "email": "a@example.org", "email_verified": true }), Some("a@example.org"), false),
        (json!({ "email": "a@example.org", "email_verified": "true" }), Some("a@example.org"), false),
        (json!({ "email": "a@example.org", "email_verified": false }), None, true),
        (json!({ "email": "a@example.org", "email_verified": "yes" }), None, true),
        (json!({ "email": "a@example.org", "email_verified": 1 }), None, true),
        (json!({ "email": "a@example.org" }), None, true),
        (json!({ "email": ["a@example.org"], "email_verified": true }), None, true),
        (json!({ "email": "a@sub.example.org", "email_verified": true }), Some("a@sub.example.org"), true),
        (json!({ "email": "a@example.org.evil", "email_verified": true }), Some("a@example.org.evil"), true),
        (json!({ "email": "a@example.org@evil.org", "email_verified": true }), Some("a@example.org@evil.org"), true),
    ] {
        provider.answer("/userinfo", Reply::json(200, &json!({ "sub": "a1" })));
        let token = |start: &str| provider.sign(&provider.claims(start, "a1", &claims));
        let person = finish(&provider, &open, token).await.expect("signed in");
        assert_eq!(person.email.as_deref(), email, "{claims}");
        assert_eq!(finish(&provider, &strict, token).await.is_err(), refused, "{claims}");
    }
}

#[tokio::test]
async fn each_algorithm_that_is_allowed_is_and_its_keys_are_taken_for_no_other() {
    let provider = FakeProvider::start().await;
    let rsa = openssl(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let weak = openssl(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let curve = openssl(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let named_for_another = {
        let mut key = public(&key(3), Algorithm::EdDSA, "encrypts");
        key["use"] = json!("enc");
        key
    };
    let mut rsa_public = public(&rsa, Algorithm::RS256, "rsa");
    rsa_public.as_object_mut().expect("an object").remove("alg");
    let odd = json!({ "kty": "XYZ", "kid": "odd", "alg": "NEW" });
    provider.answer(
        "/keys",
        Reply::json(
            200,
            &json!({ "keys": [
        odd, rsa_public, public(&weak, Algorithm::RS256, "weak"), public(&curve, Algorithm::ES256, "curve"),
        public(&key(1), Algorithm::EdDSA, "one"), named_for_another,
    ] }),
        ),
    );
    let party = party(&provider);
    for (key, algorithm, kid, good) in [
        (&rsa, Algorithm::RS256, Some("rsa"), true),
        (&rsa, Algorithm::PS256, Some("rsa"), true),
        (&rsa, Algorithm::RS256, None, true),
        (&rsa, Algorithm::RS512, Some("rsa"), false),
        (&rsa, Algorithm::RS256, Some("weak"), false),
        (&weak, Algorithm::RS256, Some("weak"), false),
        (&curve, Algorithm::ES256, Some("curve"), true),
        (&key(1), Algorithm::EdDSA, Some("one"), true),
        (&key(1), Algorithm::EdDSA, None, true),
        (&key(2), Algorithm::EdDSA, Some("one"), false),
        (&key(3), Algorithm::EdDSA, Some("encrypts"), false),
    ] {
        let token = |start: &str| signed(key, algorithm, kid, &provider.claims(start, "a1", &known()));
        let finished = finish(&provider, &party, token).await;
        assert_eq!(finished.is_ok(), good, "{algorithm:?} {kid:?}: {finished:?}");
    }
}

#[tokio::test]
async fn a_forged_or_strange_token_is_nobodys() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let now = chrono::Utc::now().timestamp();
    let with = |name: &str, value: Value| {
        let (name, provider) = (name.to_owned(), &provider);
        move |start: &str| provider.sign(&provider.claims(start, "a1", &json!({ name: value })))
    };
    let without = |name: &'static str| {
        let provider = &provider;
        move |start: &str| {
            let mut claims = provider.claims(start, "a1", &known());
            claims.as_object_mut().expect("claims").remove(name);
            provider.sign(&claims)
        }
    };
    provider.answer("/userinfo", Reply::json(200, &json!({ "sub": "a1" })));
    finish(&provider, &party, with("x", json!(1))).await.expect("it is good but for what is changed below");
    finish(&provider, &party, with("azp", json!(CLIENT))).await.expect("it says who asked, too");
    let hash = "fbMJhlShp9jmuAqXBJET-ShZLVNUaW7dkNnxSGjGex8";
    finish(&provider, &party, with("at_hash", json!(hash))).await.expect("and which access token belongs to it");
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", provider.issuer))),
        ("aud", json!("another")),
        ("aud", json!([])),
        ("aud", json!([CLIENT, "another"])),
        ("azp", json!("another")),
        ("nonce", json!("of another sign-in")),
        ("exp", json!(now - 61)),
        ("exp", json!("soon")),
        ("nbf", json!(now + 120)),
        ("iat", json!(now - 1_000)),
        ("iat", json!(now + 120)),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("a\nb")),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let finished = finish(&provider, &party, with(name, value.clone())).await;
        assert!(matches!(finished, Err(OidcError::Unbelievable(_))), "{name} {value}: {finished:?}");
    }
    for name in ["iss", "aud", "sub", "exp", "iat", "nonce"] {
        let finished = finish(&provider, &party, without(name)).await;
        assert!(matches!(finished, Err(OidcError::Unbelievable(_))), "without {name}: {finished:?}");
    }
    let public = public(&key(1), Algorithm::EdDSA, "one");
    let x = public["x"].as_str().expect("the key");
    let junk = [String::new(), "a.b.c".to_owned(), "x".repeat(100_000)];
    for (which, token) in [
        ("none", unsigned(&json!({ "alg": "none", "kid": "one" }), &json!({}), "")),
        ("None", unsigned(&json!({ "alg": "None", "kid": "one" }), &json!({}), "")),
    ]
    .into_iter()
    .chain(junk.into_iter().map(|token| ("junk", token)))
    {
        let finished = finish(&provider, &party, |_| token).await;
        assert!(matches!(finished, Err(OidcError::Unbelievable(_))), "{which}: {finished:?}");
    }
    for secret in [x.as_bytes(), public.to_string().as_bytes()] {
        let secret = EncodingKey::from_secret(secret);
        let token =
            |start: &str| signed(&secret, Algorithm::HS256, Some("one"), &provider.claims(start, "a1", &known()));
        assert!(
            matches!(finish(&provider, &party, token).await, Err(OidcError::Unbelievable(_))),
            "the public key as a secret"
        );
    }
    let unsigned_claims =
        |start: &str| unsigned(&json!({ "alg": "none" }), &provider.claims(start, "a1", &known()), "");
    assert!(matches!(finish(&provider, &party, unsigned_claims).await, Err(OidcError::Unbelievable(_))));
}

#[tokio::test]
async fn what_comes_back_must_be_this_browsers_answer_of_this_provider() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let (mine, anothers) =
        (party.start("", SignIn::Any).await.expect("begun"), party.start("", SignIn::Any).await.expect("begun"));
    provider.give(&provider.sign(&provider.claims(&mine.url, "a1", &known())));
    let good = answer(&provider, &mine);
    for cookie in ["", &anothers.cookie, "a.b.c"] {
        assert!(matches!(party.finish(cookie, &good).await, Err(OidcError::NotBegunHere)), "{cookie}");
    }
    let state = Answer { state: "x".to_owned(), ..good.clone() };
    assert!(matches!(party.finish(&mine.cookie, &state).await, Err(OidcError::NotBegunHere)));
    assert!(provider.asked("/token").is_empty(), "and nobody was asked for it");
    let mixed_up = Answer { issuer: Some("https://evil.example".to_owned()), ..good.clone() };
    assert!(matches!(party.finish(&mine.cookie, &mixed_up).await, Err(OidcError::Unbelievable(_))));
    let denied = Answer { error: Some("access_denied".to_owned()), code: None, ..good.clone() };
    assert!(matches!(party.finish(&mine.cookie, &denied).await, Err(OidcError::Refused("access_denied"))));
    let strange = Answer { error: Some("<script>".to_owned()), code: None, ..good.clone() };
    assert!(matches!(party.finish(&mine.cookie, &strange).await, Err(OidcError::Refused("another reason"))));
    let without = Answer { code: None, ..good.clone() };
    assert!(matches!(party.finish(&mine.cookie, &without).await, Err(OidcError::Unbelievable(_))));
    assert!(provider.asked("/token").is_empty());
    party.finish(&mine.cookie, &good).await.expect("signed in");
    provider.answer("/token", Reply::json(400, &json!({ "error": "invalid_grant" })));
    assert!(matches!(party.finish(&mine.cookie, &good).await, Err(OidcError::CodeRefused(_))), "as a code used twice");
    provider.answer("/token", Reply::json(401, &json!({ "error": "invalid_client" })));
    assert!(matches!(party.finish(&mine.cookie, &good).await, Err(OidcError::Provider(_))));
}

/// Whoever is signed in there already has proved nothing now; and the browser may have left out that they are to be asked.
#[tokio::test]
async fn a_fresh_proof_is_one_that_the_provider_asked_for() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let now = Utc::now().timestamp();
    let said = |auth_time: Value| {
        let mut claims = known();
        claims["auth_time"] = auth_time;
        claims
    };
    let come = async |party: &RelyingParty, sign_in: SignIn, auth_time: Value| {
        let start = party.start("/account", sign_in).await.expect("begun");
        let asked = (parameter(&start.url, "max_age"), parameter(&start.url, "prompt"));
        provider.give(&provider.sign(&provider.claims(&start.url, "a1", &said(auth_time))));
        (asked, party.finish(&start.cookie, &answer(&provider, &start)).await)
    };
    let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let (asked, fresh) = come(&party, SignIn::Anew, json!(now)).await;
    assert_eq!(asked, text(("0", "login")));
    assert!(fresh.expect("signed in").proved_at.timestamp() >= now);
    for old in [json!(now - 3_600), Value::Null] {
        let (_, stale) = come(&party, SignIn::Anew, old).await;
        assert!(matches!(stale, Err(OidcError::NotAnew | OidcError::Unbelievable(_))), "{stale:?}");
    }
    let (asked, old) = come(&party, SignIn::Any, json!(now - 3_600)).await;
    assert_eq!(asked, text(("2592000", "")), "so that the provider must say when");
    assert_eq!(old.expect("signed in").proved_at.timestamp(), now - 3_600, "as long ago as it was there");
    for never in [json!(now + 3_600), json!("now")] {
        assert!(matches!(come(&party, SignIn::Any, never).await.1, Err(OidcError::Unbelievable(_))));
    }

    // A provider that never says: nothing is known, unless the lab is told to take it as it is.
    let silent = |start: &str| {
        let mut claims = provider.claims(start, "a1", &known());
        claims.as_object_mut().expect("claims").remove("auth_time");
        provider.sign(&claims)
    };
    let unknown = finish(&provider, &party, silent).await.expect("signed in");
    assert_eq!(unknown.proved_at.timestamp(), 0);
    let believing = RelyingParty::new(Config { assumes_auth_time: true, ..config(&provider) }).expect("a party");
    assert!(finish(&provider, &believing, silent).await.expect("signed in").proved_at.timestamp() >= now);
    let (_, said_so) = come(&believing, SignIn::Anew, json!(now - 3_600)).await;
    assert!(matches!(said_so, Err(OidcError::NotAnew)), "what it says is believed all the same");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_asks_the_provider_no_more_than_once_in_a_while() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let good = |start: &str| provider.sign(&provider.claims(start, "a1", &known()));
    finish(&provider, &party, good).await.expect("signed in");
    for number in 0..50 {
        let token = |start: &str| {
            signed(&key(9), Algorithm::EdDSA, Some(&format!("k{number}")), &provider.claims(start, "a1", &known()))
        };
        assert!(matches!(finish(&provider, &party, token).await, Err(OidcError::Unbelievable(_))));
    }
    assert_eq!(provider.asked("/keys").len(), 1, "the keys were read a moment ago");
    finish(&provider, &party, good).await.expect("and others still sign in");
    assert_eq!(provider.asked("/.well-known/openid-configuration").len(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let good = |start: &str| provider.sign(&provider.claims(start, "a1", &known()));
    finish(&provider, &party, good).await.expect("signed in");
    provider.answer("/keys", Reply::json(200, &json!({ "keys": [public(&key(2), Algorithm::EdDSA, "two")] })));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let new = |start: &str| signed(&key(2), Algorithm::EdDSA, Some("two"), &provider.claims(start, "a1", &known()));
    finish(&provider, &party, new).await.expect("signed in");
    assert_eq!(provider.asked("/keys").len(), 2);
    assert!(finish(&provider, &party, good).await.is_err(), "a key that is gone is good for nothing");
}

#[tokio::test]
async fn a_provider_that_is_away_slow_or_strange_is_said_to_be() {
    for (which, change) in [
        ("another issuer", json!({ "issuer": "https://evil.example" })),
        ("no encryption", json!({ "token_endpoint": "http://id.example.org/token" })),
        ("no address", json!({ "jwks_uri": "keys" })),
        ("no PKCE", json!({ "code_challenge_methods_supported": ["plain"] })),
    ] {
        let provider = FakeProvider::start().await;
        let mut description = provider.description();
        for (name, value) in change.as_object().expect("an object") {
            description[name] = value.clone();
        }
        provider.answer("/.well-known/openid-configuration", Reply::json(200, &description));
        assert!(matches!(party(&provider).start("", SignIn::Any).await, Err(OidcError::Provider(_))), "{which}");
    }
    let huge = Reply { status: 200, body: vec![b' '; 300 * 1024], delay: Duration::ZERO };
    let slow = Reply { delay: Duration::from_secs(60), ..Reply::json(200, &json!({})) };
    let moved = Reply::json(302, &json!({}));
    for (which, reply) in
        [("huge", huge), ("slow", slow), ("elsewhere", moved), ("broken", Reply::json(500, &json!({})))]
    {
        let provider = FakeProvider::start().await;
        provider.answer("/.well-known/openid-configuration", reply);
        let party = party(&provider);
        assert!(matches!(party.start("", SignIn::Any).await, Err(OidcError::Provider(_))), "{which}");
        for _ in 0..20 {
            assert!(party.start("", SignIn::Any).await.is_err());
        }
        assert_eq!(
            provider.asked("/.well-known/openid-configuration").len(),
            1,
            "{which}: it isn't asked for each who comes"
        );
        assert!(party.sign_out_url().await.is_none());
    }
}

#[tokio::test]
async fn a_word_of_a_sessions_end_is_checked_like_a_token_and_is_none_of_the_other_kind() {
    let provider = FakeProvider::start().await;
    let party = party(&provider);
    let now = chrono::Utc::now().timestamp();
    let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let good = json!({
        "iss": provider.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "j1", "sid": "s1", "sub": "a1", "events": events,
    });
    let told = party.logged_out(&provider.sign(&good)).await.expect("believed");
    assert_eq!(
        (told.session.as_deref(), told.subject.as_deref(), told.once.0.as_str()),
        (Some("s1"), Some("a1"), "j1")
    );
    let changed = |changes: &[(&str, Option<Value>)]| {
        let mut claims = good.clone();
        for (name, value) in changes {
            match value {
                Some(value) => claims[name] = value.clone(),
                None => drop(claims.as_object_mut().expect("claims").remove(*name)),
            }
        }
        claims
    };
    party.logged_out(&provider.sign(&changed(&[("sid", None)]))).await.expect("all of somebody's");
    for (which, claims) in [
        ("a nonce", changed(&[("nonce", Some(json!("n")))])),
        ("no events", changed(&[("events", None)])),
        ("other events", changed(&[("events", Some(json!({ "x": {} })))])),
        ("no jti", changed(&[("jti", None)])),
        ("old", changed(&[("iat", Some(json!(now - 400)))])),
        ("run out", changed(&[("exp", Some(json!(now - 61)))])),
        ("no iat", changed(&[("iat", None)])),
        ("whose", changed(&[("sid", None), ("sub", None)])),
        ("aud", changed(&[("aud", Some(json!("another")))])),
        ("no aud", changed(&[("aud", None)])),
        ("iss", changed(&[("iss", Some(json!("https://evil.example")))])),
    ] {
        let told = party.logged_out(&provider.sign(&claims)).await;
        assert!(matches!(told, Err(OidcError::Unbelievable(_))), "{which}: {told:?}");
    }
    let forged = signed(&key(2), Algorithm::EdDSA, Some("one"), &good);
    for token in [forged, unsigned(&json!({ "alg": "none" }), &good, ""), String::new()] {
        assert!(matches!(party.logged_out(&token).await, Err(OidcError::Unbelievable(_))));
    }
    let start = party.start("", SignIn::Any).await.expect("begun");
    let id_token = provider.sign(&provider.claims(&start.url, "a1", &known()));
    assert!(party.logged_out(&id_token).await.is_err(), "an ID token ends nothing");
    assert!(finish(&provider, &party, |_| provider.sign(&good)).await.is_err(), "and a logout token begins nothing");
}
