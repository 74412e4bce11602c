//! How many requests are with each endpoint.
//!
//! Counts that are made one after another, as those of an upstream's endpoints are, lie side by side: whoever compares a
//! hundred of them reads a dozen lines of memory and not a hundred.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many counts lie side by side: 512 octets.
const BLOCK: usize = 64;

type Block = [AtomicUsize; BLOCK];

thread_local! {
    /// Where this thread's next count lies.
    static NEXT: RefCell<Load> = RefCell::new(Load::in_new_block());
}

/// A count. Cloned, it is the same one.
#[derive(Debug, Clone)]
pub(super) struct Load {
    block: Arc<Block>,
    /// Which of the block's it is. Invariant: less than [`BLOCK`].
    place: usize,
}

impl Load {
    /// A count of its own, at zero.
    pub(super) fn new() -> Self {
        NEXT.with_borrow_mut(|next| {
            let this = next.clone();
            match next.place + 1 {
                BLOCK => *next = Self::in_new_block(),
                place => next.place = place,
            }
            this
        })
    }

    fn in_new_block() -> Self {
        Self {
            block: Arc::new([const { AtomicUsize::new(0) }; BLOCK]),
            place: 0,
        }
    }

    fn count(&self) -> &AtomicUsize {
        &self.block[self.place % BLOCK]
    }

    /// One more.
    pub(super) fn add(&self) {
        self.count().fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub(super) fn sub(&self) {
        self.count().fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub(super) fn get(&self) -> usize {
        self.count().load(Ordering::Relaxed)
    }
}
