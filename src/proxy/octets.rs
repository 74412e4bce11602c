//! Octets both ways, as they come: what a tunnel and a stream carry, once they have begun.
//!
//! Each direction ends by itself: an end from one side is passed on as an end, and the other direction goes on. It is
//! over when both have ended, when one has failed, or when the node it runs under ends.
//!
//! A message and its answer are copied: two system calls. Where octets come faster than they are taken out, they go
//! through a pipe and are not copied (`splice`); that is tried as soon as a read fills its buffer, and given up as soon
//! as little comes.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use super::error::{Error, Phase, Retry, Side, What};
use super::timeout::Timeout;
use crate::clock;
use crate::context::{Context, Reason};
use crate::metrics::Count;
use crate::net::stream::{self, Hangup, Stream};
use crate::runtime::buffer::{Buffer, Buffers};
use crate::runtime::worker::breathe;

/// What comes through a pipe has to be so much on the whole, or copying costs less.
const SPLICED_MIN: usize = 16 * 1024;
/// After so many pieces others have their turn, however many more there are.
const PIECES_PER_TURN: usize = 32;

/// Two connections, and what octets are carried with.
pub(super) struct Between<'a, C, O> {
    pub(super) client: &'a C,
    pub(super) origin: &'a O,
    pub(super) buffers: &'a Buffers,
    /// How long nothing may come from either side.
    pub(super) idle: Option<Duration>,
    /// Further counters: of what comes from the client, and of what goes to it.
    pub(super) counts: Option<(&'a Count, &'a Count)>,
}

/// What was received already, or carried: from the client, and from the origin.
pub(super) struct Both<T> {
    pub(super) up: T,
    pub(super) down: T,
}

impl<C: Stream, O: Stream> Between<'_, C, O> {
    /// Carries octets to their end, first what was `received` already, and adds to what was `carried`.
    ///
    /// # Errors
    /// One side failed, nothing came for too long, or `ctx` has ended.
    pub(super) async fn carry(
        &self,
        ctx: &Context,
        received: Both<Option<Buffer>>,
        carried: Both<&mut u64>,
    ) -> Result<(), Error> {
        let last = Cell::new(clock::now());
        let (count_up, count_down) = self.counts.unzip();
        let up = Direction {
            from: (self.client, Side::Client),
            to: (self.origin, Side::Origin),
            buffers: self.buffers,
            last: &last,
            count: count_up,
        };
        let down = Direction {
            from: (self.origin, Side::Origin),
            to: (self.client, Side::Client),
            buffers: self.buffers,
            last: &last,
            count: count_down,
        };
        let both = async {
            let mut up = pin!(up.carry(received.up, carried.up));
            let mut down = pin!(down.carry(received.down, carried.down));
            let (mut up_is_over, mut down_is_over) = (false, false);
            poll_fn(|cx| {
                if !up_is_over {
                    if let Poll::Ready(ended) = up.as_mut().poll(cx) {
                        ended?;
                        up_is_over = true;
                    }
                }
                if !down_is_over {
                    if let Poll::Ready(ended) = down.as_mut().poll(cx) {
                        ended?;
                        down_is_over = true;
                    }
                }
                match (up_is_over, down_is_over) {
                    (true, true) => Poll::Ready(Ok(())),
                    (false, false) => Poll::Pending,
                    // Nobody reads from the one that has ended its direction: it may leave altogether.
                    (true, false) => reset(self.client, Side::Client, cx),
                    (false, true) => reset(self.origin, Side::Origin, cx),
                }
            })
            .await
        };
        unless_idle(ctx, self.idle, &last, both).await
    }
}

/// Ready when the connection is gone in both directions.
fn reset<S: Stream>(
    stream: &S,
    side: Side,
    cx: &mut task::Context<'_>,
) -> Poll<Result<(), (Side, io::Error)>> {
    match stream.poll_hangup(cx) {
        Poll::Ready(Hangup::Reset) => {
            Poll::Ready(Err((side, io::ErrorKind::ConnectionReset.into())))
        }
        _ => Poll::Pending,
    }
}

/// Runs `work` under `ctx` for as long as `last` moves on at least every `idle`.
async fn unless_idle(
    ctx: &Context,
    idle: Option<Duration>,
    last: &Cell<Instant>,
    work: impl Future<Output = Result<(), (Side, io::Error)>>,
) -> Result<(), Error> {
    let mut work = pin!(work);
    loop {
        let Some(idle) = idle else {
            let ended = ctx.run(work.as_mut()).await;
            return finished(ended.map_err(|_| Error::ended(ctx, Phase::Body))?);
        };
        let reason = Reason::Static(Timeout::Tunnel.as_static());
        let due = clock::later(last.get(), idle);
        let (node, _cancel) = ctx
            .named("task", Timeout::Tunnel.waits_for())
            .with_deadline_cause(due, reason);
        match node.run(work.as_mut()).await {
            Ok(result) => return finished(result),
            // The deadline was set by what was the last octet then; there may have been others since.
            Err(_) if ctx.err().is_none() && clock::later(last.get(), idle) > clock::now() => {}
            Err(_) => return Err(Error::ended(&node, Phase::Body)),
        }
    }
}

fn finished(result: Result<(), (Side, io::Error)>) -> Result<(), Error> {
    result.map_err(|(side, error)| match side {
        Side::Client => Error::client_gone(Phase::Body),
        _ => Error::origin(Phase::Body, Retry::Never, What::Io(error)),
    })
}

/// One direction.
struct Direction<'a, R, W> {
    from: (&'a R, Side),
    to: (&'a W, Side),
    buffers: &'a Buffers,
    /// When octets last came, in either direction.
    last: &'a Cell<Instant>,
    count: Option<&'a Count>,
}

impl<R: Stream, W: Stream> Direction<'_, R, W> {
    /// Carries octets until `from` ends, then ends `to`.
    ///
    /// # Errors
    /// Whose connection failed, and how.
    async fn carry(
        &self,
        received: Option<Buffer>,
        carried: &mut u64,
    ) -> Result<(), (Side, io::Error)> {
        if let Some(buffer) = received {
            let octets = buffer.filled();
            self.write(octets).await?;
            self.note(octets.len(), carried);
        }
        let can_splice = self.from.0.can_splice() && self.to.0.can_splice();
        let (mut is_much, mut pieces) = (false, 0);
        loop {
            // Readiness first, then a buffer or a pipe: whoever waits owns none.
            stream::readable(self.from.0).await;
            let spliced = match is_much && can_splice {
                true => self.splice(carried).await?,
                false => None,
            };
            let moved = match spliced {
                Some(Some(count)) => {
                    is_much = count >= SPLICED_MIN;
                    count
                }
                // It only seemed to be readable.
                Some(None) => continue,
                None => match self.copy(is_much, carried).await? {
                    Some((count, was_full)) => {
                        is_much = was_full;
                        count
                    }
                    None => continue,
                },
            };
            if moved == 0 {
                let (to, side) = self.to;
                return stream::shutdown(to).await.map_err(|error| (side, error));
            }
            pieces += 1;
            if pieces % PIECES_PER_TURN == 0 {
                breathe().await;
            }
        }
    }

    /// Carries one piece through a buffer. Returns how many octets, and whether there was no room for more; `None`: there
    /// were none to be had.
    async fn copy(
        &self,
        is_much: bool,
        carried: &mut u64,
    ) -> Result<Option<(usize, bool)>, (Side, io::Error)> {
        let (from, side) = self.from;
        let mut buffer = match is_much {
            true => self.buffers.for_body(None),
            false => self.buffers.small(),
        };
        let reading = poll_fn(|cx| match from.poll_read(cx, buffer.space()) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(read) => Poll::Ready(Some(read)),
        });
        let Some(read) = reading.await else {
            return Ok(None);
        };
        let count = read.map_err(|error| (side, error))?;
        let was_full = count == buffer.capacity();
        if count > 0 {
            self.write(buffer.filled()).await?;
            self.note(count, carried);
        }
        Ok(Some((count, was_full)))
    }

    async fn write(&self, octets: &[u8]) -> Result<(), (Side, io::Error)> {
        let (to, side) = self.to;
        let written = stream::write_all(to, &mut [IoSlice::new(octets)]).await;
        written.map_err(|error| (side, error))
    }

    /// Carries one piece through a pipe. Returns how many octets; the inner `None`: there were none to be had. The outer
    /// `None`: there is no pipe.
    async fn splice(&self, carried: &mut u64) -> Result<Option<Option<usize>>, (Side, io::Error)> {
        let ((from, from_side), (to, to_side)) = (self.from, self.to);
        let Some(mut pipe) = self.buffers.pipe() else {
            return Ok(None);
        };
        let filling = poll_fn(|cx| match from.poll_fill(cx, &mut pipe, usize::MAX) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(filled) => Poll::Ready(Some(filled)),
        });
        let Some(filled) = filling.await else {
            return Ok(Some(None));
        };
        let moved = filled.map_err(|error| (from_side, error))?;
        while pipe.held() > 0 {
            let mut draining = poll_fn(|cx| to.poll_drain(cx, &mut pipe));
            match Pin::new(&mut draining).await {
                Ok(0) => return Err((to_side, io::ErrorKind::WriteZero.into())),
                Ok(count) => self.note(count, carried),
                Err(error) => return Err((to_side, error)),
            }
        }
        Ok(Some(Some(moved)))
    }

    /// So many octets were taken.
    fn note(&self, octets: usize, carried: &mut u64) {
        *carried += octets as u64;
        if let Some(count) = self.count {
            count.add(octets as u64);
        }
        self.last.set(clock::now());
    }
}
