use std::fmt::Debug;
use std::time::Duration;

use super::super::value::{
    Origin, Rate, Scheme, duration, duration_text, origin, size, size_or_unlimited, size_text,
    timeout, timeout_text,
};

/// What each text is read as; `Err`: a part of what is said of it.
#[track_caller]
fn check<T: Debug + PartialEq>(
    read: impl Fn(&str) -> Result<T, String>,
    cases: &[(&str, Result<T, &str>)],
) {
    for (text, expected) in cases {
        match (read(text), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, *expected, "{text:?}"),
            (Err(said), Err(part)) => assert!(said.contains(part), "{text:?}: {said}"),
            (read, expected) => panic!("{text:?}: {read:?}, not {expected:?}"),
        }
    }
}

#[test]
fn durations_are_whole_numbers_of_one_unit() {
    let ms = |count| Ok(Duration::from_millis(count));
    check(
        duration,
        &[
            ("0s", ms(0)),
            ("1ms", ms(1)),
            ("10s", ms(10_000)),
            ("2m", ms(120_000)),
            ("1h", ms(3_600_000)),
            ("1d", ms(86_400_000)),
            ("3650d", ms(3650 * 86_400_000)),
            ("007s", ms(7000)),
            ("3651d", Err("at most 3650d")),
            ("18446744073709551615d", Err("at most 3650d")),
            ("18446744073709551616s", Err("whole number")),
            ("10", Err("a unit is missing: `10s`")),
            ("", Err("whole number")),
            ("s", Err("whole number")),
            ("1.5s", Err("whole number")),
            ("-1s", Err("whole number")),
            ("+1s", Err("whole number")),
            ("1 s", Err("whole number")),
            (" 1s", Err("whole number")),
            ("1S", Err("whole number")),
            ("1us", Err("whole number")),
            ("1h30m", Err("whole number")),
            ("off", Err("whole number")),
            ("٣s", Err("whole number")),
        ],
    );
}

#[test]
fn a_timeout_is_a_duration_or_off_and_never_zero() {
    check(
        timeout,
        &[
            ("off", Ok(None)),
            ("1ms", Ok(Some(Duration::from_millis(1)))),
            ("0s", Err("write `off`")),
            ("Off", Err("whole number")),
        ],
    );
}

#[test]
fn sizes_have_units_of_both_kinds() {
    check(
        size,
        &[
            ("0B", Ok(0)),
            ("512B", Ok(512)),
            ("16KiB", Ok(16 << 10)),
            ("10MiB", Ok(10 << 20)),
            ("2GiB", Ok(2 << 30)),
            ("64KB", Ok(64_000)),
            ("1MB", Ok(1_000_000)),
            ("1GB", Ok(1_000_000_000)),
            ("16", Err("a unit is missing: `16B`")),
            ("16K", Err("B, KiB")),
            ("16kib", Err("B, KiB")),
            ("1.5MiB", Err("B, KiB")),
            ("-1B", Err("B, KiB")),
            ("99999999999GiB", Err("too large")),
            ("18446744073709551615B", Err("too large")),
        ],
    );
    check(
        size_or_unlimited,
        &[
            ("unlimited", Ok(None)),
            ("1B", Ok(Some(1))),
            ("off", Err("write `unlimited`")),
        ],
    );
}

#[test]
fn origins_have_a_port_and_at_most_a_base_path() {
    let is = |scheme, authority: &str, base: &str| {
        Ok(Origin {
            scheme,
            authority: authority.to_owned(),
            base_path: base.to_owned(),
        })
    };
    let at = |authority: &str, base: &str| is(None, authority, base);
    let http = |authority: &str, base: &str| is(Some(Scheme::Http), authority, base);
    let https = |authority: &str, base: &str| is(Some(Scheme::Https), authority, base);
    check(
        origin,
        &[
            ("127.0.0.1:8080", at("127.0.0.1:8080", "")),
            ("[::1]:8080", at("[::1]:8080", "")),
            ("App.Internal:8080", at("app.internal:8080", "")),
            ("http://app.internal", http("app.internal:80", "")),
            ("http://app.internal:81/", http("app.internal:81", "")),
            ("http://a:81/Base/x/", http("a:81", "/Base/x")),
            ("http://[::1]/x", http("[::1]:80", "/x")),
            ("https://App.internal", https("app.internal:443", "")),
            ("https://a:1/x/", https("a:1", "/x")),
            ("https://[::1]", https("[::1]:443", "")),
            ("a:81/x", at("a:81", "/x")),
            ("unix:/run/App.sock", at("unix:/run/App.sock", "")),
            ("https://", Err("expected `HOST:PORT`")),
            ("https:a:1", Err("expected `HOST:PORT`")),
            ("unix:", Err("needs a path")),
            ("unix:a\0b", Err("needs a path")),
            ("a", Err("a port is missing: HOST:PORT, such as `a:8080`")),
            ("a:0", Err("from 1 to 65535")),
            ("a:65536", Err("from 1 to 65535")),
            ("a:+1", Err("from 1 to 65535")),
            ("a:", Err("from 1 to 65535")),
            (":80", Err("expected `HOST:PORT`")),
            ("", Err("expected `HOST:PORT`")),
            ("http://", Err("expected `HOST:PORT`")),
            ("a b:80", Err("expected `HOST:PORT`")),
            ("user@a:80", Err("expected `HOST:PORT`")),
            ("::1:80", Err("expected `HOST:PORT`")),
            ("http://a:1/x?y", Err("without `#` and `?`")),
            ("http://a:1/x y", Err("printable")),
            ("http://a:1/ü", Err("printable")),
        ],
    );
}

#[test]
fn a_rate_is_a_number_in_a_time() {
    let rate = |text: &str| text.parse::<Rate>();
    let per = |count, seconds| {
        Ok(Rate {
            count,
            per: Duration::from_secs(seconds),
        })
    };
    check(
        rate,
        &[
            ("20/s", per(20, 1)),
            ("1/m", per(1, 60)),
            ("4294967295/h", per(u32::MAX, 3600)),
            ("4294967296/s", Err("such as `20/s`")),
            ("0/s", Err("such as `20/s`")),
            ("20", Err("such as `20/s`")),
            ("20/", Err("such as `20/s`")),
            ("/s", Err("such as `20/s`")),
            ("+2/s", Err("such as `20/s`")),
            ("20/d", Err("such as `20/s`")),
            ("20/ s", Err("such as `20/s`")),
        ],
    );
}

#[test]
fn what_is_written_is_the_largest_unit_that_fits() {
    for text in [
        "0s", "1ms", "1500ms", "10s", "90s", "2m", "1h", "36h", "1d", "3650d",
    ] {
        assert_eq!(duration_text(duration(text).unwrap()), text);
        let timeout = (text != "0s").then(|| duration(text).unwrap());
        assert_eq!(
            timeout_text(timeout),
            if text == "0s" { "off" } else { text }
        );
    }
    assert_eq!(duration_text(Duration::from_secs(60)), "1m");
    assert_eq!(duration_text(Duration::from_micros(999)), "0s");
    for text in [
        "0B", "1B", "1KiB", "1000KiB", "1MiB", "3GiB", "1KB", "1001B", "2MB", "5GB",
    ] {
        assert_eq!(size_text(size(text).unwrap()), text);
    }
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read_as_what_it_was(millis in 0..=315_360_000_000_u64, octets in 0..u64::MAX / 4) {
        let time = Duration::from_millis(millis);
        proptest::prop_assert_eq!(duration(&duration_text(time)), Ok(time));
        proptest::prop_assert_eq!(size(&size_text(octets)), Ok(octets));
        let rate = Rate { count: (octets as u32).max(1), per: Duration::from_secs([1, 60, 3600][millis as usize % 3]) };
        proptest::prop_assert_eq!(rate.to_string().parse(), Ok(rate));
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,20}|[0-9a-zA-Z:/\\[\\]. +-]{0,20}") {
        let _ = (duration(&text), timeout(&text), size(&text), size_or_unlimited(&text), text.parse::<Rate>());
        if let Ok(read) = origin(&text) {
            // What was understood once is understood again, and as the same.
            let front = match read.scheme {
                None => "",
                Some(Scheme::Http) => "http://",
                Some(Scheme::Https) => "https://",
            };
            let again = format!("{front}{}{}", read.authority, read.base_path);
            proptest::prop_assert_eq!(origin(&again), Ok(read));
        }
    }
}
