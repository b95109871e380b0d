//! What somebody tries who means no good, on a lab as it runs: each probe here, or named here where it stands beside what it
//! probes.

use crate::{
    mail::MailServer,
    process::{ADMIN, PASSWORD, Process, run, tincture, up},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use free_port::free_port;
use oidc::testing::{CLIENT, FakeProvider, Reply, parameter};
use reqwest::{Client, RequestBuilder, header, redirect};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};
use store::testing::TestDatabase;
use tempfile::TempDir;

/// Probes that stand elsewhere: what, file, test.
const ELSEWHERE: [(&str, &str, &str); 14] = [
    ("cross-site posts", "crates/tincture/tests/access.rs", "no_other_site_changes_anything_with_a_cookie"),
    ("cross-site posts", "crates/web/tests/pages.rs", "another_sites_form_does_nothing"),
    ("forged, expired and strange tokens", "crates/tincture/tests/access.rs", "nobody_gets_in_with_a_bad_token"),
    ("open redirects", "crates/request/src/single_sign_on.rs", "a_sign_in_leads_nowhere_but_here_and_to_what_is_named"),
    ("open redirects", "crates/web/tests/pages/single_sign_on.rs", "no_way_on_leads_elsewhere_but_to_what_is_named"),
    ("markup in names", "crates/web/tests/pages.rs", "a_hostile_name_stays_text_everywhere"),
    ("oversized bodies", "crates/api/tests/http/refusals.rs", "a_body_of_ten_megabytes_is_answered"),
    (
        "bodies that mean two things",
        "crates/api/tests/http/refusals.rs",
        "what_can_be_read_two_ways_is_refused_wherever_it_stands",
    ),
    ("slow bodies", "tests/system/slow_clients.rs", "who_takes_too_long_is_let_go"),
    ("slow clients", "tests/system/slow_clients.rs", "slow_clients_keep_nobody_out"),
    ("formulas in CSV", "crates/views/src/csv.rs", "a_text_is_data_and_never_a_formula"),
    ("formulas in CSV", "crates/api/tests/http/lists.rs", "a_hostile_name_is_no_formula_in_the_csv"),
    ("request ids", "crates/request/src/observe.rs", "a_clients_id_is_taken_over_only_if_it_is_sensible"),
    (
        "a log that is tampered with",
        "crates/store/tests/conformance/audit.rs",
        "whatever_is_done_to_a_sealed_line_is_named",
    ),
];

#[test]
fn probes_that_stand_elsewhere_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (what, file, test) in ELSEWHERE {
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{what}: {file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{what}: {file} has no {test}");
    }
}

/// A lab whose log is kept in a file.
struct Lab {
    directory: TempDir,
    process: Process,
    address: String,
    client: Client,
}

impl Lab {
    fn up(format: &str) -> Self {
        Self::with(format, &[])
    }

    fn with(format: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = up(&directory.path().join("data"));
        command.args(["--log-format", format]).env("TINCTURE_ADMIN_PASSWORD", PASSWORD).env("TINCTURE_LOG", "trace");
        command.env("TINCTURE_REGISTRATION", "invitation").envs(settings.iter().copied());
        command.stderr(File::create(directory.path().join("log")).expect("a file"));
        let mut process = Process::spawn(command);
        let address = process.word_after("Tincture is ready: ");
        let client = Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(20));
        Self { directory, process, address, client: client.build().expect("a client") }
    }

    /// Signs in on the page, with whatever else the form and the browser have; gives the answer.
    async fn sign_in(&self, more: &str, cookie: &str) -> reqwest::Response {
        self.signing_in(more).header(header::COOKIE, cookie).send().await.expect("an answer")
    }

    fn signing_in(&self, more: &str) -> RequestBuilder {
        let form = format!("email={}&password={}{more}", ADMIN.replace('@', "%40"), PASSWORD.replace(' ', "+"));
        let post = self.client.post(format!("{}/sign-in", self.address));
        post.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let post = self.client.post(format!("{}{path}", self.address)).bearer_auth(token).json(body);
        let answer = post.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn text(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await.expect("an answer");
        answer.text().await.expect("text")
    }

    /// Whatever is answered to exactly these bytes.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address.trim_start_matches("http://")).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The log, once it has ended.
    fn log(self) -> (String, TempDir) {
        assert!(self.process.stop().success());
        let path: PathBuf = self.directory.path().join("log");
        (fs::read_to_string(path).expect("the log"), self.directory)
    }
}

fn cookie_of(answer: &reqwest::Response) -> String {
    let set = answer.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    set.split(';').next().unwrap_or_default().to_owned()
}

/// Session fixation: a cookie that somebody was given before they signed in is worth nothing after.
#[tokio::test]
async fn a_session_that_was_brought_is_not_taken_over() {
    let lab = Lab::up("human");
    let planted = format!("tincture_session={}", "A".repeat(43));
    let first = cookie_of(&lab.sign_in("", &planted).await);
    let second = cookie_of(&lab.sign_in("", &first).await);
    assert!(first.len() > 40 && first != planted && second != first, "each sign-in has a session of its own");
    let opens = async |cookie: &str| {
        let get = lab.client.get(format!("{}/account", lab.address)).header(header::COOKIE, cookie);
        get.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!((opens(&planted).await, opens(&second).await), (303, 200));
}

/// Proxy headers: who isn't the proxy gives themselves no address, and no cookie of another kind.
#[tokio::test]
async fn nobody_says_for_themselves_where_they_come_from() {
    for (proxies, address, is_secure) in [("192.0.2.1", "127.0.0.1", false), ("127.0.0.1", "203.0.113.7", true)] {
        let lab = Lab::with("human", &[("TINCTURE_BEHIND_PROXY", "true"), ("TINCTURE_PROXIES", proxies)]);
        let says = |request: RequestBuilder| {
            request.header("x-forwarded-for", "203.0.113.7").header("x-forwarded-proto", "https")
        };
        let answer = says(lab.signing_in("")).send().await.expect("an answer");
        let set = answer.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
        let name = if is_secure { "__Host-tincture_session" } else { "tincture_session" };
        assert!(set.starts_with(&format!("{name}=")) && set.contains("; Path=/; "), "{proxies}: {set}");
        assert_eq!(set.contains("; Secure"), is_secure, "{proxies}: {set}");
        // A neighbour can set a cookie of the plain name; where browsers come encrypted it is nobody's.
        let planted = format!("tincture_session={}", set.split_once('=').expect("a value").1);
        let ask = says(lab.client.get(format!("{}/account", lab.address))).header(header::COOKIE, planted);
        assert_eq!(ask.send().await.expect("an answer").status().as_u16(), if is_secure { 303 } else { 200 });
        let ask = lab.client.get(format!("{}/api/v1/activity?limit=5", lab.address));
        let lines = ask.header(header::COOKIE, cookie_of(&answer)).send().await.expect("an answer");
        let lines: Value = lines.json().await.expect("JSON");
        let all = lines["data"].as_array().expect("a list");
        let sign_in = all.iter().find(|line| line["action"] == "sign_in").expect("the line of the sign-in");
        assert_eq!(sign_in["ip_address"], address, "{proxies}: {sign_in}");
    }
}

/// Open redirects: a sign-in leads to a page of the lab.
#[tokio::test]
async fn no_sign_in_leads_out_of_the_lab() {
    let lab = Lab::up("human");
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "/..//evil.example",
        "///evil.example",
        "http:evil.example",
        "/\t/evil.example",
        "@evil.example",
    ] {
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = lab.sign_in(&format!("&next={encoded}"), "").await;
        let to = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
        let base = reqwest::Url::parse(&lab.address).expect("a URL");
        let leads = base.join(&to).expect("a URL");
        assert_eq!((leads.host_str(), leads.port()), (base.host_str(), base.port()), "{next} leads to {to}");
        assert_eq!(leads.scheme(), "http", "{next} leads to {to}");
    }
}

/// Header and log injection: what is sent makes no header of an answer and no line of the log.
#[tokio::test]
async fn no_header_and_no_line_of_the_log_is_made_of_what_was_sent() {
    for format in ["json", "human"] {
        let lab = Lab::up(format);
        let broken = "%0D%0ASet-Cookie%3A%20forged%3D1%0D%0A%0D%0Aforged";
        let answer = lab.sign_in(&format!("&next=/experiments{broken}"), "").await;
        assert!(answer.headers().keys().all(|name| name != "forged"), "{answer:?}");
        assert!(!answer.headers().get_all(header::SET_COOKIE).iter().any(|set| set.as_bytes().starts_with(b"forged")));
        for path in [
            "/experiments/",
            "/users/",
            "/robots/",
            "/api/v1/experiments/",
            "/link/",
            "/sign-in?next=",
            "/auth/onward?to=",
        ] {
            let said =
                lab.raw(&format!("GET {path}{broken}%1b%5b31m HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n"));
            let head = said.split("\r\n\r\n").next().unwrap_or_default().to_lowercase();
            assert!(head.starts_with("http/1.1 ") && !head.contains("\nset-cookie: forged"), "{path}: {head}");
        }
        let line = "\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[31m\r\nforged";
        for body in [json!({ "email": format!("a{line}@b.example"), "password": line }), json!({ (line): 1 })] {
            lab.post("/api/v1/auth/login", "x", &body).await;
        }
        let agent = "GET /account HTTP/1.1\r\nhost: lab\r\nuser-agent: a\u{b}forged\u{1b}[31m\r\nx-request-id: a%0aforged\r\nconnection: close\r\n\r\n";
        lab.raw(agent);
        let (log, _directory) = lab.log();
        assert!(log.lines().count() > 20 && !log.contains("\u{1b}[31m"), "an escape is in the log");
        for line in log.lines() {
            assert!(!line.starts_with("forged") && !line.contains("\"message\":\"forged\""), "{line}");
            if format == "json" {
                assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "{line}");
            }
        }
    }
}

/// Path traversal: no path of a request is one of the machine's.
#[tokio::test]
async fn no_path_leads_to_a_file() {
    let lab = Lab::up("human");
    let cookie = cookie_of(&lab.sign_in("", "").await);
    let up = ["../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..%5c", "..%252f", "....//", "..%c0%af"];
    let begins = [
        "/",
        "/assets/x/",
        "/assets/",
        "/docs/",
        "/experiments/",
        "/robots/",
        "/users/",
        "/api/v1/experiments/",
        "/api/v1/robots/",
        "/link/",
    ];
    for begin in begins {
        for step in up {
            for file in ["etc/passwd", "proc/self/environ", "tincture.sqlite"] {
                let path = format!("{begin}{}{file}", step.repeat(8));
                let said = lab
                    .raw(&format!("GET {path} HTTP/1.1\r\nhost: lab\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"));
                let (head, body) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
                assert!(
                    !body.contains("root:") && !body.contains("SQLite format") && !body.contains("PATH="),
                    "{path}: {said}"
                );
                assert!(!head.starts_with("HTTP/1.1 5") && !said.is_empty(), "{path}: {head}");
            }
        }
    }
    for path in ["file:///etc/passwd", "/assets/x/tincture.css%00.txt", "http://evil.example/etc/passwd", "*"] {
        let said = lab.raw(&format!("GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n"));
        assert!(said.starts_with("HTTP/1.1 4") && !said.contains("root:"), "{path}: {said:.300}");
    }
}

/// No password, token, link or key is in the fullest log, an error, a figure, the configuration as it is shown, or what of a
/// backup is to be read without unpacking it.
#[tokio::test]
async fn no_secret_is_in_a_log_an_error_a_figure_or_a_manifest() {
    let lab = Lab::up("human");
    let mut secrets = vec![PASSWORD.to_owned(), "a wrong password".to_owned()];
    let mut told = Vec::new();
    let field =
        |answer: &Value, name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned();
    let login = json!({ "email": ADMIN, "password": PASSWORD });
    let tokens = lab.post("/api/v1/auth/login", "", &login).await.1;
    let access = field(&tokens, "access_token");
    let renewed = lab.post("/api/v1/auth/refresh", "", &json!({ "refresh_token": tokens["refresh_token"] })).await.1;
    secrets.extend([field(&tokens, "refresh_token"), field(&renewed, "refresh_token")]);
    secrets.push(cookie_of(&lab.sign_in("", "").await).replace("tincture_session=", ""));
    let made = lab.post("/api/v1/tokens", &access, &json!({ "name": "notebook", "scopes": ["read"] })).await.1;
    let service = lab.post("/api/v1/service-tokens", &access, &json!({ "service": "display", "name": "wall" })).await.1;
    let totp = lab.post("/api/v1/me/totp", &access, &json!({})).await.1;
    let invited = lab.post("/api/v1/invitations", &access, &json!({ "uses": 2 })).await.1;
    let link = field(&invited, "url").rsplit('/').next().expect("a secret").to_owned();
    secrets.extend([field(&made, "secret"), field(&service, "secret"), field(&totp, "secret"), link.clone()]);
    secrets.extend(
        [&access, &field(&renewed, "access_token")]
            .map(|token| token.rsplit('.').next().expect("a signature").to_owned()),
    );

    // A second factor, and a sign-in with it.
    let app = field(&totp, "secret");
    let code = json!({ "code": auth::testing::code_of_now(&app) });
    let codes = lab.post("/api/v1/me/totp/confirm", &access, &code).await.1;
    secrets.push(codes["recovery_codes"][0].as_str().expect("a code").to_owned());
    let pending = field(&lab.post("/api/v1/auth/login", "", &login).await.1, "pending_token");
    let step = json!({ "pending_token": pending, "code": auth::testing::next_code(&app) });
    let twice = lab.post("/api/v1/auth/second-factor", "", &step).await.1;
    told.push(lab.post("/api/v1/auth/second-factor", "", &step).await.1.to_string());
    secrets.extend([pending, field(&twice, "refresh_token")]);

    // Everything that goes wrong with one of them in hand.
    let wrong = json!({ "email": ADMIN, "password": "a wrong password" });
    told.push(lab.post("/api/v1/auth/login", "", &wrong).await.1.to_string());
    for body in [
        json!({ "refresh_token": tokens["refresh_token"] }),
        json!({ "refresh_token": [tokens["refresh_token"]] }),
        json!({ "password": PASSWORD }),
    ] {
        told.push(lab.post("/api/v1/auth/refresh", "", &body).await.1.to_string());
    }
    for token in [
        format!("{access}x"),
        format!("{}x", field(&made, "secret")),
        field(&made, "secret"),
        field(&service, "secret"),
    ] {
        told.push(lab.post("/api/v1/users", &token, &json!({})).await.1.to_string());
    }
    told.push(lab.text(&format!("/link/{link}x")).await);
    told.push(
        lab.post("/api/v1/auth/link", "", &json!({ "secret": format!("{link}x"), "password": PASSWORD }))
            .await
            .1
            .to_string(),
    );
    told.extend([lab.text("/metrics").await, lab.text("/metrics/service").await, lab.text("/readyz").await]);
    let (log, directory) = lab.log();
    assert!(log.contains("TRACE"), "it is full");
    told.push(log);

    let data = directory.path().join("data");
    let on = |arguments: &[&str]| {
        let mut command = tincture(arguments);
        command.env("TINCTURE_DATA_DIR", &data).env("TINCTURE_ADMIN_PASSWORD", PASSWORD).env("TINCTURE_LOG", "trace");
        let said = run(command);
        assert!(said.status.success(), "{said:?}");
        format!("{}{}", said.stdout, said.stderr)
    };
    told.extend([
        on(&["backup", "create"]),
        on(&["backup", "list"]),
        on(&["config"]),
        on(&["keys", "list"]),
        on(&["audit", "verify"]),
        on(&["audit", "export"]),
    ]);
    for backup in fs::read_dir(data.join("backups")).expect("backups") {
        for plain in ["manifest.json", "verified.json"] {
            told.push(fs::read_to_string(backup.as_ref().expect("an entry").path().join(plain)).expect("a text"));
        }
    }
    let url = format!("sqlite://{}", data.join("tincture.sqlite").display());
    let store = store::Store::connect_existing(&url, store::Options::default()).await.expect("it opens");
    let pem = store.read_text("SELECT private_pem AS text FROM signing_keys".to_owned()).await;
    secrets.push(pem.lines().nth(1).expect("a key").to_owned());
    store.close().await.expect("closed");
    for secret in &secrets {
        assert!(secret.len() >= 16, "{secret}");
        for told in &told {
            assert!(!told.contains(secret.as_str()), "{secret} is in {told:.2000}");
        }
    }
    assert_eq!(secrets.len(), 15);
}

/// Nor is what the configuration has, while each of it is used, well and in vain.
#[tokio::test]
async fn no_secret_of_the_configuration_is_in_a_log_or_an_error() {
    const OF_DATABASE: &str = "the-databases-password-1";
    const OF_MAIL: &str = "the-mail-servers-password-2";
    const OF_PROVIDER: &str = "the-providers-secret-3";
    let (database, provider) = (TestDatabase::postgres().await, FakeProvider::start().await);
    let (server, mut settings) = MailServer::encrypted("lab", OF_MAIL, OF_MAIL);
    let (user, rest) = database.url.split_once('@').expect("a user");
    let at_database = format!("{user}:{OF_DATABASE}@{rest}");
    settings.extend([
        ("TINCTURE_DATABASE_URL", at_database.clone()),
        ("TINCTURE_OIDC_ISSUER", provider.issuer.clone()),
        ("TINCTURE_OIDC_CLIENT_ID", CLIENT.to_owned()),
        ("TINCTURE_OIDC_CLIENT_SECRET", OF_PROVIDER.to_owned()),
    ]);
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let lab = Lab::with("human", &settings);
    let mut told = Vec::new();

    assert_eq!(lab.post("/api/v1/auth/forgot", "", &json!({ "email": ADMIN })).await.0, 202);
    assert_eq!(server.letter(1).await["signed_in"], json!(true), "the mail server was told its password");
    drop(server);
    assert_eq!(lab.post("/api/v1/auth/forgot", "", &json!({ "email": ADMIN })).await.0, 202, "and is away");

    // The provider falls down, refuses, and lets somebody in.
    let claims = json!({ "email": "ada@example.org", "email_verified": true });
    for (reply, reaches) in [
        (Some(Reply::json(500, &json!({ "error": "server_error", "error_description": OF_PROVIDER }))), "callback"),
        (Some(Reply::json(400, &json!({ "error": "invalid_grant" }))), "callback"),
        (None, "in"),
    ] {
        let begun = lab.client.get(format!("{}/auth/oidc/start", lab.address)).send().await.expect("an answer");
        let to = begun.headers()[header::LOCATION].to_str().expect("a place").to_owned();
        match reply {
            Some(reply) => provider.answer("/token", reply),
            None => provider.give(&provider.sign(&provider.claims(&to, "ada", &claims))),
        }
        let (state, issuer) = (parameter(&to, "state"), provider.issuer.replace(':', "%3A").replace('/', "%2F"));
        let back = format!("{}/auth/oidc/callback?code=code&state={state}&iss={issuer}", lab.address);
        let back = lab.client.get(back).header(header::COOKIE, cookie_of(&begun));
        let answer = back.send().await.expect("an answer");
        let is_in = answer
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .any(|set| set.as_bytes().starts_with(b"tincture_session="));
        assert_eq!(is_in, reaches == "in", "{answer:?}");
        told.push(answer.text().await.expect("text"));
    }
    let both = STANDARD.encode(format!("{CLIENT}:{OF_PROVIDER}"));
    assert!(provider.asked("/token").iter().all(|asked| asked.contains(&both)), "the provider was told its secret");
    told.extend([lab.text("/metrics").await, lab.text("/metrics/service").await, lab.text("/readyz").await]);

    let (log, directory) = lab.log();
    assert!(log.contains("TRACE") && log.contains("mail"), "it is full");
    told.push(log);
    let nowhere = format!("postgres://tincture:{OF_DATABASE}@127.0.0.1:{}/lab", free_port());
    for (url, arguments) in [(&at_database, &["config"][..]), (&at_database, &["migrate"]), (&nowhere, &["migrate"])] {
        let mut command = tincture(arguments);
        command.envs(settings.iter().copied()).env("TINCTURE_DATABASE_URL", url).env("TINCTURE_LOG", "trace");
        command.env("TINCTURE_DATA_DIR", directory.path().join("data"));
        let said = run(command);
        told.push(format!("{}{}", said.stdout, said.stderr));
    }
    let plain = STANDARD.encode(format!("\0lab\0{OF_MAIL}"));
    for secret in [OF_DATABASE, OF_MAIL, OF_PROVIDER, &both, &plain, &STANDARD.encode(OF_MAIL)] {
        for told in &told {
            assert!(!told.contains(secret), "{secret} is in {told:.2000}");
        }
    }
}
