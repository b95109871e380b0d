//! The lab's own cookies: what they are called, read and set.
//!
//! Where a browser comes encrypted their names begin with `__Host-`: no neighbouring site, and nobody on a way that isn't encrypted, can
//! set such a one (RFC 6265bis, 4.1.3). `up` serves plain HTTP on one machine, where browsers refuse these names: there they
//! have plain ones.

use crate::{
    AppState, ClientAddress,
    caller::{cookie, cookies},
};
use auth::{PENDING_COOKIE, SESSION_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use chrono::Utc;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnCookie {
    plain: &'static str,
    encrypted: &'static str,
    /// Where a plain one is sent to; the others are to all of the lab, since browsers want that of their names.
    path: &'static str,
}

/// Who is signed in.
pub const SESSION: OwnCookie = OwnCookie { plain: SESSION_COOKIE, encrypted: "__Host-tincture_session", path: "/" };
/// How far the database was after somebody's last change.
pub(crate) const POSITION: OwnCookie =
    OwnCookie { plain: "tincture_position", encrypted: "__Host-tincture_position", path: "/" };
/// Whose sign-in waits for its second step.
pub const PENDING: OwnCookie =
    OwnCookie { plain: PENDING_COOKIE, encrypted: "__Host-tincture_pending", path: "/sign-in" };

/// How a browser reaches the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    /// As far as the proxy in front.
    Encrypted,
}

impl Way {
    pub fn of(state: &AppState, headers: &HeaderMap) -> Self {
        let is_encrypted = state.client_address == ClientAddress::LastForwarded
            && headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
        if is_encrypted { Self::Encrypted } else { Self::Plain }
    }
}

impl OwnCookie {
    /// Its value, if the browser sent one. A plain one that comes encrypted counts only for as long as browsers may have some
    /// of the release before ([`AppState::with_plain_cookies_until`]).
    pub fn read<'a>(&self, state: &AppState, headers: &'a HeaderMap) -> Option<&'a str> {
        let plain_counts = || {
            Way::of(state, headers) == Way::Plain || state.plain_cookies_until.is_some_and(|until| Utc::now() < until)
        };
        cookie(headers, self.encrypted).or_else(|| cookie(headers, self.plain).filter(|_| plain_counts()))
    }

    /// Its values, whatever they are called and however they came: for what is no secret.
    pub(crate) fn read_all<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        cookies(headers, self.encrypted).chain(cookies(headers, self.plain))
    }

    /// The `Set-Cookie` value that sets it for so many seconds; 0 ends it. Links of other sites bring it, posts don't: a provider of
    /// identity leads here.
    pub fn set(&self, state: &AppState, headers: &HeaderMap, value: &str, seconds: i64) -> Option<HeaderValue> {
        self.set_on(Way::of(state, headers), value, seconds)
    }

    pub(crate) fn set_on(&self, way: Way, value: &str, seconds: i64) -> Option<HeaderValue> {
        let (name, path, secure) = match way {
            Way::Plain => (self.plain, self.path, ""),
            Way::Encrypted => (self.encrypted, "/", "; Secure"),
        };
        let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).ok()
    }

    /// What a `Set-Cookie` value sets it to, if it does.
    pub fn set_by<'a>(&self, set: &'a str) -> Option<&'a str> {
        let (name, rest) = set.split_once('=')?;
        (name == self.plain || name == self.encrypted).then(|| rest.split(';').next().unwrap_or_default())
    }
}
