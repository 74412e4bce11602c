use std::time::Duration;

use super::super::glance::{Node, Server, nodes, receipt, requests};
use crate::context::{View, ViewOptions, background};

#[test]
fn what_the_tree_prints_is_what_is_read() {
    let (root, _r) = background()
        .named("server", "a \"b\"\n\u{1b}")
        .with_cancel();
    let (slow, _s) = root
        .named("exchange", "GET /")
        .with_timeout(Duration::from_secs(60));
    let (task, _t) = slow.named("task", "").with_cancel();
    let (ended, cancel) = root.named("exchange", "GET /x").with_cancel();
    cancel.cancel_because("enough");
    let view = View::of(&root, &ViewOptions::default());
    let read = nodes(&view.to_json()).unwrap();
    let said: Vec<_> = read
        .iter()
        .map(|node| (node.id, node.label.as_str()))
        .collect();
    let expected = [
        (root.id(), root.label()),
        (slow.id(), "GET /"),
        (task.id(), ""),
        (ended.id(), "GET /x"),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        (read[0].left, read[0].owner, &read[0].cause),
        (None, None, &None)
    );
    assert_eq!(read[2].owner, Some(slow.id()));
    assert!(read[2].left.unwrap() > Duration::from_secs(50));
    assert_eq!(
        (read[1].state.as_str(), read[3].state.as_str()),
        ("live", "canceled")
    );
    assert!(read[3].cause.as_ref().unwrap().contains("enough"));
}

#[test]
fn what_is_cut_off_is_known_and_what_is_unknown_is_passed_over() {
    let read = nodes(
        "{\"id\":1,\"later\":{\"id\":9,\"list\":[{\"id\":8}]},\"kind\":\"server\",\"children\":[\
         {\"id\":2,\"children\":[],\"tags\":[\"x\",[\"y\"]]}],\"more\":3}",
    );
    let expected = [
        Node {
            id: 1,
            kind: "server".to_owned(),
            more: 3,
            ..Node::default()
        },
        Node {
            id: 2,
            ..Node::default()
        },
    ];
    assert_eq!(read.unwrap(), expected);
    assert!(nodes("<html>").is_err());
}

#[test]
fn the_status_says_what_is_on_top() {
    let said = "{\"version\":\"0.1.0\",\"uptime_s\":182,\"state\":\"draining\",\"limits\":{\"version\":\"no\"}}";
    let server = Server::read(said).unwrap();
    assert_eq!(
        (server.version.as_str(), server.state.as_str()),
        ("0.1.0", "draining")
    );
    assert_eq!(server.uptime, Some(Duration::from_secs(182)));
    assert_eq!(Server::read("{}").unwrap(), Server::default());
}

#[test]
fn a_receipt_is_said_in_words() {
    let said = receipt("{\"nodes\":3,\"waiters\":1,\"depth\":2,\"took_us\":40}\n");
    let expected = "nodes ended: 3, waiters woken: 1, depth: 2, took 40 us";
    assert_eq!(said.unwrap(), expected);
}

#[test]
fn requests_are_counted_over_all_series() {
    let metrics = "# HELP osier_requests_total Requests.\n\
                   # TYPE osier_requests_total counter\n\
                   osier_requests_total{route=\"a } b\",class=\"2xx\"} 40\n\
                   osier_requests_total{route=\"c\"} 2 1700000000\n\
                   osier_requests_total_other 100\n\
                   osier_attempts_total 9\n";
    assert_eq!(requests(metrics), Some(42.0));
    assert_eq!(requests("osier_requests_total 7\n"), Some(7.0));
    assert_eq!(requests("osier_attempts_total 9\n"), None);
}
