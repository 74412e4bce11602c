//! A worker's tasks, and the queue of those that can go on.
//!
//! All of them are polled by the one thread that spawned them, and nearly every wake comes from that thread: then a wake
//! is a look at a flag and a push to a queue that nobody else sees. Only a wake from elsewhere (a cancel through the admin
//! interface, an order of the control side) takes a lock, and gets the worker out of its wait. A task that any thread may
//! hold counts who does at each wake and each turn: a dozen atomic operations of a request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Wake, Waker};

use slab::Slab;

use super::unpark::Unpark;

/// How many tasks run before the reactor gets its turn: a task that wakes itself cannot keep the others from the world.
const RUNS_PER_TURN: usize = 256;

/// Every set of tasks has a number of its own.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The set whose worker runs on this thread.
    static HERE: RefCell<Option<Rc<Local>>> = const { RefCell::new(None) };
}

/// The tasks of one worker.
pub(super) struct Tasks {
    local: Rc<Local>,
    remote: Arc<Remote>,
}

/// What only the worker's thread sees.
struct Local {
    /// From [`NEXT`].
    set: usize,
    living: RefCell<Slab<Rc<Task>>>,
    /// Those that can go on, in the order of their wakes. Some may have ended since.
    ready: RefCell<VecDeque<Ticket>>,
    /// How many tasks there were.
    spawned: Cell<usize>,
}

/// A task.
struct Task {
    handle: Arc<Handle>,
    /// The handle, as the task's own waker.
    waker: Waker,
    /// What it does. // taken when it has ended
    work: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
}

/// Which task: its place among the living, and a number that its successor there does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    index: usize,
    number: usize,
}

/// What wakes a task.
struct Handle {
    /// Of its set.
    set: usize,
    ticket: Ticket,
    /// It is in the queue. // the worker's thread alone reads and writes this
    is_ready: AtomicBool,
    /// It is among what was woken from elsewhere.
    is_called: AtomicBool,
    remote: Arc<Remote>,
}

/// Where wakes from other threads go.
struct Remote {
    called: Mutex<Vec<Ticket>>,
    /// `called` is not empty, or was not a moment ago.
    any: AtomicBool,
    unpark: Arc<Unpark>,
}

impl Tasks {
    /// No tasks, for a worker of the calling thread. A wake from elsewhere goes through `unpark`.
    pub(super) fn new(unpark: Arc<Unpark>) -> Self {
        Self {
            local: Rc::new(Local {
                set: NEXT.fetch_add(1, Ordering::Relaxed),
                living: RefCell::default(),
                ready: RefCell::default(),
                spawned: Cell::new(0),
            }),
            remote: Arc::new(Remote {
                called: Mutex::default(),
                any: AtomicBool::new(false),
                unpark,
            }),
        }
    }

    /// Starts a task: it is polled in the next turn. It ends when it is done, or with the worker.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let local = &*self.local;
        let number = local.spawned.get().wrapping_add(1);
        local.spawned.set(number);
        let work = RefCell::new(Some(Box::pin(work) as Pin<Box<_>>));
        let mut living = local.living.borrow_mut();
        let entry = living.vacant_entry();
        let index = entry.key();
        let handle = Arc::new(Handle {
            set: local.set,
            ticket: Ticket { index, number },
            is_ready: AtomicBool::new(false),
            is_called: AtomicBool::new(false),
            remote: self.remote.clone(),
        });
        local.push(&handle);
        entry.insert(Rc::new(Task {
            waker: Waker::from(handle.clone()),
            handle,
            work,
        }));
    }

    /// Makes the calling thread the one where wakes are local, until the guard is dropped.
    pub(super) fn enter(&self) -> Entered {
        Entered {
            before: HERE.replace(Some(self.local.clone())),
        }
    }

    /// Runs what can go on, and what that wakes, up to a bound.
    pub(super) fn run(&self) {
        self.collect();
        for _ in 0..RUNS_PER_TURN {
            let next = self.local.ready.borrow_mut().pop_front();
            let Some(ticket) = next else {
                return;
            };
            if let Some(task) = self.local.task(ticket) {
                self.local.poll(&task);
            }
        }
    }

    /// Something can go on.
    pub(super) fn is_ready(&self) -> bool {
        !self.local.ready.borrow().is_empty() || self.remote.any.load(Ordering::Acquire)
    }

    /// Moves what was woken from elsewhere to this thread's queue.
    fn collect(&self) {
        if !self.remote.any.load(Ordering::Acquire) {
            return;
        }
        let mut called = self.remote.lock();
        self.remote.any.store(false, Ordering::Release);
        let all = std::mem::take(&mut *called);
        drop(called);
        for ticket in all {
            if let Some(task) = self.local.task(ticket) {
                // Before it is polled: whoever calls from now on is heard by another poll.
                task.handle.is_called.swap(false, Ordering::AcqRel);
                self.local.push(&task.handle);
            }
        }
    }
}

impl Local {
    /// The task, if it lives.
    fn task(&self, ticket: Ticket) -> Option<Rc<Task>> {
        let living = self.living.borrow();
        let task = living.get(ticket.index)?;
        (task.handle.ticket == ticket).then(|| task.clone())
    }

    /// Puts a task into the queue, unless it is there.
    fn push(&self, handle: &Handle) {
        if !handle.is_ready.load(Ordering::Relaxed) {
            handle.is_ready.store(true, Ordering::Relaxed);
            self.ready.borrow_mut().push_back(handle.ticket);
        }
    }

    fn poll(&self, task: &Task) {
        // From here on a wake asks for another poll.
        task.handle.is_ready.store(false, Ordering::Relaxed);
        // One that panics has ended too.
        let mut ending = Ending {
            local: self,
            task,
            is_over: true,
        };
        let mut cx = task::Context::from_waker(&task.waker);
        if let Some(work) = &mut *task.work.borrow_mut() {
            ending.is_over = work.as_mut().poll(&mut cx).is_ready();
        }
    }
}

/// Takes a task out when it is over.
struct Ending<'a> {
    local: &'a Local,
    task: &'a Task,
    is_over: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.is_over {
            let index = self.task.handle.ticket.index;
            // Nothing is borrowed while it goes: what it drops may wake others, or start some.
            let gone = self.local.living.borrow_mut().try_remove(index);
            let work = self.task.work.borrow_mut().take();
            drop((work, gone));
        }
    }
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = HERE.try_with(|here| match &*here.borrow() {
            Some(local) if local.set == self.set => {
                local.push(self);
                true
            }
            _ => false,
        });
        if here != Ok(true) && !self.is_called.swap(true, Ordering::AcqRel) {
            self.remote.push(self.ticket);
        }
    }
}

impl Remote {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Ticket>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ticket: Ticket) {
        let mut called = self.lock();
        called.push(ticket);
        self.any.store(true, Ordering::Release);
        drop(called);
        self.unpark.unpark();
    }
}

impl Drop for Tasks {
    /// Drops the tasks that are left. Nobody can start one any more.
    fn drop(&mut self) {
        let _here = self.enter();
        // Not borrowed while they go: what they drop may wake others.
        let left: Vec<_> = self.local.living.borrow_mut().drain().collect();
        for task in left {
            let work = task.work.borrow_mut().take();
            drop(work);
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({} living)", self.local.living.borrow().len())
    }
}

/// See [`Tasks::enter`].
pub(super) struct Entered {
    before: Option<Rc<Local>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Not borrowed while the other goes.
        let other = HERE.replace(self.before.take());
        drop(other);
    }
}
