//! Every way an exchange can fail: the status, the cause in `Proxy-Status` and in the log, and what becomes of the
//! connections.

use std::time::Duration;

use osier::net::address::Address;

use crate::support::{End, House, Message, Origin, Wire, chunked, octets, options};

const SHORT: Option<Duration> = Some(Duration::from_millis(80));

/// The cause that `Proxy-Status` names.
fn cause(response: &Message) -> &str {
    let status = response.field("proxy-status").unwrap_or_default();
    let details = status.split("details=\"").nth(1).unwrap_or_default();
    details.trim_end_matches('"')
}

/// An answer of osier's own: status and cause.
#[track_caller]
fn assert_says(response: &Message, status: u16, why: &str) {
    assert_eq!((response.status(), cause(response)), (status, why));
    assert!(response.field("date").is_some(), "{response:?}");
    let proxy_status = response.field("proxy-status").unwrap_or_default();
    assert!(
        proxy_status.starts_with("osier; error="),
        "no error type: {proxy_status}"
    );
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request whose origin will answer the next one: the client's connection is still good.
#[track_caller]
fn assert_still_good(client: &mut Wire, origin: &Origin) {
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().start(), "GET /next HTTP/1.1");
    at_origin.answer("next");
    assert_eq!(client.read_response().text(), "next");
}

// Of the client's doing.

#[test]
fn a_request_that_breaks_a_rule_is_refused_with_the_sins_name() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let long = "a".repeat(20_000);
    let many = "X: y\r\n".repeat(101);
    let cases: &[(&str, u16, &str)] = &[
        ("GET / HTTP/1.1\r\n\r\n", 400, "host_missing"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            400,
            "host_twice",
        ),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_host"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "bare_lf"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nFoo : b\r\n\r\n",
            400,
            "space_before_colon",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            400,
            "obs_fold",
        ),
        ("GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_method"),
        (
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            505,
            "unsupported_version",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
            "unknown_coding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            400,
            "length_and_coding",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            400,
            "bad_length",
        ),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "coding_in_http10",
        ),
        (
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            405,
            "connect_not_allowed",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\nContent-Length: 1\r\n\r\nx",
            417,
            "unknown_expectation",
        ),
        (
            &format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", &long[..9000]),
            414,
            "target_too_long",
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            431,
            "head_too_large",
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            431,
            "too_many_fields",
        ),
    ];
    for (request, status, sin) in cases {
        let mut client = house.connect();
        client.send(request);
        let response = client.read_response();
        assert_says(&response, *status, sin);
        assert_eq!(response.field("connection"), Some("close"), "{sin}");
        client.expect_end();
        house.wait_for_record(&[&format!("status={status}"), &format!("cause={sin}")]);
    }
    assert_eq!(origin.connection_count(), 0);
}

#[test]
fn a_405_names_the_methods_that_are_allowed() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let response = house
        .connect()
        .ask("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    assert!(response.field("allow").unwrap().contains("GET"));
}

#[test]
fn a_sin_behind_a_good_request_is_answered_behind_its_answer() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\n\r\n");
    assert_eq!(client.read_response().text(), "/good");
    assert_says(&client.read_response(), 400, "host_missing");
    client.expect_end();
}

#[test]
fn a_sin_in_the_body_is_answered_400_and_the_origin_is_cut_off() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.expect("2\r\nab\r\n");
    client.send("zz\r\n");
    assert_says(&client.read_response(), 400, "bad_chunk_size");
    // Never the last chunk.
    at_origin.expect_gone();
    client.expect_end();
}

#[test]
fn content_over_the_limit_is_answered_413() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.limits.content_octets_max = 10;
    });
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    assert_says(&client.read_response(), 413, "body_limit");
    client.expect_end();
    assert!(!origin.has_waiting());

    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    client.send(chunked(&octets(11), 11));
    let response = client.read_response();
    assert_says(&response, 413, "body_limit");
    at_origin.expect_gone();
}

#[test]
fn a_head_that_does_not_come_is_answered_408() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.header = SHORT);
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHos");
    assert_says(&client.read_response(), 408, "header_timeout");
    client.expect_end();
    house.wait_for_record(&["status=408", "cause=header_timeout"]);
}

#[test]
fn a_connection_without_a_request_just_ends() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| {
        o.rules.timeouts.header = SHORT;
        o.rules.timeouts.idle = SHORT;
    });
    house.connect().expect_end();

    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("one");
    assert_eq!(client.read_response().text(), "one");
    client.expect_end();
}

#[test]
fn a_request_body_that_stalls_is_answered_408() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.body = SHORT);
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    assert_says(&client.read_response(), 408, "client_body_timeout");
    client.expect_end();
    at_origin.expect("ab");
    at_origin.expect_gone();
    house.wait_for_record(&["status=408", "cause=client_body_timeout"]);
}

#[test]
fn a_client_that_leaves_is_recorded_as_499() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    drop(client);
    at_origin.expect_gone();
    house.wait_for_record(&["target=/left", "status=499", "cause=client_gone"]);
}

#[test]
fn a_request_body_cut_short_never_ends_cleanly_at_the_origin() {
    for (head, part) in [
        ("Content-Length: 10", "abc"),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n"),
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{part}"
        ));
        let mut at_origin = origin.accept();
        at_origin.read_head();
        at_origin.expect(part);
        drop(client);
        at_origin.expect_gone();
        house.wait_for_record(&["status=499", "cause=client_gone"]);
    }
}

// Of the origin's doing.

#[test]
fn an_origin_that_refuses_is_a_502_and_the_client_stays() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody);
    let mut client = house.connect();
    for _ in 0..2 {
        let response = client.ask(GET);
        assert_says(&response, 502, "connect_refused");
        assert_eq!(response.field("connection"), None);
    }
    house.wait_for_record(&["status=502", "cause=connect_refused"]);
}

#[test]
fn a_missing_unix_socket_is_a_502() {
    let house = House::start(options([crate::support::endpoint(Address::Unix(
        "/nonexistent/osier.sock".into(),
    ))]));
    assert_says(&house.connect().ask(GET), 502, "connect_refused");
}

#[test]
fn an_origin_that_does_not_accept_is_a_504_connect_timeout() {
    // A listener whose backlog is full lets nobody in, and refuses nobody.
    let (endpoint, _kept) = crate::support::full_listener();
    let house = House::with(endpoint, |o| o.rules.timeouts.connect = SHORT);
    let mut client = house.connect();
    for _ in 0..2 {
        let response = client.ask(GET);
        assert_says(&response, 504, "connect_timeout");
        assert_eq!(response.field("connection"), None);
    }
    house.wait_for_record(&["status=504", "cause=connect_timeout"]);
}

#[test]
fn an_origin_that_does_not_answer_is_a_504_response_timeout() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.response = SHORT);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let response = client.read_response();
    assert_says(&response, 504, "response_timeout");
    assert_eq!(response.field("connection"), None);
    // The answer that is still owed is not waited for.
    at_origin.expect_gone();
    assert_still_good(&mut client, &origin);
    house.wait_for_record(&["status=504", "cause=response_timeout"]);
}

#[test]
fn a_request_budget_that_runs_out_is_a_504_deadline() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.request = SHORT);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    // Interim responses do not buy time.
    at_origin.send("HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(client.read_head().status(), 102);
    assert_says(&client.read_response(), 504, "deadline:request");
    at_origin.expect_gone();
    assert_still_good(&mut client, &origin);
    house.wait_for_record(&["status=504", "cause=deadline:request"]);
}

#[test]
fn the_budget_covers_only_what_comes_before_the_response() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.request = SHORT);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    client.read_head();
    client.expect("ab");
    // A second exchange meets its deadline while this one lives on.
    let mut other = house.connect();
    other.send(GET);
    let mut meanwhile = origin.accept();
    meanwhile.read_request();
    assert_eq!(other.read_response().status(), 504);
    at_origin.send("cd");
    client.expect("cd");
}

#[test]
fn a_total_budget_that_runs_out_is_a_504_or_a_cut_message() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.total = SHORT);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    assert_says(&client.read_response(), 504, "deadline:total");
    at_origin.expect_gone();

    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    client.read_head();
    client.expect("ab");
    let (rest, _) = client.read_to_end();
    assert_eq!(rest, b"");
    at_origin.expect_gone();
    house.wait_for_record(&["status=200", "cause=deadline:total"]);
}

#[test]
fn an_origin_that_closes_without_an_answer_is_a_502() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.attempts_max = 1);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    drop(at_origin);
    let response = client.read_response();
    assert_says(&response, 502, "origin_closed");
    assert_eq!(response.field("connection"), None);

    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.reset();
    assert_says(&client.read_response(), 502, "origin_closed");

    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Le");
    drop(at_origin);
    assert_says(&client.read_response(), 502, "origin_closed");
    assert_still_good(&mut client, &origin);
    house.wait_for_record(&["status=502", "cause=origin_closed"]);
}

#[test]
fn an_origin_that_breaks_the_protocol_is_a_502_with_its_sin() {
    for (answer, sin) in [
        ("SSH-2.0-OpenSSH\r\n\r\n", "bad_version"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
            "bad_length",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "length_and_coding",
        ),
        ("HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", "space_before_colon"),
        ("HTTP/2.0 200 OK\r\n\r\n", "unsupported_version"),
        ("HTTP/1.1 20 OK\r\n\r\n", "bad_status"),
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(answer);
        let response = client.read_response();
        assert_says(&response, 502, &format!("origin_protocol:{sin}"));
        at_origin.expect_gone();
        assert_still_good(&mut client, &origin);
    }
}

#[test]
fn a_flood_of_interim_responses_is_a_502() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(100));
    let mut interim = 0;
    let status = loop {
        match client.read_head().status() {
            102 => interim += 1,
            status => break status,
        }
    };
    assert_eq!(status, 502);
    assert!(interim <= 17, "{interim}");
}

#[test]
fn a_message_cut_short_never_ends_cleanly() {
    for (head, first, then, cause) in [
        ("Content-Length: 10", "abc", "", "origin_closed"),
        // No last chunk.
        (
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "",
            "origin_closed",
        ),
        (
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "5\r\nab",
            "origin_closed",
        ),
        (
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "0\r\n",
            "origin_closed",
        ),
        // A sin in the middle.
        (
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n",
            "zz\r\n",
            "origin_protocol:bad_chunk_size",
        ),
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{first}"));
        client.read_head();
        client.expect(first);
        at_origin.send(then);
        drop(at_origin);
        let (rest, _) = client.read_to_end();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{head} {then:?}");
        assert!(rest.len() <= 7, "{head} {then:?}");
        house.wait_for_record(&["target=/cut", "status=200", &format!("cause={cause}")]);
    }
}

#[test]
fn a_sin_that_comes_with_the_head_can_still_be_answered() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    let response = client.read_response();
    assert_says(&response, 502, "origin_protocol:bad_chunk_size");
    assert_still_good(&mut client, &origin);
}

#[test]
fn a_close_delimited_message_cut_short_is_a_reset_for_an_http_1_0_client() {
    // Nothing but the end delimits it, so a clean end would be a lie.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.read_head();
    client.expect("abc");
    drop(at_origin);
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
}

#[test]
fn an_origin_that_resets_a_close_delimited_message_cuts_it() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for version in ["1.0", "1.1"] {
        let mut client = house.connect();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send("HTTP/1.1 200 OK\r\n\r\nabc");
        client.read_head();
        client.read_until("abc");
        at_origin.reset();
        let (rest, end) = client.read_to_end();
        assert!(!rest.ends_with(b"0\r\n\r\n"));
        if version == "1.0" {
            assert_eq!(end, End::Reset);
        }
    }
}

#[test]
fn a_response_body_that_stalls_is_cut() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.body = SHORT);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    client.read_head();
    client.expect("abc");
    client.expect_gone();
    at_origin.expect_gone();
    house.wait_for_record(&["status=200", "cause=response_body_timeout"]);
}

#[test]
fn no_endpoint_is_a_503_with_retry_after() {
    let house = House::start(options([]));
    let response = house.connect().ask(GET);
    assert_says(&response, 503, "no_endpoint");
    assert_eq!(response.field("retry-after"), Some("1"));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody);
    let mut client = house.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.status(), 502);
    assert!(head.field("content-length").is_some());
    // The next octet is the next response's.
    assert_eq!(client.ask(GET).status(), 502);
}

#[test]
fn an_unread_body_is_not_taken_for_a_request() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody);
    let mut client = house.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let response = client.read_response();
    assert_says(&response, 502, "connect_refused");
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();
}

#[test]
fn an_http_1_0_client_is_told_whether_its_connection_stays() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody);
    let mut client = house.connect();
    let keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(client.ask(keep).field("connection"), Some("keep-alive"));
    let response = client.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();
}

#[test]
fn a_second_endpoint_is_tried_when_the_first_closes_before_it_answers() {
    // `closed` is among the reasons to retry (a new connection that ended before the first response octet), for a
    // request that may be sent twice.
    let (first, second) = (Origin::bind(), Origin::bind());
    let house = House::start(options([first.endpoint(), second.endpoint()]));
    let mut client = house.connect();
    client.send(GET);
    let mut at_first = first.accept();
    at_first.read_request();
    drop(at_first);
    let mut at_second = second.accept();
    at_second.read_request();
    at_second.answer("second");
    assert_eq!(client.read_response().text(), "second");
}

#[test]
fn a_post_is_not_sent_twice() {
    let (first, second) = (Origin::bind(), Origin::bind());
    let house = House::start(options([first.endpoint(), second.endpoint()]));
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let mut at_first = first.accept();
    at_first.read_request();
    drop(at_first);
    assert_says(&client.read_response(), 502, "origin_closed");
    assert!(!second.has_waiting());
}
