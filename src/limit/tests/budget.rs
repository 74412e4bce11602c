use std::time::Duration;

use crate::clock;
use crate::limit::RetryBudget;

#[test]
fn ten_tries_a_second_are_free_and_the_rest_is_a_share_of_the_requests() {
    let (budget, now) = (RetryBudget::new(200), clock::now());
    assert_eq!((0..50).filter(|_| budget.spend(now)).count(), 10);
    for _ in 0..100 {
        budget.earn();
    }
    assert_eq!((0..50).filter(|_| budget.spend(now)).count(), 20);
    let later = now + Duration::from_millis(500);
    assert_eq!((0..50).filter(|_| budget.spend(later)).count(), 5);
    let much_later = now + Duration::from_secs(1000);
    assert_eq!((0..50).filter(|_| budget.spend(much_later)).count(), 10);
}

#[test]
fn what_is_saved_has_an_end() {
    let (budget, now) = (RetryBudget::new(1000), clock::now());
    for _ in 0..10_000 {
        budget.earn();
    }
    assert_eq!((0..1000).filter(|_| budget.spend(now)).count(), 110);
}
