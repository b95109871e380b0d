//! Whose word is taken for where a request came from: that of the proxy in front. From anybody else, what only a proxy says is
//! taken out of the request before anything reads it, so that nobody gives themselves another's address.

use axum::http::HeaderMap;
use ipnet::IpNet;
use std::{
    net::IpAddr,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// What proxies say of a request, of what anything here reads.
const OF_PROXIES: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri"];
/// Networks in one setting.
const MOST: usize = 100;

/// The networks that the proxy in front comes from; nobody where there is none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Arc<[IpNet]>,
    has_told: Arc<AtomicBool>,
}

/// Why a text is no list of networks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "proxies must be up to {MOST} addresses or networks with spaces between, like 127.0.0.1 or 10.1.0.0/16; `{0}` is none"
)]
pub struct ProxiesError(String);

impl FromStr for Proxies {
    type Err = ProxiesError;

    fn from_str(text: &str) -> Result<Self, ProxiesError> {
        let network = |word: &str| {
            let read = word.parse::<IpNet>().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
            read.map_err(|_| ProxiesError(word.to_owned()))
        };
        let networks: Arc<[IpNet]> = text.split_whitespace().map(network).collect::<Result<_, _>>()?;
        if networks.is_empty() || networks.len() > MOST {
            return Err(ProxiesError(text.chars().take(40).collect()));
        }
        Ok(Self { networks, has_told: Arc::default() })
    }
}

impl Proxies {
    fn are_at(&self, peer: IpAddr) -> bool {
        // As a listener of IPv6 sees those of IPv4.
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Leaves what only a proxy says where a proxy has sent it.
    pub fn clear(&self, peer: IpAddr, headers: &mut HeaderMap) {
        if self.are_at(peer) {
            return;
        }
        let had_any = OF_PROXIES.iter().filter(|name| headers.remove(**name).is_some()).count() > 0;
        if had_any && !self.networks.is_empty() && !self.has_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %peer,
                "somebody who isn't the proxy says from where a request came; that is ignored (if it is the proxy, add it to `proxies`)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn left(proxies: &Proxies, peer: &str) -> usize {
        let mut headers = HeaderMap::new();
        for name in OF_PROXIES {
            headers.append(name, HeaderValue::from_static("203.0.113.9"));
            headers.append(name, HeaderValue::from_static("203.0.113.10"));
        }
        headers.insert("x-request-id", HeaderValue::from_static("1"));
        proxies.clear(peer.parse().expect("an address"), &mut headers);
        headers.len() - 1
    }

    #[test]
    fn only_the_proxy_says_where_a_request_came_from() {
        let proxies: Proxies = "127.0.0.0/8 ::1 10.1.0.0/16 2001:db8::/32".parse().expect("networks");
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "10.1.200.3", "::ffff:10.1.0.1", "2001:db8:1::1"] {
            assert_eq!(left(&proxies, peer), 8, "{peer}");
        }
        for peer in ["10.2.0.1", "192.0.2.1", "::ffff:192.0.2.1", "::2", "2001:db9::1", "128.0.0.1"] {
            assert_eq!(left(&proxies, peer), 0, "{peer}");
        }
        assert_eq!(left(&Proxies::default(), "127.0.0.1"), 0, "where there is no proxy nobody is it");
    }

    #[test]
    fn what_is_no_network_is_named() {
        for (text, named) in
            [("127.0.0.1 10.0.0.0/33", "10.0.0.0/33"), ("proxy.example.org", "proxy.example.org"), ("", "")]
        {
            assert_eq!(text.parse::<Proxies>().err(), Some(ProxiesError(named.to_owned())));
        }
        assert!("127.0.0.1 ".repeat(MOST + 1).parse::<Proxies>().is_err());
    }
}
