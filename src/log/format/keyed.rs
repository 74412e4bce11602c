//! A record as keys and values: which there are, under which names, in which order.

use std::time::{Duration, SystemTime};

use super::{Value, push_ip, push_millis, push_number};
use crate::log::record::Record;
use crate::log::stamp::{Form, Stamper};

/// How keys and values are put down.
pub(super) trait Style {
    /// From the start of the line to the time.
    const TIME: &'static str;
    /// From the time to the client.
    const CLIENT: &'static str;
    /// Behind the client.
    const AFTER: &'static str;
    /// The end of the line.
    const END: &'static str;

    /// A key with what is around it.
    fn key(key: &Key) -> &'static str;

    /// Appends a value that may be any octets.
    fn text(line: &mut Vec<u8>, value: Value<'_>);
}

/// A key as each style puts it down.
pub(super) struct Key {
    pub(super) logfmt: &'static str,
    pub(super) json: &'static str,
}

macro_rules! key {
    ($name:literal) => {
        Key {
            logfmt: concat!(" ", $name, "="),
            json: concat!(",\"", $name, "\":"),
        }
    };
}

pub(super) fn write<S: Style>(
    record: &Record<'_>,
    redacts: bool,
    now: SystemTime,
    stamper: &mut Stamper,
    line: &mut Vec<u8>,
) {
    push(line, S::TIME);
    stamper.push(Form::Iso, now, line);
    push(line, S::CLIENT);
    match record.client {
        Some(ip) => push_ip(line, ip),
        None => push(line, "unix"),
    }
    push(line, S::AFTER);
    if !record.stream.is_empty() {
        return stream::<S>(record, line);
    }
    number::<S>(line, &key!("exchange"), record.exchange);
    octets::<S>(line, &key!("method"), record.method);
    octets::<S>(line, &key!("host"), record.host);
    let target = Value::reference(record.target, redacts);
    value::<S>(line, &key!("target"), target);
    octets::<S>(line, &key!("request_id"), record.request_id);
    octets::<S>(line, &key!("trace_id"), record.trace_id);
    number::<S>(line, &key!("status"), u64::from(record.status));
    number::<S>(line, &key!("received"), record.received);
    number::<S>(line, &key!("sent"), record.sent);
    octets::<S>(line, &key!("route"), record.route.as_bytes());
    origin::<S>(record, line);
    if let Some(reused) = record.reused {
        push(line, S::key(&key!("reused")));
        push(line, if reused { "true" } else { "false" });
    }
    millis::<S>(line, &key!("queue_ms"), record.queue);
    millis::<S>(line, &key!("connect_ms"), record.connect);
    millis::<S>(line, &key!("first_ms"), record.first);
    millis::<S>(line, &key!("total_ms"), Some(record.total));
    end::<S>(record, line);
}

/// What is said of a connection that carried no HTTP, from the client on.
fn stream<S: Style>(record: &Record<'_>, line: &mut Vec<u8>) {
    number::<S>(line, &key!("tunnel"), record.exchange);
    octets::<S>(line, &key!("stream"), record.stream.as_bytes());
    octets::<S>(line, &key!("sni"), record.host);
    number::<S>(line, &key!("received"), record.received);
    number::<S>(line, &key!("sent"), record.sent);
    origin::<S>(record, line);
    millis::<S>(line, &key!("connect_ms"), record.connect);
    millis::<S>(line, &key!("total_ms"), Some(record.total));
    end::<S>(record, line);
}

/// Where it went.
fn origin<S: Style>(record: &Record<'_>, line: &mut Vec<u8>) {
    octets::<S>(line, &key!("upstream"), record.upstream.as_bytes());
    if !record.endpoint.is_empty() {
        octets::<S>(line, &key!("endpoint"), record.endpoint.as_bytes());
        number::<S>(line, &key!("attempts"), u64::from(record.attempts));
    }
}

fn end<S: Style>(record: &Record<'_>, line: &mut Vec<u8>) {
    let cause = record.cause.unwrap_or_default();
    octets::<S>(line, &key!("cause"), cause.as_bytes());
    push(line, S::END);
}

fn push(line: &mut Vec<u8>, text: &'static str) {
    line.extend_from_slice(text.as_bytes());
}

fn number<S: Style>(line: &mut Vec<u8>, key: &Key, number: u64) {
    push(line, S::key(key));
    push_number(line, number);
}

fn millis<S: Style>(line: &mut Vec<u8>, key: &Key, duration: Option<Duration>) {
    if let Some(duration) = duration {
        push(line, S::key(key));
        push_millis(line, duration);
    }
}

fn octets<S: Style>(line: &mut Vec<u8>, key: &Key, octets: &[u8]) {
    value::<S>(line, key, Value::whole(octets));
}

/// What is empty is not there, and its key neither.
fn value<S: Style>(line: &mut Vec<u8>, key: &Key, value: Value<'_>) {
    if !value.is_empty() {
        push(line, S::key(key));
        S::text(line, value);
    }
}
