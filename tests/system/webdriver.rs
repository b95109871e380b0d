//! A headless Chromium through chromedriver: the calls of the W3C WebDriver protocol that a person's visit needs.

use reqwest::Method;
use serde_json::{Value, json};
use std::{
    env,
    io::{self, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The key under which WebDriver hands out elements (W3C WebDriver, § 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// For a page on a busy machine; nothing is asserted about how long it really takes.
const PATIENCE: Duration = Duration::from_secs(90);
const ONE_REQUEST: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// A browser with one window. Closed when dropped.
#[derive(Debug)]
pub struct Browser {
    _driver: Driver,
    http: reqwest::Client,
    session: String,
    _profile: TempDir,
}

/// chromedriver. Killed when dropped.
#[derive(Debug)]
struct Driver(Child);

/// Something on the page.
#[derive(Debug)]
pub struct Element(String);

impl Browser {
    /// Starts chromedriver on a free port and opens a window.
    pub async fn open() -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let (driver, address) = start_driver();
        let http = reqwest::Client::builder().timeout(ONE_REQUEST).build().expect("a client");
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        // As root, as in a container, Chromium runs only without its sandbox; it sees no page but ours.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &profile_flag];
        let options = json!({ "args": arguments });
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let answer = call(&http, Method::POST, &format!("{address}/session"), &capabilities).await.expect("a window");
        let session = format!("{address}/session/{}", answer["sessionId"].as_str().expect("a session"));
        Self { _driver: driver, http, session, _profile: profile }
    }

    /// A device with passkeys, which recognises its person and never waits for them (W3C WebAuthn, 11.3).
    pub async fn add_authenticator(&self) {
        let device = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "isUserConsenting": true,
        });
        self.post("webauthn/authenticator", device).await.expect("a virtual authenticator");
    }

    pub async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await.expect("the page loads");
    }

    pub async fn address(&self) -> String {
        let url =
            call(&self.http, Method::GET, &format!("{}/url", self.session), &Value::Null).await.expect("an address");
        url.as_str().expect("text").to_owned()
    }

    /// The first element that a CSS selector matches, as soon as there is one.
    pub async fn find(&self, selector: &str) -> Element {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wanted = json!({ "using": "css selector", "value": selector });
            match self.post("element", wanted).await {
                Ok(found) => return Element(found[ELEMENT].as_str().expect("an element").to_owned()),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(problem) => {
                    panic!("no {selector} on {}: {problem}\n{}", self.address().await, self.text("body").await)
                }
            }
        }
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        let Element(id) = self.find(selector).await;
        self.post(&format!("element/{id}/clear"), json!({})).await.expect("cleared");
        self.post(&format!("element/{id}/value"), json!({ "text": text })).await.expect("typed");
    }

    pub async fn click(&self, selector: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Element(id) = self.find(selector).await;
            match self.post(&format!("element/{id}/click"), json!({})).await {
                Ok(_) => return,
                // A live page draws its parts anew, also between the look and the click.
                Err(problem) if problem.starts_with("stale element") && Instant::now() < deadline => {}
                Err(problem) => panic!("{selector} can't be clicked: {problem}"),
            }
        }
    }

    /// Waits until a script returns true.
    pub async fn until(&self, what: &str, script: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.script(script, json!([])).await != json!(true) {
            assert!(
                Instant::now() < deadline,
                "{what}: never on {}\n{}",
                self.address().await,
                self.text("body").await
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Presses a key where the focus is, by its WebDriver code (W3C WebDriver, § 17.4.2).
    pub async fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key },
        ] }]);
        self.post("actions", json!({ "actions": actions })).await.expect("pressed");
    }

    /// A command of Chromium's own protocol: how the page is shown, which WebDriver has no word for.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await.expect("the command works")
    }

    /// Shows the page in a view of this width, px.
    pub async fn view(&self, width: u32) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What the page shows of an element, or nothing.
    pub async fn text(&self, selector: &str) -> String {
        let script = "const e = document.querySelector(arguments[0]); return e ? e.textContent : ''";
        self.script(script, json!([selector])).await.as_str().unwrap_or_default().to_owned()
    }

    /// Runs JavaScript on the page and returns what it returns.
    pub async fn script(&self, script: &str, arguments: Value) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await.expect("the script runs")
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        call(&self.http, Method::POST, &format!("{}/{path}", self.session), &body).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session closes Chromium; a chromedriver that is merely killed leaves it running.
        let _ = end(&self.session);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `DELETE` on the session, by hand: a destructor can't await.
fn end(session: &str) -> io::Result<()> {
    let rest = session.strip_prefix("http://").unwrap_or(session);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut driver = TcpStream::connect(host)?;
    driver.set_read_timeout(Some(ONE_REQUEST))?;
    write!(driver, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    // It answers when Chromium is gone, and keeps the connection.
    driver.read(&mut [0; 256]).map(drop)
}

/// chromedriver says which port it took; its log is the only place.
fn start_driver() -> (Driver, String) {
    let program = env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
    let started = Command::new(&program).arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut driver = Driver(started.unwrap_or_else(|error| {
        panic!("{program} can't be started ({error}): install Debian's chromium and chromium-driver, as scripts/test.sh does")
    }));
    let stdout = driver.0.stdout.take().expect("piped");
    let lines = crate::process::lines_of(stdout);
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if let Some(port) = line.split_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.'))
        {
            return (driver, format!("http://127.0.0.1:{port}"));
        }
    }
    panic!("chromedriver didn't say its port");
}

/// One WebDriver command; an error is what the driver says of it.
async fn call(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Result<Value, String> {
    let request = http.request(method.clone(), url);
    let request = if method == Method::GET { request } else { request.json(body) };
    let answer: Value = request.send().await.expect("chromedriver answers").json().await.expect("JSON");
    match answer["value"]["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", answer["value"]["message"].as_str().unwrap_or_default())),
        None => Ok(answer["value"].clone()),
    }
}
