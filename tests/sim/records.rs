//! What the log was told, read back from where it was written.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use osier::log::{Destination, Format, Level, Log, Settings};

/// A log, and the file that it writes.
pub(crate) struct Book {
    pub(crate) log: Log,
    file: File,
}

impl Book {
    /// Opens a new one.
    pub(crate) fn open() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("osier-sim-{}-{number}.log", std::process::id());
        let path: PathBuf = std::env::temp_dir().join(name);
        let log = Log::start(&Settings {
            access: Destination::File(path.clone()),
            format: Format::Json,
            level: Level::Error,
            redact_query: false,
        });
        let log = log.expect("a log can be started");
        let file = File::open(&path).expect("a log that was started has its file");
        // Both have it open; nobody else needs to find it.
        let _ = std::fs::remove_file(path);
        Self { log, file }
    }

    /// What was recorded since this was asked last.
    pub(crate) fn records(&mut self) -> Vec<Record> {
        self.log.flush();
        let mut text = String::new();
        self.file
            .read_to_string(&mut text)
            .expect("a log can be read");
        text.lines().map(Record::read).collect()
    }
}

/// One access record.
#[derive(Debug)]
pub(crate) struct Record {
    /// The client's number.
    pub(crate) client: usize,
    /// What the target says it is of; empty where there was no head.
    pub(crate) tag: String,
    /// As it is written.
    pub(crate) method: String,
    pub(crate) status: u16,
    pub(crate) sent: usize,
    pub(crate) attempts: usize,
    pub(crate) total_ms: f64,
    pub(crate) cause: String,
    /// Everything but ids and the wall clock.
    pub(crate) line: String,
}

impl Record {
    fn read(line: &str) -> Self {
        let number = |key: &str| value(line, key).parse().unwrap_or(0);
        let client = value(line, "client");
        let client = client.rsplit('.').next().and_then(|it| it.parse().ok());
        let about = line.find("\"status\"").map_or(line, |at| &line[at..]);
        let target = value(line, "target");
        Self {
            client: client.unwrap_or(usize::MAX),
            tag: target.trim_start_matches('/').to_owned(),
            method: value(line, "method").to_owned(),
            status: number("status") as u16,
            sent: number("sent"),
            attempts: number("attempts"),
            total_ms: value(line, "total_ms").parse().unwrap_or(f64::NAN),
            cause: value(line, "cause").to_owned(),
            line: format!("{target} {about}"),
        }
    }
}

/// The value of a key, without its quotes.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let mark = format!("\"{key}\":");
    let Some(at) = line.find(&mark) else {
        return "";
    };
    let rest = &line[at + mark.len()..];
    match rest.strip_prefix('"') {
        Some(rest) => rest.split('"').next().unwrap_or_default(),
        None => rest.split([',', '}']).next().unwrap_or_default(),
    }
}
