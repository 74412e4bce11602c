//! What is still there although it should be gone.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::{descend, state_name};
use crate::context::cause::{OneLine, Span};
use crate::context::node::Node;
use crate::context::stamp::Stamp;
use crate::context::{Context, sweep};

/// The error of [`Context::emptied_within`]: what was still there.
#[derive(Clone, Debug)]
pub struct StillAlive {
    /// Level by level, children in the order of their creation.
    nodes: Vec<Survivor>,
    /// How many more there were.
    more: usize,
}

/// One node that is still there although it should be gone: somebody holds a handle of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Survivor {
    /// The way to it from the root, as a [`Context`] prints it.
    pub path: String,
    /// Its number.
    pub id: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: String,
    /// `live`, `draining`, `canceled` or `expired`.
    pub state: &'static str,
    /// How long ago it was made.
    pub age: Duration,
    /// How many tasks and threads wait for it.
    pub waiters: usize,
}

impl StillAlive {
    /// So many nodes are described; the rest is counted.
    const NODES_MAX: usize = 256;

    /// What is below `top` now; none if nothing is.
    pub(in crate::context) fn below(top: &Arc<Node>) -> Option<Self> {
        let now = Stamp::now();
        let (mut nodes, mut more) = (Vec::new(), 0);
        descend(top, |node| {
            if Arc::ptr_eq(node, top) {
            } else if nodes.len() < Self::NODES_MAX {
                nodes.push(Survivor::of(node, now));
            } else {
                more += 1;
            }
            ControlFlow::<()>::Continue(())
        });
        (!nodes.is_empty()).then_some(Self { nodes, more })
    }

    /// The nodes, parents before children. Of more than 256 only those nearest to the top.
    #[must_use]
    pub fn nodes(&self) -> &[Survivor] {
        &self.nodes
    }

    /// How many nodes were there altogether.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len() + self.more
    }
}

impl Survivor {
    fn of(node: &Arc<Node>, now: Stamp) -> Self {
        sweep::err(node);
        Self {
            path: Context {
                node: node.clone().into(),
            }
            .to_string(),
            id: node.id,
            kind: node.kind.name(),
            label: node.label().as_str().to_owned(),
            state: state_name(node.load()),
            age: now.since(node.created),
            waiters: node.waiter_count(),
        }
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", OneLine(self.kind), self.id)?;
        if !self.label.is_empty() {
            write!(f, " {}", OneLine(&self.label))?;
        }
        write!(f, " ({}, {} old)", self.state, Span(self.age))
    }
}

/// One line: how many, and the first few.
impl fmt::Display for StillAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{} still alive", self.count())?;
        for (index, node) in self.nodes.iter().take(SHOWN).enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write!(f, "{node}")?;
        }
        if self.count() > SHOWN {
            write!(f, ", and {} more", self.count() - SHOWN)?;
        }
        Ok(())
    }
}

impl Error for StillAlive {}
