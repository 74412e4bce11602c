//! Functions that run when a context ends.
//!
//! A registration is a node of its own below the context, so it is seen in the tree, and whoever waits until the
//! context is [empty](super::Context::emptied) waits for the function too. One flag decides who has the function: the
//! run or the stop.
//!
//! Without an executor the node carries the function, and keeps itself alive until it ended or was stopped. The sweep
//! that ends it starts the thread, after all marks and outside of all locks. If there is a deadline, a timer of the
//! thread that registered sees to it that somebody looks at the clock.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{self, Poll, Wake, Waker, ready};
use std::thread;

use super::label::{Kind, Label};
use super::node::{About, Node, Seed, Word, bit};
use super::stamp::Stamp;
use super::sync::{Mutex, MutexGuard};
use super::{Done, sweep};
use crate::clock::{self, Sleep};

/// Undoes an [`after_func`](super::Context::after_func).
///
/// Dropping it changes nothing: the function stays registered.
pub struct Stop {
    /// Set by whoever got the function: the run or the stop.
    taken: Arc<AtomicBool>,
    /// The registration. Nowhere if the context never ends.
    node: Weak<Node>,
}

impl Stop {
    /// Keeps the function from running. True if it never will because of this call; false if it has been started, or
    /// was stopped before. Does not wait for a function that runs.
    pub fn stop(&self) -> bool {
        let node = self.node.upgrade();
        if let Some(node) = &node {
            // A deadline that has passed was first, even if nobody looked.
            sweep::err(node);
        }
        if self.taken.swap(true, Ordering::AcqRel) {
            return false;
        }
        if let Some(node) = &node {
            sweep::cancel(node, Word::Said(None), Location::caller());
        }
        true
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("taken", &self.taken.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// What a node carries that starts a thread when it ends.
pub(super) struct Hook {
    /// Shared with the [`Stop`].
    taken: Arc<AtomicBool>,
    /// What there is to do. // taken once, at the end
    armed: Mutex<Option<Armed>>,
}

struct Armed {
    /// The caller's function.
    run: Box<dyn FnOnce() + Send>,
    /// The node itself: nobody else may hold it.
    node: Arc<Node>,
    /// Looks at the clock when the deadline passes.
    timer: Option<Sleep>,
}

impl Hook {
    fn lock(&self) -> MutexGuard<'_, Option<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the function, if nobody took it before. Called when the node has ended.
    pub(super) fn fire(&self) {
        // LOCK: what is taken out holds a node, and is the caller's; it goes after the lock.
        let armed = self.lock().take();
        let Some(Armed { run, node, .. }) = armed else {
            return;
        };
        if !self.taken.swap(true, Ordering::AcqRel) {
            start(move || {
                run();
                drop(node);
            });
        }
    }
}

/// Runs `job` on a thread of its own, or here if the system has no thread to give.
fn start(job: impl FnOnce() + Send + 'static) {
    let job = Arc::new(Mutex::new(Some(job)));
    let run = {
        let job = job.clone();
        move || {
            let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(job) = job {
                job();
            }
        }
    };
    let started = thread::Builder::new()
        .name("after_func".to_owned())
        .spawn(run.clone());
    if started.is_err() {
        run();
    }
}

/// Registers `run` below `parent`, for a thread.
pub(super) fn on_thread(
    parent: &Arc<Node>,
    run: Box<dyn FnOnce() + Send>,
    place: &'static Location<'static>,
) -> Stop {
    let taken = Arc::new(AtomicBool::new(false));
    if parent.never_ends() {
        let node = Weak::new();
        return Stop { taken, node };
    }
    let hook = Hook {
        taken: taken.clone(),
        armed: Mutex::new(None),
    };
    let seed = seed(About::Hook(Box::new(hook)), place, bit::HOOK);
    let node = parent.child(seed);
    let stop = Stop {
        taken,
        node: Arc::downgrade(&node),
    };
    let timer = node.deadline.to_instant().map(clock::sleep_until);
    if let About::Hook(hook) = &node.about {
        let node = node.clone();
        *hook.lock() = Some(Armed { run, node, timer });
    }
    Arc::new(Alarm(stop.node.clone())).wake();
    // Whoever ended the node before it was armed found nothing to start.
    if sweep::err(&node).is_some() {
        if let About::Hook(hook) = &node.about {
            hook.fire();
        }
    }
    stop
}

fn seed(about: About, place: &'static Location<'static>, bits: u16) -> Seed {
    Seed {
        kind: Kind::AFTER_FUNC,
        about,
        created: Stamp::now(),
        deadline: Stamp::NEVER,
        reason: None,
        place,
        bits,
    }
}

/// Wakes a registration at its deadline.
struct Alarm(Weak<Node>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let Some(node) = self.0.upgrade() else {
            return;
        };
        let About::Hook(hook) = &node.about else {
            return;
        };
        let waker = Waker::from(self);
        let polled = match &mut *hook.lock() {
            Some(Armed {
                timer: Some(timer), ..
            }) => Pin::new(timer).poll(&mut task::Context::from_waker(&waker)),
            _ => Poll::Pending,
        };
        if polled.is_ready() {
            // Looking at the clock is what ends the node, and that starts the function.
            sweep::err(&node);
        }
    }
}

/// The task of an [`after_func_on`](super::Context::after_func_on): waits for the end, then runs the function.
#[must_use = "futures do nothing unless polled"]
pub struct AfterFunc<F> {
    /// The caller's function. // taken once
    run: Option<F>,
    /// Shared with the [`Stop`].
    taken: Arc<AtomicBool>,
    /// The end of the registration, and what keeps it alive.
    done: Done,
}

/// Registers `run` below `parent`, for a task. None instead of the task if `parent` never ends.
pub(super) fn on_task<F>(
    parent: &Arc<Node>,
    run: F,
    place: &'static Location<'static>,
) -> (Stop, Option<AfterFunc<F>>) {
    let taken = Arc::new(AtomicBool::new(false));
    if parent.never_ends() {
        let node = Weak::new();
        return (Stop { taken, node }, None);
    }
    let node = parent.child(seed(About::Named(Label::EMPTY), place, 0));
    let stop = Stop {
        taken: taken.clone(),
        node: Arc::downgrade(&node),
    };
    let task = AfterFunc {
        run: Some(run),
        taken,
        done: Done::new(node.into()),
    };
    (stop, Some(task))
}

// The function is moved out, never pinned.
impl<F> Unpin for AfterFunc<F> {}

impl<F: FnOnce()> Future for AfterFunc<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.done).poll(cx));
        let run = self.run.take();
        if !self.taken.swap(true, Ordering::AcqRel) {
            if let Some(run) = run {
                run();
            }
        }
        Poll::Ready(())
    }
}

impl<F> fmt::Debug for AfterFunc<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterFunc")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
