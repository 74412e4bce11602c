use std::time::Duration;

use crate::metrics::{Counters, UpstreamRates};

#[test]
fn only_what_came_between_counts() {
    let counters = Counters::default();
    let app = counters.upstream(&"app".into());
    let slow = Some(Duration::from_secs(15));
    (0..100).for_each(|_| app.ended(slow, slow));
    let before = counters.snapshot();
    let quick = Some(Duration::from_micros(1_500));
    (0..10).for_each(|_| app.ended(quick, quick));
    drop(counters.upstream(&"quiet".into()));
    let rates = UpstreamRates::between(&before, &counters.snapshot(), Duration::from_secs(2));
    let names: Vec<_> = rates.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["app", "quiet"]);
    assert!((rates[0].per_s - 5.0).abs() < 1e-9);
    assert_eq!(rates[0].p50, quick);
    assert_eq!(rates[0].p99, Some(Duration::from_micros(1_990)));
    assert_eq!((rates[1].per_s, rates[1].p50), (0.0, None));
}

#[test]
fn a_count_that_began_anew_is_no_rate() {
    let (old, new) = (Counters::default(), Counters::default());
    let ended = |counters: &Counters, times: usize| {
        let app = counters.upstream(&"app".into());
        (0..times).for_each(|_| app.ended(Some(Duration::ZERO), None));
        counters.snapshot()
    };
    let rates = UpstreamRates::between(&ended(&old, 9), &ended(&new, 1), Duration::from_secs(1));
    assert_eq!((rates[0].per_s, rates[0].p99), (0.0, None));
    let none = UpstreamRates::between(&ended(&old, 1), &ended(&old, 1), Duration::ZERO);
    assert_eq!(none[0].per_s, 0.0);
}
