use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};

use crate::admin::crew::{Ask, Crew, Question};
use crate::admin::desk::{Desk, Endpoint, Status, Works};
use crate::context;
use crate::log::Log;
use crate::metrics::Counters;
use crate::runtime::buffer::Budget;

use super::super::numbers::Numbers;

#[test]
fn what_came_since_is_told_and_at_first_nothing() {
    let inbox: Arc<Mutex<Vec<Question>>> = Arc::default();
    let to = inbox.clone();
    let ask: Ask = Box::new(move |question| to.lock().unwrap().push(question));
    let desk = Desk::new(async_channel::unbounded().0);
    desk.equip(Works {
        crew: Crew::new([ask], Duration::from_secs(60)),
        budget: Arc::new(Budget::new(0)),
        log: Log::silent(),
    });
    let endpoint = Endpoint {
        address: "10.0.0.2:80".to_owned(),
        is_tls: false,
        weight: 1,
        tier: 0,
        state: Arc::default(),
        permits: None,
    };
    let in_flight = endpoint.state.clone();
    desk.set(Status {
        upstreams: vec![("app \"1\"".to_owned(), vec![endpoint])],
        ..Status::default()
    });
    let counters = Counters::default();
    let app = counters.upstream(&"app \"1\"".into());
    let (root, _end) = context::background().named("server", "s").with_cancel();
    let (_one, _one_end) = root.named("session", "1").with_cancel();
    let mut numbers = Numbers::default();
    let mut tell = || {
        let mut telling = pin!(numbers.members(&desk, &root));
        assert!(block_on(poll_once(telling.as_mut())).is_none());
        for question in inbox.lock().unwrap().drain(..) {
            question.answer(counters.snapshot());
        }
        block_on(telling)
    };
    let took = Some(Duration::from_micros(1_500));
    app.ended(took, took);
    assert_eq!(
        tell(),
        "\"nodes\":{\"server\":1,\"session\":1},\"in_flight\":0,\"upstreams\":[{\"name\":\"app \\\"1\\\"\",\
         \"in_flight\":0,\"per_s\":0.0,\"p50_ms\":null,\"p90_ms\":null,\"p99_ms\":null}]"
    );
    let (_under_way, _begun) = (counters.begin(), in_flight.begin());
    (0..10).for_each(|_| app.ended(took, took));
    let told = tell();
    let (front, end) = told.split_once("\"per_s\":").unwrap();
    assert!(
        front.ends_with(
            "\"in_flight\":1,\"upstreams\":[{\"name\":\"app \\\"1\\\"\",\"in_flight\":1,"
        ),
        "{told}"
    );
    let (per_s, quantiles) = end.split_once(',').unwrap();
    assert!(per_s.parse::<f64>().unwrap() > 0.0, "{told}");
    assert_eq!(
        quantiles,
        "\"p50_ms\":1.500,\"p90_ms\":1.900,\"p99_ms\":1.990}]"
    );
    assert!(tell().contains("\"p50_ms\":null"));
}
