//! Heads: what parses, what is refused and by which name, and the limits.

use super::{request, response, text};
use crate::http::{
    Expectation, FieldError, HeadError, Limits, Parsed, RequestHead, ResponseHead, Version,
};

fn sin(octets: impl AsRef<[u8]>) -> String {
    request(octets).map_or_else(
        |error| format!("{} {}", error.status(), error.sin()),
        |_| "ok".to_owned(),
    )
}

fn response_sin(octets: impl AsRef<[u8]>) -> String {
    response(octets).map_or_else(|error| error.sin().to_owned(), |_| "ok".to_owned())
}

#[test]
fn a_request_head_is_taken_apart() {
    let octets = b"GET /a?b HTTP/1.1\r\nHost: h:1\r\nX-A:  1 \t\r\nx-a:2\r\nX-B:\r\n\r\nnext";
    let mut head = RequestHead::new();
    assert_eq!(
        head.parse(octets, &Limits::default()),
        Ok(Parsed::Complete(octets.len() - 4))
    );
    assert_eq!(
        (head.method(), head.target(), head.version()),
        (&b"GET"[..], &b"/a?b"[..], Version::Http11)
    );
    let lines: Vec<_> = head
        .fields()
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    let expected = [("Host", "h:1"), ("X-A", "1"), ("x-a", "2"), ("X-B", "")];
    assert_eq!(
        lines,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(head.authority().unwrap().port, Some(1));
}

#[test]
fn request_lines_are_exact() {
    let check = |line: &str, expected: &str| {
        assert_eq!(
            sin(format!("{line}\r\nHost: a\r\n\r\n")),
            expected,
            "{line}"
        )
    };
    check("GET / HTTP/1.1", "ok");
    check("GET / HTTP/1.0", "ok");
    check("get / HTTP/1.1", "ok");
    check("X-MY.METHOD~ / HTTP/1.1", "ok");
    check("GET / HTTP/1.2", "ok");
    check("GET / HTTP/1.9", "ok");
    check("GET / HTTP/1.10", "400 bad_version");
    check("GET / HTTP/2.0", "505 unsupported_version");
    check("GET / HTTP/0.9", "505 unsupported_version");
    check("GET / HTTP/3.0", "505 unsupported_version");
    check("PRI * HTTP/2.0", "505 unsupported_version");
    check("GET / http/1.1", "400 bad_version");
    check("GET / HTTP/1", "400 bad_version");
    check("GET / HTTP/1.1 ", "400 bad_request_line");
    check("GET / HTTP/1.1\t", "400 bad_version");
    check("GET /", "400 bad_request_line");
    check("GET", "400 bad_request_line");
    check("GET  / HTTP/1.1", "400 bad_request_line");
    check("GET /  HTTP/1.1", "400 bad_request_line");
    check(" GET / HTTP/1.1", "400 bad_request_line");
    check("GET\t/\tHTTP/1.1", "400 bad_method");
    check("GE(T / HTTP/1.1", "400 bad_method");
    check("GET /a b HTTP/1.1", "400 bad_request_line");
    check("GET /\u{e4} HTTP/1.1", "400 bad_target_octet");
    check("GET /\0 HTTP/1.1", "400 bad_target_octet");
    check("GET / HTTP/1.1\r", "400 bare_cr");
    check(
        &format!("{} / HTTP/1.1", "M".repeat(65)),
        "501 method_too_long",
    );
}

#[test]
fn field_lines_are_exact() {
    let check = |lines: &str, expected: &str| {
        assert_eq!(
            sin(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")),
            expected,
            "{lines:?}"
        );
    };
    check("A: b\r\n", "ok");
    check("A: \u{e4}\t\u{f6}\r\n", "ok");
    check("A: b\n", "400 bare_lf");
    check("A: b\rc\r\n", "400 bare_cr");
    check("A: b\r\r\n", "400 bare_cr");
    check("A: b\r\n c\r\n", "400 obs_fold");
    check("A: b\r\n\tc\r\n", "400 obs_fold");
    check("A : b\r\n", "400 space_before_colon");
    check("A\t: b\r\n", "400 space_before_colon");
    check(": b\r\n", "400 empty_name");
    check("A\r\n", "400 no_colon");
    check("A B: c\r\n", "400 bad_name");
    check("\u{e4}: c\r\n", "400 bad_name");
    check("A: b\0\r\n", "400 nul_in_value");
    check("A: \x01\r\n", "400 control_in_value");
    check("A: \x7f\r\n", "400 control_in_value");
    assert_eq!(
        sin("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        "400 space_before_field"
    );
    assert_eq!(sin("GET / HTTP/1.1\nHost: a\n\n"), "400 bare_lf");
    assert_eq!(sin("GET / HTTP/1.1\r\nHost: a\r\n\n"), "400 bare_lf");
}

#[test]
fn connection_options_are_tokens() {
    let check = |value: &str, expected: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {value}\r\n\r\n");
        assert_eq!(sin(head), expected, "{value}");
    };
    for good in ["close", "keep-alive, Upgrade", "", ", a,,b ,", "x!#"] {
        check(good, "ok");
    }
    for bad in [
        "\"close\"",
        "\"a, close\"",
        "close;q=1",
        "keep alive",
        "a, b/c",
        "clos\u{e9}",
    ] {
        check(bad, "400 bad_connection_option");
    }
}

#[test]
fn host_is_one_and_valid() {
    let check = |lines: &str, expected: &str| {
        assert_eq!(sin(format!("GET / {lines}\r\n")), expected, "{lines:?}")
    };
    check("HTTP/1.1\r\n", "400 host_missing");
    check("HTTP/1.0\r\n", "ok");
    check("HTTP/1.1\r\nHost:\r\n", "ok");
    check("HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "400 host_twice");
    check("HTTP/1.0\r\nHost: a\r\nHost: b\r\n", "400 host_twice");
    check("HTTP/1.1\r\nHost: a b\r\n", "400 bad_host");
    check("HTTP/1.1\r\nHost: u@a\r\n", "400 bad_host");
    check("HTTP/1.1\r\nHost: {\r\n", "400 bad_host");
    check("HTTP/1.1\r\nHost: a:b\r\n", "400 bad_host");
    assert_eq!(sin("GET http://a/ HTTP/1.1\r\n\r\n"), "400 host_missing");
    let head = request("GET http://a:1/ HTTP/1.1\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(head.authority().unwrap().octets, b"a:1");
}

#[test]
fn empty_lines_in_front_are_skipped_but_not_for_ever() {
    let rest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(sin(format!("\r\n\r\n{rest}")), "ok");
    assert_eq!(
        sin(format!("{}{rest}", "\r\n".repeat(5))),
        "400 leading_lines"
    );
    assert_eq!(sin(format!("\n{rest}")), "400 bare_lf");
    assert_eq!(sin(format!("\r\r\n{rest}")), "400 bare_cr");
    let mut head = RequestHead::new();
    assert_eq!(
        head.parse(b"\r\n\r", &Limits::default()),
        Ok(Parsed::Partial)
    );
}

#[test]
fn limits_are_inclusive_and_named() {
    let limits = Limits {
        head_octets_max: 64,
        fields_max: 3,
        target_octets_max: 10,
        ..Limits::default()
    };
    let check = |octets: String, expected: &str| {
        let result = RequestHead::new().parse(octets.as_bytes(), &limits);
        let shown = match result {
            Ok(parsed) => format!("{parsed:?}"),
            Err(error) => format!("{} {}", error.status(), error.sin()),
        };
        assert_eq!(shown, expected, "{octets:?}");
    };
    let padded = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
            "x".repeat(count)
        )
    };
    let room = 64 - padded(0).len();
    check(padded(room), "Complete(64)");
    check(padded(room + 1), "431 head_too_large");
    check(padded(room)[..63].to_owned(), "Partial");
    check(
        "GET /aaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "Complete(36)",
    );
    check(
        "GET /aaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "414 target_too_long",
    );
    check("GET /aaaaaaaaaaaaa".to_owned(), "414 target_too_long");
    check(format!("GET /{}", "a".repeat(90)), "414 target_too_long");
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n".to_owned(),
        "Complete(39)",
    );
    check(
        "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n".to_owned(),
        "431 too_many_fields",
    );

    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "A: b\r\n".repeat(300)
    );
    let wide = Limits {
        fields_max: 301,
        ..Limits::default()
    };
    let mut head = RequestHead::new();
    assert_eq!(
        head.parse(many.as_bytes(), &wide),
        Ok(Parsed::Complete(many.len()))
    );
    assert_eq!(head.fields().len(), 301);

    let options = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: {}\r\n\r\n",
        "a,".repeat(33)
    );
    assert_eq!(sin(options), "431 too_many_connection_options");
}

#[test]
fn every_prefix_is_partial() {
    let octets = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    let mut head = RequestHead::new();
    for count in 0..octets.len() {
        assert_eq!(
            head.parse(&octets[..count], &Limits::default()),
            Ok(Parsed::Partial),
            "{count}"
        );
    }
    let octets = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    let mut head = ResponseHead::new();
    for count in 0..octets.len() {
        assert_eq!(
            head.parse(&octets[..count], &Limits::default()),
            Ok(Parsed::Partial),
            "{count}"
        );
    }
}

#[test]
fn status_lines_are_exact() {
    let check = |line: &str, expected: &str| {
        assert_eq!(response_sin(format!("{line}\r\n\r\n")), expected, "{line}")
    };
    check("HTTP/1.1 200 OK", "ok");
    check("HTTP/1.0 200 OK", "ok");
    check("HTTP/1.3 200 OK", "ok");
    check("HTTP/1.1 200 ", "ok");
    check("HTTP/1.1 200", "ok");
    check("HTTP/1.1 999 X", "ok");
    check("HTTP/1.1 200 Gr\u{fc}n", "ok");
    check("HTTP/1.1 099 X", "bad_status");
    check("HTTP/1.1 20 X", "bad_status");
    check("HTTP/1.1 2000 X", "bad_status");
    check("HTTP/1.1 +20 X", "bad_status");
    check("HTTP/1.1  200 OK", "bad_status");
    check("HTTP/2.0 200 OK", "unsupported_version");
    check("HTTP/1.1", "bad_status_line");
    check("ICY 200 OK", "bad_version");
    check("HTTP/1.1 200 O\0K", "bad_status_line");
    check("\r\nHTTP/1.1 200 OK", "leading_line_in_response");
    assert_eq!(response_sin("HTTP/1.1 200 OK\nA: b\n\n"), "bare_lf");
    assert_eq!(
        response_sin("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
        "obs_fold"
    );
    assert_eq!(
        response_sin("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        "space_before_colon"
    );
    assert_eq!(
        response("HTTP/1.1 200 Gr\u{fc}n\r\n\r\n").unwrap().reason(),
        "Gr\u{fc}n".as_bytes()
    );
}

#[test]
fn a_head_that_never_ends_is_too_large() {
    let mut head = ResponseHead::new();
    let octets = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(20_000));
    assert_eq!(
        head.parse(octets.as_bytes(), &Limits::default()),
        Err(HeadError::TooLarge(16 * 1024))
    );
}

#[test]
fn setters_let_nothing_in_that_would_break_a_line() {
    let mut head = RequestHead::new();
    assert!(head.set_method("GET").is_ok() && head.set_target("/a").is_ok());
    assert!(
        head.set_method("GE T").is_err()
            && head.set_target("/a b").is_err()
            && head.set_target("").is_err()
    );
    assert_eq!((head.method(), head.target()), (&b"GET"[..], &b"/a"[..]));
    let mut head = ResponseHead::new();
    assert!(head.set_status(404).is_ok() && head.set_status(99).is_err());
    assert!(head.set_reason("a\r\nb").is_err());
    assert_eq!((head.status(), head.reason()), (404, &b"Not Found"[..]));
}

#[test]
fn what_a_request_expects_and_may() {
    let of = |lines: &str| request(format!("OPTIONS / {lines}\r\n")).unwrap();
    assert_eq!(
        of("HTTP/1.1\r\nHost: a\r\n").expectation(),
        Expectation::None
    );
    assert_eq!(
        of("HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n").expectation(),
        Expectation::Continue
    );
    assert_eq!(
        of("HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\n").expectation(),
        Expectation::Unknown
    );
    assert_eq!(
        of("HTTP/1.0\r\nExpect: 100-continue\r\n").expectation(),
        Expectation::None
    );
    assert_eq!(
        of("HTTP/1.0\r\nMax-Forwards: 7\r\n").max_forwards(),
        Some(7)
    );
    let head = |method: &str| request(format!("{method} / HTTP/1.0\r\n\r\n")).unwrap();
    assert!(head("GET").is_safe() && head("PUT").is_idempotent() && !head("POST").is_idempotent());
    assert!(!head("get").is_safe() && head("HEAD").is_head());
}

#[test]
fn what_parsing_learnt_is_forgotten_when_the_fields_change() {
    let mut head = RequestHead::new();
    let octets = b"GET / HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, X\r\n\r\n";
    head.parse(octets, &Limits::default()).unwrap();
    assert_eq!(head.authority().unwrap().port, Some(1));
    assert!(!head.options().close);
    head.fields_mut().set("Host", "long.example").unwrap();
    head.fields_mut().set("Connection", "close").unwrap();
    assert_eq!(head.authority().unwrap().host, b"long.example");
    assert!(head.options().close && !head.options().fields);
    let copy = head.clone();
    assert_eq!(copy, head);
    assert_eq!(copy.authority(), head.authority());
}

#[test]
fn lines_in_other_dress_are_the_same_lines() {
    // Each but the first is filled the longer way.
    for line in [
        "A: b\r\n",
        "A:b\r\n",
        "A:\tb\r\n",
        "A:  b\r\n",
        "A: b \r\n",
        "A:b\t\r\n",
    ] {
        let octets = format!("GET / HTTP/1.1\r\nHost: h\r\n{line}C: d\r\n\r\n");
        let mut head = RequestHead::new();
        let parsed = head.parse(octets.as_bytes(), &Limits::default());
        assert_eq!(parsed, Ok(Parsed::Complete(octets.len())), "{line:?}");
        let lines: Vec<_> = head.fields().iter().collect();
        let expected: [(&[u8], &[u8]); 3] = [(b"Host", b"h"), (b"A", b"b"), (b"C", b"d")];
        assert_eq!(lines, expected, "{line:?}");
    }
    for line in ["A: b\n", "A:b\n", "A:\n", "A: \n", "A:b \n"] {
        let octets = format!("GET / HTTP/1.1\r\nHost: h\r\n{line}\r\n");
        let parsed = RequestHead::new().parse(octets.as_bytes(), &Limits::default());
        assert_eq!(parsed, Err(FieldError::BareLf.into()), "{line:?}");
    }
}
