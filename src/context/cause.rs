//! Why a node ended: one of two errors, and who said so, where, when and for what reason.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use super::label::Label;
use crate::clock;

/// The two ways a node can end. What [`Context::err`](super::Context::err) answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContextError {
    /// Someone cancelled it, or one above it.
    Canceled,
    /// Its deadline, or that of one above it, has passed.
    DeadlineExceeded,
}

impl ContextError {
    /// It is a timeout: true for a passed deadline.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        self == Self::DeadlineExceeded
    }
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Canceled => "context canceled",
            Self::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl Error for ContextError {}

/// A passed deadline becomes `TimedOut`. A cancellation becomes `ConnectionAborted`, not `Interrupted`: whoever retries
/// interrupted calls would go on forever.
impl From<ContextError> for io::Error {
    fn from(error: ContextError) -> Self {
        let kind = match error {
            ContextError::Canceled => io::ErrorKind::ConnectionAborted,
            ContextError::DeadlineExceeded => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

/// The caller's own word on why: any error, given to a cancel or put behind a deadline.
#[derive(Debug, Clone)]
pub enum Reason {
    /// One that lives forever: giving it allocates nothing.
    Static(&'static (dyn Error + Send + Sync)),
    /// One that was made for the occasion.
    Shared(Arc<dyn Error + Send + Sync>),
}

impl Reason {
    /// A reason made of an error.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Shared(Arc::new(error))
    }

    /// The error itself, for a look at its type.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        match self {
            Self::Static(error) => *error,
            Self::Shared(error) => &**error,
        }
    }
}

impl From<&'static str> for Reason {
    fn from(text: &'static str) -> Self {
        Self::new(Text(text.into()))
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::new(Text(text.into()))
    }
}

impl From<Arc<dyn Error + Send + Sync>> for Reason {
    fn from(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self::Shared(error)
    }
}

/// A reason that is only a text.
#[derive(Debug)]
struct Text(Box<str>);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Text {}

/// Why a node ended, as [`Context::cause`](super::Context::cause) tells it. Every node that one cancel ended has the
/// same cause; cloning it is cheap.
///
/// Prints as one line: the error, the reason, the node it began at, where in the source, how long ago.
#[derive(Clone)]
pub struct Cause {
    pub(super) inner: Arc<Inner>,
}

/// What is known of an end.
pub(super) struct Inner {
    pub(super) kind: ContextError,
    pub(super) reason: Option<Why>,
    pub(super) origin: Origin,
    pub(super) location: Option<&'static Location<'static>>,
    pub(super) at: Instant,
}

/// The reason as it was given, or the one that dropping a handle gives.
pub(super) enum Why {
    Given(Reason),
    Dropped(Dropped),
}

/// The node at which an end began.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its id.
    pub id: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: Label,
}

impl Cause {
    /// Which of the two errors it is.
    #[must_use]
    pub fn kind(&self) -> ContextError {
        self.inner.kind
    }

    /// The caller's reason, where one was given; ask it for its type with `downcast_ref`.
    #[must_use]
    pub fn reason(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match self.inner.reason.as_ref()? {
            Why::Given(reason) => Some(reason.as_error()),
            Why::Dropped(dropped) => Some(dropped),
        }
    }

    /// The node at which it began: this node, or one above it.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// Where in the source the cancel was called; for a deadline, where it was set.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.inner.location
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.inner.at
    }

    /// Both are the same end, not only alike.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner.kind, f)?;
        if let Some(reason) = self.reason() {
            write!(f, ": {reason}")?;
        }
        let Origin { id, kind, label } = &self.inner.origin;
        write!(f, " (at {kind}#{id}")?;
        if !label.as_str().is_empty() {
            write!(f, " {label}")?;
        }
        if let Some(location) = self.inner.location {
            write!(f, ", {}:{}", location.file(), location.line())?;
        }
        write!(
            f,
            ", {:.1?} ago)",
            clock::now().saturating_duration_since(self.inner.at)
        )
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({self})")
    }
}

/// The reason a node is cancelled with when its handle is dropped: a leak in Go, an ordinary end here.
#[derive(Debug, Clone, Copy)]
pub struct Dropped {
    /// Where the handle was made.
    pub made_at: &'static Location<'static>,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dropped; made at {}:{}",
            self.made_at.file(),
            self.made_at.line()
        )
    }
}

impl Error for Dropped {}
