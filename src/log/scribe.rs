//! One worker's end of the log: records become lines in memory, and nothing waits.

use std::cell::RefCell;
use std::fmt;

use super::stamp::Stamper;
use super::{Batch, Level, Lines, Log, Record};
use crate::clock;

/// A batch is handed over when it is so large, or when [`Scribe::flush`] says so. Each one wakes the writing thread, which
/// costs as much as some records do: with 16 KiB it was 2 % of all that a request cost.
const BATCH_OCTETS: usize = 64 * 1024;
/// How many trouble lines a worker says per second at most.
const TROUBLE_PER_SECOND: u32 = 20;

/// One worker's end of the log.
#[derive(Debug)]
pub struct Scribe {
    log: Log,
    pad: RefCell<Pad>,
    /// The second that is counted, and how many trouble lines were said, and not said, in it.
    trouble: RefCell<(u64, u32, u32)>,
}

/// What a scribe writes on.
#[derive(Debug, Default)]
struct Pad {
    /// Records not handed over yet.
    lines: Lines,
    stamper: Stamper,
}

impl Scribe {
    /// A worker's end of `log`.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self {
            log,
            pad: RefCell::default(),
            trouble: RefCell::default(),
        }
    }

    /// Records are wanted, as things are now.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.log.shared.word().has_access()
    }

    /// Queries are to be left out of whatever is logged, as things are now.
    #[must_use]
    pub fn redacts(&self) -> bool {
        self.log.shared.word().redacts()
    }

    /// Records an exchange that has ended, where records are wanted. True: it is the first of its batch, so
    /// [`Scribe::flush`] is due soon.
    pub fn record(&self, record: &Record<'_>) -> bool {
        let word = self.log.shared.word();
        if !word.has_access() {
            return false;
        }
        let mut pad = self.pad.borrow_mut();
        let Pad { lines, stamper } = &mut *pad;
        if lines.word != word {
            self.hand_over(lines);
            lines.word = word;
        }
        let is_first = lines.count == 0;
        if lines.octets.capacity() == 0 {
            lines.octets = self.log.spares.try_recv().unwrap_or_default();
        }
        word.format().write(
            record,
            word.redacts(),
            clock::wall(),
            stamper,
            &mut lines.octets,
        );
        lines.count += 1;
        if lines.octets.len() >= BATCH_OCTETS {
            self.hand_over(lines);
        }
        is_first
    }

    /// Hands over what was recorded.
    pub fn flush(&self) {
        self.hand_over(&mut self.pad.borrow_mut().lines);
    }

    fn hand_over(&self, lines: &mut Lines) {
        if lines.count == 0 {
            return;
        }
        let word = lines.word;
        let batch = Batch::Access(std::mem::take(lines));
        lines.word = word;
        if let Some(mut octets) = self.log.hand_over(batch) {
            octets.clear();
            lines.octets = octets;
        }
    }

    /// Says that something went wrong, unless too much does: then how much is left out is said in the next second.
    pub fn trouble(&self, line: impl fmt::Display) {
        if !self.log.shared.word().says(Level::Warn) {
            return;
        }
        let second = clock::wall()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut trouble = self.trouble.borrow_mut();
        if trouble.0 != second {
            if trouble.2 > 0 {
                self.log.warn(format_args!(
                    "({} lines like the following left out)",
                    trouble.2
                ));
            }
            *trouble = (second, 0, 0);
        }
        if trouble.1 < TROUBLE_PER_SECOND {
            trouble.1 += 1;
            self.log.warn(line);
        } else {
            trouble.2 += 1;
        }
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.flush();
    }
}
