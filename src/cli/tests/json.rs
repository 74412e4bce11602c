use super::super::json::{Event, Value, read};

/// The events of a text, in short; `None`: it is refused.
fn events(text: &str) -> Option<String> {
    let mut out = String::new();
    let read = read(text, |event| match event {
        Event::Object => out.push('{'),
        Event::List => out.push('['),
        Event::End => out.push('.'),
        Event::Key(key) => out.push_str(&format!("{key}:")),
        Event::Value(Value::Text(text)) => out.push_str(&format!("{text:?} ")),
        Event::Value(Value::Number(number)) => out.push_str(&format!("{number} ")),
        Event::Value(Value::Bool(it)) => out.push_str(&format!("{it} ")),
        Event::Value(Value::Null) => out.push_str("null "),
    });
    read.ok().map(|()| out)
}

#[test]
fn json_is_read_piece_by_piece() {
    for (text, expected) in [
        (" {} ", "{."),
        ("[[],{}]", "[[.{.."),
        ("-0.5e+10", "-0.5e+10 "),
        (
            "{\"a\" : [1 , true,null], \"b\":\"x\"}\n",
            "{a:[1 true null .b:\"x\" .",
        ),
        (
            r#""\"\\\/\b\f\n\r\t\u00e9""#,
            r#""\"\\/\u{8}\u{c}\n\r\té" "#,
        ),
        (r#""\ud83c\udf0d""#, "\"\u{1f30d}\" "),
        (r#""\ud83cx\udf0d""#, "\"\u{fffd}x\u{fffd}\" "),
        (r#""\ud83c\u0041""#, "\"\u{fffd}A\" "),
    ] {
        assert_eq!(events(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "}",
        "]",
        "[1",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "[] []",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "-",
        "0x1",
        "nul",
        "True",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\\ud800\\u12",
        "'a'",
        "[1]]",
        "//",
        "{\"a\" 1}",
        "é",
        "[\u{a0}1]",
    ] {
        assert_eq!(events(text), None, "{text:?}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let (mut depth, mut deepest) = (0, 0);
    let read = read(&deep, |event| match event {
        Event::List => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        _ => depth -= 1,
    });
    assert_eq!((read, depth, deepest), (Ok(()), 0, 1_000_000));
}
