//! What each key of the file does, seen from outside: every test fails when its key is ignored.

use std::fs;

use crate::reload::{Gateway, origin, upstream};
use crate::support::{Message, Origin, Scratch, Scripted, full_listener, wait_for, wait_for_line};

/// An origin that answers with the head it was sent.
fn mirror() -> Scripted {
    Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    })
}

/// Serves what follows, with an upstream `app` that mirrors heads.
fn app(rest: &str) -> (Gateway, Scripted) {
    let app = mirror();
    let gateway = Gateway::run(&format!("{}{rest}", upstream("app", &[&app])), &[]);
    (gateway, app)
}

fn ask(gateway: &Gateway, head: &str) -> Message {
    gateway.osier.connect().ask(format!("{head}\r\n\r\n"))
}

/// Routes that answer with their names, and what these requests are answered.
#[track_caller]
fn routed(routes: &[(&str, &str)], requests: &[(&str, &str)]) {
    let mut file = String::new();
    for (name, matchers) in routes {
        file +=
            &format!("[[route]]\n{matchers}\nrespond = {{ status = 200, body = \"{name}\" }}\n");
    }
    let gateway = Gateway::run(&file, &[]);
    for (head, name) in requests {
        let answer = ask(&gateway, head);
        assert_eq!(answer.text().split(':').next().unwrap(), *name, "{head}");
    }
}

#[test]
fn host_path_method_header_query_client_and_priority_choose_the_route() {
    routed(
        &[
            ("exact", "host = \"a.example\""),
            ("below", "host = \"*.example\""),
            ("path", "path = \"/x\""),
            ("prefix", "path = \"/x/*\""),
            ("post", "path = \"/x\"\nmethod = [\"POST\"]"),
            (
                "header",
                "path = \"/x\"\nheader = { X-Debug = \"1\" }\npriority = 1",
            ),
            (
                "query",
                "path = \"/x\"\nquery = { v = \"2\" }\npriority = 2",
            ),
            ("client", "path = \"/c\"\nclient = [\"127.0.0.0/8\"]"),
            ("elsewhere", "path = \"/d\"\nclient = [\"192.0.2.0/24\"]"),
            ("rest", ""),
        ],
        &[
            ("GET / HTTP/1.1\r\nHost: A.example:80", "exact"),
            ("GET /x HTTP/1.1\r\nHost: b.example", "below"),
            ("GET /x HTTP/1.1\r\nHost: h", "path"),
            ("GET /y/../x HTTP/1.1\r\nHost: h", "path"),
            ("GET /x/y HTTP/1.1\r\nHost: h", "prefix"),
            ("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0", "post"),
            ("GET /x HTTP/1.1\r\nHost: h\r\nX-Debug: 1", "header"),
            ("GET /x?v=2 HTTP/1.1\r\nHost: h\r\nX-Debug: 1", "query"),
            ("GET /c HTTP/1.1\r\nHost: h", "client"),
            ("GET /d HTTP/1.1\r\nHost: h", "rest"),
        ],
    );
    routed(
        &[("a", "path = \"/a\"")],
        &[("GET /b HTTP/1.1\r\nHost: h", "404 Not Found")],
    );
}

#[test]
fn weights_share_requests_among_endpoints_and_upstreams() {
    let (one, two) = (origin("one"), origin("two"));
    let count = |file: &str| {
        let gateway = Gateway::run(file, &[]);
        let mut wire = gateway.osier.connect();
        (0..40).filter(|_| wire.get("/").text() == "one").count()
    };
    let endpoints = format!(
        "[upstream.app]\nto = [{{ addr = \"{}\", weight = 3 }}, \"{}\"]\n[[route]]\nto = \"app\"\n",
        one.address(),
        two.address()
    );
    assert_eq!(count(&endpoints), 30);
    let split = format!(
        "{}{}[[route]]\nto = [{{ to = \"a\", weight = 9 }}, {{ to = \"b\", weight = 1 }}]\n",
        upstream("a", &[&one]),
        upstream("b", &[&two])
    );
    assert!((35..=37).contains(&count(&split)));
}

#[test]
fn strip_rewrite_paths_and_base_path_change_what_is_sent() {
    let (gateway, app) = app("[[route]]\npath = \"/s/*\"\nto = \"app\"\nstrip = \"/s\"\n\
         [[route]]\npath = \"/r/*\"\nto = \"app\"\nrewrite = \"/v2{path}\"\n\
         [[route]]\npath = \"/n/*\"\nto = \"app\"\npaths = \"normal\"\n\
         [[route]]\npath = \"/t/*\"\nto = \"app\"\npaths = \"strict\"\n\
         [[route]]\nto = \"app\"\n");
    let start = |path: &str| gateway.get(path).start_of_text();
    assert_eq!(start("/s/a?q=1"), "GET /a?q=1 HTTP/1.1");
    assert_eq!(start("/r/a?q=1"), "GET /v2/r/a?q=1 HTTP/1.1");
    assert_eq!(start("/n//a"), "GET /n/a HTTP/1.1");
    assert_eq!(start("/raw//a"), "GET /raw//a HTTP/1.1");
    assert_eq!(gateway.get("/t/x%2Fy").status(), 400);
    assert_eq!(start("/t/x"), "GET /t/x HTTP/1.1");
    let base = Gateway::run(
        &format!("[[route]]\nto = \"http://{}/base\"\n", app.address()),
        &[],
    );
    assert_eq!(base.get("/x").start_of_text(), "GET /base/x HTTP/1.1");
}

trait Text {
    fn start_of_text(&self) -> String;
    fn line(&self, name: &str) -> Option<String>;
}

impl Text for Message {
    fn start_of_text(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// A field of the head that the mirror was sent.
    fn line(&self, name: &str) -> Option<String> {
        let mut lines = self.text().lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }
}

#[test]
fn fields_are_edited_both_ways_with_what_the_holes_say() {
    let (gateway, _app) = app("[[route]]\npath = \"/e/*\"\nto = \"app\"\n\
         headers.request = { set = { X-All = \"{client_ip} {host} {path} {uri} {method} {upstream}\", X-Id = \"{request_id}\" }, add = { X-B = \"2\" }, remove = [\"Cookie\"] }\n\
         headers.response = { set = { X-Host = \"{host}\" }, remove = [\"Content-Type\"] }\n");
    let answer = ask(
        &gateway,
        "GET /e//x?y HTTP/1.1\r\nHost: h.example:8\r\nCookie: secret\r\nX-B: 1\r\nX-Request-Id: abc",
    );
    let expected = "127.0.0.1 h.example /e/x /e//x?y GET app";
    assert_eq!(answer.line("x-all").unwrap(), expected);
    assert_eq!(answer.line("x-id").unwrap(), "abc");
    assert!(answer.line("cookie").is_none());
    assert_eq!(answer.text().matches("X-B: ").count(), 2, "{answer:?}");
    assert_eq!(answer.field("x-host"), Some("h.example"));
}

#[test]
fn forwarding_fields_are_what_the_route_says() {
    let (gateway, _app) = app(
        "[[route]]\npath = \"/rfc/*\"\nto = \"app\"\nforwarded = \"rfc7239\"\nvia = true\n\
         [[route]]\npath = \"/both/*\"\nto = \"app\"\nforwarded = \"both\"\nrequest_id = \"make\"\n\
         [[route]]\npath = \"/off/*\"\nto = \"app\"\nforwarded = \"off\"\nvia = false\nrequest_id = \"off\"\nhost_header = \"b.example\"\n\
         [[route]]\nto = \"app\"\nhost_header = \"upstream\"\n",
    );
    let get = |path: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 9.9.9.9\r\nX-Request-Id: mine"
        );
        ask(&gateway, &head)
    };
    let rfc = get("/rfc/");
    assert!(rfc.line("forwarded").unwrap().contains("for=127.0.0.1"));
    assert!(rfc.line("x-forwarded-for").is_none());
    assert!(rfc.line("via").is_some() && rfc.field("via").is_some());
    assert_eq!(rfc.line("x-request-id").unwrap(), "mine");
    let both = get("/both/");
    assert!(both.line("forwarded").is_some());
    // As a gateway has to, and no more.
    assert!(both.line("via").is_some_and(|via| via == "1.1 osier") && both.field("via").is_none());
    assert_eq!(both.line("x-forwarded-for").unwrap(), "127.0.0.1");
    assert_ne!(both.line("x-request-id").unwrap(), "mine");
    let off = get("/off/");
    assert!(
        off.line("via").is_none()
            && off.line("forwarded").is_none()
            && off.line("x-forwarded-for").is_none()
    );
    assert_eq!(off.line("host").unwrap(), "b.example");
    assert!(get("/").line("host").unwrap().starts_with("127.0.0.1:"));
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let (gateway, _app) = app(
        "[[route]]\nclient = [\"192.0.2.0/24\"]\nto = \"app\"\nheaders.request = { set = { X-Who = \"{client_ip}\" } }\n",
    );
    let asked = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.7, 10.0.0.1";
    assert_eq!(ask(&gateway, asked).status(), 404, "nobody is trusted");
    let text = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n";
    let app = mirror();
    let trusting = Gateway::run_with(
        text,
        &format!(
            "{}[[route]]\nclient = [\"192.0.2.0/24\"]\nto = \"app\"\nheaders.request = {{ set = {{ X-Who = \"{{client_ip}}\" }} }}\n",
            upstream("app", &[&app])
        ),
    );
    let answer = ask(&trusting, asked);
    assert_eq!(answer.line("x-who").unwrap(), "192.0.2.7");
    let chain = answer.line("x-forwarded-for").unwrap();
    assert_eq!(chain, "192.0.2.7, 10.0.0.1, 127.0.0.1");
}

#[test]
fn timeouts_are_inherited_and_each_level_may_say_its_own() {
    let silent = Origin::script(|wire, _| {
        // Never answers; its connection ends with the test.
        wire.read_to_end();
        false
    });
    let file = |upstream_says: &str, route_says: &str| {
        format!(
            "[upstream.app]\nto = [\"{}\"]\n{upstream_says}\n[[route]]\nto = \"app\"\n{route_says}\n",
            silent.address()
        )
    };
    for (global, rest, cause) in [
        (
            "timeouts = { response = \"50ms\" }\n",
            file("", ""),
            "response_timeout",
        ),
        (
            "",
            file("", "timeouts.response = \"50ms\""),
            "response_timeout",
        ),
        (
            "",
            file("timeouts.response = \"50ms\"", ""),
            "response_timeout",
        ),
        (
            "timeouts = { response = \"50ms\" }\n",
            file(
                "",
                "timeouts.response = \"30s\"\ntimeouts.request = \"60ms\"",
            ),
            "deadline:request",
        ),
        ("", file("", "timeouts.total = \"50ms\""), "deadline:total"),
    ] {
        let gateway = Gateway::run_with(global, &rest);
        let answer = gateway.get("/");
        assert_eq!(answer.status(), 504, "{rest}");
        assert!(answer.text().contains(cause), "{rest}: {answer:?}");
    }
    let gateway = Gateway::run_with(
        "timeouts = { idle = \"50ms\", header = \"50ms\" }\n",
        &file("", ""),
    );
    gateway.osier.connect().expect_end();
    let mut slow = gateway.osier.connect();
    slow.send("GET / HT");
    assert_eq!(slow.read_head().status(), 408);
}

#[test]
fn limits_are_kept_for_each_listener_and_route() {
    let (gateway, _app) = app(
        "[[route]]\npath = \"/small\"\nto = \"app\"\nlimits.body = \"4B\"\n[[route]]\nto = \"app\"\n",
    );
    let post = |path: &str| {
        ask(
            &gateway,
            &format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 5"),
        )
    };
    assert_eq!(post("/small").status(), 413);
    let chunked =
        "POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0";
    assert_eq!(ask(&gateway, chunked).status(), 413);
    let mut wire = gateway.osier.connect();
    wire.send("POST /large HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(wire.read_response().status(), 200);
    let respond = "[[route]]\nrespond = { status = 200, body = \"x\" }\n";
    let narrow = Gateway::run_with("limits = { head = \"1KiB\", fields = 3 }\n", respond);
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(2000));
    assert_eq!(ask(&narrow, &long).status(), 431);
    let many = "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\nB: 1\r\nC: 1";
    assert_eq!(ask(&narrow, many).status(), 431);
    let few = Gateway::run_with("limits = { per_ip = 2 }\n", respond);
    let mut two = [few.osier.connect(), few.osier.connect()];
    for wire in &mut two {
        assert_eq!(wire.get("/").status(), 200);
    }
    few.osier.connect().expect_gone();
    drop(two);
    wait_for("room", || {
        let mut wire = few.osier.connect();
        wire.try_send("GET / HTTP/1.0\r\nHost: h\r\n\r\n").ok()?;
        wire.read_to_end()
            .0
            .starts_with(b"HTTP/1.1 200")
            .then_some(())
    });
}

#[test]
fn rates_and_concurrency_are_limited_by_key() {
    let held = Origin::script(|wire, request| {
        if request.start().contains("/hold") {
            wire.read_to_end();
            return false;
        }
        wire.answer("free");
        true
    });
    let gateway = Gateway::run(
        &format!(
            "{}[[route]]\npath = \"/ip\"\nto = \"app\"\nlimit = {{ rate = \"1/h\", burst = 1, key = \"ip\" }}\n\
             [[route]]\npath = \"/key\"\nto = \"app\"\nlimit = {{ rate = \"1/h\", burst = 1, key = \"header:X-Key\" }}\n\
             [[route]]\npath = \"/c/*\"\nto = \"app\"\nlimit = {{ concurrent = 1, key = \"route\" }}\n",
            upstream("app", &[&held])
        ),
        &[],
    );
    assert_eq!(gateway.get("/ip").status(), 200);
    let refused = gateway.get("/ip");
    assert_eq!(refused.status(), 429);
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    let key = |value: &str| {
        ask(
            &gateway,
            &format!("GET /key HTTP/1.1\r\nHost: h\r\nX-Key: {value}"),
        )
        .status()
    };
    assert_eq!((key("a"), key("b"), key("a")), (200, 200, 429));
    let mut holding = gateway.osier.connect();
    holding.send("GET /c/hold HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for("the one that is allowed", || {
        (held.requests().len() >= 4).then_some(())
    });
    assert_eq!(gateway.get("/c/x").status(), 429);
    drop(holding);
    wait_for("its place", || {
        (gateway.get("/c/x").status() == 200).then_some(())
    });
}

#[test]
fn redirects_responses_and_error_pages_come_from_here() {
    let page = Scratch::new("502.html");
    fs::write(page.path(), "<h1>later</h1>").unwrap();
    let (nobody, _held) = Origin::nobody();
    let gateway = Gateway::run(
        &format!(
            "[[route]]\npath = \"/old/*\"\nredirect = {{ to = \"https://new.example{{uri}}\", status = 308 }}\nheaders.response = {{ set = {{ X-Seen = \"1\" }} }}\n\
             [[route]]\npath = \"/gone\"\nrespond = {{ status = 410, body = \"gone\\n\" }}\n\
             [[route]]\npath = \"/bad\"\nto = \"{}\"\nerrors = {{ 502 = \"{}\" }}\nretry = {{ attempts = 1 }}\n",
            nobody.name,
            page.path().display()
        ),
        &[],
    );
    let moved = gateway.get("/old/a?b");
    assert_eq!(moved.status(), 308);
    assert_eq!(moved.field("location"), Some("https://new.example/old/a?b"));
    assert_eq!(moved.field("x-seen"), Some("1"));
    let gone = gateway.get("/gone");
    assert_eq!((gone.status(), gone.text()), (410, "gone\n"));
    let bad = gateway.get("/bad");
    assert_eq!((bad.status(), bad.text()), (502, "<h1>later</h1>"));
    assert_eq!(bad.field("content-type"), Some("text/html; charset=utf-8"));
}

#[test]
fn upgrades_are_for_the_protocols_that_the_route_names() {
    let (gateway, _app) = app(
        "[[route]]\npath = \"/chat\"\nto = \"app\"\nupgrade = [\"chat\"]\n[[route]]\nto = \"app\"\n",
    );
    let asked = |path: &str, protocol: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: {protocol}");
        ask(&gateway, &head).line("upgrade")
    };
    assert_eq!(asked("/chat", "chat").as_deref(), Some("chat"));
    assert_eq!(asked("/chat", "websocket"), None);
    assert_eq!(asked("/", "chat"), None);
    assert_eq!(asked("/", "websocket").as_deref(), Some("websocket"));
}

#[test]
fn half_close_says_what_the_end_of_a_client_means() {
    for (listen, is_served) in [("", false), ("half_close = \"allow\"\n", true)] {
        let origin = Origin::bind();
        let file = format!("{listen}[[route]]\nto = \"{}\"\n", origin.address());
        let gateway = Gateway::run(&file, &[]);
        let mut client = gateway.osier.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut at_origin = origin.accept();
        at_origin.read_request();
        client.finish();
        if is_served {
            at_origin.answer("late");
            assert_eq!(client.read_response().text(), "late");
        } else {
            at_origin.expect_gone();
        }
        // Whichever worker comes next needs another connection.
        drop(at_origin);
        let mut client = gateway.osier.connect();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.finish();
        if is_served {
            // Its end is there together with its request, long before the answer.
            let mut at_origin = origin.accept();
            at_origin.read_request();
            at_origin.answer("late");
            assert_eq!(client.read_response().text(), "late");
        } else {
            client.expect_gone();
        }
    }
}

#[test]
fn a_client_that_resets_behind_its_end_is_missed() {
    let origin = Origin::bind();
    let file = format!(
        "half_close = \"allow\"\n[[route]]\nto = \"{}\"\n",
        origin.address()
    );
    let gateway = Gateway::run(&file, &[]);
    let mut client = gateway.osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    client.finish();
    // What is seen of the end is that the answer still comes.
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    client.read_head();
    client.expect("half");
    client.reset();
    at_origin.expect_gone();
}

#[test]
fn what_drips_just_often_enough_has_an_end_where_a_rate_says_so() {
    let app = Origin::script(|wire, request| {
        if request.start().contains("/quick") {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            wire.send("x".repeat(100_000));
            return true;
        }
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        while wire.try_send(".").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        false
    });
    let gateway = Gateway::run(
        &format!(
            "{}[[route]]\nto = \"app\"\nlimits.body_rate = \"1KiB\"\ntimeouts.body = \"300ms\"\n",
            upstream("app", &[&app])
        ),
        &[],
    );
    assert_eq!(gateway.get("/quick").body.len(), 100_000);
    // A response: cut.
    let mut client = gateway.osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.read_head();
    let (octets, _) = client.read_to_end();
    assert!(octets.len() < 1000, "{}", octets.len());
    // A request: answered, as one that stalls.
    let mut client = gateway.osier.connect();
    client.send("PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    let mut drips = client.another();
    let dripping = std::thread::spawn(move || {
        while drips.try_send(".").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    client.read_to_end();
    dripping.join().unwrap();
    let page = gateway.admin("localhost", "/metrics");
    for cause in ["client_body_timeout", "response_body_timeout"] {
        let line = page.text().lines().find(|line| line.contains(cause));
        assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{line:?}");
    }
}

#[test]
fn the_log_has_the_format_and_leaves_out_what_it_is_told() {
    for (format, words) in [
        ("logfmt", ["target=/x?-", "route=/x", "upstream=app"]),
        (
            "json",
            [
                "\"target\":\"/x?-\"",
                "\"route\":\"/x\"",
                "\"upstream\":\"app\"",
            ],
        ),
        (
            "combined",
            ["127.0.0.1 - - [", "\"GET /x?- HTTP/1.1\" 200", "\"agent\""],
        ),
    ] {
        let log = Scratch::new("access.log");
        let app = mirror();
        let settings = format!(
            "log = {{ access = \"{}\", format = \"{format}\", redact_query = true }}\n",
            log.path().display()
        );
        let rest = format!(
            "{}[[route]]\npath = \"/x\"\nto = \"app\"\n",
            upstream("app", &[&app])
        );
        let gateway = Gateway::run_with(&settings, &rest);
        ask(
            &gateway,
            "GET /x?secret=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: agent",
        );
        wait_for_line(log.path(), &words);
        assert!(!fs::read_to_string(log.path()).unwrap().contains("secret"));
    }
}

#[test]
fn a_full_house_is_as_large_as_the_file_says() {
    let respond = "[[route]]\nrespond = { status = 200, body = \"x\" }\n";
    let gateway = Gateway::run_with("max_connections = 2\n", respond);
    assert!(gateway.osier.announced().contains("at most 2 connections"));
}

#[test]
fn the_keepalive_of_an_upstream_is_its_own() {
    let app = mirror();
    let file = format!(
        "[upstream.app]\nto = [\"{}\"]\nkeepalive = {{ max_idle = 0 }}\n[[route]]\nto = \"app\"\n",
        app.address()
    );
    let gateway = Gateway::run(&file, &[]);
    let mut wire = gateway.osier.connect();
    for _ in 0..3 {
        assert_eq!(wire.get("/").status(), 200);
    }
    assert_eq!(app.connection_count(), 3);
}

#[test]
fn the_admin_interface_believes_the_hosts_that_the_file_names() {
    let respond = "[[route]]\nrespond = { status = 200, body = \"x\" }\n";
    let status = |gateway: &Gateway| gateway.admin("gateway.lan", "/status").status();
    assert_eq!(status(&Gateway::run(respond, &[])), 403);
    let named = "admin = { listen = \"127.0.0.1:0\", hosts = [\"gateway.lan\"] }\n";
    assert_eq!(status(&Gateway::run_with(named, respond)), 200);
}

#[test]
fn buffers_have_the_limit_that_the_file_says() {
    let (gateway, _app) = app("[[route]]\nto = \"app\"\n");
    assert!(!gateway.status().contains("\"buffers\":1048576"));
    let few = Gateway::run_with(
        "limits = { buffers = \"1MiB\" }\n",
        "[[route]]\nrespond = { status = 200, body = \"x\" }\n",
    );
    assert!(few.status().contains("\"buffers\":1048576"));
}

#[test]
fn a_route_has_its_own_time_for_connects_bodies_and_tunnels() {
    let (deaf, _held) = full_listener();
    let app = Origin::script(|wire, request| {
        if request.field("upgrade").is_some() {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            );
            wire.read_to_end();
            return false;
        }
        wire.answer("whole");
        true
    });
    let gateway = Gateway::run(
        &format!(
            "{}[[route]]\npath = \"/connect\"\nto = \"{}\"\ntimeouts.connect = \"50ms\"\nretry = {{ attempts = 1 }}\n\
             [[route]]\npath = \"/body\"\nto = \"app\"\ntimeouts.body = \"50ms\"\n\
             [[route]]\npath = \"/tunnel\"\nto = \"app\"\ntimeouts.tunnel = \"50ms\"\n",
            upstream("app", &[&app]),
            deaf.name
        ),
        &[],
    );
    let connect = gateway.get("/connect");
    assert_eq!(connect.status(), 504);
    assert!(connect.text().contains("connect_timeout"), "{connect:?}");
    let body = ask(
        &gateway,
        "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 5",
    );
    assert_eq!(body.status(), 408);
    let mut tunnel = gateway.osier.connect();
    tunnel.send(
        "GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(tunnel.read_head().status(), 101);
    tunnel.expect_gone();
}

#[test]
fn the_level_says_what_osier_says_of_itself() {
    let respond = "[[route]]\nrespond = { status = 200, body = \"x\" }\n";
    let gateway = Gateway::run_with("log = { level = \"error\" }\n", respond);
    // A reload is news, a file that is not right is an error.
    assert_eq!(gateway.reload().status(), 200);
    gateway.write("[[route]]\n");
    assert_eq!(gateway.reload().status(), 422);
    assert!(gateway.osier.hear().contains("not reloaded"));
}
