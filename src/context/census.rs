//! How many nodes there are of each kind: a walk like the one of a [`View`](super::View), without a picture.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use super::Context;
use super::view::{children_of, is_known};

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
        let mut census = Self::default();
        let mut waiting = VecDeque::from([Arc::clone(&ctx.node)]);
        let mut merged = HashSet::new();
        let mut room = nodes_max.saturating_sub(1);
        while let Some(node) = waiting.pop_front() {
            *census.kinds.entry(node.kind.name()).or_default() += 1;
            let children = children_of(&node, room);
            census.more += node.child_count().saturating_sub(children.len());
            room -= children.len();
            let new = children
                .into_iter()
                .filter(|child| !is_known(child, &mut merged));
            waiting.extend(new);
        }
        census
    }
}
