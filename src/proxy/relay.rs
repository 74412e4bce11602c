//! One body, in one direction: octets from one peer through a decoder and an encoder to the other.
//!
//! Content is forwarded as it arrives. The relay knows nothing of routing, retries or the other direction.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::Poll;

use super::error::{Error, Phase, Retry, Side, What};
use super::pace::Pace;
use super::timeout::Timeout;
use super::upload::Replay;
use super::wait::{Owed, within};
use crate::clock;
use crate::context::Context;
use crate::http::body::{ChunkHead, Decoder, Encoder};
use crate::http::field::Fields;
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::{Buffer, Buffers};

/// How many pieces of content go into one write at most: small chunks are gathered.
const PIECES_MAX: usize = 16;

/// So much content is copied behind the head, to be written with it as one piece.
const COPIED_MAX: usize = 2048;

/// From so much content on that is still to come, it is not copied into this process, where that can be.
const SPLICED_MIN: u64 = 32 * 1024;

/// One peer's end of a body: its connection, and what was received from it and not used yet.
pub(super) struct From<'a, S> {
    pub(super) stream: &'a S,
    /// Octets received beyond what was used. Behind the body's end they belong to the next message.
    pub(super) input: &'a mut Option<Buffer>,
    pub(super) side: Side,
}

/// How a relay waits, and where its buffers come from.
pub(super) struct Means<'a> {
    pub(super) ctx: &'a Context,
    pub(super) buffers: &'a Buffers,
    /// The timeout that ends a body without progress.
    pub(super) stall: Timeout,
    /// How long the sender may be waited for.
    pub(super) sender: Pace,
    /// How long the receiver.
    pub(super) receiver: Pace,
    /// Set when the receiver has taken the first octet.
    pub(super) begun: &'a Cell<bool>,
    /// What the sender still owes, where somebody waits for it to leave.
    pub(super) owed: Option<&'a Owed>,
    /// Keeps the content of a request for another attempt.
    pub(super) replay: Option<&'a Replay>,
    /// The fields that no trailer section may bring.
    pub(super) withheld: &'a Withheld<'a>,
}

/// Says of a field name whether it may not come in a trailer section, beside those that never may: Connection named it
/// (RFC 9110 §7.6.1), or the gateway has a say in it, and whoever merges trailers into the head would be told another.
pub(super) type Withheld<'a> = dyn Fn(&[u8]) -> bool + 'a;

impl Means<'_> {
    /// Waits for a side, for as long as that may take.
    async fn wait<F: Future>(&self, side: &Pace, work: Pin<&mut F>) -> Result<F::Output, Error> {
        let since = clock::now();
        let waited = within(self.ctx, Phase::Body, (self.stall, side.limit()), work).await;
        side.charge(since);
        waited
    }

    /// From here on octets are taken from the sender that are not accounted for, or no more.
    fn hold(&self, is_midway: bool) {
        if let Some(replay) = self.replay {
            replay.set_midway(is_midway);
        }
    }

    fn note<S>(&self, from: &From<'_, S>, decoder: &Decoder) {
        if let Some(owed) = self.owed {
            let buffered = from.input.as_ref().map_or(0, |input| input.filled().len());
            owed.set(buffered, decoder.remaining());
        }
    }
}

/// Carries a body from its first octet to its last. `head` goes in front, in one write with the first content that is
/// there already. `carried` counts content octets as they are written.
///
/// # Errors
/// Whose doing the end before the end was: the sender's (closed early, broke the coding), the receiver's (gone), or
/// the context's.
pub(super) async fn relay<R: Stream, W: Stream>(
    means: &Means<'_>,
    mut from: From<'_, R>,
    to: &W,
    head: &mut Vec<u8>,
    decoder: &mut Decoder,
    encoder: &mut Encoder,
    carried: &mut u64,
) -> Result<(), Error> {
    let receiver = if from.side == Side::Client {
        Side::Origin
    } else {
        Side::Client
    };
    loop {
        // Write what is there: the head, as much content as one write takes, and the end where it is reached.
        let input = from.input.as_ref().map(Buffer::filled).unwrap_or_default();
        let Gathered {
            used,
            octets,
            is_full,
            pieces,
        } = gather(means, input, from.side, head, decoder, encoder)?;
        means.hold(used > 0);
        let written = match pieces {
            None if head.is_empty() => Ok(()),
            None => write(means, receiver, to, head).await,
            // Seldom, and large: not in every exchange's memory.
            Some(pieces) => Box::pin(write_gathered(means, receiver, to, head, &pieces)).await,
        };
        *carried += octets as u64;
        head.clear();
        consume(from.input, used);
        means.hold(false);
        means.note(&from, decoder);
        written?;
        if decoder.is_done() {
            return Ok(());
        }
        if is_full {
            // There may be more in the buffer already.
            continue;
        }
        let verbatim = decoder.verbatim();
        let is_kept = means.replay.is_some_and(Replay::is_kept);
        if verbatim >= SPLICED_MIN && !is_kept && encoder.is_verbatim() && from.input.is_none() {
            means.hold(true);
            let spliced = splice(means, &from, to, receiver, verbatim).await?;
            means.hold(false);
            if let Some(moved) = spliced {
                encoder
                    .chunk_head(moved)
                    .map_err(|error| sin(from.side, error.sin(), error.status()))?;
                decoder.skip(moved as u64);
                *carried += moved as u64;
                means.note(&from, decoder);
                if moved > 0 {
                    continue;
                }
            }
        }
        let received = receive(means, &mut from, decoder.remaining()).await?;
        means.note(&from, decoder);
        if received == 0 {
            decoder.finish_eof().map_err(|error| match from.side {
                Side::Client => Error::client_gone(Phase::Body),
                _ => Error::origin(Phase::Body, Retry::Never, truncated(&error)),
            })?;
        }
    }
}

/// What of an input goes out in one write.
struct Gathered<'a> {
    /// Octets of the input that are used.
    used: usize,
    /// Octets of content among them.
    octets: usize,
    /// As much was gathered as fits: the input may hold more.
    is_full: bool,
    /// What goes out behind the head; `None`: it is in the head's own buffer.
    pieces: Option<Box<Pieces<'a>>>,
}

/// Content as it lies in the input, and what the coding puts around it.
struct Pieces<'a> {
    chunk_head: ChunkHead,
    content: [&'a [u8]; PIECES_MAX],
    chunk_tail: &'static [u8],
    tail: Vec<u8>,
}

/// Decodes and encodes as much of `input` as one write takes. What is small is copied behind `head`.
fn gather<'a>(
    means: &Means<'_>,
    input: &'a [u8],
    side: Side,
    head: &mut Vec<u8>,
    decoder: &mut Decoder,
    encoder: &mut Encoder,
) -> Result<Gathered<'a>, Error> {
    let (mut used, mut octets, mut count) = (0, 0, 0);
    let mut content: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
    while count < PIECES_MAX && !decoder.is_done() {
        let rest = input.get(used..).unwrap_or_default();
        let decoded = decoder
            .decode(rest)
            .map_err(|error| sin(side, error.sin(), error.status()))?;
        if decoded.consumed == 0 {
            break;
        }
        if !decoded.data.is_empty() {
            octets += decoded.data.len();
            if let Some(replay) = means.replay {
                replay.note(decoded.data);
            }
            if let Some(place) = content.get_mut(count) {
                *place = decoded.data;
            }
            count += 1;
        }
        used += decoded.consumed;
    }
    let mut gathered = Gathered {
        used,
        octets,
        is_full: count == PIECES_MAX,
        pieces: None,
    };
    if octets == 0 && !decoder.is_done() {
        return Ok(gathered);
    }
    let chunk_head = encoder
        .chunk_head(octets)
        .map_err(|error| sin(side, error.sin(), error.status()))?;
    let mut tail = Vec::new();
    if decoder.is_done() {
        let trailers = decoder.trailers().map(|all| kept(all, means.withheld));
        encoder
            .finish(trailers.as_ref(), &mut tail)
            .map_err(|_| sin(side, "body_shorter_than_length", 400))?;
    }
    let chunk_tail = encoder.chunk_tail(octets);
    if octets > COPIED_MAX {
        gathered.pieces = Some(Box::new(Pieces {
            chunk_head,
            content,
            chunk_tail,
            tail,
        }));
        return Ok(gathered);
    }
    // One small copy costs less than a vectored write.
    head.extend_from_slice(&chunk_head);
    for piece in content.into_iter().take(count) {
        head.extend_from_slice(piece);
    }
    head.extend_from_slice(chunk_tail);
    head.append(&mut tail);
    Ok(gathered)
}

/// The trailer section without what is withheld from it. Seldom: hardly a message has one.
fn kept(trailers: &Fields, withheld: &Withheld<'_>) -> Fields {
    let mut kept = trailers.clone();
    kept.retain(|name, _| !withheld(name));
    kept
}

/// Writes a head and what was gathered behind it.
async fn write_gathered<S: Stream>(
    means: &Means<'_>,
    receiver: Side,
    to: &S,
    head: &[u8],
    gathered: &Pieces<'_>,
) -> Result<(), Error> {
    let mut pieces = [IoSlice::new(&[]); PIECES_MAX + 4];
    let all = [head, &gathered.chunk_head]
        .into_iter()
        .chain(gathered.content)
        .chain([gathered.chunk_tail, &gathered.tail]);
    let mut count = 0;
    for (place, piece) in pieces.iter_mut().zip(all.filter(|piece| !piece.is_empty())) {
        *place = IoSlice::new(piece);
        count += 1;
    }
    let pieces = pieces.get_mut(..count).unwrap_or_default();
    write_pieces(means, receiver, to, pieces).await
}

fn truncated(error: &impl std::fmt::Display) -> What {
    What::Io(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        error.to_string(),
    ))
}

fn sin(side: Side, name: &'static str, status: u16) -> Error {
    match side {
        Side::Origin => Error::origin_sin(Phase::Body, name),
        _ => Error::client_sin(Phase::Body, name, status),
    }
}

fn consume(input: &mut Option<Buffer>, used: usize) {
    if let Some(buffer) = input {
        buffer.consume(used);
        // Nothing waits in it: it goes back while the next octets are waited for.
        if buffer.is_empty() {
            *input = None;
        }
    }
}

/// Waits for more octets and puts them behind what is there. Returns how many; 0 is the end.
async fn receive<S: Stream>(
    means: &Means<'_>,
    from: &mut From<'_, S>,
    expected: Option<u64>,
) -> Result<usize, Error> {
    let side = from.side;
    let received = pin!(async {
        // Readiness first, then a buffer: whoever waits owns none.
        stream::readable(from.stream).await;
        let buffer = from
            .input
            .get_or_insert_with(|| means.buffers.for_body(expected));
        let received = stream::read(from.stream, buffer.space()).await;
        if buffer.is_empty() {
            *from.input = None;
        }
        received
    });
    let received = means.wait(&means.sender, received).await?;
    let received = received.map_err(|error| failed(side, error))?;
    means.sender.earn(received);
    Ok(received)
}

/// Waits for more octets and moves them to the receiver through a pipe. Returns how many; 0 is the sender's end. None: no
/// pipe is to be had, so they have to be copied.
async fn splice<R: Stream, W: Stream>(
    means: &Means<'_>,
    from: &From<'_, R>,
    to: &W,
    receiver: Side,
    octets_max: u64,
) -> Result<Option<usize>, Error> {
    if !from.stream.can_splice() || !to.can_splice() {
        return Ok(None);
    }
    let octets_max = usize::try_from(octets_max).unwrap_or(usize::MAX);
    let (mut pipe, filled) = loop {
        // Readiness first, then a pipe: whoever waits owns none.
        let readable = pin!(stream::readable(from.stream));
        means.wait(&means.sender, readable).await?;
        let Some(mut pipe) = means.buffers.pipe() else {
            return Ok(None);
        };
        let filling = poll_fn(
            |cx| match from.stream.poll_fill(cx, &mut pipe, octets_max) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(filled) => Poll::Ready(Some(filled)),
            },
        );
        if let Some(filled) = filling.await {
            break (pipe, filled);
        }
    };
    let moved = filled.map_err(|error| failed(from.side, error))?;
    means.sender.earn(moved);
    while pipe.held() > 0 {
        let mut draining = poll_fn(|cx| to.poll_drain(cx, &mut pipe));
        let draining = Pin::new(&mut draining);
        match means.wait(&means.receiver, draining).await? {
            Ok(0) => return Err(failed(receiver, io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                means.begun.set(true);
                means.receiver.earn(count);
            }
            Err(error) => return Err(failed(receiver, error)),
        }
    }
    Ok(Some(moved))
}

/// Writes octets, as [`write_pieces`] does.
pub(super) async fn write<S: Stream>(
    means: &Means<'_>,
    receiver: Side,
    to: &S,
    octets: &[u8],
) -> Result<(), Error> {
    write_pieces(means, receiver, to, &mut [IoSlice::new(octets)]).await
}

/// Writes all of it, for as long as the receiver makes progress.
async fn write_pieces<S: Stream>(
    means: &Means<'_>,
    receiver: Side,
    to: &S,
    mut pieces: &mut [IoSlice<'_>],
) -> Result<(), Error> {
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let mut writing = poll_fn(|cx| to.poll_write(cx, pieces));
        let writing = Pin::new(&mut writing);
        match means.wait(&means.receiver, writing).await? {
            Ok(0) => return Err(failed(receiver, io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                means.begun.set(true);
                means.receiver.earn(count);
                IoSlice::advance_slices(&mut pieces, count);
            }
            Err(error) => return Err(failed(receiver, error)),
        }
    }
    Ok(())
}

/// A connection failed while a body was carried.
fn failed(side: Side, error: io::Error) -> Error {
    match side {
        Side::Client => Error::client_gone(Phase::Body),
        _ => Error::origin(Phase::Body, Retry::Never, What::Io(error)),
    }
}
