//! The futures that wait for a node: until it has ended, until it drains, until nothing is below it.
//!
//! They own the node: an event that is dropped forgets whom to wake. They listen when they first have to wait, and
//! those that end with the node keep one timer armed, while they wait, at its effective deadline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use event_listener::EventListener;

use super::ContextError;
use super::node::{Handle, Node, bit};
use super::{drain, sweep};
use crate::clock::{self, Sleep};

/// Ready when the context has ended; says how. Made by [`Context::done`](super::Context::done).
///
/// Nothing is allocated, registered or armed before the first poll that has to wait. It may be polled again after it
/// was ready, and is ready again.
#[must_use = "futures do nothing unless polled"]
pub struct Done(Wait);

/// Ready when the context is told to drain, or has ended. Made by [`Context::draining`](super::Context::draining).
///
/// It costs what [`Done`] costs, and may be polled again as that may.
#[must_use = "futures do nothing unless polled"]
pub struct Draining(Wait);

/// Ready when nothing is left below the context. Made by [`Context::emptied`](super::Context::emptied).
///
/// It costs what [`Done`] costs, less the timer, and may be polled again: then it tells of that moment.
#[must_use = "futures do nothing unless polled"]
pub struct Emptied(Wait);

impl Done {
    pub(super) fn new(node: Handle) -> Self {
        Self(Wait::new(node))
    }
}

impl Draining {
    pub(super) fn new(node: Handle) -> Self {
        Self(Wait::new(node))
    }
}

impl Emptied {
    pub(super) fn new(node: Handle) -> Self {
        Self(Wait::new(node))
    }
}

impl Future for Done {
    type Output = ContextError;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<ContextError> {
        self.0.poll(cx, true, sweep::err)
    }
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0
            .poll(cx, true, |node| drain::is_draining(node).then_some(()))
    }
}

impl Future for Emptied {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        self.0.poll(cx, false, |node| {
            // Before the list is read: then whoever takes the last child out of it afterwards sees the bit.
            if node.load() & bit::EMPTYING == 0 {
                node.add(bit::EMPTYING);
            }
            (node.child_count() == 0).then_some(())
        })
    }
}

/// Waiting for one of a node's signals.
struct Wait {
    /// Wakes the future. Before `node`, so that it is dropped first. // while waiting
    listener: Option<EventListener>,
    /// Wakes the future at the deadline, if there is one. // while waiting
    timer: Option<Sleep>,
    /// What gives the signal.
    node: Handle,
}

impl Wait {
    fn new(node: Handle) -> Self {
        Self {
            listener: None,
            timer: None,
            node,
        }
    }

    /// Waits until `check` finds what it looks for; that may come with the deadline, if `timed`.
    fn poll<T>(
        &mut self,
        cx: &mut task::Context<'_>,
        timed: bool,
        check: impl Fn(&Arc<Node>) -> Option<T>,
    ) -> Poll<T> {
        loop {
            if let Some(found) = check(&self.node) {
                self.listener = None;
                self.timer = None;
                return Poll::Ready(found);
            }
            if listen(&self.node, &mut self.listener, cx).is_ready() {
                continue;
            }
            let Some(deadline) = self.node.deadline.to_instant().filter(|_| timed) else {
                return Poll::Pending;
            };
            let timer = self
                .timer
                .get_or_insert_with(|| clock::sleep_until(deadline));
            ready!(Pin::new(timer).poll(cx));
            self.timer = None;
        }
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("node", &self.node)
            .field("waits", &self.listener.is_some())
            .finish()
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
        self.0.fmt("Done", f)
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Draining", f)
    }
}

impl fmt::Debug for Emptied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Emptied", f)
    }
}
