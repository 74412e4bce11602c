//! The softer signal: no new work, please.
//!
//! A drain goes through a subtree as an end does, in two passes: all nodes are marked before anybody is woken. It ends
//! nothing, so it owns no node and keeps a list of its own.

use std::sync::Arc;

use super::Receipt;
use super::node::{ChildCursor, Node, bit};
use super::stamp::Stamp;
use super::{sweep, watch};

/// Whether `node` was told to drain, or has ended.
pub(super) fn is_draining(node: &Arc<Node>) -> bool {
    node.load() & bit::DRAINING != 0 || sweep::err(node).is_some()
}

/// Tells `node` and everything below it to drain.
pub(super) fn drain(node: &Arc<Node>) -> Receipt {
    let begun = Stamp::now();
    let mut receipt = Receipt::default();
    if node.is_root() || sweep::err(node).is_some() {
        return receipt;
    }
    let mut told = Vec::new();
    let mut level = vec![node.clone()];
    let mut depth = 0;
    while !level.is_empty() {
        let mut below = Vec::new();
        for node in level {
            let before = if depth == 0 {
                node.mark_draining()
            } else {
                node.add(bit::DRAINING)
            };
            if before & bit::DONE != 0 {
                continue;
            }
            if depth == 0 && before & bit::DRAINING == 0 && watch::is_on() {
                watch::drained(&node);
            }
            if before & bit::DRAINING == 0 {
                receipt.nodes += 1;
                receipt.depth = depth;
            }
            // A node that somebody else told may have nodes below that are not told yet.
            if before & bit::PARENT != 0 {
                read_children(&node, &mut below);
            }
            if before & (bit::DRAINING | bit::WAITERS) == bit::WAITERS {
                told.push(node);
            }
        }
        level = below;
        depth += 1;
    }
    for node in told {
        receipt.waiters += node.event.notify(usize::MAX);
    }
    receipt.took = Stamp::now().since(begun);
    receipt
}

fn read_children(node: &Node, children: &mut Vec<Arc<Node>>) {
    let mut from = ChildCursor::default();
    loop {
        let batch = node.children(&mut from);
        if batch.is_empty() {
            return;
        }
        children.extend(
            batch
                .into_iter()
                .filter(|child| child.load() & bit::SHIELD == 0),
        );
    }
}
