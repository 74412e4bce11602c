use super::super::diagnostic::{Diagnostic, Report, SHOWN_MAX, Span, line_of};
use super::{read_octets, read_text};

fn span(text: &str, part: &str) -> Span {
    let start = text.find(part).unwrap();
    Span {
        start,
        end: start + part.len(),
    }
}

/// What is shown of one error at `part` of `text`: the line, and what stands under it.
fn shown(text: &str, at: Span) -> (String, String) {
    let report = Report::new("f", text, vec![Diagnostic::error(at, "m").label("l")]);
    let rendered = report.render(false);
    let mut lines = rendered.lines().skip(3);
    let behind = |line: &str| {
        let (_, behind) = line.split_once('|').unwrap();
        behind.strip_prefix(' ').unwrap_or(behind).to_owned()
    };
    let (line, caret) = (lines.next().unwrap(), lines.next().unwrap());
    (behind(line), behind(caret))
}

#[track_caller]
fn check(text: &str, part: &str, line: &str, caret: &str) {
    let (shown, under) = shown(text, span(text, part));
    assert_eq!((shown.as_str(), under.as_str()), (line, caret));
}

#[test]
fn the_caret_stands_under_what_is_meant() {
    check("a = 1\nbc = 2\n", "bc", "bc = 2", "^^ l");
    check("bc = 234", "234", "bc = 234", "     ^^^ l");
    // Under a tab is a tab, however wide the terminal makes it.
    check("\ta\t= 1", "= 1", "\ta\t= 1", "\t \t^^^ l");
    // Wide characters take two cells, combining ones none.
    check("日本 = x", "x", "日本 = x", "       ^ l");
    check("日本 = x", "日本", "日本 = x", "^^^^ l");
    check("e\u{301} = x", "x", "e\u{301} = x", "    ^ l");
    check("ü = x", "x", "ü = x", "    ^ l");
    check("🌍 = x", "x", "🌍 = x", "     ^ l");
}

#[test]
fn a_span_of_several_lines_is_marked_on_its_first() {
    check("a = [\n1,\n]\nb", "[\n1,\n]", "a = [", "    ^ l");
    check("a = [  \r\n1]", "[  \r\n1]", "a = [", "    ^^^ l");
}

#[test]
fn the_end_of_the_file_is_a_place_too() {
    for (text, line, caret) in [
        ("a =", "a =", "   ^ l"),
        ("a =\n", "", "^ l"),
        ("a =\r\n", "", "^ l"),
        ("a =\n\n", "", "^ l"),
    ] {
        let at = Span::at(text.len());
        assert_eq!(
            shown(text, at),
            (line.to_owned(), caret.to_owned()),
            "{text:?}"
        );
        // Beyond the end there is nothing else.
        let beyond = Span {
            start: text.len() + 7,
            end: usize::MAX,
        };
        assert_eq!(shown(text, beyond), shown(text, at), "{text:?}");
    }
}

#[test]
fn a_span_within_a_character_is_that_character() {
    let at = Span { start: 1, end: 2 };
    assert_eq!(shown("日本", at), ("日本".to_owned(), "^^ l".to_owned()));
}

#[test]
fn what_is_said_of_the_whole_file_shows_no_line() {
    let whole = Diagnostic::error(Span::at(0), "m").help("h");
    let said = Report::new("f", "a = 1\n", vec![whole]).render(false);
    assert_eq!(said, "error: m\n --> f:1:1\n  = help: h\n");
}

#[test]
fn of_a_long_line_the_part_around_the_caret_is_shown() {
    let text = format!("{} = 1\n{}X{}\n", "a", "日".repeat(500), "b".repeat(500));
    let (line, caret) = shown(&text, span(&text, "X"));
    assert!(line.starts_with('…') && line.ends_with('…') && line.contains("日X"));
    assert!(line.chars().count() < 170, "{}", line.chars().count());
    // The caret's column in cells is the X's.
    let before = line.split('X').next().unwrap();
    let cells: usize = before
        .chars()
        .map(|char| if char == '日' { 2 } else { 1 })
        .sum();
    assert_eq!(caret, format!("{}^ l", " ".repeat(cells)));
    // What is longer than what is shown is marked as far as it is shown.
    let (line, caret) = shown(&text, span(&text, &"b".repeat(500)));
    assert!(caret.trim_start().trim_end_matches(" l").len() <= line.chars().count());
}

#[test]
fn nothing_in_a_file_speaks_to_the_terminal() {
    let text = "a\u{1b}[31mb\u{202e}c\u{9b}d\u{7f} = 1";
    let list = vec![
        Diagnostic::error(
            Span {
                start: 0,
                end: text.len(),
            },
            text,
        )
        .label(text)
        .help(text),
    ];
    let said = Report::new("na\u{1b}me", text, list).render(false);
    let odd = said.chars().find(|char| char.is_control() && *char != '\n');
    assert_eq!(odd, None);
    assert!(!said.contains('\u{202e}'));
}

#[test]
fn colours_only_add() {
    let text = "workers = 0\nuser = \"a b\"\n";
    let report = read_text(text).report;
    let mut coloured = report.render(true);
    assert!(coloured.contains("\x1b[1;31merror\x1b[0m"));
    while let Some(at) = coloured.find('\x1b') {
        let end = coloured[at..].find('m').unwrap();
        coloured.replace_range(at..=at + end, "");
    }
    assert_eq!(coloured, report.render(false));
}

#[test]
fn at_most_twenty_errors_are_shown_and_the_rest_counted_but_data_has_them_all() {
    let with = |count: usize| {
        let keys = (0..count).map(|number| format!("k{number} = 1\n"));
        let base = "[[listen]]\naddr = \":80\"\n[[route]]\nto = \"a:1\"\n";
        read_text(&(keys.collect::<String>() + base)).report
    };
    for (count, more) in [
        (20, None),
        (21, Some("\nand 1 more error\n")),
        (50, Some("\nand 30 more errors\n")),
    ] {
        let report = with(count);
        let said = report.render(false);
        assert_eq!(said.matches("error: ").count(), SHOWN_MAX);
        match more {
            Some(more) => assert!(said.ends_with(more), "{said}"),
            None => assert!(!said.contains("more error")),
        }
        assert_eq!(
            report.json().matches("\"severity\": \"error\"").count(),
            count
        );
    }
}

#[test]
fn errors_come_first_and_each_kind_in_the_order_of_the_file() {
    let text = "[[listen]]\naddr = \":80\"\n[upstream.a]\nto = \"a:1\"\n[upstream.b]\nto = \"b:1\"\n\
                [[route]]\nto = \"nowhere\"\nvia = 1\nfoo = 1\n";
    let said = read_text(text).report.render(false);
    let places: Vec<_> = said.lines().filter(|line| line.contains("-->")).collect();
    let places: Vec<_> = places.iter().map(|line| line.trim()).collect();
    let places: Vec<_> = places
        .iter()
        .map(|line| line.trim_start_matches("--> test.toml:"))
        .collect();
    assert_eq!(places, ["8:7", "9:7", "10:1", "3:11", "5:11"]);
}

#[test]
fn data_says_line_column_and_length_in_characters() {
    let report =
        read_text("user = \"日本 b\"\n[[listen]]\naddr = \":80\"\n[[route]]\nto = \"a:1\"\n")
            .report;
    assert_eq!(
        report.json(),
        "[\n  {\"severity\": \"error\", \"message\": \"`user` cannot be `日本 b`\", \"file\": \"test.toml\", \
         \"line\": 1, \"column\": 9, \"length\": 4, \"label\": \"expected the name of an account\", \"help\": \"\"}\n]\n"
    );
    assert_eq!(
        report.position(report.diagnostics()[0].span),
        "test.toml:1:9"
    );
    assert_eq!(
        read_text("[[listen]]\naddr = \":80\"\n[[route]]\nto = \"a:1\"\n")
            .report
            .json(),
        "[]\n"
    );
}

#[test]
fn data_is_json_whatever_the_file_is() {
    for octets in [
        &b"\"a\\\"\\\\\\u0007\" = 1\n"[..],
        b"user = \"a\tb\\n\"",
        b"\xff\xfe\0",
        b"",
        b"a = \x01",
    ] {
        let json = read_octets("na\"me\\\n.toml", octets).report.json();
        assert_eq!(json_end(&json, 0), Some(json.len() - 1), "{json}");
    }
}

/// Where the JSON value that starts at `at` ends (RFC 8259); `None`: it is none.
pub(super) fn json_end(text: &str, at: usize) -> Option<usize> {
    let octets = text.as_bytes();
    let blank = |mut at: usize| {
        while matches!(octets.get(at), Some(b' ' | b'\n')) {
            at += 1;
        }
        at
    };
    match octets.get(at)? {
        open @ (b'[' | b'{') => {
            let close = if *open == b'[' { b']' } else { b'}' };
            let mut at = blank(at + 1);
            if octets.get(at) == Some(&close) {
                return Some(at + 1);
            }
            loop {
                if *open == b'{' {
                    let behind = json_end(text, at).filter(|_| octets.get(at) == Some(&b'"'))?;
                    at = blank(behind + usize::from(octets.get(behind) == Some(&b':')));
                }
                at = blank(json_end(text, at)?);
                match octets.get(at)? {
                    b',' => at = blank(at + 1),
                    end if *end == close => return Some(at + 1),
                    _ => return None,
                }
            }
        }
        b'"' => {
            let mut at = at + 1;
            loop {
                match octets.get(at)? {
                    b'"' => return Some(at + 1),
                    b'\\' => match octets.get(at + 1)? {
                        b'u' => {
                            let digits = octets.get(at + 2..at + 6)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                            at += 6;
                        }
                        b'"' | b'\\' | b'n' | b'r' | b't' => at += 2,
                        _ => return None,
                    },
                    0..=31 => return None,
                    _ => at += 1,
                }
            }
        }
        b'0'..=b'9' => {
            let digits = octets[at..]
                .iter()
                .take_while(|octet| octet.is_ascii_digit());
            Some(at + digits.count())
        }
        _ => None,
    }
}

#[test]
fn lines_are_counted_from_one() {
    let text = "a\nb\r\n\nc";
    let lines = [
        (0, 1),
        (1, 1),
        (2, 2),
        (4, 2),
        (5, 3),
        (6, 4),
        (7, 4),
        (99, 4),
    ];
    for (offset, line) in lines {
        assert_eq!(line_of(text, offset), line, "{offset}");
    }
}

#[test]
fn a_place_is_whole_characters() {
    for text in ["[a]\n\u{657} = 1\n", "a = \u{20ac}\n", "\u{1f600}"] {
        let report = read_text(text).report;
        assert!(report.has_errors());
        for diagnostic in report.diagnostics() {
            let Span { start, end } = diagnostic.span;
            assert!(text.get(start..end).is_some(), "{diagnostic:?}");
        }
    }
}
