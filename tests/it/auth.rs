//! Basic authentication, over real sockets: who is let in, what the origin sees, and what becomes of those who guess.

use std::fs;

use crate::reload::Gateway;
use crate::support::{Message, Origin, Scratch, Scripted, Wire, wait_for};

/// `secret`, at the least cost there is.
const QUICK: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
/// `secret`, at one at which the tests' own build is busy for longer than a test.
const SLOW: &str = "$2y$14$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

const ANN: &str = "Basic YW5uOnNlY3JldA==";
/// The same name, another password.
const MALLORY: &str = "Basic YW5uOlNlY3JldA==";

/// A file of users.
fn users(text: &str) -> Scratch {
    let file = Scratch::new("htpasswd");
    fs::write(file.path(), text).unwrap();
    file
}

/// A route with a password, and one without at `/open`.
fn routes(origin: &Scripted, users: &Scratch) -> String {
    let (to, users) = (origin.address(), users.path().display());
    format!(
        "[[route]]\npath = \"/open\"\nrespond = {{ status = 200, body = \"open\" }}\n\
         [[route]]\nto = \"{to}\"\npaths = \"strict\"\nauth = {{ basic = \"{users}\" }}\n"
    )
}

/// An origin that answers with the head of the request.
fn echo() -> Scripted {
    Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    })
}

fn get(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n")
}

fn with(value: &str) -> String {
    get(&format!("Authorization: {value}\r\n"))
}

/// A guess that nobody made before.
fn guess(number: usize) -> String {
    // Nine octets, so that no padding is needed.
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("ann:{number:05}");
    let token: String = text
        .as_bytes()
        .chunks(3)
        .flat_map(|group| {
            let bits = group
                .iter()
                .fold(0, |bits, octet| bits << 8 | usize::from(*octet));
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
        })
        .collect();
    format!("Basic {token}")
}

fn assert_asks(response: &Message) {
    assert_eq!(response.status(), 401);
    let asks = response.field("www-authenticate");
    assert_eq!(asks, Some("Basic realm=\"osier\", charset=\"UTF-8\""));
}

#[test]
fn who_has_the_password_is_let_in_and_the_origin_does_not_see_it() {
    let (origin, users) = (echo(), users(&format!("# who\nann:{QUICK}\n")));
    let gateway = Gateway::run(&routes(&origin, &users), &[]);
    let mut client = gateway.osier.connect();
    for value in [ANN, "BASIC YW5uOnNlY3JldA==", ANN] {
        let passed = client.ask(with(value));
        assert_eq!(passed.status(), 200, "{value}");
        let seen = passed.text().to_lowercase();
        assert!(!seen.contains("authorization"), "{seen}");
    }
    assert_eq!(origin.requests().len(), 3);
    for refused in [
        get(""),
        with(MALLORY),
        with("Bearer YW5uOnNlY3JldA=="),
        with("Basic YW5u"),
        get(&format!("Authorization: {ANN}\r\nAuthorization: {ANN}\r\n")),
    ] {
        assert_asks(&client.ask(refused));
    }
    assert_eq!(origin.requests().len(), 3, "the origin saw who was refused");
    assert_eq!(client.ask(with(ANN)).status(), 200);
    assert_eq!(client.get("/open").text(), "open");
}

#[test]
fn a_client_that_fails_again_and_again_is_told_to_wait_and_others_are_not() {
    let (origin, users) = (echo(), users(&format!("ann:{QUICK}\n")));
    let gateway = Gateway::run(&routes(&origin, &users), &[]);
    let address = gateway.osier.address();
    let mut client = Wire::connect_from([127, 0, 0, 1], address);
    for _ in 0..20 {
        // To be asked is no failure.
        assert_asks(&client.ask(get("")));
    }
    for number in 0..10 {
        assert_asks(&client.ask(with(&guess(number))));
    }
    let limited = client.ask(with(&guess(10)));
    assert_eq!(limited.status(), 429);
    let after: u64 = limited.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&after), "{after}");
    assert_eq!(client.ask(with(ANN)).status(), 429);
    let mut other = Wire::connect_from([127, 0, 0, 2], address);
    assert_asks(&other.ask(with(MALLORY)));
    assert_eq!(other.ask(with(ANN)).status(), 200);
    assert_eq!(client.get("/open").status(), 200);
}

#[test]
fn passwords_that_are_verified_delay_nobody_and_too_many_are_turned_away() {
    let (origin, users) = (echo(), users(&format!("ann:{SLOW}\n")));
    let gateway = Gateway::run(&routes(&origin, &users), &[]);
    let mut clients: Vec<Wire> = (0..80).map(|_| gateway.osier.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(with(&guess(number)));
    }
    // One is verified, 64 wait.
    wait_for("those who are too many", || {
        let answered = clients.iter().filter(|client| !client.is_quiet());
        (answered.count() >= 15).then_some(())
    });
    assert_eq!(gateway.get("/open").text(), "open");
    let mut turned_away = 0;
    for client in clients.iter_mut().filter(|client| !client.is_quiet()) {
        let response = client.read_response();
        if response.status() == 503 {
            assert!(response.field("retry-after").is_some());
            turned_away += 1;
        }
    }
    assert!(turned_away >= 14, "{turned_away}");
    // Whoever still waits is seen, and can be told to go.
    let tree = gateway.admin("localhost", "/tree").text().to_owned();
    assert!(tree.contains("basic auth"), "{tree}");
}

#[test]
fn a_password_that_takes_too_long_ends_with_the_requests_budget() {
    let (origin, users) = (echo(), users(&format!("ann:{SLOW}\n")));
    let routes = routes(&origin, &users);
    for name in ["request", "total"] {
        let gateway = Gateway::run(&format!("{routes}timeouts.{name} = \"50ms\"\n"), &[]);
        let answer = gateway.osier.connect().ask(with(ANN));
        assert_eq!(answer.status(), 504);
        let why = answer.field("proxy-status").unwrap();
        assert!(why.contains(&format!("deadline:{name}")), "{why}");
    }
    assert!(origin.requests().is_empty());
}

#[test]
fn a_reload_reads_the_file_again() {
    let (origin, users) = (echo(), users("bob:$1$s$g6MVG540q1A9FJTwmPkOH0\n"));
    let plain = format!("[[route]]\nto = \"{}\"\n", origin.address());
    let gateway = Gateway::run(&plain, &[]);
    gateway.write(&routes(&origin, &users));
    let refused = gateway.reload();
    assert!(
        refused
            .text()
            .contains("line 1, user `bob`: MD5 is not taken"),
        "{refused:?}"
    );
    assert!(refused.text().contains("htpasswd -B"));
    assert_eq!(
        gateway.osier.connect().ask(get("")).status(),
        200,
        "as it was"
    );

    let mut client = gateway.osier.connect();
    fs::write(users.path(), format!("ann:{QUICK}\n")).unwrap();
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(client.ask(with(ANN)).status(), 200);

    // The same password for somebody else: what was verified before is nothing now.
    fs::write(users.path(), format!("eve:{QUICK}\n")).unwrap();
    assert_eq!(gateway.reload().status(), 200);
    wait_for("the new file", || {
        (client.ask(with(ANN)).status() == 401).then_some(())
    });
}
