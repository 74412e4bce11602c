//! The future that is ready when a node has ended.
//!
//! It owns the node: an event that is dropped forgets whom to wake. It listens when it first has to wait, and while it
//! waits it keeps one timer armed at the node's effective deadline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use event_listener::EventListener;

use super::ContextError;
use super::node::{Node, bit};
use super::sweep;
use crate::clock::{self, Sleep};

/// Ready when the context has ended; says how. Made by [`Context::done`](super::Context::done).
///
/// Nothing is allocated, registered or armed before the first poll that has to wait. It may be polled again after it
/// was ready, and is ready again.
#[must_use = "futures do nothing unless polled"]
pub struct Done {
    /// Wakes this future. Before `node`, so that it is dropped first. // while waiting
    listener: Option<EventListener>,
    /// Wakes this future at the deadline, if there is one. // while waiting
    timer: Option<Sleep>,
    /// What ends.
    node: Arc<Node>,
}

impl Done {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            listener: None,
            timer: None,
            node,
        }
    }
}

impl Future for Done {
    type Output = ContextError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<ContextError> {
        let this = &mut *self;
        loop {
            if let Some(error) = sweep::err(&this.node) {
                this.listener = None;
                this.timer = None;
                return Poll::Ready(error);
            }
            if listen(&this.node, &mut this.listener, cx).is_ready() {
                continue;
            }
            let Some(deadline) = this.node.deadline.to_instant() else {
                return Poll::Pending;
            };
            let timer = this
                .timer
                .get_or_insert_with(|| clock::sleep_until(deadline));
            ready!(Pin::new(timer).poll(cx));
            this.timer = None;
        }
    }
}

/// One step of waiting for a signal of `node`: check, listen, check again, wait. Ready means: check again.
fn listen(
    node: &Node,
    listener: &mut Option<EventListener>,
    cx: &mut task::Context<'_>,
) -> Poll<()> {
    if let Some(listening) = listener {
        ready!(Pin::new(listening).poll(cx));
        // A listener must not be polled after it was ready.
        *listener = None;
        return Poll::Ready(());
    }
    if node.is_root() {
        // Nothing ever happens to a root, and all threads share it.
        return Poll::Pending;
    }
    // The node's end and this bit are two changes to one word. If this is the first of them, the end sees that it has
    // to notify; if it is the second, the end is seen here. Where the bit is set already, the end will see it.
    if node.load() & bit::WAITERS == 0 && node.add(bit::WAITERS) & bit::DONE != 0 {
        return Poll::Ready(());
    }
    *listener = Some(node.event.listen());
    Poll::Ready(())
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("node", &self.node)
            .field("waits", &self.listener.is_some())
            .finish()
    }
}
