//! Queries: the first of equal names, and what decodes to what.

use super::text;
use crate::http::query::{decodes_to, first};
use proptest::prelude::*;

#[test]
fn the_first_of_equal_names_counts() {
    let check = |query: &str, name: &str, expected: Option<&str>| {
        let found = first(query.as_bytes(), name.as_bytes()).map(text);
        assert_eq!(found.as_deref(), expected, "{name} in {query}");
    };
    check("", "v", None);
    check("v", "v", Some(""));
    check("v=", "v", Some(""));
    check("v=2", "v", Some("2"));
    check("v=2&v=3", "v", Some("2"));
    check("&&a=1&v=2&", "v", Some("2"));
    check("vv=1", "v", None);
    check("V=1", "v", None);
    check("v=1=2", "v", Some("1=2"));
    check("%76=%32", "v", Some("%32"));
    check("=1", "", Some("1"));
    check("a=1", "", None);
    check("a?v=2", "v", None);
}

#[test]
fn escapes_decode_and_what_is_none_does_not() {
    for (encoded, plain, expected) in [
        ("a+b", "a b", true),
        ("a%20b", "a b", true),
        ("a%2Bb", "a+b", true),
        ("%c3%A4", "ä", true),
        ("100%", "100%", true),
        ("%zz", "%zz", true),
        ("%4", "%4", true),
        ("a", "ab", false),
        ("ab", "a", false),
        ("", "", true),
    ] {
        let decodes = decodes_to(encoded.as_bytes(), plain.as_bytes());
        assert_eq!(decodes, expected, "{encoded} {plain}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(plain in prop::collection::vec(any::<u8>(), 0..20)) {
        let encoded: String = plain.iter().map(|octet| format!("%{octet:02x}")).collect();
        prop_assert!(decodes_to(encoded.as_bytes(), &plain));
        let query = format!("x=y&{encoded}={encoded}");
        if plain != b"x" {
            prop_assert_eq!(first(query.as_bytes(), &plain), Some(encoded.as_bytes()));
        }
    }
}
