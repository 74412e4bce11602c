//! The chunked coding: any cutting gives the same content, nothing behind the end is touched, and what is decoded and
//! encoded again is the same content.

#![no_main]

use libfuzzer_sys::fuzz_target;
use osier::http::body::{Decoder, Encoder};
use osier::http::framing::Framed;
use osier::http::limits::Limits;

/// What came of it: content, octets used, whether its end was seen; `None` for a sin.
type Read = Option<(Vec<u8>, usize, bool)>;

fuzz_target!(|input: &[u8]| {
    let Some((cut, octets)) = input.split_first() else {
        return;
    };
    let whole = read(octets, octets.len().max(1));
    let pieces = read(octets, usize::from(*cut).max(1));
    assert_eq!(whole, pieces);
    let Some((content, used, is_done)) = whole else {
        return;
    };
    if !is_done {
        return;
    }
    // What follows belongs to somebody else, whatever it is.
    let more = [&octets[..used], b"5\r\nabcde\r\n0\r\n\r\n"].concat();
    assert_eq!(read(&more, more.len()), Some((content.clone(), used, true)));
    let mut encoder = Encoder::new(&Framed::chunked());
    let mut again = Vec::new();
    for piece in content.chunks(usize::from(*cut).max(1)) {
        let head = encoder.chunk_head(piece.len()).expect("a chunk has no length to keep to");
        again.extend_from_slice(&head);
        again.extend_from_slice(piece);
        again.extend_from_slice(encoder.chunk_tail(piece.len()));
    }
    encoder.finish(None, &mut again).expect("a chunked body may end anywhere");
    let length = again.len();
    assert_eq!(read(&again, length), Some((content, length, true)));
});

/// Decodes what arrives in pieces of this size, as the relay does: what was not used is there again, with more.
fn read(octets: &[u8], size: usize) -> Read {
    let mut decoder = Decoder::new(&Framed::chunked(), &Limits::default());
    let (mut content, mut used, mut arrived) = (Vec::new(), 0, 0);
    loop {
        while !decoder.is_done() {
            let decoded = decoder.decode(&octets[used..arrived]).ok()?;
            content.extend_from_slice(decoded.data);
            used += decoded.consumed;
            if decoded.consumed == 0 {
                break;
            }
        }
        if decoder.is_done() || arrived == octets.len() {
            return Some((content, used, decoder.is_done()));
        }
        arrived = (arrived + size).min(octets.len());
    }
}
