//! Waiting, as branches of the tree: every wait that has a timeout is a node with a deadline, and ends with it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use super::error::{ClientGone, Error, Phase};
use super::task::Task;
use super::timeout::Timeout;
use crate::clock;
use crate::context::{Cancel, Context, Done, Reason};
use crate::metrics::Counters;
use crate::net::stream::{Hangup, Stream};

/// Runs `work` under `ctx`, for at most `limit`.
///
/// Work that need not wait costs nothing: the node with the deadline is made when `work` is first seen to wait. It is
/// pinned by the caller, because moving it here would be a copy of it.
///
/// # Errors
/// The node ended first: why, as [`Error::ended`] tells it.
pub(super) async fn within<F: Future>(
    ctx: &Context,
    phase: Phase,
    (timeout, limit): (Timeout, Option<Duration>),
    work: Pin<&mut F>,
) -> Result<F::Output, Error> {
    within_by(None, ctx, phase, (timeout, limit), work).await
}

/// As [`within`], where `ctx` is below the node of the session whose task this is: waiting costs less then.
pub(super) async fn within_by<F: Future>(
    task: Option<&Task>,
    ctx: &Context,
    phase: Phase,
    (timeout, limit): (Timeout, Option<Duration>),
    mut work: Pin<&mut F>,
) -> Result<F::Output, Error> {
    let mut wait = Wait::new(task, ctx);
    let mut due = None;
    let output = poll_fn(|cx| {
        if let Some(error) = wait.ended(phase) {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if let (None, Some(limit)) = (due, limit) {
            due = Some(clock::later(clock::now(), limit));
        }
        wait.poll(cx, phase, (timeout, due)).map(Err)
    });
    output.await
}

/// A wait under a node, until a moment that may change meanwhile.
///
/// A wait that has a moment is a node of its own (`task`, named for what is waited for) with that deadline.
pub(super) struct Wait<'a> {
    /// Whose it is, if that is known.
    task: Option<&'a Task>,
    /// What it is done for.
    ctx: &'a Context,
    /// What would end it. // from the first poll on
    waiting: Option<Waiting>,
}

/// In this order nobody else knows the node when its handle goes, so there is nothing to end.
struct Waiting {
    /// Tells of the node's end. // where no task is told of it anyway
    done: Option<Done>,
    until: Option<Instant>,
    /// The node with the deadline, if there is one.
    own: Option<(Context, Cancel)>,
}

impl<'a> Wait<'a> {
    /// Nothing is made or armed before the first [`Wait::poll`].
    pub(super) fn new(task: Option<&'a Task>, ctx: &'a Context) -> Self {
        Self {
            task,
            ctx,
            waiting: None,
        }
    }

    /// Why it is over, if it is.
    pub(super) fn ended(&self, phase: Phase) -> Option<Error> {
        let node = self.node();
        node.err().map(|_| Error::ended(node, phase))
    }

    /// Waits until `until`. Ready with the error when that is past, or when the node has ended.
    pub(super) fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        phase: Phase,
        (timeout, until): (Timeout, Option<Instant>),
    ) -> Poll<Error> {
        if self.waiting.as_ref().is_some_and(|it| it.until != until) {
            self.waiting = None;
        }
        let ctx = self.ctx;
        let waiting = self.waiting.get_or_insert_with(|| {
            let own = until.map(|until| {
                ctx.named("task", timeout.waits_for())
                    .with_deadline_cause(until, Reason::Static(timeout.as_static()))
            });
            let done = None;
            Waiting { done, until, own }
        });
        let node = waiting.own.as_ref().map_or(ctx, |(node, _)| node);
        let done = &mut waiting.done;
        let ended = match self.task {
            Some(task) => task.poll_done(node, done, cx),
            None => Pin::new(done.get_or_insert_with(|| node.done()))
                .poll(cx)
                .map(|_| ()),
        };
        ended.map(|()| Error::ended(self.node(), phase))
    }

    fn node(&self) -> &Context {
        let own = self.waiting.as_ref().and_then(|it| it.own.as_ref());
        own.map_or(self.ctx, |(node, _)| node)
    }
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
/// ahead are still to be read, or `half_close` says that an end is no farewell) or a reset. `work` is expected to run under that branch, and so to end with it.
pub(super) async fn while_client_stays<S: Stream, F: Future>(
    client: &S,
    cancel: &Cancel,
    owed: &Owed,
    half_close: bool,
    counters: &Counters,
    mut work: Pin<&mut F>,
) -> F::Output {
    let mut has_left = false;
    poll_fn(|cx| {
        let output = work.as_mut().poll(cx);
        if output.is_ready() || has_left {
            return output;
        }
        // What an end means may change with every octet that `work` reads, so it is judged anew each time.
        has_left = match client.poll_hangup(cx) {
            Poll::Pending => false,
            Poll::Ready(Hangup::Reset) => true,
            Poll::Ready(_) if half_close => false,
            Poll::Ready(Hangup::Ended) => owed.was_all(0),
            Poll::Ready(Hangup::EndedBehind(unread)) => owed.was_all(unread),
        };
        if has_left {
            cancel.cancel_because(Reason::Static(ClientGone::REASON));
            counters.canceled();
        }
        Poll::Pending
    })
    .await
}
