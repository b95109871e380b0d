//! Signing in by a provider of identity, as a browser does it; with a provider that says whatever a test wants.

use super::{
    Site, Visitor,
    factors::{cookies, enrol},
    text_header,
};
use auth::testing::next_code;
use domain::Role;
use oidc::{
    Config, RelyingParty,
    testing::{CLIENT, FakeProvider, Reply, parameter},
};
use request::{Onward, SingleSignOn};
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;

const LAB: &str = "https://lab.example.org";
const OTHER: &str = "https://lab.example.org:3000";

async fn site(provider: &FakeProvider, change: impl FnOnce(Config) -> Config) -> Site {
    let config = Config {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret: None,
        scopes: "openid email".to_owned(),
        label: "Example <University>".to_owned(),
        public_url: LAB.to_owned(),
        rules: "groups staff = operator 480; groups class = student 96".parse().expect("rules"),
        group_rules: oidc::GroupRules::default(),
        email_domains: Vec::new(),
        makes_accounts: true,
        links_accounts: false,
        assumes_auth_time: false,
    };
    let party = RelyingParty::new(change(config).check().expect("settings")).expect("a party");
    let onward = Onward::new(Some(LAB), vec![OTHER.to_owned()]);
    Site::with(|state| state.with_single_sign_on(SingleSignOn::new(party)).with_onward(onward)).await
}

fn known() -> Value {
    json!({ "email": "ada@example.org", "email_verified": true, "groups": ["staff"], "sid": "s1" })
}

/// A sign-in under way: where the browser is sent, and the cookie that it keeps.
async fn begin(visitor: &mut Visitor<'_>, path: &str) -> String {
    let answer = visitor.get(path).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
    let cookie = text_header(&answer, header::SET_COOKIE);
    assert!(
        cookie.starts_with("__Host-tincture_sso=") && cookie.contains("; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    visitor.cookie = cookie.split(';').next().map(str::to_owned);
    text_header(&answer, header::LOCATION)
}

fn back(provider: &FakeProvider, start: &str) -> String {
    let issuer = provider.issuer.replace(':', "%3A").replace('/', "%2F");
    format!("/auth/oidc/callback?code=c&state={}&iss={issuer}", parameter(start, "state"))
}

/// All the way, with these claims.
async fn come(provider: &FakeProvider, visitor: &mut Visitor<'_>, subject: &str, claims: &Value) -> Response {
    let start = begin(visitor, "/auth/oidc/start?next=%2Fexperiments%3Fof%3Dmine").await;
    provider.give(&provider.sign(&provider.claims(&start, subject, claims)));
    visitor.get(&back(provider, &start)).await
}

fn session(answer: &Response) -> Option<String> {
    let cookies = answer.headers().get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let session = cookies.filter_map(|cookie| cookie.strip_prefix("tincture_session=")?.split(';').next());
    session.map(str::to_owned).next()
}

async fn refused(answer: Response, status: StatusCode, says: &str) {
    assert!(session(&answer).is_none(), "nobody is signed in");
    assert_eq!(answer.status(), status);
    let text = answer.text().await.expect("a page");
    assert!(text.contains("role=\"alert\"") && text.contains(says), "{text}");
}

#[tokio::test]
async fn the_button_leads_there_and_back_to_where_somebody_was_going() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut visitor = site.stranger();
    for page in ["/", "/sign-in?next=%2Frobots"] {
        let text = visitor.page(page).await;
        assert!(text.contains("Sign in with Example &#60;University&#62;"), "{text}");
    }
    assert!(
        visitor.page("/sign-in?next=%2Frobots").await.contains("href=\"/auth/oidc/start?next=%2Frobots\"")
            || visitor.page("/sign-in?next=%2Frobots").await.contains("/auth/oidc/start?next=/robots")
    );
    let answer = come(&provider, &mut visitor, "a1", &known()).await;
    assert_eq!(
        (answer.status(), text_header(&answer, header::LOCATION)),
        (StatusCode::SEE_OTHER, "/experiments?of=mine".to_owned())
    );
    let session = session(&answer).expect("signed in");
    let gone = answer.headers().get_all(header::SET_COOKIE).iter().any(|cookie| {
        cookie.to_str().is_ok_and(|cookie| cookie.starts_with("__Host-tincture_sso=; Path=/; Max-Age=0"))
    });
    assert!(gone, "the sign-in is over");
    visitor.cookie = Some(format!("tincture_session={session}"));
    assert_eq!(visitor.get("/robots").await.status(), StatusCode::OK);
    let user = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("an account");
    assert_eq!((user.role, user.quota_remaining), (Role::Operator, 480));

    let out = visitor.post("/sign-out", &[]).await;
    assert_eq!(text_header(&out, header::LOCATION), "/auth/oidc/signed-out");
    let page = visitor.page("/auth/oidc/signed-out").await;
    assert!(page.contains(&format!("{}/out?client_id=lab", provider.issuer)), "{page}");
}

#[tokio::test]
async fn no_way_on_leads_elsewhere_but_to_what_is_named() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    for (next, lands) in [
        ("https%3A%2F%2Fevil.example%2F", "/experiments"),
        ("%2F%2Fevil.example", "/experiments"),
        ("%2F%5Cevil.example", "/experiments"),
        ("https%3A%2F%2Flab.example.org%3A3000%40evil.example%2F", "/experiments"),
        (
            "https%3A%2F%2Flab.example.org%3A3000%2Fd%2F1%3Fa%3Db",
            "/auth/onward?to=https%3A//lab.example.org%3A3000/d/1%3Fa%3Db",
        ),
    ] {
        let mut visitor = site.stranger();
        let start = begin(&mut visitor, &format!("/auth/oidc/start?next={next}")).await;
        provider.give(&provider.sign(&provider.claims(&start, "a1", &known())));
        let answer = visitor.get(&back(&provider, &start)).await;
        assert_eq!(text_header(&answer, header::LOCATION), lands, "{next}");
    }
    let visitor = site.stranger();
    let page = visitor.page("/auth/onward?to=https%3A%2F%2Flab.example.org%3A3000%2Fd%2F1").await;
    assert!(page.contains("content=\"0; url=https://lab.example.org:3000/d/1\""), "{page}");
    assert_eq!(
        text_header(&visitor.get("/auth/onward?to=https%3A%2F%2Fevil.example").await, header::LOCATION),
        "/experiments"
    );
    site.account("bob@example.org", Role::Student, 1).await;
    let answer = visitor
        .post(
            "/sign-in",
            &[
                ("email", "bob@example.org"),
                ("password", super::PASSWORD),
                ("next", "https://lab.example.org:3000/d/1"),
            ],
        )
        .await;
    assert!(
        text_header(&answer, header::LOCATION).starts_with("/auth/onward?to=https%3A//lab.example.org%3A3000"),
        "with a password, too"
    );
}

#[tokio::test]
async fn another_browsers_answer_an_old_one_and_a_used_one_sign_nobody_in() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let (mut mine, mut anothers) = (site.stranger(), site.stranger());
    let start = begin(&mut mine, "/auth/oidc/start").await;
    begin(&mut anothers, "/auth/oidc/start").await;
    provider.give(&provider.sign(&provider.claims(&start, "a1", &known())));
    let answer = back(&provider, &start);
    refused(anothers.get(&answer).await, StatusCode::BAD_REQUEST, "begun in another browser").await;
    refused(site.stranger().get(&answer).await, StatusCode::BAD_REQUEST, "begun in another browser").await;
    refused(mine.get("/auth/oidc/callback?code=c&state=x").await, StatusCode::BAD_REQUEST, "begun in another browser")
        .await;
    refused(mine.get("/auth/oidc/callback").await, StatusCode::BAD_REQUEST, "begun in another browser").await;
    assert!(session(&mine.get(&answer).await).is_some());
    // The browser sends the cookie again, and the provider takes the code again: it is over all the same.
    refused(mine.get(&answer).await, StatusCode::BAD_REQUEST, "used already").await;
    let denied = begin(&mut mine, "/auth/oidc/start").await;
    let denied = back(&provider, &denied).replace("code=c", "error=access_denied&error_description=%3Cscript%3E");
    refused(mine.get(&denied).await, StatusCode::FORBIDDEN, "didn’t let you on").await;
}

#[tokio::test]
async fn an_account_is_nobodys_for_an_address_that_is_not_verified_or_not_handed_over() {
    let provider = FakeProvider::start().await;
    provider.answer("/userinfo", Reply::json(200, &json!({ "sub": "a1" })));
    let strict = site(&provider, |config| config).await;
    let linking = site(&provider, |config| Config { links_accounts: true, ..config }).await;
    let unverified = json!({ "email": "ada@example.org", "email_verified": false, "groups": ["staff"] });
    let unsaid = json!({ "email": "ada@example.org", "groups": ["staff"] });
    for site in [&strict, &linking] {
        site.account("ada@example.org", Role::Student, 5).await;
        for claims in [&unverified, &unsaid] {
            let answer = come(&provider, &mut site.stranger(), "a1", claims).await;
            refused(answer, StatusCode::FORBIDDEN, "no verified e-mail address").await;
        }
    }
    let answer = come(&provider, &mut strict.stranger(), "a1", &known()).await;
    refused(answer, StatusCode::FORBIDDEN, "isn’t tied to this way").await;
    assert!(session(&come(&provider, &mut linking.stranger(), "a1", &known()).await).is_some());
    let nobody = json!({ "email": "eve@example.org", "email_verified": true, "groups": ["chess"] });
    refused(come(&provider, &mut linking.stranger(), "e1", &nobody).await, StatusCode::FORBIDDEN, "in no group").await;
    linking.state.auth.settle().await.expect("written");
    let log = linking.state.store.activity(None, None, 50).await.expect("the log").data;
    let failed: Vec<_> = log.iter().filter(|line| line.action == "sign_in_failed").collect();
    assert!(failed.len() >= 2 && failed.iter().all(|line| line.details["via"] == "provider"), "{failed:?}");
    assert!(!format!("{failed:?}").contains("example.org"), "whose address that was stays there");
}

#[tokio::test]
async fn a_forged_token_signs_nobody_in_and_a_provider_that_is_away_is_said_to_be() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut visitor = site.stranger();
    let start = begin(&mut visitor, "/auth/oidc/start").await;
    let claims = provider.claims(&start, "a1", &known());
    provider.give(&oidc::testing::unsigned(&json!({ "alg": "none" }), &claims, ""));
    refused(visitor.get(&back(&provider, &start)).await, StatusCode::FORBIDDEN, "can’t be believed").await;
    provider.answer("/token", Reply { delay: Duration::from_secs(30), ..Reply::json(200, &json!({})) });
    let start = begin(&mut visitor, "/auth/oidc/start").await;
    refused(
        visitor.get(&back(&provider, &start)).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "doesn’t answer as it should",
    )
    .await;
    let away = FakeProvider::start().await;
    away.answer("/.well-known/openid-configuration", Reply::json(500, &json!({})));
    let site = self::site(&away, |config| config).await;
    let answer = site.stranger().get("/auth/oidc/start").await;
    refused(answer, StatusCode::SERVICE_UNAVAILABLE, "whoever has a password of this lab").await;
    assert!(site.stranger().page("/sign-in").await.contains("Sign in with"));
    assert!(!site.signed_in("bob@example.org", Role::Student, 1).await.page("/experiments").await.is_empty());
}

#[tokio::test]
async fn a_word_of_a_sessions_end_ends_it_and_a_forged_one_does_not() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut visitor = site.stranger();
    let answer = come(&provider, &mut visitor, "a1", &known()).await;
    visitor.cookie = session(&answer).map(|token| format!("tincture_session={token}"));
    let word = json!({
        "iss": provider.issuer, "aud": CLIENT, "iat": chrono::Utc::now().timestamp(), "jti": "j1", "sid": "s1",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let other = site.stranger();
    for forged in [String::new(), oidc::testing::unsigned(&json!({ "alg": "none" }), &word, "")] {
        assert_eq!(
            other.post("/auth/oidc/logout", &[("logout_token", &forged)]).await.status(),
            StatusCode::BAD_REQUEST
        );
    }
    assert_eq!(visitor.get("/experiments").await.status(), StatusCode::OK);
    let word = provider.sign(&word);
    assert_eq!(other.post("/auth/oidc/logout", &[("logout_token", &word)]).await.status(), StatusCode::OK);
    assert_eq!(visitor.get("/experiments").await.status(), StatusCode::SEE_OTHER, "they are out");
    // Told again, it ends nothing that began since.
    let answer = come(&provider, &mut visitor, "a1", &known()).await;
    visitor.cookie = session(&answer).map(|token| format!("tincture_session={token}"));
    assert_eq!(other.post("/auth/oidc/logout", &[("logout_token", &word)]).await.status(), StatusCode::OK);
    assert_eq!(visitor.get("/experiments").await.status(), StatusCode::OK);
}

fn waiting(answer: &Response) -> String {
    assert!(session(answer).is_none(), "the provider's word is not enough");
    assert_eq!(text_header(answer, header::LOCATION), "/sign-in/second?next=/experiments%3Fof%3Dmine");
    let all = cookies(answer);
    let waiting = all.iter().find(|cookie| cookie.starts_with("tincture_pending=")).expect("a cookie");
    waiting.split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn whoever_has_a_second_factor_here_is_asked_for_it_beside_the_providers_word() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut ada = site.stranger();
    let answer = come(&provider, &mut ada, "a1", &known()).await;
    ada.cookie = session(&answer).map(|token| format!("tincture_session={token}"));
    let (secret, _) = enrol(&ada).await;

    // What the provider says is followed, and nobody is in.
    let demoted = json!({ "email": "ada@example.org", "email_verified": true, "groups": ["class"], "sid": "s2" });
    let mut thief = site.stranger();
    thief.cookie = Some(waiting(&come(&provider, &mut thief, "a1", &demoted).await));
    let user = site.state.store.user_by_email("ada@example.org").await.expect("an answer").expect("an account");
    assert_eq!(user.role, Role::Student);
    for path in ["/experiments", "/account/second-factor"] {
        assert_eq!(thief.get(path).await.status(), StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(thief.post("/sign-in/second", &[("code", "000000")]).await.status(), StatusCode::UNAUTHORIZED);

    // With the factor it is a session of the provider's, which ends with it there.
    let now = [("code", next_code(&secret)), ("next", "/experiments".to_owned())];
    let now: Vec<(&str, &str)> = now.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let right = thief.post("/sign-in/second", &now).await;
    assert_eq!(text_header(&right, header::LOCATION), "/experiments");
    thief.cookie = session(&right).map(|token| format!("tincture_session={token}"));
    assert_eq!(thief.get("/experiments").await.status(), StatusCode::OK);
    let ended = |jti: &str| {
        provider.sign(&json!({
            "iss": provider.issuer, "aud": CLIENT, "iat": chrono::Utc::now().timestamp(), "jti": jti, "sid": "s2",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        }))
    };
    let other = site.stranger();
    assert_eq!(other.post("/auth/oidc/logout", &[("logout_token", &ended("j1"))]).await.status(), StatusCode::OK);
    assert_eq!(thief.get("/experiments").await.status(), StatusCode::SEE_OTHER, "they are out");

    // One that waits ends, too.
    let mut late = site.stranger();
    late.cookie = Some(waiting(&come(&provider, &mut late, "a1", &demoted).await));
    assert_eq!(late.get("/sign-in/second").await.status(), StatusCode::OK);
    assert_eq!(other.post("/auth/oidc/logout", &[("logout_token", &ended("j2"))]).await.status(), StatusCode::OK);
    assert_eq!(text_header(&late.get("/sign-in/second").await, header::LOCATION), "/sign-in");
}

#[tokio::test]
async fn a_lab_without_a_provider_has_no_such_pages() {
    let site = Site::open().await;
    let visitor = site.stranger();
    for path in ["/auth/oidc/start", "/auth/oidc/callback?code=c&state=x", "/auth/oidc/signed-out"] {
        assert_eq!(visitor.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!visitor.page("/sign-in").await.contains("/auth/oidc"));
}

#[tokio::test]
async fn whoever_has_nothing_to_prove_with_is_told_how_to_go_on() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut ada = site.stranger();
    let answer = come(&provider, &mut ada, "a1", &known()).await;
    ada.cookie = session(&answer).map(|token| format!("tincture_session={token}"));
    site.state.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
    let asked = ada.post("/account/second-factor/app", &[]).await;
    assert_eq!(asked.status(), StatusCode::FORBIDDEN);
    let page = asked.text().await.expect("a page");
    assert!(page.contains("You have no password and no second factor in this lab"), "{page}");
    assert!(page.contains(CONFIRM_THERE) && !page.contains("proof-"), "{page}");
}

/// The way to the provider that asks anew, on the page that wants a fresh proof.
const CONFIRM_THERE: &str = "href=\"/auth/oidc/start?anew=yes&#38;next=/account\"";

#[tokio::test]
async fn whoever_was_signed_in_there_already_proves_nothing_by_coming_from_there() {
    let provider = FakeProvider::start().await;
    let site = site(&provider, |config| config).await;
    let mut ada = site.stranger();
    let mut an_hour_ago = known();
    an_hour_ago["auth_time"] = json!(chrono::Utc::now().timestamp() - 3_600);
    let signed_in = |answer: &Response| session(answer).map(|token| format!("tincture_session={token}"));
    ada.cookie = signed_in(&come(&provider, &mut ada, "a1", &an_hour_ago).await);
    let asked = ada.post("/account/second-factor/app", &[]).await;
    assert_eq!(asked.status(), StatusCode::FORBIDDEN);
    assert!(asked.text().await.expect("a page").contains(CONFIRM_THERE));

    let anew = "/auth/oidc/start?anew=yes&next=%2Faccount";
    let start = begin(&mut ada, anew).await;
    assert_eq!((parameter(&start, "max_age").as_str(), parameter(&start, "prompt").as_str()), ("0", "login"));
    provider.give(&provider.sign(&provider.claims(&start, "a1", &an_hour_ago)));
    refused(ada.get(&back(&provider, &start)).await, StatusCode::FORBIDDEN, "should have asked who you are").await;
    let start = begin(&mut ada, anew).await;
    provider.give(&provider.sign(&provider.claims(&start, "a1", &known())));
    let answer = ada.get(&back(&provider, &start)).await;
    assert_eq!(text_header(&answer, header::LOCATION), "/account");
    ada.cookie = signed_in(&answer);
    assert_eq!(ada.post("/account/second-factor/app", &[]).await.status(), StatusCode::OK);
}
