//! What all sessions of one worker share: where requests go, and by which rules.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use super::answer::Answer;
use super::hooks::Hooks;
use super::timeout::Timeouts;
use crate::balance::policy::RoundRobin;
use crate::clock;
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::limits::Limits;
use crate::log::Scribe;
use crate::net::address::{Address, AddressError, resolve};
use crate::net::dialer::Dial;
use crate::net::pool::{Keepalive, Pool};
use crate::runtime::buffer::Buffers;

/// How many recycled sets of heads a worker keeps.
const HEADS_KEPT: usize = 256;

/// The rules of the gateway: the same for all workers.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large they may be.
    pub limits: Limits,
    /// What the origin is told of who asks.
    pub identity: Identity,
    /// How many tries an exchange has, the first included.
    pub attempts_max: u32,
    /// How long idle connections to origins are kept, and how many.
    pub keepalive: Keepalive,
    /// A library user's own code.
    pub hooks: Hooks,
    /// What the answers go to.
    pub target: Target,
}

/// What the origin is told of who asks, and what is believed of the client's own words.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Networks whose `X-Forwarded-*` is believed and appended to.
    pub trusted: Vec<Network>,
    /// What the origin sees as Host.
    pub host: Host,
    /// Field lines added to every request.
    pub add: Vec<(String, String)>,
}

/// What the origin sees as Host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Host {
    /// What the client asked for.
    #[default]
    Preserve,
    /// The endpoint's own name.
    Upstream,
    /// Always this.
    Literal(String),
}

/// Where requests go.
#[derive(Debug, Clone)]
pub enum Target {
    /// To one of these, in turn.
    Upstream(Vec<Endpoint>),
    /// Nowhere: osier answers itself.
    Respond(Answer),
}

impl Default for Target {
    fn default() -> Self {
        Self::Upstream(Vec::new())
    }
}

/// One address of an upstream.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where to connect; several where a name has several, tried in this order.
    pub addresses: Vec<Address>,
    /// What it is called in logs, in the tree and, for [`Host::Upstream`], to itself.
    pub name: Arc<str>,
    /// The path in front of every path.
    pub base_path: String,
}

impl Endpoint {
    /// The endpoint `authority` names: `host:port`, looked up with the system's resolver, or `unix:PATH`.
    ///
    /// # Errors
    /// [`AddressError`]: it is no address, or does not resolve.
    pub fn resolve(authority: &str) -> Result<Self, AddressError> {
        let addresses = match authority.strip_prefix("unix:") {
            Some(path) => vec![Address::Unix(path.into())],
            None => resolve(authority)?,
        };
        Ok(Self {
            addresses,
            name: authority.into(),
            base_path: String::new(),
        })
    }
}

/// A network of addresses, as `10.0.0.0/8` names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The networks that nobody on the internet has: loopback, private use, link-local, unique local.
    pub const PRIVATE: [&'static str; 7] = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
    ];

    /// Reads `ADDRESS/PREFIX`, or an address alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (
                address.parse::<IpAddr>().ok()?,
                Some(prefix.parse::<u8>().ok()?),
            ),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(max);
        (prefix <= max).then_some(Self { address, prefix })
    }

    /// `address` lies in it. An IPv4 address in an IPv6 coat is what it wears the coat over.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ
                    .checked_shr(128 - u32::from(self.prefix))
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// One worker's gateway.
pub struct Gateway<D: Dial> {
    pub(super) rules: Arc<Rules>,
    pub(super) dial: D,
    pub(super) pool: Pool<D::Stream>,
    pub(super) turns: RoundRobin,
    pub(super) buffers: Buffers,
    pub(super) scribe: Scribe,
    /// Sets of heads whose memory is used again.
    #[expect(
        clippy::vec_box,
        reason = "a set goes in and out as one pointer, for each exchange"
    )]
    heads: RefCell<Vec<Box<Heads>>>,
    /// The sessions that live.
    sessions: RefCell<Slab<Rc<Standing>>>,
    /// No further request is taken; what runs may end.
    draining: Cell<bool>,
    /// Who waits for a session to idle.
    crowd: RefCell<Vec<Waker>>,
    /// Who waits for the last session to end.
    emptied: RefCell<Option<Waker>>,
    /// The flusher of the log, while it waits for something to be recorded.
    recorded: RefCell<Option<Waker>>,
}

impl<D: Dial> Gateway<D> {
    /// A gateway that follows `rules`. `turn` is the endpoint its round begins with.
    pub fn new(rules: Arc<Rules>, dial: D, buffers: Buffers, scribe: Scribe, turn: usize) -> Self {
        let endpoint_count = match &rules.target {
            Target::Upstream(endpoints) => endpoints.len(),
            Target::Respond(_) => 0,
        };
        Self {
            pool: Pool::new(endpoint_count, rules.keepalive),
            turns: RoundRobin::new(endpoint_count, turn),
            rules,
            dial,
            buffers,
            scribe,
            heads: RefCell::default(),
            sessions: RefCell::default(),
            draining: Cell::new(false),
            crowd: RefCell::default(),
            emptied: RefCell::default(),
            recorded: RefCell::default(),
        }
    }

    /// The idle connections to the endpoints.
    pub fn pool(&self) -> &Pool<D::Stream> {
        &self.pool
    }

    /// Takes no further request: idle sessions end now, the others when their exchange has ended.
    pub fn drain(&self) {
        self.draining.set(true);
        for (_, session) in self.sessions.borrow().iter() {
            session.wake();
        }
        self.pool.clear();
    }

    /// No further request is taken.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// How many sessions live.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Ready when no session lives.
    pub fn poll_emptied(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.session_count() == 0 {
            return Poll::Ready(());
        }
        *self.emptied.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Closes the session that has idled longest, to make room. Where none idles, whoever asks is woken when one does.
    pub fn poll_close_idlest(&self, cx: &task::Context<'_>) -> Poll<()> {
        let sessions = self.sessions.borrow();
        let idlest = sessions
            .iter()
            .filter_map(|(_, s)| Some((s.idle_since.get()?, s)))
            .min_by_key(|(at, _)| *at);
        let Some((_, session)) = idlest else {
            self.crowd.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        };
        session.evicted.set(true);
        session.wake();
        Poll::Ready(())
    }

    /// Hands the access log over whenever something was recorded, a little later so that more can come along.
    pub async fn keep_log(&self) {
        const LATER: std::time::Duration = std::time::Duration::from_millis(100);
        loop {
            let mut first = true;
            std::future::poll_fn(|cx| {
                *self.recorded.borrow_mut() = Some(cx.waker().clone());
                if std::mem::take(&mut first) {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            clock::sleep(LATER).await;
            self.scribe.flush();
        }
    }

    /// Says a line on standard error.
    pub fn say(&self, line: &str) {
        self.scribe.trouble(line);
    }

    pub(super) fn log_recorded(&self) {
        if let Some(flusher) = self.recorded.borrow_mut().take() {
            flusher.wake();
        }
    }

    pub(super) fn take_heads(&self) -> Box<Heads> {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut heads: Box<Heads>) {
        let mut kept = self.heads.borrow_mut();
        if kept.len() < HEADS_KEPT
            && heads.octets.capacity() + heads.octets_back.capacity() <= 32 * 1024
        {
            heads.octets.clear();
            heads.octets_back.clear();
            // An exchange that comes to no request of its own must not be told of another's.
            heads.request_out.clear();
            kept.push(heads);
        }
    }

    pub(super) fn enter(self: &Rc<Self>) -> Entered<D> {
        let standing = Rc::new(Standing::default());
        let index = self.sessions.borrow_mut().insert(standing.clone());
        Entered {
            quiet_since: Cell::new(clock::now()),
            standing,
            index,
            gateway: self.clone(),
        }
    }
}

impl<D: Dial> fmt::Debug for Gateway<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("rules", &self.rules)
            .field("sessions", &self.session_count())
            .field("idle", &self.pool.idle_count())
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

/// The heads of one exchange, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// As the client sent it. Never changed.
    pub(super) request: RequestHead,
    /// As the origin gets it.
    pub(super) request_out: RequestHead,
    /// As the origin sent it.
    pub(super) response: ResponseHead,
    /// As the client gets it.
    pub(super) response_out: ResponseHead,
    /// A head as octets, about to be written: the request's to the origin, or an answer of ours.
    pub(super) octets: Vec<u8>,
    /// The response's to the client.
    pub(super) octets_back: Vec<u8>,
}

/// What the gateway knows of one session, and how it reaches it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Since when it waits for a request, while it does.
    pub(super) idle_since: Cell<Option<Instant>>,
    /// It has to make room.
    evicted: Cell<bool>,
    /// The session's task, while it idles.
    waker: RefCell<Option<Waker>>,
}

impl Standing {
    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// A session's place in the gateway, for as long as it lives.
pub(super) struct Entered<D: Dial> {
    /// See [`Entered::quiet_since`].
    quiet_since: Cell<Instant>,
    standing: Rc<Standing>,
    index: usize,
    gateway: Rc<Gateway<D>>,
}

impl<D: Dial> Entered<D> {
    /// Ready when an idle session has to end: the gateway drains, or needs room.
    pub(super) fn poll_unwanted(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.gateway.is_draining() || self.standing.evicted.get() {
            return Poll::Ready(());
        }
        let mut waker = self.standing.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Since when the client has sent nothing, for a session that waits for a request or did so last.
    pub(super) fn quiet_since(&self) -> Instant {
        self.quiet_since.get()
    }

    pub(super) fn set_quiet(&self, since: Instant) {
        self.quiet_since.set(since);
    }

    pub(super) fn set_idle(&self, since: Option<Instant>) {
        self.standing.idle_since.set(since);
        if since.is_some() {
            for waiting in self.gateway.crowd.borrow_mut().drain(..) {
                waiting.wake();
            }
        }
    }
}

impl<D: Dial> Drop for Entered<D> {
    fn drop(&mut self) {
        let mut sessions = self.gateway.sessions.borrow_mut();
        sessions.try_remove(self.index);
        if sessions.is_empty() {
            if let Some(waiting) = self.gateway.emptied.borrow_mut().take() {
                waiting.wake();
            }
        }
    }
}
