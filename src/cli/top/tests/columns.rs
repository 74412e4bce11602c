use std::time::Duration;

use proptest::prelude::*;

use super::super::columns::{clipped, fitted, harmless, short, whole, width};

#[test]
fn what_does_something_is_written_out() {
    for (text, expected) in [
        ("GET /x?a=b", "GET /x?a=b"),
        ("\u{1b}[2Jx\n\r\t\0", "\\u{1b}[2Jx\\u{a}\\u{d}\\u{9}\\u{0}"),
        ("\u{9b}2J\u{7f}\u{85}", "\\u{9b}2J\\u{7f}\\u{85}"),
        (
            "a\u{202e}b\u{200b}\u{feff}",
            "a\\u{202e}b\\u{200b}\\u{feff}",
        ),
        ("e\u{301}\u{ad}", "e\\u{301}\\u{ad}"),
        ("größer Ж 日本 한 \u{1f600}", "größer Ж 日本 한 \u{1f600}"),
    ] {
        assert_eq!(harmless(text), expected);
    }
}

#[test]
fn wide_characters_count_twice() {
    assert_eq!(
        (width("aé…"), width("日本"), width("\u{1f600}x")),
        (3, 4, 3)
    );
    for (text, columns, expected) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("日本語", 1, "…"),
        ("日本語", 0, ""),
        ("", 0, ""),
    ] {
        assert_eq!(clipped(text, columns), expected, "{text} in {columns}");
    }
    assert_eq!(fitted("日本語", 4, false), "日… ");
    assert_eq!(fitted("7", 3, true), "  7");
}

#[test]
fn spans_are_short() {
    for (ms, expected) in [
        (0, "0ms"),
        (999, "999ms"),
        (4_987, "4.98s"),
        (59_999, "59.99s"),
        (182_000, "3m02s"),
        (3_900_000, "1h05m"),
        (183_600_000, "2d03h"),
    ] {
        assert_eq!(short(Duration::from_millis(ms)), expected);
    }
    let whole = |secs| whole(Duration::from_secs(secs));
    assert_eq!([whole(0), whole(59), whole(182)], ["0s", "59s", "3m02s"]);
}

proptest! {
    #[test]
    fn any_text_fits_where_it_must(text in any::<String>(), columns in 0..40_usize, is_right: bool) {
        let text = harmless(&text);
        prop_assert!(!text.contains(char::is_control));
        prop_assert_eq!(harmless(&text), text.clone());
        prop_assert_eq!(width(&fitted(&text, columns, is_right)), columns);
        prop_assert!(width(&clipped(&text, columns)) <= columns);
    }
}
