//! Two routes that one request could meet, neither more specific than the other: nobody could say which answers.

use std::collections::HashMap;

use super::check::Check;
use super::diagnostic::{Diagnostic, line_of};
use super::model::Route;
use super::raw::Raw;
use crate::http::network::Network;
use crate::proxy::route::{HostPattern, Matchers, PathPattern};

/// After so many the others are the same mistake again.
const SAID_MAX: usize = 100;

/// All that precedence looks at. Two routes tie where this is equal, for one of their hosts, and nothing keeps them
/// apart. Two wildcards that match one host are of different length, so that none but equal ones tie.
#[derive(PartialEq, Eq, Hash)]
struct Rank<'a> {
    host: Option<&'a HostPattern>,
    path: Option<&'a PathPattern>,
    priority: i32,
    further: usize,
}

/// Says of every two routes that tie that they do.
pub(super) fn check(check: &Check<'_>, raw: &Raw, routes: &[Option<Route>]) {
    let mut ranks: HashMap<Rank<'_>, Vec<usize>> = HashMap::new();
    let mut said = 0;
    for (index, route) in routes.iter().enumerate() {
        let Some(matchers) = route.as_ref().map(|route| &route.matchers) else {
            continue;
        };
        // Said once, however many hosts the two have in common.
        let mut tied: Option<usize> = None;
        for rank in ranks_of(matchers) {
            let rivals = ranks.entry(rank).or_default();
            let rival = rivals.iter().copied().find(|rival| {
                let rival = routes.get(*rival).and_then(Option::as_ref);
                rival.is_some_and(|rival| !exclude(matchers, &rival.matchers))
            });
            tied = tied.or(rival);
            rivals.push(index);
        }
        let (Some(rival), Some(this)) = (
            tied.and_then(|at| raw.routes.get(at)),
            raw.routes.get(index),
        ) else {
            continue;
        };
        said += 1;
        if said > SAID_MAX {
            return;
        }
        let line = line_of(check.text, rival.at.start);
        check.found.push(
            Diagnostic::error(
                this.at,
                format!("this route and the one in line {line} tie: a request may meet both"),
            )
            .label(format!("as specific as the route in line {line}"))
            .help(
                "tell them apart by host, path, method, header, query or client, or by `priority`",
            ),
        );
    }
}

fn ranks_of(matchers: &Matchers) -> impl Iterator<Item = Rank<'_>> {
    let any = matchers.hosts.is_empty().then_some(None);
    let hosts = matchers.hosts.iter().map(Some).chain(any);
    hosts.map(|host| Rank {
        host,
        path: matchers.path.as_ref(),
        priority: matchers.priority,
        further: matchers.further(),
    })
}

/// No request fits the further matchers of both.
fn exclude(one: &Matchers, other: &Matchers) -> bool {
    let methods = !one.methods.is_empty()
        && !other.methods.is_empty()
        && one
            .methods
            .iter()
            .all(|method| !other.methods.contains(method));
    let apart = |network: &Network| other.clients.iter().all(|client| !network.overlaps(client));
    let clients =
        !one.clients.is_empty() && !other.clients.is_empty() && one.clients.iter().all(apart);
    let differ = |(name, value): (&String, &String), others: &std::collections::BTreeMap<_, _>| {
        others
            .get(name)
            .is_some_and(|other: &String| other != value)
    };
    let headers = one.headers.iter().any(|pair| differ(pair, &other.headers));
    let queries = one.queries.iter().any(|pair| differ(pair, &other.queries));
    methods || clients || headers || queries
}
