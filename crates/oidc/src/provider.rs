//! What is known of the provider: its own description and its keys, read when they are needed and kept for a while.
//!
//! One asks at a time, and after a failure nobody for a moment: however many come while it is away, it is asked now and then.
//! What was read before does meanwhile.

use crate::{OidcError, config::is_safe, fetch::Fetch, token::Keys};
use serde::Deserialize;
use serde_json::Value;
use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use url::Url;

/// How long the description and the keys are gone on with.
const KEPT: Duration = Duration::from_secs(3_600);
/// How old keys must be to be read anew for a token that names one that isn't among them. It bounds what forged tokens can
/// make us read.
const FRESH: Duration = Duration::from_secs(10);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// The provider's own description (OpenID Connect Discovery 1.0, 3), as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub authorization_endpoint: Address,
    pub token_endpoint: Address,
    jwks_uri: Address,
    pub userinfo_endpoint: Option<Address>,
    pub end_session_endpoint: Option<Address>,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    code_challenge_methods_supported: Option<Vec<String>>,
    /// RFC 9207: answers say which provider they are of.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Where something of the provider's is.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(Url);

impl TryFrom<String> for Address {
    type Error = url::ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Url::parse(&text).map(Self)
    }
}

impl Deref for Address {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl Metadata {
    fn check(self, issuer: &str) -> Result<Self, OidcError> {
        let wrong = |text: String| Err(OidcError::Provider(text));
        if self.issuer != issuer {
            return wrong("it describes another issuer than oidc_issuer, to the letter".to_owned());
        }
        let encrypts = issuer.starts_with("https://");
        let optional = [&self.userinfo_endpoint, &self.end_session_endpoint];
        let all = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        let all = all.into_iter().chain(optional.into_iter().flatten());
        if let Some(bad) = all.into_iter().find(|url| !is_safe(url) || (encrypts && url.scheme() != "https")) {
            return wrong(format!("{} isn't https", bad.0));
        }
        if self
            .code_challenge_methods_supported
            .as_ref()
            .is_some_and(|known| !known.iter().any(|method| method == "S256"))
        {
            return wrong("it doesn't know PKCE's S256".to_owned());
        }
        Ok(self)
    }
}

/// Something that was read.
#[derive(Debug)]
struct Kept<T> {
    value: Option<(Arc<T>, Instant)>,
    failed: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { value: None, failed: None }
    }
}

impl<T> Kept<T> {
    /// What is kept, if it is younger than this, or if it would be in vain to ask for another.
    fn get(&self, younger_than: Duration) -> Option<Result<Arc<T>, OidcError>> {
        let failed_lately = self.failed.is_some_and(|at| at.elapsed() < PAUSE);
        match &self.value {
            Some((value, read)) if failed_lately || read.elapsed() < younger_than => Some(Ok(value.clone())),
            None if failed_lately => Some(Err(OidcError::Provider("it didn't a moment ago".to_owned()))),
            _ => None,
        }
    }

    fn set(&mut self, read: Result<T, OidcError>) -> Result<Arc<T>, OidcError> {
        match read {
            Ok(value) => {
                let value = Arc::new(value);
                *self = Self { value: Some((value.clone(), Instant::now())), failed: None };
                Ok(value)
            }
            Err(error) => {
                tracing::warn!(%error, "the provider of identity can't be read");
                self.failed = Some(Instant::now());
                self.value.as_ref().map(|(value, _)| value.clone()).ok_or(error)
            }
        }
    }
}

/// Cheap to clone; clones share what was read.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    issuer: Arc<str>,
    pub fetch: Fetch,
    metadata: Arc<Mutex<Kept<Metadata>>>,
    keys: Arc<Mutex<Kept<Keys>>>,
}

impl Provider {
    pub fn new(issuer: &str) -> Result<Self, OidcError> {
        Ok(Self { issuer: issuer.into(), fetch: Fetch::new()?, metadata: Arc::default(), keys: Arc::default() })
    }

    pub async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        let mut kept = self.metadata.lock().await;
        if let Some(known) = kept.get(KEPT) {
            return known;
        }
        let read = self.read_metadata().await;
        kept.set(read)
    }

    async fn read_metadata(&self) -> Result<Metadata, OidcError> {
        let address = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: Metadata = serde_json::from_value(self.read(&address).await?)
            .map_err(|error| OidcError::Provider(format!("its description can't be read: {error}")))?;
        metadata.check(&self.issuer)
    }

    /// Its keys, with the one that `is_there` looks for if there is such a one.
    pub async fn keys(&self, is_there: impl Fn(&Keys) -> bool) -> Result<Arc<Keys>, OidcError> {
        let metadata = self.metadata().await?;
        let mut kept = self.keys.lock().await;
        if let Some(known) = kept.get(KEPT) {
            let known = known?;
            if is_there(&known) {
                return Ok(known);
            }
            if let Some(known) = kept.get(FRESH) {
                return known;
            }
        }
        let read = self.read(metadata.jwks_uri.as_str()).await.and_then(|set| Keys::read(&set));
        kept.set(read)
    }

    async fn read(&self, address: &str) -> Result<Value, OidcError> {
        match self.fetch.get(address, None).await? {
            (status, value) if status.is_success() => Ok(value),
            (status, _) => Err(OidcError::Provider(format!("it answers {status}"))),
        }
    }
}
