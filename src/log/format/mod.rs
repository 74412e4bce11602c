//! What a record looks like, and the small pieces that all formats are made of.
//!
//! Written by hand, without `core::fmt`, because this is done for every request; and into a buffer that is used again,
//! so nothing is allocated. Every line is ASCII, whatever a peer sent, and has one line feed: its last octet.

mod combined;
mod json;
mod keyed;
mod logfmt;

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use self::json::Json;
use self::logfmt::Logfmt;
use super::record::Record;
use super::stamp::Stamper;

/// What access records look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `key=value`, with blanks between: for people and for grep.
    ///
    /// A value with a blank, a `"`, a `=`, a `\` or anything that is no ASCII graphic stands in double quotes, in which
    /// `"` and `\` have a `\` in front and other octets are `\xHH`: nothing is lost.
    #[default]
    Logfmt,
    /// One JSON object, with logfmt's keys; times of day are strings, durations are milliseconds.
    ///
    /// What is no ASCII graphic is escaped, as JSON does it. An octet that is no UTF-8 becomes U+FFFD: JSON has no word
    /// for it.
    Json,
    /// As web servers write it: client, time, request line, status, content octets, Referer, User-Agent.
    ///
    /// In a quoted value `"`, `\` and what is no ASCII graphic are `\xHH`, as nginx does it. What is not there is `-`.
    Combined,
}

impl Format {
    /// Appends `record` as one line. With `redacts`, queries are left out: they become `?-`.
    pub(super) fn write(
        self,
        record: &Record<'_>,
        redacts: bool,
        now: SystemTime,
        stamper: &mut Stamper,
        line: &mut Vec<u8>,
    ) {
        match self {
            Self::Logfmt => keyed::write::<Logfmt>(record, redacts, now, stamper, line),
            Self::Json => keyed::write::<Json>(record, redacts, now, stamper, line),
            Self::Combined => combined::write(record, redacts, now, stamper, line),
        }
    }
}

/// Octets, and what stands behind them where a query was.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    octets: &'a [u8],
    /// Plain in every format.
    tail: &'static str,
}

impl<'a> Value<'a> {
    fn whole(octets: &'a [u8]) -> Self {
        Self { octets, tail: "" }
    }

    /// A reference with its query, or without.
    fn reference(octets: &'a [u8], redacts: bool) -> Self {
        match octets.iter().position(|octet| *octet == b'?') {
            Some(at) if redacts => Self {
                octets: octets.get(..at).unwrap_or_default(),
                tail: "?-",
            },
            _ => Self::whole(octets),
        }
    }

    fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.tail.is_empty()
    }

    /// What writing it takes.
    fn need(&self) -> u8 {
        self.octets
            .iter()
            .fold(PLAIN, |need, octet| need | NEED[usize::from(*octet)])
    }

    /// Appends it, with `escape` for what needs it.
    fn push(&self, to: &mut Vec<u8>, escape: impl Fn(u8, &mut Vec<u8>)) {
        for octet in self.octets {
            if NEED[usize::from(*octet)] & ESCAPE == 0 {
                to.push(*octet);
            } else {
                escape(*octet, to);
            }
        }
        to.extend_from_slice(self.tail.as_bytes());
    }

    /// Appends it, where nothing in it needs an escape.
    fn push_plain(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.octets);
        to.extend_from_slice(self.tail.as_bytes());
    }
}

/// It can stand as it is.
const PLAIN: u8 = 0;
/// It can stand in quotes only: the blank, and `=`, which logfmt has a meaning for.
const QUOTE: u8 = 1;
/// It has to be escaped, in every format.
const ESCAPE: u8 = 2;

/// What each octet needs; of several octets, the bits of all of them.
static NEED: [u8; 256] = {
    let mut need = [ESCAPE; 256];
    let mut octet = b' ';
    while octet <= b'~' {
        need[octet as usize] = match octet {
            b'"' | b'\\' => ESCAPE,
            b' ' | b'=' => QUOTE,
            _ => PLAIN,
        };
        octet += 1;
    }
    need
};

/// Appends a number.
fn push_number(to: &mut Vec<u8>, number: u64) {
    push_padded(to, 1, number);
}

/// Appends a number, with zeros in front until it is so many digits wide.
pub(super) fn push_padded(to: &mut Vec<u8>, width: usize, mut number: u64) {
    /// As many as `u64::MAX` has.
    const DIGITS: usize = 20;
    let mut digits = [b'0'; DIGITS];
    let mut start = DIGITS;
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        // Below ten, so it is an octet.
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
    }
    let start = start.min(DIGITS.saturating_sub(width));
    to.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Appends milliseconds, with three digits of what is below them.
fn push_millis(to: &mut Vec<u8>, duration: Duration) {
    let below = u64::from(duration.subsec_millis());
    match duration.as_secs() {
        0 => push_number(to, below),
        seconds => {
            push_number(to, seconds);
            push_padded(to, 3, below);
        }
    }
    to.push(b'.');
    push_padded(to, 3, u64::from(duration.subsec_micros() % 1000));
}

/// Appends an address.
fn push_ip(to: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (place, octet) in ip.octets().into_iter().enumerate() {
                if place > 0 {
                    to.push(b'.');
                }
                push_number(to, u64::from(octet));
            }
        }
        // A `Vec` takes everything.
        IpAddr::V6(ip) => drop(write!(to, "{ip}")),
    }
}

/// Appends `\xHH`, with these digits.
fn push_hex(to: &mut Vec<u8>, octet: u8, digits: &[u8; 16]) {
    to.extend_from_slice(b"\\x");
    to.push(digits[usize::from(octet >> 4)]);
    to.push(digits[usize::from(octet & 15)]);
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";
