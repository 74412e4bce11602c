//! JSON (RFC 8259), read as a row of events: without recursion, since a tree may be deep, and without keeping what nobody
//! asked for. Strict: what breaks a rule of the grammar is refused with its place.

use std::fmt;
use std::str::Chars;

/// A piece of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// An object begins.
    Object,
    /// A list begins.
    List,
    /// The name of the member whose value is next.
    Key(String),
    /// What is no object and no list.
    Value(Value<'a>),
    /// The innermost object or list is over.
    End,
}

/// What is no object and no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(String),
    /// As it was written.
    Number(&'a str),
    Bool(bool),
    Null,
}

/// It is no JSON, from this octet on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(usize);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no JSON at octet {}", self.0)
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// In a list that has nothing in it yet.
    ValueOrEnd,
    Key,
    /// In an object that has nothing in it yet.
    KeyOrEnd,
    /// Behind a value.
    CommaOrEnd,
}

/// Shows `visit` a whole JSON text, piece by piece.
///
/// # Errors
/// The place where it is none.
pub(super) fn read<'a>(text: &'a str, mut visit: impl FnMut(Event<'a>)) -> Result<(), Broken> {
    let mut rest = text;
    // The objects and lists that are open; true is an object.
    let mut open: Vec<bool> = Vec::new();
    let mut next = Next::Value;
    while next != Next::CommaOrEnd || !open.is_empty() {
        rest = without_space(rest);
        let place = Broken(text.len() - rest.len());
        let first = rest.chars().next().ok_or(place)?;
        next = match (next, first) {
            (Next::Value | Next::ValueOrEnd, '{' | '[') => {
                let is_object = first == '{';
                rest = &rest[1..];
                open.push(is_object);
                visit(if is_object {
                    Event::Object
                } else {
                    Event::List
                });
                if is_object {
                    Next::KeyOrEnd
                } else {
                    Next::ValueOrEnd
                }
            }
            (Next::ValueOrEnd, ']') | (Next::KeyOrEnd, '}') => {
                rest = &rest[1..];
                open.pop();
                visit(Event::End);
                Next::CommaOrEnd
            }
            (Next::CommaOrEnd, '}' | ']') if open.last() == Some(&(first == '}')) => {
                rest = &rest[1..];
                open.pop();
                visit(Event::End);
                Next::CommaOrEnd
            }
            (Next::CommaOrEnd, ',') => {
                rest = &rest[1..];
                if open.last() == Some(&true) {
                    Next::Key
                } else {
                    Next::Value
                }
            }
            (Next::Key | Next::KeyOrEnd, '"') => {
                visit(Event::Key(text_of(&mut rest).ok_or(place)?));
                rest = without_space(rest).strip_prefix(':').ok_or(place)?;
                Next::Value
            }
            (Next::Value | Next::ValueOrEnd, _) => {
                visit(Event::Value(value_of(&mut rest).ok_or(place)?));
                Next::CommaOrEnd
            }
            _ => return Err(place),
        };
    }
    let rest = without_space(rest);
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Broken(text.len() - rest.len()))
    }
}

fn without_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn value_of<'a>(rest: &mut &'a str) -> Option<Value<'a>> {
    if rest.starts_with('"') {
        return text_of(rest).map(Value::Text);
    }
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'))
        .unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind;
    match word {
        "null" => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        number => is_number(number).then_some(Value::Number(number)),
    }
}

/// RFC 8259 §6: `-? int frac? exp?`.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|it| digits(it.strip_prefix(['+', '-']).unwrap_or(it)))
}

/// A string, with its quotes.
fn text_of(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.strip_prefix('"')?.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => text.push(match chars.next()? {
                c @ ('"' | '\\' | '/') => c,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => char_of(&mut chars)?,
                _ => return None,
            }),
            c if c < ' ' => return None,
            c => text.push(c),
        }
    }
    *rest = chars.as_str();
    Some(text)
}

/// What `\uHHHH` says, or two of them together; half of a pair says that there was something.
fn char_of(chars: &mut Chars<'_>) -> Option<char> {
    let first = unit_of(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut ahead = chars.clone();
    let second = match (ahead.next(), ahead.next()) {
        (Some('\\'), Some('u')) => unit_of(&mut ahead)?,
        _ => return Some(char::REPLACEMENT_CHARACTER),
    };
    if !(0xdc00..0xe000).contains(&second) {
        return Some(char::REPLACEMENT_CHARACTER);
    }
    *chars = ahead;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
}

fn unit_of(chars: &mut Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + chars.next()?.to_digit(16)?))
}
