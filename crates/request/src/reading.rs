//! How new what somebody reads must be: with all that they changed, wherever they ask; the rest may be as old as the replica.
//!
//! After a change its answer says how far the database was then, as a header and a cookie. Whoever sends one of them back is
//! shown nothing older; who sends neither is remembered by the process that made the change. Without a replica none of
//! this happens (`docs/decisions/0013-replica-and-pooler.md`).

use crate::{
    AppState, Caller, Problem,
    changes::is_safe,
    cookies::{self, Way},
};
use auth::Identity;
use axum::{
    extract::{FromRef, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use domain::UserId;
use hashlink::LruCache;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use store::{Freshness, Position};

/// The header that carries a position both ways.
pub const POSITION: HeaderName = HeaderName::from_static("tincture-position");
/// A replica that is further behind than this isn't used.
const COOKIE_SECONDS: i64 = 3_600;
/// People whose last change is remembered.
const MOST_PEOPLE: usize = 4_096;

/// Somebody who looks at something, and the lab as new as they need it. For whatever decides or changes something it is
/// [`State`] and [`Caller`], which read what is true now.
#[derive(Clone, Debug)]
pub struct Reader {
    pub state: AppState,
    pub identity: Identity,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader
where
    AppState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Caller(identity) = Caller::from_request_parts(parts, state).await?;
        let state = AppState::from_ref(state).reading_for(&identity, &parts.headers).await;
        Ok(Self { state, identity })
    }
}

impl AppState {
    /// The same lab, as new as this person needs it where they only look at it.
    pub async fn reading_for(mut self, identity: &Identity, headers: &HeaderMap) -> Self {
        if self.store.replica_status().is_none() {
            return self;
        }
        let seen = sent(headers).max(self.last_changes.of(identity.user_id()));
        let store = self.store.reading(Freshness::AtLeast(seen)).await;
        self.lab = self.lab.clone().reading_from(store.clone());
        self.store = store;
        self.seen = seen;
        self
    }
}

/// The newest position that a request says it knows of.
fn sent(headers: &HeaderMap) -> Position {
    let by_header = headers.get_all(POSITION).iter().filter_map(|value| value.to_str().ok());
    by_header
        .chain(cookies::POSITION.read_all(headers))
        .filter_map(|text| text.trim().parse().ok())
        .max()
        .unwrap_or_default()
}

/// How far the database was after each person's last change here. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct LastChanges(Arc<Mutex<LruCache<UserId, Position>>>);

impl Default for LastChanges {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(MOST_PEOPLE))))
    }
}

impl LastChanges {
    fn of(&self, user: UserId) -> Position {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&user).copied().unwrap_or_default()
    }

    fn note(&self, user: UserId, position: Position) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(user, position);
    }
}

/// Whose request it turned out to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender(Arc<OnceLock<UserId>>);

/// Says whose request it is, for what happens around it.
pub fn sent_by(parts: &Parts, identity: &Identity) {
    if let Some(Sender(user)) = parts.extensions.get() {
        let _ = user.set(identity.user_id());
    }
}

/// Tells whoever changed something how far the database is now. Asks it only where there is a replica.
pub async fn tell_position(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if is_safe(request.method()) || state.store.replica_status().is_none() {
        return next.run(request).await;
    }
    let (sender, way) = (Sender::default(), Way::of(&state, request.headers()));
    request.extensions_mut().insert(sender.clone());
    let mut response = next.run(request).await;
    // What was refused changed nothing.
    if response.status().is_client_error() {
        return response;
    }
    let position = match state.store.position().await {
        Ok(Some(position)) => position,
        Ok(None) => return response,
        Err(error) => {
            tracing::debug!(%error, "the primary doesn't say how far it is");
            Position::UNKNOWN
        }
    };
    if let Some(user) = sender.0.get() {
        state.last_changes.note(*user, position);
    }
    if position != Position::UNKNOWN {
        write(response.headers_mut(), way, position);
    }
    response
}

fn write(headers: &mut HeaderMap, way: Way, position: Position) {
    let position = position.to_string();
    let cookie = cookies::POSITION.set_on(way, &position, COOKIE_SECONDS);
    if let (Ok(position), Some(cookie)) = (HeaderValue::from_str(&position), cookie) {
        headers.insert(POSITION, position);
        headers.append(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_position_that_a_request_knows_of_counts() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value"))).collect()
        };
        let of = |text: &str| text.parse::<Position>().expect("a position");
        assert_eq!(sent(&headers(&[])), Position::START);
        assert_eq!(sent(&headers(&[("tincture-position", "0/A")])), of("0/A"));
        for name in ["tincture_position", "__Host-tincture_position"] {
            let cookies = format!("a=b; {name}=1/0; tincture_session=x").leak();
            assert_eq!(sent(&headers(&[("cookie", cookies), ("tincture-position", "0/A")])), of("1/0"));
        }
        for nonsense in ["", "x", "1/2/3", "-1/0", "1/\u{e9}"] {
            let mut headers = HeaderMap::new();
            headers.insert(POSITION, HeaderValue::from_bytes(nonsense.as_bytes()).expect("a value"));
            assert_eq!(sent(&headers), Position::START, "{nonsense:?}");
        }
    }
}
