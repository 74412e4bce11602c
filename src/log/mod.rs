//! Access records, and the lines osier says of itself.
//!
//! A worker writes its records into memory and hands them over once per batch; one thread of its own does the
//! writing, so that a reader who stalls can delay the log and never a request. What does not fit is dropped and
//! counted, and the count is logged.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, thread};

use async_channel::{Receiver, Sender, TrySendError};

use crate::clock;

#[cfg(test)]
mod tests;

/// How many batches may wait for the writer.
const BATCHES_WAITING_MAX: usize = 256;
/// A batch is handed over when it is so large, or when its worker is about to sleep.
const BATCH_OCTETS: usize = 16 * 1024;
/// How many trouble lines a worker says per second at most.
const TROUBLE_PER_SECOND: u32 = 20;

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Destination {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

impl Destination {
    fn open(&self) -> io::Result<Out> {
        Ok(match self {
            Self::Off => None,
            Self::Stdout => Some(Box::new(io::stdout())),
            Self::File(path) => Some(Box::new(
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)?,
            )),
        })
    }
}

/// What is said of one exchange when it has ended.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The client's address, where it has one.
    pub client: Option<IpAddr>,
    /// The id of the exchange's node in the tree.
    pub exchange: u64,
    /// The request's method and target as received, and its Host.
    pub method: &'a [u8],
    /// The request-target.
    pub target: &'a [u8],
    /// The authority the request was for.
    pub host: &'a [u8],
    /// What the client was answered; 499 where it did not wait for it.
    pub status: u16,
    /// The endpoint of the last attempt.
    pub endpoint: &'a str,
    /// How many attempts there were.
    pub attempts: u32,
    /// Content octets from the client.
    pub received: u64,
    /// Content octets to the client.
    pub sent: u64,
    /// From the request head to the connection to the origin.
    pub connect: Option<Duration>,
    /// From the request head to the response head.
    pub first: Option<Duration>,
    /// From the request head to the end.
    pub total: Duration,
    /// Why it ended, where that is not the message's own end.
    pub cause: Option<&'a str>,
    /// The request's id, where it has one.
    pub request_id: &'a [u8],
}

impl Record<'_> {
    /// Appends this record as one logfmt line: `key=value`, values with blanks or quotes quoted.
    pub fn write_logfmt(&self, line: &mut String) {
        let _ = write!(line, "time={}", Stamp::now());
        match self.client {
            Some(ip) => {
                let _ = write!(line, " client={ip}");
            }
            None => line.push_str(" client=unix"),
        }
        let _ = write!(line, " exchange={}", self.exchange);
        for (key, value) in [
            ("method", self.method),
            ("host", self.host),
            ("target", self.target),
            ("request_id", self.request_id),
        ] {
            if !value.is_empty() {
                let _ = write!(line, " {key}=");
                push_value(line, value);
            }
        }
        let _ = write!(
            line,
            " status={} received={} sent={}",
            self.status, self.received, self.sent
        );
        if !self.endpoint.is_empty() {
            let _ = write!(
                line,
                " endpoint={} attempts={}",
                self.endpoint, self.attempts
            );
        }
        for (key, value) in [
            ("connect", self.connect),
            ("first", self.first),
            ("total", Some(self.total)),
        ] {
            if let Some(duration) = value {
                let _ = write!(
                    line,
                    " {key}_ms={}.{:03}",
                    duration.as_millis(),
                    duration.as_micros() % 1000
                );
            }
        }
        if let Some(cause) = self.cause {
            line.push_str(" cause=");
            push_value(line, cause.as_bytes());
        }
        line.push('\n');
    }
}

/// Appends octets from a peer as a logfmt value: quoted where needed, so that no request can forge a line.
fn push_value(line: &mut String, value: &[u8]) {
    let plain = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'=' | b'\\');
    if !value.is_empty() && value.iter().all(plain) {
        line.push_str(&String::from_utf8_lossy(value));
        return;
    }
    line.push('"');
    for octet in value {
        match octet {
            b'"' | b'\\' => {
                line.push('\\');
                line.push(char::from(*octet));
            }
            b' '..=b'~' => line.push(char::from(*octet)),
            _ => {
                let _ = write!(line, "\\x{octet:02x}");
            }
        }
    }
    line.push('"');
}

/// The present time, as `2026-01-31T12:34:56.789Z`.
struct Stamp {
    since_epoch: Duration,
}

impl Stamp {
    fn now() -> Self {
        Self {
            since_epoch: clock::wall()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.since_epoch.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = self.since_epoch.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

/// The date so many days after 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// What is handed to the writing thread.
#[derive(Debug)]
enum Batch {
    Access(Vec<u8>),
    Said(String),
    /// Write what came before, then answer.
    Flush(Sender<()>),
    /// The file was moved away: open the path again.
    Reopen,
}

/// The log: handles to it are cheap to clone and may cross threads.
#[derive(Debug, Clone)]
pub struct Log {
    batches: Sender<Batch>,
    dropped: Arc<AtomicUsize>,
    access: bool,
}

impl Log {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot be started.
    pub fn start(destination: &Destination) -> io::Result<Self> {
        let out: Option<Box<dyn io::Write + Send>> = match destination {
            Destination::Off => None,
            Destination::Stdout => Some(Box::new(io::stdout())),
            Destination::File(path) => Some(Box::new(
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)?,
            )),
        };
        let (batches, waiting) = async_channel::bounded(BATCHES_WAITING_MAX);
        let log = Self {
            batches,
            dropped: Arc::default(),
            access: out.is_some(),
        };
        let dropped = log.dropped.clone();
        let destination = destination.clone();
        thread::Builder::new()
            .name("osier-log".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                write_batches(&waiting, &destination, out, &dropped);
            })?;
        Ok(log)
    }

    /// A log that says and writes nothing, without a thread.
    #[must_use]
    pub fn silent() -> Self {
        let (batches, _) = async_channel::bounded(1);
        Self {
            batches,
            dropped: Arc::default(),
            access: false,
        }
    }

    /// Says a line on standard error, with the time in front.
    pub fn say(&self, line: impl fmt::Display) {
        self.hand_over(Batch::Said(format!("{} {line}\n", Stamp::now())));
    }

    /// Opens the file anew: after it was moved away, for rotation.
    pub fn reopen(&self) {
        self.hand_over(Batch::Reopen);
    }

    /// Waits until what was said before is written.
    pub fn flush(&self) {
        let (done, written) = async_channel::bounded(1);
        if self.batches.send_blocking(Batch::Flush(done)).is_ok() {
            let _ = written.recv_blocking();
        }
    }

    fn hand_over(&self, batch: Batch) {
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.batches.try_send(batch) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

type Out = Option<Box<dyn io::Write + Send>>;

fn write_batches(
    waiting: &Receiver<Batch>,
    destination: &Destination,
    mut access: Out,
    dropped: &AtomicUsize,
) {
    while let Ok(batch) = waiting.recv_blocking() {
        // A log that cannot be written has nowhere to complain; requests go on.
        match batch {
            Batch::Access(lines) => {
                if let Some(access) = &mut access {
                    let _ = access.write_all(&lines).and_then(|()| access.flush());
                }
            }
            Batch::Said(line) => drop(io::stderr().write_all(line.as_bytes())),
            Batch::Reopen => match destination.open() {
                Ok(out) => access = out,
                Err(error) => drop(writeln!(
                    io::stderr(),
                    "{} log: cannot open anew: {error}",
                    Stamp::now()
                )),
            },
            Batch::Flush(done) => drop(done.try_send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                io::stderr(),
                "{} log: {lost} batches dropped, the reader is too slow",
                Stamp::now()
            );
        }
    }
}

/// One worker's end of the log.
#[derive(Debug)]
pub struct Scribe {
    log: Log,
    /// Records not handed over yet.
    batch: RefCell<String>,
    /// The second that is counted, and how many trouble lines were said, and not said, in it.
    trouble: RefCell<(u64, u32, u32)>,
}

impl Scribe {
    /// A worker's end of `log`.
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self {
            log,
            batch: RefCell::default(),
            trouble: RefCell::default(),
        }
    }

    /// Records are wanted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.log.access
    }

    /// Records an exchange that has ended. True: it is the first of its batch, so [`Scribe::flush`] is due soon.
    pub fn record(&self, record: &Record<'_>) -> bool {
        let mut batch = self.batch.borrow_mut();
        let first = batch.is_empty();
        record.write_logfmt(&mut batch);
        if batch.len() >= BATCH_OCTETS {
            self.log
                .hand_over(Batch::Access(std::mem::take(&mut *batch).into_bytes()));
        }
        first
    }

    /// Hands over what was recorded.
    pub fn flush(&self) {
        let batch = std::mem::take(&mut *self.batch.borrow_mut());
        if !batch.is_empty() {
            self.log.hand_over(Batch::Access(batch.into_bytes()));
        }
    }

    /// Says that something went wrong, unless too much does: then how much is left out is said in the next second.
    pub fn trouble(&self, line: impl fmt::Display) {
        let second = clock::wall()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let mut trouble = self.trouble.borrow_mut();
        if trouble.0 != second {
            if trouble.2 > 0 {
                self.log.say(format_args!(
                    "({} lines like the following left out)",
                    trouble.2
                ));
            }
            *trouble = (second, 0, 0);
        }
        if trouble.1 < TROUBLE_PER_SECOND {
            trouble.1 += 1;
            self.log.say(line);
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
