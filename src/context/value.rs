//! Typed keys, and the values that nodes carry for everything below them.
//!
//! A lookup walks to the parent until the key is found. Each node knows by a mask which keys are present in it or
//! above it, so that a lookup that finds nothing usually ends where it began.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Label;

/// The name of a value in a tree, and its type.
///
/// A key is a `static`; two keys are never the same one, whatever their names and types.
///
/// ```
/// use osier::context::{Key, background};
///
/// static USER: Key<String> = Key::new("user");
///
/// let ctx = background().with_value(&USER, "ada".to_owned());
/// assert_eq!(ctx.value(&USER).map(String::as_str), Some("ada"));
/// assert_eq!(background().value(&USER), None);
/// ```
pub struct Key<T> {
    /// What the tree view calls it.
    name: &'static str,
    /// Which key of the program it is, from 1 on; 0 until a value is first set. // set once
    number: AtomicU32,
    /// Keys of one type are not keys of another.
    of: PhantomData<fn(T)>,
}

impl<T> Key<T> {
    /// A new key. The name is for people only.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            number: AtomicU32::new(0),
            of: PhantomData,
        }
    }

    /// What the key is called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The key's number, given now if it has none.
    pub(super) fn assigned(&self) -> KeyNumber {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        if let Some(number) = self.known() {
            return number;
        }
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        let set = self
            .number
            .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
        KeyNumber(set.map_or_else(|earlier| earlier, |_| fresh))
    }

    /// The key's number; none if no value was ever set by it.
    pub(super) fn known(&self) -> Option<KeyNumber> {
        Some(self.number.load(Ordering::Relaxed))
            .filter(|number| *number != 0)
            .map(KeyNumber)
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// Identifies a key within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyNumber(u32);

impl KeyNumber {
    /// The key's bit in a presence mask. Keys share bits once there are more than 32 of them: that costs a walk, never
    /// a wrong answer.
    pub(super) fn bit(self) -> u32 {
        1 << (self.0 % 32)
    }
}

/// A value of any type in its node.
pub(super) trait Slot: Send + Sync {
    /// The value.
    fn value(&self) -> &dyn Any;
    /// The key.
    fn key(&self) -> KeyNumber;
    /// The key's name.
    fn key_name(&self) -> &'static str;
    /// The node's label.
    fn label(&self) -> &Label;
}

/// The value that hides a value: of no key's type, as nobody else can name it.
pub(super) struct Hidden;

/// The one kind of [`Slot`].
pub(super) struct Carried<T> {
    /// The value.
    pub(super) value: T,
    /// The key.
    pub(super) key: KeyNumber,
    /// The key's name.
    pub(super) key_name: &'static str,
    /// The node's label.
    pub(super) label: Label,
}

impl<T: Send + Sync + 'static> Slot for Carried<T> {
    fn value(&self) -> &dyn Any {
        &self.value
    }

    fn key(&self) -> KeyNumber {
        self.key
    }

    fn key_name(&self) -> &'static str {
        self.key_name
    }

    fn label(&self) -> &Label {
        &self.label
    }
}
