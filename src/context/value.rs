//! Values: found by a typed key, looked up towards the root.
//!
//! Every node knows, as a 64-bit mask, which keys may be set at it or above it. A key that is set nowhere is so found
//! missing with one look, at any depth.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

/// A key for values of type `T`: a `static`. Two keys are the same only if they are the same static.
///
/// ```
/// use osier::context::{self, Key};
/// static USER: Key<String> = Key::new("user");
/// let ctx = context::background().with_value(&USER, "ada".to_owned());
/// assert_eq!(ctx.value(&USER).map(String::as_str), Some("ada"));
/// ```
pub struct Key<T> {
    /// What the tree shows. Values themselves are never shown.
    name: &'static str,
    /// `T` is only given out by reference.
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key that the tree shows by this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            value: PhantomData,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What tells this key from all others: where it lives.
    pub(super) fn identity(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// The bit of a key in the masks. Two keys may share one; then a miss costs a walk.
pub(super) fn mask_of(identity: usize) -> u64 {
    // Keys are at least as large, and so as far apart, as a pointer and a length.
    1 << ((identity >> 4) & 63)
}

/// A value and the key it is found by.
pub(super) struct Entry {
    pub(super) identity: usize,
    pub(super) name: &'static str,
    /// `None` where the key is said to have no value from here on.
    pub(super) value: Option<Box<dyn Any + Send + Sync>>,
}
