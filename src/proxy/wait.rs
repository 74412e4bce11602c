//! Waiting, as branches of the tree: every wait that has a timeout is a node with a deadline, and ends with it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;

use super::error::{ClientGone, Error, Phase};
use super::timeout::Timeout;
use crate::context::{Cancel, Context, Reason};
use crate::net::stream::{Hangup, Stream};

/// Runs `work` under `ctx`, for at most `limit`.
///
/// Work that need not wait costs nothing: the node with the deadline (`task`, named for what is waited for) is made
/// when `work` is first seen to wait.
///
/// # Errors
/// The node ended first: why, as [`Error::ended`] tells it.
pub(super) async fn within<F: Future>(
    ctx: &Context,
    phase: Phase,
    (timeout, limit): (Timeout, Option<Duration>),
    work: F,
) -> Result<F::Output, Error> {
    let mut work = pin!(work);
    if ctx.err().is_some() {
        return Err(Error::ended(ctx, phase));
    }
    if let Some(output) = future::poll_once(work.as_mut()).await {
        return Ok(output);
    }
    let Some(limit) = limit else {
        return ctx.run(work).await.map_err(|_| Error::ended(ctx, phase));
    };
    let reason = Reason::Static(timeout.as_static());
    let (node, cancel) = ctx
        .named("task", timeout.waits_for())
        .with_timeout_cause(limit, reason);
    let output = node.run(work).await.map_err(|_| Error::ended(&node, phase));
    // In this order nobody else knows the node when its handle goes, so there is nothing to end.
    drop(node);
    drop(cancel);
    output
}

/// How much the client still owes of the request at hand, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Octets of ours that wait in a buffer: the rest of the body, or requests sent ahead.
    buffered: Cell<u64>,
    /// How many octets of the request were not taken from there yet; `None` where only its end will tell.
    remaining: Cell<Option<u64>>,
}

impl Owed {
    /// So it stands now.
    pub(super) fn set(&self, buffered: usize, remaining: Option<u64>) {
        self.buffered.set(buffered as u64);
        self.remaining.set(remaining);
    }

    /// A client that has ended its side, with so many octets unread, has sent nothing beyond this request: it is not
    /// there for the answer. Requests that it sent ahead would be answered first.
    fn was_all(&self, unread: u64) -> bool {
        let sent = self.buffered.get().saturating_add(unread);
        self.remaining.get().is_some_and(|left| sent <= left)
    }
}

/// Runs `work`, and cancels the client's branch when the client goes meanwhile: its end (unless requests that it sent
/// ahead are still to be read) or a reset. `work` is expected to run under that branch, and so to end with it.
pub(super) async fn while_client_stays<S: Stream, F: Future>(
    client: &S,
    cancel: &Cancel,
    owed: &Owed,
    work: F,
) -> F::Output {
    let mut has_left = false;
    let gone = poll_fn(|cx| {
        if has_left {
            return Poll::Pending;
        }
        // What an end means may change with every octet that `work` reads, so it is judged anew each time.
        has_left = match client.poll_hangup(cx) {
            Poll::Pending => false,
            Poll::Ready(Hangup::Reset) => true,
            Poll::Ready(Hangup::Ended) => owed.was_all(0),
            Poll::Ready(Hangup::EndedBehind(unread)) => owed.was_all(unread),
        };
        if has_left {
            cancel.cancel_because(Reason::Static(ClientGone::REASON));
        }
        Poll::Pending
    });
    future::or(work, gone).await
}
