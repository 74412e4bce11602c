//! Names that a real name server answers for: Debian's dnsmasq.
//!
//! Each test runs once more, in a namespace of its own with a network, an `/etc/resolv.conf` and an `/etc/hosts` that are
//! nobody else's: the name server, the command, origins and clients are all there. Whoever waits there has
//! [`PATIENCE`](crate::support::PATIENCE), and the whole of it is ended when it takes too long.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::chaos::{Mortal, wait_until_nothing_is_left};
use crate::reload::Gateway;
use crate::support::{Json, Origin, Osier, Scratch, Wire, json, wait_for};

/// Where the name server listens.
const SERVER: &str = "127.0.0.53";
/// How long a test may take. None does unless it fails.
const ALL: Duration = Duration::from_secs(180);
/// What says that a test runs in its namespace: where its files are.
const INSIDE: &str = "OSIER_TEST_NAMES";

fn is_inside(test: &str) -> bool {
    is_in_a_namespace(&format!("names::{test}"))
}

/// Whether this is the namespace. If not, the test of this name has been run there, and went well.
pub(crate) fn is_in_a_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    const SCRIPT: &str = "mount --bind \"$1/resolv.conf\" /etc/resolv.conf && \
                          mount --bind \"$1/hosts\" /etc/hosts && \
                          ip link set lo up && shift && exec \"$@\"";
    let home = Scratch::new("names");
    fs::create_dir(home.path()).unwrap();
    let resolv = format!("nameserver {SERVER}\noptions timeout:1 attempts:1\n");
    fs::write(home.path().join("resolv.conf"), resolv).unwrap();
    fs::write(home.path().join("hosts"), "127.0.0.1 localhost\n").unwrap();
    let said = home.path().join("said");
    let open = || {
        let mut options = fs::File::options();
        options.create(true).append(true).open(&said).unwrap()
    };
    let (out, err) = (open(), open());
    let mut command = Command::new("unshare");
    command
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["sh", "-c", SCRIPT, "sh"])
        .arg(home.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, home.path())
        // Every process there has the number of one in another.
        .env("TMPDIR", home.path())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + ALL;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > until {
            // All that is in the namespace goes with it.
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let said = String::from_utf8_lossy(&fs::read(said).unwrap()).into_owned();
    assert!(status.is_some_and(|it| it.success()), "{status:?}: {said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

fn home() -> PathBuf {
    std::env::var_os(INSIDE).unwrap().into()
}

/// The name server. Dropping it ends it.
struct Dns(Child);

impl Dns {
    /// With these lines of configuration beside the usual ones.
    fn start(lines: &str) -> Self {
        let (file, hosts) = (home().join("dnsmasq.conf"), home().join("names"));
        if !hosts.exists() {
            fs::write(&hosts, "").unwrap();
        }
        let text = format!(
            "listen-address={SERVER}\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\ngroup=root\n\
             pid-file=\nlocal=/internal/\naddn-hosts={}\n{lines}\n",
            hosts.display()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("dnsmasq");
        command
            .args(["--keep-in-foreground", "--conf-file"])
            .stdin(Stdio::null());
        let command = command.args(["-C".as_ref(), file.as_os_str()]);
        let mut child = command.spawn().unwrap();
        // A signal that comes before it has begun is lost; when it answers it has.
        let asking = UdpSocket::bind((SERVER, 0)).unwrap();
        asking
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let question = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x08internal\0\0\x01\0\x01";
        wait_for("the name server", || {
            assert!(child.try_wait().unwrap().is_none(), "dnsmasq has ended");
            asking.send_to(question, (SERVER, 53)).ok()?;
            asking.recv(&mut [0; 512]).ok()
        });
        Self(child)
    }

    /// Says of hosts that they are there from now on.
    fn say(&self, hosts: &str) {
        fs::write(home().join("names"), hosts).unwrap();
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// Is another one, with other lines.
    fn restart(self, lines: &str) -> Self {
        drop(self);
        Self::start(lines)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next line that has the word.
fn hear(osier: &Osier, word: &str) -> String {
    loop {
        let line = osier.hear();
        if line.contains(word) {
            return line;
        }
    }
}

/// A record of the service, `TARGET PORT PRIORITY WEIGHT`, as the name server is told it.
fn srv(records: &[(&str, u16, u16, u16)]) -> String {
    let record = |(target, port, priority, weight): &(&str, u16, u16, u16)| {
        format!("srv-host=_http._tcp.app.internal,{target},{port},{priority},{weight}\n")
    };
    records.iter().map(record).collect()
}

const HOSTS: &str = "host-record=one.internal,127.0.1.1\nhost-record=two.internal,127.0.1.2\n\
                     host-record=three.internal,127.0.1.3\nhost-record=spare.internal,127.0.1.4\n";

/// A gateway to the service, asked for all the time.
fn gateway(keys: &str) -> Gateway {
    Gateway::run(
        &format!(
            "[upstream.app]\nto = \"_http._tcp.app.internal\"\nresolve = {{ every = \"50ms\", srv = true }}\n{keys}\n\
             [[route]]\nto = \"app\"\nretry = {{ attempts = 3, budget = \"off\" }}\n"
        ),
        &[],
    )
}

/// Who answers, of so many requests on one connection.
fn answers(gateway: &Gateway, count: usize) -> BTreeMap<String, usize> {
    let mut wire = gateway.osier.connect();
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let answer = wire.get("/");
        assert_eq!(answer.status(), 200, "{answer:?}");
        *counts.entry(answer.text().to_owned()).or_default() += 1;
    }
    counts
}

/// Who answers at all, while others ask too.
fn answering(gateway: &Gateway) -> Vec<String> {
    answers(gateway, 100).into_keys().collect()
}

fn shares<const N: usize>(all: [(&str, usize); N]) -> BTreeMap<String, usize> {
    all.map(|(name, count)| (name.to_owned(), count)).into()
}

/// The endpoints of the first upstream.
fn endpoints(gateway: &Gateway) -> Vec<Json> {
    let status = json(&gateway.status());
    status["upstreams"].items()[0]["endpoints"].items().to_vec()
}

/// Waits until these are its endpoints.
fn wait_for_endpoints(gateway: &Gateway, names: &[&str]) {
    wait_for(&format!("{names:?}"), || {
        let all = endpoints(gateway);
        let mut there: Vec<_> = all.iter().map(|it| it["address"].text()).collect();
        there.sort_unstable();
        (there == names).then_some(())
    });
}

/// Clients that ask over and over, on kept connections and on new ones. One that does not get its whole answer with 200
/// fails the test.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..4).map(|number| {
            let is_over = is_over.clone();
            thread::spawn(move || {
                let (mut kept, mut count) = (Wire::connect(address), 0);
                while !is_over.load(Ordering::Relaxed) {
                    if number % 2 == 0 {
                        kept = Wire::connect(address);
                    }
                    let answer = kept.get("/");
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    count += 1;
                }
                count
            })
        });
        let clients = clients.collect();
        Self { is_over, clients }
    }

    /// How many were answered.
    fn finish(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let clients = self.clients.into_iter();
        clients.map(|client| client.join().unwrap()).sum()
    }
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_the_records_of_a_service_share_its_requests() {
    if !is_inside("root_the_records_of_a_service_share_its_requests") {
        return;
    }
    let one = Mortal::at(([127, 0, 1, 1], 8080), "one");
    let two = Mortal::at(([127, 0, 1, 2], 8081), "two");
    let _spare = Mortal::at(([127, 0, 1, 4], 8080), "spare");
    let records = srv(&[
        ("one.internal", 8080, 10, 3),
        ("two.internal", 8081, 10, 1),
        ("spare.internal", 8080, 20, 9),
    ]);
    let dns = Dns::start(&format!("{HOSTS}{records}"));
    let gateway = gateway("");
    // From the first request on, by weight; the higher priority has nothing.
    assert_eq!(answers(&gateway, 40), shares([("one", 30), ("two", 10)]));
    let all = endpoints(&gateway);
    let spare = all
        .iter()
        .find(|it| it["address"].text() == "spare.internal:8080");
    let spare = spare.unwrap();
    assert_eq!(
        (spare["tier"].number(), spare["backup"].clone()),
        (1.0, Json::Bool(true))
    );
    one.kill();
    assert_eq!(answers(&gateway, 10), shares([("two", 10)]));
    two.kill();
    assert_eq!(answers(&gateway, 10), shares([("spare", 10)]));
    // `.`: decidedly none.
    let _dns = dns.restart(&format!("{HOSTS}srv-host=_http._tcp.app.internal\n"));
    wait_for_endpoints(&gateway, &[]);
    let none = gateway.get("/");
    assert_eq!(none.status(), 503);
    assert!(none.field("proxy-status").unwrap().contains("no_endpoint"));
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_records_that_come_and_go_are_followed_without_a_reload() {
    if !is_inside("root_records_that_come_and_go_are_followed_without_a_reload") {
        return;
    }
    let _one = Mortal::at(([127, 0, 1, 1], 8080), "one");
    let _three = Mortal::at(([127, 0, 1, 3], 8080), "three");
    let two = Origin::script(|wire, request| {
        if request.start().starts_with("GET /held") {
            // It stays for as long as its client does.
            let _ = wire.read_to_end();
            return false;
        }
        wire.answer("two");
        true
    });
    let port: u16 = two
        .address()
        .to_string()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let at = |target: &'static str, port: u16| (target, port, 10, 1);
    let local = format!("{HOSTS}host-record=local.internal,127.0.0.1\n");
    let with = |records: &[(&str, u16, u16, u16)]| format!("{local}{}", srv(records));
    let (a, b, c) = (
        at("one.internal", 8080),
        at("local.internal", port),
        at("three.internal", 8080),
    );
    let names = ["local.internal", "one.internal:8080", "three.internal:8080"];
    let of_two = format!("{}:{port}", names[0]);
    let dns = Dns::start(&with(&[b]));
    let gateway = gateway("max_connections = 9\nhealth = { tcp = true, every = \"1h\" }");
    assert_eq!(answers(&gateway, 4), shares([("two", 4)]));
    // Something is known of the one that stays.
    let mut held = gateway.osier.connect();
    held.send("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    let is_held = |gateway: &Gateway| {
        let all = endpoints(gateway);
        let it = all.iter().find(|it| it["address"].text() == of_two);
        it.is_some_and(|it| it["in_flight"].number() >= 1.0 && it["connections"].number() > 0.0)
    };
    wait_for("the request", || is_held(&gateway).then_some(()));
    let load = Load::start(gateway.osier.address());

    let dns = dns.restart(&with(&[a, b]));
    wait_for_endpoints(&gateway, &[&of_two, names[1]]);
    assert_eq!(answering(&gateway), ["one", "two"]);
    assert!(is_held(&gateway), "what is known of it is kept");
    let drain = gateway.tell(&format!("/drain/app/{of_two}"));
    assert_eq!(drain.status(), 200);
    // Nothing but what is held, and what idles; both stay.
    let of_drained = || {
        let all = endpoints(&gateway);
        let it = all
            .iter()
            .find(|it| it["address"].text() == of_two)
            .unwrap();
        ["in_flight", "idle", "open", "draining"].map(|name| it[name].clone())
    };
    let idle = wait_for("what is left of it", || {
        let [in_flight, idle, open, _] = of_drained();
        let is_alone = in_flight.number() == 1.0 && open.number() == idle.number() + 1.0;
        is_alone.then(|| idle.number())
    });
    assert!(idle > 0.0);

    let dns = dns.restart(&with(&[a, b, c]));
    wait_for_endpoints(&gateway, &[&of_two, names[1], names[2]]);
    assert_eq!(answering(&gateway), ["one", "three"]);
    let (one, all) = (Json::Number(1.0), Json::Number(idle + 1.0));
    assert_eq!(
        of_drained(),
        [one, Json::Number(idle), all, Json::Bool(true)]
    );
    gateway.tell(&format!("/undrain/app/{of_two}"));
    assert!(answering(&gateway).contains(&"two".to_owned()));
    assert!(is_held(&gateway));

    // The name server is gone: nothing changes, and when it is back it is followed again.
    drop(dns);
    hear(&gateway.osier, "the last answer is kept");
    assert_eq!(answering(&gateway).len(), 3);
    let dns = Dns::start(&with(&[c]));
    wait_for_endpoints(&gateway, &[names[2]]);
    assert_eq!(answers(&gateway, 5), shares([("three", 5)]));
    assert!(load.finish() > 0);
    let status = json(&gateway.status());
    assert_eq!(status["generation"].number(), 1.0, "nothing was reloaded");

    // A reload keeps what is known, and what is new is known before it is served.
    let file = "[upstream.app]\nto = [\"_http._tcp.app.internal\"]\nresolve = { every = \"1h\", srv = true }\n\
                [upstream.other]\nto = \"_http._tcp.app.internal\"\nresolve = { srv = true }\n\
                [[route]]\nto = \"app\"\n[[route]]\npath = \"/other\"\nto = \"other\"\n";
    gateway.write(file);
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(gateway.get("/other").text(), "three");
    assert_eq!(answers(&gateway, 5), shares([("three", 5)]));
    drop((dns, held));
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_a_name_that_moves_under_load_costs_no_request() {
    if !is_inside("root_a_name_that_moves_under_load_costs_no_request") {
        return;
    }
    let at = |number: u8| ([127, 0, 1, number], 8080);
    let mut here = Mortal::at(at(1), "1");
    let dns = Dns::start("");
    dns.say("127.0.1.1 app.internal\n");
    let gateway = Gateway::run(
        "[upstream.app]\nto = \"app.internal:8080\"\nresolve = { every = \"50ms\" }\n[[route]]\nto = \"app\"\n",
        &[],
    );
    wait_for("the first answer", || {
        (gateway.get("/").status() == 200).then_some(())
    });
    let load = Load::start(gateway.osier.address());
    for (number, says) in [(2, "2"), (3, "3"), (4, "4")] {
        let next = Mortal::at(at(number), says);
        assert_eq!(answers(&gateway, 5).len(), 1);
        dns.say(&format!("127.0.1.{number} app.internal\n"));
        hear(&gateway.osier, &format!("is at 127.0.1.{number}:8080 now"));
        assert_eq!(answers(&gateway, 20), shares([(says, 20)]));
        // Whoever is with it still is tried again elsewhere.
        here.kill();
        here = next;
    }
    assert!(load.finish() > 0);
    // One endpoint all the time: nothing is left of the places it was at.
    wait_until_nothing_is_left(&gateway, 1);
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_what_does_not_resolve_at_start_does_later() {
    if !is_inside("root_what_does_not_resolve_at_start_does_later") {
        return;
    }
    let _one = Mortal::at(([127, 0, 1, 1], 8080), "one");
    let gateway = Gateway::run(
        "[upstream.app]\nto = \"_http._tcp.app.internal\"\nresolve = { every = \"50ms\", srv = true }\n\
         [upstream.host]\nto = \"late.internal:8080\"\nresolve = { every = \"50ms\" }\n\
         [[route]]\npath = \"/app\"\nto = \"app\"\n[[route]]\npath = \"/host\"\nto = \"host\"\n\
         [[route]]\nrespond = { status = 200, body = \"here\" }\n",
        &[],
    );
    let is_503 = || {
        for path in ["/app", "/host"] {
            let answer = gateway.get(path);
            assert_eq!(answer.status(), 503, "{path}: {answer:?}");
            assert!(
                answer
                    .field("proxy-status")
                    .unwrap()
                    .contains("no_endpoint")
            );
        }
        assert_eq!(gateway.get("/").text(), "here");
    };
    // Nobody answers.
    is_503();
    // Somebody does, and does not know.
    let dns = Dns::start(HOSTS);
    hear(
        &gateway.osier,
        "`_http._tcp.app.internal` does not resolve: there is no such name",
    );
    is_503();
    // A record whose target has no address is nowhere yet.
    let dns = dns.restart(&srv(&[("late.internal", 8080, 0, 0)]));
    hear(&gateway.osier, "`late.internal:8080` does not resolve");
    is_503();
    dns.say("127.0.1.1 late.internal\n");
    for path in ["/app", "/host"] {
        wait_for(path, || (gateway.get(path).text() == "one").then_some(()));
    }
    // The file that says who is asked: another server, seen without being told.
    drop(dns);
    fs::write(home().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    fs::write(
        home().join("hosts"),
        "127.0.1.2 late.internal\n127.0.0.1 localhost\n",
    )
    .unwrap();
    let _two = Mortal::at(([127, 0, 1, 2], 8080), "two");
    wait_for("what /etc/hosts says", || {
        (gateway.get("/host").text() == "two").then_some(())
    });
}

/// Runs a program that has to go well.
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_a_box_may_boot_in_any_order_and_from_a_root_that_nobody_can_write() {
    if !is_inside("root_a_box_may_boot_in_any_order_and_from_a_root_that_nobody_can_write") {
        return;
    }
    let file = home().with_extension("toml");
    let text = "workers = 1\nadmin = { listen = \"127.0.0.1:0\" }\n\
                [[listen]]\naddr = \"127.0.0.1:0\"\n\
                [[listen]]\naddr = \"10.9.8.7:8080\"\nretry = true\n\
                [upstream.host]\nto = \"late.internal:8080\"\nresolve = { every = \"50ms\" }\n\
                [upstream.wan]\nto = \"10.20.30.40:8080\"\n\
                [[route]]\npath = \"/host\"\nto = \"host\"\n\
                [[route]]\npath = \"/wan\"\nto = \"wan\"\n\
                [[route]]\nrespond = { status = 200, body = \"here\" }\n";
    fs::write(&file, text).unwrap();
    // As such a box has it: what changes is in memory, and all the rest is read only. There is no resolv.conf yet.
    let here = home();
    run("mount", &["-t", "tmpfs", "none", here.to_str().unwrap()]);
    run("mount", &["-t", "tmpfs", "none", "/etc"]);
    fs::write("/etc/hosts", "127.0.0.1 localhost\n").unwrap();
    fs::write("/etc/passwd", "root:x:0:0::/:/bin/sh\n").unwrap();
    fs::write("/etc/group", "root:x:0:\n").unwrap();
    run("mount", &["-o", "remount,bind,ro", "/"]);
    let refused = fs::write("/osier-was-here", "").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);

    let mut osier = Osier::serving(Osier::command(&["run", "-c", file.to_str().unwrap()]));
    let get = |path: &str| osier.connect().get(path);
    assert_eq!(get("/").text(), "here");
    assert_eq!(get("/host").status(), 503);
    let answer = get("/wan");
    assert_eq!(answer.status(), 502, "{answer:?}");

    // The network comes.
    run("ip", &["addr", "add", "10.20.30.40/32", "dev", "lo"]);
    let _wan = Mortal::at(([10, 20, 30, 40], 8080), "wan");
    wait_for("the network", || {
        (get("/wan").text() == "wan").then_some(())
    });
    // A name server, and who says where it is.
    let dns = Dns::start(HOSTS);
    dns.say("127.0.1.1 late.internal\n");
    let _host = Mortal::at(([127, 0, 1, 1], 8080), "host");
    fs::write("/etc/resolv.conf", format!("nameserver {SERVER}\n")).unwrap();
    wait_for("the name", || (get("/host").text() == "host").then_some(()));
    // The address to listen on.
    run("ip", &["addr", "add", "10.9.8.7/32", "dev", "lo"]);
    hear(&osier, "listening on 10.9.8.7:8080 too");
    let answer = Wire::connect(([10, 9, 8, 7], 8080).into()).get("/");
    assert_eq!(answer.text(), "here");
    assert_eq!(get("/").text(), "here");
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
}

#[test]
#[ignore = "needs dnsmasq, unshare(1), and to be root"]
fn root_an_answer_too_long_for_a_datagram_is_fetched_whole() {
    if !is_inside("root_an_answer_too_long_for_a_datagram_is_fetched_whole") {
        return;
    }
    const COUNT: u16 = 60;
    let _one = Mortal::at(([127, 0, 1, 1], 8080), "one");
    let targets: Vec<String> = (0..COUNT)
        .map(|number| format!("a-rather-long-name-{number:02}.internal"))
        .collect();
    let records: Vec<_> = targets.iter().map(|it| (it.as_str(), 8080, 0, 1)).collect();
    let dns = Dns::start(&srv(&records));
    let hosts = targets.iter().map(|it| format!("127.0.1.1 {it}\n"));
    dns.say(&hosts.collect::<String>());
    let gateway = gateway("");
    wait_for("all of them", || {
        (endpoints(&gateway).len() == usize::from(COUNT)).then_some(())
    });
    assert_eq!(answers(&gateway, 70), shares([("one", 70)]));
    // Of more than so many, so many are taken.
    let more: Vec<String> = (0..90)
        .map(|number| format!("t{number}.internal"))
        .collect();
    let records: Vec<_> = more.iter().map(|it| (it.as_str(), 8080, 0, 1)).collect();
    let dns = dns.restart(&srv(&records));
    let hosts = more.iter().map(|it| format!("127.0.1.1 {it}\n"));
    dns.say(&hosts.collect::<String>());
    wait_for("64 of them", || {
        (endpoints(&gateway).len() == 64).then_some(())
    });
}
