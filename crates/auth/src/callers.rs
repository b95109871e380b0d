//! Whose the access tokens are that this process has just seen: checking a signature and asking the database for each of
//! a hundred requests of one person in a second would cost more than what they ask for.
//!
//! What this process changes about accounts, sessions and keys, and hears that others do, counts at once; what another one
//! changes unheard within [`store::UNSEEN`].

use crate::Identity;
use chrono::Utc;
use hashlink::LruCache;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Moment;

/// People who ask at once; who comes after them is only slower.
const MOST: usize = 4_096;

/// Tokens are known by their hash, so that a look into our memory gives none away.
type Hash = [u8; 32];

#[derive(Debug)]
struct Known {
    identity: Identity,
    /// Seconds since 1970, as the token has it.
    expires_at: i64,
    /// As of which change of accounts.
    read: Moment,
}

/// Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Callers(Arc<Mutex<LruCache<Hash, Known>>>);

impl Callers {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(MOST))))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Hash, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose token it is, if that was read a moment ago and this process has changed nothing about accounts since.
    pub fn known(&self, token: &str, changes: u64) -> Option<Identity> {
        let mut callers = self.lock();
        let known = callers.get(&hash(token))?;
        let holds = known.read.holds(changes) && Utc::now().timestamp() < known.expires_at;
        holds.then(|| known.identity.clone())
    }

    pub fn keep(&self, token: &str, identity: &Identity, expires_at: i64, read: Moment) {
        self.lock().insert(hash(token), Known { identity: identity.clone(), expires_at, read });
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}
