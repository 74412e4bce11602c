//! Names the sin of a head or a trailer section that httparse refused.
//!
//! httparse says that octets are wrong, in eight words; a log line and a test want to know which rule was broken.
//! So this walks the same octets again, line by line, and stops at the first sin. It runs only after a refusal, and it
//! decides nothing: when it finds no sin, the refusal stands (`Malformed`).
//! Source: RFC 9112 §2.2, §2.3, §3, §4, §5.

use super::error::{FieldError, HeadError, TargetError};
use super::field::{check_name, check_value, is_token};

/// The sin of a request head, whole or cut.
#[cold]
pub(super) fn request_sin(head: &[u8]) -> HeadError {
    head_sin(head, request_line_sin)
}

/// The sin of a response head, whole or cut.
#[cold]
pub(super) fn response_sin(head: &[u8]) -> HeadError {
    head_sin(head, status_line_sin)
}

/// The sin of field lines alone: a trailer section.
#[cold]
pub(super) fn section_sin(section: &[u8]) -> Option<FieldError> {
    let mut lines = section
        .split_inclusive(|octet| *octet == b'\n')
        .map(Line::of);
    fields_sin(&mut lines)
}

/// The first line end that is not CRLF.
#[cold]
pub(super) fn line_end_sin(octets: &[u8]) -> Option<FieldError> {
    octets
        .split_inclusive(|octet| *octet == b'\n')
        .find_map(|line| Line::of(line).end_sin())
}

/// Whether a CR or an LF stands alone. Looks at every octet, without a branch, on every head.
#[inline]
pub(super) fn has_loose_line_end(octets: &[u8]) -> bool {
    let pairs = octets.iter().zip(octets.iter().skip(1));
    let is_loose = pairs.fold(false, |loose, (one, two)| {
        loose | ((*one == b'\r') != (*two == b'\n'))
    });
    is_loose || octets.first() == Some(&b'\n') || octets.last() == Some(&b'\r')
}

/// One line, its end taken off.
struct Line<'a> {
    /// The octets before the end.
    text: &'a [u8],
    /// How it ends.
    end: End,
}

/// How a line ends.
#[derive(PartialEq, Eq)]
enum End {
    /// CRLF.
    CrLf,
    /// LF alone.
    Lf,
    /// Not at all: the octets were cut here.
    Cut,
}

impl<'a> Line<'a> {
    /// Takes the end off a line that runs up to the first LF.
    fn of(line: &'a [u8]) -> Self {
        match line {
            [text @ .., b'\r', b'\n'] => Self {
                text,
                end: End::CrLf,
            },
            [text @ .., b'\n'] => Self { text, end: End::Lf },
            // The LF of a CR at the cut may still come.
            [text @ .., b'\r'] => Self {
                text,
                end: End::Cut,
            },
            text => Self {
                text,
                end: End::Cut,
            },
        }
    }

    /// The sin of its end, or a CR inside.
    fn end_sin(&self) -> Option<FieldError> {
        if self.text.contains(&b'\r') {
            return Some(FieldError::BareCr);
        }
        (self.end == End::Lf).then_some(FieldError::BareLf)
    }

    /// Whether all of the line is here.
    fn is_whole(&self) -> bool {
        self.end != End::Cut
    }
}

/// Walks a head: the start line by `start_sin`, then the field lines.
fn head_sin(head: &[u8], start_sin: fn(&Line<'_>) -> Option<HeadError>) -> HeadError {
    let mut lines = head.split_inclusive(|octet| *octet == b'\n').map(Line::of);
    let Some(start) = lines.next() else {
        return HeadError::Malformed;
    };
    let sin = start.end_sin().map(HeadError::Field);
    sin.or_else(|| start_sin(&start))
        .or_else(|| fields_sin(&mut lines).map(HeadError::Field))
        .unwrap_or(HeadError::Malformed)
}

/// Walks field lines up to the empty one.
fn fields_sin<'a>(lines: &mut impl Iterator<Item = Line<'a>>) -> Option<FieldError> {
    let mut is_first = true;
    for line in lines {
        if let Some(sin) = line.end_sin() {
            return Some(sin);
        }
        if line.text.is_empty() && line.is_whole() {
            return None;
        }
        if let Some(sin) = field_sin(&line, is_first) {
            return Some(sin);
        }
        is_first = false;
    }
    None
}

/// The sin of one field line.
fn field_sin(line: &Line<'_>, is_first: bool) -> Option<FieldError> {
    if let [b' ' | b'\t', ..] = line.text {
        return Some(if is_first {
            FieldError::SpaceBeforeField
        } else {
            FieldError::ObsFold
        });
    }
    let Some(colon) = line.text.iter().position(|octet| *octet == b':') else {
        let is_cut_name = !line.is_whole();
        return match check_name(line.text) {
            Err(sin) if is_cut_name && !line.text.is_empty() => Some(sin),
            _ if is_cut_name => None,
            _ => Some(FieldError::NoColon),
        };
    };
    let (name, value) = line.text.split_at_checked(colon)?;
    check_name(name).and_then(|()| check_value(value)).err()
}

/// The sin of `method SP request-target SP HTTP-version`.
fn request_line_sin(line: &Line<'_>) -> Option<HeadError> {
    let mut parts = line.text.splitn(3, |octet| *octet == b' ');
    let (method, target, version) = (parts.next()?, parts.next(), parts.next());
    if method.is_empty() {
        return line.is_whole().then_some(HeadError::BadRequestLine);
    }
    if !is_token(method) {
        return Some(HeadError::BadMethod);
    }
    match target {
        Some([]) if line.is_whole() || version.is_some() => return Some(HeadError::BadRequestLine),
        Some(target) if !target.iter().all(|octet| matches!(octet, 0x21..=0x7e)) => {
            return Some(HeadError::Target(TargetError::BadOctet));
        }
        None if line.is_whole() => return Some(HeadError::BadRequestLine),
        _ => {}
    }
    match version {
        Some(version) => version_sin(version, line.is_whole(), HeadError::BadRequestLine),
        None => line.is_whole().then_some(HeadError::BadRequestLine),
    }
}

/// The sin of `HTTP-version SP status-code [ SP reason-phrase ]`.
fn status_line_sin(line: &Line<'_>) -> Option<HeadError> {
    let mut parts = line.text.splitn(3, |octet| *octet == b' ');
    let (version, status, reason) = (parts.next()?, parts.next(), parts.next());
    if let Some(sin) = version_sin(
        version,
        line.is_whole() || status.is_some(),
        HeadError::BadStatusLine,
    ) {
        return Some(sin);
    }
    let is_status_whole = line.is_whole() || reason.is_some();
    match status {
        Some([b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']) => {}
        Some(digits) if is_status_whole || digits.len() > 3 => return Some(HeadError::BadStatus),
        Some(digits) if !digits.iter().all(u8::is_ascii_digit) => {
            return Some(HeadError::BadStatus);
        }
        None if line.is_whole() => return Some(HeadError::BadStatusLine),
        _ => {}
    }
    reason
        .and_then(|reason| check_value(reason).err())
        .map(|_| HeadError::BadStatusLine)
}

/// The sin of `HTTP/` DIGIT `.` DIGIT; `in_line` is the sin of a line with too many parts.
fn version_sin(version: &[u8], is_whole: bool, in_line: HeadError) -> Option<HeadError> {
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => None,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(HeadError::UnsupportedVersion)
        }
        _ if version.contains(&b' ') => Some(in_line),
        _ if !is_whole && b"HTTP/1.".starts_with(version) => None,
        // `HTTP/2` without a minor number is how HTTP/2 and HTTP/3 spell themselves.
        _ if !is_whole
            && matches!(
                version,
                [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9']
                    | [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.']
            ) =>
        {
            Some(HeadError::UnsupportedVersion)
        }
        _ => Some(HeadError::BadVersion),
    }
}
