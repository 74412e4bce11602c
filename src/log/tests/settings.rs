use crate::log::settings::Word;
use crate::log::{Destination, Format, Level, Settings};

#[test]
fn a_word_says_what_the_settings_say() {
    for access in [Destination::Off, Destination::Stdout] {
        for format in [Format::Logfmt, Format::Json, Format::Combined] {
            for redact_query in [false, true] {
                for level in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
                    let settings = Settings {
                        access: access.clone(),
                        format,
                        level,
                        redact_query,
                    };
                    let word = Word::next(Word::SILENT, &settings);
                    assert_eq!(word.has_access(), access != Destination::Off);
                    assert_eq!(word.format(), format);
                    assert_eq!(word.redacts(), redact_query);
                    for line in [Level::Error, Level::Warn, Level::Info, Level::Debug] {
                        assert_eq!(word.says(line), line <= level);
                    }
                }
            }
        }
    }
}

#[test]
fn equal_settings_that_follow_each_other_are_told_apart() {
    let settings = Settings::default();
    let first = Word::next(Word::SILENT, &settings);
    let second = Word::next(first, &settings);
    assert_ne!(first, second);
    // However often: the count of changes goes round.
    let last = Word::next(Word(usize::MAX), &settings);
    assert_eq!(last.format(), Format::Logfmt);
    assert!(last.says(Level::Info) && !last.says(Level::Debug));
}

#[test]
fn a_silent_log_says_nothing() {
    assert!(!Word::SILENT.has_access());
    assert!(!Word::SILENT.says(Level::Error));
}

#[test]
fn a_destination_is_what_its_text_says() {
    for (text, destination) in [
        ("off", Destination::Off),
        ("stdout", Destination::Stdout),
        ("unix:/dev/log", Destination::Unix("/dev/log".into())),
        ("/var/log/osier", Destination::File("/var/log/osier".into())),
    ] {
        assert_eq!(Destination::parse(text), destination);
    }
}
