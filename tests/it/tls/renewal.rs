use std::fs;

use rustls::HandshakeKind;

use super::{Authority, Client, Files, WHO, gateway, text};
use crate::reload::Gateway;
use crate::support::{Osier, Scratch, wait_for};

/// The certificate that a client is shown.
fn shown(gateway: &Gateway, client: &Client) -> Vec<u8> {
    let client = client.but(|config| config.resumption = rustls::client::Resumption::disabled());
    let mut wire = client.connect(gateway, "a.example");
    assert_eq!(wire.get("/").status(), 200);
    wire.agreed().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_bad_one_is_not() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let gateway = gateway(&format!("{{ {pair} }}"), "", WHO);
    let client = Client::of(&authority);
    let mut before = client.connect(&gateway, "a.example");
    assert_eq!(before.get("/").status(), 200);
    let first = shown(&gateway, &client);

    // A certificate whose key is another.
    files.write("own.pem", &authority.server(&["a.example"]).cert);
    let said = gateway.osier.hear();
    assert!(said.contains("own.key is not renewed"), "{said}");
    assert!(said.contains("is not that of the certificate"), "{said}");
    assert_eq!(shown(&gateway, &client), first);
    files.write("own.pem", "nothing\n");
    let said = gateway.osier.hear();
    assert!(
        said.contains("own.pem is not renewed: there is no certificate"),
        "{said}"
    );
    assert_eq!(shown(&gateway, &client), first);
    fs::remove_file(files.path("own.pem")).unwrap();
    let said = gateway.osier.hear();
    assert!(
        said.contains("own.pem is not renewed: No such file"),
        "{said}"
    );
    assert_eq!(shown(&gateway, &client), first);

    files.pair("own", &authority.until(&["a.example"], 2077));
    let said = wait_for("the renewal", || {
        let said = gateway.osier.hear();
        said.contains("is renewed").then_some(said)
    });
    assert!(said.contains("31 Dec 2077"), "{said}");
    wait_for("the new certificate", || {
        (shown(&gateway, &client) != first).then_some(())
    });
    let status = gateway.status();
    assert!(
        status.contains("\"not_after\":\"Fri, 31 Dec 2077"),
        "{status}"
    );
    assert!(status.contains("\"names\":[\"a.example\"]"), "{status}");
    // Who was here is still here, and whoever comes back goes on from where it was.
    assert_eq!(before.get("/").status(), 200);
    let mut again = client.connect(&gateway, "a.example");
    assert_eq!(again.get("/").status(), 200);
    assert_eq!(
        again.agreed().handshake_kind(),
        Some(HandshakeKind::Resumed)
    );
}

#[test]
fn who_is_not_vouched_for_any_more_does_not_come_back_by_a_ticket() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let ca = files.write("ca.pem", &authority.pem);
    let gateway = gateway(&format!("{{ {pair}, client_ca = \"{ca}\" }}"), "", WHO);
    let ann = authority.client("ann", 2099);
    let client = Client::with(&authority, Some(&ann), rustls::ALL_VERSIONS);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut wire = client.connect(&gateway, "a.example");
        assert_eq!(wire.get("/").field("x-subject"), Some("CN=ann,O=A\\, B"));
        assert_eq!(wire.agreed().handshake_kind(), Some(kind));
    }
    files.write("ca.pem", &Authority::new().pem);
    let said = gateway.osier.hear();
    assert!(said.contains("ca.pem is renewed"), "{said}");
    wait_for("the new authority", || {
        let mut wire = client.connect(&gateway, "a.example");
        let sent = wire.try_send("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        (sent.is_err() || wire.read_to_end().0.is_empty()).then_some(())
    });
}

#[test]
fn a_reload_reads_certificates_too_and_refuses_what_is_wrong() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let gateway = gateway(&format!("{{ {pair} }}"), "", WHO);
    let client = Client::of(&authority);
    let first = shown(&gateway, &client);
    let other = files.pair("other", &authority.server(&["a.example"]));
    let right = fs::read_to_string(gateway.path()).unwrap();
    fs::write(gateway.path(), right.replace(&pair, &other)).unwrap();
    let answer = gateway.reload();
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(
        answer.text().contains("tls of listeners changed"),
        "{answer:?}"
    );
    wait_for("the other certificate", || {
        (shown(&gateway, &client) != first).then_some(())
    });
    files.write("other.key", "nothing\n");
    let answer = gateway.reload();
    assert_eq!(answer.status(), 422);
    assert!(
        answer.text().contains("there is no private key"),
        "{answer:?}"
    );
    assert_ne!(shown(&gateway, &client), first);
}

#[test]
fn a_check_names_the_file_and_what_is_wrong_with_it() {
    let (authority, files) = (Authority::new(), Files::new());
    let (one, two) = (
        authority.server(&["a.example"]),
        authority.server(&["a.example"]),
    );
    let pair = files.pair("own", &one);
    let check = |tls: &str| {
        let file = Scratch::new("osier.toml");
        fs::write(file.path(), text(tls, "", WHO)).unwrap();
        let path = file.path().to_str().unwrap();
        let output = Osier::command(&["check", "-c", path]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (code, said) = check(&format!("{{ {pair} }}"));
    assert_eq!((code, said.as_str()), (Some(0), ""));
    files.write("own.key", &two.key);
    let (code, said) = check(&format!("{{ {pair} }}"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("own.key`: the private key is not that of the certificate"),
        "{said}"
    );
    let locked = one.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    files.write("own.key", &locked);
    let (code, said) = check(&format!("{{ {pair} }}"));
    assert_eq!(code, Some(1));
    assert!(
        said.contains("own.key`: the private key is encrypted"),
        "{said}"
    );
    assert!(said.contains("openssl pkey"), "{said}");
    files.write("own.pem", &one.key);
    let (code, said) = check(&format!("{{ {pair} }}"));
    assert_eq!(code, Some(1));
    assert!(said.contains("own.pem`: there is no certificate"), "{said}");
    let (code, said) = check("{ cert = \"/no/where.pem\", key = \"/no/where.key\" }");
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot read `/no/where.pem`"), "{said}");
    let old = files.pair("old", &authority.until(&["a.example"], 2001));
    let (code, said) = check(&format!("{{ {old} }}"));
    assert_eq!(code, Some(0));
    assert!(said.contains("warning: the certificate in"), "{said}");
    assert!(said.contains("has expired"), "{said}");
}
