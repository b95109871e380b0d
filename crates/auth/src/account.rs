//! What an account is made of, checked.

use crate::{AuthError, Password};
use domain::{Role, text};
use std::{fmt, str::FromStr};

/// The longest address SMTP can carry (RFC 5321, 4.5.3.1.3, less the angle brackets).
const LONGEST_EMAIL: usize = 254;

/// The most wells a quota may count: far beyond any lab, far below where sums overflow.
pub(crate) const MOST_QUOTA: i32 = 1_000_000;

/// An e-mail address in the form under which it is unique: trimmed and lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = AuthError;

    /// Something, one `@`, something, no spaces; whether mail arrives is not for a pattern to say.
    fn from_str(typed: &str) -> Result<Self, AuthError> {
        let email = typed.trim().to_lowercase();
        let good = email.len() <= LONGEST_EMAIL
            && text::name(&email, LONGEST_EMAIL).is_ok()
            && !email.contains(char::is_whitespace)
            && matches!(email.split_once('@'), Some((local, host))
                if !local.is_empty() && !host.is_empty() && !host.contains('@'));
        if good { Ok(Self(email)) } else { Err(AuthError::InvalidEmail(typed.chars().take(80).collect())) }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account that somebody wants made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// As typed; it is trimmed and lowered here.
    pub email: String,
    pub password: Password,
    pub role: Role,
    /// Wells, 0–1 000 000.
    pub quota: i32,
}

pub(crate) fn check_quota(quota: i32) -> Result<i32, AuthError> {
    if (0..=MOST_QUOTA).contains(&quota) { Ok(quota) } else { Err(AuthError::InvalidQuota) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unique_in_any_case() {
        let email: EmailAddress = "  Ada@Example.ORG ".parse().expect("an address");
        assert_eq!(email.as_str(), "ada@example.org");
        assert!("admin@localhost".parse::<EmailAddress>().is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a@b@c",
            "a b@c",
            "a@b\n",
            "a\u{0}@b",
            "a\u{202e}@b",
            "a\u{200b}@b",
            &long,
        ] {
            if text.trim() != text && text.trim().parse::<EmailAddress>().is_ok() {
                continue;
            }
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
    }
}
