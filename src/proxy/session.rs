//! A session: one client connection over its life, request after request.
//!
//! While it waits for a request it owns no buffer, and its task is small: all that an exchange needs is made when one
//! begins. It ends when the client ends it, when a verdict says that the connection cannot carry another exchange,
//! when it idles too long, or when the gateway drains.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use super::error::Phase;
use super::exchange::Next;
use super::gateway::{Entered, Gateway};
use super::stage;
use super::task::Task;
use super::timeout::Timeout;
use super::tunnel;
use super::wait::within;
use crate::clock;
use crate::context::{Context, Done};
use crate::metrics::Handshake;
use crate::net::dialer::Dial;
use crate::net::handshake::HandshakeError;
use crate::net::proxy_protocol::{Addresses, Header};
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::Buffer;

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
    /// The client, as origins are told of it in the PROXY protocol.
    pub(super) header: Header,
    /// The number of the listener it came by.
    pub(super) listener: usize,
    pub(super) ctx: Context,
    /// What all this is done by.
    pub(super) task: Task,
    /// The client speaks plain HTTP where TLS is spoken.
    pub(super) is_mistaken: Cell<bool>,
}

/// Who a connection is with, and what was connected to. `None`: it has no address, or none that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ends {
    /// The client.
    pub source: Option<SocketAddr>,
    /// What it connected to.
    pub destination: Option<SocketAddr>,
}

impl Ends {
    /// The client, as origins are told of it in the PROXY protocol.
    pub(super) fn header(&self) -> Header {
        let Some(source) = self.source else {
            return Header::Unix;
        };
        let destination = self.destination.unwrap_or_else(|| match source {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        });
        Header::Inet(Addresses::new(source, destination))
    }
}

/// Serves one client connection until it ends. `ctx` is its node: ending that ends the session's I/O.
///
/// This is the whole proxy for one connection, on any executor: the connection, the dialer's connections and the timers
/// of [`clock`] are all it waits for.
pub fn serve<C: Stream + 'static, D: Dial + 'static>(
    gateway: Rc<Gateway<D>>,
    client: C,
    peer: Option<SocketAddr>,
    ctx: Context,
) -> impl Future<Output = ()> {
    serve_by(gateway, client, peer, ctx, 0)
}

/// As [`serve`], for a connection that came by the listener of this number.
pub fn serve_by<C: Stream + 'static, D: Dial + 'static>(
    gateway: Rc<Gateway<D>>,
    client: C,
    peer: Option<SocketAddr>,
    ctx: Context,
    listener: usize,
) -> impl Future<Output = ()> {
    let ends = Ends {
        source: peer,
        destination: None,
    };
    serve_between(gateway, client, ends, ctx, listener)
}

/// As [`serve_by`], for a connection of which both ends are known.
pub fn serve_between<C: Stream + 'static, D: Dial + 'static>(
    gateway: Rc<Gateway<D>>,
    client: C,
    ends: Ends,
    ctx: Context,
    listener: usize,
) -> impl Future<Output = ()> {
    let session = Rc::new(Session {
        gateway,
        client,
        peer: ends.source,
        header: ends.header(),
        listener,
        ctx,
        task: Task::default(),
        is_mistaken: Cell::new(false),
    });
    // Of an `async fn` the arguments would be there twice, in every task that idles.
    async move { serve_requests(&session).await }
}

async fn serve_requests<C: Stream + 'static, D: Dial + 'static>(session: &Rc<Session<C, D>>) {
    let entered = session.gateway.enter();
    // What the client has sent beyond the request at hand.
    let mut input: Option<Buffer> = None;
    // A client that has never sent anything has its time for the head; one that has, its time to come back.
    let mut is_first = true;
    let mut pause = Pause { done: None };
    poll_fn(|cx| {
        session.task.work_for(&session.ctx, cx);
        Poll::Ready(())
    })
    .await;
    if session.client.is_secure() {
        match Box::pin(shake_hands(session, &entered)).await {
            Shaken::Well => {}
            Shaken::Over => return,
            // The client is told why, and has to get to read it.
            Shaken::Refused => return Box::pin(linger(session, None)).await,
        }
    }
    loop {
        if input.is_none() {
            entered.set_idle(Some(entered.quiet_since()));
            let came = poll_fn(|cx| pause.poll(session, &entered, is_first, cx)).await;
            entered.set_idle(None);
            if !came {
                return;
            }
        }
        let next;
        (next, input) = stage::perform(session, input.take()).await;
        match next {
            Next::Request => {
                is_first = false;
                entered.set_quiet(clock::now());
            }
            Next::Pause => {}
            Next::Close => return,
            Next::Linger => return Box::pin(linger(session, input)).await,
            Next::Tunnel(upgraded) => {
                return Box::pin(tunnel::run(session, *upgraded, input)).await;
            }
        }
    }
}

/// What comes of a handshake.
enum Shaken {
    /// Both agree, or the client can be told in plain HTTP that it has to.
    Well,
    /// The session is over.
    Over,
    /// One side refused the other.
    Refused,
}

/// Agrees with the client on keys.
///
/// Until then it is a session that idles: it makes way where others need room, and ends with a drain.
async fn shake_hands<C: Stream, D: Dial>(session: &Session<C, D>, entered: &Entered<D>) -> Shaken {
    let gateway = &*session.gateway;
    let limit = match gateway.scene().site.listener(session.listener) {
        Some(listen) => listen.terms.timeouts.header,
        None => return Shaken::Over,
    };
    let mut handshake = pin!(stream::handshake(&session.client));
    let wanted = pin!(poll_fn(|cx| {
        if entered.poll_unwanted(cx).is_ready() {
            return Poll::Ready(None);
        }
        handshake.as_mut().poll(cx).map(Some)
    }));
    entered.set_idle(Some(entered.quiet_since()));
    let shaken = within(
        &session.ctx,
        Phase::Head,
        (Timeout::Handshake, limit),
        wanted,
    )
    .await;
    entered.set_idle(None);
    let (outcome, why) = match shaken {
        Ok(None) => return Shaken::Over,
        Ok(Some(Ok(()))) => {
            let outcome = match session.client.is_resumed() {
                _ if !session.client.is_secure() => Handshake::PlainHttp,
                true => Handshake::Resumed,
                false => Handshake::Full,
            };
            session.is_mistaken.set(outcome == Handshake::PlainHttp);
            gateway.counters().handshake(outcome);
            return Shaken::Well;
        }
        Ok(Some(Err(HandshakeError::Proven))) => {
            gateway.counters().handshake(Handshake::Full);
            return Shaken::Over;
        }
        Ok(Some(Err(error))) => (outcome_of(&error), error.to_string()),
        // Its node ended for another reason, which is somebody's own affair.
        Err(_) if session.ctx.err().is_some() => return Shaken::Over,
        Err(error) => (Handshake::Timeout, error.to_string()),
    };
    gateway.counters().handshake(outcome);
    // Scans and health checks come and go without a word, many times a minute.
    if outcome != Handshake::Gone {
        let client = session.ctx.label();
        gateway.scribe.trouble(format_args!(
            "session#{} {client} tls handshake failed: {why}",
            session.ctx.id()
        ));
    }
    match outcome {
        Handshake::Refused => Shaken::Refused,
        _ => Shaken::Over,
    }
}

/// What is counted of a handshake that failed.
fn outcome_of(error: &HandshakeError) -> Handshake {
    match error {
        HandshakeError::Gone => Handshake::Gone,
        HandshakeError::Cut => Handshake::Cut,
        HandshakeError::NotTls { .. } => Handshake::NotTls,
        HandshakeError::Refused { .. } => Handshake::Refused,
        HandshakeError::Io(_) => Handshake::Failed,
        HandshakeError::Proven => Handshake::Full,
    }
}

/// The pauses of a session: what it waits with for a request.
///
/// It is made once. There is a pause for each request, and thousands of sessions are in one at any time, so a pause
/// allocates nothing, and its limit is no node.
struct Pause {
    /// The session's end. // see [`Task::poll_done`]
    done: Option<Done>,
}

impl Pause {
    /// Ready when something is there to be read: true; or when nothing is to be waited for any more: false.
    fn poll<C: Stream, D: Dial>(
        &mut self,
        session: &Session<C, D>,
        entered: &Entered<D>,
        is_first: bool,
        cx: &mut task::Context<'_>,
    ) -> Poll<bool> {
        if session.client.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        let task = &session.task;
        let ended = task.poll_done(&session.ctx, &mut self.done, cx);
        if ended.is_ready() || entered.poll_unwanted(cx).is_ready() {
            return Poll::Ready(false);
        }
        let scene = session.gateway.scene();
        let Some(listen) = scene.site.listener(session.listener) else {
            return Poll::Ready(false);
        };
        let timeouts = &listen.terms.timeouts;
        let limit = if is_first {
            timeouts.header
        } else {
            timeouts.idle
        };
        let Some(limit) = limit else {
            return Poll::Pending;
        };
        let until = clock::later(entered.quiet_since(), limit);
        task.poll_until(until, cx).map(|()| false)
    }
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
