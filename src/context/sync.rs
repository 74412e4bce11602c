//! What a node shares between threads, under names that the models in `tests/loom` can give another meaning.
//!
//! Only the protocol of the tree goes through here: state words, locks, events, roots and spare nodes. The counters of
//! `Arc` do not, nor what is set once and read as it is.

#[cfg(not(loom))]
pub(super) use event_listener::Event;
#[cfg(not(loom))]
pub(super) use std::sync::{
    LazyLock, Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU16, AtomicUsize},
};
#[cfg(not(loom))]
pub(super) use std::thread_local as per_thread;

#[cfg(loom)]
pub(super) use crate::shim::{
    AtomicU8, AtomicU16, AtomicUsize, Event, LazyLock, Mutex, MutexGuard, per_process, per_thread,
};

/// A static of the process.
#[cfg(not(loom))]
macro_rules! per_process {
    ($(#[$about:meta])* static $name:ident: $of:ty = const { $init:expr };) => {
        $(#[$about])*
        static $name: $of = $init;
    };
}
#[cfg(not(loom))]
pub(super) use per_process;
