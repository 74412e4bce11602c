//! Messages in, messages out.

use crate::support::{House, Origin, Wire, chunked, octets, options};
use osier::proxy::gateway::Host;

#[test]
fn a_get_arrives_and_its_answer_comes_back() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET /a/b?c=d HTTP/1.1\r\nHost: a.example\r\nX-Mine: 1\r\n\r\n");
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert_eq!(request.start(), "GET /a/b?c=d HTTP/1.1");
    assert_eq!(request.field("host"), Some("a.example"));
    assert_eq!(request.field("x-mine"), Some("1"));
    assert_eq!(request.field("connection"), None);
    assert_eq!(request.field("transfer-encoding"), None);
    assert_eq!(request.field("content-length"), None);

    at_origin.send(
        "HTTP/1.1 404 Not Here\r\nX-Theirs: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
    let response = client.read_response();
    assert_eq!(response.start(), "HTTP/1.1 404 Not Here");
    assert_eq!(response.field("x-theirs"), Some("2"));
    assert_eq!(response.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.text(), "hello");
}

#[test]
fn a_post_of_a_mebibyte_arrives_octet_by_octet_the_same() {
    let content = octets(1 << 20);
    let origin = Origin::script(|wire, request| {
        wire.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        ));
        wire.send(&request.body);
        true
    });
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n");
    client.send(&content);
    let response = client.read_response();
    assert!(response.body == content);
    assert_eq!(response.field("content-length"), Some("1048576"));
    let (_, request) = &origin.requests()[0];
    assert_eq!(request.field("content-length"), Some("1048576"));

    let mut coded = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    coded.extend(chunked(&content, 1000));
    client.send(coded);
    assert!(client.read_response().body == content);
    let (_, request) = &origin.requests()[1];
    assert_eq!(request.field("transfer-encoding"), Some("chunked"));
    assert_eq!(request.field("content-length"), None);
}

#[test]
fn a_mebibyte_comes_back_in_chunks_of_any_size() {
    for size in [1, 999, 70_000, 1 << 20] {
        let content = octets(if size == 1 { 20_000 } else { 1 << 20 });
        let answer = chunked(&content, size);
        let origin = Origin::script(move |wire, _| {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            wire.send(&answer);
            true
        });
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        for _ in 0..2 {
            let response = client.get("/");
            assert!(response.body == content, "{size}");
            assert_eq!(response.field("transfer-encoding"), Some("chunked"));
        }
        assert_eq!(origin.connection_count(), 1, "{size}");
    }
}

#[test]
fn a_message_may_come_octet_by_octet() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send_slowly(
        "POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
    );
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert_eq!(
        (request.text(), request.trailers.as_str()),
        ("abc", "T: 1\r\n")
    );

    at_origin.send_slowly(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\nU: 2\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(
        (response.text(), response.trailers.as_str()),
        ("def", "U: 2\r\n")
    );
}

#[test]
fn head_204_and_304_have_no_body_and_keep_both_connections() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("HEAD /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().start(), "HEAD /1 HTTP/1.1");
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
    let response = client.read_head();
    assert_eq!(response.field("content-length"), Some("77"));

    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /2 HTTP/1.1");
    at_origin.send("HTTP/1.1 204 No Content\r\n\r\n");
    let response = client.read_head();
    assert_eq!(
        (response.status(), response.field("content-length")),
        (204, None)
    );
    assert_eq!(response.field("transfer-encoding"), None);

    client.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /3 HTTP/1.1");
    at_origin.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: \"x\"\r\n\r\n");
    let response = client.read_head();
    assert_eq!(
        (response.status(), response.field("content-length")),
        (304, Some("9"))
    );

    client.send("GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /4 HTTP/1.1");
    at_origin.answer("last");
    assert_eq!(client.read_response().text(), "last");
    assert!(!origin.has_waiting());
}

#[test]
fn trailers_come_through_both_ways_announced_or_not() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 97\r\nX-More: 1\r\n\r\n",
    );
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert_eq!(request.field("te"), Some("trailers"));
    assert_eq!(request.trailers, "X-Sum: 97\r\nX-More: 1\r\n");

    at_origin.send(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nb\r\n0\r\nX-Sum: 98\r\nX-Else: 2\r\n\r\n",
    );
    let response = client.read_response();
    assert_eq!(response.field("trailer"), Some("X-Sum"));
    assert_eq!(response.trailers, "X-Sum: 98\r\nX-Else: 2\r\n");
}

#[test]
fn an_http_1_0_client_gets_a_close_delimited_body() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().start(), "GET / HTTP/1.1");
    at_origin.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n",
    );
    let response = client.read_response();
    assert!(response.start().starts_with("HTTP/1.1 200"), "{response:?}");
    assert_eq!(response.field("transfer-encoding"), None);
    assert_eq!(response.field("connection"), Some("close"));
    assert_eq!(response.text(), "abc");
}

#[test]
fn an_http_1_0_client_that_asks_keeps_its_connection() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    let keep = "GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    let response = client.ask(keep);
    assert_eq!(
        (response.text(), response.field("connection")),
        ("/1", Some("keep-alive"))
    );
    let response = client.ask("GET /2 HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(
        (response.text(), response.field("connection")),
        ("/2", Some("close"))
    );
    client.expect_end();
}

#[test]
fn an_http_1_0_origin_may_delimit_by_its_end() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.0 200 OK\r\n\r\nuntil ");
    at_origin.send("the end");
    drop(at_origin);
    let response = client.read_response();
    assert_eq!(response.text(), "until the end");
    assert_eq!(response.field("transfer-encoding"), Some("chunked"));
    assert_eq!(response.field("connection"), None);

    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(client.read_response().text(), "no");
    at_origin.expect_gone();

    client.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nyes");
    assert_eq!(client.read_response().text(), "yes");

    client.send("GET /4 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /4 HTTP/1.1");
    at_origin.answer("again");
    assert_eq!(client.read_response().text(), "again");
}

#[test]
fn sixteen_requests_in_one_write_are_answered_in_order() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();

    let mut all = String::new();
    for number in 0..16 {
        if number % 4 == 3 {
            all += &format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        } else {
            all += &format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
        }
    }
    client.send(all);
    for number in 0..16 {
        assert_eq!(client.read_response().text(), format!("/{number}"));
    }
    assert_eq!(origin.connection_count(), 1);
    let bodies: Vec<_> = origin
        .requests()
        .iter()
        .map(|(_, r)| r.body.len())
        .collect();
    assert_eq!(bodies, [0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4]);
}

#[test]
fn connection_close_is_kept_to_on_either_side() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());

    let mut client = house.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().field("connection"), None);
    at_origin.answer("one");
    let response = client.read_response();
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();

    // The origin's connection is as good as before.
    let mut client = house.connect();
    client.send("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo");
    let response = client.read_response();
    assert_eq!(response.field("connection"), None);
    assert_eq!(response.text(), "two");
    at_origin.expect_gone();

    client.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("three");
    assert_eq!(client.read_response().text(), "three");
}

#[test]
fn clients_share_a_connection_to_the_origin() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    for number in 0..5 {
        let mut client = house.connect();
        for round in 0..3 {
            let path = format!("/{number}/{round}");
            assert_eq!(client.get(&path).text(), path);
        }
    }
    assert_eq!(origin.connection_count(), 1);
}

#[test]
fn several_endpoints_take_turns() {
    let origins = [
        Origin::that_answers(),
        Origin::that_answers(),
        Origin::that_answers(),
    ];
    let house = House::start(options(origins.iter().map(|origin| origin.endpoint())));
    let mut client = house.connect();
    for number in 0..9 {
        client.get(&format!("/{number}"));
    }
    for (index, origin) in origins.iter().enumerate() {
        let asked: Vec<_> = origin
            .requests()
            .iter()
            .map(|(_, r)| r.start().to_owned())
            .collect();
        let line = |number| format!("GET /{number} HTTP/1.1");
        assert_eq!(asked, [line(index), line(index + 3), line(index + 6)]);
    }
}

#[test]
fn a_dead_endpoint_is_passed_over() {
    let (nobody, _kept) = Origin::nobody();
    let origin = Origin::that_answers();
    let house = House::start(options([nobody, origin.endpoint()]));
    let mut client = house.connect();
    for path in ["/1", "/2", "/3"] {
        assert_eq!(client.get(path).text(), path);
    }
    // A POST too: not an octet of it was sent.
    let post = "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(client.ask(post).text(), "/4");
}

#[test]
fn what_a_stranger_says_of_others_is_replaced() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.ask(
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
         X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n\r\n",
    );
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-host"), Some("shop.example"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("forwarded"), None);
}

#[test]
fn what_a_trusted_client_says_is_believed_and_appended_to() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.identity.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut client = house.connect();
    client.ask(
        "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
         X-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\n\r\n",
    );
    client.get("/2");
    let (_, request) = &origin.requests()[0];
    assert_eq!(
        request.field("x-forwarded-for"),
        Some("6.6.6.6, 7.7.7.7, 127.0.0.1")
    );
    assert_eq!(request.field("x-forwarded-host"), Some("shop.example"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    // Of one that says nothing, nothing is believed.
    let (_, request) = &origin.requests()[1];
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-host"), Some("a.example"));
}

#[test]
fn hop_by_hop_fields_end_at_the_hop() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\nConnection: X-One, keep-alive\r\nConnection: x-two\r\n\
         X-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: 300\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic x\r\nTE: gzip, trailers\r\nUpgrade: foo\r\nUser-Agent: me\r\n\r\n",
    );
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    for gone in [
        "x-one",
        "x-two",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
    ] {
        assert_eq!(request.field(gone), None, "{gone}");
    }
    assert_eq!(request.field("x-three"), Some("3"));
    assert_eq!(request.field("te"), Some("trailers"));
    assert_eq!(request.field("user-agent"), Some("me"));

    at_origin.send(
        "HTTP/1.1 200 OK\r\nConnection: X-Four, keep-alive\r\nX-Four: 4\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nTrailers: an ordinary field\r\nUpgrade: h2c\r\nX-Five: 5\r\n\
         Content-Length: 0\r\n\r\n",
    );
    let response = client.read_response();
    for gone in ["connection", "x-four", "keep-alive", "upgrade"] {
        assert_eq!(response.field(gone), None, "{gone}");
    }
    assert_eq!(response.field("x-five"), Some("5"));
    assert_eq!(response.field("trailers"), Some("an ordinary field"));
}

#[test]
fn a_client_without_user_agent_stays_without() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    house.connect().get("/");
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("user-agent"), None);
}

#[test]
fn host_is_preserved_or_the_endpoints_or_a_literal() {
    let origin = Origin::that_answers();
    let authority = origin.address().to_string();
    for (policy, host) in [
        (Host::Preserve, "a.example"),
        (Host::Upstream, authority.as_str()),
        (Host::Literal("l.example".into()), "l.example"),
    ] {
        let house = House::with(origin.endpoint(), |options| {
            options.rules.identity.host = policy.clone();
        });
        house.connect().get("/");
        let (_, request) = origin.requests().pop().unwrap();
        assert_eq!(request.field("host"), Some(host), "{policy:?}");
        assert_eq!(request.field("x-forwarded-host"), Some("a.example"));
    }
}

#[test]
fn fields_can_be_added_to_every_request() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.rules.identity.add = vec![("X-Realm".to_owned(), "inner".to_owned())];
    });
    house.connect().get("/");
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("x-realm"), Some("inner"));
}

#[test]
fn the_base_path_stands_in_front_of_every_path() {
    for (base, path, joined) in [
        ("", "/f?x=1", "/f?x=1"),
        ("/base", "/f", "/base/f"),
        ("/base/", "/f", "/base/f"),
        ("/a%2Fb", "/c", "/a%2Fb/c"),
        ("/a%2Fb/", "/c%2Fd", "/a%2Fb/c%2Fd"),
        ("/base?sta=tic", "/f?us=er", "/base/f?sta=tic&us=er"),
        ("/base?sta=tic", "/f", "/base/f?sta=tic"),
    ] {
        let origin = Origin::that_answers();
        let mut endpoint = origin.endpoint();
        endpoint.base_path = base.to_owned();
        let house = House::to(endpoint);
        assert_eq!(house.connect().get(path).text(), joined, "{base} + {path}");
    }
}

#[test]
fn queries_are_forwarded_as_they_are() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for path in [
        "/?a=1&a=2;b=3",
        "/?a=1&a=%zz&b=3",
        "/?a=%zz",
        "/??",
        "/a//b/../c?",
    ] {
        assert_eq!(client.get(path).text(), path);
    }
}

#[test]
fn the_forms_of_the_target_become_what_an_origin_expects() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    let absolute = "GET http://other.example/p?q HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.ask(absolute).text(), "/p?q");
    let (_, request) = origin.requests().pop().unwrap();
    assert_eq!(request.field("host"), Some("other.example"));
    let options = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(client.ask(options).text(), "*");
}

#[test]
fn an_empty_line_before_a_request_is_forgiven() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    assert_eq!(
        client.ask("\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n").text(),
        "/1"
    );
    assert_eq!(client.get("/2").text(), "/2");
}

#[test]
fn methods_are_forwarded_as_spelled() {
    let origin = Origin::script(|wire, request| {
        let method = request.start().split(' ').next().unwrap_or_default();
        wire.answer(method);
        true
    });
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for method in ["get", "PROPFIND", "DELETE", "M-SEARCH"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.ask(request).text(), method);
    }
}

#[test]
fn two_workers_serve_one_address() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| options.workers = Some(2));
    let mut clients: Vec<Wire> = (0..32).map(|_| house.connect()).collect();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            let path = format!("/{round}/{number}");
            assert_eq!(client.get(&path).text(), path);
        }
    }
}
