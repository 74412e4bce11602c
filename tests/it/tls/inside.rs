use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};

use super::{Authority, Client, Files, gateway};
use crate::reload::Gateway;
use crate::support::{End, Origin, PATIENCE, Scripted, octets};

/// One with a gateway in front of an origin.
struct Place {
    authority: Authority,
    gateway: Gateway,
    _files: Files,
    _origin: Scripted,
}

impl Place {
    fn before(origin: Scripted, more: &str) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let tls = format!(
            "{{ {} }}",
            files.pair("own", &authority.server(&["a.example"]))
        );
        let rest = format!("[[route]]\nto = \"{}\"\n", origin.address());
        Self {
            gateway: gateway(&tls, more, &rest),
            authority,
            _files: files,
            _origin: origin,
        }
    }
}

/// Gives back what it got.
fn echo() -> Scripted {
    Origin::script(|wire, request| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        wire.send([head.as_bytes(), &request.body].concat());
        true
    })
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[test]
fn bodies_go_both_ways_and_many_requests_on_one_connection() {
    let place = Place::before(echo(), "");
    for version in [&TLS12, &TLS13] {
        let client = Client::with(&place.authority, None, &[version]);
        let mut wire = client.connect(&place.gateway, "a.example");
        for size in [0, 1, 16 * 1024, 16 * 1024 + 1, 1 << 20, 3 << 20] {
            let body = octets(size);
            assert!(wire.ask(post(&body)).body == body, "{size} octets");
        }
        for count in 0..300 {
            let body = octets(count);
            assert!(wire.ask(post(&body)).body == body, "request {count}");
        }
        // Sent ahead, in one record.
        wire.send([post(b"one"), post(b"two"), post(b"three")].concat());
        for text in ["one", "two", "three"] {
            assert_eq!(wire.read_response().text(), text);
        }
        wire.finish();
        wire.expect_end();
    }
}

#[test]
fn a_tunnel_goes_through_and_its_ends_are_told_apart() {
    let origin = Origin::script(|wire, _| {
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        wire.expect("ping");
        wire.send("pong");
        // The client has said all; this side has not.
        wire.expect_end();
        wire.send("last words");
        wire.finish();
        false
    });
    let place = Place::before(origin, "");
    let mut wire = Client::of(&place.authority).connect(&place.gateway, "a.example");
    wire.send(
        "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(wire.read_head().status(), 101);
    wire.send("ping");
    wire.expect("pong");
    wire.finish();
    assert_eq!(wire.read_to_end(), (b"last words".to_vec(), End::Clean));
}

#[test]
fn a_response_that_is_cut_is_seen_to_be_cut() {
    // Delimited by the end of the connection: the one kind of message that has nothing else to tell.
    let origin = Origin::script(|wire, request| {
        wire.send("HTTP/1.1 200 OK\r\n\r\nhalf");
        if request.start().contains("/whole") {
            wire.finish();
        } else {
            let lost = wire.another();
            lost.reset();
        }
        false
    });
    let place = Place::before(origin, "");
    let client = Client::of(&place.authority);
    let ask = |path: &str| {
        let mut wire = client.connect(&place.gateway, "a.example");
        wire.send(format!("GET {path} HTTP/1.0\r\nHost: a.example\r\n\r\n"));
        wire.read_to_end().1
    };
    assert_eq!(ask("/whole"), End::Clean);
    assert_eq!(ask("/cut"), End::Reset);
}

#[test]
fn a_client_that_leaves_without_a_farewell_ends_its_request_and_no_other() {
    let origin = Origin::script(|wire, request| {
        if request.start().contains("/slow") {
            wire.expect_gone();
            return false;
        }
        wire.answer("quick");
        true
    });
    let place = Place::before(origin, "");
    let client = Client::of(&place.authority);
    let mut wire = client.connect(&place.gateway, "a.example");
    wire.send("GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n");
    // No close_notify: the socket just closes.
    drop(wire);
    let mut wire = client.connect(&place.gateway, "a.example");
    assert_eq!(wire.get("/").text(), "quick");
    // Between two requests nothing is missed by it, and nothing said.
    drop(wire);
    let line = "osier_ended_total{cause=\"client_gone\"} 1\n";
    crate::support::wait_for(line, || {
        place
            .gateway
            .admin("localhost", "/metrics")
            .text()
            .contains(line)
            .then_some(())
    });
}

#[test]
fn requests_sent_ahead_of_a_farewell_are_answered_but_the_last() {
    let place = Place::before(echo(), "");
    for version in [&TLS12, &TLS13] {
        let client = Client::with(&place.authority, None, &[version]);
        let mut wire = client.connect(&place.gateway, "a.example");
        let bodies = [octets(300_000), octets(50_000), octets(40)];
        let requests = bodies.iter().map(|body| post(body));
        let requests: Vec<u8> = requests.chain([post(b"gone")]).flatten().collect();
        wire.send(requests);
        wire.finish();
        for body in bodies {
            assert!(wire.read_response().body == body);
        }
    }
}

#[test]
fn a_cancel_while_a_record_is_stuck_leaves_whole_messages_or_a_cut_one() {
    const REQUESTS: usize = 60_000;
    let body = "x".repeat(100);
    let answer = body.clone();
    let origin = Origin::script(move |wire, _| {
        wire.answer(&answer);
        true
    });
    let place = Place::before(origin, "timeouts = { body = \"1h\", idle = \"1h\" }");
    let gateway = &place.gateway;
    // Shorter than what a cancel is answered with: of that all has to come, or nothing.
    let mut wire = Client::of(&place.authority).connect(gateway, "a.example");
    let mut requests = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(REQUESTS);
    requests.push_str("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    wire.send(requests);
    // Nobody reads the answers, until one is stuck.
    let (mut last, mut same) = (String::new(), 0);
    let id = crate::support::wait_for("an answer that is stuck", || {
        let tree = gateway.admin("localhost", "/tree").text().to_owned();
        let id = tree
            .split("exchange#")
            .nth(1)?
            .split(' ')
            .next()?
            .to_owned();
        same = if id == last { same + 1 } else { 0 };
        last = id.clone();
        (same > 50).then_some(id)
    });
    assert_eq!(gateway.tell(&format!("/cancel/{id}")).status(), 200);
    let (octets, _) = wire.read_to_end();
    let mut rest = std::str::from_utf8(&octets).expect("text");
    let mut whole = 0;
    while !rest.is_empty() {
        assert!(
            rest.starts_with("HTTP/1.1 "),
            "behind {whole}: {:?}",
            &rest[..rest.len().min(200)]
        );
        let Some((head, behind)) = rest.split_once("\r\n\r\n") else {
            break;
        };
        let length = head.split("Content-Length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        let (content, behind) = behind.split_at(behind.len().min(length));
        assert!(head.starts_with("HTTP/1.1 503 ") || body.starts_with(content));
        whole += 1;
        rest = behind;
    }
    assert!(whole > 1, "{whole}");
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    let large = octets(8 << 20);
    let body = large.clone();
    let origin = Origin::script(move |wire, _| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        wire.send([head.as_bytes(), &body].concat());
        true
    });
    let place = Place::before(origin, "");
    let mut wire = Client::of(&place.authority).connect(&place.gateway, "a.example");
    wire.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let head = wire.read_head();
    assert_eq!(head.status(), 200);
    let mut seen = Vec::new();
    while seen.len() < large.len() {
        let count = (large.len() - seen.len()).min(1000);
        seen.extend(wire.read_octets(count));
    }
    assert!(seen == large);
}

/// A client whose ciphertext leaves in pieces of these sizes, in turns; `front` is in front of all of it, as it is.
fn in_pieces(
    client: &Client,
    address: SocketAddr,
    front: &[u8],
    request: &[u8],
    sizes: &[usize],
) -> Vec<u8> {
    let name = ServerName::try_from("a.example").unwrap();
    let mut tls = rustls::ClientConnection::new(client.0.clone(), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut sizes = sizes.iter().cycle();
    let mut rest = request;
    let mut answer = Vec::new();
    let mut front = front.to_vec();
    loop {
        let mut out = std::mem::take(&mut front);
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        let mut out = out.as_slice();
        while !out.is_empty() {
            let (piece, behind) = out.split_at(out.len().min(*sizes.next().unwrap()));
            socket.write_all(piece).unwrap();
            out = behind;
        }
        if !tls.is_handshaking() && !rest.is_empty() {
            let count = tls.writer().write(rest).unwrap();
            rest = &rest[count..];
            continue;
        }
        if rest.is_empty() && tls.wants_write() {
            continue;
        }
        if tls.read_tls(&mut socket).unwrap() == 0 {
            tls.process_new_packets().unwrap();
            let end = tls.reader().read_to_end(&mut answer);
            end.expect("a farewell");
            return answer;
        }
        let now = tls.process_new_packets().unwrap();
        let mut some = vec![0; now.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut some).unwrap();
        answer.extend(some);
        if now.peer_has_closed() {
            let _ = socket.shutdown(Shutdown::Both);
            return answer;
        }
    }
}

#[test]
fn ciphertext_in_any_pieces_is_the_same_octets() {
    let place = Place::before(echo(), "");
    let clients = [&TLS12, &TLS13].map(|it| Client::with(&place.authority, None, &[it]));
    let address = place.gateway.osier.address();
    let pieces = prop::collection::vec(
        prop_oneof![1_usize..6, 6_usize..100, 1000_usize..40_000],
        1..12,
    );
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let sizes = prop_oneof![0_usize..100, 100_usize..100_000];
    proptest!(config, |(sizes in pieces, size in sizes, which in 0_usize..2)| {
        // Pieces of a few octets make many writes of a large body.
        let size = if sizes.iter().all(|it| *it < 100) { size.min(3000) } else { size };
        let body = octets(size);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        );
        let answer = in_pieces(&clients[which], address, b"", &[head.as_bytes(), &body].concat(), &sizes);
        prop_assert!(answer.starts_with(b"HTTP/1.1 200"));
        prop_assert!(answer.ends_with(&body), "{} octets of {}", answer.len(), size);
    });
}

#[test]
fn a_proxy_in_front_says_who_the_client_is_before_the_handshake() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = format!(
        "{{ {} }}",
        files.pair("own", &authority.server(&["a.example"]))
    );
    let origin = Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    });
    let rest = format!("[[route]]\nto = \"{}\"\n", origin.address());
    let text = super::text(&tls, "proxy_protocol = true", &rest);
    let gateway = Gateway::started(format!("trusted_proxies = [\"127.0.0.1\"]\n{text}"), &[]);
    let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
    let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let client = Client::of(&authority);
    // All at once with the handshake's first octets, and octet by octet.
    for sizes in [[100_000], [1]] {
        let address = gateway.osier.address();
        let answer = in_pieces(&client, address, header, request, &sizes);
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(
            answer.contains("x-forwarded-for: 192.0.2.7\r\n"),
            "{answer}"
        );
        assert!(answer.contains("x-forwarded-proto: https\r\n"), "{answer}");
    }
}
