use std::io;

use crate::http::head::RequestHead;
use crate::http::limits::Limits;
use crate::proxy::answer::{Answer, Connection, for_error, recorded_status};
use crate::proxy::error::{Error, Phase, Retry, What};
use crate::proxy::timeout::Timeout;

/// Every way to fail, its status (499: nobody is answered), and the cause that is logged.
#[test]
fn every_error_has_its_status_and_its_cause() {
    let io = || What::Io(io::ErrorKind::ConnectionRefused.into());
    let timeout = |timeout| Error::gateway(Phase::Await, What::Timeout(timeout));
    for (error, status, cause) in [
        (Error::client_gone(Phase::Await), 499, "client_gone"),
        (
            Error::client_sin(Phase::Head, "bare_lf", 400),
            400,
            "bare_lf",
        ),
        (
            Error::origin_sin(Phase::Await, "two_lengths"),
            502,
            "origin_protocol:two_lengths",
        ),
        (
            Error::origin(Phase::Connect, Retry::Always, io()),
            502,
            "connect_refused",
        ),
        (
            Error::origin(Phase::Await, Retry::Never, io()),
            502,
            "origin_closed",
        ),
        (
            Error::origin(Phase::Await, Retry::Never, What::Gone),
            502,
            "origin_closed",
        ),
        (timeout(Timeout::Request), 504, "deadline:request"),
        (timeout(Timeout::Total), 504, "deadline:total"),
        (timeout(Timeout::Connect), 504, "connect_timeout"),
        (timeout(Timeout::Response), 504, "response_timeout"),
        (timeout(Timeout::ClientBody), 408, "client_body_timeout"),
        (timeout(Timeout::Header), 408, "header_timeout"),
        (timeout(Timeout::Idle), 499, "idle_timeout"),
        (Error::gateway(Phase::Body, What::Drain), 503, "drain"),
        (
            Error::gateway(Phase::Body, What::Canceled("enough".into())),
            503,
            "admin:enough",
        ),
        (
            Error::gateway(Phase::Head, What::NoEndpoint),
            503,
            "no_endpoint",
        ),
        (Error::gateway(Phase::Head, What::Shed), 503, "shed"),
        (
            Error::gateway(Phase::Head, What::BodyLimit),
            413,
            "body_limit",
        ),
        (
            Error::gateway(Phase::Head, What::Config("x".into())),
            500,
            "config:x",
        ),
    ] {
        assert_eq!(recorded_status(&error), status, "{error}");
        assert_eq!(error.cause(), cause);
        assert_eq!(for_error(&error).is_none(), status == 499, "{error}");
    }
}

#[test]
fn an_answer_names_its_cause_and_says_when_to_come_back() {
    let error = Error::gateway(Phase::Body, What::Canceled("say \"no\"\r\nX: y".into()));
    let answer = for_error(&error).unwrap();
    let mut octets = Vec::new();
    let content = answer.write(false, Connection::Close, &mut octets);
    let text = String::from_utf8(octets).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 503 Service Unavailable\r\nDate: "),
        "{text}"
    );
    assert!(text.contains("Proxy-Status: osier; error=proxy_internal_response; details=\"admin:say \\\"no\\\"X: y\"\r\n"));
    assert!(text.contains("Retry-After: 1\r\n") && text.contains("Connection: close\r\n"));
    assert!(text.contains(&format!("Content-Length: {content}\r\n")));
}

#[test]
fn head_is_answered_without_content_but_with_its_length() {
    let answer = for_error(&Error::gateway(Phase::Head, What::NoEndpoint)).unwrap();
    let mut octets = Vec::new();
    assert_eq!(answer.write(true, Connection::Persist, &mut octets), 0);
    let text = String::from_utf8(octets).unwrap();
    assert!(
        text.ends_with("\r\n\r\n") && text.contains("Content-Length: 37\r\n"),
        "{text}"
    );
}

#[test]
fn the_last_hop_of_a_trace_gives_back_what_came_without_its_secrets() {
    let mut head = RequestHead::new();
    let octets = b"TRACE /a?b HTTP/1.0\r\nX-A: 1\r\nCOOKIE: c\r\nAuthorization: d\r\nProxy-Authorization: e\r\n\r\n";
    head.parse(octets, &Limits::default()).unwrap();
    let answer = Answer::of_the_last(&head);
    let content = answer.content.unwrap();
    assert_eq!(content, b"TRACE /a?b HTTP/1.0\r\nX-A: 1\r\n\r\n");
    head.set_method("OPTIONS").unwrap();
    let answer = Answer::of_the_last(&head);
    assert_eq!((answer.status, answer.content), (200, Some(Vec::new())));
    assert!(answer.fields.get("allow").is_some());
}
