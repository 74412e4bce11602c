//! Heads that come in pieces.

use osier::http::error::HeadError;
use osier::http::head::{HeadScanner, Parsed};
use osier::http::limits::Limits;

/// What parsing comes to.
pub type Outcome = Result<Parsed, HeadError>;

/// Piece by piece, asked only when the scanner says that it is worth it, the end is the same as that of the whole.
pub fn compare(octets: &[u8], size: u8, limits: &Limits, whole: &Outcome, mut parse: impl FnMut(&[u8]) -> Outcome) {
    let size = usize::from(size).max(1);
    let mut scanner = HeadScanner::default();
    let mut arrived = 0;
    while arrived < octets.len() {
        arrived = (arrived + size).min(octets.len());
        if !scanner.is_worthwhile(&octets[..arrived], limits) {
            continue;
        }
        match parse(&octets[..arrived]) {
            Ok(Parsed::Partial) => {}
            Ok(complete) => return assert_eq!(whole.as_ref(), Ok(&complete)),
            Err(_) => return assert!(whole.is_err(), "refused in pieces, and not at once: {whole:?}"),
        }
    }
    assert!(!matches!(whole, Ok(Parsed::Complete(_))), "whole at once, and never in pieces");
}
