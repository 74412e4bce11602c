//! Where a run is, on standard error: one line that is written over, or a line per step where nobody watches.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Progress {
    steps: usize,
    done: usize,
    begun: Instant,
    last: Option<Instant>,
}

/// How often something is said where nobody watches.
const SELDOM: Duration = Duration::from_secs(10);

impl Progress {
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            steps,
            done: 0,
            begun: Instant::now(),
            last: None,
        }
    }

    /// The next step begins.
    pub(crate) fn step(&mut self, what: &str) {
        let elapsed = self.begun.elapsed();
        let left = match u32::try_from(self.done) {
            Ok(done) if done > 0 => {
                let per_step = elapsed / done;
                let steps = u32::try_from(self.steps.saturating_sub(self.done)).unwrap_or(0);
                format!(", {} s left", (per_step * steps).as_secs())
            }
            _ => String::new(),
        };
        self.done += 1;
        let line = format!("[{}/{}{left}] {what}", self.done, self.steps);
        if stderr().is_terminal() {
            eprint!("\r\x1b[K{line}");
            // A progress line that cannot be shown is no reason to stop.
            drop(stderr().flush());
        } else if self.last.is_none_or(|last| last.elapsed() > SELDOM) {
            self.last = Some(Instant::now());
            eprintln!("{line}");
        }
    }

    pub(crate) fn end(&self) {
        if stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        eprintln!("took {} s", self.begun.elapsed().as_secs());
    }
}
