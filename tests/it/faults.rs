//! Want of what the machine has, and what it does to those who need it: descriptors, disk, time, memory, links and
//! lives. In each the limit holds, others are served meanwhile, and nothing is left behind.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::metrics::Page;
use crate::names::is_in_a_namespace;
use crate::reload::Gateway;
use crate::sockets::ticks;
use crate::support::{
    Json, Message, Origin, Osier, PATIENCE, Scratch, Scripted, Wire, full_listener, json, wait_for,
    wait_for_line,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What the admin interface says.
fn ask_admin(osier: &Osier, path: &str) -> String {
    let address = osier.admin();
    let address = address.strip_prefix("http://").unwrap().parse().unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Wire::connect(address).ask(head).text().to_owned()
}

/// Waits until nobody is there, nothing is asked for, and no buffer is in use.
fn wait_until_empty(osier: &Osier) {
    wait_for("nothing to be left", || {
        let status = json(&ask_admin(osier, "/status"));
        let of = |name: &str| status[name].number();
        let flying: f64 = status["upstreams"]
            .items()
            .iter()
            .flat_map(|upstream| upstream["endpoints"].items())
            .map(|endpoint| endpoint["in_flight"].number())
            .sum();
        let held = of("sessions") + of("requests_in_flight") + of("buffers_in_use") + flying;
        let tree = ask_admin(osier, "/tree");
        let is_left = ["session#", "exchange#", "attempt#"]
            .iter()
            .any(|word| tree.contains(word));
        (held == 0.0 && !is_left).then_some(())
    });
}

/// What a process has in memory that is its own, in KiB: shared pages count by their share.
fn pss(pid: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A door that scripts wait at until it is opened.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let is_shut = |open: &mut bool| !*open;
        drop(self.1.wait_while(self.0.lock().unwrap(), is_shut).unwrap());
    }
}

/// An origin that answers `/held` when the door is opened, and everything else at once.
fn origin_with_a_door() -> (Scripted, Arc<Door>) {
    let door = Arc::new(Door::default());
    let held = door.clone();
    let origin = Origin::script(move |wire, request| {
        if request.start().contains("/held") {
            held.wait();
        }
        wire.answer("ok");
        true
    });
    (origin, door)
}

// Descriptors.

#[test]
fn more_clients_than_descriptors_wait_their_turn_and_nothing_spins() {
    const CLIENTS: usize = 150;
    let (origin, door) = origin_with_a_door();
    // As a start under `ulimit -n 100`: 38 may be in.
    let osier = Osier::with_limit(100, &origin, &["--workers", "1"]);
    let mut busy: Vec<_> = (0..38).map(|_| osier.connect()).collect();
    for client in &mut busy {
        client.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    wait_for("all of them to be at the origin", || {
        (origin.requests().len() == busy.len()).then_some(())
    });
    let mut others: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = osier.connect();
            client.send(GET);
            client
        })
        .collect();

    let before = ticks(osier.pid());
    thread::sleep(Duration::from_secs(1));
    let burnt = ticks(osier.pid()) - before;
    assert!(burnt < 10, "{burnt} ticks of 100");
    let open = fs::read_dir(format!("/proc/{}/fd", osier.pid())).unwrap();
    assert!(open.count() <= 100);

    door.open();
    for client in &mut busy {
        assert_eq!(client.read_response().text(), "ok");
    }
    for client in &mut others {
        assert_eq!(client.read_response().status(), 200);
    }
    drop((busy, others));
    wait_until_empty(&osier);
    assert_eq!(osier.connect().get("/after").status(), 200);
}

#[test]
#[ignore = "needs 11,000 descriptors"]
fn ten_thousand_idle_clients_cost_little_and_others_are_served() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    // Where there are fewer descriptors, fewer: some are not for connections.
    let count = limit.maximum.map_or(20_000, |hard| hard / 2);
    let count = usize::try_from(count).unwrap().min(10_000);
    let origin = Origin::that_answers();
    let osier = Osier::in_front_of(&origin, &[]);
    assert_eq!(osier.connect().get("/").status(), 200);
    let before = pss(osier.pid());
    // Each is served once: it has cost all that it will.
    let idle: Vec<_> = (0..count)
        .map(|number| {
            let network = u8::try_from(number / 2000).unwrap();
            let mut client = Wire::connect_from([127, 0, 1, 1 + network], osier.address());
            assert_eq!(client.get("/idle").status(), 200);
            client
        })
        .collect();
    let each = (pss(osier.pid()) - before) * 1024 / count;
    assert!(each < 4096, "{each} octets for each");
    let used = ticks(osier.pid());
    thread::sleep(Duration::from_secs(1));
    let burnt = ticks(osier.pid()) - used;
    assert!(burnt < 10, "{burnt} ticks of 100 while nobody asks");
    assert_eq!(osier.connect().get("/other").text(), "/other");
    drop(idle);
    wait_until_empty(&osier);
}

#[test]
fn a_flood_from_some_addresses_keeps_none_of_the_others_out() {
    let origin = Origin::that_answers();
    let gateway = Gateway::run_with(
        "limits = { per_ip = 2 }\n",
        &format!("[[route]]\nto = \"{}\"\n", origin.address()),
    );
    let address = gateway.osier.address();
    let mut inside = Vec::new();
    for last in 2..12 {
        // From each ten come, and two get in.
        let source = [127, 0, 0, last];
        for number in 0..10 {
            let mut client = Wire::connect_from(source, address);
            if number < 2 {
                assert_eq!(client.get("/in").text(), "/in");
                inside.push(client);
            } else {
                client.expect_gone();
            }
        }
    }
    assert_eq!(gateway.get("/else").text(), "/else");
    for client in &mut inside {
        assert_eq!(client.get("/still").text(), "/still");
    }
    let turned_away = "osier_sheds_total{reason=\"per_ip\"}";
    assert_eq!(Page::of(&gateway).get(turned_away), 80.0);
    drop(inside);
    wait_until_empty(&gateway.osier);
}

// Slow peers.

/// Sends an octet now and then until something is said, and returns the response.
fn drip(client: &mut Wire) -> Message {
    wait_for("an end to slow octets", || {
        thread::sleep(Duration::from_millis(20));
        (!client.is_quiet() || client.try_send("x").is_err()).then_some(())
    });
    client.read_response()
}

fn slow(keys: &str) -> (Gateway, Scripted) {
    let origin = Origin::that_answers();
    let route = format!("[[route]]\nto = \"{}\"\n{keys}", origin.address());
    let top = "timeouts = { header = \"500ms\", body = \"500ms\" }\n";
    (Gateway::run_with(top, &route), origin)
}

#[test]
fn a_head_that_comes_octet_by_octet_has_one_deadline_for_the_whole() {
    let (gateway, origin) = slow("");
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = gateway.osier.connect();
            thread::spawn(move || {
                client.send("GET / HTTP/1.1\r\nX: ");
                drip(&mut client).status()
            })
        })
        .collect();
    assert_eq!(gateway.get("/meanwhile").text(), "/meanwhile");
    for client in slow {
        assert_eq!(client.join().unwrap(), 408);
    }
    assert_eq!(origin.requests().len(), 1, "only the quick one was asked");
    wait_until_empty(&gateway.osier);
}

#[test]
fn content_that_comes_octet_by_octet_ends_when_the_whole_exchange_has_to() {
    // It never stalls, and the budget for a response begins when the request is in: what is left is the total.
    let (gateway, _origin) = slow("timeouts.request = \"1s\"\ntimeouts.total = \"2s\"\n");
    let mut client = gateway.osier.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    let response = drip(&mut client);
    assert_eq!(response.status(), 504, "{response:?}");
    drop(client);
    wait_until_empty(&gateway.osier);
}

/// An origin whose every response is larger than what sockets hold.
fn origin_of_much() -> Scripted {
    Origin::script(|wire, _| {
        wire.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            1_u64 << 32
        ));
        let piece = vec![0; 1 << 18];
        while wire.try_send(&piece).is_ok() {}
        false
    })
}

#[test]
fn clients_that_do_not_read_are_ended_and_cost_no_memory() {
    const CLIENTS: usize = 30;
    let origin = origin_of_much();
    let route = format!("[[route]]\nto = \"{}\"\n", origin.address());
    let top = "timeouts = { body = \"2s\" }\n";
    let gateway = Gateway::run_with(top, &route);
    let before = pss(gateway.osier.pid());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| gateway.osier.connect()).collect();
    for client in &mut clients {
        client.send(GET);
        client.read_head();
    }
    let grown = pss(gateway.osier.pid()).saturating_sub(before);
    // Two buffers for each at most, and what the process needs for its first ones.
    assert!(grown < CLIENTS * 256 + 4096, "{grown} KiB");
    wait_until_no_exchange(&gateway);
    let ended = "osier_ended_total{cause=\"response_body_timeout\"}";
    assert_eq!(Page::of(&gateway).get(ended), CLIENTS as f64);
    for mut client in clients {
        // What the sockets held, and then the end: never the whole.
        client.read_to_end();
    }
    wait_until_empty(&gateway.osier);
}

fn wait_until_no_exchange(gateway: &Gateway) {
    wait_for("every exchange to be over", || {
        let tree = ask_admin(&gateway.osier, "/tree");
        (!tree.contains("exchange#")).then_some(())
    });
}

// Memory.

#[test]
fn with_no_room_for_buffers_the_next_is_told_and_when_there_is_room_served() {
    let origin = Origin::bind();
    let mut answering = Vec::new();
    let gateway = Gateway::run_with(
        "limits = { buffers = \"256KiB\" }\n",
        &format!("[[route]]\nto = \"{}\"\n", origin.address()),
    );
    // Content that the origin does not take yet: each holds what it has of it.
    let mut held = Vec::new();
    let told = loop {
        let mut client = gateway.osier.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
        let response = wait_for("an origin that is asked, or an answer", || {
            if origin.has_waiting() {
                return Some(None);
            }
            (!client.is_quiet()).then(|| Some(client.read_response()))
        });
        if let Some(response) = response {
            break response;
        }
        let mut at_origin = origin.accept();
        at_origin.read_head();
        let mut writer = client.another();
        thread::spawn(move || writer.try_send(vec![0; 1 << 26]));
        answering.push(at_origin);
        held.push(client);
        assert!(held.len() < 200, "there is no limit");
    };
    assert_eq!(told.status(), 503, "{told:?}");
    let status = json(&gateway.status());
    assert!(status["buffers_used"].number() <= 1_048_576.0);
    assert!(Page::of(&gateway).get("osier_sheds_total{reason=\"buffers\"}") >= 1.0);

    drop((held, answering));
    wait_until_empty(&gateway.osier);
    // What is kept for later is no reason to turn anybody away.
    for _ in 0..10 {
        let mut client = gateway.osier.connect();
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.answer("again");
        assert_eq!(client.read_response().text(), "again");
    }
}

#[test]
fn buffers_that_are_kept_for_later_are_no_reason_to_turn_anybody_away() {
    let origin = Origin::that_answers();
    let gateway = Gateway::run_with(
        "limits = { buffers = \"512KiB\" }\n",
        &format!("[[route]]\nto = \"{}\"\n", origin.address()),
    );
    // Heads that are never whole: each has a buffer, and all together more than there may be.
    let mut half: Vec<_> = (0..300).map(|_| gateway.osier.connect()).collect();
    for client in &mut half {
        client.send("GET / HTTP/1.1\r\nX: ");
    }
    wait_for("want of buffers", || {
        (gateway.get("/").status() == 503).then_some(())
    });
    drop(half);
    wait_until_empty(&gateway.osier);
    for _ in 0..50 {
        assert_eq!(gateway.get("/again").text(), "/again");
    }
}

// Signals, and lives.

#[test]
fn downloads_may_end_within_the_grace_and_are_cut_when_it_is_over() {
    let origin = Origin::bind();
    let log = Scratch::new("access.log");
    let mut gateway = Gateway::run(
        &format!(
            "[log]\naccess = \"{}\"\n[[route]]\nto = \"{}\"\n",
            log.path().display(),
            origin.address()
        ),
        &[],
    );
    let mut downloads: Vec<_> = ["/ends", "/endless"]
        .map(|path| {
            let mut client = gateway.osier.connect();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let mut at_origin = origin.accept();
            at_origin.read_request();
            at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            client.read_head();
            client.expect("first");
            (client, at_origin)
        })
        .into();
    gateway.osier.signal(Signal::TERM);
    wait_for("the drain", || {
        gateway.osier.hear().contains("draining").then_some(())
    });
    downloads[0].1.send("-last");
    downloads[0].0.expect("-last");
    downloads[0].0.expect_end();
    let (rest, _) = downloads[1].0.read_to_end();
    assert_eq!(rest, b"");
    downloads[1].1.expect_gone();
    assert_eq!(gateway.osier.wait(), Some(0));
    let whole = wait_for_line(log.path(), &["target=/ends "]);
    assert!(!whole.contains("cause=drain"), "{whole}");
    wait_for_line(log.path(), &["target=/endless ", "cause=drain"]);
}

#[test]
fn a_second_signal_cuts_a_download_at_once() {
    let origin = Origin::bind();
    // The grace is longer than anybody waits here.
    let mut osier = Osier::serving_to(&origin.address(), &[]);
    let mut client = osier.connect();
    client.send(GET);
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    client.read_head();
    client.expect("first");
    osier.signal(Signal::TERM);
    assert!(osier.hear().contains("draining"));
    osier.signal(Signal::TERM);
    client.expect_gone();
    at_origin.expect_gone();
    assert_eq!(osier.wait(), Some(0));
}

/// A shell that starts osier anew whenever it ends, until it is told to stop.
struct Supervisor {
    shell: Child,
    home: Scratch,
}

impl Supervisor {
    fn start(arguments: &[&str]) -> Self {
        const LOOP: &str = "home=$1; shift; while [ ! -e \"$home/stop\" ]; do \"$@\" & echo $! > \"$home/new\"; \
                            mv \"$home/new\" \"$home/pid\"; wait $!; done";
        let home = Scratch::new("supervised");
        fs::create_dir(home.path()).unwrap();
        let shell = Command::new("sh")
            .args(["-c", LOOP, "sh"])
            .arg(home.path())
            .arg(env!("CARGO_BIN_EXE_osier"))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { shell, home }
    }

    /// Which process it is now, if it is another than that.
    fn pid_other_than(&self, old: Option<Pid>) -> Pid {
        wait_for("a process", || {
            let text = fs::read_to_string(self.home.path().join("pid")).ok()?;
            let pid = Pid::from_raw(text.trim().parse().ok()?);
            pid.filter(|_| pid != old)
        })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = fs::write(self.home.path().join("stop"), "");
        let pid = self.pid_other_than(None);
        let _ = kill_process(pid, Signal::KILL);
        let _ = self.shell.wait();
    }
}

/// One request on a connection of its own; `None`: there was no whole answer.
fn try_once(address: SocketAddr) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut all = String::new();
    stream.read_to_string(&mut all).ok()?;
    all.get(9..12)?.parse().ok()
}

#[test]
fn killed_under_load_and_started_again_it_serves_those_who_come_back() {
    const KILLS: usize = 5;
    let origin = Origin::that_answers();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.97:0").unwrap();
        free.local_addr().unwrap()
    };
    let (listen, to) = (port.to_string(), origin.address().to_string());
    let supervisor = Supervisor::start(&["--listen", &listen, "--to", &to]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // An answer, or none: but never a wrong one.
                    if let Some(status) = try_once(port) {
                        assert_eq!(status, 200);
                    }
                }
            });
        }
        let mut pid = supervisor.pid_other_than(None);
        for _ in 0..KILLS {
            wait_for("an answer", || try_once(port));
            kill_process(pid, Signal::KILL).unwrap();
            pid = supervisor.pid_other_than(Some(pid));
        }
        assert_eq!(wait_for("an answer", || try_once(port)), 200);
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_origin_killed_in_the_middle_of_many_answers_cuts_them_all_and_comes_back() {
    const CLIENTS: usize = 20;
    let origin = Origin::bind();
    let address = origin.address();
    let gateway = Gateway::run(&format!("[[route]]\nto = \"{address}\"\n"), &[]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| gateway.osier.connect()).collect();
    let mut ends = Vec::new();
    for client in &mut clients {
        client.send(GET);
        let mut at_origin = origin.accept();
        at_origin.read_request();
        at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        client.read_head();
        client.expect("3\r\nabc\r\n");
        ends.push(at_origin);
    }
    // A killed process: the kernel resets what it had not read, and refuses who comes.
    drop(origin);
    ends.into_iter().for_each(Wire::reset);
    for client in &mut clients {
        let (rest, _) = client.read_to_end();
        assert!(
            !rest.ends_with(b"0\r\n\r\n"),
            "a message cut short ends cleanly"
        );
    }
    assert_eq!(gateway.get("/").status(), 502);
    wait_until_empty(&gateway.osier);
}

// The disk.

#[test]
#[ignore = "needs to be root, and unshare(1)"]
fn root_a_full_disk_costs_records_that_are_counted_and_no_request() {
    if !is_in_a_namespace("faults::root_a_full_disk_costs_records_that_are_counted_and_no_request")
    {
        return;
    }
    let disk = Scratch::new("disk");
    fs::create_dir(disk.path()).unwrap();
    run(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=64k",
        "tmpfs",
        disk.path().to_str().unwrap(),
    ]);
    let (log, filler) = (disk.path().join("access.log"), disk.path().join("filler"));
    let origin = Origin::that_answers();
    let gateway = Gateway::run(
        &format!(
            "[log]\naccess = \"{}\"\n[[route]]\nto = \"{}\"\n",
            log.display(),
            origin.address()
        ),
        &[],
    );
    assert_eq!(gateway.get("/before").text(), "/before");
    wait_for_line(&log, &["target=/before"]);
    fs::write(&filler, vec![0; 1 << 20]).unwrap_err();

    let mut client = gateway.osier.connect();
    let dropped = || Page::of(&gateway).sum("osier_log_dropped_total");
    let mut asked = 0;
    wait_for("records to be lost", || {
        for _ in 0..50 {
            assert_eq!(client.get("/during").text(), "/during");
        }
        asked += 50;
        (dropped() > 0.0).then_some(())
    });

    fs::remove_file(&filler).unwrap();
    assert_eq!(client.get("/after").text(), "/after");
    wait_for_line(&log, &["target=/after"]);
    // Each is there, or counted; one that was torn is counted, and has a line of its own.
    let text = fs::read_to_string(&log).unwrap();
    let whole = |path: &str| {
        let is_whole = |line: &&str| line.contains(path) && line.contains("status=200");
        text.lines().filter(is_whole).count()
    };
    assert_eq!((whole("target=/before"), whole("target=/after")), (1, 1));
    let (lost, written) = (dropped() as usize, whole("target=/during"));
    assert!(
        lost + written == asked || lost + written == asked + 1,
        "{asked} asked, {written} written, {lost} lost"
    );
    run(&["umount", "-l", disk.path().to_str().unwrap()]);
}

// Memory.

#[test]
fn with_little_memory_some_are_refused_and_none_is_lost() {
    const KIB: usize = 60_000;
    // It takes nothing of what it is sent until the door is open.
    let door = Arc::new(Door::default());
    let held = door.clone();
    let origin = Origin::script(move |wire, request| {
        if request.start().contains("/held") {
            held.wait();
        }
        wire.answer("ok");
        true
    });
    let to = origin.address().to_string();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -v {KIB}; exec \"$@\"")])
        .args(["sh", env!("CARGO_BIN_EXE_osier"), "--to", &to])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--access-log", "off"])
        .stdin(Stdio::null());
    let osier = Osier::serving(command);
    let status = json(&ask_admin(&osier, "/status"));
    let most = status["limits"]["buffers"].number() as usize;
    assert!(most <= KIB * 1024 / 4, "{most}");

    let mut clients: Vec<_> = (0..200).map(|_| osier.connect()).collect();
    for client in &mut clients {
        let _ = client.try_send("PUT /held HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
        let _ = client.try_send(vec![0; 100_000]);
    }
    let free = osier.connect().get("/free").status();
    assert!(matches!(free, 200 | 503), "{free}");
    drop(clients);
    door.open();
    wait_until_empty(&osier);
    assert_eq!(osier.connect().get("/after").text(), "ok");
}

/// Runs a program that must succeed.
#[track_caller]
fn run(program: &[&str]) {
    let output = Command::new(program[0])
        .args(&program[1..])
        .output()
        .unwrap();
    assert!(output.status.success(), "{program:?}: {output:?}");
}

// The wall clock.

fn libfaketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap();
    let found = libraries.map(|it| it.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    let mut found = found.filter(|path| path.exists());
    found.next().expect("libfaketime: apt-get install faketime")
}

/// The wall clock of one process.
pub(crate) struct WallClock(pub(crate) Scratch);

impl WallClock {
    pub(crate) fn set(&self, offset: &str) {
        let new = self.0.path().with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, self.0.path()).unwrap();
    }

    pub(crate) fn given_to(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", libfaketime())
            .env("FAKETIME_TIMESTAMP_FILE", self.0.path())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

fn year(date: &str) -> i64 {
    // Sat, 28 Nov 2026 05:00:00 GMT
    date.split(' ').nth(3).unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs faketime"]
fn faketime_a_wall_clock_that_jumps_ten_years_moves_dates_and_nothing_else() {
    let clock = WallClock(Scratch::new("clock"));
    clock.set("+0");
    let (origin, door) = origin_with_a_door();
    let (file, log) = (Scratch::new("osier.toml"), Scratch::new("access.log"));
    let text = format!(
        "workers = 1\nadmin = {{ listen = \"127.0.0.1:0\" }}\n[log]\naccess = \"{}\"\n\
         [timeouts]\nheader = \"1s\"\n[[listen]]\naddr = \"127.0.0.1:0\"\n\
         [[route]]\npath = \"/few\"\nrespond = {{ status = 200, body = \"x\" }}\n\
         limit = {{ rate = \"1/h\", burst = 1, key = \"ip\" }}\n\
         [[route]]\nto = \"{}\"\n",
        log.path().display(),
        origin.address()
    );
    fs::write(file.path(), text).unwrap();
    let mut command = Osier::command(&["run", "-c", file.path().to_str().unwrap()]);
    clock.given_to(&mut command);
    let osier = Osier::serving(command);

    let mut kept = osier.connect();
    let this_year = year(kept.get("/").field("date").unwrap());
    assert_eq!(kept.get("/few").status(), 200);
    assert_eq!(kept.get("/few").status(), 429);
    let mut held = osier.connect();
    held.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for("the held one to be at the origin", || {
        let is_held = |(_, request): &(usize, Message)| request.start().contains("/held");
        origin.requests().iter().any(is_held).then_some(())
    });

    for (offset, years) in [("+3653d", 10), ("-3653d", -10), ("+0", 0)] {
        clock.set(offset);
        // A second may pass before a date is written anew.
        wait_for("the date to follow", || {
            let answer = kept.get("/");
            let off = year(answer.field("date").unwrap()) - (this_year + years);
            (off.abs() <= 1).then_some(())
        });
        // A rate is no freer, and what is to end in a second does.
        assert_eq!(kept.get("/few").status(), 429, "{offset}");
        let mut half = osier.connect();
        half.send("GET / HT");
        assert_eq!(half.read_response().status(), 408, "{offset}");
        assert!(held.is_quiet(), "{offset}: what may wait for a minute does");
        // One in use, one kept: no connection aged by ten years.
        assert_eq!(origin.connection_count(), 2, "{offset}");
        let of = |name: &str| json(&ask_admin(&osier, "/status"))[name].number();
        assert!(of("uptime_s") < 3600.0);
    }
    door.open();
    assert_eq!(held.read_response().text(), "ok");
    let line = wait_for_line(log.path(), &["target=/held"]);
    assert!(line.contains("status=200"), "{line}");
    drop((kept, held));
    wait_until_empty(&osier);
}

// Links.

/// What the other end of the cable is called.
const MAC: &str = "02:00:0a:61:00:02";

/// Another network, at the other end of a cable: 10.97.0.2, where 10.97.0.1 is this one's end.
struct Far {
    holder: Child,
}

impl Far {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = holder.stdout.as_mut().unwrap();
        std::io::Read::read_exact(said, &mut [0]).unwrap();
        let far = Self { holder };
        let pid = far.holder.id().to_string();
        run(&[
            "ip", "link", "add", "faults0", "type", "veth", "peer", "name", "faults1", "address",
            MAC, "netns", &pid,
        ]);
        run(&["ip", "addr", "add", "10.97.0.1/24", "dev", "faults0"]);
        run(&["ip", "link", "set", "faults0", "up"]);
        far.has("lo", "127.0.0.2/32");
        far.has("faults1", "10.97.0.2/24");
        far
    }

    /// From here on it takes every packet and answers none: not even who asks where it is.
    fn swallows(&self) {
        let net = format!("--net=/proc/{}/ns/net", self.holder.id());
        run(&[
            "ip",
            "neigh",
            "replace",
            "10.97.0.2",
            "lladdr",
            MAC,
            "dev",
            "faults0",
            "nud",
            "permanent",
        ]);
        run(&[
            "nsenter",
            &net,
            "ip",
            "addr",
            "del",
            "10.97.0.2/24",
            "dev",
            "faults1",
        ]);
    }

    fn has(&self, device: &str, address: &str) {
        let net = format!("--net=/proc/{}/ns/net", self.holder.id());
        run(&["nsenter", &net, "ip", "addr", "add", address, "dev", device]);
        run(&["nsenter", &net, "ip", "link", "set", device, "up"]);
    }

    /// Does something there. Sockets stay where they were made.
    fn there<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = fs::File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), network).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        // The cable goes with the network at its end.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// An origin there, which never ends what it is asked for at `/half`; another here; and the gateway in front of both.
fn at_both_ends(far: &Far) -> (Gateway, Scripted, Scripted) {
    let there = far.there(|| {
        Origin::script_at(([10, 97, 0, 2], 0), |wire, request| {
            if request.start().contains("/half") {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            } else {
                wire.answer("ok");
            }
            true
        })
    });
    let near = Origin::that_answers();
    let gateway = Gateway::run_with(
        "timeouts = { connect = \"500ms\", body = \"1s\", response = \"1s\" }\n",
        &format!(
            "[upstream.far]\nto = \"{there}\"\n\
             health = {{ path = \"/health\", every = \"200ms\", timeout = \"200ms\", rise = 1, fall = 2 }}\n\
             [[route]]\npath = \"/near\"\nto = \"{near}\"\n\
             [[route]]\npath = \"/bare\"\nto = \"{there}\"\nretry = {{ attempts = 1 }}\n\
             [[route]]\nto = \"far\"\n",
            there = there.address(),
            near = near.address(),
        ),
    );
    wait_for_health(&gateway, true);
    (gateway, there, near)
}

fn wait_for_health(gateway: &Gateway, expected: bool) {
    wait_for(&format!("healthy: {expected}"), || {
        let status = json(&gateway.status());
        let upstreams = status["upstreams"].items().iter();
        let mut far = upstreams.filter(|upstream| upstream["name"].text() == "far");
        let endpoint = &far.next()?["endpoints"].items()[0];
        (endpoint["healthy"] == Json::Bool(expected)).then_some(())
    });
}

/// A client that has half of a response.
fn with_half(gateway: &Gateway) -> Wire {
    let mut client = gateway.osier.connect();
    client.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n");
    client.read_head();
    client.expect("half");
    client
}

/// Takes the other end away as `cut` does it, sees what becomes of who waits for it, and has it back.
fn cut_and_mend(far: &Far, cut: impl FnOnce(), mend: impl FnOnce(), bare: &[u16]) {
    let (gateway, _there, _near) = at_both_ends(far);
    let mut client = with_half(&gateway);
    cut();
    let (rest, _) = client.read_to_end();
    assert_eq!(rest, b"", "a message cut short, and then its end");
    wait_for_health(&gateway, false);
    let answer = gateway.get("/bare");
    assert!(bare.contains(&answer.status()), "{answer:?}");
    assert_eq!(gateway.get("/near").text(), "/near");

    mend();
    wait_for_health(&gateway, true);
    assert_eq!(gateway.get("/").text(), "ok");
    assert_eq!(gateway.get("/bare").text(), "ok");
    drop(client);
    wait_until_empty(&gateway.osier);
}

#[test]
#[ignore = "needs to be root, unshare(1), nsenter(1) and ip(8)"]
fn root_a_link_that_goes_down_in_the_middle_of_a_response_ends_it_and_comes_back() {
    if !is_in_a_namespace(
        "faults::root_a_link_that_goes_down_in_the_middle_of_a_response_ends_it_and_comes_back",
    ) {
        return;
    }
    let far = Far::new();
    let link = |state| run(&["ip", "link", "set", "faults0", state]);
    // There is no way to it any more, which the kernel says.
    cut_and_mend(&far, || link("down"), || link("up"), &[502, 504]);
}

#[test]
#[ignore = "needs to be root, unshare(1), nsenter(1) and ip(8)"]
fn root_an_origin_that_swallows_every_packet_is_a_504_within_the_deadline() {
    if !is_in_a_namespace(
        "faults::root_an_origin_that_swallows_every_packet_is_a_504_within_the_deadline",
    ) {
        return;
    }
    let far = Far::new();
    cut_and_mend(
        &far,
        || far.swallows(),
        || far.has("faults1", "10.97.0.2/24"),
        &[504],
    );
}

#[test]
#[ignore = "needs to be root, unshare(1), nsenter(1) and ip(8)"]
fn root_a_client_that_vanishes_without_a_word_is_ended_by_a_deadline() {
    if !is_in_a_namespace(
        "faults::root_a_client_that_vanishes_without_a_word_is_ended_by_a_deadline",
    ) {
        return;
    }
    let far = Far::new();
    let origin = origin_of_much();
    let gateway = Gateway::listening(
        "10.97.0.1:0",
        "timeouts = { body = \"1s\", idle = \"1s\" }\n",
        &format!(
            "[[route]]\npath = \"/few\"\nrespond = {{ status = 200, body = \"x\" }}\n\
             [[route]]\nto = \"{}\"\n",
            origin.address()
        ),
    );
    let address = gateway.osier.address();
    let (mut reads, mut idles) = far.there(|| (Wire::connect(address), Wire::connect(address)));
    reads.send(GET);
    reads.read_head();
    assert_eq!(idles.get("/few").text(), "x");
    // Neither an end nor a reset is heard of them from here on.
    far.swallows();
    wait_until_empty(&gateway.osier);
    assert_eq!(gateway.get("/few").text(), "x");
}

#[test]
#[ignore = "needs to be root, unshare(1), nsenter(1) and ip(8)"]
fn root_an_origin_behind_no_route_fails_at_once_and_others_are_tried() {
    if !is_in_a_namespace(
        "faults::root_an_origin_behind_no_route_fails_at_once_and_others_are_tried",
    ) {
        return;
    }
    run(&["ip", "link", "set", "lo", "up"]);
    let near = Origin::that_answers();
    for kind in ["blackhole", "unreachable", "prohibit"] {
        run(&["ip", "route", "add", kind, "10.98.0.0/24"]);
        let gateway = Gateway::run(
            &format!(
                "[upstream.both]\nto = [\"10.98.0.1:80\", \"{near}\"]\n\
                 [[route]]\npath = \"/bare\"\nto = \"10.98.0.1:80\"\nretry = {{ attempts = 1 }}\n\
                 [[route]]\nto = \"both\"\nretry = {{ attempts = 2, budget = \"off\" }}\n",
                near = near.address()
            ),
            &[],
        );
        let bare = gateway.get("/bare");
        assert_eq!(bare.status(), 502, "{kind}: {bare:?}");
        for _ in 0..8 {
            assert_eq!(gateway.get("/x").text(), "/x", "{kind}");
        }
        wait_until_empty(&gateway.osier);
        run(&["ip", "route", "del", kind, "10.98.0.0/24"]);
    }
}

#[test]
fn an_origin_whose_queue_is_full_is_waited_for_as_long_as_a_connect_may_take_and_others_are_tried()
{
    // Its kernel drops what knocks: nobody says yes or no.
    let (deaf, _held) = full_listener();
    let near = Origin::that_answers();
    let gateway = Gateway::run_with(
        "timeouts = { connect = \"100ms\" }\n",
        &format!(
            "[upstream.both]\nto = [\"{deaf}\", \"{near}\"]\n\
             [[route]]\npath = \"/bare\"\nto = \"{deaf}\"\nretry = {{ attempts = 1 }}\n\
             [[route]]\nto = \"both\"\nretry = {{ attempts = 2, budget = \"off\" }}\n",
            deaf = deaf.name,
            near = near.address()
        ),
    );
    let bare = gateway.get("/bare");
    assert_eq!(bare.status(), 504, "{bare:?}");
    assert!(bare.text().contains("connect_timeout"), "{bare:?}");
    for _ in 0..6 {
        assert_eq!(gateway.get("/x").text(), "/x");
    }
    // What never was a connection leaves none.
    wait_until_empty(&gateway.osier);
}
