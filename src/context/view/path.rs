//! The way from the root to a node, as a [`Context`](crate::context::Context) prints it.

use std::fmt;
use std::sync::Arc;

use crate::context::cause::{OneLine, Span};
use crate::context::label::Kind;
use crate::context::node::{Node, bit};
use crate::context::stamp::Stamp;

/// See the `Display` of [`Context`].
pub(in crate::context) fn write_path(node: &Arc<Node>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut path = Vec::new();
    let mut above = Some(node);
    while let Some(node) = above.filter(|node| !node.is_root()) {
        path.push(node);
        above = node.parent();
    }
    f.write_str(if node.load() & bit::TODO == 0 {
        "context.Background"
    } else {
        "context.TODO"
    })?;
    let now = Stamp::now();
    for node in path.into_iter().rev() {
        write_step(node, now, f)?;
    }
    Ok(())
}

fn write_step(node: &Node, now: Stamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if node.kind.is_given() {
        return write!(
            f,
            ".{}#{}({})",
            OneLine(node.kind.name()),
            node.id,
            OneLine(node.label())
        );
    }
    let left = Span(node.deadline.since(now));
    match node.kind {
        Kind::DEADLINE | Kind::TIMEOUT => write!(f, ".WithDeadline({left})"),
        Kind::VALUE => write!(f, ".WithValue({})", OneLine(node.label())),
        Kind::WITHOUT_CANCEL => f.write_str(".WithoutCancel"),
        Kind::ANY => f.write_str(".Any"),
        Kind::AFTER_FUNC => f.write_str(".AfterFunc"),
        _ => f.write_str(".WithCancel"),
    }
}
