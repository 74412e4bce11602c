//! What a node is called: its kind, its label and its number.
//!
//! Names are made per request, so the usual ones cost no allocation: a [`Label`] keeps short text inline, a kind is a
//! number in a table of the program's few kinds, an id comes from a block that the thread owns.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A short text that tells one node of a kind from the others, such as `GET /index.html`.
///
/// A `&'static str` is kept as it is. Other text of up to [`Label::INLINE_OCTETS_MAX`] octets is stored inline, only
/// longer text is allocated.
///
/// ```
/// use osier::context::Label;
/// assert_eq!(Label::from_display(format_args!("{} {}", "GET", "/")).as_str(), "GET /");
/// ```
#[derive(Clone)]
pub struct Label(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Inline(Inline),
    Boxed(Box<str>),
}

impl Label {
    /// The longest text that is stored without an allocation, in octets.
    pub const INLINE_OCTETS_MAX: usize = 22;

    /// The label that says nothing.
    pub const EMPTY: Self = Self(Repr::Static(""));

    /// Copies `text`: inline if it is short, else into an allocation.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Inline::new(text).map_or_else(|| Repr::Boxed(text.into()), Repr::Inline))
    }

    /// Prints `text` into a label. Nothing is allocated if it turns out short.
    #[must_use]
    pub fn from_display(text: impl fmt::Display) -> Self {
        let mut writer = Writer {
            inline: Inline::EMPTY,
            spilled: None,
        };
        // A Display that fails leaves what it printed so far; a name is worth no panic.
        let _ = write!(writer, "{text}");
        Self(match writer.spilled {
            Some(long) => Repr::Boxed(long.into_boxed_str()),
            None => Repr::Inline(writer.inline),
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Inline(inline) => inline.as_str(),
            Repr::Boxed(text) => text,
        }
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self(Repr::Static(text))
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        match Inline::new(&text) {
            Some(inline) => Self(Repr::Inline(inline)),
            None => Self(Repr::Boxed(text.into_boxed_str())),
        }
    }
}

/// Text in the label itself.
#[derive(Clone, Copy)]
struct Inline {
    /// How many of the octets are text.
    len: u8,
    /// Invariant: the first `len` octets are UTF-8.
    octets: [u8; Label::INLINE_OCTETS_MAX],
}

impl Inline {
    const EMPTY: Self = Self {
        len: 0,
        octets: [0; Label::INLINE_OCTETS_MAX],
    };

    fn new(text: &str) -> Option<Self> {
        let mut inline = Self::EMPTY;
        inline.push(text).then_some(inline)
    }

    /// Appends `text`, or refuses and stays as it was.
    fn push(&mut self, text: &str) -> bool {
        let start = usize::from(self.len);
        let end = start + text.len();
        let Some(room) = self.octets.get_mut(start..end) else {
            return false;
        };
        room.copy_from_slice(text.as_bytes());
        self.len = u8::try_from(end).unwrap_or(u8::MAX);
        true
    }

    fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.len)).unwrap_or(&[]);
        std::str::from_utf8(octets).unwrap_or("")
    }
}

/// Prints inline for as long as it fits.
struct Writer {
    inline: Inline,
    /// Everything, once it did not fit inline any more.
    spilled: Option<String>,
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match &mut self.spilled {
            Some(long) => long.push_str(text),
            None if self.inline.push(text) => {}
            None => self.spilled = Some(format!("{}{text}", self.inline.as_str())),
        }
        Ok(())
    }
}

/// The number of a kind in the table of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(u16);

impl Kind {
    pub(super) const BACKGROUND: Self = Self(0);
    pub(super) const TODO: Self = Self(1);
    pub(super) const CANCEL: Self = Self(2);
    pub(super) const DEADLINE: Self = Self(3);
    pub(super) const TIMEOUT: Self = Self(4);
    pub(super) const VALUE: Self = Self(5);
    pub(super) const WITHOUT_CANCEL: Self = Self(6);
    pub(super) const ANY: Self = Self(7);
    pub(super) const AFTER_FUNC: Self = Self(8);
    /// The kind of nodes whose real kind did not fit into the table.
    const OTHER: Self = Self(9);

    /// Finds or enters `name`. A program may have 128 kinds of its own; every further one is called `other`.
    pub(super) fn of(name: &'static str) -> Self {
        // A literal is usually the same object each time, so compare addresses before text.
        let same = |entry: &&'static str| std::ptr::eq(*entry, name) || *entry == name;
        for (index, slot) in KINDS.iter().enumerate() {
            if same(slot.get_or_init(|| name)) {
                return u16::try_from(BUILT_IN.len() + index).map_or(Self::OTHER, Self);
            }
        }
        Self::OTHER
    }

    /// Whether the caller gave the node this kind (by `named`), rather than the constructor.
    pub(super) fn is_given(self) -> bool {
        usize::from(self.0) >= BUILT_IN.len() || self == Self::OTHER
    }

    pub(super) fn name(self) -> &'static str {
        let index = usize::from(self.0);
        match BUILT_IN.get(index) {
            Some(name) => name,
            None => KINDS
                .get(index - BUILT_IN.len())
                .and_then(OnceLock::get)
                .copied()
                .unwrap_or("other"),
        }
    }
}

/// The kinds that the constructors give.
const BUILT_IN: [&str; 10] = [
    "background",
    "todo",
    "cancel",
    "deadline",
    "timeout",
    "value",
    "without_cancel",
    "any",
    "after_func",
    "other",
];

/// The kinds that callers give, in the order they first used them.
static KINDS: [OnceLock<&'static str>; 128] = [const { OnceLock::new() }; 128];

/// A number that no other node of this process has.
///
/// One atomic addition buys a block of 65,536 numbers for the calling thread; 32-bit atomics do for 2^48 nodes.
pub(super) fn next_id() -> u64 {
    const BLOCK: u64 = 1 << 16;
    static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NEXT_ID: Cell<u64> = const { Cell::new(0) };
    }
    let fresh = || u64::from(NEXT_BLOCK.fetch_add(1, Ordering::Relaxed)) * BLOCK + 1;
    let count = |next: &Cell<u64>| {
        let id = if next.get() % BLOCK == 0 {
            fresh()
        } else {
            next.get()
        };
        next.set(id + 1);
        id
    };
    // While a thread ends, its cell is gone: such a late node takes a block for itself.
    NEXT_ID.try_with(count).unwrap_or_else(|_| fresh())
}
