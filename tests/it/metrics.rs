//! What `/metrics` says, seen from outside: every number moves by exactly what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::reload::{Gateway, origin, upstream};
use crate::support::{Json, Message, Origin, Scratch, Scripted, json, wait_for};

/// A page of numbers, by series as they are written.
#[derive(Debug)]
pub(crate) struct Page(BTreeMap<String, f64>);

impl Page {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self::read(gateway.admin("localhost", "/metrics").text())
    }

    fn read(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(all.insert(series.to_owned(), value).is_none(), "{line}");
        }
        Self(all)
    }

    /// The number of a series; 0 where there is none.
    pub(crate) fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// The sum of all series of a name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let prefix = format!("{name}{{");
        let mut all = self.0.iter();
        all.by_ref()
            .filter(|(series, _)| *series == name || series.starts_with(&prefix))
            .map(|(_, value)| value)
            .sum()
    }
}

/// Waits until a sum is this, because a request is counted when its client has its answer already; then looks at all.
fn when(gateway: &Gateway, name: &str, sum: f64) -> Page {
    wait_for(&format!("{name} to be {sum}"), || {
        let page = Page::of(gateway);
        (page.sum(name) == sum).then_some(page)
    })
}

#[track_caller]
fn check(page: &Page, expected: &[(&str, f64)]) {
    for (series, value) in expected {
        assert_eq!(page.get(series), *value, "{series} in {page:#?}");
    }
}

/// An origin that takes requests and says nothing.
fn silent() -> Scripted {
    Origin::script(|wire, _| {
        let _ = wire.read_to_end();
        false
    })
}

fn ask(gateway: &Gateway, request: &str) -> Message {
    gateway.osier.connect().ask(request)
}

#[test]
fn requests_are_counted_by_route_and_class_with_their_octets() {
    let one = origin("one");
    let gateway = Gateway::run(
        &format!(
            "{}[[route]]\npath = \"/a/*\"\nto = \"app\"\n\
             [[route]]\npath = \"/ready\"\nrespond = {{ status = 200, body = \"ok!\" }}\n\
             [[route]]\npath = \"/old\"\nredirect = {{ to = \"/new\", status = 308 }}\n",
            upstream("app", &[&one])
        ),
        &[],
    );
    let mut wire = gateway.osier.connect();
    for _ in 0..7 {
        assert_eq!(wire.get("/a/x").text(), "one");
    }
    let post = "POST /a/y HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789";
    assert_eq!(wire.ask(post).text(), "one");
    let chunked =
        "POST /a/y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n";
    assert_eq!(wire.ask(chunked).text(), "one");
    assert_eq!(wire.get("/ready").text(), "ok!");
    assert_eq!(wire.get("/old").status(), 308);
    assert_eq!(wire.get("/nowhere").status(), 404);
    assert_eq!(ask(&gateway, "GET / HTTP/1.1\r\n\r\n").status(), 400);
    let page = when(&gateway, "osier_requests_total", 13.0);
    check(
        &page,
        &[
            ("osier_requests_total{route=\"/a/*\",code=\"2xx\"}", 9.0),
            ("osier_requests_total{route=\"/ready\",code=\"2xx\"}", 1.0),
            ("osier_requests_total{route=\"/old\",code=\"3xx\"}", 1.0),
            ("osier_requests_total{route=\"other\",code=\"4xx\"}", 2.0),
            ("osier_received_bytes_total{route=\"/a/*\"}", 14.0),
            ("osier_received_bytes_total{route=\"/ready\"}", 0.0),
            ("osier_sent_bytes_total{route=\"/a/*\"}", 27.0),
            ("osier_sent_bytes_total{route=\"/ready\"}", 3.0),
            ("osier_ended_total{cause=\"no_route\"}", 1.0),
            ("osier_ended_total{cause=\"client_protocol\"}", 1.0),
            ("osier_requests_in_flight", 0.0),
            ("osier_attempts_total{upstream=\"app\"}", 9.0),
            ("osier_retries_total{upstream=\"app\"}", 0.0),
            (
                "osier_request_duration_seconds_count{upstream=\"app\"}",
                9.0,
            ),
            (
                "osier_first_octet_duration_seconds_count{upstream=\"app\"}",
                9.0,
            ),
            (
                "osier_connect_duration_seconds_count{upstream=\"app\"}",
                1.0,
            ),
            ("osier_queue_wait_seconds_count{upstream=\"app\"}", 0.0),
            (
                "osier_origin_connections_opened_total{upstream=\"app\"}",
                1.0,
            ),
            (
                "osier_origin_connections_reused_total{upstream=\"app\"}",
                8.0,
            ),
            (
                "osier_origin_connections{upstream=\"app\",state=\"open\"}",
                1.0,
            ),
            (
                "osier_origin_connections{upstream=\"app\",state=\"idle\"}",
                1.0,
            ),
            ("osier_config_generation", 1.0),
            ("osier_workers", 2.0),
            (
                concat!(
                    "osier_build_info{version=\"",
                    env!("CARGO_PKG_VERSION"),
                    "\"}"
                ),
                1.0,
            ),
        ],
    );
    assert_eq!(page.sum("osier_ended_total"), 2.0);
    let status = json(&gateway.status());
    let routes = status["route_totals"].items().iter();
    let mut route = routes.filter(|it| it["name"].text() == "/a/*");
    let route = route.next().unwrap();
    assert_eq!(route["requests"].number(), 9.0);
    assert_eq!(route["codes"]["2xx"].number(), 9.0);
    assert_eq!(route["received"].number(), 14.0);
    assert_eq!(
        status["upstreams"].items()[0]["connections_open"].number(),
        1.0
    );
    assert_eq!(
        status["upstreams"].items()[0]["connections_idle"].number(),
        1.0
    );
    assert_eq!(status["upstreams"].items()[0]["queued"].number(), 0.0);
}

#[test]
fn what_runs_is_shown_while_it_does() {
    let (arrived, released) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (arrive, release) = (arrived.clone(), released.clone());
    let held = Origin::script(move |wire, _| {
        arrive.wait();
        release.wait();
        wire.answer("held");
        true
    });
    let gateway = Gateway::run(
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&held])),
        &[],
    );
    let mut wire = gateway.osier.connect();
    wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    arrived.wait();
    let page = Page::of(&gateway);
    let of_endpoint = format!(
        "osier_endpoint_in_flight{{upstream=\"app\",endpoint=\"{}\"}}",
        held.address()
    );
    check(
        &page,
        &[
            ("osier_requests_in_flight", 1.0),
            (&of_endpoint, 1.0),
            ("osier_sessions", 1.0),
            ("osier_tree_nodes{kind=\"server\"}", 1.0),
            ("osier_tree_nodes{kind=\"session\"}", 1.0),
            ("osier_tree_nodes{kind=\"exchange\"}", 1.0),
            ("osier_tree_nodes{kind=\"attempt\"}", 1.0),
            (
                "osier_origin_connections{upstream=\"app\",state=\"open\"}",
                1.0,
            ),
            (
                "osier_origin_connections{upstream=\"app\",state=\"idle\"}",
                0.0,
            ),
            ("osier_requests_total{route=\"*\",code=\"2xx\"}", 0.0),
            ("osier_attempts_total{upstream=\"app\"}", 1.0),
        ],
    );
    let status = json(&gateway.status());
    assert_eq!(status["sessions"].number(), 1.0);
    assert_eq!(status["requests_in_flight"].number(), 1.0);
    assert!(status["buffers_used"].number() > 0.0);
    assert!(page.get("osier_buffer_bytes") > 0.0);
    assert!(page.get("osier_buffer_bytes") < page.get("osier_buffer_bytes_max"));
    assert!(page.get("osier_resident_memory_bytes") > 100_000.0);
    assert!(page.get("osier_open_fds") > 5.0);
    assert!(page.get("osier_open_fds") < page.get("osier_max_fds"));
    assert!(page.get("process_cpu_seconds_total") > 0.0);
    assert!(page.get("process_start_time_seconds") > 1.7e9);
    for worker in ["0", "1"] {
        let series = format!("osier_worker_lag_seconds{{worker=\"{worker}\"}}");
        assert!(page.0.contains_key(&series), "{page:#?}");
    }
    released.wait();
    assert_eq!(wire.read_response().text(), "held");
    drop(wire);
    when(&gateway, "osier_requests_total", 1.0);
    let page = when(&gateway, "osier_sessions", 0.0);
    check(
        &page,
        &[
            ("osier_requests_in_flight", 0.0),
            (&of_endpoint, 0.0),
            ("osier_tree_nodes{kind=\"exchange\"}", 0.0),
            (
                "osier_origin_connections{upstream=\"app\",state=\"idle\"}",
                1.0,
            ),
        ],
    );
}

#[test]
fn an_origin_that_refuses_is_a_retry_and_then_a_cause() {
    let (nobody, _bound) = Origin::nobody();
    let nobody = nobody.name.to_string();
    let good = origin("good");
    let gateway = Gateway::run(
        &format!(
            "[upstream.both]\nto = [\"{nobody}\", \"{}\"]\nbalance = \"first\"\n\
             [upstream.none]\nto = \"{nobody}\"\n\
             [[route]]\nto = \"both\"\n[[route]]\npath = \"/none\"\nto = \"none\"\n",
            good.address()
        ),
        &[],
    );
    for _ in 0..3 {
        assert_eq!(gateway.get("/").text(), "good");
    }
    assert_eq!(gateway.get("/none").status(), 502);
    let page = when(&gateway, "osier_requests_total", 4.0);
    check(
        &page,
        &[
            ("osier_requests_total{route=\"*\",code=\"2xx\"}", 3.0),
            ("osier_requests_total{route=\"/none\",code=\"5xx\"}", 1.0),
            ("osier_attempts_total{upstream=\"both\"}", 6.0),
            ("osier_retries_total{upstream=\"both\"}", 3.0),
            ("osier_attempts_total{upstream=\"none\"}", 2.0),
            ("osier_retries_total{upstream=\"none\"}", 1.0),
            ("osier_ended_total{cause=\"connect_refused\"}", 1.0),
            (
                "osier_origin_connections_opened_total{upstream=\"none\"}",
                0.0,
            ),
            (
                "osier_request_duration_seconds_count{upstream=\"none\"}",
                1.0,
            ),
            (
                "osier_first_octet_duration_seconds_count{upstream=\"none\"}",
                0.0,
            ),
        ],
    );
    assert_eq!(page.sum("osier_ended_total"), 1.0);
}

#[test]
fn tries_that_the_budget_does_not_pay_for_are_counted_apart() {
    const REQUESTS: f64 = 40.0;
    let (nobody, _bound) = Origin::nobody();
    let gateway = Gateway::run(
        &format!(
            "[upstream.app]\nto = \"{}\"\n[[route]]\nto = \"app\"\n\
             retry = {{ attempts = 2, budget = 0.01, backoff = \"1ms\" }}\n",
            nobody.name
        ),
        &[],
    );
    let mut wire = gateway.osier.connect();
    for _ in 0..REQUESTS as usize {
        assert_eq!(wire.get("/").status(), 502);
    }
    let page = when(&gateway, "osier_requests_total", REQUESTS);
    let retries = page.get("osier_retries_total{upstream=\"app\"}");
    let exhausted = page.get("osier_retry_budget_exhausted_total{upstream=\"app\"}");
    // Each of them was either tried again or was not paid for; how many, time decides: ten a second are free.
    assert_eq!(retries + exhausted, REQUESTS, "{page:#?}");
    assert!(retries >= 10.0, "{retries}");
    check(
        &page,
        &[
            ("osier_attempts_total{upstream=\"app\"}", REQUESTS + retries),
            ("osier_ended_total{cause=\"connect_refused\"}", REQUESTS),
        ],
    );
}

#[test]
fn a_client_that_leaves_is_499_and_cancels_its_branch() {
    let silent = silent();
    let gateway = Gateway::run(
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&silent])),
        &[],
    );
    let mut wire = gateway.osier.connect();
    wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for("the request", || silent.requests().first().map(drop));
    drop(wire);
    let page = when(&gateway, "osier_requests_total", 1.0);
    check(
        &page,
        &[
            ("osier_requests_total{route=\"*\",code=\"499\"}", 1.0),
            ("osier_ended_total{cause=\"client_gone\"}", 1.0),
            ("osier_cancels_total", 1.0),
            ("osier_requests_in_flight", 0.0),
        ],
    );
    // By hand.
    let mut wire = gateway.osier.connect();
    wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let id = wait_for("the exchange", || {
        let tree = gateway.admin("localhost", "/tree").text().to_owned();
        let (_, exchange) = tree.split_once("exchange#")?;
        exchange.split(' ').next().map(str::to_owned)
    });
    assert_eq!(gateway.tell(&format!("/cancel/{id}")).status(), 200);
    assert_eq!(wire.read_response().status(), 503);
    let page = when(&gateway, "osier_requests_total", 2.0);
    check(
        &page,
        &[
            ("osier_requests_total{route=\"*\",code=\"5xx\"}", 1.0),
            ("osier_ended_total{cause=\"admin\"}", 1.0),
            ("osier_cancels_total", 2.0),
        ],
    );
    assert_eq!(gateway.tell("/cancel/1000000007").status(), 404);
    assert_eq!(Page::of(&gateway).get("osier_cancels_total"), 2.0);
}

#[test]
fn a_hedge_is_counted_and_whether_it_won() {
    let (late, quick) = (silent(), origin("quick"));
    let gateway = Gateway::run(
        &format!(
            "{}balance = \"first\"\n[[route]]\nto = \"app\"\nhedge = {{ after = \"10ms\" }}\n",
            upstream("app", &[&late, &quick])
        ),
        &[],
    );
    for _ in 0..3 {
        assert_eq!(gateway.get("/").text(), "quick");
    }
    let page = when(&gateway, "osier_requests_total", 3.0);
    check(
        &page,
        &[
            ("osier_hedges_total{upstream=\"app\"}", 3.0),
            ("osier_hedges_won_total{upstream=\"app\"}", 3.0),
            ("osier_attempts_total{upstream=\"app\"}", 6.0),
            ("osier_retries_total{upstream=\"app\"}", 0.0),
            ("osier_cancels_total", 3.0),
            (
                "osier_request_duration_seconds_count{upstream=\"app\"}",
                3.0,
            ),
        ],
    );
    assert_eq!(page.sum("osier_ended_total"), 0.0);
    let never = Gateway::run(
        &format!(
            "{}balance = \"first\"\n[[route]]\nto = \"app\"\nhedge = {{ after = \"30s\" }}\n",
            upstream("app", &[&quick, &late])
        ),
        &[],
    );
    assert_eq!(never.get("/").text(), "quick");
    let page = when(&never, "osier_requests_total", 1.0);
    check(
        &page,
        &[
            ("osier_hedges_total{upstream=\"app\"}", 0.0),
            ("osier_hedges_won_total{upstream=\"app\"}", 0.0),
            ("osier_attempts_total{upstream=\"app\"}", 1.0),
        ],
    );
}

#[test]
fn whoever_waits_for_a_connection_is_counted_and_whoever_may_not() {
    let (arrived, released) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (arrive, release) = (arrived.clone(), released.clone());
    let held = Origin::script(move |wire, _| {
        arrive.fetch_add(1, Ordering::SeqCst);
        wait_for("the release", || {
            release.load(Ordering::SeqCst).then_some(())
        });
        wire.answer("held");
        true
    });
    let gateway = Gateway::run(
        &format!(
            "{}max_connections = 1\nqueue = {{ max = 2, timeout = \"20s\" }}\n\
             [[route]]\nto = \"app\"\nretry = {{ attempts = 1 }}\n",
            upstream("app", &[&held])
        ),
        &[],
    );
    let begin = || {
        let mut wire = gateway.osier.connect();
        wire.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        wire
    };
    let first = begin();
    wait_for("the first", || {
        (arrived.load(Ordering::SeqCst) == 1).then_some(())
    });
    let others = [begin(), begin()];
    let page = when(&gateway, "osier_queue_length", 2.0);
    check(
        &page,
        &[("osier_queue_wait_seconds_count{upstream=\"app\"}", 0.0)],
    );
    assert_eq!(gateway.get("/").status(), 503);
    released.store(true, Ordering::SeqCst);
    for mut wire in others.into_iter().chain([first]) {
        assert_eq!(wire.read_response().text(), "held");
    }
    let page = when(&gateway, "osier_requests_total", 4.0);
    check(
        &page,
        &[
            ("osier_queue_length{upstream=\"app\"}", 0.0),
            ("osier_queue_wait_seconds_count{upstream=\"app\"}", 2.0),
            ("osier_sheds_total{reason=\"queue\"}", 1.0),
            ("osier_ended_total{cause=\"queue_full\"}", 1.0),
            ("osier_requests_total{route=\"*\",code=\"2xx\"}", 3.0),
            ("osier_requests_total{route=\"*\",code=\"5xx\"}", 1.0),
        ],
    );
    assert!(page.get("osier_queue_wait_seconds_sum{upstream=\"app\"}") > 0.0);
}

#[test]
fn an_endpoint_that_is_ejected_is_counted_and_shown_as_out() {
    let bad = Origin::script(|wire, _| {
        wire.send("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
        true
    });
    let good = origin("good");
    let gateway = Gateway::run(
        &format!(
            "{}eject = {{ failures = 2, within = \"20s\", for = \"1h\" }}\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&bad, &good])
        ),
        &[],
    );
    let of = |name: &str, origin: &Scripted| {
        format!(
            "{name}{{upstream=\"app\",endpoint=\"{}\"}}",
            origin.address()
        )
    };
    let healthy = |origin| of("osier_endpoint_healthy", origin);
    let ejections = |origin| of("osier_ejections_total", origin);
    check(
        &Page::of(&gateway),
        &[
            (&healthy(&bad), 1.0),
            (&healthy(&good), 1.0),
            (&ejections(&bad), 0.0),
        ],
    );
    wait_for("two failures", || {
        (gateway.get("/").status() == 500 && bad.requests().len() == 2).then_some(())
    });
    let page = when(&gateway, "osier_ejections_total", 1.0);
    check(
        &page,
        &[
            (&healthy(&bad), 0.0),
            (&healthy(&good), 1.0),
            (&ejections(&bad), 1.0),
            (&ejections(&good), 0.0),
            // An origin's own 500 is no cause of ours.
            ("osier_ended_total{cause=\"origin_status\"}", 0.0),
        ],
    );
    let drain = format!("/drain/app/{}", good.address());
    assert_eq!(gateway.tell(&drain).status(), 200);
    let draining = of("osier_endpoint_draining", &good);
    check(&Page::of(&gateway), &[(&draining, 1.0)]);
}

#[test]
fn connections_that_had_ended_are_counted_as_replays() {
    let closed = Arc::new(AtomicUsize::new(0));
    let closing = closed.clone();
    let moody = Origin::script(move |wire, request| {
        // The second request on each connection meets its end.
        if request.start().contains("/again") {
            closing.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        wire.answer("once");
        true
    });
    let gateway = Gateway::run(
        &format!(
            "{}[[route]]\nto = \"app\"\nretry = {{ budget = \"off\" }}\n",
            upstream("app", &[&moody])
        ),
        &[],
    );
    let mut wire = gateway.osier.connect();
    assert_eq!(wire.get("/first").text(), "once");
    // On the idle one, which is stale; then on new ones, which are the origin's fault.
    assert_eq!(wire.get("/again").status(), 502);
    let page = when(&gateway, "osier_requests_total", 2.0);
    check(
        &page,
        &[
            ("osier_stale_replays_total{upstream=\"app\"}", 1.0),
            ("osier_retries_total{upstream=\"app\"}", 1.0),
            ("osier_attempts_total{upstream=\"app\"}", 4.0),
            (
                "osier_origin_connections_reused_total{upstream=\"app\"}",
                1.0,
            ),
            (
                "osier_origin_connections_opened_total{upstream=\"app\"}",
                3.0,
            ),
            (
                "osier_origin_connections{upstream=\"app\",state=\"open\"}",
                0.0,
            ),
            ("osier_ended_total{cause=\"origin_closed\"}", 1.0),
        ],
    );
    assert_eq!(closed.load(Ordering::SeqCst), 3);
}

#[test]
fn a_tunnel_is_counted_when_it_has_ended_and_is_no_duration() {
    let one = origin("one");
    let gateway = Gateway::run(
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one])),
        &[],
    );
    let mut wire = gateway.osier.connect();
    wire.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let head = wire.read_head().head;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    wire.send("12345678");
    wire.expect("12345678");
    let page = Page::of(&gateway);
    check(
        &page,
        &[
            ("osier_tree_nodes{kind=\"tunnel\"}", 1.0),
            (
                "osier_origin_connections{upstream=\"app\",state=\"open\"}",
                1.0,
            ),
        ],
    );
    assert_eq!(page.sum("osier_requests_total"), 0.0);
    drop(wire);
    let page = when(&gateway, "osier_requests_total", 1.0);
    check(
        &page,
        &[
            ("osier_requests_total{route=\"*\",code=\"1xx\"}", 1.0),
            ("osier_received_bytes_total{route=\"*\"}", 8.0),
            ("osier_sent_bytes_total{route=\"*\"}", 8.0),
            (
                "osier_request_duration_seconds_count{upstream=\"app\"}",
                0.0,
            ),
            (
                "osier_first_octet_duration_seconds_count{upstream=\"app\"}",
                1.0,
            ),
        ],
    );
}

#[test]
fn a_reload_goes_on_where_the_numbers_were_whatever_moves() {
    let (one, two) = (origin("one"), origin("two"));
    let route = |path: &str, to: &str| format!("[[route]]\npath = \"{path}\"\nto = \"{to}\"\n");
    let before = format!(
        "{}{}{}{}",
        upstream("app", &[&one]),
        upstream("old", &[&two]),
        route("/stays", "app"),
        route("/goes", "old")
    );
    let gateway = Gateway::run(&before, &[]);
    let mut wire = gateway.osier.connect();
    for path in ["/stays", "/goes", "/goes"] {
        assert_eq!(wire.get(path).status(), 200);
    }
    when(&gateway, "osier_requests_total", 3.0);
    // The upstream that stays is behind a new one now, and so is the route.
    gateway.write(&format!(
        "{}{}{}{}",
        upstream("anew", &[&two]),
        upstream("app", &[&one]),
        route("/new", "anew"),
        route("/stays", "app"),
    ));
    assert_eq!(gateway.reload().status(), 200);
    let mut wire = gateway.osier.connect();
    for path in ["/new", "/stays", "/goes"] {
        assert_eq!(
            wire.get(path).status(),
            if path == "/goes" { 404 } else { 200 }
        );
    }
    let page = when(&gateway, "osier_requests_total", 6.0);
    check(
        &page,
        &[
            ("osier_config_generation", 2.0),
            ("osier_requests_total{route=\"/stays\",code=\"2xx\"}", 2.0),
            ("osier_requests_total{route=\"/goes\",code=\"2xx\"}", 2.0),
            ("osier_requests_total{route=\"/new\",code=\"2xx\"}", 1.0),
            ("osier_requests_total{route=\"other\",code=\"4xx\"}", 1.0),
            ("osier_attempts_total{upstream=\"app\"}", 2.0),
            ("osier_attempts_total{upstream=\"old\"}", 2.0),
            ("osier_attempts_total{upstream=\"anew\"}", 1.0),
            // What idled for an upstream that is gone went with it.
            (
                "osier_origin_connections{upstream=\"old\",state=\"open\"}",
                0.0,
            ),
        ],
    );
    gateway.write(&before);
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(gateway.get("/goes").status(), 200);
    let page = when(&gateway, "osier_requests_total", 7.0);
    check(
        &page,
        &[("osier_requests_total{route=\"/goes\",code=\"2xx\"}", 3.0)],
    );
}

#[test]
fn clients_of_a_crowded_address_are_counted_at_the_door() {
    let one = origin("one");
    let gateway = Gateway::run_with(
        "limits = { per_ip = 1 }\n",
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one])),
    );
    let mut held = gateway.osier.connect();
    assert_eq!(held.get("/").text(), "one");
    for _ in 0..2 {
        let mut wire = gateway.osier.connect();
        let _ = wire.read_to_end();
    }
    check(
        &Page::of(&gateway),
        &[("osier_sheds_total{reason=\"per_ip\"}", 2.0)],
    );
}

/// A socket whose path would end its label, as the file writes it and as a label does; and the directory it is in.
fn hostile() -> (UnixListener, String, Scratch) {
    let directory = Scratch::new("sockets");
    fs::create_dir(directory.path()).unwrap();
    let path = directory.path().join("qu\"ote \\ back\nline} 1");
    let listener = UnixListener::bind(path).unwrap();
    let written = format!(
        r#"unix:{}/qu\"ote \\ back\nline}} 1"#,
        directory.path().display()
    );
    (listener, written, directory)
}

#[test]
fn names_from_the_file_cannot_break_the_page() {
    let (listener, name, _directory) = hostile();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        let _ = stream.read(&mut [0; 1024]);
    });
    let gateway = Gateway::run(&format!("[[route]]\nto = \"{name}\"\n"), &[]);
    assert_eq!(gateway.get("/").text(), "hi");
    let page = when(&gateway, "osier_requests_total", 1.0);
    let attempts = format!("osier_attempts_total{{upstream=\"{name}\"}}");
    let healthy = format!("osier_endpoint_healthy{{upstream=\"{name}\",endpoint=\"{name}\"}}");
    check(&page, &[(&attempts, 1.0), (&healthy, 1.0)]);
    // And the other way to write it.
    let status = json(&gateway.status());
    let upstream = status["upstreams"].items()[0]["name"].text();
    assert!(
        upstream.ends_with("/qu\"ote \\ back\nline} 1"),
        "{upstream}"
    );
}

#[test]
fn the_page_is_for_whoever_means_it() {
    let one = origin("one");
    let gateway = Gateway::run(
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one])),
        &[],
    );
    let page = gateway.admin("localhost", "/metrics");
    assert_eq!(page.status(), 200);
    assert_eq!(
        page.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(gateway.admin("attacker.example", "/metrics").status(), 403);
    assert_eq!(gateway.admin("attacker.example", "/status").status(), 403);
    assert_eq!(gateway.tell("/metrics").status(), 405);
}

/// Everything that a page of a server at work has, a histogram of each kind and labels that need escapes included.
fn busy() -> Gateway {
    let (one, bad) = (origin("one"), silent());
    let (listener, name, _directory) = hostile();
    // Nobody listens there any more.
    drop(listener);
    let gateway = Gateway::run(
        &format!(
            "{}max_connections = 1\nqueue = {{ max = 1, timeout = \"20s\" }}\n\
             {}\
             [[route]]\nto = \"app\"\n\
             [[route]]\npath = \"/bad\"\nto = \"bad\"\ntimeouts.request = \"20ms\"\n\
             [[route]]\npath = \"/none\"\nto = \"{name}\"\n",
            upstream("app", &[&one]),
            upstream("bad", &[&bad]),
        ),
        &[],
    );
    for path in ["/", "/bad", "/none", "/"] {
        let _ = gateway.get(path);
    }
    let mut held = gateway.osier.connect();
    held.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let head = held.read_head().head;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut waiting = gateway.osier.connect();
    waiting.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    when(&gateway, "osier_queue_length", 1.0);
    assert_eq!(gateway.get("/").status(), 503);
    drop(waiting);
    when(&gateway, "osier_requests_total", 6.0);
    drop(held);
    when(&gateway, "osier_requests_total", 7.0);
    gateway
}

#[test]
fn the_last_bucket_of_each_histogram_is_its_count() {
    let page = Page::of(&busy());
    let mut histograms = 0;
    for (series, value) in &page.0 {
        let Some((name, labels)) = series.split_once("_bucket{") else {
            continue;
        };
        let (labels, bound) = labels.split_once(",le=").unwrap();
        if bound == "\"+Inf\"}" {
            let count = page.get(&format!("{name}_count{{{labels}}}"));
            assert_eq!(*value, count, "{series}");
            assert!(page.0.contains_key(&format!("{name}_sum{{{labels}}}")));
            histograms += 1;
        }
    }
    // Four of each of three upstreams.
    assert_eq!(histograms, 12);
    assert_eq!(page.get("osier_ended_total{cause=\"queue_full\"}"), 1.0);
    assert_eq!(page.get("osier_ended_total{cause=\"client_gone\"}"), 1.0);
    assert!(page.get("osier_queue_wait_seconds_count{upstream=\"app\"}") >= 1.0);
    assert_eq!(page.get("osier_ended_total{cause=\"deadline\"}"), 1.0);
}

#[test]
#[ignore = "needs promtool"]
fn promtool_finds_nothing_wrong() {
    let gateway = busy();
    let page = gateway.admin("localhost", "/metrics");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(&page.body).unwrap();
    drop(stdin);
    let said = promtool.wait_with_output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(said.status.success() && text.is_empty(), "{text}");
}

/// The names in what a dashboard asks for.
fn names_in(value: &Json, is_question: bool, names: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (key, value) in members {
                names_in(
                    value,
                    matches!(key.as_str(), "expr" | "query" | "definition"),
                    names,
                );
            }
        }
        Json::List(items) => items.iter().for_each(|item| names_in(item, false, names)),
        Json::Text(text) if is_question => {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let ours = words.filter(|it| it.starts_with("osier_") || it.starts_with("process_"));
            names.extend(ours.map(str::to_owned));
        }
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard = include_str!("../../examples/deploy/grafana.json");
    let mut names = BTreeSet::new();
    names_in(&json(dashboard), false, &mut names);
    assert!(names.len() > 20, "{names:?}");
    let one = origin("one");
    let gateway = Gateway::run(
        &format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one])),
        &[],
    );
    let page = gateway.admin("localhost", "/metrics");
    let page = page.text();
    let types: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    for name in names {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .any(|family| types.get(family) == Some(&"histogram"));
        let is_there = types.get(&*name).is_some_and(|kind| *kind != "histogram");
        assert!(of_histogram || is_there, "{name} is nowhere");
    }
    // And whatever has a name has a help text.
    for name in types.keys() {
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
    }
}
