//! Why a node ended: `Canceled` or `DeadlineExceeded`, and the story behind it.
//!
//! [`ContextError`] is what programs decide by and never grows. [`Reason`] is what the caller of a cancel says.
//! [`Cause`] is what people read: it adds the node, the place in the source and the moment.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Label;
use crate::clock;

/// How a context ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextError {
    /// Somebody cancelled the node or one above it.
    Canceled,
    /// The deadline of the node or of one above it passed.
    DeadlineExceeded,
}

impl ContextError {
    /// Whether it was a deadline.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::DeadlineExceeded)
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

/// An expired deadline is `TimedOut`. A cancel is `Other`: `Interrupted` would tell the standard library's loops to
/// try again, and the connection kinds would claim that a peer did something.
impl From<ContextError> for io::Error {
    fn from(error: ContextError) -> Self {
        let kind = match error {
            ContextError::Canceled => io::ErrorKind::Other,
            ContextError::DeadlineExceeded => io::ErrorKind::TimedOut,
        };
        Self::new(kind, error)
    }
}

/// What a caller gives as the reason for a cancel, or keeps ready for an expiry.
///
/// `Text` and `Static` allocate nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A sentence.
    Text(&'static str),
    /// An error that lives as long as the program.
    Static(&'static (dyn Error + Send + Sync)),
    /// Any other error.
    Shared(Arc<dyn Error + Send + Sync>),
}

impl Reason {
    /// Shares `error`. [`Cause::reason`] gives it back, to be looked at by `downcast_ref`.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Shared(Arc::new(error))
    }
}

impl From<&'static str> for Reason {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::Shared(Arc::from(Box::<dyn Error + Send + Sync>::from(text)))
    }
}

impl<E: Error + Send + Sync + 'static> From<&'static E> for Reason {
    fn from(error: &'static E) -> Self {
        Self::Static(error)
    }
}

impl<E: Error + Send + Sync + 'static> From<Arc<E>> for Reason {
    fn from(error: Arc<E>) -> Self {
        Self::Shared(error)
    }
}

impl From<Arc<dyn Error + Send + Sync>> for Reason {
    fn from(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self::Shared(error)
    }
}

impl From<Box<dyn Error + Send + Sync>> for Reason {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::Shared(Arc::from(error))
    }
}

/// The reason of a node whose [`Cancel`](super::Cancel) handle was dropped: nobody said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where the handle was made.
    made: &'static Location<'static>,
}

impl Dropped {
    /// Where the handle was made.
    #[must_use]
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dropped; made at {}:{}",
            self.made.file(),
            self.made.line()
        )
    }
}

impl Error for Dropped {}

/// Why a node ended, in full.
///
/// Every node below the one where it began has an equal cause. Printed, it is one line: what, the reason, the node
/// where it began, the place in the source and how long ago.
#[derive(Clone)]
pub struct Cause {
    /// How it ended.
    kind: ContextError,
    /// What was said.
    why: Why,
    /// Where in the tree it began.
    origin: Origin,
    /// Where in the source.
    place: &'static Location<'static>,
    /// When.
    at: Instant,
}

/// Names the node where a cause began.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The node's number.
    pub id: u64,
    /// The node's kind.
    pub kind: &'static str,
    /// The node's label.
    pub label: Label,
}

impl Cause {
    pub(super) fn new(kind: ContextError, fate: &Fate, origin: Origin, at: Instant) -> Self {
        let why = match &fate.word {
            Word::Plain(_) => Why::Plain,
            Word::Dropped(_) => Why::Dropped(Dropped { made: fate.place }),
            Word::Text(_, text) => Why::Text(Text(text)),
            Word::Static(_, error) => Why::Static(*error),
            Word::Shared(_, error) => Why::Shared(error.clone()),
        };
        Self {
            kind,
            why,
            origin,
            place: fate.place,
            at,
        }
    }

    /// Whether it was a cancel or a deadline.
    #[must_use]
    pub fn kind(&self) -> ContextError {
        self.kind
    }

    /// What the caller gave as the reason, if anything.
    ///
    /// A `&'static str` comes back as an error that prints it, a handle that was dropped as [`Dropped`].
    #[must_use]
    pub fn reason(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match &self.why {
            Why::Plain => None,
            Why::Dropped(dropped) => Some(dropped),
            Why::Text(text) => Some(text),
            Why::Static(error) => Some(*error),
            Why::Shared(error) => Some(&**error),
        }
    }

    /// The node where it began: the one that was cancelled, or whose own deadline passed.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where in the source it was cancelled, or where the deadline or the dropped handle was made.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        Some(self.place)
    }

    /// When it was cancelled, to the microsecond, or when the deadline was.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Whether a handle was dropped, so that nobody said anything.
    pub(super) fn is_dropped(&self) -> bool {
        matches!(self.why, Why::Dropped(_))
    }

    /// What and why, without where and when: for a log that has columns for those.
    #[must_use]
    pub fn brief(&self) -> impl fmt::Display + '_ {
        Brief(self)
    }
}

struct Brief<'a>(&'a Cause);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)?;
        match self.0.reason() {
            Some(reason) => write!(f, ": {}", OneLine(reason)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { id, kind, label } = &self.origin;
        write!(f, "{} (origin {}#{id}", self.brief(), OneLine(kind))?;
        if !label.as_str().is_empty() {
            write!(f, " {}", OneLine(label))?;
        }
        // What a dropped handle says has the place in it already.
        if !self.is_dropped() {
            write!(f, " at {}:{}", self.place.file(), self.place.line())?;
        }
        write!(
            f,
            ", {} ago)",
            Span(clock::now().saturating_duration_since(self.at))
        )
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cause")
            .field("kind", &self.kind)
            .field("reason", &self.reason())
            .field("origin", &self.origin)
            .field("at", &format_args!("{}", self.place))
            .finish_non_exhaustive()
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason().map(|reason| reason as &(dyn Error + 'static))
    }
}

/// What was said, in a form that can be lent out as an error.
#[derive(Clone)]
enum Why {
    Plain,
    Dropped(Dropped),
    Text(Text),
    Static(&'static (dyn Error + Send + Sync)),
    Shared(Arc<dyn Error + Send + Sync>),
}

/// A sentence as an error.
#[derive(Clone, Copy)]
struct Text(&'static str);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Text {}

/// What a node remembers of its end, in 32 octets, guarded by its lock.
///
/// While the node lives it holds what an expiry would say; a cancel that begins at this node replaces that.
pub(super) struct Fate {
    /// What is said.
    word: Word,
    /// Where the node was made, or cancelled.
    place: &'static Location<'static>,
}

/// The reason with the moment beside its tag, where it takes no room.
enum Word {
    Plain(Since),
    Dropped(Since),
    Text(Since, &'static str),
    Static(Since, &'static (dyn Error + Send + Sync)),
    Shared(Since, Arc<dyn Error + Send + Sync>),
}

impl Fate {
    /// Of a node that lives. `reason` is what is said if its own deadline passes.
    pub(super) fn living(reason: Option<Reason>, place: &'static Location<'static>) -> Self {
        Self::ended(reason, place, 0)
    }

    /// Of a node that is cancelled after that many microseconds of life.
    pub(super) fn ended(
        reason: Option<Reason>,
        place: &'static Location<'static>,
        micros: u64,
    ) -> Self {
        let since = Since::new(micros);
        let word = match reason {
            None => Word::Plain(since),
            Some(Reason::Text(text)) => Word::Text(since, text),
            Some(Reason::Static(error)) => Word::Static(since, error),
            Some(Reason::Shared(error)) => Word::Shared(since, error),
        };
        Self { word, place }
    }

    /// Turns a living node's fate into that of one whose handle was dropped after that many microseconds: where it was
    /// made is all there is to say.
    pub(super) fn dropped(&self, micros: u64) -> Self {
        Self {
            word: Word::Dropped(Since::new(micros)),
            place: self.place,
        }
    }

    /// How many microseconds the node lived before it was cancelled.
    pub(super) fn after_micros(&self) -> u64 {
        match self.word {
            Word::Plain(since)
            | Word::Dropped(since)
            | Word::Text(since, _)
            | Word::Static(since, _)
            | Word::Shared(since, _) => since.micros(),
        }
    }
}

/// Microseconds in seven octets: enough for two thousand years, and aligned to nothing.
#[derive(Clone, Copy)]
struct Since([u8; 7]);

impl Since {
    fn new(micros: u64) -> Self {
        let [_, rest @ ..] = micros.min((1 << 56) - 1).to_be_bytes();
        Self(rest)
    }

    fn micros(self) -> u64 {
        let [a, b, c, d, e, f, g] = self.0;
        u64::from_be_bytes([0, a, b, c, d, e, f, g])
    }
}

/// A span of time for people: two or three digits that matter.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        match (secs, self.0.subsec_millis()) {
            (0, 0) => write!(f, "{} us", self.0.subsec_micros()),
            (0, millis) => write!(f, "{millis} ms"),
            (1..60, millis) => write!(f, "{secs}.{:02} s", millis / 10),
            (60..3600, _) => write!(f, "{} min {} s", secs / 60, secs % 60),
            (3600..86_400, _) => write!(f, "{} h {} min", secs / 3600, secs % 3600 / 60),
            _ => write!(f, "{} d {} h", secs / 86_400, secs % 86_400 / 3600),
        }
    }
}

/// Whether a character does something to a line instead of standing in it: controls, and those that end a line or turn
/// the order of what follows.
pub(super) fn is_disruptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints what it holds on one line, in the order in which it was said: what would not stand there comes out escaped.
pub(super) struct OneLine<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let mut rest = text;
                while let Some(at) = rest.find(is_disruptive) {
                    let (plain, tail) = rest.split_at(at);
                    self.0.write_str(plain)?;
                    let mut chars = tail.chars();
                    if let Some(control) = chars.next() {
                        write!(self.0, "{}", control.escape_default())?;
                    }
                    rest = chars.as_str();
                }
                self.0.write_str(rest)
            }
        }
        write!(Escape(f), "{}", self.0)
    }
}
