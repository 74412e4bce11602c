//! A session: one client connection over its life, request after request.
//!
//! While it waits for a request it owns no buffer, and its task is small: all that an exchange needs is made when one
//! begins. It ends when the client ends it, when a verdict says that the connection cannot carry another exchange,
//! when it idles too long, or when the gateway drains.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future;

use super::error::Phase;
use super::exchange::{self, Next};
use super::gateway::{Entered, Gateway};
use super::timeout::Timeout;
use super::tunnel;
use super::wait::within;
use crate::clock;
use crate::context::Context;
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
    loop {
        if input.is_none() && !await_request(&session, &entered, limit).await {
            return;
        }
        let next = Box::pin(burst(&session, &entered, &mut input)).await;
        let quiet = clock::now().saturating_duration_since(entered.quiet_since());
        limit = (
            Timeout::Idle,
            timeouts.idle.map(|idle| idle.saturating_sub(quiet)),
        );
        match next {
            Next::Request => {}
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
async fn burst<C: Stream, D: Dial>(
    session: &Session<C, D>,
    entered: &Entered<D>,
    input: &mut Option<Buffer>,
) -> Next<D::Stream> {
    let idle = session.gateway.rules.timeouts.idle;
    let soon = (
        Timeout::Soon,
        Some(idle.map_or(SOON, |idle| idle.min(SOON))),
    );
    loop {
        match exchange::run(session, input).await {
            Next::Request if input.is_some() => {}
            Next::Request if await_request(session, entered, soon).await => {}
            next => return next,
        }
    }
}

/// Waits until something is there to be read. False: it is not, in time, or the session is over.
async fn await_request<C: Stream, D: Dial>(
    session: &Session<C, D>,
    entered: &Entered<D>,
    limit: (Timeout, Option<Duration>),
) -> bool {
    if limit.0 != Timeout::Idle {
        entered.set_quiet(clock::now());
    }
    entered.set_idle(Some(entered.quiet_since()));
    let readable = async {
        stream::readable(&session.client).await;
        true
    };
    let unwanted = async {
        poll_fn(|cx| entered.poll_unwanted(cx)).await;
        false
    };
    let came = within(
        &session.ctx,
        Phase::Head,
        limit,
        future::or(readable, unwanted),
    )
    .await;
    entered.set_idle(None);
    came.unwrap_or(false)
}

/// Ends our direction, and reads on for a little while: a close with octets unread would be a reset, and could take the
/// answer back that is still on its way.
async fn linger<C: Stream, D: Dial>(session: &Session<C, D>, input: Option<Buffer>) {
    drop(input);
    let limit = (Timeout::Linger, Some(LINGER));
    let _ = within(&session.ctx, Phase::Body, limit, async {
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
    })
    .await;
}
