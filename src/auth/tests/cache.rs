use std::time::Duration;

use super::credentials;
use crate::auth::Users;
use crate::auth::cache::{Cache, Fingerprint, RIGHT_FOR, Secret, WRONG_FOR};
use crate::clock;

fn users() -> Users {
    Users::parse(b"ann:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW").unwrap()
}

fn some(count: usize) -> Vec<Fingerprint> {
    let (secret, users) = (Secret::default(), users());
    let of = |it: usize| secret.fingerprint(&users, &credentials("ann", &it.to_string()));
    (0..count).map(of).collect()
}

#[test]
fn what_is_right_is_known_longer_than_what_is_wrong() {
    let (mut cache, now) = (Cache::new(9), clock::now());
    let [right, wrong, other] = some(3).try_into().unwrap();
    cache.put(right, true, now);
    cache.put(wrong, false, now);
    let just = Duration::from_nanos(1);
    assert_eq!(cache.find(right, now), Some(true));
    assert_eq!(cache.find(wrong, now + WRONG_FOR - just), Some(false));
    assert_eq!(cache.find(wrong, now + WRONG_FOR), None);
    assert_eq!(cache.find(right, now + RIGHT_FOR - just), Some(true));
    assert_eq!(cache.find(right, now + RIGHT_FOR), None);
    assert_eq!(cache.find(other, now), None);
}

#[test]
fn guessing_makes_nobody_forgotten_and_has_its_bound() {
    let (mut cache, now) = (Cache::new(4), clock::now());
    let all = some(50);
    cache.put(all[0], true, now);
    for (index, guess) in all[1..].iter().enumerate() {
        cache.put(*guess, false, now + Duration::from_millis(index as u64));
    }
    assert_eq!(cache.len(), 5);
    let now = now + Duration::from_secs(1);
    assert_eq!(cache.find(all[0], now), Some(true));
    assert_eq!(cache.find(all[49], now), Some(false));
    assert_eq!(cache.find(all[45], now), None, "the oldest made room");
}

#[test]
fn each_file_has_fingerprints_of_its_own() {
    let secret = Secret::default();
    let (one, other) = (users(), users());
    let of = |users, name, password| secret.fingerprint(users, &credentials(name, password));
    assert_eq!(of(&one, "ann", "x"), of(&one, "ann", "x"));
    assert_ne!(of(&one, "ann", "x"), of(&other, "ann", "x"));
    assert_ne!(of(&one, "ann", "x"), of(&one, "an", "nx"));
    let another = Secret::default();
    assert_ne!(
        of(&one, "ann", "x"),
        another.fingerprint(&one, &credentials("ann", "x"))
    );
}
