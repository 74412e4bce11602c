//! The rules of precedence and the matchers, one by one.

use super::{Request, route};
use crate::proxy::route::{Matchers, Table};

/// The first of `routes`, which are given from the most to the least specific, must answer in any order; without it
/// the second, and so on; without any, nobody.
fn check(request: &Request, routes: &[Matchers]) {
    for first in 0..=routes.len() {
        let rest = &routes[first..];
        let found = Table::new(rest.to_vec()).find(&request.asked());
        assert_eq!(
            found,
            (!rest.is_empty()).then_some(0),
            "{request:?} of {rest:?}"
        );
        let back: Vec<_> = rest.iter().rev().cloned().collect();
        let found = Table::new(back).find(&request.asked());
        assert_eq!(found, rest.len().checked_sub(1), "{request:?} of {rest:?}");
    }
}

/// Whether a table of `route` alone has an answer.
fn fits(route: &Matchers, request: &Request) -> bool {
    Table::new(vec![route.clone()])
        .find(&request.asked())
        .is_some()
}

#[test]
fn an_exact_host_comes_before_the_longest_wildcard_and_that_before_any() {
    let hosts = [
        route(&["a.b.example"], ""),
        route(&["*.b.example"], ""),
        route(&["*.example"], ""),
        route(&[], ""),
    ];
    check(&Request::get("a.b.example", "/"), &hosts);
}

#[test]
fn an_exact_path_comes_before_the_longest_prefix_and_that_before_any() {
    let paths = ["/a/b/", "/a/b/*", "/a/*", "/*", ""].map(|path| route(&[], path));
    check(&Request::get("a.example", "/a/b/"), &paths);
}

#[test]
fn host_comes_before_path_path_before_priority_priority_before_count() {
    let routes = [
        route(&["a.example"], ""),
        route(&["*.example"], "/x"),
        route(&[], "/x"),
        Matchers {
            priority: 1,
            ..route(&[], "/*")
        },
        Matchers {
            methods: vec!["GET".to_owned()],
            queries: [("v".to_owned(), "1".to_owned())].into(),
            ..route(&[], "/*")
        },
        Matchers {
            methods: vec!["GET".to_owned(), "PUT".to_owned(), "POST".to_owned()],
            ..route(&[], "/*")
        },
        Matchers {
            priority: -1,
            headers: [("x".to_owned(), "1".to_owned())].into(),
            queries: [("v".to_owned(), "1".to_owned())].into(),
            ..route(&[], "/*")
        },
        Matchers {
            priority: i32::MAX,
            ..route(&[], "")
        },
    ];
    let request = Request::get("a.example", "/x").query("v=1").field("X", "1");
    check(&request, &routes);
}

#[test]
fn a_more_specific_host_that_fails_elsewhere_leaves_the_request_to_the_others() {
    let post = Matchers {
        methods: vec!["POST".to_owned()],
        ..route(&["a.example"], "/x")
    };
    let table = Table::new(vec![
        post,
        route(&["a.example"], "/y"),
        route(&["*.example"], "/x"),
        route(&[], ""),
    ]);
    let find = |request: Request| table.find(&request.asked());
    assert_eq!(
        find(Request::get("a.example", "/x").method("POST")),
        Some(0)
    );
    assert_eq!(find(Request::get("a.example", "/x")), Some(2));
    assert_eq!(find(Request::get("a.example", "/z")), Some(3));
}

#[test]
fn a_host_is_matched_in_any_case_and_with_the_dot_of_the_root() {
    let both = [route(&["a.example"], ""), route(&["*.example"], "")];
    for host in ["a.example", "A.eXample", "a.example.", "A.EXAMPLE."] {
        assert!(
            both.iter()
                .all(|route| fits(route, &Request::get(host, "/")))
        );
    }
    for host in [
        "",
        ".",
        "a.example..",
        "b.a.example.com",
        "a.examples",
        "a",
        "example.a",
    ] {
        assert!(
            !both
                .iter()
                .any(|route| fits(route, &Request::get(host, "/")))
        );
    }
    let literal = route(&["[::ffff]"], "");
    assert!(fits(&literal, &Request::get("[::FFFF]", "/")));
}

#[test]
fn a_wildcard_is_for_all_below_it_and_not_for_itself() {
    let below = route(&["*.b.example"], "");
    for host in ["a.b.example", "z.a.b.example", "b.b.example"] {
        assert!(fits(&below, &Request::get(host, "/")), "{host}");
    }
    for host in [
        "b.example",
        ".b.example",
        "ab.example",
        "example",
        "a.b.example.b",
    ] {
        assert!(!fits(&below, &Request::get(host, "/")), "{host}");
    }
}

#[test]
fn a_host_longer_than_any_name_matches_no_pattern() {
    let below = route(&["*.example"], "");
    let host = |octets: usize| format!("{}.example", "a".repeat(octets - 8));
    assert!(fits(&below, &Request::get(&host(255), "/")));
    assert!(fits(&below, &Request::get(&format!("{}.", host(255)), "/")));
    assert!(!fits(&below, &Request::get(&host(256), "/")));
    assert!(fits(&route(&[], ""), &Request::get(&host(256), "/")));
}

#[test]
fn one_of_several_hosts_is_enough_and_one_named_twice_is_one() {
    let several = route(
        &["a.example", "*.a.example", "a.example", "b.example"],
        "/x",
    );
    for host in ["a.example", "z.a.example", "b.example"] {
        assert!(fits(&several, &Request::get(host, "/x")), "{host}");
    }
    assert!(!fits(&several, &Request::get("c.example", "/x")));
}

#[test]
fn a_prefix_takes_whole_segments_and_not_the_name_in_front_of_its_slash() {
    let api = route(&[], "/api/*");
    for path in ["/api/", "/api/x", "/api/x/y/"] {
        assert!(fits(&api, &Request::get("", path)), "{path}");
    }
    for path in ["/api", "/apis/", "/", "/API/", "", "/v1/api/"] {
        assert!(!fits(&api, &Request::get("", path)), "{path}");
    }
    assert!(fits(&route(&[], ""), &Request::get("", "")));
    assert!(!fits(&route(&[], "/*"), &Request::get("", "")));
}

#[test]
fn methods_are_compared_in_their_case() {
    let some = Matchers {
        methods: vec!["GET".to_owned(), "PUT".to_owned()],
        ..Matchers::default()
    };
    let of = |method: &str| fits(&some, &Request::get("", "/").method(method));
    assert!(of("GET") && of("PUT"));
    assert!(!of("get") && !of("POST") && !of("GETS"));
}

#[test]
fn a_field_matches_by_any_of_its_lines_and_only_whole() {
    let debug = Matchers {
        headers: [("x-debug".to_owned(), "On".to_owned())].into(),
        ..Matchers::default()
    };
    let request = || Request::get("", "/");
    assert!(fits(&debug, &request().field("X-Debug", "On")));
    assert!(fits(
        &debug,
        &request().field("X-Debug", "no").field("x-debug", "On")
    ));
    for value in ["on", "On, no", "On,On", ""] {
        assert!(!fits(&debug, &request().field("X-Debug", value)), "{value}");
    }
    assert!(!fits(&debug, &request()));
}

#[test]
fn a_parameter_matches_by_its_first_value_decoded() {
    let version = Matchers {
        queries: [("v".to_owned(), "a b".to_owned())].into(),
        ..Matchers::default()
    };
    let of = |query: &str| fits(&version, &Request::get("", "/").query(query));
    assert!(of("v=a+b") && of("x=1&%76=a%20b&v=2"));
    assert!(!of("v=2&v=a+b") && !of("") && !of("v") && !of("v=a+b+"));
}

#[test]
fn a_client_matches_by_any_network_and_none_is_in_none() {
    let home = Matchers {
        clients: ["10.0.0.0/8", "fc00::/7"]
            .map(|network| network.parse().unwrap())
            .to_vec(),
        ..Matchers::default()
    };
    let of = |client: &str| fits(&home, &Request::get("", "/").client(client));
    assert!(of("10.1.2.3") && of("fd00::1") && of("::ffff:10.1.2.3"));
    assert!(!of("11.0.0.0") && !of("::1"));
    assert!(!fits(&home, &Request::get("", "/")));
}

#[test]
fn all_matchers_of_a_route_must_hold() {
    let all = Matchers {
        methods: vec!["GET".to_owned()],
        headers: ["a", "b"]
            .map(|name| (name.to_owned(), "1".to_owned()))
            .into(),
        queries: ["a", "b"]
            .map(|name| (name.to_owned(), "1".to_owned()))
            .into(),
        clients: vec!["10.0.0.0/8".parse().unwrap()],
        ..route(&["a.example"], "/x")
    };
    let right = Request::get("a.example", "/x")
        .field("a", "1")
        .field("b", "1")
        .query("a=1&b=1")
        .client("10.0.0.1");
    assert!(fits(&all, &right));
    let mut without = right.clone();
    without.fields.remove("b");
    let wrong = [
        right.clone().method("PUT"),
        right.clone().query("a=1"),
        right.clone().client("11.0.0.1"),
        without,
    ];
    assert!(!wrong.iter().any(|request| fits(&all, request)));
}

#[test]
fn no_routes_find_nothing() {
    let table = Table::new(Vec::new());
    assert_eq!(table.find(&Request::get("a.example", "/").asked()), None);
    assert!(table.routes().is_empty());
}

#[test]
fn of_two_that_tie_the_first_answers() {
    let table = Table::new(vec![route(&[], "/x"), route(&[], "/x")]);
    assert_eq!(table.find(&Request::get("", "/x").asked()), Some(0));
}
