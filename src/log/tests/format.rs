use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::line;
use crate::http::head::Version;
use crate::log::format::plain::{BARE, QUOTED, has_only, is_of};
use crate::log::{Format, Record};

const FORMATS: [Format; 3] = [Format::Logfmt, Format::Json, Format::Combined];

/// A record in which everything is there.
fn full() -> Record<'static> {
    Record {
        client: Some([192, 0, 2, 1].into()),
        stream: "",
        exchange: 17,
        method: b"GET",
        target: b"/a?b=c",
        version: Some(Version::Http11),
        host: b"example.org",
        referer: b"https://example.net/?from=here",
        user_agent: b"curl/8.0 (\"x\")",
        request_id: b"abc",
        trace_id: b"4bf92f3577b34da6a3ce929d0e0e4736",
        status: 200,
        received: 7,
        sent: 12_345,
        route: "api",
        upstream: "app",
        endpoint: "192.0.2.9:80",
        attempts: 1,
        reused: Some(true),
        queue: Some(Duration::from_micros(5)),
        connect: Some(Duration::from_millis(1)),
        first: Some(Duration::from_micros(1_042)),
        total: Duration::from_micros(30_001_002),
        cause: Some("client_gone"),
    }
}

#[test]
fn a_record_says_what_happened_and_why() {
    let record = Record {
        client: Some([192, 0, 2, 1].into()),
        exchange: 17,
        method: b"GET",
        target: b"/a?b c",
        host: b"example.org",
        status: 504,
        endpoint: "192.0.2.9:80",
        attempts: 2,
        sent: 12,
        total: Duration::from_micros(30_001_002),
        cause: Some("response_timeout"),
        ..Record::default()
    };
    let line = line(Format::Logfmt, &record, false);
    let (_, said) = line.split_once(" client=").unwrap();
    assert_eq!(
        said,
        "192.0.2.1 exchange=17 method=GET host=example.org target=\"/a?b c\" status=504 received=0 sent=12 \
         endpoint=192.0.2.9:80 attempts=2 total_ms=30001.002 cause=response_timeout\n"
    );
}

#[test]
fn of_a_stream_there_is_no_request_to_tell() {
    let record = Record {
        client: Some([192, 0, 2, 1].into()),
        stream: "0.0.0.0:1883",
        exchange: 17,
        host: b"a.example",
        received: 7,
        sent: 12,
        upstream: "broker",
        endpoint: "192.0.2.9:1883",
        attempts: 1,
        connect: Some(Duration::from_millis(1)),
        total: Duration::from_secs(3600),
        cause: Some("tunnel_timeout"),
        ..Record::default()
    };
    let line = |format| line(format, &record, false);
    let said = line(Format::Logfmt);
    let (_, said) = said.split_once(" client=").unwrap();
    assert_eq!(
        said,
        "192.0.2.1 tunnel=17 stream=0.0.0.0:1883 sni=a.example received=7 sent=12 upstream=broker \
         endpoint=192.0.2.9:1883 attempts=1 connect_ms=1.000 total_ms=3600000.000 cause=tunnel_timeout\n"
    );
    let said = line(Format::Json);
    let (_, said) = said.split_once(",\"client\":").unwrap();
    assert_eq!(
        said,
        "\"192.0.2.1\",\"tunnel\":17,\"stream\":\"0.0.0.0:1883\",\"sni\":\"a.example\",\"received\":7,\"sent\":12,\
         \"upstream\":\"broker\",\"endpoint\":\"192.0.2.9:1883\",\"attempts\":1,\"connect_ms\":1.000,\
         \"total_ms\":3600000.000,\"cause\":\"tunnel_timeout\"}\n"
    );
    let said = line(Format::Combined);
    assert!(said.ends_with("] \"-\" 000 12 \"-\" \"-\"\n"), "{said}");
}

#[test]
fn each_format_has_all_it_can_hold() {
    assert_eq!(
        line(Format::Logfmt, &full(), false),
        "time=2026-01-31T12:34:56.789Z client=192.0.2.1 exchange=17 method=GET host=example.org target=\"/a?b=c\" \
         request_id=abc trace_id=4bf92f3577b34da6a3ce929d0e0e4736 status=200 received=7 sent=12345 route=api \
         upstream=app endpoint=192.0.2.9:80 attempts=1 reused=true queue_ms=0.005 connect_ms=1.000 first_ms=1.042 \
         total_ms=30001.002 cause=client_gone\n"
    );
    assert_eq!(
        line(Format::Json, &full(), false),
        "{\"time\":\"2026-01-31T12:34:56.789Z\",\"client\":\"192.0.2.1\",\"exchange\":17,\"method\":\"GET\",\
         \"host\":\"example.org\",\"target\":\"/a?b=c\",\"request_id\":\"abc\",\
         \"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"status\":200,\"received\":7,\"sent\":12345,\
         \"route\":\"api\",\"upstream\":\"app\",\"endpoint\":\"192.0.2.9:80\",\"attempts\":1,\"reused\":true,\
         \"queue_ms\":0.005,\"connect_ms\":1.000,\"first_ms\":1.042,\"total_ms\":30001.002,\"cause\":\"client_gone\"}\n"
    );
    assert_eq!(
        line(Format::Combined, &full(), false),
        "192.0.2.1 - - [31/Jan/2026:12:34:56 +0000] \"GET /a?b=c HTTP/1.1\" 200 12345 \
         \"https://example.net/?from=here\" \"curl/8.0 (\\x22x\\x22)\"\n"
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    let none = Record::default();
    assert_eq!(
        line(Format::Logfmt, &none, false),
        "time=2026-01-31T12:34:56.789Z client=unix exchange=0 status=0 received=0 sent=0 total_ms=0.000\n"
    );
    assert_eq!(
        line(Format::Json, &none, false),
        "{\"time\":\"2026-01-31T12:34:56.789Z\",\"client\":\"unix\",\"exchange\":0,\"status\":0,\"received\":0,\
         \"sent\":0,\"total_ms\":0.000}\n"
    );
    assert_eq!(
        line(Format::Combined, &none, false),
        "unix: - - [31/Jan/2026:12:34:56 +0000] \"-\" 000 0 \"-\" \"-\"\n"
    );
}

#[test]
fn numbers_have_all_their_digits() {
    let record = Record {
        client: Some("2001:db8::1".parse().unwrap()),
        exchange: u64::MAX,
        status: u16::MAX,
        received: 10,
        sent: 9,
        total: Duration::MAX,
        ..Record::default()
    };
    let line = line(Format::Logfmt, &record, false);
    let (_, said) = line.split_once(" client=").unwrap();
    assert_eq!(
        said,
        "2001:db8::1 exchange=18446744073709551615 status=65535 received=10 sent=9 \
         total_ms=18446744073709551615999.999\n"
    );
}

#[test]
fn no_request_can_forge_a_line() {
    let record = Record {
        target: b"/a\" status=200\nx=\\\xff\xc3\xa9",
        version: Some(Version::Http10),
        method: b"GET",
        ..Record::default()
    };
    let has = |format, what: &str| {
        let line = line(format, &record, false);
        assert!(line.contains(what), "{line}");
    };
    has(
        Format::Logfmt,
        r#" target="/a\" status=200\x0ax=\\\xff\xc3\xa9" "#,
    );
    has(
        Format::Json,
        r#","target":"/a\" status=200\u000ax=\\\ufffd\u00e9","#,
    );
    has(
        Format::Combined,
        r#""GET /a\x22 status=200\x0Ax=\x5C\xFF\xC3\xA9 HTTP/1.0" "#,
    );
}

#[test]
fn queries_are_left_out_on_request() {
    let line_of = |format| line(format, &full(), true);
    assert!(line_of(Format::Logfmt).contains(" target=/a?- "));
    assert!(line_of(Format::Json).contains(",\"target\":\"/a?-\","));
    let combined = line_of(Format::Combined);
    assert!(combined.contains("\"GET /a?- HTTP/1.1\""), "{combined}");
    assert!(
        combined.contains("\"https://example.net/?-\""),
        "{combined}"
    );
    // What has none stays as it is; one that is empty is none of our business.
    let bare = Record {
        target: b"?",
        ..Record::default()
    };
    assert!(line(Format::Logfmt, &bare, true).contains(" target=?- "));
    assert!(line(Format::Logfmt, &bare, false).contains(" target=? "));
}

#[test]
fn two_octets_that_need_it_are_seen_wherever_they_are() {
    // What one of them does to the word they lie in must not undo what the other does.
    for first in 0..=255 {
        for second in [
            0x00, 0x01, 0x20, 0x21, 0x7e, 0x7f, 0x80, 0xff, b'"', b'\\', b'=',
        ] {
            for distance in 1..4 {
                let mut octets = *b"aaaaaaaa";
                octets[2] = first;
                octets[2 + distance] = second;
                let mut back = octets;
                back.reverse();
                for octets in [octets, back] {
                    let one_by_one = |kinds| octets.iter().all(|octet| is_of(*octet, kinds));
                    assert_eq!(has_only::<BARE>(&octets), one_by_one(BARE), "{octets:x?}");
                    let both = BARE | QUOTED;
                    assert_eq!(
                        has_only::<{ BARE | QUOTED }>(&octets),
                        one_by_one(both),
                        "{octets:x?}"
                    );
                }
            }
        }
    }
}

/// What a logfmt line says: its keys and values, split as a reader would. Fails on anything else.
fn read_logfmt(line: &str) -> Vec<(String, Vec<u8>)> {
    let mut left = line.strip_suffix('\n').unwrap().as_bytes();
    let mut found = Vec::new();
    while !left.is_empty() {
        let equals = left.iter().position(|octet| *octet == b'=').unwrap();
        let key = String::from_utf8(left[..equals].to_vec()).unwrap();
        assert!(
            key.bytes()
                .all(|octet| octet.is_ascii_lowercase() || octet == b'_')
        );
        left = &left[equals + 1..];
        let mut value = Vec::new();
        if let Some(quoted) = left.strip_prefix(b"\"") {
            left = quoted;
            loop {
                let (octet, rest) = left.split_first().unwrap();
                left = rest;
                match octet {
                    b'"' => break,
                    b'\\' if left[0] == b'x' => {
                        let digits = std::str::from_utf8(&left[1..3]).unwrap();
                        value.push(u8::from_str_radix(digits, 16).unwrap());
                        left = &left[3..];
                    }
                    b'\\' => {
                        value.push(left[0]);
                        left = &left[1..];
                    }
                    _ => value.push(*octet),
                }
            }
        } else {
            let end = left.iter().position(|octet| *octet == b' ');
            let (plain, rest) = left.split_at(end.unwrap_or(left.len()));
            assert!(!plain.is_empty() && !plain.contains(&b'"') && !plain.contains(&b'='));
            value.extend_from_slice(plain);
            left = rest;
        }
        found.push((key, value));
        if !left.is_empty() {
            left = left.strip_prefix(b" ").unwrap();
            assert!(!left.is_empty());
        }
    }
    found
}

/// A value of a JSON object without anything in it.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// What one JSON object says, by the letter of RFC 8259: no more than that is understood.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn object(text: &str) -> BTreeMap<String, Json> {
        let mut reader = Reader(text.as_bytes());
        let mut found = BTreeMap::new();
        reader.take(b'{');
        loop {
            let key = reader.text();
            reader.take(b':');
            let value = match reader.0[0] {
                b'"' => Json::Text(reader.text()),
                b't' => reader.word("true", Json::Bool(true)),
                b'f' => reader.word("false", Json::Bool(false)),
                _ => Json::Number(reader.number()),
            };
            assert_eq!(found.insert(key, value), None, "twice");
            if reader.0[0] == b'}' {
                break;
            }
            reader.take(b',');
        }
        reader.take(b'}');
        assert_eq!(reader.0, b"\n");
        found
    }

    fn take(&mut self, octet: u8) -> u8 {
        assert_eq!(self.0[0], octet);
        self.0 = &self.0[1..];
        octet
    }

    fn word(&mut self, word: &str, value: Json) -> Json {
        for octet in word.bytes() {
            self.take(octet);
        }
        value
    }

    fn digits(&mut self) -> String {
        let end = self
            .0
            .iter()
            .position(|octet| !octet.is_ascii_digit())
            .unwrap();
        assert!(end > 0, "no digit");
        let digits = String::from_utf8(self.0[..end].to_vec()).unwrap();
        self.0 = &self.0[end..];
        digits
    }

    fn number(&mut self) -> f64 {
        let mut number = self.digits();
        assert!(number == "0" || !number.starts_with('0'), "{number}");
        if self.0[0] == b'.' {
            self.take(b'.');
            number = format!("{number}.{}", self.digits());
        }
        number.parse().unwrap()
    }

    fn text(&mut self) -> String {
        let mut units = Vec::new();
        self.take(b'"');
        loop {
            let octet = self.0[0];
            self.0 = &self.0[1..];
            match octet {
                b'"' => return String::from_utf16(&units).unwrap(),
                b'\\' if self.0[0] == b'u' => {
                    let digits = std::str::from_utf8(&self.0[1..5]).unwrap();
                    assert!(digits.bytes().all(|octet| octet.is_ascii_hexdigit()));
                    units.push(u16::from_str_radix(digits, 16).unwrap());
                    self.0 = &self.0[5..];
                }
                b'\\' => {
                    assert!(b"\"\\".contains(&self.0[0]));
                    units.push(u16::from(self.0[0]));
                    self.0 = &self.0[1..];
                }
                b' '..=b'~' => units.push(u16::from(octet)),
                _ => panic!("octet {octet:#x} in a string"),
            }
        }
    }
}

/// What a combined line has in quotes: the request line, the Referer and the User-Agent.
fn read_combined(line: &str) -> [Vec<u8>; 3] {
    let parts: Vec<_> = line.split('"').collect();
    let [_, request, _, referer, between, agent, "\n"] = parts[..] else {
        panic!("{line}")
    };
    assert_eq!(between, " ");
    [request, referer, agent].map(|part| {
        let mut octets = Vec::new();
        let mut left = part.as_bytes();
        while let Some((octet, rest)) = left.split_first() {
            left = rest;
            if *octet == b'\\' {
                assert_eq!(left[0], b'x');
                let digits = std::str::from_utf8(&left[1..3]).unwrap();
                octets.push(u8::from_str_radix(digits, 16).unwrap());
                left = &left[3..];
            } else {
                octets.push(*octet);
            }
        }
        octets
    })
}

/// Octets as peers send them: any, with those that could do harm among them more often than by chance.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"\"\\ =\n\r\t\x1b?-x\xc3\xa9\xe2\x80\xa8{}".to_vec()),
        b'a'..=b'z',
    ];
    proptest::collection::vec(octet, 0..40)
}

proptest! {
    #[test]
    fn whatever_was_sent_is_one_line_and_can_be_read_back(
        target in octets(),
        host in octets(),
        method in octets(),
        request_id in octets(),
        agent in octets(),
        referer in octets(),
        route in ".{0,20}",
        cause in proptest::option::of(".{1,20}"),
        sent in any::<u64>(),
        micros in any::<u32>(),
    ) {
        let record = Record {
            target: &target,
            host: &host,
            method: &method,
            version: Some(Version::Http11),
            request_id: &request_id,
            user_agent: &agent,
            referer: &referer,
            route: &route,
            cause: cause.as_deref(),
            sent,
            total: Duration::from_micros(micros.into()),
            ..full()
        };
        for format in FORMATS {
            let line = line(format, &record, false);
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert!(line.ends_with('\n'));
            prop_assert!(line.bytes().all(|octet| matches!(octet, b' '..=b'~' | b'\n')));
        }

        let texts = [
            ("target", &target[..]),
            ("host", &host),
            ("method", &method),
            ("request_id", &request_id),
            ("route", route.as_bytes()),
            ("cause", cause.as_deref().unwrap_or_default().as_bytes()),
        ];
        let read = read_logfmt(&line(Format::Logfmt, &record, false));
        let object = Reader::object(&line(Format::Json, &record, false));
        let keys = |keys: &mut dyn Iterator<Item = String>| {
            let mut keys: Vec<_> = keys.collect();
            keys.sort();
            keys
        };
        prop_assert_eq!(
            keys(&mut read.iter().map(|(key, _)| key.clone())),
            keys(&mut object.keys().cloned())
        );
        for (key, octets) in texts {
            let found: Vec<_> = read.iter().filter(|(name, _)| name == key).collect();
            match octets {
                b"" => prop_assert!(found.is_empty() && !object.contains_key(key)),
                _ => {
                    prop_assert_eq!(found.len(), 1);
                    prop_assert_eq!(&found[0].1[..], octets);
                    let text = String::from_utf8_lossy(octets).into_owned();
                    prop_assert_eq!(&object[key], &Json::Text(text));
                }
            }
        }
        prop_assert_eq!(&object["sent"], &Json::Number(sent as f64));
        prop_assert_eq!(&object["total_ms"], &Json::Number(f64::from(micros) / 1000.0));
        prop_assert_eq!(&object["reused"], &Json::Bool(true));

        let [request, read_referer, read_agent] =
            read_combined(&line(Format::Combined, &record, false));
        prop_assert_eq!(request, [&method[..], b" ", &target, b" HTTP/1.1"].concat());
        let or_dash = |octets: &[u8]| if octets.is_empty() { b"-".to_vec() } else { octets.to_vec() };
        prop_assert_eq!(read_referer, or_dash(&referer));
        prop_assert_eq!(read_agent, or_dash(&agent));
    }

    #[test]
    fn many_octets_at_once_are_what_they_are_one_by_one(
        plain in proptest::collection::vec(b'!'..=b'~', 0..40),
        other in any::<u8>(),
        place in any::<proptest::sample::Index>(),
    ) {
        let mut octets = plain;
        octets.retain(|octet| is_of(*octet, BARE));
        prop_assert!(has_only::<BARE>(&octets));
        octets.insert(place.index(octets.len() + 1), other);
        prop_assert_eq!(has_only::<BARE>(&octets), is_of(other, BARE));
        prop_assert_eq!(has_only::<{ BARE | QUOTED }>(&octets), is_of(other, BARE | QUOTED));
    }

    #[test]
    fn a_query_that_is_redacted_leaves_no_trace(
        path in proptest::collection::vec(any::<u8>().prop_filter("the query begins there", |octet| *octet != b'?'), 0..20),
        query in octets(),
    ) {
        let with = |query: &[u8]| [&path[..], b"?", query].concat();
        let (target, other) = (with(&query), with(b"other"));
        let record = |target| Record { target, referer: target, ..full() };
        for format in FORMATS {
            prop_assert_eq!(
                line(format, &record(&target), true),
                line(format, &record(&other), true)
            );
            prop_assert_eq!(line(format, &record(&path), true), line(format, &record(&path), false));
        }
    }
}
