//! A server among others: passed sockets, a service manager, another user, another binary under load.
//!
//! What is tested here is the command as a process, for all of it is about processes.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{self as unix, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{Message, Origin, Osier, PATIENCE, Scratch, Scripted, Wire, wait_for};

const OSIER: &str = env!("CARGO_BIN_EXE_osier");

/// Puts a program somewhere, in one step, whatever is there. By another process: a file that this one has open for
/// writing while it starts others cannot be run.
fn install(what: &str, at: &Path) {
    let script =
        "if [ -x \"$1\" ]; then cp \"$1\" \"$2.new\"; else printf '%s\\n' \"$1\" > \"$2.new\"; fi
        chmod 755 \"$2.new\" && mv \"$2.new\" \"$2\"";
    let mut sh = Command::new("sh");
    sh.args(["-c", script, "sh", what]).arg(at);
    assert!(sh.status().unwrap().success());
}

/// A process that somebody else started. Dropping this ends it.
struct Elsewhere(u32);

impl Elsewhere {
    fn signal(&self, signal: Signal) {
        let _ = kill_process(pid(self.0), signal);
    }

    /// It has ended, whether or not somebody has looked after it.
    fn is_gone(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0));
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    fn wait(&self) {
        wait_for("its end", || self.is_gone().then_some(()));
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if !self.is_gone() {
            self.signal(Signal::KILL);
        }
    }
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
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

/// Has the command replaced, and returns the process that took over.
fn replace(osier: &Osier) -> Elsewhere {
    osier.signal(Signal::USR2);
    let line = hear(osier, "serves now");
    let number = line.split("process ").nth(1).unwrap();
    Elsewhere(number.split(' ').next().unwrap().parse().unwrap())
}

/// Where clients connect.
#[derive(Clone)]
enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Door {
    fn connect(&self) -> Wire {
        match self {
            Self::Tcp(address) => Wire::connect(*address),
            Self::Unix(path) => Wire::connect_unix(path),
        }
    }
}

/// Clients that ask over and over. One that is refused, or does not get its whole answer, fails the test.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    /// So many that connect anew for each request, and as many that keep their connection for as long as they may.
    fn start(door: &Door, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..2 * count).map(|number| {
            let (door, stop) = (door.clone(), stop.clone());
            thread::spawn(move || {
                let mut asked = 0;
                let mut kept: Option<Wire> = None;
                while !stop.load(Ordering::Relaxed) {
                    let path = format!("/{number}/{asked}");
                    let mut wire = kept.take().unwrap_or_else(|| door.connect());
                    let response = if number % 2 == 0 {
                        wire.ask(format!(
                            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                        ))
                    } else {
                        wire.get(&path)
                    };
                    assert_eq!((response.status(), response.text()), (200, path.as_str()));
                    asked += 1;
                    if stays(&response) {
                        kept = Some(wire);
                    }
                }
                asked
            })
        });
        let clients = clients.collect();
        Self { stop, clients }
    }

    /// Nobody was refused, nothing was lost: how many requests were answered.
    fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .sum()
    }
}

fn stays(response: &Message) -> bool {
    response.field("connection") != Some("close")
}

/// Replaces the command twice under load.
fn is_replaced_under_load(door: impl Fn(&Osier) -> Door, more: &[&str]) {
    let origin = Origin::that_answers();
    let mut first = Osier::in_front_of(&origin, more);
    let door = door(&first);
    let load = Load::start(&door, 4);
    let mut silent = door.connect();
    let mut kept = door.connect();
    kept.get("/before");
    assert!(load.clients.iter().all(|client| !client.is_finished()));

    let second = replace(&first);
    // Who idled at the old one may ask once more, and is then sent away.
    let response = kept.get("/after");
    assert_eq!(response.text(), "/after");
    assert!(!stays(&response));
    kept.expect_end();
    assert!(!stays(&silent.get("/first")));
    silent.expect_end();
    assert_eq!(first.wait(), Some(0));

    second.signal(Signal::USR2);
    let line = hear(&first, "serves now");
    assert!(!line.contains(&format!("process {} ", second.0)), "{line}");
    let number = line.split("process ").nth(1).unwrap();
    let third = Elsewhere(number.split(' ').next().unwrap().parse().unwrap());
    second.wait();
    assert_eq!(door.connect().get("/third").text(), "/third");
    assert!(load.finish() > 0);

    third.signal(Signal::TERM);
    third.wait();
    match door {
        Door::Tcp(address) => assert!(TcpStream::connect(address).is_err()),
        Door::Unix(path) => assert!(!path.exists()),
    }
}

#[test]
fn a_new_binary_takes_over_under_load_and_nobody_notices() {
    is_replaced_under_load(|osier| Door::Tcp(osier.address()), &["--workers", "1"]);
}

#[test]
fn so_it_does_with_a_socket_per_worker() {
    is_replaced_under_load(|osier| Door::Tcp(osier.address()), &["--workers", "2"]);
}

#[test]
fn so_it_does_on_a_unix_socket_that_workers_share() {
    let socket = Scratch::new("replaced.sock");
    let listen = format!("unix:{}", socket.path().display());
    let more = ["--workers", "2", "--listen", &listen];
    is_replaced_under_load(|_| Door::Unix(socket.path().to_owned()), &more);
}

/// The command under a path of its own, so that what is there can be replaced.
fn installed(origin: &Scripted, at: &Scratch, more: &[&str]) -> Osier {
    install(OSIER, at.path());
    let mut command = Command::new(at.path());
    let to = origin.address().to_string();
    command
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--to", &to])
        .args(more)
        .stdin(Stdio::null());
    Osier::serving(command)
}

#[test]
fn the_number_of_workers_may_change_on_the_way() {
    let origin = Origin::that_answers();
    for (before, after) in [("1", "3"), ("3", "1"), ("2", "3")] {
        let program = Scratch::new("workers");
        let mut first = installed(&origin, &program, &["--workers", before]);
        let door = Door::Tcp(first.address());
        let load = Load::start(&door, 3);
        install(
            &format!("#!/bin/sh\nexec {OSIER} \"$@\" --workers {after}"),
            program.path(),
        );
        let second = replace(&first);
        assert_eq!(first.wait(), Some(0));
        // Whichever socket the kernel picks, somebody accepts from it.
        for _ in 0..50 {
            assert_eq!(door.connect().get("/x").text(), "/x");
        }
        load.finish();
        let threads = fs::read_dir(format!("/proc/{}/task", second.0)).unwrap();
        let names = threads.map(|task| fs::read_to_string(task.unwrap().path().join("comm")));
        let workers = names.filter(|name| {
            let name = name.as_ref().unwrap().trim();
            name.strip_prefix("osier-")
                .is_some_and(|rest| rest.parse::<u32>().is_ok())
        });
        assert_eq!(workers.count().to_string(), after);
    }
}

#[test]
fn a_new_binary_that_does_not_work_changes_nothing() {
    let origin = Origin::that_answers();
    let program = Scratch::new("bad");
    let mut first = installed(&origin, &program, &[]);
    let mut kept = first.connect();
    kept.get("/kept");

    install("#!/bin/sh\nexit 7", program.path());
    first.signal(Signal::USR2);
    let line = hear(&first, "goes on");
    assert!(line.contains("exit status: 7"), "{line}");
    // What it would have listened on is what this one listens on.
    install(
        &format!("#!/bin/sh\nexec {OSIER} \"$@\" --user nobody-has-this-name"),
        program.path(),
    );
    first.signal(Signal::USR2);
    hear(&first, "no user `nobody-has-this-name`");
    let line = hear(&first, "goes on");
    assert!(line.contains("exit status: 1"), "{line}");
    fs::remove_file(program.path()).unwrap();
    first.signal(Signal::USR2);
    let line = hear(&first, "goes on");
    assert!(line.contains("No such file"), "{line}");

    assert!(stays(&kept.get("/kept")));
    assert_eq!(first.connect().get("/new").text(), "/new");
    // And when it is put right, it works.
    install(OSIER, program.path());
    let second = replace(&first);
    kept.get("/last");
    assert_eq!(first.wait(), Some(0));
    assert_eq!(Wire::connect(first.address()).get("/2").text(), "/2");
    second.signal(Signal::TERM);
    second.wait();
}

#[test]
fn one_new_process_at_a_time_and_none_for_one_that_ends() {
    let origin = Origin::that_answers();
    let program = Scratch::new("slow");
    let mut first = installed(&origin, &program, &[]);
    let marker = Scratch::new("slow.pid");
    install(
        &format!(
            "#!/bin/sh\necho $$ > {}\nexec sleep 600",
            marker.path().display()
        ),
        program.path(),
    );
    first.signal(Signal::USR2);
    hear(&first, "starting");
    first.signal(Signal::USR2);
    hear(&first, "refused, a new process is starting already");
    let slow = wait_for("the slow one", || {
        fs::read_to_string(marker.path()).ok()?.trim().parse().ok()
    });
    let slow = Elsewhere(slow);
    // Whoever stops this one does not want the other.
    let mut busy = first.connect();
    busy.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    first.wait_for_session(&busy);
    first.signal(Signal::TERM);
    slow.wait();
    first.signal(Signal::USR2);
    hear(&first, "refused, this process is ending");
    first.signal(Signal::TERM);
    assert_eq!(first.wait(), Some(0));
}

#[test]
fn under_procd_it_is_refused_and_says_what_to_do() {
    let origin = Origin::that_answers();
    let procd = Scratch::new("procd-home");
    fs::create_dir(procd.path()).unwrap();
    let shell = procd.path().join("procd");
    let sh = Command::new("sh")
        .args(["-c", "command -v sh"])
        .output()
        .unwrap();
    install(std::str::from_utf8(&sh.stdout).unwrap().trim(), &shell);
    let to = origin.address().to_string();
    let mut command = Command::new(&shell);
    // It stays, and tells us the number of its child.
    command
        .args(["-c", "\"$@\" & echo pid $! >&2; wait $!", "procd", OSIER])
        .args(["--listen", "127.0.0.1:0", "--to", &to])
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let mut hear = |word: &str| loop {
        let line = lines.next().unwrap().unwrap();
        if line.contains(word) {
            return line;
        }
    };
    let number = hear("pid ");
    let osier = Elsewhere(number.split(' ').nth(1).unwrap().parse().unwrap());
    hear("osier 0");
    osier.signal(Signal::USR2);
    let line = hear("refused");
    assert!(line.contains("/etc/init.d/osier restart"), "{line}");
    osier.signal(Signal::TERM);
    osier.wait();
    child.wait().unwrap();
}

#[test]
#[ignore = "needs unshare(1), and to be root"]
fn root_as_pid_1_it_is_refused() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child", OSIER])
        .args(["--listen", "127.0.0.1:0", "--to", &to])
        .stdin(Stdio::null());
    let osier = Osier::serving(command);
    let children = format!("/proc/{0}/task/{0}/children", osier.pid());
    let child = fs::read_to_string(children).unwrap();
    let inside = Elsewhere(child.trim().parse().unwrap());
    inside.signal(Signal::USR2);
    hear(&osier, "refused: this is PID 1");
    assert_eq!(osier.connect().get("/x").text(), "/x");
}

/// A shell that starts the command with its own standard input as descriptor 3, and its output as 4, as a service
/// manager passes them.
fn activated(first: OwnedFd, second: OwnedFd, arguments: &[&str]) -> Command {
    let script = "export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:spare; \
        exec \"$@\" 3<&0 4<&1 </dev/null >/dev/null";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh", OSIER])
        .args(arguments)
        .stdin(first)
        .stdout(second);
    command
}

#[test]
fn passed_sockets_are_served_where_asked_for_and_the_others_closed() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, spare_at) = (web.local_addr().unwrap(), spare.local_addr().unwrap());
    // Before anyone serves there.
    let mut early = Wire::connect(at);
    early.send("GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    let listen = at.to_string();
    let arguments = ["--listen", &listen, "--to", &to, "--workers", "2"];
    let mut osier = Osier::serving(activated(web.into(), spare.into(), &arguments));
    assert_eq!(osier.address(), at);
    let line = hear(&osier, "was passed");
    let expected = format!("{spare_at} was passed to this process as spare");
    assert!(line.contains(&expected), "{line}");
    assert_eq!(early.read_response().text(), "/early");
    for _ in 0..20 {
        assert_eq!(osier.connect().get("/x").text(), "/x");
    }
    wait_for("the spare one to be closed", || {
        TcpStream::connect(spare_at).err()
    });
    // It hands on what it was given.
    let second = replace(&osier);
    // A worker may hear of it only behind a request that is there already; the next answer is the last then.
    while early.get("/last").field("connection") != Some("close") {}
    assert_eq!(osier.wait(), Some(0));
    assert_eq!(Wire::connect(at).get("/second").text(), "/second");
    second.signal(Signal::TERM);
    second.wait();
}

#[test]
fn a_passed_socket_may_be_a_stream_s_and_a_new_binary_leaves_its_streams_alone() {
    let origin = Origin::bind();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, raw_at) = (web.local_addr().unwrap(), raw.local_addr().unwrap());
    let file = Scratch::new("streams.toml");
    let text = format!(
        "workers = 1\n[[listen]]\naddr = \"{at}\"\n[[route]]\nrespond = {{ status = 200 }}\n\
         [[stream]]\naddr = \"{raw_at}\"\nto = \"{}\"\n",
        origin.address()
    );
    fs::write(file.path(), text).unwrap();
    let mut early = Wire::connect(raw_at);
    early.send("early");
    let arguments = ["run", "-c", file.path().to_str().unwrap()];
    let mut osier = Osier::serving(activated(web.into(), raw.into(), &arguments));
    assert!(osier.announced().contains(&format!("tcp://{raw_at}")));
    let mut at_origin = origin.accept();
    at_origin.expect("early");
    let second = replace(&osier);
    // What runs stays where it is; what comes goes to the new process.
    early.send("still here");
    at_origin.expect("still here");
    let mut next = Wire::connect(raw_at);
    next.send("elsewhere");
    origin.accept().expect("elsewhere");
    early.finish();
    at_origin.expect_end();
    drop(at_origin);
    early.expect_end();
    assert_eq!(osier.wait(), Some(0));
    second.signal(Signal::TERM);
    drop(next);
    second.wait();
}

#[test]
fn a_passed_unix_socket_keeps_its_path_and_one_for_both_versions_serves_both() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let socket = Scratch::new("passed.sock");
    let file = UnixListener::bind(socket.path()).unwrap();
    let both = TcpListener::bind("[::]:0").unwrap();
    let port = both.local_addr().unwrap().port();
    let (any, path) = (
        format!(":{port}"),
        format!("unix:{}", socket.path().display()),
    );
    let arguments = [
        "--listen",
        &any,
        "--listen",
        &path,
        "--to",
        &to,
        "--access-log",
        "off",
    ];
    let mut osier = Osier::serving(activated(both.into(), file.into(), &arguments));
    for address in ["127.0.0.1", "[::1]"] {
        let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
        assert_eq!(Wire::connect(address).get("/x").text(), "/x");
    }
    assert_eq!(Wire::connect_unix(socket.path()).get("/x").text(), "/x");
    // An IPv4 client is one, whatever the socket makes of it.
    let (_, last) = origin.requests().remove(0);
    assert_eq!(last.field("x-forwarded-for"), Some("127.0.0.1"));
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
    // It belongs to whoever made it.
    assert!(socket.path().exists());
}

#[test]
fn what_is_passed_and_no_listening_socket_is_an_error() {
    let log = Scratch::new("no-socket");
    let file = fs::File::create(log.path()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1"];
    let output = activated(listener.into(), file.into(), &arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("descriptor 4 of LISTEN_FDS"), "{said}");
}

/// The next datagram for the service manager.
fn told(manager: &UnixDatagram) -> String {
    let mut room = [0; 4096];
    let count = manager.recv(&mut room).unwrap();
    String::from_utf8_lossy(&room[..count]).into_owned()
}

#[test]
fn the_service_manager_is_told_how_it_is() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let socket = Scratch::new("notify");
    let abstract_name = format!("osier-test-{}", std::process::id());
    let by_name = unix::SocketAddr::from_abstract_name(&abstract_name).unwrap();
    for (manager, name) in [
        (
            UnixDatagram::bind(socket.path()).unwrap(),
            socket.path().to_str().unwrap().to_owned(),
        ),
        (
            UnixDatagram::bind_addr(&by_name).unwrap(),
            format!("@{abstract_name}"),
        ),
    ] {
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Osier::command(&["--listen", "127.0.0.1:0", "--to", &to]);
        command.env("NOTIFY_SOCKET", &name);
        let mut osier = Osier::serving(command);
        let ready = format!("READY=1\nSTATUS=listening on {}", osier.address());
        assert_eq!(told(&manager), ready);

        let before = micros();
        osier.signal(Signal::HUP);
        let reloading = told(&manager);
        let stamp = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        let stamp: u64 = stamp.parse().unwrap();
        assert!((before..=micros()).contains(&stamp), "{stamp}");
        assert_eq!(told(&manager), ready);

        let mut kept = osier.connect();
        kept.get("/x");
        osier.signal(Signal::USR2);
        let main = told(&manager);
        let second = Elsewhere(main.strip_prefix("MAINPID=").unwrap().parse().unwrap());
        // The old one says nothing more, not even at its end.
        assert_eq!(told(&manager), ready);
        kept.get("/y");
        assert_eq!(osier.wait(), Some(0));
        second.signal(Signal::TERM);
        assert_eq!(told(&manager), "STOPPING=1");
        second.wait();
        manager.set_nonblocking(true).unwrap();
        assert!(manager.recv(&mut [0; 10]).is_err());
    }
}

fn micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000 + u64::try_from(now.tv_nsec).unwrap() / 1000
}

#[test]
fn the_watchdog_hears_that_the_workers_live() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let socket = Scratch::new("watchdog");
    let manager = UnixDatagram::bind(socket.path()).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--to", &to, "--workers", "2"];
    let command = |pid: &str| {
        let mut command = Osier::command(&arguments);
        command
            .env("NOTIFY_SOCKET", socket.path())
            .env("WATCHDOG_USEC", "200000");
        if !pid.is_empty() {
            command.env("WATCHDOG_PID", pid);
        }
        command
    };
    let mut osier = Osier::serving(command(""));
    let begun = Instant::now();
    assert!(told(&manager).starts_with("READY=1"));
    for _ in 0..5 {
        assert_eq!(told(&manager), "WATCHDOG=1");
    }
    // Half of the time that is allowed, so five words take four pauses.
    assert!(begun.elapsed() >= Duration::from_millis(400));
    // While a drain lasts too.
    let mut busy = osier.connect();
    busy.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    wait_for("the request", || {
        (origin.connection_count() > 0).then_some(())
    });
    osier.signal(Signal::TERM);
    while told(&manager) != "STOPPING=1" {}
    assert_eq!(told(&manager), "WATCHDOG=1");
    assert_eq!(told(&manager), "WATCHDOG=1");
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));

    // Another process is watched, not this one.
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 100]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    let mut osier = Osier::serving(command("1"));
    assert!(told(&manager).starts_with("READY=1"));
    osier.signal(Signal::TERM);
    assert_eq!(told(&manager), "STOPPING=1");
    assert_eq!(osier.wait(), Some(0));
}

/// What `/proc` says of every thread's identity.
fn identities(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut found: Vec<_> = tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let lines = status.lines().filter(|line| {
                [
                    "Uid:",
                    "Gid:",
                    "Groups:",
                    "CapEff:",
                    "CapPrm:",
                    "NoNewPrivs:",
                ]
                .iter()
                .any(|name| line.starts_with(name))
            });
            let lines: Vec<_> = lines
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect();
            lines.join(", ")
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The first group of a file that has members, or none of them.
fn group_of(name: &str) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap();
    let line = groups
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap().split(':').nth(2).unwrap().to_owned()
}

#[test]
#[ignore = "needs to be root"]
fn root_is_given_up_by_every_thread_and_what_was_bound_before_is_kept() {
    let origin = Origin::that_answers();
    let folder = Scratch::new("owned");
    fs::create_dir(folder.path()).unwrap();
    let socket = folder.path().join("o.sock");
    let listen = format!("unix:{}", socket.display());
    let group = group_of("daemon");
    let more = [
        "--listen",
        &listen,
        "--workers",
        "2",
        "--user",
        "nobody",
        "--group",
        &group,
    ];
    let mut osier = Osier::in_front_of(&origin, &more);
    let nobody = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = nobody
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let nobody = nobody.split(':').nth(2).unwrap();
    let uid = [nobody; 4].join(" ");
    let gid = [group.as_str(); 4].join(" ");
    let none = "0000000000000000";
    let expected = format!(
        "Uid: {uid}, Gid: {gid}, Groups: {group}, CapPrm: {none}, CapEff: {none}, NoNewPrivs: 1"
    );
    assert_eq!(identities(osier.pid()), std::slice::from_ref(&expected));
    let metadata = fs::metadata(&socket).unwrap();
    assert_eq!(metadata.uid().to_string(), nobody);
    assert_eq!(metadata.gid().to_string(), group);
    assert_eq!(osier.connect().get("/x").text(), "/x");
    assert_eq!(Wire::connect_unix(&socket).get("/x").text(), "/x");
    // The new process is nobody from its start, and needs no more.
    let second = replace(&osier);
    assert_eq!(osier.wait(), Some(0));
    assert_eq!(identities(second.0), [expected]);
    assert_eq!(Wire::connect_unix(&socket).get("/x").text(), "/x");
    second.signal(Signal::TERM);
    second.wait();
}

#[test]
#[ignore = "needs to be root, and setpriv(1)"]
fn root_is_what_others_are_told_they_are_not() {
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                OSIER,
            ])
            .args(["--to", "127.0.0.1:1"])
            .args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = as_nobody(&["--listen", "127.0.0.1:0", "--user", "daemon"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("start it as root"), "{said}");
    let (code, said) = as_nobody(&["--listen", "127.0.0.1:80"]);
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("CAP_NET_BIND_SERVICE"), "{said}");
    // Who is it already need not become it.
    let (code, said) = as_nobody(&[
        "--listen",
        "127.0.0.1:80",
        "--user",
        "65534",
        "--group",
        "65534",
    ]);
    assert_eq!(code, Some(75), "{said}");
}

#[test]
#[ignore = "needs to be root, unshare(1), nsenter(1), ip(8) and bash"]
fn root_s_new_address_is_served_when_it_comes_up() {
    // In a network of its own, where there is nothing but the loopback interface.
    let alone = |more: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && exec \"$@\"",
                "sh",
                OSIER,
            ])
            .args(more)
            .args(["--listen", "10.9.8.7:80", "--to", "127.0.0.1:1"])
            .stdin(Stdio::null());
        command
    };
    let output = alone(&[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("no interface has this address"), "{said}");

    let osier = Osier::serving(alone(&["--retry", "--listen", "127.0.0.1:0"]));
    assert!(osier.announced().contains("(10.9.8.7:80, not yet)"));
    let net = format!("--net=/proc/{}/ns/net", osier.pid());
    let inside = |program: &[&str]| {
        let mut command = Command::new("nsenter");
        command.arg(&net).args(program);
        command.output().unwrap()
    };
    assert!(
        inside(&["ip", "addr", "add", "10.9.8.7/32", "dev", "lo"])
            .status
            .success()
    );
    hear(&osier, "listening on 10.9.8.7:80 too");
    let ask = "exec 3<>/dev/tcp/10.9.8.7/80
        printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let answer = inside(&["bash", "-c", ask]);
    let answer = String::from_utf8_lossy(&answer.stdout);
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}
