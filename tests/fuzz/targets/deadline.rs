//! Deadlines in fields: read as a second reading of their grammars says, written so that they are read as no more.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use osier::http::deadline::{Form, parse, write};

fuzz_target!(|input: &[u8]| {
    let Some((form, value)) = input.split_first() else {
        return;
    };
    let form = if form & 1 == 0 { Form::Millis } else { Form::Grpc };
    let parsed = parse(form, value).ok();
    assert_eq!(parsed, oracle(form, value));
    let octets: [u8; 8] = std::array::from_fn(|at| value.get(at).copied().unwrap_or(0));
    let drawn = Duration::from_nanos(u64::from_le_bytes(octets));
    for left in parsed.into_iter().chain([drawn]) {
        let mut out = Vec::new();
        write(form, left, &mut out);
        let told = parse(form, &out).expect("what we write is well formed");
        assert!(told > Duration::ZERO, "some take zero for no deadline at all");
        let least = match form {
            Form::Millis => Duration::from_millis(1),
            Form::Grpc => Duration::from_nanos(1),
        };
        assert!(told <= left.max(least), "more than is left");
    }
});

/// `1*10DIGIT`; `1*8DIGIT ("H" / "M" / "S" / "m" / "u" / "n")`.
fn oracle(form: Form, value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    let (digits, most, nanos) = match form {
        Form::Millis => (text, 10, 1_000_000_u128),
        Form::Grpc => {
            let unit = text.chars().last()?;
            let nanos = match unit {
                'H' => 3_600_000_000_000,
                'M' => 60_000_000_000,
                'S' => 1_000_000_000,
                'm' => 1_000_000,
                'u' => 1_000,
                'n' => 1,
                _ => return None,
            };
            (&text[..text.len() - 1], 8, nanos)
        }
    };
    let is_number = (1..=most).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
    let nanos = digits.parse::<u128>().ok().filter(|_| is_number)? * nanos;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}
