//! What the keys of upstreams and tries do, seen from outside: every test fails when its key is ignored.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::reload::{Gateway, origin, upstream};
use crate::support::{Message, Origin, Scripted, Wire, json, wait_for};

/// One worker, so that what one connection sees is all there is to see.
fn alone(rest: &str) -> Gateway {
    Gateway::run(rest, &[])
}

fn ask(gateway: &Gateway, head: &str) -> Message {
    gateway.osier.connect().ask(format!("{head}\r\n\r\n"))
}

fn get(gateway: &Gateway, fields: &str) -> Message {
    ask(gateway, &format!("GET / HTTP/1.1\r\nHost: h{fields}"))
}

/// Who answers, of so many requests on one connection.
fn answers(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut wire = gateway.osier.connect();
    let one = |_| wire.get("/").text().to_owned();
    (0..count).map(one).collect()
}

/// An origin that answers with this status.
fn failing(status: &'static str) -> Scripted {
    Origin::script(move |wire, _| {
        wire.send(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nfails"
        ));
        true
    })
}

/// An origin that takes requests and says nothing.
fn silent() -> Scripted {
    Origin::script(|wire, _| {
        let _ = wire.read_to_end();
        false
    })
}

/// A port where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_policy_decides_who_answers() {
    let (one, two) = (origin("one"), origin("two"));
    let with = |rest: &str| {
        alone(&format!(
            "{}{rest}\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&one, &two])
        ))
    };
    let first = with("balance = \"first\"");
    assert!(answers(&first, 20).iter().all(|name| name == "one"));
    let turns = with("balance = \"round_robin\"");
    assert_eq!(
        answers(&turns, 20)
            .iter()
            .filter(|name| *name == "one")
            .count(),
        10
    );
    for (policy, field) in [
        ("hash:header:X-Key", "X-Key: "),
        ("hash:cookie:sid", "Cookie: a=b; sid="),
    ] {
        let hashed = with(&format!("balance = \"{policy}\""));
        let of = |key: u32| get(&hashed, &format!("\r\n{field}{key}")).text().to_owned();
        let all: Vec<_> = (0..12).map(of).collect();
        assert_eq!(all, (0..12).map(of).collect::<Vec<_>>(), "{policy}");
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2, "{policy}");
    }
    let by_path = with("balance = \"hash:path\"");
    let of = |key: u32| by_path.get(&format!("/{key}")).text().to_owned();
    let all: HashSet<_> = (0..20).map(of).collect();
    assert_eq!(all.len(), 2);
    let by_ip = with("balance = \"hash:ip\"");
    assert_eq!(answers(&by_ip, 20).iter().collect::<HashSet<_>>().len(), 1);
    for policy in ["least_conn", "p2c", "ewma", "random"] {
        let gateway = with(&format!("balance = \"{policy}\""));
        let all = answers(&gateway, 60);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2, "{policy}");
    }
}

/// A request at this origin, which does not answer it, and all that were sent until there was one.
fn stuck_at(gateway: &Gateway, origin: &Scripted) -> Vec<Wire> {
    let mut stuck: Vec<Wire> = Vec::new();
    let address = origin.address().to_string();
    wait_for("a request that is stuck", || {
        let mut wire = gateway.osier.connect();
        wire.send("GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n");
        stuck.push(wire);
        let status = gateway.status();
        let (_, of_it) = status.split_once(&address)?;
        let (_, in_flight) = of_it.split_once("\"in_flight\":")?;
        (!in_flight.starts_with('0')).then_some(())
    });
    stuck
}

#[test]
fn a_busy_endpoint_gets_less_by_least_connections_and_by_two_choices() {
    let fast = origin("fast");
    for policy in ["least_conn", "p2c"] {
        let slow = silent();
        let gateway = alone(&format!(
            "{}balance = \"{policy}\"\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&slow, &fast])
        ));
        // Each of these stays; when one is stuck the other one is free.
        let _stuck = stuck_at(&gateway, &slow);
        assert!(
            answers(&gateway, 20).iter().all(|name| name == "fast"),
            "{policy}"
        );
    }
}

#[test]
fn an_endpoint_that_was_slow_gets_less_by_latency() {
    let may_answer = Arc::new(AtomicBool::new(false));
    let asked = may_answer.clone();
    let slow = Origin::script(move |wire, _| {
        while !asked.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        wire.answer("slow");
        true
    });
    let fast = origin("fast");
    let gateway = alone(&format!(
        "{}balance = \"ewma\"\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&slow, &fast])
    ));
    let begun = Instant::now();
    let stuck = stuck_at(&gateway, &slow);
    // Nothing is known of the one but that it has not answered.
    let mut slowest = Duration::from_millis(10);
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(gateway.get("/").text(), "fast");
        slowest = slowest.max(asked.elapsed());
    }
    // However slow this machine is, that one is slower by far.
    wait_for("it to be slow", || {
        (begun.elapsed() > slowest * 50).then_some(())
    });
    may_answer.store(true, Ordering::Relaxed);
    let mut stuck = stuck.into_iter();
    assert!(stuck.any(|mut wire| wire.read_response().text() == "slow"));
    // Now it answers at once, and gets hardly anything all the same.
    let late = answers(&gateway, 60);
    let late = late.iter().filter(|name| *name == "slow").count();
    assert!(late <= 6, "{late} of 60");
}

#[test]
fn an_endpoint_that_has_come_back_gets_less_for_a_while() {
    let (one, two) = (origin("one"), origin("two"));
    let back = |slow_start: &str| {
        let gateway = alone(&format!(
            "{}slow_start = \"{slow_start}\"\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&one, &two])
        ));
        let of_one = || {
            let all = answers(&gateway, 100);
            all.iter().filter(|name| *name == "one").count()
        };
        assert_eq!(of_one(), 50, "at first it is as good as the other");
        for word in ["drain", "undrain"] {
            let answer = gateway.tell(&format!("/{word}/app/{}", one.address()));
            assert!(answer.text().contains("\"changed\":true"));
        }
        of_one()
    };
    assert_eq!(back("0s"), 50);
    // About a tenth of what the other one has.
    let few = back("1h");
    assert!((7..=11).contains(&few), "{few} of 100");
}

#[test]
fn a_backup_answers_only_when_the_others_are_out() {
    let (one, spare) = (origin("one"), origin("spare"));
    let file = |first: &str| {
        format!(
            "[upstream.app]\nto = [\"{first}\", {{ addr = \"{}\", backup = true }}]\n[[route]]\nto = \"app\"\n",
            spare.address()
        )
    };
    let gateway = alone(&file(&one.address().to_string()));
    assert!(answers(&gateway, 10).iter().all(|name| name == "one"));
    let gateway = alone(&file(&nobody()));
    assert!(answers(&gateway, 10).iter().all(|name| name == "spare"));
}

#[test]
fn a_sticky_cookie_keeps_a_client_where_it_was() {
    let (one, two) = (origin("one"), origin("two"));
    let gateway = alone(&format!(
        "{}sticky = {{ cookie = \"at\" }}\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&one, &two])
    ));
    let first = get(&gateway, "");
    let cookie = first.field("set-cookie").unwrap().to_owned();
    assert!(
        cookie.starts_with("at=") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    for _ in 0..6 {
        let again = get(&gateway, &format!("\r\nCookie: x=y; {pair}"));
        assert_eq!(again.text(), first.text());
        assert_eq!(again.field("set-cookie"), None);
    }
}

#[test]
fn a_drained_endpoint_gets_nothing_until_it_is_undrained() {
    let (one, two) = (origin("one"), origin("two"));
    let gateway = alone(&format!(
        "{}[[route]]\nto = \"app\"\n",
        upstream("app", &[&one, &two])
    ));
    let tell = |word: &str| {
        let path = format!("/{word}/app/{}", one.address());
        gateway.tell(&path)
    };
    assert_eq!(
        tell("drain").text(),
        "{\"draining\":true,\"changed\":true}\n"
    );
    assert!(answers(&gateway, 10).iter().all(|name| name == "two"));
    assert!(gateway.status().contains("\"draining\":true"));
    assert_eq!(
        tell("undrain").text(),
        "{\"draining\":false,\"changed\":true}\n"
    );
    assert!(answers(&gateway, 10).contains(&"one".to_owned()));
    assert_eq!(gateway.tell("/drain/app/nobody:1").status(), 404);
}

#[test]
fn probes_take_an_endpoint_out_and_bring_it_back() {
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = is_well.clone();
    let sick = Origin::script(move |wire, request| {
        let is_probe = request.start() == "GET /healthz HTTP/1.1";
        let status = match is_probe && !asked.load(Ordering::Relaxed) {
            true => "500 No",
            false => "204 Fine",
        };
        match is_probe {
            true => wire.send(format!("HTTP/1.1 {status}\r\n\r\n")),
            false => wire.answer("sick"),
        }
        true
    });
    let well = origin("well");
    let gateway = alone(&format!(
        "{}health = {{ path = \"/healthz\", every = \"10ms\", timeout = \"1s\", rise = 2, fall = 2, expect = [\"200\", \"204\"] }}\n\
         [[route]]\nto = \"app\"\n",
        upstream("app", &[&sick, &well])
    ));
    wait_for("it to be out", || {
        gateway.status().contains("\"healthy\":false").then_some(())
    });
    assert!(answers(&gateway, 10).iter().all(|name| name == "well"));
    is_well.store(true, Ordering::Relaxed);
    wait_for("it to be back", || {
        answers(&gateway, 4)
            .contains(&"sick".to_owned())
            .then_some(())
    });
    // Without an answer to expect a connection is enough.
    let gateway = alone(&format!(
        "[upstream.app]\nto = [\"{}\", \"{}\"]\nhealth = {{ tcp = true, every = \"10ms\", fall = 1 }}\n[[route]]\nto = \"app\"\n",
        nobody(),
        well.address()
    ));
    wait_for("nobody to be out", || {
        gateway.status().contains("\"healthy\":false").then_some(())
    });
}

#[test]
fn an_endpoint_that_fails_is_left_alone_for_a_while() {
    let (bad, good) = (failing("503 No"), origin("good"));
    let gateway = Gateway::run_with(
        "",
        &format!(
            "{}eject = {{ failures = 2, within = \"10s\", for = \"1h\", max_percent = 50 }}\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&bad, &good])
        ),
    );
    wait_for("it to be ejected", || {
        let _ = answers(&gateway, 4);
        gateway.status().contains("\"ejected\":true").then_some(())
    });
    assert!(answers(&gateway, 10).iter().all(|name| name == "good"));
    // All out: all are used.
    let (one, two) = (failing("500 No"), failing("500 No"));
    let gateway = alone(&format!(
        "{}eject = {{ failures = 1, for = \"1h\", max_percent = 100 }}\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&one, &two])
    ));
    for _ in 0..6 {
        assert_eq!(gateway.get("/").status(), 500);
    }
}

#[test]
fn no_more_connections_than_may_be_and_a_queue_for_the_rest() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (now.clone(), most.clone());
    let small = Origin::script(move |wire, _| {
        let count = running.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(count, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(5));
        running.fetch_sub(1, Ordering::SeqCst);
        wire.answer("small");
        true
    });
    let file = |queue: &str| {
        format!(
            "{}max_connections = 3\nqueue = {queue}\n[[route]]\nto = \"app\"\n",
            upstream("app", &[&small])
        )
    };
    // With two workers, each with idle connections that the other one needs.
    let gateway = alone(&file("{ max = 100, timeout = \"20s\" }"));
    thread::scope(|scope| {
        for _ in 0..12 {
            let mut wire = gateway.osier.connect();
            scope.spawn(move || {
                for _ in 0..10 {
                    assert_eq!(wire.get("/").text(), "small");
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    wait_for("nobody to wait", || {
        gateway.status().contains("\"queued\":0").then_some(())
    });
    let silent = silent();
    let held = |queue: &str| {
        let gateway = alone(&format!(
            "{}max_connections = 1\nqueue = {queue}\n[[route]]\nto = \"app\"\nretry = {{ attempts = 1 }}\n",
            upstream("app", &[&silent])
        ));
        let mut holder = gateway.osier.connect();
        holder.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
        wait_for("the one connection", || {
            gateway.status().contains("\"connections\":1").then_some(())
        });
        let refused = gateway.get("/");
        assert_eq!(refused.status(), 503);
        assert!(refused.field("retry-after").is_some());
        refused.field("proxy-status").unwrap().to_owned()
    };
    assert!(held("{ max = 0 }").contains("queue_full"));
    assert!(held("{ timeout = \"50ms\" }").contains("queue_timeout"));
}

#[test]
fn a_name_that_does_not_resolve_is_503_for_its_route_alone() {
    let one = origin("one");
    let gateway = alone(&format!(
        "{}[upstream.lost]\nto = \"nowhere.invalid:80\"\nresolve = {{ every = \"1h\" }}\n\
         [[route]]\nto = \"app\"\n[[route]]\npath = \"/lost\"\nto = \"lost\"\n",
        upstream("app", &[&one])
    ));
    assert_eq!(gateway.get("/").text(), "one");
    let lost = gateway.get("/lost");
    assert_eq!(lost.status(), 503, "{lost:?}");
    assert!(lost.field("proxy-status").unwrap().contains("no_endpoint"));
    let port = one.address().to_string();
    let port = port.rsplit(':').next().unwrap();
    let named = alone(&format!("[[route]]\nto = \"localhost:{port}\"\n"));
    assert_eq!(named.get("/").text(), "one");
}

#[test]
fn status_says_what_is_held() {
    let (silent, one) = (silent(), origin("one"));
    let gateway = alone(&format!(
        "{}{}[[route]]\nto = \"app\"\n[[route]]\npath = \"/silent\"\nto = \"silent\"\n",
        upstream("app", &[&one]),
        upstream("silent", &[&silent])
    ));
    let held = |upstream: usize| {
        let status = json(&gateway.status());
        let endpoint = &status["upstreams"].items()[upstream]["endpoints"].items()[0];
        (endpoint["open"].number(), endpoint["idle"].number())
    };
    let in_use = || json(&gateway.status())["buffers_in_use"].number();
    let wait_until = |what: &str, is_so: &dyn Fn() -> bool| {
        wait_for(what, || is_so().then_some(()));
    };
    assert_eq!((held(0), held(1), in_use()), ((0.0, 0.0), (0.0, 0.0), 0.0));
    assert_eq!(gateway.get("/").text(), "one");
    wait_until("one to idle", &|| held(0) == (1.0, 1.0));
    let mut stuck = gateway.osier.connect();
    stuck.send("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_until("one in use", &|| held(1) == (1.0, 0.0));
    let mut half = gateway.osier.connect();
    half.send("GET / HTTP/1.1\r\n");
    wait_until("a buffer in use", &|| in_use() >= 4096.0);
    half.send("Host: h\r\n\r\n");
    assert_eq!(half.read_response().text(), "one");
    stuck.reset();
    wait_until("nothing to be left", &|| {
        held(1) == (0.0, 0.0) && in_use() == 0.0
    });
}

#[test]
fn what_is_tried_again_is_what_the_route_says() {
    let (bad, good) = (failing("503 No"), origin("good"));
    let with = |bad: &Scripted, retry: &str| {
        alone(&format!(
            "{}balance = \"first\"\n[[route]]\nto = \"app\"\nretry = {retry}\n",
            upstream("app", &[bad, &good])
        ))
    };
    let on_503 = with(&bad, "{ attempts = 2, on = [\"503\"] }");
    assert_eq!(on_503.get("/").text(), "good");
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(
        on_503.osier.connect().ask(post).status(),
        503,
        "not idempotent"
    );
    let once = with(&bad, "{ attempts = 1, on = [\"503\"] }");
    assert_eq!(once.get("/").status(), 503);
    let other = with(&bad, "{ attempts = 2, on = [\"502\"] }");
    assert_eq!(other.get("/").status(), 503);
    let silent = silent();
    let by_time = with(
        &silent,
        "{ attempts = 2, on = [\"timeout\"], per_try = \"100ms\" }",
    );
    assert_eq!(by_time.get("/").text(), "good");
    let no_time = with(
        &silent,
        "{ attempts = 2, on = [\"connect\"], per_try = \"100ms\" }",
    );
    let late = no_time.get("/");
    assert_eq!(late.status(), 504);
    assert!(
        late.field("proxy-status")
            .unwrap()
            .contains("response_timeout")
    );
    let closing = Origin::script(|_, _| false);
    let closed = with(&closing, "{ attempts = 2, on = [\"closed\"] }");
    assert_eq!(closed.get("/").text(), "good");
    let not_closed = with(&closing, "{ attempts = 2, on = [\"connect\"] }");
    assert_eq!(not_closed.get("/").status(), 502);
    let gone = |on: &str| {
        let file = format!(
            "[upstream.app]\nto = [\"{}\", \"{}\"]\nbalance = \"first\"\n[[route]]\nto = \"app\"\nretry = {{ on = [{on}] }}\n",
            nobody(),
            good.address()
        );
        alone(&file).get("/").status()
    };
    assert_eq!(gone("\"connect\""), 200);
    assert_eq!(gone("\"closed\""), 502);
}

#[test]
fn content_is_sent_again_where_it_was_kept() {
    let bad = Origin::script(|wire, request| {
        assert_eq!(request.text(), "some content");
        wire.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        true
    });
    let good = Origin::script(|wire, request| {
        let text = request.text().to_owned();
        wire.answer(&text);
        true
    });
    let with = |kept: &str| {
        alone(&format!(
            "{}balance = \"first\"\n[[route]]\nto = \"app\"\nretry = {{ on = [\"503\"], replay_body = \"{kept}\", backoff = \"1ms\" }}\n",
            upstream("app", &[&bad, &good])
        ))
    };
    let counted = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n\r\nsome content";
    let chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsome \r\n7\r\ncontent\r\n0\r\n\r\n";
    let kept = with("64KiB");
    for request in [counted, chunked] {
        let mut wire = kept.osier.connect();
        assert_eq!(wire.ask(request).text(), "some content");
        assert_eq!(
            wire.ask(request).text(),
            "some content",
            "the connection goes on"
        );
    }
    let not_kept = with("4B");
    for request in [counted, chunked] {
        assert_eq!(not_kept.osier.connect().ask(request).status(), 503);
    }
}

#[test]
fn further_tries_have_a_budget() {
    let (bad, good) = (failing("503 No"), origin("good"));
    let with = |budget: &str| {
        alone(&format!(
            "{}balance = \"first\"\n[[route]]\nto = \"app\"\nretry = {{ on = [\"503\"], budget = {budget}, backoff = \"0s\" }}\n",
            upstream("app", &[&bad, &good])
        ))
    };
    let count = |gateway: &Gateway| {
        let all = answers(gateway, 60);
        all.iter().filter(|text| *text == "good").count()
    };
    assert_eq!(count(&with("\"off\"")), 60);
    // Ten at once, and ten in each second after that.
    let few = count(&with("0.0"));
    assert!((10..60).contains(&few), "{few}");
}

#[test]
fn a_late_answer_is_asked_for_elsewhere_too() {
    let (late, good) = (silent(), origin("good"));
    let with = |rest: &str| {
        alone(&format!(
            "{}balance = \"first\"\ntimeouts.response = \"2s\"\n[[route]]\nto = \"app\"\nretry = {{ attempts = 1 }}\n{rest}",
            upstream("app", &[&late, &good])
        ))
    };
    let hedged = with("hedge = { after = \"20ms\", max = 1 }\n");
    assert_eq!(hedged.get("/").text(), "good");
    // The one that lost is gone, and so is its connection.
    wait_for("the loser to be gone", || {
        let tree = hedged.admin("localhost", "/tree").text().to_owned();
        (!tree.contains("attempt")).then_some(())
    });
    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(hedged.osier.connect().ask(post).status(), 504);
    assert_eq!(with("").get("/").status(), 504);
}

#[test]
fn a_hedge_at_once_stops_where_nobody_is_left_or_the_budget_is_spent() {
    for (hedge, budget) in [
        ("{ after = \"0ms\", max = 3 }", "\"off\""),
        ("{ after = \"0ms\", max = 1 }", "0.0"),
    ] {
        let (one, other) = (silent(), silent());
        let gateway = alone(&format!(
            "{}[[route]]\npath = \"/ok\"\nrespond = {{ status = 200, body = \"ok\" }}\n\
             [[route]]\nto = \"app\"\nhedge = {hedge}\nretry = {{ attempts = 1, budget = {budget} }}\n\
             timeouts.request = \"200ms\"\n",
            upstream("app", &[&one, &other])
        ));
        // A worker that goes round in circles answers nobody any more.
        assert_eq!(gateway.get("/").status(), 504, "{hedge}");
        assert_eq!(gateway.get("/ok").text(), "ok");
    }
}

#[test]
fn a_mirror_gets_a_copy_and_nobody_waits_for_it() {
    let (app, shadow) = (origin("app"), silent());
    let with = |percent: u32| {
        alone(&format!(
            "{}{}[[route]]\nto = \"app\"\nmirror = {{ to = \"shadow\", percent = {percent} }}\n",
            upstream("app", &[&app]),
            upstream("shadow", &[&shadow])
        ))
    };
    let gateway = with(100);
    let request = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(gateway.osier.connect().ask(request).text(), "app");
    let copy = wait_for("the copy", || {
        shadow.requests().first().map(|(_, copy)| copy.clone())
    });
    assert_eq!((copy.start(), copy.text()), ("POST /x HTTP/1.1", "body"));
    let none = with(0);
    assert_eq!(none.get("/y").text(), "app");
    let _ = gateway.get("/z");
    wait_for("the next copy", || {
        (shadow.requests().len() == 2).then_some(())
    });
    assert!(
        shadow
            .requests()
            .iter()
            .all(|(_, copy)| !copy.start().contains("/y"))
    );
}

#[test]
fn a_copy_that_is_not_answered_lasts_no_longer_than_an_exchange_may() {
    for limit in [
        "request = \"200ms\"",
        "request = \"off\", total = \"200ms\"",
    ] {
        let (app, shadow) = (origin("app"), silent());
        let gateway = alone(&format!(
            "{}{}[[route]]\nto = \"app\"\nmirror = {{ to = \"shadow\" }}\ntimeouts = {{ response = \"off\", {limit} }}\n",
            upstream("app", &[&app]),
            upstream("shadow", &[&shadow]),
        ));
        assert_eq!(gateway.get("/x").text(), "app");
        wait_for("the copy", || shadow.requests().first().map(|_| ()));
        wait_for("the copy's end", || {
            let tree = gateway.admin("localhost", "/tree").text().to_owned();
            (!tree.contains("mirror")).then_some(())
        });
    }
}

#[test]
fn somebody_else_says_who_may_pass() {
    let authd = Origin::script(|wire, request| {
        assert_eq!(request.start(), "GET /check HTTP/1.1");
        assert_eq!(request.field("x-forwarded-uri"), Some("/secret?x"));
        match request.field("cookie") {
            Some("ok") => wire.send("HTTP/1.1 204 Fine\r\nX-User: alice\r\n\r\n"),
            _ => wire.send(
                "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?",
            ),
        }
        true
    });
    let app = Origin::script(|wire, request| {
        let head = request.head.clone();
        wire.answer(&head);
        true
    });
    let gateway = alone(&format!(
        "{}{}[[route]]\nto = \"app\"\npaths = \"strict\"\nauth = {{ forward = {{ to = \"authd\", path = \"/check\", copy = [\"X-User\", \"X-Group\"] }} }}\n",
        upstream("app", &[&app]),
        upstream("authd", &[&authd])
    ));
    let head = "GET /secret?x HTTP/1.1\r\nHost: h\r\nX-User: mallory\r\nX-Group: root";
    let refused = ask(&gateway, head);
    assert_eq!((refused.status(), refused.text()), (401, "who?"));
    assert_eq!(refused.field("www-authenticate"), Some("Basic"));
    let passed = ask(&gateway, &format!("{head}\r\nCookie: ok"));
    assert_eq!(passed.status(), 200);
    assert!(passed.text().contains("X-User: alice"), "{passed:?}");
    assert!(!passed.text().contains("mallory") && !passed.text().contains("root"));
}

#[test]
fn networks_are_let_in_or_not() {
    let app = origin("app");
    let with = |rest: &str| {
        let file = format!(
            "{}[[route]]\nto = \"app\"\npaths = \"strict\"\n{rest}\n",
            upstream("app", &[&app])
        );
        Gateway::run_with("trusted_proxies = [\"127.0.0.0/8\"]\n", &file)
    };
    let from = |gateway: &Gateway, client: &str| {
        get(gateway, &format!("\r\nX-Forwarded-For: {client}")).status()
    };
    let allowed = with("allow = [\"192.0.2.0/24\"]\ndeny = [\"192.0.2.7\"]");
    assert_eq!(from(&allowed, "192.0.2.1"), 200);
    assert_eq!(from(&allowed, "192.0.2.7"), 403);
    assert_eq!(from(&allowed, "198.51.100.1"), 403);
    let denied = with("deny = [\"192.0.2.0/24\"]");
    assert_eq!(from(&denied, "192.0.2.1"), 403);
    assert_eq!(from(&denied, "198.51.100.1"), 200);
}

#[test]
fn a_client_may_shorten_its_budget_and_the_origin_is_told_what_is_left() {
    let app = Origin::script(|wire, request| {
        let head = request.head.clone();
        wire.answer(&head);
        true
    });
    let silent = silent();
    let with = |top: &str, rest: &str| {
        Gateway::run_with(
            top,
            &format!(
                "{}deadline_header = \"X-Request-Timeout-Ms\"\n{}deadline_header = \"grpc-timeout\"\n\
                 [[route]]\nto = \"app\"\n{rest}\n[[route]]\npath = \"/silent\"\nto = \"silent\"\n{rest}\n",
                upstream("app", &[&app]),
                upstream("silent", &[&silent])
            ),
        )
    };
    let trusting = "trusted_proxies = [\"127.0.0.0/8\"]\n";
    let accepting = "accept_deadline = [\"X-Request-Timeout-Ms\", \"grpc-timeout\"]\ntimeouts.request = \"20s\"";
    let gateway = with(trusting, accepting);
    let left = |gateway: &Gateway, fields: &str| -> u64 {
        let text = get(gateway, fields).text().to_owned();
        let mut lines = text.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = lines
            .find(|(name, _)| name.eq_ignore_ascii_case("x-request-timeout-ms"))
            .unwrap();
        value.parse().unwrap()
    };
    assert!((15_000..=20_000).contains(&left(&gateway, "")));
    assert!((5_000..=10_000).contains(&left(&gateway, "\r\nX-Request-Timeout-Ms: 10000")));
    assert!((2_000..=7_000).contains(&left(
        &gateway,
        "\r\nGrpc-Timeout: 7S\r\nX-Request-Timeout-Ms: 10000"
    )));
    assert!(
        left(&gateway, "\r\nX-Request-Timeout-Ms: 60000") <= 20_000,
        "never longer"
    );
    assert!(
        left(&gateway, "\r\nX-Request-Timeout-Ms: -5") > 10_000,
        "malformed is absent"
    );
    // Over before it began: nothing is sent, and the connection goes on.
    let before = app.requests().len();
    let mut wire = gateway.osier.connect();
    let over = wire.ask("GET / HTTP/1.1\r\nHost: h\r\nX-Request-Timeout-Ms: 0\r\n\r\n");
    assert_eq!(over.status(), 504);
    assert!(
        over.field("proxy-status")
            .unwrap()
            .contains("deadline:header")
    );
    assert_eq!(app.requests().len(), before);
    assert_eq!(wire.get("/").status(), 200);
    let late = wire.ask("GET /silent HTTP/1.1\r\nHost: h\r\nX-Request-Timeout-Ms: 100\r\n\r\n");
    assert_eq!(late.status(), 504);
    assert!(
        late.field("proxy-status")
            .unwrap()
            .contains("deadline:header")
    );
    let told = &silent.requests()[0].1;
    assert!(told.field("grpc-timeout").unwrap().ends_with(['u', 'n']));
    // Who is not trusted is not heard.
    let strangers = with("", accepting);
    assert!(left(&strangers, "\r\nX-Request-Timeout-Ms: 10") > 10_000);
    let named = with(
        "",
        &format!("{accepting}\naccept_deadline_from = [\"127.0.0.0/8\"]"),
    );
    assert!(left(&named, "\r\nX-Request-Timeout-Ms: 9000") <= 9_000);
}
