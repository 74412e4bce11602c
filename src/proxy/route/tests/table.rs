use std::cmp::Reverse;
use std::net::IpAddr;

use proptest::prelude::*;

use crate::http::field::Fields;
use crate::proxy::route::{Asked, HostPattern, Matchers, PathPattern, Table, Why};

/// A route as `METHOD HOST PATH`, `-` for any.
fn route(text: &str) -> Matchers {
    let mut words = text.split(' ').map(|word| (word != "-").then_some(word));
    let method = words.next().flatten();
    let host = words.next().flatten();
    let path = words.next().flatten();
    Matchers {
        methods: method.map(str::to_owned).into_iter().collect(),
        hosts: host
            .map(|host| match host.strip_prefix("*.") {
                Some(parent) => HostPattern::Below(parent.to_owned()),
                None => HostPattern::Exact(host.to_owned()),
            })
            .into_iter()
            .collect(),
        path: path.map(|path| match path.strip_suffix('*') {
            Some(prefix) => PathPattern::Prefix(prefix.to_owned()),
            None => PathPattern::Exact(path.to_owned()),
        }),
        ..Matchers::default()
    }
}

fn asked<'a>(host: &'a str, path: &'a str, fields: &'a Fields) -> Asked<'a> {
    Asked {
        host: host.as_bytes(),
        path: path.as_bytes(),
        method: b"GET",
        fields,
        query: b"",
        client: None,
    }
}

#[track_caller]
fn answers(routes: &[&str], host: &str, path: &str, expected: Option<usize>) {
    let table = Table::new(routes.iter().map(|text| route(text)).collect());
    let fields = Fields::new();
    assert_eq!(table.find(&asked(host, path, &fields)), expected);
}

#[test]
fn an_exact_host_goes_before_the_longest_wildcard_and_that_before_none() {
    let routes = [
        "- a.x.example -",
        "- *.x.example -",
        "- *.example -",
        "- - -",
    ];
    answers(&routes, "a.x.example", "/", Some(0));
    answers(&routes, "A.X.Example.", "/", Some(0));
    answers(&routes, "b.x.example", "/", Some(1));
    answers(&routes, "c.b.x.example", "/", Some(1));
    answers(&routes, "x.example", "/", Some(2));
    answers(&routes, "example", "/", Some(3));
    answers(&routes, ".example", "/", Some(3));
    answers(&routes, "", "/", Some(3));
}

#[test]
fn an_exact_path_goes_before_the_longest_prefix_and_that_before_none() {
    let routes = ["- - /a/b", "- - /a/b/*", "- - /a/*", "- - -"];
    answers(&routes, "x", "/a/b", Some(0));
    answers(&routes, "x", "/a/b/", Some(1));
    answers(&routes, "x", "/a/b/c/d", Some(1));
    answers(&routes, "x", "/a/c", Some(2));
    answers(&routes, "x", "/a", Some(3));
    answers(&routes, "x", "", Some(3));
}

#[test]
fn the_host_counts_before_the_path() {
    answers(&["- *.example -", "- - /a"], "x.example", "/a", Some(0));
}

#[test]
fn what_does_not_match_whole_makes_room_for_the_less_specific() {
    let routes = ["POST a.example /x", "- a.example /*", "- - -"];
    answers(&routes, "a.example", "/x", Some(1));
    answers(&["POST a.example -"], "a.example", "/x", None);
}

#[test]
fn priority_goes_before_the_number_of_matchers() {
    let more = Matchers {
        headers: [("x-debug".to_owned(), "1".to_owned())].into(),
        ..route("GET - /a")
    };
    let first = Matchers {
        priority: 1,
        ..route("- - /a")
    };
    let mut fields = Fields::new();
    fields.push("X-Debug", "1").unwrap();
    let find = |routes: &[&Matchers]| {
        let table = Table::new(routes.iter().map(|it| (*it).clone()).collect());
        table.find(&asked("h", "/a", &fields))
    };
    assert_eq!(find(&[&route("- - /a"), &more]), Some(1));
    assert_eq!(find(&[&first, &more]), Some(0));
}

#[test]
fn fields_queries_and_clients_are_looked_at() {
    let matchers = Matchers {
        headers: [("x-a".to_owned(), "1".to_owned())].into(),
        queries: [("v".to_owned(), "2 3".to_owned())].into(),
        clients: vec!["10.0.0.0/8".parse().unwrap()],
        ..Matchers::default()
    };
    let table = Table::new(vec![matchers]);
    let mut fields = Fields::new();
    fields.push("X-A", "0").unwrap();
    fields.push("X-A", "1").unwrap();
    let right = Asked {
        query: b"w=1&v=2+3",
        client: Some(IpAddr::from([10, 1, 1, 1])),
        ..asked("h", "/", &fields)
    };
    assert_eq!(table.find(&right), Some(0));
    let none = Fields::new();
    for (wrong, why) in [
        (
            Asked {
                fields: &none,
                ..right
            },
            Why::Header("x-a".to_owned()),
        ),
        (
            Asked {
                query: b"v=2",
                ..right
            },
            Why::Query("v".to_owned()),
        ),
        (
            Asked {
                client: None,
                ..right
            },
            Why::Client,
        ),
    ] {
        assert_eq!(table.find(&wrong), None);
        assert_eq!(table.explain(&wrong).others, [(0, why)]);
    }
}

#[test]
fn the_others_are_explained_nearest_first() {
    let routes = ["- b.example -", "- - /b", "- - /*", "POST - /a", "- - /a"];
    let table = Table::new(routes.into_iter().map(route).collect());
    let fields = Fields::new();
    let explained = table.explain(&asked("a.example", "/a", &fields));
    assert_eq!(explained.found, Some(4));
    let others = [
        (2, Why::LessSpecific),
        (3, Why::Method),
        (1, Why::Path),
        (0, Why::Host),
    ];
    assert_eq!(explained.others, others);
}

fn any_route() -> impl Strategy<Value = Matchers> {
    let word = |words: &'static [&'static str]| prop::sample::select(words);
    (
        word(&["-", "GET", "POST"]),
        word(&["-", "a", "a.b", "b", "*.b", "*.a.b", "c.a.b"]),
        word(&["-", "/", "/*", "/x", "/x/*", "/x/y", "/x/y/*"]),
        -1..2_i32,
        any::<bool>(),
    )
        .prop_map(|(method, host, path, priority, has_header)| Matchers {
            priority,
            headers: has_header
                .then(|| ("x-a".to_owned(), "1".to_owned()))
                .into_iter()
                .collect(),
            ..route(&format!("{method} {host} {path}"))
        })
}

/// What the precedence says of one route: the larger the more specific.
fn rank(route: &Matchers) -> impl Ord + use<> {
    let host = route.hosts.first().map(|host| match host {
        HostPattern::Exact(_) => (1, 0),
        HostPattern::Below(parent) => (0, parent.len()),
    });
    let path = route.path.as_ref().map(|path| match path {
        PathPattern::Exact(_) => (1, 0),
        PathPattern::Prefix(prefix) => (0, prefix.len()),
    });
    (host, path, route.priority, route.further())
}

proptest! {
    #[test]
    fn the_table_finds_what_looking_at_every_route_finds(
        routes in prop::collection::vec(any_route(), 0..12),
        host in prop::sample::select(vec!["", "a", "b", "a.b", "c.a.b", "d.c.a.b", "x"]),
        path in prop::sample::select(vec!["", "/", "/x", "/x/", "/x/y", "/x/y/z", "/z"]),
        has_header in any::<bool>(),
    ) {
        let mut fields = Fields::new();
        if has_header {
            fields.push("x-a", "1").unwrap();
        }
        let asked = asked(host, path, &fields);
        let table = Table::new(routes.clone());
        let found = table.find(&asked);
        let alone = |route: &Matchers| Table::new(vec![route.clone()]).explain(&asked);
        let fits = |route: &&Matchers| alone(route).found.is_some();
        let best = routes.iter().filter(fits).map(rank).max();
        prop_assert_eq!(found.is_some(), best.is_some());
        if let (Some(found), Some(best)) = (found, best) {
            prop_assert!(rank(&routes[found]) == best);
        }
        let explained = table.explain(&asked);
        prop_assert_eq!(explained.found, found);
        for (index, why) in explained.others {
            // What looks at one route alone, without an index, agrees.
            prop_assert_eq!(alone(&routes[index]).found.is_some(), why == Why::LessSpecific);
        }
        let mut sorted = routes.clone();
        sorted.sort_by_key(|route| Reverse(rank(route)));
        let again = Table::new(sorted.clone()).find(&asked);
        prop_assert!(again.map(|at| rank(&sorted[at])) == found.map(|at| rank(&routes[at])));
    }
}
