use std::sync::atomic::AtomicUsize;

use async_channel::{Receiver, Sender};

use crate::log::settings::Word;
use crate::log::{Batch, Destination, Format, Lines, Log, Record, Scribe, Settings, Shared};

/// The other ends of a log that nobody writes.
struct Ends {
    waiting: Receiver<Batch>,
    spares: Sender<Vec<u8>>,
}

impl Ends {
    /// What was handed over, and is the next to be written.
    fn lines(&self) -> Option<Lines> {
        loop {
            match self.waiting.try_recv().ok()? {
                Batch::Access(lines) => return Some(lines),
                Batch::Look => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn settings(format: Format) -> Settings {
    Settings {
        access: Destination::Stdout,
        format,
        ..Settings::default()
    }
}

fn log(settings: &Settings, room: usize) -> (Log, Ends) {
    let (batches, waiting) = async_channel::bounded(room);
    let (used, spares) = async_channel::bounded(1);
    let word = AtomicUsize::new(Word::next(Word::SILENT, settings).0);
    let shared = Shared {
        word,
        ..Shared::default()
    };
    let log = Log {
        batches,
        spares,
        shared: shared.into(),
    };
    let ends = Ends {
        waiting,
        spares: used,
    };
    (log, ends)
}

#[test]
fn what_is_dropped_is_counted_by_records() {
    let (log, ends) = log(&settings(Format::Logfmt), 1);
    let scribe = Scribe::new(log.clone());
    for count in [5, 7, 2] {
        for index in 0..count {
            assert_eq!(scribe.record(&Record::default()), index == 0);
        }
        scribe.flush();
    }
    assert_eq!(log.dropped(), 9);
    let first = ends.lines().unwrap();
    assert_eq!((first.count, lines_in(&first)), (5, 5));
    // There is room again.
    scribe.record(&Record::default());
    drop(scribe);
    assert_eq!(ends.lines().map(|lines| lines.count), Some(1));
    assert_eq!(log.dropped(), 9);
}

fn lines_in(lines: &Lines) -> usize {
    lines
        .octets
        .split_inclusive(|octet| *octet == b'\n')
        .count()
}

#[test]
fn a_large_batch_is_not_waited_with() {
    let (log, ends) = log(&settings(Format::Json), 1);
    let scribe = Scribe::new(log);
    let record = Record {
        target: &[b'x'; 1000],
        ..Record::default()
    };
    for _ in 0..70 {
        scribe.record(&record);
    }
    let batch = ends.lines().unwrap();
    assert!((64 * 1024..66 * 1024).contains(&batch.octets.len()));
    assert_eq!(lines_in(&batch), batch.count);
}

#[test]
fn octets_that_wait_are_bounded() {
    let (log, ends) = log(&settings(Format::Logfmt), 256);
    let scribe = Scribe::new(log.clone());
    let record = Record {
        target: &[b'x'; 1000],
        ..Record::default()
    };
    for _ in 0..5000 {
        scribe.record(&record);
    }
    scribe.flush();
    let handed: usize = std::iter::from_fn(|| ends.lines())
        .map(|lines| lines.count)
        .sum();
    assert!((3700..4000).contains(&handed), "{handed} of 5000");
    assert_eq!(handed + log.dropped(), 5000);
}

#[test]
fn a_buffer_that_was_a_batch_is_one_again() {
    let (log, ends) = log(&settings(Format::Logfmt), 1);
    let scribe = Scribe::new(log);
    scribe.record(&Record::default());
    scribe.flush();
    let mut octets = ends.lines().unwrap().octets;
    octets.clear();
    octets.reserve_exact(12_345);
    let (at, room) = (octets.as_ptr(), octets.capacity());
    ends.spares.try_send(octets).unwrap();
    scribe.record(&Record::default());
    scribe.flush();
    let again = ends.lines().unwrap().octets;
    assert_eq!((again.as_ptr(), again.capacity()), (at, room));
    assert!(!again.is_empty());
}

#[test]
fn a_change_of_settings_divides_what_was_recorded() {
    let (log, ends) = log(&settings(Format::Logfmt), 8);
    let scribe = Scribe::new(log.clone());
    let record = Record {
        target: b"/a?secret",
        ..Record::default()
    };
    scribe.record(&record);
    let before = log.shared.word();
    log.set(&Settings {
        redact_query: true,
        ..settings(Format::Json)
    })
    .unwrap();
    assert!(scribe.redacts());
    scribe.record(&record);
    let lines = ends.lines().unwrap();
    assert_eq!((lines.word, lines.count), (before, 1));
    assert!(lines.octets.starts_with(b"time="));
    assert!(lines.octets.windows(6).any(|octets| octets == b"secret"));
    scribe.flush();
    let lines = ends.lines().unwrap();
    assert_eq!((lines.word, lines.count), (log.shared.word(), 1));
    assert!(lines.octets.starts_with(b"{\"time\""));
    assert!(!lines.octets.windows(6).any(|octets| octets == b"secret"));
}

#[test]
fn nothing_is_recorded_where_nothing_is_wanted() {
    let (log, ends) = log(&Settings::default(), 8);
    let scribe = Scribe::new(log.clone());
    assert!(!scribe.is_on());
    assert!(!scribe.record(&Record::default()));
    scribe.flush();
    assert!(ends.lines().is_none());
    log.set(&settings(Format::Combined)).unwrap();
    assert!(scribe.is_on());
    assert!(scribe.record(&Record::default()));
    log.set(&Settings::default()).unwrap();
    assert!(!scribe.is_on());
    // What was recorded before is not lost.
    scribe.flush();
    assert_eq!(ends.lines().map(|lines| lines.count), Some(1));
}

#[test]
fn a_log_that_nobody_writes_cannot_be_set() {
    let silent = Log::silent();
    assert!(silent.set(&settings(Format::Json)).is_err());
    assert!(!Scribe::new(silent).is_on());
}
