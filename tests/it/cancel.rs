//! Branches that end before their time, and the admin interface.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{House, Origin, json};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// A client that leaves.

#[test]
fn a_client_that_is_killed_while_the_response_is_awaited_takes_the_origins_connection_with_it() {
    for reset in [false, true] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        at_origin.expect_gone();
        house.wait_until_gone("exchange");
    }
}

#[test]
fn a_client_that_is_killed_while_it_reads_takes_the_origins_connection_with_it() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.read_head();
    client.read_until("abc\r\n");
    drop(client);
    // Not when the origin next says something, but at once.
    at_origin.expect_gone();
}

#[test]
fn a_client_that_ends_its_side_while_the_response_is_awaited_is_gone() {
    for request in [
        GET,
        // Its body came with the head...
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(request);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        client.finish();
        at_origin.expect_gone();
        house.wait_for_record(&["status=499", "cause=client_gone"]);
    }
}

#[test]
fn a_client_that_ends_its_side_behind_a_body_sent_later_is_gone() {
    for (head, body) in [
        ("Content-Length: 4", "body"),
        ("Transfer-Encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"),
    ] {
        let origin = Origin::bind();
        let house = House::to(origin.endpoint());
        let mut client = house.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n"));
        let mut at_origin = origin.accept();
        at_origin.read_head();
        client.send(body);
        client.finish();
        at_origin.expect(body);
        at_origin.expect_gone();
        house.wait_for_record(&["status=499", "cause=client_gone"]);
    }
}

#[test]
fn a_client_that_sends_all_and_its_end_before_it_is_read_is_gone() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    // Many times: what is seen first, the octets or the end, is up to the kernel.
    for _ in 0..20 {
        let mut client = house.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
        client.send(vec![b'x'; 200_000]);
        client.finish();
        let mut at_origin = origin.accept();
        at_origin.read_to_end();
        drop(at_origin);
        house.wait_until_gone("exchange");
    }
}

#[test]
fn a_pipelined_octet_is_not_a_client_that_left() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    client.send("G");
    house.wait_for_node(&["exchange#", "GET /"]);
    at_origin.answer("one");
    assert_eq!(client.read_response().text(), "one");
    client.send("ET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(at_origin.read_request().start(), "GET /2 HTTP/1.1");
    at_origin.answer("two");
    assert_eq!(client.read_response().text(), "two");
}

#[test]
fn a_client_that_pipelines_and_then_resets_is_gone() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(format!("{GET}{GET}"));
    let mut at_origin = origin.accept();
    at_origin.read_request();
    client.reset();
    at_origin.expect_gone();
    assert!(!origin.has_waiting());
}

#[test]
fn a_client_that_leaves_ends_only_its_own_branch() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut pairs: Vec<_> = (0..5)
        .map(|number| {
            let mut client = house.connect();
            client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let mut at_origin = origin.accept();
            at_origin.read_request();
            (client, at_origin)
        })
        .collect();
    let (client, mut at_origin) = pairs.remove(2);
    drop(client);
    at_origin.expect_gone();
    for (client, at_origin) in &mut pairs {
        at_origin.answer("still here");
        assert_eq!(client.read_response().text(), "still here");
    }
}

#[test]
fn an_origins_connection_closes_promptly_when_its_client_is_killed() {
    // Fifty milliseconds is the aim; ten times that is allowed here, where others use the machine too.
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let mut client = house.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        let killed = Instant::now();
        client.reset();
        at_origin.expect_gone();
        least = least.min(killed.elapsed());
    }
    assert!(least < Duration::from_millis(500), "{least:?}");
}

// A cancel by id.

#[test]
fn a_cancel_by_id_ends_exactly_that_branch() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut pairs: Vec<_> = (0..4)
        .map(|number| {
            let mut client = house.connect();
            client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let mut at_origin = origin.accept();
            at_origin.read_request();
            (client, at_origin)
        })
        .collect();
    let id = house.wait_for_node(&["exchange#", "GET /1"]);
    let receipt = house.cancel(id, "too expensive");
    assert_eq!(receipt.status(), 200);
    let receipt = json(receipt.text());
    assert!(receipt["nodes"].number() >= 2.0, "{receipt:?}");
    for key in ["waiters", "depth", "took_us"] {
        receipt[key].number();
    }

    let (mut client, mut at_origin) = pairs.remove(1);
    let response = client.read_response();
    assert_eq!(response.status(), 503);
    let proxy_status = response.field("proxy-status").unwrap();
    assert!(
        proxy_status.contains("details=\"admin:too expensive\""),
        "{proxy_status}"
    );
    assert_eq!(response.field("retry-after"), Some("1"));
    at_origin.expect_gone();
    house.wait_for_record(&["target=/1", "status=503", "cause=\"admin:too expensive\""]);

    // Its session lives on, and so do the others' branches.
    assert_eq!(response.field("connection"), None);
    client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.answer("again");
    assert_eq!(client.read_response().text(), "again");
    for (client, at_origin) in &mut pairs {
        at_origin.answer("undisturbed");
        assert_eq!(client.read_response().text(), "undisturbed");
    }
}

#[test]
fn a_cancel_cuts_a_response_that_has_begun() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.read_head();
    client.expect("3\r\nabc\r\n");
    let id = house.wait_for_node(&["exchange#", "GET /cut"]);
    assert_eq!(house.cancel(id, "enough").status(), 200);
    client.expect_gone();
    at_origin.expect_gone();
    house.wait_for_record(&["target=/cut", "status=200", "cause=admin:enough"]);
}

#[test]
fn a_cancel_while_the_request_is_still_sent_is_answered_too() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
    let mut at_origin = origin.accept();
    at_origin.read_head();
    at_origin.expect("some");
    let id = house.wait_for_node(&["exchange#", "POST /up"]);
    assert_eq!(house.cancel(id, "").status(), 200);
    let response = client.read_response();
    assert_eq!(response.status(), 503);
    assert_eq!(response.field("connection"), Some("close"));
    client.expect_end();
    at_origin.expect_gone();
}

#[test]
fn a_cancelled_session_ends_with_all_below_it() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let id = house.wait_for_node(&["session#", &client.local_addr().to_string()]);
    assert_eq!(house.cancel(id, "go").status(), 200);
    at_origin.expect_gone();
    let (rest, _) = client.read_to_end();
    assert!(String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 503 "));
    house.wait_until_gone("session#");

    // One that idles just ends.
    let mut client = house.connect();
    let id = house.wait_for_node(&["session#", &client.local_addr().to_string()]);
    assert_eq!(house.cancel(id, "go").status(), 200);
    client.expect_end();
}

// The admin interface.

fn admin(house: &House, request: &str) -> u16 {
    house.connect_admin().ask(request).status()
}

#[test]
fn the_admin_interface_believes_only_hosts_that_mean_it() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.admin_hosts = vec!["gateway.example".to_owned()];
    });
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST:8087", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("gateway.example", 200),
        ("gateway.example:8087", 200),
        ("127.0.0.2", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("", 403),
    ] {
        let request = format!("GET /tree HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(admin(&house, &request), status, "{host}");
    }
    // Whoever asks only whether all is well need not.
    for path in ["/healthz", "/readyz"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        assert_eq!(admin(&house, &request), 200, "{path}");
    }
}

#[test]
fn a_cancel_needs_its_header_its_method_and_a_node() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let id = house.wait_for_node(&["exchange#"]);
    let ask = |method: &str, what: &str, fields: &str| {
        let request = format!("{method} {what} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        admin(&house, &request)
    };
    let meant = "Osier-Admin: 1\r\n";
    assert_eq!(ask("POST", &format!("/cancel/{id}"), ""), 403);
    assert_eq!(
        ask("POST", &format!("/cancel/{id}"), "Osier-Admin: 0\r\n"),
        403
    );
    assert_eq!(ask("GET", &format!("/cancel/{id}"), meant), 405);
    assert_eq!(ask("POST", "/cancel/x", meant), 400);
    assert_eq!(ask("POST", "/cancel/99999999999999", meant), 404);
    assert_eq!(ask("POST", "/tree", meant), 405);
    assert_eq!(ask("GET", "/nothing", meant), 404);
    assert_eq!(ask("GET", "/tree?root=x", ""), 400);
    assert_eq!(ask("GET", "/tree?root=99999999999999", ""), 404);

    // Nothing of that ended anything.
    at_origin.answer("alive");
    assert_eq!(client.read_response().text(), "alive");
}

#[test]
fn a_405_of_the_admin_interface_says_what_is_allowed() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut admin = house.connect_admin();
    let response = admin.ask("DELETE /tree HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(
        (response.status(), response.field("allow")),
        (405, Some("GET, HEAD"))
    );
    let response = admin.ask("GET /cancel/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(
        (response.status(), response.field("allow")),
        (405, Some("POST"))
    );
}

#[test]
fn head_on_the_admin_interface_has_no_body() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut admin = house.connect_admin();
    admin.send("HEAD /tree HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = admin.read_head();
    assert_eq!(head.status(), 200);
    assert!(head.field("content-length").is_some());
    let next = admin.ask("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((next.status(), next.text()), (200, "ok\n"));
}

#[test]
fn the_admin_interface_takes_pipelined_requests_and_refuses_broken_ones() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut admin = house.connect_admin();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    admin.send(request.repeat(3));
    for _ in 0..3 {
        assert_eq!(admin.read_response().status(), 200);
    }
    admin.send("GET /healthz HTTP/1.1\r\n\r\n");
    assert_eq!(admin.read_response().status(), 400);
    admin.expect_end();
}

#[test]
fn the_tree_is_json_with_the_fields_of_the_contract() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.send("GET /deep HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    house.wait_for_node(&["exchange#", "GET /deep"]);

    let mut admin = house.connect_admin();
    let response = admin.ask("GET /tree.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(response.field("content-type"), Some("application/json"));
    let tree = json(response.text());
    let by_accept =
        admin.ask("GET /tree HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
    assert_eq!(by_accept.field("content-type"), Some("application/json"));

    let mut kinds = BTreeMap::new();
    let mut all = vec![&tree];
    let mut deepest = 0;
    while let Some(node) = all.pop() {
        for key in ["id", "age_ms", "waiters"] {
            node[key].number();
        }
        assert!(["live", "draining", "canceled", "expired"].contains(&node["state"].text()));
        assert_eq!(
            node["deadline_ms"].is_null(),
            node["deadline_owner"].is_null()
        );
        node["label"].text();
        let _ = &node["cause"];
        *kinds.entry(node["kind"].text().to_owned()).or_insert(0) += 1;
        deepest = deepest.max(node["id"].number() as u64);
        all.extend(node["children"].items());
    }
    for kind in ["server", "listener", "session", "exchange", "attempt"] {
        assert_eq!(kinds.get(kind), Some(&1), "{kind}: {kinds:?}");
    }

    // By root and by depth.
    let id = house.wait_for_node(&["session#"]);
    let request = format!("GET /tree.json?root={id}&depth=0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let cut = admin.ask(request);
    let cut = json(cut.text());
    assert_eq!(
        (cut["id"].number() as u64, cut["kind"].text()),
        (id, "session")
    );
    assert_eq!(
        (cut["children"].items().len(), cut["more"].number()),
        (0, 1.0)
    );
    let few = admin.ask("GET /tree.json?max=2 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(few.text().matches("\"id\"").count(), 2, "{few:?}");
    at_origin.answer("");
    client.read_response();
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let page = house
        .connect_admin()
        .ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(page.status(), 200);
    assert!(page.field("content-type").unwrap().starts_with("text/html"));
    assert!(!page.text().contains("https://"), "{page:?}");
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    let nonce = policy.split("'nonce-").nth(1).unwrap();
    let nonce = nonce.split('\'').next().unwrap();
    assert!(
        page.text().contains(&format!("nonce=\"{nonce}\"")),
        "{page:?}"
    );
}
