//! The walk that names sins agrees with the parser about what is clean.

use crate::http::FieldError;
use crate::http::diagnose::{has_loose_line_end, line_end_sin, section_sin};

#[test]
fn loose_line_ends_are_seen_wherever_they_are() {
    let check = |octets: &[u8], expected| {
        assert_eq!(
            has_loose_line_end(octets),
            expected,
            "{}",
            octets.escape_ascii()
        );
        assert_eq!(
            line_end_sin(octets).is_some() || octets.last() == Some(&b'\r'),
            expected
        );
    };
    check(b"", false);
    check(b"a\r\nb\r\n\r\n", false);
    check(b"\na", true);
    check(b"a\n", true);
    check(b"a\r", true);
    check(b"a\rb\r\n", true);
    check(b"a\r\r\n", true);
    check(b"a\r\n\n", true);
}

#[test]
fn a_clean_section_has_no_sin() {
    assert_eq!(section_sin(b"A: b\r\nC:\r\n\r\n"), None);
    assert_eq!(
        section_sin(b"A: b\r\n C\r\n\r\n"),
        Some(FieldError::ObsFold)
    );
    assert_eq!(section_sin(b"A b"), Some(FieldError::BadName));
    assert_eq!(section_sin(b"A"), None);
}
