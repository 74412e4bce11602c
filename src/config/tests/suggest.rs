use super::super::suggest::{distance, nearest};

#[test]
fn distance_counts_letters_changed_added_removed_and_swapped() {
    for (from, to, letters) in [
        ("", "", 0),
        ("retry", "retry", 0),
        ("Retry", "rETRY", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("requst", "request", 1),
        ("requestt", "request", 1),
        ("reqzest", "request", 1),
        ("reqeust", "request", 1),
        ("kitten", "sitting", 3),
        ("größe", "grösse", 2),
        ("日本", "日本語", 1),
    ] {
        assert_eq!(distance(from, to), letters, "{from} → {to}");
        assert_eq!(distance(to, from), letters, "{to} → {from}");
    }
}

#[test]
fn a_near_name_is_meant_and_a_far_one_is_not() {
    let keys = [
        "retry",
        "request_id",
        "to",
        "timeouts",
        "host",
        "host_header",
        "header",
    ];
    for (word, meant) in [
        ("reties", Some("retry")),
        ("timeout", Some("timeouts")),
        ("headers", Some("header")),
        ("host-header", Some("host_header")),
        ("HOST", Some("host")),
        ("ot", Some("to")),
        ("t", Some("to")),
        ("request", Some("request_id")),
        ("cache", None),
        ("x", None),
        ("", None),
        ("日本", None),
    ] {
        assert_eq!(nearest(word, keys), meant, "{word}");
    }
    assert_eq!(nearest("abc", []), None);
    assert_eq!(
        nearest("ab", ["aa", "bb"]),
        Some("aa"),
        "of equally near ones the first"
    );
}

#[test]
fn very_long_words_are_like_nothing() {
    let word = "a".repeat(100_000);
    assert_eq!(nearest(&word, ["aaaa"]), None);
    assert_eq!(nearest("aaaa", [word.as_str()]), None);
}
