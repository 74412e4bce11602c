//! Messages that attack: what each side of the gateway sees of them, and what becomes of the connections they came by.
//!
//! `tests/corpus` is walked twice. Its requests are sent with one more behind each, which reaches the origin exactly
//! where the message was taken whole. Its responses are played by an origin that then waits to be asked again on the
//! same connection, which must not happen unless they were right to the last octet.

use std::fs;
use std::path::Path;

use crate::reload::{Gateway, origin as named, upstream};
use crate::support::{End, House, Message, Origin, Scratch, Scripted, Wire, chunked};

/// A message of the corpus.
struct Case {
    name: String,
    octets: Vec<u8>,
}

impl Case {
    /// `ok`, `cut` or a status.
    fn verdict(&self) -> &str {
        self.name.rsplit('.').nth(1).unwrap()
    }

    fn is_head(&self) -> bool {
        self.name.starts_with("resp-head-")
    }
}

/// The messages of the corpus, requests or responses, by name.
fn corpus(responses: bool) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| Case {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            octets: fs::read(&path).unwrap(),
        })
        .filter(|case| case.name.starts_with("resp-") == responses)
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The targets of what an origin was asked since it had been asked so often.
fn targets_since(origin: &Scripted, count: usize) -> Vec<String> {
    let asked = origin.requests();
    let targets = asked[count..].iter().map(|(_, request)| {
        let target = request.start().split(' ').nth(1);
        target.unwrap_or_default().to_owned()
    });
    targets.collect()
}

/// The statuses of the responses in `octets`, as far as one finds them by their status lines.
fn statuses(octets: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(octets);
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines
        .filter_map(|line| line.get(..3)?.parse().ok())
        .collect()
}

const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn what_stands_behind_a_message_is_a_request_only_where_the_message_was_whole() {
    let origin = Origin::script(|wire, request| {
        // An echo of the head would be taken for a head.
        let content = if request.start().starts_with("HEAD ") {
            ""
        } else {
            "x"
        };
        wire.answer(content);
        true
    });
    let house = House::to(origin.endpoint());
    let (mut whole, mut refused, mut cut) = (0, 0, 0);
    for case in corpus(false) {
        let count = origin.requests().len();
        let mut client = house.connect();
        client.send(&case.octets);
        if case.verdict() == "cut" {
            client.finish();
        } else {
            // The refusal may be quicker than this.
            let _ = client.try_send(BEHIND);
        }
        let (answer, _) = client.read_to_end();
        let answered = statuses(&answer);
        let asked = targets_since(&origin, count);
        let passed = answered.iter().filter(|status| **status == 200).count();
        assert_eq!(asked.len(), passed, "{}: {asked:?}", case.name);
        let is_behind_served = asked.last().is_some_and(|target| target == "/behind");
        match case.verdict() {
            "ok" => {
                let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
                let ends_before = !is_behind_served && text.contains("\r\nconnection: close\r\n");
                assert!(is_behind_served || ends_before, "{}: {text}", case.name);
                whole += 1;
            }
            "cut" => {
                assert!(!is_behind_served, "{}", case.name);
                cut += 1;
            }
            status => {
                let last = answered.last().map(u16::to_string);
                assert_eq!(last.as_deref(), Some(status), "{}", case.name);
                assert!(!is_behind_served, "{}", case.name);
                refused += 1;
            }
        }
    }
    assert!(
        whole >= 100 && refused >= 250 && cut >= 12,
        "{whole} {refused} {cut}"
    );
}

/// Responses that are whole, with something behind them that is not theirs: the client gets the response alone.
const WITH_SURPLUS: &[&str] = &[
    "resp-204-chunked-body",
    "resp-204-with-body",
    "resp-304-body",
    "resp-chunk-after-end",
    "resp-cl-long",
    "resp-cl-zero-with-body",
    "resp-crlf-after",
    "resp-garbage-after",
    "resp-head-chunked-body",
    "resp-head-with-body",
    "resp-second-response",
];

/// Whether a message is whole: as any client would see it that knows that the connection was reset, or not.
fn is_whole(response: &[u8], end: End, is_head: bool) -> bool {
    let text = String::from_utf8_lossy(response);
    let Some((head, content)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head
        .split_once("\r\ncontent-length: ")
        .map(|(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    if is_head || head.starts_with("http/1.1 204") || head.starts_with("http/1.1 304") {
        return true;
    }
    match length {
        _ if head.contains("\r\ntransfer-encoding: chunked") => {
            let has_last = content.starts_with("0\r\n") || content.contains("\r\n0\r\n");
            has_last && content.ends_with("\r\n\r\n")
        }
        Some(length) => content.len() >= length,
        None => end == End::Clean,
    }
}

#[test]
fn a_broken_response_is_a_502_or_cut_and_its_connection_is_never_used_again() {
    let cases = corpus(true);
    let played: Vec<_> = cases
        .iter()
        .map(|case| (case.octets.clone(), case.verdict() == "cut"))
        .collect();
    let origin = Origin::script(move |wire, request| {
        let target = request.start().split(' ').nth(1).unwrap();
        let Some(number) = target.strip_prefix("/case/") else {
            wire.answer(target);
            return true;
        };
        let (octets, ends) = &played[number.parse::<usize>().unwrap()];
        // A gateway that is quick to close is within its rights.
        let _ = wire.try_send(octets);
        let is_close_delimited = !String::from_utf8_lossy(octets)
            .to_ascii_lowercase()
            .contains("\r\ncontent-length:")
            && !String::from_utf8_lossy(octets)
                .to_ascii_lowercase()
                .contains("\r\ntransfer-encoding:");
        !(*ends || is_close_delimited)
    });
    let house = House::with(origin.endpoint(), |options| {
        // What is not whole and does not end would be waited for.
        options.rules.timeouts.body = Some(std::time::Duration::from_secs(5));
    });
    for (number, case) in cases.iter().enumerate() {
        let method = if case.is_head() { "HEAD" } else { "GET" };
        let mut client = house.connect();
        client.send(format!(
            "{method} /case/{number} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        let (answer, end) = client.read_to_end();
        let answered = statuses(&answer);
        let base = case.name.split('.').next().unwrap();
        let is_whole = is_whole(&answer, end, case.is_head());
        match case.verdict() {
            "ok" => {
                assert!(is_whole && answered != [502], "{}: {answered:?}", case.name)
            }
            _ if WITH_SURPLUS.contains(&base) => {
                let is_alone = answered.len() == 1 && answered != [502];
                assert!(is_whole && is_alone, "{}: {answered:?}", case.name);
                let text = String::from_utf8_lossy(&answer);
                assert!(!text.ends_with('!') && !text.ends_with("no"), "{text}");
            }
            _ => assert!(
                answered == [502] || !is_whole,
                "{}: {}",
                case.name,
                answer.escape_ascii()
            ),
        }

        // Somebody else, who is answered by nothing of that.
        let target = format!("/next/{number}");
        assert_eq!(
            house.connect().get(&target).text(),
            target,
            "after {}",
            case.name
        );
        let asked = origin.requests();
        let [.., (used, _), (fresh, _)] = asked.as_slice() else {
            panic!("{} requests", asked.len());
        };
        let is_right = case.verdict() == "ok";
        assert!(is_right || used != fresh, "{} was pooled", case.name);
    }
}

#[test]
fn octets_that_come_late_on_a_connection_reach_nobody() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut one, mut two) = (house.connect(), house.connect());
    one.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut poisoned = origin.accept();
    poisoned.read_request();
    poisoned.answer("one");
    assert_eq!(one.read_response().text(), "one");
    // Now it idles. What comes unasked is nobody's answer, however well it is made.
    poisoned.answer("poison");
    poisoned.expect_gone();
    two.send("GET /two HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut fresh = origin.accept();
    assert_eq!(fresh.read_request().start(), "GET /two HTTP/1.1");
    fresh.answer("two");
    assert_eq!(two.read_response().text(), "two");
    assert!(one.is_quiet());
    // And the one it would have been for first.
    one.send("GET /three HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(fresh.read_request().start(), "GET /three HTTP/1.1");
    fresh.answer("three");
    assert_eq!(one.read_response().text(), "three");
}

#[test]
fn a_clients_broken_content_is_no_fault_of_the_origin() {
    let (one, two) = (named("one"), named("two"));
    let gateway = Gateway::run_with(
        "",
        &format!(
            "{}eject = {{ failures = 1, for = \"1h\", max_percent = 50 }}\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&one, &two])
        ),
    );
    for broken in ["zz\r\n", "5\r\nhello!", "5;a=\"\r\nhello\r\n0\r\n\r\n"] {
        for _ in 0..4 {
            let mut client = gateway.osier.connect();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(format!("2\r\nok\r\n{broken}"));
            let answer = client.read_response();
            assert_eq!(answer.status(), 400, "{broken:?}");
            assert_eq!(answer.field("connection"), Some("close"));
            client.expect_end();
        }
    }
    // None of them was ever a whole message, and nobody was taken for ill.
    assert_eq!(one.requests().len() + two.requests().len(), 0);
    assert!(!gateway.status().contains("\"ejected\":true"));
    let names: Vec<_> = (0..8).map(|_| gateway.get("/").text().to_owned()).collect();
    assert!(names.contains(&"one".to_owned()) && names.contains(&"two".to_owned()));
}

#[test]
fn an_origin_connection_that_carried_broken_content_is_closed() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.expect("2\r\nok\r\n");
    client.send("0x0\r\n\r\n");
    assert_eq!(client.read_response().status(), 400);
    // Not one octet more, above all no last chunk.
    at_origin.expect_gone();
    let mut another = house.connect();
    another.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut fresh = origin.accept();
    fresh.read_request();
    fresh.answer("fresh");
    assert_eq!(another.read_response().text(), "fresh");
}

#[test]
fn nothing_is_read_behind_a_request_that_closes_and_its_answer_arrives_whole() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    // More than anybody buffers: a close with all that unread would be a reset.
    let more = "GET /more HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4000);
    let octets = format!("GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{more}");
    let _ = client.try_send(octets);
    let answer = client.read_response();
    assert_eq!((answer.status(), answer.text()), (200, "/last"));
    // With a FIN: a reset could have come first.
    client.expect_end();
    assert_eq!(targets_since(&origin, 0), ["/last"]);
}

#[test]
fn interim_responses_are_cleaned_as_final_ones_are() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nTE: trailers\r\nProxy-Authenticate: Basic\r\n\
         Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    at_origin.answer("final");
    let interim = client.read_head();
    assert_eq!(interim.status(), 103);
    assert_eq!(interim.head.lines().nth(1), Some("Link: </a>"));
    assert_eq!(interim.head.lines().count(), 3, "{interim:?}");
    assert_eq!(client.read_response().text(), "final");
}

#[test]
fn trailers_that_connection_names_end_at_the_hop() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nX-Hop: 1\r\nX-Sum: 2\r\nx-hop: 3\r\n\r\n",
    );
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().trailers, "X-Sum: 2\r\n");
    at_origin.send(
        "HTTP/1.1 200 OK\r\nConnection: X-Back\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nX-Back: 1\r\nX-Sum: 2\r\n\r\n",
    );
    assert_eq!(client.read_response().trailers, "X-Sum: 2\r\n");
}

#[test]
fn no_trailer_says_again_what_the_gateway_says() {
    let origin = Origin::script(|wire, request| {
        let content = format!("{}|{}", request.head, request.trailers);
        wire.send(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{content}\r\n0\r\n\
             X-Frame: evil\r\nX-Gone: evil\r\nX-Sum: 1\r\n\r\n",
            content.len()
        ));
        true
    });
    let gateway = Gateway::run(
        &format!(
            "{}deadline_header = \"X-Left\"\n[[route]]\nto = \"app\"\n\
             headers.request = {{ set = {{ X-User = \"anon\" }}, remove = [\"X-Admin\"] }}\n\
             headers.response = {{ set = {{ X-Frame = \"deny\" }}, remove = [\"X-Gone\"] }}\n",
            upstream("app", &[&origin])
        ),
        &[],
    );
    let response = gateway.osier.connect().ask(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-User: root\r\nx-admin: 1\r\n\
         X-Left: 9\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n\
         X-Request-Id: 6\r\nVia: 6\r\nHost: evil\r\nContent-Length: 6\r\nContent-Type: a/b\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\nKeep-Alive: 6\r\nUpgrade: websocket\r\nTE: trailers\r\n\
         Trailer: X-Sum\r\nExpect: 100-continue\r\nMax-Forwards: 6\r\nAuthorization: Basic eA==\r\n\
         Proxy-Authorization: Basic eA==\r\nCookie: a=b\r\nRange: bytes=0-1\r\nIf-Match: a\r\n\
         Cache-Control: no-cache\r\nX-Sum: 1\r\n\r\n",
    );
    let (head, trailers) = response.text().split_once('|').unwrap();
    assert!(head.contains("X-User: anon\r\n"), "{head}");
    assert_eq!(trailers, "X-Sum: 1\r\n");
    assert_eq!(response.field("x-frame"), Some("deny"));
    assert_eq!(response.trailers, "X-Sum: 1\r\n");
}

#[test]
fn what_may_be_forwarded_no_further_is_answered_here() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let options = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!((options.status(), options.text()), (200, ""));
    assert!(options.field("allow").unwrap().contains("OPTIONS"));
    let trace = client.ask(
        "TRACE /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nX-A: 1\r\nCookie: secret\r\nAuthorization: secret\r\n\r\n",
    );
    assert_eq!(trace.status(), 200);
    assert_eq!(trace.field("content-type"), Some("message/http"));
    assert_eq!(
        trace.text(),
        "TRACE /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nX-A: 1\r\n\r\n"
    );
    assert_eq!(targets_since(&origin, 0), [""; 0]);

    for content in [
        "Content-Length: 1\r\n\r\nx",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let refused = house
            .connect()
            .ask(format!("TRACE / HTTP/1.1\r\nHost: a\r\n{content}"));
        assert_eq!(refused.status(), 400, "{content}");
    }
    assert_eq!(targets_since(&origin, 0), [""; 0]);

    // One more hop is one hop less; other methods have no such count; more than fits is as much as fits.
    for (head, expected) in [
        ("OPTIONS / HTTP/1.1\r\nMax-Forwards: 1", "0"),
        ("TRACE / HTTP/1.1\r\nMax-Forwards: 007", "6"),
        ("GET / HTTP/1.1\r\nMax-Forwards: 0", "0"),
        (
            "TRACE / HTTP/1.1\r\nMax-Forwards: 99999999999999999999",
            "18446744073709551614",
        ),
    ] {
        client.ask(format!("{head}\r\nHost: a\r\n\r\n"));
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(request.field("max-forwards"), Some(expected), "{head}");
    }
}

#[test]
fn an_https_target_in_the_clear_is_misdirected_unless_a_trusted_proxy_says_so() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let ask = "GET https://b/p HTTP/1.1\r\nHost: a\r\n\r\n";
    let refused = house.connect().ask(ask);
    assert_eq!(refused.status(), 421);
    assert_eq!(origin.connection_count(), 0);
    let house = House::with(origin.endpoint(), |options| {
        options.rules.identity.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    assert_eq!(house.connect().ask(ask).text(), "/p");
}

#[test]
fn the_authority_of_an_absolute_target_is_the_host() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for (line, start, host) in [
        ("GET http://b/p?q HTTP/1.1", "GET /p?q HTTP/1.1", "b"),
        ("GET HTTP://B:80/ HTTP/1.1", "GET / HTTP/1.1", "B:80"),
        ("GET http://[::1]?q HTTP/1.1", "GET /?q HTTP/1.1", "[::1]"),
        ("OPTIONS http://b:81 HTTP/1.1", "OPTIONS * HTTP/1.1", "b:81"),
        ("OPTIONS http://b/ HTTP/1.1", "OPTIONS / HTTP/1.1", "b"),
        ("GET //evil/p HTTP/1.1", "GET //evil/p HTTP/1.1", "a"),
    ] {
        client.ask(format!("{line}\r\nHost: a\r\n\r\n"));
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(
            (request.start(), request.field("host")),
            (start, Some(host))
        );
        assert_eq!(request.field("x-forwarded-host"), Some(host));
    }
}

/// The head that reaches the origin of a GET with these field lines.
fn forwarded(lines: &str) -> Message {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let answer = house
        .connect()
        .ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    assert_eq!(answer.status(), 200, "{lines}");
    origin.requests().pop().unwrap().1
}

#[test]
fn connection_cannot_name_away_what_the_gateway_says() {
    let request = forwarded(
        "Connection: Host, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id, close\r\n\
         Connection: Content-Length, Transfer-Encoding, Cookie, Authorization, Date, Max-Forwards\r\n\
         X-Forwarded-For: 6.6.6.6\r\nCookie: a=b\r\nAuthorization: Basic eA==\r\nContent-Length: 0\r\n",
    );
    assert_eq!(request.field("host"), Some("a"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-host"), Some("a"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert!(request.field("x-request-id").is_some());
    assert_eq!(request.field("content-length"), Some("0"));
    // These are the client's own, and it said that they were for this connection only.
    assert_eq!(request.field("cookie"), None);
    assert_eq!(request.field("authorization"), None);
    assert_eq!(request.field("connection"), None);
}

#[test]
fn content_that_connection_names_is_framed_all_the_same() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for (lines, content) in [
        (
            "Connection: Content-Length\r\nContent-Length: 29\r\n",
            "GET /evil HTTP/1.1\r\nHost: a\r\n".to_owned(),
        ),
        (
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
            String::from_utf8(chunked(b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", 7)).unwrap(),
        ),
    ] {
        let answer = client.ask(format!(
            "POST /good HTTP/1.1\r\nHost: a\r\n{lines}\r\n{content}"
        ));
        assert_eq!(answer.text(), "/good");
    }
    assert_eq!(client.get("/next").text(), "/next");
    assert_eq!(targets_since(&origin, 0), ["/good", "/good", "/next"]);
}

#[test]
fn an_upgrade_is_told_only_where_it_can_be_granted() {
    for (lines, upgrade) in [
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            Some("websocket"),
        ),
        (
            "Connection: Upgrade\r\nUpgrade: h2c, WebSocket, foo/2\r\n",
            Some("WebSocket"),
        ),
        ("Upgrade: websocket\r\n", None),
        (
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            None,
        ),
        (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n",
            Some("websocket"),
        ),
    ] {
        let request = forwarded(lines);
        assert_eq!(request.field("upgrade"), upgrade, "{lines}");
        assert_eq!(
            request.field("connection"),
            upgrade.map(|_| "Upgrade"),
            "{lines}"
        );
        assert_eq!(request.field("http2-settings"), None, "{lines}");
    }
}

#[test]
fn a_426_says_what_to_upgrade_to() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(response.field("upgrade"), Some("websocket"));
    assert_eq!(response.field("connection"), Some("Upgrade"));
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /next HTTP/1.1");
}

#[test]
fn names_with_underscores_are_names_like_any_other() {
    let request = forwarded(
        "X_Forwarded_For: 6.6.6.6\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n",
    );
    assert_eq!(request.field("x_forwarded_for"), Some("6.6.6.6"));
    assert_eq!(request.field("content_length"), Some("5"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("content-length"), None);
}

#[test]
fn lines_of_the_same_name_keep_their_order_and_their_values() {
    let request =
        forwarded("Cookie: a=b; c=d\r\nX-A: 1\r\nCookie: e=f\r\nX-A:\r\nx-a: \"2, 3\"\r\n");
    assert_eq!(request.all("cookie"), ["a=b; c=d", "e=f"]);
    assert_eq!(request.all("x-a"), ["1", "", "\"2, 3\""]);
}

#[test]
fn a_gateway_that_is_its_own_origin_does_not_go_on_for_ever() {
    let socket = Scratch::new("loop.sock");
    let path = socket.path().display();
    let gateway = Gateway::run(
        &format!(
            "[[listen]]\naddr = \"unix:{path}\"\n[upstream.app]\nto = [\"unix:{path}\"]\n\
             [[route]]\nto = \"app\"\n"
        ),
        &[],
    );
    // Each round adds a Via, until there are more fields than may be.
    assert_eq!(gateway.get("/").status(), 431);
    assert_eq!(gateway.get("/").status(), 431);
}

/// A client that has sent half of its content, and the origin that has it.
fn halfway(house: &House, origin: &Origin) -> (Wire, Wire) {
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.expect("12345");
    (client, at_origin)
}

#[test]
fn a_response_before_the_request_is_whole_ends_both_connections() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = halfway(&house, &origin);
    at_origin.answer("early");
    assert_eq!(client.read_response().text(), "early");
    // What comes now is the rest of the content, or looks like a request; nobody may take it for one.
    let _ = client.try_send("67890GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    let (rest, _) = client.read_to_end();
    assert_eq!(statuses(&rest), [0; 0]);
    let (rest, _) = at_origin.read_to_end();
    assert!(!String::from_utf8_lossy(&rest).contains("evil"));
    assert!(!origin.has_waiting());
}

/// The sources of this repository below `folder`, as (path, text).
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            all.push((path.to_string_lossy().into_owned(), text));
        }
    }
    all
}

#[test]
fn every_rule_of_the_rfcs_names_files_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = sources(&root.join("tests/it"));
    tests.extend(
        sources(&root.join("src"))
            .into_iter()
            .filter(|(path, _)| path.contains("/tests/")),
    );
    let has_test = |module: &str, name: &str| {
        let file = format!("/{module}.rs");
        let test = format!("#[test]\n    fn {name}(");
        let of_file = tests.iter().filter(|(path, _)| path.ends_with(&file));
        of_file
            .map(|(_, text)| text)
            .any(|text| text.contains(&test) || text.contains(&test.replace("    ", "")))
    };
    let quoted = |cell: &str| -> Vec<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let (mut kept, mut excused) = (0, 0);
    for line in include_str!("../../src/http/rfc.md").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, section, rule, keeper, proof, _] = cells.as_slice() else {
            assert!(!line.starts_with('|'), "{line}");
            continue;
        };
        if section.is_empty() || ["§", "---"].contains(section) {
            continue;
        }
        assert!(rule.ends_with('.'), "{line}");
        if *keeper == "–" {
            assert!(proof.starts_with("not applicable: "), "{line}");
            excused += 1;
            continue;
        }
        for file in quoted(keeper) {
            assert!(root.join("src").join(&file).exists(), "{file}: {line}");
        }
        let proofs = quoted(proof);
        assert!(!proofs.is_empty() && !quoted(keeper).is_empty(), "{line}");
        for name in proofs {
            let exists = match name.split_once("::") {
                Some((module, test)) => has_test(module, test),
                None => root.join(format!("tests/corpus/{name}.http")).exists(),
            };
            assert!(exists, "{name}: {line}");
        }
        kept += 1;
    }
    assert!(kept >= 110 && excused >= 15, "{kept} {excused}");
}
