//! The path that routes see, beside a transcription of the RFC.

use super::text;
use crate::http::path::{
    differs, has_encoded_separator, is_normal, normalise, normalise_path, strip,
};
use proptest::prelude::*;

#[test]
fn one_spelling_for_all_that_mean_the_same() {
    let check = |path: &str, expected: &str| {
        let mut out = b"kept".to_vec();
        normalise_path(path.as_bytes(), &mut out);
        assert_eq!(text(&out), format!("kept{expected}"), "{path}");
        assert_eq!(is_normal(path.as_bytes()), path == expected, "{path}");
    };
    check("", "/");
    check("/", "/");
    check("/a/b", "/a/b");
    check("/a/b/", "/a/b/");
    check("//a///b//", "/a/b/");
    check("/a/./b/../c", "/a/c");
    check("/a/..", "/");
    check("/a/.", "/a/");
    check("/../../a", "/a");
    check("/..", "/");
    check("/a//../b", "/b");
    check("/%61/%2e%2E/b", "/b");
    check("/.%2e/a", "/a");
    check("/a%2fb", "/a%2Fb");
    check("/a%2F..%2Fb", "/a%2F..%2Fb");
    check("/%5c%3a", "/%5C%3A");
    check("/%7euser", "/~user");
    check("/%2541", "/%2541");
    check("/a/%00", "/a/%00");
    check("/...", "/...");
    check("/.a", "/.a");
    check("/..a/b..", "/..a/b..");
    check("/a;p=1/b", "/a;p=1/b");
}

#[test]
fn a_normal_path_is_used_where_it_lies() {
    let mut buffer = b"before".to_vec();
    let path = b"/a/%2F/b/";
    assert_eq!(normalise(path, &mut buffer).as_ptr(), path.as_ptr());
    assert_eq!(buffer, b"before", "not even looked at");
    assert_eq!(normalise(b"/a/../b", &mut buffer), b"/b");
}

#[test]
fn encoded_separators_are_seen() {
    for (path, is_hidden) in [
        ("/a", false),
        ("/a%2Fb", true),
        ("/a%5c", true),
        ("/%00", true),
        ("/a\\b", true),
        ("/%20", false),
        ("/%252F", false),
    ] {
        assert_eq!(has_encoded_separator(path.as_bytes()), is_hidden, "{path}");
    }
}

#[test]
fn a_prefix_is_stripped_at_a_segment() {
    let check = |path: &str, prefix: &str, expected: &str| {
        let left = strip(path.as_bytes(), prefix.as_bytes());
        assert_eq!(text(left), expected, "{path} without {prefix}");
    };
    check("/api/x", "/api", "/x");
    check("/api/x", "/api/", "/x");
    check("/api", "/api", "/");
    check("/api", "/api/", "/");
    check("/api/", "/api", "/");
    check("/api/x/", "/api", "/x/");
    check("/apix", "/api", "/apix");
    check("/x/api", "/api", "/x/api");
    check("/x", "/", "/x");
    check("/x", "", "/x");
    check("*", "/api", "*");
}

/// Paths in which everything that is special is common; all escapes are whole.
fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "a", "b", "%2e", "%2E", "%2f", "%2F", "%5c", "%00", "%41", "%7e",
        "%25", "%c3", "%20", "~", ";", "\\",
    ]);
    prop::collection::vec(part, 0..16).prop_map(|parts| format!("/{}", parts.concat()))
}

/// RFC 3986 §6.2.2.1 and §6.2.2.2, then the house rule, then §5.2.4 word by word.
fn reference(path: &str) -> String {
    let mut decoded = String::new();
    let mut rest = path;
    while let Some(octet) = rest.chars().next() {
        if octet != '%' {
            decoded.push(octet);
            rest = &rest[1..];
            continue;
        }
        let value = u8::from_str_radix(&rest[1..3], 16).unwrap();
        let shown = char::from(value);
        if shown.is_ascii_alphanumeric() || "-._~".contains(shown) {
            decoded.push(shown);
        } else {
            decoded.push_str(&rest[..3].to_uppercase());
        }
        rest = &rest[3..];
    }
    while decoded.contains("//") {
        decoded = decoded.replace("//", "/");
    }
    remove_dot_segments(decoded)
}

/// RFC 3986 §5.2.4, steps 2A to 2E.
fn remove_dot_segments(mut input: String) -> String {
    let mut output = String::new();
    while !input.is_empty() {
        if let Some(rest) = input
            .strip_prefix("../")
            .or_else(|| input.strip_prefix("./"))
        {
            input = rest.to_owned();
        } else if let Some(rest) = input.strip_prefix("/./") {
            input = format!("/{rest}");
        } else if input == "/." {
            input = "/".to_owned();
        } else if let Some(rest) = input.strip_prefix("/../") {
            input = format!("/{rest}");
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "/.." {
            input = "/".to_owned();
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output.push_str(&input[..end]);
            input = input[end..].to_owned();
        }
    }
    output
}

proptest! {
    #[test]
    fn normalising_agrees_with_the_rfc(path in path()) {
        let mut buffer = Vec::new();
        prop_assert_eq!(text(normalise(path.as_bytes(), &mut buffer)), text(reference(&path).as_bytes()));
    }

    #[test]
    fn normalising_twice_is_normalising_once(path in path()) {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        normalise_path(path.as_bytes(), &mut once);
        normalise_path(&once, &mut twice);
        prop_assert_eq!(text(&once), text(&twice));
        prop_assert!(is_normal(&once));
        prop_assert!(once.len() <= path.len());
    }

    #[test]
    fn being_normal_is_not_being_changed(path in path()) {
        let mut out = Vec::new();
        normalise_path(path.as_bytes(), &mut out);
        prop_assert_eq!(is_normal(path.as_bytes()), out == path.as_bytes());
        prop_assert_eq!(differs(path.as_bytes()), out != path.as_bytes());
    }

    #[test]
    fn nothing_leaves_the_root(path in path(), below in path()) {
        let mut out = b"/root".to_vec();
        normalise_path(format!("{path}/../..{below}").as_bytes(), &mut out);
        prop_assert!(out.starts_with(b"/root/"));
        prop_assert!(out.split(|octet| *octet == b'/').all(|segment| segment != b".." && segment != b"."));
    }

    #[test]
    fn separators_are_neither_made_nor_lost(path in path()) {
        let mut out = Vec::new();
        normalise_path(path.as_bytes(), &mut out);
        if has_encoded_separator(&out) {
            prop_assert!(has_encoded_separator(path.as_bytes()));
        }
    }

    #[test]
    fn what_is_stripped_of_a_normal_path_leaves_one(path in path(), prefix in path()) {
        let (mut path_buffer, mut prefix_buffer) = (Vec::new(), Vec::new());
        let path = normalise(path.as_bytes(), &mut path_buffer);
        let prefix = normalise(prefix.as_bytes(), &mut prefix_buffer);
        prop_assert!(is_normal(strip(path, prefix)));
    }

    #[test]
    fn arbitrary_octets_do_no_harm(input in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut out = Vec::new();
        normalise_path(&input, &mut out);
        let _ = (is_normal(&input), has_encoded_separator(&input), strip(&input, &out));
    }
}
