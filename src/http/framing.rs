//! Framing: how the end of a message's content is known. The eight rules of RFC 9112 §6.3, and nothing else.
//!
//! This is where smuggling lives, so there is one answer to every message, or none. The answer is a [`Framed`], which
//! only this file makes, and without which no head is written. What a message said about its framing is never copied:
//! the writer says it again, in one field, from the `Framed`.
//! Source: RFC 9112 §6.1 to §6.3, §7; RFC 9110 §8.6.

use super::error::FramingError;
use super::field::{Fields, Name, is_token};
use super::head::{RequestHead, ResponseHead, Version};
use super::limits::Limits;
use super::number::{NumberError, parse_decimal};

/// How the end of the content is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no content.
    None,
    /// So many octets.
    Length(u64),
    /// The chunked coding says so itself.
    Chunked,
    /// It ends with the connection. Responses only.
    UntilClose,
}

/// A proof that the framing of a message was decided, and the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// How the end of the content is known.
    framing: Framing,
    /// The Content-Length field that goes with it.
    /// Invariant: with `Length(n)` it is `Some(n)`; with `Chunked` and `UntilClose` it is `None`; with `None` it is what
    /// a response to HEAD or a 304 says about content that is not there.
    length_field: Option<u64>,
    /// The most content allowed, for content whose length is not told.
    content_octets_max: u64,
}

impl Framed {
    /// A message without content and without a word about it.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Framing::None)
    }

    /// A message whose content has so many octets.
    #[must_use]
    pub fn length(octets: u64) -> Self {
        Self::of(Framing::Length(octets))
    }

    /// A message whose content comes in chunks.
    #[must_use]
    pub fn chunked() -> Self {
        Self::of(Framing::Chunked)
    }

    /// How the end of the content is known.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The value of the Content-Length field to write, if one is written.
    ///
    /// A response to HEAD and a 304 have one although their framing is [`Framing::None`].
    #[must_use]
    pub fn length_field(&self) -> Option<u64> {
        self.length_field
    }

    /// The most octets of content a decoder lets pass.
    #[must_use]
    pub fn content_octets_max(&self) -> u64 {
        self.content_octets_max
    }

    /// Whether there is content, be it of no octets.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.framing != Framing::None
    }

    /// The framing in which a response goes on to a client of that version.
    ///
    /// Chunks to an HTTP/1.0 client become content until close; content until close becomes chunks for an HTTP/1.1
    /// client, so that its end can be told from a cut. Everything else stays.
    ///
    /// # Source
    /// RFC 9112 §6.1 (no transfer coding to HTTP/1.0), §6.3 (prefer a framing that shows truncation).
    #[must_use]
    pub fn recode(&self, client: Version) -> Self {
        let framing = match (self.framing, client) {
            (Framing::Chunked, Version::Http10) => Framing::UntilClose,
            (Framing::UntilClose, Version::Http11) => Framing::Chunked,
            (same, _) => same,
        };
        Self { framing, ..*self }
    }

    /// A framing with the length field that belongs to it and no bound.
    fn of(framing: Framing) -> Self {
        let length_field = match framing {
            Framing::Length(octets) => Some(octets),
            _ => None,
        };
        Self {
            framing,
            length_field,
            content_octets_max: u64::MAX,
        }
    }
}

/// Decides how the content of a request is delimited.
///
/// Input: a parsed head. Output: exactly one [`Framing`], never `UntilClose`; a length in octets, at most
/// [`Limits::content_octets_max`], which also bounds what a decoder lets pass in chunks.
///
/// # Errors
/// All close the connection.
/// - [`FramingError::LengthAndCoding`]: both fields present. 400.
/// - [`FramingError::CodingInHttp10`]: Transfer-Encoding in HTTP/1.0. 400.
/// - [`FramingError::NoCoding`], [`FramingError::ChunkedTwice`], [`FramingError::ChunkedNotLast`],
///   [`FramingError::ChunkedParameter`]: a coding list that frames nothing. 400.
/// - [`FramingError::UnknownCoding`]: any coding but `chunked`, before it or alone. 501.
/// - [`FramingError::BadLength`], [`FramingError::LengthOverflow`], [`FramingError::LengthList`],
///   [`FramingError::UnequalLengths`]: not one number. Equal lengths on several lines are one. 400.
/// - [`FramingError::ContentTooLarge`]: beyond the limit. 413.
///
/// # Source
/// RFC 9112 §6.3 rules 3 to 7, §6.1 last two paragraphs.
pub fn request_framing(head: &RequestHead, limits: &Limits) -> Result<Framed, FramingError> {
    let framing = match declared(head.fields(), head.version())? {
        Declared::Chunked => Framing::Chunked,
        Declared::Length(octets) if octets > limits.content_octets_max => {
            return Err(FramingError::ContentTooLarge(limits.content_octets_max));
        }
        Declared::Length(octets) => Framing::Length(octets),
        // Rule 7: a request that says nothing has no content.
        Declared::Nothing => Framing::None,
    };
    Ok(Framed {
        content_octets_max: limits.content_octets_max,
        ..Framed::of(framing)
    })
}

/// Decides how the content of a response is delimited. Input: a parsed head and the method of the request.
///
/// Responses to HEAD, 1xx, 204 and 304 have no content whatever they say. What HEAD and 304 say in Content-Length is
/// kept as a field; in 1xx and 204 it must not be, and is dropped. Lengths and codings are checked all the same.
/// For an origin's faults the proxy answers 502.
///
/// # Errors
/// As [`request_framing`]: the origin broke the protocol.
///
/// # Source
/// RFC 9112 §6.3 rules 1 to 5 and 8; RFC 9110 §8.6, §9.3.2, §15.4.5.
pub fn response_framing(
    head: &ResponseHead,
    request_method: &[u8],
) -> Result<Framed, FramingError> {
    let declared = declared(head.fields(), head.version())?;
    let framing = match (head.status(), declared) {
        // Rules 1 and 2: no content, and for these not even a word about it.
        (100..=199 | 204, _) => return Ok(Framed::none()),
        (200..=299, _) if request_method == b"CONNECT" => return Ok(Framed::none()),
        // Rule 1: no content, but the length it would have had.
        (304, _) => return Ok(without_content(declared)),
        _ if request_method == b"HEAD" => return Ok(without_content(declared)),
        (_, Declared::Chunked) => Framing::Chunked,
        (_, Declared::Length(octets)) => Framing::Length(octets),
        // Rule 8: a response that says nothing lasts until close.
        (_, Declared::Nothing) => Framing::UntilClose,
    };
    Ok(Framed::of(framing))
}

/// The framing of an answer the gateway makes itself, with so many octets of content, to a request of that method.
///
/// For HEAD and 304 the length is written and the content is not; for 1xx and 204 neither.
#[must_use]
pub fn answer_framing(status: u16, request_method: &[u8], octets: u64) -> Framed {
    match status {
        100..=199 | 204 => Framed::none(),
        304 => without_content(Declared::Length(octets)),
        _ if request_method == b"HEAD" => without_content(Declared::Length(octets)),
        _ => Framed::length(octets),
    }
}

/// No content, but the Content-Length that was declared.
fn without_content(declared: Declared) -> Framed {
    let length_field = match declared {
        Declared::Length(octets) => Some(octets),
        Declared::Chunked | Declared::Nothing => None,
    };
    Framed {
        length_field,
        ..Framed::none()
    }
}

/// What the two framing fields of a message say.
#[derive(Clone, Copy)]
enum Declared {
    /// There is neither of them.
    Nothing,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// Reads both framing fields, and refuses whatever two readers could understand in two ways.
#[inline]
fn declared(fields: &Fields, version: Version) -> Result<Declared, FramingError> {
    let (has_coding, has_length) = (
        fields.has(Name::TransferEncoding),
        fields.has(Name::ContentLength),
    );
    match (has_coding, has_length) {
        (false, false) => Ok(Declared::Nothing),
        (false, true) => parse_length(fields).map(Declared::Length),
        // Rule 3: a sender that sends both is broken or lies.
        (true, true) => Err(FramingError::LengthAndCoding),
        // §6.1: faulty framing, even if it looks right.
        (true, false) if version == Version::Http10 => Err(FramingError::CodingInHttp10),
        (true, false) => check_codings(fields).map(|()| Declared::Chunked),
    }
}

/// Rule 5: one number, or several lines with the same.
#[inline]
fn parse_length(fields: &Fields) -> Result<u64, FramingError> {
    let mut lines = fields.all(Name::ContentLength);
    match (lines.next().map(parse_decimal), lines.next()) {
        (Some(Ok(octets)), None) if octets <= LENGTH_MAX => Ok(octets),
        _ => parse_lengths(fields),
    }
}

/// Reads several lines that should be the same number, or finds out what is wrong with the only one.
#[cold]
fn parse_lengths(fields: &Fields) -> Result<u64, FramingError> {
    let mut length = None;
    for value in fields.all(Name::ContentLength) {
        let octets = parse_decimal(value).map_err(|error| match error {
            NumberError::Overflow => FramingError::LengthOverflow,
            NumberError::NotDigits if value.contains(&b',') => FramingError::LengthList,
            NumberError::NotDigits => FramingError::BadLength,
        })?;
        if octets > LENGTH_MAX {
            return Err(FramingError::LengthOverflow);
        }
        if length.is_some_and(|other| other != octets) {
            return Err(FramingError::UnequalLengths);
        }
        length = Some(octets);
    }
    length.ok_or(FramingError::BadLength)
}

/// Rule 4: `chunked`, once and last; and nothing before it, for osier knows no other coding.
#[inline(never)]
fn check_codings(fields: &Fields) -> Result<(), FramingError> {
    let mut chunked_count: usize = 0;
    let mut other = None;
    let mut is_chunked_last = false;
    for coding in fields.items(Name::TransferEncoding) {
        is_chunked_last = coding.eq_ignore_ascii_case(b"chunked");
        if is_chunked_last {
            chunked_count = chunked_count.saturating_add(1);
        } else if has_chunked_parameter(coding) {
            return Err(FramingError::ChunkedParameter);
        } else {
            other = Some(coding);
        }
    }
    match (chunked_count, other) {
        (0, None) => Err(FramingError::NoCoding),
        (1, None) => Ok(()),
        (2.., _) => Err(FramingError::ChunkedTwice),
        (1, Some(coding)) if !is_chunked_last && is_token(coding) => {
            Err(FramingError::ChunkedNotLast)
        }
        (_, Some(_)) => Err(FramingError::UnknownCoding),
    }
}

/// The longest content: as many octets as a signed number of 64 bits counts. Beyond it others read another number.
const LENGTH_MAX: u64 = i64::MAX.unsigned_abs();

/// Whether `coding` is `chunked` with something after it that a list item may have.
fn has_chunked_parameter(coding: &[u8]) -> bool {
    let name = coding
        .split(|octet| matches!(octet, b';' | b' ' | b'\t'))
        .next()
        .unwrap_or_default();
    name.len() < coding.len() && name.eq_ignore_ascii_case(b"chunked")
}
