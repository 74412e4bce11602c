//! A response head: however it arrives it is the same, and what is made of it for a client is read as the same again.

#![no_main]

mod pieces;

use libfuzzer_sys::fuzz_target;
use osier::http::forward::{self, Returning};
use osier::http::framing::response_framing;
use osier::http::head::{ConnectionOption, Parsed, ResponseHead, Version, write_response};
use osier::http::limits::Limits;

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let Some(([cut, how], octets)) = input.split_first_chunk::<2>() else {
        return;
    };
    let mut whole = ResponseHead::new();
    let parsed = whole.parse(octets, &limits);
    let mut again = ResponseHead::new();
    pieces::compare(octets, *cut, &limits, &parsed, |here| again.parse(here, &limits));
    let Ok(Parsed::Complete(consumed)) = parsed else {
        return;
    };
    assert!(consumed <= octets.len());
    let method: &[u8] = if how & 1 == 0 { b"GET" } else { b"HEAD" };
    let version = if how & 2 == 0 { Version::Http11 } else { Version::Http10 };
    let Ok(framed) = response_framing(&whole, method) else {
        return;
    };
    let returning = Returning {
        client_version: version,
        via: how & 4 != 0,
        ..Returning::default()
    };
    let mut out = ResponseHead::new();
    if forward::response(&whole, &mut out, &returning).is_err() {
        return;
    }
    let framed = framed.recode(version);
    let mut octets = Vec::new();
    write_response(&out, &framed, ConnectionOption::None, &mut octets);
    let generous = Limits {
        head_octets_max: limits.head_octets_max * 4,
        fields_max: limits.fields_max + 20,
        ..limits
    };
    let mut again = ResponseHead::new();
    assert_eq!(again.parse(&octets, &generous).ok(), Some(Parsed::Complete(octets.len())));
    let framed_again = response_framing(&again, method).expect("what we wrote is framed");
    assert_eq!(framed_again.framing(), framed.framing());
});
