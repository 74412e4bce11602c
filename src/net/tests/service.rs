use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use crate::clock;
use crate::net::address::{Address, AddressError};
use crate::net::names::{Names, Resolver};
use crate::net::service::{Record, Records, Service};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn records(all: &[(&str, u16, u32)]) -> Records {
    let record = |(target, priority, weight): &(&str, u16, u32)| Record {
        target: (*target).to_owned(),
        priority: *priority,
        weight: *weight,
    };
    Records {
        all: all.iter().map(record).collect(),
        ttl: Duration::ZERO,
    }
}

/// `lost…` has no address, every other one has.
fn host(authority: &str) -> Result<Vec<Address>, AddressError> {
    if authority.starts_with("lost") {
        let why = "not now".to_owned();
        return Err(AddressError::Unresolved(authority.to_owned(), why));
    }
    Ok(vec![Address::Inet(SocketAddr::from(([127, 0, 0, 1], 1)))])
}

fn shown(service: &Service) -> Vec<String> {
    let all = service.get();
    all.iter()
        .map(|it| format!("{} {} {}", it.authority, it.tier, it.weight))
        .collect()
}

#[test]
fn priorities_are_tiers_and_no_weight_is_nothing() {
    let service = Service::of("app");
    let (is_news, lost) = service.follow(
        &records(&[
            ("a:80", 10, 3),
            ("b:80", 10, 0),
            ("c:80", 30, 0),
            ("d:80", 30, 0),
            ("e:80", 700, 9),
        ]),
        host,
    );
    assert!(is_news && lost.is_empty());
    assert_eq!(
        shown(&service),
        ["a:80 0 96", "b:80 0 1", "c:80 1 1", "d:80 1 1", "e:80 2 9"]
    );
}

#[test]
fn what_stays_keeps_its_addresses_and_what_has_none_is_left_out() {
    let service = Service::of("app");
    let (_, lost) = service.follow(
        &records(&[("a:80", 0, 1), ("a:81", 0, 1), ("lost:80", 0, 1)]),
        host,
    );
    assert_eq!(shown(&service), ["a:80 0 1", "a:81 0 1"]);
    assert_eq!(lost, ["`lost:80` does not resolve: not now"]);
    let before = service.get();
    assert_eq!(before[1].addresses.get()[0].to_string(), "127.0.0.1:81");
    // Its address cannot be found any more: the last one holds.
    let nowhere = |authority: &str| host(&format!("lost{authority}"));
    let (is_news, lost) = service.follow(&records(&[("a:80", 0, 1), ("a:81", 0, 1)]), nowhere);
    assert!(!is_news);
    assert_eq!(lost.len(), 2);
    assert_eq!(service.get()[0].addresses.get().len(), 1);
    // Its address is another one: the endpoint is the same.
    let moved = |_: &str| Ok(vec![Address::Inet(SocketAddr::from(([127, 0, 0, 2], 1)))]);
    let (is_news, _) = service.follow(&records(&[("a:80", 0, 1), ("a:81", 0, 1)]), moved);
    assert!(!is_news);
    assert_eq!(before[0].addresses.generation(), 1);
    assert_eq!(before[0].addresses.get()[0].to_string(), "127.0.0.2:80");
}

/// What the one service of the next test is, lookup by lookup; the last one is repeated.
static ANSWERS: Mutex<Vec<Result<&str, &str>>> = Mutex::new(Vec::new());

fn service(name: &str) -> Result<Records, AddressError> {
    let mut answers = ANSWERS.lock().unwrap();
    let answer = match answers.as_slice() {
        [last] => *last,
        _ => answers.remove(0),
    };
    match answer {
        Ok(targets) => {
            let targets: Vec<_> = targets.split_whitespace().map(|it| (it, 0, 1)).collect();
            Ok(records(&targets))
        }
        Err(why) => Err(AddressError::Unresolved(name.to_owned(), why.to_owned())),
    }
}

#[test]
fn records_come_and_go_and_the_last_good_answer_is_kept() {
    *ANSWERS.lock().unwrap() = vec![
        Err("not now"),
        Ok("a:80"),
        Ok("a:80"),
        Ok("a:80 b:80"),
        Err("gone"),
        Ok("b:80"),
        Ok(""),
    ];
    let (said, heard) = mpsc::channel();
    let (changed, changes) = mpsc::channel();
    let say = move |text: &str| drop(said.send(text.to_owned()));
    let names = Names::start_with(Resolver { host, service }, say).unwrap();
    let app = Service::of("app");
    assert!(app.get().is_empty() && !app.is_known());
    names.watch_service(&app, Duration::from_millis(1), move || {
        changed.send(()).unwrap();
    });
    app.wait(clock::now() + HOUR);
    assert!(app.is_known());
    let hear = || heard.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(hear(), "`app` does not resolve: not now");
    assert_eq!(hear(), "app is at a:80 now");
    assert_eq!(hear(), "app is at a:80, b:80 now");
    assert_eq!(
        hear(),
        "`app` does not resolve: gone; the last answer is kept"
    );
    assert_eq!(hear(), "app is at b:80 now");
    assert_eq!(hear(), "app is nowhere now");
    assert!(app.get().is_empty());
    assert_eq!(changes.try_iter().count(), 4);
}
