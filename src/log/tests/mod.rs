use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::format::Format;
use super::record::Record;
use super::stamp::Stamper;

mod format;
mod record;
mod said;
mod scribe;
mod settings;
mod stamp;

/// 2026-01-31T12:34:56.789Z.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_769_862_896_789)
}

/// One record in one format, as text. It is ASCII, or this panics.
fn line(format: Format, record: &Record<'_>, redacts: bool) -> String {
    let mut line = Vec::new();
    format.write(record, redacts, noon(), &mut Stamper::default(), &mut line);
    assert!(line.is_ascii(), "{line:?}");
    String::from_utf8(line).unwrap()
}
