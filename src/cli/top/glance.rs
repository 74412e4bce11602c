//! What an admin interface says at one moment: JSON → nodes and how the server is. Pure.

use std::time::Duration;

use crate::cli::json::{self, Broken, Event, Value};

/// A look at a server.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Glance {
    pub(super) server: Server,
    /// Every node, parents before children.
    pub(super) nodes: Vec<Node>,
    /// Requests per second since the look before, where the server counts them.
    pub(super) per_second: Option<f64>,
}

/// How the server is; empty where it does not say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) uptime: Option<Duration>,
    pub(super) state: String,
}

/// A node of the tree.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) kind: String,
    pub(super) label: String,
    pub(super) state: String,
    pub(super) age: Duration,
    /// What is left until its deadline.
    pub(super) left: Option<Duration>,
    /// Whose deadline that is.
    pub(super) owner: Option<u64>,
    pub(super) waiters: u64,
    /// Why it ended.
    pub(super) cause: Option<String>,
    /// How many children are not shown.
    pub(super) more: u64,
}

impl Node {
    fn take(&mut self, key: &str, value: Value<'_>) {
        match (key, value) {
            ("id", Value::Number(text)) => self.id = whole(text),
            ("kind", Value::Text(text)) => self.kind = text,
            ("label", Value::Text(text)) => self.label = text,
            ("state", Value::Text(text)) => self.state = text,
            ("age_ms", Value::Number(text)) => self.age = Duration::from_millis(whole(text)),
            ("deadline_ms", Value::Number(text)) => {
                self.left = Some(Duration::from_millis(whole(text)));
            }
            ("deadline_owner", Value::Number(text)) => self.owner = Some(whole(text)),
            ("waiters", Value::Number(text)) => self.waiters = whole(text),
            ("cause", Value::Text(text)) => self.cause = Some(text),
            ("more", Value::Number(text)) => self.more = whole(text),
            _ => {}
        }
    }
}

fn whole(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Reads the nodes of a `tree.json`. What is unknown in it is passed over.
///
/// # Errors
/// It is no JSON.
pub(super) fn nodes(text: &str) -> Result<Vec<Node>, Broken> {
    let mut nodes: Vec<Node> = Vec::new();
    // The objects and lists that are open, each with its node if it is one, and the last key in it.
    let mut open: Vec<(Option<usize>, String)> = Vec::new();
    json::read(text, |event| match event {
        Event::Object => {
            let is_node = open
                .last()
                .is_none_or(|(node, key)| node.is_none() && key == "children");
            open.push((is_node.then_some(nodes.len()), String::new()));
            if is_node {
                nodes.push(Node::default());
            }
        }
        Event::List => {
            let key = open.last().map(|(_, key)| key.clone());
            open.push((None, key.unwrap_or_default()));
        }
        Event::Key(name) => {
            if let Some((_, key)) = open.last_mut() {
                *key = name;
            }
        }
        Event::Value(value) => {
            let node = open
                .last()
                .and_then(|(at, key)| Some((nodes.get_mut((*at)?)?, key)));
            if let Some((node, key)) = node {
                node.take(key, value);
            }
        }
        Event::End => drop(open.pop()),
    })?;
    Ok(nodes)
}

/// Shows `visit` the plain members of the object that a JSON text is, not those of objects in it.
///
/// # Errors
/// It is no JSON.
fn members(text: &str, mut visit: impl FnMut(&str, Value<'_>)) -> Result<(), Broken> {
    let (mut depth, mut key) = (0_usize, String::new());
    json::read(text, |event| match event {
        Event::Object | Event::List => depth += 1,
        Event::End => depth -= 1,
        Event::Key(name) => {
            if depth == 1 {
                key = name;
            }
        }
        Event::Value(value) => {
            if depth == 1 {
                visit(&key, value);
            }
        }
    })
}

impl Server {
    /// Reads a `/status`.
    ///
    /// # Errors
    /// It is no JSON.
    pub(super) fn read(text: &str) -> Result<Self, Broken> {
        let mut server = Self::default();
        members(text, |key, value| match (key, value) {
            ("version", Value::Text(text)) => server.version = text,
            ("uptime_s", Value::Number(text)) => {
                server.uptime = Some(Duration::from_secs(whole(text)));
            }
            ("state", Value::Text(text)) => server.state = text,
            _ => {}
        })?;
        Ok(server)
    }
}

/// What a cancel did, in words.
///
/// # Errors
/// The receipt is no JSON.
pub(super) fn receipt(text: &str) -> Result<String, Broken> {
    let mut figures = [0; 4];
    members(text, |key, value| {
        let names = ["nodes", "waiters", "depth", "took_us"];
        let figure = names.iter().position(|name| *name == key);
        if let (Some(at), Value::Number(text)) = (figure, value) {
            figures[at] = whole(text);
        }
    })?;
    let [nodes, waiters, depth, took] = figures;
    Ok(format!(
        "nodes ended: {nodes}, waiters woken: {waiters}, depth: {depth}, took {took} us"
    ))
}

/// How many requests there were since the start, as the text format of Prometheus says it: the sum over all series.
pub(super) fn requests(metrics: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(REQUESTS)?;
        // With labels or without, but not a longer name.
        let behind = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        behind.split_whitespace().next()?.parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value)
}

/// The counter of requests.
const REQUESTS: &str = "osier_requests_total";
