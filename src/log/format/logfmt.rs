//! Records as `key=value`.

use super::keyed::{Key, Style};
use super::{LOWER, Value, push_hex};

pub(super) struct Logfmt;

impl Style for Logfmt {
    const TIME: &'static str = "time=";
    const CLIENT: &'static str = " client=";
    const AFTER: &'static str = "";
    const END: &'static str = "\n";

    fn key(key: &Key) -> &'static str {
        key.logfmt
    }

    fn text(line: &mut Vec<u8>, value: Value<'_>) {
        if value.is_bare() {
            return value.push_plain(line);
        }
        line.push(b'"');
        if value.is_clean() {
            value.push_plain(line);
        } else {
            value.push(line, |octet, line| match octet {
                b'"' | b'\\' => line.extend_from_slice(&[b'\\', octet]),
                _ => push_hex(line, octet, LOWER),
            });
        }
        line.push(b'"');
    }
}
