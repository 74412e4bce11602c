//! PROXY protocol headers: never more octets than may be, the same however they come, and what is read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use osier::net::proxy_protocol::{Header, OCTETS_MAX, Parsed, Version, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    match whole {
        Ok(Parsed::Partial) => assert!(input.len() < OCTETS_MAX),
        Ok(Parsed::Complete(header, octets)) => {
            assert!(octets <= input.len().min(OCTETS_MAX));
            assert_eq!(parse(&input[..octets]), whole);
            assert_eq!(parse(&input[..octets - 1]), Ok(Parsed::Partial));
            for version in [Version::V1, Version::V2] {
                let mut out = Vec::new();
                header.write(version, &mut out);
                let read = if header == Header::Unix { Header::Local } else { header };
                assert_eq!(parse(&out), Ok(Parsed::Complete(read, out.len())));
            }
        }
        Err(_) => {}
    }
    // Cut anywhere, it is not yet known, or the same is known.
    let step = input.len() / 64 + 1;
    for cut in (0..input.len()).step_by(step) {
        let cut = parse(&input[..cut]);
        assert!(cut == Ok(Parsed::Partial) || cut == whole);
    }
});
