//! A request head: however it arrives it is the same, and what is made of it for an origin is read as the same again.

#![no_main]

mod pieces;

use libfuzzer_sys::fuzz_target;
use osier::http::forward::{self, Forwarding};
use osier::http::framing::request_framing;
use osier::http::head::{Parsed, RequestHead, write_request};
use osier::http::limits::Limits;

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let Some((cut, octets)) = input.split_first() else {
        return;
    };
    let mut whole = RequestHead::new();
    let parsed = whole.parse(octets, &limits);
    let mut again = RequestHead::new();
    pieces::compare(octets, *cut, &limits, &parsed, |here| again.parse(here, &limits));
    let Ok(Parsed::Complete(consumed)) = parsed else {
        return;
    };
    assert!(consumed <= octets.len());
    let Ok(framed) = request_framing(&whole, &limits) else {
        return;
    };
    let how = Forwarding {
        client_ip: Some([192, 0, 2, 1].into()),
        fallback_host: b"origin",
        ..Forwarding::default()
    };
    let mut out = RequestHead::new();
    if forward::request(&whole, &mut out, &how).is_err() {
        return;
    }
    for name in ["keep-alive", "proxy-connection", "te", "proxy-authorization"] {
        let is_te_trailers = name == "te" && out.fields().get(name) == Some(b"trailers");
        let is_end_to_end = name == "proxy-authorization";
        assert!(is_te_trailers || is_end_to_end || out.fields().get(name).is_none(), "{name}");
    }
    let mut first = Vec::new();
    write_request(&out, &framed, &mut first);
    // What was written may be longer than what came, by what was added to it.
    let generous = Limits {
        head_octets_max: limits.head_octets_max * 4,
        fields_max: limits.fields_max + 20,
        target_octets_max: limits.target_octets_max * 2,
        ..limits
    };
    let mut again = RequestHead::new();
    assert_eq!(again.parse(&first, &generous).ok(), Some(Parsed::Complete(first.len())));
    let framed_again = request_framing(&again, &generous).expect("what we wrote is framed");
    assert_eq!(framed_again.framing(), framed.framing());
});
