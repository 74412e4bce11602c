//! The eight rules.

use super::{request, response, status_with, with_fields};
use crate::http::{
    Framed, Framing, FramingError, Limits, Version, answer_framing, request_framing,
    response_framing,
};
use Framing::{Chunked, Length, None as Nothing, UntilClose};

#[test]
fn requests() {
    let check = |lines: &str, expected: Result<Framing, FramingError>| {
        let framed = request_framing(&with_fields(lines), &Limits::default());
        assert_eq!(framed.map(|framed| framed.framing()), expected, "{lines:?}");
    };
    check("", Ok(Nothing));
    check("Content-Length: 0\r\n", Ok(Length(0)));
    check("Content-Length: 0005\r\n", Ok(Length(5)));
    check("Content-Length: 5\r\nContent-Length: 5\r\n", Ok(Length(5)));
    check(
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        Err(FramingError::UnequalLengths),
    );
    check("Content-Length: 5, 5\r\n", Err(FramingError::LengthList));
    check("Content-Length: +5\r\n", Err(FramingError::BadLength));
    check("Content-Length: -5\r\n", Err(FramingError::BadLength));
    check("Content-Length: 0x5\r\n", Err(FramingError::BadLength));
    check("Content-Length: 5 5\r\n", Err(FramingError::BadLength));
    check("Content-Length:\r\n", Err(FramingError::BadLength));
    check(
        "Content-Length: 18446744073709551616\r\n",
        Err(FramingError::LengthOverflow),
    );
    check("Transfer-Encoding: chunked\r\n", Ok(Chunked));
    check("transfer-encoding: CHUNKED\r\n", Ok(Chunked));
    check("Transfer-Encoding: , chunked,\r\n", Ok(Chunked));
    check(
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        Err(FramingError::LengthAndCoding),
    );
    check(
        "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
        Err(FramingError::LengthAndCoding),
    );
    check("Transfer-Encoding:\r\n", Err(FramingError::NoCoding));
    check(
        "Transfer-Encoding: chunked, chunked\r\n",
        Err(FramingError::ChunkedTwice),
    );
    check(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Err(FramingError::ChunkedTwice),
    );
    check(
        "Transfer-Encoding: chunked, identity\r\n",
        Err(FramingError::ChunkedNotLast),
    );
    check(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        Err(FramingError::ChunkedNotLast),
    );
    check(
        "Transfer-Encoding: gzip, chunked\r\n",
        Err(FramingError::UnknownCoding),
    );
    check(
        "Transfer-Encoding: xchunked\r\n",
        Err(FramingError::UnknownCoding),
    );
    check(
        "Transfer-Encoding: chunkedx\r\n",
        Err(FramingError::UnknownCoding),
    );
    check(
        "Transfer-Encoding: identity\r\n",
        Err(FramingError::UnknownCoding),
    );
    check(
        "Transfer-Encoding: \"chunked\"\r\n",
        Err(FramingError::UnknownCoding),
    );
    check(
        "Transfer-Encoding: chunked;q=1\r\n",
        Err(FramingError::ChunkedParameter),
    );
    check(
        "Transfer-Encoding: chunked foo\r\n",
        Err(FramingError::ChunkedParameter),
    );
}

#[test]
fn a_coding_in_http10_is_refused_on_both_sides() {
    let head = request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(
        request_framing(&head, &Limits::default()),
        Err(FramingError::CodingInHttp10)
    );
    let head = response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(
        response_framing(&head, b"GET"),
        Err(FramingError::CodingInHttp10)
    );
}

#[test]
fn content_has_a_bound() {
    let limits = Limits {
        content_octets_max: 5,
        ..Limits::default()
    };
    let framing = |length: &str| {
        request_framing(
            &with_fields(&format!("Content-Length: {length}\r\n")),
            &limits,
        )
    };
    assert!(framing("5").is_ok());
    assert_eq!(framing("6"), Err(FramingError::ContentTooLarge(5)));
    assert_eq!(FramingError::ContentTooLarge(5).status(), 413);
}

#[test]
fn responses() {
    let check = |method: &str,
                 status: u16,
                 lines: &str,
                 expected: Result<(Framing, Option<u64>), FramingError>| {
        let framed = response_framing(&status_with(status, lines), method.as_bytes());
        let shown = framed.map(|framed| (framed.framing(), framed.length_field()));
        assert_eq!(shown, expected, "{method} {status} {lines:?}");
    };
    check(
        "GET",
        200,
        "Content-Length: 5\r\n",
        Ok((Length(5), Some(5))),
    );
    check(
        "GET",
        200,
        "Transfer-Encoding: chunked\r\n",
        Ok((Chunked, None)),
    );
    check("GET", 200, "", Ok((UntilClose, None)));
    check("HEAD", 200, "Content-Length: 5\r\n", Ok((Nothing, Some(5))));
    check(
        "HEAD",
        200,
        "Transfer-Encoding: chunked\r\n",
        Ok((Nothing, None)),
    );
    check("HEAD", 200, "", Ok((Nothing, None)));
    check("GET", 304, "Content-Length: 5\r\n", Ok((Nothing, Some(5))));
    check("GET", 204, "Content-Length: 5\r\n", Ok((Nothing, None)));
    check(
        "GET",
        204,
        "Transfer-Encoding: chunked\r\n",
        Ok((Nothing, None)),
    );
    check("GET", 103, "Content-Length: 5\r\n", Ok((Nothing, None)));
    check("GET", 101, "", Ok((Nothing, None)));
    check("CONNECT", 200, "Content-Length: 5\r\n", Ok((Nothing, None)));
    check(
        "CONNECT",
        407,
        "Content-Length: 5\r\n",
        Ok((Length(5), Some(5))),
    );
    check(
        "GET",
        200,
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        Err(FramingError::LengthAndCoding),
    );
    check(
        "HEAD",
        200,
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        Err(FramingError::UnequalLengths),
    );
    check(
        "GET",
        200,
        "Content-Length: +3\r\n",
        Err(FramingError::BadLength),
    );
    check(
        "GET",
        200,
        "Transfer-Encoding: gzip\r\n",
        Err(FramingError::UnknownCoding),
    );
}

#[test]
fn recoding_for_the_client() {
    let until_close = response_framing(&status_with(200, ""), b"GET").unwrap();
    let check =
        |framed: Framed, client, expected| assert_eq!(framed.recode(client).framing(), expected);
    check(until_close, Version::Http11, Chunked);
    check(until_close, Version::Http10, UntilClose);
    check(Framed::chunked(), Version::Http11, Chunked);
    check(Framed::chunked(), Version::Http10, UntilClose);
    check(Framed::length(5), Version::Http10, Length(5));
    check(Framed::none(), Version::Http10, Nothing);
}

#[test]
fn answers() {
    let check = |status, method: &str, expected| {
        let framed = answer_framing(status, method.as_bytes(), 5);
        assert_eq!(
            (framed.framing(), framed.length_field()),
            expected,
            "{method} {status}"
        );
    };
    check(502, "GET", (Length(5), Some(5)));
    check(502, "HEAD", (Nothing, Some(5)));
    check(304, "GET", (Nothing, Some(5)));
    check(204, "GET", (Nothing, None));
}
