//! One node: its state word, its place in the tree, and how it and all below it end.
//!
//! - **One word.** `DONE` and `WAITERS` are bits of the same atomic, both set by `fetch_or`: either who cancels sees
//!   the waiter, or the waiter sees the cancel. The cause is there before `DONE` is.
//! - **Two passes.** A cancel first marks the whole subtree, then wakes. Whoever wakes anywhere finds everything below
//!   the cut ended already. Who won a node's `DONE` bit holds that node until it has woken its waiters.
//! - **No recursion.** The nodes a cancel has marked form a list through the nodes themselves, so ending a subtree of
//!   any shape takes constant stack and no memory; dropping a chain is a loop.
//! - **Locks.** `LOCK:` each node has two, `children` and `next`. `children` of a node may be held while `next` of
//!   another is taken, never the other way round, and never two of a kind. None is held while a waiter is woken or
//!   while a strong reference to a node may be the last.

use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use event_listener::Event;

use super::cause::{Cause, ContextError, Inner, Origin, Reason, Why};
use super::label::Label;
use super::value::Entry;
use crate::clock;

/// The node has ended; its cause is set. Never taken back.
const DONE: u32 = 1;
/// Someone has listened, or is about to. Never taken back.
const WAITERS: u32 = 2;
/// Everything below has ended too: its canceller has finished the first pass.
const MARKED: u32 = 4;

/// What made a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Background,
    Todo,
    Cancel,
    Deadline,
    Value,
}

/// A node of the tree.
pub(super) struct Node {
    /// DONE, WAITERS, MARKED.
    state: AtomicU32,
    /// The place among the parent's children; set once, before anybody else can see the node in the tree.
    place: Place,
    /// Unlike any other in this process.
    pub(super) id: u64,
    pub(super) kind: &'static str,
    pub(super) label: Label,
    pub(super) shape: Shape,
    /// The deadline in force is this node's own, not inherited.
    pub(super) owns_deadline: bool,
    /// The earliest of the node's own and all above it.
    pub(super) deadline: Option<Instant>,
    /// Put behind the own deadline by whoever set it.
    pub(super) deadline_reason: Option<Reason>,
    pub(super) created: Instant,
    /// Which keys may have a value here or above.
    pub(super) mask: u64,
    pub(super) value: Option<Box<Entry>>,
    /// Taken only when the node is dropped.
    parent: Option<Arc<Self>>,
    /// Set once, by whoever ends the node first.
    cause: OnceLock<Cause>,
    /// Touched only when `WAITERS` is set: notifying it unheard would allocate.
    pub(super) event: Event,
    children: Mutex<Children>,
    /// The next node in the list of the cancel that won this node's `DONE`.
    next: Mutex<Option<Arc<Self>>>,
}

/// What [`Node::end`] did: the parts of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ended {
    pub(super) nodes: usize,
    pub(super) waiters: usize,
    pub(super) depth: usize,
}

/// What a new node is made of.
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) kind: &'static str,
    pub(super) label: Label,
    pub(super) deadline: Option<Instant>,
    pub(super) deadline_reason: Option<Reason>,
    pub(super) value: Option<Box<Entry>>,
}

impl Node {
    pub(super) fn root(shape: Shape, kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU32::new(0),
            place: Place::default(),
            id: 0,
            kind,
            label: Label::from(""),
            shape,
            owns_deadline: false,
            deadline: None,
            deadline_reason: None,
            created: clock::now(),
            mask: 0,
            value: None,
            parent: None,
            cause: OnceLock::new(),
            event: Event::new(),
            children: Mutex::new(Children::None),
            next: Mutex::new(None),
        })
    }

    /// A child of `parent`. Born ended where the parent has ended, or where its deadline has passed.
    pub(super) fn child(parent: &Arc<Self>, plan: Plan) -> Arc<Self> {
        let earlier = match (plan.deadline, parent.deadline) {
            (Some(own), Some(above)) => own <= above,
            (own, _) => own.is_some(),
        };
        let mask = parent.mask
            | plan
                .value
                .as_ref()
                .map_or(0, |entry| super::value::mask_of(entry.identity));
        let node = Arc::new(Self {
            state: AtomicU32::new(0),
            place: Place::default(),
            id: next_id(),
            kind: plan.kind,
            label: plan.label,
            shape: plan.shape,
            owns_deadline: earlier,
            deadline: if earlier {
                plan.deadline
            } else {
                parent.deadline
            },
            deadline_reason: plan.deadline_reason,
            created: clock::now(),
            mask,
            value: plan.value,
            parent: Some(parent.clone()),
            cause: OnceLock::new(),
            event: Event::new(),
            children: Mutex::new(Children::None),
            next: Mutex::new(None),
        });
        if parent.is_root() {
            // Roots live forever and never end: nothing below them needs to be found from them.
        } else {
            parent.lock_children().push(&node);
            // Linked first, asked second: a cancel of the parent that did not find this child has set DONE before it
            // looked, so it is seen here.
            if parent.is_done() {
                if let Some(cause) = parent.cause.get() {
                    node.mark(cause);
                    node.state.fetch_or(MARKED, Ordering::AcqRel);
                }
            }
        }
        node
    }

    pub(super) fn is_root(&self) -> bool {
        matches!(self.shape, Shape::Background | Shape::Todo)
    }

    pub(super) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    /// The bit alone, without a look at the clock.
    pub(super) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) & DONE != 0
    }

    /// Why the node ended, if its bit says that it did.
    pub(super) fn cause(&self) -> Option<&Cause> {
        if self.is_done() {
            self.cause.get()
        } else {
            None
        }
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.state.load(Ordering::Acquire) & WAITERS != 0
    }

    /// Says that someone is about to listen. False: the node has ended, nobody will notify.
    pub(super) fn announce_waiter(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        if state & WAITERS != 0 && state & DONE == 0 {
            // Whoever sets DONE from here on sees the bit: no need to write to a word that others read.
            return true;
        }
        self.state.fetch_or(WAITERS, Ordering::AcqRel) & DONE == 0
    }

    /// Whether the node has ended, by its bit and by the clock. Who sees a deadline pass first ends its owner.
    pub(super) fn err(self: &Arc<Self>) -> Option<ContextError> {
        if let Some(cause) = self.cause() {
            return Some(cause.kind());
        }
        if clock::now() < self.deadline? {
            return None;
        }
        let owner = self.deadline_owner()?;
        owner.expire();
        if !self.is_done() {
            // Another cancel is still on its way down to here.
            if let Some(cause) = owner.cause().cloned() {
                self.end(&cause);
            }
        }
        self.cause().map(Cause::kind)
    }

    /// The node that imposes the deadline in force here: this one, or the nearest above it that set it.
    pub(super) fn deadline_owner(self: &Arc<Self>) -> Option<&Arc<Self>> {
        self.deadline?;
        let mut node = self;
        while !node.owns_deadline {
            node = node.parent()?;
        }
        Some(node)
    }

    fn expire(self: &Arc<Self>) -> Ended {
        let reason = self.deadline_reason.clone().map(Why::Given);
        self.end(&self.new_cause(ContextError::DeadlineExceeded, reason, None))
    }

    /// Cancels the node and all below it. A deadline that has passed comes first.
    pub(super) fn cancel(
        self: &Arc<Self>,
        reason: Option<Why>,
        location: Option<&'static std::panic::Location<'static>>,
    ) -> Ended {
        if self.is_root() || self.err().is_some() {
            return Ended::default();
        }
        self.end(&self.new_cause(ContextError::Canceled, reason, location))
    }

    fn new_cause(
        &self,
        kind: ContextError,
        reason: Option<Why>,
        location: Option<&'static std::panic::Location<'static>>,
    ) -> Cause {
        let origin = Origin {
            id: self.id,
            kind: self.kind,
            label: self.label.clone(),
        };
        Cause {
            inner: Arc::new(Inner {
                kind,
                reason,
                origin,
                location,
                at: clock::now(),
            }),
        }
    }

    /// Sets the cause, then the bit. True for the one call that ended the node.
    fn mark(&self, cause: &Cause) -> bool {
        // First cause wins; whose it is does not decide who wakes the waiters.
        let _ = self.cause.set(cause.clone());
        self.state.fetch_or(DONE, Ordering::AcqRel) & DONE == 0
    }

    /// Ends the node and all below it: marks them all, then wakes.
    fn end(self: &Arc<Self>, cause: &Cause) -> Ended {
        if !self.mark(cause) {
            return Ended::default();
        }
        let mut list = List::new(self.clone());
        let depth = list.mark_below(self, cause);
        let mut ended = Ended {
            nodes: 0,
            waiters: 0,
            depth,
        };
        while let Some(node) = list.pop() {
            ended.nodes += 1;
            let state = node.state.fetch_or(MARKED, Ordering::AcqRel);
            if state & WAITERS != 0 {
                ended.waiters += node.event.notify(usize::MAX);
            }
        }
        ended
    }

    /// The children that are there now, in the order of their making.
    pub(super) fn children(&self) -> Vec<Arc<Self>> {
        let children = self.lock_children();
        children.iter().filter_map(Weak::upgrade).collect()
    }

    /// How many children are there, without those that have gone.
    pub(super) fn child_count(&self) -> usize {
        self.lock_children()
            .iter()
            .filter(|child| child.strong_count() > 0)
            .count()
    }

    fn lock_children(&self) -> MutexGuard<'_, Children> {
        // Nothing that panics runs under the lock; a poisoned one is as good as new.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_next(&self, next: Option<Arc<Self>>) -> Option<Arc<Self>> {
        mem::replace(
            &mut *self.next.lock().unwrap_or_else(PoisonError::into_inner),
            next,
        )
    }

    /// Takes the node out of its parent's children, and gives the parent out to be dropped by a loop.
    fn unlink(&mut self) -> Option<Arc<Self>> {
        let parent = self.parent.take()?;
        if !parent.is_root() {
            parent.lock_children().remove(self.place.get());
        }
        Some(parent)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Dropping the parent could drop its parent, and so on: a million frames for a chain of a million.
        let mut parent = self.unlink();
        while let Some(mut node) = parent.and_then(Arc::into_inner) {
            parent = node.unlink();
        }
    }
}

/// The nodes one cancel has ended and not yet woken, linked through [`Node::next`].
struct List {
    first: Option<Arc<Node>>,
    last: Arc<Node>,
}

impl List {
    fn new(node: Arc<Node>) -> Self {
        Self {
            first: Some(node.clone()),
            last: node,
        }
    }

    fn push(&mut self, node: Arc<Node>) {
        let last = mem::replace(&mut self.last, node.clone());
        // The nodes of the list are held from here; nothing was in that place.
        drop(last.set_next(Some(node)));
    }

    fn pop(&mut self) -> Option<Arc<Node>> {
        let node = self.first.take()?;
        self.first = node.set_next(None);
        Some(node)
    }

    /// The first pass: marks everything below `node`, level by level, each level in the order of creation. Returns how
    /// many levels there are.
    fn mark_below(&mut self, node: &Arc<Node>, cause: &Cause) -> usize {
        let mut depth = 0;
        let mut current = node.clone();
        let mut level_end = node.clone();
        loop {
            self.mark_children(&current, cause);
            let next = current
                .next
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let Some(next) = next else { return depth };
            if Arc::ptr_eq(&current, &level_end) {
                depth += 1;
                level_end = self.last.clone();
            }
            current = next;
        }
    }

    fn mark_children(&mut self, node: &Node, cause: &Cause) {
        // Those that another cancel ended, but has not yet marked all below: it is rare, and costs memory.
        let mut theirs = Vec::new();
        self.mark_each(&node.lock_children(), cause, &mut theirs);
        while let Some(node) = theirs.pop() {
            if node.state.load(Ordering::Acquire) & MARKED != 0 {
                continue;
            }
            self.mark_each(&node.lock_children(), cause, &mut theirs);
        }
    }

    /// LOCK: the caller holds the lock of `children`.
    fn mark_each(&mut self, children: &Children, cause: &Cause, theirs: &mut Vec<Arc<Node>>) {
        for child in children.iter().filter_map(Weak::upgrade) {
            if child.mark(cause) {
                self.push(child);
            } else {
                // Kept beyond the lock even where there is nothing to do below: if it were the last reference, its
                // drop would want this lock.
                theirs.push(child);
            }
        }
    }
}

/// The children of a node, in the order of their making. One is kept in place: most nodes have no more.
enum Children {
    None,
    One(u64, Weak<Node>),
    Many(Box<Siblings>),
}

/// Two children or more, or what is left of them.
struct Siblings {
    /// Ordered by place. A child that is gone leaves its place behind, until half of them are such.
    list: Vec<(u64, Weak<Node>)>,
    /// How many places are left behind.
    gone: usize,
}

impl Children {
    fn iter(&self) -> impl Iterator<Item = &Weak<Node>> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(_, child) => (Some(child), None),
            Self::Many(siblings) => (None, Some(siblings.list.iter().map(|(_, child)| child))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn push(&mut self, child: &Arc<Node>) {
        let weak = Arc::downgrade(child);
        match self {
            Self::None => {
                child.place.set(0);
                *self = Self::One(0, weak);
            }
            Self::One(..) => {
                child.place.set(1);
                let mut list = Vec::with_capacity(4);
                if let Self::One(_, first) = mem::replace(self, Self::None) {
                    list.push((0, first));
                }
                list.push((1, weak));
                *self = Self::Many(Box::new(Siblings { list, gone: 0 }));
            }
            Self::Many(siblings) => {
                let place = siblings.list.last().map_or(0, |(place, _)| place + 1);
                child.place.set(place);
                siblings.list.push((place, weak));
            }
        }
    }

    fn remove(&mut self, place: u64) {
        match self {
            Self::None => {}
            Self::One(own, _) => {
                if *own == place {
                    *self = Self::None;
                }
            }
            Self::Many(siblings) => {
                siblings.remove(place);
                if siblings.list.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }
}

impl Siblings {
    fn remove(&mut self, place: u64) {
        let Ok(index) = self.list.binary_search_by_key(&place, |(place, _)| *place) else {
            return;
        };
        if index + 1 == self.list.len() {
            self.list.pop();
        } else if let Some((_, child)) = self.list.get_mut(index) {
            *child = Weak::new();
            self.gone += 1;
        }
        if self.gone * 2 > self.list.len() {
            // A place left behind is no pointer at all; a child whose drop is under way still is one.
            self.list.retain(|(_, child)| !is_left_behind(child));
            self.gone = 0;
            if self.list.len() * 4 < self.list.capacity() {
                self.list.shrink_to(self.list.len() * 2);
            }
        }
    }
}

fn is_left_behind(child: &Weak<Node>) -> bool {
    child.ptr_eq(&Weak::new())
}

/// A number that is set once, in two halves: there are machines without 64-bit atomics, and a listener may well see
/// more than 2^32 sessions.
#[derive(Default)]
struct Place {
    high: AtomicU32,
    low: AtomicU32,
}

impl Place {
    fn set(&self, place: u64) {
        self.high.store((place >> 32) as u32, Ordering::Relaxed);
        self.low.store(place as u32, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        u64::from(self.high.load(Ordering::Relaxed)) << 32
            | u64::from(self.low.load(Ordering::Relaxed))
    }
}

/// How many ids a thread takes at once.
const ID_BLOCK: u64 = 1024;
/// The next block. 32 bits, for there are machines without 64-bit atomics: 2^42 ids.
static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The next id of this thread, and the end of its block.
    static IDS: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 0)) };
}

fn next_id() -> u64 {
    let from_block = || {
        let block = u64::from(NEXT_BLOCK.fetch_add(1, Ordering::Relaxed));
        (block * ID_BLOCK + 1, (block + 1) * ID_BLOCK + 1)
    };
    IDS.try_with(|ids| {
        let (mut next, mut end) = ids.get();
        if next == end {
            (next, end) = from_block();
        }
        ids.set((next + 1, end));
        next
    })
    // A thread that is ending takes a block for one id.
    .unwrap_or_else(|_| from_block().0)
}

/// How long ago a node was made.
pub(super) fn age(node: &Node) -> Duration {
    clock::now().saturating_duration_since(node.created)
}
