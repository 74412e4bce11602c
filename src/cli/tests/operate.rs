use super::super::args::{CheckFlags, Command, Says};
use super::super::completions::Shell;
use super::super::operate::laid_out;
use super::args;

#[test]
fn json_is_laid_out_with_a_line_for_every_member() {
    let json = r#"{"a": 1,"b":[],"c":{ },"d":[1,{"e":"x, {\"y\": [\\"}],"f":null}"#;
    let expected = r#"{
  "a": 1,
  "b": [],
  "c": {},
  "d": [
    1,
    {
      "e": "x, {\"y\": [\\"
    }
  ],
  "f": null
}
"#;
    assert_eq!(laid_out(json), expected);
    assert_eq!(
        laid_out(expected),
        expected,
        "what is laid out stays as it is"
    );
}

#[test]
fn what_is_no_json_does_no_harm() {
    for text in ["", "}", "]]", "{\"", "\"\\", ",", "{[", "\u{1f30d}"] {
        assert!(laid_out(text).ends_with('\n'), "{text}");
    }
}

#[test]
fn the_commands_of_an_operator_are_understood() {
    let at = |text: &str| text.parse().unwrap();
    for (line, command) in [
        (
            "status",
            Command::Status {
                admin: at("127.0.0.1:8087"),
            },
        ),
        (
            "status --admin unix:/run/o",
            Command::Status {
                admin: at("unix:/run/o"),
            },
        ),
        (
            "reload",
            Command::Reload {
                admin: at("127.0.0.1:8087"),
            },
        ),
        (
            "reload --admin http://[::1]:9/",
            Command::Reload {
                admin: at("[::1]:9"),
            },
        ),
        ("completions fish", Command::Completions(Shell::Fish)),
        (
            "check -c a --print",
            Command::Check(CheckFlags {
                file: "a".into(),
                says: Says::Config,
            }),
        ),
        (
            "check --json --config=a",
            Command::Check(CheckFlags {
                file: "a".into(),
                says: Says::Json,
            }),
        ),
        ("help", Command::Help(None)),
        ("help completions", Command::Help(Some("completions"))),
    ] {
        assert_eq!(args(line), Ok(command), "{line}");
    }
}
