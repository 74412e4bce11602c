//! An attempt: one try of an exchange at one endpoint, from the connection to the final response head.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::error::{Error, Phase, Retry, Side, What};
use super::gateway::Gateway;
use super::scene::Member;
use super::task::Task;
use super::timeout::Timeout;
use super::wait::{Wait, within};
use crate::clock;
use crate::context::Context;
use crate::http::head::{HeadScanner, Parsed, ResponseHead};
use crate::http::limits::Limits;
use crate::limit::Permit;
use crate::metrics::UpstreamEvent;
use crate::net::dialer::{Dial, dial_any};
use crate::net::pool::Pooled;
use crate::net::proxy_protocol::Header;
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::{Buffer, Buffers};

/// How long an exchange waits for another to give its descriptor back.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// A new connection to an endpoint where none idles; or, with `may_reuse`, one that idles by then.
///
/// # Errors
/// No address could be connected to, or not in time.
pub(super) async fn connect<D: Dial>(
    gateway: &Gateway<D>,
    limit: Option<Duration>,
    ctx: &Context,
    member: &Member<D::Stream>,
    client: &Header,
    permit: Option<Permit>,
    may_reuse: bool,
) -> Result<Box<Pooled<D::Stream>>, Error> {
    let limit = (Timeout::Connect, limit);
    let mut permit = permit;
    let addresses = &member.endpoint.addresses;
    let begun = clock::now();
    let dialing = pin!(async {
        addresses.known().await;
        loop {
            // Before they are looked at: those of later ones are not kept for long.
            let generation = addresses.generation();
            let dialed = async {
                let stream = dial_any(&gateway.dial, &addresses.get()).await?;
                if let Some(version) = member.send_proxy {
                    let mut octets = Vec::with_capacity(64);
                    client.write(version, &mut octets);
                    stream::write_all(&stream, &mut [IoSlice::new(&octets)]).await?;
                }
                Ok(stream)
            };
            let failed = match dialed.await {
                Ok(stream) => {
                    let stream = match &member.endpoint.tls {
                        None => stream,
                        Some(with) => secured(gateway.dial.secure(stream, with)?).await?,
                    };
                    let since = clock::now();
                    return Ok(Box::new(Pooled {
                        stream,
                        since,
                        exchanges: 0,
                        permit: permit.take(),
                        open: Some(member.tally.opened(since.saturating_duration_since(begun))),
                        counted: member.state.connected(),
                        generation,
                        told: member.send_proxy.map(|_| *client),
                    }));
                }
                Err(error) => error,
            };
            if !is_full(&failed) {
                return Err(failed);
            }
            // No descriptor is left in this process; other exchanges end all the time.
            clock::sleep(FULL_PAUSE).await;
            if let Some(pooled) = may_reuse.then(|| member.idle(client)).flatten() {
                member.tally.note(UpstreamEvent::Reused);
                return Ok(pooled);
            }
        }
    });
    match within(ctx, Phase::Connect, limit, dialing).await? {
        Ok(pooled) => Ok(pooled),
        Err(_) if addresses.get().is_empty() => Err(Error {
            retry: Retry::Always,
            ..Error::gateway(Phase::Connect, What::NoEndpoint)
        }),
        Err(error) => Err(Error::origin(
            Phase::Connect,
            Retry::Always,
            What::Io(error),
        )),
    }
}

/// A connection on which TLS has begun, once both sides have agreed.
async fn secured<S: Stream>(stream: S) -> io::Result<S> {
    match stream::handshake(&stream).await {
        Ok(()) => Ok(stream),
        // As it is: what the system says of a connection means something else once there is one.
        Err(error) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, error)),
    }
}

/// A connection that may be used, or made: an idle one, or the permit for a new one. Waits in the queue where there may be
/// no more of them.
///
/// # Errors
/// The queue is full, or its time is over.
pub(super) async fn permit<D: Dial>(
    ctx: &Context,
    limit: Duration,
    member: &Member<D::Stream>,
) -> Result<Option<Permit>, Error> {
    let Some(permits) = &member.permits else {
        return Ok(None);
    };
    if let Some(permit) = permits.try_acquire() {
        return Ok(Some(permit));
    }
    let queue_full = |_| Error {
        retry: Retry::Always,
        ..Error::gateway(Phase::Connect, What::QueueFull)
    };
    let waiting = pin!(permits.acquire().map_err(queue_full)?);
    let limit = (Timeout::Queue, Some(limit));
    let since = clock::now();
    let waited = within(ctx, Phase::Connect, limit, waiting).await;
    let took = clock::now().saturating_duration_since(since);
    member.tally.queued.observe(took);
    waited.map(Some)
}

/// The process has no descriptor left, which is nothing the origin could help.
fn is_full(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// How far the sending of a request is. Once it has ended it is not polled again.
pub(super) struct Sending<'a, F> {
    future: Pin<&'a mut F>,
    state: Sent,
}

/// See [`Sending`].
pub(super) enum Sent {
    /// Octets are still to be sent.
    Partly,
    /// All of it is sent.
    Wholly,
    /// The origin took no more. What it has to say of that may still come.
    Refused,
}

impl<'a, F: Future<Output = Result<(), Error>>> Sending<'a, F> {
    pub(super) fn new(future: Pin<&'a mut F>) -> Self {
        Self {
            future,
            state: Sent::Partly,
        }
    }

    /// For a request that was sent before.
    pub(super) fn whole(future: Pin<&'a mut F>) -> Self {
        Self {
            future,
            state: Sent::Wholly,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self.state, Sent::Wholly)
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, Sent::Partly)
    }

    /// Goes on sending. Ready when there is nothing more to send.
    ///
    /// # Errors
    /// The client's doing, or the context's. That the origin took no more is no error: an answer may follow.
    pub(super) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), Error>> {
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        match self.future.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => {
                self.state = Sent::Wholly;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error))
                if error.side == Side::Origin && !matches!(error.what, What::Timeout(_)) =>
            {
                self.state = Sent::Refused;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

/// How long the origin may take for its final response head, from the moment it has all there is of the request. Interim
/// responses do not buy it time.
pub(super) struct Patience {
    timeout: Timeout,
    limit: Option<Duration>,
    /// When it is over. // while it runs
    until: Option<Instant>,
}

impl Patience {
    /// `None`: what bounds the attempt bounds this.
    pub(super) fn new(timeout: Timeout, limit: Option<Duration>) -> Self {
        Self {
            timeout,
            limit,
            until: None,
        }
    }

    fn run(&mut self) {
        if self.until.is_none() {
            self.until = self.limit.map(|limit| clock::later(clock::now(), limit));
        }
    }
}

/// Reads the next response head, interim or final, while the request is still being sent. `is_held`: the sender waits
/// for a word of the origin.
///
/// # Errors
/// The origin failed, broke a rule or took too long; or sending failed by the client's doing.
pub(super) async fn await_head<S: Stream, F: Future<Output = Result<(), Error>>>(
    (task, ctx): (&Task, &Context),
    sending: &mut Sending<'_, F>,
    is_held: &Cell<bool>,
    reading: HeadReading<'_, S>,
    patience: &mut Patience,
) -> Result<(), Error> {
    let mut head = pin!(reading.read());
    let mut wait = Wait::new(Some(task), ctx);
    poll_fn(|cx| {
        let is_its_turn = |sending: &Sending<'_, F>| sending.is_over() || is_held.get();
        let phase = if is_its_turn(sending) {
            Phase::Await
        } else {
            Phase::Send
        };
        if let Some(error) = wait.ended(phase) {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(Err(error)) = sending.poll(cx) {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(head) = head.as_mut().poll(cx) {
            return Poll::Ready(head);
        }
        if !is_its_turn(sending) {
            // What bounds the body bounds this wait, and the attempt's own deadline.
            patience.until = None;
        } else {
            patience.run();
        }
        wait.poll(cx, phase, (patience.timeout, patience.until))
            .map(Err)
    })
    .await
}

/// What it takes to read a response head.
pub(super) struct HeadReading<'a, S> {
    pub(super) origin: &'a S,
    pub(super) input: &'a mut Option<Buffer>,
    pub(super) head: &'a mut ResponseHead,
    pub(super) limits: &'a Limits,
    pub(super) buffers: &'a Buffers,
    /// An interim response came already: the origin is at work.
    pub(super) is_under_way: bool,
}

impl<S: Stream> HeadReading<'_, S> {
    /// # Errors
    /// The origin's.
    pub(super) async fn read(self) -> Result<(), Error> {
        let Self {
            origin,
            input,
            head,
            limits,
            buffers,
            is_under_way,
        } = self;
        let mut progress = HeadScanner::default();
        // A connection that ends before the first octet of a response was closed for its age, or by an origin that
        // never came to the request, as far as anyone can tell.
        let retry = if is_under_way {
            Retry::Never
        } else {
            Retry::IfIdempotent
        };
        loop {
            if let Some(buffer) = input
                .as_mut()
                .filter(|buffer| progress.is_worthwhile(buffer.filled(), limits))
            {
                let parsed = head
                    .parse(buffer.filled(), limits)
                    .map_err(|error| Error::origin_sin(Phase::Await, error.sin()))?;
                if let Parsed::Complete(consumed) = parsed {
                    buffer.consume(consumed);
                    if buffer.is_empty() {
                        *input = None;
                    }
                    return Ok(());
                }
            }
            stream::readable(origin).await;
            let had_some = input.is_some();
            let buffer = input.get_or_insert_with(|| buffers.small());
            let received = stream::read(origin, buffer.space()).await;
            if buffer.is_empty() {
                *input = None;
            }
            let retry = if had_some { Retry::Never } else { retry };
            match received {
                Ok(0) => return Err(Error::origin(Phase::Await, retry, What::Gone)),
                Ok(_) => {}
                Err(error) => return Err(Error::origin(Phase::Await, retry, What::Io(error))),
            }
        }
    }
}
