//! What a limiter shares between threads, under names that the models in `tests/loom` can give another meaning.

use std::sync::PoisonError;

#[cfg(not(loom))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub(super) use crate::shim::{Mutex, MutexGuard};

/// Locks. A thread that panicked with the lock left numbers behind it, and those are still numbers.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
