//! Deadlines on the wire: fields in which a client says how long it waits, and in which an origin is told.
//!
//! They carry what is left as a duration, because clocks differ; the time on the way is not in it. Sources: gRPC over
//! HTTP/2, "Timeout"; the Connect protocol, "Connect-Timeout-Ms".

use std::fmt;
use std::time::Duration;

use super::field::Fields;
use super::number::write_decimal;

/// How many digits a number of milliseconds has at most.
const MILLIS_DIGITS: usize = 10;
/// The largest such number.
const MILLIS_MAX: u64 = 9_999_999_999;
/// How many digits a number has at most that a unit follows.
const GRPC_DIGITS: usize = 8;
/// The largest such number.
const GRPC_MAX: u128 = 99_999_999;
/// The units of gRPC, the finest first, with their nanoseconds.
const GRPC_UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// How a field writes a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As milliseconds, in at most ten digits.
    Millis,
    /// As at most eight digits and a unit: `H`, `M`, `S`, `m`, `u` or `n`.
    Grpc,
}

/// A field that carries a deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineField {
    /// Its name, as it is sent.
    pub name: String,
    /// How it writes a duration.
    pub form: Form,
}

impl DeadlineField {
    /// The field of this name: `grpc-timeout` has a form of its own, all others are milliseconds.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let form = match name.eq_ignore_ascii_case("grpc-timeout") {
            true => Form::Grpc,
            false => Form::Millis,
        };
        Self {
            name: name.to_owned(),
            form,
        }
    }
}

impl fmt::Display for DeadlineField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A value that is no duration. It counts as if it were absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads a value. Zero is a deadline that is over.
///
/// # Errors
/// [`Malformed`]: a sign, a blank, too many digits, no unit or an unknown one, a list.
pub fn parse(form: Form, value: &[u8]) -> Result<Duration, Malformed> {
    let (digits, unit, most) = match form {
        Form::Millis => (value, 1_000_000, MILLIS_DIGITS),
        Form::Grpc => {
            let (unit, digits) = value.split_last().ok_or(Malformed)?;
            let known = GRPC_UNITS.iter().find(|(name, _)| name == unit);
            (digits, known.ok_or(Malformed)?.1, GRPC_DIGITS)
        }
    };
    if digits.is_empty() || digits.len() > most || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let number = digits.iter().fold(0_u128, |sum, digit| {
        let digit = u128::from(digit.saturating_sub(b'0'));
        sum.saturating_mul(10).saturating_add(digit)
    });
    // Eight digits of hours are below 10^21 nanoseconds.
    let nanos = number.saturating_mul(unit);
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Ok(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

/// Appends what is `left`, rounded down, but never to zero: some take that for no deadline at all.
pub fn write(form: Form, left: Duration, out: &mut Vec<u8>) {
    match form {
        Form::Millis => {
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            write_decimal(millis.clamp(1, MILLIS_MAX), out);
        }
        Form::Grpc => {
            let nanos = left.as_nanos().max(1);
            let fits = |(_, unit): &&(u8, u128)| in_units(nanos, *unit) <= GRPC_MAX;
            let finest = GRPC_UNITS.iter().find(fits);
            let (name, unit) = finest.copied().unwrap_or((b'H', 3_600_000_000_000));
            let number = in_units(nanos, unit).min(GRPC_MAX);
            out.extend_from_slice(number.to_string().as_bytes());
            out.push(name);
        }
    }
}

/// How many whole units so many nanoseconds are.
fn in_units(nanos: u128, unit: u128) -> u128 {
    nanos.checked_div(unit).unwrap_or(nanos)
}

/// What a message says of its sender's patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// The shortest of what it says well.
    pub shortest: Option<Duration>,
    /// How many fields it says it in badly. Those count as absent.
    pub malformed: usize,
}

/// Reads `names` in `fields`. A field that is there twice says it badly.
pub fn asked<'a>(fields: &Fields, names: impl IntoIterator<Item = &'a DeadlineField>) -> Asked {
    let mut asked = Asked::default();
    for field in names {
        let mut values = fields.get_all(&field.name);
        let Some(first) = values.next() else { continue };
        match parse(field.form, first) {
            Ok(left) if values.next().is_none() => {
                asked.shortest = Some(asked.shortest.map_or(left, |shortest| shortest.min(left)));
            }
            _ => asked.malformed = asked.malformed.saturating_add(1),
        }
    }
    asked
}
