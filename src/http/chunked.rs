//! The chunked transfer coding, octet by octet, across any cuts.
//!
//! Strict where decoders have disagreed: CRLF and nothing else ends a line; a size is one to sixteen HEXDIG, so
//! leading zeros are bounded and nothing overflows; white space may stand before `;` (RFC 9112 §7.1.1 calls it bad and
//! lets it pass) but not before the line end; extensions are held to their grammar, never interpreted, and bounded twice,
//! per line and against the content. A quoted string that a line end cuts is refused: where it ends, and with it the
//! line, is what decoders have disagreed on. No octet is copied but those of a trailer section.
//! Source: RFC 9112 §7.1.

use super::diagnose::section_sin;
use super::error::{BodyError, FieldError};
use super::field::{Fields, is_tchar, is_value_octet};
use super::head::fill_fields;
use super::limits::Limits;
use super::number::hex_value;
use httparse::{Header, Status};

/// Where in the coding the next octet falls, and what was counted so far.
#[derive(Debug)]
pub(super) struct Chunked {
    /// Where the next octet falls.
    state: State,
    /// Octets left of the chunk.
    left: u64,
    /// Digits of the chunk size so far.
    digits: u8,
    /// Octets of the chunk-size line so far.
    line_octets: usize,
    /// Octets of extensions beyond twice the content, never below zero.
    overhead_octets: u64,
    /// Octets of content still allowed.
    content_left: u64,
    /// The trailer section, if there is one: its octets, then its fields.
    trailer: Option<Box<Trailer>>, // set once, by its first octet
    /// The limits that matter here.
    bounds: Bounds,
}

/// A trailer section on its way from octets to fields.
#[derive(Debug, Default)]
struct Trailer {
    /// The octets so far, then empty again.
    octets: Vec<u8>,
    /// The fields, once the section is whole.
    fields: Fields,
}

/// The limits of a chunked body.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// [`Limits::chunk_line_octets_max`].
    line_octets: usize,
    /// [`Limits::chunk_overhead_octets_max`].
    overhead_octets: usize,
    /// [`Limits::trailer_octets_max`].
    trailer_octets: usize,
    /// [`Limits::fields_max`].
    fields: usize,
    /// The most content allowed, for the error.
    content: u64,
}

/// The next octet falls …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// … into the chunk size.
    Size,
    /// … into white space after the size.
    SizeSpace,
    /// … into chunk extensions, here.
    Extension(Extension),
    /// … on the LF of the chunk-size line.
    SizeLf,
    /// … into chunk data.
    Data,
    /// … on the CR after chunk data.
    DataCr,
    /// … on the LF after chunk data.
    DataLf,
    /// … on the first octet of the trailer section.
    TrailerStart,
    /// … on the LF of a trailer section without fields.
    TrailerLf,
    /// … into the fields of the trailer section.
    Trailer,
    /// … beyond the message.
    Done,
}

/// Where in `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` the next octet falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    /// Behind `;`: white space, then a name.
    NameStart,
    /// Into a name.
    Name,
    /// Behind a name and white space.
    NameEnd,
    /// Behind `=`: white space, then a value.
    ValueStart,
    /// Into a value that is a token.
    Value,
    /// Into a quoted string.
    Quoted,
    /// Behind the backslash in a quoted string.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
    /// Behind a value and white space.
    ValueEnd,
}

/// What a step took from the input.
pub(super) enum Step {
    /// So many octets of framing.
    Framing(usize),
    /// So many octets of content.
    Data(usize),
}

impl Chunked {
    /// Begins a body with at most `content_octets_max` octets of content.
    pub(super) fn new(content_octets_max: u64, limits: &Limits) -> Self {
        Self {
            state: State::Size,
            left: 0,
            digits: 0,
            line_octets: 0,
            overhead_octets: 0,
            content_left: content_octets_max,
            trailer: None,
            bounds: Bounds {
                line_octets: limits.chunk_line_octets_max,
                overhead_octets: limits.chunk_overhead_octets_max,
                trailer_octets: limits.trailer_octets_max,
                fields: limits.fields_max,
                content: content_octets_max,
            },
        }
    }

    /// Whether the last octet of the message was taken.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the next octet is content.
    pub(super) fn is_in_data(&self) -> bool {
        self.state == State::Data
    }

    /// The trailer section, if the message is done and had one.
    pub(super) fn trailers(&self) -> Option<&Fields> {
        self.trailer
            .as_ref()
            .filter(|_| self.is_done())
            .map(|trailer| &trailer.fields)
    }

    /// Takes one step into `input`, which is not empty; the body is not done.
    pub(super) fn step(&mut self, input: &[u8]) -> Result<Step, BodyError> {
        match self.state {
            State::Data => Ok(Step::Data(self.take_data(input))),
            State::Trailer => self.take_trailer(input).map(Step::Framing),
            State::Extension(place) => self.take_extension(place, input).map(Step::Framing),
            _ => {
                let octet = input.first().copied().unwrap_or_default();
                self.state = self.next_state(octet)?;
                // The first octet of a trailer field belongs to the section, not to us.
                Ok(Step::Framing(usize::from(self.state != State::Trailer)))
            }
        }
    }

    /// Where one octet of framing leads.
    fn next_state(&mut self, octet: u8) -> Result<State, BodyError> {
        match (self.state, octet) {
            (State::Size, _) => self.take_size(octet),
            (State::SizeSpace, b' ' | b'\t') => self.count_line(1).map(|()| State::SizeSpace),
            (State::SizeSpace, b';') => self.count_line(1).map(|()| EXTENSION),
            (State::SizeSpace, _) => Err(BodyError::SpaceAfterChunkSize),
            (State::SizeLf, b'\n') => self.end_size_line(),
            (State::SizeLf, _) => Err(BodyError::BadChunkLineEnd),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => {
                (self.digits, self.line_octets) = (0, 0);
                Ok(State::Size)
            }
            (State::DataCr | State::DataLf, _) => Err(BodyError::BadChunkDataEnd),
            (State::TrailerStart, _) => begin_trailer(octet),
            (State::TrailerLf, b'\n') => Ok(State::Done),
            (State::TrailerLf, _) => Err(BodyError::Trailer(FieldError::BareCr)),
            (State::Extension(_) | State::Data | State::Trailer | State::Done, _) => Ok(self.state),
        }
    }

    /// Takes a digit of the chunk size, or what ends it.
    fn take_size(&mut self, octet: u8) -> Result<State, BodyError> {
        if let Some(digit) = hex_value(octet) {
            if self.digits >= SIZE_DIGITS_MAX {
                return Err(BodyError::ChunkSizeOverflow);
            }
            let higher = if self.digits == 0 { 0 } else { self.left };
            // Sixteen digits of four bits fill 64 bits and no more.
            self.left = higher.wrapping_shl(4) | u64::from(digit);
            self.digits = self.digits.saturating_add(1);
            return self.count_line(1).map(|()| State::Size);
        }
        match octet {
            _ if self.digits == 0 => Err(BodyError::BadChunkSize),
            b'\r' => Ok(State::SizeLf),
            b'\n' => Err(BodyError::BadChunkLineEnd),
            b';' => self.count_line(1).map(|()| EXTENSION),
            b' ' | b'\t' => self.count_line(1).map(|()| State::SizeSpace),
            _ => Err(BodyError::BadChunkSize),
        }
    }

    /// Takes extension octets up to the CR and with it.
    fn take_extension(&mut self, from: Extension, input: &[u8]) -> Result<usize, BodyError> {
        let (mut place, mut taken) = (from, 0_usize);
        for octet in input {
            match (*octet, place.may_end()) {
                (b'\r', true) => {
                    self.count_line(taken)?;
                    self.state = State::SizeLf;
                    return Ok(taken.saturating_add(1));
                }
                (b'\n', _) => return Err(BodyError::BadChunkLineEnd),
                _ => place = place.next(*octet).ok_or(BodyError::BadChunkExtension)?,
            }
            taken = taken.saturating_add(1);
        }
        self.count_line(taken)?;
        self.state = State::Extension(place);
        Ok(taken)
    }

    /// Counts octets of the chunk-size line against its bound.
    fn count_line(&mut self, octets: usize) -> Result<(), BodyError> {
        self.line_octets = self.line_octets.saturating_add(octets);
        if self.line_octets > self.bounds.line_octets {
            return Err(BodyError::ChunkLineTooLong(self.bounds.line_octets));
        }
        let beyond_size = self.line_octets.saturating_sub(usize::from(self.digits)) as u64;
        if self.overhead_octets.saturating_add(beyond_size) > self.bounds.overhead_octets as u64 {
            return Err(BodyError::ChunkOverhead(self.bounds.overhead_octets));
        }
        Ok(())
    }

    /// The size is known: content follows, or with size zero the trailer section.
    fn end_size_line(&mut self) -> Result<State, BodyError> {
        self.content_left = self
            .content_left
            .checked_sub(self.left)
            .ok_or(BodyError::ContentTooLarge(self.bounds.content))?;
        let beyond_size = self.line_octets.saturating_sub(usize::from(self.digits)) as u64;
        self.overhead_octets = self
            .overhead_octets
            .saturating_add(beyond_size)
            .saturating_sub(self.left.saturating_mul(2));
        Ok(if self.left == 0 {
            State::TrailerStart
        } else {
            State::Data
        })
    }

    /// Takes chunk data; returns how much.
    fn take_data(&mut self, input: &[u8]) -> usize {
        let taken = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(input.len());
        self.left = self.left.saturating_sub(taken as u64);
        if self.left == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    /// Collects the trailer section up to its empty line, then parses it.
    fn take_trailer(&mut self, input: &[u8]) -> Result<usize, BodyError> {
        let octets = &mut self.trailer.get_or_insert_default().octets;
        let before = octets.len();
        let room = self.bounds.trailer_octets.saturating_sub(before);
        let offered = input.get(..room).unwrap_or(input);
        octets.extend_from_slice(offered);

        // The end may lie across the cut: look back over the last three octets.
        let from = before.saturating_sub(3);
        let fresh = octets.get(from..).unwrap_or_default();
        if let Some(place) = fresh.windows(4).position(|four| four == b"\r\n\r\n") {
            octets.truncate(from.saturating_add(place).saturating_add(4));
            let taken = octets.len().saturating_sub(before);
            self.parse_trailer()?;
            self.state = State::Done;
            return Ok(taken);
        }

        // What can never become right is refused now, not when its peer gets tired of waiting.
        let is_full = offered.len() < input.len() || offered.len() == room;
        let has_bare_lf = fresh
            .windows(2)
            .any(|two| matches!(two, [before, b'\n'] if *before != b'\r'));
        if is_full || has_bare_lf {
            let too_large = FieldError::TooLarge(self.bounds.trailer_octets);
            return Err(section_sin(octets).unwrap_or(too_large).into());
        }
        Ok(offered.len())
    }

    /// Parses the whole trailer section and lets its octets go.
    fn parse_trailer(&mut self) -> Result<(), FieldError> {
        let Trailer { octets, fields } = &mut **self.trailer.get_or_insert_default();
        let octets = std::mem::take(octets);
        let mut lines = [httparse::EMPTY_HEADER; TRAILERS];
        let max = self.bounds.fields;
        if max <= TRAILERS {
            return parse_lines(&octets, fields, lines.get_mut(..max).unwrap_or_default());
        }
        match parse_lines(&octets, fields, &mut lines) {
            Err(FieldError::TooMany(_)) => {
                parse_lines(&octets, fields, &mut vec![httparse::EMPTY_HEADER; max])
            }
            other => other,
        }
    }
}

impl Extension {
    /// Where `octet` leads; nowhere when the grammar has no place for it.
    fn next(self, octet: u8) -> Option<Self> {
        let is_space = matches!(octet, b' ' | b'\t');
        let is_token = is_tchar(octet);
        Some(match (self, octet) {
            (Self::NameStart, _) if is_space => Self::NameStart,
            (Self::NameStart | Self::Name, _) if is_token => Self::Name,
            (Self::Name | Self::NameEnd, _) if is_space => Self::NameEnd,
            (Self::Name | Self::NameEnd, b'=') => Self::ValueStart,
            (Self::ValueStart, _) if is_space => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::ValueStart | Self::Value, _) if is_token => Self::Value,
            (Self::Quoted, b'"') => Self::QuotedEnd,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if is_value_octet(octet) => Self::Quoted,
            (Self::Value | Self::QuotedEnd | Self::ValueEnd, _) if is_space => Self::ValueEnd,
            (Self::Name | Self::NameEnd | Self::Value | Self::QuotedEnd | Self::ValueEnd, b';') => {
                Self::NameStart
            }
            _ => return None,
        })
    }

    /// Whether the line may end here.
    fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuotedEnd)
    }
}

/// Parses a trailer section with room for as many lines as `lines` has.
fn parse_lines<'s>(
    section: &'s [u8],
    fields: &mut Fields,
    lines: &mut [Header<'s>],
) -> Result<(), FieldError> {
    let max = lines.len();
    match httparse::parse_headers(section, lines) {
        Ok(Status::Complete((consumed, lines))) if consumed == section.len() => {
            fill_fields(fields, section, lines)
        }
        Err(httparse::Error::TooManyHeaders) => Err(FieldError::TooMany(max)),
        // An end before the end we found is a line end that only httparse takes for one.
        _ => Err(section_sin(section).unwrap_or(FieldError::BareLf)),
    }
}

/// What the first octet of a trailer section leads to.
fn begin_trailer(octet: u8) -> Result<State, BodyError> {
    match octet {
        b'\r' => Ok(State::TrailerLf),
        _ if is_tchar(octet) => Ok(State::Trailer),
        b'\n' => Err(FieldError::BareLf.into()),
        b' ' | b'\t' => Err(FieldError::SpaceBeforeField.into()),
        b':' => Err(FieldError::EmptyName.into()),
        _ => Err(FieldError::BadName.into()),
    }
}

/// Behind the `;` that begins the first extension.
const EXTENSION: State = State::Extension(Extension::NameStart);

/// Digits of a chunk size that fill 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

/// Trailer lines there is room for without allocating.
const TRAILERS: usize = 16;
