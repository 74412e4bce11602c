//! Waiting, as branches of the tree: every wait that has a timeout is a node with a deadline, and ends with it.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
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

/// How much the client still owes of the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    /// Octets of ours that wait in a buffer: the rest of the body, or requests sent ahead.
    pub(super) buffered: u64,
    /// How many octets of the request are still to be read, as far as that is known.
    pub(super) remaining: u64,
}

/// Runs `work`, and cancels the client's branch when the client goes meanwhile: its end (unless requests that it sent
/// ahead are still to be read) or a reset. `work` is expected to run under that branch, and so to end with it.
pub(super) async fn while_client_stays<S: Stream, F: Future>(
    client: &S,
    cancel: &Cancel,
    owed: Owed,
    work: F,
) -> F::Output {
    let gone = async {
        let left = match poll_fn(|cx| client.poll_hangup(cx)).await {
            Hangup::Reset => true,
            Hangup::Ended => owed.buffered == 0 || owed.buffered < owed.remaining,
            // What it sent ahead shall be answered first, unless it cannot even be the rest of this request.
            Hangup::EndedBehind(unread) => unread.saturating_add(owed.buffered) < owed.remaining,
        };
        if left {
            cancel.cancel_because(Reason::Static(ClientGone::REASON));
        }
        pending().await
    };
    future::or(work, gone).await
}
