use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_lite::future::block_on;

use super::credentials;
use crate::auth::{Asked, QueueFull, Users, Verdict, Verifier};

fn users() -> Arc<Users> {
    let text = b"ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    Arc::new(Users::parse(text).unwrap())
}

/// Its verification takes as long as a test may need: nobody waits for it.
fn slow() -> Arc<Users> {
    let text = b"ann:$2y$14$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    Arc::new(Users::parse(text).unwrap())
}

fn client(last: u8) -> Option<IpAddr> {
    Some(Ipv4Addr::new(192, 0, 2, last).into())
}

/// What is said, and whether it was known.
fn ask(
    verifier: &Verifier,
    users: &Arc<Users>,
    (user, password): (&str, &str),
    client: Option<IpAddr>,
) -> (Verdict, bool) {
    match verifier.ask(users, credentials(user, password), client) {
        Ok(Asked::Known(verdict)) => (verdict, true),
        Ok(Asked::Waiting(waiting)) => (block_on(waiting.verdict()).unwrap(), false),
        Err(QueueFull) => panic!("the queue is full"),
    }
}

#[test]
fn what_was_verified_once_is_known() {
    let (verifier, users) = (Verifier::new(), users());
    let right = ("ann", "secret");
    assert_eq!(
        ask(&verifier, &users, right, client(1)),
        (Verdict::Right, false)
    );
    assert_eq!(
        ask(&verifier, &users, right, client(2)),
        (Verdict::Right, true)
    );
    let wrong = ("ann", "Secret");
    assert_eq!(
        ask(&verifier, &users, wrong, client(1)),
        (Verdict::Wrong, false)
    );
    assert_eq!(
        ask(&verifier, &users, wrong, client(2)),
        (Verdict::Wrong, true)
    );
    let nobody = ("bob", "secret");
    assert_eq!(
        ask(&verifier, &users, nobody, client(1)),
        (Verdict::Wrong, false)
    );
}

#[test]
fn a_file_read_again_is_verified_again() {
    let verifier = Verifier::new();
    let right = ("ann", "secret");
    assert!(!ask(&verifier, &users(), right, None).1);
    assert!(!ask(&verifier, &users(), right, None).1);
}

#[test]
fn who_fails_again_and_again_is_limited_and_others_are_not() {
    let (verifier, users) = (Verifier::new(), users());
    let guess = |number: usize, from| ask(&verifier, &users, ("ann", &number.to_string()), from).0;
    for number in 0..100 {
        assert_eq!(
            ask(&verifier, &users, ("ann", "secret"), client(1)).0,
            Verdict::Right,
            "{number}"
        );
    }
    for number in 0..10 {
        assert_eq!(guess(number, client(1)), Verdict::Wrong);
    }
    let Verdict::Limited { retry_after } = guess(10, client(1)) else {
        panic!("it is not limited");
    };
    assert!(retry_after.as_secs() <= 6, "{retry_after:?}");
    let right = ask(&verifier, &users, ("ann", "secret"), client(1)).0;
    assert!(
        matches!(right, Verdict::Limited { .. }),
        "a right one is not told"
    );
    assert_eq!(guess(10, client(2)), Verdict::Wrong);
    assert_eq!(guess(10, None), Verdict::Wrong);
}

#[test]
fn failures_that_are_known_count_too() {
    let (verifier, users) = (Verifier::new(), users());
    let again = || ask(&verifier, &users, ("ann", "wrong"), client(1)).0;
    assert!((0..10).all(|_| again() == Verdict::Wrong));
    assert!(matches!(again(), Verdict::Limited { .. }));
}

#[test]
fn no_more_wait_than_there_are_places() {
    let (verifier, users) = (Verifier::new(), slow());
    let mut waiting = Vec::new();
    let full = (0..100).any(|number: u32| {
        let who = credentials("ann", &number.to_string());
        let asked = verifier.ask(&users, who, None);
        let is_full = asked.is_err();
        waiting.push(asked);
        is_full
    });
    // One is being verified, perhaps.
    assert!(
        full && (65..=66).contains(&waiting.len()),
        "{}",
        waiting.len()
    );
}

#[test]
fn places_that_are_given_up_cost_nothing() {
    let (verifier, users) = (Verifier::new(), slow());
    for number in 0..64_u32 {
        let who = credentials("ann", &number.to_string());
        drop(verifier.ask(&users, who, None));
    }
    // Sixty at this cost would take minutes.
    let quick = self::users();
    assert_eq!(
        ask(&verifier, &quick, ("ann", "secret"), None).0,
        Verdict::Right
    );
}
