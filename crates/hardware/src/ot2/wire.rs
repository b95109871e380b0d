//! HTTP as the robot-server wants it, with every wait and every body bounded, and nothing sent twice.

use super::{
    RobotError,
    answer::{Refusal, shortened},
};
use crate::{AddressError, Patience};
use reqwest::{Client, Method, Response, StatusCode, redirect, retry};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{error::Error, time::Duration};

/// Asks for the newest API the server has. Left out, every request is refused.
const VERSION: (&str, &str) = ("Opentrons-Version", "*");
/// A page of 100 commands is about 50 kB; a loaded rack's definition 15 kB.
const MOST_BODY_BYTES: usize = 4 << 20;
/// The server closes a connection that was idle for 5 s. A request that meets the closing one is in doubt, so we close first.
const IDLE: Duration = Duration::from_secs(3);

/// The connections to one robot-server.
#[derive(Debug)]
pub(crate) struct Wire {
    client: Client,
    base: String,
    pub(super) patience: Patience,
}

/// A 2xx answer.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(url: &str, patience: Patience) -> Result<Self, AddressError> {
        let client = Client::builder()
            .connect_timeout(patience.connect)
            .pool_idle_timeout(IDLE)
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| AddressError::Client(cause(&error)))?;
        Ok(Self { client, base: base(url)?, patience })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, RobotError> {
        self.ask(Method::GET, path, None, Duration::ZERO).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, RobotError> {
        self.ask(Method::POST, path, Some(body), Duration::ZERO).await
    }

    /// A POST whose answer the server may hold back for `held`.
    pub(super) async fn post_and_wait(&self, path: &str, body: &Value, held: Duration) -> Result<Answer, RobotError> {
        self.ask(Method::POST, path, Some(body), held).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer, RobotError> {
        self.ask(Method::PUT, path, Some(body), Duration::ZERO).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, RobotError> {
        self.ask(Method::PATCH, path, Some(body), Duration::ZERO).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        held: Duration,
    ) -> Result<Answer, RobotError> {
        let within = self.patience.connect + held + self.patience.answer;
        let mut request =
            self.client.request(method, format!("{}{path}", self.base)).header(VERSION.0, VERSION.1).timeout(within);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| transport(&error, within))?;
        let status = response.status();
        let body = read_body(response, within).await?;
        if status.is_success() { Ok(Answer { status, body }) } else { Err(refusal(status, &body)) }
    }
}

impl Answer {
    /// The body as `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, RobotError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| RobotError::BadAnswer { status: self.status.as_u16(), detail: error.to_string() })
    }
}

/// An id from outside that is safe as one part of a path.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn base(url: &str) -> Result<String, AddressError> {
    let parsed = reqwest::Url::parse(url).map_err(|_| AddressError::Robot)?;
    let plain =
        parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none() && parsed.path() == "/";
    if parsed.scheme() != "http" || !plain || !parsed.has_host() {
        return Err(AddressError::Robot);
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// Only a connection that never came about means that nothing was sent.
fn transport(error: &reqwest::Error, within: Duration) -> RobotError {
    if error.is_connect() {
        RobotError::Unreachable { detail: cause(error) }
    } else if error.is_timeout() {
        RobotError::TimedOut { after: within }
    } else {
        RobotError::Interrupted { detail: cause(error) }
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

async fn read_body(mut response: Response, within: Duration) -> Result<Vec<u8>, RobotError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error, within))? {
        if body.len() + chunk.len() > MOST_BODY_BYTES {
            let detail = format!("more than {MOST_BODY_BYTES} bytes");
            return Err(RobotError::BadAnswer { status: response.status().as_u16(), detail });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an answer other than 2xx says. Only the robot-server's own kind of 4xx counts as a refusal: something in between
/// may have passed the request on first.
fn refusal(status: StatusCode, body: &[u8]) -> RobotError {
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return RobotError::Booting;
    }
    let Some(Refusal { id, detail }) = Refusal::read(body).filter(|_| status.is_client_error()) else {
        return RobotError::BadAnswer { status: status.as_u16(), detail: shortened(&String::from_utf8_lossy(body)) };
    };
    let detail = shortened(&detail);
    match (status, id.as_str()) {
        (StatusCode::CONFLICT, "RunStopped") => RobotError::RunStopped { detail },
        (StatusCode::CONFLICT, "RunAlreadyActive") => RobotError::Busy { detail },
        _ => RobotError::Refused { status: status.as_u16(), id: shortened(&id), detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bare_http_origin() {
        assert_eq!(base("http://127.0.0.1:31950/").as_deref(), Ok("http://127.0.0.1:31950"));
        assert_eq!(base("http://robot.lab:31950").as_deref(), Ok("http://robot.lab:31950"));
        for url in [
            "",
            "robot:31950",
            "ftp://robot",
            "http://me:secret@robot",
            "http://robot/runs",
            "http://robot/?a=b",
            "http://",
        ] {
            let error = base(url).expect_err(url);
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn only_the_robots_own_4xx_is_a_refusal() {
        let robots =
            br#"{"errors":[{"id":"InvalidRequest","title":"t","detail":"field required","errorCode":"4000"}]}"#;
        let legacy = br#"{"message":"no such thing","errorCode":"4000"}"#;
        assert!(matches!(refusal(StatusCode::UNPROCESSABLE_ENTITY, robots), RobotError::Refused { status: 422, .. }));
        assert!(matches!(refusal(StatusCode::NOT_FOUND, legacy), RobotError::Refused { status: 404, .. }));
        for (status, body) in [
            (StatusCode::REQUEST_TIMEOUT, b"<html>a proxy".as_slice()),
            (StatusCode::NOT_FOUND, b"{}"),
            (StatusCode::INTERNAL_SERVER_ERROR, robots),
            (StatusCode::BAD_GATEWAY, b""),
        ] {
            assert!(matches!(refusal(status, body), RobotError::BadAnswer { .. }), "{status}");
        }
    }
}
