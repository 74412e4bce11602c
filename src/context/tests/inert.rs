//! A label is text in every form of the view: it neither ends what it stands in nor does anything there, and nothing of
//! it is lost. Each form is read back here by a reader of its own, as strict as the language asks for.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::context::{Label, View, ViewOptions};

/// What labels are made of by somebody who wants more than a label.
const EVIL: [&str; 24] = [
    "",
    "\n",
    "a line\r\nand\tanother",
    "\u{1b}]0;a title\u{7}\u{1b}[2J\u{1b}[H",
    "\u{9b}2J\u{85}\0\u{7f}",
    "\"quotes\" and 'quotes'",
    "\", fillcolor=\"red\"]; n1 -> n2; //",
    "back\\slash \\n \\\" \\",
    "\\",
    "\\N \\G \\l",
    "`code` **strong** [a](http://b)",
    "[a]{b}(c)|d|>e]",
    "\"]:::canceled",
    "end\n    n1 --> n2",
    "<b>bold</b><script>alert(1)</script>",
    "</pre><!--",
    "&lt; &#60; #60; #quot; &amp;",
    "%%{init: {'theme': 'dark'}}%%",
    "%% a comment",
    "style n1 fill:#f00; classDef live fill:#f00;",
    "\u{202e}gnp.exe \u{2066}x\u{2069} \u{2028}y\u{2029}",
    "größer 日本語 \u{1f30d} e\u{301}",
    "$(touch x) $HOME -- --help",
    "\u{feff}\u{200b}\u{ad}",
];

/// A root, and below it a node with this label that was cancelled for this reason.
struct Scene {
    view: View,
    id: u64,
    _handles: Vec<Cancel>,
}

fn scene(label: &str, reason: &str) -> Scene {
    let (root, keep) = background().named("server", "test").with_cancel();
    let (ctx, cancel) = root.named("exchange", Label::new(label)).with_cancel();
    let (_below, also) = ctx.named("attempt", Label::new(label)).with_cancel();
    cancel.cancel_because(reason.to_owned());
    Scene {
        view: View::of(&root, &ViewOptions::default()),
        id: ctx.id(),
        _handles: vec![keep, cancel, also],
    }
}

/// A line of text that does nothing but stand there.
fn assert_plain(line: &str) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    assert!(!line.contains(acts), "{line:?}");
}

fn text_is_plain(scene: &Scene) {
    let text = scene.view.to_text();
    assert_eq!(text.lines().count(), 3, "{text:?}");
    text.split_terminator('\n').for_each(assert_plain);
}

/// What the text says of each node: its title and its note.
fn said(view: &View) -> BTreeMap<u64, (String, String)> {
    let text = view.to_text();
    let nodes = view.nodes().iter().map(|node| {
        let (title, note) = (node.title().to_string(), node.note().to_string());
        assert!(text.contains(&format!("{title}  {note}\n")), "{text}");
        (node.id, (title, note))
    });
    nodes.collect()
}

/// RFC 8259, for strings: what follows the quote, and what is behind it.
fn json_string(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.strip_prefix('"').unwrap().chars();
    loop {
        match chars.next().unwrap() {
            '"' => return (out, chars.as_str()),
            '\\' => match chars.next().unwrap() {
                c @ ('"' | '\\' | '/') => out.push(c),
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = u32::from_str_radix(&digits, 16).unwrap();
                    out.push(char::from_u32(unit).unwrap());
                }
                c => panic!("\\{c} is no escape of ours"),
            },
            c => {
                assert!(c >= ' ' && c != '<', "{text:?}");
                out.push(c);
            }
        }
    }
}

/// Reads the members of the node with this id, and sees that what is behind its strings goes on as it must.
fn json_gives_back(scene: &Scene, label: &str, reason: &str) {
    let json = scene.view.to_json();
    let front = format!("{{\"id\":{},\"kind\":\"exchange\",\"label\":", scene.id);
    let (_, rest) = json.split_once(&front).unwrap();
    let (read, rest) = json_string(rest);
    assert_eq!(read, label);
    let rest = rest
        .strip_prefix(",\"state\":\"canceled\",\"age_ms\":")
        .unwrap();
    let (_, rest) = rest.split_once(",\"cause\":").unwrap();
    let (cause, rest) = json_string(rest);
    assert!(rest.starts_with(",\"waiters\":0,\"children\":[{"), "{rest}");
    assert_plain(&cause);
    if reason.chars().all(|c| c.is_ascii_graphic()) {
        assert!(cause.contains(reason), "{cause}");
    }
}

/// A statement of DOT's grammar that is a node with attributes: its name, and they, with quoted strings taken apart as
/// the lexer does: a backslash takes the next character with it, and nothing else ends one but a quote.
fn dot_node(line: &str) -> Option<(u64, BTreeMap<String, String>)> {
    let rest = line.trim_start().strip_prefix('n')?;
    let (id, rest) = rest.split_once(" [")?;
    let id = id.parse().ok()?;
    let mut rest = rest;
    let mut attributes = BTreeMap::new();
    loop {
        let (name, behind) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = behind.chars();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => value.extend(['\\', chars.next().unwrap()]),
                c => value.push(c),
            }
        }
        attributes.insert(name.to_owned(), value);
        rest = chars.as_str();
        match rest.strip_prefix(", ") {
            Some(behind) => rest = behind,
            None => {
                assert_eq!(rest, "];");
                return Some((id, attributes));
            }
        }
    }
}

/// What Graphviz draws for a label: `escString` first, then character references.
fn dot_drawn(label: &str) -> String {
    let mut out = String::new();
    let mut chars = label.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().unwrap() {
                'n' => out.push('\n'),
                c @ ('\\' | '"') => out.push(c),
                c => panic!("\\{c} would be replaced by something"),
            },
            c => out.push(c),
        }
    }
    // The only reference that there may be.
    for (at, _) in out.match_indices('&') {
        assert!(out[at..].starts_with("&amp;"), "{out}");
    }
    out.replace("&amp;", "&")
}

fn dot_draws_what_text_says(scene: &Scene) {
    let dot = scene.view.to_dot();
    let inner = dot.strip_prefix("digraph context {\n").unwrap();
    let inner = inner.strip_suffix("}\n").unwrap();
    let mut nodes = BTreeMap::new();
    for line in inner.lines().skip(1) {
        assert_plain(line);
        match dot_node(line) {
            Some((id, attributes)) => {
                assert!(attributes["fillcolor"].starts_with('#'));
                assert_eq!(attributes.len(), 2);
                let drawn = dot_drawn(&attributes["label"]);
                let (title, note) = drawn.split_once('\n').unwrap();
                nodes.insert(id, (title.to_owned(), note.to_owned()));
            }
            None => {
                let edge = line.trim_start().strip_suffix(';').unwrap();
                let ends = edge.split_once(" -> ").unwrap();
                let is_name = |name: &str| name[1..].parse::<u64>().is_ok();
                assert!(is_name(ends.0) && is_name(ends.1), "{line}");
            }
        }
    }
    assert_eq!(nodes, said(&scene.view));
}

/// What Mermaid draws for one line of a label. It may hold letters, blanks, a few signs that mean nothing in any pattern
/// of Mermaid's, and numbered entities.
fn mermaid_drawn(label: &str) -> String {
    let mut out = String::new();
    let mut rest = label;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '#' {
            assert!(
                c.is_alphanumeric() || " /.,-?=+()".contains(c),
                "{c:?} in {label:?}"
            );
            out.push(c);
            continue;
        }
        let (number, behind) = rest.split_once(';').unwrap();
        out.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = behind;
    }
    out
}

fn mermaid_draws_what_text_says(scene: &Scene) {
    let mermaid = scene.view.to_mermaid();
    let mut nodes = BTreeMap::new();
    for line in mermaid.lines() {
        assert_plain(line);
        let Some((id, rest)) = line
            .strip_prefix("    n")
            .and_then(|it| it.split_once("[\""))
        else {
            continue;
        };
        let (label, class) = rest.split_once("\"]:::").unwrap();
        assert!(class.bytes().all(|octet| octet.is_ascii_lowercase()));
        let (title, note) = label.split_once("<br/>").unwrap();
        nodes.insert(
            id.parse().unwrap(),
            (mermaid_drawn(title), mermaid_drawn(note)),
        );
    }
    assert_eq!(nodes, said(&scene.view));
}

fn tsv_gives_back(scene: &Scene, label: &str) {
    let tsv = scene.view.to_tsv();
    assert_eq!(tsv.matches('\n').count(), 3, "{tsv:?}");
    for line in tsv.split_terminator('\n') {
        assert_plain(&line.replace('\t', " "));
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 9, "{line:?}");
        if fields[1] != scene.id.to_string() {
            continue;
        }
        let mut read = String::new();
        let mut rest = fields[8];
        while let Some((plain, escaped)) = rest.split_once("\\u{") {
            let (number, behind) = escaped.split_once('}').unwrap();
            read.push_str(plain);
            read.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            rest = behind;
        }
        assert!(!rest.contains('\\'));
        read.push_str(rest);
        assert_eq!(read, if label.is_empty() { "-" } else { label });
    }
}

fn each(check: impl Fn(&Scene, &str, &str)) {
    for label in EVIL {
        check(&scene(label, "because"), label, "because");
        check(&scene("plain", label), "plain", label);
    }
}

#[test]
fn text_has_a_line_a_node_whatever_the_label() {
    each(|scene, _, _| text_is_plain(scene));
    let text = scene("a\u{1b}[2J\nb\u{202e}", "why").view.to_text();
    assert!(text.contains("a\\u{1b}[2J\\nb\\u{202e}"), "{text}");
}

#[test]
fn json_gives_back_every_label() {
    each(json_gives_back);
}

#[test]
fn dot_draws_every_label() {
    each(|scene, _, _| dot_draws_what_text_says(scene));
}

#[test]
fn mermaid_draws_every_label() {
    each(|scene, _, _| mermaid_draws_what_text_says(scene));
}

#[test]
fn tsv_gives_back_every_label() {
    each(|scene, label, _| tsv_gives_back(scene, label));
}

#[test]
fn what_is_printed_of_a_context_is_one_line() {
    for label in EVIL {
        let (ctx, cancel) = background()
            .named("exchange", Label::new(label))
            .with_cancel();
        assert_plain(&ctx.to_string());
        cancel.cancel_because(label.to_owned());
        let cause = ctx.cause().unwrap();
        assert_plain(&cause.to_string());
        assert_plain(&cause.brief().to_string());
    }
}

proptest! {
    #[test]
    fn any_label_at_all_is_inert(label in any::<String>(), reason in any::<String>()) {
        let scene = scene(&label, &reason);
        text_is_plain(&scene);
        json_gives_back(&scene, &label, &reason);
        dot_draws_what_text_says(&scene);
        mermaid_draws_what_text_says(&scene);
        tsv_gives_back(&scene, &label);
    }
}
