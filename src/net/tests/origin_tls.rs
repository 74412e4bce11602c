use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};

use super::super::fault::{Fault, FaultKind};
use super::super::handshake::HandshakeError;
use super::super::tls::certificate::Authorities;
use super::super::tls::fault;
use super::super::tls::origin::{Client, Terms};
use super::super::tls::roots::{Machine, Roots};
use super::super::tls::version::Version;

fn authority() -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

/// What is found on a machine with these variables and these files, of which those in `/certs` and `/etc/ssl/certs` can
/// be listed.
fn found(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Vec<PathBuf>, String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let file = |path: &Path| {
        let found = files.iter().find(|(it, _)| Path::new(it) == path);
        let content = found.map(|(_, content)| content.as_bytes().to_vec());
        content.ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    let folder = |folder: &Path| {
        let paths = files.iter().map(|(path, _)| PathBuf::from(path));
        Ok(paths.filter(|path| path.parent() == Some(folder)).collect())
    };
    let found = Roots::find(&Machine {
        environment: &variable,
        file: &file,
        folder: &folder,
    });
    found.map(|roots| roots.files)
}

#[test]
fn authorities_are_found_where_systems_keep_them_or_where_they_are_said_to_be() {
    let (a, b) = (authority(), authority());
    let debian = "/etc/ssl/certs/ca-certificates.crt";
    let fedora = "/etc/pki/tls/certs/ca-bundle.crt";
    let paths = |paths: &[&str]| Ok(paths.iter().map(PathBuf::from).collect());
    // The first bundle that has some.
    assert_eq!(found(&[], &[(fedora, &a), (debian, &b)]), paths(&[debian]));
    assert_eq!(
        found(&[], &[(debian, "none"), (fedora, &a)]),
        paths(&[fedora])
    );
    // One by one, where there is no bundle; what is none is passed over, and belongs to it.
    let single = [
        ("/etc/ssl/certs/a.crt", a.as_str()),
        ("/etc/ssl/certs/b.crt", "none"),
    ];
    assert_eq!(found(&[], &single).map(|files| files.len()), Ok(2));
    // Said to be elsewhere, they are nowhere else.
    let files = [
        (debian, a.as_str()),
        ("/own.pem", &b),
        ("/certs/x.pem", &b),
        ("/certs/y", ""),
    ];
    let at = |variables| found(variables, &files);
    assert_eq!(at(&[("SSL_CERT_FILE", "/own.pem")]), paths(&["/own.pem"]));
    assert_eq!(at(&[("SSL_CERT_FILE", "")]), paths(&[debian]));
    let both = [
        ("SSL_CERT_FILE", "/own.pem"),
        ("SSL_CERT_DIR", "/none:/certs"),
    ];
    assert_eq!(at(&both), paths(&["/own.pem", "/certs/x.pem", "/certs/y"]));
    for none in [
        &[("SSL_CERT_FILE", "/gone")][..],
        &[("SSL_CERT_DIR", "/gone")],
    ] {
        assert!(at(none).unwrap_err().contains("SSL_CERT_FILE"), "{none:?}");
    }
    assert!(found(&[], &[]).unwrap_err().contains(debian));
}

#[test]
fn every_fault_has_one_word_and_its_kind() {
    use FaultKind::{Alert, Certificate, Ended, Protocol};
    let bad = Error::InvalidCertificate;
    for (error, kind, word) in [
        (bad(CertificateError::Expired), Certificate, "expired"),
        (
            bad(CertificateError::NotValidYet),
            Certificate,
            "not_valid_yet",
        ),
        (
            bad(CertificateError::UnknownIssuer),
            Certificate,
            "unknown_issuer",
        ),
        (
            bad(CertificateError::NotValidForName),
            Certificate,
            "wrong_name",
        ),
        (
            bad(CertificateError::BadSignature),
            Certificate,
            "bad_signature",
        ),
        (
            bad(CertificateError::InvalidPurpose),
            Certificate,
            "wrong_purpose",
        ),
        (bad(CertificateError::Revoked), Certificate, "revoked"),
        (
            bad(CertificateError::BadEncoding),
            Certificate,
            "bad_certificate",
        ),
        (
            Error::NoCertificatesPresented,
            Certificate,
            "no_certificate",
        ),
        (
            Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            Protocol,
            "version",
        ),
        (
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Protocol,
            "incompatible",
        ),
        (
            Error::PeerMisbehaved(PeerMisbehaved::IncorrectBinder),
            Protocol,
            "protocol",
        ),
        (Error::NoApplicationProtocol, Protocol, "alpn"),
    ] {
        let found = fault::of(&error);
        assert_eq!((found.kind, &*found.word), (kind, word), "{error:?}");
        // As an error of the connection once keys are agreed on, too.
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        assert_eq!(Fault::of(&error), Some(found));
    }
    // Whatever number an alert has.
    for number in 0..=u8::MAX {
        let found = fault::of(&Error::AlertReceived(AlertDescription::from(number)));
        assert_eq!(found.kind, Alert);
        let is_word = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_';
        assert!(found.word.bytes().all(is_word), "{}", found.word);
    }
    let ended =
        |error: HandshakeError| Fault::of(&io::Error::from(error)).map(|it| (it.kind, it.word));
    assert_eq!(ended(HandshakeError::Gone), Some((Ended, "closed".into())));
    assert_eq!(ended(HandshakeError::Cut), Some((Ended, "closed".into())));
    let plain = HandshakeError::NotTls { is_http: true };
    assert_eq!(ended(plain), Some((Protocol, "not_tls".into())));
    assert_eq!(Fault::of(&io::ErrorKind::ConnectionRefused.into()), None);
}

#[test]
fn clients_are_the_same_that_were_made_by_the_same_and_names_are_hosts_and_addresses() {
    let (a, b) = (authority(), authority());
    let of = |pem: &str, min_version| {
        let roots = Authorities::from_pem(pem.as_bytes()).unwrap();
        let terms = Terms {
            roots: Some(roots),
            identity: None,
            min_version,
        };
        Client::new(terms).unwrap()
    };
    let one = of(&a, Version::Tls12);
    assert_eq!(one, of(&a, Version::Tls12));
    assert_ne!(one, of(&b, Version::Tls12));
    assert_ne!(one, of(&a, Version::Tls13));
    // What it was made from is not in what is said of it, and two are told apart by that.
    let said = format!("{one:?}");
    assert!(!said.contains("CERTIFICATE") && said.len() < 300, "{said}");
    assert_ne!(said, format!("{:?}", of(&b, Version::Tls12)));
    let toward = |name: &str| one.toward(name);
    assert_eq!(toward("a.example").unwrap(), toward("a.example").unwrap());
    assert_ne!(toward("a.example").unwrap(), toward("b.example").unwrap());
    for name in ["10.0.0.1", "::1", "localhost"] {
        assert!(toward(name).is_ok(), "{name}");
    }
    for name in ["", "a b", "a..b", "10.0.0.1:80", "[::1]"] {
        assert!(toward(name).is_err(), "{name}");
    }
    // All connections are made by one configuration, which is what sessions are resumed by.
    let (here, _) = toward("a.example").unwrap().parts();
    let (there, _) = toward("b.example").unwrap().parts();
    assert!(Arc::ptr_eq(&here, &there));
}
