//! Sign-ins that fail, in the log.
//!
//! An account that exists is named by its id. What was typed where there is none isn't written, nor a hash that could be
//! tried out: people type their password into the field for the address. It stands for itself as a number, so that tries
//! with the same words are seen to be; its key is made anew in every process and is nowhere else.

use domain::UserId;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::LazyLock,
};

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Tells the log why somebody wasn't let in; the answer doesn't say.
pub(crate) fn tell(reason: &'static str, account: Option<UserId>, typed: &str, ip: Option<IpAddr>) {
    let from = ip.map(tracing::field::display);
    match account {
        Some(account) => tracing::info!(reason, %account, from, "a sign-in failed"),
        None => tracing::info!(reason, typed = mark(typed), from, "a sign-in failed"),
    }
}

/// 32 bits are enough to tell attempts apart and too few to tell which words they came from.
fn mark(typed: &str) -> String {
    format!("#{:08x}", KEY.hash_one(typed) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_have_the_same_mark_and_others_another() {
        assert_eq!(mark("hunter2"), mark("hunter2"));
        assert_ne!(mark("hunter2"), mark("hunter3"));
        assert!(!mark("hunter2").contains("hunter"));
    }
}
