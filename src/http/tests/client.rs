//! Who asks, behind proxies: nothing a client writes itself is believed.

use crate::http::client::{by_forwarded, by_x_forwarded_for};
use crate::http::forward::request as forward;
use crate::http::{Fields, ForwardedStyle, Forwarding, Name, Network, RequestHead};
use proptest::prelude::*;
use std::net::IpAddr;

type By = fn(IpAddr, &Fields, &[Network]) -> IpAddr;

fn trusted() -> Vec<Network> {
    ["10.0.0.0/8", "fd00::/8"]
        .into_iter()
        .filter_map(|text| text.parse().ok())
        .collect()
}

fn check(by: By, name: &str, peer: &str, lines: &[&str], expected: &str) {
    let mut fields = Fields::new();
    for line in lines {
        fields.push(name, line).unwrap();
    }
    let client = by(peer.parse().unwrap(), &fields, &trusted());
    assert_eq!(client.to_string(), expected, "{peer} {lines:?}");
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    let check = |peer, lines: &[&str], expected| {
        check(by_x_forwarded_for, "X-Forwarded-For", peer, lines, expected);
    };
    check("10.0.0.1", &[], "10.0.0.1");
    check("10.0.0.1", &["192.0.2.1"], "192.0.2.1");
    check("192.0.2.9", &["192.0.2.1"], "192.0.2.9");
    check("10.0.0.1", &["1.1.1.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1");
    check("10.0.0.1", &["1.1.1.1, 192.0.2.1", "10.0.0.2"], "192.0.2.1");
    check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    check("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2");
    check("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1");
    check("10.0.0.1", &[" ,, 192.0.2.1 , "], "192.0.2.1");
    check("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1");
    check("10.0.0.1", &["2001:db8::1"], "2001:db8::1");
    check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
    check("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
    check("10.0.0.1", &["[2001:db8::1]80"], "10.0.0.1");
    check("10.0.0.1", &["192.0.2.1:99999"], "10.0.0.1");
    check("10.0.0.1", &["192.0.2.01"], "10.0.0.1");
    check("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1");
    check("fd00::1", &["192.0.2.1"], "192.0.2.1");
    // What a client leaves open swallows nothing.
    check("10.0.0.1", &["\"1.1.1.1, 192.0.2.1"], "192.0.2.1");
}

#[test]
fn forwarded_is_walked_from_the_right() {
    let check = |lines: &[&str], expected| {
        check(by_forwarded, "Forwarded", "10.0.0.1", lines, expected);
    };
    check(&["for=192.0.2.1"], "192.0.2.1");
    check(&["FOR=192.0.2.1;proto=http"], "192.0.2.1");
    check(&["proto=http; for=\"192.0.2.1:80\""], "192.0.2.1");
    check(&["for=\"[2001:db8::1]:_p\";by=x"], "2001:db8::1");
    check(&["for=1.1.1.1, for=192.0.2.1, for=10.0.0.2"], "192.0.2.1");
    check(&["for=1.1.1.1", "for=192.0.2.1"], "192.0.2.1");
    check(&["for=192.0.2.1, for=unknown"], "10.0.0.1");
    check(&["for=192.0.2.1, for=_hidden, for=10.0.0.2"], "10.0.0.2");
    check(&["for=192.0.2.1, proto=http"], "10.0.0.1");
    check(&["for=1.1.1.1;for=192.0.2.1"], "10.0.0.1");
    check(&["for=192.0.2.1;host=\"a, for=1.1.1.1\""], "192.0.2.1");
    check(&["for=192.0.2.1;host=\"a\\\", for=1.1.1.1\""], "192.0.2.1");
    check(&["for=192.0.2.1;host=\"a;for=1.1.1.1\""], "192.0.2.1");
    check(&["for=\"1.1.1.1, for=192.0.2.1"], "192.0.2.1");
    check(&["for=\"1.1.1.1, for=\"[2001:db8::1]\""], "2001:db8::1");
}

#[test]
fn the_other_field_is_not_read() {
    let mut fields = Fields::new();
    fields.push("X-Forwarded-For", "1.1.1.1").unwrap();
    let peer: IpAddr = "10.0.0.1".parse().unwrap();
    assert_eq!(by_forwarded(peer, &fields, &trusted()), peer);
}

/// What a client may write into a forwarding field: everything that means something there is common.
fn forged() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        ",", ";", "\"", "\\", "for=", "1.1.1.1", "10.0.0.9", "[::1]", "host=", "unknown", " ", "=",
    ]);
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn outside() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec!["192.0.2.1", "2001:db8::1"])
        .prop_map(|text| text.parse().expect("an address"))
}

/// The head after a trusted gateway, which knows `client`, has forwarded it.
fn forwarded(head: &RequestHead, client: IpAddr, trusts: bool) -> RequestHead {
    let mut out = RequestHead::new();
    let how = Forwarding {
        client_ip: Some(client),
        trusted: trusts,
        forwarded: ForwardedStyle::Both,
        ..Forwarding::default()
    };
    forward(head, &mut out, &how).unwrap();
    out
}

proptest! {
    /// Whatever a client writes, behind gateways that append it has the address it came from.
    #[test]
    fn a_client_cannot_choose_its_address(
        forged in forged(), host in prop::sample::select(vec!["h", "a,for=1.1.1.1", "h:80", "a;for=1.1.1.1"]),
        client in outside(), hops in 1_usize..4,
    ) {
        let mut head = RequestHead::new();
        head.set_method("GET").unwrap();
        head.set_target("/").unwrap();
        head.fields_mut().push("Host", host).unwrap();
        head.fields_mut().push("X-Forwarded-For", &forged).unwrap();
        head.fields_mut().push("Forwarded", &forged).unwrap();
        // The first gateway appends to what the client wrote, as one that trusts too many does.
        let mut head = forwarded(&head, client, true);
        for _ in 1..hops {
            head = forwarded(&head, "10.0.0.7".parse().unwrap(), true);
        }
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        prop_assert_eq!(by_x_forwarded_for(peer, head.fields(), &trusted()), client);
        // Where the elements are appended to one line that was not whole, less may be known, but nothing is forged.
        prop_assert_eq!(by_forwarded(peer, head.fields(), &trusted()), client);
    }

    /// As a naive walk over a list of addresses has it.
    #[test]
    fn a_list_is_walked_as_it_reads(list in prop::collection::vec(
        prop::sample::select(vec!["10.0.0.2", "10.0.0.3", "192.0.2.1", "192.0.2.2", "fd00::2", "2001:db8::1", "x"]), 0..6,
    ), cut in any::<prop::sample::Index>()) {
        let mut expected: IpAddr = "10.0.0.1".parse().unwrap();
        let mut left = list.clone();
        while trusted().iter().any(|network| network.contains(expected)) {
            match left.pop().map(str::parse) {
                Some(Ok(address)) => expected = address,
                _ => break,
            }
        }
        let (first, second) = list.split_at(cut.index(list.len() + 1));
        let (mut x, mut rfc7239) = (Fields::new(), Fields::new());
        for line in [first, second] {
            x.push("X-Forwarded-For", line.join(", ")).unwrap();
            let pairs: Vec<_> = line.iter().map(|node| match node.contains(':') {
                true => format!("for=\"[{node}]\""),
                false => format!("for={node};proto=http"),
            }).collect();
            rfc7239.push("Forwarded", pairs.join(",")).unwrap();
        }
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        prop_assert_eq!(by_x_forwarded_for(peer, &x, &trusted()), expected);
        prop_assert_eq!(by_forwarded(peer, &rfc7239, &trusted()), expected);
    }

    #[test]
    fn arbitrary_values_do_no_harm(value in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut fields = Fields::new();
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        if fields.push("Forwarded", &value).is_ok() && fields.push("X-Forwarded-For", &value).is_ok() {
            prop_assert!(fields.has(Name::Forwarded));
            let _ = (by_forwarded(peer, &fields, &trusted()), by_x_forwarded_for(peer, &fields, &trusted()));
        }
    }
}
