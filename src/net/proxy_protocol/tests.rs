use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;

use super::{Addresses, Header, OCTETS_MAX, Parsed, Sin, Version, crc32c, parse, v1, v2};

fn inet(source: &str, destination: &str) -> Header {
    Header::Inet(Addresses {
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
    })
}

fn whole(octets: &[u8]) -> Result<Header, Sin> {
    match parse(octets)? {
        Parsed::Complete(header, consumed) => {
            assert_eq!(consumed, octets.len());
            Ok(header)
        }
        Parsed::Partial => panic!("no header yet: {octets:?}"),
    }
}

/// A header of version 2 with this command, family and body.
fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = v2::SIGNATURE.to_vec();
    octets.extend_from_slice(&[command, family]);
    octets.extend_from_slice(&(body.len() as u16).to_be_bytes());
    octets.extend_from_slice(body);
    octets
}

const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0x80, 0x01, 0x01, 0xbb];

#[test]
fn lines_of_text() {
    let v4 = inet("192.168.0.1:56324", "192.168.0.11:443");
    assert_eq!(
        whole(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
        Ok(v4)
    );
    let v6 = inet("[2001:db8::1]:1", "[::1]:65535");
    assert_eq!(whole(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), Ok(v6));
    for line in [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n",
    ] {
        assert_eq!(whole(line.as_bytes()), Ok(Header::Local), "{line}");
    }
}

#[test]
fn lines_that_are_none() {
    for (line, sin) in [
        ("GET / HTTP/1.1\r\n\r\n", Sin::Missing),
        ("PROXX", Sin::Missing),
        ("proxy TCP4", Sin::Missing),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", Sin::Unknown),
        ("PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", Sin::Unknown),
        ("PROXY UNKNOWNS\r\n", Sin::Unknown),
        ("PROXY \r\n", Sin::Unknown),
        ("PROXY TCP4\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", Sin::Malformed),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", Sin::Malformed),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", Sin::Malformed),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", Sin::Malformed),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(sin), "{line}");
    }
    // Exactly as long as it may be, and one octet longer.
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(v1::OCTETS_MAX - 16));
    assert_eq!(longest.len(), 107);
    assert_eq!(whole(longest.as_bytes()), Ok(Header::Local));
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(v1::OCTETS_MAX - 15));
    assert_eq!(parse(longer.as_bytes()), Err(Sin::TooLong));
}

#[test]
fn binary_headers() {
    let header = inet("192.0.2.7:32769", "198.51.100.1:443");
    assert_eq!(whole(&binary(0x21, 0x11, &V4)), Ok(header));
    // Vectors behind the addresses: an authority, and one without a value.
    let vectors = [&V4[..], b"\x02\0\x03a.b", b"\x04\0\0"].concat();
    assert_eq!(whole(&binary(0x21, 0x11, &vectors)), Ok(header));
    let unix = [b'/'; 216];
    for (command, family, body, header) in [
        (0x20, 0x00, &b""[..], Header::Local),
        // What follows LOCAL is skipped, whatever it is.
        (0x20, 0x11, b"short", Header::Local),
        (0x21, 0x00, b"", Header::Local),
        (0x21, 0x12, &V4, Header::Local),
        (0x21, 0x31, &unix, Header::Unix),
        (0x21, 0x32, &unix, Header::Local),
    ] {
        let octets = binary(command, family, body);
        assert_eq!(whole(&octets), Ok(header), "{command:x} {family:x}");
    }
}

#[test]
fn binary_headers_that_are_none() {
    let broken = [&V4[..], b"\x02\0\x04a.b"].concat();
    let stub = [&V4[..], b"\x02\0"].concat();
    for (command, family, body, sin) in [
        (0x11, 0x11, &V4[..], Sin::Unknown),
        (0x22, 0x11, &V4, Sin::Unknown),
        (0x21, 0x13, &V4, Sin::Unknown),
        (0x21, 0x41, &V4, Sin::Unknown),
        (0x21, 0x01, &V4, Sin::Unknown),
        (0x21, 0x11, &V4[1..], Sin::Malformed),
        (0x21, 0x21, &V4, Sin::Malformed),
        (0x21, 0x11, &broken, Sin::Malformed),
        (0x21, 0x11, &stub, Sin::Malformed),
        (0x21, 0x11, &[0; v2::BODY_MAX + 1], Sin::TooLong),
    ] {
        let octets = binary(command, family, body);
        assert_eq!(parse(&octets), Err(sin), "{command:x} {family:x}");
    }
    // It is known before all of it has come.
    assert_eq!(parse(&[v2::SIGNATURE, &[0x31]].concat()), Err(Sin::Unknown));
    let long = binary(0x20, 0, &[0; OCTETS_MAX]);
    assert_eq!(parse(&long[..16]), Err(Sin::TooLong));
}

#[test]
fn checksums() {
    // RFC 3720 appendix B.4.
    assert_eq!(crc32c::of([&[0_u8; 32][..]]), 0x8a91_36aa);
    assert_eq!(crc32c::of([&b"1234"[..], b"56789"]), 0xe306_9283);

    let vectors = [
        &V4[..],
        b"\x04\0\x01x",
        b"\x03\0\x04\0\0\0\0",
        b"\x04\0\x01y",
    ]
    .concat();
    let mut octets = binary(0x21, 0x11, &vectors);
    let sum = crc32c::of([&octets[..]]).to_be_bytes();
    assert_eq!(parse(&octets), Err(Sin::Checksum));
    let at = octets.len() - 8;
    octets[at..at + 4].copy_from_slice(&sum);
    assert_eq!(
        whole(&octets),
        Ok(inet("192.0.2.7:32769", "198.51.100.1:443"))
    );
    // Not the one that says that there is a checksum.
    let kind = octets.len() - 11;
    for at in (16..octets.len()).filter(|at| *at != kind) {
        let mut damaged = octets.clone();
        damaged[at] ^= 0x10;
        assert!(parse(&damaged).is_err(), "octet {at}");
    }
}

#[test]
fn families_are_made_one() {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let both = Addresses::new(address("[::ffff:192.0.2.1]:5"), address("192.0.2.2:6"));
    assert_eq!(both.source, address("192.0.2.1:5"));
    let both = Addresses::new(address("192.0.2.1:5"), address("[2001:db8::1]:6"));
    assert_eq!(both.source, address("[::ffff:192.0.2.1]:5"));
    assert_eq!(both.destination, address("[2001:db8::1]:6"));
}

fn header() -> impl Strategy<Value = Header> {
    let addresses = (any::<IpAddr>(), any::<u16>(), any::<IpAddr>(), any::<u16>());
    let inet = addresses.prop_map(|(from, from_port, to, to_port)| {
        let (from, to) = (
            SocketAddr::new(from, from_port),
            SocketAddr::new(to, to_port),
        );
        Header::Inet(Addresses::new(from, to))
    });
    prop_oneof![1 => Just(Header::Local), 1 => Just(Header::Unix), 8 => inet]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2)]
}

/// Octets that are nearly headers.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let changed = (
        header(),
        version(),
        any::<prop::sample::Index>(),
        any::<u8>(),
    );
    let changed = changed.prop_map(|(header, version, at, octet)| {
        let mut octets = Vec::new();
        header.write(version, &mut octets);
        let at = at.index(octets.len());
        octets[at] = octet;
        octets
    });
    let behind = |signature: &'static [u8]| {
        prop::collection::vec(any::<u8>(), 0..300).prop_map(move |rest| [signature, &rest].concat())
    };
    prop_oneof![
        changed,
        behind(v1::SIGNATURE),
        behind(v2::SIGNATURE),
        behind(b"")
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(header in header(), version in version(), behind: Vec<u8>) {
        let mut octets = Vec::new();
        header.write(version, &mut octets);
        let length = octets.len();
        prop_assert!(length <= v1::OCTETS_MAX);
        // Of a client by a unix socket neither form has more to say than that it has no address.
        let read = if header == Header::Unix { Header::Local } else { header };
        octets.extend_from_slice(&behind);
        prop_assert_eq!(parse(&octets), Ok(Parsed::Complete(read, length)));
        for cut in 0..length {
            prop_assert_eq!(parse(&octets[..cut]), Ok(Parsed::Partial));
        }
    }

    /// However the octets are cut, what is said of the first of them stands once all are there.
    #[test]
    fn more_octets_change_nothing(octets in nearly()) {
        let mut settled = None;
        for cut in 0..=octets.len() {
            let parsed = parse(&octets[..cut]);
            match settled {
                None if parsed != Ok(Parsed::Partial) => settled = Some(parsed),
                None => prop_assert!(cut < OCTETS_MAX),
                Some(settled) => prop_assert_eq!(parsed, settled),
            }
        }
    }
}
