use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread;

use futures_lite::future::yield_now;

use crate::runtime::tasks::Tasks;
use crate::runtime::unpark::Unpark;

fn tasks() -> (Tasks, Arc<Unpark>) {
    let unpark = Arc::new(Unpark::new().unwrap());
    (Tasks::new(unpark.clone()), unpark)
}

/// Sets a mark when it is dropped.
struct Mark(Rc<Cell<bool>>);

impl Drop for Mark {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn tasks_run_in_the_order_of_their_wakes() {
    let (tasks, _unpark) = tasks();
    let _here = tasks.enter();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for name in ["one", "two"] {
        let seen = seen.clone();
        tasks.spawn(async move {
            seen.borrow_mut().push(name);
            yield_now().await;
            seen.borrow_mut().push(name);
        });
    }
    tasks.run();
    assert_eq!(*seen.borrow(), ["one", "two", "one", "two"]);
    assert!(!tasks.is_ready());
}

#[test]
fn a_task_that_wakes_itself_lets_go_of_the_thread() {
    let (tasks, _unpark) = tasks();
    let _here = tasks.enter();
    tasks.spawn(async {
        loop {
            yield_now().await;
        }
    });
    tasks.run();
    assert!(tasks.is_ready(), "it goes on in the next turn");
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let (tasks, unpark) = tasks();
    let _here = tasks.enter();
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let runs = Rc::new(Cell::new(0));
    tasks.spawn({
        let (waker, runs) = (waker.clone(), runs.clone());
        poll_fn(move |cx| {
            runs.set(runs.get() + 1);
            *waker.borrow_mut() = Some(cx.waker().clone());
            if runs.get() == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    });
    tasks.run();
    assert!(!tasks.is_ready() && unpark.park());
    let remote = waker.borrow().clone().unwrap();
    thread::spawn(move || remote.wake()).join().unwrap();
    let written = rustix::io::read(&*unpark, &mut [0_u8; 8]).is_ok();
    assert!(written, "it was parked");
    unpark.resume();
    assert!(tasks.is_ready());
    tasks.run();
    assert_eq!(runs.get(), 2);
}

#[test]
fn what_is_left_is_dropped_with_the_tasks() {
    let (tasks, _unpark) = tasks();
    let gone = Rc::new(Cell::new(false));
    let mark = Mark(gone.clone());
    tasks.spawn(async move {
        let _mark = mark;
        pending::<()>().await;
    });
    let here = tasks.enter();
    tasks.run();
    drop(here);
    assert!(!gone.get());
    drop(tasks);
    assert!(gone.get());
}

#[test]
fn two_sets_on_one_thread_do_not_mix() {
    let (first, _unpark) = tasks();
    let (second, _other) = tasks();
    let ran = Rc::new(Cell::new(0));
    for tasks in [&first, &second] {
        let ran = ran.clone();
        tasks.spawn(async move { ran.set(ran.get() + 1) });
    }
    let here = first.enter();
    first.run();
    assert_eq!(ran.get(), 1);
    drop(here);
    drop(first);
    let _here = second.enter();
    second.run();
    assert_eq!(ran.get(), 2);
}

#[test]
fn who_takes_the_place_of_one_that_has_ended_is_not_woken_for_it() {
    let (tasks, _unpark) = tasks();
    let _here = tasks.enter();
    let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
    let kept = waker.clone();
    tasks.spawn(poll_fn(move |cx| {
        // It is in the queue again when it ends.
        cx.waker().wake_by_ref();
        *kept.borrow_mut() = Some(cx.waker().clone());
        Poll::Ready(())
    }));
    tasks.run();
    let polls = Rc::new(Cell::new(0));
    let counted = polls.clone();
    tasks.spawn(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        Poll::Pending
    }));
    tasks.run();
    let old = waker.borrow_mut().take().unwrap();
    old.wake_by_ref();
    thread::spawn(move || old.wake()).join().unwrap();
    tasks.run();
    assert_eq!(polls.get(), 1);
}

#[test]
fn however_often_one_is_woken_it_is_polled_once() {
    let (tasks, _unpark) = tasks();
    let _here = tasks.enter();
    let (polls, waker) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Waker>)));
    let (counted, kept) = (polls.clone(), waker.clone());
    tasks.spawn(poll_fn(move |cx| {
        counted.set(counted.get() + 1);
        *kept.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    tasks.run();
    let waker = waker.borrow().clone().unwrap();
    let other = waker.clone();
    thread::spawn(move || {
        other.wake_by_ref();
        other.wake_by_ref();
    })
    .join()
    .unwrap();
    waker.wake_by_ref();
    waker.wake_by_ref();
    tasks.run();
    assert_eq!(polls.get(), 2);
    tasks.run();
    assert_eq!(polls.get(), 2);
}

#[test]
fn one_that_panics_is_dropped_and_the_others_go_on() {
    let (tasks, _unpark) = tasks();
    let _here = tasks.enter();
    let (gone, ran) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let mark = Mark(gone.clone());
    tasks.spawn(poll_fn(move |_| -> Poll<()> {
        let _mark = &mark;
        std::panic::resume_unwind(Box::new("as it should"))
    }));
    let other = ran.clone();
    tasks.spawn(async move { other.set(true) });
    let run = std::panic::AssertUnwindSafe(|| tasks.run());
    assert!(std::panic::catch_unwind(run).is_err());
    assert!(gone.get());
    tasks.run();
    assert!(ran.get());
}

#[test]
fn one_that_has_ended_may_start_others_as_it_goes() {
    struct Starts(Rc<Tasks>, Rc<Cell<bool>>);
    impl Drop for Starts {
        fn drop(&mut self) {
            let mark = Mark(self.1.clone());
            self.0.spawn(async move {
                let _mark = mark;
                pending::<()>().await;
            });
        }
    }
    let (tasks, _unpark) = tasks();
    let (tasks, gone) = (Rc::new(tasks), Rc::new(Cell::new(false)));
    let starts = Starts(tasks.clone(), gone.clone());
    tasks.spawn(async move {
        let _starts = starts;
        std::future::ready(()).await;
    });
    tasks.run();
    assert!(!gone.get());
    drop(tasks);
    assert!(gone.get());
}
