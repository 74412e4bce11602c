//! What reading costs per octet, beside a bare httparse pass over the same octets.
//!
//!     cargo bench --bench codec               all rows
//!     cargo bench --bench codec -- chunk      those with `chunk` in their name
//!
//! httparse only finds where things are. osier's parser is built on it, and also checks what may not pass (README,
//! "What is refused"), copies the fields, and knows the names it needs: the difference is what that costs. For chunks,
//! the bare pass reads every size with `httparse::parse_chunk_size` and skips the data.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use osier::http::{
    Decoder, Limits, Parsed, RequestHead, ResponseHead, request_framing, response_framing,
};

const ROUNDS: usize = 15;
/// How many field lines the bare pass has room for.
const LINES: usize = 100;

fn main() {
    let bench = Bench {
        // Cargo itself passes `--bench`.
        wanted: std::env::args()
            .skip(1)
            .find(|arg| !arg.starts_with('-'))
            .unwrap_or_default(),
    };
    println!(
        "{:<46} {:>8} {:>12} {:>12} {:>8}",
        "ns per octet", "octets", "osier", "httparse", "ratio"
    );
    requests(&bench);
    responses(&bench);
    chunks(&bench);
}

fn requests(bench: &Bench) {
    let heads = [
        (
            "request head, one field",
            request(&[("Host", "bench.example")]),
        ),
        ("request head, a browser's eleven", request(&BROWSER)),
        ("request head, thirty fields", request(&thirty())),
    ];
    let limits = Limits::default();
    for (name, head) in &heads {
        let mut parsed = RequestHead::new();
        bench.row(
            name,
            head.len(),
            || {
                let result = parsed.parse(black_box(head), &limits);
                assert_eq!(result, Ok(Parsed::Complete(head.len())));
                black_box(request_framing(&parsed, &limits).is_ok());
            },
            || {
                let mut lines = [const { MaybeUninit::uninit() }; LINES];
                let mut bare = httparse::Request::new(&mut []);
                let result = bare.parse_with_uninit_headers(black_box(head), &mut lines);
                assert_eq!(result, Ok(httparse::Status::Complete(head.len())));
                black_box(&bare);
            },
        );
    }
}

fn responses(bench: &Bench) {
    let heads = [
        (
            "response head, two fields",
            response(&[("Content-Type", "text/plain"), ("Content-Length", "63")]),
        ),
        (
            "response head, an application's nine",
            response(&APPLICATION),
        ),
        ("response head, thirty fields", response(&thirty())),
    ];
    let limits = Limits::default();
    for (name, head) in &heads {
        let mut parsed = ResponseHead::new();
        bench.row(
            name,
            head.len(),
            || {
                let result = parsed.parse(black_box(head), &limits);
                assert_eq!(result, Ok(Parsed::Complete(head.len())));
                black_box(response_framing(&parsed, b"GET").is_ok());
            },
            || {
                let mut lines = [const { MaybeUninit::uninit() }; LINES];
                let mut bare = httparse::Response::new(&mut []);
                let config = httparse::ParserConfig::default();
                let result = config.parse_response_with_uninit_headers(
                    &mut bare,
                    black_box(head),
                    &mut lines,
                );
                assert_eq!(result, Ok(httparse::Status::Complete(head.len())));
                black_box(&bare);
            },
        );
    }
}

/// A mebibyte of content, in chunks of several sizes.
fn chunks(bench: &Bench) {
    const CONTENT: usize = 1 << 20;
    let limits = Limits::default();
    let mut head = RequestHead::new();
    let chunked = request(&[("Host", "bench.example"), ("Transfer-Encoding", "chunked")]);
    head.parse(&chunked, &limits)
        .expect("it is written right above");
    let framed = request_framing(&head, &limits).expect("its last coding is chunked");
    // Chunks of some octets have more framing than the decoder lets pass; 256 is what a chatty application sends.
    for size in [256, 4096, 65536] {
        let body = in_chunks(CONTENT, size);
        bench.row(
            &format!("content in chunks of {size}"),
            body.len(),
            || {
                let mut decoder = Decoder::new(&framed, &limits);
                let (mut at, mut content) = (0, 0);
                while !decoder.is_done() {
                    let decoded = decoder
                        .decode(black_box(&body[at..]))
                        .expect("the chunks are well formed");
                    at += decoded.consumed;
                    content += decoded.data.len();
                }
                assert_eq!((at, content), (body.len(), CONTENT));
            },
            || {
                let (mut at, mut content) = (0, 0);
                loop {
                    let parsed = httparse::parse_chunk_size(black_box(&body[at..]));
                    let Ok(httparse::Status::Complete((line, size))) = parsed else {
                        panic!("the chunks are well formed");
                    };
                    // The line, the data, and the CRLF behind it.
                    at += line + size as usize + 2;
                    content += size as usize;
                    if size == 0 {
                        break;
                    }
                }
                assert_eq!((at, content), (body.len(), CONTENT));
            },
        );
    }
}

fn in_chunks(octets: usize, size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..octets / size {
        body.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        body.resize(body.len() + size, b'x');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

fn request(fields: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<u8> {
    head("GET /a/path?with=a&query=string HTTP/1.1\r\n", fields)
}

fn response(fields: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<u8> {
    head("HTTP/1.1 200 OK\r\n", fields)
}

fn head(start: &str, fields: &[(impl AsRef<str>, impl AsRef<str>)]) -> Vec<u8> {
    let mut text = start.to_owned();
    for (name, value) in fields {
        text += &format!("{}: {}\r\n", name.as_ref(), value.as_ref());
    }
    text += "\r\n";
    text.into_bytes()
}

/// A Host, and as many fields of one's own as make thirty.
fn thirty() -> Vec<(String, String)> {
    let own = (1..30).map(|number| {
        (
            format!("X-Field-{number:02}"),
            format!("value-{number:02}-abcdefghijklmnopqrstuvwxyz"),
        )
    });
    let host = ("Host".to_owned(), "bench.example".to_owned());
    std::iter::once(host).chain(own).collect()
}

/// What a browser sends, about.
const BROWSER: [(&str, &str); 11] = [
    ("Host", "bench.example"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Language", "en-GB,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Connection", "keep-alive"),
    (
        "Cookie",
        "session=0123456789abcdef0123456789abcdef; theme=dark",
    ),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
];

/// What an application answers, about.
const APPLICATION: [(&str, &str); 9] = [
    ("Server", "origin"),
    ("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Length", "512"),
    ("Connection", "keep-alive"),
    ("Cache-Control", "private, max-age=0, must-revalidate"),
    ("ETag", "W/\"200-0123456789abcdef\""),
    ("Vary", "Accept-Encoding"),
    (
        "Set-Cookie",
        "session=0123456789abcdef; Path=/; HttpOnly; Secure; SameSite=Lax",
    ),
];

struct Bench {
    /// What the names of rows must contain.
    wanted: String,
}

impl Bench {
    /// Times both ways over the same octets, in turn.
    fn row(&self, name: &str, octets: usize, mut osier: impl FnMut(), mut bare: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
        let counts = (enough(&mut osier), enough(&mut bare));
        let mut rounds = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            rounds.0.push(time(counts.0, &mut osier) / octets as f64);
            rounds.1.push(time(counts.1, &mut bare) / octets as f64);
        }
        let (osier, bare) = (median(rounds.0), median(rounds.1));
        let ratio = osier / bare;
        println!("{name:<46} {octets:>8} {osier:>12.4} {bare:>12.4} {ratio:>8.2}");
    }
}

/// How often the work has to be repeated to take some milliseconds.
fn enough(work: &mut impl FnMut()) -> u32 {
    let mut count = 1;
    while time(count, work) * f64::from(count) < 5e6 {
        count *= 2;
    }
    count
}

/// Nanoseconds of one of `count` repetitions.
fn time(count: u32, work: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..count {
        work();
    }
    nanos(begun.elapsed()) / f64::from(count)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
