//! `top` without a terminal: what keys do, and what is on the screen then; and a terminal without `top`.

mod columns;
mod frame;
mod glance;
mod keys;
mod state;
mod terminal;

use std::time::Duration;

use super::glance::{Glance, Node, Server};
use super::state::Size;

fn node(id: u64, kind: &str, label: &str, age_ms: u64, left_ms: Option<u64>) -> Node {
    Node {
        id,
        kind: kind.to_owned(),
        label: label.to_owned(),
        state: "live".to_owned(),
        age: Duration::from_millis(age_ms),
        left: left_ms.map(Duration::from_millis),
        owner: left_ms.map(|_| id),
        waiters: 1,
        cause: None,
        more: 0,
    }
}

/// A gateway with a few nodes.
fn glance() -> Glance {
    Glance {
        server: Server {
            version: "1.2.3".to_owned(),
            uptime: Some(Duration::from_secs(182)),
            state: "serving".to_owned(),
        },
        nodes: vec![
            node(1, "server", "osier", 182_000, None),
            node(2, "listener", "127.0.0.1:8086", 181_000, None),
            node(70, "session", "127.0.0.1:5000", 9_000, None),
            node(71, "exchange", "GET /slow", 4_000, Some(56_000)),
            node(72, "attempt", "127.0.0.1:1", 3_900, Some(900)),
            node(80, "exchange", "POST /new", 40, Some(59_960)),
        ],
        per_second: Some(12.34),
    }
}

fn size(columns: usize, rows: usize) -> Size {
    Size { columns, rows }
}
