//! Asking a Prefect server over HTTP: bounded in time and size, patient with one that is busy.

use base64::{Engine, engine::general_purpose::STANDARD};
use fetch::{Fetch, FetchError, Limits};
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use secret::Secret;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

/// A server that is up answers in 10 to 50 ms; 200 flow runs of 96 wells each are about 3 MB; Prefect's own server closes
/// connections after 5 s.
const LIMITS: Limits = Limits { longest: Duration::from_secs(20), largest: 16 << 20, idle: Duration::from_secs(3) };
/// After an answer that says "not now" (503, 429): a server on SQLite says so under load.
const AGAIN_AFTER: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// Of what a server says, in an error.
const LONGEST_DETAIL: usize = 300;

/// How we are known to the server.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Whoever reaches it may ask.
    None,
    /// Prefect Cloud's.
    ApiKey(Secret),
    /// `user:password` of a server of one's own (`PREFECT_SERVER_API_AUTH_STRING`).
    Basic(Secret),
}

/// Why the server didn't do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PrefectError {
    /// Told without the address's path and never with a credential.
    #[error("Prefect can't be reached: {0}")]
    Unreachable(String),
    /// It may have been done.
    #[error("Prefect didn't answer in {} s", LIMITS.longest.as_secs())]
    TimedOut,
    #[error("Prefect doesn't let us in ({0}): look at prefect_api_key or prefect_auth")]
    NotAllowed(StatusCode),
    #[error("Prefect is busy ({0})")]
    Busy(StatusCode),
    #[error("Prefect has no such thing")]
    Missing,
    #[error("Prefect answered {status}: {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("Prefect's answer can't be read: {0}")]
    Unreadable(String),
}

impl PrefectError {
    /// Whether the same would be refused again.
    pub(crate) fn is_for_good(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_client_error())
    }
}

/// What is wrong with an address.
#[derive(Debug, thiserror::Error)]
#[error(
    "it must be the address of Prefect's API, like http://127.0.0.1:4200/api, without a password: that is prefect_auth's"
)]
pub struct AddressError;

/// One server's API. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Wire {
    http: Fetch,
    base: Arc<str>,
    credential: Credential,
    /// Where the server protects itself against forged requests of browsers: our name and its token.
    csrf: Arc<Mutex<Option<String>>>,
    name: Uuid,
}

/// The address of an API, without the slash at its end.
///
/// # Errors
/// It is none, or has a password in it.
pub fn base(url: &str) -> Result<String, AddressError> {
    let parsed = Url::parse(url).map_err(|_| AddressError)?;
    let plain = parsed.username().is_empty() && parsed.password().is_none() && parsed.query().is_none();
    if !matches!(parsed.scheme(), "http" | "https") || !plain || !parsed.has_host() || parsed.fragment().is_some() {
        return Err(AddressError);
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

impl Wire {
    /// Trusts the authorities that the machine trusts.
    ///
    /// # Errors
    /// It trusts none.
    pub fn new(base: &str, credential: Credential) -> Result<Self, PrefectError> {
        let http = Fetch::new(LIMITS)?;
        Ok(Self { http, base: base.into(), credential, csrf: Arc::default(), name: Uuid::now_v7() })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, PrefectError> {
        read(&self.ask(Method::GET, path, None).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, PrefectError> {
        read(&self.ask(Method::POST, path, Some(body)).await?)
    }

    /// For an answer that says nothing.
    pub(crate) async fn tell(&self, method: Method, path: &str, body: &Value) -> Result<(), PrefectError> {
        self.ask(method, path, Some(body)).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, PrefectError> {
        let mut pauses = AGAIN_AFTER.iter();
        let mut has_token = false;
        loop {
            let (status, answer) = self.ask_once(&method, path, body).await?;
            match status {
                _ if status.is_success() => return Ok(answer),
                // It needs a token, or a newer one.
                StatusCode::FORBIDDEN if !has_token => {
                    has_token = true;
                    self.fetch_token().await?;
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => match pauses.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(PrefectError::Busy(status)),
                },
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(PrefectError::NotAllowed(status)),
                StatusCode::NOT_FOUND => return Err(PrefectError::Missing),
                _ => return Err(PrefectError::Refused { status, detail: detail(&answer) }),
            }
        }
    }

    async fn fetch_token(&self) -> Result<(), PrefectError> {
        #[derive(Deserialize)]
        struct Token {
            token: String,
        }
        let (status, answer) = self.ask_once(&Method::GET, &format!("/csrf-token?client={}", self.name), None).await?;
        if !status.is_success() {
            return Err(PrefectError::NotAllowed(StatusCode::FORBIDDEN));
        }
        let Token { token } = read(&answer)?;
        *self.csrf.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }

    async fn ask_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), PrefectError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        request = match &self.credential {
            Credential::None => request,
            Credential::ApiKey(key) => request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            Credential::Basic(word) => {
                request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(word.expose())))
            }
        };
        if let Some(token) = &*self.csrf.lock().unwrap_or_else(PoisonError::into_inner) {
            request = request.header("Prefect-Csrf-Token", token).header("Prefect-Csrf-Client", self.name.to_string());
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        metrics::counter!(telemetry::names::PREFECT_CALLS).increment(1);
        Ok(self.http.send(request.body(Full::from(body))).await?)
    }
}

impl From<FetchError> for PrefectError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::TimedOut(_) => Self::TimedOut,
            FetchError::BrokeOff => Self::Unreadable("it broke off, or is larger than any need be".to_owned()),
            FetchError::NoAuthority(_) | FetchError::Unwritable | FetchError::Unreachable(_) => {
                Self::Unreachable(error.to_string())
            }
        }
    }
}

fn read<T: DeserializeOwned>(answer: &Bytes) -> Result<T, PrefectError> {
    serde_json::from_slice(answer).map_err(|error| PrefectError::Unreadable(error.to_string()))
}

fn detail(answer: &Bytes) -> String {
    String::from_utf8_lossy(answer).chars().filter(|letter| !letter.is_control()).take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_api_without_a_secret() {
        for (url, is) in [
            ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
            ("https://prefect.lab.example.org/api/", "https://prefect.lab.example.org/api"),
        ] {
            assert_eq!(base(url).ok().as_deref(), Some(is));
        }
        for url in
            ["", "prefect:4200", "ftp://prefect/api", "http://me:s3cret@prefect/api", "http://prefect/api?a=s3cret"]
        {
            assert!(!base(url).expect_err(url).to_string().contains("s3cret"));
        }
    }

    #[test]
    fn no_debug_shows_a_secret() {
        let wire = Wire::new("http://127.0.0.1:1/api", Credential::ApiKey("pnu_s3cret".into())).expect("a client");
        assert!(!format!("{wire:?}").contains("s3cret"));
    }
}
