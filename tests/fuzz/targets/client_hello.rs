//! The name in a ClientHello: the same however the octets come, in lower case, and never out of more than there may be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use osier::net::client_hello::{OCTETS_MAX, Parsed, parse};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    match &whole {
        Ok(Parsed::Partial) => assert!(input.len() < OCTETS_MAX),
        Ok(Parsed::Complete(hello)) => {
            if let Some(name) = &hello.server_name {
                assert!(!name.is_empty() && name.len() <= 255);
                assert_eq!(*name, name.to_ascii_lowercase());
                assert!(name.bytes().all(|octet| octet.is_ascii_graphic()));
            }
        }
        Err(_) => {}
    }
    let step = input.len() / 32 + 1;
    for cut in (0..input.len()).step_by(step) {
        let cut = parse(&input[..cut]);
        assert!(cut == Ok(Parsed::Partial) || cut == whole);
    }
});
