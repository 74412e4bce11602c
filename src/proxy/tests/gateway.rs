use crate::proxy::gateway::Network;

#[test]
fn networks_hold_their_addresses_and_no_others() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("0.0.0.0/0", "203.0.113.9", "::1"),
        ("fc00::/7", "fdff::1", "fe00::"),
        ("::1", "::1", "::2"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
    ] {
        let network = Network::parse(network).unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{inside}");
        assert!(!network.contains(outside.parse().unwrap()), "{outside}");
    }
    for text in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8x",
    ] {
        assert_eq!(Network::parse(text), None, "{text}");
    }
    assert!(
        Network::PRIVATE
            .into_iter()
            .all(|text| Network::parse(text).is_some())
    );
}
