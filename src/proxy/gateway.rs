//! What all sessions of one worker share: where requests go, and by which rules.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use super::answer::Answer;
use super::hooks::Hooks;
use super::rest::Rest;
use super::scene::Scene;
use super::site::Site;
use super::stage::Stages;
use super::timeout::Timeouts;
use crate::balance::Policy;
use crate::clock;
use crate::context::Context;
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::limits::Limits;
pub use crate::http::network::Network;
use crate::log::Scribe;
use crate::metrics::{Counters, Snapshot};
use crate::net::address::AddressError;
use crate::net::dialer::Dial;
use crate::net::names::Addresses;
use crate::net::pool::{Keepalive, Pool};
use crate::net::tls::origin::Toward;
use crate::runtime::buffer::Buffers;

/// A set of heads whose octets grew beyond this is not used again.
const HEADS_OCTETS_MAX: usize = 32 * 1024;

/// The rules of a gateway that has one upstream for everything: the short way to a [`Site`].
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
    /// How one of several endpoints is picked.
    pub policy: Policy,
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
    pub addresses: Addresses,
    /// What it is called in logs, in the tree and, for [`Host::Upstream`], to itself.
    pub name: Arc<str>,
    /// The path in front of every path.
    pub base_path: String,
    /// How it is spoken to by TLS; `None`: it is not.
    pub tls: Option<Toward>,
}

impl Endpoint {
    /// The endpoint `authority` names: `host:port`, looked up with the system's resolver, or `unix:PATH`.
    ///
    /// # Errors
    /// [`AddressError`]: it is no address, or does not resolve.
    pub fn resolve(authority: &str) -> Result<Self, AddressError> {
        Ok(Self {
            addresses: Addresses::resolved(authority)?,
            ..Self::named(authority)
        })
    }

    /// What it is called as the Host of a request: without the port that its scheme implies (RFC 9110 §4.2.3).
    #[must_use]
    pub fn host(&self) -> &str {
        match self.tls {
            Some(_) => self.name.strip_suffix(":443").unwrap_or(&self.name),
            None => &self.name,
        }
    }

    /// The endpoint `authority` names. A name is looked up when a server starts, on a thread of its own.
    #[must_use]
    pub fn named(authority: &str) -> Self {
        Self {
            addresses: Addresses::of(authority),
            name: authority.into(),
            base_path: String::new(),
            tls: None,
        }
    }
}

/// One worker's gateway.
pub struct Gateway<D: Dial> {
    /// What is served now.
    scene: RefCell<Rc<Scene<D::Stream>>>,
    /// With which endpoints this worker begins its rounds.
    turn: usize,
    pub(super) dial: D,
    pool: Rc<Pool<D::Stream>>,
    pub(super) buffers: Buffers,
    pub(super) scribe: Scribe,
    /// What this worker counts.
    counters: Counters,
    /// The sessions that live.
    sessions: RefCell<Slab<Rc<Standing>>>,
    /// Where exchanges run.
    pub(super) stages: Stages,
    /// Whether requests come.
    pub(super) rest: Rest,
    /// Each session ends with its next answer.
    parting: Cell<bool>,
    /// No further request is taken; what runs may end.
    draining: Cell<bool>,
    /// Who runs what goes on beside the sessions.
    employer: RefCell<Option<Rc<Employer>>>,
    /// How many copies of requests are under way.
    pub(super) copies: Cell<usize>,
    /// Who waits for a session to idle.
    crowd: RefCell<Vec<Waker>>,
    /// Who waits for the last session to end.
    emptied: RefCell<Option<Waker>>,
    /// The flusher of the log, while it waits for something to be recorded.
    recorded: RefCell<Option<Waker>>,
}

impl<D: Dial> Gateway<D> {
    /// A gateway that serves `site`. `turn` is the endpoint its rounds begin with.
    pub fn new(site: Arc<Site>, dial: D, buffers: Buffers, scribe: Scribe, turn: usize) -> Self {
        let pool = Rc::new(Pool::default());
        let counters = Counters::default();
        let scene = Scene::new(site, None, &pool, &counters, turn);
        Self {
            scene: RefCell::new(Rc::new(scene)),
            turn,
            pool,
            dial,
            buffers,
            scribe,
            counters,
            sessions: RefCell::default(),
            stages: Stages::default(),
            rest: Rest::default(),
            parting: Cell::new(false),
            draining: Cell::new(false),
            employer: RefCell::default(),
            copies: Cell::new(0),
            crowd: RefCell::default(),
            emptied: RefCell::default(),
            recorded: RefCell::default(),
        }
    }

    /// Serves `site` from here on. Exchanges that run go on under what they began with; idle connections to endpoints
    /// that stay are kept.
    pub fn adopt(&self, site: Arc<Site>) {
        let before = self.scene();
        let scene = Scene::new(site, Some(&before), &self.pool, &self.counters, self.turn);
        *self.scene.borrow_mut() = Rc::new(scene);
        drop(before);
        self.counters.forget();
        // All that ran for it is not needed any more.
        self.rest.stir();
        // Those whose listener has gone have to notice.
        for (_, session) in self.sessions.borrow().iter() {
            session.wake();
        }
    }

    /// Has tasks that go on beside the sessions, such as mirrored requests, run by `spawn`, below `ctx`. Without this
    /// there are none.
    pub fn employ(
        &self,
        ctx: Context,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()>>>) + 'static,
    ) {
        *self.employer.borrow_mut() = Some(Rc::new(Employer {
            ctx,
            spawn: Box::new(spawn),
        }));
    }

    pub(super) fn employer(&self) -> Option<Rc<Employer>> {
        self.employer.borrow().clone()
    }

    /// What is served now.
    pub(super) fn scene(&self) -> Rc<Scene<D::Stream>> {
        self.scene.borrow().clone()
    }

    /// What is served now.
    pub fn site(&self) -> Arc<Site> {
        self.scene.borrow().site.clone()
    }

    /// The idle connections to the endpoints.
    pub fn pool(&self) -> &Pool<D::Stream> {
        &self.pool
    }

    /// Ends each session with its next answer, which says so: nothing is lost, and who comes back comes to another
    /// process. Idle sessions stay, for their next request may be under way.
    pub fn part(&self) {
        self.parting.set(true);
    }

    /// Takes no further request: idle sessions end now, the others when their exchange has ended.
    pub fn drain(&self) {
        self.part();
        self.draining.set(true);
        for (_, session) in self.sessions.borrow().iter() {
            session.wake();
        }
        self.pool.clear();
    }

    /// No session outlives its next answer.
    pub fn is_parting(&self) -> bool {
        self.parting.get()
    }

    /// No further request is taken.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// What this worker counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What this worker has counted, and what it has of sessions and connections now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.counters.snapshot();
        snapshot.sessions = self.session_count() as u64;
        for upstream in self.scene().upstreams() {
            let idle = upstream.members.iter().map(|it| it.shelf.idle_count());
            let idle = idle.sum::<usize>() as u64;
            let mut totals = snapshot.upstreams.iter_mut();
            if let Some(totals) = totals.find(|it| it.name == upstream.name) {
                totals.idle += idle;
            }
        }
        snapshot
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

    /// Gives memory back that was needed once and is not any more. Returns whenever that was much.
    pub async fn tidy(&self) {
        self.stages.tidy().await;
    }

    /// Returns when requests have come, and then none for a while.
    pub async fn rest(&self) {
        self.rest.reached().await;
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
            .field("site", &self.scene.borrow().site)
            .field("sessions", &self.session_count())
            .field("idle", &self.pool.idle_count())
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

/// See [`Gateway::employ`].
pub(super) struct Employer {
    pub(super) ctx: Context,
    #[expect(clippy::type_complexity, reason = "a function that runs a task")]
    pub(super) spawn: Box<dyn Fn(Pin<Box<dyn Future<Output = ()>>>)>,
}

/// The heads of one exchange, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// As the client sent it. Never changed.
    pub(super) request: RequestHead,
    /// Its path, normalised.
    pub(super) path: Vec<u8>,
    /// The path the origin gets in place of it, where it gets another.
    pub(super) path_out: Vec<u8>,
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

/// What it takes to write the request head as an endpoint gets it.
pub(super) struct Draft<'h> {
    pub(super) request: &'h RequestHead,
    pub(super) path: &'h [u8],
    pub(super) path_out: &'h mut Vec<u8>,
    pub(super) out: &'h mut RequestHead,
    /// Where it is written to.
    pub(super) octets: &'h mut Vec<u8>,
}

impl Heads {
    pub(super) fn draft(&mut self) -> Draft<'_> {
        Draft {
            request: &self.request,
            path: &self.path,
            path_out: &mut self.path_out,
            out: &mut self.request_out,
            octets: &mut self.octets,
        }
    }

    /// Makes them ready for the next exchange, and gives memory back that few need.
    pub(super) fn renew(&mut self) {
        // An exchange that comes to no request of its own must not be told of another's.
        self.request_out.clear();
        if self.octets.capacity() + self.octets_back.capacity() > HEADS_OCTETS_MAX {
            *self = Self::default();
        }
    }
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
        self.gateway.stages.note_end();
        if sessions.is_empty() {
            if let Some(waiting) = self.gateway.emptied.borrow_mut().take() {
                waiting.wake();
            }
        }
    }
}
