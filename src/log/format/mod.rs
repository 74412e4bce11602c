//! What a record looks like, and the small pieces that all formats are made of.
//!
//! Written by hand, without `core::fmt`, because this is done for every request; and into a buffer that is used again,
//! so nothing is allocated. Every line is ASCII, whatever a peer sent, and has one line feed: its last octet.

mod combined;
mod json;
mod keyed;
mod logfmt;
pub(super) mod plain;

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use self::json::Json;
use self::logfmt::Logfmt;
use self::plain::{BARE, QUOTED};
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

/// What stands for a query that is left out. Bare in every format.
const CUT: &[u8] = b"?-";

/// Octets of a record, with their query or without.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    octets: &'a [u8],
    /// A query was behind them.
    is_cut: bool,
}

impl<'a> Value<'a> {
    fn whole(octets: &'a [u8]) -> Self {
        Self {
            octets,
            is_cut: false,
        }
    }

    /// A reference with its query, or without.
    fn reference(octets: &'a [u8], redacts: bool) -> Self {
        if redacts {
            if let Some(at) = octets.iter().position(|octet| *octet == b'?') {
                return Self {
                    octets: octets.get(..at).unwrap_or_default(),
                    is_cut: true,
                };
            }
        }
        Self::whole(octets)
    }

    fn is_empty(&self) -> bool {
        self.octets.is_empty() && !self.is_cut
    }

    /// It can stand as it is.
    fn is_bare(&self) -> bool {
        plain::has_only::<{ BARE }>(self.octets)
    }

    /// It can stand as it is between double quotes.
    fn is_clean(&self) -> bool {
        plain::has_only::<{ BARE | QUOTED }>(self.octets)
    }

    /// Appends it, with `escape` for what needs it.
    fn push(&self, to: &mut Vec<u8>, escape: impl Fn(u8, &mut Vec<u8>)) {
        for octet in self.octets {
            if plain::is_of(*octet, BARE | QUOTED) {
                to.push(*octet);
            } else {
                escape(*octet, to);
            }
        }
        self.push_cut(to);
    }

    /// Appends it, where nothing in it needs an escape.
    fn push_plain(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.octets);
        self.push_cut(to);
    }

    /// Appends what stands for the query, where one was.
    fn push_cut(&self, to: &mut Vec<u8>) {
        if self.is_cut {
            to.extend_from_slice(CUT);
        }
    }
}

/// Appends a number.
pub(super) fn push_number(to: &mut Vec<u8>, number: u64) {
    match number {
        0..10 => to.push(b'0' + number as u8),
        10..100 => push_two(to, number),
        100..1000 => push_three(to, number),
        _ => {
            push_number(to, number / 1000);
            push_three(to, number % 1000);
        }
    }
}

/// Appends the last two digits of a number.
pub(super) fn push_two(to: &mut Vec<u8>, number: u64) {
    let [_, tens, ones] = digits(number);
    to.extend_from_slice(&[tens, ones]);
}

/// Appends the last three digits of a number.
pub(super) fn push_three(to: &mut Vec<u8>, number: u64) {
    to.extend_from_slice(&digits(number));
}

/// The last three digits of a number. A table of them would be read from memory that is cold each time.
fn digits(number: u64) -> [u8; 3] {
    let number = (number % 1000) as u32;
    let (hundreds, rest) = (number / 100, number % 100);
    [hundreds, rest / 10, rest % 10].map(|digit| b'0' + digit as u8)
}

/// Appends milliseconds, with three digits of what is below them.
fn push_millis(to: &mut Vec<u8>, duration: Duration) {
    let micros = u64::from(duration.subsec_micros());
    match duration.as_secs() {
        0 => push_number(to, micros / 1000),
        seconds => {
            push_number(to, seconds);
            push_three(to, micros / 1000);
        }
    }
    to.push(b'.');
    push_three(to, micros);
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
