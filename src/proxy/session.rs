//! A session: one client connection over its life, request after request.
//!
//! While it waits for a request it owns no buffer, and its task is small: all that an exchange needs is made when one
//! begins. It ends when the client ends it, when a verdict says that the connection cannot carry another exchange,
//! when it idles too long, or when the gateway drains.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use super::error::Phase;
use super::exchange::{self, Next};
use super::gateway::{Entered, Gateway};
use super::timeout::Timeout;
use super::tunnel;
use super::wait::within;
use crate::clock::{self, Sleep};
use crate::context::{Context, Done};
use crate::net::dialer::Dial;
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::Buffer;

/// How closely a request follows the one before, for the memory of one to serve the next.
const SOON: Duration = Duration::from_secs(1);
/// For how long, and how many octets, a connection that is being closed is still read, so that the client gets to read
/// the last answer before a reset (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
/// See [`LINGER`].
const LINGER_OCTETS: usize = 256 * 1024;

/// What an exchange needs to know of the session it belongs to.
pub(super) struct Session<C, D: Dial> {
    pub(super) gateway: Rc<Gateway<D>>,
    pub(super) client: C,
    pub(super) peer: Option<SocketAddr>,
    pub(super) ctx: Context,
}

/// Serves one client connection until it ends. `ctx` is its node: ending that ends the session's I/O.
///
/// This is the whole proxy for one connection, on any executor: the connection, the dialer's connections and the timers
/// of [`clock`] are all it waits for.
pub async fn serve<C: Stream, D: Dial>(
    gateway: Rc<Gateway<D>>,
    client: C,
    peer: Option<SocketAddr>,
    ctx: Context,
) {
    let entered = gateway.enter();
    let session = Session {
        gateway,
        client,
        peer,
        ctx,
    };
    // What the client has sent beyond the request at hand.
    let mut input: Option<Buffer> = None;
    // A client that has never sent anything has its time for the head; one that has, its time to come back.
    let timeouts = &session.gateway.rules.timeouts;
    let mut limit = (Timeout::Header, timeouts.header);
    entered.set_quiet(clock::now());
    loop {
        if input.is_none() && !await_request(&session, &entered, limit).await {
            return;
        }
        match Box::pin(burst(&session, &entered, &mut input)).await {
            Next::Request => {
                let quiet = clock::now().saturating_duration_since(entered.quiet_since());
                let left = timeouts.idle.map(|idle| idle.saturating_sub(quiet));
                limit = (Timeout::Idle, left);
            }
            Next::Close => return,
            Next::Linger => return Box::pin(linger(&session, input)).await,
            Next::Tunnel(upgraded) => {
                return Box::pin(tunnel::run(&session, *upgraded, input)).await;
            }
        }
    }
}

/// Serves requests for as long as they follow each other closely. What an exchange needs in memory is large, and is
/// kept for the next one only while that may come at any moment.
///
/// [`Next::Request`]: it did not come soon; the connection may go on.
async fn burst<C: Stream, D: Dial>(
    session: &Session<C, D>,
    entered: &Entered<D>,
    input: &mut Option<Buffer>,
) -> Next<D::Stream> {
    let idle = session.gateway.rules.timeouts.idle;
    let mut pause = Pause {
        done: session.ctx.done(),
        long: idle.map_or(SOON, |idle| idle.min(SOON)),
        alarm: None,
    };
    loop {
        match exchange::run(session, input).await {
            Next::Request if input.is_some() => {}
            Next::Request => {
                entered.set_quiet(clock::now());
                entered.set_idle(Some(entered.quiet_since()));
                let paused = poll_fn(|cx| pause.poll(session, entered, cx)).await;
                entered.set_idle(None);
                match paused {
                    Paused::Request => {}
                    Paused::Long => return Next::Request,
                    Paused::Over => return Next::Close,
                }
            }
            next => return next,
        }
    }
}

/// The pauses of one burst. There is one per request, so what they wait with is made once: the listener, and an alarm
/// that is set again only when it has rung.
struct Pause {
    /// The session's end.
    done: Done,
    /// How long a long pause is.
    long: Duration,
    /// Rings when a pause that began with it has been a long one. // from the first pause on
    alarm: Option<Sleep>,
}

/// How a pause ended.
enum Paused {
    /// With something to be read.
    Request,
    /// Not yet, but it has been so long that the memory is given back. The pause goes on.
    Long,
    /// With the session.
    Over,
}

impl Pause {
    fn poll<C: Stream, D: Dial>(
        &mut self,
        session: &Session<C, D>,
        entered: &Entered<D>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Paused> {
        if session.client.poll_readable(cx).is_ready() {
            return Poll::Ready(Paused::Request);
        }
        if entered.poll_unwanted(cx).is_ready() || Pin::new(&mut self.done).poll(cx).is_ready() {
            return Poll::Ready(Paused::Over);
        }
        let until = clock::later(entered.quiet_since(), self.long);
        loop {
            let alarm = self.alarm.get_or_insert_with(|| clock::sleep_until(until));
            ready!(Pin::new(&mut *alarm).poll(cx));
            if alarm.at() >= until {
                return Poll::Ready(Paused::Long);
            }
            // It was set in an earlier pause.
            self.alarm = None;
        }
    }
}

/// Waits until something is there to be read. False: it is not, in time, or the session is over.
async fn await_request<C: Stream, D: Dial>(
    session: &Session<C, D>,
    entered: &Entered<D>,
    limit: (Timeout, Option<Duration>),
) -> bool {
    entered.set_idle(Some(entered.quiet_since()));
    let mut something = poll_fn(|cx| {
        if session.client.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        entered.poll_unwanted(cx).map(|()| false)
    });
    let came = within(&session.ctx, Phase::Head, limit, Pin::new(&mut something)).await;
    entered.set_idle(None);
    came.unwrap_or(false)
}

/// Ends our direction, and reads on for a little while: a close with octets unread would be a reset, and could take the
/// answer back that is still on its way.
async fn linger<C: Stream, D: Dial>(session: &Session<C, D>, input: Option<Buffer>) {
    drop(input);
    let limit = (Timeout::Linger, Some(LINGER));
    let lingering = pin!(async {
        if stream::shutdown(&session.client).await.is_err() {
            return;
        }
        let mut octets = 0;
        while octets < LINGER_OCTETS {
            stream::readable(&session.client).await;
            let mut buffer = session.gateway.buffers.small();
            match stream::read(&session.client, buffer.space()).await {
                Ok(0) | Err(_) => return,
                Ok(count) => octets += count,
            }
        }
    });
    let _ = within(&session.ctx, Phase::Body, limit, lingering).await;
}
