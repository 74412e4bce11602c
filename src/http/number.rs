//! Numbers on the wire: decimal and hexadecimal, digits only.
//!
//! `str::parse` and `from_str_radix` take a sign; the wire does not. RFC 9110 §8.6 (`1*DIGIT`), RFC 9112 §7.1 (`1*HEXDIG`).

use std::fmt;

/// Why octets are not a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// No octet at all.
    Empty,
    /// A leading `+` or `-`.
    Signed,
    /// An octet that is not a DIGIT.
    NotDigit,
    /// More than 64 bits.
    Overflow,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "number is empty",
            Self::Signed => "number has a sign",
            Self::NotDigit => "number has an octet that is no digit",
            Self::Overflow => "number exceeds 64 bits",
        })
    }
}

impl std::error::Error for NumberError {}

/// A number as decimal digits, held inline. At most 20 octets.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// The digits stand at the end.
    digits: [u8; 20],
    /// Invariant: start < 20.
    start: usize,
}

impl Decimal {
    /// The digits of `value`, without leading zeros.
    #[must_use]
    pub fn new(mut value: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = 20usize;
        for digit in digits.iter_mut().rev() {
            *digit = decimal_digit(value % 10);
            start = start.wrapping_sub(1);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Self { digits, start }
    }
}

impl AsRef<[u8]> for Decimal {
    fn as_ref(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// Parses `1*DIGIT`.
///
/// # Errors
/// The first sin met, see [`NumberError`].
///
/// # Source
/// RFC 9110 §8.6.
pub fn parse_decimal(octets: &[u8]) -> Result<u64, NumberError> {
    match octets.first() {
        None => return Err(NumberError::Empty),
        Some(b'+' | b'-') => return Err(NumberError::Signed),
        Some(_) => {}
    }
    octets.iter().try_fold(0u64, |value, &octet| {
        if !octet.is_ascii_digit() {
            return Err(NumberError::NotDigit);
        }
        let digit = u64::from(octet.wrapping_sub(b'0'));
        value
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(digit))
            .ok_or(NumberError::Overflow)
    })
}

/// The value of one HEXDIG, or `None`.
#[must_use]
pub fn hex_value(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(octet.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(octet.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// The digit of a value below 16, in lower case.
#[must_use]
pub fn hex_digit(value: u8) -> u8 {
    match value & 0x0f {
        low @ 0..=9 => b'0'.wrapping_add(low),
        high => b'a'.wrapping_add(high).wrapping_sub(10),
    }
}

/// The digit of a value below ten.
fn decimal_digit(value: u64) -> u8 {
    b'0'.wrapping_add(u8::try_from(value % 10).unwrap_or(0))
}
