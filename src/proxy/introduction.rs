//! What comes before a session where a proxy in front says who the client is: its PROXY protocol header.
//!
//! It is looked at where it lies and taken away once it is whole, so that the octets behind it, whatever they are, are
//! the session's. Whoever is waited for here is counted as a session that idles: a drain ends it, and so does want of
//! room.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::gateway::Gateway;
use super::site::Listen;
use super::timeout::Timeout;
use crate::clock;
use crate::context::{Context, Reason};
use crate::metrics::Unannounced;
use crate::net::dialer::Dial;
use crate::net::proxy_protocol::{self, Header, OCTETS_MAX, Parsed, Sin};
use crate::net::tcp::Socket;

/// So much is looked at to begin with: more than the headers have that say nothing but addresses.
const USUAL_OCTETS: usize = 256;

/// Waits for the header of a connection that came by `listen`, for as long as a request head may take. `ctx` is the
/// connection's node. `None`: there is none, so the connection has to be closed; that is counted and said.
pub async fn header<D: Dial>(
    gateway: &Rc<Gateway<D>>,
    client: &Socket,
    proxy: Option<SocketAddr>,
    listen: &Listen,
    ctx: &Context,
) -> Option<Header> {
    let entered = gateway.enter();
    entered.set_idle(Some(entered.quiet_since()));
    let named = ctx.named("task", "PROXY protocol header");
    let (node, _cancel) = match listen.terms.timeouts.header {
        Some(limit) => {
            let due = clock::later(entered.quiet_since(), limit);
            named.with_deadline_cause(due, Reason::Static(Timeout::Header.as_static()))
        }
        None => named.with_cancel(),
    };
    let mut reading = pin!(read(client));
    let read = node.run(poll_fn(|cx| {
        if let Poll::Ready(read) = reading.as_mut().poll(cx) {
            return Poll::Ready(Some(read));
        }
        entered.poll_unwanted(cx).map(|()| None)
    }));
    let why = match read.await {
        Ok(Some(Ok(header))) => return Some(header),
        Ok(Some(Err(why))) => why,
        // Somebody else had to have its place, or it was cancelled.
        Ok(None) => return None,
        Err(_) if ctx.err().is_some() => return None,
        Err(_) => Unannounced::Timeout,
    };
    refuse(gateway, client, proxy, why);
    None
}

/// Counts and says that a connection is closed because nobody who is trusted said whose it is, and has it reset.
pub fn refuse<D: Dial>(
    gateway: &Gateway<D>,
    client: &Socket,
    proxy: Option<SocketAddr>,
    why: Unannounced,
) {
    use crate::net::stream::Stream as _;
    gateway.counters().unannounced(why);
    let said = match why {
        Unannounced::Untrusted => "it is not among `trusted_proxies`",
        Unannounced::Missing => "it does not begin with a PROXY protocol header",
        Unannounced::Malformed => "its PROXY protocol header is malformed",
        Unannounced::Timeout => "its PROXY protocol header is late",
        // So balancers see whether somebody is there.
        Unannounced::Ended => return,
    };
    client.abort();
    match proxy {
        Some(proxy) => gateway.say(&format!("closed a connection from {proxy}: {said}")),
        None => gateway.say(&format!("closed a connection by a unix socket: {said}")),
    }
}

async fn read(client: &Socket) -> Result<Header, Unannounced> {
    let mut seen = Vec::with_capacity(USUAL_OCTETS);
    loop {
        let had_ended = client.has_ended();
        let count = poll_fn(|cx| client.poll_peek(cx, &mut seen)).await;
        let count = count.map_err(|_: io::Error| Unannounced::Ended)?;
        match proxy_protocol::parse(&seen) {
            Ok(Parsed::Complete(header, octets)) => {
                let discarded = client.discard(octets);
                return discarded.map(|()| header).map_err(|_| Unannounced::Ended);
            }
            Ok(Parsed::Partial) if count == 0 || had_ended => return Err(Unannounced::Ended),
            Ok(Parsed::Partial) if count == seen.capacity() => {
                seen = Vec::with_capacity(OCTETS_MAX);
                client.look_again();
            }
            Ok(Parsed::Partial) => {}
            Err(Sin::Missing) => return Err(Unannounced::Missing),
            Err(_) => return Err(Unannounced::Malformed),
        }
    }
}
