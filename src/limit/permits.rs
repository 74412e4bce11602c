//! The right to hold a connection, counted over the whole process, with a queue for those who have to wait.
//!
//! A permit is held for as long as its connection lives, also while that idles. So whoever begins to wait wakes those
//! who keep idle connections: one of them closes one, and its permit goes to the first in the queue.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use super::sync::{Mutex, lock};

/// So many permits, for all who share them. Cloned, they are the same.
#[derive(Clone)]
pub struct Permits {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many wait, for those who only want to know that nobody does.
    waiting: AtomicUsize,
    /// How often somebody began to, and took the keepers along. // raised under the lock
    calls: AtomicUsize,
    /// LOCK: nothing else is locked, and nobody woken, while it is.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    max: usize,
    queue_max: usize,
    held: usize,
    next_ticket: usize,
    /// In the order they came.
    queue: VecDeque<Waiting>,
    /// Those who keep idle connections; each is woken once.
    keepers: Vec<Waker>,
}

struct Waiting {
    ticket: usize,
    waker: Waker,
    /// It has its permit, and has not come for it yet.
    is_granted: bool,
}

/// The queue has no place left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

/// A moment at which nobody waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet(usize);

/// The right to hold one connection, until it is dropped.
#[must_use = "dropping it gives it back"]
pub struct Permit {
    shared: Arc<Shared>,
}

/// A place in the queue. Dropped, it is given up.
#[must_use = "nothing is waited for unless it is polled"]
pub struct Acquire {
    shared: Arc<Shared>,
    /// `None`: it has its permit, or was never polled.
    ticket: usize,
    is_over: bool,
}

impl Permits {
    /// So many permits, and so many who may wait for one.
    #[must_use]
    pub fn new(max: usize, queue_max: usize) -> Self {
        let state = State {
            max,
            queue_max,
            ..State::default()
        };
        Self {
            shared: Arc::new(Shared {
                waiting: AtomicUsize::new(0),
                calls: AtomicUsize::new(0),
                state: Mutex::new(state),
            }),
        }
    }

    /// From now on there are so many. Who holds one more than that keeps it.
    pub fn set(&self, max: usize, queue_max: usize) {
        let granted = {
            let mut state = lock(&self.shared.state);
            (state.max, state.queue_max) = (max, queue_max);
            state.grant()
        };
        granted.into_iter().for_each(Waker::wake);
    }

    /// A permit, if one is free and nobody waits for it.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut state = lock(&self.shared.state);
        if state.held >= state.max || !state.queue.is_empty() {
            return None;
        }
        state.held += 1;
        drop(state);
        Some(self.permit())
    }

    /// Joins the queue at its end.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn acquire(&self) -> Result<Acquire, QueueFull> {
        let (ticket, keepers, granted) = {
            let mut state = lock(&self.shared.state);
            let waiting = state.queue.iter().filter(|it| !it.is_granted).count();
            if waiting >= state.queue_max {
                return Err(QueueFull);
            }
            let ticket = state.next_ticket;
            state.next_ticket = ticket.wrapping_add(1);
            state.queue.push_back(Waiting {
                ticket,
                waker: Waker::noop().clone(),
                is_granted: false,
            });
            self.shared.waiting.fetch_add(1, Ordering::Relaxed);
            self.shared.calls.fetch_add(1, Ordering::Relaxed);
            let granted = state.grant();
            (ticket, std::mem::take(&mut state.keepers), granted)
        };
        keepers.into_iter().chain(granted).for_each(Waker::wake);
        Ok(Acquire {
            shared: self.shared.clone(),
            ticket,
            is_over: false,
        })
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// How many are held.
    #[must_use]
    pub fn held(&self) -> usize {
        lock(&self.shared.state).held
    }

    /// How many there are.
    #[must_use]
    pub fn max(&self) -> usize {
        lock(&self.shared.state).max
    }

    /// Has `waker` woken when somebody begins to wait. `None`: somebody waits already.
    pub fn watch(&self, waker: &Waker) -> Option<Quiet> {
        let mut state = lock(&self.shared.state);
        if !state.keepers.iter().any(|it| it.will_wake(waker)) {
            state.keepers.push(waker.clone());
        }
        let is_quiet = !state.queue.iter().any(|it| !it.is_granted);
        is_quiet.then(|| Quiet(self.shared.calls.load(Ordering::Relaxed)))
    }

    /// Nobody has begun to wait since [`Permits::watch`] said this, or who did so is just about to wake the watcher. Takes
    /// no lock.
    #[must_use]
    pub fn is_still(&self, quiet: Quiet) -> bool {
        self.shared.calls.load(Ordering::Relaxed) == quiet.0
    }

    fn permit(&self) -> Permit {
        Permit {
            shared: self.shared.clone(),
        }
    }
}

impl State {
    /// Gives what is free to those who wait longest. Returns whom to wake.
    fn grant(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        for waiting in self.queue.iter_mut().filter(|it| !it.is_granted) {
            if self.held >= self.max {
                break;
            }
            self.held += 1;
            waiting.is_granted = true;
            woken.push(waiting.waker.clone());
        }
        woken
    }

    /// Takes a place out of the queue. True: it had its permit.
    fn leave(&mut self, ticket: usize) -> bool {
        let place = self.queue.iter().position(|it| it.ticket == ticket);
        let left = place.and_then(|place| self.queue.remove(place));
        left.is_some_and(|it| it.is_granted)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let granted = {
            let mut state = lock(&self.shared.state);
            state.held -= 1;
            state.grant()
        };
        granted.into_iter().for_each(Waker::wake);
    }
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let is_there = {
            let mut state = lock(&self.shared.state);
            let ticket = self.ticket;
            let waiting = state.queue.iter_mut().find(|it| it.ticket == ticket);
            match waiting {
                Some(waiting) if !waiting.is_granted => {
                    waiting.waker.clone_from(cx.waker());
                    false
                }
                _ => state.leave(ticket),
            }
        };
        if !is_there {
            return Poll::Pending;
        }
        self.is_over = true;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Poll::Ready(Permit {
            shared: self.shared.clone(),
        })
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        let had_it = lock(&self.shared.state).leave(self.ticket);
        if had_it {
            // It goes to the next.
            drop(Permit {
                shared: self.shared.clone(),
            });
        }
    }
}

macro_rules! debug_as_name {
    ($($type:ident),*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    )*};
}
debug_as_name!(Permits, Permit, Acquire);
