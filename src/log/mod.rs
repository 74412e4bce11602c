//! Access records, and the lines osier says of itself.
//!
//! A worker writes its records into memory, through its [`Scribe`], and hands them over once per batch; one thread of
//! its own does the writing, so that a reader who stalls can delay the log and never a request. What does not fit is
//! dropped and counted, record by record, and the count is said. The settings may change while all of this runs
//! ([`Log::set`]): a worker reads one word of them for each record, and waits for nobody.
//!
//! No octet from a peer can end a line or look like the next one: see [`Format`] for records; a line that osier says
//! goes on, where its text has several, with blanks in front.

mod destination;
mod format;
mod level;
mod record;
mod scribe;
mod settings;
mod stamp;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::future;

pub use self::destination::Destination;
pub use self::format::Format;
pub use self::level::Level;
pub use self::record::{Record, trace_id};
pub use self::scribe::Scribe;
pub use self::settings::Settings;

use self::settings::Word;
use self::stamp::{Form, Stamper};
use self::writer::{Target, Writer};
use crate::clock;

/// How many batches may wait for the writer.
const BATCHES_WAITING_MAX: usize = 256;
/// How many octets of records may wait for it.
const OCTETS_WAITING_MAX: usize = 4 * 1024 * 1024;
/// How many empty buffers wait to become batches.
const SPARES_MAX: usize = 16;
/// For how long [`Log::flush`] waits. More than the writer waits for a reader.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// What is handed to the writing thread.
#[derive(Debug)]
enum Batch {
    Access(Lines),
    Said(Vec<u8>),
    /// Write what came before, then answer.
    Flush(Sender<()>),
    /// There are [`Orders`].
    Look,
}

/// Access records of one worker, as lines.
#[derive(Debug, Default)]
struct Lines {
    octets: Vec<u8>,
    /// How many records they are.
    count: usize,
    /// The settings they were written by.
    word: Word,
}

/// What the handles and the writing thread share.
#[derive(Debug, Default)]
struct Shared {
    /// The [`Word`] of the settings.
    word: AtomicUsize,
    /// How many octets of records wait to be written.
    waiting: AtomicUsize,
    /// How many records were dropped.
    dropped: AtomicUsize,
    /// How many lines were not said.
    unsaid: AtomicUsize,
    orders: Mutex<Orders>,
}

/// What the writing thread is to do before it writes on. Not in the queue of batches, which may be full.
#[derive(Debug, Default)]
struct Orders {
    /// Write elsewhere.
    next: Option<Target>,
    /// The file was moved away: open the path again.
    reopen: bool,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }
}

/// The log: handles to it are cheap to clone and may cross threads.
#[derive(Debug, Clone)]
pub struct Log {
    batches: Sender<Batch>,
    /// Buffers that were batches, empty.
    spares: Receiver<Vec<u8>>,
    shared: Arc<Shared>,
}

impl Log {
    /// Opens the destination and starts the writing thread.
    ///
    /// # Errors
    /// The destination cannot be opened, or the thread cannot be started.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let sink = settings.access.open()?;
        let word = Word::next(Word::SILENT, settings);
        let (batches, waiting) = async_channel::bounded(BATCHES_WAITING_MAX);
        let (used, spares) = async_channel::bounded(SPARES_MAX);
        let shared = Arc::new(Shared {
            word: AtomicUsize::new(word.0),
            ..Shared::default()
        });
        let target = Target {
            word,
            destination: settings.access.clone(),
            sink,
        };
        let writer = Writer::new(waiting, used, shared.clone(), target);
        thread::Builder::new()
            .name("osier-log".into())
            .stack_size(64 * 1024)
            .spawn(move || writer.run())?;
        Ok(Self {
            batches,
            spares,
            shared,
        })
    }

    /// A log that says and writes nothing, without a thread.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            batches: async_channel::bounded(1).0,
            spares: async_channel::bounded(1).1,
            shared: Arc::default(),
        }
    }

    /// Changes the settings while requests go on. Records are written as they were when their exchange ended, to where
    /// they went then, as far as the writer gets them soon.
    ///
    /// # Errors
    /// The destination cannot be opened, or this log is [silent](Log::silent): nothing has changed.
    pub fn set(&self, settings: &Settings) -> io::Result<()> {
        if self.batches.is_closed() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "nobody writes this log",
            ));
        }
        let sink = settings.access.open()?;
        {
            let mut orders = self.shared.orders();
            let word = Word::next(self.shared.word(), settings);
            orders.next = Some(Target {
                word,
                destination: settings.access.clone(),
                sink,
            });
            self.shared.word.store(word.0, Ordering::Relaxed);
        }
        self.look();
        Ok(())
    }

    /// Says that something has ended that should not have: as [`Log::info`] does.
    pub fn error(&self, line: impl fmt::Display) {
        self.say(Level::Error, line);
    }

    /// Says that something went wrong: as [`Log::info`] does.
    pub fn warn(&self, line: impl fmt::Display) {
        self.say(Level::Warn, line);
    }

    /// Says a line on standard error, with the time in front. Further lines of it are indented; control characters are
    /// escaped. Below the configured level nothing is done, not even `line` put into words.
    pub fn info(&self, line: impl fmt::Display) {
        self.say(Level::Info, line);
    }

    /// Says what only a search for a mistake wants to know: as [`Log::info`] does.
    pub fn debug(&self, line: impl fmt::Display) {
        self.say(Level::Debug, line);
    }

    /// Opens the file anew: after it was moved away, for rotation. Where that fails, the log says so and goes on with
    /// the one it has.
    pub fn reopen(&self) {
        self.shared.orders().reopen = true;
        self.look();
    }

    /// Waits until what was said and handed over before is written, for a few seconds at most.
    pub fn flush(&self) {
        let (done, written) = async_channel::bounded(1);
        let flushed = async {
            if self.batches.send(Batch::Flush(done)).await.is_ok() {
                let _ = written.recv().await;
            }
        };
        let over = async {
            Timer::after(FLUSH_MAX).await;
        };
        async_io::block_on(future::or(flushed, over));
    }

    /// How many records were dropped since the start: the reader was too slow, or they could not be written.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn say(&self, level: Level, line: impl fmt::Display) {
        if self.shared.word().says(level) {
            self.hand_over(Batch::Said(said(line)));
        }
    }

    /// Wakes the writer to its orders. Where the queue is full it is awake, and looks before it writes on.
    fn look(&self) {
        self.hand_over(Batch::Look);
    }

    /// Hands a batch over, or counts it and gives its buffer back.
    fn hand_over(&self, batch: Batch) -> Option<Vec<u8>> {
        let Shared {
            waiting, dropped, ..
        } = &*self.shared;
        let octets = match &batch {
            Batch::Access(lines) => lines.octets.len(),
            _ => 0,
        };
        let has_room = waiting.fetch_add(octets, Ordering::Relaxed) <= OCTETS_WAITING_MAX;
        let refused = match has_room || octets == 0 {
            true => self.batches.try_send(batch).err()?.into_inner(),
            false => batch,
        };
        waiting.fetch_sub(octets, Ordering::Relaxed);
        match refused {
            Batch::Access(lines) => {
                dropped.fetch_add(lines.count, Ordering::Relaxed);
                return Some(lines.octets);
            }
            Batch::Said(_) => {
                self.shared.unsaid.fetch_add(1, Ordering::Relaxed);
            }
            Batch::Flush(_) | Batch::Look => {}
        }
        None
    }
}

/// A line for standard error.
fn said(line: impl fmt::Display) -> Vec<u8> {
    let mut octets = Vec::with_capacity(128);
    Stamper::default().push(Form::Iso, clock::wall(), &mut octets);
    octets.push(b' ');
    // A `Vec` takes everything; a `Display` that fails has said what it could.
    let _ = write!(OneLine(&mut octets), "{line}");
    octets.push(b'\n');
    octets
}

/// Text on its way into a line: no control in it reaches a terminal, and none makes a line of its own.
struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut push = |text: &str| self.0.extend_from_slice(text.as_bytes());
        for char in text.chars() {
            match char {
                '\n' => push("\n    "),
                '\t' => push("\t"),
                '\u{2028}' | '\u{2029}' => push(&char.escape_unicode().to_string()),
                _ if char.is_control() => push(&char.escape_unicode().to_string()),
                _ => push(char.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(())
    }
}
