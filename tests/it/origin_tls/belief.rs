use std::time::{Duration, Instant};

use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};

use super::peer::{Peer, answer_path, config};
use super::{World, alone};
use crate::reload::Gateway;
use crate::support::{Message, Origin, Osier, wait_for};

/// What is said of an origin that is not spoken to: the status, the kind and the cause.
#[track_caller]
fn expect_refused(refused: &Message, kind: &str, cause: &str) {
    assert_eq!(refused.status(), 502, "{refused:?}");
    let said = refused.field("proxy-status").unwrap();
    let expected = format!("osier; error={kind}; details=\"tls:{cause}\"");
    assert_eq!(said, expected);
}

#[test]
fn who_shows_the_right_name_is_believed_by_name_and_by_address() {
    let world = World::new();
    for (name, keys) in [
        ("a.example", "sni = \"a.example\""),
        ("127.0.0.1", ""),
        ("*.b.example", "sni = \"x.b.example\""),
    ] {
        let peer = Peer::that_answers(&world.authority, name);
        let gateway = world.gateway_with(&peer, keys, "");
        assert_eq!(gateway.get("/x").text(), "/x", "{name}");
        let agreed = peer.agreed().remove(0);
        // An address is no name to be asked for (RFC 6066 §3).
        let asked = keys.split('"').nth(1).map(str::to_owned);
        assert_eq!(agreed.name, asked);
        assert_eq!(agreed.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert!(!agreed.is_shown);
    }
}

#[test]
fn the_host_of_to_is_the_name_and_https_is_port_443() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "localhost");
    let text = format!(
        "[upstream.app]\nto = \"https://localhost:{}/base\"\n{}[[route]]\nto = \"app\"\nhost_header = \"upstream\"\n",
        peer.address.port(),
        world.tls("")
    );
    let gateway = Gateway::run(&text, &[]);
    assert_eq!(gateway.get("/x").text(), "/base/x");
    assert_eq!(peer.agreed()[0].name.as_deref(), Some("localhost"));
    let head = peer.requests().remove(0).head;
    assert!(
        head.contains(&format!("\r\nHost: localhost:{}\r\n", peer.address.port())),
        "{head}"
    );
}

#[test]
fn who_is_not_believed_is_told_apart_and_sees_no_request() {
    let world = World::new();
    let stranger = World::new();
    let all = rustls::ALL_VERSIONS;
    for (shown, cause) in [
        (world.authority.until(&["a.example"], 2001), "expired"),
        (world.authority.server(&["b.example"]), "wrong_name"),
        (stranger.authority.server(&["a.example"]), "unknown_issuer"),
        (world.authority.client("a.example", 2099), "wrong_purpose"),
    ] {
        for version in [&TLS12, &TLS13] {
            let peer = Peer::start(config(&shown, &[version], None), answer_path);
            let gateway = world.gateway(&peer, "");
            expect_refused(&gateway.get("/"), "tls_certificate_error", cause);
            // It is tried again, as a connection that is refused is.
            wait_for("two handshakes", || {
                (peer.refused().len() == 2).then_some(())
            });
            assert!(peer.requests().is_empty());
            let counted = "osier_ended_total{cause=\"tls\"} 1\n";
            assert!(
                gateway
                    .admin("localhost", "/metrics")
                    .text()
                    .contains(counted)
            );
        }
        let peer = Peer::start(config(&shown, all, None), answer_path);
        let text = world
            .text(&peer, "insecure = true", "")
            .replace(&format!("ca = \"{}\", ", world.ca), "");
        let gateway = Gateway::run(&text, &[]);
        assert_eq!(gateway.get("/x").text(), "/x", "{cause}, and nobody asks");
    }
}

#[test]
fn a_certificate_that_is_its_own_authority_is_believed_where_it_is_named() {
    let world = World::new();
    for is_ca in [true, false] {
        let shown = alone("a.example", is_ca);
        let peer = Peer::start(config(&shown, rustls::ALL_VERSIONS, None), answer_path);
        let own = world.files.write("own.pem", &shown.cert);
        let with = |ca: &str, name: &str| {
            let text = world.text(&peer, &format!("sni = \"{name}\""), "");
            Gateway::run(&text.replace(&world.ca, ca), &[])
        };
        assert_eq!(with(&own, "a.example").get("/x").text(), "/x");
        let refused = with(&own, "b.example").get("/x");
        expect_refused(&refused, "tls_certificate_error", "wrong_name");
        let refused = with(&world.ca, "a.example").get("/x");
        assert_eq!(refused.status(), 502);
        let said = refused.field("proxy-status").unwrap();
        assert!(said.contains("error=tls_certificate_error"), "{said}");
    }
}

#[test]
fn who_demands_a_certificate_gets_it_or_says_so() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let own = world.authority.client("osier", 2099);
    let pair = format!("sni = \"a.example\", {}", world.files.pair("own", &own));
    let stranger = World::new().authority.client("osier", 2099);
    let strange = world.files.pair("strange", &stranger);
    let strange = format!("sni = \"a.example\", {strange}");
    for version in [&TLS12, &TLS13] {
        let peer = Peer::start(
            config(&shown, &[version], Some(&world.authority)),
            answer_path,
        );
        let gateway = world.gateway_with(&peer, &pair, "");
        assert_eq!(gateway.get("/x").text(), "/x");
        assert!(peer.agreed()[0].is_shown);
        for keys in ["sni = \"a.example\"", &strange] {
            let gateway = world.gateway_with(&peer, keys, "");
            let refused = gateway.get("/x");
            assert_eq!(refused.status(), 502, "{refused:?}");
            let said = refused.field("proxy-status").unwrap();
            assert!(
                said.contains("error=tls_alert_received; details=\"tls:alert_"),
                "{said}"
            );
        }
        assert_eq!(peer.requests().len(), 1);
    }
}

#[test]
fn versions_are_what_both_speak_and_not_below_the_least() {
    let world = World::new();
    let shown = world.authority.server(&["a.example"]);
    let at_least = "sni = \"a.example\", min_version = \"1.3\"";
    for (version, spoken) in [(&TLS12, TLSv1_2), (&TLS13, TLSv1_3)] {
        let peer = Peer::start(config(&shown, &[version], None), answer_path);
        assert_eq!(world.gateway(&peer, "").get("/x").text(), "/x");
        assert_eq!(peer.agreed()[0].version, spoken);
        let strict = world.gateway_with(&peer, at_least, "").get("/x");
        match spoken {
            TLSv1_3 => assert_eq!(strict.text(), "/x"),
            _ => expect_refused(&strict, "tls_alert_received", "alert_protocol_version"),
        }
    }
}

#[test]
fn what_is_no_tls_is_told_apart() {
    let world = World::new();
    let text = |address: &dyn std::fmt::Display| {
        format!(
            "[upstream.app]\nto = \"{address}\"\n{}[[route]]\nto = \"app\"\n",
            world.tls("sni = \"a.example\"")
        )
    };
    let origin = Origin::bind();
    let gateway = Gateway::run(&text(&origin.address()), &[]);
    for (answer, kind, cause) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "tls_protocol_error",
            "not_tls",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "tls_protocol_error", "not_tls"),
        (b"", "connection_terminated", "closed"),
        (b"\x16\x03\x03\x00", "connection_terminated", "closed"),
        (
            b"\x16\x03\x03\x00\x04\x00\x00\x00\x00",
            "tls_protocol_error",
            "protocol",
        ),
    ] {
        let mut client = gateway.osier.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        // Both tries.
        for _ in 0..2 {
            let mut wire = origin.accept();
            wire.receive().unwrap();
            wire.send(answer);
        }
        expect_refused(&client.read_response(), kind, cause);
    }
}

#[test]
fn a_handshake_that_does_not_end_is_a_connection_that_is_not_made() {
    let world = World::new();
    let origin = Origin::bind();
    let address = origin.address();
    let text = format!(
        "[upstream.app]\nto = \"{address}\"\ntimeouts.connect = \"200ms\"\n{}[[route]]\nto = \"app\"\n",
        world.tls("sni = \"a.example\"")
    );
    let gateway = Gateway::run(&text, &[]);
    let begun = Instant::now();
    let late = gateway.get("/");
    assert_eq!(late.status(), 504);
    let said = late.field("proxy-status").unwrap();
    assert!(said.contains("connect_timeout"), "{said}");
    assert!(
        begun.elapsed() >= Duration::from_millis(400),
        "both tries wait"
    );
    for _ in 0..2 {
        // What was begun is closed with its attempt.
        origin.accept().read_to_end();
    }
    // And with a client that leaves.
    let text = text.replace("200ms", "1h");
    let gateway = Gateway::run(&text, &[]);
    let mut client = gateway.osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut wire = origin.accept();
    let tree = gateway.admin("localhost", "/tree");
    assert!(tree.text().contains("attempt"), "{tree:?}");
    drop(client);
    wire.read_to_end();
}

#[test]
fn a_reset_during_the_handshake_is_tried_elsewhere_whatever_the_method() {
    let world = World::new();
    let well = Peer::that_answers(&world.authority, "a.example");
    let origin = Origin::bind();
    let ill = origin.address();
    let text = format!(
        "[upstream.app]\nto = [\"{ill}\", \"{}\"]\nbalance = \"first\"\n{}[[route]]\nto = \"app\"\n",
        well.address,
        world.tls("sni = \"a.example\"")
    );
    let gateway = Gateway::run(&text, &[]);
    let mut client = gateway.osier.connect();
    client.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi");
    origin.accept().reset();
    assert_eq!(client.read_response().text(), "/x");
    assert_eq!(well.requests()[0].body, b"hi");
    // With nobody else there it is said what it was.
    let gateway = Gateway::run(&text.replace(&format!(", \"{}\"", well.address), ""), &[]);
    let mut client = gateway.osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..2 {
        let mut wire = origin.accept();
        wire.receive().unwrap();
        wire.send(b"\x16\x03");
        wire.reset();
    }
    let refused = client.read_response();
    assert_eq!(refused.status(), 502);
    let said = refused.field("proxy-status").unwrap();
    assert!(
        said.starts_with("osier; error=connection_terminated; details=\"tls:"),
        "{said}"
    );
}

#[test]
fn what_is_probed_is_probed_by_tls() {
    let world = World::new();
    let well = Peer::that_answers(&world.authority, "a.example");
    let ill = Peer::that_answers(&world.authority, "b.example");
    for probe in ["path = \"/\"", "tcp = true"] {
        let text = format!(
            "[upstream.app]\nto = [\"{}\", \"{}\"]\nbalance = \"first\"\n\
             health = {{ {probe}, every = \"50ms\", fall = 1, rise = 1 }}\n{}[[route]]\nto = \"app\"\n",
            ill.address,
            well.address,
            world.tls("sni = \"a.example\"")
        );
        let gateway = Gateway::run(&text, &[]);
        wait_for("the one to be out", || {
            gateway.status().contains("\"healthy\":false").then_some(())
        });
        wait_for("it to have been asked", || {
            (!ill.refused().is_empty()).then_some(())
        });
        assert_eq!(gateway.get("/x").text(), "/x");
        assert!(ill.requests().is_empty());
        assert_eq!(gateway.status().matches("\"healthy\":true").count(), 1);
    }
}

#[test]
fn the_one_liner_believes_whom_the_system_does() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "localhost");
    let to = format!("https://localhost:{}", peer.address.port());
    let mut command = Osier::command(&["-l", "127.0.0.1:0", "-t", &to, "--workers", "1"]);
    command.env("SSL_CERT_FILE", &world.ca);
    let osier = Osier::serving(command);
    assert!(osier.announced().contains(&to), "{}", osier.announced());
    assert_eq!(osier.connect().get("/x").text(), "/x");
    let command = Osier::command(&["-l", "127.0.0.1:0", "-t", &to, "--workers", "1"]);
    let mut nobody = command;
    nobody
        .env("SSL_CERT_FILE", "/nowhere")
        .env("SSL_CERT_DIR", "/nowhere");
    let said = nobody.output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
}

#[test]
fn how_an_origin_is_spoken_to_is_told() {
    let world = World::new();
    let peer = Peer::that_answers(&world.authority, "a.example");
    let gateway = world.gateway(&peer, "");
    assert!(gateway.status().contains("\"tls\":true"));
    let told = |words: &[&str]| {
        let path = gateway.path().to_str().unwrap();
        let mut arguments = vec![words[0], "-c", path];
        arguments.extend(&words[1..]);
        let said = Osier::command(&arguments).output().unwrap();
        assert!(said.status.success());
        (
            String::from_utf8(said.stdout).unwrap(),
            String::from_utf8(said.stderr).unwrap(),
        )
    };
    let (explained, _) = told(&["explain", "http://h/"]);
    let line = format!(
        "tls      verified by {}, as a.example, TLS 1.2 and above\n",
        world.ca
    );
    assert!(explained.contains(&line), "{explained}");
    let (printed, _) = told(&["check", "--print"]);
    let line = format!(
        "tls = {{ sni = \"a.example\", ca = \"{}\", insecure = false, min_version = \"1.2\" }}\n",
        world.ca
    );
    assert!(printed.contains(&line), "{printed}");
    assert!(
        printed.contains(&format!("to = [\"https://{}\"]", peer.address)),
        "{printed}"
    );
    // That nobody is asked is said by who checks, and by who runs.
    let text = std::fs::read_to_string(gateway.path()).unwrap();
    let text = text.replace(&format!("ca = \"{}\", ", world.ca), "insecure = true, ");
    std::fs::write(gateway.path(), text).unwrap();
    let (_, warned) = told(&["check"]);
    assert!(
        warned.contains("warning: `upstream.app.tls.insecure`: whoever answers is believed"),
        "{warned}"
    );
    assert_eq!(gateway.reload().status(), 200);
    wait_for("the warning", || {
        gateway
            .osier
            .hear()
            .contains("no certificate is verified")
            .then_some(())
    });
    let said = Osier::command(&["init", "-t", "https://app.internal"])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("to = [\"https://app.internal:443\"]\n# tls = {"),
        "{said}"
    );
}
