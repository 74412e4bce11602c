//! Names.

use super::*;
use crate::context::Label;

#[test]
fn a_label_gives_back_any_text() {
    let long = "x".repeat(100);
    for text in [
        "",
        "a",
        "GET /api/x",
        "exactly 22 octets long",
        "just over 22 octets it.",
        "größer als zweiundzwanzig",
        &long,
    ] {
        assert_eq!(Label::new(text).as_str(), text);
        assert_eq!(Label::from(text.to_owned()).as_str(), text);
        assert_eq!(Label::from_display(text).as_str(), text);
        let (head, tail) = text.split_at(text.len() / 3);
        assert_eq!(
            Label::from_display(format_args!("{head}{tail}")).as_str(),
            text
        );
    }
    assert_eq!(Label::from("static").as_str(), "static");
    assert_eq!(size_of::<Label>(), 24);
}

#[test]
fn kinds_are_kept_by_their_text() {
    let kind = |name| background().named(name, "").with_cancel().0.kind();
    assert_eq!(
        [kind("session"), kind("exchange"), kind("session")],
        ["session", "exchange", "session"]
    );
    assert_eq!(background().with_cancel().0.kind(), "cancel");
    assert_eq!((background().kind(), todo().kind()), ("background", "todo"));
}
