//! One worker: a thread, its tasks, its reactor, its timers, its buffers.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::future;

use super::buffer::{Budget, Buffers};
use super::reactor::Reactor;
use super::tasks::Tasks;
use super::timer::Timers;
use super::unpark::Unpark;
use super::{trim, unchecked};
use crate::clock;

/// What the tasks of one worker share. It never leaves its thread.
#[derive(Debug)]
pub struct Worker {
    /// Which of the workers this is, from 0.
    index: usize,
    tasks: Tasks,
    reactor: Rc<Reactor>,
    timers: Rc<Timers>,
    buffers: Buffers,
    unpark: Arc<Unpark>,
    /// How often the loop came round.
    turns: Cell<usize>,
    /// Code is let go of before the next wait: looked at at each, so it is no more than a mark.
    is_leaving_code: Cell<bool>,
    /// Where that code is.
    code: RefCell<Vec<Range<usize>>>,
}

impl Worker {
    /// A worker for the calling thread.
    ///
    /// # Errors
    /// What the system says when it has no descriptor left for the epoll and the eventfd.
    pub fn new(index: usize, budget: Arc<Budget>) -> io::Result<Self> {
        let unpark = Arc::new(Unpark::new()?);
        let reactor = Rc::new(Reactor::new()?);
        reactor.watch_unnamed(&unpark)?;
        Ok(Self {
            index,
            tasks: Tasks::new(unpark.clone()),
            reactor,
            timers: Rc::default(),
            buffers: Buffers::new(budget),
            unpark,
            turns: Cell::new(0),
            is_leaving_code: Cell::new(false),
            code: RefCell::default(),
        })
    }

    /// Which of the workers this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Where sockets are registered.
    #[must_use]
    pub fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    /// Where buffers come from.
    #[must_use]
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// How often the loop came round since the start.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.turns.get()
    }

    /// Starts a task on this worker. It ends when it is done, or with the worker.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.spawn(task);
    }

    /// Lets go of the program's code in memory when next there is nothing to do: until something happens, hardly any of it is
    /// needed again.
    pub fn let_go_of_code(&self) {
        self.code.replace(trim::code());
        self.is_leaving_code.set(true);
    }

    /// Runs tasks until `main` is done; then the tasks that are left are dropped with the worker.
    ///
    /// # Errors
    /// What epoll_wait says, which a correct program never sees.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> io::Result<T> {
        let _time = clock::install(self.timers.clone());
        let _here = self.tasks.enter();
        let main_wake = Arc::new(MainWake {
            woken: AtomicBool::new(true),
            unpark: self.unpark.clone(),
        });
        let waker = Waker::from(main_wake.clone());
        let mut cx = task::Context::from_waker(&waker);
        let mut main = pin!(main);
        loop {
            self.turns.set(self.turns.get().wrapping_add(1));
            if main_wake.woken.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = main.as_mut().poll(&mut cx) {
                    return Ok(output);
                }
            }
            self.tasks.run();
            let is_busy = self.tasks.is_ready() || main_wake.woken.load(Ordering::Acquire);
            let timeout = if !is_busy && self.unpark.park() {
                let timeout = self.until_next_timer();
                if self.is_leaving_code.get() {
                    self.is_leaving_code.set(false);
                    unchecked::let_go_of_code(&self.code.borrow());
                }
                timeout
            } else {
                Some(Duration::ZERO)
            };
            let waited = self.reactor.wait(timeout);
            // From here on a wake is by this thread, or finds it awake: neither needs the eventfd.
            self.unpark.resume();
            waited?;
            self.timers.turn();
            self.reactor.dispatch();
            self.timers.fire();
        }
    }

    fn until_next_timer(&self) -> Option<Duration> {
        // Rounded up to whole milliseconds: epoll knows nothing smaller, and a wait cut short would only spin.
        let left = self
            .timers
            .next()?
            .saturating_duration_since(clock::monotonic());
        let millis = left.as_nanos().div_ceil(1_000_000);
        Some(Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }
}

/// The waker of a worker's main future.
struct MainWake {
    /// To be polled in the next turn.
    woken: AtomicBool,
    unpark: Arc<Unpark>,
}

impl Wake for MainWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // First the mark, then the end of the wait: who finds no mark has not parked yet, or will be woken.
        self.woken.store(true, Ordering::Release);
        self.unpark.unpark();
    }
}

/// Lets other tasks of the worker run, then goes on: for loops that could keep a worker to themselves.
pub async fn breathe() {
    future::yield_now().await;
}
