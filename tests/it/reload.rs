//! A gateway told by a file: routes it, reads it again while requests and tunnels go on, and keeps what it has when the
//! new file is not right.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::support::{Message, Origin, Osier, Scratch, Scripted, Wire, wait_for};

/// A file, and the command that serves it.
pub(crate) struct Gateway {
    file: Scratch,
    pub(crate) osier: Osier,
    admin: SocketAddr,
}

const ADMIN: &str = "admin = { listen = \"127.0.0.1:0\" }\n";
const HEAD: &str = "workers = 2\nshutdown = { grace = \"2s\" }\n\
                    [[listen]]\naddr = \"127.0.0.1:0\"\n";

impl Gateway {
    pub(crate) fn run(rest: &str, flags: &[&str]) -> Self {
        Self::start("", rest, flags)
    }

    /// With these keys in front of all tables.
    pub(crate) fn run_with(top: &str, rest: &str) -> Self {
        Self::start(top, rest, &[])
    }

    /// The same, at this address.
    pub(crate) fn listening(address: &str, top: &str, rest: &str) -> Self {
        let head = HEAD.replace("127.0.0.1:0", address);
        Self::started(format!("{top}{ADMIN}{head}{rest}"), &[])
    }

    fn start(top: &str, rest: &str, flags: &[&str]) -> Self {
        let admin = if top.contains("admin") { "" } else { ADMIN };
        Self::started(format!("{top}{admin}{HEAD}{rest}"), flags)
    }

    /// By this text.
    pub(crate) fn started(text: String, flags: &[&str]) -> Self {
        let file = Scratch::new("osier.toml");
        fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let mut arguments = vec!["run", "-c", &path];
        arguments.extend(flags);
        let osier = Osier::serving(Osier::command(&arguments));
        let admin = osier.admin();
        let admin = admin.strip_prefix("http://").unwrap().parse().unwrap();
        Self { file, osier, admin }
    }

    /// Puts another file in the place of the one there is, in one step.
    pub(crate) fn write(&self, rest: &str) {
        let new = self.file.path().with_extension("new");
        fs::write(&new, format!("{ADMIN}{HEAD}{rest}")).unwrap();
        fs::rename(&new, self.file.path()).unwrap();
    }

    /// Where the file is.
    #[cfg(feature = "tls")]
    pub(crate) fn path(&self) -> &std::path::Path {
        self.file.path()
    }

    pub(crate) fn reload(&self) -> Message {
        let request = "POST /reload HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\r\n";
        Wire::connect(self.admin).ask(request)
    }

    /// Has the admin interface change something.
    pub(crate) fn tell(&self, path: &str) -> Message {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\r\n"
        );
        Wire::connect(self.admin).ask(request)
    }

    pub(crate) fn status(&self) -> String {
        self.admin("localhost", "/status").text().to_owned()
    }

    /// What the admin interface says to who asks for it by this Host.
    pub(crate) fn admin(&self, host: &str, path: &str) -> Message {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Wire::connect(self.admin).ask(head)
    }

    pub(crate) fn get(&self, path: &str) -> Message {
        self.osier.connect().get(path)
    }
}

/// An origin that answers with its name, and echoes in a tunnel.
pub(crate) fn origin(name: &'static str) -> Scripted {
    Origin::script(move |wire, request| {
        if request.field("upgrade").is_none() {
            wire.answer(name);
            return true;
        }
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        loop {
            let octets = wire.read_octets(4);
            if wire.try_send(octets).is_err() {
                return false;
            }
        }
    })
}

pub(crate) fn upstream(name: &str, origins: &[&Scripted]) -> String {
    let to: Vec<_> = origins
        .iter()
        .map(|origin| format!("\"{}\"", origin.address()))
        .collect();
    format!("[upstream.{name}]\nto = [{}]\n", to.join(", "))
}

#[test]
fn reloads_under_load_lose_no_request_and_break_no_tunnel() {
    const RELOADS: usize = 100;
    const CLIENTS: usize = 4;
    let (one, two) = (origin("one"), origin("two"));
    let first = format!(
        "{}[[route]]\npath = \"/a/*\"\nto = \"app\"\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&one])
    );
    let second = format!(
        "{}[[route]]\npath = \"/b/*\"\nrespond = {{ status = 200, body = \"b\" }}\n[[route]]\nto = \"app\"\n",
        upstream("app", &[&one, &two])
    );
    let gateway = Gateway::run(&first, &[]);
    let mut tunnel = gateway.osier.connect();
    tunnel.send("GET /t HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(tunnel.read_head().status(), 101);
    let (is_over, served) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (is_over, served) = (is_over.clone(), served.clone());
            let address = gateway.osier.address();
            thread::spawn(move || {
                let mut wire = Wire::connect(address);
                let mut count = 0_usize;
                while !is_over.load(Ordering::Relaxed) {
                    count += 1;
                    // Half of them come anew now and then.
                    if number % 2 == 0 && count % 16 == 0 {
                        wire = Wire::connect(address);
                    }
                    let answer = wire.get("/x");
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    assert!(matches!(answer.text(), "one" | "two"), "{answer:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for reload in 0..RELOADS {
        gateway.write(if reload % 2 == 0 { &second } else { &first });
        let answer = gateway.reload();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let generation = format!("\"generation\":{}", reload + 2);
        assert!(answer.text().contains(&generation), "{answer:?}");
        assert!(answer.text().contains("upstream app changed"), "{answer:?}");
        tunnel.send("ping");
        tunnel.expect("ping");
        let before = served.load(Ordering::Relaxed);
        wait_for("a request after the reload", || {
            (served.load(Ordering::Relaxed) > before).then_some(())
        });
    }
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    tunnel.send("last");
    tunnel.expect("last");
    assert!(
        two.connection_count() > 0,
        "the endpoint that came was never used"
    );
}

#[test]
fn a_file_that_is_not_right_changes_nothing_and_says_why() {
    let one = origin("one");
    let right = format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one]));
    let gateway = Gateway::run(&right, &[]);
    gateway.write(&right.replace("to = \"app\"", "to = \"ap\""));
    let answer = gateway.reload();
    assert_eq!(answer.status(), 422);
    assert!(answer.text().contains("did you mean `app`?"), "{answer:?}");
    assert_eq!(gateway.get("/").text(), "one");
    assert!(gateway.status().contains("\"generation\":1"));
}

#[test]
fn an_address_that_cannot_be_had_makes_the_reload_fail_as_a_whole() {
    let one = origin("one");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let right = format!("{}[[route]]\nto = \"app\"\n", upstream("app", &[&one]));
    let gateway = Gateway::run(&right, &[]);
    gateway.write(&format!(
        "[[listen]]\naddr = \"{}\"\n[[route]]\nrespond = {{ status = 200, body = \"new\" }}\n",
        taken.local_addr().unwrap()
    ));
    let answer = gateway.reload();
    assert_eq!(answer.status(), 422);
    assert!(answer.text().contains("another process"), "{answer:?}");
    assert!(answer.text().contains("nothing was changed"), "{answer:?}");
    assert_eq!(gateway.get("/").text(), "one");
}

#[test]
fn an_address_that_is_added_is_served_and_one_that_is_gone_is_not() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let route = "[[route]]\nrespond = { status = 200, body = \"here\" }\n";
    let gateway = Gateway::run(route, &[]);
    gateway.write(&format!("[[listen]]\naddr = \"{address}\"\n{route}"));
    assert!(
        gateway
            .reload()
            .text()
            .contains(&format!("listen {address} added"))
    );
    let mut kept = Wire::connect(address);
    assert_eq!(kept.get("/").text(), "here");
    gateway.write(route);
    assert!(
        gateway
            .reload()
            .text()
            .contains(&format!("listen {address} removed"))
    );
    // What idles there ends; nobody listens any more.
    kept.expect_end();
    wait_for("the refusal", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
    assert_eq!(gateway.get("/").text(), "here");
}

#[test]
fn the_number_of_workers_needs_another_process() {
    let route = "[[route]]\nrespond = { status = 200, body = \"here\" }\n";
    let gateway = Gateway::run(route, &[]);
    let text = fs::read_to_string(gateway.file.path()).unwrap();
    fs::write(
        gateway.file.path(),
        text.replace("workers = 2", "workers = 3"),
    )
    .unwrap();
    let answer = gateway.reload();
    assert!(answer.text().contains("`workers` stays"), "{answer:?}");
    assert!(answer.text().contains("USR2"), "{answer:?}");
    assert!(gateway.status().contains("\"workers\":2"));
}

#[test]
fn a_watched_file_is_read_when_it_changes_and_a_signal_has_it_read_too() {
    let route =
        |body: &str| format!("[[route]]\nrespond = {{ status = 200, body = \"{body}\" }}\n");
    let gateway = Gateway::run(&route("first"), &["--watch"]);
    assert_eq!(gateway.get("/").text(), "first");
    gateway.write(&route("second"));
    wait_for("the file to be read", || {
        (gateway.get("/").text() == "second").then_some(())
    });
    let other = Gateway::run(&route("first"), &[]);
    other.write(&route("second"));
    other.osier.signal(Signal::HUP);
    wait_for("the file to be read", || {
        (other.get("/").text() == "second").then_some(())
    });
}

#[test]
fn a_limit_that_stays_as_it_was_goes_on_counting_over_a_reload() {
    let route = "[[route]]\npath = \"/x\"\nrespond = { status = 200, body = \"x\" }\n\
                 limit = { rate = \"1/h\", burst = 2 }\n";
    let gateway = Gateway::run(route, &[]);
    assert_eq!(gateway.get("/x").status(), 200);
    gateway.write(&format!(
        "{route}[[route]]\nrespond = {{ status = 200, body = \"y\" }}\n"
    ));
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(gateway.get("/x").status(), 200);
    let refused = gateway.get("/x");
    assert_eq!(refused.status(), 429);
    let after: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((3000..=3600).contains(&after), "{after}");
    assert_eq!(gateway.get("/other").text(), "y");
}
