//! Nothing waits for what is not needed yet: heads, events, both bodies at once, interim responses.

use crate::support::{End, House, Origin, Wire, octets};

#[test]
fn the_response_head_arrives_before_the_first_octet_of_the_body() {
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();

        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"));
        assert_eq!(client.read_head().status(), 200);

        if framing.starts_with('C') {
            at_origin.send("hello");
            client.expect("hello");
        } else {
            at_origin.send("5\r\nhello\r\n0\r\n\r\n");
            client.expect("5\r\nhello\r\n0\r\n\r\n");
        }
    }
}

#[test]
fn events_arrive_one_by_one_as_they_happen() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    assert_eq!(client.read_head().status(), 200);
    for number in 1..=20 {
        let event = format!("data: {number}\n\n");
        at_origin.send(format!("{:x}\r\n{event}\r\n", event.len()));
        client.read_until("\r\n");
        client.expect(format!("{event}\r\n"));
    }
    at_origin.send("0\r\n\r\n");
    client.expect("0\r\n\r\n");
}

#[test]
fn events_delimited_by_the_end_arrive_as_they_happen() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET /events HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\n\r\n");
    client.read_head();
    for event in ["one", "two", "three"] {
        at_origin.send(event);
        client.expect(event);
    }
    drop(at_origin);
    client.expect_end();
}

#[test]
fn request_content_arrives_before_the_request_is_whole() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    for word in ["one", "two"] {
        client.send(format!("3\r\n{word}\r\n"));
        at_origin.expect(format!("3\r\n{word}\r\n"));
    }
    client.send("0\r\n\r\n");
    at_origin.expect("0\r\n\r\n");
    at_origin.answer("heard");
    assert_eq!(client.read_response().text(), "heard");
}

#[test]
fn both_bodies_stream_at_the_same_time() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("POST /talk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.read_head();
    for number in 0..50 {
        let word = format!("{number:05}");
        client.send(format!("5\r\n{word}\r\n"));
        at_origin.expect(format!("5\r\n{word}\r\n"));
        at_origin.send(format!("5\r\n{word}\r\n"));
        client.expect(format!("5\r\n{word}\r\n"));
    }
    client.send("0\r\n\r\n");
    at_origin.expect("0\r\n\r\n");
    at_origin.send("0\r\n\r\n");
    client.expect("0\r\n\r\n");

    // Both ended whole, so both connections go on.
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /2 HTTP/1.1");
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn a_large_echo_needs_both_directions_at_once() {
    // More than all buffers on the way together: whoever waited for the whole request first would wait for ever.
    let content = octets(24 << 20);
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        content.len()
    ));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at_origin = origin.accept();
            at_origin.read_head();
            at_origin.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                content.len()
            ));
            let mut left = content.len();
            while left > 0 {
                let piece = at_origin.read_octets(left.min(64 * 1024));
                left -= piece.len();
                at_origin.send(piece);
            }
        });
        let mut sender = client.another();
        let content = &content;
        scope.spawn(move || sender.send(content));
        client.read_head();
        assert!(client.read_octets(content.len()) == *content);
    });
}

#[test]
fn expect_100_continue_goes_all_the_way_and_back() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n");
    let mut at_origin = origin.accept();
    let request = at_origin.read_head();
    assert_eq!(
        request.field("expect").map(str::to_lowercase),
        Some("100-continue".to_owned())
    );
    // Nobody says 100 but the origin.
    assert!(client.is_quiet());
    at_origin.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.read_head().status(), 100);
    client.send("body");
    at_origin.expect("body");
    at_origin.answer("done");
    assert_eq!(client.read_response().text(), "done");

    // And the connections are as good as before.
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    at_origin.read_request();
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn a_refused_expectation_sends_no_body_and_ends_the_connection() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (401, "no"));
    // Whether the client sends its body now is up to it: what comes next cannot be told apart from a request.
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();
    at_origin.expect_gone();
}

#[test]
fn an_origin_that_skips_100_is_waited_for_all_the_same() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    // RFC 9110 §10.1.1: a client need not wait for the 100.
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().text(), "body");
    at_origin.answer("done");
    assert_eq!(client.read_response().text(), "done");
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    at_origin.read_request();
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn interim_responses_are_forwarded_in_order() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n");
    let hints = client.read_head();
    assert_eq!(
        (hints.status(), hints.all("link")),
        (103, vec!["</a>", "</b>"])
    );
    at_origin.send(
        "HTTP/1.1 102 Processing\r\nLink: </c>\r\n\r\n\
         HTTP/1.1 200 OK\r\nLink: </d>\r\nContent-Length: 5\r\n\r\nHello",
    );
    let processing = client.read_head();
    assert_eq!(
        (processing.status(), processing.all("link")),
        (102, vec!["</c>"])
    );
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (200, "Hello"));
    assert_eq!(response.all("link"), ["</d>"]);
}

#[test]
fn an_http_1_0_client_gets_no_interim_response() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    at_origin.answer("only this");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (200, "only this"));
}

#[test]
fn an_early_final_response_reaches_a_client_that_still_sends() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.expect("some");
    at_origin.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (413, "big"));
    // What is left of the request is no next request, for either connection.
    client.expect_end();
    at_origin.expect_gone();
}

#[test]
fn an_early_response_from_an_origin_that_takes_no_more_arrives_whole() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6291456\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.send("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
    at_origin.finish();
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (403, "no"));
    drop(at_origin);
    // It goes on, as clients do that do not look; nothing hangs, and the next is served.
    let _ = client.try_send(octets(6 << 20));
    drop(client);

    let mut client = house.connect();
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn many_large_posts_to_an_origin_that_answers_early_and_short_leave_nothing_behind() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut client = house.connect();
                    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6291456\r\n\r\n";
                    let _ = client.try_send(head);
                    let _ = client.try_send(octets(6 << 20));
                    client.read_to_end();
                });
                scope.spawn(|| {
                    let mut at_origin = origin.accept();
                    at_origin.read_head();
                    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
                });
            }
        });
    }
    house.wait_until_gone("exchange");
}

#[test]
fn a_slow_reader_slows_the_origin_down() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();

    // Without the client reading, only so much is taken: buffers of kernel and house, not all of it.
    let all = 64 << 20;
    at_origin.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {all}\r\n\r\n"));
    let taken = at_origin.send_until_full(all);
    assert!(taken < all, "everything was taken");
    assert_eq!(client.read_head().status(), 200);
    std::thread::scope(|scope| {
        scope.spawn(|| at_origin.send(vec![0; all - taken]));
        let mut left = all;
        while left > 0 {
            left -= client.read_octets(left.min(1 << 20)).len();
        }
    });
}

#[test]
fn content_too_large_for_a_buffer_arrives_whole_and_the_connections_go_on() {
    let content = octets(3 << 20);
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let mut at_origin: Option<Wire> = None;
    for _ in 0..2 {
        // Up.
        let mut sender = client.another();
        let head = format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        let whole = [head.as_bytes(), &content].concat();
        let sending = std::thread::spawn(move || sender.send(whole));
        let wire = at_origin.get_or_insert_with(|| origin.accept());
        assert!(wire.read_request().body == content);
        sending.join().unwrap();
        // Down.
        let mut answering = wire.another();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        let whole = [head.as_bytes(), &content].concat();
        let sending = std::thread::spawn(move || answering.send(whole));
        assert!(client.read_response().body == content);
        sending.join().unwrap();
    }
    assert!(!origin.has_waiting(), "both went over one connection");
}

#[test]
fn large_content_arrives_as_it_comes() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    client.read_head();
    let mut left = 1_000_000;
    for size in [1, 7, 100_000, 3, 800_000] {
        let piece = octets(size);
        at_origin.send(&piece);
        assert!(client.read_octets(size) == piece);
        left -= size;
    }
    // What is behind the content is not part of it, however large the read.
    at_origin.send([octets(left), b"HTTP/1.1 200 OK\r\n".to_vec()].concat());
    assert!(client.read_octets(left) == octets(left));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut next = origin.accept();
    next.read_request();
    next.answer("another connection");
    assert_eq!(client.read_response().text(), "another connection");
}

#[test]
fn large_content_that_is_cut_short_ends_in_a_reset() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    at_origin.send(octets(500_000));
    at_origin.finish();
    client.read_head();
    let (received, end) = client.read_to_end();
    assert!(received.len() <= 500_000 && octets(500_000).starts_with(&received));
    assert!(matches!(end, End::Reset), "{end:?}");
    house.wait_for_record(&["cause="]);
}
