//! What the tests of Go's `net/http` ask of a server and of a client, as far as a proxy is either: restated, in groups.
//!
//! | Go | here |
//! |---|---|
//! | `ServerValidatesHostHeader` | [`validates_host`], [`validates_version`] |
//! | `ServerValidatesHeaders` | [`validates_field_names_and_values`], [`validates_content_length`] |
//! | `ServerValidatesMethod` | [`validates_method_and_request_line`] |
//! | `ReadRequest_Bad` | [`validates_method_and_request_line`], [`validates_content_length`] |
//! | `UnsupportedTransferEncodingsReturn501` | [`unsupported_transfer_codings_are_a_501`] |
//! | `InvalidChunkedBodies`, `ChunkInvalidInputs` | [`broken_chunks_are_errors_in_both_directions`] |
//! | `ChunkReaderTooMuchOverhead` | [`chunk_extensions_may_not_outweigh_the_content`] |
//! | `ChunkReaderByteAtATime` | [`chunks_of_one_octet_are_fine`] |
//! | `InvalidTrailerClosesConnection` | [`an_invalid_trailer_closes_the_connection`] |
//! | `serverExpectTests`: 100, any case, chunked | [`expect_100_continue_is_the_origins_to_answer`] |
//! | `serverExpectTests`: 401 without 100 | [`an_unread_body_gets_its_answer_without_100`] |
//! | `serverExpectTests`: `a-pony` | [`other_expectations_are_a_417`] |
//! | `serverExpectTests`: no content, no 100 | [`an_expectation_without_a_body_gets_no_100`] |
//! | `ServerExpect100ContinueUnreadBody` | [`an_unread_body_gets_its_answer_without_100`] |
//! | `TransportExpect100Continue200`, `500` | [`an_unread_body_gets_its_answer_without_100`] |
//! | `TransportExpect100Continue200Timeout`, `500Timeout` | [`a_client_that_does_not_wait_for_100_is_served`]; osier never waits for a 100 itself, only its client does: `streaming::an_origin_that_skips_100_is_waited_for_all_the_same` |
//! | `HTTP1{0,1}KeepAlive{204,304}Response` | [`a_204_or_304_keeps_the_connection`] |
//! | `ServeHTTP10Close` | [`http_1_0_closes_unless_asked_to_stay`] |
//! | `ClientCanClose` | [`a_client_can_close`] |
//! | `TolerateCRLFBeforeRequestLine` | [`empty_lines_before_a_request_are_forgiven`] |
//! | `ServerUnreadRequestBody{Little,Large}` | [`a_request_body_that_the_origin_does_not_read_is_no_request`] |
//! | `RequestLimit`, `RequestHeaderValueCountLimit`, `RequestBodyLimit` | [`requests_have_limits`] |
//! | `Server{Read,Write,Idle}Timeout` | [`a_client_that_writes_reads_or_idles_too_long_is_let_go`] |
//! | `ServerShutdown`, `ServerShutdownStateNew` | [`a_shutdown_lets_work_end_and_idlers_go`] |
//! | `AcceptMaxFds` | `sockets::want_of_descriptors_on_accept_is_waited_out_without_spinning`, in a process of its own |
//! | `Options` | [`options_asterisk_goes_on`] |
//! | `CaseSensitiveMethod` | [`methods_are_case_sensitive`] |
//! | `QuerySemicolon` | [`semicolons_in_queries_are_left_alone`] |
//! | `RetryRequestsOnError` | [`requests_on_a_stale_connection_are_retried`], [`any_method_goes_on_a_new_connection_when_the_idle_one_has_ended`] |
//! | `TransportIgnores408` | [`a_408_that_nobody_asked_for_is_ignored`] |
//! | `TransportLimits1xxResponses` | [`interim_responses_are_limited`] |
//! | `TransportTreat101Terminal` | [`nothing_follows_a_101`] |
//! | `TransportNoReuseAfterEarlyResponse` | [`a_connection_with_an_early_response_is_not_used_again`] |
//! | `TransportPrefersResponseOverWriteError` | [`a_response_counts_more_than_a_failure_to_write`] |
//! | `TransportReuseConnEmptyResponseBody` | [`a_connection_is_used_again_after_an_empty_body`] |
//! | `TransportRejectsSignInContentLength` | [`a_sign_in_an_origins_content_length_is_a_502`] |
//! | `NoBodyOnChunked304Response` | [`a_304_that_says_chunked_has_no_body`] |
//! | `TransportMaxConnsPerHostDialCancellation` | [`a_dial_is_given_up_when_its_client_leaves`] |
//! | `TransportResponseHeaderTimeout` | [`a_response_head_that_does_not_come_is_a_504`] |
//! | `TransportPersistConnLeak*` | [`connections_to_the_origin_do_not_leak`] |
//! | `TransportMaxConnsPerHost`, `TransportSocketLateBinding` | moot: osier has no bound on connections per origin, and no request waits for another's connection |

use std::thread;
use std::time::Duration;

use crate::support::{End, House, Origin, chunked, full_listener, octets, options};

const SHORT: Option<Duration> = Some(Duration::from_millis(80));
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The status that each of these requests is answered with.
#[track_caller]
fn assert_statuses(cases: &[(&[u8], u16)]) {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut failed = Vec::new();
    for (request, expected) in cases {
        let mut client = house.connect();
        // The other side may have seen enough before it has seen all.
        let mut writer = client.another();
        let octets = request.to_vec();
        let writing = thread::spawn(move || drop(writer.try_send(octets)));
        let status = client.read_response().status();
        drop(client);
        writing.join().unwrap();
        if status != *expected {
            let shown = &request[..request.len().min(120)];
            failed.push(format!(
                "{:?}: {status}, not {expected}",
                String::from_utf8_lossy(shown)
            ));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

// Requests that are, or are not, fit to be served.

#[test]
fn validates_host() {
    assert_statuses(&[
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: foo.com\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: foo-bar_baz.com\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: foo.com:80\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200),
        // Go lets these pass; RFC 3986 has no host like them.
        (b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1%25en0]:80\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \x06\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: {\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: }\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: \xff\r\n\r\n", 400),
        // Go needs no Host for these two; osier refuses the one for its method, the other for its version.
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ]);
}

#[test]
fn validates_version() {
    assert_statuses(&[
        (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 200),
        (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
    ]);
}

#[test]
fn validates_field_names_and_values() {
    let mut large = b"GET / HTTP/1.1\r\nHost: a\r\nBig: ".to_vec();
    large.resize(2 << 20, b'x');
    large.extend_from_slice(b"\r\n\r\n");
    assert_statuses(&[
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: bar\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\nFoo-B_r.9!: bar\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: \r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: a\tb\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: a\xffb\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo bar: baz\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo\xffbar: baz\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo\x00bar: baz\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nFoo : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nFoo\t: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: a\x7fb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nfoo: a\x01b\r\n\r\n", 400),
        (&large, 431),
    ]);
}

#[test]
fn validates_content_length() {
    assert_statuses(&[
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: notdigits\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400),
        // A length that is wrong is wrong beside a transfer coding too.
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200),
    ]);
}

#[test]
fn validates_method_and_request_line() {
    assert_statuses(&[
        (b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GE\xffT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: a\r\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\tHost: a\r\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
        (b"GET no-slash HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            b"CONNECT []%20%48%54%54%50 HTTP/1.1\r\nHost: a\r\n\r\n",
            400,
        ),
        (b"WHATEVER / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ]);
}

#[test]
fn unsupported_transfer_codings_are_a_501() {
    for coding in ["fugazi", "foo-bar", "unknown", "\" chunked\""] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        assert_statuses(&[(request.as_bytes(), 501)]);
    }
}

// Chunks.

/// Bodies in chunks that are none.
const BROKEN_CHUNKS: &[&str] = &[
    "1\na\r\n0\r\n\r\n",
    "1\r\r\na\r\n0\r\n\r\n",
    "1\r\na\n0\r\n\r\n",
    "1;\na\r\n0\r\n\r\n",
    "1;ext\na\r\n0\r\n\r\n",
    "1\r\na\r\n0\n\r\n",
    "1\r\na\r\n0\r\n\n",
    "1\r\na0\r\n\r\n",
    "1\r\nab\r\n0\r\n\r\n",
    "\r\n1\r\na\r\n0\r\n\r\n",
    "+1\r\na\r\n0\r\n\r\n",
    "-1\r\na\r\n0\r\n\r\n",
    "0x1\r\na\r\n0\r\n\r\n",
    " 1\r\na\r\n0\r\n\r\n",
    "1 1\r\na\r\n0\r\n\r\n",
    "g\r\na\r\n0\r\n\r\n",
    "00000000000000001\r\na\r\n0\r\n\r\n",
];

/// Sends this as a request's body: it must be refused, and must not look whole to the origin.
#[track_caller]
fn assert_refused_as_request(body: &str) {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    ));
    let status = client.read_response().status();
    assert!(matches!(status, 400 | 431), "{body:?}: {status}");
    client.expect_end();
    let (sent, _) = origin.accept().read_to_end();
    assert!(!sent.ends_with(b"\r\n0\r\n\r\n"), "{body:?}");
}

/// Sends this as a response's body: it must not look whole to the client.
#[track_caller]
fn assert_cut_as_response(body: &str) {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    // The head goes first, so that what follows can only be cut.
    assert_eq!(client.read_head().status(), 200);
    at_origin.send(body);
    let (rest, _) = client.read_to_end();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{body:?}");
    at_origin.expect_gone();
}

#[test]
fn broken_chunks_are_errors_in_both_directions() {
    for body in BROKEN_CHUNKS {
        assert_refused_as_request(body);
        assert_cut_as_response(body);
    }
}

#[test]
fn an_invalid_trailer_closes_the_connection() {
    for trailer in ["hi", "X : 1", "X\x00: 1", ": 1", " X: 1"] {
        let body = format!("1\r\na\r\n0\r\n{trailer}\r\n\r\n");
        assert_refused_as_request(&body);
        assert_cut_as_response(&body);
    }
}

#[test]
fn chunk_extensions_may_not_outweigh_the_content() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(100));
    let body = chunk.repeat(1000);
    // The refusal comes while the client still sends.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    ));
    assert_eq!(client.read_response().status(), 400);
    assert_cut_as_response(&body);
}

#[test]
fn chunks_of_one_octet_are_fine() {
    let content = octets(20_000);
    let origin = Origin::script(|wire, request| {
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send(chunked(&request.body, 1));
        true
    });
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let mut request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    request.extend(chunked(&content, 1));
    let mut writer = client.another();
    let writing = thread::spawn(move || writer.send(request));
    assert!(client.read_response().body == content);
    writing.join().unwrap();
}

// Expect.

#[test]
fn expect_100_continue_is_the_origins_to_answer() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for (expect, framing, body) in [
        ("100-continue", "Content-Length: 4", "body"),
        ("100-cOntinUE", "Content-Length: 4", "body"),
        (
            "100-continue",
            "Transfer-Encoding: chunked",
            "4\r\nbody\r\n0\r\n\r\n",
        ),
    ] {
        let mut client = house.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\n{framing}\r\nConnection: close\r\n\r\n"
        ));
        let mut at_origin = origin.accept();
        let head = at_origin.read_head();
        // Said anew: the case it came in does not matter.
        assert_eq!(head.field("expect"), Some("100-continue"));
        // osier makes up no 100 of its own.
        assert!(client.is_quiet());
        at_origin.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(client.read_head().status(), 100);
        client.send(body);
        at_origin.expect(body);
        at_origin.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.read_response().status(), 200);
    }
}

#[test]
fn an_unread_body_gets_its_answer_without_100() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for status in [401, 200, 500] {
        let mut client = house.connect();
        client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n",
        );
        let mut at_origin = origin.accept();
        at_origin.read_head();
        at_origin.send(format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n\r\nno"
        ));
        let response = client.read_response();
        assert_eq!((response.status(), response.text()), (status, "no"));
        client.expect_end();
        at_origin.expect_gone();
    }
}

#[test]
fn other_expectations_are_a_417() {
    assert_statuses(&[(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\nContent-Length: 4\r\n\r\nbody",
        417,
    )]);
}

#[test]
fn an_expectation_without_a_body_gets_no_100() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let response = client
        .ask("POST /0 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((response.status(), response.text()), (200, "/0"));
    assert_eq!(client.get("/next").text(), "/next");
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let response = client.ask(
        "POST /eager HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    );
    assert_eq!(response.text(), "/eager");
    assert_eq!(origin.requests()[0].1.text(), "body");
}

// Connections that persist, and limits.

#[test]
fn a_204_or_304_keeps_the_connection() {
    for status in ["204 No Content", "304 Not Modified"] {
        let origin = Origin::script(move |wire, _| {
            wire.send(format!("HTTP/1.1 {status}\r\n\r\n"));
            true
        });
        let house = House::to(origin.endpoint());
        for (version, option) in [("1.0", "Connection: keep-alive\r\n"), ("1.1", "")] {
            let mut client = house.connect();
            for _ in 0..5 {
                client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n{option}\r\n"));
                let response = client.read_head();
                assert!(response.start().ends_with(status), "{response:?}");
                assert_eq!(response.field("transfer-encoding"), None);
                assert_eq!(response.field("content-length"), None);
                let kept = (version == "1.0").then_some("keep-alive");
                assert_eq!(response.field("connection"), kept);
            }
        }
        assert_eq!(origin.connection_count(), 1);
    }
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    assert_eq!(client.ask("GET /1 HTTP/1.0\r\n\r\n").text(), "/1");
    client.expect_end();
    let mut client = house.connect();
    let response = client.ask("GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(response.field("connection"), Some("keep-alive"));
    assert_eq!(client.ask("GET /3 HTTP/1.0\r\n\r\n").text(), "/3");
    client.expect_end();
}

#[test]
fn a_client_can_close() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    for option in ["close", "Close", "foo, close"] {
        let mut client = house.connect();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\n\r\n");
        assert_eq!(client.ask(request).field("connection"), Some("close"));
        client.expect_end();
    }
}

#[test]
fn empty_lines_before_a_request_are_forgiven() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    // Old browsers sent one behind the content of a POST.
    client.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n");
    client.send("\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_response().text(), "/1");
    assert_eq!(client.read_response().text(), "/2");
}

#[test]
fn a_request_body_that_the_origin_does_not_read_is_no_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    // Little: it all goes out, and both connections live on.
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!(
        "POST /little HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    ));
    assert_eq!(client.read_response().text(), "/little");
    assert_eq!(client.get("/next").text(), "/next");
    assert_eq!(origin.requests().len(), 2);

    // Large: the answer arrives, the connections end.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n");
    client.send(smuggled);
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.answer("enough");
    let response = client.read_response();
    assert_eq!(response.text(), "enough");
    client.expect_end();
}

#[test]
fn requests_have_limits() {
    let large = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        format!("X: {}\r\n", "y".repeat(1000)).repeat(100)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(2000)
    );
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "y".repeat(10_000));
    assert_statuses(&[
        (large.as_bytes(), 431),
        (many.as_bytes(), 431),
        (long.as_bytes(), 414),
    ]);

    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.limits.content_octets_max = 100;
    });
    let ask = |length: usize| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        house
            .connect()
            .ask([head.as_bytes(), &octets(length)].concat())
            .status()
    };
    assert_eq!((ask(100), ask(101)), (200, 413));
}

#[test]
fn a_client_that_writes_reads_or_idles_too_long_is_let_go() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.timeouts.header = SHORT;
        options.rules.timeouts.idle = SHORT;
        options.rules.timeouts.body = SHORT;
    });
    // A head that does not end.
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\n");
    assert_eq!(client.read_response().status(), 408);
    client.expect_end();
    // A body that does not go on.
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
    assert_eq!(client.read_response().status(), 408);
    client.expect_end();
    origin.accept().read_to_end();
    // A client that does not read.
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
    at_origin.send_until_full(1 << 30);
    at_origin.expect_gone();
    drop(client);
    // A client that asks no more.
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("bye");
    assert_eq!(client.read_response().text(), "bye");
    client.expect_end();
}

#[test]
fn a_shutdown_lets_work_end_and_idlers_go() {
    let origin = Origin::bind();
    let mut house = House::to(origin.endpoint());
    let mut busy = house.connect();
    busy.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    // One that has never said anything.
    let mut new = house.connect();
    house.wait_for_node(&["exchange"]);
    house.drain();
    new.expect_gone();
    at_origin.answer("done");
    let response = busy.read_response();
    assert_eq!(response.text(), "done");
    busy.expect_end();
    house.wait_until_ended();
}

#[test]
fn options_asterisk_goes_on() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let response = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.text(), "*");
    let response = client.ask("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.text(), "*");
    let asked = client.ask("GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(asked.status(), 400);
}

#[test]
fn methods_are_case_sensitive() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for method in ["get", "Get", "gEt"] {
        client.ask(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(request.start(), format!("{method} / HTTP/1.1"));
    }
}

#[test]
fn semicolons_in_queries_are_left_alone() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for path in ["/?a=1;x=bad&x=good", "/?a=1;b=bad;x=good", "/?a=1%3Bx=bad"] {
        assert_eq!(client.get(path).text(), path);
    }
}

// The origin's side.

/// A house whose only connection to the origin idles, and both ends of what led to that.
fn with_idle_connection(origin: &Origin) -> (House, crate::support::Wire) {
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("first");
    assert_eq!(client.read_response().text(), "first");
    (house, at_origin)
}

#[test]
fn requests_on_a_stale_connection_are_retried() {
    // The origin took the request and then closed: again, if that does no harm.
    for (method, is_retried) in [
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PATCH", false),
    ] {
        let origin = Origin::bind();
        let (house, mut at_origin) = with_idle_connection(&origin);
        let mut client = house.connect();
        client.send(format!(
            "{method} /again HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        ));
        at_origin.read_request();
        drop(at_origin);
        if is_retried {
            let mut at_origin = origin.accept();
            let request = at_origin.read_request();
            assert_eq!(request.start(), format!("{method} /again HTTP/1.1"));
            at_origin.answer("");
            assert_eq!(client.read_head().status(), 200, "{method}");
        } else {
            assert_eq!(client.read_response().status(), 502, "{method}");
            assert!(!origin.has_waiting());
        }
    }
}

#[test]
fn any_method_goes_on_a_new_connection_when_the_idle_one_has_ended() {
    for method in ["GET", "POST", "PATCH"] {
        let origin = Origin::bind();
        let (house, mut at_origin) = with_idle_connection(&origin);
        at_origin.finish();
        at_origin.expect_gone();
        let mut client = house.connect();
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        ));
        let mut at_origin = origin.accept();
        assert_eq!(at_origin.read_request().text(), "body");
        at_origin.answer("ok");
        assert_eq!(client.read_response().text(), "ok");
    }
}

#[test]
fn a_408_that_nobody_asked_for_is_ignored() {
    let origin = Origin::bind();
    let (house, mut at_origin) = with_idle_connection(&origin);
    at_origin
        .send("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye");
    at_origin.expect_gone();
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("fresh");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (200, "fresh"));
}

#[test]
fn interim_responses_are_limited() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let _ = at_origin.try_send("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n".repeat(1000));
    let statuses: Vec<_> = std::iter::repeat_with(|| client.read_head().status())
        .take(100)
        .take_while(|status| *status == 103)
        .collect();
    assert!(statuses.len() < 20, "{}", statuses.len());
    house.wait_for_record(&[
        "status=502",
        "cause=origin_protocol:too_many_interim_responses",
    ]);
}

#[test]
fn nothing_follows_a_101() {
    // Go hands a 101 that was not asked for to its caller; a proxy whose client did not ask for it must not.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    at_origin.answer("after");
    assert_eq!(client.read_response().status(), 502);
    at_origin.expect_gone();
}

#[test]
fn a_connection_with_an_early_response_is_not_used_again() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.answer("early");
    assert_eq!(client.read_response().text(), "early");
    at_origin.read_to_end();
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("next");
    assert_eq!(client.read_response().text(), "next");
}

#[test]
fn a_response_counts_more_than_a_failure_to_write() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let mut writer = client.another();
    let writing = thread::spawn(move || {
        writer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n");
        let _ = writer.try_send(octets(32 << 20));
    });
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.send(
        "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig",
    );
    rustix::net::shutdown(&at_origin, rustix::net::Shutdown::Write).unwrap();
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (413, "big"));
    drop(at_origin);
    drop(client);
    writing.join().unwrap();
}

#[test]
fn a_connection_is_used_again_after_an_empty_body() {
    for framing in [
        "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let origin = Origin::script(move |wire, _| {
            wire.send(format!("HTTP/1.1 200 OK\r\n{framing}"));
            true
        });
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        for _ in 0..5 {
            assert_eq!(client.get("/").text(), "");
        }
        assert_eq!(origin.connection_count(), 1, "{framing:?}");
    }
}

#[test]
fn a_sign_in_an_origins_content_length_is_a_502() {
    for length in ["+3", "-3", "3 3", "0x3"] {
        let origin = Origin::script(move |wire, _| {
            wire.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc"
            ));
            false
        });
        let house = House::to(origin.endpoint());
        assert_eq!(house.connect().get("/").status(), 502, "{length}");
    }
}

#[test]
fn a_304_that_says_chunked_has_no_body() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(
        "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let response = client.read_head();
    assert_eq!(response.status(), 304);
    at_origin.expect_gone();
    // What follows on the client's connection is the next response.
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("next");
    assert_eq!(client.read_response().text(), "next");
}

#[test]
fn a_dial_is_given_up_when_its_client_leaves() {
    let (endpoint, _kept) = full_listener();
    let house = House::to(endpoint);
    let mut client = house.connect();
    client.send(GET);
    house.wait_for_node(&["attempt"]);
    drop(client);
    house.wait_for_record(&["status=499", "cause=client_gone"]);
    house.wait_until_gone("attempt");
}

#[test]
fn a_response_head_that_does_not_come_is_a_504() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.timeouts.response = SHORT;
    });
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    assert_eq!(client.read_response().status(), 504);
    at_origin.expect_gone();
    // The head alone is under it.
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    client.read_head();
    // Whoever asks now runs out of time while that body has not begun.
    let mut other = house.connect();
    other.send(GET);
    let _deaf = origin.accept();
    assert_eq!(other.read_response().status(), 504);
    at_origin.send("ok");
    client.expect("ok");
}

#[test]
fn connections_to_the_origin_do_not_leak() {
    // Refused, cut, left, answered with close: in the end nothing of it is left.
    let origin = Origin::script(|wire, request| {
        match request.start().split(' ').nth(1) {
            Some("/close") => {
                wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            }
            Some("/cut") => wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
            Some("/bad") => wire.send("nonsense\r\n\r\n"),
            Some("/never") => {
                let (_, end) = wire.read_to_end();
                assert_eq!(end, End::Clean);
            }
            _ => {
                wire.answer("ok");
                return true;
            }
        }
        false
    });
    let house = House::start(options([origin.endpoint()]));
    for _ in 0..20 {
        for path in ["/close", "/cut", "/bad", "/never"] {
            let mut client = house.connect();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            match path {
                "/never" => {
                    house.wait_for_node(&["exchange"]);
                }
                _ => {
                    client.read_head();
                }
            }
        }
    }
    house.wait_until_gone("exchange");
    house.wait_until_gone("session");
    let before = origin.connection_count();
    for _ in 0..20 {
        assert_eq!(house.connect().get("/").text(), "ok");
    }
    assert_eq!(origin.connection_count(), before + 1);
}
