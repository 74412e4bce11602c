//! Whoever looks at the tree while it changes: each change goes to the queue of each [`Watch`], or is counted as lost.
//!
//! LAW: who makes, ends or drops a node never waits for who looks. While nobody does, a change costs one look at one word.
//! While a queue has room, it costs a copy of the node's name and a short lock. While none has, it costs one addition.
//!
//! LOCK: the lock of the queues is taken last: never together with a node's lock, and under it nothing is woken and nothing
//! of the caller's is dropped.
//!
//! That nothing falls between a picture of the tree and what is told afterwards rests on the nodes' locks. A change happens
//! under the lock of the node, or of its parent, and the word is looked at after that. Who takes a picture has set the word
//! before, and takes the same lock. So either the picture has the change, or the change sees the word.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Instant;

use super::node::Node;
use super::sync::{AtomicU8, AtomicUsize, Mutex, MutexGuard, per_process};
use super::{Cause, Context, Label, Receipt};

/// Bits of the word that says whether anybody looks.
mod bit {
    /// There is a watch.
    pub(super) const ON: u8 = 1 << 0;
    /// One of them has room.
    pub(super) const ROOM: u8 = 1 << 1;
}

/// So far up the tree is looked for the node that a watch is about, and for the owner of a deadline.
const REACH: usize = 64;
/// How many octets of names a queue holds for each change that it has room for.
const LABEL_OCTETS: usize = 256;

per_process! {
    /// See [`bit`]. Changed under the lock of [`QUEUES`] only.
    static LOOK: AtomicU8 = const { AtomicU8::new(0) };
}
per_process! {
    /// How many changes came while no watch had room. It wraps; what counts is the difference between two looks.
    static UNSEEN: AtomicUsize = const { AtomicUsize::new(0) };
}
per_process! {
    static QUEUES: Mutex<Queues> = const { Mutex::new(Queues::new()) };
}

/// Sees how the tree changes: nodes that are made, end, are told to drain, and go.
///
/// It wakes nobody. Who looks comes back now and then and [takes](Self::take) what has happened since. A watch keeps so
/// many changes and no more; what comes while it is full is counted as [lost](Self::lost), and then a
/// [`View`](super::View) tells how the tree is now. Dropping the watch ends it.
///
/// To see a tree and all that happens to it later, make the watch first and look at the tree then: nothing falls between
/// the two. What happened in between may be in both.
///
/// ```
/// use osier::context::{Change, Watch, background};
///
/// let (server, _keep) = background().named("server", "demo").with_cancel();
/// let mut watch = Watch::of(&server);
///
/// let (request, cancel) = server.named("request", "GET /").with_cancel();
/// cancel.cancel_because("client closed");
/// let id = request.id();
/// drop((request, cancel));
///
/// let changes = watch.take();
/// assert!(matches!(&changes[0], Change::Made(it) if it.id == id && it.label.as_str() == "GET /"));
/// let Change::Ended(ended) = &changes[1] else { panic!("{changes:?}") };
/// assert_eq!(ended.cause.brief().to_string(), "context canceled: client closed");
/// assert_eq!(ended.receipt.unwrap().nodes, 1);
/// assert!(matches!(changes[2], Change::Gone(gone) if gone == id));
/// assert_eq!(watch.lost(), 0);
/// ```
pub struct Watch {
    /// Names its queue.
    id: u64,
    /// What was taken from the queue and not told yet.
    taken: VecDeque<Entry>,
}

/// Something that happened to a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// It was made.
    Made(Made),
    /// It ended, and what is below it with it. Of those only the ones that ended by themselves are told of: whose own
    /// deadline had passed, or who have several parents.
    Ended(Box<Ended>),
    /// The node with this number was told to drain, and what is below it with it.
    Drained(u64),
    /// The last handle of the node with this number was dropped. Nodes that went well leave like this, without an end.
    Gone(u64),
}

/// A node that was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Made {
    /// The node's number.
    pub id: u64,
    /// Its parent's; 0 if that is a root.
    pub parent: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: Label,
    /// When it ends at the latest.
    pub deadline: Option<Instant>,
    /// Whose deadline that is. None also if that node is more than 64 levels above.
    pub deadline_owner: Option<u64>,
}

/// A node that ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ended {
    /// The node's number.
    pub id: u64,
    /// Why.
    pub cause: Cause,
    /// What the cancel did; none if it was no cancel, or not this node's.
    pub receipt: Option<Receipt>,
}

impl Watch {
    /// So many changes a watch keeps, unless it was told otherwise.
    pub const CAPACITY: usize = 4096;

    /// Looks at every tree of the process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(None, Self::CAPACITY)
    }

    /// Looks at `ctx` and everything below it.
    ///
    /// A merged node is below the first of its parents here. Of what is more than 64 levels below `ctx` nothing is told:
    /// it is counted as lost.
    #[must_use]
    pub fn of(ctx: &Context) -> Self {
        Self::with_capacity(Some(ctx), Self::CAPACITY)
    }

    /// Looks at `ctx` and everything below it, or at every tree, and keeps `capacity` changes.
    #[must_use]
    pub fn with_capacity(ctx: Option<&Context>, capacity: usize) -> Self {
        let queue = Queue {
            id: 0,
            top: ctx.map_or(0, Context::id),
            entries: VecDeque::with_capacity(capacity),
            capacity,
            label_octets: 0,
            lost: 0,
            unseen: 0,
        };
        Self {
            id: lock().add(queue),
            taken: VecDeque::with_capacity(capacity),
        }
    }

    /// What has happened since the last time, in that order; at most as much as the watch has room for.
    ///
    /// What came after a cancel that is still at work waits for it, because only then is there a receipt. So there may be
    /// more: who wants all that there is takes until nothing comes.
    pub fn take(&mut self) -> Vec<Change> {
        if self.taken.is_empty() {
            lock().swap(self.id, &mut self.taken);
        }
        let is_whole = |entry: &&Entry| entry.receipt.as_ref().is_none_or(|it| it.get().is_some());
        let count = self.taken.iter().take_while(is_whole).count();
        self.taken.drain(..count).map(Entry::into_change).collect()
    }

    /// How many changes it was too full for, since it was made. In a watch that looks at one tree of several, what
    /// happened in the others while no watch had room is counted too, what was just happening there when it was made, and
    /// what is too deep there.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock().lost(self.id)
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let queue = lock().remove(self.id);
        // LOCK: reasons are the caller's; they go after the lock.
        drop(queue);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("taken", &self.taken.len())
            .finish_non_exhaustive()
    }
}

/// A change on its way, with the receipt that may come later.
#[derive(Clone)]
struct Entry {
    change: Change,
    receipt: Option<Arc<OnceLock<Option<Receipt>>>>,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        let receipt = None;
        Self { change, receipt }
    }
}

impl Entry {
    fn into_change(self) -> Change {
        let Self {
            mut change,
            receipt,
        } = self;
        if let (Change::Ended(ended), Some(receipt)) = (&mut change, receipt) {
            ended.receipt = receipt.get().copied().flatten();
        }
        change
    }

    fn label_octets(&self) -> usize {
        match &self.change {
            Change::Made(made) => made.label.as_str().len(),
            Change::Ended(ended) => ended.cause.origin().label.as_str().len(),
            Change::Drained(_) | Change::Gone(_) => 0,
        }
    }
}

/// The queue of one watch.
struct Queue {
    /// Names it.
    id: u64,
    /// The node that it is about, with what is below; 0 for all.
    top: u64,
    entries: VecDeque<Entry>,
    /// How many entries it may have.
    capacity: usize,
    /// The length of all names in it.
    label_octets: usize,
    /// What came while others had room.
    lost: u64,
    /// What `UNSEEN` was when `lost` was brought up to date.
    unseen: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.entries.len() < self.capacity && self.label_octets <= LABEL_OCTETS * self.capacity
    }

    fn count_unseen(&mut self) {
        let unseen = UNSEEN.load(Ordering::Relaxed);
        self.lost += unseen.wrapping_sub(self.unseen) as u64;
        self.unseen = unseen;
    }

    fn push(&mut self, entry: Entry) {
        self.label_octets += entry.label_octets();
        self.entries.push_back(entry);
    }
}

/// The queues of all watches.
struct Queues {
    all: Vec<Queue>,
    next_id: u64,
}

impl Queues {
    const fn new() -> Self {
        Self {
            all: Vec::new(),
            next_id: 0,
        }
    }

    fn of(&mut self, id: u64) -> Option<&mut Queue> {
        self.all.iter_mut().find(|queue| queue.id == id)
    }

    fn add(&mut self, queue: Queue) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let unseen = UNSEEN.load(Ordering::Relaxed);
        self.all.push(Queue {
            id,
            unseen,
            ..queue
        });
        self.say();
        id
    }

    fn remove(&mut self, id: u64) -> Option<Queue> {
        let at = self.all.iter().position(|queue| queue.id == id)?;
        let queue = self.all.swap_remove(at);
        self.say();
        Some(queue)
    }

    /// Takes everything out of a queue; `empty` is what it goes on with.
    fn swap(&mut self, id: u64, empty: &mut VecDeque<Entry>) {
        if let Some(queue) = self.of(id) {
            std::mem::swap(&mut queue.entries, empty);
            queue.label_octets = 0;
            self.say();
        }
    }

    fn lost(&mut self, id: u64) -> u64 {
        self.of(id).map_or(0, |queue| {
            queue.count_unseen();
            queue.lost
        })
    }

    /// Says to everybody whether anybody looks, and whether there is room.
    fn say(&self) {
        let mut look = 0;
        if !self.all.is_empty() {
            look |= bit::ON;
        }
        if self.all.iter().any(Queue::has_room) {
            look |= bit::ROOM;
        }
        LOOK.store(look, Ordering::Relaxed);
    }

    /// Tells those who want to know. Returns what is left of it, to be dropped after the lock.
    fn tell(&mut self, place: Place<'_>, entry: Entry) -> Option<Entry> {
        let mut was_filled = false;
        let mut entry = Some(entry);
        let count = self.all.len();
        for (index, queue) in self.all.iter_mut().enumerate() {
            match place.is_below(queue.top) {
                Some(false) => {}
                Some(true) if queue.has_room() => {
                    let copy = if index + 1 == count {
                        entry.take()
                    } else {
                        entry.clone()
                    };
                    copy.into_iter().for_each(|copy| queue.push(copy));
                    was_filled |= !queue.has_room();
                }
                _ => queue.lost += 1,
            }
        }
        if was_filled {
            self.say();
        }
        entry
    }
}

fn lock() -> MutexGuard<'static, Queues> {
    // Nothing panics while it holds the lock.
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where in the tree something happened.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: u64,
    parent: Option<&'a Arc<Node>>,
}

impl Place<'_> {
    /// Whether this is `top`, or below it. None: it is too deep to tell.
    fn is_below(self, top: u64) -> Option<bool> {
        if top == 0 || self.id == top {
            return Some(true);
        }
        let mut above = self.parent;
        for _ in 0..REACH {
            match above {
                None => return Some(false),
                Some(node) if node.id == top => return Some(true),
                Some(node) => above = node.parent(),
            }
        }
        above.is_none().then_some(false)
    }
}

impl<'a> From<&'a Arc<Node>> for Place<'a> {
    fn from(node: &'a Arc<Node>) -> Self {
        Self {
            id: node.id,
            parent: node.parent(),
        }
    }
}

/// Whether anybody looks. To be asked after the lock under which the change happened was taken.
#[inline]
pub(super) fn is_on() -> bool {
    LOOK.load(Ordering::Relaxed) != 0
}

/// Tells what `make` makes of it, if there is room.
fn tell(place: Place<'_>, make: impl FnOnce() -> Option<Entry>) {
    let entry = if LOOK.load(Ordering::Relaxed) & bit::ROOM == 0 {
        None
    } else {
        make()
    };
    match entry {
        None => {
            UNSEEN.fetch_add(1, Ordering::Relaxed);
        }
        Some(entry) => {
            let rest = lock().tell(place, entry);
            // LOCK: the reason of an end is the caller's; it goes after the lock.
            drop(rest);
        }
    }
}

/// `node` is in the tree now.
#[cold]
pub(super) fn made(node: &Arc<Node>) {
    tell(node.into(), || {
        let made = Made {
            id: node.id,
            parent: node.parent().map_or(0, |parent| parent.id),
            kind: node.kind.name(),
            label: node.label().clone(),
            deadline: node.deadline.to_instant(),
            deadline_owner: node.deadline_owner_within(REACH).map(|owner| owner.id),
        };
        Some(Change::Made(made).into())
    });
}

/// `node` has ended, and nobody waits for a receipt.
#[cold]
pub(super) fn ended(node: &Arc<Node>) {
    tell(node.into(), || Some(end_of(node)?.into()));
}

/// `node` has been cancelled. What that did is told later, by what this returns.
#[cold]
pub(super) fn canceled(node: &Arc<Node>) -> Promise {
    let receipt = Arc::default();
    tell(node.into(), || {
        Some(Entry {
            change: end_of(node)?,
            receipt: Some(Arc::clone(&receipt)),
        })
    });
    Promise(receipt)
}

fn end_of(node: &Arc<Node>) -> Option<Change> {
    Some(Change::Ended(Box::new(Ended {
        id: node.id,
        cause: node.cause()?,
        receipt: None,
    })))
}

/// `node` was told to drain.
#[cold]
pub(super) fn drained(node: &Arc<Node>) {
    tell(node.into(), || Some(Change::Drained(node.id).into()));
}

/// The node with this number, below `parent`, is not in the tree any more.
#[cold]
pub(super) fn gone(id: u64, parent: Option<&Arc<Node>>) {
    tell(Place { id, parent }, || Some(Change::Gone(id).into()));
}

/// The receipt of a cancel that is at work. Dropped without one, it says that there is none.
pub(super) struct Promise(Arc<OnceLock<Option<Receipt>>>);

impl Promise {
    pub(super) fn keep(self, receipt: Receipt) {
        // Nobody else sets it.
        let _ = self.0.set(Some(receipt));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let _ = self.0.set(None);
    }
}
