//! The behaviours of Go's `httputil.ReverseProxy`, restated and numbered: `b_NN_…` is number NN. Most are dialogues over
//! real sockets; what needs a hook has one; what is about a part alone asks that part.
//!
//! Not applicable here, because osier has no such mode:
//!
//! - 32, a query that is parsed and written anew without what does not parse: osier forwards every query as it came
//!   (33), and what an origin makes of `;` is the origin's affair;
//! - 34, 37, 38, 39, an interval for flushing, and the content types for which it does not hold: osier never holds back
//!   what it has (35, and the tests of streaming).
//!
//! Where osier deliberately differs, the test says so: 28 (an empty User-Agent stays empty), 31 (a path that does not
//! unescape is refused, not repaired) and 57 (a protocol that is no token never gets as far as an upgrade).

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use osier::context;
use osier::http::forward::{self, ForwardedStyle, Forwarding};
use osier::http::head::RequestHead;
use osier::http::limits::Limits;
use osier::log::{Log, Scribe};
use osier::net::address::Address;
use osier::net::dialer::Dial;
use osier::net::pair::Pair;
use osier::proxy::answer::Answer;
use osier::proxy::gateway::{Gateway, Host};
use osier::proxy::session;
use osier::runtime::buffer::{Budget, Buffers};
use smol::net::TcpStream;

use crate::support::{
    End, House, Message, Origin, Scripted, Wire, chunked, octets, options, wait_for,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What an origin gets when a client sends this.
fn seen_by_origin(request: &str) -> Message {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    house.connect().ask(request);
    only_request(&origin)
}

fn only_request(origin: &Scripted) -> Message {
    let mut requests = origin.requests();
    assert_eq!(requests.len(), 1);
    requests.remove(0).1
}

/// What a client gets when its origin sends this.
fn seen_by_client(response: &str) -> Message {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(response);
    client.read_response()
}

/// The target that the origin is asked for, by the library alone: also for paths that no client can send.
fn joined(base: &str, path: &str) -> String {
    let mut input = RequestHead::new();
    input.set_method("GET").unwrap();
    input.set_target("/").unwrap();
    let mut out = RequestHead::new();
    let how = Forwarding {
        base_path: base,
        path: Some(path.as_bytes()),
        fallback_host: b"a",
        ..Forwarding::default()
    };
    forward::request(&input, &mut out, &how).unwrap();
    String::from_utf8(out.target().to_vec()).unwrap()
}

fn parsed(text: &str) -> RequestHead {
    let mut head = RequestHead::new();
    head.parse(text.as_bytes(), &Limits::default()).unwrap();
    head
}

// Basic forwarding.

#[test]
fn b_01_status_fields_and_body_reach_the_client_unchanged() {
    let fields =
        "X-Foo: bar\r\nSERVER: some origin\r\nX-Empty: \r\nX-High: \u{e9}\r\nDate: yesterday\r\n";
    let response = seen_by_client(&format!(
        "HTTP/1.1 404 Gone Fishing\r\n{fields}Content-Length: 2\r\n\r\nhi"
    ));
    assert_eq!(response.start(), "HTTP/1.1 404 Gone Fishing");
    for (name, value) in fields.lines().filter_map(|line| line.split_once(':')) {
        assert_eq!(response.all(name), [value.trim()], "{name}");
    }
    assert_eq!(response.text(), "hi");
}

#[test]
fn b_02_the_origin_never_sees_connection() {
    for connection in ["", "Connection: close\r\n", "Connection: keep-alive\r\n"] {
        let request = seen_by_origin(&format!("GET / HTTP/1.1\r\nHost: a\r\n{connection}\r\n"));
        assert_eq!(request.field("connection"), None, "{connection}");
    }
}

#[test]
fn b_03_a_get_without_body_has_no_transfer_encoding() {
    let request = seen_by_origin(GET);
    assert_eq!(request.field("transfer-encoding"), None);
    assert_eq!(request.field("content-length"), None);
}

#[test]
fn b_04_the_origin_always_gets_x_forwarded_for() {
    let request = seen_by_origin(GET);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn b_05_te_trailers_reaches_the_origin_as_exactly_that() {
    for te in ["trailers", "gzip, trailers", "Trailers, deflate;q=0.5"] {
        let request = seen_by_origin(&format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTE: {te}\r\nConnection: TE\r\n\r\n"
        ));
        assert_eq!(request.field("te"), Some("trailers"), "{te}");
    }
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\n\r\n");
    assert_eq!(request.field("te"), None);
}

#[test]
fn b_06_upgrade_without_connection_upgrade_is_removed() {
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\n\r\n");
    assert_eq!(request.field("upgrade"), None);
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(request.field("upgrade"), None);
}

#[test]
fn b_07_proxy_connection_is_removed() {
    let request =
        seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: should be gone\r\n\r\n");
    assert_eq!(request.field("proxy-connection"), None);
}

#[test]
fn b_08_the_clients_host_is_preserved() {
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: some-name\r\n\r\n");
    assert_eq!(request.field("host"), Some("some-name"));
}

#[test]
fn b_09_hop_by_hop_fields_of_a_response_stay_here() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
         Proxy-Authenticate: Basic\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n\
         Connection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    );
    for gone in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
    ] {
        assert_eq!(response.field(gone), None, "{gone}");
    }
}

#[test]
fn b_10_trailers_in_the_plural_is_an_ordinary_field() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nTrailers: not a special field name\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(response.field("trailers"), Some("not a special field name"));
}

#[test]
fn b_11_repeated_fields_stay_repeated() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nX-Multi-Value: foo\r\nSet-Cookie: flavor=chocolate; path=/\r\n\
         X-Multi-Value: bar\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(response.all("x-multi-value"), ["foo", "bar"]);
    assert_eq!(response.all("set-cookie"), ["flavor=chocolate; path=/"]);
}

#[test]
fn b_12_an_announced_trailer_is_declared_and_arrives() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nTrailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Trailer: trailer_value\r\n\r\n",
    );
    assert_eq!(response.field("trailer"), Some("X-Trailer"));
    assert_eq!(response.text(), "hi");
    assert_eq!(response.trailers, "X-Trailer: trailer_value\r\n");
}

#[test]
fn b_13_a_trailer_that_was_not_announced_arrives_too() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Unannounced-Trailer: value\r\n\r\n",
    );
    assert_eq!(response.field("trailer"), None);
    assert_eq!(response.trailers, "X-Unannounced-Trailer: value\r\n");
}

#[test]
fn b_14_an_origin_that_hangs_up_is_a_502() {
    // Each time it is asked, for a GET may be sent again.
    let origin = Origin::script(|_, _| false);
    let house = House::to(origin.endpoint());
    assert_eq!(house.connect().get("/?mode=hangup").status(), 502);
}

#[test]
fn b_15_a_post_of_a_mebibyte_arrives_and_is_answered() {
    let content = octets(1 << 20);
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    client.send(&content);
    assert_eq!(client.read_response().text(), "/big");
    assert!(only_request(&origin).body == content);
}

#[test]
fn b_16_an_http_1_0_request_line_alone_is_proxied() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET /old HTTP/1.0\r\n\r\n");
    assert_eq!(client.read_response().text(), "/old");
    client.expect_end();
    assert_eq!(only_request(&origin).start(), "GET /old HTTP/1.1");
}

#[test]
fn b_17_a_request_without_body_goes_without_body_and_a_failure_is_a_502() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody);
    assert_eq!(house.connect().ask(GET).status(), 502);

    // Without a body it stays one that may be sent again: a kept connection that ends costs nothing.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("first");
    assert_eq!(client.read_response().text(), "first");
    client.send(GET);
    let request = at_origin.read_request();
    assert_eq!(request.field("content-length"), None);
    assert_eq!(request.field("transfer-encoding"), None);
    drop(at_origin);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("second");
    assert_eq!(client.read_response().text(), "second");
}

#[test]
fn b_18_a_request_without_any_field_is_no_trouble() {
    let mut out = RequestHead::new();
    let mut input = RequestHead::new();
    input.set_method("GET").unwrap();
    input.set_target("/").unwrap();
    let bare = Forwarding {
        forwarded: ForwardedStyle::Off,
        fallback_host: b"origin",
        ..Forwarding::default()
    };
    forward::request(&input, &mut out, &bare).unwrap();
    assert_eq!(out.fields().get("host"), Some(&b"origin"[..]));

    // A hook may take away every field there is.
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.rewrite = Some(Arc::new(|_: &RequestHead, out: &mut RequestHead| {
            out.fields_mut().clear();
        }));
    });
    assert_eq!(house.connect().get("/none").text(), "/none");
    assert_eq!(only_request(&origin).head, "GET /none HTTP/1.1\r\n\r\n");
}

// What Connection names.

#[test]
fn b_19_what_connection_names_is_removed_from_the_request() {
    let request = seen_by_origin(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Fake\r\nConnection: X-Other,,\r\n\
         Connection: x-third , close\r\nX-Fake: 1\r\nX-Other: 2\r\nX-Third: 3\r\nX-Fourth: 4\r\n\
         Keep-Alive: 300\r\nUpgrade: foo\r\n\r\n",
    );
    for gone in [
        "connection",
        "x-fake",
        "x-other",
        "x-third",
        "keep-alive",
        "upgrade",
    ] {
        assert_eq!(request.field(gone), None, "{gone}");
    }
    assert_eq!(request.field("x-fourth"), Some("4"));
}

#[test]
fn b_20_what_connection_names_is_removed_from_the_response() {
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nConnection: Upgrade, X-Fake\r\nConnection: X-Other\r\nX-Fake: 1\r\n\
         X-Other: 2\r\nX-Third: 3\r\nContent-Length: 0\r\n\r\n",
    );
    for gone in ["connection", "x-fake", "x-other"] {
        assert_eq!(response.field(gone), None, "{gone}");
    }
    assert_eq!(response.field("x-third"), Some("3"));
}

#[test]
fn b_21_an_empty_connection_line_does_not_hide_the_next() {
    let request = seen_by_origin(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\nConnection: X-Fake\r\nX-Fake: 1\r\n\r\n",
    );
    assert_eq!(request.field("connection"), None);
    assert_eq!(request.field("x-fake"), None);
    let response = seen_by_client(
        "HTTP/1.1 200 OK\r\nConnection:\r\nConnection: X-Fake\r\nX-Fake: 1\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(response.field("connection"), None);
    assert_eq!(response.field("x-fake"), None);
}

#[test]
fn b_22_the_request_that_came_in_is_not_changed() {
    let text = "GET http://b/p?q HTTP/1.1\r\nHost: a\r\nConnection: X-Fake, close\r\nX-Fake: 1\r\nTE: trailers\r\n\r\n";
    let input = parsed(text);
    let mut out = RequestHead::new();
    forward::request(&input, &mut out, &Forwarding::default()).unwrap();
    assert_eq!(input, parsed(text));
    assert_ne!(input, out);

    // A hook sees it whole, hop-by-hop fields and all, and cannot change it.
    let origin = Origin::that_answers();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let house = House::with(origin.endpoint(), move |options| {
        options.rules.hooks.rewrite = Some(Arc::new(
            move |input: &RequestHead, out: &mut RequestHead| {
                out.fields_mut().set("X-Out", "1").unwrap();
                out.fields_mut().remove("X-Mine");
                assert_eq!(*input, parsed(text));
                counted.fetch_add(1, Ordering::SeqCst);
            },
        ));
    });
    assert_eq!(house.connect().ask(text).status(), 200);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(only_request(&origin).field("x-out"), Some("1"));
}

// Forwarding fields.

/// Believes its neighbour.
fn trusting(origin: &Scripted) -> House {
    House::with(origin.endpoint(), |options| {
        options.rules.identity.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    })
}

#[test]
fn b_23_a_believed_x_forwarded_for_is_kept_and_appended_to() {
    let origin = Origin::that_answers();
    let house = trusting(&origin);
    for (prior, whole) in [
        ("X-Forwarded-For: client ip\r\n", "client ip, 127.0.0.1"),
        (
            "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n",
            "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1",
        ),
        ("", "127.0.0.1"),
    ] {
        let mut client = house.connect();
        client.ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{prior}\r\n"));
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(request.field("x-forwarded-for"), Some(whole));
    }
}

#[test]
fn b_24_x_forwarded_for_can_be_left_out() {
    let mut out = RequestHead::new();
    let input = parsed("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
    let off = Forwarding {
        client_ip: Some([127, 0, 0, 1].into()),
        forwarded: ForwardedStyle::Off,
        ..Forwarding::default()
    };
    forward::request(&input, &mut out, &off).unwrap();
    assert_eq!(out.fields().get("x-forwarded-for"), None);

    // On the wire: a hook takes it out again.
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.rewrite = Some(Arc::new(|_: &RequestHead, out: &mut RequestHead| {
            out.fields_mut().remove("X-Forwarded-For");
        }));
    });
    house.connect().get("/");
    assert_eq!(only_request(&origin).field("x-forwarded-for"), None);
}

#[test]
fn b_25_what_a_client_says_of_forwarding_never_reaches_the_origin() {
    let request = seen_by_origin(
        "GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\
         X-Forwarded-Host: evil\r\nX-Forwarded-Proto: evil\r\nX-Forwarded-Port: 666\r\n\r\n",
    );
    assert!(!request.head.contains("evil"), "{request:?}");
    assert!(!request.head.contains("666"), "{request:?}");
    assert!(!request.head.contains("6.6.6.6"), "{request:?}");
    assert_eq!(request.field("forwarded"), None);
}

#[test]
fn b_26_the_origin_may_see_its_own_name_as_host() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.identity.host = Host::Upstream;
    });
    house.connect().get("/");
    let name = origin.address().to_string();
    assert_eq!(only_request(&origin).field("host"), Some(&*name));
}

#[test]
fn b_27_a_hook_may_replace_the_whole_request() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.rewrite = Some(Arc::new(|_: &RequestHead, out: &mut RequestHead| {
            *out = RequestHead::new();
            out.set_method("GET").unwrap();
            out.set_target("/replaced?yes").unwrap();
            out.fields_mut().push("Host", "another.example").unwrap();
        }));
    });
    let mut client = house.connect();
    let response = client.ask("DELETE /original HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\n\r\n");
    assert_eq!(response.text(), "/replaced?yes");
    assert_eq!(
        only_request(&origin).head,
        "GET /replaced?yes HTTP/1.1\r\nHost: another.example\r\n\r\n"
    );
}

#[test]
fn b_28_user_agent_is_passed_on_and_never_made_up() {
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: explicit UA\r\n\r\n");
    assert_eq!(request.field("user-agent"), Some("explicit UA"));
    assert_eq!(seen_by_origin(GET).field("user-agent"), None);
    // Go leaves an empty one out; osier passes it on as it is. Neither fills it in.
    let request = seen_by_origin("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent:\r\n\r\n");
    assert_eq!(request.field("user-agent"), Some(""));
}

// Joining URLs.

/// The target an origin with this base is asked for, on the wire.
fn joined_on_the_wire(base: &str, path: &str) -> String {
    let origin = Origin::that_answers();
    let mut endpoint = origin.endpoint();
    endpoint.base_path = base.to_owned();
    let house = House::to(endpoint);
    house.connect().get(path).text().to_owned()
}

#[test]
fn b_29_queries_are_joined() {
    for (base, path, whole) in [
        ("?sta=tic", "/?us=er", "/?sta=tic&us=er"),
        ("", "/?us=er", "/?us=er"),
        ("?sta=tic", "/", "/?sta=tic"),
        ("", "/", "/"),
    ] {
        assert_eq!(joined_on_the_wire(base, path), whole, "{base} + {path}");
    }
}

#[test]
fn b_30_paths_meet_at_exactly_one_slash() {
    for (base, path, whole) in [
        ("/", "/f", "/f"),
        ("", "/f", "/f"),
        ("/base", "/f", "/base/f"),
        ("/base/", "/f", "/base/f"),
    ] {
        assert_eq!(joined(base, path), whole, "{base} + {path}");
        assert_eq!(joined_on_the_wire(base, path), whole, "{base} + {path}");
    }
    // No client can send such a path; a route can.
    for (base, path, whole) in [
        ("", "f", "/f"),
        ("", "", "/"),
        ("/", "f", "/f"),
        ("/base", "f", "/base/f"),
        ("base", "f", "/base/f"),
    ] {
        assert_eq!(joined(base, path), whole, "{base} + {path}");
    }
}

#[test]
fn b_31_escapes_survive() {
    for (base, path, whole) in [
        ("/a%2Fb", "/c", "/a%2Fb/c"),
        ("/a%2Fb/", "/c", "/a%2Fb/c"),
        ("/a/b", "/c%2Fd", "/a/b/c%2Fd"),
        ("/a%2Fb/", "/c%2Fd", "/a%2Fb/c%2Fd"),
    ] {
        assert_eq!(joined_on_the_wire(base, path), whole, "{base} + {path}");
    }
    assert_eq!(joined("/a%2Fb%2F", "c"), "/a%2Fb%2F/c");
    // Go falls back to the unescaped path and escapes that anew; osier has only the one spelling, and refuses it where it
    // does not unescape, before it is joined with anything.
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    assert_eq!(house.connect().get("/%zz").status(), 400);
}

#[test]
fn b_33_queries_are_forwarded_octet_by_octet() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let many = format!("/?{}", "a&".repeat(4000));
    for path in [
        "/?a=1&a=2;b=3",
        "/?a=1&a=%zz&b=3",
        "/?a=%zz",
        "/?a=1&&&=;;?b",
        &many,
    ] {
        assert_eq!(client.get(path).text(), path);
    }
    // Beyond ten thousand names too, where heads may be so large.
    let house = House::with(origin.endpoint(), |options| {
        options.rules.limits.target_octets_max = 64 * 1024;
        options.rules.limits.head_octets_max = 128 * 1024;
    });
    let many = format!("/?{}", "a&".repeat(10_001));
    assert_eq!(house.connect().get(&many).text(), many);
}

// Streaming.

#[test]
fn b_35_the_head_arrives_while_the_body_has_not_begun() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for framing in ["Transfer-Encoding: chunked", "Content-Length: 3", "X: y"] {
        let mut client = house.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(format!(
            "HTTP/1.1 200 OK\r\nMyHeader: 1\r\n{framing}\r\n\r\n"
        ));
        assert_eq!(client.read_head().field("myheader"), Some("1"));
        drop(client);
        at_origin.expect_gone();
    }
}

#[test]
fn b_36_hooks_hold_nothing_back() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.rewrite = Some(Arc::new(|_: &RequestHead, _: &mut RequestHead| {}));
        options.rules.hooks.modify_response = Some(Arc::new(|_| Ok(())));
    });
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.read_head();
    for piece in ["1\r\na\r\n", "2\r\nbc\r\n", "0\r\n\r\n"] {
        at_origin.send(piece);
        client.expect(piece);
    }
}

/// Dials with smol.
struct SmolDial;

impl Dial for SmolDial {
    type Stream = Pair<TcpStream, TcpStream>;

    async fn dial(&self, to: &Address) -> io::Result<Self::Stream> {
        let Address::Inet(address) = to else {
            panic!("no origin is at {to}");
        };
        let stream = TcpStream::connect(address).await?;
        Ok(Pair::new(stream.clone(), stream))
    }
}

#[test]
fn b_40_a_buffer_is_taken_and_given_back_once() {
    let large = octets(300_000);
    let origin = Origin::script(move |wire, _| {
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send(chunked(&large, 50_000));
        true
    });
    // A gateway whose buffers can be counted.
    let budget = Arc::new(Budget::new(1 << 20));
    let rules = options([origin.endpoint()]).rules;
    let gateway = Rc::new(Gateway::new(
        Arc::new(rules.into()),
        SmolDial,
        Buffers::new(budget.clone()),
        Scribe::new(Log::silent()),
        0,
    ));
    let mut used = Vec::new();
    for _ in 0..10 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = Wire::connect(listener.local_addr().unwrap());
        let stream = TcpStream::try_from(listener.accept().unwrap().0).unwrap();
        let asking = thread::spawn(move || {
            let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            client.ask(request).body.len()
        });
        let (ctx, _cancel) = context::background().with_cancel();
        let stream = Pair::new(stream.clone(), stream);
        smol::block_on(session::serve(gateway.clone(), stream, None, ctx));
        assert_eq!(asking.join().unwrap(), 300_000);
        used.push(budget.used());
    }
    // What the first response took, it gave back, and each one after it took the same again: one that was kept out
    // would have to be made anew.
    assert!(
        used[0] > 0 && used.iter().all(|octets| *octets == used[0]),
        "{used:?}"
    );
    drop(gateway);
    assert_eq!(budget.used(), 0);

    // Two given back for one would be two that could be taken.
    let buffers = Buffers::new(budget.clone());
    for _ in 0..100 {
        let (one, other) = (buffers.for_body(None), buffers.for_body(None));
        assert_eq!(one.capacity(), other.capacity());
        assert_eq!(budget.used(), 2 * one.capacity());
    }
}

// Interim responses.

#[test]
fn b_41_interim_responses_arrive_in_order_with_their_fields() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let links = [
        "</style.css>; rel=preload; as=style",
        "</script.js>; rel=preload; as=script",
        "</foo.js>; rel=preload; as=script",
    ];
    let lines = links.map(|link| format!("Link: {link}\r\n"));
    let (two, three) = (lines[..2].concat(), lines.concat());
    at_origin.send(format!("HTTP/1.1 103 Early Hints\r\n{two}\r\n"));
    let early = client.read_head();
    assert_eq!(
        (early.status(), early.all("link")),
        (103, links[..2].to_vec())
    );
    at_origin.send(format!("HTTP/1.1 102 Processing\r\n{three}\r\n"));
    let early = client.read_head();
    assert_eq!((early.status(), early.all("link")), (102, links.to_vec()));
    at_origin.send(format!(
        "HTTP/1.1 200 OK\r\n{three}Content-Length: 5\r\n\r\nHello"
    ));
    let response = client.read_response();
    assert_eq!(
        (response.status(), response.all("link")),
        (200, links.to_vec())
    );
    assert_eq!(response.text(), "Hello");
}

#[test]
fn b_42_an_interim_response_after_the_end_touches_nothing() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.modify_response = Some(Arc::new(|response| {
            assert!(response.status() >= 200);
            Ok(())
        }));
    });
    // The exchange was cancelled before it came.
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let id = house.wait_for_node(&["exchange"]);
    house.cancel(id, "enough");
    assert_eq!(client.read_response().status(), 503);
    let _ = at_origin.try_send("HTTP/1.1 103 Early Hints\r\nX-Late: 1\r\n\r\n");
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    // It came behind the final response.
    at_origin.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 103 Early Hints\r\nX-Late: 1\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!((response.text(), response.field("x-late")), ("ok", None));
    at_origin.expect_gone();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("clean");
    let response = client.read_response();
    assert_eq!((response.status(), response.text()), (200, "clean"));
}

// Errors, aborts, cancellation.

#[test]
fn b_43_a_client_that_leaves_frees_the_origin_at_once() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let left = Instant::now();
    drop(client);
    at_origin.expect_gone();
    // How much sooner it is, the tests of cancelling measure.
    assert!(left.elapsed() < Duration::from_secs(10));
}

#[test]
fn b_44_a_body_cut_short_fails_the_clients_read_and_is_recorded() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour");
    assert_eq!(client.read_head().field("content-length"), Some("8"));
    client.expect("four");
    drop(at_origin);
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
    house.wait_for_record(&["status=200", "cause=origin_closed"]);
}

#[test]
fn b_45_a_body_cut_short_aborts_the_clients_connection() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for framing in [
        "Content-Length: 8\r\n\r\nfour",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
    ] {
        for version in ["1.0", "1.1"] {
            let mut client = house.connect();
            client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
            let mut at_origin = origin.accept();
            at_origin.read_request();
            at_origin.send(format!("HTTP/1.1 200 OK\r\n{framing}"));
            client.read_head();
            client.read_until("four");
            drop(at_origin);
            let (rest, end) = client.read_to_end();
            assert!(!rest.ends_with(b"0\r\n\r\n"));
            assert_eq!(end, End::Reset, "{framing} {version}");
        }
    }
}

#[test]
fn b_46_large_posts_to_an_origin_that_answers_early_and_short_leave_nothing_behind() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut client = house.connect();
                    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6291456\r\n\r\n";
                    let _ = client.try_send(head);
                    let _ = client.try_send(octets(6 << 20));
                    client.read_to_end();
                }
            });
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut at_origin = origin.accept();
                    at_origin.read_head();
                    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
                }
            });
        }
    });
    house.wait_until_gone("session");
    // It is as good as new.
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("next");
    assert_eq!(client.read_response().text(), "next");
}

/// 418, whatever the error.
fn teapot(options: &mut osier::server::Options) {
    options.rules.hooks.error_response = Some(Arc::new(|_| {
        Some(Answer::respond(418, b"short and stout".to_vec()))
    }));
}

#[test]
fn b_47_the_answer_to_an_error_can_be_chosen() {
    let (nobody, _kept) = Origin::nobody();
    let house = House::to(nobody.clone());
    assert_eq!(house.connect().ask(GET).status(), 502);
    let house = House::with(nobody, teapot);
    let response = house.connect().ask(GET);
    assert_eq!(
        (response.status(), response.text()),
        (418, "short and stout")
    );
    house.wait_for_record(&["status=418", "cause=connect_refused"]);

    let origin = Origin::script(|wire, _| {
        wire.send("HTTP/1.1 345 Odd\r\nContent-Length: 0\r\n\r\n");
        true
    });
    let house = House::with(origin.endpoint(), |options| {
        teapot(options);
        options.rules.hooks.modify_response = Some(Arc::new(|response| {
            assert_eq!(response.status(), 345);
            response.set_status(346)?;
            Ok(())
        }));
    });
    assert_eq!(house.connect().ask(GET).status(), 346);
    let house = House::with(origin.endpoint(), |options| {
        teapot(options);
        options.rules.hooks.modify_response = Some(Arc::new(|_| Err("rejected".into())));
    });
    assert_eq!(house.connect().ask(GET).status(), 418);
}

/// Rejects what is not marked as good.
fn choosy(options: &mut osier::server::Options) {
    options.rules.hooks.modify_response = Some(Arc::new(|response| {
        match response.fields().get("x-hit-mod") {
            Some(b"true") => Ok(()),
            _ => Err("unmarked".into()),
        }
    }));
}

#[test]
fn b_48_a_response_that_a_hook_rejects_is_a_502() {
    let origin = Origin::script(|wire, request| {
        let mark = if request.start().contains("good") {
            "X-Hit-Mod: true\r\n"
        } else {
            ""
        };
        wire.send(format!(
            "HTTP/1.1 200 OK\r\n{mark}Content-Length: 2\r\n\r\nok"
        ));
        true
    });
    let house = House::with(origin.endpoint(), choosy);
    let mut client = house.connect();
    assert_eq!(client.get("/bad").status(), 502);
    assert_eq!(client.get("/good").text(), "ok");
}

#[test]
fn b_49_a_rejected_response_is_closed_and_recorded() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), choosy);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    assert_eq!(client.read_response().status(), 502);
    at_origin.expect_gone();
    house.wait_for_record(&["status=502", "cause=rejected:unmarked"]);
}

#[test]
fn b_50_connect_is_a_405() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let response = house
        .connect()
        .ask("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    assert_eq!(response.status(), 405);
    assert_eq!(origin.connection_count(), 0);
}

// Upgrades.

/// RFC 6455 §5.7: `Hello`, masked and not.
const HELLO_MASKED: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
const HELLO: &[u8] = b"\x81\x05Hello";

const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n";

/// A client and its origin, with a tunnel between them.
fn tunnel(house: &House, origin: &Origin) -> (Wire, Wire) {
    let mut client = house.connect();
    client.send(UPGRADE);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(SWITCH);
    assert_eq!(client.read_head().status(), 101);
    (client, at_origin)
}

#[test]
fn b_51_a_websocket_goes_through() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(UPGRADE);
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert!(
        request
            .field("connection")
            .is_some_and(|options| options.eq_ignore_ascii_case("upgrade")),
        "{request:?}"
    );
    assert_eq!(request.field("upgrade"), Some("websocket"));
    at_origin.send(SWITCH);
    let response = client.read_head();
    assert_eq!(response.status(), 101);
    assert!(
        response
            .field("upgrade")
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket")),
        "{response:?}"
    );
    assert!(
        response
            .field("connection")
            .is_some_and(|options| options.eq_ignore_ascii_case("upgrade")),
        "{response:?}"
    );
    for _ in 0..3 {
        client.send(HELLO_MASKED);
        at_origin.expect(HELLO_MASKED);
        at_origin.send(HELLO);
        client.expect(HELLO);
    }
}

#[test]
fn b_52_what_a_hook_does_to_responses_it_does_to_a_101() {
    let origin = Origin::bind();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.modify_response = Some(Arc::new(|response| {
            response.fields_mut().set("X-Modified", "true")?;
            Ok(())
        }));
    });
    let mut client = house.connect();
    client.send(UPGRADE);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(SWITCH);
    let response = client.read_head();
    assert_eq!(response.status(), 101);
    assert_eq!(response.field("x-modified"), Some("true"));
    at_origin.send(HELLO);
    client.expect(HELLO);
}

#[test]
fn b_53_a_cancelled_tunnel_closes_both_sides() {
    let origin = Origin::bind();
    let is_cut = |mut client: Wire, mut at_origin: Wire| {
        at_origin.expect_gone();
        let _ = at_origin.try_send("a later message");
        client.expect_gone();
    };

    // Somebody cancels it.
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    at_origin.send(HELLO);
    client.expect(HELLO);
    let id = house.wait_for_node(&["tunnel"]);
    house.cancel(id, "enough");
    is_cut(client, at_origin);
    house.wait_until_gone("tunnel");

    // Its time is over.
    let house = House::with(origin.endpoint(), |options| {
        options.rules.timeouts.tunnel_max = Some(Duration::from_millis(100));
    });
    let (client, at_origin) = tunnel(&house, &origin);
    is_cut(client, at_origin);

    // The server shuts down, and its patience ends.
    let mut house = House::with(origin.endpoint(), |options| {
        options.grace = Duration::from_millis(100);
    });
    let (client, at_origin) = tunnel(&house, &origin);
    house.drain();
    is_cut(client, at_origin);
    house.wait_until_ended();
}

#[test]
fn b_54_either_side_may_end_one_direction() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());

    // The origin says no more, and still hears.
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    at_origin.send(HELLO);
    at_origin.finish();
    client.expect(HELLO);
    client.expect_end();
    client.send(HELLO_MASKED);
    at_origin.expect(HELLO_MASKED);

    // The mirror image.
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    client.send(HELLO_MASKED);
    client.finish();
    at_origin.expect(HELLO_MASKED);
    at_origin.expect_end();
    at_origin.send(HELLO);
    client.expect(HELLO);

    // The origin hears no more, and still speaks.
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    rustix::net::shutdown(&at_origin, rustix::net::Shutdown::Read).unwrap();
    at_origin.send(HELLO);
    client.expect(HELLO);

    // The mirror image.
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    rustix::net::shutdown(&client, rustix::net::Shutdown::Read).unwrap();
    client.send(HELLO_MASKED);
    at_origin.expect(HELLO_MASKED);
}

#[test]
fn b_55_a_side_that_is_gone_altogether_takes_the_other_along() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());

    let (client, mut at_origin) = tunnel(&house, &origin);
    client.reset();
    at_origin.expect_gone();

    let (mut client, at_origin) = tunnel(&house, &origin);
    at_origin.reset();
    client.expect_gone();

    // Closed both ways without a reset: the other side learns it when it says something.
    let (client, mut at_origin) = tunnel(&house, &origin);
    drop(client);
    at_origin.expect_end();
    wait_for("the origin's side to be closed", || {
        at_origin.try_send(HELLO).err()
    });

    let (mut client, at_origin) = tunnel(&house, &origin);
    drop(at_origin);
    client.expect_end();
    wait_for("the client's side to be closed", || {
        client.try_send(HELLO_MASKED).err()
    });
    house.wait_until_gone("tunnel");
}

#[test]
fn b_56_nothing_is_said_after_a_101_even_if_the_tunnel_fails_at_once() {
    let origin = Origin::bind();
    let errors = Arc::new(AtomicUsize::new(0));
    let counted = errors.clone();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.hooks.error_response = Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            None
        }));
    });
    let (mut client, at_origin) = tunnel(&house, &origin);
    at_origin.reset();
    client.expect_gone();

    // The end comes together with the 101.
    let mut client = house.connect();
    client.send(UPGRADE);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send(SWITCH);
    drop(at_origin);
    assert_eq!(client.read_head().status(), 101);
    client.expect_gone();
    drop(client);
    house.wait_until_gone("tunnel");
    assert_eq!(errors.load(Ordering::SeqCst), 0);
}

// What Go's source does and its tests do not ask.

#[test]
fn b_57_a_protocol_that_is_not_printable_is_not_asked_for() {
    // Go answers 502. Here a control octet is a sin of the client's, and any other octet makes a name of no protocol
    // that may be asked for: the request goes on without it.
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    for octet in [0x01, 0x7f, 0x00] {
        let mut request =
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: web".to_vec();
        request.push(octet);
        request.extend_from_slice(b"socket\r\n\r\n");
        assert_eq!(house.connect().ask(request).status(), 400, "{octet:#x}");
    }
    assert_eq!(origin.connection_count(), 0);
    let request =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: web\xffsocket\r\n\r\n";
    assert_eq!(house.connect().ask(request).status(), 200);
    let request = only_request(&origin);
    assert_eq!(
        (request.field("upgrade"), request.field("connection")),
        (None, None)
    );
}

#[test]
fn b_58_a_101_to_another_protocol_is_a_502() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for protocol in ["h2c", "websocket, h2c", "websockets"] {
        let mut client = house.connect();
        client.send(UPGRADE);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        ));
        let response = client.read_response();
        assert_eq!(response.status(), 502, "{protocol}");
        let details = response.field("proxy-status").unwrap_or_default();
        assert!(details.contains("upgrade_to_another_protocol"), "{details}");
        at_origin.expect_gone();
    }
}

#[test]
fn b_59_a_101_that_nobody_asked_for_is_a_502() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    for request in [
        GET,
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = house.connect();
        client.send(request);
        let mut at_origin = origin.accept();
        assert_eq!(at_origin.read_request().field("upgrade"), None);
        at_origin.send(SWITCH);
        at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled");
        let response = client.read_response();
        assert_eq!(response.status(), 502, "{request}");
        assert!(!response.text().contains("smuggled"));
        at_origin.expect_gone();
    }
}

#[test]
fn b_60_a_tunnel_ends_with_both_directions_or_with_a_failure() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let (mut client, mut at_origin) = tunnel(&house, &origin);
    house.wait_for_node(&["tunnel"]);
    client.finish();
    at_origin.expect_end();
    // One direction has ended; the tunnel stands.
    assert!(house.tree().contains("tunnel"));
    at_origin.send(HELLO);
    client.expect(HELLO);
    at_origin.finish();
    client.expect_end();
    house.wait_until_gone("tunnel");

    let (client, mut at_origin) = tunnel(&house, &origin);
    house.wait_for_node(&["tunnel"]);
    client.reset();
    at_origin.expect_gone();
    house.wait_until_gone("tunnel");
}

#[test]
fn b_61_a_client_that_left_is_not_recorded_as_the_origins_error() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    // While the head is awaited, and in the middle of the body.
    for (answer, status) in [
        ("", "status=499"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            "status=200",
        ),
    ] {
        let path = format!("target=/{}", answer.len());
        let mut client = house.connect();
        client.send(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", answer.len()));
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(answer);
        if !answer.is_empty() {
            client.read_head();
            client.expect("half");
        }
        drop(client);
        at_origin.expect_gone();
        let record = house.wait_for_record(&[&path, status]);
        assert!(record.contains("cause=client_gone"), "{record}");
    }
}
