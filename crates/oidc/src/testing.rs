//! A provider of identity that says whatever a test wants, on a free port of this machine.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// The lab's name at the provider.
pub const CLIENT: &str = "lab";

/// What is answered at a path.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
    pub delay: Duration,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, body: body.to_string().into_bytes(), delay: Duration::ZERO }
    }
}

#[derive(Default)]
struct Told {
    replies: HashMap<String, Reply>,
    asked: HashMap<String, Vec<String>>,
}

/// Answers as it is told, and remembers what it was asked. Gone when it is dropped.
pub struct FakeProvider {
    pub issuer: String,
    key: EncodingKey,
    told: Arc<Mutex<Told>>,
    serving: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeProvider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A key of EdDSA from a seed.
pub fn key(seed: u8) -> EncodingKey {
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend([seed; 32]);
    EncodingKey::from_ed_der(&der)
}

/// The public half, as a set has it.
pub fn public(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let mut public = serde_json::to_value(Jwk::from_encoding_key(key, algorithm).expect("a key")).expect("JSON");
    public["kid"] = json!(kid);
    public["use"] = json!("sig");
    public
}

/// A value of an address's query.
pub fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).expect("an address");
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

impl FakeProvider {
    /// One that describes itself as it should and signs with one key.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let told = Arc::<Mutex<Told>>::default();
        let serving = tokio::spawn(serve(listener, told.clone()));
        let provider = Self { issuer, key: key(1), told, serving };
        provider.answer("/.well-known/openid-configuration", Reply::json(200, &provider.description()));
        provider
            .answer("/keys", Reply::json(200, &json!({ "keys": [public(&provider.key, Algorithm::EdDSA, "one")] })));
        provider
    }

    /// As it should be.
    pub fn description(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/keys"),
            "end_session_endpoint": at("/out"),
        })
    }

    pub fn answer(&self, path: &str, reply: Reply) {
        self.lock().replies.insert(path.to_owned(), reply);
    }

    /// The bodies that it was asked with there.
    pub fn asked(&self, path: &str) -> Vec<String> {
        self.lock().asked.get(path).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims of somebody who signs in now, for the sign-in that goes to this address.
    pub fn claims(&self, start: &str, subject: &str, more: &Value) -> Value {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300, "auth_time": now, "nonce": parameter(start, "nonce"),
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        claims
    }

    /// Signed by its own key.
    pub fn sign(&self, claims: &Value) -> String {
        signed(&self.key, Algorithm::EdDSA, Some("one"), claims)
    }

    /// Gives this token for the next code.
    pub fn give(&self, id_token: &str) {
        let tokens = json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": id_token });
        self.answer("/token", Reply::json(200, &tokens));
    }
}

pub fn signed(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).expect("signed")
}

/// A token that nobody signed.
pub fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

async fn serve(listener: TcpListener, told: Arc<Mutex<Told>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, told.clone()));
    }
}

/// One request, and the connection is closed.
async fn answer(mut stream: TcpStream, told: Arc<Mutex<Told>>) -> Option<()> {
    let (mut read, mut piece) = (Vec::new(), [0; 4_096]);
    let (head, body) = loop {
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        read.extend(piece.get(..length)?);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let path = head.split_whitespace().nth(1)?.split('?').next()?.to_owned();
    let reply = {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.asked.entry(path.clone()).or_default().push(format!("{head}\n\n{body}"));
        told.replies.get(&path).cloned()
    };
    let reply = reply.unwrap_or_else(|| Reply::json(404, &json!({})));
    tokio::time::sleep(reply.delay).await;
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        reply.status,
        reply.body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&reply.body).await.ok()
}
