//! A tree of contexts: what is done on whose behalf, how long it may take, and how it is told to stop.
//!
//! A [`Context`] is a node. It is derived from another one, its parent, and never has more time than that. It can be
//! cancelled, can have a deadline, can carry a value. When a node ends, everything below it ends with it; what is
//! above and beside it lives on.
//!
//! ```text
//!     server ── listener ─┬─ session ─── exchange ─── attempt
//!                         └─ session ─┬─ exchange ─── attempt      cancel this exchange, and its attempt ends;
//!                                     └─ exchange ─── attempt      this one goes on
//! ```
//!
//! # The contract
//!
//! - A function that works on behalf of something takes `ctx: &Context` as its first parameter.
//! - [`done`](Context::done) tells that work should stop, [`err`](Context::err) says how it ended: [`Canceled`] or
//!   [`DeadlineExceeded`], and [`cause`](Context::cause) who ended it, why, where and when.
//! - The first end is the end. Neither `err` nor `cause` changes after it is there.
//! - Ending is complete: whoever sees that a node has ended, by `err` or because its `done` woke, sees the same of
//!   every node below it. Nobody has to look for a child that was not told yet.
//! - Ending is not joining: `cancel` does not wait for the work to stop.
//! - A deadline is exact by the clock for whoever asks, with or without a timer. A timer runs only while somebody waits.
//! - Draining is the softer signal: accept no new work, finish what runs. It goes down the tree as an end does.
//! - A [`Cancel`] that is dropped cancels. A cancel cannot be lost, only given up on purpose, by
//!   [`detach`](Cancel::detach).
//! - Children end, and are woken, in the order of their creation.
//! - What Go promises of its contexts holds here too: [`laws`] has the list, with the test of each.
//! - Everything may be called from any thread at any time, and no lock of this module is held while somebody is woken.
//!
//! ```
//! use osier::context::{ContextError, background};
//!
//! let (request, cancel) = background().with_cancel();
//! let (lookup, _keep) = request.with_cancel();
//! let receipt = cancel.cancel_because("client closed");
//!
//! assert_eq!(receipt.nodes, 2);
//! assert_eq!(lookup.err(), Some(ContextError::Canceled));
//! assert_eq!(lookup.cause().unwrap().brief().to_string(), "context canceled: client closed");
//! ```
//!
//! # Two signals, and the join
//!
//! ```text
//!     drain     accept no new work, finish what runs      is_draining, draining    nothing has ended
//!     cancel    stop                                      err, cause, done         everything below has ended
//!     emptied   nobody is left                            emptied, emptied_within  every handle below is dropped
//! ```
//!
//! They go down the tree in this order when a program leaves in peace; the join comes up again. A task that owns its
//! [`Context`] for as long as it runs is joined by that, and named if it stays.
//!
//! # The tree from outside
//!
//! A [`View`] is a picture of the tree, a [`Watch`] tells how it changes from then on. Both may be used at any time:
//! they stop nobody from deriving, cancelling or dropping, and cost nothing while nobody looks.
//!
//! # Why `done` is a future that owns its node
//!
//! In Go it is a channel that is closed, made when somebody first asks. Here it is a future that does nothing before
//! it has to wait: it looks at the node's one word, leaves a mark there that somebody listens, and looks again. The end
//! of the node changes the same word. So one of the two is first: either the end sees the mark and wakes the listener, or
//! the listener sees the end and does not sleep. A node that nobody waits for costs its end nothing, and one load of that
//! word is also what [`err`](Context::err) is, so `err` and `done` can never disagree. The future owns the node, because
//! whoever waits must be woken even if every handle is dropped meanwhile.
//!
//! The numbered examples of this crate show all of this at work, from a channel that is closed to the usual traps. The page of
//! `osier demo` shows it live: its lessons `cancel`, `deadline`, `value`, `hedge` and `drain` send real requests through a
//! gateway, act on its tree, and say with numbers and figures what was seen.
//!
//! [`Canceled`]: ContextError::Canceled
//! [`DeadlineExceeded`]: ContextError::DeadlineExceeded

#[doc = include_str!("laws.md")]
pub mod laws {}

mod after;
mod cause;
mod census;
mod done;
mod drain;
mod label;
mod node;
mod spare;
mod stamp;
mod story;
mod sweep;
mod sync;
mod value;
mod view;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use std::time::{Duration, Instant};

pub use after::{AfterFunc, Stop};
pub use cause::{Cause, ContextError, Dropped, Origin, Reason};
pub use census::Census;
pub(crate) use census::Count;
pub use done::{Done, Draining, Emptied};
pub use label::Label;
pub use value::Key;
pub(crate) use view::{Pieces, Quoted, Walk};
pub use view::{StillAlive, Survivor, View, ViewNode, ViewOptions};
pub use watch::{Change, Ended, Made, Watch};

use crate::clock;
use label::Kind;
use node::{About, Handle, Node, Seed, Word};
use stamp::Stamp;
use value::{Carried, Hidden};

/// The root of a program: never ends, has no deadline and no values, and remembers nothing of what is derived from it.
#[must_use]
pub fn background() -> Context {
    Context {
        node: Node::background().clone().into(),
    }
}

/// A root like [`background`], for where it is not clear yet which context to use.
#[must_use]
pub fn todo() -> Context {
    Context {
        node: Node::todo().clone().into(),
    }
}

/// A node of the tree, or rather a handle of it: a clone is the same node.
///
/// A node stays in the tree until its last handle and the last one of anything below it are dropped, whether it has
/// ended or not.
///
/// Its values, reasons and functions are dropped with it. Its memory stays with the thread that dropped it, for what is
/// derived there next; a thread keeps 64 nodes at most.
#[derive(Clone)]
pub struct Context {
    /// The node itself.
    node: Handle,
}

impl Context {
    /// Derives a node that can be cancelled.
    #[track_caller]
    pub fn with_cancel(&self) -> (Self, Cancel) {
        self.unnamed(Kind::CANCEL).with_cancel()
    }

    /// Derives a node that ends at `at`, or earlier: when this one does, or when it is cancelled.
    #[track_caller]
    pub fn with_deadline(&self, at: Instant) -> (Self, Cancel) {
        self.unnamed(Kind::DEADLINE).with_deadline(at)
    }

    /// As [`with_deadline`](Self::with_deadline); `reason` is what the cause says if it is this deadline that passes.
    #[track_caller]
    pub fn with_deadline_cause(&self, at: Instant, reason: impl Into<Reason>) -> (Self, Cancel) {
        self.unnamed(Kind::DEADLINE).with_deadline_cause(at, reason)
    }

    /// As [`with_deadline`](Self::with_deadline), `timeout` from now.
    #[track_caller]
    pub fn with_timeout(&self, timeout: Duration) -> (Self, Cancel) {
        self.unnamed(Kind::TIMEOUT).with_timeout(timeout)
    }

    /// As [`with_deadline_cause`](Self::with_deadline_cause), `timeout` from now.
    #[track_caller]
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        reason: impl Into<Reason>,
    ) -> (Self, Cancel) {
        self.unnamed(Kind::TIMEOUT)
            .with_timeout_cause(timeout, reason)
    }

    /// Derives a node that carries `value` for itself and everything below it. It ends when this one does.
    #[track_caller]
    pub fn with_value<T: Send + Sync + 'static>(&self, key: &'static Key<T>, value: T) -> Self {
        let label = Label::from(key.name());
        Named {
            parent: self,
            kind: Kind::VALUE,
            label,
        }
        .with_value(key, value)
    }

    /// Derives a node below which nothing is found under `key`, whatever is carried above. It ends when this one does.
    ///
    /// ```
    /// use osier::context::{Key, background};
    /// static USER: Key<&str> = Key::new("user");
    ///
    /// let ctx = background().with_value(&USER, "ada");
    /// assert_eq!(ctx.without_value(&USER).value(&USER), None);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn without_value<T: 'static>(&self, key: &'static Key<T>) -> Self {
        self.carry(Carried {
            value: Hidden,
            key: key.assigned(),
            key_name: key.name(),
            label: Label::from(key.name()),
        })
    }

    #[track_caller]
    fn carry<T: Send + Sync + 'static>(&self, slot: Carried<T>) -> Self {
        let seed = Seed {
            kind: Kind::VALUE,
            about: About::Value(Box::new(slot)),
            created: Stamp::now(),
            deadline: Stamp::NEVER,
            reason: None,
            place: Location::caller(),
            bits: 0,
        };
        Self {
            node: self.node.child(seed).into(),
        }
    }

    /// Derives a node that keeps the values and nothing else: no end and no deadline comes through from above.
    ///
    /// It never ends; what is derived from it can be cancelled on its own.
    #[track_caller]
    #[must_use]
    pub fn without_cancel(&self) -> Self {
        let seed = Seed {
            kind: Kind::WITHOUT_CANCEL,
            about: About::Named(Label::EMPTY),
            created: Stamp::now(),
            deadline: Stamp::NEVER,
            reason: None,
            place: Location::caller(),
            bits: node::bit::SHIELD,
        };
        Self {
            node: self.node.child(seed).into(),
        }
    }

    /// Names the node that is derived next: what kind of thing it stands for, and which one of them.
    ///
    /// A kind is a word out of a few that the program uses; the label may be different for each node.
    ///
    /// ```
    /// let ctx = osier::context::background();
    /// let (exchange, _cancel) = ctx.named("exchange", "GET /").with_cancel();
    /// assert_eq!((exchange.kind(), exchange.label()), ("exchange", "GET /"));
    /// ```
    pub fn named(&self, kind: &'static str, label: impl Into<Label>) -> Named<'_> {
        Named {
            parent: self,
            kind: Kind::of(kind),
            label: label.into(),
        }
    }

    /// Merges contexts: derives a node from all of them that ends when the first of them does, with the cause of that.
    ///
    /// It has the earliest of their deadlines, and drains when any of them does. Its values and its place in the tree
    /// are those of the first one that is not a root; in a [`View`] it is shown once. Merged from nothing or from roots
    /// only, it never ends.
    ///
    /// ```
    /// use osier::context::{Context, background};
    /// let (client, _client) = background().with_cancel();
    /// let (server, stop) = background().with_cancel();
    ///
    /// let both = Context::any([&client, &server]);
    /// stop.cancel_because("shutting down");
    /// assert_eq!(both.cause().unwrap().origin().id, server.id());
    /// assert!(client.err().is_none());
    /// ```
    #[track_caller]
    #[must_use]
    pub fn any<'a>(contexts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sources: Vec<Arc<Node>> = Vec::new();
        for ctx in contexts {
            let is_known = sources.iter().any(|source| Arc::ptr_eq(source, &ctx.node));
            if !ctx.node.is_root() && !is_known {
                sources.push(Arc::clone(&ctx.node));
            }
        }
        let mut sources = sources.into_iter();
        let Some(first) = sources.next() else {
            let (ctx, cancel) = background().unnamed(Kind::ANY).with_cancel();
            cancel.detach();
            return ctx;
        };
        let (node, signals) = first.joint_child(sources.collect(), Location::caller());
        for (source, state) in signals {
            if state & node::bit::DONE != 0 {
                sweep::join(&node, &source, state & node::bit::EXPIRED);
            } else {
                node.add(node::bit::DRAINING);
            }
        }
        Self { node: node.into() }
    }

    fn unnamed(&self, kind: Kind) -> Named<'_> {
        Named {
            parent: self,
            kind,
            label: Label::EMPTY,
        }
    }

    /// How the node ended; none while it lives.
    ///
    /// One load of one word, and a look at the clock if there is a deadline. Once it is not none it never changes.
    #[must_use]
    pub fn err(&self) -> Option<ContextError> {
        sweep::err(&self.node)
    }

    /// Why the node ended, who ended it, where and when; none while it lives.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.err()?;
        self.node.cause()
    }

    /// When the node will end at the latest: the earliest deadline of it and all above it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline.to_instant()
    }

    /// The node that imposes [`deadline`](Self::deadline): this one or one above it.
    #[must_use]
    pub fn deadline_owner(&self) -> Option<Self> {
        Some(Self {
            node: self.node.deadline_owner()?.clone().into(),
        })
    }

    /// The value that this node or the nearest one above it carries under `key`. Ended nodes keep theirs.
    #[must_use]
    pub fn value<T: 'static>(&self, key: &'static Key<T>) -> Option<&T> {
        self.node.value(key.known()?)?.value().downcast_ref()
    }

    /// A future that is ready when the node has ended.
    pub fn done(&self) -> Done {
        Done::new(self.node.clone())
    }

    /// Makes the task of `waker` the one that works for this context and for everything below it that is derived from now
    /// on: whatever of that ends, the task is woken, and may ask [`err`](Self::err). A task that has waited for many
    /// contexts, one after the other, need not wait for each by its [`done`](Self::done).
    ///
    /// Ask [`err`](Self::err) once afterwards: an end that came first wakes nobody. A deadline that passes wakes the task
    /// when somebody notices; a timer is the task's own affair. Of a root, which never ends, nothing is kept.
    pub fn set_task(&self, waker: &Waker) {
        if !self.node.is_root() {
            self.node.set_task(waker.clone());
        }
    }

    /// Whether the end of this context wakes a task: this node or one above it was told of one by
    /// [`set_task`](Self::set_task) before this was derived.
    #[must_use]
    pub fn has_task(&self) -> bool {
        self.node.load() & node::bit::TASKED != 0
    }

    /// Blocks the thread until the node has ended. For threads that run no tasks.
    pub fn wait(&self) -> ContextError {
        futures_lite::future::block_on(self.done())
    }

    /// Whether the node should accept no new work: it was told to drain, or has ended.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        drain::is_draining(&self.node)
    }

    /// A future that is ready when the node is told to drain, or has ended.
    pub fn draining(&self) -> Draining {
        Draining::new(self.node.clone())
    }

    /// A future that is ready when nothing is left below this node: of each descendant, the last handle was dropped.
    ///
    /// This is the join that a cancel is not, for work that holds its context until it is finished. An ended node that
    /// somebody still holds is counted, and so is what was derived by [`without_cancel`](Self::without_cancel). A root
    /// remembers nothing of what is derived from it, so it is always empty.
    pub fn emptied(&self) -> Emptied {
        Emptied::new(self.node.clone())
    }

    /// As [`emptied`](Self::emptied), but for `limit` at most.
    ///
    /// # Errors
    /// [`StillAlive`]: the time is over; it names what is still below.
    pub async fn emptied_within(&self, limit: Duration) -> Result<(), StillAlive> {
        let mut emptied = self.emptied();
        let mut timer = clock::sleep(limit);
        poll_fn(|cx| {
            if Pin::new(&mut emptied).poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut timer).poll(cx));
            // If the last one went just now, there is nobody to name.
            Poll::Ready(StillAlive::below(&self.node).map_or(Ok(()), Err))
        })
        .await
    }

    /// Runs `f` after the node has ended, on a thread of its own that is started then; at once if it has ended already.
    ///
    /// A cancel does not wait for `f`. Until it ran or was stopped the registration is a node below this one, which
    /// [`emptied`](Self::emptied) counts, and holds its context as every descendant does. If there is a deadline, the
    /// clock of the calling thread sees to it. Below a context that can never end, nothing is registered and `f` is
    /// dropped. If no thread can be started, `f` runs on the thread that ended the context.
    #[track_caller]
    pub fn after_func(&self, f: impl FnOnce() + Send + 'static) -> Stop {
        after::on_thread(&self.node, Box::new(f), Location::caller())
    }

    /// As [`after_func`](Self::after_func), in a task that is handed to `spawn` now, and costs no thread.
    ///
    /// ```
    /// # use std::{cell::Cell, rc::Rc};
    /// let executor = smol::LocalExecutor::new();
    /// let (ctx, cancel) = osier::context::background().with_cancel();
    /// let ran = Rc::new(Cell::new(false));
    /// let seen = ran.clone();
    ///
    /// ctx.after_func_on(|task| executor.spawn(task).detach(), move || seen.set(true));
    /// cancel.cancel();
    /// while executor.try_tick() {}
    /// assert!(ran.get());
    /// ```
    #[track_caller]
    pub fn after_func_on<F: FnOnce()>(&self, spawn: impl FnOnce(AfterFunc<F>), f: F) -> Stop {
        let (stop, task) = after::on_task(&self.node, f, Location::caller());
        if let Some(task) = task {
            spawn(task);
        }
        stop
    }

    /// Runs `work` until it is ready or the node ends, whichever is first. `work` is dropped before this returns.
    ///
    /// The node is looked at first, each time: if it has ended, `work` is not polled, not even once. If `work` is ready
    /// at its first poll, this costs no allocation and no timer.
    ///
    /// # Errors
    /// [`ContextError`]: the node ended before the work did.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, ContextError> {
        let mut work = pin!(work);
        let mut done = None;
        poll_fn(|cx| {
            if let Some(error) = self.err() {
                return Poll::Ready(Err(error));
            }
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            Pin::new(done.get_or_insert_with(|| self.done()))
                .poll(cx)
                .map(Err)
        })
        .await
    }

    /// A number that no other node of this process has; 0 for the roots.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.node.id
    }

    /// The word given to [`named`](Self::named), else one for how the node was made, such as `cancel`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.node.kind.name()
    }

    /// The label given to [`named`](Self::named), else the key's name for a value, else nothing.
    #[must_use]
    pub fn label(&self) -> &str {
        self.node.label().as_str()
    }

    /// The node with this number, if it is this one or somewhere below it. Looks at one node after the other.
    #[must_use]
    pub fn descendant(&self, id: u64) -> Option<Self> {
        view::find(&self.node, id).map(|node| Self { node: node.into() })
    }

    /// The node as one JSON object: the way to it, the names of the keys it sees values of, and why it ended.
    #[must_use]
    pub fn to_json(&self) -> String {
        story::to_json(&self.node)
    }
}

/// Prints the path from the root, as Go does, with values left out:
/// `context.Background.WithCancel.WithDeadline(4.98 s).WithValue(user)`, or for a named node `.exchange#17(GET /)`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        view::write_path(&self.node, f)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

/// A node about to be derived, with its name. Made by [`Context::named`].
#[derive(Debug)]
#[must_use = "a name alone derives nothing"]
pub struct Named<'a> {
    /// What the node is derived from.
    parent: &'a Context,
    /// What kind of thing it stands for.
    kind: Kind,
    /// Which one of them.
    label: Label,
}

impl Named<'_> {
    /// As [`Context::with_cancel`].
    #[track_caller]
    pub fn with_cancel(self) -> (Context, Cancel) {
        self.derive(Stamp::now(), Stamp::NEVER, None)
    }

    /// As [`Context::with_deadline`].
    #[track_caller]
    pub fn with_deadline(self, at: Instant) -> (Context, Cancel) {
        self.derive(Stamp::now(), at.into(), None)
    }

    /// As [`Context::with_deadline_cause`].
    #[track_caller]
    pub fn with_deadline_cause(self, at: Instant, reason: impl Into<Reason>) -> (Context, Cancel) {
        self.derive(Stamp::now(), at.into(), Some(reason.into()))
    }

    /// As [`Context::with_timeout`].
    #[track_caller]
    pub fn with_timeout(self, timeout: Duration) -> (Context, Cancel) {
        self.time_out(timeout, None)
    }

    /// As [`Context::with_timeout_cause`].
    #[track_caller]
    pub fn with_timeout_cause(
        self,
        timeout: Duration,
        reason: impl Into<Reason>,
    ) -> (Context, Cancel) {
        self.time_out(timeout, Some(reason.into()))
    }

    #[track_caller]
    fn time_out(self, timeout: Duration, reason: Option<Reason>) -> (Context, Cancel) {
        let now = clock::now();
        self.derive(now.into(), clock::later(now, timeout).into(), reason)
    }

    /// As [`Context::with_value`].
    #[track_caller]
    pub fn with_value<T: Send + Sync + 'static>(self, key: &'static Key<T>, value: T) -> Context {
        let slot = Carried {
            value,
            key: key.assigned(),
            key_name: key.name(),
            label: self.label,
        };
        let about = About::Value(Box::new(slot));
        let seed = Seed {
            kind: self.kind,
            about,
            created: Stamp::now(),
            deadline: Stamp::NEVER,
            reason: None,
            place: Location::caller(),
            bits: 0,
        };
        Context {
            node: self.parent.node.child(seed).into(),
        }
    }

    #[track_caller]
    fn derive(self, created: Stamp, deadline: Stamp, reason: Option<Reason>) -> (Context, Cancel) {
        let about = About::Named(self.label);
        let seed = Seed {
            kind: self.kind,
            about,
            created,
            deadline,
            reason,
            place: Location::caller(),
            bits: 0,
        };
        let ctx = Context {
            node: self.parent.node.child(seed).into(),
        };
        (ctx.clone(), Cancel { ctx })
    }
}

/// The power to end a node, and with it everything below.
///
/// - Cancelling tells work to stop; it does not wait until it did.
/// - Any thread may cancel, several may at once, and the first one gives the cause.
/// - After the node has ended, cancelling does nothing.
/// - Dropping the handle cancels, with [`Dropped`] as the reason, unless it is [detached](Self::detach).
#[must_use = "dropping the handle cancels the context"]
pub struct Cancel {
    /// The node. // taken out of it once, by detach or drop
    ctx: Context,
}

impl Cancel {
    /// Cancels without a reason. Returns what that did; nothing, if the node had ended already.
    #[track_caller]
    pub fn cancel(&self) -> Receipt {
        sweep::cancel(&self.context().node, Word::Said(None), Location::caller())
    }

    /// As [`cancel`](Self::cancel), and the cause says why.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<Reason>) -> Receipt {
        sweep::cancel(
            &self.context().node,
            Word::Said(Some(reason.into())),
            Location::caller(),
        )
    }

    /// Cancels the node with this number, if it is this one or somewhere below it. None if there is no such node, or
    /// if it has ended already.
    #[track_caller]
    pub fn cancel_descendant(&self, id: u64, reason: impl Into<Reason>) -> Option<Receipt> {
        let target = self.context().descendant(id)?;
        let receipt = sweep::cancel(
            &target.node,
            Word::Said(Some(reason.into())),
            Location::caller(),
        );
        (receipt.nodes > 0).then_some(receipt)
    }

    /// Tells the node and everything below it to drain: to accept no new work and finish what runs. Nothing ends.
    ///
    /// Like an end, this is complete before anybody is woken, does not come through [`Context::without_cancel`], and
    /// what is derived below afterwards is born draining. Returns what it did; waiters that wait for something else are
    /// woken too, and wait on.
    pub fn drain(&self) -> Receipt {
        drain::drain(&self.context().node)
    }

    /// Gives up the handle without cancelling. The node then ends when its parent does, or at its deadline.
    pub fn detach(mut self) {
        drop(self.ctx.node.take().map(Handle::from));
    }

    /// The node that this handle ends.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.ctx
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        let Some(node) = self.ctx.node.take() else {
            return;
        };
        // If this was the only handle, there is no work left to be told, nothing below, and nobody who could ask why.
        if let Err(node) = Handle::drop_last(node) {
            let node = Handle::from(node);
            // The place is that of the handle's creation, which the node knows.
            sweep::cancel(&node, Word::Dropped, Location::caller());
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.ctx).finish()
    }
}

/// What one cancel or drain did.
///
/// Where another cancel or a deadline was at work in the same subtree at the same time, each counts what it did itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// How many nodes it ended, or told to drain.
    pub nodes: usize,
    /// How many waiting tasks and threads it woke.
    pub waiters: usize,
    /// How many levels it went down, below the node itself.
    pub depth: usize,
    /// How long it took; zero for a node that had nothing below it and nobody waiting.
    pub took: Duration,
}
