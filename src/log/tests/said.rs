use std::cell::Cell;
use std::fmt;

use crate::log::{Level, Log, Settings, said};

fn text_of(line: &str) -> String {
    let said = String::from_utf8(said(line)).unwrap();
    let (_, text) = said.split_once("Z ").unwrap();
    text.to_owned()
}

#[test]
fn what_is_said_is_one_line_and_its_further_ones_are_indented() {
    assert_eq!(
        text_of("draining, for 30s at most"),
        "draining, for 30s at most\n"
    );
    assert_eq!(
        text_of("admin:x\n2026-01-31T12:34:56.789Z all is well"),
        "admin:x\n    2026-01-31T12:34:56.789Z all is well\n"
    );
}

#[test]
fn no_control_character_reaches_a_terminal() {
    assert_eq!(
        text_of("a\x1b[2Jb\r\u{9b}1m\u{2028}c\td → é"),
        "a\\u{1b}[2Jb\\u{d}\\u{9b}1m\\u{2028}c\td → é\n"
    );
}

/// Counts how often it is put into words.
struct Counted<'a>(&'a Cell<u32>);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

#[test]
fn nothing_below_the_level_is_put_into_words() {
    let count = Cell::new(0);
    let silent = Log::silent();
    silent.error(Counted(&count));
    assert_eq!(count.get(), 0);

    let settings = |level| Settings {
        level,
        ..Settings::default()
    };
    let log = Log::start(&settings(Level::Warn)).unwrap();
    log.debug(Counted(&count));
    log.info(Counted(&count));
    assert_eq!(count.get(), 0);
    log.warn(Counted(&count));
    log.error(Counted(&count));
    assert_eq!(count.get(), 2);
    log.set(&settings(Level::Debug)).unwrap();
    log.debug(Counted(&count));
    assert_eq!(count.get(), 3);
}
