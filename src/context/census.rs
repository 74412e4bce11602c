//! How many nodes there are of each kind: a walk like the one of a [`View`](super::View), without a picture.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};

use super::Context;
use super::node::{ChildCursor, Node, bit};
use super::view::is_known;

/// How many nodes of a tree there were of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Census {
    /// By kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// How many more there were at least that were not visited.
    pub more: usize,
}

impl Census {
    /// Counts `ctx` and everything below it, up to so many nodes. Nodes near the top come first.
    #[must_use]
    pub fn of(ctx: &Context, nodes_max: usize) -> Self {
        let mut count = Count::new(ctx, nodes_max);
        while count.step(usize::MAX) {}
        count.finish()
    }
}

/// A census that is taken in steps, so that whoever takes it can do something else in between.
pub(crate) struct Count {
    census: Census,
    /// Nodes whose children are still to be counted, each with how far that got, and how many there were.
    waiting: VecDeque<(Weak<Node>, ChildCursor, usize)>,
    /// The merged nodes that were met.
    merged: HashSet<u64>,
    /// How many more may be counted.
    room: usize,
}

impl Count {
    pub(crate) fn new(ctx: &Context, nodes_max: usize) -> Self {
        let mut count = Self {
            census: Census::default(),
            waiting: VecDeque::new(),
            merged: HashSet::new(),
            room: nodes_max.saturating_sub(1),
        };
        count.add(&ctx.node);
        count
    }

    fn add(&mut self, node: &Arc<Node>) {
        *self.census.kinds.entry(node.kind.name()).or_default() += 1;
        if node.load() & (bit::PARENT | bit::DONE) != 0 {
            let front = (Arc::downgrade(node), ChildCursor::default(), 0);
            self.waiting.push_back(front);
        }
    }

    /// Reads children so many times, a few each time. False: there is nothing more to read.
    pub(crate) fn step(&mut self, times: usize) -> bool {
        for _ in 0..times {
            let Some((node, mut from, mut count)) = self.waiting.pop_front() else {
                return false;
            };
            let Some(parent) = node.upgrade() else {
                continue;
            };
            let mut is_last = self.room == 0;
            if !is_last {
                let batch = parent.children(&mut from);
                is_last = batch.is_empty();
                for child in batch.into_iter().take(self.room) {
                    count += 1;
                    self.room -= 1;
                    if !is_known(&child, &mut self.merged) {
                        self.add(&child);
                    }
                }
            }
            if is_last {
                self.census.more += parent.child_count().saturating_sub(count);
            } else {
                self.waiting.push_front((node, from, count));
            }
        }
        !self.waiting.is_empty()
    }

    pub(crate) fn finish(self) -> Census {
        self.census
    }
}
