//! Nodes that nobody holds any more, kept by the thread that dropped them for the next ones it derives.
//!
//! A request makes a few nodes and drops them again, so most nodes live where one has just gone: the allocator is not
//! asked, and an event that was waited for keeps its list of listeners. What lies here is empty. It holds nothing of
//! the caller's, knows no parent and no child, and nobody knows it, not even weakly.

use std::cell::Cell;
use std::sync::Arc;

use super::node::Node;
use super::sync::per_thread;

/// How many nodes a thread keeps, enough for a hundred requests at a time; more than that go back to the allocator. Of 160
/// octets each, and the list of listeners of those that were waited for.
const SPARES_MAX: usize = 256;

struct Spares {
    /// The first `count` of them hold a node.
    nodes: [Cell<Option<Arc<Node>>>; SPARES_MAX],
    count: Cell<usize>,
}

impl Spares {
    const fn new() -> Self {
        Self {
            nodes: [const { Cell::new(None) }; SPARES_MAX],
            count: Cell::new(0),
        }
    }
}

per_thread! {
    static SPARES: Spares = const { Spares::new() };
}

/// An empty node that nobody else knows; none if there is none to spare.
#[inline]
pub(super) fn take() -> Option<Arc<Node>> {
    let take = |spares: &Spares| {
        let last = spares.count.get().checked_sub(1)?;
        spares.count.set(last);
        spares.nodes.get(last)?.take()
    };
    SPARES.try_with(take).ok().flatten()
}

/// Whether one more node would be kept. Not while the thread ends.
#[inline]
pub(super) fn has_room() -> bool {
    SPARES
        .try_with(|spares| spares.count.get() < SPARES_MAX)
        .unwrap_or(false)
}

/// Keeps `node`, which is empty, if there is room.
#[inline]
pub(super) fn put(node: Arc<Node>) {
    let put = |spares: &Spares| {
        let count = spares.count.get();
        if let Some(place) = spares.nodes.get(count) {
            place.set(Some(node));
            spares.count.set(count + 1);
        }
    };
    // While a thread ends, its spares are gone; then so is this one.
    let _ = SPARES.try_with(put);
}
