//! How the end of content is known: the eight rules of RFC 9112 §6.3.
//!
//! [`Framed`] is the proof that a head's framing fields were judged; only with it can a head be written or a body be
//! decoded. Nothing here reads content.

use super::error::FramingError;
use super::field::{Fields, Name, trim};
use super::head::{RequestHead, ResponseHead, Version};
use super::limits::Limits;
use super::number::{NumberError, parse_decimal};

/// How the end of content is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no content.
    None,
    /// So many octets.
    Length(u64),
    /// Chunks up to the last one.
    Chunked,
    /// Everything until the connection ends; only in responses.
    UntilClose,
}

/// A judged framing: the proof that content can be delimited without doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// The verdict.
    framing: Framing,
    /// A `Content-Length` that describes content which is not sent: of HEAD and 304.
    described: Option<u64>,
}

impl Framed {
    /// The framing of a response that the gateway makes itself.
    ///
    /// Input: status, the method it answers, and the octets of content. HEAD and 304 describe the content without
    /// sending it; 1xx and 204 have none.
    ///
    /// # Source
    /// RFC 9110 §8.6, RFC 9112 §6.3 rule 1.
    #[must_use]
    pub fn for_answer(status: u16, request_method: &[u8], content_octets: u64) -> Self {
        match status {
            100..=199 | 204 => Self::of(Framing::None),
            304 => Self {
                framing: Framing::None,
                described: Some(content_octets),
            },
            _ if request_method == b"HEAD" => Self {
                framing: Framing::None,
                described: Some(content_octets),
            },
            _ => Self::of(Framing::Length(content_octets)),
        }
    }

    /// The framing of a request that the gateway makes itself and that has no content, such as a probe.
    #[must_use]
    pub fn for_probe() -> Self {
        Self::of(Framing::None)
    }

    /// The same content, delimited as a client of that version can read it: HTTP/1.0 knows no chunks, and HTTP/1.1
    /// need not lose its connection.
    #[must_use]
    pub fn for_client(self, client: Version) -> Self {
        match (self.framing, client) {
            (Framing::Chunked, Version::Http10) => Self::of(Framing::UntilClose),
            (Framing::UntilClose, Version::Http11) => Self::of(Framing::Chunked),
            _ => self,
        }
    }

    /// The verdict.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The length to write into `Content-Length`: that of the content, or the one HEAD and 304 only describe.
    #[must_use]
    pub fn length_field(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            Framing::None => self.described,
            Framing::Chunked | Framing::UntilClose => None,
        }
    }

    /// Whether there can be any octet of content.
    #[must_use]
    pub fn has_content(&self) -> bool {
        !matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// Whether the announced length alone already exceeds [`Limits::content_max`]: answer 413 without reading.
    #[must_use]
    pub fn exceeds(&self, limits: &Limits) -> bool {
        match (self.framing, limits.content_max) {
            (Framing::Length(length), Some(most)) => length > most,
            _ => false,
        }
    }

    /// Without a description.
    fn of(framing: Framing) -> Self {
        Self {
            framing,
            described: None,
        }
    }
}

/// Decides how the content of a request is delimited; never [`Framing::UntilClose`].
///
/// # Errors
/// Each sin of [`FramingError`]: 501 for an unknown coding, 400 otherwise; the connection closes.
///
/// # Source
/// RFC 9112 §6.1 and §6.3 rules 3 to 7.
pub fn request_framing(head: &RequestHead) -> Result<Framed, FramingError> {
    Ok(Framed::of(
        match delimiter(head.version(), head.fields())? {
            Delimiter::Chunked => Framing::Chunked,
            Delimiter::Length(length) => Framing::Length(length),
            Delimiter::Absent => Framing::None, // rule 7
        },
    ))
}

/// Decides how the content of a response to `request_method` is delimited.
///
/// The fields are judged even where there can be no content: a gateway forwards them.
///
/// # Errors
/// Each sin of [`FramingError`]; the client sees 502, the origin's connection closes.
///
/// # Source
/// RFC 9112 §6.3 rules 1 to 8.
pub fn response_framing(
    head: &ResponseHead,
    request_method: &[u8],
) -> Result<Framed, FramingError> {
    let delimiter = delimiter(head.version(), head.fields())?;
    let described = match delimiter {
        Delimiter::Length(length) => Some(length),
        Delimiter::Chunked | Delimiter::Absent => None,
    };
    Ok(match head.status() {
        // Rule 1, and RFC 9110 §8.6: neither 1xx nor 204 carries a length.
        100..=199 | 204 => Framed::of(Framing::None),
        304 => Framed {
            framing: Framing::None,
            described,
        },
        _ if request_method == b"HEAD" => Framed {
            framing: Framing::None,
            described,
        },
        // Rule 2.
        200..=299 if request_method == b"CONNECT" => Framed::of(Framing::None),
        _ => Framed::of(match delimiter {
            Delimiter::Chunked => Framing::Chunked,
            Delimiter::Length(length) => Framing::Length(length),
            Delimiter::Absent => Framing::UntilClose, // rule 8
        }),
    })
}

/// What the fields say, before the message's kind is asked.
enum Delimiter {
    /// Neither field.
    Absent,
    /// Transfer-Encoding is exactly `chunked`.
    Chunked,
    /// One length.
    Length(u64),
}

/// Judges both framing fields in one walk over the lines.
fn delimiter(version: Version, fields: &Fields) -> Result<Delimiter, FramingError> {
    let mut length = None;
    let mut is_coded = false;
    for line in fields.entries() {
        match line.id {
            Name::ContentLength => {
                let value = parse_length(line.value)?;
                if length.is_some_and(|other| other != value) {
                    return Err(FramingError::LengthsDiffer); // rule 5
                }
                length = Some(value);
            }
            Name::TransferEncoding => is_coded = true,
            _ => {}
        }
    }
    match (is_coded, length) {
        (true, Some(_)) => Err(FramingError::LengthAndCoding), // rule 3
        (true, None) if version == Version::Http10 => Err(FramingError::CodingInHttp10),
        (true, None) => judge_codings(fields).map(|()| Delimiter::Chunked),
        (false, Some(length)) => Ok(Delimiter::Length(length)),
        (false, None) => Ok(Delimiter::Absent),
    }
}

/// One Content-Length line: digits, alone.
fn parse_length(value: &[u8]) -> Result<u64, FramingError> {
    parse_decimal(value).map_err(|error| match error {
        _ if value.contains(&b',') => FramingError::LengthList,
        NumberError::Empty => FramingError::LengthEmpty,
        NumberError::Signed => FramingError::LengthSigned,
        NumberError::NotDigit => FramingError::LengthNotDigits,
        NumberError::Overflow => FramingError::LengthOverflow,
    })
}

/// The codings over all lines must be exactly `chunked`: the list is split before anything is compared.
fn judge_codings(fields: &Fields) -> Result<(), FramingError> {
    let mut is_chunked = false;
    for coding in fields.list(Name::TransferEncoding.as_str()) {
        let is_this = trim(coding).eq_ignore_ascii_case(b"chunked");
        match (is_chunked, is_this) {
            (false, true) => is_chunked = true,
            (true, true) => return Err(FramingError::ChunkedTwice),
            (true, false) => return Err(FramingError::ChunkedNotLast), // rule 4
            (false, false) => return Err(FramingError::UnknownCoding),
        }
    }
    if is_chunked {
        Ok(())
    } else {
        Err(FramingError::EmptyCoding)
    }
}
