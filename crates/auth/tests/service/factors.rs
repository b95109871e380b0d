//! Second factors: an app, recovery codes and passkeys; the second step, a sign-in with a passkey alone, and fresh proofs.

use super::{IP, PASSWORD, identity, with_ada};
use auth::{
    Anew, AuthError, Credential, Identity, PROOF_LIFE, PasskeyAnswer, PendingSignIn, RECOVERY_CODES, RelyingParty,
    Secret, Service, Shown,
    testing::{Authenticator, code_of_now, next_code},
};
use chrono::{TimeDelta, Utc};
use domain::{Permission, Role};
use store::{StoreError, UserChanges, testing::TestDatabase};

const ORIGIN: &str = "http://localhost:8080";

/// What the app shows next, which is good once.
fn next(secret: &str) -> Shown {
    Shown::Code(next_code(secret))
}

/// An app for somebody; its secret, the code that was used, and the recovery codes.
async fn enrolled(service: &Service, who: &Identity) -> (String, Shown, Vec<Secret>) {
    let secret = service.offer_totp(who).await.expect("a secret").secret.expose().to_owned();
    let code = code_of_now(&secret);
    let codes = service.enrol_totp(who, &code, IP).await.expect("enrolled");
    (secret, Shown::Code(code), codes)
}

async fn with_passkey(service: &Service, who: &Identity) -> Authenticator {
    let mut device = Authenticator::new(ORIGIN);
    let answer = device.make(&service.offer_passkey(who).await.expect("a challenge"));
    service.enrol_passkey(who, "phone", &answer, IP).await.expect("enrolled");
    device
}

async fn pending(service: &Service) -> PendingSignIn {
    match service.sign_in("ada@example.org", PASSWORD.into(), IP).await {
        Err(AuthError::SecondFactorNeeded(pending)) => *pending,
        other => panic!("a second factor is needed: {other:?}"),
    }
}

async fn shown(service: &Service, device: &mut Authenticator) -> PasskeyAnswer {
    device.show(&service.ask_for_passkey().await.expect("a challenge"))
}

fn is_refused<T: std::fmt::Debug>(outcome: Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::FactorRefused))
}

#[tokio::test]
async fn a_password_alone_signs_nobody_in_who_has_an_app() {
    let (database, service) = with_ada().await;
    let before = identity(&service).await;
    let elsewhere = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let (secret, set_up_with, codes) = enrolled(&service, &before).await;
    assert_eq!(codes.len(), RECOVERY_CODES);
    assert!(
        service.authenticate(elsewhere.access_token.expose()).await.is_err(),
        "what began with the password alone ends"
    );

    let waiting = pending(&service).await;
    assert!(waiting.ways.totp && !waiting.ways.passkey);
    let pages = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await;
    assert!(matches!(pages, Err(AuthError::SecondFactorNeeded(_))));
    let token = waiting.token.expose();
    assert!(service.by_cookie(token).await.is_err() && service.authenticate(token).await.is_err(), "it opens nothing");
    assert!(service.refresh(token, IP).await.is_err());

    assert!(is_refused(service.finish_sign_in(token, set_up_with, IP).await), "that code is used");
    let good_once = next(&secret);
    let tokens = service.finish_sign_in(token, good_once.clone(), IP).await.expect("signed in");
    let ada = service.authenticate(tokens.access_token.expose()).await.expect("her");
    assert!(ada.proof.expect("a proof").has_second_factor());
    let again = service.finish_sign_in(token, next(&secret), IP).await;
    assert!(matches!(again, Err(AuthError::SignInOver)), "it is good for one session");
    assert!(is_refused(service.finish_sign_in(pending(&service).await.token.expose(), good_once, IP).await));
    // As if a step had passed.
    database.store.run_sql("UPDATE second_factors SET totp_step = totp_step - 1").await;
    service.finish_sign_in(pending(&service).await.token.expose(), next(&secret), IP).await.expect("the next");
    let renewed = service.refresh(tokens.refresh_token.expose(), IP).await.expect("renewed");
    let ada = service.authenticate(renewed.access_token.expose()).await.expect("her");
    assert!(ada.proof.expect("a proof").has_second_factor(), "a family of tokens keeps how it was proved");
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_new_ones_replace_all() {
    let (_database, service) = with_ada().await;
    let ada = identity(&service).await;
    let (.., codes) = enrolled(&service, &ada).await;
    let use_up = async |code: &Secret| {
        let waiting = pending(&service).await;
        service.finish_cookie_sign_in(waiting.token.expose(), Shown::Code(code.expose().to_uppercase()), IP).await
    };
    use_up(&codes[0]).await.expect("signed in");
    assert!(is_refused(use_up(&codes[0]).await));
    assert_eq!(service.factors(ada.user_id()).await.expect("factors").recovery_codes, 9);
    let new = service.renew_recovery_codes(&ada, IP).await.expect("new ones");
    assert!(is_refused(use_up(&codes[1]).await));
    use_up(&new[0]).await.expect("signed in");
}

/// By however many sign-ins and processes at once: each try is counted before it is looked at.
#[tokio::test]
async fn codes_are_not_guessed() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let (secret, _, codes) = enrolled(&service, &ada).await;
    let elsewhere = Service::new(database.another().await).await.expect("another process");
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..24 {
        let process = if n % 2 == 0 { service.clone() } else { elsewhere.clone() };
        let waiting = pending(&service).await;
        tries.spawn(async move {
            process.finish_sign_in(waiting.token.expose(), Shown::Code("000000".to_owned()), IP).await
        });
    }
    let outcomes = tries.join_all().await;
    let looked_at = outcomes.iter().filter(|outcome| matches!(outcome, Err(AuthError::FactorRefused))).count();
    assert_eq!(looked_at, 5, "the fifth wrong one in a row begins the waiting: {outcomes:?}");
    // The right one isn't taken meanwhile either, here or there, whatever it comes with.
    for process in [&service, &elsewhere] {
        let waiting = pending(process).await;
        for shown in [next(&secret), Shown::Code(codes[0].expose().to_owned())] {
            let refused = process.finish_sign_in(waiting.token.expose(), shown, IP).await;
            assert!(matches!(refused, Err(AuthError::Throttled(_))), "{refused:?}");
        }
    }
    let anew = service.prove(&ada, Anew::Factor(next(&secret)), IP).await;
    assert!(matches!(anew, Err(AuthError::Throttled(_))));
    database.store.run_sql("UPDATE second_factors SET blocked_until = '2026-01-01T00:00:00+00:00'").await;
    let waiting = pending(&service).await;
    service.finish_sign_in(waiting.token.expose(), next(&secret), IP).await.expect("when the wait is over");
    let log = database.store.activity(Some(ada.user_id()), None, 50).await.expect("the log").data;
    assert_eq!(log.iter().filter(|line| line.action == "second_factor_failed").count(), 5, "she sees it");
}

#[tokio::test]
async fn a_sign_in_that_waits_is_over_after_five_wrong_codes_a_while_a_new_password_or_five_others() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let (_, _, codes) = enrolled(&service, &ada).await;
    let recovery = |n: usize| Shown::Code(codes[n].expose().to_owned());
    let never_blocked = async || {
        database.store.run_sql("UPDATE second_factors SET failures = 0, blocked_until = NULL").await;
    };
    let waiting = pending(&service).await;
    for _ in 0..5 {
        assert!(is_refused(
            service.finish_sign_in(waiting.token.expose(), Shown::Code("nonsense".to_owned()), IP).await
        ));
        never_blocked().await;
    }
    let over = async |waiting: &PendingSignIn| {
        never_blocked().await;
        matches!(service.finish_sign_in(waiting.token.expose(), recovery(0), IP).await, Err(AuthError::SignInOver))
    };
    assert!(over(&waiting).await, "five wrong codes");
    let first = pending(&service).await;
    for _ in 0..5 {
        pending(&service).await;
    }
    assert!(over(&first).await, "five others");
    let late = pending(&service).await;
    database.store.run_sql("UPDATE pending_sign_ins SET expires_at = '2026-01-01T00:00:00+00:00'").await;
    assert!(over(&late).await && service.pending(late.token.expose()).await.is_err(), "a while");
    let before = pending(&service).await;
    service.reset_password(ada.user_id(), PASSWORD.into()).await.expect("changed");
    assert!(over(&before).await, "a new password");
    let disabled = pending(&service).await;
    let other =
        auth::NewAccount { email: "b@example.org".into(), password: PASSWORD.into(), role: Role::Admin, quota: 0 };
    service.create_user(other, None, None).await.expect("another administrator");
    let disable = UserChanges { disabled: Some(true), ..UserChanges::default() };
    service.update_user(None, ada.user_id(), disable, None).await.expect("disabled");
    assert!(over(&disabled).await, "a disabled account");
}

#[tokio::test]
async fn a_passkey_signs_in_by_itself_and_as_a_second_step() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let mut device = with_passkey(&service, &ada).await;
    // In another process than the one that asked.
    let elsewhere = Service::new(database.another().await).await.expect("another process");
    let answer = shown(&service, &mut device).await;
    let tokens = elsewhere.sign_in_with_passkey(&answer, IP).await.expect("signed in");
    let her = service.authenticate(tokens.access_token.expose()).await.expect("her");
    assert!(her.user_id() == ada.user_id() && her.proof.expect("a proof").has_second_factor());

    let waiting = pending(&service).await;
    assert!(waiting.ways.passkey && !waiting.ways.totp);
    let answer = shown(&service, &mut device).await;
    service.finish_cookie_sign_in(waiting.token.expose(), Shown::Passkey(answer), IP).await.expect("signed in");
    let kept = service.factors(ada.user_id()).await.expect("factors").passkeys;
    assert!(kept.len() == 1 && kept[0].name == "phone" && kept[0].last_used_at.is_some());
}

#[tokio::test]
async fn an_answer_is_good_once_and_for_our_own_challenge_site_and_page() {
    let (_database, service) = with_ada().await;
    let ada = identity(&service).await;
    let mut device = with_passkey(&service, &ada).await;
    let answer = shown(&service, &mut device).await;
    service.sign_in_with_passkey(&answer, IP).await.expect("signed in");
    assert!(is_refused(service.sign_in_with_passkey(&answer, IP).await), "a replayed answer");
    let waiting = pending(&service).await;
    assert!(is_refused(service.finish_sign_in(waiting.token.expose(), Shown::Passkey(answer), IP).await));

    device.origin = "http://localhost:9999".to_owned();
    assert!(is_refused(service.sign_in_with_passkey(&shown(&service, &mut device).await, IP).await), "another page");
    device.origin = ORIGIN.to_owned();
    let party = RelyingParty::at("https://lab.example.org").expect("a site");
    let other = service.clone().with_relying_party(party);
    assert!(is_refused(other.sign_in_with_passkey(&shown(&other, &mut device).await, IP).await), "another site");
    // Challenges of another lab, of another purpose, and none of anybody's.
    let (_elsewhere, stranger) = with_ada().await;
    assert!(is_refused(service.sign_in_with_passkey(&shown(&stranger, &mut device).await, IP).await));
    let asked = service.offer_passkey(&ada).await.expect("a challenge");
    let mut swapped = shown(&service, &mut device).await;
    swapped.challenge = asked.token.expose().to_owned();
    assert!(is_refused(service.sign_in_with_passkey(&swapped, IP).await));
    let two = [shown(&service, &mut device).await, shown(&service, &mut device).await];
    let crossed = PasskeyAnswer { challenge: two[0].challenge.clone(), credential: two[1].credential.clone() };
    assert!(is_refused(service.sign_in_with_passkey(&crossed, IP).await), "the answer to another challenge");
    for credential in ["", "{}", "null", "[1]", &"x".repeat(100_000)] {
        let junk = PasskeyAnswer { challenge: two[0].challenge.clone(), credential: credential.to_owned() };
        assert!(is_refused(service.sign_in_with_passkey(&junk, IP).await), "{credential:.20}");
    }
    let mut unknown = Authenticator::new(ORIGIN);
    unknown.make(&asked);
    assert!(is_refused(service.sign_in_with_passkey(&shown(&service, &mut unknown).await, IP).await), "an unknown key");
    service.sign_in_with_passkey(&two[0], IP).await.expect("and hers is still good");
}

#[tokio::test]
async fn a_counter_that_goes_back_is_a_copy() {
    let (_database, service) = with_ada().await;
    let mut device = with_passkey(&service, &identity(&service).await).await;
    for counter in [0, 0, 5] {
        device.counter = counter;
        service.sign_in_with_passkey(&shown(&service, &mut device).await, IP).await.expect("signed in");
    }
    for counter in [5, 4, 0] {
        device.counter = counter;
        assert!(is_refused(service.sign_in_with_passkey(&shown(&service, &mut device).await, IP).await), "{counter}");
    }
    device.counter = 6;
    service.sign_in_with_passkey(&shown(&service, &mut device).await, IP).await.expect("the true one goes on");
}

#[tokio::test]
async fn a_passkey_is_its_owners_and_opens_nothing_when_it_is_removed() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    let account =
        auth::NewAccount { email: "eve@example.org".into(), password: PASSWORD.into(), role: Role::Student, quota: 0 };
    service.create_user(account, None, None).await.expect("an account");
    let eve = service.start_cookie_session("eve@example.org", PASSWORD.into(), IP).await.expect("signed in").identity;
    let mut evil = with_passkey(&service, &eve).await;
    with_passkey(&service, &ada).await;
    let waiting = pending(&service).await;
    let answer = shown(&service, &mut evil).await;
    assert!(
        is_refused(service.finish_sign_in(waiting.token.expose(), Shown::Passkey(answer), IP).await),
        "Eve's isn't Ada's"
    );
    let answer = shown(&service, &mut evil).await;
    assert!(is_refused(service.prove(&ada, Anew::Factor(Shown::Passkey(answer)), IP).await));
    // Made for Eve, brought by Ada.
    let mut device = Authenticator::new(ORIGIN);
    let answer = device.make(&service.offer_passkey(&eve).await.expect("a challenge"));
    assert!(is_refused(service.enrol_passkey(&ada, "phone", &answer, IP).await));
    let made = service.enrol_passkey(&eve, "tablet", &answer, IP).await;
    assert!(made.expect("enrolled").1.is_empty(), "she has recovery codes already");
    let again = service.enrol_passkey(&eve, "tablet", &answer, IP).await;
    assert!(is_refused(again), "a challenge is answered once");

    let key = service.factors(eve.user_id()).await.expect("factors").passkeys.remove(0);
    assert!(matches!(service.remove_passkey(&ada, key.id, IP).await, Err(AuthError::NoSuchFactor)), "it isn't hers");
    service.remove_passkey(&eve, key.id, IP).await.expect("removed");
    let answer = shown(&service, &mut evil).await;
    assert!(is_refused(service.sign_in_with_passkey(&answer, IP).await), "a removed key");
    let acts = database.store.activity(Some(eve.user_id()), None, 50).await.expect("the log").data;
    let acts: Vec<_> =
        acts.iter().map(|line| line.action.as_str()).filter(|act| act.starts_with("second_factor_")).collect();
    assert_eq!(acts, ["second_factor_removed", "second_factor_added", "second_factor_added"]);
}

#[tokio::test]
async fn whose_role_needs_one_does_nothing_without_and_keeps_the_last() {
    let (_database, service) = with_ada().await;
    let service = service.with_second_factor_required([Role::Admin]);
    let tokens = service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let ada = service.authenticate(tokens.access_token.expose()).await.expect("her");
    for &permission in Permission::ALL {
        let leads_there = matches!(permission, Permission::ManageFactors | Permission::ProveOneself);
        assert_eq!(ada.check_proof(permission, false, Utc::now()).is_ok(), leads_there, "{permission:?}");
    }
    let (..) = enrolled(&service, &ada).await;
    let ada = service.authenticate(tokens.access_token.expose()).await.expect("the same session");
    ada.check_proof(Permission::Administer, true, Utc::now()).expect("she may now");
    assert!(matches!(service.remove_totp(&ada, IP).await, Err(AuthError::LastFactor)));
    with_passkey(&service, &ada).await;
    service.remove_totp(&ada, IP).await.expect("a passkey is left");
    let key = service.factors(ada.user_id()).await.expect("factors").passkeys.remove(0);
    assert!(matches!(service.remove_passkey(&ada, key.id, IP).await, Err(AuthError::LastFactor)));
    let free = service.clone().with_second_factor_required([]);
    free.remove_passkey(&ada, key.id, IP).await.expect("where no role needs one");
    let left = service.factors(ada.user_id()).await.expect("factors");
    assert!(left.is_none() && left.recovery_codes == 0, "recovery codes stand in for nothing then");
    service
        .sign_in("ada@example.org", PASSWORD.into(), IP)
        .await
        .expect("with the password alone, for nothing but this");
}

#[tokio::test]
async fn a_proof_grows_old_and_is_made_anew() {
    let (database, service) = with_ada().await;
    let session = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await.expect("signed in");
    let (secret, _, codes) = enrolled(&service, &session.identity).await;
    let code = next(&secret);
    let who = async || service.by_cookie(session.token.expose()).await.expect("her");
    let soon = Utc::now() + PROOF_LIFE + TimeDelta::seconds(5);
    let fresh = |ada: &Identity, at| ada.check_proof(Permission::Administer, true, at).is_ok();
    let ada = who().await;
    assert!(fresh(&ada, Utc::now()) && !fresh(&ada, soon));
    for &permission in Permission::ALL {
        assert!(ada.check_proof(permission, false, soon).is_ok(), "looking never asks: {permission:?}");
    }
    ada.check_proof(Permission::Operate, true, soon).expect("stopping a robot never asks");
    ada.check_proof(Permission::SteerExperiments, true, soon).expect("nor cancelling");

    let mut device = with_passkey(&service, &ada).await;
    let answer = shown(&service, &mut device).await;
    for anew in [
        Anew::Password(PASSWORD.into()),
        Anew::Factor(code.clone()),
        Anew::Factor(Shown::Code(codes[0].expose().to_owned())),
        Anew::Factor(Shown::Passkey(answer.clone())),
    ] {
        database.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
        assert!(!fresh(&who().await, Utc::now()));
        service.prove(&who().await, anew, IP).await.expect("proved");
        assert!(fresh(&who().await, Utc::now()));
    }
    database.store.run_sql("UPDATE sessions SET auth_time = '2026-01-01T00:00:00+00:00'").await;
    let ada = who().await;
    assert!(matches!(
        service.prove(&ada, Anew::Password("wrong horse".into()), IP).await,
        Err(AuthError::SignInFailed)
    ));
    for used in [code, Shown::Code(codes[0].expose().to_owned()), Shown::Passkey(answer)] {
        assert!(is_refused(service.prove(&ada, Anew::Factor(used), IP).await));
    }
    assert!(!fresh(&who().await, Utc::now()));
}

#[tokio::test]
async fn whoever_lost_them_is_helped_by_an_administrator_and_sees_it() {
    let (database, service) = with_ada().await;
    let account =
        auth::NewAccount { email: "bob@example.org".into(), password: PASSWORD.into(), role: Role::Student, quota: 0 };
    let bob = service.create_user(account, None, None).await.expect("an account");
    let session = service.start_cookie_session("bob@example.org", PASSWORD.into(), IP).await.expect("signed in");
    enrolled(&service, &session.identity).await;
    let mut device = with_passkey(&service, &session.identity).await;
    let ada = identity(&service).await;
    service.reset_factors(bob.id, Some(&ada), IP).await.expect("reset");
    assert!(service.by_cookie(session.token.expose()).await.is_err(), "he is signed out");
    assert!(is_refused(service.sign_in_with_passkey(&shown(&service, &mut device).await, IP).await));
    service.sign_in("bob@example.org", PASSWORD.into(), IP).await.expect("with the password");
    let line = |of| async move {
        let log = service_log(of).await;
        log.into_iter().find(|line| line.starts_with("second_factor_"))
    };
    async fn service_log((database, user): (&TestDatabase, domain::UserId)) -> Vec<String> {
        let log = database.store.activity(Some(user), None, 50).await.expect("the log").data;
        log.into_iter().map(|line| line.action).collect()
    }
    assert_eq!(line((&database, ada.user_id())).await.as_deref(), Some("second_factor_reset"));
    assert_eq!(line((&database, bob.id)).await.as_deref(), Some("second_factor_was_reset"));
    let herself = service.reset_factors(ada.user_id(), Some(&ada), IP).await;
    assert!(matches!(herself, Err(AuthError::OwnFactors)));
    let nobody = service.reset_factors(domain::UserId::new(), None, None).await;
    assert!(matches!(nobody, Err(AuthError::NoSuchUser)));
}

#[tokio::test]
async fn a_second_app_is_not_offered_over_the_first_and_a_wrong_code_sets_up_none() {
    let (database, service) = with_ada().await;
    let ada = identity(&service).await;
    assert!(is_refused(service.enrol_totp(&ada, "123456", IP).await), "nothing was offered");
    let first = service.offer_totp(&ada).await.expect("a secret");
    let second = service.offer_totp(&ada).await.expect("another");
    let code = |offer: &auth::OfferedTotp| code_of_now(offer.secret.expose());
    assert!(is_refused(service.enrol_totp(&ada, &code(&first), IP).await), "the second one counts");
    service.sign_in("ada@example.org", PASSWORD.into(), IP).await.expect("nothing is set up yet");
    service.enrol_totp(&ada, &code(&second), IP).await.expect("enrolled");
    assert!(matches!(service.offer_totp(&ada).await, Err(AuthError::FactorExists)));
    let user = service.authenticate("no token").await;
    assert!(user.is_err());
    assert!(matches!(ada.shown, Credential::Session(_)));
    let twice = database.store.offer_totp(ada.user_id(), "ANOTHER").await;
    assert!(matches!(twice, Err(StoreError::FactorExists)));
    assert!(!format!("{first:?} {:?}", pending(&service).await).contains(first.secret.expose()));
}
