use crate::net::address::{Address, AddressError};

#[test]
fn addresses_are_read_and_written_alike() {
    for text in ["127.0.0.1:80", "[::1]:8086", "unix:/run/o.sock"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    assert_eq!(":80".parse::<Address>().unwrap().to_string(), "0.0.0.0:80");
    assert_eq!(
        "localhost:80".parse::<Address>().unwrap().to_string(),
        "127.0.0.1:80"
    );
}

#[test]
fn what_is_no_address_is_named() {
    for (text, error) in [
        ("unix:", AddressError::NoPath),
        ("127.0.0.1", AddressError::NoPort("127.0.0.1".into())),
        ("127.0.0.1:x", AddressError::BadPort("x".into())),
        (":70000", AddressError::BadPort("70000".into())),
        (
            "example.org:80",
            AddressError::NotAnAddress("example.org".into()),
        ),
    ] {
        assert_eq!(text.parse::<Address>(), Err(error), "{text}");
    }
}
