use std::time::Duration;

use super::super::args::{CheckFlags, Command, Form, Says, Sort, TopFlags, TreeFlags};
use super::super::completions::Shell;
use super::super::operate::{laid_out, tree_path};
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
fn the_flags_of_tree_are_what_is_asked_for() {
    for (line, path) in [
        ("tree", "/tree"),
        ("tree --json", "/tree.json"),
        ("tree --dot --depth 0", "/tree.dot?depth=0"),
        (
            "tree --max 5 --mermaid --root 17 --depth 2",
            "/tree.mmd?root=17&depth=2&max=5",
        ),
        (
            "tree --root=18446744073709551615",
            "/tree?root=18446744073709551615",
        ),
    ] {
        let Ok(Command::Tree(flags)) = args(line) else {
            panic!("{line}: {:?}", args(line))
        };
        assert_eq!(tree_path(&flags), path, "{line}");
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
        (
            "tree --admin unix:/run/o --dot",
            Command::Tree(TreeFlags {
                admin: at("unix:/run/o"),
                form: Form::Dot,
                root: None,
                depth: None,
                max: None,
            }),
        ),
        (
            "top",
            Command::Top(TopFlags {
                admin: at("127.0.0.1:8087"),
                sort: Sort::Age,
                interval: Duration::from_secs(1),
                is_once: false,
            }),
        ),
        (
            "top --once --by budget --interval 250ms --admin http://127.0.0.1:9",
            Command::Top(TopFlags {
                admin: at("127.0.0.1:9"),
                sort: Sort::Budget,
                interval: Duration::from_millis(250),
                is_once: true,
            }),
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
