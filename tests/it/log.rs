use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use osier::log::{Destination, Format, Log, Record, Scribe, Settings};
use osier::net::address::Address;
use osier::server::{Options, Server};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;

use crate::support::{House, Origin, Osier, Scratch, Wire, options, wait_for, wait_for_line};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn to_file(scratch: &Scratch, format: Format) -> Settings {
    Settings {
        access: Destination::File(scratch.path().to_owned()),
        format,
        ..Settings::default()
    }
}

#[test]
fn a_record_has_what_happened_between_the_three() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    for path in ["/new", "/kept"] {
        client.ask(format!(
            "GET {path} HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: id-of{path}\r\n\
             traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
        ));
    }
    let line = house.wait_for_record(&["target=/new"]);
    for word in [
        "client=127.0.0.1 ",
        " method=GET host=a.example ",
        " request_id=id-of/new ",
        &format!(" trace_id={TRACE} "),
        " status=200 received=0 sent=4 ",
        " attempts=1 reused=false ",
        " connect_ms=",
        " first_ms=",
        " total_ms=",
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
    house.wait_for_record(&["target=/kept", "reused=true", "request_id=id-of/kept"]);
}

#[test]
fn an_exchange_without_an_attempt_is_not_told_of_another() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.ask("GET /first HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\n\r\n");
    client.ask("CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n");
    let line = house.wait_for_record(&["method=CONNECT", "status=405"]);
    assert!(!line.contains("theirs"), "{line}");
    assert!(!line.contains("reused="), "{line}");
    let mut client = house.connect();
    client.ask("CONNECT c:1 HTTP/1.1\r\nHost: c:1\r\nX-Request-Id: mine\r\n\r\n");
    house.wait_for_record(&["host=c:1", "request_id=mine"]);
}

#[test]
fn records_are_json() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.log.format = Format::Json;
    });
    house
        .connect()
        .ask("GET /a?b=\"c HTTP/1.1\r\nHost: a.example\r\nX-Request-Id: \"1\"\r\n\r\n");
    let line = house.wait_for_record(&[r#""target":"/a?b=\"c""#]);
    assert!(line.starts_with(r#"{"time":"20"#) && line.ends_with('}'));
    for word in [
        r#","client":"127.0.0.1","#,
        r#","method":"GET","host":"a.example","#,
        r#","request_id":"\"1\"","#,
        r#","status":200,"received":0,"sent":7,"#,
        r#","attempts":1,"reused":false,"#,
    ] {
        assert!(line.contains(word), "{word} in {line}");
    }
}

#[test]
fn records_are_as_web_servers_write_them_and_queries_may_be_left_out() {
    let origin = Origin::that_answers();
    let house = House::with(origin.endpoint(), |options| {
        options.log.format = Format::Combined;
        options.log.redact_query = true;
    });
    let mut client = house.connect();
    client.ask(
        "GET /a?token=secret HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\
         Referer: http://b/?token=secret\r\nUser-Agent: \"me\"\r\n\r\n",
    );
    let line = house.wait_for_record(&["GET /a"]);
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    let (_, said) = line.split_once(" +0000] ").unwrap();
    assert_eq!(
        said,
        "\"GET /a?- HTTP/1.0\" 200 15 \"http://b/?-\" \"\\x22me\\x22\""
    );
}

/// A request whose record is large.
fn ask_much(client: &mut Wire) {
    let long = "x".repeat(6000);
    assert_eq!(client.get(&format!("/{long}")).status(), 200);
}

/// Requests go on until records are dropped.
fn ask_until_dropped(house: &House, client: &mut Wire) {
    wait_for("records to be dropped", || {
        ask_much(client);
        (house.log().dropped() > 0).then_some(())
    });
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_reader_that_stalls_delays_no_request() {
    let origin = Origin::that_answers();
    let pipe = Scratch::new("pipe");
    fifo(pipe.path());
    let house = House::with(origin.endpoint(), |options| {
        options.log.access = Destination::File(pipe.path().to_owned());
    });
    let mut client = house.connect();
    ask_until_dropped(&house, &mut client);
    ask_much(&mut client);

    // Then somebody reads after all.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let mut reader = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(pipe.path())
        .unwrap();
    let mut text = String::new();
    wait_for("a record after the stall", || {
        // What is there comes before the error that there is no more.
        let _ = reader.read_to_string(&mut text);
        assert_eq!(client.get("/after").text(), "/after");
        text.contains("target=/after ").then_some(())
    });
    // Every line is a record, or the beginning of one that was cut.
    for line in text.lines() {
        assert!(line.starts_with("time=20"), "{line}");
        assert_eq!(line.matches(" client=").count(), 1, "{line}");
    }
}

#[test]
fn an_end_does_not_wait_for_a_reader_that_stalls() {
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let mut command = Osier::command(&["-l", "127.0.0.1:0", "-t", &to, "--access-log", "stdout"]);
    command.stdout(std::process::Stdio::piped());
    let mut osier = Osier::serving(command);
    let mut client = osier.connect();
    // More than a pipe holds.
    for _ in 0..40 {
        ask_much(&mut client);
    }
    drop(client);
    osier.signal(Signal::TERM);
    // What it says is not stuck behind what nobody reads.
    while !osier.hear().contains("draining") {}
    assert_eq!(osier.wait(), Some(0));
}

fn to_socket(path: &Path) -> Settings {
    Settings {
        access: Destination::Unix(path.to_owned()),
        ..Settings::default()
    }
}

/// The next datagram, if there is one.
fn received(socket: &UnixDatagram) -> Option<String> {
    let mut octets = vec![0; 16 * 1024];
    socket.set_nonblocking(true).unwrap();
    let count = socket.recv(&mut octets).ok()?;
    octets.truncate(count);
    Some(String::from_utf8(octets).unwrap())
}

#[test]
fn a_syslog_socket_gets_a_datagram_per_record_and_may_come_and_go() {
    let origin = Origin::that_answers();
    let path = Scratch::new("log.sock");
    // Nobody listens yet.
    let house = House::with(origin.endpoint(), |options| {
        options.log = to_socket(path.path());
    });
    let mut client = house.connect();
    client.get("/early");
    wait_for("the record to be dropped", || {
        (house.log().dropped() == 1).then_some(())
    });
    for life in ["/first", "/second"] {
        let daemon = UnixDatagram::bind(path.path()).unwrap();
        client.get(life);
        client.get("/next");
        let next = || wait_for("a datagram", || received(&daemon));
        let datagram = next();
        assert!(datagram.starts_with("<134>osier: time=20"), "{datagram}");
        assert!(datagram.contains(&format!(" target={life} ")), "{datagram}");
        assert!(!datagram.contains('\n'), "{datagram}");
        assert!(next().contains(" target=/next "));
        drop(daemon);
        std::fs::remove_file(path.path()).unwrap();
    }
    assert_eq!(house.log().dropped(), 1);
    client.get("/late");
    wait_for("another record to be dropped", || {
        (house.log().dropped() == 2).then_some(())
    });
}

#[test]
fn a_syslog_socket_that_nobody_reads_delays_no_request() {
    let origin = Origin::that_answers();
    let path = Scratch::new("log.sock");
    let daemon = UnixDatagram::bind(path.path()).unwrap();
    let house = House::with(origin.endpoint(), |options| {
        options.log = to_socket(path.path());
    });
    let mut client = house.connect();
    ask_until_dropped(&house, &mut client);
    while received(&daemon).is_some() {}
    wait_for("a record after the stall", || {
        client.get("/after");
        received(&daemon)?.contains(" target=/after ").then_some(())
    });
}

#[test]
fn what_cannot_be_opened_is_said_at_once() {
    let nowhere = Scratch::new("nowhere");
    let file = nowhere.path().join("access.log");
    let settings = Settings {
        access: Destination::File(file),
        ..Settings::default()
    };
    assert!(Log::start(&settings).is_err());
    // A socket, but not one for datagrams.
    let path = Scratch::new("stream.sock");
    let _listener = UnixListener::bind(path.path()).unwrap();
    assert!(Log::start(&to_socket(path.path())).is_err());
    assert!(Log::start(&to_socket(Path::new(""))).is_err());
}

#[test]
fn what_a_full_disk_does_not_take_is_counted() {
    let settings = Settings {
        access: Destination::File("/dev/full".into()),
        ..Settings::default()
    };
    let log = Log::start(&settings).unwrap();
    let scribe = Scribe::new(log.clone());
    for _ in 0..3 {
        scribe.record(&Record::default());
    }
    scribe.flush();
    log.flush();
    assert_eq!(log.dropped(), 3);
}

#[test]
fn settings_change_while_requests_go_on() {
    let origin = Origin::that_answers();
    let house = House::to(origin.endpoint());
    let mut client = house.connect();
    client.get("/before?secret");
    // Recorded when the next one is answered, and still with the worker.
    client.get("/between");
    let json = Scratch::new("access.json");
    let settings = Settings {
        redact_query: true,
        ..to_file(&json, Format::Json)
    };
    house.log().set(&settings).unwrap();
    client.get("/after?secret");
    let line = wait_for_line(json.path(), &["/after"]);
    assert!(line.contains(r#""target":"/after?-","#), "{line}");
    let line = house.wait_for_record(&["/before"]);
    assert!(line.contains("target=/before?secret "), "{line}");
    assert!(
        !std::fs::read_to_string(json.path())
            .unwrap()
            .contains("/before")
    );

    // What cannot be had changes nothing.
    let nowhere = Scratch::new("nowhere");
    let error = house.log().set(&Settings {
        access: Destination::File(nowhere.path().join("access.log")),
        ..Settings::default()
    });
    assert!(error.is_err());
    client.get("/still?secret");
    wait_for_line(json.path(), &[r#""target":"/still?-","#]);

    house.log().set(&Settings::default()).unwrap();
    client.get("/off");
    client.get("/between");
    house.log().set(&settings).unwrap();
    client.get("/on");
    wait_for_line(json.path(), &["/on"]);
    assert!(
        !std::fs::read_to_string(json.path())
            .unwrap()
            .contains("/off")
    );
}

#[test]
fn a_log_that_is_off_at_the_start_can_be_turned_on() {
    let origin = Origin::that_answers();
    let server = Server::start(Options {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..options([origin.endpoint()])
    })
    .unwrap();
    let Address::Inet(address) = server.listening()[0] else {
        panic!("it listens elsewhere")
    };
    let (log, stopper) = (server.log().clone(), server.stopper());
    let running = std::thread::spawn(move || server.run());
    let mut client = Wire::connect(address);
    client.get("/off");
    client.get("/between");
    let file = Scratch::new("late.log");
    log.set(&to_file(&file, Format::Logfmt)).unwrap();
    client.get("/on");
    wait_for_line(file.path(), &["target=/on "]);
    assert!(
        !std::fs::read_to_string(file.path())
            .unwrap()
            .contains("/off")
    );
    drop(client);
    stopper.drain();
    running.join().unwrap().unwrap();
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_no_reason_to_stop_writing() {
    let origin = Origin::that_answers();
    let (folder, moved) = (Scratch::new("logs"), Scratch::new("logs.old"));
    std::fs::create_dir(folder.path()).unwrap();
    let file = folder.path().join("access.log");
    let house = House::with(origin.endpoint(), |options| {
        options.log.access = Destination::File(file.clone());
    });
    let mut client = house.connect();
    std::fs::rename(folder.path(), moved.path()).unwrap();
    house.log().reopen();
    client.get("/kept");
    wait_for_line(&moved.path().join("access.log"), &["target=/kept "]);
    std::fs::create_dir(folder.path()).unwrap();
    house.log().reopen();
    client.get("/anew");
    wait_for_line(&file, &["target=/anew "]);
}
