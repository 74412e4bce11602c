use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, date_time_ymd};

use super::certificate::{Authorities, Flaw, Identity, subject_of};
use super::name::{subject, validity};
use super::wall::{BUILT, Floor, seconds};
use crate::clock;

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&it| it.to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

fn made(params: &CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_says_its_names_and_times() {
    let mut params = params(&["A.example", "*.b.example"]);
    // One on each side of where the form of a time changes.
    params.not_before = date_time_ymd(1999, 2, 28);
    params.not_after = date_time_ymd(2104, 2, 29);
    let (cert, key) = made(&params);
    let identity = Identity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let facts = identity.facts();
    assert_eq!(facts.names, ["a.example", "*.b.example"]);
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(facts.from, at(920_160_000));
    assert_eq!(facts.until, at(4_233_686_400));
    // Both in one file, in either order.
    for both in [format!("{cert}{key}"), format!("{key}{cert}")] {
        Identity::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
    }
    assert!(!format!("{identity:?}").contains("PRIVATE"));
}

#[test]
fn what_is_wrong_with_a_file_is_told_apart() {
    let (cert, key) = made(&params(&["a.example"]));
    let (_, other) = made(&params(&["a.example"]));
    let flaw =
        |cert: &str, key: &str| Identity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err();
    assert_eq!(flaw(&cert, &other), Flaw::Mismatch);
    assert_eq!(flaw(&key, &key), Flaw::NoCertificate);
    assert_eq!(flaw("", &key), Flaw::NoCertificate);
    assert_eq!(flaw(&cert, &cert), Flaw::NoKey);
    assert_eq!(
        flaw(&cert, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        Flaw::Encrypted
    );
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(flaw(&cert, old), Flaw::Encrypted);
    let cut = key.replace("MIG", "AIG");
    assert!(
        matches!(flaw(&cert, &cut), Flaw::Key(_)),
        "{:?}",
        flaw(&cert, &cut)
    );
    let broken = cert.replace("MII", "MIA");
    assert!(matches!(flaw(&broken, &key), Flaw::Certificate(_)));
    assert_eq!(
        Authorities::from_pem(key.as_bytes()).unwrap_err(),
        Flaw::NoCertificate
    );
}

#[test]
fn a_subject_is_written_so_that_nothing_breaks_out_of_a_field() {
    let mut params = params(&[]);
    params.distinguished_name = DistinguishedName::new();
    let name = &mut params.distinguished_name;
    name.push(
        DnType::CountryName,
        DnValue::PrintableString("XX".try_into().unwrap()),
    );
    name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99_999]), "x");
    name.push(DnType::OrganizationName, " a,b+c=\"d\" ");
    name.push(DnType::CommonName, "#ä\r\nEvil: 1");
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(
        subject_of(der.der()).unwrap(),
        "CN=\\#\\C3\\A4\\0D\\0AEvil: 1,O=\\ a\\,b\\+c\\=\\\"d\\\"\\ ,1.3.6.1.4.1.99999=#0c0178,C=XX"
    );
}

#[test]
fn time_does_not_run_before_the_floor() {
    assert!(Floor::default().now() >= UNIX_EPOCH + Duration::from_secs(BUILT));
    let ahead = Floor::At(u64::from(u32::MAX) * 2);
    assert!(ahead.is_above_the_clock());
    assert!(!Floor::None.is_above_the_clock());
    assert!(Floor::None.now() <= clock::wall());
    assert_eq!(
        [
            seconds(b"1795824000"),
            seconds(b"x"),
            seconds(b"12x"),
            seconds(b"")
        ],
        [1_795_824_000, 0, 0, 0]
    );
}

proptest! {
    #[test]
    fn der_that_is_anything_is_no_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = validity(&octets);
        if let Some(text) = subject(&octets) {
            prop_assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        }
    }

    #[test]
    fn a_certificate_that_was_changed_is_no_panic(at in 0_usize..400, with: u8) {
        let (cert, key) = made(&params(&["a.example"]));
        let mut cert = cert.into_bytes();
        if let Some(octet) = cert.get_mut(at) {
            *octet = with;
        }
        let _ = Identity::from_pem(&cert, key.as_bytes());
    }
}
