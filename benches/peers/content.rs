//! What goes over the wire: requests, and the one body that every answer and every upload is a prefix of.

use std::sync::LazyLock;

/// The longest body there is.
pub(crate) const MEBIBYTE: usize = 1 << 20;
/// The small body: the 63 octets of the other figures that are published with osier.
pub(crate) const SMALL: usize = 63;

/// Every body is the begin of this. It never repeats within 64 octets, so that a hole or a swap is noticed.
pub(crate) static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..MEBIBYTE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'a' + (state % 26) as u8
        })
        .collect()
});

/// A request for `octets` octets, with `fields` field lines beside Host.
pub(crate) fn get(octets: usize, fields: usize, close: bool) -> Vec<u8> {
    let mut request = format!("GET /{octets} HTTP/1.1\r\nHost: bench.example\r\n");
    if close {
        request += "Connection: close\r\n";
    }
    for number in 1..=fields {
        // As long as the fields of a browser are, on average.
        request +=
            &format!("X-Field-{number:02}: value-{number:02}-abcdefghijklmnopqrstuvwxyz\r\n");
    }
    request += "\r\n";
    request.into_bytes()
}

/// A request that brings `octets` octets.
pub(crate) fn post(octets: usize) -> Vec<u8> {
    let head = format!(
        "POST /{SMALL} HTTP/1.1\r\nHost: bench.example\r\nContent-Type: text/plain\r\nContent-Length: {octets}\r\n\r\n"
    );
    [head.as_bytes(), &PATTERN[..octets]].concat()
}

/// The head of the origin's answer. It has a Date and a Server, so that no proxy has to make one up.
pub(crate) fn answer_head(octets: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
         Content-Length: {octets}\r\nETag: \"bench\"\r\nCache-Control: private\r\n\r\n"
    )
}
