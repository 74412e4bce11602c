//! A worker's buffers: small ones for heads, large ones for bodies, both only while octets flow.
//!
//! A buffer that was dropped goes back to its pool, which keeps a few and gives the rest back to the allocator. What
//! is out and what is kept counts against the [`Budget`] of the whole process: beyond it no large buffer is given, and
//! an exchange that has not begun is told to come back later.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::pipe::{Pipe, Pipes};

/// Octets of a buffer for heads. Grows where a head needs more.
pub const SMALL: usize = 4 * 1024;
/// Octets of a buffer for bodies: large enough that a syscall per buffer no longer matters (measured: 8 KiB cost 1.5
/// times the CPU of 128 KiB).
pub const LARGE: usize = 128 * 1024;
/// How many free small buffers a worker keeps.
const SMALL_KEPT: usize = 256;
/// How many free large buffers a worker keeps.
const LARGE_KEPT: usize = 4;

/// How many octets of buffers the whole process may hold.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    max: usize,
    /// How many octets of them each pool keeps, as it says itself.
    ///
    /// LOCK: held to add a pool, or the numbers up.
    kept: Mutex<Vec<Weak<AtomicUsize>>>,
}

impl Budget {
    /// At most `max` octets.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
            kept: Mutex::default(),
        }
    }

    /// A number that one pool alone writes: how many octets it keeps.
    fn kept_place(&self) -> Arc<AtomicUsize> {
        let place = Arc::new(AtomicUsize::new(0));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|place| place.strong_count() > 0);
        kept.push(Arc::downgrade(&place));
        place
    }

    /// How many octets are out: of buffers that are in use.
    #[must_use]
    pub fn out(&self) -> usize {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.iter().filter_map(Weak::upgrade);
        let kept: usize = kept.map(|it| it.load(Ordering::Relaxed)).sum();
        self.used().saturating_sub(kept)
    }

    /// Nothing is left for an exchange that has not begun.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(2 * SMALL) > self.max
    }

    /// How many octets are out or kept.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many there may be.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    pub(super) fn may_take(&self, octets: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(octets) <= self.max
    }

    /// Whether what comes back may be kept. What is kept is then never more than half of all: it alone exhausts nothing,
    /// and whoever had to be turned away is served when the want is over.
    fn may_keep(&self) -> bool {
        self.used.load(Ordering::Relaxed) <= self.max / 2
    }

    pub(super) fn add(&self, octets: usize) {
        self.used.fetch_add(octets, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, octets: usize) {
        self.used.fetch_sub(octets, Ordering::Relaxed);
    }
}

/// The free buffers of one worker. Cheap to clone: every clone is the same pool.
#[derive(Clone)]
pub struct Buffers {
    pool: Rc<Pool>,
    pipes: Pipes,
}

struct Pool {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    budget: Arc<Budget>,
    /// How many octets the two keep, for others to read.
    kept: Arc<AtomicUsize>,
}

impl Pool {
    /// So many octets more are kept, or fewer. Nobody else writes the number, so that this is no read-modify-write.
    fn note(&self, more: usize, fewer: usize) {
        let kept = self.kept.load(Ordering::Relaxed);
        self.kept.store(kept + more - fewer, Ordering::Relaxed);
    }
}

impl Buffers {
    /// An empty pool on a budget.
    #[must_use]
    pub fn new(budget: Arc<Budget>) -> Self {
        Self {
            pipes: Pipes::new(budget.clone()),
            pool: Rc::new(Pool {
                small: RefCell::default(),
                large: RefCell::default(),
                kept: budget.kept_place(),
                budget,
            }),
        }
    }

    /// A buffer for a head. Given even beyond the budget, so that what has begun can end.
    #[must_use]
    pub fn small(&self) -> Buffer {
        let kept = self.pool.small.borrow_mut().pop();
        self.hand_out(kept, SMALL)
    }

    /// A buffer for a body of which at least `expected` octets are to come; a small one where that is enough, or where
    /// the budget has no large one left.
    #[must_use]
    pub fn for_body(&self, expected: Option<u64>) -> Buffer {
        if expected.is_some_and(|octets| octets <= SMALL as u64) {
            return self.small();
        }
        let kept = self.pool.large.borrow_mut().pop();
        if kept.is_none() && !self.pool.budget.may_take(LARGE) {
            return self.small();
        }
        self.hand_out(kept, LARGE)
    }

    /// A pipe for a body that need not be looked at; none where none is to be had, and it has to be copied.
    #[must_use]
    pub fn pipe(&self) -> Option<Pipe> {
        self.pipes.take()
    }

    /// The budget these buffers count against.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.pool.budget
    }

    fn hand_out(&self, kept: Option<Vec<u8>>, octets: usize) -> Buffer {
        let octets = match kept {
            Some(kept) => {
                self.pool.note(0, kept.capacity());
                kept
            }
            None => {
                self.pool.budget.add(octets);
                Vec::with_capacity(octets)
            }
        };
        Buffer {
            counted: octets.capacity(),
            octets,
            start: 0,
            pool: self.pool.clone(),
        }
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("small", &self.pool.small.borrow().len())
            .field("large", &self.pool.large.borrow().len())
            .field("budget", &self.pool.budget)
            .finish()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let kept = self
            .small
            .get_mut()
            .iter()
            .chain(self.large.get_mut().iter());
        self.budget.sub(kept.map(Vec::capacity).sum());
    }
}

/// Octets that were received and not yet used: filled at the end, consumed from the front.
///
/// Invariant: `start <= octets.len() <= octets.capacity()`.
pub struct Buffer {
    octets: Vec<u8>,
    /// What lies before is consumed.
    start: usize,
    /// What the budget counts for this buffer: the capacity it was handed out with.
    counted: usize,
    pool: Rc<Pool>,
}

impl Buffer {
    /// The octets that were received and not yet consumed.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Nothing is left to consume.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start >= self.octets.len()
    }

    /// Drops the first `count` octets of [`Buffer::filled`], or all where there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.octets.len().min(self.start.saturating_add(count));
        if self.is_empty() {
            self.octets.clear();
            self.start = 0;
        }
    }

    /// Where to receive: a vector with room behind what is filled. Makes room where there is none: by moving what is
    /// filled to the front, then by growing.
    pub fn space(&mut self) -> &mut Vec<u8> {
        if self.octets.len() == self.octets.capacity() {
            if self.start > 0 {
                self.octets.drain(..self.start);
                self.start = 0;
            } else {
                let more = self.octets.capacity();
                self.octets.reserve_exact(more);
            }
        }
        &mut self.octets
    }

    /// How many octets it can hold without growing.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.octets.capacity()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Buffer({} of {} octets)",
            self.filled().len(),
            self.capacity()
        )
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        let (shelf, kept_max) = match octets.capacity() {
            // It has grown, for a head of unusual size: not worth keeping.
            other if other != self.counted => (&self.pool.small, 0),
            SMALL => (&self.pool.small, SMALL_KEPT),
            LARGE => (&self.pool.large, LARGE_KEPT),
            _ => (&self.pool.small, 0),
        };
        let mut shelf = shelf.borrow_mut();
        if shelf.len() < kept_max && self.pool.budget.may_keep() {
            self.pool.note(octets.capacity(), 0);
            shelf.push(octets);
        } else {
            self.pool.budget.sub(self.counted);
        }
    }
}
