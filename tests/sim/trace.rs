//! What happened, as lines with the time in front, and one number for all of it.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use osier::clock;

/// The events of one run. Cloned, it is the same trace.
#[derive(Clone)]
pub(crate) struct Trace(Rc<Inner>);

struct Inner {
    since: Instant,
    /// Lines are wanted, and not their hash alone.
    is_kept: bool,
    lines: RefCell<String>,
    /// FNV-1a over all lines.
    hash: Cell<u64>,
    scratch: RefCell<String>,
}

impl Trace {
    /// Begins now.
    pub(crate) fn new(is_kept: bool) -> Self {
        Self(Rc::new(Inner {
            since: clock::now(),
            is_kept,
            lines: RefCell::default(),
            hash: Cell::new(0xcbf2_9ce4_8422_2325),
            scratch: RefCell::default(),
        }))
    }

    /// How long it has gone on.
    pub(crate) fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.0.since)
    }

    /// Something has happened.
    pub(crate) fn note(&self, event: fmt::Arguments<'_>) {
        let mut line = self.0.scratch.borrow_mut();
        line.clear();
        let elapsed = self.elapsed();
        let _ = writeln!(line, "{:>12.6} {event}", elapsed.as_secs_f64() * 1e3);
        let mut hash = self.0.hash.get();
        for octet in line.bytes() {
            hash = (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.0.hash.set(hash);
        if self.0.is_kept {
            self.0.lines.borrow_mut().push_str(&line);
        }
    }

    /// The same for the same events in the same order at the same times.
    pub(crate) fn hash(&self) -> u64 {
        self.0.hash.get()
    }

    /// The lines, where they were kept.
    pub(crate) fn lines(&self) -> String {
        self.0.lines.borrow().clone()
    }
}
