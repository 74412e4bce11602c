//! A worker's pipes: what octets go through from one socket to another without being copied into this process.
//!
//! `splice(2)` moves pages, not octets, but only into a pipe and out of one. A pipe costs two descriptors and, while it
//! is full, memory of the kernel; so like a large buffer it is taken only while octets flow, and there are only so many:
//! whoever gets none copies.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use rustix::fd::AsFd;
use rustix::io::Result;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::buffer::Budget;

/// How many octets one pipe takes, where the system allows it.
const OCTETS: usize = 256 * 1024;
/// How many pipes a worker has at most. With more bodies in flight than this the others are copied.
const PIPES_MAX: usize = 64;
/// How many of them it keeps while they are not used.
const KEPT_MAX: usize = 4;

/// The pipes of one worker. Cheap to clone: every clone is the same pool.
#[derive(Clone)]
pub struct Pipes {
    pool: Rc<Pool>,
}

struct Pool {
    kept: RefCell<Vec<Ends>>,
    /// How many are out.
    out: Cell<usize>,
    /// What is out counts, as full as it may be.
    budget: Arc<Budget>,
}

struct Ends {
    /// Where it is read.
    exit: OwnedFd,
    /// Where it is written.
    entry: OwnedFd,
}

impl Pipes {
    /// No pipes, on a budget.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            pool: Rc::new(Pool {
                kept: RefCell::default(),
                out: Cell::new(0),
                budget,
            }),
        }
    }

    /// An empty pipe; none where there are enough, or where the budget or the system has none left.
    #[must_use]
    pub fn take(&self) -> Option<Pipe> {
        if self.pool.out.get() >= PIPES_MAX || !self.pool.budget.may_take(OCTETS) {
            return None;
        }
        let kept = self.pool.kept.borrow_mut().pop();
        let ends = kept.or_else(Ends::make)?;
        self.pool.out.set(self.pool.out.get() + 1);
        self.pool.budget.add(OCTETS);
        Some(Pipe {
            ends: Some(ends),
            held: 0,
            pool: self.pool.clone(),
        })
    }
}

impl Ends {
    fn make() -> Option<Self> {
        let (exit, entry) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A user has only so many pages for this; the size a pipe is born with does too.
        let _ = fcntl_setpipe_size(&entry, OCTETS);
        Some(Self { exit, entry })
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.pool.kept.borrow().len();
        write!(f, "Pipes({} out, {kept} kept)", self.pool.out.get())
    }
}

/// A pipe, and how much is in it.
pub struct Pipe {
    /// None only while it is dropped.
    ends: Option<Ends>,
    /// Octets that went in and did not come out yet.
    held: usize,
    pool: Rc<Pool>,
}

impl Pipe {
    /// How many octets are in it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves up to `octets_max` octets from a socket into the empty pipe. Returns how many; 0 is the peer's end.
    ///
    /// # Errors
    /// What splice says of the socket.
    pub fn fill(&mut self, socket: BorrowedFd<'_>, octets_max: usize) -> Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let most = octets_max.min(OCTETS);
        let moved = splice(socket, None, ends.entry.as_fd(), None, most, flags)?;
        self.held += moved;
        Ok(moved)
    }

    /// Moves octets out of the pipe to a socket. Returns how many.
    ///
    /// # Errors
    /// What splice says of the socket.
    pub fn drain(&mut self, socket: BorrowedFd<'_>) -> Result<usize> {
        let Some(ends) = &self.ends else { return Ok(0) };
        // Not MORE: what has come is passed on at once, however long the rest takes.
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let moved = splice(ends.exit.as_fd(), None, socket, None, self.held, flags)?;
        self.held = self.held.saturating_sub(moved);
        Ok(moved)
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({} octets)", self.held)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.pool.out.set(self.pool.out.get().saturating_sub(1));
        self.pool.budget.sub(OCTETS);
        let mut kept = self.pool.kept.borrow_mut();
        // What is still in it belongs to a message that was cut short.
        if self.held == 0 && kept.len() < KEPT_MAX {
            kept.extend(self.ends.take());
        }
    }
}
