//! Numbers: digits only, no overflow.

use crate::http::number::{NumberError, hex_digit, hex_value, parse_decimal, write_decimal};

#[test]
fn decimal_is_digits_only() {
    let check = |octets: &[u8], expected| {
        assert_eq!(parse_decimal(octets), expected, "{}", octets.escape_ascii())
    };
    check(b"0", Ok(0));
    check(b"0005", Ok(5));
    check(b"18446744073709551615", Ok(u64::MAX));
    check(b"18446744073709551616", Err(NumberError::Overflow));
    for wrong in [
        &b""[..],
        b"+5",
        b"-5",
        b" 5",
        b"5 ",
        b"0x5",
        b"5,5",
        b"\xd9\xa1",
    ] {
        check(wrong, Err(NumberError::NotDigits));
    }
}

#[test]
fn what_is_written_is_read_again() {
    for value in [0, 1, 9, 10, 99, 100, 12345, u64::MAX] {
        let mut buf = Vec::new();
        write_decimal(value, &mut buf);
        assert_eq!(String::from_utf8(buf).unwrap(), value.to_string());
    }
    for value in 0..16_u8 {
        assert_eq!(hex_value(hex_digit(u64::from(value))), Some(value));
    }
    assert_eq!(
        (hex_value(b'F'), hex_value(b'g'), hex_value(b'+')),
        (Some(15), None, None)
    );
}
