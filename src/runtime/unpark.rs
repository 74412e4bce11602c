//! The wake path: how a task scheduled from anywhere gets its worker out of epoll_wait.
//!
//! One state byte. The worker parks before it waits; a wake that finds it parked writes the eventfd, any other wake
//! only leaves a mark. So wakes on the worker's own thread, which are nearly all of them, are one atomic swap.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;
use std::{io, sync::Arc};

use rustix::event::{EventfdFlags, eventfd};

/// The worker runs its tasks, and no wake came since it last looked.
const RUNNING: u8 = 0;
/// The worker waits in epoll_wait, or is about to.
const PARKED: u8 = 1;
/// A wake came; the next park must not wait.
const NOTIFIED: u8 = 2;

/// The flag and the eventfd of one worker. As a [`Waker`](std::task::Waker) it wakes the whole worker.
#[derive(Debug)]
pub struct Unpark {
    /// RUNNING, PARKED or NOTIFIED.
    state: AtomicU8,
    /// Registered in the worker's epoll, edge-triggered: it is written to, never read.
    event: OwnedFd,
}

impl Unpark {
    /// Makes the eventfd.
    ///
    /// # Errors
    /// What the system says when it has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            state: AtomicU8::new(RUNNING),
            event,
        })
    }

    /// To be called by the worker before it waits. False: something was scheduled meanwhile, do not wait.
    pub fn park(&self) -> bool {
        self.state
            .compare_exchange(RUNNING, PARKED, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// To be called by the worker when it is back from waiting, whether or not it slept.
    pub fn resume(&self) {
        self.state.store(RUNNING, Ordering::Release);
    }

    /// Ends the worker's wait, or keeps it from beginning the next.
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED {
            // The counter cannot overflow in any lifetime, and each write is a new edge even if nobody reads.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

impl AsFd for Unpark {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}
