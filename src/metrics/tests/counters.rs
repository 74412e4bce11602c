use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Cause, Counters, Snapshot, UpstreamEvent};

fn requests(snapshot: &Snapshot, route: &str) -> Option<u64> {
    let mut routes = snapshot.routes.iter();
    Some(routes.find(|it| &*it.name == route)?.requests())
}

/// As a configuration with these routes is taken up.
fn serve(counters: &Counters, routes: &[&str]) {
    counters.renew();
    for route in routes {
        drop(counters.route(&Arc::from(*route)));
    }
    counters.forget();
}

#[test]
fn statuses_are_told_apart_by_class() {
    let counters = Counters::default();
    let route = counters.route(&"*".into());
    for status in [101, 200, 204, 308, 404, 499, 500, 599, 0] {
        route.ended(status, 1, 2);
    }
    let snapshot = counters.snapshot();
    assert_eq!(snapshot.routes[0].codes, [2, 2, 1, 1, 2, 1]);
    assert_eq!(
        (snapshot.routes[0].received, snapshot.routes[0].sent),
        (9, 18)
    );
}

#[test]
fn a_route_that_stays_goes_on_wherever_it_stands() {
    let counters = Counters::default();
    serve(&counters, &["/a", "/b"]);
    counters.route(&"/a".into()).ended(200, 0, 0);
    let held = counters.route(&"/b".into());
    serve(&counters, &["/c", "/a"]);
    // An exchange that began before.
    held.ended(200, 0, 0);
    counters.route(&"/a".into()).ended(200, 0, 0);
    let snapshot = counters.snapshot();
    assert_eq!(requests(&snapshot, "/a"), Some(2));
    assert_eq!(requests(&snapshot, "/b"), Some(1));
    assert_eq!(requests(&snapshot, "/c"), Some(0));
}

#[test]
fn names_that_come_and_go_do_not_pile_up() {
    let counters = Counters::default();
    let kept = counters.route(&"held".into());
    kept.ended(200, 0, 0);
    for number in 0..1000 {
        serve(
            &counters,
            &["stays", &format!("comes and goes {number:04}")],
        );
        counters.route(&"stays".into()).ended(200, 0, 0);
    }
    let snapshot = counters.snapshot();
    assert!(snapshot.routes.len() < 100, "{}", snapshot.routes.len());
    assert_eq!(requests(&snapshot, "stays"), Some(1000));
    assert_eq!(requests(&snapshot, "held"), Some(1));
    assert_eq!(requests(&snapshot, "comes and goes 0990"), Some(0));
    assert_eq!(requests(&snapshot, "comes and goes 0001"), None);
}

#[test]
fn snapshots_are_summed_by_name_not_by_place() {
    let (one, two) = (Counters::default(), Counters::default());
    for name in ["b", "d", "a"] {
        one.route(&name.into()).ended(200, 1, 0);
        one.upstream(&name.into()).note(UpstreamEvent::Attempt);
    }
    for name in ["c", "d", "e", "b"] {
        two.route(&name.into()).ended(200, 1, 0);
        two.upstream(&name.into()).note(UpstreamEvent::Attempt);
    }
    let mut sum = Snapshot::default();
    sum.merge(&one.snapshot());
    sum.merge(&two.snapshot());
    let names: Vec<_> = sum
        .routes
        .iter()
        .map(|it| (&*it.name, it.received))
        .collect();
    assert_eq!(names, [("a", 1), ("b", 2), ("c", 1), ("d", 2), ("e", 1)]);
    let tries = sum
        .upstreams
        .iter()
        .map(|it| it.count(UpstreamEvent::Attempt));
    assert_eq!(tries.collect::<Vec<_>>(), [1, 2, 1, 2, 1]);
}

#[test]
fn what_there_is_goes_down_again() {
    let counters = Counters::default();
    let upstream = counters.upstream(&"app".into());
    let (one, two) = (counters.begin(), counters.begin());
    let connection = upstream.opened(Duration::from_millis(1));
    drop(one);
    let snapshot = counters.snapshot();
    assert_eq!(snapshot.in_flight, 1);
    assert_eq!(snapshot.upstreams[0].open, 1);
    drop((two, connection));
    let snapshot = counters.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.upstreams[0].open), (0, 0));
    assert_eq!(snapshot.upstreams[0].count(UpstreamEvent::Opened), 1);
    assert_eq!(snapshot.upstreams[0].connects.count(), 1);
}

#[test]
fn causes_are_told_apart() {
    let counters = Counters::default();
    for (times, (cause, _)) in Cause::ALL.into_iter().enumerate() {
        (0..times).for_each(|_| counters.ended(cause));
    }
    let snapshot = counters.snapshot();
    for (times, (cause, word)) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(snapshot.ended(cause), times as u64, "{word}");
    }
}
