//! Passwords and their argon2id hashes, computed on blocking threads and few at a time.

use crate::{AuthError, hashing_memory::HashingMemory, weak::weakness};
use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::Output,
};
use serde::{Deserialize, Deserializer};
use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Characters a password may have (NIST SP 800-63B: at least 8, long passphrases welcome, no rules of composition).
pub const PASSWORD_LENGTH: RangeInclusive<usize> = 8..=200;

/// Memory of one hash, KiB; with [`PASSES`] and [`LANES`] OWASP's first choice for argon2id (19 MiB, t = 2, p = 1).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes computed at once. Each holds 19 MiB, so this bounds what a flood of sign-ins can take.
const AT_ONCE: usize = 2;

/// How long a sign-in waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Verified for an unknown address, so that the answer takes as long as for a known one. Matches no password.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0ISE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as typed. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    fn check_new(&self) -> Result<(), AuthError> {
        if PASSWORD_LENGTH.contains(&self.0.chars().count()) { Ok(()) } else { Err(AuthError::InvalidPassword) }
    }

    /// Refuses what would be guessed for the account of this address.
    pub(crate) fn check_strength(&self, email: &str) -> Result<(), AuthError> {
        self.check_new()?;
        weakness(&self.0, email).map_or(Ok(()), |why| Err(AuthError::WeakPassword(why)))
    }

    /// Longer than any password ever stored, so not worth hashing.
    fn is_too_long(&self) -> bool {
        self.0.chars().nth(*PASSWORD_LENGTH.end()).is_some()
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Computes and compares hashes. Cheap to clone; clones share the bound.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    turns: Arc<Semaphore>,
    memory: HashingMemory,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), memory: HashingMemory::default() }
    }

    /// The PHC string of a new password, of which the length is checked here.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, AuthError> {
        password.check_new()?;
        self.hash_as_it_is(password).await
    }

    /// The same of a password that was let in by other rules.
    pub(crate) async fn hash_as_it_is(&self, password: Password) -> Result<String, AuthError> {
        self.run(move || {
            let hash = argon2()?.hash_password(password.0.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|_| AuthError::Internal("a password couldn't be hashed"))
        })
        .await
    }

    /// Whether the password belongs to the hash. `None` takes as long and is never true.
    pub(crate) async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, AuthError> {
        let memory = self.memory.clone();
        self.run(move || {
            // An account without a password has no hash: it takes as long as the others.
            let known = hash.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
            let nobodys = || PasswordHash::new(NOBODYS_HASH).map_err(|_| AuthError::Internal("nobody's hash is none"));
            let (hash, is_known) =
                known.map_or_else(|| nobodys().map(|hash| (hash, false)), |hash| Ok((hash, true)))?;
            let password = if password.is_too_long() { "" } else { &password.0 };
            Ok(matches(password.as_bytes(), &hash, &memory)? && is_known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| AuthError::Busy)?.map_err(|_| AuthError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the thread, not the request: an aborted request mustn't let in a third.
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| AuthError::Internal("the hashing thread died"))?
    }
}

/// Whether the password has this hash, as [`PasswordVerifier`] says it; in memory that is used again where the hash is as costly
/// as today's.
fn matches(password: &[u8], hash: &PasswordHash, memory: &HashingMemory) -> Result<bool, AuthError> {
    let argon2 = argon2()?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else { return Ok(false) };
    let is_todays = hash.algorithm.as_str() == Algorithm::Argon2id.as_str()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(|params| cost(&params) == cost(argon2.params()))
        && expected.len() == Params::DEFAULT_OUTPUT_LEN;
    if !is_todays {
        return Ok(argon2.verify_password(password, hash).is_ok());
    }
    let mut blocks: Vec<Block> = memory.take(argon2.params().block_count());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let hashed = argon2.hash_password_into_with_memory(password, salt, &mut output, &mut blocks);
    memory.keep(blocks);
    hashed.map_err(|_| AuthError::Internal("a password couldn't be hashed"))?;
    // Outputs are compared in constant time.
    Ok(Output::new(&output).is_ok_and(|output| output == *expected))
}

fn cost(params: &Params) -> (u32, u32, u32) {
    (params.m_cost(), params.t_cost(), params.p_cost())
}

fn argon2() -> Result<Argon2<'static>, AuthError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|_| AuthError::Internal("argon2's parameters were refused"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a hash is cheaper to try passwords on than one made today.
pub(crate) fn is_outdated(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    let params = Params::try_from(&hash);
    let is_enough = |params: Params| {
        params.m_cost() >= MEMORY_KIB
            && params.t_cost() >= PASSES
            && params.m_cost() * params.t_cost() >= MEMORY_KIB * PASSES
    };
    hash.algorithm.as_str() != "argon2id" || !params.is_ok_and(is_enough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_argon2id_and_matches_its_password_only() {
        let hasher = Hasher::new();
        let hash = hasher.hash("a long secret".into()).await.expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("a long secret".into(), Some(hash.clone())).await.expect("verify"));
        assert!(!hasher.verify("a long Secret".into(), Some(hash)).await.expect("verify"));
    }

    #[tokio::test]
    async fn nobodys_hash_is_really_computed_and_never_true() {
        argon2::PasswordHash::new(NOBODYS_HASH).expect("a well-formed PHC string, or unknown addresses answer faster");
        assert!(!Hasher::new().verify("".into(), None).await.expect("verify"));
    }

    #[tokio::test]
    async fn used_memory_and_another_cost_change_nothing() {
        let hasher = Hasher::new();
        let dear = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(MEMORY_KIB + 1024, PASSES, LANES, None).expect("parameters"),
        );
        let elsewhere = |argon2: &Argon2<'_>| argon2.hash_password(b"a long secret").expect("hash").to_string();
        let todays = elsewhere(&argon2().expect("parameters"));
        for hash in [todays, elsewhere(&dear)] {
            for _ in 0..2 {
                assert!(!hasher.verify("a long Secret".into(), Some(hash.clone())).await.expect("verify"), "{hash}");
                assert!(hasher.verify("a long secret".into(), Some(hash.clone())).await.expect("verify"), "{hash}");
            }
        }
        for nothing in ["$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0ISE", "plain text"] {
            assert!(!hasher.verify("a long secret".into(), Some(nothing.to_owned())).await.expect("verify"));
        }
    }

    #[tokio::test]
    async fn the_hasher_asks_for_a_length_only() {
        let hasher = Hasher::new();
        for bad in ["1234567".to_owned(), "x".repeat(201)] {
            assert!(matches!(hasher.hash(bad.into()).await, Err(AuthError::InvalidPassword)));
        }
        hasher.hash("ähnlich8".into()).await.expect("eight characters, whatever their bytes");
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", Password::from("hunter2")), "Password(…)");
    }
}
