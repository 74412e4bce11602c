//! Field lines: entering, finding, listing, taking out.

use super::text;
use crate::http::{FieldError, Fields, Name};

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value).unwrap();
    }
    fields
}

fn shown(fields: &Fields) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", text(name), text(value)))
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn what_is_no_field_does_not_enter() {
    let check = |name: &str, value: &str, sin| {
        let mut fields = Fields::new();
        assert_eq!(fields.push(name, value), Err(sin), "{name}: {value}");
        assert!(fields.is_empty());
    };
    check("", "a", FieldError::EmptyName);
    check("A ", "a", FieldError::SpaceBeforeColon);
    check("A\tB", "a", FieldError::BadName);
    check("A(", "a", FieldError::BadName);
    check("Ä", "a", FieldError::BadName);
    check("A", "a\r\nB: c", FieldError::BareCr);
    check("A", "a\nB: c", FieldError::BareLf);
    check("A", "a\0", FieldError::NulInValue);
    check("A", "a\x7f", FieldError::ControlInValue);
    check("A", "a\x0b", FieldError::ControlInValue);
}

#[test]
fn white_space_around_a_value_is_not_part_of_it() {
    let mut fields = fields(&[("A", " \t b \t c \t "), ("B", ""), ("C", "  ")]);
    assert_eq!(shown(&fields), "A=b \\t c|B=|C=");
    fields.push("D", "\u{e4}").unwrap();
    assert_eq!(fields.get("d"), Some("\u{e4}".as_bytes()));
}

#[test]
fn names_are_found_in_any_case_and_values_in_order() {
    let fields = fields(&[("Host", "a"), ("x-a", "1"), ("X-A", "2"), ("X-B", "3")]);
    assert_eq!(fields.get("HOST"), Some(&b"a"[..]));
    assert_eq!(fields.first(Name::Host), Some(&b"a"[..]));
    assert_eq!(fields.get_all("x-A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((fields.get("X-C"), fields.get("Via")), (None, None));
    assert!(fields.has(Name::Host) && !fields.has(Name::Via));
}

#[test]
fn set_replaces_all_in_the_place_of_the_first() {
    let mut fields = fields(&[("A", "1"), ("B", "2"), ("a", "3"), ("C", "4")]);
    fields.set("A", "new").unwrap();
    assert_eq!(shown(&fields), "A=new|B=2|C=4");
    fields.set("D", "5").unwrap();
    assert_eq!(shown(&fields), "A=new|B=2|C=4|D=5");
    assert!(fields.set("B", "x\n").is_err());
    assert_eq!(shown(&fields), "A=new|B=2|C=4|D=5");
    fields.set("Host", "h").unwrap();
    fields.set("host", "i").unwrap();
    assert_eq!(fields.all(Name::Host).collect::<Vec<_>>(), [b"i"]);
}

#[test]
fn remove_and_retain_take_out() {
    let mut fields = fields(&[
        ("A", "1"),
        ("Via", "x"),
        ("a", "2"),
        ("via", "y"),
        ("B", "3"),
    ]);
    assert_eq!(
        (fields.remove("A"), fields.remove("A"), fields.remove("VIA")),
        (2, 0, 2)
    );
    assert!(!fields.has(Name::Via));
    fields.push("Date", "now").unwrap();
    fields.retain(|name, _| name != b"B" && name != b"Date");
    assert!(fields.is_empty() && !fields.has(Name::Date));
    fields.push("B", "again").unwrap();
    assert_eq!(fields.len(), 1);
}

#[test]
fn lists_split_at_commas_outside_quotes() {
    let check = |lines: &[(&str, &str)], expected: &[&str]| {
        let fields = fields(lines);
        let items: Vec<_> = fields
            .list("L")
            .map(|item| String::from_utf8_lossy(item).into_owned())
            .collect();
        assert_eq!(items, expected);
    };
    check(&[("L", "a, b,c")], &["a", "b", "c"]);
    check(&[("L", ",, a ,\t, b,")], &["a", "b"]);
    check(&[("L", "")], &[]);
    check(&[("L", "a"), ("M", "x"), ("l", "b, c")], &["a", "b", "c"]);
    check(&[("L", r#"a;x="b, c", d"#)], &[r#"a;x="b, c""#, "d"]);
    check(&[("L", r#""a\", b", c"#)], &[r#""a\", b""#, "c"]);
    check(&[("L", r#""open, a"#), ("L", "b")], &[r#""open, a"#, "b"]);
}

#[test]
fn tokens_match_whole_items_only() {
    let fields = fields(&[("Connection", ""), ("Connection", "keep-alive, Upgrade")]);
    assert!(fields.contains_token("connection", "upgrade"));
    assert!(!fields.contains_token("connection", "upgrad"));
    assert!(!fields.contains_token("connection", "grade"));
}

#[test]
fn known_names_are_classified_in_any_case() {
    let check = |name: &str, kind| {
        assert_eq!(Name::of(name.as_bytes()), kind, "{name}");
        assert_eq!(Name::of(name.to_uppercase().as_bytes()), kind, "{name}");
    };
    check("te", Name::Te);
    check("via", Name::Via);
    check("host", Name::Host);
    check("content-length", Name::ContentLength);
    check("transfer-encoding", Name::TransferEncoding);
    check("proxy-authorization", Name::ProxyAuthorization);
    check("x-forwarded-for", Name::XForwardedFor);
    check("x-forwarded-prefix", Name::XForwardedOther);
    check("x-forwarded-", Name::XForwardedOther);
    check("x-forwarded", Name::Other);
    check("hosts", Name::Other);
    check("transfer_encoding", Name::Other);
}

#[test]
fn recycling_keeps_the_lines_apart() {
    let (mut one, two) = (fields(&[("A", "1"), ("B", "2")]), fields(&[("C", "3")]));
    one.clone_from(&two);
    assert_eq!(one, two);
    one.clear();
    assert!(one.is_empty() && one.get("C").is_none());
    assert_eq!(format!("{two:?}"), r#"{"C": "3"}"#);
}
