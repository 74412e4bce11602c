//! What the kernel does to sockets.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use osier::net::address::Address;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::support::{House, Origin, Osier, Scratch, Wire, octets, options, wait_for};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// The trap: data and FIN in one segment.

#[test]
fn a_response_that_comes_with_its_end_in_one_segment_arrives_whole() {
    for head in [
        "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        "Connection: close\r\n\r\nhello",
        "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        for _ in 0..20 {
            client.send(GET);
            let mut at_origin = origin.accept();
            at_origin.read_request();
            at_origin.hold_back();
            at_origin.send(format!("HTTP/1.1 200 OK\r\n{head}"));
            // The last segment is sent with the FIN in it.
            at_origin.finish();
            assert_eq!(client.read_response().text(), "hello");
        }
    }
}

#[test]
fn a_response_whose_end_comes_later_arrives_whole() {
    for head in [
        "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        "Connection: close\r\n\r\nhello",
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        for _ in 0..5 {
            client.send(GET);
            let mut at_origin = origin.accept();
            at_origin.read_request();
            at_origin.send(format!("HTTP/1.1 200 OK\r\n{head}"));
            client.read_head();
            let end = client.read_until("hello");
            at_origin.finish();
            if end.starts_with("5\r\n") {
                client.expect("\r\n0\r\n\r\n");
            }
        }
    }
}

#[test]
fn a_large_response_that_ends_with_its_connection_arrives_whole() {
    let content = octets(3_000_001);
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for _ in 0..5 {
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send("HTTP/1.1 200 OK\r\n\r\n");
        at_origin.send(&content);
        drop(at_origin);
        assert!(client.read_response().body == content);
    }
}

#[test]
fn a_request_that_comes_with_its_end_in_one_segment_is_a_client_that_left() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    for _ in 0..20 {
        let mut client = house.connect();
        client.hold_back();
        client.send(GET);
        client.finish();
        // Served or not, it ends.
        client.read_to_end();
    }
    house.wait_until_gone("session#");
}

#[test]
fn pipelined_requests_that_come_with_their_end_are_answered_but_the_last() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.hold_back();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish();
    assert_eq!(client.read_response().text(), "/1");
    client.read_to_end();
    house.wait_until_gone("session#");
}

#[test]
fn half_a_request_and_an_end_is_no_request() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET / HTTP/1.1\r\nHost:");
    client.finish();
    client.expect_gone();
    assert!(!origin.has_waiting());
    house.wait_until_gone("session#");
}

// Resets, and connections that went stale.

#[test]
fn an_origin_that_resets_while_the_request_is_sent_is_a_502() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    client.send(octets(100_000));
    at_origin.read_octets(10);
    at_origin.reset();
    assert_eq!(client.read_response().status(), 502);
}

#[test]
fn an_idle_origin_connection_that_ends_is_not_used_again() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for end in [Wire::reset as fn(Wire), drop] {
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.answer("one");
        client.read_response();
        end(at_origin);
    }
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("last");
    assert_eq!(client.read_response().text(), "last");
}

#[test]
fn octets_on_an_idle_origin_connection_disqualify_it() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("one");
    client.read_response();
    // A 408 nobody asked for, as some servers send before they close.
    let _ = at_origin.try_send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    at_origin.expect_gone();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn octets_behind_a_response_disqualify_its_connection() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_eq!(client.read_response().text(), "ok");
    at_origin.expect_gone();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("good");
    assert_eq!(client.read_response().text(), "good");
}

/// A house whose origin takes a request on a connection used before, and closes instead of answering.
fn stale(request: &str) -> (House, Origin, Wire) {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("one");
    client.read_response();
    client.send(request);
    at_origin.read_request();
    drop(at_origin);
    (house, origin, client)
}

#[test]
fn a_get_on_a_stale_connection_is_sent_again() {
    let (_house, origin, mut client) = stale("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    assert_eq!(at_origin.read_request().start(), "GET /again HTTP/1.1");
    at_origin.answer("again");
    assert_eq!(client.read_response().text(), "again");
}

#[test]
fn a_post_on_a_stale_connection_is_not_sent_again() {
    let (_house, origin, mut client) =
        stale("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(client.read_response().status(), 502);
    assert!(!origin.has_waiting());
}

#[test]
fn a_hundred_stale_connections_are_no_reason_to_fail() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut clients: Vec<_> = (0..30).map(|_| house.connect()).collect();
    let mut at_origin = Vec::new();
    for client in &mut clients {
        client.send(GET);
        let mut wire = origin.accept();
        wire.read_request();
        at_origin.push(wire);
    }
    for (client, wire) in clients.iter_mut().zip(&mut at_origin) {
        wire.answer("one");
        client.read_response();
    }
    // The origin restarts.
    for wire in at_origin {
        wire.reset();
    }
    clients[0].send(GET);
    let mut wire = origin.accept();
    wire.read_request();
    wire.answer("two");
    assert_eq!(clients[0].read_response().text(), "two");
}

// Unix sockets.

#[test]
fn a_unix_socket_serves_and_one_is_served() {
    let origin = Origin::bind_unix();
    let socket = Scratch::new("house.sock");
    let mut options = options([origin.endpoint()]);
    options.listen = vec![Address::Unix(socket.path().to_owned())];
    let mut house = House::start(options);
    let mut client = house.connect();
    client.send("GET /unix HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
    let mut at_origin = origin.accept();
    let request = at_origin.read_request();
    assert_eq!(request.start(), "GET /unix HTTP/1.1");
    // There is no address to tell, and the client's word is nobody's.
    assert_eq!(request.field("x-forwarded-for"), None);
    at_origin.answer("over unix");
    assert_eq!(client.read_response().text(), "over unix");

    // One that leaves takes its branch with it here too.
    client.send(GET);
    at_origin.read_request();
    drop(client);
    at_origin.expect_gone();

    house.drain();
    house.wait_until_ended();
    assert!(!socket.path().exists(), "the socket is left behind");
}

#[test]
fn the_socket_of_a_house_that_died_is_taken_over_and_that_of_a_living_one_is_not() {
    let origin = Origin::that_answers();
    let socket = Scratch::new("taken.sock");
    drop(std::os::unix::net::UnixListener::bind(socket.path()).unwrap());
    assert!(socket.path().exists());
    let at = |endpoint| {
        let mut options = options([endpoint]);
        options.listen = vec![Address::Unix(socket.path().to_owned())];
        options
    };
    let house = House::start(at(origin.endpoint()));
    assert_eq!(house.connect().get("/1").text(), "/1");
    assert!(osier::server::Server::start(at(origin.endpoint())).is_err());
    assert_eq!(house.connect().get("/2").text(), "/2");
}

#[test]
fn a_message_cut_short_on_a_unix_socket_ends() {
    let origin = Origin::bind_unix();
    let socket = Scratch::new("cut.sock");
    let mut options = options([origin.endpoint()]);
    options.listen = vec![Address::Unix(socket.path().to_owned())];
    let house = House::start(options);
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    drop(at_origin);
    let (got, _) = client.read_to_end();
    assert!(!got.ends_with(b"0\r\n\r\n"));
}

// IPv6.

#[test]
fn ipv6_serves_and_is_named_as_what_it_is() {
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else {
        // A machine without it.
        return;
    };
    drop(listener);
    let origin = Origin::that_answers();
    let mut options = options([origin.endpoint()]);
    options.listen = vec![Address::Inet("[::1]:0".parse::<SocketAddr>().unwrap())];
    let house = House::start(options);
    assert_eq!(house.connect().get("/six").text(), "/six");
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("x-forwarded-for"), Some("::1"));
}

// Want of descriptors, and of room.

/// How many descriptors a process has open.
fn descriptor_count(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// The descriptor that a process would get next. What it has beyond that, it has inherited.
fn lowest_free_descriptor(pid: u32) -> u64 {
    let open: HashSet<u64> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    (0..).find(|descriptor| !open.contains(descriptor)).unwrap()
}

/// The processor time a process has used, in clock ticks.
pub(crate) fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<_> = behind_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn limit_descriptors(pid: u32, count: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(count),
        maximum: hard,
    };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

#[test]
fn want_of_descriptors_on_accept_is_waited_out_without_spinning() {
    let origin = Origin::that_answers();
    let osier = Osier::in_front_of(&origin, &["--workers", "1"]);
    let mut first = osier.connect();
    assert_eq!(first.get("/1").text(), "/1");
    // No descriptor beyond those there are now, until said otherwise.
    limit_descriptors(osier.pid(), lowest_free_descriptor(osier.pid()));

    // When the gaps are filled, one is told, out of the reserve.
    let mut inside = Vec::new();
    let told = loop {
        let mut client = osier.connect();
        let response = client.get("/more");
        if response.status() != 200 {
            break response;
        }
        inside.push(client);
        assert!(inside.len() < 20, "there is no end to descriptors");
    };
    assert_eq!(told.status(), 503);
    assert!(told.field("proxy-status").unwrap().contains("shed"));
    let mut others: Vec<_> = (0..3).map(|_| osier.connect()).collect();

    // The one inside is served, and the worker does not burn its core.
    let before = ticks(osier.pid());
    for _ in 0..40 {
        assert_eq!(first.get("/in").text(), "/in");
        std::thread::sleep(Duration::from_millis(10));
    }
    let burnt = ticks(osier.pid()) - before;
    assert!(burnt < 20, "{burnt} ticks of 40");

    // There are descriptors again: everyone who still waits is served.
    limit_descriptors(osier.pid(), 1000);
    let mut late = osier.connect();
    assert_eq!(late.get("/late").text(), "/late");
    for other in &mut others {
        let _ = other.try_send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = other.read_head();
        assert!(matches!(head.status(), 200 | 503), "{head:?}");
    }
}

#[test]
fn want_of_descriptors_for_an_origin_is_waited_out_within_the_budget() {
    let origin = Origin::that_answers();
    let osier = Osier::in_front_of(&origin, &["--workers", "1"]);
    let mut client = osier.connect();
    // The connection is in; for one to the origin nothing is left.
    osier.wait_for_session(&client);
    limit_descriptors(osier.pid(), 3);
    client.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    // Time to meet the want; where that is too short, there is less to see, and nothing to fail.
    std::thread::sleep(Duration::from_millis(50));
    limit_descriptors(osier.pid(), 1000);
    assert_eq!(client.read_response().text(), "/waits");
}

#[test]
fn a_process_with_few_descriptors_serves_what_it_can() {
    let origin = Origin::that_answers();
    let osier = Osier::with_limit(40, &origin, &["--workers", "1"]);
    for number in 0..100 {
        let path = format!("/{number}");
        assert_eq!(osier.connect().get(&path).text(), path);
    }
}

#[test]
fn at_the_most_connections_the_one_that_idled_longest_makes_way() {
    let origin = Origin::that_answers();
    let osier = Osier::with_limit(72, &origin, &["--workers", "1"]);
    assert!(
        osier.announced().contains("at most 27 connections"),
        "{osier:?}"
    );
    let mut clients: Vec<_> = (0..27)
        .map(|number| {
            let mut client = osier.connect();
            let path = format!("/{number}");
            assert_eq!(client.get(&path).text(), path);
            client
        })
        .collect();
    // The first is now the one used last.
    clients[0].get("/again");
    let mut further = osier.connect();
    assert_eq!(further.get("/further").text(), "/further");
    clients[1].expect_end();
    for (number, client) in clients.iter_mut().enumerate() {
        if number != 1 {
            assert_eq!(client.get("/here").text(), "/here", "{number}");
        }
    }
}

#[test]
fn with_none_idle_the_next_waits_until_one_is() {
    let origin = Origin::bind();
    let osier = Osier::with_limit_to(100, &origin.address(), &["--workers", "1"]);
    assert!(
        osier.announced().contains("at most 38 connections"),
        "{osier:?}"
    );
    let mut busy = Vec::new();
    for _ in 0..38 {
        let mut client = osier.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        busy.push((client, at_origin));
    }
    let mut next = osier.connect();
    next.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    // One gets its answer, and idles: it makes way, for somebody waits.
    let (client, at_origin) = &mut busy[1];
    at_origin.answer("done");
    assert_eq!(client.read_response().text(), "done");
    let request = at_origin.read_request();
    assert_eq!(request.start(), "GET /next HTTP/1.1");
    at_origin.answer("next");
    assert_eq!(next.read_response().text(), "next");
    client.expect_end();
}

#[test]
fn waiting_costs_nothing_whatever_is_waited_for() {
    // Ends stay visible once they were seen, so each of these is a chance to ask the kernel again and again.
    let origin = Origin::bind();
    let osier = Osier::serving_to(&origin.address(), &["--workers", "1"]);
    let mut kept = Vec::new();

    // Idle, and idle in the middle of a head.
    kept.push(osier.connect());
    let mut client = osier.connect();
    client.send("GET / HT");
    kept.push(client);

    // A response awaited, with another request and an end behind it.
    let mut client = osier.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    client.send(GET);
    client.finish();
    kept.extend([client, at_origin]);

    // Tunnels, each with one direction ended.
    for client_first in [true, false] {
        let mut client = osier.connect();
        client.send(
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        client.read_head();
        if client_first {
            client.finish();
            at_origin.expect_end();
        } else {
            at_origin.finish();
            client.expect_end();
        }
        kept.extend([client, at_origin]);
    }

    // A client that does not read, an origin that has said all and ended.
    let mut client = osier.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\n\r\n");
    at_origin.send_until_full(1 << 30);
    at_origin.finish();
    kept.extend([client, at_origin]);

    // An origin that does not read, and answers all the same.
    let mut client = osier.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    client.send_until_full(1 << 30);
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    client.read_head();
    kept.extend([client, at_origin]);

    let before = ticks(osier.pid());
    std::thread::sleep(Duration::from_secs(1));
    let burnt = ticks(osier.pid()) - before;
    assert!(burnt < 10, "{burnt} ticks of 100");
    drop(kept);
}

#[test]
fn two_thousand_connections_are_served() {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(1 << 20);
    let raised = Rlimit {
        current: Some(hard),
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised).unwrap();
    let count = usize::try_from(hard.saturating_sub(1000) / 2)
        .unwrap()
        .min(2000);
    let origin = Origin::that_answers();
    let osier = Osier::in_front_of(&origin, &[]);
    let mut clients: Vec<_> = (0..count).map(|_| osier.connect()).collect();
    for round in 0..2 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{round}/{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.read_response().text(), format!("/{round}/{number}"));
        }
    }
    let pid = osier.pid();
    drop(clients);
    wait_for("the descriptors to be given back", || {
        (descriptor_count(pid) < 400).then_some(())
    });
}

#[test]
#[ignore = "needs strace: apt-get install strace"]
fn a_request_on_kept_connections_is_four_calls_and_the_waiting() {
    const REQUESTS: usize = 2000;
    let origin = Origin::that_answers();
    let osier = Osier::serving_to(origin.address(), &["--workers", "1"]);
    let mut client = osier.connect();
    assert_eq!(client.get("/").status(), 200);
    let summary = Scratch::new("strace");
    let pid = osier.pid().to_string();
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-U", "calls,name", "-p", &pid, "-o"])
        .arg(summary.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace is to be installed: apt-get install strace");
    let mut attached = String::new();
    BufReader::new(strace.stderr.take().unwrap())
        .read_line(&mut attached)
        .unwrap();
    assert!(attached.contains("attached"), "{attached}");
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/").status(), 200);
    }
    let tracer = Pid::from_child(&strace);
    kill_process(tracer, Signal::INT).unwrap();
    strace.wait().unwrap();
    let table = std::fs::read_to_string(summary.path()).unwrap();
    // Each line: how often, and which.
    let rows = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.parse::<usize>().ok()?, words.next()?))
    });
    let counted = rows.filter(|(_, name)| *name != "total" && !name.starts_with("epoll_"));
    let calls: usize = counted.map(|(count, _)| count).sum();
    let (least, most) = (4 * REQUESTS, 42 * REQUESTS / 10);
    assert!(
        (least..=most).contains(&calls),
        "{calls} for {REQUESTS} requests:\n{table}"
    );
}
