//! The lab says who people are to what stands behind the same proxy (as Grafana and Prefect would): Debian's nginx and Caddy,
//! as the documentation sets them up, before something that tells which headers reached it.

use crate::{
    client::Client,
    process::{ADMIN, Lab, PASSWORD, Process},
};
use free_port::free_port;
use reqwest::{Client as Http, Response, StatusCode, header, redirect};
use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Answers with the head that it was asked with; serves until the program ends.
fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut head = String::new();
            let mut lines = BufReader::new(&stream);
            while lines.read_line(&mut head).is_ok_and(|length| length > 2) {}
            let length = head.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{head}");
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    port
}

/// A snippet of the documentation, with this test's addresses in it.
fn documented(kind: &str, lab: &str, upstream: u16) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/single-sign-on.md");
    let text = fs::read_to_string(file).expect("the document");
    let (_, rest) = text.split_once(&format!("```{kind}\n")).expect("a snippet");
    let (snippet, _) = rest.split_once("```").expect("its end");
    snippet
        .replace("127.0.0.1:8080", lab.trim_start_matches("http://"))
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{upstream}"))
}

struct Proxy {
    address: String,
    _process: Process,
    _directory: TempDir,
}

impl Proxy {
    async fn nginx(lab: &str, port: u16, upstream: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().display();
        let inside = documented("nginx", lab, upstream).replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr warn;\nevents {{}}\nhttp {{ access_log off;
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
             {inside}\n}}"
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, text).expect("written");
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-c").arg(file).arg("-p").arg(directory.path());
        Self::started(command, directory, port).await
    }

    async fn caddy(lab: &str, port: u16, upstream: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let inside = documented("caddyfile", lab, upstream);
        let inside = inside.replace("lab.example.org {", &format!("http://127.0.0.1:{port} {{"));
        let file = directory.path().join("Caddyfile");
        fs::write(&file, format!("{{\n admin off\n}}\n{inside}")).expect("written");
        let mut command = Command::new("/usr/bin/caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file).env("HOME", directory.path());
        command.env("XDG_DATA_HOME", directory.path()).env("XDG_CONFIG_HOME", directory.path());
        Self::started(command, directory, port).await
    }

    async fn started(command: Command, directory: TempDir, port: u16) -> Self {
        let process = Process::spawn(command);
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "no proxy in {PATIENCE:?}: is it installed, as scripts/test.sh does?");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { address: format!("http://127.0.0.1:{port}"), _process: process, _directory: directory }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let http = Http::builder().redirect(redirect::Policy::none()).timeout(PATIENCE).build().expect("a client");
        let request = http.get(format!("{}{path}", self.address));
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
            .send()
            .await
            .expect("an answer")
    }
}

/// The cookie of somebody who signs in on the page.
async fn cookie(lab: &str, email: &str) -> String {
    let http = Http::builder().redirect(redirect::Policy::none()).build().expect("a client");
    let body = format!("email={}&password={}", email.replace('@', "%40"), PASSWORD.replace(' ', "+"));
    let form = http.post(format!("{lab}/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = form.body(body).send().await.expect("an answer");
    let set = answer.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
    set.split(';').next().expect("a cookie").to_owned()
}

/// Behind a proxy at this port.
async fn lab_with_people(port: u16) -> Lab {
    let public_url = format!("http://127.0.0.1:{port}");
    let settings = vec![("TINCTURE_BEHIND_PROXY", "true".to_owned()), ("TINCTURE_PUBLIC_URL", public_url)];
    let lab = Lab::up_with(20, settings);
    let admin = Client::of(&lab).await;
    for (name, role) in [("olga", "operator"), ("stu", "student")] {
        let account = json!({ "email": format!("{name}@example.org"), "password": PASSWORD, "role": role, "quota": 1 });
        assert_eq!(admin.post("/api/v1/users", &account).await.0, StatusCode::CREATED);
    }
    lab
}

/// What both proxies keep.
async fn lets_in_whom_the_lab_lets_in(lab: &Lab, proxy: &Proxy) {
    let (olga, stu) = (cookie(&lab.address, "olga@example.org").await, cookie(&lab.address, "stu@example.org").await);
    let smuggled = [
        ("cookie", olga.as_str()),
        ("x-tincture-user", "1"),
        ("x-tincture-email", "root@example.org"),
        ("x-tincture-role", "admin"),
        ("X-TINCTURE-ROLE", "admin"),
        // As some programs read it.
        ("x_tincture_role", "admin"),
    ];
    let answer = proxy.get("/grafana/d/1?a=b", &smuggled).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let head = answer.text().await.expect("a head").to_lowercase();
    let told: Vec<_> = head.lines().filter(|line| line.starts_with("x-tincture-")).collect();
    assert_eq!(told.len(), 3, "{head}");
    assert!(
        told.contains(&"x-tincture-email: olga@example.org") && told.contains(&"x-tincture-role: operator"),
        "{head}"
    );
    assert!(!head.contains("x_tincture"), "{head}");
    assert!(head.starts_with("get /grafana/d/1?a=b "), "{head}");
    assert!(!head.contains("tincture_session"), "what opens the lab stays with the lab: {head}");

    // Nor by the name that it has where browsers come encrypted; others' cookies are theirs.
    let among_others = format!("theme=dark; __Host-{olga}; grafana_session=theirs");
    let head = proxy.get("/grafana/", &[("cookie", &among_others)]).await.text().await.expect("a head").to_lowercase();
    assert!(head.starts_with("get /grafana/ "), "it opens the lab: {head}");
    assert!(head.contains("theme=dark; grafana_session=theirs"), "{head}");
    assert!(!head.contains("tincture_session") && !head.contains("__host-"), "{head}");

    let refused = proxy.get("/grafana/", &[("cookie", &stu)]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    for shown in [
        &[][..],
        &[("cookie", "tincture_session=forged")],
        &[("x-tincture-role", "admin")],
        &[("authorization", "Bearer tct_x")],
    ] {
        let answer = proxy.get("/grafana/d/1?a=b", shown).await;
        let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        assert!(
            answer.status().is_redirection() && to.contains("/sign-in?next=/grafana/d/1%3Fa%3Db"),
            "{shown:?}: {} {to}",
            answer.status()
        );
    }
    let admin = cookie(&lab.address, ADMIN).await;
    let mut ended = Http::new().post(format!("{}/sign-out", lab.address));
    assert_eq!(proxy.get("/grafana/", &[("cookie", &admin)]).await.status(), StatusCode::OK);
    ended = ended.header("cookie", &admin);
    ended.send().await.expect("signed out");
    assert!(proxy.get("/grafana/", &[("cookie", &admin)]).await.status().is_redirection(), "at once");
    let page = proxy.get("/sign-in", &[]).await;
    assert_eq!(page.status(), StatusCode::OK, "all else is the lab's own");
}

#[tokio::test]
async fn nginx_lets_in_whom_the_lab_lets_in_and_tells_who_they_are() {
    let port = free_port();
    let lab = lab_with_people(port).await;
    let proxy = Proxy::nginx(&lab.address, port, upstream()).await;
    lets_in_whom_the_lab_lets_in(&lab, &proxy).await;
}

#[tokio::test]
async fn caddy_lets_in_whom_the_lab_lets_in_and_tells_who_they_are() {
    let port = free_port();
    let lab = lab_with_people(port).await;
    let proxy = Proxy::caddy(&lab.address, port, upstream()).await;
    lets_in_whom_the_lab_lets_in(&lab, &proxy).await;
}
