//! How a subtree ends: first every node of it is marked, then whoever waits is woken.
//!
//! The order is the promise: when anything that waits in a subtree is woken, and when anybody reads a node's end, all
//! nodes below already read as ended. A node keeps the end it had, and its cause.
//!
//! The work list runs through the nodes themselves (`Links::next`): a node belongs to the sweep that set its `DONE`,
//! which holds it until its waiters are woken, whoever drops it meanwhile. So an end allocates nothing, and needs no
//! more stack for a million nodes than for one. A node that somebody else is still sweeping is not skipped but
//! descended: that one case keeps a `Vec`.

use std::panic::Location;
use std::sync::Arc;

use super::node::{About, ChildCursor, Node, Word, bit, error_of};
use super::stamp::Stamp;
use super::{ContextError, Receipt, watch};

/// Cancels `node` and everything below it.
pub(super) fn cancel(node: &Arc<Node>, word: Word, place: &'static Location<'static>) -> Receipt {
    let state = node.load();
    if state & bit::DONE != 0 {
        settle(node, state);
        return Receipt::default();
    }
    let now = Stamp::now();
    if now >= node.deadline {
        // The deadline was first, only nobody had looked.
        expire(node, now);
        return Receipt::default();
    }
    match node.mark_canceled(now, word, place) {
        Some(before) => {
            // It is told before anybody is woken, so that nobody below has gone by then.
            let promise = watch::is_on().then(|| watch::canceled(node));
            let receipt = if needs_sweep(before) {
                Sweep::from(node, now).run()
            } else {
                Receipt {
                    nodes: 1,
                    ..Receipt::default()
                }
            };
            if let Some(promise) = promise {
                promise.keep(receipt);
            }
            receipt
        }
        None => {
            settle(node, node.load());
            Receipt::default()
        }
    }
}

/// Ends `node`, which is merged, because `parent` had ended before it became one of its parents.
pub(super) fn join(node: &Arc<Node>, parent: &Arc<Node>, kind: u16) {
    let now = Stamp::now();
    if let Some(before) = node.mark_through(parent, kind) {
        if watch::is_on() {
            watch::ended(node);
        }
        if needs_sweep(before) {
            Sweep::from(node, now).run();
        }
    }
}

/// How `node` ended, by the clock too; none if it lives. Whatever this says holds for everything below.
pub(super) fn err(node: &Arc<Node>) -> Option<ContextError> {
    let state = node.load();
    if state & bit::DONE != 0 {
        settle(node, state);
        return Some(error_of(state));
    }
    if node.deadline == Stamp::NEVER {
        return None;
    }
    let now = Stamp::now();
    (now >= node.deadline).then(|| expire(node, now))
}

/// Ends the node that owns the deadline of `node`, which has passed, and says how `node` ended.
#[cold]
fn expire(node: &Arc<Node>, now: Stamp) -> ContextError {
    if let Some(owner) = node.deadline_owner() {
        match owner.mark_expired() {
            Some(before) => {
                if watch::is_on() {
                    watch::ended(owner);
                }
                if needs_sweep(before) {
                    Sweep::from(owner, now).run();
                }
            }
            None => settle(owner, owner.load()),
        }
    }
    error_of(node.load())
}

/// Makes sure that everything below an ended node has ended as well: only while another thread is between marking the
/// node and marking the last of those is there anything to do.
fn settle(node: &Arc<Node>, state: u16) {
    if state & (bit::PARENT | bit::SWEPT) == bit::PARENT {
        settle_slowly(node);
    }
}

#[cold]
fn settle_slowly(node: &Arc<Node>) {
    let mut above = Some(node);
    while let Some(ancestor) = above {
        let state = ancestor.load();
        if state & bit::SWEPT != 0 {
            node.add(bit::SWEPT);
            return;
        }
        if state & bit::DONE == 0 || state & bit::SHIELD != 0 {
            break;
        }
        above = ancestor.parent();
    }
    let mut sweep = Sweep::new(Stamp::now());
    sweep.others.push(node.clone());
    sweep.run();
}

/// One end on its way through a subtree.
struct Sweep {
    /// When it began: own deadlines up to then were first.
    now: Stamp,
    /// The nodes this sweep marked, in that order, as far as they need a second visit.
    head: Option<Arc<Node>>,
    /// The last of them.
    tail: Option<Arc<Node>>,
    /// Nodes that somebody else marked and may not have swept.
    others: Vec<Arc<Node>>,
    /// The task that works for where it began was woken, or will not be.
    is_told: bool,
    /// What was done so far.
    receipt: Receipt,
}

impl Sweep {
    fn new(now: Stamp) -> Self {
        Self {
            now,
            head: None,
            tail: None,
            others: Vec::new(),
            is_told: false,
            receipt: Receipt::default(),
        }
    }

    /// A sweep from `node`, just marked by the caller.
    fn from(node: &Arc<Node>, now: Stamp) -> Self {
        let mut sweep = Self::new(now);
        sweep.receipt.nodes = 1;
        sweep.push(node.clone());
        sweep
    }

    fn run(mut self) -> Receipt {
        self.mark();
        self.wake();
        self.receipt.took = Stamp::now().since(self.now);
        self.receipt
    }

    fn push(&mut self, node: Arc<Node>) {
        match self.tail.replace(node.clone()) {
            Some(tail) => tail.set_next(node),
            None => self.head = Some(node),
        }
    }

    /// The first pass: level by level, children in the order of their creation.
    fn mark(&mut self) {
        let mut depth = 0;
        let mut level_end = self.tail.as_ref().map(Arc::as_ptr);
        let mut others_done = 0;
        let mut visited: Option<Arc<Node>> = None;
        loop {
            let next = visited
                .as_ref()
                .map_or_else(|| self.head.clone(), |node| node.next());
            if let Some(node) = next {
                if self.mark_children(&node) {
                    self.receipt.depth = depth + 1;
                }
                if level_end == Some(Arc::as_ptr(&node)) {
                    depth += 1;
                    level_end = self.tail.as_ref().map(Arc::as_ptr);
                }
                visited = Some(node);
            } else if let Some(node) = self.others.get(others_done).cloned() {
                others_done += 1;
                self.mark_children(&node);
            } else {
                break;
            }
        }
    }

    /// Marks the children of an ended node. True if there was one to mark.
    fn mark_children(&mut self, node: &Arc<Node>) -> bool {
        let state = node.load();
        if state & bit::PARENT == 0 {
            return false;
        }
        let nodes_before = self.receipt.nodes;
        let mut from = ChildCursor::default();
        loop {
            let batch = node.children(&mut from);
            if batch.is_empty() {
                return self.receipt.nodes > nodes_before;
            }
            for child in batch {
                self.mark_child(node, child, state & bit::EXPIRED);
            }
        }
    }

    fn mark_child(&mut self, parent: &Arc<Node>, child: Arc<Node>, kind: u16) {
        let state = child.load();
        if state & bit::SHIELD != 0 {
            return;
        }
        let due = state & bit::OWNS != 0 && child.deadline <= self.now;
        match if due {
            child.mark_expired()
        } else if state & bit::JOINT != 0 {
            child.mark_through(parent, kind)
        } else {
            child.mark(kind)
        } {
            Some(before) => {
                self.receipt.nodes += 1;
                if (due || state & bit::JOINT != 0) && watch::is_on() {
                    watch::ended(&child);
                }
                if needs_visit(before) {
                    self.push(child);
                }
            }
            None if child.load() & (bit::PARENT | bit::SWEPT) == bit::PARENT => {
                // Only a merged node can be met twice, once for each of its parents.
                let is_known = state & bit::JOINT != 0
                    && self.others.iter().any(|other| Arc::ptr_eq(other, &child));
                if !is_known {
                    self.others.push(child);
                }
            }
            None => {}
        }
    }

    /// The second pass: everything is marked, so now it may be seen.
    fn wake(&mut self) {
        self.tail = None;
        for node in self.others.drain(..) {
            node.add(bit::SWEPT);
        }
        while let Some(node) = self.head.take() {
            self.head = node.take_next();
            let state = node.load();
            if state & bit::PARENT != 0 {
                node.add(bit::SWEPT);
            }
            if state & bit::WAITERS != 0 {
                self.receipt.waiters += node.event.notify(usize::MAX);
            }
            // The task of what ends below is a visited node's own, or the one of where the sweep began; only what is merged may
            // have ended by a parent whose task is another.
            let is_news = !std::mem::replace(&mut self.is_told, true) || state & bit::JOINT != 0;
            if state & bit::TASK != 0 || (is_news && state & bit::TASKED != 0) {
                if let Some(task) = node.task() {
                    self.receipt.waiters += 1;
                    task.wake();
                }
            }
            if let About::Hook(hook) = &node.about {
                hook.fire();
            }
        }
    }
}

impl Drop for Sweep {
    /// A waker that panics must not strand those who wait behind it.
    fn drop(&mut self) {
        self.wake();
    }
}

/// Whether a node with this state, when its end begins there, has children to mark or somebody to wake.
fn needs_sweep(state: u16) -> bool {
    needs_visit(state) || state & bit::TASKED != 0
}

/// The same of a node that ends with one above it.
fn needs_visit(state: u16) -> bool {
    const BESIDE: u16 = bit::JOINT | bit::TASKED;
    state & (bit::PARENT | bit::WAITERS | bit::HOOK | bit::TASK) != 0 || state & BESIDE == BESIDE
}
