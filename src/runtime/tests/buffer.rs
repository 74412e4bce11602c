use std::sync::Arc;

use crate::runtime::buffer::{Budget, Buffers, LARGE, SMALL};

#[test]
fn what_is_consumed_makes_room_and_what_is_left_stays() {
    let buffers = Buffers::new(Arc::new(Budget::new(1 << 20)));
    let mut buffer = buffers.small();
    buffer.space().extend_from_slice(&[1; SMALL]);
    buffer.consume(SMALL - 2);
    assert!(
        buffer.space().capacity() > buffer.space().len(),
        "room was made"
    );
    assert_eq!((buffer.filled(), buffer.capacity()), (&[1, 1][..], SMALL));
    buffer.consume(99);
    assert!(buffer.is_empty());
}

#[test]
fn a_full_buffer_grows_and_is_not_kept() {
    let budget = Arc::new(Budget::new(1 << 20));
    let buffers = Buffers::new(budget.clone());
    let mut buffer = buffers.small();
    buffer.space().extend_from_slice(&[1; SMALL]);
    assert!(buffer.space().capacity() > SMALL);
    assert_eq!(buffer.filled().len(), SMALL);
    drop(buffer);
    assert_eq!(budget.used(), 0);
}

#[test]
fn beyond_the_budget_bodies_get_small_buffers() {
    let budget = Arc::new(Budget::new(LARGE + 4 * SMALL));
    let buffers = Buffers::new(budget.clone());
    let first = buffers.for_body(None);
    let second = buffers.for_body(Some(1 << 30));
    assert_eq!((first.capacity(), second.capacity()), (LARGE, SMALL));
    assert!(!budget.is_exhausted());
    let _third = (buffers.small(), buffers.small());
    assert!(budget.is_exhausted());
    drop(first);
    assert_eq!(
        buffers.for_body(None).capacity(),
        LARGE,
        "there is room for one again"
    );
}

#[test]
fn a_pool_that_goes_gives_everything_back() {
    let budget = Arc::new(Budget::new(1 << 20));
    let buffers = Buffers::new(budget.clone());
    drop((buffers.small(), buffers.for_body(None)));
    assert_eq!(budget.used(), SMALL + LARGE);
    drop(buffers);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_is_kept_exhausts_nothing() {
    let budget = Arc::new(Budget::new(LARGE));
    let buffers = Buffers::new(budget.clone());
    // Small ones are given beyond the budget.
    let many: Vec<_> = (0..100).map(|_| buffers.small()).collect();
    assert!(budget.is_exhausted());
    drop(many);
    assert!(!budget.is_exhausted());
    assert_eq!(budget.out(), 0);
    assert_eq!(budget.used(), LARGE / 2, "what may be kept is");
}
