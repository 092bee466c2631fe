//! Whose limits a connection counts against, judged by its address.

use std::net::{IpAddr, Ipv6Addr};

/// The owner of an address: one IPv4 address, or the /64 network that one IPv6 customer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Neighbour(IpAddr);

impl Neighbour {
    pub(super) fn of(address: IpAddr) -> Self {
        let IpAddr::V6(wide) = address.to_canonical() else {
            return Self(address.to_canonical());
        };
        let network = wide.to_bits() & (u128::MAX << 64);
        Self(Ipv6Addr::from_bits(network).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(text: &str) -> Neighbour {
        Neighbour::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_both_spellings() {
        assert_eq!(neighbour("192.0.2.7"), neighbour("::ffff:192.0.2.7"));
        assert_ne!(neighbour("192.0.2.7"), neighbour("192.0.2.8"));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share_their_limits() {
        assert_eq!(
            neighbour("2001:db8:1:2::1"),
            neighbour("2001:db8:1:2:ffff::9")
        );
        assert_ne!(neighbour("2001:db8:1:2::1"), neighbour("2001:db8:1:3::1"));
    }
}
