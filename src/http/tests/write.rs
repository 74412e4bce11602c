//! What goes on the wire.

use super::{request, response, text};
use crate::http::{
    ConnectionOption, Framed, Version, write_interim, write_request, write_response,
};

#[test]
fn a_request_is_framed_once() {
    let check = |lines: &str, framed: Framed, expected: &str| {
        let head = request(format!("GET /a HTTP/1.0\r\n{lines}\r\n")).unwrap();
        let mut buf = Vec::new();
        write_request(&head, &framed, &mut buf);
        assert_eq!(
            text(&buf),
            format!("GET /a HTTP/1.1\\r\\n{}\\r\\n", text(expected.as_bytes()))
        );
    };
    check("", Framed::none(), "");
    check(
        "A:b \r\nContent-Length: 5\r\n",
        Framed::length(7),
        "A: b\r\nContent-Length: 7\r\n",
    );
    check(
        "Transfer-Encoding: x\r\nTrailer: a\r\n",
        Framed::chunked(),
        "Trailer: a\r\nTransfer-Encoding: chunked\r\n",
    );
    check(
        "Trailer: a\r\nConnection: a\r\nKeep-Alive: 1\r\nProxy-Connection: b\r\n",
        Framed::none(),
        "",
    );
    check(
        "TE: trailers\r\n",
        Framed::none(),
        "TE: trailers\r\nConnection: TE\r\n",
    );
    check(
        "TE: a\r\nUpgrade: b\r\n",
        Framed::none(),
        "TE: a\r\nUpgrade: b\r\nConnection: TE, Upgrade\r\n",
    );
}

#[test]
fn a_response_says_what_becomes_of_its_connection() {
    let check = |head: &str, framed: Framed, connection, expected: &str| {
        let mut buf = Vec::new();
        write_response(
            &response(format!("HTTP/1.0 {head}\r\n")).unwrap(),
            &framed,
            connection,
            &mut buf,
        );
        assert_eq!(
            text(&buf),
            text(format!("HTTP/1.1 {expected}\r\n").as_bytes())
        );
    };
    let until_close = Framed::chunked().recode(Version::Http10);
    check(
        "200 OK\r\n",
        Framed::length(3),
        ConnectionOption::None,
        "200 OK\r\nContent-Length: 3\r\n",
    );
    check(
        "200\r\n",
        Framed::chunked(),
        ConnectionOption::Close,
        "200 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
    );
    check(
        "200 OK\r\n",
        until_close,
        ConnectionOption::KeepAlive,
        "200 OK\r\nConnection: close\r\n",
    );
    check(
        "200 OK\r\n",
        Framed::none(),
        ConnectionOption::KeepAlive,
        "200 OK\r\nConnection: keep-alive\r\n",
    );
    check(
        "101 X\r\nUpgrade: a\r\n",
        Framed::none(),
        ConnectionOption::Close,
        "101 X\r\nUpgrade: a\r\nConnection: Upgrade\r\n",
    );
}

#[test]
fn an_interim_response_has_no_framing() {
    let head = response(
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\nLink: b\r\nContent-Length: 5\r\nConnection: x\r\n\r\n",
    );
    let mut buf = Vec::new();
    write_interim(&head.unwrap(), &mut buf);
    assert_eq!(
        text(&buf),
        "HTTP/1.1 103 Early Hints\\r\\nLink: a\\r\\nLink: b\\r\\n\\r\\n"
    );
}
