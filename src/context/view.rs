//! A picture of the live tree.
//!
//! The walk holds one node's lock at a time, and only to copy the list of its children: it never blocks the making of
//! nodes for longer, and it uses an explicit stack. Each node is in the picture at most once, and as it was at some
//! moment since the walk began. Values are never shown, only the names of their keys.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cause::{Cause, ContextError};
use super::node::{self, Node};
use super::{Context, Label};
use crate::clock;

/// How much of the tree is wanted.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions {
    /// How many levels below the first node; `None` for all.
    pub depth: Option<usize>,
    /// How many nodes at most.
    pub nodes_max: usize,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            depth: None,
            nodes_max: 10_000,
        }
    }
}

/// A picture of a node and what was below it.
#[derive(Debug, Clone)]
pub struct View {
    /// Depth first, children in the order of their making.
    nodes: Vec<Shown>,
}

/// A node as it was.
#[derive(Debug, Clone)]
struct Shown {
    id: u64,
    kind: &'static str,
    label: Label,
    key: Option<&'static str>,
    /// Levels below the first node.
    depth: usize,
    age: Duration,
    /// What is left until the deadline, and who imposes it.
    deadline: Option<(Duration, u64)>,
    cause: Option<Cause>,
    waiters: usize,
    /// Children that are not in the picture.
    more: usize,
}

impl View {
    /// Looks at `ctx` and what is below it now.
    #[must_use]
    pub fn of(ctx: &Context, options: &ViewOptions) -> Self {
        let now = clock::now();
        let mut nodes: Vec<Shown> = Vec::new();
        let mut stack = vec![(ctx.node.clone(), 0)];
        while let Some((node, depth)) = stack.pop() {
            let mut shown = Shown::of(&node, depth, now);
            if options.depth.is_some_and(|max| depth >= max) {
                shown.more = node.child_count();
            } else {
                let mut children = node.children();
                // What is on the stack will be shown too.
                let room = options
                    .nodes_max
                    .saturating_sub(nodes.len() + 1 + stack.len());
                shown.more = children.len().saturating_sub(room);
                children.truncate(room);
                stack.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
            }
            nodes.push(shown);
        }
        Self { nodes }
    }

    /// How many nodes are in the picture.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// One line per node, with lines drawn from parents to children.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // By level: whether a further sibling comes there.
        let mut goes_on: Vec<bool> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            goes_on.truncate(node.depth);
            if node.depth > 0 {
                goes_on.resize(node.depth, false);
                let last = self.is_last(index);
                if let Some(level) = goes_on.get_mut(node.depth - 1) {
                    *level = !last;
                }
                draw(&mut text, goes_on.get(..node.depth - 1).unwrap_or_default());
                text.push_str(if last { "└─ " } else { "├─ " });
            }
            node.write_line(&mut text);
            if node.more > 0 {
                draw(&mut text, &goes_on);
                let _ = writeln!(text, "└─ + {} more", node.more);
            }
        }
        text
    }

    /// The same as JSON: the first node, with its children inside.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        for (index, node) in self.nodes.iter().enumerate() {
            node.write_json(&mut json);
            let next = self.nodes.get(index + 1).map_or(0, |next| next.depth);
            // Either children follow inside, or this node and those whose last it was are closed.
            if next > node.depth {
                continue;
            }
            for level in (next..=node.depth).rev() {
                json.push_str("]}");
                if level == next && index + 1 < self.nodes.len() {
                    json.push(',');
                }
            }
        }
        json
    }

    /// No sibling comes behind the node at `index`.
    fn is_last(&self, index: usize) -> bool {
        let Some(node) = self.nodes.get(index) else {
            return true;
        };
        let behind = self.nodes.get(index + 1..).unwrap_or_default();
        let next = behind.iter().find(|other| other.depth <= node.depth);
        let has_sibling = next.is_some_and(|other| other.depth == node.depth);
        // The line that counts the children left out stands where a last sibling would.
        !has_sibling && self.parent_of(index).is_none_or(|parent| parent.more == 0)
    }

    fn parent_of(&self, index: usize) -> Option<&Shown> {
        let depth = self.nodes.get(index)?.depth.checked_sub(1)?;
        self.nodes
            .get(..index)?
            .iter()
            .rev()
            .find(|node| node.depth == depth)
    }
}

fn draw(text: &mut String, goes_on: &[bool]) {
    for level in goes_on {
        text.push_str(if *level { "│  " } else { "   " });
    }
}

impl Shown {
    fn of(node: &Arc<Node>, depth: usize, now: Instant) -> Self {
        let waiters = if node.has_waiters() {
            node.event.total_listeners()
        } else {
            0
        };
        let deadline = node.deadline.zip(node.deadline_owner());
        Self {
            id: node.id,
            kind: node.kind,
            label: node.label.clone(),
            key: node.value.as_ref().map(|entry| entry.name),
            depth,
            age: node::age(node),
            deadline: deadline.map(|(at, owner)| (at.saturating_duration_since(now), owner.id)),
            // Looking is asking: a deadline that has passed unseen is seen now.
            cause: node.err().and_then(|_| node.cause().cloned()),
            waiters,
            more: 0,
        }
    }

    fn state(&self) -> &'static str {
        match self.cause.as_ref().map(Cause::kind) {
            None => "live",
            Some(ContextError::Canceled) => "canceled",
            Some(ContextError::DeadlineExceeded) => "expired",
        }
    }

    fn write_line(&self, text: &mut String) {
        let _ = write!(text, "{}#{}", self.kind, self.id);
        for word in [self.label.as_str(), self.key.unwrap_or("")] {
            if !word.is_empty() {
                text.push(' ');
                text.extend(
                    word.chars()
                        .map(|c| if c.is_control() { '\u{fffd}' } else { c }),
                );
            }
        }
        let _ = write!(text, "  {}", Short(self.age));
        match (&self.cause, self.deadline) {
            (Some(cause), _) => {
                let _ = write!(text, "  ← {cause}");
            }
            (None, Some((left, owner))) if owner == self.id => {
                let _ = write!(text, "  [{} left]", Short(left));
            }
            (None, Some((left, owner))) => {
                let _ = write!(text, "  [{} left, of #{owner}]", Short(left));
            }
            (None, None) => {}
        }
        text.push('\n');
    }

    /// Everything up to the opening bracket of the children.
    fn write_json(&self, json: &mut String) {
        let _ = write!(json, "{{\"id\":{},\"kind\":", self.id);
        push_json(json, self.kind);
        json.push_str(",\"label\":");
        push_json(json, self.label.as_str());
        if let Some(key) = self.key {
            json.push_str(",\"key\":");
            push_json(json, key);
        }
        let _ = write!(
            json,
            ",\"state\":\"{}\",\"age_ms\":{}",
            self.state(),
            self.age.as_millis()
        );
        match self.deadline {
            Some((left, owner)) => {
                let _ = write!(
                    json,
                    ",\"deadline_ms\":{},\"deadline_owner\":{owner}",
                    left.as_millis()
                );
            }
            None => json.push_str(",\"deadline_ms\":null,\"deadline_owner\":null"),
        }
        json.push_str(",\"cause\":");
        match &self.cause {
            Some(cause) => push_json(json, &cause.to_string()),
            None => json.push_str("null"),
        }
        let _ = write!(json, ",\"waiters\":{}", self.waiters);
        if self.more > 0 {
            let _ = write!(json, ",\"more\":{}", self.more);
        }
        json.push_str(",\"children\":[");
    }
}

/// A duration for people: `12 ms`, `3.4 s`, `5 m 06 s`, `2 h 07 m`.
struct Short(Duration);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..60 => write!(f, "{}.{} s", seconds, self.0.subsec_millis() / 100),
            60..3600 => write!(f, "{} m {:02} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        }
    }
}

/// Appends a JSON string (RFC 8259 §7).
fn push_json(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
