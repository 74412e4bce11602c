//! The one thread that writes.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_channel::{Receiver, RecvError, Sender};
use async_io::Timer;
use futures_lite::future;

use super::destination::{Destination, Lost, Sink};
use super::settings::Word;
use super::{Batch, Level, Lines, Shared, said};
use crate::clock;

/// How much room a buffer may have that is used again.
const SPARE_OCTETS_MAX: usize = 128 * 1024;
/// How often, at most, it says that something was dropped; and for how long records of settings that are no more still
/// go to where they went.
const SOON: Duration = Duration::from_secs(1);

/// Where records of certain settings go.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) word: Word,
    pub(super) destination: Destination,
    /// The destination, open; none where records go nowhere.
    pub(super) sink: Option<Sink>,
}

/// What the writing thread has.
pub(super) struct Writer {
    waiting: Receiver<Batch>,
    /// For the buffers of batches that are written.
    spares: Sender<Vec<u8>>,
    shared: Arc<Shared>,
    stderr: Sink,
    target: Target,
    /// Where records went before the last change, and since when they do not. // for a little while after each change
    former: Option<(Sink, Instant)>,
    told: Told,
}

/// What was said of losses.
#[derive(Default)]
struct Told {
    /// Of so many records it was said that they were dropped.
    dropped: usize,
    /// Of so many lines.
    unsaid: usize,
    /// When it was said last.
    at: Option<Instant>,
    /// Why the last loss was, where that is not the reader.
    why: Option<String>,
}

impl Writer {
    pub(super) fn new(
        waiting: Receiver<Batch>,
        spares: Sender<Vec<u8>>,
        shared: Arc<Shared>,
        target: Target,
    ) -> Self {
        Self {
            waiting,
            spares,
            shared,
            stderr: Sink::stderr(),
            target,
            former: None,
            told: Told::default(),
        }
    }

    /// Writes until nobody has a handle to the log any more.
    pub(super) fn run(mut self) {
        while let Ok(batch) = self.next() {
            self.follow_orders();
            match batch {
                Some(Batch::Access(lines)) => self.write(lines),
                Some(Batch::Said(line)) => self.say(&line),
                Some(Batch::Flush(done)) => {
                    self.tell_losses();
                    let _ = done.try_send(());
                }
                Some(Batch::Look) | None => {}
            }
            let now = clock::now();
            let is_over = |since: Instant| now.saturating_duration_since(since) >= SOON;
            if self
                .former
                .as_ref()
                .is_some_and(|(_, since)| is_over(*since))
            {
                self.former = None;
            }
            if self.told.at.is_none_or(is_over) {
                self.tell_losses();
            }
        }
        self.tell_losses();
    }

    /// The next batch, or `None` when something else is due.
    fn next(&self) -> Result<Option<Batch>, RecvError> {
        if self.former.is_none() && self.losses() == (0, 0) {
            return self.waiting.recv_blocking().map(Some);
        }
        let batch = async { self.waiting.recv().await.map(Some) };
        let later = async {
            Timer::after(SOON).await;
            Ok(None)
        };
        async_io::block_on(future::or(batch, later))
    }

    fn follow_orders(&mut self) {
        let orders = mem::take(&mut *self.shared.orders());
        if let Some(next) = orders.next {
            let before = mem::replace(&mut self.target, next);
            self.former = before.sink.map(|sink| (sink, clock::now()));
        }
        if orders.reopen {
            match self.target.destination.open() {
                Ok(sink) => {
                    self.target.sink = sink;
                    self.former = None;
                }
                Err(error) => {
                    self.warn(format_args!("log: cannot open anew: {error}"));
                }
            }
        }
    }

    fn write(&mut self, lines: Lines) {
        let sink = match &mut self.former {
            Some((sink, _)) if lines.word != self.target.word => Some(sink),
            _ => self.target.sink.as_mut(),
        };
        if let Some(Err(lost)) = sink.map(|sink| sink.write(&lines.octets)) {
            let Lost { lines, why } = lost;
            self.shared.dropped.fetch_add(lines, Ordering::Relaxed);
            self.told.why = Some(why.to_string());
        }
        let mut octets = lines.octets;
        self.shared
            .waiting
            .fetch_sub(octets.len(), Ordering::Relaxed);
        octets.clear();
        if octets.capacity() <= SPARE_OCTETS_MAX {
            let _ = self.spares.try_send(octets);
        }
    }

    fn say(&mut self, line: &[u8]) {
        if self.stderr.write(line).is_err() {
            self.shared.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says a line of its own. False: standard error does not take it now.
    fn warn(&mut self, line: impl std::fmt::Display) -> bool {
        !self.shared.word().says(Level::Warn) || self.stderr.write(&said(line)).is_ok()
    }

    /// How many records and lines were lost of which nothing was said yet.
    fn losses(&self) -> (usize, usize) {
        let Shared {
            dropped, unsaid, ..
        } = &*self.shared;
        (
            dropped
                .load(Ordering::Relaxed)
                .wrapping_sub(self.told.dropped),
            unsaid
                .load(Ordering::Relaxed)
                .wrapping_sub(self.told.unsaid),
        )
    }

    /// Says what was lost, where something was. What cannot be said now is said with what is lost next.
    fn tell_losses(&mut self) {
        let (dropped, unsaid) = self.losses();
        if (dropped, unsaid) == (0, 0) {
            return;
        }
        self.told.at = Some(clock::now());
        let plural = |count| if count == 1 { "" } else { "s" };
        if dropped > 0 {
            let why = self.told.why.take();
            let why = why.as_deref().unwrap_or("the reader is too slow");
            let s = plural(dropped);
            if self.warn(format_args!("log: {dropped} record{s} dropped: {why}")) {
                self.told.dropped = self.told.dropped.wrapping_add(dropped);
            }
        }
        if unsaid > 0 {
            let s = plural(unsaid);
            if self.warn(format_args!("log: {unsaid} line{s} left out here")) {
                self.told.unsaid = self.told.unsaid.wrapping_add(unsaid);
            }
        }
    }
}
