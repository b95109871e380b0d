//! What the log says of sign-ins. A program of its own: whether a line is wanted is remembered by the process, so other
//! tests, which listen to nothing, would decide it for this one.

use auth::{AuthError, NewAccount, Service};
use domain::Role;
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
};
use store::{UserChanges, testing::TestDatabase};

const IP: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
const PASSWORD: &str = "correct horse";

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
}
