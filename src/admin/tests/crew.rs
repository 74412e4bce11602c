use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};

use crate::admin::crew::{Ask, Crew, Question};
use crate::metrics::Counters;

/// So long that no test waits for it.
const LONG: Duration = Duration::from_secs(60);

/// What was put to a worker that has not looked at it yet.
type Inbox = Arc<Mutex<Vec<Question>>>;

fn worker() -> (Inbox, Ask) {
    let inbox = Inbox::default();
    let to = inbox.clone();
    let ask = Box::new(move |question| to.lock().unwrap().push(question));
    (inbox, ask)
}

fn answer(inbox: &Inbox, counters: &Counters) {
    let questions = std::mem::take(&mut *inbox.lock().unwrap());
    assert_eq!(questions.len(), 1);
    for question in questions {
        question.answer(counters.snapshot());
    }
}

#[test]
fn what_the_workers_said_is_summed() {
    let (one, two) = (worker(), worker());
    let crew = Crew::new([one.1, two.1], LONG);
    let counters = Counters::default();
    counters.canceled();
    let mut report = pin!(crew.report());
    assert!(block_on(poll_once(report.as_mut())).is_none());
    answer(&one.0, &counters);
    assert!(block_on(poll_once(report.as_mut())).is_none());
    counters.canceled();
    answer(&two.0, &counters);
    let report = block_on(report);
    assert_eq!(report.total.cancels, 3);
    assert!(report.lags.iter().all(Option::is_some));
}

#[test]
fn a_worker_that_does_not_answer_is_asked_once_and_shown_as_it_was() {
    let (inbox, ask) = worker();
    let crew = Crew::new([ask], Duration::from_millis(1));
    let counters = Counters::default();
    counters.canceled();
    {
        let mut first = pin!(crew.report());
        assert!(block_on(poll_once(first.as_mut())).is_none());
        answer(&inbox, &counters);
        assert_eq!(block_on(first).total.cancels, 1);
    }
    counters.canceled();
    let (second, third) = (block_on(crew.report()), block_on(crew.report()));
    assert_eq!((second.total.cancels, third.total.cancels), (1, 1));
    // Counted from when it was asked, not from each time that somebody wanted to know.
    assert!(third.lags[0] > second.lags[0], "{second:?} {third:?}");
    answer(&inbox, &counters);
    let mut fourth = pin!(crew.report());
    assert!(block_on(poll_once(fourth.as_mut())).is_none());
    answer(&inbox, &counters);
    assert_eq!(block_on(fourth).total.cancels, 2);
}

#[test]
fn several_who_want_to_know_get_the_same_answer() {
    let (inbox, ask) = worker();
    let crew = Crew::new([ask], LONG);
    let (mut one, mut two) = (pin!(crew.report()), pin!(crew.report()));
    assert!(block_on(poll_once(one.as_mut())).is_none());
    assert!(block_on(poll_once(two.as_mut())).is_none());
    let counters = Counters::default();
    counters.canceled();
    answer(&inbox, &counters);
    assert_eq!(block_on(one).total.cancels, 1);
    assert_eq!(block_on(two).total.cancels, 1);
}

#[test]
fn a_worker_that_has_ended_leaves_its_totals() {
    let (inbox, ask) = worker();
    let crew = Crew::new([ask], LONG);
    let counters = Counters::default();
    counters.canceled();
    let _under_way = counters.begin();
    {
        let mut first = pin!(crew.report());
        assert!(block_on(poll_once(first.as_mut())).is_none());
        answer(&inbox, &counters);
        assert_eq!(block_on(first).total.in_flight, 1);
    }
    let mut second = pin!(crew.report());
    assert!(block_on(poll_once(second.as_mut())).is_none());
    inbox.lock().unwrap().clear();
    let second = block_on(second);
    assert_eq!((second.total.cancels, second.total.in_flight), (1, 0));
    assert_eq!(second.lags, [None]);
    // And is not asked any more.
    assert_eq!(
        block_on(poll_once(pin!(crew.report()))).unwrap().lags,
        [None]
    );
    assert!(inbox.lock().unwrap().is_empty());
}
