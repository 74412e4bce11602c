use crate::context::{self, Census, Context};

#[test]
fn each_node_is_counted_once_under_its_kind() {
    let (top, _top) = context::background().named("server", "s").with_cancel();
    let (one, _one) = top.named("session", "1").with_cancel();
    let (two, _two) = top.named("session", "2").with_cancel();
    let (_leaf, _end) = one.named("exchange", "GET /").with_cancel();
    // Below two of them, and one node all the same.
    let _both = Context::any([&one, &two]);
    let census = Census::of(&top, usize::MAX);
    let of = |kind| census.kinds.get(kind).copied();
    assert_eq!(of("server"), Some(1));
    assert_eq!(of("session"), Some(2));
    assert_eq!(of("exchange"), Some(1));
    assert_eq!(census.kinds.values().sum::<usize>(), 5);
    assert_eq!(census.more, 0);
}

#[test]
fn a_tree_that_is_too_large_is_counted_in_part_and_says_so() {
    let (top, _top) = context::background().named("server", "s").with_cancel();
    let children: Vec<_> = (0..100)
        .map(|_| top.named("session", "c").with_cancel())
        .collect();
    let census = Census::of(&top, 11);
    assert_eq!(census.kinds.get("session"), Some(&10));
    assert_eq!(census.more, 90);
    drop(children);
    assert_eq!(Census::of(&top, 11).more, 0);
}
