//! What the tree shares between threads, as loom has it.

use event_listener::EventListener;
use loom::sync::atomic::Ordering;

pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize};
pub(crate) use loom::sync::{Mutex, MutexGuard};

/// A state word whose every access is a turn.
///
/// Of the accesses to an atomic loom remembers the last one, and looks for other orders of that and the next. A thread
/// that loads and then changes a word hides, by its own load, that another one had looked before. So each access begins
/// with a step that no two threads can take in either order unnoticed; being relaxed, it orders nothing else.
pub(crate) struct AtomicU16 {
    turn: AtomicUsize,
    word: loom::sync::atomic::AtomicU16,
}

impl AtomicU16 {
    pub(crate) fn new(word: u16) -> Self {
        Self {
            turn: AtomicUsize::new(0),
            word: loom::sync::atomic::AtomicU16::new(word),
        }
    }

    fn turn(&self) -> &loom::sync::atomic::AtomicU16 {
        self.turn.fetch_add(1, Ordering::Relaxed);
        &self.word
    }

    pub(crate) fn load(&self, order: Ordering) -> u16 {
        self.turn().load(order)
    }

    pub(crate) fn fetch_or(&self, bits: u16, order: Ordering) -> u16 {
        self.turn().fetch_or(bits, order)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        from: u16,
        to: u16,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u16, u16> {
        self.turn()
            .compare_exchange_weak(from, to, success, failure)
    }
}

/// An event that is dropped after all that was done with it.
///
/// A node's memory goes with the last of its handles, and the counter of handles orders that after everything before.
/// Loom does not see std's counter, so the same order is made here, of steps that it sees.
pub(crate) struct Event {
    event: event_listener::Event,
    order: AtomicUsize,
}

impl Event {
    pub(crate) fn new() -> Self {
        Self {
            event: event_listener::Event::new(),
            order: AtomicUsize::new(0),
        }
    }

    pub(crate) fn listen(&self) -> EventListener {
        let listener = self.event.listen();
        self.order.fetch_add(1, Ordering::Release);
        listener
    }

    pub(crate) fn notify(&self, count: usize) -> usize {
        let notified = self.event.notify(count);
        self.order.fetch_add(1, Ordering::Release);
        notified
    }

    pub(crate) fn total_listeners(&self) -> usize {
        let count = self.event.total_listeners();
        self.order.fetch_add(1, Ordering::Release);
        count
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.order.fetch_add(1, Ordering::AcqRel);
    }
}

/// Statics of a thread that are made anew for every execution, written as std's are.
macro_rules! per_thread {
    (static $name:ident: $of:ty = const { $init:expr };) => {
        loom::thread_local! { static $name: $of = $init; }
    };
}
pub(crate) use per_thread;

/// Statics of the process that are made anew for every execution, written as std's are.
macro_rules! per_process {
    ($(#[$about:meta])* static $name:ident: $of:ty = const { $init:expr };) => {
        loom::lazy_static! {
            $(#[$about])*
            static ref $name: $of = $init;
        }
    };
}
pub(crate) use per_process;

/// A static that is made anew for every execution.
pub(crate) struct LazyLock<T: 'static>(loom::lazy_static::Lazy<T>);

impl<T: 'static> LazyLock<T> {
    pub(crate) const fn new(init: fn() -> T) -> Self {
        Self(loom::lazy_static::Lazy {
            init,
            _p: std::marker::PhantomData,
        })
    }

    pub(crate) fn force(this: &'static Self) -> &'static T
    where
        T: Sync,
    {
        this.0.get()
    }
}
