use base64ct::{Base64, Encoding as _};
use proptest::prelude::*;

use super::credentials;
use crate::auth::Credentials;

fn value(pair: &[u8]) -> Vec<u8> {
    let mut room = [0; 1024];
    let token = Base64::encode(pair, &mut room).unwrap();
    format!("Basic {token}").into_bytes()
}

#[test]
fn a_name_ends_at_the_first_colon() {
    // The example of RFC 7617 §2, and the one of §2.1.
    let aladdin = Credentials::parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(aladdin, Some(credentials("Aladdin", "open sesame")));
    let test = Credentials::parse(b"Basic dGVzdDoxMjPCow==");
    assert_eq!(test, Some(credentials("test", "123£")));
    let colons = Credentials::parse(&value(b"a:b:c:"));
    assert_eq!(colons, Some(credentials("a", "b:c:")));
    assert_eq!(Credentials::parse(&value(b":")), Some(credentials("", "")));
}

#[test]
fn the_scheme_is_in_any_case() {
    for text in ["basic YTpi", "BASIC YTpi", "bAsIc   YTpi ", "Basic YTpi"] {
        assert_eq!(
            Credentials::parse(text.as_bytes()),
            Some(credentials("a", "b")),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_pair_is_nothing() {
    let long = value(&[b'a'; 400]);
    for text in [
        &b""[..],
        b"Basic",
        b"Basic ",
        b"BasicYTpi",
        b"Basic\tYTpi",
        b"Bearer YTpi",
        b"Basic YTp",
        b"Basic YTpi=",
        b"Basic YTp i",
        b"Basic YQ==",
        b"Basic \xff\xff",
        &long,
        &value(b"a\n:b"),
        &value(b"a:b\0"),
        &value(b"a:b\x7f"),
    ] {
        assert_eq!(Credentials::parse(text), None, "{}", text.escape_ascii());
    }
}

#[test]
fn names_and_passwords_have_255_octets_at_most() {
    let of = |user: usize, password: usize| {
        Credentials::parse(&value(
            format!("{}:{}", "u".repeat(user), "p".repeat(password)).as_bytes(),
        ))
    };
    assert!(of(255, 255).is_some());
    assert!(of(256, 1).is_none());
    assert!(of(1, 256).is_none());
}

#[test]
fn a_password_is_not_shown() {
    let shown = format!("{:?}", credentials("ann", "secret"));
    assert!(
        shown.contains("ann") && !shown.contains("secret"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(user in "[^:\\p{Cc}]{0,60}", password in "[^\\p{Cc}]{0,60}") {
        let read = Credentials::parse(&value(format!("{user}:{password}").as_bytes()));
        prop_assert_eq!(read, Some(credentials(&user, &password)));
    }

    #[test]
    fn any_octets_are_read_or_not(octets in proptest::collection::vec(any::<u8>(), 0..99)) {
        let _ = Credentials::parse(&octets);
        let _ = Credentials::parse(&value(&octets));
    }
}
