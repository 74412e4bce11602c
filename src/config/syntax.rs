//! What the parser of TOML has to say, in the words of this room: what is wrong, and what would be right.

use toml_span::{Error, ErrorKind, Span as TomlSpan};

use super::diagnostic::{Diagnostic, line_of};

/// Says why `text` is no TOML.
pub(super) fn explain(error: &Error, text: &str) -> Diagnostic {
    let line = |first: &TomlSpan| line_of(text, first.start);
    let (message, label) = match &error.kind {
        ErrorKind::UnquotedString => (
            "a value that is neither number, true nor false".to_owned(),
            "put it in quotes".to_owned(),
        ),
        ErrorKind::DuplicateKey { key, first } => (
            format!("`{key}` is there twice"),
            format!("already in line {}; take one out", line(first)),
        ),
        ErrorKind::DuplicateTable { name, first } => (
            format!("the table `{name}` is there twice"),
            if text
                .get(error.span.start..)
                .unwrap_or_default()
                .starts_with("[[")
            {
                let line = line(first);
                format!("no list in line {line}; write `[[{name}]]` there too")
            } else {
                format!("already in line {}; make them one", line(first))
            },
        ),
        ErrorKind::RedefineAsArray => (
            "once a table, once a list of tables".to_owned(),
            "one of `[NAME]` and `[[NAME]]` everywhere".to_owned(),
        ),
        ErrorKind::DottedKeyInvalidType { first } => (
            "a key below a value that is no table".to_owned(),
            format!("the value is in line {}", line(first)),
        ),
        ErrorKind::UnexpectedEof => (
            "the file ends too early".to_owned(),
            "something is missing".to_owned(),
        ),
        ErrorKind::UnterminatedString => (
            "a string without its end".to_owned(),
            "the closing quote is missing".to_owned(),
        ),
        ErrorKind::InvalidCharInString('\n') => (
            "a string without its end".to_owned(),
            "the line ends before the closing quote".to_owned(),
        ),
        ErrorKind::Unexpected('\r') | ErrorKind::InvalidCharInString('\r') => (
            "a CR without LF".to_owned(),
            "lines end in LF, or in CR LF".to_owned(),
        ),
        ErrorKind::Unexpected(char) | ErrorKind::InvalidCharInString(char) if char.is_control() => {
            let code = u32::from(*char);
            (
                format!("a control character, U+{code:04X}"),
                format!("take it out, or write `\\u{code:04X}` in double quotes"),
            )
        }
        ErrorKind::Unexpected(char) | ErrorKind::InvalidCharInString(char) => (
            format!("`{char}` cannot stand here"),
            "take it out, or put what it belongs to in quotes".to_owned(),
        ),
        ErrorKind::InvalidEscape(_)
        | ErrorKind::InvalidHexEscape(_)
        | ErrorKind::InvalidEscapeValue(_) => (
            "an escape that TOML does not have".to_owned(),
            "write `\\\\` for a backslash, or use single quotes".to_owned(),
        ),
        ErrorKind::ExceededDepthLimit => (
            "nested too deeply".to_owned(),
            "nothing here is nested like that".to_owned(),
        ),
        ErrorKind::InvalidNumber => (
            "a number that cannot be read".to_owned(),
            "put it in quotes, if it is text".to_owned(),
        ),
        ErrorKind::MultilineStringKey => (
            "a key of several lines".to_owned(),
            "keys have one line".to_owned(),
        ),
        ErrorKind::Wanted { expected, found } => (
            format!("expected {}, found {}", plainly(expected), plainly(found)),
            "here".to_owned(),
        ),
        _ => (format!("no TOML: {error}"), "here".to_owned()),
    };
    Diagnostic::error(error.span.into(), message).label(label)
}

/// A token of TOML, as people call it.
fn plainly(token: &'static str) -> &'static str {
    match token {
        "a left brace" => "`{`",
        "a right brace" => "`}`",
        "a left bracket" => "`[`",
        "a right bracket" => "`]`",
        "an equals" => "`=`",
        "a comma" => "`,`",
        "a period" => "`.`",
        "eof" => "the end of the file",
        "a newline" => "the end of the line",
        other => other,
    }
}
