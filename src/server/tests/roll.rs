use std::pin::pin;

use futures_lite::future::{block_on, poll_once};

use crate::server::Order;
use crate::server::roll::Roll;

fn answer(inbox: &async_channel::Receiver<Order>) {
    match inbox.try_recv().unwrap() {
        Order::Ping(answer) => answer.try_send(()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_waits_for_the_last_worker() {
    let (first, second) = (async_channel::unbounded(), async_channel::unbounded());
    let roll = Roll::new([first.0, second.0].into_iter());
    let mut call = pin!(roll.call());
    assert_eq!(block_on(poll_once(call.as_mut())), None);
    answer(&second.1);
    assert_eq!(block_on(poll_once(call.as_mut())), None);
    answer(&first.1);
    assert_eq!(block_on(poll_once(call)), Some(true));
}

#[test]
fn a_worker_that_has_ended_is_not_waited_for_but_missing() {
    let (first, second) = (async_channel::unbounded(), async_channel::unbounded());
    let roll = Roll::new([first.0, second.0].into_iter());
    let mut call = pin!(roll.call());
    assert_eq!(block_on(poll_once(call.as_mut())), None);
    answer(&first.1);
    drop(second.1);
    assert_eq!(block_on(poll_once(call)), Some(false));
    answer_and_call(&roll, &first.1);
}

/// Once more, with one of them gone from the start.
fn answer_and_call(roll: &Roll, inbox: &async_channel::Receiver<Order>) {
    let mut call = pin!(roll.call());
    assert_eq!(block_on(poll_once(call.as_mut())), None);
    answer(inbox);
    assert_eq!(block_on(poll_once(call)), Some(false));
}
