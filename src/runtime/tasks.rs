//! A worker's tasks, and the queue of those that can go on.
//!
//! All of them are polled by the one thread that spawned them, and nearly every wake comes from that thread: then a wake
//! is a push to a queue that nobody else sees. Only a wake from elsewhere (a cancel through the admin interface, an order
//! of the control side) takes a lock, and gets the worker out of its wait. An executor that other threads may steal from
//! does more for each wake and each turn: here it was a twentieth of all instructions per request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Waker};

use async_task::{Builder, Runnable};
use pin_project_lite::pin_project;
use slab::Slab;

use super::unpark::Unpark;

/// How many tasks run before the reactor gets its turn: a task that wakes itself cannot keep the others from the world.
const RUNS_PER_TURN: usize = 256;

/// Every set of tasks has a number of its own; 0 is none.
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    /// The number of the set whose worker runs on this thread.
    static HERE: Cell<usize> = const { Cell::new(0) };
    /// Its tasks that can go on, in the order of their wakes.
    static READY: RefCell<VecDeque<Ready>> = const { RefCell::new(VecDeque::new()) };
}

/// A task that can go on, with the number of the set it belongs to.
type Ready = Runnable<usize>;

/// The tasks of one worker.
pub(super) struct Tasks {
    /// From [`NEXT`].
    number: usize,
    /// One waker for each task that lives, to reach those that are left at the end.
    living: Rc<RefCell<Slab<Waker>>>,
    remote: Arc<Remote>,
}

/// Where wakes from other threads go.
struct Remote {
    woken: Mutex<Vec<Ready>>,
    /// `woken` is not empty, or was not a moment ago.
    any: AtomicBool,
    unpark: Arc<Unpark>,
}

impl Tasks {
    /// No tasks, for a worker of the calling thread. A wake from elsewhere goes through `unpark`.
    pub(super) fn new(unpark: Arc<Unpark>) -> Self {
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            living: Rc::default(),
            remote: Arc::new(Remote {
                woken: Mutex::default(),
                any: AtomicBool::new(false),
                unpark,
            }),
        }
    }

    /// Starts a task: it is polled in the next turn. It ends when it is done, or with the worker.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut living = self.living.borrow_mut();
        let entry = living.vacant_entry();
        let place = Place {
            living: self.living.clone(),
            index: entry.key(),
        };
        let remote = self.remote.clone();
        let schedule = move |runnable: Ready| {
            if HERE.try_with(Cell::get) != Ok(*runnable.metadata()) {
                remote.push(runnable);
                return;
            }
            // A queue that is borrowed or gone cannot be: it is never borrowed while a waker runs, and tasks do not
            // outlive their worker.
            READY.with_borrow_mut(|ready| ready.push_back(runnable));
        };
        let whole = Whole { task, place };
        let builder = Builder::new().metadata(self.number);
        let (runnable, handle) = builder.spawn_local(|_| whole, schedule);
        entry.insert(runnable.waker());
        drop(living);
        handle.detach();
        runnable.schedule();
    }

    /// Makes the calling thread the one where wakes are local, until the guard is dropped.
    pub(super) fn enter(&self) -> Entered {
        Entered {
            before: HERE.replace(self.number),
        }
    }

    /// Runs what can go on, and what that wakes, up to a bound.
    pub(super) fn run(&self) {
        self.remote.collect();
        for _ in 0..RUNS_PER_TURN {
            let Some(runnable) = READY.with_borrow_mut(VecDeque::pop_front) else {
                return;
            };
            runnable.run();
        }
    }

    /// Something can go on.
    pub(super) fn is_ready(&self) -> bool {
        READY.with_borrow(|ready| !ready.is_empty()) || self.remote.any.load(Ordering::Acquire)
    }
}

impl Remote {
    fn push(&self, runnable: Ready) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push(runnable);
        self.any.store(true, Ordering::Release);
        drop(woken);
        self.unpark.unpark();
    }

    /// Moves what was woken from elsewhere to this thread's queue.
    fn collect(&self) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Release);
        let all = std::mem::take(&mut *woken);
        drop(woken);
        READY.with_borrow_mut(|ready| ready.extend(all));
    }
}

impl Drop for Tasks {
    /// Drops the tasks that are left: each is made ready once more, and thrown away instead of being run.
    fn drop(&mut self) {
        let _here = self.enter();
        let left: Vec<Waker> = self.living.borrow_mut().drain().collect();
        for waker in left {
            waker.wake();
        }
        self.remote.collect();
        // Not borrowed while tasks go: what they drop may wake others.
        let ready = READY.take();
        let (left, others): (Vec<_>, Vec<_>) = ready
            .into_iter()
            .partition(|runnable| *runnable.metadata() == self.number);
        drop(left);
        READY.with_borrow_mut(|ready| ready.extend(others));
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({} living)", self.living.borrow().len())
    }
}

/// See [`Tasks::enter`].
pub(super) struct Entered {
    before: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.before);
    }
}

pin_project! {
    /// A task with its place. No `async` block: that would hold the task twice, as what it was given and as what it
    /// awaits.
    struct Whole<F> {
        #[pin]
        task: F,
        place: Place,
    }
}

impl<F: Future<Output = ()>> Future for Whole<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.project().task.poll(cx)
    }
}

/// A task's place among the living.
struct Place {
    living: Rc<RefCell<Slab<Waker>>>,
    index: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not borrowed while the waker goes: it may be the last of its task.
        let waker = self.living.borrow_mut().try_remove(self.index);
        drop(waker);
    }
}
