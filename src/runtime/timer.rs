//! A worker's timers: one heap, and the time read once per turn.
//!
//! Nearly every timer is disarmed before it fires, so disarming only frees the slot; the stale heap entry goes when it
//! comes up, or with the next compaction. Compaction runs when more than half of a heap of some size is stale, which
//! makes arming and disarming O(log n) amortised with a small constant.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use crate::clock;

/// Below this many entries a heap is not worth compacting.
const COMPACT_MIN: usize = 64;

/// The timers of one worker; its [`clock::Driver`].
#[derive(Debug)]
pub struct Timers {
    /// What [`clock::now`] answers on this thread: the beginning of this turn.
    now: Cell<Instant>,
    heap: RefCell<Heap>,
}

#[derive(Debug, Default)]
struct Heap {
    /// Earliest first; an entry is stale when its slot is gone or carries another number.
    entries: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    /// The armed timers.
    slots: Slab<Slot>,
    /// The number of the timer armed last; told apart modulo 2^32, which a stale entry never outlives.
    number: u32,
}

#[derive(Debug)]
struct Slot {
    number: u32,
    waker: Waker,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            now: Cell::new(clock::monotonic()),
            heap: RefCell::default(),
        }
    }
}

impl Timers {
    /// Begins a turn: from here on [`clock::now`] is this moment.
    pub fn turn(&self) {
        self.now.set(clock::monotonic());
        clock::set_now(self.now.get());
    }

    /// When the next timer is due, if any is armed.
    pub fn next(&self) -> Option<Instant> {
        let mut heap = self.heap.borrow_mut();
        heap.drop_stale();
        heap.entries.peek().map(|Reverse((at, ..))| *at)
    }

    /// Wakes, earliest first, what is due at this turn's time. Returns how many.
    pub fn fire(&self) -> usize {
        let now = self.now.get();
        let mut fired = 0;
        // The heap is not borrowed while a waker runs: waking may arm or disarm.
        while let Some(waker) = self.heap.borrow_mut().pop_due(now) {
            waker.wake();
            fired += 1;
        }
        fired
    }

    /// How many entries the heap has, stale ones included.
    #[cfg(test)]
    pub(super) fn entry_count(&self) -> usize {
        self.heap.borrow().entries.len()
    }

    /// How many timers are armed.
    pub fn armed_count(&self) -> usize {
        self.heap.borrow().slots.len()
    }
}

impl Heap {
    fn is_live(&self, number: u32, index: u32) -> bool {
        self.slots
            .get(index as usize)
            .is_some_and(|slot| slot.number == number)
    }

    fn drop_stale(&mut self) {
        while let Some(Reverse((_, number, index))) = self.entries.peek().copied() {
            if self.is_live(number, index) {
                break;
            }
            self.entries.pop();
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        self.drop_stale();
        let Reverse((at, _, index)) = self.entries.peek().copied()?;
        if at > now {
            return None;
        }
        self.entries.pop();
        self.slots.try_remove(index as usize).map(|slot| slot.waker)
    }

    fn compact(&mut self) {
        if self.entries.len() > COMPACT_MIN && self.entries.len() > 2 * self.slots.len() {
            let mut entries = std::mem::take(&mut self.entries).into_vec();
            entries.retain(|Reverse((_, number, index))| self.is_live(*number, *index));
            self.entries = entries.into();
        }
    }

    fn slot(&mut self, key: u64) -> Option<&mut Slot> {
        let (number, index) = split(key);
        self.slots
            .get_mut(index as usize)
            .filter(|slot| slot.number == number)
    }
}

fn join(number: u32, index: u32) -> u64 {
    u64::from(number) << 32 | u64::from(index)
}

fn split(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

impl clock::Driver for Timers {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn arm(&self, at: Instant, waker: &Waker) -> u64 {
        let mut heap = self.heap.borrow_mut();
        heap.number = heap.number.wrapping_add(1);
        let number = heap.number;
        // A worker with 2^32 armed timers is out of memory long before.
        let index = heap.slots.insert(Slot {
            number,
            waker: waker.clone(),
        }) as u32;
        heap.entries.push(Reverse((at, number, index)));
        join(number, index)
    }

    fn rewake(&self, key: u64, waker: &Waker) {
        if let Some(slot) = self.heap.borrow_mut().slot(key) {
            slot.waker.clone_from(waker);
        }
    }

    fn disarm(&self, key: u64) {
        let mut heap = self.heap.borrow_mut();
        if heap.slot(key).is_some() {
            heap.slots.remove(split(key).1 as usize);
            heap.compact();
        }
    }
}
