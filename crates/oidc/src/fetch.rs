//! What is asked of the provider: a few kilobytes of JSON.

use crate::OidcError;
use fetch::{FetchError, Limits};
use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes, header, http};
use serde_json::Value;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(5);
/// A discovery document has 5 kB, a set of keys 2 kB a key.
const LIMITS: Limits = Limits { longest: LONGEST, largest: 256 * 1024, idle: LONGEST };

/// Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Fetch(fetch::Fetch);

impl Fetch {
    pub fn new() -> Result<Self, OidcError> {
        Ok(Self(fetch::Fetch::new(LIMITS)?))
    }

    pub async fn get(&self, url: &str, bearer: Option<&str>) -> Result<(StatusCode, Value), OidcError> {
        let mut request = Request::get(url).header(header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Full::default())).await
    }

    pub async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<(StatusCode, Value), OidcError> {
        let mut request = Request::post(url)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.send(request.body(Full::from(form))).await
    }

    async fn send(&self, request: Result<Request<Full<Bytes>>, http::Error>) -> Result<(StatusCode, Value), OidcError> {
        let (status, body) = self.0.send(request).await?;
        let value =
            serde_json::from_slice(&body).map_err(|_| OidcError::Provider(format!("no JSON came, but a {status}")))?;
        Ok((status, value))
    }
}

impl From<FetchError> for OidcError {
    fn from(error: FetchError) -> Self {
        Self::Provider(error.to_string())
    }
}
