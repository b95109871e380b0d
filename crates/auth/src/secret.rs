//! Strings that must never be printed by accident.

use crate::password::Password;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::fmt;

/// A token in the clear, on its way to the one person it belongs to. Has no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// 32 random bytes (256 bit), base64url.
    pub(crate) fn random() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the response that hands it over.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a stored token is good for. It is hashed along, so that one kind never passes for the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Refresh,
    Cookie,
    Api,
    /// A sign-in that waits for its second step.
    Pending,
    Recovery,
    Service,
    /// What may be shown once.
    Once,
    Link,
}

/// The SHA-256 under which a token is stored. A fast hash is enough for 256 random bits.
pub(crate) fn stored_hash(purpose: Purpose, token: &str) -> String {
    let label: &[u8] = match purpose {
        Purpose::Refresh => b"refresh:",
        Purpose::Cookie => b"cookie:",
        Purpose::Api => b"api:",
        Purpose::Pending => b"pending:",
        Purpose::Recovery => b"recovery:",
        Purpose::Service => b"service:",
        Purpose::Once => b"once:",
        Purpose::Link => b"link:",
    };
    URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(label).chain_update(token).finalize())
}

/// A password that was made for somebody, printed once.
#[derive(Clone)]
pub struct OneTimePassword(String);

impl OneTimePassword {
    /// Five pronounceable groups, about 64 bit: readable aloud, hard to guess.
    pub fn random() -> Self {
        const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
        const VOWELS: &[u8; 5] = b"aeiou";
        let letter = |set: &[u8]| set.get(rand::random_range(0..set.len())).copied().map_or('x', char::from);
        let group = || {
            let mut group = String::with_capacity(4);
            for _ in 0..2 {
                group.push(letter(CONSONANTS));
                group.push(letter(VOWELS));
            }
            group
        };
        Self((0..5).map(|_| group()).collect::<Vec<_>>().join("-"))
    }

    /// The text itself, to be printed once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn password(&self) -> Password {
        Password::from(self.0.clone())
    }
}

impl fmt::Debug for OneTimePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimePassword(…)")
    }
}
