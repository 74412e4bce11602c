//! Forwarding: what is left out, what is said again, what is added.

use super::{request, response, text};
use crate::http::forward::{ForwardError, join_target, request as forward, response as give_back};
use crate::http::{
    ForwardedStyle, Forwarding, HostPolicy, RequestHead, RequestId, ResponseHead, Returning,
    Version,
};

/// Nothing added: what is left is what was kept.
fn bare() -> Forwarding<'static> {
    Forwarding {
        forwarded: ForwardedStyle::Off,
        ..Forwarding::default()
    }
}

fn lossy(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn shown(head: &RequestHead) -> String {
    let lines = head
        .fields()
        .iter()
        .map(|(name, value)| format!("{}: {}", lossy(name), lossy(value)));
    let start = format!("{} {}", lossy(head.method()), lossy(head.target()));
    std::iter::once(start)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("|")
}

fn check(input: &str, how: &Forwarding<'_>, expected: &str) {
    let head = request(format!("{}\r\n\r\n", input.replace('|', "\r\n"))).unwrap();
    let before = head.clone();
    let mut out = RequestHead::new();
    forward(&head, &mut out, how).unwrap();
    assert_eq!(shown(&out), expected, "{input}");
    assert_eq!(head, before, "what came is untouched");
}

#[test]
fn hop_by_hop_fields_are_left_out() {
    check(
        "GET / HTTP/1.1|Host: h|Connection: close|Keep-Alive: 1|Proxy-Connection: x|Proxy-Authorization: b|\
         Proxy-Authenticate: c|TE: gzip|Upgrade: foo|A: 1",
        &bare(),
        "GET /|Host: h|A: 1",
    );
}

#[test]
fn what_connection_names_is_left_out_but_not_host() {
    check(
        "GET / HTTP/1.1|Connection:|X-A: 1|Connection: x-a, Host, Content-Length|x-b: 2|Connection: X-B|Host: h|X-C: 3",
        &bare(),
        "GET /|Host: h|X-C: 3",
    );
    check(
        "GET / HTTP/1.1|Host: h|Connection: X-Forwarded-For",
        &Forwarding {
            client_ip: Some([1, 2, 3, 4].into()),
            ..Forwarding::default()
        },
        "GET /|Host: h|X-Forwarded-For: 1.2.3.4|X-Forwarded-Host: h|X-Forwarded-Proto: http",
    );
}

#[test]
fn te_and_upgrade_are_said_again_only_when_asked() {
    check(
        "GET / HTTP/1.1|Host: h|TE: gzip, Trailers",
        &bare(),
        "GET /|Host: h|TE: trailers",
    );
    check(
        "GET / HTTP/1.0|TE: trailers",
        &Forwarding {
            fallback_host: b"o",
            ..bare()
        },
        "GET /|Host: o",
    );
    let ws = "GET / HTTP/1.1|Host: h|Upgrade: h2c, WebSocket";
    check(
        &format!("{ws}|Connection: Upgrade"),
        &bare(),
        "GET /|Host: h|Upgrade: WebSocket",
    );
    check(ws, &bare(), "GET /|Host: h");
    check(
        &format!("{ws}|Connection: Upgrade"),
        &Forwarding {
            upgrade: &[],
            ..bare()
        },
        "GET /|Host: h",
    );
    check(
        &format!("{ws}|Connection: Upgrade|Content-Length: 1"),
        &bare(),
        "GET /|Host: h",
    );
    check(
        &format!("{ws}|Connection: Upgrade|Content-Length: 0"),
        &bare(),
        "GET /|Host: h|Upgrade: WebSocket",
    );
}

#[test]
fn the_target_becomes_origin_form() {
    let to = |base_path| Forwarding {
        base_path,
        ..bare()
    };
    check(
        "GET http://a:1/x?y HTTP/1.1|Host: b",
        &bare(),
        "GET /x?y|Host: a:1",
    );
    check(
        "GET http://a?y HTTP/1.1|Host: b",
        &bare(),
        "GET /?y|Host: a",
    );
    check(
        "OPTIONS http://a HTTP/1.1|Host: b",
        &bare(),
        "OPTIONS *|Host: a",
    );
    check(
        "OPTIONS http://a/ HTTP/1.1|Host: b",
        &bare(),
        "OPTIONS /|Host: a",
    );
    check(
        "OPTIONS * HTTP/1.1|Host: b",
        &to("/base"),
        "OPTIONS *|Host: b",
    );
    check(
        "GET /x HTTP/1.1|Host: b",
        &to("/base/?k=v"),
        "GET /base/x?k=v|Host: b",
    );
    check(
        "GET /x?y HTTP/1.1|Host: b",
        &Forwarding {
            path: Some(b"/z"),
            ..to("/base")
        },
        "GET /base/z?y|Host: b",
    );
}

#[test]
fn paths_meet_in_one_slash_and_queries_in_one_ampersand() {
    let check = |base: &str, path: &str, query: Option<&str>, expected: &str| {
        let mut out = Vec::new();
        join_target(
            base.as_bytes(),
            path.as_bytes(),
            query.map(str::as_bytes),
            &mut out,
        );
        assert_eq!(text(&out), expected, "{base} {path}");
    };
    check("/", "/f", None, "/f");
    check("", "/f", None, "/f");
    check("", "f", None, "/f");
    check("", "", None, "/");
    check("a", "/f", None, "/a/f");
    check("/a%2Fb", "/c", None, "/a%2Fb/c");
    check("/a%2Fb%2F", "c", None, "/a%2Fb%2F/c");
    check("/a%2Fb/", "/c%2Fd", None, "/a%2Fb/c%2Fd");
    check("/?sta=tic", "/", Some("us=er"), "/?sta=tic&us=er");
    check("/?sta=tic", "/", None, "/?sta=tic");
    check("/", "/", Some("us=er"), "/?us=er");
    check("/", "/", Some("a=1&a=2;b=%zz"), "/?a=1&a=2;b=%zz");
}

#[test]
fn host_follows_the_policy() {
    let with = |host| Forwarding { host, ..bare() };
    check(
        "GET / HTTP/1.1|A: 1|Host: some-name",
        &bare(),
        "GET /|Host: some-name|A: 1",
    );
    check(
        "GET / HTTP/1.1|Host: h",
        &with(HostPolicy::Upstream(b"o:1")),
        "GET /|Host: o:1",
    );
    check(
        "GET / HTTP/1.1|Host: h",
        &with(HostPolicy::Literal(b"l")),
        "GET /|Host: l",
    );
    check("GET / HTTP/1.1|Host:", &bare(), "GET /|Host: ");
}

#[test]
fn forwarding_fields_replace_what_is_not_trusted() {
    let spoofed = "GET / HTTP/1.1|Host: h|X-Forwarded-For: 9.9.9.9|X-Forwarded-Host: evil|X-Forwarded-Proto: https|\
                   X-Forwarded-User: root|Forwarded: for=9.9.9.9";
    let how = Forwarding {
        client_ip: Some([1, 2, 3, 4].into()),
        ..Forwarding::default()
    };
    let added = "X-Forwarded-For: 1.2.3.4|X-Forwarded-Host: h|X-Forwarded-Proto: http";
    check(spoofed, &how, &format!("GET /|Host: h|{added}"));
    check(
        spoofed,
        &Forwarding {
            forwarded: ForwardedStyle::Off,
            ..how
        },
        "GET /|Host: h",
    );
    let rfc = Forwarding {
        forwarded: ForwardedStyle::Rfc7239,
        ..how
    };
    check(
        spoofed,
        &rfc,
        "GET /|Host: h|Forwarded: for=1.2.3.4;host=\"h\";proto=http",
    );
    let v6 = Forwarding {
        client_ip: Some("::1".parse().unwrap()),
        scheme: "https",
        ..rfc
    };
    check(
        "GET / HTTP/1.1|Host: h",
        &v6,
        "GET /|Host: h|Forwarded: for=\"[::1]\";host=\"h\";proto=https",
    );
    check(
        "GET / HTTP/1.1|Host: h",
        &Forwarding {
            client_ip: None,
            ..rfc
        },
        "GET /|Host: h|Forwarded: for=unknown;host=\"h\";proto=http",
    );
}

#[test]
fn forwarding_fields_are_appended_to_what_is_trusted() {
    let how = Forwarding {
        client_ip: Some("::ffff:1.2.3.4".parse().unwrap()),
        trusted: true,
        ..Forwarding::default()
    };
    check(
        "GET / HTTP/1.1|Host: h|X-Forwarded-For: 5.5.5.5|X-Forwarded-For: 6.6.6.6|X-Forwarded-Proto: https",
        &how,
        "GET /|Host: h|X-Forwarded-Proto: https|X-Forwarded-For: 5.5.5.5, 6.6.6.6, 1.2.3.4|X-Forwarded-Host: h",
    );
    let rfc = Forwarding {
        forwarded: ForwardedStyle::Rfc7239,
        ..how
    };
    check(
        "GET / HTTP/1.1|Host: h|Forwarded: for=a, for=b",
        &rfc,
        "GET /|Host: h|Forwarded: for=a, for=b, for=1.2.3.4;host=\"h\";proto=http",
    );
}

#[test]
fn request_ids_via_and_additions() {
    let with = |request_id| Forwarding {
        request_id,
        ..bare()
    };
    let (has, has_not) = (
        "GET / HTTP/1.1|Host: h|X-Request-Id: c",
        "GET / HTTP/1.1|Host: h",
    );
    check(
        has,
        &with(RequestId::Keep(b"o")),
        "GET /|Host: h|X-Request-Id: c",
    );
    check(
        has,
        &with(RequestId::Make(b"o")),
        "GET /|Host: h|X-Request-Id: o",
    );
    check(has, &with(RequestId::Off), "GET /|Host: h|X-Request-Id: c");
    check(
        has_not,
        &with(RequestId::Keep(b"o")),
        "GET /|Host: h|X-Request-Id: o",
    );
    check(has_not, &with(RequestId::Off), "GET /|Host: h");
    let how = Forwarding {
        via: true,
        add: &[("X-A", "1")],
        ..bare()
    };
    check(
        "GET / HTTP/1.1|Host: h|Via: 1.0 a",
        &how,
        "GET /|Host: h|Via: 1.0 a|Via: 1.1 osier|X-A: 1",
    );
    let bad = Forwarding {
        add: &[("X-A", "1\r\nB: 2")],
        ..bare()
    };
    let head = request("GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(matches!(
        forward(&head, &mut RequestHead::new(), &bad),
        Err(ForwardError::Field(_))
    ));
}

#[test]
fn expectations_and_max_forwards() {
    check(
        "POST / HTTP/1.1|Host: h|Expect: 100-Continue, 100-continue|Content-Length: 1",
        &bare(),
        "POST /|Host: h|Expect: 100-continue",
    );
    check(
        "POST / HTTP/1.1|Host: h|Connection: expect|Expect: 100-continue|Transfer-Encoding: chunked",
        &bare(),
        "POST /|Host: h|Expect: 100-continue",
    );
    for none in [
        "Expect: 100-continue",
        "Expect:",
        "Expect: ,|Content-Length: 1",
        "Expect: 100-continue|Content-Length: 0",
    ] {
        check(
            &format!("POST / HTTP/1.1|Host: h|{none}"),
            &bare(),
            "POST /|Host: h",
        );
    }
    check(
        "GET / HTTP/1.0|Host: h|Expect: 100-continue",
        &bare(),
        "GET /|Host: h",
    );
    check(
        "OPTIONS / HTTP/1.1|Host: h|Max-Forwards: 3",
        &bare(),
        "OPTIONS /|Host: h|Max-Forwards: 2",
    );
    check(
        "GET / HTTP/1.1|Host: h|Max-Forwards: 3",
        &bare(),
        "GET /|Host: h|Max-Forwards: 3",
    );
    check(
        "TRACE / HTTP/1.1|Host: h|Max-Forwards: 99999999999999999999",
        &bare(),
        "TRACE /|Host: h|Max-Forwards: 18446744073709551614",
    );
    check(
        "TRACE / HTTP/1.1|Host: h|Max-Forwards: -1",
        &bare(),
        "TRACE /|Host: h|Max-Forwards: -1",
    );
}

#[test]
fn trailers_are_announced_as_far_as_they_come() {
    check(
        "POST / HTTP/1.1|Host: h|Trailer: X-Sum, Content-Length, x-hop|Connection: X-Hop|Trailer: Transfer-Encoding,|A: 1",
        &bare(),
        "POST /|Host: h|A: 1|Trailer: X-Sum",
    );
    check(
        "POST / HTTP/1.1|Host: h|Trailer: Host, Trailer, Cookie",
        &bare(),
        "POST /|Host: h",
    );
}

#[test]
fn a_quote_hides_no_connection_option() {
    // Of a request this would be refused; of a response the fields go all the same.
    let head = response("HTTP/1.1 200 OK\r\nConnection: \"a, x-b, c\"\r\nX-B: 1\r\nX-D: 2\r\n\r\n");
    let (head, mut out) = (head.unwrap(), ResponseHead::new());
    give_back(&head, &mut out, &Returning::default()).unwrap();
    assert_eq!(out.fields().iter().count(), 1);
    for (name, is_named) in [("x-b", true), ("X-B", true), ("b", false), ("X-D", false)] {
        let named = crate::http::forward::is_named_away(head.fields(), name.as_bytes());
        assert_eq!(named, is_named, "{name}");
    }
}

#[test]
fn responses_are_cleaned_too() {
    let check = |input: &str, how: &Returning<'_>, expected: &str| {
        let head = response(format!("HTTP/1.1 {}\r\n\r\n", input.replace('|', "\r\n"))).unwrap();
        let mut out = ResponseHead::new();
        give_back(&head, &mut out, how).unwrap();
        let lines: Vec<_> = out
            .fields()
            .iter()
            .map(|(name, value)| format!("{}: {}", text(name), text(value)))
            .collect();
        assert_eq!(
            format!(
                "{} {}|{}",
                out.status(),
                text(out.reason()),
                lines.join("|")
            ),
            expected
        );
    };
    let how = Returning::default();
    check(
        "404 Nope|Connection: x-a|X-A: 1|Keep-Alive: 2|Upgrade: h2c|Set-Cookie: a|X-M: 1|X-M: 2|Trailers: t",
        &how,
        "404 Nope|Set-Cookie: a|X-M: 1|X-M: 2|Trailers: t",
    );
    check(
        "101 X|Connection: upgrade|Upgrade: WebSocket",
        &how,
        "101 X|Upgrade: WebSocket",
    );
    check(
        "426 X|Connection: upgrade|Upgrade: WebSocket",
        &how,
        "426 X|Upgrade: WebSocket",
    );
    check("200 OK|Trailer: X-Sum", &how, "200 OK|Trailer: X-Sum");
    check(
        "200 OK|Trailer: X-Sum",
        &Returning {
            client_version: Version::Http10,
            ..how
        },
        "200 OK|",
    );
    let dated = Returning {
        date: Some(b"now"),
        via: true,
        add: &[("A", "1")],
        ..how
    };
    check(
        "200 OK|X: y",
        &dated,
        "200 OK|X: y|Via: 1.1 osier|Date: now|A: 1",
    );
    check(
        "200 OK|Date: then",
        &dated,
        "200 OK|Date: then|Via: 1.1 osier|A: 1",
    );
    check(
        "103 Hints|Link: a",
        &Returning {
            date: Some(b"now"),
            ..how
        },
        "103 Hints|Link: a",
    );
}
