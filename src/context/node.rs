//! A node: its state word, its links, how it is made and how it goes.
//!
//! Owns the memory layout and every access to a node's lock. Knows how one node is marked; how a subtree ends is in
//! `sweep.rs`.
//!
//! LOCK: a node's lock is held for a few field accesses only. Never while a waker runs, never while a handle of a node
//! is dropped (that may take the parent's lock), never together with another node's lock.
//!
//! A child owns its parent, a parent knows its children weakly. So a node lives exactly as long as a handle of it or of
//! something below it, and everything above a live node is alive.
//!
//! Callers hold a node by its [`Handle`]. The last one takes the node out of the tree, empties it and leaves it to its
//! thread (`spare.rs`), which spares the next node the allocator. Where that cannot be, the node is simply dropped.
//!
//! A merged node (`bit::JOINT`) has several parents and stands in the list of each. The first of them is its parent in
//! every respect; the others only end it, drain it and limit its time.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::Waker;

use super::after::Hook;
use super::cause::{Cause, Fate, Origin, Reason};
use super::label::{Kind, next_id};
use super::spare;
use super::stamp::Stamp;
use super::sync::{AtomicU16, Event, LazyLock, Mutex, MutexGuard};
use super::value::{KeyNumber, Slot};
use super::{ContextError, Label, watch};

/// Bits of the state word.
///
/// They are only ever added. The first group is set when the node is made and never later.
pub(super) mod bit {
    /// The node has a deadline of its own that is not later than its parent's.
    pub(crate) const OWNS: u16 = 1 << 0;
    /// No end and no drain comes through from above.
    pub(crate) const SHIELD: u16 = 1 << 1;
    /// The root that this node was derived from is `todo`, not `background`.
    pub(crate) const TODO: u16 = 1 << 2;
    /// The node carries a function that runs when it ends.
    pub(crate) const HOOK: u16 = 1 << 3;

    /// The node has ended. All that is known about why was written before.
    pub(crate) const DONE: u16 = 1 << 4;
    /// Set together with `DONE`: it was a deadline.
    pub(crate) const EXPIRED: u16 = 1 << 5;
    /// Set together with `DONE`, and under the node's lock: the end began here, and the node's own `Fate` tells why.
    /// Without it, the nearest origin above does.
    pub(crate) const ORIGIN: u16 = 1 << 6;
    /// Everything below the node has ended too.
    pub(crate) const SWEPT: u16 = 1 << 7;
    /// Somebody waits, or waited once: the event must be notified.
    pub(crate) const WAITERS: u16 = 1 << 8;
    /// The node has, or had, a child: its list must be looked at.
    pub(crate) const PARENT: u16 = 1 << 9;
    /// The node should accept no new work.
    pub(crate) const DRAINING: u16 = 1 << 10;
    /// Somebody waits for the node's list of children to become empty.
    pub(crate) const EMPTYING: u16 = 1 << 11;

    /// The node has several parents. Set when it is made; its `DONE` is set under its lock only.
    pub(crate) const JOINT: u16 = 1 << 12;
    /// The last handle was dropped, and the node is not in its parent's list any more.
    pub(crate) const LOOSE: u16 = 1 << 13;

    /// The node knows which task works for it.
    pub(crate) const TASK: u16 = 1 << 14;
    /// This node or one above it does.
    pub(crate) const TASKED: u16 = 1 << 15;
}

/// One branch point of the tree. 144 octets on 64-bit machines, 160 with the counters of its `Arc`.
///
/// The order of the fields is kept: what a sweep reads of a node stands beside the counters, in one cache line.
#[repr(C)]
pub(super) struct Node {
    /// See [`bit`].
    pub(super) state: AtomicU16,
    /// What sort of node it is.
    pub(super) kind: Kind,
    /// Which keys are present here or above.
    mask: u32,
    /// The effective deadline: never later than the parent's.
    pub(super) deadline: Stamp,
    /// What is above; none for a root and for what was derived from one. // taken once, by drop
    parent: Option<Arc<Self>>,
    /// The place in the parent's list of children.
    seq: u64,
    /// Everything that changes and does not fit into the state word.
    links: Mutex<Links>,
    /// Whoever waits for any of the node's signals listens here. Touched only behind `WAITERS`.
    pub(super) event: Event,
    /// A number no other node has.
    pub(super) id: u64,
    /// When the node was made.
    pub(super) created: Stamp,
    /// The node's name, or the value it carries.
    pub(super) about: About,
}

/// What a node is there for, as far as it differs between nodes.
pub(super) enum About {
    /// It has a name.
    Named(Label),
    /// It carries a value.
    Value(Box<dyn Slot>),
    /// It carries a function that runs when it ends.
    Hook(Box<Hook>),
    /// It ends with the first of several parents.
    Joint(Box<Joint>),
}

/// What a merged node has more than others.
pub(super) struct Joint {
    /// The parents but the first. // taken by drop
    others: Vec<Arc<Node>>,
    /// The node's places in their lists. // set once, by the maker
    seqs: OnceLock<Vec<u64>>,
    /// The parent that ended it. // set before `DONE`, under the lock; read after
    ender: OnceLock<Arc<Node>>,
}

/// The part of a node that is guarded by its lock.
struct Links {
    /// A child that came while there was no other. Older than all of `more`.
    first: Option<Weak<Node>>,
    /// What few nodes have. // made when first needed
    more: Option<Box<More>>,
    /// The next node that the same sweep has to visit. Belongs to whoever set `DONE`.
    next: Option<Arc<Node>>,
    /// Why the node ended, or would end.
    fate: Fate,
}

/// How a node is to be made.
pub(super) struct Seed {
    pub(super) kind: Kind,
    pub(super) about: About,
    /// The present.
    pub(super) created: Stamp,
    /// Its own deadline, or never.
    pub(super) deadline: Stamp,
    /// What is said when its own deadline passes.
    pub(super) reason: Option<Reason>,
    pub(super) place: &'static Location<'static>,
    /// Bits to begin with: `SHIELD`, `HOOK`, `JOINT`.
    pub(super) bits: u16,
}

impl Node {
    /// A node with nothing in it, above it or below it.
    fn empty() -> Self {
        Self {
            state: AtomicU16::new(0),
            kind: Kind::BACKGROUND,
            mask: 0,
            deadline: Stamp::NEVER,
            parent: None,
            seq: 0,
            links: Mutex::new(Links::new(Fate::living(None, Location::caller()))),
            event: Event::new(),
            id: 0,
            created: Stamp::NEVER,
            about: About::Named(Label::EMPTY),
        }
    }

    /// The root of a program: never ends, and holds no children.
    fn root(kind: Kind, bits: u16) -> Arc<Self> {
        let mut root = Self::empty();
        root.created = Stamp::now();
        root.state = AtomicU16::new(bits);
        root.kind = kind;
        Arc::new(root)
    }

    pub(super) fn background() -> &'static Arc<Self> {
        static ROOT: LazyLock<Arc<Node>> = LazyLock::new(|| Node::root(Kind::BACKGROUND, 0));
        LazyLock::force(&ROOT)
    }

    pub(super) fn todo() -> &'static Arc<Self> {
        static ROOT: LazyLock<Arc<Node>> = LazyLock::new(|| Node::root(Kind::TODO, bit::TODO));
        LazyLock::force(&ROOT)
    }

    pub(super) fn is_root(&self) -> bool {
        self.id == 0
    }

    /// Makes a child.
    pub(super) fn child(self: &Arc<Self>, seed: Seed) -> Arc<Self> {
        let mut child = spare::take().unwrap_or_else(|| Arc::new(Self::empty()));
        let new = Arc::get_mut(&mut child).expect("nobody was told of it yet");
        new.id = next_id();
        if self.is_root() {
            new.grow(self, seed, self.state.load(Ordering::Relaxed));
            if watch::is_on() {
                watch::made(&child);
            }
            return child;
        }
        set(&mut new.parent, Some(self.clone()));
        let mut links = self.lock();
        let state = self.become_parent();
        let seq = links.next_seq();
        new.seq = seq;
        new.grow(self, seed, state);
        links.adopt(seq, Arc::downgrade(&child));
        drop(links);
        if watch::is_on() {
            watch::made(&child);
        }
        child
    }

    /// Says that the node has a child, and returns the word as the child inherits it. Only under the node's lock.
    ///
    /// Whoever ends this node sets DONE first and takes this lock to read the list afterwards. So either DONE is seen
    /// here, or the child is in the list by then. A node without PARENT is ended without a look at the list: its first
    /// child decides by the order of two changes to the one word.
    fn become_parent(&self) -> u16 {
        let state = self.load();
        if state & (bit::PARENT | bit::DONE) == 0 {
            self.add(bit::PARENT)
        } else {
            state
        }
    }

    /// Makes a child that has `others` as parents too. Returns it with each of those that had ended or was draining.
    pub(super) fn joint_child(
        self: &Arc<Self>,
        others: Vec<Arc<Self>>,
        place: &'static Location<'static>,
    ) -> (Arc<Self>, Vec<(Arc<Self>, u16)>) {
        let deadline = others.iter().map(|other| other.deadline).min();
        let joint = Joint {
            others: others.clone(),
            seqs: OnceLock::new(),
            ender: OnceLock::new(),
        };
        let child = self.child(Seed {
            kind: Kind::ANY,
            about: About::Joint(Box::new(joint)),
            created: Stamp::now(),
            deadline: deadline.unwrap_or(Stamp::NEVER),
            reason: None,
            place,
            bits: bit::JOINT,
        });
        let mut seqs = Vec::with_capacity(others.len());
        let mut signals = Vec::new();
        for other in others {
            let mut links = other.lock();
            let state = other.become_parent();
            let seq = links.next_seq();
            links.adopt(seq, Arc::downgrade(&child));
            drop(links);
            seqs.push(seq);
            if state & (bit::DONE | bit::DRAINING) != 0 {
                signals.push((other, state));
            }
        }
        if let About::Joint(joint) = &child.about {
            // Nobody else sets it, and it is read when this handle is gone.
            let _ = joint.seqs.set(seqs);
        }
        (child, signals)
    }

    /// Fills an empty node, as a child of `parent`, whose word as it is inherited is `state`.
    ///
    /// In place, because a node is large enough that moving it would be seen.
    #[inline(always)]
    fn grow(&mut self, parent: &Self, seed: Seed, state: u16) {
        let shielded = seed.bits & bit::SHIELD != 0;
        let above = if shielded {
            Stamp::NEVER
        } else {
            parent.deadline
        };
        let owns =
            seed.deadline <= above && seed.deadline != Stamp::NEVER && seed.bits & bit::JOINT == 0;
        let inherited = if shielded {
            state & (bit::TODO | bit::TASKED)
        } else {
            state & (bit::TODO | bit::DONE | bit::EXPIRED | bit::DRAINING | bit::TASKED)
        };
        self.mask = match &seed.about {
            About::Value(slot) => parent.mask | slot.key().bit(),
            _ => parent.mask,
        };
        // The reason of a deadline that can never be the first to pass is not kept.
        let reason = seed.reason.filter(|_| owns);
        self.state = AtomicU16::new(inherited | seed.bits | if owns { bit::OWNS } else { 0 });
        self.kind = seed.kind;
        self.created = seed.created;
        self.deadline = above.min(seed.deadline);
        set(&mut self.about, seed.about);
        set(&mut self.links_mut().fate, Fate::living(reason, seed.place));
    }

    /// Empties a node that nobody knows any more, but for its event. Whatever is the caller's is dropped by this.
    fn clear(&mut self) {
        self.id = 0;
        self.about = About::Named(Label::EMPTY);
        let links = self.links_mut();
        links.more = None;
        links.fate = Fate::living(None, Location::caller());
    }

    fn links_mut(&mut self) -> &mut Links {
        self.links.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parent(&self) -> Option<&Arc<Self>> {
        self.parent.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        // Nothing panics while it holds the lock, so poison can only mean that nothing was half done.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self) -> u16 {
        self.state.load(Ordering::Acquire)
    }

    /// Adds bits; returns the word as it was before.
    pub(super) fn add(&self, bits: u16) -> u16 {
        self.state.fetch_or(bits, Ordering::AcqRel)
    }

    /// Adds `DONE` and `bits`, and returns the word as it was before; none if the node had ended already.
    pub(super) fn mark(&self, bits: u16) -> Option<u16> {
        let mut state = self.load();
        while state & bit::DONE == 0 {
            let to = state | bit::DONE | bits;
            match self
                .state
                .compare_exchange_weak(state, to, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(state),
                Err(now) => state = now,
            }
        }
        None
    }

    /// Marks the node as cancelled, with an end that begins here. Returns as [`Node::mark`].
    pub(super) fn mark_canceled(
        &self,
        now: Stamp,
        word: Word,
        place: &'static Location<'static>,
    ) -> Option<u16> {
        let after = now.micros_since(self.created);
        let mut links = self.lock();
        if self.load() & bit::DONE != 0 {
            return None;
        }
        // ORIGIN is set under this lock only, so nobody reads the fate yet. A sweep from above may still win the word:
        // then nobody ever will.
        let fate = match word {
            Word::Said(reason) => Fate::ended(reason, place, after),
            Word::Dropped => links.fate.dropped(after),
        };
        let before = std::mem::replace(&mut links.fate, fate);
        let marked = self.mark(bit::ORIGIN);
        // LOCK: the reason that was kept for an expiry is the caller's own type; it goes after the lock.
        drop(links);
        drop(before);
        marked
    }

    /// Marks the node as expired, with an end that begins here. Returns as [`Node::mark`].
    pub(super) fn mark_expired(&self) -> Option<u16> {
        let _links = self.lock();
        self.mark(bit::ORIGIN | bit::EXPIRED)
    }

    /// Tells the node to drain. Returns the word as it was before.
    pub(super) fn mark_draining(&self) -> u16 {
        let _links = self.lock();
        self.add(bit::DRAINING)
    }

    /// The word, as it is after all that was done under the node's lock so far. Who looks at the tree asks for this one:
    /// see `watch.rs`.
    pub(super) fn load_settled(&self) -> u16 {
        drop(self.lock());
        self.load()
    }

    /// Marks a merged node as ended by `ender`, one of its parents. Returns as [`Node::mark`].
    pub(super) fn mark_through(&self, ender: &Arc<Self>, bits: u16) -> Option<u16> {
        let _links = self.lock();
        if self.load() & bit::DONE != 0 {
            return None;
        }
        if let About::Joint(joint) = &self.about {
            // Nobody was here before: DONE would be set.
            let _ = joint.ender.set(ender.clone());
        }
        self.mark(bits)
    }

    /// The node whose own deadline is this node's effective one.
    pub(super) fn deadline_owner(self: &Arc<Self>) -> Option<&Arc<Self>> {
        self.deadline_owner_within(usize::MAX)
    }

    /// As before, if it is at most `levels` above.
    pub(super) fn deadline_owner_within(self: &Arc<Self>, mut levels: usize) -> Option<&Arc<Self>> {
        if self.deadline == Stamp::NEVER {
            return None;
        }
        let mut node = self;
        while node.load() & bit::OWNS == 0 {
            levels = levels.checked_sub(1)?;
            let mut above = node.parent()?;
            if let About::Joint(joint) = &node.about {
                let same = |other: &&Arc<Self>| other.deadline == node.deadline;
                above = Some(above)
                    .filter(same)
                    .or_else(|| joint.others.iter().find(same))?;
            }
            node = above;
        }
        Some(node)
    }

    /// The node where this node's end began.
    pub(super) fn origin(self: &Arc<Self>) -> Option<&Arc<Self>> {
        let mut node = self;
        loop {
            let state = node.load();
            if state & bit::DONE == 0 {
                return None;
            }
            if state & bit::ORIGIN != 0 {
                return Some(node);
            }
            node = match &node.about {
                // Without an ender it was born ended, like its first parent.
                About::Joint(joint) => joint.ender.get().or_else(|| node.parent())?,
                _ => node.parent()?,
            };
        }
    }

    /// The cause of this node's end, if it ended.
    pub(super) fn cause(self: &Arc<Self>) -> Option<Cause> {
        let origin = self.origin()?;
        let name = Origin {
            id: origin.id,
            kind: origin.kind.name(),
            label: origin.label().clone(),
        };
        let links = origin.lock();
        let kind = error_of(origin.load());
        let at = match kind {
            ContextError::DeadlineExceeded => origin.deadline,
            ContextError::Canceled => origin.created.plus_micros(links.fate.after_micros()),
        };
        Some(Cause::new(kind, &links.fate, name, at.to_instant()?))
    }

    pub(super) fn label(&self) -> &Label {
        match &self.about {
            About::Named(label) => label,
            About::Value(slot) => slot.label(),
            About::Hook(_) | About::Joint(_) => {
                static NOTHING: Label = Label::EMPTY;
                &NOTHING
            }
        }
    }

    /// Whether nothing at all can end the node: all there is between it and a root are values and shields.
    pub(super) fn never_ends(&self) -> bool {
        let mut node = self;
        loop {
            let is_passive = match node.about {
                About::Value(_) => true,
                About::Named(_) => matches!(
                    node.kind,
                    Kind::BACKGROUND | Kind::TODO | Kind::WITHOUT_CANCEL | Kind::ANY
                ),
                About::Hook(_) | About::Joint(_) => false,
            };
            if !is_passive {
                return false;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => return true,
            }
        }
    }

    /// The value of the nearest node that carries `key`.
    pub(super) fn value(&self, key: KeyNumber) -> Option<&dyn Slot> {
        let mut node = self;
        while node.mask & key.bit() != 0 {
            match &node.about {
                About::Value(slot) if slot.key() == key => return Some(&**slot),
                _ => node = node.parent()?,
            }
        }
        None
    }

    /// How many children the list holds.
    pub(super) fn child_count(&self) -> usize {
        self.lock().count()
    }

    /// How many places the list of children has room for.
    #[cfg(test)]
    pub(super) fn list_capacity(&self) -> usize {
        self.lock()
            .more
            .as_ref()
            .map_or(0, |more| more.crowd.entries.capacity())
    }

    /// The next few children in the order of their creation. `from` remembers how far it got; an empty batch is the
    /// end.
    pub(super) fn children(&self, from: &mut ChildCursor) -> Batch {
        let mut batch = Batch::new();
        if from.0 != u64::MAX {
            self.lock().read(&mut from.0, &mut batch);
        }
        batch
    }

    /// Makes `next` the follower of this node in a sweep. Only for whoever set `DONE`.
    pub(super) fn set_next(&self, next: Arc<Self>) {
        self.lock().next = Some(next);
    }

    /// The follower of this node in a sweep.
    pub(super) fn next(&self) -> Option<Arc<Self>> {
        self.lock().next.clone()
    }

    /// Removes and returns the follower of this node in a sweep.
    pub(super) fn take_next(&self) -> Option<Arc<Self>> {
        self.lock().next.take()
    }

    /// Makes `waker` the node's task.
    ///
    /// An end of the node and `TASK` are two changes to one word: either the end sees that it has to wake the task, or
    /// whoever sets it sees the end, if it looks then.
    pub(super) fn set_task(&self, waker: Waker) {
        let before = {
            let more = &mut self.lock().more;
            more.get_or_insert_default().task.replace(waker)
        };
        // LOCK: a waker may do anything when it goes.
        drop(before);
        self.add(bit::TASK | bit::TASKED);
    }

    /// The task of this node, or of the nearest one above that has one.
    pub(super) fn task(&self) -> Option<Waker> {
        let mut node = self;
        while node.load() & bit::TASK == 0 {
            node = node.parent()?;
        }
        let links = node.lock();
        links.more.as_ref()?.task.clone()
    }

    /// How many tasks and threads wait for a signal of this node.
    pub(super) fn waiter_count(&self) -> usize {
        let state = self.load();
        let listeners = match state & bit::WAITERS {
            0 => 0,
            _ => self.event.total_listeners(),
        };
        listeners + usize::from(state & bit::TASK != 0)
    }

    /// Keeps the node for another use, if `node` is its last handle, and returns its parent. Gives `node` back if it is
    /// not, or if the node must be dropped.
    ///
    /// Who is not a handle of the node finds it in its parent's list, and gets a handle there under the parent's lock.
    /// So whoever is the only one under that lock, and takes it out of the list, stays the only one.
    fn retire(mut node: Arc<Self>) -> Result<Option<Arc<Self>>, Arc<Self>> {
        if !spare::has_room() || node.load() & bit::JOINT != 0 {
            return Err(node);
        }
        if let Some(parent) = &node.parent {
            if !parent.release(node.seq, || Arc::strong_count(&node) == 1) {
                return Err(node);
            }
        }
        if watch::is_on() {
            watch::gone(node.id, node.parent());
        }
        let Some(old) = Arc::get_mut(&mut node) else {
            // Somebody knows it otherwise, as a `Stop` does.
            node.add(bit::LOOSE);
            return Err(node);
        };
        let parent = old.parent.take();
        old.clear();
        spare::put(node);
        Ok(parent)
    }

    /// Drops handles, and the chains of parents that they were the last to hold, in a loop: a chain may be a million
    /// nodes deep.
    fn drop_all(mut next: Option<Arc<Self>>, mut others: Vec<Arc<Self>>) {
        while let Some(node) = next.or_else(|| others.pop()) {
            let last = if Arc::strong_count(&node) == 1 {
                Self::retire(node)
            } else {
                Err(node)
            };
            // Taken out of its Arc and cut off from its own parents, the node is dropped here without going deeper.
            next = last.unwrap_or_else(|node| Arc::into_inner(node)?.unlink(&mut others));
        }
    }

    /// Takes the node out of its parent's list, and returns the parent. Further parents go to `others`.
    fn unlink(&mut self, others: &mut Vec<Arc<Self>>) -> Option<Arc<Self>> {
        if let About::Joint(joint) = &mut self.about {
            // The parents are still held besides, so this drops no node.
            joint.ender.take();
            let seqs = joint.seqs.take().unwrap_or_default();
            for (other, seq) in joint.others.iter().zip(seqs) {
                other.release(seq, || true);
            }
            others.append(&mut joint.others);
        }
        let parent = self.parent.take();
        // What is loose has left before, and what has no number has nothing to leave.
        let id = std::mem::take(&mut self.id);
        if id == 0 || self.load() & bit::LOOSE != 0 {
            return parent;
        }
        if let Some(parent) = &parent {
            parent.release(self.seq, || true);
        }
        if watch::is_on() {
            watch::gone(id, parent.as_ref());
        }
        parent
    }

    /// Takes the child at `seq` out of the list, if `may` says so under the lock. Returns what that said.
    #[inline]
    fn release(&self, seq: u64, may: impl FnOnce() -> bool) -> bool {
        let (entry, emptied) = {
            let mut links = self.lock();
            if !may() {
                return false;
            }
            let entry = links.remove(seq);
            (
                entry,
                links.count() == 0 && self.load() & bit::EMPTYING != 0,
            )
        };
        // LOCK: the entry may be the last thing that keeps the child's memory; it goes after the lock.
        drop(entry);
        if emptied {
            self.event.notify(usize::MAX);
        }
        true
    }
}

/// A handle of a node as callers hold it: the last one leaves the node to its thread for another use.
///
/// Everything else holds a plain `Arc`. If that happens to be the last handle, the node is simply dropped.
#[derive(Clone)]
pub(super) struct Handle(Option<Arc<Node>>); // none only while it is dropped

impl Handle {
    /// The handle itself, without what its drop would do.
    pub(super) fn take(&mut self) -> Option<Arc<Node>> {
        self.0.take()
    }

    /// Drops `node` if it is the last handle, else gives it back.
    pub(super) fn drop_last(node: Arc<Node>) -> Result<(), Arc<Node>> {
        if Arc::strong_count(&node) > 1 {
            return Err(node);
        }
        match Node::retire(node) {
            Ok(parent) => Node::drop_all(parent, Vec::new()),
            // Between the look and now, the view may have given somebody a handle.
            Err(node) => drop(Arc::try_unwrap(node)?),
        }
        Ok(())
    }
}

impl From<Arc<Node>> for Handle {
    fn from(node: Arc<Node>) -> Self {
        Self(Some(node))
    }
}

impl Deref for Handle {
    type Target = Arc<Node>;

    #[inline]
    fn deref(&self) -> &Arc<Node> {
        self.0
            .as_ref()
            .expect("only what drops a handle takes the node")
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if let Some(node) = self.take() {
            // If several go at once, the last of them may not be known as such: then the node is simply dropped.
            if Arc::strong_count(&node) == 1 && spare::has_room() {
                if let Ok(parent) = Node::retire(node) {
                    Node::drop_all(parent, Vec::new());
                }
            }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sets a field of an empty node. There is nothing in it to be dropped, only the compiler does not know.
#[inline(always)]
fn set<T>(field: &mut T, to: T) {
    std::mem::forget(std::mem::replace(field, to));
}

/// The kind of end that a state word with `DONE` tells of.
pub(super) fn error_of(state: u16) -> ContextError {
    if state & bit::EXPIRED == 0 {
        ContextError::Canceled
    } else {
        ContextError::DeadlineExceeded
    }
}

/// What a cancel says.
pub(super) enum Word {
    /// The caller's reason, or nothing.
    Said(Option<Reason>),
    /// The handle was dropped.
    Dropped,
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut others = Vec::new();
        let parent = self.unlink(&mut others);
        Self::drop_all(parent, others);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = super::view::state_name(self.load());
        f.debug_struct("Context")
            .field("id", &self.id)
            .field("kind", &self.kind.name())
            .field("label", self.label())
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}

/// How far a walk over a node's children got.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChildCursor(u64);

/// A few nodes, held on the stack, so that a walk over children allocates nothing.
pub(super) struct Batch {
    nodes: [Option<Arc<Node>>; Self::LEN],
    count: usize,
}

impl Batch {
    const LEN: usize = 32;

    fn new() -> Self {
        Self {
            nodes: [const { None }; Self::LEN],
            count: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.count == Self::LEN
    }

    fn push(&mut self, node: Arc<Node>) {
        if let Some(slot) = self.nodes.get_mut(self.count) {
            *slot = Some(node);
            self.count += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl IntoIterator for Batch {
    type Item = Arc<Node>;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Arc<Node>>, { Self::LEN }>>;

    fn into_iter(self) -> Self::IntoIter {
        self.nodes.into_iter().flatten()
    }
}

/// The place number of an only child.
const ONLY: u64 = 0;

impl Links {
    fn new(fate: Fate) -> Self {
        Self {
            first: None,
            more: None,
            next: None,
            fate,
        }
    }

    fn count(&self) -> usize {
        let more = self.more.as_ref().map_or(0, |more| more.crowd.live);
        usize::from(self.first.is_some()) + more
    }

    /// The place of the next child.
    fn next_seq(&self) -> u64 {
        match &self.more {
            _ if self.count() == 0 => ONLY,
            Some(more) => more.crowd.next_seq,
            None => ONLY + 1,
        }
    }

    /// Enters a child at the place that [`Links::next_seq`] named, under the same lock.
    fn adopt(&mut self, seq: u64, child: Weak<Node>) {
        if seq == ONLY {
            self.first = Some(child);
        } else {
            self.more.get_or_insert_default().crowd.push(child);
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Weak<Node>> {
        if seq == ONLY {
            self.first.take()
        } else {
            self.more.as_mut()?.crowd.remove(seq)
        }
    }

    fn read(&self, from: &mut u64, batch: &mut Batch) {
        if *from == ONLY {
            *from = ONLY + 1;
            if let Some(child) = self.first.as_ref().and_then(Weak::upgrade) {
                batch.push(child);
            }
        }
        let Some(more) = &self.more else {
            *from = u64::MAX;
            return;
        };
        let entries = &more.crowd.entries[more.crowd.position(*from)..];
        for few in entries.chunks(Batch::LEN) {
            // To upgrade is to wait for the node's memory, one node after the other. Looking first waits for all at once.
            let is_alive = |entry: &&Entry| entry.child.as_ref().map_or(0, Weak::strong_count) > 0;
            if few.iter().filter(is_alive).count() == 0 {
                continue;
            }
            for entry in few {
                if batch.is_full() {
                    return;
                }
                *from = entry.seq + 1;
                if let Some(child) = entry.child.as_ref().and_then(Weak::upgrade) {
                    batch.push(child);
                }
            }
        }
        *from = u64::MAX;
    }
}

/// What few nodes have.
#[derive(Default)]
struct More {
    /// All children but the first.
    crowd: Crowd,
    /// Which task works for the node and everything below it. // behind `TASK`
    task: Option<Waker>,
}

/// Children in the order of their creation, most of them alive.
struct Crowd {
    /// Invariant: ascending by `seq`.
    entries: Vec<Entry>,
    /// How many entries hold a child.
    live: usize,
    /// The place of the next child.
    next_seq: u64,
}

struct Entry {
    /// The child's place number, which never changes, while entries move up.
    seq: u64,
    /// None once the child is gone.
    child: Option<Weak<Node>>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            live: 0,
            next_seq: ONLY + 1,
        }
    }
}

impl Crowd {
    /// Up to this many empty entries are not worth tidying up.
    const SLACK: usize = 32;

    fn push(&mut self, child: Weak<Node>) {
        self.entries.push(Entry {
            seq: self.next_seq,
            child: Some(child),
        });
        self.live += 1;
        self.next_seq += 1;
    }

    /// The index of the first entry that is not before `seq`.
    fn position(&self, seq: u64) -> usize {
        let Some(first) = self.entries.first() else {
            return 0;
        };
        // Places are dense until entries were tidied away; then the entry is somewhere before the guess.
        let guess = usize::try_from(seq.saturating_sub(first.seq)).unwrap_or(usize::MAX);
        let bound = guess.min(self.entries.len());
        match self.entries.get(bound) {
            Some(entry) if entry.seq == seq => bound,
            _ => self.entries[..bound].partition_point(|entry| entry.seq < seq),
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Weak<Node>> {
        let index = self.position(seq);
        let child = self
            .entries
            .get_mut(index)
            .filter(|entry| entry.seq == seq)?
            .child
            .take()?;
        self.live -= 1;
        while self
            .entries
            .last()
            .is_some_and(|entry| entry.child.is_none())
        {
            self.entries.pop();
        }
        // Half of a long list is empty: move up what is left. Each move is paid for by a removal.
        let empty = self.entries.len() - self.live;
        if empty > Self::SLACK && empty > self.live {
            self.entries.retain(|entry| entry.child.is_some());
        }
        if self.entries.capacity() > 4 * self.entries.len().max(Self::SLACK) {
            self.entries.shrink_to(2 * self.entries.len());
        }
        Some(child)
    }
}
