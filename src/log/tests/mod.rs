use super::*;

#[test]
fn dates_are_those_of_the_calendar() {
    for (days, date) in [
        (0, (1970, 1, 1)),
        (59, (1970, 3, 1)),
        (11_016, (2000, 2, 29)),
        (19_782, (2024, 2, 29)),
        (47_541, (2100, 3, 1)),
    ] {
        assert_eq!(civil(days), date, "{days}");
    }
}

#[test]
fn no_request_can_forge_a_line() {
    let mut line = String::new();
    push_value(&mut line, b"/a\" status=200\nx=\\\xff");
    assert_eq!(line, r#""/a\" status=200\x0ax=\\\xff""#);
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
        received: 0,
        sent: 12,
        connect: None,
        first: None,
        total: Duration::from_micros(30_001_002),
        cause: Some("response_timeout"),
        request_id: b"",
    };
    let mut line = String::new();
    record.write_logfmt(&mut line);
    let (_, said) = line.split_once(" client=").unwrap();
    assert_eq!(
        said,
        "192.0.2.1 exchange=17 method=GET host=example.org target=\"/a?b c\" status=504 received=0 sent=12 \
         endpoint=192.0.2.9:80 attempts=2 total_ms=30001.002 cause=response_timeout\n"
    );
}
