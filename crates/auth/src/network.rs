//! What of an address tells clients apart.

use std::net::{IpAddr, Ipv6Addr};

/// The half of an IPv6 address that a provider hands out; the other half its owner fills in at will.
const PREFIX: u128 = !0 << 64;

/// The address under which one client is counted: IPv4 as it is, also when mapped into IPv6; of IPv6 the /64.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & PREFIX)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_one_network() {
        let of = |text: &str| client_network(text.parse().expect("an address")).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
