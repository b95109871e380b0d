//! A Prefect server as a process, what stands in front of it, and Prefect's Python client.

use crate::process::{Said, lines_of, run};
use free_port::free_port;
use reqwest::Method;
use serde_json::Value;
use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

const PATIENCE: Duration = Duration::from_secs(120);
/// As an answer that is late.
const SLOW: Duration = Duration::from_secs(5);
/// After the last piece of an answer.
const WHOLE: Duration = Duration::from_millis(100);

/// What the server asks of everybody.
pub const AUTH: &str = "lab:s3cret";
/// Of ours to the server, which protects itself against forged requests.
const CSRF_CLIENT: &str = "0198c0de-0000-7000-8000-000000000000";

/// A server over a directory that is gone when it is dropped.
pub struct Server {
    directory: TempDir,
    port: u16,
    http: reqwest::Client,
    csrf: String,
    child: Option<Child>,
    /// Its address; SQLite where there is none.
    database: Option<String>,
}

impl Server {
    pub async fn start() -> Self {
        // In memory, where there is such a place: it commits for each call.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        let wants_postgres = env::var("TINCTURE_TEST_PREFECT_DATABASE").is_ok_and(|database| database == "postgres");
        let database = wants_postgres.then(new_database);
        let mut server = Self { directory, port: free_port(), http, csrf: String::new(), child: None, database };
        server.start_again().await;
        server
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Of its API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    /// With what it had.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.directory.path().join("log")).expect("a log");
        let mut command = self.command(&["server", "start", "--host", "127.0.0.1", "--no-ui", "--port"]);
        command.arg(self.port.to_string()).stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        if let Some(database) = &self.database {
            command.env("PREFECT_API_DATABASE_CONNECTION_URL", database);
        }
        self.child = Some(command.spawn().expect("the server starts"));
        let deadline = Instant::now() + PATIENCE;
        while self.http.get(format!("{}/health", self.url())).send().await.is_err() {
            assert!(Instant::now() < deadline, "Prefect's server doesn't get ready: {}", self.log());
            sleep(Duration::from_millis(100)).await;
        }
        let token = self.get(&format!("/csrf-token?client={CSRF_CLIENT}")).await;
        self.csrf = token["token"].as_str().expect("a token").to_owned();
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let (user, password) = AUTH.split_once(':').expect("both");
        let request = self.http.request(method, format!("{}{path}", self.url())).basic_auth(user, Some(password));
        request.header("Prefect-Csrf-Token", &self.csrf).header("Prefect-Csrf-Client", CSRF_CLIENT)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Prefect's command line, against this server.
    pub fn prefect(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        command.env("PREFECT_API_URL", self.url()).env("PREFECT_API_AUTH_STRING", AUTH);
        run(command)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("prefect"));
        command.args(arguments).env("PREFECT_HOME", self.directory.path()).env("DO_NOT_TRACK", "1");
        command.env("PREFECT_SERVER_ANALYTICS_ENABLED", "false").env("PREFECT_SERVER_API_AUTH_STRING", AUTH);
        command.env("PREFECT_SERVER_CSRF_PROTECTION_ENABLED", "true");
        // What nobody looks at here.
        for service in ["SCHEDULER", "EVENT_PERSISTER", "TRIGGERS", "TASK_RUN_RECORDER"] {
            command.env(format!("PREFECT_SERVER_SERVICES_{service}_ENABLED"), "false");
        }
        command
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        answer.json().await.unwrap_or_default()
    }

    /// Asked again where it is busy, as it is on SQLite now and then.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.request(Method::POST, path).json(body).send().await.expect("an answer");
            if answer.status().is_success() {
                return answer.json().await.expect("JSON");
            }
            let (status, said) = (answer.status(), answer.text().await.unwrap_or_default());
            assert!(status.as_u16() == 503 && Instant::now() < deadline, "POST {path}: {status} {said}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn patch(&self, path: &str, body: &Value) {
        let answer = self.request(Method::PATCH, path).json(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "PATCH {path}: {}", answer.status());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A database of its own in the suite's cluster, which goes with that.
fn new_database() -> String {
    let cluster = env::var("TINCTURE_TEST_POSTGRES").expect("TINCTURE_TEST_POSTGRES names a server");
    let name = format!("prefect_{}", std::process::id());
    let made = Command::new("createdb").args(["--maintenance-db", &cluster, &name]).status();
    assert!(made.expect("PostgreSQL's createdb is there").success());
    let server = cluster.rsplit_once('/').expect("a path").0.replace("postgres://", "postgresql+asyncpg://");
    format!("{server}/{name}")
}

fn program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join("prefect-venv/bin").join(name);
    assert!(
        program.exists(),
        "there is no Prefect to test against at {}: run scripts/test.sh once, or make it with `python3 -m venv \
         target/prefect-venv && target/prefect-venv/bin/pip install -r tests/prefect/requirements.txt`",
        program.display()
    );
    program
}

/// Prefect's Python client in a process of its own, which is started once.
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: Receiver<String>,
}

impl Python {
    pub fn at(url: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/prefect/drive.py");
        let mut command = Command::new(program("python"));
        command.arg(script).env("PREFECT_API_URL", url).env("PREFECT_API_AUTH_STRING", AUTH).env("DO_NOT_TRACK", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let to = child.stdin.take().expect("piped");
        let from = lines_of(child.stdout.take().expect("piped"));
        assert_eq!(from.recv_timeout(PATIENCE).as_deref(), Ok("ready"));
        Self { child, to, from }
    }

    pub fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.to, "{request}").expect("it listens");
        let answer = self.from.recv_timeout(PATIENCE).expect("an answer: what went wrong is above");
        serde_json::from_str(&answer).expect("JSON")
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Plain,
    /// Each answer is late by 5 s.
    Slow,
    /// Each second connection is refused with 503, and those that are open are closed after their next answer.
    Busy,
}

/// Stands in front of a server.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mode: AtomicU8,
    connections: AtomicU64,
    refused: AtomicU64,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State::default());
        let kept = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&kept);
                tokio::spawn(async move { serve(client, server, &state).await });
            }
        });
        Self { port, state }
    }

    /// As a lab is told of it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    pub fn be(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::Release);
    }

    /// How often it said 503.
    pub fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::Acquire)
    }
}

impl State {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::Acquire) == mode as u8
    }
}

async fn serve(mut client: TcpStream, server: u16, state: &State) {
    let number = state.connections.fetch_add(1, Ordering::AcqRel);
    if state.is(Mode::Busy) && number.is_multiple_of(2) {
        state.refused.fetch_add(1, Ordering::AcqRel);
        let mut asked = vec![0; 64 * 1024];
        let _ = client.read(&mut asked).await;
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        let _ = client.write_all(refusal).await;
        let _ = client.shutdown().await;
        // A connection that is closed on what wasn't read is reset, and the answer with it.
        while let Ok(1..) = client.read(&mut asked).await {}
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        let mut answered = false;
        loop {
            let size = tokio::select! {
                size = from_server.read(&mut buffer) => size,
                () = sleep(WHOLE), if answered && state.is(Mode::Busy) => return,
            };
            let Ok(size @ 1..) = size else { return };
            if state.is(Mode::Slow) {
                sleep(SLOW).await;
            }
            if to_client.write_all(&buffer[..size]).await.is_err() {
                return;
            }
            answered = true;
        }
    };
    tokio::select! { _ = up => {} () = down => {} }
}
