//! Signing in elsewhere: the provider of identity that the lab asks, how often anybody may make it ask, and where a sign-in may
//! lead.

use auth::{Limiter, Policy, Standing, client_network};
use oidc::RelyingParty;
use std::{
    fmt::Write,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Each attempt may cost a question to the provider. A class behind one address signs in at once.
const ATTEMPTS: Policy = Policy { name: "single-sign-on", quota: 600, window: Duration::from_secs(300) };
/// The longest address that a sign-in leads back to.
const LONGEST_NEXT: usize = 500;

/// The provider of identity. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct SingleSignOn {
    pub party: RelyingParty,
    attempts: Limiter<Option<IpAddr>>,
}

impl SingleSignOn {
    pub fn new(party: RelyingParty) -> Self {
        Self { party, attempts: Limiter::new(ATTEMPTS) }
    }

    /// Takes an attempt of whoever asks.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, ip: Option<IpAddr>) -> Result<(), Standing> {
        self.attempts.take(ip.map(client_network), 1, Instant::now()).map(drop)
    }
}

/// Where a sign-in may lead: this site, and origins that the configuration names (what stands behind the same proxy).
#[derive(Clone, Debug, Default)]
pub struct Onward {
    /// Where browsers reach the lab, without a slash at its end.
    public_url: Option<Arc<str>>,
    origins: Arc<[String]>,
}

impl Onward {
    /// `origins` like `https://lab.example.org:3000`.
    pub fn new(public_url: Option<&str>, origins: Vec<String>) -> Self {
        Self { public_url: public_url.map(|url| url.trim_end_matches('/').into()), origins: origins.into() }
    }

    /// Where browsers reach the lab; empty where nobody has said.
    pub fn public_url(&self) -> &str {
        self.public_url.as_deref().unwrap_or_default()
    }

    /// An address that a sign-in may lead to: a path of this site, or one of a known origin.
    pub fn accept<'a>(&self, next: &'a str) -> Option<&'a str> {
        let is_of = |origin: &String| {
            next.strip_prefix(origin.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        local_path(next).or_else(|| (is_plain(next) && self.origins.iter().any(is_of)).then_some(next))
    }
}

/// A path of this site, which no browser takes for something else.
pub fn local_path(path: &str) -> Option<&str> {
    (is_plain(path) && path.starts_with('/') && !path.starts_with("//")).then_some(path)
}

/// As a value in a query.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

fn is_plain(address: &str) -> bool {
    address.len() <= LONGEST_NEXT && address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_nowhere_but_here_and_to_what_is_named() {
        let onward = Onward::new(Some("https://lab.example/"), vec!["https://lab.example:3000".to_owned()]);
        assert_eq!(onward.public_url(), "https://lab.example");
        for good in [
            "/",
            "/robots?x=1",
            "https://lab.example:3000",
            "https://lab.example:3000/d/1?a=b",
            "https://lab.example:3000?a",
        ] {
            assert_eq!(onward.accept(good), Some(good));
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "https://lab.example:30000/",
            "https://lab.example:3000@evil.example/",
            "https://lab.example:3000.evil.example/",
            "http://lab.example:3000/",
            "https://lab.example/",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: x",
        ] {
            assert_eq!(onward.accept(bad), None, "{bad:?}");
        }
        assert_eq!(Onward::default().accept("https://lab.example:3000/"), None);
    }

    #[test]
    fn the_way_back_survives_its_query() {
        assert_eq!(percent_encoded("/experiments?of=everyone&a=%20"), "/experiments%3Fof%3Deveryone%26a%3D%2520");
    }
}
