//! Who sent a request: the person, by bearer token or session cookie, and the network address.

use crate::{
    AppState, ClientAddress, Problem,
    changes::{Told, is_safe},
    cookies::SESSION,
};
use auth::{AuthError, Identity};
use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use domain::FaultCode;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

/// The signed-in person behind a request, who may ask for its route ([`crate::ROUTES`]).
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

/// The client's address, where it is known.
#[derive(Clone, Copy, Debug)]
pub struct ClientIp(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    AppState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let state = AppState::from_ref(state);
        let identity = identify(&state, parts).await?;
        // From here on the request's lines in the log say whose it is.
        crate::sent_by(parts, &identity);
        note_use(&state, parts, &identity);
        tracing::Span::current().record("user", tracing::field::display(identity.user_id()));
        crate::allow(parts, &identity)?;
        let Ok(told) = Told::from_request_parts(parts, &state).await;
        told.tell(state.changes.take_request(&identity, &parts.method)?);
        Ok(Self(identity))
    }
}

async fn identify(state: &AppState, parts: &Parts) -> Result<Identity, Problem> {
    if let Some(token) = bearer(&parts.headers)? {
        return Ok(state.auth.authenticate(token).await?);
    }
    let cookie = SESSION.read(state, &parts.headers).ok_or(AuthError::Missing)?;
    if !is_safe(&parts.method) && !same_origin(&parts.headers) {
        return Err(Problem::new(FaultCode::NotAllowed, "a request from another site can't act with your cookie"));
    }
    Ok(state.auth.by_cookie(cookie).await?)
}

impl<S: Send + Sync> FromRequestParts<S> for ClientIp
where
    AppState: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(address(AppState::from_ref(state).client_address, parts)))
    }
}

fn address(whose: ClientAddress, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    match whose {
        ClientAddress::Peer => peer,
        ClientAddress::LastForwarded => last_forwarded(&parts.headers).or(peer),
    }
}

/// So that a person sees from where and with what their sign-in is used.
pub fn note_use(state: &AppState, parts: &Parts, identity: &Identity) {
    let from = || (address(state.client_address, parts), crate::client(&parts.headers));
    state.auth.note_session_used(identity, from);
}

/// The value of this cookie, if the browser sent one.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    cookies(headers, name).find(|value| !value.is_empty())
}

/// The values of the cookies of this name; browsers may send several.
pub(crate) fn cookies<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(move |(found, value)| (found == name).then_some(value))
}

/// Whether a request that changes something comes from our own pages and not from another site with our cookie.
///
/// Browsers say so themselves (`Sec-Fetch-Site`, else `Origin`). A request with neither isn't a browser's, and only
/// browsers attach a person's cookies unasked.
pub fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, authority)| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(|_| AuthError::Forged)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(AuthError::Missing),
    }
}

fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value"))).collect()
    }

    #[test]
    fn only_our_own_pages_act_with_a_cookie() {
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://else.where"), ("host", "lab")],
            &[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")],
        ] {
            assert!(same_origin(&headers(own)), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null"), ("host", "lab")],
            &[("origin", "https://lab.evil"), ("host", "lab")],
            &[("origin", "http://lab:81"), ("host", "lab:80")],
            &[("origin", "http://"), ("host", "")],
        ] {
            assert!(!same_origin(&headers(foreign)), "{foreign:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "theme=dark; tincture_session=abc; x=tincture_session=no")]);
        assert_eq!(cookie(&headers, "tincture_session"), Some("abc"));
        assert_eq!(cookie(&self::headers(&[("cookie", "tincture_session=")]), "tincture_session"), None);
    }

    #[test]
    fn only_the_proxys_own_entry_counts() {
        let headers = headers(&[("x-forwarded-for", "6.6.6.6, 203.0.113.9")]);
        assert_eq!(last_forwarded(&headers), "203.0.113.9".parse().ok());
    }
}
