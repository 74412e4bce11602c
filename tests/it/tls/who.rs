use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};

use super::{Authority, Client, Files, WHO, gateway, of_one};
use crate::support::{Osier, Scratch, Wire, wait_for};

const HEAD: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn a_client_is_shown_a_certificate_by_the_name_it_asks_for() {
    let (authority, files) = (Authority::new(), Files::new());
    let tables = [
        files.pair("one", &authority.server(&["a.example"])),
        files.pair("two", &authority.server(&["b.example", "*.b.example"])),
        files.pair("three", &authority.server(&["x.b.example"])),
    ];
    let tls = format!("[{{ {} }}]", tables.join(" }, { "));
    let gateway = gateway(&tls, "", WHO);
    let client = Client::of(&authority);
    for name in ["a.example", "b.example", "y.b.example", "X.B.example"] {
        let mut wire = client.connect(&gateway, name);
        let answer = wire.get("/");
        assert_eq!(answer.text(), "here");
        assert_eq!(answer.field("x-scheme"), Some("https"));
        assert_eq!(answer.field("x-subject"), Some(""));
    }
    let shown = |name: &str| {
        let mut wire = client.connect(&gateway, name);
        wire.get("/");
        wire.agreed().peer_certificates().unwrap()[0].clone()
    };
    assert_ne!(shown("x.b.example"), shown("y.b.example"));
    // Whom nobody is called: the first. The name is not in it, and so the client does not believe it.
    let why = client.refused(&gateway, "c.example");
    assert!(why.contains("not valid for name"), "{why}");
    // A wildcard stands for one label.
    let why = client.refused(&gateway, "a.b.b.example");
    assert!(why.contains("not valid for name"), "{why}");
    let silent = client.but(|config| config.enable_sni = false);
    assert_eq!(
        silent.connect(&gateway, "a.example").get("/").text(),
        "here"
    );
    assert!(gateway.osier.announced().contains("https://127.0.0.1:"));
}

#[test]
fn a_client_that_does_not_trust_says_so_and_that_is_told() {
    let (authority, files) = (Authority::new(), Files::new());
    let gateway = of_one(&authority, &files, WHO);
    let stranger = Client::of(&Authority::new());
    let why = stranger.refused(&gateway, "a.example");
    assert!(why.contains("UnknownIssuer"), "{why}");
    let said = gateway.osier.hear();
    assert!(said.contains("tls handshake failed"), "{said}");
    assert!(said.contains("UnknownCA"), "{said}");
    counted(&gateway, "refused", 1);
    // Others are served meanwhile.
    assert_eq!(
        Client::of(&authority)
            .connect(&gateway, "a.example")
            .get("/")
            .status(),
        200
    );
    counted(&gateway, "full", 1);
}

fn counted(gateway: &crate::reload::Gateway, outcome: &str, count: usize) {
    let line = format!("osier_tls_handshakes_total{{outcome=\"{outcome}\"}} {count}\n");
    wait_for(&line, || {
        let metrics = gateway.admin("localhost", "/metrics");
        metrics.text().contains(&line).then_some(())
    });
}

#[test]
fn an_expired_certificate_is_shown_and_not_believed() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = format!(
        "{{ {} }}",
        files.pair("old", &authority.until(&["a.example"], 2001))
    );
    let gateway = gateway(&tls, "", WHO);
    let why = Client::of(&authority).refused(&gateway, "a.example");
    assert!(why.contains("expired"), "{why}");
}

#[test]
fn sessions_are_resumed_by_both_versions_at_every_worker() {
    let (authority, files) = (Authority::new(), Files::new());
    let gateway = of_one(&authority, &files, WHO);
    for version in [&TLS12, &TLS13] {
        let client = Client::with(&authority, None, &[version]);
        let kinds: Vec<_> = (0..8)
            .map(|_| {
                let mut wire = client.connect(&gateway, "a.example");
                assert_eq!(wire.get("/").status(), 200);
                wire.agreed().handshake_kind().unwrap()
            })
            .collect();
        assert_eq!(kinds[0], HandshakeKind::Full, "{version:?}");
        assert!(
            kinds[1..]
                .iter()
                .all(|kind| *kind == HandshakeKind::Resumed),
            "{version:?}: {kinds:?}"
        );
    }
    counted(&gateway, "resumed", 14);
    counted(&gateway, "full", 2);
}

#[test]
fn versions_that_are_too_old_are_refused() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let gateway = gateway(&format!("{{ {pair}, min_version = \"1.3\" }}"), "", WHO);
    let mut wire = Client::of(&authority).connect(&gateway, "a.example");
    wire.get("/");
    assert_eq!(
        wire.agreed().protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    let why = Client::with(&authority, None, &[&TLS12]).refused(&gateway, "a.example");
    assert!(why.contains("ProtocolVersion"), "{why}");
}

#[test]
fn the_protocol_is_http_1_1_or_the_client_is_told_that_there_is_none() {
    let (authority, files) = (Authority::new(), Files::new());
    let gateway = of_one(&authority, &files, WHO);
    let client = Client::of(&authority);
    let offering = |protocols: &[&str]| {
        let protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        client.but(|config| config.alpn_protocols = protocols)
    };
    let mut wire = offering(&["h2", "http/1.1"]).connect(&gateway, "a.example");
    wire.get("/");
    assert_eq!(wire.agreed().alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut wire = client.connect(&gateway, "a.example");
    wire.get("/");
    assert_eq!(wire.agreed().alpn_protocol(), None);
    let why = offering(&["h2"]).refused(&gateway, "a.example");
    assert!(why.contains("NoApplicationProtocol"), "{why}");
}

#[test]
fn clients_show_who_they_are_and_the_origin_is_told() {
    let (authority, others, files) = (Authority::new(), Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let ca = files.write("ca.pem", &authority.pem);
    let origin = crate::reload::origin("one");
    let rest = format!(
        "[[route]]\nto = \"{}\"\nheaders.request = {{ set = {{ X-Subject = \"{{client_subject}}\" }} }}\n",
        origin.address()
    );
    let ask = "GET / HTTP/1.1\r\nHost: a.example\r\nX-Subject: CN=root\r\n\r\n";
    let told = || {
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(request.field("x-forwarded-proto"), Some("https"));
        request.field("x-subject").unwrap().to_owned()
    };
    let (old, eve) = (authority.client("old", 2001), others.client("eve", 2099));
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        let with = |shown| Client::with(&authority, shown, versions);
        let required = gateway(&format!("{{ {pair}, client_ca = \"{ca}\" }}"), "", &rest);
        let ann = authority.client("ann+bob", 2099);
        let client = with(Some(&ann));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut wire = client.connect(&required, "a.example");
            assert_eq!(wire.ask(ask).status(), 200);
            assert_eq!(wire.agreed().handshake_kind(), Some(kind));
            assert_eq!(told(), "CN=ann\\+bob,O=A\\, B");
        }
        let why = with(None).refused(&required, "a.example");
        assert!(
            why.contains("CertificateRequired") || why.contains("HandshakeFailure"),
            "{why}"
        );
        let said = required.osier.hear();
        assert!(said.contains("peer sent no certificates"), "{said}");
        let why = with(Some(&old)).refused(&required, "a.example");
        assert!(why.contains("CertificateExpired"), "{why}");
        let why = with(Some(&eve)).refused(&required, "a.example");
        assert!(why.contains("UnknownCA"), "{why}");
        let tls = format!("{{ {pair}, client_ca = \"{ca}\", client_auth = \"optional\" }}");
        let optional = gateway(&tls, "", &rest);
        assert_eq!(
            with(None).connect(&optional, "a.example").ask(ask).status(),
            200
        );
        // What the client said of itself did not come through.
        assert_eq!(told(), "");
        let why = with(Some(&eve)).refused(&optional, "a.example");
        assert!(why.contains("UnknownCA"), "{why}");
    }
}

#[test]
fn plain_http_is_told_so_and_garbage_is_not_answered() {
    let (authority, files) = (Authority::new(), Files::new());
    let gateway = of_one(&authority, &files, WHO);
    let mut wire = gateway.osier.connect();
    let answer = wire.ask(HEAD);
    assert_eq!(answer.status(), 400);
    assert!(answer.text().contains("plain_http_on_tls"), "{answer:?}");
    wire.expect_end();
    counted(&gateway, "plain_http", 1);
    let mut wire = gateway.osier.connect();
    wire.send([0x16, 3, 1, 0xff, 0xff]);
    wire.send([0; 64]);
    let (_, _) = wire.read_to_end();
    counted(&gateway, "refused", 1);
    let mut wire = gateway.osier.connect();
    wire.send("\0\0\0\0\0\0\0\0\0\0");
    let (_, _) = wire.read_to_end();
    counted(&gateway, "not_tls", 1);
    // Whoever comes and goes is counted, and nothing is said of it.
    let mut wire = gateway.osier.connect();
    wire.finish();
    wire.expect_gone();
    counted(&gateway, "gone", 1);
    for _ in 0..2 {
        let said = gateway.osier.hear();
        assert!(said.contains("tls handshake failed"), "{said}");
    }
    assert_eq!(
        Client::of(&authority)
            .connect(&gateway, "a.example")
            .get("/")
            .status(),
        200
    );
}

#[test]
fn a_slow_handshake_is_seen_in_the_tree_and_ends_by_the_time_for_the_head() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = format!(
        "{{ {} }}",
        files.pair("own", &authority.server(&["a.example"]))
    );
    let slow = gateway(&tls, "timeouts = { header = \"1h\" }", WHO);
    let mut wire = slow.osier.connect();
    wire.send([0x16, 3, 1, 1]);
    let id = wait_for("the handshake in the tree", || {
        let tree = slow.admin("localhost", "/tree").text().to_owned();
        let lines: Vec<_> = tree.lines().collect();
        let at = lines
            .iter()
            .position(|line| line.contains("tls handshake"))?;
        let session = lines[..at]
            .iter()
            .rev()
            .find(|line| line.contains("session#"))?;
        session
            .split("session#")
            .nth(1)?
            .split(' ')
            .next()
            .map(str::to_owned)
    });
    let receipt = slow.tell(&format!("/cancel/{id}"));
    assert_eq!(receipt.status(), 200, "{receipt:?}");
    wire.expect_gone();
    let quick = gateway(&tls, "timeouts = { header = \"50ms\" }", WHO);
    let mut wire = quick.osier.connect();
    wire.send([0x16, 3, 1, 1]);
    wire.expect_gone();
    counted(&quick, "timeout", 1);
    let said = quick.osier.hear();
    assert!(said.contains("header_timeout"), "{said}");
}

#[test]
fn what_comes_in_the_clear_is_sent_to_https() {
    let text = format!(
        "admin = {{ listen = \"127.0.0.1:0\" }}\n[[listen]]\naddr = \"127.0.0.1:0\"\nredirect = \"https\"\n{WHO}"
    );
    let gateway = crate::reload::Gateway::started(text.clone(), &[]);
    let mut wire = gateway.osier.connect();
    let answer = wire.ask("GET /x?y=1 HTTP/1.1\r\nHost: a.example:8080\r\n\r\n");
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.field("location"), Some("https://a.example/x?y=1"));
    let answer = wire.ask("POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(answer.field("location"), Some("https://a.example/x"));
    let answer = Wire::connect(gateway.osier.address()).ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(answer.status(), 400);
    let other = crate::reload::Gateway::started(text.replace("\"https\"", "\"https:8443\""), &[]);
    let answer = other.get("/x");
    assert_eq!(answer.field("location"), Some("https://a.example:8443/x"));
}

#[test]
fn who_comes_by_a_proxy_says_so_before_the_handshake() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let origin = crate::reload::origin("one");
    let text = format!(
        "trusted_proxies = [\"127.0.0.1/32\"]\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
         [[listen]]\naddr = \"127.0.0.1:0\"\nproxy_protocol = true\ntls = {{ {pair} }}\n\
         [[route]]\nto = \"{}\"\n",
        origin.address()
    );
    let gateway = crate::reload::Gateway::started(text, &[]);
    let client = Client::of(&authority);
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n";
    let address = gateway.osier.address();
    let mut wire = Wire::connect_tls_behind(header, address, client.0.clone(), "a.example");
    assert_eq!(wire.get("/").text(), "one");
    let (_, request) = origin.requests().pop().unwrap();
    assert_eq!(request.field("x-forwarded-for"), Some("192.0.2.7"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
}

#[test]
fn explain_goes_by_the_scheme() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example", "*.a.example"]));
    let file = Scratch::new("osier.toml");
    let text = format!(
        "[[listen]]\naddr = \"127.0.0.1:8080\"\nredirect = \"https\"\n\
         [[listen]]\naddr = \"127.0.0.1:8443\"\ntls = {{ {pair} }}\n{WHO}"
    );
    std::fs::write(file.path(), text).unwrap();
    let explain = |url: &str| {
        let path = file.path().to_str().unwrap();
        let output = Osier::command(&["explain", "-c", path, "GET", url])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = explain("https://a.example/");
    assert!(
        said.contains("own.pem, for a.example, *.a.example"),
        "{said}"
    );
    assert!(said.contains("answer   200"), "{said}");
    let said = explain("http://a.example/");
    assert!(
        said.contains("answer   308, to https on port 443"),
        "{said}"
    );
}

#[test]
fn a_sticky_cookie_is_for_https_only_where_it_was_given_there() {
    let (authority, files) = (Authority::new(), Files::new());
    let tls = format!(
        "{{ {} }}",
        files.pair("own", &authority.server(&["a.example"]))
    );
    let origin = crate::reload::origin("one");
    let rest = format!(
        "{}sticky = {{ cookie = \"who\" }}\n[[route]]\nto = \"app\"\n",
        crate::reload::upstream("app", &[&origin])
    );
    let gateway = gateway(&tls, "", &rest);
    let answer = Client::of(&authority)
        .connect(&gateway, "a.example")
        .get("/");
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}
