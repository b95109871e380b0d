//! A robot-server that answers as a test tells it, down to broken connections, and remembers what it was asked.

use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub version: Option<String>,
    pub body: Value,
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    Answer(u16, Value),
    /// These very bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The connection is closed without a word.
    Drop,
    /// The connection stays open without a word.
    Silence,
}

type Script = Box<dyn FnMut(&Request) -> Option<Reaction> + Send>;

/// The running server. What the script doesn't decide, it answers like an idle robot with the right deck.
pub struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    server: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: impl FnMut(&Request) -> Option<Reaction> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Mutex<Script>>, _) = (Arc::new(Mutex::new(Box::new(script))), Arc::clone(&asked));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, asked, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many commands of this type it got.
    pub fn commands(&self, name: &str) -> usize {
        self.asked().iter().filter(|request| request.is_command(name)).count()
    }

    /// From now on, connections are refused.
    pub async fn stop(self) {
        self.server.abort();
        let _ = self.server.await;
    }
}

impl Request {
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub fn is_command(&self, name: &str) -> bool {
        self.method == "POST" && self.body["data"]["commandType"] == name
    }

    /// A page of commands is asked for.
    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.path.contains("/commands?")
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>, asked: Arc<Mutex<Vec<Request>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let reaction = {
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        (script.lock().unwrap_or_else(PoisonError::into_inner))(&request)
    };
    let bytes = match reaction.unwrap_or_else(|| usual(&request)) {
        Reaction::Answer(status, body) => answer(status, &body),
        Reaction::Raw(bytes) => bytes,
        Reaction::Drop => return None,
        Reaction::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return None;
        }
    };
    stream.write_all(&bytes).await.ok()?;
    stream.shutdown().await.ok()
}

/// Every answer closes its connection, so that each request meets the script on one of its own.
fn answer(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut length, mut version) = (0, None);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "opentrons-version" => version = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, version, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn usual(request: &Request) -> Reaction {
    let created = |data: Value| Reaction::Answer(201, json!({"data": data}));
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/runs") => created(run(true)),
        ("GET", "/runs/run-1") => Reaction::Answer(200, json!({"data": run(true)})),
        ("GET", path) if path.contains("/commands?") => list(&[]),
        ("POST", path) if path.contains("labware_definitions") => created(json!({"definitionUri": "custom_beta/x/1"})),
        ("POST", path) if path.contains("/commands") => created(command(request, "succeeded")),
        _ => refusal(404, "BadRequest"),
    }
}

/// The state of the only run.
pub fn run(current: bool) -> Value {
    json!({"id": "run-1", "ok": true, "current": current, "status": "idle"})
}

/// The command that `request` asks for, in this state.
pub fn command(request: &Request, status: &str) -> Value {
    let data = &request.body["data"];
    json!({
        "id": "command-1", "key": data["key"].as_str().unwrap_or("command-1"), "commandType": data["commandType"],
        "status": status, "startedAt": "2026-11-23T04:34:35.730822+00:00", "intent": "setup",
        "result": {"labwareId": "labware-1", "pipetteId": "pipette-1"},
    })
}

/// A page with these commands.
pub fn list(commands: &[Value]) -> Reaction {
    Reaction::Answer(200, json!({"data": commands, "links": {}, "meta": {"cursor": 0, "totalLength": commands.len()}}))
}

/// A refusal of the robot-server's own kind.
pub fn refusal(status: u16, id: &str) -> Reaction {
    Reaction::Answer(status, json!({"errors": [{"id": id, "title": id, "detail": "because", "errorCode": "4000"}]}))
}
