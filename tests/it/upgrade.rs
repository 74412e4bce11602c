//! Connections that become tunnels, and those that must not.

use std::time::Duration;

use crate::support::{End, House, Origin, Wire, octets};

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
                     Sec-WebSocket-Accept: x\r\n\r\n";

/// A tunnel: the client's end and the origin's.
fn tunnel(house: &House, origin: &Origin) -> (Wire, Wire) {
    let mut client = house.connect();
    client.send(ASK);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(GRANT);
    assert_eq!(client.read_head().status(), 101);
    (client, at_origin)
}

#[test]
fn an_upgrade_is_asked_for_and_granted_hop_by_hop() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(ASK);
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert_eq!(request.field("upgrade"), Some("websocket"));
    let connection = request.field("connection").unwrap().to_ascii_lowercase();
    assert_eq!(connection, "upgrade");
    assert_eq!(
        request.field("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );

    at_origin.send(GRANT);
    let response = client.read_head();
    assert_eq!(response.status(), 101);
    assert_eq!(response.field("upgrade"), Some("WebSocket"));
    let connection = response.field("connection").unwrap().to_ascii_lowercase();
    assert_eq!(connection, "upgrade");
    assert_eq!(response.field("sec-websocket-accept"), Some("x"));
    assert_eq!(response.field("transfer-encoding"), None);
    assert_eq!(response.field("content-length"), None);

    client.send("to the origin");
    at_origin.expect("to the origin");
    at_origin.send("to the client");
    client.expect("to the client");
    house.wait_for_node(&["tunnel#", "GET /ws"]);
}

#[test]
fn nothing_is_lost_that_came_with_the_101_or_behind_the_request() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!("{ASK}early"));
    let mut at_origin = origin.accept();
    at_origin.read_request();
    // Not before the protocol is switched: until then it may be a request.
    assert!(at_origin.is_quiet());
    at_origin.send(format!("{GRANT}greeting"));
    client.read_head();
    client.expect("greeting");
    at_origin.expect("early");
}

#[test]
fn the_client_may_end_its_direction_first() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    client.send("all I have to say");
    client.finish();
    at_origin.expect("all I have to say");
    at_origin.expect_end();
    for word in ["still", "talking"] {
        at_origin.send(word);
        client.expect(word);
    }
    at_origin.finish();
    client.expect_end();
    house.wait_until_gone("tunnel#");
}

#[test]
fn the_origin_may_end_its_direction_first() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    at_origin.send("all I have to say");
    at_origin.finish();
    client.expect("all I have to say");
    client.expect_end();
    for word in ["still", "talking"] {
        client.send(word);
        at_origin.expect(word);
    }
    client.finish();
    at_origin.expect_end();
    house.wait_until_gone("tunnel#");
}

#[test]
fn an_end_that_comes_with_the_101_is_passed_on_behind_what_came_with_it() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(ASK);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(format!("{GRANT}bye"));
    at_origin.finish();
    client.read_head();
    client.expect("bye");
    client.expect_end();
    client.send("heard");
    at_origin.expect("heard");
}

#[test]
fn a_reset_on_one_side_ends_the_other() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (client, mut at_origin) = tunnel(&house, &origin);
    client.reset();
    at_origin.expect_gone();

    let (mut client, at_origin) = tunnel(&house, &origin);
    at_origin.reset();
    client.expect_gone();
    house.wait_until_gone("tunnel#");
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    // To a protocol that ends with its connection, an end would be a message that is whole.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    at_origin.send("half a mess");
    client.expect("half a mess");
    at_origin.reset();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
}

#[test]
fn a_tunnel_carries_megabytes_both_ways_at_once() {
    let content = octets(8 << 20);
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    let (mut client_sends, mut origin_sends) = (client.another(), at_origin.another());
    let content = &content;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            client_sends.send(content);
            client_sends.finish();
        });
        scope.spawn(move || {
            origin_sends.send(content);
            origin_sends.finish();
        });
        scope.spawn(|| {
            let (got, end) = at_origin.read_to_end();
            assert!(got == *content);
            assert_eq!(end, End::Clean);
        });
        let (got, end) = client.read_to_end();
        assert!(got == *content);
        assert_eq!(end, End::Clean);
    });
    house.wait_until_gone("tunnel#");
    let sent = format!("sent={}", content.len());
    let received = format!("received={}", content.len());
    house.wait_for_record(&["target=/ws", "status=101", &sent, &received]);
}

#[test]
fn an_origin_that_declines_goes_on_in_http() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(ASK);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (426, "no"));
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /2 HTTP/1.1");
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn a_101_that_is_not_what_was_asked_for_is_a_502() {
    let plain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, answer) in [
        // Another protocol.
        (
            ASK,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nGET",
        ),
        // None named.
        (
            ASK,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
        ),
        // Nothing was asked for.
        (plain, GRANT),
        // Asked for without Connection, so not asked for at all.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
            GRANT,
        ),
        // HTTP/1.0 knows no upgrade.
        (
            "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            GRANT,
        ),
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(request);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(answer);
        let response = client.read_response();
        assert_eq!(response.status(), 502, "{answer}");
        let why = response.field("proxy-status").unwrap();
        assert!(why.contains("origin_protocol:upgrade_"), "{why}");
        at_origin.expect_gone();
    }
}

#[test]
fn an_upgrade_to_something_else_is_not_forwarded() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for upgrade in ["h2c", "TLS/1.0", "foo, bar"] {
        let response = client.ask(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        ));
        assert_eq!(response.status(), 200);
        let (_, request) = origin.requests().pop().unwrap();
        for gone in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(request.field(gone), None, "{upgrade}");
        }
    }
    assert_eq!(origin.connection_count(), 1);
}

#[test]
fn octets_behind_a_declined_upgrade_are_the_next_request() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!("{ASK}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("no upgrade");
    assert_eq!(client.read_response().text(), "no upgrade");
    assert_eq!(at_origin.read_request().start(), "GET /2 HTTP/1.1");
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn a_cancel_ends_both_sides_of_a_tunnel() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    let (mut other, mut at_other) = tunnel(&house, &origin);
    let id = house.wait_for_node(&["tunnel#"]);
    assert_eq!(house.cancel(id, "enough").status(), 200);
    client.expect_gone();
    at_origin.expect_gone();
    house.wait_for_record(&["status=101", "cause=admin:enough"]);
    other.send("alive");
    at_other.expect("alive");
}

#[test]
fn a_tunnel_without_octets_ends_and_one_with_some_does_not() {
    let origin = Origin::bind();
    let idle = Duration::from_millis(400);
    let house = House::with(origin.endpoint(), |o| o.rules.timeouts.tunnel = Some(idle));
    let (mut quiet, mut at_quiet) = tunnel(&house, &origin);
    let (mut busy, mut at_busy) = tunnel(&house, &origin);
    let talking = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Octets in one direction are enough.
            while talking.load(std::sync::atomic::Ordering::SeqCst) {
                at_busy.send("tick");
                busy.expect("tick");
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        quiet.expect_gone();
        at_quiet.expect_gone();
        talking.store(false, std::sync::atomic::Ordering::SeqCst);
    });
    busy.send("still here");
    at_busy.expect("still here");
    house.wait_for_record(&["status=101", "cause=tunnel_timeout"]);
}

#[test]
fn a_tunnel_has_a_longest_life() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |o| {
        o.rules.timeouts.tunnel_max = Some(Duration::from_millis(100));
    });
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    client.expect_gone();
    at_origin.expect_gone();
    house.wait_for_record(&["status=101", "cause=tunnel_max"]);
}

#[test]
fn the_request_budget_does_not_outlive_the_101() {
    let origin = Origin::bind();
    let short = Duration::from_millis(100);
    let house = House::with(origin.endpoint(), |o| {
        o.rules.timeouts.request = Some(short)
    });
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    // Another request meets that deadline while the tunnel lives on.
    let mut other = house.connect();
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let _waiting = origin.accept();
    assert_eq!(other.read_response().status(), 504);
    client.send("alive");
    at_origin.expect("alive");
}

#[test]
fn whoever_ends_its_side_and_then_resets_ends_the_tunnel() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for is_client in [true, false] {
        let (mut one, mut other) = tunnel(&house, &origin);
        if !is_client {
            (one, other) = (other, one);
        }
        one.finish();
        other.expect_end();
        other.send("and on");
        one.expect("and on");
        one.reset();
        other.expect_gone();
        house.wait_until_gone("tunnel#");
    }
}
