//! Mail, to a real server (PyPI's aiosmtpd): neither lost nor waited for, encrypted, and what can't be sent is seen.

use crate::{
    client::Client,
    process::{ADMIN, Lab, run, tincture},
};
use free_port::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(60);
const NEXT: &str = "three odd words";

/// A server, and what it took. Killed when dropped.
pub struct MailServer {
    directory: TempDir,
    port: u16,
    child: Option<Child>,
}

impl MailServer {
    /// One that isn't there yet: its port is free.
    fn absent() -> Self {
        let port = free_port();
        Self { directory: tempfile::tempdir().expect("a directory"), port, child: None }
    }

    fn start(&mut self, arguments: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let python = target.join("mail-venv/bin/python");
        assert!(
            python.exists(),
            "there is no mail server to test against at {}: run scripts/test.sh once, or make it with `python3 -m venv \
             target/mail-venv && target/mail-venv/bin/pip install -r tests/mail/requirements.txt`",
            python.display()
        );
        let mut command = Command::new(python);
        command.arg(root.join("tests/mail/server.py")).arg(self.directory.path()).arg(self.port.to_string());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let lines = crate::process::lines_of(child.stdout.take().expect("piped"));
        assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok("ready"));
        self.child = Some(child);
    }

    fn url(&self, login: &str) -> String {
        format!("smtp://{login}127.0.0.1:{}", self.port)
    }

    /// The mail of this number, from 1, when it is there.
    pub async fn letter(&self, number: usize) -> Value {
        let path = self.directory.path().join(format!("{number:03}.json"));
        let text = until(|| fs::read_to_string(&path).ok()).await;
        serde_json::from_str(&text).expect("JSON")
    }

    /// One that whoever sends must speak to encrypted, and sign in at; and the settings of a lab that does.
    pub fn encrypted(login: &str, password: &str, encoded: &str) -> (Self, Vec<(&'static str, String)>) {
        let mut server = Self::absent();
        let at = |name: &str| server.directory.path().join(name).display().to_string();
        let (certificate, key) = (at("certificate"), at("key"));
        let ca = certified(server.directory.path());
        server.start(&["--tls", &certificate, &key, "--login", login, password]);
        let mut settings = settings(&server, &format!("{login}:{encoded}@"));
        settings[0].1 = settings[0].1.replace("127.0.0.1", "localhost");
        settings.push(("TINCTURE_SMTP_CA", ca));
        (server, settings)
    }

    fn count(&self) -> usize {
        fs::read_dir(self.directory.path()).expect("the directory").count()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "nothing came in {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn settings(server: &MailServer, login: &str) -> Vec<(&'static str, String)> {
    vec![
        ("TINCTURE_SMTP_URL", server.url(login)),
        ("TINCTURE_MAIL_FROM", "Tincture <lab@example.org>".to_owned()),
        ("TINCTURE_PUBLIC_URL", "https://lab.example.org".to_owned()),
    ]
}

async fn post(address: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer =
        reqwest::Client::new().post(format!("{address}/api/v1{path}")).json(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// The secret of the link in a mail.
fn secret(text: &str) -> String {
    let found = text.split("https://lab.example.org/link/").nth(1).or_else(|| text.split("/link/").nth(1));
    found.and_then(|rest| rest.get(..43)).unwrap_or_else(|| panic!("no link: {text}")).to_owned()
}

/// The server is away, and the lab dies in between.
#[tokio::test]
async fn a_mail_is_neither_lost_nor_waited_for() {
    let mut server = MailServer::absent();
    let mut lab = Lab::up_with(600, settings(&server, ""));
    for email in [ADMIN, "nobody@example.org"] {
        assert_eq!(post(&lab.address, "/auth/forgot", &json!({ "email": email })).await.0, 202, "nobody waits for it");
    }
    for injected in ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org,eve@example.org", "ada@x\0.org"] {
        assert_eq!(post(&lab.address, "/auth/forgot", &json!({ "email": injected })).await.0, 422, "{injected:?}");
    }
    lab.kill();
    lab.start();
    server.start(&[]);
    let letter = server.letter(1).await;
    assert_eq!((&letter["to"], &letter["from"]), (&json!([ADMIN]), &json!("lab@example.org")));
    let text = letter["text"].as_str().expect("text");
    assert!(
        text.contains("\r\nSubject: Choose a new password\r\n") && text.contains("\r\nTo: admin@localhost\r\n"),
        "{text}"
    );
    assert!(!text.contains("Bcc"), "{text}");
    let used = json!({ "secret": secret(text), "password": NEXT });
    let (status, outcome) = post(&lab.address, "/auth/link", &used).await;
    assert_eq!((status, &outcome["outcome"]), (200, &json!("password_set")));
    assert_eq!(post(&lab.address, "/auth/link", &used).await.0, 404, "once");
    let admin = Client::sign_in(&lab.address, ADMIN, NEXT).await;

    // A class: each gets a mail of their own.
    let sheet = "email;name\nada@example.org;\"Ada\r\nBcc: eve@example.org\"\nbob@example.org;Bob\n";
    let (_, imported) = admin.post("/api/v1/users/import", &json!({ "sheet": sheet, "commit": true })).await;
    assert_eq!(imported["lines"][0]["url"], Value::Null, "it is in the mail");
    let (one, two) = (server.letter(2).await, server.letter(3).await);
    let mut to = [one["to"][0].clone(), two["to"][0].clone()];
    to.sort_by_key(ToString::to_string);
    assert_eq!(to, [json!("ada@example.org"), json!("bob@example.org")]);
    let text = one["text"].as_str().expect("text");
    assert!(!text.contains("Bcc") && text.matches("\r\nTo: ").count() == 1, "{text}");
    assert_eq!(server.count(), 3, "nobody who has no account was written to");
}

/// What a server doesn't take is said to administrators, and isn't tried for ever.
#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_given_up_and_seen() {
    let mut server = MailServer::absent();
    server.start(&["--refuse", "550"]);
    let lab = Lab::up_with(600, settings(&server, ""));
    assert_eq!(post(&lab.address, "/auth/forgot", &json!({ "email": ADMIN })).await.0, 202);
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let form = format!("email=admin%40localhost&password={}", crate::process::PASSWORD.replace(' ', "+"));
    let answer = browser
        .post(format!("{}/sign-in", lab.address))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_owned();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page =
            browser.get(format!("{}/users", lab.address)).header("cookie", &cookie).send().await.expect("an answer");
        let page = page.text().await.expect("text");
        if page.contains("It is given up") {
            assert!(page.contains("admin@localhost, about reset") && page.contains("not taken here"), "{page}");
            break;
        }
        assert!(Instant::now() < deadline, "nobody is told: {page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.count(), 0);
}

/// Makes `key` and `certificate` of `localhost` there, signed by a CA, and gives the CA's.
fn certified(directory: &Path) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments);
        let said = run(command);
        assert!(said.status.success(), "{said:?}");
    };
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let (ca, ca_key, request) = (at("ca"), at("ca-key"), at("request"));
    openssl(
        &[&["req", "-x509", "-subj", "/CN=ca", "-days", "2", "-keyout", &ca_key, "-out", &ca], &new_key[..]].concat(),
    );
    openssl(&[&["req", "-subj", "/CN=localhost", "-keyout", &at("key"), "-out", &request], &new_key[..]].concat());
    fs::write(at("names"), "subjectAltName=DNS:localhost").expect("written");
    let signed = ["x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", "2"];
    openssl(&[&signed[..], &["-extfile", &at("names"), "-out", &at("certificate")]].concat());
    ca
}

#[tokio::test]
async fn mail_goes_encrypted_to_a_server_whose_certificate_is_good() {
    let (server, settings) = MailServer::encrypted("lab", "s3cret p/w", "s3cret%20p%2Fw");
    let without_ca = settings.iter().filter(|(name, _)| *name != "TINCTURE_SMTP_CA").cloned().collect();
    let stranger = Lab::up_with(600, without_ca);
    assert_eq!(post(&stranger.address, "/auth/forgot", &json!({ "email": ADMIN })).await.0, 202);
    let lab = Lab::up_with(600, settings);
    assert_eq!(post(&lab.address, "/auth/forgot", &json!({ "email": ADMIN })).await.0, 202);
    let letter = server.letter(1).await;
    assert_eq!((&letter["encrypted"], &letter["signed_in"]), (&json!(true), &json!(true)));
    let used = json!({ "secret": secret(letter["text"].as_str().expect("text")), "password": NEXT });
    assert_eq!(post(&stranger.address, "/auth/link", &used).await.0, 404, "it isn't the one's who knows no such CA");
    assert_eq!(post(&lab.address, "/auth/link", &used).await.0, 200);
}

#[tokio::test]
async fn without_a_mail_server_mails_are_files_that_nobody_else_reads() {
    let lab = Lab::up(600);
    assert_eq!(post(&lab.address, "/auth/forgot", &json!({ "email": ADMIN })).await.0, 202);
    let directory = lab.data_dir().join("mail");
    let file = until(|| fs::read_dir(&directory).ok()?.next()?.ok().map(|entry| entry.path())).await;
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&directory)), (0o600, 0o700));
    let text = until(|| fs::read_to_string(&file).ok().filter(|text| text.contains("/link/"))).await;
    assert!(text.contains(&format!("{}/link/", lab.address)), "it leads to where the lab is: {text}");
    let used = json!({ "secret": secret(&text), "password": NEXT });
    assert_eq!(post(&lab.address, "/auth/link", &used).await.0, 200);

    let mut link = tincture(&["user", "link", ADMIN]);
    link.env("TINCTURE_DATA_DIR", lab.data_dir());
    let said = run(link);
    assert!(said.status.success() && said.stderr.contains("within a day"), "{said:?}");
    let used = json!({ "secret": secret(&said.stdout), "password": "four odd words" });
    assert_eq!(post(&lab.address, "/auth/link", &used).await.0, 200);
    Client::sign_in(&lab.address, ADMIN, "four odd words").await;
}
