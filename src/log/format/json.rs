//! Records as JSON objects (RFC 8259), in ASCII.

use super::keyed::{Key, Style};
use super::{LOWER, Value};

pub(super) struct Json;

impl Style for Json {
    const TIME: &'static str = "{\"time\":\"";
    const CLIENT: &'static str = "\",\"client\":\"";
    const AFTER: &'static str = "\"";
    const END: &'static str = "}\n";

    fn key(key: &Key) -> &'static str {
        key.json
    }

    fn text(line: &mut Vec<u8>, value: Value<'_>) {
        line.push(b'"');
        if value.is_clean() {
            value.push_plain(line);
        } else {
            push_escaped(line, value.octets);
            value.push_cut(line);
        }
        line.push(b'"');
    }
}

fn push_escaped(line: &mut Vec<u8>, octets: &[u8]) {
    for chunk in octets.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' => line.extend_from_slice(b"\\\""),
                '\\' => line.extend_from_slice(b"\\\\"),
                // ASCII, so it is an octet.
                ' '..='~' => line.push(char as u8),
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        push_unit(line, *unit);
                    }
                }
            }
        }
        if !chunk.invalid().is_empty() {
            push_unit(line, 0xfffd);
        }
    }
}

/// Appends `\uHHHH`.
fn push_unit(line: &mut Vec<u8>, unit: u16) {
    line.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        line.push(LOWER[usize::from(unit >> shift & 15)]);
    }
}
