//! What it costs to find a route: nanoseconds a look-up, of 10, 1,000 and 10,000 routes.
//!
//!     cargo bench --bench route                  all rows
//!     cargo bench --bench route -- wildcard      those with `wildcard` in their name
//!     cargo bench --bench route -- =paths 20000  one row of 10,000 routes, so many times: for a profiler
//!
//! Every look-up asks for another route than the one before, so what a larger table costs in cache misses is counted.
//! In `repeated` all ask for the same; `nobody` is what an answer of 404 costs.

#![allow(
    clippy::unwrap_used,
    reason = "what is measured is right, or there is nothing to measure"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use osier::http::Fields;
use osier::proxy::route::{Asked, HostPattern, Matchers, PathPattern, Table};

const ROUNDS: usize = 15;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    let args: Vec<_> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let bench = Bench {
        wanted: args.first().cloned().unwrap_or_default(),
        count: args.get(1).and_then(|count| count.parse().ok()),
    };
    bench.header();
    bench.row("hosts and prefixes", |number| {
        let pattern = HostPattern::Exact(format!("app{number}.example.com"));
        let path = PathPattern::Prefix("/api/".to_owned());
        let host = format!("App{number}.example.com");
        (
            route(Some(pattern), Some(path)),
            question(&host, "/api/v1/users/42"),
        )
    });
    bench.row("wildcard hosts", |number| {
        let pattern = HostPattern::Below(format!("app{number}.example.com"));
        let host = format!("www.eu.app{number}.example.com");
        (
            route(Some(pattern), None),
            question(&host, "/api/v1/users/42"),
        )
    });
    bench.row("paths", |number| {
        let pattern = HostPattern::Exact("app.example.com".to_owned());
        // Half of them exact, half of them prefixes, three segments deep.
        let begin = format!("/shop/{}/item{number}", number % 7);
        let (path, asked) = if number % 2 == 0 {
            (PathPattern::Exact(begin.clone()), begin)
        } else {
            let asked = format!("{begin}/reviews/latest");
            (PathPattern::Prefix(format!("{begin}/")), asked)
        };
        (
            route(Some(pattern), Some(path)),
            question("app.example.com", &asked),
        )
    });
    bench.row("methods and clients", |number| {
        let pattern = HostPattern::Exact(format!("app{number}.example.com"));
        let path = PathPattern::Prefix("/api/".to_owned());
        let further = Matchers {
            methods: vec!["PUT".to_owned(), "GET".to_owned()],
            clients: vec![
                "10.0.0.0/8".parse().unwrap(),
                "192.168.0.0/16".parse().unwrap(),
            ],
            ..route(Some(pattern), Some(path))
        };
        let host = format!("app{number}.example.com");
        (further, question(&host, "/api/v1/users/42"))
    });
    bench.row("repeated", |number| {
        let pattern = HostPattern::Exact(format!("app{number}.example.com"));
        let path = PathPattern::Prefix("/api/".to_owned());
        (
            route(Some(pattern), Some(path)),
            question("app0.example.com", "/api/v1/users/42"),
        )
    });
    bench.row("nobody", |number| {
        let pattern = HostPattern::Exact(format!("app{number}.example.com"));
        let path = PathPattern::Prefix("/api/".to_owned());
        (
            route(Some(pattern), Some(path)),
            question("other.example.com", "/api/v1/users/42"),
        )
    });
}

fn route(host: Option<HostPattern>, path: Option<PathPattern>) -> Matchers {
    Matchers {
        hosts: host.into_iter().collect(),
        path,
        ..Matchers::default()
    }
}

/// The host and the path of a request.
fn question(host: &str, path: &str) -> (String, String) {
    (host.to_owned(), path.to_owned())
}

struct Bench {
    /// What the names of rows must contain, or `=` and the whole name of one.
    wanted: String,
    /// So many times, and no clock.
    count: Option<usize>,
}

impl Bench {
    fn header(&self) {
        if self.count.is_none() {
            println!(
                "{:<24} {:>9} {:>9} {:>9}",
                "ns a look-up of", 10, "1,000", "10,000"
            );
        }
    }

    /// Prints what a look-up costs in tables of every size; `make` gives the route of a number, and what asks for it.
    fn row(&self, name: &str, make: impl Fn(usize) -> (Matchers, (String, String))) {
        let is_wanted = match self.wanted.strip_prefix('=') {
            Some(whole) => name == whole,
            None => name.contains(&self.wanted),
        };
        if !is_wanted {
            return;
        }
        let found = SIZES.map(|size| Lookups::new(size, &make));
        if let (Some(count), [.., largest]) = (self.count, &found) {
            largest.run(count);
            return;
        }
        let [ten, thousand, ten_thousand] = found.map(|lookups| {
            let rounds = (0..ROUNDS).map(|_| lookups.time());
            median(rounds.collect())
        });
        println!("{name:<24} {ten:>9.1} {thousand:>9.1} {ten_thousand:>9.1}");
    }
}

/// A table and what it is asked for, in an order without neighbours.
struct Lookups {
    table: Table,
    questions: Vec<(String, String)>,
    fields: Fields,
}

impl Lookups {
    fn new(size: usize, make: impl Fn(usize) -> (Matchers, (String, String))) -> Self {
        let (routes, questions): (Vec<_>, Vec<_>) = (0..size).map(make).unzip();
        // No size has a divisor in common with it, so every question has its turn.
        let shuffled = (0..size).map(|turn| questions[turn * 7919 % size].clone());
        let mut fields = Fields::new();
        fields.push("Host", "app.example.com").unwrap();
        fields.push("Accept", "*/*").unwrap();
        Self {
            table: Table::new(routes),
            questions: shuffled.collect(),
            fields,
        }
    }

    /// Asks so many times.
    fn run(&self, count: usize) {
        for (host, path) in self.questions.iter().cycle().take(count) {
            let found = self.table.find(black_box(&Asked {
                host: host.as_bytes(),
                path: path.as_bytes(),
                method: b"GET",
                fields: &self.fields,
                query: b"",
                client: Some(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1))),
            }));
            black_box(found);
        }
    }

    /// Nanoseconds of one look-up, over so many that the clock does not matter.
    fn time(&self) -> f64 {
        let count = self.questions.len().max(20_000);
        let begun = Instant::now();
        self.run(count);
        begun.elapsed().as_secs_f64() * 1e9 / count as f64
    }
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
