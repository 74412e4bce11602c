//! The PROXY protocol: who the client is, said by a proxy in front, and said to origins.

use std::net::SocketAddr;

use osier::net::proxy_protocol::{Addresses, Header, Version};

use crate::metrics::Page;
use crate::reload::{Gateway, origin, upstream};
use crate::support::{End, Origin, Scratch, Wire, wait_for};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\"]\n";
const ASK: &str = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

fn inet(source: &str, destination: &str) -> Header {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Header::Inet(Addresses::new(address(source), address(destination)))
}

fn octets(header: Header, version: Version) -> Vec<u8> {
    let mut octets = Vec::new();
    header.write(version, &mut octets);
    octets
}

/// Echoes the request's head, behind a listener that wants headers.
fn behind_a_proxy(listen: &str, rest: &str) -> Gateway {
    let echo = Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    });
    let app = upstream("app", &[&echo]);
    Gateway::run_with(
        TRUSTED,
        &format!("proxy_protocol = true\n{listen}{app}{rest}[[route]]\nto = \"app\"\n"),
    )
}

fn refused(gateway: &Gateway, reason: &str) -> f64 {
    Page::of(gateway).get(&format!(
        "osier_proxy_protocol_refused_total{{reason=\"{reason}\"}}"
    ))
}

fn x_forwarded_for(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .starts_with("x-forwarded-for: ")
            .then(|| &line[17..])
    })
}

#[test]
fn the_client_is_who_the_header_says() {
    let gateway = behind_a_proxy("", "");
    let v2 = |source, destination| octets(inet(source, destination), Version::V2);
    for (header, client) in [
        (V1.into(), "192.0.2.7"),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n".to_vec(),
            "2001:db8::7",
        ),
        (v2("192.0.2.8:1", "192.0.2.9:2"), "192.0.2.8"),
        (v2("[2001:db8::8]:1", "[2001:db8::9]:2"), "2001:db8::8"),
        // Its own connection: the proxy itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (octets(Header::Local, Version::V2), "127.0.0.1"),
    ] {
        let mut wire = gateway.osier.connect();
        wire.send([header, ASK.into()].concat());
        let answer = wire.read_response();
        assert_eq!(x_forwarded_for(answer.text()), Some(client));
    }
}

#[test]
fn the_header_may_come_octet_by_octet_and_what_is_behind_it_is_not_touched() {
    let gateway = behind_a_proxy("", "");
    for header in [
        V1.into(),
        octets(inet("192.0.2.7:1", "192.0.2.9:2"), Version::V2),
    ] {
        let mut wire = gateway.osier.connect();
        wire.send_slowly(&header);
        // Two requests: the header is the connection's, not theirs.
        for _ in 0..2 {
            wire.send("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
            let answer = wire.read_response();
            assert_eq!(x_forwarded_for(answer.text()), Some("192.0.2.7"));
        }
    }
    // As long as it may be, with vectors that say nothing.
    let mut long = octets(inet("192.0.2.7:1", "192.0.2.9:2"), Version::V2);
    let more = 8 * 1024 - 12;
    long[14..16].copy_from_slice(&8192_u16.to_be_bytes());
    long.extend_from_slice(&[&[4], &(more as u16 - 3).to_be_bytes()[..]].concat());
    long.resize(16 + 8192, 0);
    let mut wire = gateway.osier.connect();
    wire.send([&long, ASK.as_bytes()].concat());
    assert_eq!(
        x_forwarded_for(wire.read_response().text()),
        Some("192.0.2.7")
    );
}

#[test]
fn a_connection_without_a_header_that_is_believed_is_reset_counted_and_said() {
    let gateway = behind_a_proxy("timeouts.header = \"300ms\"\n", "");
    let address = gateway.osier.address();
    for (sent, reason) in [
        (ASK, "missing"),
        ("PROXY TCP4 a b c d\r\n", "malformed"),
        ("PROXY TCP4 192.0.2.7", "timeout"),
    ] {
        let mut wire = gateway.osier.connect();
        wire.send(sent);
        assert_eq!(wire.read_to_end(), (Vec::new(), End::Reset), "{reason}");
        assert_eq!(refused(&gateway, reason), 1.0);
        let said = gateway.osier.hear();
        assert!(
            said.contains("closed a connection from 127.0.0.1"),
            "{said}"
        );
    }
    let mut elsewhere = Wire::connect_from([127, 0, 0, 2], address);
    let _ = elsewhere.try_send([V1, ASK].concat());
    elsewhere.expect_gone();
    assert_eq!(refused(&gateway, "untrusted"), 1.0);
    let said = gateway.osier.hear();
    assert!(
        said.contains("127.0.0.2") && said.contains("trusted_proxies"),
        "{said}"
    );

    // Whoever only looks whether somebody is there is no trouble.
    let mut looking = gateway.osier.connect();
    looking.finish();
    looking.expect_end();
    let mut half = gateway.osier.connect();
    half.send("PROXY ");
    half.finish();
    half.expect_gone();
    wait_for("both to be counted", || {
        (refused(&gateway, "ended") == 2.0).then_some(())
    });
}

#[test]
fn what_is_counted_by_address_is_counted_by_the_clients() {
    let gateway = behind_a_proxy("limits.per_ip = 1\n", "");
    let begin = |client: &str| {
        let mut wire = gateway.osier.connect();
        wire.send(format!(
            "PROXY TCP4 {client} 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"
        ));
        wire
    };
    let mut one = begin("192.0.2.7");
    one.read_response();
    let mut other = begin("192.0.2.8");
    other.read_response();
    begin("192.0.2.7").expect_gone();
    assert_eq!(
        Page::of(&gateway).get("osier_sheds_total{reason=\"per_ip\"}"),
        1.0
    );
    drop(one);
    wait_for("its place", || {
        let mut wire = gateway.osier.connect();
        wire.send([V1, ASK].concat());
        let (octets, _) = wire.read_to_end();
        (!octets.is_empty()).then_some(())
    });
}

#[test]
fn the_tree_shows_the_client_and_who_is_waited_for() {
    let gateway = behind_a_proxy("", "");
    let mut wire = gateway.osier.connect();
    let tree = |words: &[&str]| {
        wait_for("the tree to show it", || {
            let tree = gateway.admin("localhost", "/tree");
            words
                .iter()
                .all(|word| tree.text().contains(word))
                .then_some(())
        });
    };
    tree(&[&wire.local_addr().to_string(), "PROXY protocol header"]);
    wire.send(V1);
    tree(&["192.0.2.7:4711"]);
}

#[test]
fn a_peer_on_a_unix_socket_is_believed() {
    let socket = Scratch::new("proxied.sock");
    let echo = Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    });
    let gateway = Gateway::run(
        &format!(
            "[[listen]]\naddr = \"unix:{}\"\nproxy_protocol = true\n{}[[route]]\nto = \"app\"\n",
            socket.path().display(),
            upstream("app", &[&echo])
        ),
        &[],
    );
    let mut wire = Wire::connect_unix(socket.path());
    wire.send([V1, ASK].concat());
    assert_eq!(
        x_forwarded_for(wire.read_response().text()),
        Some("192.0.2.7")
    );
    drop(gateway);
}

#[test]
fn a_drain_does_not_wait_for_a_header() {
    let gateway = behind_a_proxy("", "");
    let mut wire = gateway.osier.connect();
    gateway.osier.wait_for_session(&wire);
    gateway.osier.signal(rustix::process::Signal::TERM);
    wire.expect_gone();
    let mut gateway = gateway;
    assert_eq!(gateway.osier.wait(), Some(0));
}

/// Reads a header of this form, and says whose connection it is.
fn announced(wire: &mut Wire, version: Version) -> Header {
    use osier::net::proxy_protocol::{Parsed, parse};
    let mut octets = Vec::new();
    loop {
        octets.extend_from_slice(&wire.read_octets(1));
        if let Parsed::Complete(header, _) = parse(&octets).unwrap() {
            let is_text = octets.starts_with(b"PROXY ");
            assert_eq!(is_text, version == Version::V1);
            return header;
        }
    }
}

#[test]
fn an_origin_is_told_who_its_client_is_and_each_client_has_connections_of_its_own() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let origin = Origin::bind();
        let gateway = Gateway::run(
            &format!(
                "[upstream.app]\nto = \"{}\"\nsend_proxy = \"{word}\"\n[[route]]\nto = \"app\"\n",
                origin.address()
            ),
            &[],
        );
        let mut one = gateway.osier.connect();
        one.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut at_origin = origin.accept();
        let expected = Header::Inet(Addresses::new(one.local_addr(), gateway.osier.address()));
        assert_eq!(announced(&mut at_origin, version), expected);
        at_origin.read_request();
        at_origin.answer("1");
        one.read_response();
        // Kept for this client.
        one.send("GET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(at_origin.read_request().start().contains("/2"));
        at_origin.answer("2");
        one.read_response();
        // Not for another, though it idles.
        let mut other = gateway.osier.connect();
        other.send("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut another = origin.accept();
        let expected = Header::Inet(Addresses::new(other.local_addr(), gateway.osier.address()));
        assert_eq!(announced(&mut another, version), expected);
        assert!(another.read_request().start().contains("/3"));
        another.answer("3");
        other.read_response();
    }
}

#[test]
fn what_was_heard_is_passed_on() {
    let at = Origin::bind();
    let gateway = behind_a_proxy(
        "",
        &format!(
            "[upstream.told]\nto = \"{}\"\nsend_proxy = \"v2\"\n[[route]]\npath = \"/told\"\nto = \"told\"\n",
            at.address()
        ),
    );
    let mut client = gateway.osier.connect();
    client.send(format!("{V1}GET /told HTTP/1.1\r\nHost: h\r\n\r\n"));
    let mut wire = at.accept();
    assert_eq!(
        announced(&mut wire, Version::V2),
        inet("192.0.2.7:4711", "198.51.100.1:443")
    );
}

#[test]
fn probes_are_for_nobody() {
    for (word, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        for health in ["{ tcp = true }", "{ path = \"/health\" }"] {
            let at = Origin::bind();
            let _gateway = Gateway::run(
                &format!(
                    "[upstream.app]\nto = \"{}\"\nsend_proxy = \"{word}\"\nhealth = {health}\n[[route]]\nto = \"app\"\n",
                    at.address()
                ),
                &[],
            );
            let mut probe = at.accept();
            assert_eq!(announced(&mut probe, version), Header::Local);
            if health.contains("path") {
                assert!(probe.read_request().start().contains("/health"));
            }
        }
    }
}

#[test]
fn origins_are_told_nothing_unless_it_is_asked_for() {
    let one = origin("one");
    let rest = format!(
        "{}send_proxy = \"off\"\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&one])
    );
    let gateway = Gateway::run(&rest, &[]);
    assert_eq!(gateway.get("/").text(), "one");
}
