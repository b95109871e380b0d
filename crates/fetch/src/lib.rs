//! Asking other people's servers over HTTPS: bounded in time and size, and never sent on to somewhere else.
//!
//! By hyper itself: the client that drives robots has no TLS, and would have to be told which for every other use if it had.

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, http};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{error::Error, time::Duration};
use tokio::time::timeout;

/// What one question may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the connection to the last byte.
    pub longest: Duration,
    /// Bytes of an answer.
    pub largest: usize,
    /// After which a connection that nobody uses is closed: before the server closes it.
    pub idle: Duration,
}

/// Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Fetch {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: Limits,
}

/// Why there is no answer. Never with a credential, a path or a query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no authority is trusted here: {0}")]
    NoAuthority(String),
    #[error("what is asked can't be written")]
    Unwritable,
    /// With what lies below: "connection refused" says more than "client error".
    #[error("{0}")]
    Unreachable(String),
    /// It may have been done.
    #[error("no answer in {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("its answer broke off, or is larger than any need be")]
    BrokeOff,
}

impl Fetch {
    /// Trusts the authorities that the machine trusts.
    ///
    /// # Errors
    /// `NoAuthority` where it trusts none.
    pub fn new(limits: Limits) -> Result<Self, FetchError> {
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let roots = roots.map_err(|error| FetchError::NoAuthority(error.to_string()))?;
        let connector = roots.https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).pool_idle_timeout(limits.idle).build(connector);
        Ok(Self { http, limits })
    }

    /// Asks once. Whatever status the answer has, it is one.
    ///
    /// # Errors
    /// Those of [`FetchError`].
    pub async fn send(
        &self,
        request: Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<(StatusCode, Bytes), FetchError> {
        let request = request.map_err(|_| FetchError::Unwritable)?;
        let asked = async {
            let answer = self.http.request(request).await.map_err(|error| FetchError::Unreachable(causes(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), self.limits.largest).collect().await;
            let body = body.map_err(|_| FetchError::BrokeOff)?;
            Ok((status, body.to_bytes()))
        };
        timeout(self.limits.longest, asked).await.map_err(|_| FetchError::TimedOut(self.limits.longest))?
    }
}

fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text = format!("{text}: {cause}");
        below = cause.source();
    }
    text
}
