//! Content in either direction: [`Decoder`] takes framing away, [`Encoder`] puts it on.
//!
//! Nothing is copied: the decoder hands out pieces of its input, the encoder gives the octets that go around a piece.
//! What follows the message's end belongs to the next message and is never consumed. RFC 9112 §6.3, §7.1, §8.

use super::chunked::{Chunked, is_permitted_trailer};
use super::error::BodyError;
use super::field::Fields;
use super::framing::{Framed, Framing};
use super::limits::Limits;
use super::number::hex_digit;

/// What one call to [`Decoder::decode`] took and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Octets of the input that are used up; 0 means more input is needed, or the body is done.
    pub consumed: usize,
    /// One piece of content; may be empty when only framing was consumed.
    pub data: &'a [u8],
}

/// Takes the framing from a body.
#[derive(Debug)]
pub struct Decoder {
    /// Where in the body we are.
    state: Reading,
    /// Octets of content that may still come.
    allowance: u64,
}

impl Decoder {
    /// A decoder for the content that was framed so.
    #[must_use]
    pub fn new(framed: &Framed, limits: &Limits) -> Self {
        let state = match framed.framing() {
            Framing::None | Framing::Length(0) => Reading::Done,
            Framing::Length(length) => Reading::Length(length),
            Framing::Chunked => Reading::Chunked(Chunked::new(limits)),
            Framing::UntilClose => Reading::UntilClose,
        };
        Self {
            state,
            allowance: limits.content_max.unwrap_or(u64::MAX),
        }
    }

    /// Decodes one piece from `input`: consumed octets and the content among them.
    ///
    /// `consumed` 0 means: more input is needed, nothing was lost; or the body is done. Never consumes past the end
    /// of this message.
    ///
    /// # Errors
    /// Each sin of [`BodyError`] that a sender can commit. The peer sees its status if a response can still be sent;
    /// the connection closes.
    ///
    /// # Source
    /// RFC 9112 §6.3, §7.1.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, BodyError> {
        let decoded = match &mut self.state {
            Reading::Done => Decoded {
                consumed: 0,
                data: &[],
            },
            Reading::Length(remaining) => {
                if *remaining > self.allowance {
                    return Err(BodyError::ContentTooLarge);
                }
                let data = prefix(input, *remaining);
                *remaining = remaining.saturating_sub(octets(data));
                if *remaining == 0 {
                    self.state = Reading::Done;
                }
                Decoded {
                    consumed: data.len(),
                    data,
                }
            }
            Reading::UntilClose => {
                if self.allowance == 0 && !input.is_empty() {
                    return Err(BodyError::ContentTooLarge);
                }
                let data = prefix(input, self.allowance);
                Decoded {
                    consumed: data.len(),
                    data,
                }
            }
            Reading::Chunked(chunked) => chunked.decode(input, self.allowance)?,
        };
        self.allowance = self.allowance.saturating_sub(octets(decoded.data));
        Ok(decoded)
    }

    /// The connection has ended: is the body whole?
    ///
    /// # Errors
    /// - [`BodyError::LengthCutShort`], [`BodyError::ChunkedCutShort`]: it is not; it must never pass for whole.
    ///
    /// # Source
    /// RFC 9112 §8.
    pub fn finish_eof(&mut self) -> Result<(), BodyError> {
        match &self.state {
            Reading::Length(_) => Err(BodyError::LengthCutShort),
            Reading::Chunked(chunked) if !chunked.is_done() => Err(BodyError::ChunkedCutShort),
            Reading::UntilClose => {
                self.state = Reading::Done;
                Ok(())
            }
            Reading::Done | Reading::Chunked(_) => Ok(()),
        }
    }

    /// Whether the body has been read to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            Reading::Done => true,
            Reading::Chunked(chunked) => chunked.is_done(),
            Reading::Length(_) | Reading::UntilClose => false,
        }
    }

    /// The trailer fields that may be forwarded, once the body is done and if there are any.
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        match &self.state {
            Reading::Chunked(chunked) => chunked.trailers(),
            Reading::Done | Reading::Length(_) | Reading::UntilClose => None,
        }
    }

    /// Octets of content still to come, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            Reading::Done => Some(0),
            Reading::Length(remaining) => Some(*remaining),
            Reading::Chunked(chunked) => chunked.is_done().then_some(0),
            Reading::UntilClose => None,
        }
    }
}

/// Where a decoder is.
#[derive(Debug)]
enum Reading {
    /// At the end.
    Done,
    /// So many octets to go, at least one.
    Length(u64),
    /// Among chunks, or behind the last one.
    Chunked(Chunked),
    /// Until the connection ends.
    UntilClose,
}

/// Puts the framing on a body: for each piece, [`Encoder::chunk_head`], the piece itself, [`Encoder::chunk_tail`].
#[derive(Debug)]
pub struct Encoder {
    /// How the end is marked.
    state: Writing,
}

impl Encoder {
    /// An encoder for content that is framed so.
    #[must_use]
    pub fn new(framed: &Framed) -> Self {
        let state = match framed.framing() {
            Framing::None => Writing::Length(0),
            Framing::Length(length) => Writing::Length(length),
            Framing::Chunked => Writing::Chunked,
            Framing::UntilClose => Writing::UntilClose,
        };
        Self { state }
    }

    /// Announces a piece of `len` octets; gives what goes before it. Empty unless chunked, and for an empty piece,
    /// which would end the body.
    #[must_use = "announced octets must be written"]
    pub fn chunk_head(&mut self, len: usize) -> ChunkHead {
        match &mut self.state {
            Writing::Chunked if len > 0 => return ChunkHead::new(len),
            Writing::Length(remaining) => match remaining.checked_sub(count(len)) {
                Some(rest) => *remaining = rest,
                None => self.state = Writing::Overrun,
            },
            Writing::Chunked | Writing::UntilClose | Writing::Overrun => {}
        }
        ChunkHead::EMPTY
    }

    /// What goes behind a piece of `len` octets.
    #[must_use]
    pub fn chunk_tail(&self, len: usize) -> &'static [u8] {
        match self.state {
            Writing::Chunked if len > 0 => b"\r\n",
            _ => b"",
        }
    }

    /// Ends the body: appends the last chunk and the permitted trailer fields, where the framing has them.
    ///
    /// # Errors
    /// - [`BodyError::WrittenShort`], [`BodyError::WrittenLong`]: not the octets the head announced. The connection
    ///   must end, so that the content does not pass for whole.
    ///
    /// # Source
    /// RFC 9112 §7.1, §7.1.2; RFC 9110 §6.5.1.
    pub fn finish(
        &mut self,
        trailers: Option<&Fields>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        match self.state {
            Writing::Length(0) | Writing::UntilClose => return Ok(()),
            Writing::Length(_) => return Err(BodyError::WrittenShort),
            Writing::Overrun => return Err(BodyError::WrittenLong),
            Writing::Chunked => {}
        }
        out.extend_from_slice(b"0\r\n");
        let lines = trailers.into_iter().flat_map(Fields::iter);
        for (name, value) in lines.filter(|(name, _)| is_permitted_trailer(name)) {
            for part in [name, b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// How an encoder marks the end.
#[derive(Debug)]
enum Writing {
    /// By the length; so many octets are not yet announced.
    Length(u64),
    /// More was announced than the length allows.
    Overrun,
    /// By the last chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// The line before a chunk's data, held inline.
#[derive(Debug, Clone, Copy)]
pub struct ChunkHead {
    /// Digits and CRLF stand at the end.
    octets: [u8; 18],
    /// Invariant: start <= 18.
    start: usize,
}

impl ChunkHead {
    /// No line at all.
    const EMPTY: Self = Self {
        octets: [0; 18],
        start: 18,
    };

    /// The line of a chunk of `len` octets.
    fn new(len: usize) -> Self {
        let mut octets = [b'\n'; 18];
        let mut start = 18usize;
        let mut value = count(len);
        for (index, octet) in octets.iter_mut().rev().enumerate() {
            *octet = match index {
                0 => b'\n',
                1 => b'\r',
                _ => {
                    let digit = hex_digit(u8::try_from(value & 0x0f).unwrap_or(0));
                    value >>= 4;
                    digit
                }
            };
            start = start.wrapping_sub(1);
            if index > 1 && value == 0 {
                break;
            }
        }
        Self { octets, start }
    }
}

impl AsRef<[u8]> for ChunkHead {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }
}

/// At most `most` octets from the start.
pub(crate) fn prefix(input: &[u8], most: u64) -> &[u8] {
    usize::try_from(most)
        .ok()
        .and_then(|most| input.get(..most))
        .unwrap_or(input)
}

/// The length of a slice on the wire's scale.
pub(crate) fn octets(data: &[u8]) -> u64 {
    count(data.len())
}

/// A `usize` on the wire's scale.
fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
