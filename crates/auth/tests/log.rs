//! What the log says of sign-ins. A program of its own: whether a line is wanted is remembered by the process, so other
//! tests, which listen to nothing, would decide it for this one.

use auth::{
    Anew, AuthError, NewAccount, Service, Shown,
    testing::{Authenticator, code_of_now, next_code},
};
use domain::Role;
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};
use store::{UserChanges, testing::TestDatabase};

const IP: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
const PASSWORD: &str = "correct horse";
/// One test listens at a time.
static LISTENS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The log of the thread that holds it.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_disabled_accounts_right_password_is_refused_and_the_log_says_so() {
    let _alone = LISTENS.lock().await;
    let database = TestDatabase::sqlite().await;
    let service = Service::new(database.store.clone()).await.expect("the service");
    let account =
        |email: &str| NewAccount { email: email.into(), password: PASSWORD.into(), role: Role::Admin, quota: 0 };
    service.create_user(account("root@example.org"), None, None).await.expect("an administrator");
    let ada = service.create_user(account("ada@example.org"), None, None).await.expect("another").id;
    let disabled = UserChanges { disabled: Some(true), ..UserChanges::default() };
    service.update_user(None, ada, disabled, None).await.expect("disabled");

    let written = Written::default();
    let into = written.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || into.clone()).finish();
    let listening = tracing::subscriber::set_default(log);
    let refused = service.sign_in("ada@example.org", PASSWORD.into(), IP).await;
    drop(listening);

    assert!(matches!(refused, Err(AuthError::Disabled)), "who knows the password is told: {refused:?}");
    let lines = String::from_utf8(written.0.lock().expect("whole").clone()).expect("text");
    assert!(lines.contains("a sign-in failed") && lines.contains("account disabled"), "{lines}");
    assert!(lines.contains(&ada.to_string()) && lines.contains("127.0.0.1"), "{lines}");
    assert!(!lines.contains("ada@example.org") && !lines.contains("horse"), "{lines}");
    let newest = database.store.activity(None, None, 1).await.expect("the activity log").data.remove(0);
    assert_eq!((newest.action.as_str(), newest.ip_address), ("sign_in_failed", IP));
    assert_eq!(newest.details["reason"], "account disabled");
}

/// Not at the level that says everything, nor in what the service gives back.
#[tokio::test]
async fn no_secret_of_a_second_factor_is_written() {
    let _alone = LISTENS.lock().await;
    let database = TestDatabase::sqlite().await;
    let service = Service::new(database.store.clone()).await.expect("the service");
    let account =
        NewAccount { email: "ada@example.org".into(), password: PASSWORD.into(), role: Role::Admin, quota: 0 };
    service.create_user(account, None, None).await.expect("an account");
    let ada = service.start_cookie_session("ada@example.org", PASSWORD.into(), IP).await.expect("signed in").identity;

    let written = Written::default();
    let into = written.clone();
    let log =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || into.clone()).finish();
    let listening = tracing::subscriber::set_default(log);
    let offer = service.offer_totp(&ada).await.expect("a secret");
    let first = code_of_now(offer.secret.expose());
    let codes = service.enrol_totp(&ada, &first, IP).await.expect("enrolled");
    let mut device = Authenticator::new("http://localhost:8080");
    let asked = service.offer_passkey(&ada).await.expect("a challenge");
    let made = device.make(&asked);
    service.enrol_passkey(&ada, "phone", &made, IP).await.expect("enrolled");
    let needed = service.sign_in("ada@example.org", PASSWORD.into(), IP).await;
    let Err(AuthError::SecondFactorNeeded(pending)) = &needed else { panic!("{needed:?}") };
    let wrong = service.finish_sign_in(pending.token.expose(), Shown::Code("wrong-code-typed".to_owned()), IP).await;
    let second = next_code(offer.secret.expose());
    let code = Shown::Code(second.clone());
    let shown = format!("{offer:?} {codes:?} {made:?} {needed:?} {wrong:?} {code:?} {asked:?}");
    let tokens = service.finish_sign_in(pending.token.expose(), code, IP).await.expect("signed in");
    let replayed = service.sign_in_with_passkey(&made, IP).await;
    let anew = Anew::Factor(Shown::Code(codes[0].expose().to_owned()));
    let shown = format!("{shown} {anew:?} {tokens:?} {replayed:?}");
    service.prove(&ada, anew, IP).await.expect("proved");
    drop(listening);

    let lines = String::from_utf8_lossy(&written.0.lock().expect("whole")).into_owned();
    assert!(lines.contains("wrong second factor") && lines.contains(&ada.user_id().to_string()), "{lines}");
    let log = database.store.activity(None, None, 50).await.expect("the log");
    let all = format!("{lines} {shown} {log:?}");
    let credential: serde_json::Value = serde_json::from_str(&made.credential).expect("JSON");
    // Six digits may stand in any time of day: what was typed wrong stands for them.
    let secrets = [
        offer.secret.expose(),
        codes[0].expose(),
        codes[1].expose(),
        pending.token.expose(),
        tokens.refresh_token.expose(),
        "wrong-code-typed",
        asked.token.expose(),
        credential["response"]["attestationObject"].as_str().expect("text"),
    ];
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}
