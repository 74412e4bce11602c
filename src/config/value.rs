//! The small grammars inside the file's strings, both ways: durations, sizes, networks, rates.
//!
//! What is refused comes back as what would be right, in the words that stand behind the caret.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::http::target::parse_authority;

/// Longer durations are mistakes, and sums with them stay far from every overflow.
const DURATION_MAX: Duration = Duration::from_secs(3650 * 24 * 3600);

/// The units of durations with their milliseconds, the longest first.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The units of sizes with their octets, those that are printed first.
const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// Reads `10s`, `500ms`, `2m`, `1h`, `1d`: whole numbers of one unit, `0s` among them.
///
/// # Errors
/// What would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text);
    let unit = DURATION_UNITS.iter().find(|(name, _)| *name == unit);
    match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, millis))) => number
            .checked_mul(*millis)
            .map(Duration::from_millis)
            .filter(|duration| *duration <= DURATION_MAX)
            .ok_or_else(|| "at most 3650d".to_owned()),
        (Ok(number), None) if text.bytes().all(|octet| octet.is_ascii_digit()) => Err(format!(
            "a unit is missing: `{number}s`, `{number}ms`, `{number}m`"
        )),
        _ => Err("expected a whole number and ms, s, m, h or d, such as `10s`".to_owned()),
    }
}

/// Reads a duration that is not zero, or `off`.
///
/// # Errors
/// What would be right.
pub fn timeout(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        _ => match duration(text)? {
            Duration::ZERO => Err("write `off` for no timeout".to_owned()),
            duration => Ok(Some(duration)),
        },
    }
}

/// Writes a duration as [`duration`] reads it; parts below a millisecond are left out.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let whole = DURATION_UNITS.iter().find(|(_, unit)| millis % unit == 0);
    let (name, unit) = whole.copied().unwrap_or(("ms", 1));
    format!("{}{name}", millis / unit)
}

/// Writes a timeout as [`timeout`] reads it.
#[must_use]
pub fn timeout_text(timeout: Option<Duration>) -> String {
    timeout.map_or_else(|| "off".to_owned(), duration_text)
}

/// Reads `16KiB`, `10MiB`, `64KB`, `512B`: octets, with units of 1024 or of 1000.
///
/// # Errors
/// What would be right.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = number_and_unit(text);
    let unit = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
    match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, octets))) => number
            .checked_mul(*octets)
            .filter(|octets| *octets < u64::MAX / 4)
            .ok_or_else(|| "too large; write `unlimited` where that is meant".to_owned()),
        (Ok(number), None) if text.bytes().all(|octet| octet.is_ascii_digit()) => Err(format!(
            "a unit is missing: `{number}B`, `{number}KiB`, `{number}MiB`"
        )),
        _ => Err("expected a whole number and B, KiB, MiB, GiB, KB, MB or GB".to_owned()),
    }
}

/// Reads a size, or `unlimited`.
///
/// # Errors
/// What would be right.
pub fn size_or_unlimited(text: &str) -> Result<Option<u64>, String> {
    match text {
        "unlimited" => Ok(None),
        "off" => Err("write `unlimited` for no limit".to_owned()),
        _ => size(text).map(Some),
    }
}

/// Writes a size as [`size`] reads it.
#[must_use]
pub fn size_text(octets: u64) -> String {
    let fits = |unit: &&(&str, u64)| octets % unit.1 == 0 && octets > 0;
    let (name, unit) = SIZE_UNITS.iter().find(fits).copied().unwrap_or(("B", 1));
    format!("{}{name}", octets / unit)
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(digits).unwrap_or((text, ""))
}

/// Where an origin is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As it was written; `None`: it was not.
    pub scheme: Option<Scheme>,
    /// `HOST:PORT` in lower case, or `unix:PATH`.
    pub authority: String,
    /// The path in front of every path, without a slash at its end; empty for none.
    pub base_path: String,
}

/// What is written in front of `://`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// By TLS.
    Https,
}

impl Scheme {
    /// The scheme that `text` begins with, and what is behind it.
    fn of(text: &str) -> (Option<Self>, &str) {
        for (prefix, scheme) in [("http://", Self::Http), ("https://", Self::Https)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return (Some(scheme), rest);
            }
        }
        (None, text)
    }

    /// The port where none is written (RFC 9110 §4.2).
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Reads where an origin is: `HOST:PORT`, `unix:PATH`, `http://HOST[:PORT][/BASE]`, `https://HOST[:PORT][/BASE]`.
///
/// # Errors
/// What would be right.
pub fn origin(text: &str) -> Result<Origin, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() || path.contains('\0') {
            Err("`unix:` needs a path behind it".to_owned())
        } else {
            Ok(Origin {
                scheme: None,
                authority: text.to_owned(),
                base_path: String::new(),
            })
        };
    }
    let (scheme, rest) = Scheme::of(text);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let shape =
        || "expected `HOST:PORT`, `unix:PATH`, `http://HOST:PORT/BASE` or `https://…`".to_owned();
    let authority = match (port_of(authority), scheme) {
        (Some(Ok(_)), _) => authority.to_owned(),
        (Some(Err(())), _) => return Err("the port is a number from 1 to 65535".to_owned()),
        (None, Some(scheme)) if !authority.is_empty() => {
            format!("{authority}:{}", scheme.port())
        }
        (None, _) if !authority.is_empty() && parse_authority(authority.as_bytes()).is_ok() => {
            return Err(format!(
                "a port is missing: HOST:PORT, such as `{authority}:8080`"
            ));
        }
        (None, _) => return Err(shape()),
    };
    if parse_authority(authority.as_bytes()).is_err() {
        return Err(shape());
    }
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'#' | b'?');
    if !path.bytes().all(plain) {
        return Err("the base path has printable characters, without `#` and `?`".to_owned());
    }
    Ok(Origin {
        scheme,
        authority: authority.to_ascii_lowercase(),
        base_path: path.trim_end_matches('/').to_owned(),
    })
}

/// The name of a service, in lower case: one that could be a host's, or has underscores as RFC 2782 wants them, without a
/// port. `None`: it is something else.
pub fn service(text: &str) -> Option<String> {
    const NAME_MAX: usize = 253;
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    let is_name = name.len() <= NAME_MAX && name.split('.').all(is_label);
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
    (is_name && !is_address).then(|| text.to_ascii_lowercase())
}

/// The port behind the last colon; `None` where there is none.
fn port_of(authority: &str) -> Option<Result<u16, ()>> {
    let (host, port) = authority.rsplit_once(':')?;
    if host.is_empty() || (host.starts_with('[') && !host.ends_with(']')) {
        return None;
    }
    let is_number = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    Some(
        port.parse()
            .ok()
            .filter(|port| is_number && *port > 0)
            .ok_or(()),
    )
}

/// So many in a time, as `20/s` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time: a second, a minute or an hour.
    pub per: Duration,
}

/// The units of rates with their seconds.
const RATE_UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a number per s, m or h, such as `20/s`".to_owned();
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let is_number = count.bytes().all(|octet| octet.is_ascii_digit());
        let count = count.parse().ok().filter(|count| is_number && *count > 0);
        let unit = RATE_UNITS.iter().find(|(name, _)| *name == unit);
        match (count, unit) {
            (Some(count), Some((_, seconds))) => Ok(Self {
                count,
                per: Duration::from_secs(*seconds),
            }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.per.as_secs();
        let unit = RATE_UNITS.iter().find(|(_, unit)| *unit == seconds);
        write!(f, "{}/{}", self.count, unit.map_or("s", |(name, _)| *name))
    }
}
