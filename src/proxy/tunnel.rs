//! A tunnel: octets both ways, as they come, after the origin has switched protocols.
//!
//! Each direction ends by itself: an end from one side is passed on as an end, and the other direction goes on. The
//! tunnel is over when both have ended, when one has failed, or when its node ends.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::pin;
use std::task::{self, Poll};
use std::time::Instant;

use super::error::{Error, Phase, What};
use super::exchange::Upgraded;
use super::record::record;
use super::session::Session;
use super::timeout::Timeout;
use crate::clock;
use crate::context::{Context, Reason};
use crate::net::dialer::Dial;
use crate::net::stream::{self, Hangup, Stream};
use crate::runtime::buffer::{Buffer, Buffers};

/// Carries a tunnel to its end. `client_input` is what the client sent behind its request.
pub(super) async fn run<C: Stream, D: Dial>(
    session: &Session<C, D>,
    upgraded: Upgraded<D::Stream>,
    client_input: Option<Buffer>,
) {
    let gateway = &*session.gateway;
    let Upgraded {
        origin,
        input: origin_input,
        label,
        mut told,
        heads,
        terms,
        admitted: _admitted,
    } = upgraded;
    let named = session.ctx.named("tunnel", label);
    let (ctx, _cancel) = match terms.timeouts.tunnel_max {
        Some(max) => named.with_timeout_cause(max, Reason::Static(Timeout::TunnelMax.as_static())),
        None => named.with_cancel(),
    };
    let last = Cell::new(clock::now());
    let up = Direction {
        from: &session.client,
        to: &origin.stream,
        buffers: &gateway.buffers,
        last: &last,
    };
    let down = Direction {
        from: &origin.stream,
        to: &session.client,
        buffers: &gateway.buffers,
        last: &last,
    };
    let both = async {
        let mut up = pin!(up.carry(client_input, &mut told.received));
        let mut down = pin!(down.carry(origin_input, &mut told.sent));
        let (mut up_over, mut down_over) = (false, false);
        poll_fn(|cx| {
            if !up_over {
                match up.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => up_over = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            if !down_over {
                match down.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => down_over = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            if up_over && down_over {
                return Poll::Ready(Ok(()));
            }
            // Whoever has ended its side is not read from any more, and may be gone before it is written to.
            let is_gone = (up_over && is_reset(&session.client, cx))
                || (down_over && is_reset(&origin.stream, cx));
            if is_gone {
                return Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
            }
            Poll::Pending
        })
        .await
    };
    let ended = unless_idle(&ctx, terms.timeouts.tunnel, &last, both).await;
    if let Err(error) = ended {
        if matches!(error.what, What::Gone | What::Io(_)) {
            // One side was cut; to the other, a clean end would look like the whole.
            session.client.abort();
            origin.stream.abort();
        }
        if !matches!(error.what, What::Gone | What::Io(_)) {
            told.blame(&error);
            gateway.scribe.trouble(format_args!(
                "tunnel#{} {} cause={error}",
                ctx.id(),
                ctx.label()
            ));
        }
    }
    record(session, &heads, &told);
}

/// Whether the connection is gone in both directions. Wakes when it is.
fn is_reset(stream: &impl Stream, cx: &mut task::Context<'_>) -> bool {
    stream.poll_hangup(cx) == Poll::Ready(Hangup::Reset)
}

/// Runs `work` under `ctx` for as long as `last` moves on at least every `idle`.
async fn unless_idle(
    ctx: &Context,
    idle: Option<std::time::Duration>,
    last: &Cell<Instant>,
    work: impl Future<Output = std::io::Result<()>>,
) -> Result<(), Error> {
    let mut work = pin!(work);
    loop {
        let Some(idle) = idle else {
            return finished(
                ctx.run(work.as_mut())
                    .await
                    .map_err(|_| Error::ended(ctx, Phase::Body))?,
            );
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

fn finished(result: std::io::Result<()>) -> Result<(), Error> {
    result.map_err(|_| Error::client_gone(Phase::Body))
}

/// One direction of a tunnel.
struct Direction<'a, R, W> {
    from: &'a R,
    to: &'a W,
    buffers: &'a Buffers,
    /// When octets last came, in either direction.
    last: &'a Cell<Instant>,
}

impl<R: Stream, W: Stream> Direction<'_, R, W> {
    /// Carries octets until `from` ends, then ends `to`.
    async fn carry(&self, mut input: Option<Buffer>, carried: &mut u64) -> std::io::Result<()> {
        loop {
            if let Some(buffer) = input.take() {
                let octets = buffer.filled();
                stream::write_all(self.to, &mut [IoSlice::new(octets)]).await?;
                *carried += octets.len() as u64;
                self.last.set(clock::now());
            }
            stream::readable(self.from).await;
            let mut buffer = self.buffers.for_body(None);
            if stream::read(self.from, buffer.space()).await? == 0 {
                return stream::shutdown(self.to).await;
            }
            input = Some(buffer);
        }
    }
}
