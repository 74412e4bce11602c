//! The table against an obvious one that looks at every route. A failure prints a seed that replays.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::{Request, route};
use crate::proxy::route::{HostPattern, Matchers, PathPattern, Table, Why};

/// How specific a host pattern is for a host; `None`: not at all. An exact one is longer than any.
fn host_rank(pattern: &HostPattern, host: &str) -> Option<usize> {
    match pattern {
        HostPattern::Exact(own) => (own == host).then_some(usize::MAX),
        HostPattern::Below(own) => {
            let is_below =
                host.ends_with(&format!(".{own}")) && !host.starts_with(&format!(".{own}"));
            is_below.then(|| own.len() + 1)
        }
    }
}

/// How specific a route is for a request, in the order of the contract; `None`: it does not match.
fn rank(route: &Matchers, request: &Request) -> Option<(usize, usize, i32, usize)> {
    let lower = request.host.to_lowercase();
    let host = lower.strip_suffix('.').unwrap_or(&lower);
    let hosts = route.hosts.iter().filter_map(|own| host_rank(own, host));
    let host_rank = match hosts.max() {
        None if !route.hosts.is_empty() => return None,
        rank => rank.unwrap_or(0),
    };
    let path_rank = match &route.path {
        None => 0,
        Some(PathPattern::Exact(path)) if *path == request.path => usize::MAX,
        Some(PathPattern::Prefix(path)) if request.path.starts_with(path) => path.len(),
        Some(_) => return None,
    };
    let method = route.methods.is_empty() || route.methods.contains(&request.method);
    let line = |(name, value): (&[u8], &[u8])| (name.to_ascii_lowercase(), value.to_vec());
    let lines: Vec<_> = request.fields.iter().map(line).collect();
    let headers = route.headers.iter().all(|(name, value)| {
        lines.contains(&(name.clone().into_bytes(), value.clone().into_bytes()))
    });
    // Tests write parameters as `name=value`, without escapes.
    let pairs = request
        .query
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let mut firsts = BTreeMap::new();
    pairs.for_each(|(name, value)| {
        firsts.entry(name).or_insert(value);
    });
    let queries = route
        .queries
        .iter()
        .all(|(name, value)| firsts.get(name.as_str()) == Some(&value.as_str()));
    let client = route.clients.is_empty()
        || request
            .client
            .is_some_and(|client| route.clients.iter().any(|network| network.contains(client)));
    (method && headers && queries && client)
        .then(|| (host_rank, path_rank, route.priority, route.further()))
}

/// The route that answers, found by looking at all of them; the first of those that tie.
fn obvious(routes: &[Matchers], request: &Request) -> Option<usize> {
    let ranked = routes.iter().enumerate();
    let ranked = ranked.filter_map(|(place, route)| Some((rank(route, request)?, place)));
    let best = ranked.max_by_key(|(rank, place)| (*rank, std::cmp::Reverse(*place)));
    best.map(|(_, place)| place)
}

const HOSTS: [&str; 8] = ["a", "b.a", "c.b.a", "b", "*.a", "*.b.a", "*.c.b.a", "*.b"];
const PATHS: [&str; 10] = [
    "", "", "/", "/*", "/x", "/x/", "/x/*", "/x/y", "/x/y/*", "/y/*",
];

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    let some = |all: [&str; 2]| select(all.map(str::to_owned).to_vec());
    let pairs = proptest::collection::btree_map(some(["p", "q"]), some(["1", "2"]), 1..3);
    prop_oneof![3 => Just(BTreeMap::new()), 1 => pairs]
}

fn routes() -> impl Strategy<Value = Vec<Matchers>> {
    let none_or = |all: &[&'static str]| {
        let all = all.to_vec();
        prop_oneof![3 => Just(Vec::new()), 1 => subsequence(all, 1..=2)]
    };
    let one = (
        prop_oneof![1 => Just(Vec::new()), 2 => subsequence(HOSTS.to_vec(), 1..=3)],
        select(PATHS.to_vec()),
        none_or(&["GET", "PUT", "get"]),
        pairs(),
        pairs(),
        none_or(&["10.0.0.0/8", "10.1.0.0/16", "fc00::/7"]),
        -1..=1_i32,
    );
    let one = one.prop_map(
        |(hosts, path, methods, headers, queries, clients, priority)| Matchers {
            methods: methods.into_iter().map(str::to_owned).collect(),
            headers,
            queries,
            clients: clients
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            priority,
            ..route(&hosts, path)
        },
    );
    proptest::collection::vec(one, 0..40)
}

fn request() -> impl Strategy<Value = Request> {
    let pairs = || {
        let pair = (select(vec!["p", "q", "P"]), select(vec!["1", "2"]));
        proptest::collection::vec(pair, 0..4)
    };
    let parts = (
        "([abcABC]\\.){0,3}[abAB]\\.?|\\.?|\\.b\\.a",
        prop_oneof![9 => "/((x|y|z)/){0,3}(x|y)?", 1 => Just(String::new())],
        select(vec!["GET", "PUT", "get", "POST"]),
        pairs(),
        pairs(),
        select(vec![
            None,
            Some("10.0.0.1"),
            Some("10.1.0.1"),
            Some("fc00::1"),
            Some("::1"),
        ]),
    );
    parts.prop_map(|(host, path, method, lines, pairs, client)| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::get(&host, &path)
            .method(method)
            .query(&pairs.join("&"));
        for (name, value) in lines {
            request = request.field(name, value);
        }
        request.client = client.map(|client| client.parse().unwrap());
        request
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_table_finds_what_the_obvious_one_finds(routes in routes(), request in request()) {
        let found = Table::new(routes.clone()).find(&request.asked());
        prop_assert_eq!(found, obvious(&routes, &request));
    }

    #[test]
    fn an_explanation_agrees_with_the_answer(routes in routes(), request in request()) {
        let table = Table::new(routes.clone());
        let explanation = table.explain(&request.asked());
        prop_assert_eq!(explanation.found, table.find(&request.asked()));
        let told = explanation.others.len() + usize::from(explanation.found.is_some());
        prop_assert_eq!(told + explanation.left_out, routes.len());
        prop_assert!(explanation.left_out == 0 || explanation.others.len() == 20);
        for (place, why) in &explanation.others {
            prop_assert_ne!(Some(*place), explanation.found);
            // Nothing matches and is not found, unless another is.
            let matches = rank(&routes[*place], &request).is_some();
            prop_assert_eq!(matches, *why == Why::LessSpecific, "{}", place);
            prop_assert!(!matches || explanation.found.is_some());
        }
        prop_assert!(explanation.others.is_sorted_by(|one, other| one.1 >= other.1));
    }

    #[test]
    fn the_order_of_the_list_means_nothing_where_none_tie(
        routes in routes(),
        request in request(),
        swaps in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..40),
    ) {
        let best = obvious(&routes, &request).map(|place| rank(&routes[place], &request));
        let ties = routes.iter().filter(|route| Some(rank(route, &request)) == best).count();
        prop_assume!(best.is_none() || ties == 1);
        let mut other = routes.clone();
        for (one, two) in swaps.iter().filter(|_| !routes.is_empty()) {
            other.swap(one.index(routes.len()), two.index(routes.len()));
        }
        let find = |routes: &[Matchers]| {
            let found = Table::new(routes.to_vec()).find(&request.asked());
            found.map(|place| routes[place].clone())
        };
        prop_assert_eq!(find(&routes), find(&other));
    }
}
