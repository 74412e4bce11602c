//! Records as web servers write them: Apache's combined format.

use std::time::SystemTime;

use super::{UPPER, Value, push_hex, push_ip, push_number, push_three};
use crate::http::head::Version;
use crate::log::record::Record;
use crate::log::stamp::{Form, Stamper};

pub(super) fn write(
    record: &Record<'_>,
    redacts: bool,
    now: SystemTime,
    stamper: &mut Stamper,
    line: &mut Vec<u8>,
) {
    match record.client {
        Some(ip) => push_ip(line, ip),
        // What nginx says of a client without an address.
        None => line.extend_from_slice(b"unix:"),
    }
    // Who it says it is, and who it proved to be: nobody.
    line.extend_from_slice(b" - - [");
    stamper.push(Form::Common, now, line);
    line.extend_from_slice(b"] \"");
    match record.version {
        Some(version) => {
            push(line, Value::whole(record.method));
            line.push(b' ');
            push(line, Value::reference(record.target, redacts));
            line.extend_from_slice(match version {
                Version::Http10 => b" HTTP/1.0",
                Version::Http11 => b" HTTP/1.1",
            });
        }
        None => line.push(b'-'),
    }
    line.extend_from_slice(b"\" ");
    match u64::from(record.status) {
        // There is none where nobody was answered, and nginx writes that so.
        status @ 0..1000 => push_three(line, status),
        status => push_number(line, status),
    }
    line.push(b' ');
    push_number(line, record.sent);
    line.extend_from_slice(b" \"");
    push(line, or_dash(Value::reference(record.referer, redacts)));
    line.extend_from_slice(b"\" \"");
    push(line, or_dash(Value::whole(record.user_agent)));
    line.extend_from_slice(b"\"\n");
}

fn or_dash(value: Value<'_>) -> Value<'_> {
    if value.is_empty() {
        Value::whole(b"-")
    } else {
        value
    }
}

/// Appends what stands in quotes already.
fn push(line: &mut Vec<u8>, value: Value<'_>) {
    if value.is_clean() {
        value.push_plain(line);
    } else {
        value.push(line, |octet, line| push_hex(line, octet, UPPER));
    }
}
