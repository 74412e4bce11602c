//! What the codec costs: heads and chunks, per message and per octet, beside a bare httparse pass over the same octets.
//!
//!     cargo bench --bench codec                  all rows
//!     cargo bench --bench codec -- chunked       those with `chunked` in their name
//!     cargo bench --bench codec -- =pair 20000   one row, so many times, and nothing else: for a profiler
//!
//! The row `pair` is what the proxy does here for one exchange: wrk's request to an origin like nginx, and back. Times
//! move with the machine; the last column, the ratio to httparse in the same run, moves less; instructions under a
//! profiler (`--profile prof`) do not move at all.

#![allow(
    clippy::unwrap_used,
    reason = "what is measured is right, or there is nothing to measure"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use osier::http::forward::{self, Forwarding, HostPolicy, RequestId, Returning};
use osier::http::{
    ConnectionOption, Decoder, Encoder, Expectation, Framed, Limits, Name, Parsed, RequestHead,
    ResponseHead, request_framing, request_persistence, response_framing, response_persistence,
    write_request, write_response,
};

const ROUNDS: usize = 15;

/// What wrk sends.
const REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: 127.0.0.1:18702\r\n\r\n";

/// What nginx answers.
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\
    Date: Mon, 23 Nov 2026 23:42:08 GMT\r\nContent-Type: text/plain\r\nContent-Length: 63\r\n\
    Connection: keep-alive\r\n\r\n";

/// What it answers with.
const BODY: &[u8] = &[b'a'; 63];

/// What a browser sends.
const BROWSER: &[u8] = b"GET /articles/2026/11/a-basket?from=feed&page=2 HTTP/1.1\r\n\
    Host: www.example.com\r\nConnection: keep-alive\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/articles/\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\nCache-Control: max-age=0\r\n\r\n";

fn main() {
    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let mut bench = Bench {
        wanted: args.first().cloned().unwrap_or_default(),
        count: args.get(1).and_then(|count| count.parse().ok()),
    };
    bench.header();
    heads(&mut bench);
    chunks(&mut bench);
}

/// Heads one by one, then all that an exchange does with its two.
fn heads(bench: &mut Bench) {
    let limits = Limits::default();
    let mut request = RequestHead::new();
    for (name, octets) in [("request", REQUEST), ("browser", BROWSER)] {
        bench.row(name, octets.len(), httparse_request(octets), || {
            let parsed = request.parse(black_box(octets), &limits);
            assert_eq!(parsed, Ok(Parsed::Complete(octets.len())));
        });
    }
    let mut response = ResponseHead::new();
    bench.row("response", RESPONSE.len(), httparse_response, || {
        let parsed = response.parse(black_box(RESPONSE), &limits);
        assert_eq!(parsed, Ok(Parsed::Complete(RESPONSE.len())));
    });
    let both = || {
        httparse_request(REQUEST)();
        httparse_response();
    };
    let mut exchange = Exchange::default();
    let octets = REQUEST.len() + RESPONSE.len() + BODY.len();
    bench.row("pair", octets, both, || exchange.carry(REQUEST, RESPONSE));
    let both = || {
        httparse_request(BROWSER)();
        httparse_response();
    };
    let octets = BROWSER.len() + RESPONSE.len() + BODY.len();
    bench.row("pair, browser", octets, both, || {
        exchange.carry(BROWSER, RESPONSE)
    });
}

/// A body of 64 KiB in chunks of several sizes, decoded, and encoded again in the pieces it came in.
fn chunks(bench: &mut Bench) {
    let limits = Limits::default();
    for size in [16, 256, 4096, 65536] {
        let octets = chunked(size, 65536 / size);
        let name = format!("chunked, {size} octets a chunk");
        let mut out = Vec::new();
        bench.row(
            &name,
            octets.len(),
            || httparse_chunks(black_box(&octets)),
            || {
                let framed = Framed::chunked();
                let (mut decoder, mut encoder) =
                    (Decoder::new(&framed, &limits), Encoder::new(&framed));
                assert_eq!(
                    relay(&mut decoder, &mut encoder, black_box(&octets), &mut out),
                    octets.len()
                );
            },
        );
    }
}

/// What the two sides of an exchange hold.
#[derive(Default)]
struct Exchange {
    limits: Limits,
    request: RequestHead,
    request_out: RequestHead,
    response: ResponseHead,
    response_out: ResponseHead,
    octets: Vec<u8>,
}

impl Exchange {
    /// All the proxy does here for one exchange.
    fn carry(&mut self, request: &[u8], response: &[u8]) {
        self.parse_request(black_box(request));
        let framed = self.admit();
        self.forward_request();
        self.write_request(&framed);
        self.relay_nothing(&framed);
        self.parse_response(black_box(response));
        let framed = self.settle();
        self.forward_response();
        self.write_response(&framed);
        self.relay_body(&framed);
        assert!(self.is_reusable(&framed));
    }

    #[inline(never)]
    fn parse_request(&mut self, octets: &[u8]) {
        let parsed = self.request.parse(octets, &self.limits);
        assert_eq!(parsed, Ok(Parsed::Complete(octets.len())));
    }

    #[inline(never)]
    fn admit(&self) -> Framed {
        let framed = request_framing(&self.request, &self.limits).unwrap();
        assert!(request_persistence(&self.request).is_reuse());
        assert!(!self.request.is_connect());
        assert_eq!(self.request.expectation(), Expectation::None);
        framed
    }

    #[inline(never)]
    fn forward_request(&mut self) {
        let how = Forwarding {
            client_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host: HostPolicy::Preserve,
            fallback_host: b"127.0.0.1:18701",
            request_id: RequestId::Keep(b"00000000000a1b2c"),
            ..Forwarding::default()
        };
        forward::request(&self.request, &mut self.request_out, &how).unwrap();
    }

    #[inline(never)]
    fn write_request(&mut self, framed: &Framed) {
        self.octets.clear();
        write_request(&self.request_out, framed, &mut self.octets);
    }

    #[inline(never)]
    fn relay_nothing(&mut self, framed: &Framed) {
        let mut decoder = Decoder::new(framed, &self.limits);
        let mut encoder = Encoder::new(framed);
        relay(&mut decoder, &mut encoder, b"", &mut self.octets);
    }

    #[inline(never)]
    fn parse_response(&mut self, octets: &[u8]) {
        let parsed = self.response.parse(octets, &self.limits);
        assert_eq!(parsed, Ok(Parsed::Complete(octets.len())));
    }

    #[inline(never)]
    fn settle(&self) -> Framed {
        response_framing(&self.response, self.request.method()).unwrap()
    }

    #[inline(never)]
    fn forward_response(&mut self) {
        assert!(self.response.fields().has(Name::Date));
        let how = Returning {
            client_version: self.request.version(),
            ..Returning::default()
        };
        forward::response(&self.response, &mut self.response_out, &how).unwrap();
    }

    #[inline(never)]
    fn write_response(&mut self, framed: &Framed) {
        self.octets.clear();
        write_response(
            &self.response_out,
            &framed.recode(self.request.version()),
            ConnectionOption::None,
            &mut self.octets,
        );
    }

    #[inline(never)]
    fn relay_body(&mut self, framed: &Framed) {
        let mut decoder = Decoder::new(framed, &self.limits);
        let mut encoder = Encoder::new(framed);
        relay(
            &mut decoder,
            &mut encoder,
            black_box(BODY),
            &mut self.octets,
        );
    }

    #[inline(never)]
    fn is_reusable(&self, framed: &Framed) -> bool {
        response_persistence(&self.response, framed).is_reuse()
    }
}

/// Takes the framing off a whole body and puts it on again. Returns the octets of `input` that were it.
fn relay(decoder: &mut Decoder, encoder: &mut Encoder, input: &[u8], out: &mut Vec<u8>) -> usize {
    let mut used = 0;
    while !decoder.is_done() {
        let decoded = decoder.decode(input.get(used..).unwrap()).unwrap();
        used += decoded.consumed;
        out.extend_from_slice(&encoder.chunk_head(decoded.data.len()).unwrap());
        // The content itself goes out from where it lies.
        black_box(decoded.data);
        out.extend_from_slice(encoder.chunk_tail(decoded.data.len()));
    }
    encoder.finish(decoder.trailers(), out).unwrap();
    black_box(&out);
    out.clear();
    used
}

/// A body of `count` chunks of `size` octets.
fn chunked(size: usize, count: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..count {
        octets.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        octets.resize(octets.len() + size, b'a');
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b"0\r\n\r\n");
    octets
}

fn httparse_request(octets: &[u8]) -> impl Fn() {
    move || {
        let mut lines = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut lines);
        assert!(request.parse(black_box(octets)).unwrap().is_complete());
        black_box(&request);
    }
}

fn httparse_response() {
    let mut lines = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut lines);
    assert!(response.parse(black_box(RESPONSE)).unwrap().is_complete());
    black_box(&response);
}

/// Walks chunk-size lines with httparse alone.
fn httparse_chunks(mut octets: &[u8]) {
    loop {
        let size = httparse::parse_chunk_size(octets).unwrap();
        let httparse::Status::Complete((line, size)) = size else {
            panic!("the body is whole");
        };
        if size == 0 {
            return;
        }
        octets = &octets[line + usize::try_from(size).unwrap() + 2..];
    }
}

struct Bench {
    /// What the names of rows must contain, or `=` and the whole name of one.
    wanted: String,
    /// So many times, and no clock.
    count: Option<u64>,
}

impl Bench {
    fn header(&self) {
        if self.count.is_none() {
            println!(
                "{:<32} {:>9} {:>9} {:>9} {:>9} {:>7}",
                "", "ns", "ns/octet", "httparse", "ns/octet", "ratio"
            );
        }
    }

    /// Prints what `work` and `bare` cost, which both pass over so many octets.
    fn row(&mut self, name: &str, octets: usize, bare: impl Fn(), mut work: impl FnMut()) {
        let is_wanted = match self.wanted.strip_prefix('=') {
            Some(whole) => name == whole,
            None => name.contains(&self.wanted),
        };
        if !is_wanted {
            return;
        }
        if let Some(count) = self.count {
            (0..count).for_each(|_| work());
            return;
        }
        // In turns, so that both meet the same weather.
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(time(&mut work));
            theirs.push(time(&bare));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let octets = octets as f64;
        println!(
            "{name:<32} {ours:>9.1} {:>9.3} {theirs:>9.1} {:>9.3} {:>7.2}",
            ours / octets,
            theirs / octets,
            ours / theirs
        );
    }
}

/// Nanoseconds of one call, over so many that the clock does not matter.
fn time(mut work: impl FnMut()) -> f64 {
    let mut count = 64;
    loop {
        let begun = Instant::now();
        (0..count).for_each(|_| work());
        let took = begun.elapsed();
        if took.as_millis() >= 2 {
            return took.as_secs_f64() * 1e9 / f64::from(count);
        }
        count *= 2;
    }
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
