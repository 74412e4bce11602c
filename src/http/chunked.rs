//! The chunked transfer coding, decoding side, and which trailer fields may pass.
//!
//! One state per place in the grammar, so that any cutting of the input gives the same events. Strict: HEXDIG only,
//! CRLF only, extensions bounded and dropped. RFC 9112 §7.1.

use super::body::{Decoded, octets, prefix};
use super::error::BodyError;
use super::field::{Fields, Name};
use super::head::field_sin;
use super::limits::{FIELDS_CEILING, Limits};
use super::number::hex_value;

/// A decoder of chunks.
#[derive(Debug)]
pub(crate) struct Chunked {
    /// Where in the grammar we are.
    place: Place,
    /// Octets of the current chunk line so far, and their bound.
    line: Bound,
    /// Octets of chunk lines that no data has justified, and their bound.
    overhead: Bound,
    /// Bound of the trailer section.
    trailer_octets_max: usize,
    /// Bound of the trailer lines.
    trailer_lines_max: usize,
    /// The trailer section as it comes in; empty in nearly every message.
    section: Vec<u8>,
    /// Its permitted fields, once it is whole.
    trailers: Fields,
}

/// A place in `chunked-body`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first digit of a size.
    SizeStart,
    /// Behind at least one digit.
    Size(u64),
    /// In an extension of a chunk of that size.
    Extension(u64),
    /// Behind the CR of a chunk line.
    LineLf(u64),
    /// In data, so many octets to go, at least one.
    Data(u64),
    /// Behind data.
    DataCr,
    /// Behind data and CR.
    DataLf,
    /// In the trailer section; the octets of its current line.
    Trailer(usize),
    /// Behind the last LF.
    Done,
}

impl Chunked {
    /// A decoder before the first chunk.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            place: Place::SizeStart,
            line: Bound::new(limits.chunk_line_octets_max),
            overhead: Bound::new(limits.chunk_overhead_octets_max),
            trailer_octets_max: limits.trailer_octets_max,
            trailer_lines_max: limits.fields_max.min(FIELDS_CEILING),
            section: Vec::new(),
            trailers: Fields::default(),
        }
    }

    /// Whether the last chunk and the trailer section are behind us.
    pub(crate) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// The permitted trailer fields, once there are any.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        (self.is_done() && !self.trailers.is_empty()).then_some(&self.trailers)
    }

    /// Consumes framing up to and including the next piece of data. `allowance`: octets of content still allowed.
    pub(crate) fn decode<'a>(
        &mut self,
        input: &'a [u8],
        allowance: u64,
    ) -> Result<Decoded<'a>, BodyError> {
        let mut rest = input;
        while let [octet, after @ ..] = rest {
            match self.place {
                Place::Done => break,
                Place::Data(remaining) => {
                    let data = prefix(rest, remaining);
                    self.place = match remaining.saturating_sub(octets(data)) {
                        0 => Place::DataCr,
                        remaining => Place::Data(remaining),
                    };
                    let framing = input.len().saturating_sub(rest.len());
                    return Ok(Decoded {
                        consumed: framing.saturating_add(data.len()),
                        data,
                    });
                }
                Place::Trailer(line) => self.trailer_octet(*octet, line)?,
                _ => self.place = self.step(*octet, allowance)?,
            }
            rest = after;
        }
        Ok(Decoded {
            consumed: input.len().saturating_sub(rest.len()),
            data: &[],
        })
    }

    /// One octet of framing. RFC 9112 §7.1: `chunk-size [ chunk-ext ] CRLF`, and CRLF behind data.
    fn step(&mut self, octet: u8, allowance: u64) -> Result<Place, BodyError> {
        if matches!(
            self.place,
            Place::SizeStart | Place::Size(_) | Place::Extension(_)
        ) {
            self.line.add(1).ok_or(BodyError::ChunkLineTooLong)?;
        }
        match (self.place, octet) {
            (Place::SizeStart, _) => hex_value(octet)
                .map(|digit| Place::Size(digit.into()))
                .ok_or(BodyError::ChunkSizeMissing),
            (Place::Size(size) | Place::Extension(size), b'\r') => Ok(Place::LineLf(size)),
            (Place::Size(_) | Place::Extension(_), b'\n') => Err(BodyError::ChunkBareLf),
            (Place::Size(size), b';') => Ok(Place::Extension(size)),
            (Place::Size(size), _) => {
                let digit = hex_value(octet).ok_or(BodyError::ChunkSizeInvalid)?;
                let shifted = size.checked_mul(16).ok_or(BodyError::ChunkSizeOverflow)?;
                Ok(Place::Size(shifted | u64::from(digit)))
            }
            (Place::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => Ok(Place::Extension(size)),
            (Place::Extension(_), _) => Err(BodyError::ChunkExtensionInvalid),
            (Place::LineLf(size), b'\n') => self.line_ended(size, allowance),
            (Place::LineLf(_), _) => Err(BodyError::ChunkBareCr),
            (Place::DataCr, b'\r') => Ok(Place::DataLf),
            (Place::DataLf, b'\n') => Ok(Place::SizeStart),
            (Place::DataCr | Place::DataLf, _) => Err(BodyError::ChunkDataNotEnded),
            // Not framing; the caller sees to these.
            (place @ (Place::Data(_) | Place::Trailer(_) | Place::Done), _) => Ok(place),
        }
    }

    /// Behind a chunk line: weighs it, and goes to the data or to the trailer section.
    fn line_ended(&mut self, size: u64, allowance: u64) -> Result<Place, BodyError> {
        if size > allowance {
            return Err(BodyError::ContentTooLarge);
        }
        self.overhead
            .add(self.line.count)
            .ok_or(BodyError::ChunkOverhead)?;
        let justified = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_add(FREE_LINE_OCTETS);
        self.overhead.count = self.overhead.count.saturating_sub(justified);
        self.line.count = 0;
        Ok(if size == 0 {
            Place::Trailer(0)
        } else {
            Place::Data(size)
        })
    }

    /// One octet of the trailer section, which ends with an empty line. RFC 9112 §7.1.2.
    fn trailer_octet(&mut self, octet: u8, line: usize) -> Result<(), BodyError> {
        if self.section.len() >= self.trailer_octets_max {
            return Err(BodyError::TrailerTooLarge);
        }
        self.section.push(octet);
        self.place = Place::Trailer(match octet {
            b'\n' if !self.section.ends_with(b"\r\n") => return Err(BodyError::ChunkBareLf),
            b'\n' if line == 1 => {
                self.trailers_ended()?;
                self.place = Place::Done;
                return Ok(());
            }
            b'\n' => 0,
            _ if line == 1 && self.section.ends_with(&[b'\r', octet]) => {
                return Err(BodyError::ChunkBareCr);
            }
            _ => line.saturating_add(1),
        });
        Ok(())
    }

    /// The section is whole: checks it and keeps the permitted fields.
    fn trailers_ended(&mut self) -> Result<(), BodyError> {
        if self.section.len() == 2 {
            return Ok(()); // nothing but the empty line
        }
        if field_sin(&mut self.section.iter().copied()).is_some() {
            return Err(BodyError::TrailerInvalid);
        }
        let mut room = [httparse::EMPTY_HEADER; FIELDS_CEILING];
        let room = room.get_mut(..self.trailer_lines_max).unwrap_or_default();
        match httparse::parse_headers(&self.section, room) {
            Ok(httparse::Status::Complete((_, lines))) => {
                self.trailers.load(&self.section, lines);
                self.trailers.retain(|name, _| is_permitted_trailer(name));
                Ok(())
            }
            Err(httparse::Error::TooManyHeaders) => Err(BodyError::TooManyTrailers),
            Ok(httparse::Status::Partial) | Err(_) => Err(BodyError::TrailerInvalid),
        }
    }
}

/// A count with its bound.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// So far.
    count: usize,
    /// At most.
    most: usize,
}

impl Bound {
    /// Nothing yet.
    fn new(most: usize) -> Self {
        Self { count: 0, most }
    }

    /// Adds; `None` beyond the bound.
    fn add(&mut self, more: usize) -> Option<()> {
        self.count = self.count.saturating_add(more);
        (self.count <= self.most).then_some(())
    }
}

/// Whether a trailer field of that name may be forwarded: nothing that frames, routes, authenticates, or describes
/// content that was already used.
///
/// # Source
/// RFC 9110 §6.5.1.
#[must_use]
pub fn is_permitted_trailer(name: &[u8]) -> bool {
    let known = Name::of(name);
    let is_ours = known.is_hop_by_hop()
        || matches!(
            known,
            Name::Host
                | Name::ContentLength
                | Name::ContentType
                | Name::Expect
                | Name::Date
                | Name::Via
                | Name::Forwarded
                | Name::XForwardedFor
                | Name::XForwardedHost
                | Name::XForwardedProto
                | Name::XRequestId
        );
    !is_ours
        && !FORBIDDEN_TRAILERS
            .iter()
            .any(|text| name.eq_ignore_ascii_case(text.as_bytes()))
}

/// Octets of a chunk line that need no data to justify them: a size, a little extension.
const FREE_LINE_OCTETS: usize = 32;

/// Names no trailer may have, besides those that [`Name`] knows.
const FORBIDDEN_TRAILERS: &[&str] = &[
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "cookie",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "warning",
    "www-authenticate",
];
