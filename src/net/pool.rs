//! Idle connections to origins, kept by one worker for its own exchanges.
//!
//! The connection used last is taken first, so that the others grow old and go. A connection on which anything shows
//! up while it idles (its end, or octets nobody asked for) is closed at once, not found out by the next request: the
//! keeper task waits on all of them.
//!
//! With more exchanges at a time than connections may idle, every exchange that ends would close a connection and every
//! one that begins would make one. So the surplus is closed only when it has not been of use for a moment.
//!
//! Each endpoint has a [`Shelf`]. It lives for as long as anybody holds it: a configuration, or an exchange that began
//! under one that is gone. The last of them takes the shelf's connections along.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll, Waker, ready};
use std::time::{Duration, Instant};

use slab::Slab;

use super::proxy_protocol::Header;
use super::stream::Stream;
use crate::balance::{Open, State};
use crate::clock;
use crate::limit::{Permit, Permits, Quiet};
use crate::metrics::OpenConnection;

/// For how long a connection is kept that is more than may idle.
const SURPLUS: Duration = Duration::from_secs(1);

/// How long and how many idle connections are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How long one may idle. Shorter than origins are wont to wait, so that we close first.
    pub idle: Duration,
    /// How many are kept per endpoint and worker; for a second after their last exchange, as many as there are.
    pub max_idle: usize,
    /// How old one may become.
    pub max_age: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(20),
            max_idle: 64,
            max_age: Duration::from_secs(600),
        }
    }
}

/// A worker's idle connections.
#[derive(Debug)]
pub struct Pool<S> {
    /// By shelf.
    shelved: RefCell<Slab<Shelved<S>>>,
    /// The keeper's, while it waits.
    keeper: RefCell<Option<Waker>>,
    /// When the keeper has to look again, as it last said.
    next_look: Cell<Option<Instant>>,
}

/// What idles on one shelf.
#[derive(Debug)]
struct Shelved<S> {
    keepalive: Keepalive,
    /// Where its connections' permits come from.
    permits: Option<Permits>,
    /// The keeper is woken when somebody begins to wait for one. // since the permits said this
    quiet: Option<Quiet>,
    /// The one used last is last.
    idle: Vec<Idle<S>>,
    /// How many that are, for others to read.
    count: Arc<AtomicUsize>,
}

impl<S> Shelved<S> {
    /// Everything that idles, which does so no more.
    fn clear(&mut self) -> Vec<Idle<S>> {
        let idle = std::mem::take(&mut self.idle);
        self.note();
        idle
    }

    /// What idles has become more, or less.
    fn note(&self) {
        self.count.store(self.idle.len(), Ordering::Relaxed);
    }
}

/// An endpoint's place in a [`Pool`].
#[derive(Debug)]
pub struct Shelf<S> {
    pool: Rc<Pool<S>>,
    index: usize,
}

impl<S> Drop for Shelf<S> {
    fn drop(&mut self) {
        // Not borrowed while the connections go.
        let gone = self.pool.shelved.borrow_mut().try_remove(self.index);
        drop(gone);
    }
}

/// A connection and when it was made.
#[derive(Debug)]
pub struct Pooled<S> {
    /// The connection.
    pub stream: S,
    /// When it was made.
    pub since: Instant,
    /// How many exchanges it carried to their end. 0: it is new, and a failure on it is the origin's.
    pub exchanges: u32,
    /// The right to it, where there may be only so many.
    pub permit: Option<Permit>,
    /// Counts it for as long as it lives.
    pub open: Option<OpenConnection>,
    /// What counts it for its endpoint, in the whole process.
    pub counted: Open,
    /// Which of its endpoint's addresses it goes to: those of that generation.
    pub generation: usize,
    /// What the origin was told of its client when it was made; only for that client is it good.
    pub told: Option<Header>,
}

#[derive(Debug)]
struct Idle<S> {
    pooled: Box<Pooled<S>>,
    /// Since when it idles.
    since: Instant,
    /// When it will have idled, or lived, long enough.
    until: Instant,
}

impl<S> Idle<S> {
    /// When it goes, if it is more than may idle.
    fn surplus_until(&self) -> Instant {
        clock::later(self.since, SURPLUS)
    }
}

impl<S: Stream> Shelf<S> {
    /// How long and how many connections are kept from now on, and where their permits come from.
    pub fn set(&self, keepalive: Keepalive, permits: Option<Permits>) {
        if let Some(shelved) = self.pool.shelved.borrow_mut().get_mut(self.index) {
            shelved.keepalive = keepalive;
            shelved.permits = permits;
            shelved.quiet = None;
        }
    }

    /// Closes everything that idles here.
    pub fn clear(&self) {
        let mut shelved = self.pool.shelved.borrow_mut();
        let idle = shelved.get_mut(self.index).map(Shelved::clear);
        // Not borrowed while they go.
        drop(shelved);
        drop(idle);
    }

    /// How many connections idle here.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        let shelved = self.pool.shelved.borrow();
        shelved.get(self.index).map_or(0, |it| it.idle.len())
    }

    /// Takes the idle connection that was used last, if there is one that is still good: of those whose origin was
    /// `told` the same.
    pub fn take(&self, told: Option<Header>) -> Option<Box<Pooled<S>>> {
        let now = clock::now();
        let pool = &*self.pool;
        // The keeper's waker is the one that waits there already: asking with it changes nothing.
        let keeper = pool.keeper.borrow();
        let waker = keeper.as_ref().unwrap_or(Waker::noop());
        let mut cx = task::Context::from_waker(waker);
        loop {
            // Not borrowed while a stream is asked or dropped.
            let idle = {
                let mut all = pool.shelved.borrow_mut();
                let shelved = all.get_mut(self.index)?;
                let is_it = |idle: &Idle<S>| idle.pooled.told == told;
                let place = shelved.idle.iter().rposition(is_it)?;
                let idle = shelved.idle.remove(place);
                shelved.note();
                idle
            };
            if now < idle.until && idle.pooled.stream.poll_disturbed(&mut cx).is_pending() {
                return Some(idle.pooled);
            }
        }
    }

    /// Keeps a connection for the next exchange, or closes it where there are enough.
    pub fn put(&self, mut pooled: Box<Pooled<S>>) {
        pooled.exchanges = pooled.exchanges.saturating_add(1);
        let pool = &*self.pool;
        let now = clock::now();
        // From here on the keeper is woken when anything shows up on it.
        if let Some(keeper) = &*pool.keeper.borrow() {
            let mut cx = task::Context::from_waker(keeper);
            if pooled.stream.poll_disturbed(&mut cx).is_ready() {
                return;
            }
        }
        let mut all = pool.shelved.borrow_mut();
        let Some(shelved) = all.get_mut(self.index) else {
            return;
        };
        if let (Some(permits), Some(keeper)) = (&shelved.permits, &*pool.keeper.borrow()) {
            // Somebody may wait for it, here or in another worker.
            let is_quiet = shelved.quiet.is_some_and(|quiet| permits.is_still(quiet));
            if pooled.permit.is_some() && !is_quiet {
                shelved.quiet = permits.watch(keeper);
                if shelved.quiet.is_none() {
                    drop(all);
                    drop(pooled);
                    return;
                }
            }
        }
        let keepalive = shelved.keepalive;
        let until =
            clock::later(now, keepalive.idle).min(clock::later(pooled.since, keepalive.max_age));
        if now >= until {
            // Not borrowed while it goes.
            drop(all);
            return;
        }
        shelved.idle.push(Idle {
            pooled,
            since: now,
            until,
        });
        shelved.note();
        let mut next = until;
        if shelved.idle.len() > keepalive.max_idle {
            next = shelved.idle.first().map_or(until, Idle::surplus_until);
        }
        drop(all);
        if pool.next_look.get().is_none_or(|at| next < at) {
            pool.wake_keeper();
        }
    }
}

impl<S> Default for Pool<S> {
    fn default() -> Self {
        Self {
            shelved: RefCell::default(),
            keeper: RefCell::default(),
            next_look: Cell::new(None),
        }
    }
}

impl<S: Stream> Pool<S> {
    /// A place for the connections to one more endpoint, of which `state` is known.
    #[must_use]
    pub fn shelf(self: &Rc<Self>, keepalive: Keepalive, state: &State) -> Shelf<S> {
        let index = self.shelved.borrow_mut().insert(Shelved {
            keepalive,
            permits: None,
            quiet: None,
            idle: Vec::new(),
            count: state.idle_place(),
        });
        Shelf {
            pool: self.clone(),
            index,
        }
    }

    /// Closes everything that idles.
    pub fn clear(&self) {
        let mut shelved = self.shelved.borrow_mut();
        let all: Vec<_> = shelved.iter_mut().map(|(_, it)| it.clear()).collect();
        drop(shelved);
        drop(all);
    }

    /// How many connections idle.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        let shelved = self.shelved.borrow();
        shelved.iter().map(|(_, shelved)| shelved.idle.len()).sum()
    }

    /// Keeps the pool: closes what has idled long enough and what is disturbed, for as long as it is polled.
    pub async fn keep(&self) {
        let mut alarm: Option<clock::Sleep> = None;
        poll_fn(|cx| {
            // Every poll is one look at all of them: woken by a stream, by `put`, or by the alarm.
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            loop {
                let next = self.sweep(cx);
                self.next_look.set(next);
                if alarm.as_ref().map(clock::Sleep::at) != next {
                    alarm = next.map(clock::sleep_until);
                }
                match &mut alarm {
                    Some(alarm) => ready!(Pin::new(alarm).poll(cx)),
                    None => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Closes what must go, and waits for the others. Returns when the next one is due by its age.
    fn sweep(&self, cx: &mut task::Context<'_>) -> Option<Instant> {
        let now = clock::now();
        let mut next: Option<Instant> = None;
        // Closed when nothing is borrowed: their permits go to others, who may be here.
        let mut wanted = Vec::new();
        for (_, shelved) in self.shelved.borrow_mut().iter_mut() {
            // Who asks now may be another than who asked before.
            shelved.quiet = None;
            if let Some(permits) = shelved
                .permits
                .as_ref()
                .filter(|_| !shelved.idle.is_empty())
            {
                shelved.quiet = permits.watch(cx.waker());
                if shelved.quiet.is_none() {
                    let count = permits.waiting().min(shelved.idle.len());
                    wanted.extend(shelved.idle.drain(..count));
                }
            }
            let endpoint = &mut shelved.idle;
            let surplus = endpoint.len().saturating_sub(shelved.keepalive.max_idle);
            let is_due = |idle: &Idle<S>| idle.surplus_until() <= now;
            let due = endpoint
                .iter()
                .take(surplus)
                .take_while(|idle| is_due(idle))
                .count();
            endpoint.drain(..due);
            if let Some(idle) = endpoint.first().filter(|_| surplus > due) {
                let at = idle.surplus_until();
                next = Some(next.map_or(at, |next| next.min(at)));
            }
            endpoint.retain(|idle| {
                let stays = now < idle.until && idle.pooled.stream.poll_disturbed(cx).is_pending();
                if stays {
                    next = Some(next.map_or(idle.until, |at| at.min(idle.until)));
                }
                stays
            });
            shelved.note();
        }
        next
    }

    fn wake_keeper(&self) {
        if let Some(keeper) = &*self.keeper.borrow() {
            keeper.wake_by_ref();
        }
    }
}
