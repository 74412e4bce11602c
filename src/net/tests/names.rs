use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use crate::net::address::{Address, AddressError};
use crate::net::names::{Addresses, Names, Resolver};

/// What the one name of these tests resolves to, lookup by lookup; the last one is repeated.
static ANSWERS: Mutex<Vec<Option<u16>>> = Mutex::new(Vec::new());

fn lookup(name: &str) -> Result<Vec<Address>, AddressError> {
    let mut answers = ANSWERS.lock().unwrap();
    let answer = match answers.as_slice() {
        [last] => *last,
        _ => answers.remove(0),
    };
    let unresolved = || AddressError::Unresolved(name.to_owned(), "not now".to_owned());
    let port = answer.ok_or_else(unresolved)?;
    Ok(vec![Address::Inet(SocketAddr::from((
        [127, 0, 0, 1],
        port,
    )))])
}

#[test]
fn the_last_good_answer_is_kept_and_what_changes_is_said() {
    *ANSWERS.lock().unwrap() = vec![None, Some(1), Some(1), None, Some(2)];
    let (said, heard) = mpsc::channel();
    let say = move |text: &str| drop(said.send(text.to_owned()));
    let resolver = Resolver {
        host: lookup,
        ..Resolver::default()
    };
    let names = Names::start_with(resolver, say).unwrap();
    let addresses = Addresses::of("a.example:80");
    assert!(addresses.get().is_empty());
    names.watch(&addresses, Duration::from_millis(1));
    futures_lite::future::block_on(addresses.known());
    let hear = || heard.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(hear().ends_with("does not resolve: not now"));
    assert_eq!(hear(), "a.example:80 is at 127.0.0.1:1 now");
    assert!(hear().ends_with("not now; the last answer is kept"));
    assert_eq!(hear(), "a.example:80 is at 127.0.0.1:2 now");
    assert_eq!(addresses.generation(), 2);
    assert_eq!(addresses.get().len(), 1);
}

#[test]
fn an_address_is_not_looked_up() {
    for fixed in ["127.0.0.1:80", "[::1]:80", "unix:/run/x.sock"] {
        let addresses = Addresses::of(fixed);
        assert_eq!(
            (addresses.name(), addresses.get().len()),
            (None, 1),
            "{fixed}"
        );
        futures_lite::future::block_on(addresses.known());
    }
    assert_eq!(Addresses::of("localhost:80").name(), Some("localhost:80"));
    assert_eq!(Addresses::of("a.example:80").name(), Some("a.example:80"));
}
