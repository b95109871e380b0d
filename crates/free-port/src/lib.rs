//! A port for a server that a test starts, stops and starts again.
//!
//! A port that the system gives (port 0) it gives to the next connection of anybody as soon as its server is down, and the
//! server can't come back to it. These lie below what Linux gives by itself (`ip_local_port_range`, from 32,768 on).

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

const PORTS: Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 100;

/// A port of 127.0.0.1 where nobody listens now, chosen at random so that suites that run at once seldom meet.
///
/// # Panics
/// A hundred ports in a row are somebody's.
#[must_use]
pub fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..ATTEMPTS).map(|_| any_port()).find(is_free).expect("a free port")
}

fn any_port() -> u16 {
    // Each new state has keys of its own, which the standard library draws at random.
    let random = RandomState::new().build_hasher().finish();
    let offset = random % u64::try_from(PORTS.len()).expect("fewer ports than numbers");
    PORTS.start + u16::try_from(offset).expect("fewer than 65,536")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_and_none_that_the_system_gives() {
        for _ in 0..50 {
            let port = free_port();
            assert!(PORTS.contains(&port), "{port}");
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
            assert_ne!(free_port(), port, "it is somebody's now");
            drop(server);
        }
    }
}
