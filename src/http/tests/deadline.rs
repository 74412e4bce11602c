//! One test for each rule of deadlines on the wire.

use std::time::Duration;

use proptest::prelude::*;

use crate::http::deadline::{Asked, DeadlineField, Form, Malformed, asked, parse, write};
use crate::http::field::Fields;

fn written(form: Form, left: Duration) -> String {
    let mut out = Vec::new();
    write(form, left, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn milliseconds_are_up_to_ten_digits_and_nothing_else() {
    let read = |value: &str| parse(Form::Millis, value.as_bytes());
    assert_eq!(read("2000"), Ok(Duration::from_secs(2)));
    assert_eq!(read("0"), Ok(Duration::ZERO));
    assert_eq!(read("9999999999"), Ok(Duration::from_millis(9_999_999_999)));
    for wrong in [
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.5",
        "1ms",
        "12345678901",
        "1, 2",
        "0x1",
    ] {
        assert_eq!(read(wrong), Err(Malformed), "{wrong:?}");
    }
}

#[test]
fn grpc_is_up_to_eight_digits_and_a_unit_whose_case_counts() {
    let read = |value: &str| parse(Form::Grpc, value.as_bytes());
    assert_eq!(read("5S"), Ok(Duration::from_secs(5)));
    assert_eq!(read("5M"), Ok(Duration::from_secs(300)));
    assert_eq!(read("5m"), Ok(Duration::from_millis(5)));
    assert_eq!(read("5u"), Ok(Duration::from_micros(5)));
    assert_eq!(read("5n"), Ok(Duration::from_nanos(5)));
    assert_eq!(read("1H"), Ok(Duration::from_secs(3600)));
    assert_eq!(read("99999999H"), Ok(Duration::from_secs(359_999_996_400)));
    for wrong in [
        "",
        "S",
        "5",
        "5s",
        "5h",
        "+5S",
        "-5S",
        " 5S",
        "5 S",
        "123456789S",
        "5SS",
    ] {
        assert_eq!(read(wrong), Err(Malformed), "{wrong:?}");
    }
}

#[test]
fn nothing_is_written_as_zero() {
    assert_eq!(written(Form::Millis, Duration::ZERO), "1");
    assert_eq!(written(Form::Millis, Duration::from_micros(999)), "1");
    assert_eq!(written(Form::Grpc, Duration::ZERO), "1n");
}

#[test]
fn the_finest_unit_that_fits_is_written_and_too_much_is_as_much_as_can_be() {
    assert_eq!(written(Form::Millis, Duration::from_secs(5)), "5000");
    assert_eq!(written(Form::Millis, Duration::MAX), "9999999999");
    assert_eq!(written(Form::Grpc, Duration::from_millis(50)), "50000000n");
    assert_eq!(written(Form::Grpc, Duration::from_secs(5)), "5000000u");
    assert_eq!(written(Form::Grpc, Duration::from_secs(200_000)), "200000S");
    assert_eq!(written(Form::Grpc, Duration::MAX), "99999999H");
}

#[test]
fn the_shortest_counts_and_what_is_malformed_is_as_if_absent() {
    let names = ["X-Request-Timeout-Ms", "grpc-timeout"].map(DeadlineField::from_name);
    let read = |lines: &[(&str, &str)]| {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.push(name, value).unwrap();
        }
        asked(&fields, &names)
    };
    let is = |millis: Option<u64>, malformed| Asked {
        shortest: millis.map(Duration::from_millis),
        malformed,
    };
    assert_eq!(read(&[]), is(None, 0));
    let both = [("x-request-timeout-ms", "300"), ("Grpc-Timeout", "200m")];
    assert_eq!(read(&both), is(Some(200), 0));
    let one_bad = [("x-request-timeout-ms", "300"), ("grpc-timeout", "-1S")];
    assert_eq!(read(&one_bad), is(Some(300), 1));
    let twice = [("grpc-timeout", "1S"), ("grpc-timeout", "2S")];
    assert_eq!(read(&twice), is(None, 1));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_no_more_than_it_was_and_not_as_nothing(nanos in 1..u64::MAX) {
        let left = Duration::from_nanos(nanos);
        for form in [Form::Millis, Form::Grpc] {
            let read = parse(form, written(form, left).as_bytes()).unwrap();
            prop_assert!(read > Duration::ZERO);
            prop_assert!(read <= left.max(Duration::from_millis(1)));
        }
    }

    #[test]
    fn no_value_is_too_much_for_it(value in proptest::collection::vec(any::<u8>(), 0..16)) {
        let _ = parse(Form::Millis, &value);
        let _ = parse(Form::Grpc, &value);
    }
}
