//! How a picture is taken: in steps, from the top down, with no node held between two of them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};

use super::{View, ViewNode, ViewOptions, is_known};
use crate::context::Context;
use crate::context::node::{ChildCursor, Node, bit};
use crate::context::stamp::Stamp;

/// A look at a tree that is taken in steps, so that whoever takes it can do something else in between.
///
/// Between two steps it holds no node: what goes meanwhile is not kept.
pub(crate) struct Walk {
    now: Stamp,
    options: ViewOptions,
    nodes: Vec<ViewNode>,
    /// Nodes whose children are still to be read, nearest to the top first.
    waiting: VecDeque<Reading>,
    /// The merged nodes that were met.
    merged: HashSet<u64>,
}

struct Reading {
    /// The index among the nodes.
    at: usize,
    node: Weak<Node>,
    from: ChildCursor,
    /// How many children were read.
    count: usize,
}

impl Reading {
    fn of(at: usize, node: &Arc<Node>) -> Self {
        Self {
            at,
            node: Arc::downgrade(node),
            from: ChildCursor::default(),
            count: 0,
        }
    }
}

impl Walk {
    pub(crate) fn new(ctx: &Context, options: &ViewOptions) -> Self {
        let now = Stamp::now();
        Self {
            now,
            options: options.clone(),
            nodes: vec![ViewNode::of(&ctx.node, None, now)],
            waiting: VecDeque::from([Reading::of(0, &ctx.node)]),
            merged: HashSet::new(),
        }
    }

    /// Reads children so many times, a few each time. False: there is nothing more to read.
    pub(crate) fn step(&mut self, times: usize) -> bool {
        for _ in 0..times {
            let Some(mut reading) = self.waiting.pop_front() else {
                return false;
            };
            if let Some(node) = reading.node.upgrade() {
                if self.read(&node, &mut reading) {
                    self.waiting.push_front(reading);
                }
            }
        }
        !self.waiting.is_empty()
    }

    /// Reads a few children of `node`. False: that was all, or all that there is room for.
    fn read(&mut self, node: &Arc<Node>, reading: &mut Reading) -> bool {
        let depth = self.nodes.get(reading.at).map_or(0, |it| it.depth);
        let room = match self.options.depth {
            Some(deepest) if depth >= deepest => 0,
            _ => self.options.nodes_max.saturating_sub(self.nodes.len()),
        };
        let mut is_last = room == 0;
        if !is_last {
            let batch = node.children(&mut reading.from);
            is_last = batch.is_empty();
            for child in batch.into_iter().take(room) {
                reading.count += 1;
                self.add(reading.at, &child);
            }
        }
        if is_last {
            if let Some(seen) = self.nodes.get_mut(reading.at) {
                seen.more = node.child_count().saturating_sub(reading.count);
            }
        }
        !is_last
    }

    fn add(&mut self, parent: usize, child: &Arc<Node>) {
        if is_known(child, &mut self.merged) {
            return;
        }
        let at = self.nodes.len();
        let above = self.nodes.get(parent).map(|above| (parent, above));
        let seen = ViewNode::of(child, above, self.now);
        self.nodes.push(seen);
        if let Some(above) = self.nodes.get_mut(parent) {
            above.children.push(at);
        }
        // Who had ended before its first child came does not say that it has one.
        if child.load() & (bit::PARENT | bit::DONE) != 0 {
            self.waiting.push_back(Reading::of(at, child));
        }
    }

    /// What was seen.
    pub(crate) fn finish(self) -> View {
        View { nodes: self.nodes }
    }
}
