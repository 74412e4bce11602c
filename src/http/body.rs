//! Content through its framing: [`Decoder`] takes the framing off, [`Encoder`] puts it on.
//!
//! Both are told a [`Framed`] and know nothing of heads. The decoder copies no content: it says which part of the input
//! is content. The encoder writes no content: it says what goes before and after a piece of it.
//! Source: RFC 9112 §6.3, §7.1; RFC 9110 §6.5 (trailers).

use super::chunked::{Chunked, Step};
use super::error::BodyError;
use super::field::{Fields, Name};
use super::framing::{Framed, Framing};
use super::limits::Limits;
use super::number::hex_digit;
use std::ops::Deref;

/// Takes the framing off one message's content.
#[derive(Debug)]
pub struct Decoder {
    /// What is left to take.
    state: State,
    /// The error that was met behind content already handed out; given at the next call, and at every one after.
    failed: Option<BodyError>, // set once, by the first error
}

/// What is left of the content.
#[derive(Debug)]
enum State {
    /// So many octets.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Everything that comes.
    UntilClose,
    /// Nothing: the connection ended, and so did the content.
    Ended,
}

/// One step of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Octets of the input that are done with, content and framing together.
    pub consumed: usize,
    /// The content among them, in one piece.
    pub data: &'a [u8],
}

impl Decoder {
    /// Begins the content of a message.
    #[must_use]
    pub fn new(framed: &Framed, limits: &Limits) -> Self {
        let state = match framed.framing() {
            Framing::None => State::Length(0),
            Framing::Length(octets) => State::Length(octets),
            Framing::Chunked => State::Chunked(Chunked::new(framed.content_octets_max(), limits)),
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            failed: None,
        }
    }

    /// Decodes `input`: says how much of it is consumed, and which part of that is content. One piece per call.
    ///
    /// Call again with what was not consumed. `(0, empty)` means: more input is needed, or the content is done; nothing
    /// was lost. Never consumes past the end of this message: what follows belongs to the next one.
    /// An error met behind a piece of content comes with the next call; after an error every call returns it.
    ///
    /// # Errors
    /// [`BodyError`]: where the message ends is unknown; its connection cannot be used again.
    ///
    /// # Source
    /// RFC 9112 §6.3, §7.1.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let State::Length(left) = &mut self.state {
            let taken = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(input.len());
            *left = left.saturating_sub(taken as u64);
            return Ok(Decoded {
                consumed: taken,
                data: input.get(..taken).unwrap_or_default(),
            });
        }
        self.decode_other(input)
    }

    /// Decodes content that comes without a length.
    fn decode_other<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, BodyError> {
        match &mut self.state {
            State::UntilClose => Ok(Decoded {
                consumed: input.len(),
                data: input,
            }),
            State::Length(_) | State::Ended => Ok(Decoded {
                consumed: 0,
                data: &[],
            }),
            State::Chunked(chunked) => {
                let (decoded, error) = decode_chunked(chunked, input);
                self.failed = error;
                match error {
                    Some(error) if decoded.data.is_empty() => Err(error),
                    _ => Ok(decoded),
                }
            }
        }
    }

    /// Takes note that the connection ended.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] unless the content lasts until close or is done; an error met before.
    ///
    /// # Source
    /// RFC 9112 §8.
    pub fn finish_eof(&mut self) -> Result<(), BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if matches!(self.state, State::UntilClose) {
            self.state = State::Ended;
        }
        if self.is_done() {
            return Ok(());
        }
        self.failed = Some(BodyError::Truncated);
        Err(BodyError::Truncated)
    }

    /// Whether the content is done. Content until close is done after [`Decoder::finish_eof`].
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        if let State::Length(left) = &self.state {
            return *left == 0;
        }
        match &self.state {
            State::Chunked(chunked) => chunked.is_done(),
            other => matches!(other, State::Ended),
        }
    }

    /// The trailer section, once the content is done and if there was one.
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        match &self.state {
            State::Chunked(chunked) => chunked.trailers(),
            _ => None,
        }
    }

    /// Octets of content still to come, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match &self.state {
            State::Length(left) => Some(*left),
            State::Ended => Some(0),
            State::Chunked(chunked) => chunked.is_done().then_some(0),
            State::UntilClose => None,
        }
    }

    /// Octets that follow as they are, with no framing among them: what may be passed on without being looked at, and is
    /// then told by [`Decoder::skip`]. The largest number there is where they last until the connection closes.
    #[must_use]
    pub fn verbatim(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::UntilClose => u64::MAX,
            State::Chunked(_) | State::Ended => 0,
        }
    }

    /// Takes note of octets of content that were passed on without being looked at, [`Decoder::verbatim`] at most.
    pub fn skip(&mut self, octets: u64) {
        if let State::Length(left) = &mut self.state {
            *left = left.saturating_sub(octets);
        }
    }
}

/// Steps through `input` until it is used up, the message is done, or a second piece of content begins.
fn decode_chunked<'a>(chunked: &mut Chunked, input: &'a [u8]) -> (Decoded<'a>, Option<BodyError>) {
    let mut decoded = Decoded {
        consumed: 0,
        data: &[],
    };
    while !chunked.is_done() && (decoded.data.is_empty() || !chunked.is_in_data()) {
        let rest = input.get(decoded.consumed..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let taken = match chunked.step(rest) {
            Err(error) => return (decoded, Some(error)),
            Ok(Step::Framing(taken)) => taken,
            Ok(Step::Data(taken)) => {
                decoded.data = rest.get(..taken).unwrap_or_default();
                taken
            }
        };
        decoded.consumed = decoded.consumed.saturating_add(taken);
    }
    (decoded, None)
}

/// Puts the framing on one message's content.
///
/// For each piece of content write [`Encoder::chunk_head`], the piece, [`Encoder::chunk_tail`]; at the end
/// [`Encoder::finish`]. A message cut short is never finished: its connection is closed instead.
#[derive(Debug)]
pub struct Encoder {
    /// How the content is delimited.
    framing: Framing,
    /// With a length: octets of content still to write.
    left: u64,
}

/// What goes before a piece of content: at most sixteen digits and CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHead {
    /// The octets, at the end.
    octets: [u8; Self::OCTETS_MAX],
    /// Where they begin.
    /// Invariant: at most `OCTETS_MAX`.
    start: u8,
}

impl Encoder {
    /// Begins the content of a message.
    #[must_use]
    pub fn new(framed: &Framed) -> Self {
        let left = match framed.framing() {
            Framing::Length(octets) => octets,
            _ => 0,
        };
        Self {
            framing: framed.framing(),
            left,
        }
    }

    /// Whether content goes as it is, with nothing between its pieces.
    #[must_use]
    pub fn is_verbatim(&self) -> bool {
        self.framing != Framing::Chunked
    }

    /// What to write before a piece of `octets` octets: a chunk-size line, or nothing.
    ///
    /// Nothing also for an empty piece, for a chunk of size zero would end the content.
    ///
    /// # Errors
    /// [`BodyError::TooMuch`]: the piece exceeds the announced length; it must not be written.
    pub fn chunk_head(&mut self, octets: usize) -> Result<ChunkHead, BodyError> {
        match self.framing {
            Framing::Chunked if octets > 0 => Ok(ChunkHead::of(octets as u64)),
            Framing::Chunked | Framing::UntilClose => Ok(ChunkHead::EMPTY),
            Framing::Length(_) | Framing::None => {
                self.left = self
                    .left
                    .checked_sub(octets as u64)
                    .ok_or(BodyError::TooMuch)?;
                Ok(ChunkHead::EMPTY)
            }
        }
    }

    /// What to write after a piece of `octets` octets: CRLF, or nothing.
    #[must_use]
    pub fn chunk_tail(&self, octets: usize) -> &'static [u8] {
        if self.framing == Framing::Chunked && octets > 0 {
            b"\r\n"
        } else {
            b""
        }
    }

    /// Appends what ends the content: with chunks the last chunk and the trailer section, else nothing.
    ///
    /// Trailer fields that only a header section may have are left out, and without chunks all of them.
    ///
    /// # Errors
    /// [`BodyError::TooLittle`]: less content was written than announced; nothing was appended.
    ///
    /// # Source
    /// RFC 9112 §7.1, RFC 9110 §6.5.1.
    pub fn finish(
        &mut self,
        trailers: Option<&Fields>,
        out: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        if self.left > 0 {
            return Err(BodyError::TooLittle);
        }
        if self.framing == Framing::Chunked {
            out.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.into_iter().flat_map(Fields::iter) {
                if may_be_trailer(name) {
                    out.extend_from_slice(name);
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(value);
                    out.extend_from_slice(b"\r\n");
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

impl ChunkHead {
    /// Sixteen digits and CRLF.
    const OCTETS_MAX: usize = 18;

    /// No octets.
    const EMPTY: Self = Self {
        octets: *b"0000000000000000\r\n",
        start: 18,
    };

    /// The chunk-size line of a chunk.
    fn of(size: u64) -> Self {
        let (mut head, mut rest) = (Self::EMPTY, size);
        for slot in head.octets.iter_mut().rev().skip(2) {
            *slot = hex_digit(rest);
            rest >>= 4;
        }
        // One digit at least, and none that is a leading zero.
        let zeros = (size | 1).leading_zeros() / 4;
        head.start = u8::try_from(zeros).unwrap_or_default();
        head
    }
}

impl Deref for ChunkHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets
            .get(usize::from(self.start)..)
            .unwrap_or_default()
    }
}

/// Whether a field may stand in a trailer section.
///
/// Not one that frames, routes, authenticates, modifies the request, controls the response, or says how to read the
/// content: who merges trailers into the header section would be fooled.
///
/// # Source
/// RFC 9110 §6.5.1.
pub(super) fn may_be_trailer(name: &[u8]) -> bool {
    // The forwarding fields, Via among them, are routing as well: nobody may say after the fact where it came from.
    match Name::of(name) {
        Name::Other | Name::Server | Name::Referer | Name::Traceparent | Name::UserAgent => {}
        _ => return false,
    }
    let is_content = name
        .first_chunk::<8>()
        .is_some_and(|start| start.eq_ignore_ascii_case(b"content-"));
    !is_content
        && !NOT_IN_TRAILERS
            .iter()
            .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

/// Names besides those of [`Name`] and `Content-*` that no trailer section may have.
const NOT_IN_TRAILERS: [&[u8]; 27] = [
    // Authentication and state.
    b"authorization",
    b"www-authenticate",
    b"authentication-info",
    b"proxy-authentication-info",
    b"cookie",
    b"set-cookie",
    // Request modifiers.
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"if-match",
    b"if-none-match",
    b"if-modified-since",
    b"if-unmodified-since",
    b"if-range",
    b"range",
    b"pragma",
    // Response control.
    b"age",
    b"cache-control",
    b"expires",
    b"location",
    b"retry-after",
    b"vary",
    b"warning",
    b"accept-ranges",
    b"last-modified",
    b"clear-site-data",
];
