//! Explanations: what keeps each route from answering, and which are told.

use super::{Request, route};
use crate::proxy::route::{Matchers, Table, Why};

#[test]
fn the_first_matcher_that_fails_is_told_the_nearest_route_first() {
    let app = || route(&["app.example"], "/api/*");
    let pairs = |name: &str| [(name.to_owned(), "1".to_owned())].into();
    let table = Table::new(vec![
        route(&[], ""),
        route(&["other.example"], "/api/*"),
        route(&["*.example"], "/web/*"),
        Matchers {
            methods: vec!["PUT".to_owned()],
            headers: pairs("x-debug"),
            ..app()
        },
        Matchers {
            headers: pairs("x-debug"),
            queries: pairs("v"),
            ..app()
        },
        Matchers {
            queries: pairs("v"),
            clients: vec!["10.0.0.0/8".parse().unwrap()],
            ..app()
        },
        Matchers {
            clients: vec!["10.0.0.0/8".parse().unwrap()],
            ..app()
        },
        app(),
    ]);
    let request = Request::get("App.Example", "/api/x");
    let explanation = table.explain(&request.asked());
    assert_eq!(explanation.found, Some(7));
    assert_eq!(
        explanation.others,
        [
            (0, Why::LessSpecific),
            (6, Why::Client),
            (5, Why::Query("v")),
            (4, Why::Header("x-debug")),
            (3, Why::Method),
            (2, Why::Path),
            (1, Why::Host),
        ]
    );
    assert_eq!(explanation.left_out, 0);
}

#[test]
fn at_most_twenty_are_told_those_that_have_most_in_common() {
    let mut routes: Vec<_> = (0..50).map(|n| route(&[], &format!("/z{n}"))).collect();
    routes.push(route(&["x.other"], "/a/b/x"));
    routes.push(route(&["x.host", "b.a.host"], "/"));
    routes.push(route(&[], "/a/x"));
    routes.push(route(&[], "/a/b/x"));
    let table = Table::new(routes);
    let explanation = table.explain(&Request::get("a.a.host", "/a/b/c").asked());
    assert_eq!(explanation.found, None);
    assert_eq!((explanation.others.len(), explanation.left_out), (20, 34));
    let first: Vec<_> = explanation.others.iter().take(3).copied().collect();
    assert_eq!(first, [(53, Why::Path), (52, Why::Path), (0, Why::Path)]);

    let hosts = ["x.other", "b.a.host", "a.host"].map(|host| route(&[host], ""));
    let table = Table::new(hosts.to_vec());
    let explanation = table.explain(&Request::get("c.a.host", "/").asked());
    assert_eq!(
        explanation.others,
        [(1, Why::Host), (2, Why::Host), (0, Why::Host)]
    );
}

#[test]
fn a_wildcard_is_not_for_itself_here_either() {
    let table = Table::new(vec![route(&["*.b.example"], "")]);
    for host in ["b.example", ".b.example", "ab.example"] {
        let explanation = table.explain(&Request::get(host, "/").asked());
        assert_eq!(explanation.others, [(0, Why::Host)], "{host}");
    }
}

#[test]
fn every_reason_is_a_sentence_of_its_own_about_the_route() {
    let all = [
        (Why::Host, "is for another host"),
        (Why::Path, "is for another path"),
        (Why::Method, "is for another method"),
        (
            Why::Header("x-a"),
            "asks for another value of the field `x-a`",
        ),
        (
            Why::Query("v"),
            "asks for another value of the parameter `v`",
        ),
        (Why::Client, "is for clients of other networks"),
        (Why::LessSpecific, "matches too, but is less specific"),
    ];
    for (why, sentence) in all {
        assert_eq!(why.to_string(), sentence);
    }
}
