//! The sans-IO parser alone: octets in, values out, no socket in sight.
//!
//!     cargo run --example 03_parser
//!
//! Two whole requests, and one that smuggles, arrive in a single read. Change the octets and see what is refused.

use osier::http::{Decoder, Limits, Parsed, RequestHead, request_framing, request_persistence};
use std::error::Error;

const PIPELINE: &[u8] = b"GET /hello?who=world HTTP/1.1\r\nHost: example.org\r\n\r\n\
POST /upload HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n\
5\r\nHello\r\n7;note=1\r\n, osier\r\n0\r\nX-Sum: 42\r\n\r\n\
POST /smuggle HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n";

fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits::default();
    let mut head = RequestHead::new(); // recycled: the second head allocates nothing
    let mut rest = PIPELINE;

    while !rest.is_empty() {
        // A head, whole or not yet.
        let Parsed::Complete(consumed) = head.parse(rest, &limits)? else {
            break;
        };
        rest = rest.split_at(consumed).1;
        let text = String::from_utf8_lossy;
        println!(
            "{} {}  ({consumed} octets of head)",
            text(head.method()),
            text(head.target())
        );
        for (name, value) in head.fields().iter() {
            println!("    {}: {}", text(name), text(value));
        }

        // How its content ends: one answer or none.
        let framed = match request_framing(&head, &limits) {
            Ok(framed) => framed,
            Err(error) => {
                println!("  refused: {} {}: {error}", error.status(), error.sin());
                break;
            }
        };
        println!(
            "  framing {:?}, connection {:?}",
            framed.framing(),
            request_persistence(&head)
        );

        // The content, piece by piece, without a copy.
        let mut decoder = Decoder::new(&framed, &limits);
        while !decoder.is_done() {
            let decoded = decoder.decode(rest)?;
            if decoded.consumed == 0 {
                break;
            }
            println!(
                "  {} octets consumed, content {:?}",
                decoded.consumed,
                text(decoded.data)
            );
            rest = rest.split_at(decoded.consumed).1;
        }
        for (name, value) in decoder
            .trailers()
            .into_iter()
            .flat_map(|fields| fields.iter())
        {
            println!("  trailer {}: {}", text(name), text(value));
        }
        println!();
    }
    Ok(())
}
