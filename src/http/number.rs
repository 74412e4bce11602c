//! Numbers on the wire, read digit by digit.
//!
//! The standard library's number parsers accept a sign; the wire does not (RFC 9110 §8.6, RFC 9112 §7.1). Nothing
//! else in this room turns octets into a number. Source: RFC 5234 appendix B.1 (DIGIT, HEXDIG).

/// Why octets are no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    /// An octet that is no DIGIT, or no octet at all.
    NotDigits,
    /// All digits, but more than 64 bits.
    Overflow,
}

/// Reads `1*DIGIT`; no sign, no space, at most `u64::MAX`.
#[inline]
pub(super) fn parse_decimal(octets: &[u8]) -> Result<u64, NumberError> {
    if octets.is_empty() || octets.len() > DIGITS_SAFE {
        return parse_long_decimal(octets);
    }
    let mut value: u64 = 0;
    for octet in octets {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NumberError::NotDigits);
        }
        // Nineteen digits cannot overflow 64 bits.
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Ok(value)
}

/// Reads so many digits that they may overflow, or none.
#[cold]
#[inline(never)]
fn parse_long_decimal(octets: &[u8]) -> Result<u64, NumberError> {
    if octets.is_empty() || !octets.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::NotDigits);
    }
    let mut value: u64 = 0;
    for octet in octets {
        value = value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(octet.wrapping_sub(b'0'))))
            .ok_or(NumberError::Overflow)?;
    }
    Ok(value)
}

/// The value of one HEXDIG, either case.
#[inline]
pub(super) fn hex_value(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(octet.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(octet.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// Appends `value` in decimal, without allocating beyond `buf`.
#[inline]
pub(super) fn write_decimal(value: u64, buf: &mut Vec<u8>) {
    match value {
        0..10 => buf.push(decimal_digit(value)),
        10..100 => buf.extend_from_slice(&[decimal_digit(value / 10), decimal_digit(value)]),
        100..1000 => buf.extend_from_slice(&[
            decimal_digit(value / 100),
            decimal_digit(value / 10),
            decimal_digit(value),
        ]),
        _ => write_long_decimal(value, buf),
    }
}

/// Appends a number of four digits or more.
fn write_long_decimal(mut value: u64, buf: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut length: usize = 0;
    for slot in digits.iter_mut().rev() {
        *slot = decimal_digit(value);
        value /= 10;
        length = length.saturating_add(1);
        if value == 0 {
            break;
        }
    }
    let start = digits.len().saturating_sub(length);
    buf.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Appends an IPv4 address: four numbers with dots between them.
#[inline]
pub(super) fn write_ipv4(parts: [u8; 4], buf: &mut Vec<u8>) {
    // Three digits and a dot, four times; the last dot is not written.
    let (mut text, mut length) = ([0; 16], 0_usize);
    for part in parts {
        let place = text.get_mut(length..).unwrap_or_default();
        let part = PARTS.get(usize::from(part));
        if let (Some(place), Some(part)) = (place.first_chunk_mut::<4>(), part) {
            *place = *part;
            let is_long = usize::from(part[3] == b'.');
            let is_short = usize::from(part[1] == b'.');
            length = length
                .wrapping_add(3)
                .wrapping_add(is_long)
                .wrapping_sub(is_short);
        }
    }
    buf.extend_from_slice(text.get(..length.saturating_sub(1)).unwrap_or_default());
}

/// The last decimal digit of `value`, as an octet.
#[inline]
const fn decimal_digit(value: u64) -> u8 {
    // A remainder by ten is below ten, so the cast keeps it whole.
    b'0'.wrapping_add((value % 10) as u8)
}

/// The lowest hexadecimal digit of `value`, as an octet.
pub(super) fn hex_digit(value: u64) -> u8 {
    // The mask leaves four bits, so the cast keeps them whole.
    match (value & 0xf) as u8 {
        digit @ 0..=9 => b'0'.wrapping_add(digit),
        digit => b'a'.wrapping_sub(10).wrapping_add(digit),
    }
}

/// So many decimal digits fit 64 bits whatever they are.
const DIGITS_SAFE: usize = 19;

/// The parts an IPv4 address may have, each with a dot behind it.
static PARTS: [[u8; 4]; 256] = parts();

/// Makes [`PARTS`].
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs in the compiler, which checks both"
)]
const fn parts() -> [[u8; 4]; 256] {
    let mut parts = [[0; 4]; 256];
    let mut part = 0;
    while part < parts.len() {
        let digits = [
            decimal_digit(part as u64 / 100),
            decimal_digit(part as u64 / 10),
            decimal_digit(part as u64),
        ];
        parts[part] = match part {
            0..10 => [digits[2], b'.', 0, 0],
            10..100 => [digits[1], digits[2], b'.', 0],
            _ => [digits[0], digits[1], digits[2], b'.'],
        };
        part += 1;
    }
    parts
}
