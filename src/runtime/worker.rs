//! One worker: a thread, its executor, its reactor, its timers, its buffers.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use futures_lite::future;
use smol::LocalExecutor;

use super::buffer::{Budget, Buffers};
use super::reactor::Reactor;
use super::timer::Timers;
use super::unpark::Unpark;
use crate::clock;

/// What the tasks of one worker share. It never leaves its thread.
#[derive(Debug)]
pub struct Worker {
    /// Which of the workers this is, from 0.
    index: usize,
    executor: LocalExecutor<'static>,
    reactor: Rc<Reactor>,
    timers: Rc<Timers>,
    buffers: Buffers,
    unpark: Arc<Unpark>,
    /// How often the loop came round.
    turns: Cell<usize>,
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
            executor: LocalExecutor::new(),
            reactor,
            timers: Rc::default(),
            buffers: Buffers::new(budget),
            unpark,
            turns: Cell::new(0),
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
        self.executor.spawn(task).detach();
    }

    /// Runs tasks until `main` is done; then the tasks that are left are dropped with the worker.
    ///
    /// # Errors
    /// What epoll_wait says, which a correct program never sees.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> io::Result<T> {
        let _time = clock::install(self.timers.clone());
        let waker = Waker::from(self.unpark.clone());
        let mut cx = task::Context::from_waker(&waker);
        let mut main = pin!(self.executor.run(main));
        loop {
            self.turns.set(self.turns.get().wrapping_add(1));
            if let Poll::Ready(output) = main.as_mut().poll(&mut cx) {
                return Ok(output);
            }
            let timeout = if self.unpark.park() {
                self.until_next_timer()
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

/// Lets other tasks of the executor run, then goes on: for loops that could keep a worker to themselves.
pub async fn breathe() {
    future::yield_now().await;
}
