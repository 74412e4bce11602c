use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::version::{TLS12, TLS13};

use super::World;
use super::peer::{Peer, Tls, answer, answer_path, config, say};
use crate::reload::Gateway;
use crate::support::{End, Origin, Wire, octets, wait_for};

fn post(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn a_connection_is_kept_and_carries_bodies_both_ways() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    for version in [&TLS12, &TLS13] {
        let peer = Peer::start(config(&shown, &[version], None), |tls, request| {
            answer(tls, &request.body)
        });
        let gateway = world.gateway(&peer, "");
        let mut wire = gateway.osier.connect();
        for size in [0, 1, 16 * 1024, 16 * 1024 + 1, 1 << 20, 1 << 20, 3 << 20] {
            let body = octets(size);
            assert!(wire.ask(post(&body)).body == body, "{size} octets");
        }
        assert_eq!(peer.agreed().len(), 1, "one connection for all of it");
    }
}

#[test]
fn ten_thousand_small_requests_are_as_many_answers() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "a.example");
    let gateway = world.gateway(&peer, "");
    let address = gateway.osier.address();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = Wire::connect(address);
                for number in 0..2500 {
                    let path = format!("/{number}");
                    assert_eq!(wire.get(&path).text(), path);
                }
            });
        }
    });
    assert_eq!(peer.requests().len(), 10_000);
    assert!(peer.agreed().len() <= 8, "{}", peer.agreed().len());
}

#[test]
fn a_new_connection_resumes_the_session_of_the_one_before() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    for version in [&TLS12, &TLS13] {
        let peer = Peer::start(config(&shown, &[version], None), |tls, _| {
            say(
                tls,
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
            );
            farewell(tls);
            false
        });
        let gateway = world.gateway(&peer, "");
        for _ in 0..4 {
            assert_eq!(gateway.get("/").text(), "hi");
        }
        let resumed: Vec<_> = peer.agreed().iter().map(|it| it.is_resumed).collect();
        assert_eq!(resumed, [false, true, true, true], "{version:?}");
    }
}

/// Says that nothing more comes.
fn farewell(tls: &mut Tls) {
    tls.conn.send_close_notify();
    let _ = tls.flush();
}

#[test]
fn what_ends_without_a_farewell_is_cut_unless_it_was_counted() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let peer = Peer::start(
        config(&shown, rustls::ALL_VERSIONS, None),
        |tls, request| {
            match request.path() {
                "/counted" => answer(tls, b"whole"),
                "/short" => say(tls, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
                _ => say(tls, b"HTTP/1.1 200 OK\r\n\r\nall there is"),
            };
            if request.path() == "/farewell" {
                farewell(tls);
            }
            false
        },
    );
    let gateway = world.gateway(&peer, "");
    assert_eq!(gateway.get("/counted").text(), "whole");
    for (path, end) in [
        ("/farewell", End::Clean),
        ("/cut", End::Reset),
        ("/short", End::Reset),
    ] {
        let mut wire = gateway.osier.connect();
        wire.send(format!("GET {path} HTTP/1.0\r\nHost: h\r\n\r\n"));
        assert_eq!(wire.read_to_end().1, end, "{path}");
    }
}

#[test]
fn a_connection_that_ended_while_it_idled_is_not_used() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let peer = Peer::start(
        config(&shown, rustls::ALL_VERSIONS, None),
        |tls, request| {
            answer_path(tls, request);
            // Without a word.
            false
        },
    );
    let gateway = world.gateway(&peer, "");
    let mut wire = gateway.osier.connect();
    for number in 0..20 {
        let path = format!("/{number}");
        assert_eq!(
            wire.ask(format!(
                "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
            ))
            .text(),
            path
        );
        wait_for("nothing to idle", || {
            gateway.status().contains("\"idle\":0").then_some(())
        });
    }
    assert_eq!(peer.agreed().len(), 20);
}

#[test]
fn a_tunnel_goes_through_tls_too() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let peer = Peer::start(config(&shown, rustls::ALL_VERSIONS, None), |tls, _| {
        say(
            tls,
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        let mut room = [0; 4];
        while tls.read_exact(&mut room).is_ok() {
            say(tls, &room);
        }
        say(tls, b"last words");
        farewell(tls);
        false
    });
    let gateway = world.gateway(&peer, "");
    let mut wire = gateway.osier.connect();
    wire.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(wire.read_head().status(), 101);
    for word in ["ping", "pong"] {
        wire.send(word);
        wire.expect(word);
    }
    wire.finish();
    assert_eq!(wire.read_to_end(), (b"last words".to_vec(), End::Clean));
}

#[test]
fn who_is_asked_and_who_gets_a_copy_may_be_behind_tls() {
    let world = World::new();
    let judge = Peer::start(
        config(
            &world.authority.server(&["a.example"]),
            rustls::ALL_VERSIONS,
            None,
        ),
        |tls, _| say(tls, b"HTTP/1.1 204 No Content\r\nX-User: ann\r\n\r\n"),
    );
    let copied = Peer::that_answers(&world.authority, "a.example");
    let origin = Origin::that_answers();
    let tls = world.tls("sni = \"a.example\"");
    let text = format!(
        "[upstream.judge]\nto = \"{}\"\n{tls}[upstream.copied]\nto = \"{}\"\n{tls}\
         [[route]]\nto = \"{}\"\npaths = \"strict\"\nmirror = {{ to = \"copied\", percent = 100 }}\n\
         auth = {{ forward = {{ to = \"judge\", path = \"/check\", copy = [\"X-User\"] }} }}\n",
        judge.address,
        copied.address,
        origin.address()
    );
    let gateway = Gateway::run(&text, &[]);
    let mut wire = gateway.osier.connect();
    for _ in 0..3 {
        assert_eq!(wire.get("/x").text(), "/x");
    }
    assert_eq!(origin.requests()[0].1.field("x-user"), Some("ann"));
    wait_for("the copies", || {
        (copied.requests().len() == 3).then_some(())
    });
    assert_eq!(judge.agreed().len(), 1);
    assert!(judge.requests()[0].head.starts_with("GET /check "));
}

#[test]
fn a_hedge_goes_by_tls() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let slow = Peer::start(
        config(&shown, rustls::ALL_VERSIONS, None),
        |tls, request| {
            if request.path() == "/first" {
                return answer_path(tls, request);
            }
            ASKED.fetch_add(1, Ordering::SeqCst);
            let _ = tls.read(&mut [0]);
            false
        },
    );
    let quick = Peer::that_answers(&world.authority, "a.example");
    let text = format!(
        "[upstream.app]\nto = [\"{}\", \"{}\"]\nbalance = \"first\"\n{}\
         [[route]]\nto = \"app\"\nhedge = {{ after = \"20ms\", max = 1 }}\n",
        slow.address,
        quick.address,
        world.tls("sni = \"a.example\"")
    );
    let gateway = Gateway::run(&text, &[]);
    // With a handshake in it the answer may be late too.
    assert_eq!(gateway.get("/first").text(), "/first");
    assert_eq!(gateway.get("/x").text(), "/x");
    wait_for("the slow one to be asked", || {
        (ASKED.load(Ordering::SeqCst) == 1).then_some(())
    });
    assert!(!quick.requests().is_empty());
}

#[test]
fn octets_that_are_no_http_go_by_tls_and_who_connects_is_said_before_it() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "a.example");
    let address = Origin::nobody().1.local_addr().unwrap();
    let text = format!(
        "[upstream.app]\nto = \"{}\"\n{}[[stream]]\naddr = \"{address}\"\nto = \"app\"\n[[route]]\nto = \"app\"\n",
        peer.address,
        world.tls("sni = \"a.example\"")
    );
    let _gateway = Gateway::run(&text, &[]);
    assert_eq!(Wire::connect(address).get("/raw").text(), "/raw");
    assert!(
        peer.requests()[0].head.ends_with("Host: a.example"),
        "as it was said"
    );
    let origin = Origin::bind();
    let text = format!(
        "[upstream.app]\nto = \"{}\"\nsend_proxy = \"v1\"\n{}[[route]]\nto = \"app\"\n",
        origin.address(),
        world.tls("sni = \"a.example\"")
    );
    let gateway = Gateway::run(&text, &[]);
    let mut client = gateway.osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut wire = origin.accept();
    assert!(wire.read_until("\r\n").starts_with("PROXY TCP4 127.0.0.1 "));
    // A handshake (RFC 8446 §5.1).
    assert_eq!(wire.read_octets(1), [22]);
}
