//! What ties a sign-in to the browser that began it, without a memory of ours.
//!
//! The browser keeps a cookie with 32 random bytes, when it began and where it goes on to. `state`, `nonce` and PKCE's verifier
//! are hashes of the whole cookie: whoever sees one of them learns neither the cookie nor the others, and a cookie of which a
//! letter was changed fits no `state` any more. So nothing need be sealed, and strangers can't fill a table.

use crate::OidcError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::fmt;

/// Seconds that somebody may take at the provider.
pub const HANDSHAKE_LIFE: i64 = 600;
/// Longest cookie looked at: the way on has at most 500 characters, and four for three of them.
const LONGEST: usize = 1_000;

/// Whether the provider may answer by whoever is signed in there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// It may.
    Any,
    /// It asks who somebody is, whoever is signed in: for a fresh proof.
    Anew,
}

/// What a cookie of one that asks anew ends with.
const ANEW: &str = "anew";

/// One sign-in under way. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Handshake {
    cookie: String,
    next: String,
    sign_in: SignIn,
    /// In seconds since 1970.
    began: i64,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake(…)")
    }
}

impl Handshake {
    /// Begins one that leads on to `next`, which whoever finishes checks.
    pub fn begin(next: &str, sign_in: SignIn, now: i64) -> Self {
        let random = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut cookie = format!("{random}.{now}.{}", URL_SAFE_NO_PAD.encode(next));
        if sign_in == SignIn::Anew {
            cookie = format!("{cookie}.{ANEW}");
        }
        Self { cookie, next: next.to_owned(), sign_in, began: now }
    }

    /// The one of this cookie, if the provider's `state` is of the same.
    pub fn resume(cookie: &str, state: &str, now: i64) -> Result<Self, OidcError> {
        let parsed = || {
            let mut parts = cookie.split('.');
            let (random, began, next) = (parts.next()?, parts.next()?.parse::<i64>().ok()?, parts.next()?);
            let next = String::from_utf8(URL_SAFE_NO_PAD.decode(next).ok()?).ok()?;
            let sign_in = match parts.next() {
                None => SignIn::Any,
                Some(ANEW) => SignIn::Anew,
                Some(_) => return None,
            };
            let is_whole = cookie.len() <= LONGEST && random.len() == 43 && parts.next().is_none();
            let in_time = (0..=HANDSHAKE_LIFE).contains(&(now - began));
            (is_whole && in_time).then_some(Self { cookie: cookie.to_owned(), next, sign_in, began })
        };
        let handshake = parsed();
        // How long the comparison takes tells of a hash, which is the browser's own.
        handshake.filter(|handshake| handshake.state() == state).ok_or(OidcError::NotBegunHere)
    }

    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    pub fn next(&self) -> &str {
        &self.next
    }

    pub const fn sign_in(&self) -> SignIn {
        self.sign_in
    }

    /// In seconds since 1970.
    pub const fn began(&self) -> i64 {
        self.began
    }

    pub fn state(&self) -> String {
        self.hash("state")
    }

    pub fn nonce(&self) -> String {
        self.hash("nonce")
    }

    /// 43 characters, as PKCE has it (RFC 7636, 4.1).
    pub fn verifier(&self) -> String {
        self.hash("verifier")
    }

    /// By the method `S256`.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }

    fn hash(&self, purpose: &str) -> String {
        URL_SAFE_NO_PAD
            .encode(Sha256::new().chain_update(purpose).chain_update(":").chain_update(&self.cookie).finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_that_began_goes_on_and_only_in_time_and_where_it_meant_to() {
        let begun = Handshake::begin("/robots?x=é", SignIn::Any, 1_000);
        let state = begun.state();
        let resumed = Handshake::resume(begun.cookie(), &state, 1_000 + HANDSHAKE_LIFE).expect("in time");
        assert_eq!(
            (resumed.next(), resumed.nonce(), resumed.verifier()),
            ("/robots?x=é", begun.nonce(), begun.verifier())
        );
        let elsewhere =
            begun.cookie().rsplit_once('.').expect("parts").0.to_owned() + "." + &URL_SAFE_NO_PAD.encode("/evil");
        let later = begun.cookie().replace(".1000.", ".2000.");
        let anew = Handshake::begin("/", SignIn::Anew, 1_000);
        let resumed = Handshake::resume(anew.cookie(), &anew.state(), 1_001).expect("whole");
        assert_eq!((resumed.sign_in(), resumed.began()), (SignIn::Anew, 1_000));
        let (less, more) = (anew.cookie().trim_end_matches(".anew"), format!("{}.anew", begun.cookie()));
        for (cookie, state, now) in [
            (less, anew.state().as_str(), 1_000),
            (&more, &state, 1_000),
            (begun.cookie(), state.as_str(), 1_001 + HANDSHAKE_LIFE),
            (begun.cookie(), &state, 999),
            (begun.cookie(), "", 1_000),
            (begun.cookie(), &Handshake::begin("/robots", SignIn::Any, 1_000).state(), 1_000),
            (&elsewhere, &state, 1_000),
            (&later, &state, 2_000),
            ("", &state, 1_000),
            ("..", &state, 1_000),
        ] {
            assert!(Handshake::resume(cookie, state, now).is_err(), "{cookie} {state} {now}");
        }
        assert_eq!(HashSet::from([begun.state(), begun.nonce(), begun.verifier(), begun.challenge()]).len(), 4);
    }

    use std::collections::HashSet;
}
