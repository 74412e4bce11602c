//! Networks: what lies in them, and which meet.

use crate::http::Network;
use crate::http::network::NetworkError;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[test]
fn networks_hold_their_addresses_and_no_others() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("0.0.0.0/0", "203.0.113.9", "::1"),
        ("fc00::/7", "fdff::1", "fe00::"),
        ("::1", "::1", "::2"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
        ("::/0", "::1", "10.0.0.1"),
    ] {
        let network = network.parse::<Network>().unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{inside}");
        assert!(!network.contains(outside.parse().unwrap()), "{outside}");
    }
    for text in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/",
        "fe80::1%eth0",
    ] {
        assert_eq!(text.parse::<Network>().ok(), None, "{text}");
    }
    assert!(
        Network::PRIVATE
            .into_iter()
            .all(|text| text.parse::<Network>().is_ok())
    );
}

/// Addresses of both families that have much in common.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0_u32..8, 0_u32..4).prop_map(|(high, low)| IpAddr::V4(Ipv4Addr::from(high << 29 | low))),
        (0_u128..8, 0_u128..4)
            .prop_map(|(high, low)| IpAddr::V6(Ipv6Addr::from(high << 125 | low))),
    ]
}

fn network() -> impl Strategy<Value = Network> {
    (
        address(),
        prop::sample::select(vec![0, 1, 2, 3, 4, 16, 30, 31, 32]),
    )
        .prop_map(|(address, prefix)| {
            let prefix = match address {
                IpAddr::V6(_) if prefix > 16 => prefix + 96,
                _ => prefix,
            };
            match format!("{address}/{prefix}").parse::<Network>() {
                Err(NetworkError::NotFirst { first, prefix }) => {
                    format!("{first}/{prefix}").parse().unwrap()
                }
                network => network.unwrap(),
            }
        })
}

proptest! {
    #[test]
    fn what_lies_in_two_networks_makes_them_overlap(a in network(), b in network(), address in address()) {
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        prop_assert!(a.overlaps(&a));
        if a.contains(address) && b.contains(address) {
            prop_assert!(a.overlaps(&b));
        }
    }

    #[test]
    fn networks_overlap_only_where_one_holds_an_address_of_the_other(a in address(), b in network()) {
        let alone = a.to_string().parse::<Network>().unwrap();
        prop_assert_eq!(alone.overlaps(&b), b.contains(a));
    }
}
