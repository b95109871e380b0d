//! API tokens: what they look like, and when they were last used.
//!
//! `tct_`, 40 random characters and 6 that follow from them: 238 bits that nobody guesses, so a fast hash is enough to keep
//! them. Who mistypes one is refused without a look into the database, and whoever finds one in a file can tell that it is
//! one, and that it is whole: `tct_[0-9A-Za-z]{46}`.

use crate::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApiTokenId, ServiceTokenId, SessionId};
use hashlink::LruCache;
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{ApiToken, ServiceToken, SessionUse, Store, StoreError};

/// What every API token begins with.
pub const API_TOKEN_PREFIX: &str = "tct_";
/// What every token of a service begins with: as long, so that all else is alike.
pub const SERVICE_TOKEN_PREFIX: &str = "tcs_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 40;
const CHECK: usize = 6;

/// A new one of a person's.
pub(crate) fn make() -> Secret {
    make_with(API_TOKEN_PREFIX)
}

/// A new one that begins so.
pub(crate) fn make_with(prefix: &str) -> Secret {
    let mut text = String::with_capacity(prefix.len() + RANDOM + CHECK);
    text.push_str(prefix);
    text.extend((0..RANDOM).map(|_| letter(rand::random_range(0..ALPHABET.len()))));
    let check = check_of(&text);
    text.push_str(&check);
    Secret::new(text)
}

/// Whether it could be one of anybody's: it is whole.
pub(crate) fn is_whole(token: &str) -> bool {
    let is_ours = [API_TOKEN_PREFIX, SERVICE_TOKEN_PREFIX].iter().any(|prefix| token.starts_with(prefix));
    let begins_well = is_ours && token.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let Some(middle) = token.len().checked_sub(CHECK) else { return false };
    begins_well
        && middle == API_TOKEN_PREFIX.len() + RANDOM
        && token.split_at_checked(middle).is_some_and(|(text, check)| check == check_of(text))
}

/// The last characters of a token that begins so: 32 bits of its hash, which tell of the rest no more than it does itself.
fn check_of(text: &str) -> String {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
    let mut left = u32::from_be_bytes([a, b, c, d]) as usize;
    let mut check = String::with_capacity(CHECK);
    for _ in 0..CHECK {
        check.push(letter(left % ALPHABET.len()));
        left /= ALPHABET.len();
    }
    check
}

fn letter(index: usize) -> char {
    ALPHABET.get(index).copied().map_or('0', char::from)
}

/// A use is written down unless one of the last minute is.
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// How long uses are gathered for one write.
const GATHER: Duration = Duration::from_secs(1);
/// Tokens of one write. Of more it is written when they are used again.
const MOST: usize = 4_096;

/// When tokens were last used, on the way to the database, so that no request waits for it. What is on its way is lost with
/// the process: it says how a token is used, and nothing depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Uses {
    store: Store,
    gathered: Arc<Mutex<Gathered>>,
    /// When sessions were last noted: who asks with one doesn't read when it was used.
    noted: Arc<Mutex<LruCache<SessionId, DateTime<Utc>>>>,
}

#[derive(Debug, Default)]
struct Gathered {
    api: HashMap<ApiTokenId, DateTime<Utc>>,
    services: HashMap<ServiceTokenId, DateTime<Utc>>,
    sessions: HashMap<SessionId, SessionUse>,
}

impl Gathered {
    fn len(&self) -> usize {
        self.api.len() + self.services.len() + self.sessions.len()
    }
}

impl Uses {
    pub fn new(store: Store) -> Self {
        Self { store, gathered: Arc::default(), noted: Arc::new(Mutex::new(LruCache::new(MOST))) }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A person's token, as it was just read, is used.
    pub fn note(&self, token: &ApiToken, at: DateTime<Utc>) {
        self.gather(token.last_used_at, at, |gathered| gathered.api.insert(token.id, at));
    }

    /// The same of a service's.
    pub fn note_service(&self, token: &ServiceToken, at: DateTime<Utc>) {
        self.gather(token.last_used_at, at, |gathered| gathered.services.insert(token.id, at));
    }

    /// The same of a sign-in, with from where and what.
    pub fn note_session(&self, session: SessionId, at: DateTime<Utc>, used: impl FnOnce(DateTime<Utc>) -> SessionUse) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let last = noted.get(&session).copied();
        if last.is_none_or(|last| at >= last + MINUTE) {
            noted.insert(session, at);
            drop(noted);
            self.gather(last, at, |gathered| gathered.sessions.insert(session, used(at)));
        }
    }

    fn gather<T>(&self, last: Option<DateTime<Utc>>, at: DateTime<Utc>, insert: impl FnOnce(&mut Gathered) -> T) {
        if last.is_some_and(|last| at < last + MINUTE) {
            return;
        }
        let mut gathered = self.gathered();
        let first = gathered.len() == 0;
        if gathered.len() < MOST {
            insert(&mut gathered);
        }
        drop(gathered);
        if first {
            let later = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                later.write().await;
            });
        }
    }

    /// Writes down what is gathered.
    pub async fn write(&self) {
        let Gathered { api, services, sessions } = std::mem::take(&mut *self.gathered());
        let (api, services): (Vec<_>, Vec<_>) = (api.into_iter().collect(), services.into_iter().collect());
        let sessions: Vec<_> = sessions.into_iter().collect();
        let written = async {
            if !api.is_empty() {
                self.store.note_api_tokens_used(&api).await?;
            }
            if !services.is_empty() {
                self.store.note_service_tokens_used(&services).await?;
            }
            if !sessions.is_empty() {
                self.store.note_sessions_used(&sessions).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = written.await {
            let tokens = api.len() + services.len() + sessions.len();
            tracing::warn!(%error, tokens, "when tokens and sessions were last used could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_off_is_no_token() {
        let token = make();
        let text = token.expose();
        assert_eq!(text.len(), 50);
        assert!(is_whole(text));
        assert_ne!(make(), token);
        for place in 0..text.len() {
            let mut letters: Vec<char> = text.chars().collect();
            letters[place] = if letters[place] == 'x' { 'y' } else { 'x' };
            let other: String = letters.into_iter().collect();
            assert!(!is_whole(&other), "place {place}");
        }
        for other in ["", "tct_", &text[..49], &format!("{text}0"), &text[4..], "tct_é", &"é".repeat(25)] {
            assert!(!is_whole(other), "{other}");
        }
    }
}
