//! What a certificate says of itself and webpki does not tell: its times, and its subject as people write it.
//!
//! Only certificates that webpki has read come here, so DER that is not as it should be is none of it: `None`.

use std::fmt::Write as _;

/// A tag and what it stands in front of, of DER (X.690 §8.1).
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, in which a certificate's version is.
const VERSION: u8 = 0xa0;

/// Takes the next element off the front.
fn next<'a>(der: &mut &'a [u8]) -> Option<Element<'a>> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let octets = usize::from(first & 0x7f);
        if octets == 0 || octets > 4 {
            return None;
        }
        let (long, behind) = rest.split_at_checked(octets)?;
        length = long
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        rest = behind;
    }
    let (content, behind) = rest.split_at_checked(length)?;
    *der = behind;
    Some(Element { tag, content })
}

/// The next element, which is of this kind.
fn expect<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(der).filter(|it| it.tag == tag).map(|it| it.content)
}

/// From when to when a certificate is valid, in seconds since 1970 (RFC 5280 §4.1.2.5).
pub(super) fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let mut certificate = expect(&mut &*certificate, SEQUENCE)?;
    let mut body = expect(&mut certificate, SEQUENCE)?;
    let first = next(&mut body)?;
    if first.tag == VERSION {
        // Behind it is the serial number.
        next(&mut body)?;
    }
    // The signature's algorithm, and the issuer.
    next(&mut body)?;
    next(&mut body)?;
    let mut validity = expect(&mut body, SEQUENCE)?;
    Some((time(next(&mut validity)?)?, time(next(&mut validity)?)?))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5.1).
fn time(element: Element<'_>) -> Option<u64> {
    let text = element.content.strip_suffix(b"Z")?;
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (year, rest) = match (element.tag, text.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = text.split_at(2);
            match number(year) {
                year @ 0..=49 => (2000 + year, rest),
                year => (1900 + year, rest),
            }
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = text.split_at(4);
            (number(year), rest)
        }
        _ => return None,
    };
    let mut parts = rest.chunks(2).map(number);
    let (month, day) = (parts.next()?, parts.next()?);
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_time || hour > 23 || minute > 59 || second > 60 || year < 1970 {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(digits: &[u8]) -> u64 {
    let digits = digits.iter().map(|digit| u64::from(digit - b'0'));
    digits.fold(0, |sum, digit| sum * 10 + digit)
}

/// Days since 1970-01-01, by the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March: the day that is sometimes there is the last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let before = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    // From 1970-01-01 back to 0000-03-01.
    (era * 146_097 + before).saturating_sub(719_468)
}

/// A name as RFC 4514 writes it, the most specific part first: `CN=web,O=Example`. `name` is what is inside of the
/// outer sequence. Only printable ASCII comes out of it, so it can stand in a field line.
pub(super) fn subject(mut name: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while !name.is_empty() {
        let mut set = expect(&mut name, SET)?;
        let mut part = String::new();
        while !set.is_empty() {
            let mut pair = expect(&mut set, SEQUENCE)?;
            let kind = expect(&mut pair, OID)?;
            let value = next(&mut pair)?;
            if !part.is_empty() {
                part.push('+');
            }
            push_pair(&mut part, kind, &value)?;
        }
        parts.push(part);
    }
    parts.reverse();
    Some(parts.join(","))
}

fn push_pair(out: &mut String, kind: &[u8], value: &Element<'_>) -> Option<()> {
    // RFC 4514 §3, and the e-mail address of PKCS #9 as everybody writes it.
    let short = match kind {
        [0x55, 4, 3] => Some("CN"),
        [0x55, 4, 5] => Some("serialNumber"),
        [0x55, 4, 6] => Some("C"),
        [0x55, 4, 7] => Some("L"),
        [0x55, 4, 8] => Some("ST"),
        [0x55, 4, 9] => Some("STREET"),
        [0x55, 4, 10] => Some("O"),
        [0x55, 4, 11] => Some("OU"),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => Some("emailAddress"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => Some("UID"),
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => Some("DC"),
        _ => None,
    };
    match (short, value.tag) {
        // UTF8String, PrintableString, TeletexString, IA5String, as the octets they are.
        (Some(short), 0x0c | 0x13 | 0x14 | 0x16) => {
            out.push_str(short);
            out.push('=');
            push_escaped(out, value.content);
        }
        // Any other is written by number and in hexadecimal (RFC 4514 §2.4).
        _ => {
            push_dotted(out, kind)?;
            out.push_str("=#");
            let length = u8::try_from(value.content.len())
                .ok()
                .filter(|it| *it < 128)?;
            for octet in [value.tag, length].iter().chain(value.content) {
                let _ = write!(out, "{octet:02x}");
            }
        }
    }
    Some(())
}

/// RFC 4514 §2.4; what is not printable ASCII as hexadecimal pairs.
fn push_escaped(out: &mut String, value: &[u8]) {
    let last = value.len().saturating_sub(1);
    for (place, octet) in value.iter().enumerate() {
        match octet {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => {
                out.push('\\');
                out.push(char::from(*octet));
            }
            b'#' if place == 0 => out.push_str("\\#"),
            b' ' if place == 0 || place == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(*octet)),
            _ => {
                let _ = write!(out, "\\{octet:02X}");
            }
        }
    }
}

/// An object identifier as numbers with dots (X.690 §8.19).
fn push_dotted(out: &mut String, kind: &[u8]) -> Option<()> {
    let mut arc: u64 = 0;
    let mut is_first = true;
    for octet in kind {
        arc = arc.checked_mul(128)? | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if is_first {
            let top = (arc / 40).min(2);
            let _ = write!(out, "{top}.{}", arc - top * 40);
        } else {
            let _ = write!(out, ".{arc}");
        }
        (arc, is_first) = (0, false);
    }
    Some(())
}
