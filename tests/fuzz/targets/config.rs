//! A configuration of any octets: it is understood, or said what is wrong with it and where; and what was understood is
//! printed so that it is understood again.

#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use osier::config::{Surroundings, read};

fuzz_target!(|octets: &[u8]| {
    let around = Surroundings {
        environment: &|name| (name == "PORT").then(|| "8080".to_owned()),
        file: &|_| Err(io::ErrorKind::NotFound.into()),
        folder: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    let outcome = read("osier.toml", octets, &around);
    // Places are places in the text, whatever it is; the mark some editors begin with is none of it.
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let is_text = std::str::from_utf8(text).ok();
    for diagnostic in outcome.report.diagnostics() {
        let span = diagnostic.span;
        assert!(span.start <= span.end && span.end <= text.len().max(span.start), "{diagnostic:?}");
        assert!(span.start <= text.len(), "{diagnostic:?}");
        if let Some(text) = is_text {
            assert!(text.is_char_boundary(span.start), "{diagnostic:?}");
            assert!(text.is_char_boundary(span.end), "{diagnostic:?}");
        }
        assert!(!diagnostic.message.is_empty());
        let _ = outcome.report.position(span);
    }
    let _ = (outcome.report.render(false), outcome.report.render(true), outcome.report.json());
    assert_eq!(outcome.config.is_none(), outcome.report.has_errors());
    if let Some(config) = outcome.config {
        let printed = config.to_toml();
        let again = read("osier.toml", printed.as_bytes(), &around);
        assert!(again.config.is_some(), "{printed}\n{}", again.report.render(false));
    }
});
