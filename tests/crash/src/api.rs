//! The lab as its users reach it: over HTTP, with retries that are safe because each request has its idempotency key.

use anyhow::{Context, Result, bail};
use domain::ExperimentId;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The server may be dead for a while.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);
/// Less than an access token lives.
const SIGNED_IN_FOR: Duration = Duration::from_secs(600);

/// A person with an account.
#[derive(Clone, Debug)]
pub struct Account {
    pub email: String,
    pub password: String,
    /// Wells granted at the start.
    pub granted: i64,
}

/// A signed-in person.
#[derive(Debug)]
pub struct Session {
    client: Client,
    base: String,
    pub account: Account,
    token: Mutex<(String, Instant)>,
}

impl Session {
    pub async fn sign_in(address: SocketAddr, account: &Account) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
        let base = format!("http://{address}/api/v1");
        let token = Mutex::new((token(&client, &base, account).await?, Instant::now()));
        Ok(Self { client, base, account: account.clone(), token })
    }

    /// Asks for an experiment until there is an answer; asking again under the same key makes no second one.
    pub async fn submit(&self, key: &str, request: &Value) -> Result<ExperimentId> {
        let (url, token) = (format!("{}/experiments", self.base), self.token().await?);
        let send = || self.client.post(&url).bearer_auth(&token).header("Idempotency-Key", key).json(request).send();
        let answer = patiently(send).await?;
        let id = answer.get("id").and_then(Value::as_str).context("an experiment without an id")?;
        Ok(id.parse()?)
    }

    pub async fn experiment(&self, id: ExperimentId) -> Result<Value> {
        self.read(&format!("experiments/{id}")).await
    }

    /// Reads something of the API until there is an answer.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let (url, token) = (format!("{}/{path}", self.base), self.token().await?);
        patiently(|| self.client.get(&url).bearer_auth(&token).send()).await
    }

    /// Cancels; one that has ended already is left as it is.
    pub async fn cancel(&self, id: ExperimentId) -> Result<()> {
        let (status, answer) = self.tell(&format!("experiments/{id}/cancel"), &Value::Null).await?;
        if status.is_success() || status == StatusCode::CONFLICT {
            return Ok(());
        }
        bail!("cancelling is answered {status}: {answer}")
    }

    /// Posts something once and gives the answer, whatever it is.
    ///
    /// # Errors
    /// There was no answer; nobody knows whether it was heard.
    pub async fn tell(&self, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        self.once(Method::POST, path, body).await
    }

    /// Reads something once.
    ///
    /// # Errors
    /// There was no answer, or it was a refusal.
    pub async fn look(&self, path: &str) -> Result<Value> {
        let (status, answer) = self.once(Method::GET, path, &Value::Null).await?;
        if status.is_success() { Ok(answer) } else { bail!("{path} is answered {status}: {answer}") }
    }

    async fn once(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let request = self.client.request(method, format!("{}/{path}", self.base)).bearer_auth(self.token().await?);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    async fn token(&self) -> Result<String> {
        let (known, since) = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if since.elapsed() < SIGNED_IN_FOR {
            return Ok(known);
        }
        let fresh = token(&self.client, &self.base, &self.account).await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = (fresh.clone(), Instant::now());
        Ok(fresh)
    }
}

async fn token(client: &Client, base: &str, account: &Account) -> Result<String> {
    let body = json!({ "email": account.email, "password": account.password });
    let url = format!("{base}/auth/login");
    let answer = patiently(|| client.post(&url).json(&body).send()).await?;
    Ok(answer.get("access_token").and_then(Value::as_str).context("no access token")?.to_owned())
}

/// Repeats a request that is safe to repeat while the server is away; a refusal is final.
async fn patiently<F: Future<Output = reqwest::Result<Response>>>(send: impl Fn() -> F) -> Result<Value> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match send().await {
            Ok(answer) if answer.status().is_success() => return Ok(answer.json().await?),
            Ok(answer) if answer.status().is_server_error() => last = format!("{}", answer.status()),
            Ok(answer) => bail!("{}: {}", answer.status(), answer.text().await.unwrap_or_default()),
            Err(error) => last = error.to_string(),
        }
        sleep(PAUSE).await;
    }
    bail!("the API doesn't come back: {last}")
}
