//! What is said of a configuration: to people with the line and a caret, to programs as JSON.
//!
//! Columns count characters, from 1; the caret stands right under tabs and wide characters too. What came from the
//! file is shown without control characters: nothing in it can speak to the terminal.

use std::cell::RefCell;
use std::fmt::Write as _;

/// How many errors, and how many warnings, are shown to people.
pub const SHOWN_MAX: usize = 20;
/// How many characters of a long line are shown.
const LINE_CHARS_MAX: usize = 160;

/// A place in the text, in octets: from `start` up to, but not with, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Its first octet.
    pub start: usize,
    /// The first octet behind it.
    pub end: usize,
}

impl Span {
    /// The place in front of the octet at `offset`.
    #[must_use]
    pub fn at(offset: usize) -> Self {
        Self {
            start: offset,
            end: offset,
        }
    }
}

impl From<toml_span::Span> for Span {
    fn from(span: toml_span::Span) -> Self {
        Self {
            start: span.start,
            end: span.end,
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be run like this.
    Error,
    /// It can, but is hardly what was meant.
    Warning,
}

impl Severity {
    /// Its name, as it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What stands behind the caret; may be empty.
    pub label: String,
    /// What would be right; may be empty.
    pub help: String,
}

impl Diagnostic {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, span, message)
    }

    pub(super) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, span, message)
    }

    fn new(severity: Severity, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            span,
            label: String::new(),
            help: String::new(),
        }
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: help.into(),
            ..self
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Found(RefCell<Vec<Diagnostic>>);

impl Found {
    pub(super) fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    pub(super) fn into_list(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// All that is to be said of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: String,
    text: String,
    /// Where each line starts.
    lines: Vec<usize>,
    list: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn new(file: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        for diagnostic in &mut list {
            // The parser marks the end of a file as three octets behind it.
            let Span { start, end } = &mut diagnostic.span;
            *end = (*end).min(text.len());
            *start = (*start).min(*end);
            // It takes every character for one octet.
            while !text.is_char_boundary(*start) {
                *start -= 1;
            }
            while !text.is_char_boundary(*end) {
                *end += 1;
            }
        }
        // In the order of the file, whatever the order in which it was found.
        list.sort_by_key(|diagnostic| diagnostic.span);
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            lines: line_starts(text).collect(),
            list,
        }
    }

    /// What was found, in the order of the file.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.list
    }

    /// There is an error among it.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// For people; empty where there is nothing to say. Of more than [`SHOWN_MAX`] errors only their number is told, and
    /// so of warnings. `colours` adds escape sequences for a terminal.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let mut out = String::new();
        for severity in [Severity::Error, Severity::Warning] {
            let all: Vec<_> = self
                .list
                .iter()
                .filter(|diagnostic| diagnostic.severity == severity)
                .collect();
            for diagnostic in all.iter().take(SHOWN_MAX) {
                if !out.is_empty() {
                    out.push('\n');
                }
                self.render_one(diagnostic, colours, &mut out);
            }
            let more = all.len().saturating_sub(SHOWN_MAX);
            if more > 0 {
                let _ = writeln!(
                    out,
                    "\nand {more} more {}{}",
                    severity.name(),
                    if more == 1 { "" } else { "s" }
                );
            }
        }
        out
    }

    fn render_one(&self, diagnostic: &Diagnostic, colours: bool, out: &mut String) {
        let place = self.place(diagnostic.span);
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        let (strong, faint, plain) = match (colours, diagnostic.severity) {
            (false, _) => ("", "", ""),
            (true, Severity::Error) => ("\x1b[1;31m", "\x1b[34m", "\x1b[0m"),
            (true, Severity::Warning) => ("\x1b[1;33m", "\x1b[34m", "\x1b[0m"),
        };
        let _ = writeln!(
            out,
            "{strong}{}{plain}: {}",
            diagnostic.severity.name(),
            harmless(&diagnostic.message)
        );
        let _ = writeln!(
            out,
            "{gutter}{faint}-->{plain} {}:{}:{}",
            harmless(&self.file),
            place.line,
            place.column
        );
        // What is said of the file as a whole has no line to show.
        let is_of_all = diagnostic.span == Span::default() && diagnostic.label.is_empty();
        if !is_of_all && !self.text.is_empty() {
            let (shown, indent, width) = place.excerpt();
            let label = if diagnostic.label.is_empty() {
                String::new()
            } else {
                format!(" {}", harmless(&diagnostic.label))
            };
            let caret = "^".repeat(width);
            let _ = writeln!(out, "{gutter} {faint}|{plain}");
            let shown = format!("{number} {faint}|{plain} {shown}");
            let _ = writeln!(out, "{}", shown.trim_end());
            let _ = writeln!(
                out,
                "{gutter} {faint}|{plain} {indent}{strong}{caret}{label}{plain}"
            );
        }
        if !diagnostic.help.is_empty() {
            let _ = writeln!(
                out,
                "{gutter} {faint}={plain} help: {}",
                harmless(&diagnostic.help)
            );
        }
    }

    /// For programs: an array of objects with `severity`, `message`, `file`, `line`, `column`, `length`, `label` and
    /// `help`. Lines and columns count from 1, columns and lengths in characters. All of it, however much it is.
    #[must_use]
    pub fn json(&self) -> String {
        let objects: Vec<_> = self
            .list
            .iter()
            .map(|diagnostic| {
                let place = self.place(diagnostic.span);
                let number = |name: &str, value: usize| format!("{}: {value}", quoted(name));
                let text = |name: &str, value: &str| format!("{}: {}", quoted(name), quoted(value));
                let members = [
                    text("severity", diagnostic.severity.name()),
                    text("message", &diagnostic.message),
                    text("file", &self.file),
                    number("line", place.line),
                    number("column", place.column),
                    number("length", place.length),
                    text("label", &diagnostic.label),
                    text("help", &diagnostic.help),
                ];
                format!("  {{{}}}", members.join(", "))
            })
            .collect();
        if objects.is_empty() {
            "[]\n".to_owned()
        } else {
            format!("[\n{}\n]\n", objects.join(",\n"))
        }
    }

    /// Line and column of a span's start, both from 1, as `file:line:column`.
    #[must_use]
    pub fn position(&self, span: Span) -> String {
        let place = self.place(span);
        format!("{}:{}:{}", self.file, place.line, place.column)
    }

    fn place(&self, span: Span) -> Place<'_> {
        let before = self.lines.partition_point(|start| *start <= span.start);
        let start = self.lines.get(before.saturating_sub(1)).copied();
        Place::of(&self.text, span, before, start.unwrap_or_default())
    }
}

/// The number of the line in which the octet at `offset` is, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    line_starts(text)
        .take_while(|start| *start <= offset)
        .count()
}

fn line_starts(text: &str) -> impl Iterator<Item = usize> {
    let ends = text.bytes().enumerate();
    let ends = ends.filter(|(_, octet)| *octet == b'\n');
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1))
}

/// Where a span is.
struct Place<'a> {
    line: usize,
    column: usize,
    /// In characters, and not beyond the line; at least 1.
    length: usize,
    /// The whole line, without its end.
    text: &'a str,
}

impl<'a> Place<'a> {
    /// `line` starts at `line_start`.
    fn of(text: &'a str, span: Span, line: usize, line_start: usize) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let behind = text.get(start..).unwrap_or_default();
        let line_end = behind.find('\n').map_or(text.len(), |at| start + at);
        let whole = text.get(line_start..line_end).unwrap_or_default();
        let chars = |range: std::ops::Range<usize>| {
            text.get(range)
                .map_or(0, |part| part.trim_end_matches('\r').chars().count())
        };
        Self {
            line,
            column: chars(line_start..start) + 1,
            length: chars(start..end.min(line_end)).max(1),
            text: whole.trim_end_matches('\r'),
        }
    }

    /// The line as it is shown, what stands in front of the caret, and how wide the caret is.
    fn excerpt(&self) -> (String, String, usize) {
        let chars: Vec<char> = self.text.chars().collect();
        let at = self.column - 1;
        // Of a line that is too long: the part around the caret.
        let from = if chars.len() > LINE_CHARS_MAX {
            at.saturating_sub(LINE_CHARS_MAX / 3)
        } else {
            0
        };
        let until = chars.len().min(from + LINE_CHARS_MAX);
        let part =
            |range: std::ops::Range<usize>| chars.get(range).unwrap_or_default().iter().copied();
        let mut shown: String = part(from..until).map(visible).collect();
        let mut indent: String = part(from..at)
            .map(|char| match char {
                '\t' => "\t",
                _ => ["", " ", "  "]
                    .get(width(visible(char)))
                    .copied()
                    .unwrap_or(" "),
            })
            .collect();
        if from > 0 {
            shown.insert(0, '…');
            indent.insert(0, ' ');
        }
        if until < chars.len() {
            shown.push('…');
        }
        let under = part(at..(at + self.length).min(until));
        let width = under.map(|char| width(visible(char))).sum::<usize>();
        (shown.trim_end().to_owned(), indent, width.max(1))
    }
}

/// The start of the character that `offset` is in.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// `text` without anything that moves the cursor.
fn harmless(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(char: char) -> char {
    match char {
        '\t' => '\t',
        // Marks that turn the direction of writing would show another text than the one that is there.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        char if char.is_control() => '\u{fffd}',
        char => char,
    }
}

/// How many cells of a terminal a character takes: the ranges of Unicode that matter, roughly.
fn width(char: char) -> usize {
    match u32::from(char) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f | 0xfeff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A JSON string (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
