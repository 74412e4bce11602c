//! A picture of the live tree. How it is printed is said by a file for each form: `text`, `json`, `dot`, `mermaid`, `tsv`.
//!
//! The walk holds at most one node's lock at a time, for as long as it takes to read a few of its children, and keeps
//! its own list instead of recursing. So it may run at any time: it stops nobody from deriving, cancelling or dropping.
//! Each node appears at most once, in a state not older than the beginning of the walk. Of values only the keys are
//! shown.

mod alive;
mod dot;
mod json;
mod mermaid;
mod path;
mod pieces;
mod text;
mod tsv;
mod walk;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::node::{About, ChildCursor, Node, bit};
use super::stamp::Stamp;
use super::{Cause, Context, sweep};

pub use alive::{StillAlive, Survivor};
pub(crate) use json::Quoted;
pub(super) use path::write_path;
pub(crate) use pieces::Pieces;
pub(crate) use walk::Walk;

use pieces::Trail;

/// How much of a tree is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewOptions {
    /// How many levels below the first node; none for all.
    pub depth: Option<usize>,
    /// How many nodes at most. Nodes near the top come first.
    pub nodes_max: usize,
}

impl Default for ViewOptions {
    /// All levels, 10,000 nodes.
    fn default() -> Self {
        Self {
            depth: None,
            nodes_max: 10_000,
        }
    }
}

/// A picture of a node and what is below it, taken at one moment and its own from then on.
#[derive(Clone, Debug)]
pub struct View {
    /// Level by level, parents before children, children in the order of their creation. Never empty.
    nodes: Vec<ViewNode>,
}

/// One node in a [`View`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ViewNode {
    /// The node's number.
    pub id: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: String,
    /// `live`, `draining`, `canceled` or `expired`.
    pub state: &'static str,
    /// How long ago it was made.
    pub age: Duration,
    /// What is left until its deadline; zero if that has passed.
    pub remaining: Option<Duration>,
    /// Whose deadline that is.
    pub deadline_owner: Option<u64>,
    /// Why it ended. One and the same for all nodes that ended by it.
    pub cause: Option<Arc<Cause>>,
    /// How many tasks and threads wait for it.
    pub waiters: usize,
    /// The key it carries a value for, if it does.
    pub key: Option<&'static str>,
    /// How far below the view's first node it is.
    pub depth: usize,
    /// The index of its parent in [`View::nodes`]; none for the first.
    pub parent: Option<usize>,
    /// The indices of its children in [`View::nodes`].
    pub children: Vec<usize>,
    /// How many more children it has that are not shown.
    pub more: usize,
}

impl View {
    /// Looks at `ctx` and everything below it.
    #[must_use]
    pub fn of(ctx: &Context, options: &ViewOptions) -> Self {
        let mut walk = Walk::new(ctx, options);
        while walk.step(usize::MAX) {}
        walk.finish()
    }

    /// All nodes: the first is the one that was looked at, every other one comes after its parent.
    #[must_use]
    pub fn nodes(&self) -> &[ViewNode] {
        &self.nodes
    }

    /// Each node but the first, with its parent.
    fn edges(&self) -> impl Iterator<Item = (&ViewNode, &ViewNode)> {
        self.nodes
            .iter()
            .filter_map(|child| Some((self.nodes.get(child.parent?)?, child)))
    }

    /// Enters and leaves every node, children between the two, without recursion.
    fn walk<'a>(&'a self, mut visit: impl FnMut(Step<'a>)) {
        let mut trail = Trail::default();
        while let Some(step) = trail.next(self) {
            visit(step);
        }
    }
}

/// A step of the walk that every nested form is printed from.
enum Step<'a> {
    /// A node, before its children, with its place among those of the same parent: whether it is the first, and whether
    /// anything follows.
    Enter {
        node: &'a ViewNode,
        is_first: bool,
        follows: bool,
    },
    /// A node, after its children.
    Leave { node: &'a ViewNode },
}

impl ViewNode {
    /// Reads one node. What it shares with its parent is taken from there instead of being looked for again.
    fn of(node: &Arc<Node>, parent: Option<(usize, &Self)>, now: Stamp) -> Self {
        // Looking is what makes an end by deadline visible, here as everywhere.
        let ended = sweep::err(node);
        let state = node.load_settled();
        let deadline_owner = match parent {
            Some((_, parent)) if state & (bit::OWNS | bit::SHIELD | bit::JOINT) == 0 => {
                parent.deadline_owner
            }
            _ => node.deadline_owner().map(|owner| owner.id),
        };
        let cause = ended.and_then(|_| {
            let shared = parent
                .filter(|_| state & (bit::ORIGIN | bit::JOINT) == 0)
                .and_then(|(_, parent)| parent.cause.clone());
            shared.or_else(|| node.cause().map(Arc::new))
        });
        Self {
            id: node.id,
            kind: node.kind.name(),
            label: node.label().as_str().to_owned(),
            state: state_name(state),
            age: now.since(node.created),
            remaining: (node.deadline != Stamp::NEVER).then(|| node.deadline.since(now)),
            deadline_owner,
            cause,
            waiters: node.waiter_count(),
            key: match &node.about {
                About::Value(slot) => Some(slot.key_name()),
                _ => None,
            },
            depth: parent.map_or(0, |(_, parent)| parent.depth + 1),
            parent: parent.map(|(index, _)| index),
            children: Vec::new(),
            more: 0,
        }
    }
}

/// What the state of a node is called.
pub(super) fn state_name(state: u16) -> &'static str {
    if state & (bit::DONE | bit::EXPIRED) == bit::DONE {
        "canceled"
    } else if state & bit::DONE != 0 {
        "expired"
    } else if state & bit::DRAINING != 0 {
        "draining"
    } else {
        "live"
    }
}

/// Whether `node` has several parents and was met below another one.
pub(super) fn is_known(node: &Node, merged: &mut HashSet<u64>) -> bool {
    node.load() & bit::JOINT != 0 && !merged.insert(node.id)
}

/// The node with the number `id`, at or below `top`.
pub(super) fn find(top: &Arc<Node>, id: u64) -> Option<Arc<Node>> {
    descend(top, |node| {
        if node.id == id {
            ControlFlow::Break(node.clone())
        } else {
            ControlFlow::Continue(())
        }
    })
}

/// Shows `visit` the node and everything below it, level by level, until it has enough.
fn descend<T>(top: &Arc<Node>, mut visit: impl FnMut(&Arc<Node>) -> ControlFlow<T>) -> Option<T> {
    let mut waiting = VecDeque::from([top.clone()]);
    let mut merged = HashSet::new();
    while let Some(node) = waiting.pop_front() {
        if let ControlFlow::Break(found) = visit(&node) {
            return Some(found);
        }
        let mut from = ChildCursor::default();
        loop {
            let batch = node.children(&mut from);
            if batch.is_empty() {
                break;
            }
            waiting.extend(
                batch
                    .into_iter()
                    .filter(|child| !is_known(child, &mut merged)),
            );
        }
    }
    None
}

/// Prints `text` with each character in the way that `print` says.
fn each_char<'b>(
    text: &impl fmt::Display,
    f: &mut fmt::Formatter<'b>,
    print: impl Fn(char, &mut fmt::Formatter<'b>) -> fmt::Result,
) -> fmt::Result {
    struct Each<'a, 'b, P>(&'a mut fmt::Formatter<'b>, P);
    impl<'b, P: Fn(char, &mut fmt::Formatter<'b>) -> fmt::Result> fmt::Write for Each<'_, 'b, P> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|c| (self.1)(c, self.0))
        }
    }
    use fmt::Write as _;
    write!(Each(f, print), "{text}")
}
