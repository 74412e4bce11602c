//! The scanner: few parses, no outcome missed, each octet looked at once.

use crate::http::{HeadScanner, Limits, Parsed, RequestHead};

/// Feeds octet by octet; returns how often it was worthwhile and what parsing came to in the end.
fn drip(octets: &[u8], limits: &Limits) -> (usize, String) {
    let (mut scanner, mut head, mut parses) = (HeadScanner::new(), RequestHead::new(), 0);
    for count in 1..=octets.len() {
        if scanner.is_worthwhile(&octets[..count], limits) {
            parses += 1;
            match head.parse(&octets[..count], limits) {
                Ok(Parsed::Partial) => {}
                Ok(Parsed::Complete(consumed)) => return (parses, format!("{consumed}")),
                Err(error) => return (parses, error.sin().to_owned()),
            }
        }
    }
    (parses, "partial".to_owned())
}

#[test]
fn a_dripping_head_is_parsed_three_times() {
    let limits = Limits::default();
    let octets = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(90));
    assert_eq!(
        drip(octets.as_bytes(), &limits),
        (3, octets.len().to_string())
    );
    assert_eq!(drip(format!("\r\n\r\n{octets}").as_bytes(), &limits).0, 3);
}

#[test]
fn sins_and_limits_are_not_missed() {
    let limits = Limits {
        head_octets_max: 200,
        target_octets_max: 50,
        ..Limits::default()
    };
    assert_eq!(drip(b"GARBAGE\r\n", &limits).1, "bad_request_line");
    assert_eq!(drip(b"GET / HTTP/1.1\nHost: a\n\n", &limits).1, "bare_lf");
    assert_eq!(drip(&[b'\r', b'\n'].repeat(20), &limits).1, "leading_lines");
    assert_eq!(
        drip(format!("GET /{}", "a".repeat(180)).as_bytes(), &limits).1,
        "target_too_long"
    );
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(300));
    assert_eq!(
        drip(endless.as_bytes(), &limits),
        (3, "head_too_large".to_owned())
    );
}

#[test]
fn reset_begins_anew() {
    let (limits, octets) = (Limits::default(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut scanner = HeadScanner::new();
    assert!(scanner.is_worthwhile(octets, &limits));
    scanner.reset();
    assert!(scanner.is_worthwhile(b"G", &limits) && !scanner.is_worthwhile(b"GE", &limits));
}
