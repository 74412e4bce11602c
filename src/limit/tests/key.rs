use std::net::IpAddr;

use crate::limit::Network;

fn network(ip: &str) -> Network {
    Network::from(ip.parse::<IpAddr>().unwrap())
}

#[test]
fn an_ipv4_address_is_counted_for_itself() {
    assert_eq!(network("192.0.2.1"), Network::V4([192, 0, 2, 1]));
    assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
}

#[test]
fn an_ipv6_address_is_counted_for_its_64_bits() {
    assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
}

/// Else all IPv4 clients of a socket for both would be one.
#[test]
fn an_ipv4_address_in_an_ipv6_one_is_the_ipv4_address() {
    assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    assert_ne!(network("::ffff:192.0.2.1"), network("::ffff:192.0.2.2"));
}
