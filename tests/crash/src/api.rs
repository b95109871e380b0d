//! The lab as its users reach it: over HTTP, with retries that are safe because each request has its idempotency key.

use anyhow::{Context, Result, bail};
use domain::ExperimentId;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::time::sleep;

const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The server may be dead for a while.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// A person with an account.
#[derive(Clone, Debug)]
pub struct Account {
    pub email: String,
    pub password: String,
    /// Wells granted at the start.
    pub granted: i64,
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    base: String,
    pub account: Account,
    token: String,
}

impl Session {
    pub async fn sign_in(address: SocketAddr, account: &Account) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
        let base = format!("http://{address}/api/v1");
        let body = json!({ "email": account.email, "password": account.password });
        let url = format!("{base}/auth/login");
        let answer = patiently(|| client.post(&url).json(&body).send()).await?;
        let token = answer.get("access_token").and_then(Value::as_str).context("no access token")?.to_owned();
        Ok(Self { client, base, account: account.clone(), token })
    }

    /// Asks for an experiment until there is an answer; asking again under the same key makes no second one.
    pub async fn submit(&self, key: &str, request: &Value) -> Result<ExperimentId> {
        let url = format!("{}/experiments", self.base);
        let send =
            || self.client.post(&url).bearer_auth(&self.token).header("Idempotency-Key", key).json(request).send();
        let answer = patiently(send).await?;
        let id = answer.get("id").and_then(Value::as_str).context("an experiment without an id")?;
        Ok(id.parse()?)
    }

    pub async fn experiment(&self, id: ExperimentId) -> Result<Value> {
        let url = format!("{}/experiments/{id}", self.base);
        patiently(|| self.client.get(&url).bearer_auth(&self.token).send()).await
    }

    /// Cancels; one that has ended already is left as it is.
    pub async fn cancel(&self, id: ExperimentId) -> Result<()> {
        let url = format!("{}/experiments/{id}/cancel", self.base);
        let answer = self.client.post(&url).bearer_auth(&self.token).send().await?;
        if answer.status().is_success() || answer.status() == StatusCode::CONFLICT {
            return Ok(());
        }
        bail!("cancelling is answered {}", answer.status())
    }
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
