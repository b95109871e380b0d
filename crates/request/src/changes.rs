//! How much one account may change in a while: a loop that creates and cancels must not fill the disk. And the headers
//! that say so (draft-ietf-httpapi-ratelimit-headers).

use crate::Problem;
use auth::{Identity, Limiter, Policy, Standing};
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, request::Parts},
    middleware::Next,
    response::Response,
};
use domain::{FaultCode, UserId};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Changes a minute of one person, unless the configuration says otherwise.
pub const USUAL_CHANGES_PER_MINUTE: u32 = 120;
/// So many minutes' worth may come at once: ten plates, at the usual rate.
const BURST_MINUTES: u16 = 10;

/// Counts the changes of students and researchers: each request that may change something is one, and each well that
/// is asked for one more. Who runs the lab isn't counted. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct Changes(Limiter<UserId>);

impl Changes {
    /// `rate` of 1 or more.
    pub fn per_minute(rate: u32) -> Self {
        let quota = rate.max(1).saturating_mul(BURST_MINUTES.into());
        let window = Duration::from_secs(60) * u32::from(BURST_MINUTES);
        Self(Limiter::new(Policy { name: "changes", quota, window }))
    }

    /// Takes so many, or none. Nothing to tell of whoever isn't counted.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, identity: &Identity, amount: usize) -> Result<Option<Standing>, Standing> {
        if identity.role().runs_the_lab() {
            return Ok(None);
        }
        self.0.take(identity.user_id(), u32::try_from(amount).unwrap_or(u32::MAX), Instant::now()).map(Some)
    }

    /// The change that a request with this method may be.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take_request(&self, identity: &Identity, method: &Method) -> Result<Option<Standing>, Standing> {
        if is_safe(method) { Ok(None) } else { self.take(identity, 1) }
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::per_minute(USUAL_CHANGES_PER_MINUTE)
    }
}

/// Methods that change nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What a request's answer will say of how its sender stands.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Option<Standing>>>);

impl Told {
    pub fn tell(&self, standing: Option<Standing>) {
        if standing.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        }
    }

    fn told(&self) -> Option<Standing> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Told {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get_or_insert_default::<Self>().clone())
    }
}

/// Puts the headers on the answers of requests that were counted.
pub async fn announce(mut request: Request, next: Next) -> Response {
    let told = Told::default();
    request.extensions_mut().insert(told.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = told.told()
        && !response.headers().contains_key(RATE_LIMIT)
    {
        write(response.headers_mut(), &standing);
    }
    response
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `RateLimit` and `RateLimit-Policy`.
pub fn write(headers: &mut HeaderMap, standing: &Standing) {
    let Policy { name, quota, window } = standing.policy;
    let policy = format!("\"{name}\";q={quota};w={}", window.as_secs());
    let limit = format!("\"{name}\";r={};t={}", standing.remaining, seconds(standing.wait));
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Whole seconds, so many that it is over then.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

impl From<Standing> for Problem {
    fn from(standing: Standing) -> Self {
        let detail = format!(
            "you ask for more at once than one person may; nothing was done. Try again in {} s",
            seconds(standing.wait)
        );
        Self::new(FaultCode::TooManyRequests, detail).with_standing(standing)
    }
}
