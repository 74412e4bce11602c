//! Request-targets, authorities, and the path that routes see.

use super::text;
use crate::http::TargetError;
use crate::http::target::{Target, parse_authority, parse_target};

#[test]
fn the_four_forms() {
    let check = |method: &str, target: &str, expected: &str| {
        let shown = match parse_target(method.as_bytes(), target.as_bytes()) {
            Ok(Target::Origin { path, query }) => {
                format!(
                    "origin {} {}",
                    text(path),
                    query.map_or_else(|| "-".into(), text)
                )
            }
            Ok(Target::Absolute {
                scheme,
                authority,
                path,
                query,
            }) => format!(
                "absolute {} {} {} {}",
                text(scheme),
                text(authority.octets),
                if path.is_empty() {
                    "-".into()
                } else {
                    text(path)
                },
                query.map_or_else(|| "-".into(), text)
            ),
            Ok(Target::Authority { authority }) => {
                format!("authority {} {:?}", text(authority.host), authority.port)
            }
            Ok(Target::Asterisk) => "asterisk".into(),
            Err(error) => error.sin().to_owned(),
        };
        assert_eq!(shown, expected, "{method} {target}");
    };
    check("GET", "/", "origin / -");
    check("GET", "/a?b?c", "origin /a b?c");
    check("GET", "/a?", "origin /a ");
    check("GET", "//evil.example/a", "origin //evil.example/a -");
    check("GET", "/a|b[c]{d}?\"<>^`", "origin /a|b[c]{d} \\\"<>^`");
    check("GET", "/?a=%zz", "origin / a=%zz");
    check("GET", "http://h", "absolute http h - -");
    check("GET", "HTTPS://h:443/a?b", "absolute HTTPS h:443 /a b");
    check("GET", "http://h?q", "absolute http h - q");
    check("OPTIONS", "*", "asterisk");
    check("CONNECT", "h:443", "authority h Some(443)");
    check("CONNECT", "[::1]:443", "authority [::1] Some(443)");
    check("GET", "", "empty_target");
    check("GET", "*", "asterisk_not_options");
    check("GET", "a", "bad_target_form");
    check("GET", "h:80", "bad_target_form");
    check("GET", "/a#b", "bad_target_octet");
    check("GET", "/a\u{e4}", "bad_target_octet");
    check("GET", "/a\x7f", "bad_target_octet");
    check("GET", "/%zz", "bad_percent");
    check("GET", "/%2", "bad_percent");
    check("GET", "ftp://h/", "bad_scheme");
    check("GET", "://h/", "bad_target_form");
    check("GET", "http:///a", "bad_authority");
    check("GET", "http://u@h/", "userinfo");
    check("GET", "http://u:p@h/", "userinfo");
    check("GET", "http://h:99999/", "bad_authority");
    check("CONNECT", "h", "connect_not_authority");
    check("CONNECT", "/a", "connect_not_authority");
    check("CONNECT", "http://h:80/", "connect_not_authority");
}

#[test]
fn an_authority_is_a_host_with_an_optional_port() {
    let check = |octets: &str, expected: Result<(&str, Option<u16>), TargetError>| {
        let parsed = parse_authority(octets.as_bytes());
        let shown =
            parsed.map(|authority| (std::str::from_utf8(authority.host).unwrap(), authority.port));
        assert_eq!(shown, expected, "{octets}");
    };
    check("", Ok(("", None)));
    check("a.example", Ok(("a.example", None)));
    check("a_b-c.~example:8080", Ok(("a_b-c.~example", Some(8080))));
    check("127.0.0.1:0", Ok(("127.0.0.1", Some(0))));
    check("a:", Ok(("a", None)));
    check("%61", Ok(("%61", None)));
    check("[::1]", Ok(("[::1]", None)));
    check(
        "[2001:db8::1.2.3.4]:65535",
        Ok(("[2001:db8::1.2.3.4]", Some(65535))),
    );
    check("[v1.fe80::a]", Ok(("[v1.fe80::a]", None)));
    check("u@a", Err(TargetError::Userinfo));
    for wrong in [
        ":80",
        "a:b",
        "a:65536",
        "a:+1",
        "a:1:2",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "{",
        "}",
        "\u{6}",
        "\u{ff}",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]a",
        "[::1]80",
        "[fe80::1%25eth0]",
        "[::g]",
        "[v.a]",
        "[v1.]",
        "%6",
        "a%zz",
        "a\"b",
        "a<b",
        "99999999999999999999:1a",
    ] {
        check(wrong, Err(TargetError::BadAuthority));
    }
}
