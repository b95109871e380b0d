//! Asking the provider over HTTP: bounded in time and size, and never sent on to somewhere else.
//!
//! By hyper itself: the client that drives robots has no TLS, and would have to be told which for every other use if it had.

use crate::OidcError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use std::{error::Error, time::Duration};
use tokio::time::timeout;

/// For one question, from the connection to the last byte.
const LONGEST: Duration = Duration::from_secs(5);
/// An answer: a discovery document has 5 kB, a set of keys 2 kB a key.
const LARGEST: usize = 256 * 1024;

/// Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Fetch(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Fetch {
    /// Trusts the authorities that the machine trusts.
    pub fn new() -> Result<Self, OidcError> {
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let roots = roots.map_err(|error| OidcError::Provider(format!("no authority is trusted here: {error}")))?;
        let connector = roots.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).pool_idle_timeout(LONGEST).build(connector)))
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

    async fn send(
        &self,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<(StatusCode, Value), OidcError> {
        let failed = |text: &str| OidcError::Provider(text.to_owned());
        let request = request.map_err(|_| failed("what is asked can't be written"))?;
        let asked = async {
            let answer = self.0.request(request).await.map_err(|error| OidcError::Provider(causes(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|_| failed("its answer broke off, or is larger than any need be"))?.to_bytes();
            let value = serde_json::from_slice(&body)
                .map_err(|_| OidcError::Provider(format!("no JSON came, but a {status}")))?;
            Ok((status, value))
        };
        timeout(LONGEST, asked).await.map_err(|_| failed("no answer in 5 s"))?
    }
}

/// With what lies below: "connection refused" says more than "client error".
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    text
}
