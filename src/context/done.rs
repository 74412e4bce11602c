//! Waiting for a node to end.
//!
//! Check, listen, check again, wait: the node's word is looked at before and after listening, so that no end is
//! missed. A deadline is only a field until someone waits here; then it is a timer, for as long as they wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use event_listener::EventListener;

use super::cause::ContextError;
use super::node::Node;
use crate::clock::{self, Sleep};

/// Ready when the node has ended. What [`Context::done`](super::Context::done) answers.
///
/// It may be polled from any thread and again after it was ready: the answer stays the same.
#[must_use = "futures do nothing unless polled"]
pub struct Done {
    /// Keeps the node alive: a listener on a dropped event would wait forever.
    node: Arc<Node>,
    /// While it waits.
    listener: Option<EventListener>,
    /// While it waits, if there is a deadline.
    alarm: Option<Sleep>,
}

impl Done {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            listener: None,
            alarm: None,
        }
    }
}

impl Future for Done {
    type Output = ContextError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<ContextError> {
        let this = &mut *self;
        loop {
            if let Some(error) = this.node.err() {
                this.listener = None;
                this.alarm = None;
                return Poll::Ready(error);
            }
            if this.node.is_root() {
                return Poll::Pending;
            }
            match &mut this.listener {
                None => {
                    if this.node.announce_waiter() {
                        this.listener = Some(this.node.event.listen());
                    }
                    continue;
                }
                Some(listener) => {
                    if Pin::new(listener).poll(cx).is_ready() {
                        // A listener that was ready must not be polled again.
                        this.listener = None;
                        continue;
                    }
                }
            }
            let Some(deadline) = this.node.deadline else {
                return Poll::Pending;
            };
            let alarm = this
                .alarm
                .get_or_insert_with(|| clock::sleep_until(deadline));
            if Pin::new(alarm).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Done({}#{})", self.node.kind, self.node.id)
    }
}
