use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use futures_lite::future;

use super::Proof;
use super::challenge::{Challenges, Peek, Seen};
use super::order::{Failure, Wanted, new_account_key, obtain};
use crate::clock::TestClock;
use crate::context;
use crate::net::tls::certificate::{Authorities, Identity};
use crate::net::tls::origin::{Client, Terms};
use crate::net::tls::provider;
use crate::net::tls::version::Version;

fn shown(name: &str) -> Identity {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    Identity::from_pem(cert.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

/// Looks at whatever is there, as an authority does.
#[derive(Debug)]
struct Looking;

impl ServerCertVerifier for Looking {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Somebody who asks for `name` and speaks these protocols, and the first octets of it.
fn client(name: &'static str, protocols: &[&str]) -> (ClientConnection, Vec<u8>) {
    let builder = ClientConfig::builder_with_provider(provider().clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Looking));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    (client, hello)
}

#[test]
fn a_token_is_answered_as_long_as_it_is_in_force_and_no_other_one_is() {
    let challenges = Challenges::default();
    let path = b"/.well-known/acme-challenge/tok_en-1";
    assert_eq!(challenges.answer_for(b"GET", path), None);
    let one = challenges.answer("tok_en-1", "tok_en-1.thumb");
    let two = challenges.answer("2", "2.thumb");
    let answer = |method: &[u8], target: &[u8]| {
        let answer = challenges.answer_for(method, target);
        answer.map(|answer| answer.to_string())
    };
    assert_eq!(answer(b"GET", path).as_deref(), Some("tok_en-1.thumb"));
    for (method, target) in [
        (&b"POST"[..], &path[..]),
        (b"GET", b"/.well-known/acme-challenge/"),
        (b"GET", b"/.well-known/acme-challenge/tok_en-1/"),
        (b"GET", b"/.well-known/acme-challenge/tok_en-1?x"),
        (b"GET", b"/.well-known/acme-challenge/other"),
        (b"GET", b"/.well-known/acme-challenge/\xff"),
        (b"GET", b"/tok_en-1"),
        (
            b"GET",
            b"http://a.example/.well-known/acme-challenge/tok_en-1",
        ),
    ] {
        assert_eq!(answer(method, target), None);
    }
    drop(one);
    assert_eq!(answer(b"GET", path), None);
    assert!(answer(b"GET", b"/.well-known/acme-challenge/2").is_some());
    drop(two);
    assert_eq!(
        format!("{challenges:?}"),
        "Challenges { tokens: 0, names: 0 }"
    );
}

/// What comes of octets that come in two pieces.
fn see(mut peek: Peek, first: &[u8], second: &[u8]) -> Seen {
    match peek.see(first) {
        Seen::Part => peek.see(second),
        seen => {
            assert!(second.is_empty() || !matches!(seen, Seen::Authority(_)));
            seen
        }
    }
}

#[test]
fn an_authority_is_shown_its_certificate_wherever_its_octets_are_cut_and_whoever_else_it_is_not() {
    let challenges = Challenges::default();
    // Nobody is looked at while there is nothing to be shown.
    assert!(challenges.peek().is_none());
    let identity = shown("a.example");
    let certified = identity.certified();
    let _in_force = challenges
        .show("A.example", rustls::sign::CertifiedKey::clone(certified))
        .unwrap();
    let (_, hello) = client("a.example", &["acme-tls/1"]);
    for at in 0..hello.len() {
        let (first, second) = hello.split_at(at);
        let seen = see(challenges.peek().unwrap(), first, second);
        assert!(matches!(seen, Seen::Authority(Ok(_))), "{at}: {seen:?}");
    }
    for (name, protocols) in [
        ("a.example", &["acme-tls/1", "http/1.1"][..]),
        ("a.example", &["http/1.1", "acme-tls/1"]),
        ("a.example", &["http/1.1"]),
        ("a.example", &[]),
        ("b.example", &["acme-tls/1"]),
        ("127.0.0.1", &["acme-tls/1"]),
    ] {
        let (_, hello) = client(name, protocols);
        let seen = see(challenges.peek().unwrap(), &hello, b"");
        assert!(
            matches!(seen, Seen::Other),
            "{name} {protocols:?}: {seen:?}"
        );
    }
    let seen = see(challenges.peek().unwrap(), b"GET / HTTP/1.1\r\n\r\n", b"");
    assert!(matches!(seen, Seen::Other), "{seen:?}");
}

#[test]
fn the_handshake_with_an_authority_is_whole_and_gives_nothing_to_come_back_with() {
    let challenges = Challenges::default();
    let identity = shown("a.example");
    let in_force = challenges
        .show(
            "a.example",
            rustls::sign::CertifiedKey::clone(identity.certified()),
        )
        .unwrap();
    let (mut authority, hello) = client("a.example", &["acme-tls/1"]);
    let Seen::Authority(connection) = see(challenges.peek().unwrap(), &hello, b"") else {
        panic!("not seen");
    };
    let mut connection = connection.unwrap();
    // What is begun goes on, even if the challenge is over.
    drop(in_force);
    assert!(challenges.peek().is_none());
    let mut octets = Vec::new();
    while authority.is_handshaking() || connection.is_handshaking() {
        octets.clear();
        connection.write_tls(&mut octets).unwrap();
        let mut rest = &*octets;
        while authority.read_tls(&mut rest).unwrap() > 0 {
            authority.process_new_packets().unwrap();
        }
        octets.clear();
        authority.write_tls(&mut octets).unwrap();
        let mut rest = &*octets;
        while connection.read_tls(&mut rest).unwrap() > 0 {
            connection.process_new_packets().unwrap();
        }
    }
    assert_eq!(authority.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    assert_eq!(
        authority.peer_certificates().unwrap()[0],
        identity.certified().cert[0]
    );
    assert!(!connection.wants_write(), "tickets");
    let read = connection.process_new_packets().unwrap();
    assert_eq!(read.plaintext_bytes_to_read(), 0);
}

#[test]
fn what_goes_wrong_is_one_line_that_people_can_read() {
    let failure = Failure::new(
        "new order",
        r#"non 2xx http status: 429 "{\n  \"detail\": \"too many\",\n  \"status\": 429\n}""#,
    );
    assert_eq!(
        failure.to_string(),
        r#"new order: non 2xx http status: 429 "{ "detail": "too many", "status": 429 }""#
    );
    let hostile = Failure::new("order", format!("a\u{1b}[2J\r\nb{}", "ä".repeat(1000)));
    assert!(hostile.why.starts_with("a [2J bä"), "{hostile}");
    assert_eq!(hostile.why.chars().count(), 601);
    let error: io::Error = io::Error::other(hostile);
    assert!(!error.to_string().contains('\n'));
}

/// What is asked of an authority at this address.
fn wanted(directory: String) -> Wanted {
    let params = CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let client = Client::new(Terms {
        roots: Some(Authorities::from_pem(ca.as_bytes()).unwrap()),
        identity: None,
        min_version: Version::default(),
    });
    Wanted {
        names: vec!["a.example".to_owned()],
        directory,
        contact: Vec::new(),
        proof: Proof::default(),
        client: client.unwrap(),
    }
}

#[test]
fn an_authority_that_says_nothing_is_not_waited_for_and_an_order_ends_with_its_node() {
    // It takes connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = wanted(format!("https://{}/dir", silent.local_addr().unwrap()));
    let (key, challenges) = (new_account_key(), Challenges::default());
    let clock = TestClock::install();
    let (ctx, cancel) = context::background().named("task", "acme").with_cancel();
    let waiting = async {
        loop {
            clock.advance(Duration::from_secs(1));
            future::yield_now().await;
        }
    };
    let asked = obtain(&ctx, &wanted, &key, &challenges);
    let failure = smol::block_on(future::or(asked, waiting)).unwrap_err();
    assert_eq!(failure, Failure::new("directory", "no answer within 30s"));
    assert!(!failure.is_refusal);
    cancel.cancel();
    let asked = obtain(&ctx, &wanted, &key, &challenges);
    let failure = smol::block_on(asked).unwrap_err();
    assert_eq!(failure.step, "directory");
    assert_ne!(failure.why, "no answer within 30s");
}
