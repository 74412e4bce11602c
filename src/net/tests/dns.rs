use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use simple_dns::rdata::{CNAME, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

use crate::net::dns::look_up;
use crate::net::dns::message::{RECORDS_MAX, Reply, question, reply};
use crate::net::dns::resolv::Resolv;

const NAME: &str = "_http._tcp.app.internal";

/// An answer to `asked` with these records, each as `(owner, target, port, priority, weight)`.
fn answer(asked: &[u8], records: &[(&str, &str, u16, u16, u16)]) -> Vec<u8> {
    answer_with(asked, records, |_| ())
}

fn answer_with(
    asked: &[u8],
    records: &[(&str, &str, u16, u16, u16)],
    change: impl FnOnce(&mut Packet<'_>),
) -> Vec<u8> {
    let mut packet = Packet::parse(asked).unwrap().into_reply();
    for (owner, target, port, priority, weight) in records {
        let srv = SRV {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: Name::new_unchecked(target),
        };
        let owner = Name::new_unchecked(owner);
        let record = ResourceRecord::new(owner, CLASS::IN, 30, RData::SRV(srv));
        packet.answers.push(record);
    }
    change(&mut packet);
    packet.build_bytes_vec_compressed().unwrap()
}

fn asked() -> Vec<u8> {
    question(7, NAME).unwrap()
}

fn listed(reply: Option<Reply>) -> Vec<String> {
    match reply {
        Some(Reply::Records(records)) => records
            .all
            .iter()
            .map(|it| format!("{} {} {}", it.target, it.priority, it.weight))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_are_read_in_the_order_of_their_priorities_and_weights() {
    let octets = answer(
        &asked(),
        &[
            (NAME, "c.internal", 80, 20, 1),
            (NAME, "B.internal", 80, 10, 1),
            (NAME, "a.internal", 81, 10, 9),
            ("_HTTP._tcp.APP.internal", "a.internal", 82, 10, 0),
            ("else.internal", "d.internal", 80, 0, 0),
        ],
    );
    assert_eq!(
        listed(reply(7, NAME, &octets)),
        [
            "a.internal:81 10 9",
            "b.internal:80 10 1",
            "a.internal:82 10 0",
            "c.internal:80 20 1",
        ]
    );
}

#[test]
fn equal_targets_are_one_and_of_many_the_same_few_are_taken() {
    let octets = answer(
        &asked(),
        &[
            (NAME, "a.internal", 80, 20, 5),
            (NAME, "a.internal", 80, 10, 2),
            (NAME, "A.internal", 80, 10, 3),
        ],
    );
    assert_eq!(listed(reply(7, NAME, &octets)), ["a.internal:80 10 5"]);
    let targets: Vec<String> = (0..200).map(|at| format!("t{at:03}.internal")).collect();
    let mut records: Vec<_> = targets
        .iter()
        .map(|it| (NAME, it.as_str(), 80, 1, 1))
        .collect();
    let one = listed(reply(7, NAME, &answer(&asked(), &records)));
    records.reverse();
    assert_eq!(one.len(), RECORDS_MAX);
    assert_eq!(one, listed(reply(7, NAME, &answer(&asked(), &records))));
}

#[test]
fn a_target_that_no_host_is_called_is_passed_over() {
    let octets = answer(
        &asked(),
        &[
            (NAME, ".", 80, 0, 0),
            (NAME, "a b.internal", 80, 0, 0),
            (NAME, "x\r\nSet-Cookie.internal", 80, 0, 0),
            (NAME, "a:99", 80, 0, 0),
            (NAME, "port.internal", 0, 0, 0),
            (NAME, "good_one-1.internal", 80, 0, 0),
        ],
    );
    assert_eq!(
        listed(reply(7, NAME, &octets)),
        ["good_one-1.internal:80 0 0"]
    );
    // Decidedly none.
    let none = answer(&asked(), &[(NAME, ".", 0, 0, 0)]);
    assert_eq!(listed(reply(7, NAME, &none)), Vec::<String>::new());
}

#[test]
fn an_alias_is_followed_and_a_ring_of_them_is_not_followed_for_ever() {
    let alias = |owner: &'static str, to: &'static str| {
        let (owner, to) = (Name::new_unchecked(owner), Name::new_unchecked(to));
        ResourceRecord::new(owner, CLASS::IN, 5, RData::CNAME(CNAME(to)))
    };
    let real = "real.internal";
    let octets = answer_with(&asked(), &[(real, "a.internal", 80, 0, 0)], |packet| {
        packet.answers.push(alias(NAME, real));
    });
    let Some(Reply::Records(records)) = reply(7, NAME, &octets) else {
        panic!("no records");
    };
    assert_eq!(records.all.len(), 1);
    assert_eq!(records.ttl, Duration::from_secs(5), "the shortest of all");
    let ring = answer_with(&asked(), &[(real, "a.internal", 80, 0, 0)], |packet| {
        packet.answers.push(alias(NAME, "x.internal"));
        packet.answers.push(alias("x.internal", NAME));
    });
    assert!(matches!(reply(7, NAME, &ring), Some(Reply::Nothing(_))));
}

#[test]
fn what_is_no_answer_to_the_question_is_none() {
    let good = answer(&asked(), &[(NAME, "a.internal", 80, 0, 0)]);
    assert!(reply(7, NAME, &good).is_some());
    assert_eq!(reply(8, NAME, &good), None, "another id");
    assert_eq!(
        reply(7, "_http._tcp.other.internal", &good),
        None,
        "another name"
    );
    assert_eq!(reply(7, NAME, &asked()), None, "a question");
    let two = answer_with(&asked(), &[], |packet| {
        packet.questions.push(packet.questions[0].clone());
    });
    assert_eq!(reply(7, NAME, &two), None, "two questions");
    let said = |code| {
        let octets = answer_with(&asked(), &[], |packet| *packet.rcode_mut() = code);
        reply(7, NAME, &octets)
    };
    assert!(matches!(said(RCODE::NameError), Some(Reply::Nothing(_))));
    assert!(matches!(said(RCODE::NoError), Some(Reply::Nothing(_))));
    for code in [RCODE::ServerFailure, RCODE::Refused, RCODE::NotImplemented] {
        assert!(matches!(said(code), Some(Reply::Refused(_))), "{code:?}");
    }
    let long = answer_with(&asked(), &[(NAME, "a.internal", 80, 0, 0)], |packet| {
        packet.set_flags(PacketFlag::TRUNCATION);
    });
    for cut in [long.len(), long.len() - 3] {
        assert_eq!(reply(7, NAME, &long[..cut]), Some(Reply::Truncated));
    }
}

proptest! {
    #[test]
    fn no_octets_are_too_odd(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = reply(7, NAME, &octets);
    }

    #[test]
    fn nor_is_an_answer_with_some_of_them_changed(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut octets = answer(
            &asked(),
            &[(NAME, "a.internal", 80, 0, 0), (NAME, "b.internal", 80, 0, 0)],
        );
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let _ = reply(7, NAME, &octets);
        octets.truncate(cut.index(octets.len()));
        if let Some(Reply::Records(records)) = reply(7, NAME, &octets) {
            prop_assert!(records.all.len() <= 2);
        }
    }
}

#[test]
fn what_resolv_conf_says_is_read() {
    let text = "# a comment\nnameserver 10.0.0.1 ; another\nnameserver ::1\nnameserver fe80::1%7\n\
                nameserver 10.0.0.4\nnameserver nonsense\ndomain gone.internal\nsearch a.internal b.internal.\n\
                options ndots:2 timeout:1 attempts:3 rotate edns0 ndots:x\n";
    let resolv = Resolv::parse(text.as_bytes());
    let servers: Vec<_> = resolv.servers.iter().map(SocketAddr::to_string).collect();
    assert_eq!(servers, ["10.0.0.1:53", "[::1]:53", "[fe80::1%7]:53"]);
    assert_eq!(
        (resolv.timeout, resolv.attempts),
        (Duration::from_secs(1), 3)
    );
    assert_eq!(
        resolv.names("x.y"),
        ["x.y.a.internal", "x.y.b.internal", "x.y"]
    );
    assert_eq!(resolv.names("_a._b.c")[0], "_a._b.c");
    assert_eq!(resolv.names("x."), ["x"]);
    let nothing = Resolv::parse(b"\xff\xfe\nsearch");
    assert_eq!(nothing.servers, ["127.0.0.1:53".parse().unwrap()]);
    assert_eq!(nothing.names("x"), ["x"]);
    let wild = Resolv::parse(b"options timeout:0 attempts:4000000000 ndots:99");
    assert_eq!(
        (wild.timeout, wild.attempts, wild.ndots),
        (Duration::from_secs(1), 5, 15)
    );
}

fn resolv(servers: Vec<SocketAddr>) -> Resolv {
    Resolv {
        servers,
        search: vec!["internal".to_owned()],
        ndots: 3,
        timeout: Duration::from_secs(20),
        attempts: 1,
    }
}

/// A name server that does so with each question over UDP.
fn server(each: impl Fn(&UdpSocket, SocketAddr, &[u8]) + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            each(&socket, from, &octets[..count]);
        }
    });
    address
}

#[test]
fn the_next_server_is_asked_where_one_fails_and_the_next_domain_where_there_is_nothing() {
    let failing = server(|socket, from, asked| {
        let octets = answer_with(asked, &[], |it| *it.rcode_mut() = RCODE::ServerFailure);
        socket.send_to(&octets, from).unwrap();
    });
    let knowing = server(|socket, from, asked| {
        let packet = Packet::parse(asked).unwrap();
        let name = packet.questions[0].qname.to_string();
        let octets = match name.as_str() {
            "app.internal" => answer(asked, &[("app.internal", "a.internal", 80, 0, 0)]),
            _ => answer_with(asked, &[], |it| *it.rcode_mut() = RCODE::NameError),
        };
        // Somebody else's words come first: another id, another question, no message at all.
        let mut other = octets.clone();
        other[0] ^= 1;
        socket.send_to(&other, from).unwrap();
        socket.send_to(b"nonsense", from).unwrap();
        let stranger = question(u16::from_be_bytes([asked[0], asked[1]]), "b.internal").unwrap();
        let forged = answer(&stranger, &[("b.internal", "evil.internal", 80, 0, 0)]);
        socket.send_to(&forged, from).unwrap();
        socket.send_to(&octets, from).unwrap();
    });
    let found = look_up(&resolv(vec![failing, knowing]), "app").unwrap();
    assert_eq!(found.all[0].target, "a.internal:80");
    let error = look_up(&resolv(vec![knowing]), "other")
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("there is no such name"), "{error}");
    let error = look_up(&resolv(vec![failing]), "app")
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("the server fails"), "{error}");
    let silent = server(|_, _, _| ());
    let impatient = Resolv {
        timeout: Duration::from_millis(20),
        ..resolv(vec![silent])
    };
    let error = look_up(&impatient, "app").unwrap_err().to_string();
    assert!(error.ends_with("no answer"), "{error}");
    // Who is not there is passed over too.
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(look_up(&resolv(vec![nobody, knowing]), "app").is_ok());
}

#[test]
fn an_answer_that_is_cut_short_is_fetched_over_tcp() {
    // The same number twice; it may be taken by somebody else.
    let (listener, socket) = std::iter::repeat_with(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok();
        socket.map(|socket| (listener, socket))
    })
    .take(100)
    .flatten()
    .next()
    .unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut octets = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut octets) {
            let cut = answer_with(&octets[..count], &[], |it| {
                it.set_flags(PacketFlag::TRUNCATION)
            });
            socket.send_to(&cut, from).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut asked).unwrap();
            let targets: Vec<String> = (0..40).map(|at| format!("t{at}.internal")).collect();
            let owner = "app.internal";
            let records: Vec<_> = targets
                .iter()
                .map(|it| (owner, it.as_str(), 80, 1, 1))
                .collect();
            let octets = answer(&asked, &records);
            let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
            // In pieces.
            for piece in [&length[..1], &length[1..], &octets[..9], &octets[9..]] {
                stream.write_all(piece).unwrap();
            }
        }
    });
    let found = look_up(&resolv(vec![address]), "app.internal.").unwrap();
    assert_eq!(found.all.len(), 40);
}
