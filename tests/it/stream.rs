//! Streams: octets that are no HTTP, to an endpoint and back, and every way they can end.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::metrics::Page;
use crate::reload::Gateway;
use crate::support::{End, Origin, Scratch, Wire, full_listener, octets, wait_for, wait_for_line};

/// A gateway with a stream, and where that listens.
pub(crate) struct Streaming {
    pub(crate) gateway: Gateway,
    pub(crate) at: SocketAddr,
}

/// With `stream` in its section, behind its address; `rest` behind that, and `top` in front of everything.
fn streaming_with(top: &str, stream: &str, rest: &str) -> Streaming {
    let gateway = Gateway::run_with(top, &file(stream, rest));
    let announced = gateway.osier.announced();
    let at = announced.split("tcp://").nth(1).unwrap();
    let at = at.split([',', ' ']).next().unwrap().parse().unwrap();
    Streaming { gateway, at }
}

pub(crate) fn streaming(stream: &str, rest: &str) -> Streaming {
    streaming_with("", stream, rest)
}

/// What follows the listener, which is there in every file.
pub(crate) fn file(stream: &str, rest: &str) -> String {
    format!(
        "[[route]]\nrespond = {{ status = 200 }}\n[[stream]]\naddr = \"127.0.0.2:0\"\n{stream}{rest}"
    )
}

/// A stream to this origin.
fn to(origin: &Origin) -> Streaming {
    streaming(&format!("to = \"{}\"\n", origin.address()), "")
}

impl Streaming {
    fn connect(&self) -> Wire {
        Wire::connect(self.at)
    }

    /// A client and what its octets come to.
    fn begin(&self, origin: &Origin) -> (Wire, Wire) {
        let client = self.connect();
        let at_origin = origin.accept();
        (client, at_origin)
    }

    /// How many connections have begun.
    pub(crate) fn connections(&self) -> f64 {
        Page::of(&self.gateway).sum("osier_streams_total")
    }

    fn tree(&self) -> String {
        self.gateway.admin("localhost", "/tree").text().to_owned()
    }

    /// Waits until a line of the tree has all the words, and returns it.
    fn node(&self, words: &[&str]) -> String {
        wait_for(&format!("{words:?} in the tree"), || {
            let tree = self.tree();
            let mut lines = tree.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned)
        })
    }

    fn wait_until_gone(&self, word: &str) {
        wait_for(&format!("no {word}"), || {
            (!self.tree().contains(word)).then_some(())
        });
    }

    fn ended(&self, cause: &str) -> f64 {
        Page::of(&self.gateway).get(&format!("osier_ended_total{{cause=\"{cause}\"}}"))
    }
}

#[test]
fn octets_go_both_ways_whoever_speaks_first() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    at_origin.send("220 hello\r\n");
    client.expect("220 hello\r\n");
    client.send([0, 255, b'\r', 1]);
    at_origin.expect([0, 255, b'\r', 1]);
    stream.node(&["tunnel#", &origin.address().to_string()]);
    // Much, both ways at the same time, through a pipe where that can be.
    let much = octets(8 * 1024 * 1024);
    let (up, down) = (much.clone(), much.clone());
    let mut sender = client.another();
    let mut at_origin_sender = at_origin.another();
    let sending = [
        std::thread::spawn(move || sender.send(up)),
        std::thread::spawn(move || at_origin_sender.send(down)),
    ];
    let reading = std::thread::spawn(move || {
        let received = at_origin.read_octets(8 * 1024 * 1024);
        (at_origin, received)
    });
    assert!(client.read_octets(much.len()) == much);
    let (mut at_origin, received) = reading.join().unwrap();
    assert!(received == much);
    for thread in sending {
        thread.join().unwrap();
    }
    // And a word after that.
    client.send("bye");
    at_origin.expect("bye");
}

#[test]
fn an_endpoint_may_be_a_unix_socket_and_so_may_the_address() {
    let origin = Origin::bind_unix();
    let socket = Scratch::new("stream.sock");
    let stream = streaming(
        &format!("to = \"{}\"\n", origin.address()),
        &format!(
            "[[stream]]\naddr = \"unix:{}\"\nto = \"{}\"\n",
            socket.path().display(),
            origin.address()
        ),
    );
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.send("by TCP");
    at_origin.expect("by TCP");
    let mut client = Wire::connect_unix(socket.path());
    let mut at_origin = origin.accept();
    client.send("by unix");
    at_origin.expect("by unix");
    client.finish();
    at_origin.expect_end();
    at_origin.send("answer");
    client.expect("answer");
}

#[test]
fn each_direction_ends_by_itself() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.send("all I have to say");
    client.finish();
    at_origin.expect("all I have to say");
    at_origin.expect_end();
    at_origin.send("still talking");
    client.expect("still talking");
    at_origin.finish();
    client.expect_end();

    let (mut client, mut at_origin) = stream.begin(&origin);
    at_origin.send("all I have to say");
    at_origin.finish();
    client.expect("all I have to say");
    client.expect_end();
    client.send("still talking");
    at_origin.expect("still talking");
    client.finish();
    at_origin.expect_end();
    stream.wait_until_gone("tunnel#");
}

#[test]
fn a_client_may_have_ended_before_there_is_a_connection() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let mut client = stream.connect();
    client.send("a question");
    client.finish();
    let mut at_origin = origin.accept();
    at_origin.expect("a question");
    at_origin.expect_end();
    at_origin.send("an answer");
    at_origin.finish();
    client.expect("an answer");
    client.expect_end();
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (client, mut at_origin) = stream.begin(&origin);
    stream.node(&["tunnel octets"]);
    client.reset();
    assert_eq!(at_origin.read_to_end(), (Vec::new(), End::Reset));
    wait_for("the cause", || {
        (stream.ended("client_gone") == 1.0).then_some(())
    });

    let (mut client, mut at_origin) = stream.begin(&origin);
    at_origin.send("half a mess");
    client.expect("half a mess");
    at_origin.reset();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
    wait_for("the cause", || {
        (stream.ended("origin_closed") == 1.0).then_some(())
    });
}

#[test]
fn who_has_ended_its_direction_can_still_leave() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.finish();
    at_origin.expect_end();
    client.reset();
    cannot_be_written(&mut at_origin);

    let (mut client, mut at_origin) = stream.begin(&origin);
    at_origin.finish();
    client.expect_end();
    at_origin.reset();
    cannot_be_written(&mut client);
    stream.wait_until_gone("tunnel#");
}

/// Behind an end that was read, only a write tells of a reset.
fn cannot_be_written(wire: &mut Wire) {
    wait_for("a write to fail", || wire.try_send("x").err());
}

#[test]
fn a_stream_idles_for_so_long_and_no_longer() {
    let origin = Origin::bind();
    let stream = streaming(
        &format!("to = \"{}\"\ntimeouts.idle = \"300ms\"\n", origin.address()),
        "",
    );
    let (mut client, mut at_origin) = stream.begin(&origin);
    // Octets in one direction are enough.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(100));
        client.send("x");
        at_origin.expect("x");
    }
    assert_eq!(client.read_to_end().1, End::Reset);
    at_origin.expect_gone();
    assert_eq!(stream.ended("tunnel_timeout"), 1.0);
}

#[test]
fn a_stream_has_so_much_time_altogether() {
    let origin = Origin::bind();
    let stream = streaming(
        &format!(
            "to = \"{}\"\ntimeouts.total = \"500ms\"\n",
            origin.address()
        ),
        "",
    );
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.send("x");
    at_origin.expect("x");
    assert_eq!(client.read_to_end().1, End::Reset);
    at_origin.expect_gone();
    assert_eq!(stream.ended("deadline"), 1.0);
}

/// An upstream of these.
fn upstream(to: &[String], rest: &str) -> String {
    let to: Vec<_> = to.iter().map(|it| format!("\"{it}\"")).collect();
    format!("[upstream.app]\nto = [{}]\n{rest}", to.join(", "))
}

#[test]
fn an_endpoint_that_refuses_is_passed_over() {
    let origin = Origin::bind();
    let (nobody, _held) = Origin::nobody();
    let to = [nobody.name.to_string(), origin.address().to_string()];
    let stream = streaming("to = \"app\"\n", &upstream(&to, "balance = \"first\"\n"));
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.send("x");
    at_origin.expect("x");
    let page = Page::of(&stream.gateway);
    assert_eq!(page.get("osier_retries_total{upstream=\"app\"}"), 1.0);
    assert_eq!(page.get("osier_attempts_total{upstream=\"app\"}"), 2.0);
}

#[test]
fn an_endpoint_that_does_not_answer_is_passed_over() {
    let origin = Origin::bind();
    let (full, _held) = full_listener();
    let to = [full.name.to_string(), origin.address().to_string()];
    let stream = streaming(
        "to = \"app\"\ntimeouts.connect = \"300ms\"\n",
        &upstream(&to, "balance = \"first\"\n"),
    );
    let mut client = stream.connect();
    // The tree shows what is waited for.
    stream.node(&["connect"]);
    stream.node(&["attempt#", &full.name]);
    let mut at_origin = origin.accept();
    client.send("x");
    at_origin.expect("x");
}

#[test]
fn with_nobody_there_the_client_is_reset_and_it_is_said() {
    let (one, _held) = Origin::nobody();
    let (other, _too) = Origin::nobody();
    let to = [one.name.to_string(), other.name.to_string()];
    let stream = streaming("to = \"app\"\n", &upstream(&to, ""));
    let mut client = stream.connect();
    assert_eq!(client.read_to_end(), (Vec::new(), End::Reset));
    assert_eq!(stream.ended("connect_refused"), 1.0);
    let said = stream.gateway.osier.hear();
    assert!(
        said.contains("stream 127.0.0.2:0") && said.contains("connect_refused"),
        "{said}"
    );
    // A single endpoint is tried twice.
    let stream = streaming(&format!("to = \"{}\"\n", one.name), "");
    stream.connect().expect_gone();
    assert_eq!(Page::of(&stream.gateway).sum("osier_attempts_total"), 2.0);
}

#[test]
fn an_endpoint_that_fails_is_ejected_and_probes_count() {
    let origin = Origin::bind();
    let (nobody, _held) = Origin::nobody();
    let to = [nobody.name.to_string(), origin.address().to_string()];
    let rest = "balance = \"first\"\neject = { failures = 1, for = \"60s\" }\n";
    let stream = streaming("to = \"app\"\n", &upstream(&to, rest));
    for _ in 0..3 {
        stream.begin(&origin);
    }
    let page = Page::of(&stream.gateway);
    assert_eq!(page.get("osier_attempts_total{upstream=\"app\"}"), 4.0);
}

#[test]
fn where_there_may_be_no_more_connections_a_stream_waits_in_the_queue() {
    let origin = Origin::bind();
    let rest = "max_connections = 1\nqueue = { max = 1, timeout = \"20s\" }\n";
    let stream = streaming(
        "to = \"app\"\n",
        &upstream(&[origin.address().to_string()], rest),
    );
    let (mut client, at_origin) = stream.begin(&origin);
    let mut second = stream.connect();
    second.send("second");
    stream.node(&["connection permit"]);
    // There is room for one in the queue.
    let mut third = stream.connect();
    third.expect_gone();
    assert_eq!(stream.ended("queue_full"), 1.0);
    assert!(!origin.has_waiting());
    client.finish();
    drop(at_origin);
    client.expect_end();
    origin.accept().expect("second");
}

#[test]
fn a_client_that_resets_while_there_is_no_connection_frees_its_place() {
    let origin = Origin::bind();
    let rest = "max_connections = 1\nqueue = { max = 1, timeout = \"20s\" }\n";
    let stream = streaming(
        "to = \"app\"\n",
        &upstream(&[origin.address().to_string()], rest),
    );
    let _first = stream.begin(&origin);
    let waiting = stream.connect();
    stream.node(&["connection permit"]);
    waiting.reset();
    stream.wait_until_gone("connection permit");
    assert_eq!(stream.ended("client_gone"), 1.0);
}

#[test]
fn clients_of_one_address_go_to_one_endpoint_by_hash() {
    let origins = [Origin::bind(), Origin::bind(), Origin::bind()];
    let to: Vec<_> = origins.iter().map(|it| it.address().to_string()).collect();
    let stream = streaming("to = \"app\"\n", &upstream(&to, "balance = \"hash:ip\"\n"));
    let mut all = Vec::new();
    for number in 1..=12_u8 {
        let of = |_| {
            let mut client = Wire::connect_from([127, 0, 0, number], stream.at);
            let which = wait_for("a connection", || {
                origins.iter().position(Origin::has_waiting)
            });
            drop(origins[which].accept());
            client.expect_end();
            which
        };
        let each: Vec<usize> = (0..3).map(of).collect();
        assert!(each.iter().all(|it| *it == each[0]), "{each:?}");
        all.push(each[0]);
    }
    assert!(all.iter().any(|it| *it != all[0]), "{all:?}");
}

#[test]
fn an_address_has_so_many_connections_and_networks_are_let_in_or_not() {
    let origin = Origin::bind();
    let stream = streaming(
        &format!(
            "to = \"{}\"\nlimits.per_ip = 1\nallow = [\"127.0.0.0/29\"]\ndeny = [\"127.0.0.3\"]\n",
            origin.address()
        ),
        "",
    );
    let _first = stream.begin(&origin);
    stream.connect().expect_gone();
    let mut other = Wire::connect_from([127, 0, 0, 4], stream.at);
    let mut at_origin = origin.accept();
    other.send("x");
    at_origin.expect("x");
    for address in [[127, 0, 0, 3], [127, 0, 0, 9]] {
        Wire::connect_from(address, stream.at).expect_gone();
    }
    assert!(!origin.has_waiting());
    assert_eq!(stream.ended("denied"), 2.0);
    let page = Page::of(&stream.gateway);
    assert_eq!(page.get("osier_sheds_total{reason=\"per_ip\"}"), 1.0);
}

#[test]
fn a_cancel_ends_both_sides() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    let line = stream.node(&["tunnel#"]);
    let id = line
        .split("tunnel#")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    stream.gateway.tell(&format!("/cancel/{id}"));
    assert_eq!(client.read_to_end().1, End::Reset);
    at_origin.expect_gone();
    assert_eq!(stream.ended("admin"), 1.0);
    stream.wait_until_gone("tunnel#");
}

#[test]
fn a_drain_waits_for_streams_until_the_grace_is_over() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    let (mut patient, mut at_patient) = stream.begin(&origin);
    stream.node(&["tunnel octets"]);
    stream.gateway.osier.signal(Signal::TERM);
    wait_for("the listener to close", || {
        std::net::TcpStream::connect(stream.at)
            .is_err()
            .then_some(())
    });
    client.send("still");
    at_origin.expect("still");
    client.finish();
    at_origin.expect_end();
    at_origin.finish();
    client.expect_end();
    // The other one does not end by itself.
    at_patient.send("x");
    patient.expect("x");
    assert_eq!(patient.read_to_end().1, End::Reset);
    at_patient.expect_gone();
    let mut stream = stream;
    stream.gateway.osier.wait();
}

#[test]
fn a_reload_keeps_streams_and_sends_new_ones_elsewhere() {
    let (one, two) = (Origin::bind(), Origin::bind());
    let stream = to(&one);
    let (mut client, mut at_one) = stream.begin(&one);
    stream
        .gateway
        .write(&file(&format!("to = \"{}\"\n", two.address()), ""));
    let said = stream.gateway.reload();
    assert!(
        said.text().contains("stream 127.0.0.2:0 changed"),
        "{}",
        said.text()
    );
    client.send("still here");
    at_one.expect("still here");
    let (mut next, mut at_two) = stream.begin(&two);
    next.send("elsewhere");
    at_two.expect("elsewhere");
    // Without the stream nobody listens, and what runs goes on.
    stream
        .gateway
        .write("[[route]]\nrespond = { status = 200 }\n");
    assert_eq!(stream.gateway.reload().status(), 200);
    wait_for("nobody to listen", || {
        std::net::TcpStream::connect(stream.at)
            .is_err()
            .then_some(())
    });
    client.send("even now");
    at_one.expect("even now");
}

#[test]
fn the_log_has_one_record_for_each_in_every_format() {
    for (format, words) in [
        (
            "logfmt",
            "client=127.0.0.1 tunnel= stream=127.0.0.2:0 received=4 sent=5 upstream= endpoint= attempts=1 connect_ms= total_ms=",
        ),
        (
            "json",
            "\"client\":\"127.0.0.1\" \"tunnel\": \"stream\":\"127.0.0.2:0\" \"received\":4 \"sent\":5 \"attempts\":1",
        ),
        ("combined", "127.0.0.1 \"-\" 000 5"),
    ] {
        let log = Scratch::new("access.log");
        let top = format!(
            "log = {{ access = \"{}\", format = \"{format}\" }}\n",
            log.path().display()
        );
        let origin = Origin::bind();
        let stream = streaming_with(&top, &format!("to = \"{}\"\n", origin.address()), "");
        let (mut client, mut at_origin) = stream.begin(&origin);
        client.send("four");
        at_origin.expect("four");
        at_origin.send("fives");
        client.expect("fives");
        client.finish();
        at_origin.expect_end();
        at_origin.finish();
        client.expect_end();
        let words: Vec<&str> = words.split(' ').collect();
        let line = wait_for_line(log.path(), &words);
        assert!(!line.contains("cause"), "{line}");
        assert!(!line.contains("method"), "{line}");
        assert_eq!(lines(log.path()), 1);
        let (client, _at_origin) = stream.begin(&origin);
        stream.node(&["tunnel octets"]);
        client.reset();
        if format != "combined" {
            wait_for_line(log.path(), &["client_gone"]);
        }
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn streams_are_counted_while_they_run() {
    let origin = Origin::bind();
    let stream = to(&origin);
    let (mut client, mut at_origin) = stream.begin(&origin);
    client.send("four");
    at_origin.expect("four");
    at_origin.send("fives");
    client.expect("fives");
    let page = Page::of(&stream.gateway);
    let of = |name: &str| page.get(&format!("{name}{{stream=\"127.0.0.2:0\"}}"));
    assert_eq!(of("osier_streams_total"), 1.0);
    assert_eq!(of("osier_streams_open"), 1.0);
    assert_eq!(of("osier_stream_received_bytes_total"), 4.0);
    assert_eq!(of("osier_stream_sent_bytes_total"), 5.0);
    let status = stream.gateway.status();
    let expected = "\"streams\":[{\"name\":\"127.0.0.2:0\",\"connections\":1,\"open\":1,\"received\":4,\"sent\":5}]";
    assert!(status.contains(expected), "{status}");
    drop((client, at_origin));
    wait_for("its end", || {
        (Page::of(&stream.gateway).sum("osier_streams_open") == 0.0).then_some(())
    });
}

#[test]
fn streams_alone_need_neither_a_listener_nor_a_route() {
    let origin = Origin::bind();
    let file = Scratch::new("streams.toml");
    let text = format!(
        "admin = {{ listen = \"127.0.0.1:0\" }}\n[[stream]]\naddr = \"127.0.0.1:0\"\nto = \"{}\"\n",
        origin.address()
    );
    fs::write(file.path(), text).unwrap();
    let mut command =
        crate::support::Osier::command(&["check", "-c", file.path().to_str().unwrap()]);
    let said = command.output().unwrap();
    assert_eq!(said.status.code(), Some(0));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("ok, 0 addresses, 1 upstream, 0 routes, 1 stream"),
        "{said}"
    );
}

// The PROXY protocol.

const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

#[test]
fn a_header_in_front_says_who_the_client_is_and_is_taken_away() {
    let origin = Origin::bind();
    let log = Scratch::new("access.log");
    let top = format!(
        "trusted_proxies = [\"127.0.0.1\"]\nlog = {{ access = \"{}\" }}\n",
        log.path().display()
    );
    let rest = upstream(&[origin.address().to_string()], "send_proxy = \"v1\"\n");
    let stream = streaming_with(&top, "to = \"app\"\nproxy_protocol = true\n", &rest);
    let mut client = stream.connect();
    client.send_slowly(V1);
    let mut at_origin = origin.accept();
    // As it was heard: source and destination.
    at_origin.expect(V1);
    client.send("x");
    at_origin.expect("x");
    stream.node(&["session#", "192.0.2.7:4711"]);
    client.finish();
    at_origin.expect_end();
    drop(at_origin);
    wait_for_line(log.path(), &["client=192.0.2.7"]);

    let mut without = stream.connect();
    without.send("something else\r\n");
    without.expect_gone();
    let mut elsewhere = Wire::connect_from([127, 0, 0, 9], stream.at);
    elsewhere.expect_gone();
    assert!(!origin.has_waiting());
}

#[test]
fn an_origin_is_told_where_the_client_comes_from() {
    let origin = Origin::bind();
    let rest = upstream(&[origin.address().to_string()], "send_proxy = \"v1\"\n");
    let stream = streaming("to = \"app\"\n", &rest);
    let (mut client, mut at_origin) = stream.begin(&origin);
    let from = client.local_addr();
    let at = stream.at;
    at_origin.expect(format!(
        "PROXY TCP4 {} {} {} {}\r\n",
        from.ip(),
        at.ip(),
        from.port(),
        at.port()
    ));
    client.send("x");
    at_origin.expect("x");
}

// By name.

/// A ClientHello with this name.
fn hello(name: Option<&str>) -> Vec<u8> {
    let long = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes(), octets].concat();
    let mut extensions = [&[0, 0x2b][..], &long(&[2, 3, 4])].concat();
    if let Some(name) = name {
        let name = [&[0][..], &long(name.as_bytes())].concat();
        extensions.extend_from_slice(&[&[0, 0][..], &long(&long(&name))].concat());
    }
    let mut body = vec![3, 3];
    body.extend_from_slice(&[9; 32]);
    body.push(0);
    body.extend_from_slice(&long(&[0x13, 1]));
    body.extend_from_slice(&[1, 0]);
    body.extend_from_slice(&long(&extensions));
    let length = (body.len() as u32).to_be_bytes();
    let message = [&[1], &length[1..], &body].concat();
    [&[22, 3, 1][..], &long(&message)].concat()
}

#[test]
fn the_name_in_a_client_hello_says_where_it_goes() {
    let origins = [Origin::bind(), Origin::bind(), Origin::bind()];
    let [exact, below, rest] = origins.each_ref().map(|it| it.address().to_string());
    let stream = streaming(
        &format!(
            "sni = {{ \"a.example\" = \"{exact}\", \"*.example\" = \"{below}\", \"*\" = \"{rest}\" }}\n"
        ),
        "",
    );
    for (name, which) in [
        (Some("a.example"), 0),
        (Some("A.EXAMPLE"), 0),
        (Some("b.example"), 1),
        (Some("c.b.example"), 1),
        (Some("example"), 2),
        (None, 2),
    ] {
        let mut client = stream.connect();
        let hello = hello(name);
        client.send([&hello, &b"behind it"[..]].concat());
        let mut at_origin = origins[which].accept();
        at_origin.expect([&hello, &b"behind it"[..]].concat());
        at_origin.send("answer");
        client.expect("answer");
    }
    // The tree and the log have it.
    let mut client = stream.connect();
    client.send(hello(Some("a.example")));
    let _at_origin = origins[0].accept();
    stream.node(&["tunnel#", "a.example"]);
}

#[test]
fn a_client_hello_may_come_in_two_pieces_cut_anywhere() {
    let origin = Origin::bind();
    let stream = streaming(
        &format!("sni = {{ \"a.example\" = \"{}\" }}\n", origin.address()),
        "",
    );
    let whole = hello(Some("a.example"));
    for cut in 1..whole.len() {
        let mut client = stream.connect();
        client.send(&whole[..cut]);
        // It is waited for: nobody is connected to.
        stream.node(&["ClientHello"]);
        assert!(!origin.has_waiting());
        client.send(&whole[cut..]);
        origin.accept().expect(&whole);
    }
}

#[test]
fn what_has_no_place_is_closed_with_its_cause() {
    let origin = Origin::bind();
    let log = Scratch::new("access.log");
    let top = format!("log = {{ access = \"{}\" }}\n", log.path().display());
    let stream = streaming_with(
        &top,
        &format!(
            "sni = {{ \"a.example\" = \"{}\" }}\ntimeouts.header = \"300ms\"\n",
            origin.address()
        ),
        "",
    );
    let many = [&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc][..], &[0; 16 * 1024]].concat();
    for (sent, cause) in [
        (hello(Some("b.example")), "no_route"),
        (hello(None), "no_route"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "not_tls"),
        (
            b"\x16\x03\x01\0\x04\x02\0\0\0".to_vec(),
            "client_hello_malformed",
        ),
        (many, "client_hello_too_long"),
        (b"\x16\x03\x01".to_vec(), "header_timeout"),
    ] {
        let mut client = stream.connect();
        let _ = client.try_send(sent);
        client.expect_gone();
        wait_for_line(log.path(), &[&format!("cause={cause}")]);
    }
    assert!(!origin.has_waiting());
    assert_eq!(stream.ended("no_route"), 2.0);
    assert_eq!(stream.ended("client_protocol"), 3.0);
    wait_for_line(log.path(), &["sni=b.example"]);
}

#[test]
fn beside_names_to_is_for_what_is_no_tls_and_for_names_that_are_not_there() {
    let (named, other) = (Origin::bind(), Origin::bind());
    let stream = streaming(
        &format!(
            "to = \"{}\"\nsni = {{ \"a.example\" = \"{}\" }}\n",
            other.address(),
            named.address()
        ),
        "",
    );
    let mut client = stream.connect();
    client.send("SSH-2.0-x\r\n");
    other.accept().expect("SSH-2.0-x\r\n");
    for name in [Some("b.example"), None] {
        let mut client = stream.connect();
        client.send(hello(name));
        other.accept().expect(hello(name));
    }
    let mut client = stream.connect();
    client.send(hello(Some("a.example")));
    named.accept().expect(hello(Some("a.example")));
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = Scratch::new("taken.toml");
    let address = taken.local_addr().unwrap();
    fs::write(
        file.path(),
        format!("[[stream]]\naddr = \"{address}\"\nto = \"127.0.0.1:1\"\n"),
    )
    .unwrap();
    let mut command = crate::support::Osier::command(&["run", "-c", file.path().to_str().unwrap()]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(75));
}
