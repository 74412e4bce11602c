//! Persistence, and which 101 is a grant.

use super::{request, response};
use crate::http::connection::grants_upgrade;
use crate::http::{
    CloseReason, Verdict, request_persistence, response_framing, response_persistence,
};
use CloseReason::{
    ClientAsked, ClientHttp10, ContentAnnounced, OriginAsked, OriginHttp10, Switched, UntilClose,
};

#[test]
fn requests() {
    let check = |version: &str, line: &str, expected| {
        let head = request(format!("GET / HTTP/{version}\r\nHost: a\r\n{line}\r\n")).unwrap();
        assert_eq!(request_persistence(&head), expected, "{version} {line:?}");
    };
    check("1.1", "", Verdict::Reuse);
    check("1.1", "Connection: keep-alive\r\n", Verdict::Reuse);
    check("1.1", "Connection: Close\r\n", Verdict::Close(ClientAsked));
    check(
        "1.1",
        "Connection: keep-alive\r\nConnection: x, close\r\n",
        Verdict::Close(ClientAsked),
    );
    check("1.1", "Connection: closed\r\n", Verdict::Reuse);
    check("1.0", "", Verdict::Close(ClientHttp10));
    check("1.0", "Connection: Keep-Alive\r\n", Verdict::Reuse);
    check(
        "1.0",
        "Connection: keep-alive, close\r\n",
        Verdict::Close(ClientAsked),
    );
    check("1.0", "Connection: x\r\n", Verdict::Close(ClientHttp10));
}

#[test]
fn responses() {
    let check = |head: &str, expected| {
        let head = response(format!("HTTP/{head}\r\n")).unwrap();
        let framed = response_framing(&head, b"GET").unwrap();
        assert_eq!(response_persistence(&head, &framed), expected, "{head:?}");
    };
    check("1.1 200 OK\r\nContent-Length: 0\r\n", Verdict::Reuse);
    check(
        "1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
        Verdict::Reuse,
    );
    check("1.1 200 OK\r\n", Verdict::Close(UntilClose));
    check(
        "1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n",
        Verdict::Close(OriginAsked),
    );
    check(
        "1.0 200 OK\r\nContent-Length: 0\r\n",
        Verdict::Close(OriginHttp10),
    );
    check(
        "1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n",
        Verdict::Reuse,
    );
    check("1.1 204 No\r\n", Verdict::Reuse);
    check("1.1 204 No\r\nContent-Length: 0\r\n", Verdict::Reuse);
    check(
        "1.1 204 No\r\nContent-Length: 5\r\n",
        Verdict::Close(ContentAnnounced),
    );
    check("1.1 304 No\r\nContent-Length: 5\r\n", Verdict::Reuse);
    check(
        "1.1 304 No\r\nTransfer-Encoding: chunked\r\n",
        Verdict::Close(ContentAnnounced),
    );
    check("1.1 101 X\r\nUpgrade: a\r\n", Verdict::Close(Switched));
}

#[test]
fn only_an_asked_101_switches() {
    let check = |sent: &str, got: &str, expected| {
        let sent = request(format!("GET / HTTP/1.1\r\nHost: a\r\n{sent}\r\n")).unwrap();
        let got = response(format!("HTTP/1.1 {got}\r\n")).unwrap();
        assert_eq!(grants_upgrade(&sent, &got), expected, "{got:?}");
    };
    let asked = "Upgrade: websocket\r\n";
    check(
        asked,
        "101 X\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n",
        true,
    );
    check(
        asked,
        "101 X\r\nUpgrade: h2c\r\nConnection: upgrade\r\n",
        false,
    );
    check(
        asked,
        "101 X\r\nUpgrade: websocket, h2c\r\nConnection: upgrade\r\n",
        false,
    );
    check(asked, "101 X\r\nConnection: upgrade\r\n", false);
    check(asked, "101 X\r\nUpgrade: websocket\r\n", false);
    check(
        asked,
        "200 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        false,
    );
    check(
        "",
        "101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        false,
    );
}

#[test]
fn every_reason_explains_itself() {
    for reason in [
        ClientAsked,
        OriginAsked,
        ClientHttp10,
        OriginHttp10,
        UntilClose,
        ContentAnnounced,
        Switched,
    ] {
        assert!(!reason.explain().is_empty() && !reason.name().contains(' '));
        assert_eq!(reason.to_string(), reason.explain());
    }
}
