//! Walks `tests/corpus/*.http`: raw messages, their verdict in the name. Adding a case is adding a file.
//!
//! `NAME.ok.http` must be taken whole, `NAME.400.http` refused with that status, `NAME.cut.http` is not whole.
//! `resp-…` is a response (to GET; `resp-head-…` to HEAD), everything else a pipeline of requests.
//! Each file is fed whole and octet by octet; the verdict is the same.

use crate::http::{
    BodyError, Decoder, Framed, FramingError, HeadError, Limits, Parsed, RequestHead, ResponseHead,
    request_framing, response_framing,
};
use std::{fs, path::Path};

/// Reads all messages of a pipeline; `Ok(true)` when the last one is whole.
fn read(name: &str, octets: &[u8], step: usize) -> Result<bool, u16> {
    let mut rest = octets;
    while !rest.is_empty() {
        let Some((consumed, framed)) = read_head(name, rest)? else {
            return Ok(false);
        };
        rest = &rest[consumed..];
        let mut decoder = Decoder::new(&framed, &Limits::default());
        while !decoder.is_done() && !rest.is_empty() {
            let piece = &rest[..rest.len().min(step)];
            let decoded = decoder
                .decode(piece)
                .map_err(|error: BodyError| error.status())?;
            rest = &rest[decoded.consumed..];
        }
        if decoder.finish_eof().is_err() {
            return Ok(false);
        }
        // A response is alone on its connection; what follows it is not its content.
        if name.starts_with("resp-") {
            return if rest.is_empty() { Ok(true) } else { Err(400) };
        }
    }
    Ok(true)
}

/// Reads one head and its framing.
fn read_head(name: &str, octets: &[u8]) -> Result<Option<(usize, Framed)>, u16> {
    let limits = Limits::default();
    let refuse_head = |error: HeadError| error.status();
    let refuse_framing = |error: FramingError| error.status();
    if name.starts_with("resp-") {
        let mut head = ResponseHead::new();
        let method: &[u8] = if name.starts_with("resp-head-") {
            b"HEAD"
        } else {
            b"GET"
        };
        let Parsed::Complete(consumed) = head.parse(octets, &limits).map_err(refuse_head)? else {
            return Ok(None);
        };
        Ok(Some((
            consumed,
            response_framing(&head, method).map_err(refuse_framing)?,
        )))
    } else {
        let mut head = RequestHead::new();
        let Parsed::Complete(consumed) = head.parse(octets, &limits).map_err(refuse_head)? else {
            return Ok(None);
        };
        Ok(Some((
            consumed,
            request_framing(&head, &limits).map_err(refuse_framing)?,
        )))
    }
}

#[test]
fn every_message_meets_its_verdict() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = name.rsplit('.').nth(1).unwrap().to_owned();
        let octets = fs::read(&path).unwrap();
        for step in [1, 7, usize::MAX] {
            let verdict = match read(&name, &octets, step) {
                Ok(true) => "ok".to_owned(),
                Ok(false) => "cut".to_owned(),
                Err(status) => status.to_string(),
            };
            assert_eq!(verdict, expected, "{name} by {step}");
        }
        count += 1;
    }
    assert!(count >= 600, "only {count} messages");
}
