//! The end of a server: what may finish, what must not begin.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{House, Origin, wait_for};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A grace that is over soon.
const SHORT: Duration = Duration::from_millis(200);

#[test]
fn a_server_without_anyone_just_ends() {
    let origin = Origin::bind();
    let mut house = House::to(origin.endpoint());
    house.drain();
    house.wait_until_ended();
}

#[test]
fn idle_sessions_end_and_idle_origin_connections_close() {
    let origin = Origin::bind();
    let mut house = House::to(origin.endpoint());
    let mut fresh = house.connect();
    let mut used = house.connect();
    used.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("one");
    used.read_response();
    house.wait_for_node(&["session#", &fresh.local_addr().to_string()]);

    house.drain();
    fresh.expect_end();
    used.expect_end();
    at_origin.expect_gone();
    house.wait_until_ended();
}

#[test]
fn a_running_exchange_finishes_and_its_connection_ends_behind_it() {
    let origin = Origin::bind();
    let mut house = House::to(origin.endpoint());
    let mut idle = house.connect();
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    house.wait_for_node(&["session#", &idle.local_addr().to_string()]);

    house.drain();
    idle.expect_end();
    assert!(!house.has_ended());
    at_origin.answer("finished");
    let response = client.read_response();
    assert_eq!(response.text(), "finished");
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();
    at_origin.expect_gone();
    house.wait_until_ended();
}

#[test]
fn a_body_that_streams_when_the_drain_begins_arrives_whole() {
    let origin = Origin::bind();
    let mut house = House::to(origin.endpoint());
    let mut idle = house.connect();
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    client.read_head();
    client.expect("2\r\nab\r\n");
    house.wait_for_node(&["session#", &idle.local_addr().to_string()]);

    house.drain();
    idle.expect_end();
    client.send("cd");
    at_origin.expect("abcd");
    at_origin.send("2\r\ncd\r\n0\r\n\r\n");
    client.expect("2\r\ncd\r\n0\r\n\r\n");
    client.expect_end();
    house.wait_until_ended();
}

#[test]
fn nobody_new_gets_in() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();

    house.drain();
    wait_for("connections to be refused", || {
        let refused = TcpStream::connect(house.address()).err()?;
        (refused.kind() == ErrorKind::ConnectionRefused).then_some(())
    });
    assert!(!house.has_ended());
    at_origin.answer("done");
    client.read_response();
}

#[test]
fn the_admin_interface_lives_on_and_says_so() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(house.connect_admin().ask(health).status(), 200);

    house.drain();
    wait_for("/healthz to say so", || {
        let response = house.connect_admin().ask(health);
        (response.status() == 503 && response.text() == "draining\n").then_some(())
    });
    // The tree can still be looked at, and be helped along.
    let id = house.wait_for_node(&["exchange#"]);
    assert_eq!(house.cancel(id, "hurry").status(), 200);
    let response = client.read_response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.field("connection"), Some("close"));
    at_origin.expect_gone();
}

#[test]
fn when_the_grace_is_over_what_still_runs_is_cancelled() {
    let origin = Origin::bind();
    let mut house = House::with(origin.endpoint(), |options| options.grace = SHORT);
    let mut client = house.connect();
    client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let mut reader = house.connect();
    reader.send(GET);
    let mut streams = origin.accept();
    streams.read_request();
    streams.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    reader.read_head();
    reader.expect("3\r\nabc\r\n");

    house.drain();
    let (rest, _) = client.read_to_end();
    let answer = String::from_utf8_lossy(&rest);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("details=\"drain\""), "{answer}");
    assert!(answer.contains("Connection: close"), "{answer}");
    at_origin.expect_gone();
    // What had begun is cut.
    reader.expect_gone();
    streams.expect_gone();
    house.wait_until_ended();
    house.wait_for_record(&["target=/long", "status=503", "cause=drain"]);
}

#[test]
fn a_tunnel_may_go_on_until_the_grace_is_over() {
    let origin = Origin::bind();
    let mut house = House::with(origin.endpoint(), |options| {
        options.grace = Duration::from_secs(2);
    });
    let mut idle = house.connect();
    let mut client = house.connect();
    client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    client.read_head();
    house.wait_for_node(&["session#", &idle.local_addr().to_string()]);

    house.drain();
    idle.expect_end();
    client.send("ping");
    at_origin.expect("ping");
    at_origin.send("pong");
    client.expect("pong");
    client.expect_gone();
    at_origin.expect_gone();
    house.wait_until_ended();
}

#[test]
fn all_workers_drain() {
    let origin = Origin::that_answers();
    let mut house = House::with(origin.endpoint(), |options| options.workers = Some(3));
    let mut clients: Vec<_> = (0..30).map(|_| house.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    house.drain();
    for client in &mut clients {
        client.expect_end();
    }
    house.wait_until_ended();
}

#[test]
fn a_session_that_begins_as_the_drain_does_is_not_left_behind() {
    let origin = Origin::that_answers();
    for _ in 0..20 {
        let mut house = House::to(origin.endpoint());
        let clients: Vec<_> = (0..4).map(|_| house.connect()).collect();
        house.drain();
        for mut client in clients {
            let _ = client.try_send(GET);
            client.read_to_end();
        }
        house.wait_until_ended();
    }
}

#[test]
fn with_a_delay_it_first_says_that_it_will_end_and_serves_on() {
    let origin = Origin::that_answers();
    let mut house = House::with(origin.endpoint(), |options| {
        options.delay = Duration::from_secs(1);
    });
    let mut kept = house.connect();
    assert_eq!(kept.get("/").field("connection"), None);
    let mut silent = house.connect();
    house.wait_for_node(&["session#", &silent.local_addr().to_string()]);

    house.drain();
    let probe = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        house.connect_admin().ask(request).status()
    };
    wait_for("/readyz to say so", || {
        (probe("/readyz") == 503).then_some(())
    });
    assert_eq!(probe("/healthz"), 200);
    // Who is here, and who comes yet, is served once more, and told not to come back.
    for client in [&mut kept, &mut house.connect()] {
        let response = client.get("/last");
        assert_eq!(response.text(), "/last");
        assert_eq!(response.field("connection"), Some("close"));
        client.expect_end();
    }
    // Who does not ask is not sent away before the delay is over.
    silent.expect_end();
    house.wait_until_ended();
}
