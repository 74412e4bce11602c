//! A worker's loop.

use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use crate::runtime::buffer::Budget;
use crate::runtime::worker::Worker;

#[test]
fn a_worker_that_lets_go_of_its_code_before_it_waits_goes_on() {
    let worker = Worker::new(0, Arc::new(Budget::new(0))).expect("descriptors");
    let (ask, asked) = mpsc::channel::<Waker>();
    let waking = thread::spawn(move || asked.into_iter().for_each(Waker::wake));
    let mut left = 100;
    let done = worker.run(poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        worker.let_go_of_code();
        ask.send(cx.waker().clone()).expect("it listens");
        Poll::Pending
    }));
    done.expect("epoll");
    drop(ask);
    waking.join().expect("it ends with who asks");
}
