//! What one shard remembers of its keys: a hash table that stays within its bound.
//!
//! Entries lie in one vector, chained by their place in it, so that a hand can go round them. Whenever one is added the
//! hand looks at the next few and takes out those that say no more than a new one would, so the table is about as large
//! as there are keys that matter. When it is full of those, the one closest to being new of the few makes room: it loses
//! least. A key with requests in flight never goes.

/// What is remembered of a key: 24 octets, and 4 to 8 for finding it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The key's hash.
    fingerprint: u64,
    /// Its theoretical arrival time, in the limiter's nanoseconds.
    pub(super) tat: u64,
    /// Its requests that have not ended.
    pub(super) in_flight: u32,
    /// Where the next of the chain is, or `NOWHERE`.
    next: u32,
}

impl Entry {
    /// What is known of a key that is not known.
    pub(super) fn new(fingerprint: u64) -> Self {
        Self {
            fingerprint,
            tat: 0,
            in_flight: 0,
            next: NOWHERE,
        }
    }

    fn is_as_new(&self, now: u64) -> bool {
        self.in_flight == 0 && super::Gcra::is_as_new(self.tat, now)
    }
}

/// The entries of one shard.
#[derive(Debug)]
pub(super) struct Table {
    /// All of them, in no order.
    /// Invariant: at most `entries_max`, and each in the chain of its fingerprint.
    entries: Vec<Entry>,
    /// Where each chain begins. As many as a power of two, or none.
    heads: Vec<u32>,
    /// Where the hand is.
    hand: usize,
    /// The bound.
    entries_max: usize,
}

impl Table {
    /// An empty table, which grows with its entries up to so many. Zero is read as one.
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            heads: Vec::new(),
            hand: 0,
            entries_max: entries_max.clamp(1, ENTRIES_MAX),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry of a key.
    pub(super) fn find(&mut self, fingerprint: u64) -> Option<&mut Entry> {
        let mut at = *self.heads.get(self.chain(fingerprint))?;
        while self.entries.get(at as usize)?.fingerprint != fingerprint {
            at = self.entries.get(at as usize)?.next;
        }
        self.entries.get_mut(at as usize)
    }

    /// Adds the entry of a key that has none. False, and it is not added, where every entry that was looked at has
    /// requests in flight.
    pub(super) fn insert(&mut self, mut entry: Entry, now: u64) -> bool {
        if !self.make_room(now) {
            return false;
        }
        self.grow();
        let chain = self.chain(entry.fingerprint);
        if let Some(head) = self.heads.get_mut(chain) {
            entry.next = *head;
            // At most `ENTRIES_MAX`.
            *head = self.entries.len() as u32;
            self.entries.push(entry);
        }
        true
    }

    /// Moves the hand on. Afterwards there is room for one more, or false is returned.
    fn make_room(&mut self, now: u64) -> bool {
        let mut closest: Option<(u64, usize)> = None;
        for looked in 0..self.entries.len().min(LOOKS_MAX) {
            let has_room = self.entries.len() < self.entries_max || closest.is_some();
            if looked >= LOOKS && has_room {
                break;
            }
            self.hand = self.hand.checked_rem(self.entries.len()).unwrap_or(0);
            let Some(entry) = self.entries.get(self.hand) else {
                break;
            };
            if entry.is_as_new(now) {
                // Another one comes in its place, and is looked at next.
                self.remove(self.hand);
                continue;
            }
            let is_closer = closest.is_none_or(|(tat, _)| entry.tat < tat);
            if entry.in_flight == 0 && is_closer {
                closest = Some((entry.tat, self.hand));
            }
            self.hand += 1;
        }
        if self.entries.len() < self.entries_max {
            return true;
        }
        // Nothing was taken out, so it is where it was.
        closest.map(|(_, index)| self.remove(index)).is_some()
    }

    fn remove(&mut self, index: usize) {
        let Some(next) = self.entries.get(index).map(|entry| entry.next) else {
            return;
        };
        self.redirect(index, next);
        let last = self.entries.len() - 1;
        if index != last {
            self.redirect(last, index as u32);
        }
        self.entries.swap_remove(index);
    }

    /// Lets what points at the entry in one place point at another place.
    fn redirect(&mut self, from: usize, to: u32) {
        let Some(fingerprint) = self.entries.get(from).map(|entry| entry.fingerprint) else {
            return;
        };
        let chain = self.chain(fingerprint);
        let mut pointer = self.heads.get_mut(chain);
        while let Some(place) = pointer {
            if *place as usize == from {
                *place = to;
                return;
            }
            let at = *place as usize;
            pointer = self.entries.get_mut(at).map(|entry| &mut entry.next);
        }
    }

    /// Makes room in memory for one more: twice as much as before, but never more than for the bound.
    fn grow(&mut self) {
        let count = self.entries.len();
        if count == self.entries.capacity() {
            let more = count.max(4).min(self.entries_max - count);
            self.entries.reserve_exact(more);
        }
        if count < self.heads.len() {
            return;
        }
        self.heads = vec![NOWHERE; (count + 1).next_power_of_two()];
        for index in 0..count {
            let chain = self.chain(self.entries[index].fingerprint);
            self.entries[index].next = std::mem::replace(&mut self.heads[chain], index as u32);
        }
    }

    /// Which chain a fingerprint is in, by its lower half: the other one tells the shards apart.
    fn chain(&self, fingerprint: u64) -> usize {
        fingerprint as u32 as usize & self.heads.len().wrapping_sub(1)
    }
}

/// How many entries the hand looks at for each that is added: more than one, so that it is faster than what comes.
const LOOKS: usize = 8;

/// How many it looks at, in a full table, for one without requests in flight.
const LOOKS_MAX: usize = 64;

/// The place of no entry.
const NOWHERE: u32 = u32::MAX;

/// As many as places can be told apart, with room for rounding up to a power of two.
const ENTRIES_MAX: usize = 1 << 30;
