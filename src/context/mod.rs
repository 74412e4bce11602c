//! ROOM 1: the context tree.
//!
//! A [`Context`] is a node of a tree. It can be cancelled, it can have a deadline, it can carry a value; and it has a
//! parent, from which it was derived. The laws, in Go's sense:
//!
//! 1. **Cancelling a node cancels everything below it**, and nothing above or beside it.
//! 2. **A deadline can only become earlier on the way down**: a child lives as long as it asks for, or as its parent
//!    does, whichever is shorter.
//! 3. **A value is looked up towards the root**: the nearest node that sets the key answers.
//! 4. [`Context::err`] says that a node has ended, and in which of two ways; [`Context::cause`] says who ended it,
//!    where and why. Both stay as they are from then on. The first cause wins.
//! 5. [`Context::done`] is ready when the node has ended; [`Context::run`] ends a future with its node.
//! 6. **When any waiter anywhere wakes, the whole subtree reads ended already.** A cancel marks first and wakes after.
//! 7. **A child of an ended node is born ended**, with its parent's cause, also while the parent is being cancelled.
//! 8. **Dropping a [`Cancel`] cancels.** A forgotten handle is no leak; [`Cancel::detach`] says that it was meant.
//!
//! ```text
//!   background
//!   └─ server            cancel here: everything ends
//!      ├─ session 1
//!      │  └─ exchange    cancel here: session 1 and all beside it live on
//!      │     └─ attempt
//!      └─ session 2
//! ```
//!
//! # Example
//!
//! ```
//! use osier::context::{self, ContextError};
//! use std::time::Duration;
//!
//! smol::block_on(async {
//!     let (server, stop) = context::background().with_cancel();
//!     let (request, _end) = server.with_timeout(Duration::from_secs(60));
//!     assert_eq!(request.run(async { 42 }).await, Ok(42));
//!
//!     stop.cancel_because("the day is over");
//!     assert_eq!(request.err(), Some(ContextError::Canceled));
//!     assert_eq!(request.run(async { 42 }).await, Err(ContextError::Canceled));
//!     let cause = request.cause().expect("it has ended");
//!     assert_eq!(cause.reason().map(ToString::to_string).as_deref(), Some("the day is over"));
//! });
//! ```
//!
//! # How to use it
//!
//! Pass the context as the first parameter, by reference, named `ctx`. Derive a child for each part of the work that
//! may have to end by itself. Keep no context in a long-lived structure unless the structure is that part of the work.
//! Use values for what belongs to the request as a whole, not as optional parameters.

mod cause;
mod done;
mod label;
mod node;
mod value;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

pub use cause::{Cause, ContextError, Dropped, Origin, Reason};
pub use done::Done;
pub use label::Label;
pub use value::Key;
pub use view::{View, ViewOptions};

use crate::clock;
use cause::Why;
use node::{Ended, Node, Plan, Shape};

/// The root of a program: never done, no deadline, no values. Its children do not keep each other.
#[must_use]
pub fn background() -> Context {
    static ROOT: OnceLock<Context> = OnceLock::new();
    ROOT.get_or_init(|| Context {
        node: Node::root(Shape::Background, "background"),
    })
    .clone()
}

/// A root for where the right parent is not known yet.
#[must_use]
pub fn todo() -> Context {
    static ROOT: OnceLock<Context> = OnceLock::new();
    ROOT.get_or_init(|| Context {
        node: Node::root(Shape::Todo, "todo"),
    })
    .clone()
}

/// A node of the tree: see the [module](self) for the laws. Cheap to clone; every clone is the same node.
#[derive(Clone)]
pub struct Context {
    node: Arc<Node>,
}

impl Context {
    /// A child and the handle that cancels it.
    #[track_caller]
    pub fn with_cancel(&self) -> (Self, Cancel) {
        self.unnamed().with_cancel()
    }

    /// A child that ends at `at`, or with its parent if that is earlier.
    #[track_caller]
    pub fn with_deadline(&self, at: Instant) -> (Self, Cancel) {
        self.unnamed().with_deadline(at)
    }

    /// [`Context::with_deadline`], with a reason for the cause should the deadline pass.
    #[track_caller]
    pub fn with_deadline_cause(&self, at: Instant, reason: impl Into<Reason>) -> (Self, Cancel) {
        self.unnamed().with_deadline_cause(at, reason)
    }

    /// A child that ends after `timeout`, or with its parent if that is earlier.
    #[track_caller]
    pub fn with_timeout(&self, timeout: Duration) -> (Self, Cancel) {
        self.unnamed().with_timeout(timeout)
    }

    /// [`Context::with_timeout`], with a reason for the cause should it run out.
    #[track_caller]
    pub fn with_timeout_cause(
        &self,
        timeout: Duration,
        reason: impl Into<Reason>,
    ) -> (Self, Cancel) {
        self.unnamed().with_timeout_cause(timeout, reason)
    }

    /// A child that carries a value. It ends with its parent.
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(&self, key: &'static Key<T>, value: T) -> Self {
        self.unnamed().with_value(key, value)
    }

    /// Names the child that is about to be made, for the tree: what kind of thing it is, and which one.
    pub fn named(&self, kind: &'static str, label: impl Into<Label>) -> Named<'_> {
        Named {
            parent: self,
            kind: Some(kind),
            label: label.into(),
        }
    }

    fn unnamed(&self) -> Named<'_> {
        Named {
            parent: self,
            kind: None,
            label: Label::from(""),
        }
    }

    /// Ready when this node has ended. Waiting costs nothing before the first poll that has to wait.
    pub fn done(&self) -> Done {
        Done::new(self.node.clone())
    }

    /// How this node has ended, or `None` while it lives. Exact by the clock: a deadline that has passed is seen here
    /// whether or not anybody waited for it.
    #[must_use]
    pub fn err(&self) -> Option<ContextError> {
        self.node.err()
    }

    /// Why this node has ended, or `None` while it lives.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.node.err()?;
        self.node.cause().cloned()
    }

    /// When this node ends at the latest: the earliest deadline of its own and all above it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline
    }

    /// The node that imposes [`Context::deadline`]: this one, or the nearest above it that asked for it.
    #[must_use]
    pub fn deadline_owner(&self) -> Option<Self> {
        self.node
            .deadline_owner()
            .map(|node| Self { node: node.clone() })
    }

    /// The value of `key` at this node or the nearest above it that sets it.
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(&self, key: &'static Key<T>) -> Option<&T> {
        let identity = key.identity();
        let bit = value::mask_of(identity);
        let mut node = &self.node;
        while node.mask & bit != 0 {
            if let Some(entry) = node
                .value
                .as_ref()
                .filter(|entry| entry.identity == identity)
            {
                return entry.value.as_ref()?.downcast_ref();
            }
            node = node.parent()?;
        }
        None
    }

    /// Runs `future` until it is done or this node has ended, whichever is seen first; the node is looked at first.
    /// A future that need not wait costs nothing beyond its own work.
    ///
    /// # Errors
    /// How the node ended. The future is dropped then, wherever it was.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, ContextError> {
        let mut future = pin!(future);
        let mut done = pin!(self.done());
        let mut first = true;
        std::future::poll_fn(|cx| {
            // The first look asks the word alone; only who has to wait listens.
            if std::mem::take(&mut first) {
                if let Some(error) = self.err() {
                    return Poll::Ready(Err(error));
                }
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                return done.as_mut().poll(cx).map(Err);
            }
            if let Poll::Ready(error) = done.as_mut().poll(cx) {
                return Poll::Ready(Err(error));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// What tells this node from all others of this process. The roots have 0.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.node.id
    }

    /// What kind of thing it stands for.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.node.kind
    }

    /// Which one of its kind.
    #[must_use]
    pub fn label(&self) -> &str {
        self.node.label.as_str()
    }

    /// How long ago it was made.
    #[must_use]
    pub fn age(&self) -> Duration {
        node::age(&self.node)
    }

    /// The node it was derived from.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.node.parent().map(|node| Self { node: node.clone() })
    }

    /// The node with this id, if it is this one or lives below it.
    #[must_use]
    pub fn descendant(&self, id: u64) -> Option<Self> {
        let mut stack = vec![self.node.clone()];
        while let Some(node) = stack.pop() {
            if node.id == id {
                return Some(Self { node });
            }
            stack.extend(node.children());
        }
        None
    }
}

/// Two contexts are equal if they are the same node.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for Context {}

/// How the node came about, from the root: `context.Background.WithCancel.WithValue(user)`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chain = vec![&self.node];
        while let Some(parent) = chain.last().and_then(|node| node.parent()) {
            chain.push(parent);
        }
        for node in chain.into_iter().rev() {
            match node.shape {
                Shape::Background => f.write_str("context.Background")?,
                Shape::Todo => f.write_str("context.TODO")?,
                Shape::Cancel => f.write_str(".WithCancel")?,
                Shape::Deadline => {
                    let left = node
                        .deadline
                        .map(|at| at.saturating_duration_since(clock::now()));
                    write!(f, ".WithDeadline([{:?}])", left.unwrap_or_default())?;
                }
                Shape::Value => write!(
                    f,
                    ".WithValue({})",
                    node.value.as_ref().map_or("", |entry| entry.name)
                )?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.kind(), self.id())?;
        if !self.label().is_empty() {
            write!(f, "({})", self.label())?;
        }
        // The bit alone: printing must not end anything.
        if self.node.is_done() {
            f.write_str(" ended")
        } else {
            Ok(())
        }
    }
}

/// A child that has its name already: see [`Context::named`].
#[derive(Debug)]
#[must_use = "a name alone makes no node"]
pub struct Named<'a> {
    parent: &'a Context,
    kind: Option<&'static str>,
    label: Label,
}

impl Named<'_> {
    /// As [`Context::with_cancel`].
    #[track_caller]
    pub fn with_cancel(self) -> (Context, Cancel) {
        self.cancelable(Shape::Cancel, None, None, Location::caller())
    }

    /// As [`Context::with_deadline`].
    #[track_caller]
    pub fn with_deadline(self, at: Instant) -> (Context, Cancel) {
        self.cancelable(Shape::Deadline, Some(at), None, Location::caller())
    }

    /// As [`Context::with_deadline_cause`].
    #[track_caller]
    pub fn with_deadline_cause(self, at: Instant, reason: impl Into<Reason>) -> (Context, Cancel) {
        self.cancelable(
            Shape::Deadline,
            Some(at),
            Some(reason.into()),
            Location::caller(),
        )
    }

    /// As [`Context::with_timeout`].
    #[track_caller]
    pub fn with_timeout(self, timeout: Duration) -> (Context, Cancel) {
        self.with_deadline(clock::later(clock::now(), timeout))
    }

    /// As [`Context::with_timeout_cause`].
    #[track_caller]
    pub fn with_timeout_cause(
        self,
        timeout: Duration,
        reason: impl Into<Reason>,
    ) -> (Context, Cancel) {
        self.with_deadline_cause(clock::later(clock::now(), timeout), reason)
    }

    /// As [`Context::with_value`].
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(self, key: &'static Key<T>, value: T) -> Context {
        let entry = value::Entry {
            identity: key.identity(),
            name: key.name(),
            value: Some(Box::new(value)),
        };
        self.node(Shape::Value, None, None, Some(Box::new(entry)))
    }

    fn cancelable(
        self,
        shape: Shape,
        deadline: Option<Instant>,
        reason: Option<Reason>,
        made_at: &'static Location<'static>,
    ) -> (Context, Cancel) {
        let ctx = self.node(shape, deadline, reason, None);
        (
            ctx.clone(),
            Cancel {
                ctx: Some(ctx),
                made_at,
            },
        )
    }

    fn node(
        self,
        shape: Shape,
        deadline: Option<Instant>,
        deadline_reason: Option<Reason>,
        value: Option<Box<value::Entry>>,
    ) -> Context {
        let kind = self.kind.unwrap_or(match shape {
            Shape::Cancel => "cancel",
            Shape::Deadline => "deadline",
            Shape::Value => "value",
            Shape::Background | Shape::Todo => "root",
        });
        let plan = Plan {
            shape,
            kind,
            label: self.label,
            deadline,
            deadline_reason,
            value,
        };
        let node = Node::child(&self.parent.node, plan);
        if deadline.is_some() {
            // A deadline that is past, or now, ends the node before anybody has it.
            node.err();
        }
        Context { node }
    }
}

/// Cancels one node, and so all below it.
///
/// A cancel ends the node; it does not wait for the work under it to stop. It may be called from many threads at once;
/// calls after the first do nothing. Dropping the handle cancels too, with [`Dropped`] as the reason.
#[must_use = "dropping the handle cancels the context at once"]
pub struct Cancel {
    /// `None` when detached.
    ctx: Option<Context>,
    made_at: &'static Location<'static>,
}

impl Cancel {
    /// Ends the node and all below it. When this returns, they all read ended, and who waits was woken.
    #[track_caller]
    pub fn cancel(&self) -> Receipt {
        self.cancel_with(None, Location::caller())
    }

    /// [`Cancel::cancel`], with a reason that [`Context::cause`] will tell.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<Reason>) -> Receipt {
        self.cancel_with(Some(reason.into()), Location::caller())
    }

    /// Ends one node below this handle's (or its own) by its id. `None`: no such node lives there. The power over a
    /// subtree comes from holding its handle; an id alone has none.
    #[track_caller]
    pub fn cancel_descendant(&self, id: u64, reason: impl Into<Reason>) -> Option<Receipt> {
        let target = self.ctx.as_ref()?.descendant(id)?;
        let started = clock::monotonic();
        let ended = target
            .node
            .cancel(Some(Why::Given(reason.into())), Some(Location::caller()));
        Some(Receipt::new(ended, started))
    }

    /// The node it cancels.
    #[must_use]
    pub fn context(&self) -> Option<&Context> {
        self.ctx.as_ref()
    }

    /// Gives the handle up without cancelling: the node ends with its parent, or at its deadline.
    pub fn detach(mut self) {
        self.ctx = None;
    }

    fn cancel_with(&self, reason: Option<Reason>, location: &'static Location<'static>) -> Receipt {
        let Some(ctx) = &self.ctx else {
            return Receipt::default();
        };
        let started = clock::monotonic();
        Receipt::new(
            ctx.node.cancel(reason.map(Why::Given), Some(location)),
            started,
        )
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        let Some(ctx) = self.ctx.take() else { return };
        // The last reference: nobody is left to see an end, and nothing below can be left either.
        if Arc::strong_count(&ctx.node) == 1 || ctx.node.is_done() {
            return;
        }
        let dropped = Dropped {
            made_at: self.made_at,
        };
        ctx.node
            .cancel(Some(Why::Dropped(dropped)), Some(self.made_at));
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.ctx).finish()
    }
}

/// What a cancel did. All zero when the node had ended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// How many nodes it ended.
    pub nodes: usize,
    /// How many waiters it woke.
    pub waiters: usize,
    /// How many levels below the node it reached.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
}

impl Receipt {
    fn new(ended: Ended, started: Instant) -> Self {
        let Ended {
            nodes,
            waiters,
            depth,
        } = ended;
        Self {
            nodes,
            waiters,
            depth,
            took: clock::monotonic().saturating_duration_since(started),
        }
    }
}
