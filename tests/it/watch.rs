//! What happens in the tree, told by the admin interface while it happens: `/events` and `/node/ID`.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{House, Message, Origin, Wire, wait_for};

/// One who listens to `/events`.
struct Listener {
    wire: Wire,
    /// Content that was read and is no whole frame yet.
    rest: String,
}

impl Listener {
    fn of(house: &House, query: &str) -> Self {
        let mut wire = house.connect_admin();
        wire.send(format!(
            "GET /events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let head = wire.read_head();
        assert_eq!(head.status(), 200, "{head:?}");
        assert_eq!(head.field("content-type"), Some("text/event-stream"));
        let rest = String::new();
        Self { wire, rest }
    }

    /// The next frame: what it is called, and its data. Comments are passed over.
    fn next(&mut self) -> (String, String) {
        loop {
            if let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.rest = rest;
                let mut lines = frame.lines();
                let name = lines.next().unwrap_or_default();
                if name.starts_with(':') {
                    continue;
                }
                let data = lines.next().unwrap_or_default();
                assert_eq!(lines.next(), None, "one line of data: {frame}");
                let name = name.strip_prefix("event: ").unwrap();
                let data = data.strip_prefix("data: ").unwrap();
                check_json(data);
                return (name.to_owned(), data.to_owned());
            }
            let size = self.wire.read_until("\r\n");
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let octets = self.wire.read_octets(size);
            self.rest.push_str(std::str::from_utf8(&octets).unwrap());
            self.wire.expect("\r\n");
        }
    }

    /// The data of the next frame of this name.
    fn frame(&mut self, name: &str) -> String {
        loop {
            let (it, data) = self.next();
            if it == name {
                return data;
            }
        }
    }

    /// Reads changes until one has this in it, and returns all of them.
    fn until(&mut self, words: &str) -> String {
        let mut all = String::new();
        while !all.contains(words) {
            all.push_str(&self.frame("changes"));
        }
        all
    }
}

/// The number that follows `name` in JSON.
fn number(text: &str, name: &str) -> u64 {
    let found = text.split(&format!("\"{name}\":")).nth(1);
    let digits: String = found
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// Whether `text` is one JSON value and nothing else, as RFC 8259 has it.
fn check_json(text: &str) {
    let octets = text.as_bytes();
    let end = value(octets, 0);
    assert_eq!(end, Some(octets.len()), "no JSON: {text}");
}

/// Where the value that begins at `at` ends.
fn value(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string(text, at + 1),
        b'{' => items(text, at + 1, b'}', |text, at| {
            let at = string(text, at.checked_add(usize::from(*text.get(at)? == b'"'))?)?;
            value(text, at + usize::from(*text.get(at)? == b':'))
        }),
        b'[' => items(text, at + 1, b']', value),
        b't' | b'n' => word(text, at, 4, &[b"true", b"null"]),
        b'f' => word(text, at, 5, &[b"false"]),
        _ => {
            let is_of_number = |octet: &&u8| matches!(octet, b'0'..=b'9' | b'-' | b'.');
            let count = text[at..].iter().take_while(is_of_number).count();
            let number = std::str::from_utf8(&text[at..at + count]).ok()?;
            number.parse::<f64>().ok().map(|_| at + count)
        }
    }
}

fn word(text: &[u8], at: usize, length: usize, words: &[&[u8]]) -> Option<usize> {
    words
        .contains(&text.get(at..at + length)?)
        .then_some(at + length)
}

fn items(
    text: &[u8],
    mut at: usize,
    end: u8,
    item: impl Fn(&[u8], usize) -> Option<usize>,
) -> Option<usize> {
    if *text.get(at)? == end {
        return Some(at + 1);
    }
    loop {
        at = item(text, at)?;
        match *text.get(at)? {
            b',' => at += 1,
            octet if octet == end => return Some(at + 1),
            _ => return None,
        }
    }
}

fn string(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if *text.get(at + 1)? == b'u' => {
                let digits = text.get(at + 2..at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                6
            }
            b'\\' if b"\"\\/bfnrt".contains(text.get(at + 1)?) => 2,
            b'\\' | 0..=0x1f => return None,
            _ => 1,
        };
    }
}

fn ask(house: &House, method: &str, path: &str, host: &str) -> Message {
    house.connect_admin().ask(format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    ))
}

#[test]
fn a_request_is_told_from_its_beginning_to_its_end() {
    let origin = Origin::bind();
    let house = House::to(origin.endpoint());
    let mut listener = Listener::of(&house, "");
    let (name, picture) = listener.next();
    assert_eq!(name, "snapshot");
    assert!(picture.starts_with("{\"at_ms\":") && picture.contains("\"tree\":{\"id\":"));
    let mut client = house.connect();
    client.send("GET /story HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let told = listener.until("\"label\":\"GET /story\"");
    let id = house.wait_for_node(&["exchange#", "/story"]);
    let made = told
        .split("{\"new\":")
        .find(|it| it.contains("/story"))
        .unwrap();
    assert!(made.starts_with(&format!("{id},\"parent\":")), "{made}");
    assert!(made.contains("\"kind\":\"exchange\""), "{made}");

    let story = ask(&house, "GET", &format!("/node/{id}"), "localhost");
    assert_eq!(story.status(), 200);
    let story = story.text().to_owned();
    check_json(story.trim_end());
    assert_eq!(number(&story, "id"), id);
    for part in [
        "\"state\":\"live\"",
        "\"draining\":false",
        "\"kind\":\"server\"",
        "\"cause\":null",
    ] {
        assert!(story.contains(part), "{part} in {story}");
    }

    let receipt = house.cancel(id, "too \"late\"");
    assert_eq!(receipt.status(), 200);
    let told = listener.until(&format!("{{\"gone\":{id}}}"));
    let end = told.split(&format!("{{\"end\":{id},")).nth(1).unwrap();
    assert!(
        end.starts_with("\"state\":\"canceled\",\"cause\":\"context canceled: too \\\"late\\\""),
        "{end}"
    );
    assert_eq!(number(end, "origin"), id);
    for name in ["nodes", "waiters", "depth", "took_us"] {
        assert_eq!(number(end, name), number(receipt.text(), name), "{end}");
    }
    house.wait_until_gone("exchange#");
    let gone = ask(&house, "GET", &format!("/node/{id}"), "localhost");
    assert_eq!(
        (gone.status(), gone.text().trim_end()),
        (404, "{\"error\":\"no such node lives in the tree\"}")
    );
    let numbers = listener.frame("numbers");
    assert!(
        numbers.contains("\"in_flight\":0") && numbers.contains("\"events_per_s\":"),
        "{numbers}"
    );
}

#[test]
fn an_exchange_that_goes_well_leaves_without_an_end() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut listener = Listener::of(&house, "");
    let mut client = house.connect();
    assert_eq!(client.get("/well").status(), 200);
    let told = listener.until("GET /well");
    let made = told
        .split("{\"new\":")
        .find(|it| it.contains("GET /well"))
        .unwrap();
    let id = made.split(',').next().unwrap().to_owned();
    let gone = format!("{{\"gone\":{id}}}");
    let told = if told.contains(&gone) {
        told
    } else {
        listener.until(&gone)
    };
    assert!(!told.contains(&format!("{{\"end\":{id},")), "{told}");
}

#[test]
fn what_a_stranger_calls_a_thing_stays_a_word() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut listener = Listener::of(&house, "");
    for (index, path) in [
        "'%22\\",
        "%0a%0adata:%20x",
        "</script>",
        "%1b[31m",
        "%e2%80%a8",
    ]
    .iter()
    .enumerate()
    {
        let mut client = house.connect();
        client.send(format!("GET /{path}/x{index}x HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.read_response();
        // Each frame is looked at as it is read.
        if client_was_let_in(&house, index) {
            listener.until(&format!("x{index}x"));
        }
    }
    let mut client = house.connect();
    client.send(b"GET /\xe2\x80\xa8\x9b31m\"/last HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_response();
    let mut client = house.connect();
    client.get("/last-of-all");
    listener.until("/last-of-all");
}

/// Whether there was an exchange for that request: what no target may have is refused before.
fn client_was_let_in(house: &House, index: usize) -> bool {
    let record = house.wait_for_record(&[&format!("x{index}x")]);
    !record.contains("status=400")
}

#[test]
fn only_so_many_listen_and_only_who_is_believed() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    for path in ["/events", "/node/1"] {
        assert_eq!(ask(&house, "GET", path, "attacker.example").status(), 403);
        assert_eq!(ask(&house, "POST", path, "localhost").status(), 405);
    }
    assert_eq!(
        ask(&house, "GET", "/events?max=x", "localhost").status(),
        400
    );
    assert_eq!(ask(&house, "GET", "/node/x", "localhost").status(), 400);
    let mut listeners: Vec<_> = (0..16).map(|_| Listener::of(&house, "?max=1")).collect();
    for listener in &mut listeners {
        assert_eq!(listener.next().0, "snapshot");
    }
    assert_eq!(ask(&house, "GET", "/events", "localhost").status(), 503);
    assert_eq!(ask(&house, "GET", "/healthz", "localhost").status(), 200);
    drop(listeners.pop());
    // Who has left makes room.
    wait_for("a seat", || {
        let mut wire = house.connect_admin();
        wire.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (wire.read_head().status() == 200).then_some(())
    });
}

#[test]
fn who_does_not_read_loses_changes_and_is_told() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut slow = Listener::of(&house, "?max=10");
    slow.next();
    let mut client = house.connect();
    let mut quick = Listener::of(&house, "");
    for index in 0..2000 {
        assert_eq!(client.get(&format!("/burst/{index}")).status(), 200);
    }
    assert_eq!(client.get("/after").status(), 200);
    assert_eq!(quick.next().0, "snapshot");
    // A burst in one go is more than a tenth of a second may tell.
    let mut clients: Vec<_> = (0..4).map(|_| house.connect()).collect();
    let request = "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut picture = None;
    while picture.is_none() {
        for client in &mut clients {
            client.send(request.repeat(200));
        }
        for client in &mut clients {
            for _ in 0..200 {
                client.read_response();
            }
        }
        // What is lost is made up for by a picture, within a second.
        let mut name = String::new();
        while name != "numbers" {
            let data;
            (name, data) = slow.next();
            if name == "snapshot" && number(&data, "lost") > 0 {
                picture = Some(data);
            }
        }
    }
    assert!(picture.unwrap().contains("\"tree\":{\"id\":"));
    assert_eq!(ask(&house, "GET", "/tree", "localhost").status(), 200);
}

#[test]
fn a_stream_ends_with_the_server() {
    let origin = Origin::that_answers();
    let mut house = House::to(origin.endpoint());
    let mut listener = Listener::of(&house, "");
    assert_eq!(listener.next().0, "snapshot");
    house.drain();
    house.wait_until_ended();
    let (_, _end) = listener.wire.read_to_end();
}

#[test]
fn a_large_tree_comes_in_pieces() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let clients: Vec<_> = (0..10).map(|_| house.connect()).collect();
    let tree = ask(&house, "GET", "/tree.json?max=200000", "localhost");
    check_json(tree.text().trim_end());
    assert!(tree.text().contains("\"kind\":\"server\""));
    drop(clients);
}

/// A figure to look at, since no test is timed: `cargo test --release --test it watch::what_a_tree -- --ignored --nocapture`.
#[test]
#[ignore = "needs a quiet machine for its figure"]
fn what_a_tree_of_a_hundred_thousand_costs_an_exchange() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let branches: Vec<_> = (0..100)
        .map(|_| house.ctx().named("task", "a branch").with_cancel())
        .collect();
    let leaves: Vec<_> = branches
        .iter()
        .flat_map(|(branch, _)| (0..1000).map(|_| branch.named("task", "a leaf").with_cancel()))
        .collect();
    let mut client = house.connect();
    let mut slowest = |count: usize, is_over: &dyn Fn() -> bool| {
        let mut longest = Duration::ZERO;
        let mut exchanges = 0;
        while exchanges < count || !is_over() {
            let begun = Instant::now();
            assert_eq!(client.get("/x").text(), "/x");
            longest = longest.max(begun.elapsed());
            exchanges += 1;
        }
        (exchanges, longest)
    };
    for _ in 0..5 {
        let alone = slowest(1000, &|| true);
        let (octets, beside) = thread::scope(|scope| {
            let reading = scope.spawn(|| {
                ask(&house, "GET", "/tree.json?max=200000", "localhost")
                    .text()
                    .len()
            });
            let beside = slowest(1, &|| reading.is_finished());
            (reading.join().unwrap(), beside)
        });
        assert!(octets > 10_000_000, "{octets}");
        println!(
            "exchanges and the slowest: alone {alone:?}, beside a tree of {octets} octets {beside:?}"
        );
    }
    drop(leaves);
}
