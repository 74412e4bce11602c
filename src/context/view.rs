//! A picture of the live tree: as text, JSON, DOT and Mermaid.
//!
//! The walk holds at most one node's lock at a time, for as long as it takes to read a few of its children, and keeps
//! its own list instead of recursing. So it may run at any time: it stops nobody from deriving, cancelling or dropping.
//! Each node appears at most once, in a state not older than the beginning of the walk. Of values only the keys are
//! shown.

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::cause::{OneLine, Span};
use super::label::Kind;
use super::node::{About, ChildCursor, Node, bit};
use super::stamp::Stamp;
use super::{Cause, Context, sweep};

/// How much of a tree is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewOptions {
    /// How many levels below the first node; none for all.
    pub depth: Option<usize>,
    /// How many nodes at most. Nodes near the top come first.
    pub nodes_max: usize,
}

impl Default for ViewOptions {
    /// All levels, 10,000 nodes.
    fn default() -> Self {
        Self {
            depth: None,
            nodes_max: 10_000,
        }
    }
}

/// A picture of a node and what is below it, taken at one moment and its own from then on.
#[derive(Clone, Debug)]
pub struct View {
    /// Level by level, parents before children, children in the order of their creation. Never empty.
    nodes: Vec<ViewNode>,
}

/// One node in a [`View`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ViewNode {
    /// The node's number.
    pub id: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: String,
    /// `live`, `draining`, `canceled` or `expired`.
    pub state: &'static str,
    /// How long ago it was made.
    pub age: Duration,
    /// What is left until its deadline; zero if that has passed.
    pub remaining: Option<Duration>,
    /// Whose deadline that is.
    pub deadline_owner: Option<u64>,
    /// Why it ended. One and the same for all nodes that ended by it.
    pub cause: Option<Arc<Cause>>,
    /// How many tasks and threads wait for it.
    pub waiters: usize,
    /// The key it carries a value for, if it does.
    pub key: Option<&'static str>,
    /// How far below the view's first node it is.
    pub depth: usize,
    /// The index of its parent in [`View::nodes`]; none for the first.
    pub parent: Option<usize>,
    /// The indices of its children in [`View::nodes`].
    pub children: Vec<usize>,
    /// How many more children it has that are not shown.
    pub more: usize,
}

impl View {
    /// Looks at `ctx` and everything below it.
    #[must_use]
    pub fn of(ctx: &Context, options: &ViewOptions) -> Self {
        let mut walk = Walk::new(ctx, options);
        while walk.step(usize::MAX) {}
        walk.finish()
    }

    /// All nodes: the first is the one that was looked at, every other one comes after its parent.
    #[must_use]
    pub fn nodes(&self) -> &[ViewNode] {
        &self.nodes
    }

    /// A tree of lines, for a terminal. Each node takes one line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // For each level above the present line: whether anything follows on that level.
        let mut rails = Vec::new();
        self.walk(|step| write_text_step(&mut out, &mut rails, step));
        out
    }

    /// One JSON object, with the children of each node nested in it. Times are in milliseconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.walk(|step| write_json_step(&mut out, step));
        out
    }

    /// A graph for Graphviz: `dot -Tsvg`.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut out =
            String::from("digraph context {\n    node [shape=box, style=\"rounded,filled\"];\n");
        for node in &self.nodes {
            let color = match node.state {
                "canceled" => "#f4b6b0",
                "expired" => "#f6d59b",
                "draining" => "#fbf3b4",
                _ => "#c9e7cb",
            };
            let text = Quoted(node.title());
            let _ = writeln!(
                out,
                "    n{} [label=\"{text}\\n{}\", fillcolor=\"{color}\"];",
                node.id,
                Quoted(node.note())
            );
        }
        for (parent, child) in self.edges() {
            let _ = writeln!(out, "    n{} -> n{};", parent.id, child.id);
        }
        for node in self.nodes.iter().filter(|node| node.more > 0) {
            let _ = writeln!(
                out,
                "    m{0} [label=\"{1} more\", shape=plaintext, style=\"\"];\n    n{0} -> m{0};",
                node.id, node.more
            );
        }
        out.push_str("}\n");
        out
    }

    /// A graph for Mermaid, as in Markdown that is shown in a browser.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("graph TD\n");
        for node in &self.nodes {
            let (id, state) = (node.id, node.state);
            let _ = writeln!(
                out,
                "    n{id}[\"{}<br/>{}\"]:::{state}",
                Entities(node.title()),
                Entities(node.note())
            );
        }
        for (parent, child) in self.edges() {
            let _ = writeln!(out, "    n{} --> n{}", parent.id, child.id);
        }
        for node in self.nodes.iter().filter(|node| node.more > 0) {
            let _ = writeln!(out, "    n{0} --> m{0}[\"{1} more\"]", node.id, node.more);
        }
        for (state, color) in [
            ("live", "c9e7cb"),
            ("draining", "fbf3b4"),
            ("canceled", "f4b6b0"),
            ("expired", "f6d59b"),
        ] {
            let _ = writeln!(out, "    classDef {state} fill:#{color},color:#000");
        }
        out
    }

    /// Each node but the first, with its parent.
    fn edges(&self) -> impl Iterator<Item = (&ViewNode, &ViewNode)> {
        self.nodes
            .iter()
            .filter_map(|child| Some((self.nodes.get(child.parent?)?, child)))
    }

    /// Enters and leaves every node, children between the two, without recursion.
    fn walk<'a>(&'a self, mut visit: impl FnMut(Step<'a>)) {
        let mut trail = Trail::default();
        while let Some(step) = trail.next(self) {
            visit(step);
        }
    }
}

/// A look at a tree that is taken in steps, so that whoever takes it can do something else in between.
///
/// Between two steps it holds no node: what goes meanwhile is not kept.
pub(crate) struct Walk {
    now: Stamp,
    options: ViewOptions,
    nodes: Vec<ViewNode>,
    /// Nodes whose children are still to be read, nearest to the top first.
    waiting: VecDeque<Reading>,
    /// The merged nodes that were met.
    merged: HashSet<u64>,
}

struct Reading {
    /// The index among the nodes.
    at: usize,
    node: Weak<Node>,
    from: ChildCursor,
    /// How many children were read.
    count: usize,
}

impl Reading {
    fn of(at: usize, node: &Arc<Node>) -> Self {
        Self {
            at,
            node: Arc::downgrade(node),
            from: ChildCursor::default(),
            count: 0,
        }
    }
}

impl Walk {
    pub(crate) fn new(ctx: &Context, options: &ViewOptions) -> Self {
        let now = Stamp::now();
        Self {
            now,
            options: options.clone(),
            nodes: vec![ViewNode::of(&ctx.node, None, now)],
            waiting: VecDeque::from([Reading::of(0, &ctx.node)]),
            merged: HashSet::new(),
        }
    }

    /// Reads children so many times, a few each time. False: there is nothing more to read.
    pub(crate) fn step(&mut self, times: usize) -> bool {
        for _ in 0..times {
            let Some(mut reading) = self.waiting.pop_front() else {
                return false;
            };
            if let Some(node) = reading.node.upgrade() {
                if self.read(&node, &mut reading) {
                    self.waiting.push_front(reading);
                }
            }
        }
        !self.waiting.is_empty()
    }

    /// Reads a few children of `node`. False: that was all, or all that there is room for.
    fn read(&mut self, node: &Arc<Node>, reading: &mut Reading) -> bool {
        let depth = self.nodes.get(reading.at).map_or(0, |it| it.depth);
        let room = match self.options.depth {
            Some(deepest) if depth >= deepest => 0,
            _ => self.options.nodes_max.saturating_sub(self.nodes.len()),
        };
        let mut is_last = room == 0;
        if !is_last {
            let batch = node.children(&mut reading.from);
            is_last = batch.is_empty();
            for child in batch.into_iter().take(room) {
                reading.count += 1;
                self.add(reading.at, &child);
            }
        }
        if is_last {
            if let Some(seen) = self.nodes.get_mut(reading.at) {
                seen.more = node.child_count().saturating_sub(reading.count);
            }
        }
        !is_last
    }

    fn add(&mut self, parent: usize, child: &Arc<Node>) {
        if is_known(child, &mut self.merged) {
            return;
        }
        let at = self.nodes.len();
        let above = self.nodes.get(parent).map(|above| (parent, above));
        let seen = ViewNode::of(child, above, self.now);
        self.nodes.push(seen);
        if let Some(above) = self.nodes.get_mut(parent) {
            above.children.push(at);
        }
        if child.load() & bit::PARENT != 0 {
            self.waiting.push_back(Reading::of(at, child));
        }
    }

    /// What was seen.
    pub(crate) fn finish(self) -> View {
        View { nodes: self.nodes }
    }
}

/// A way through a view, as far as it was gone.
#[derive(Default)]
struct Trail {
    /// It has begun.
    is_begun: bool,
    /// The nodes that were entered and not left, each with how many of its children were entered.
    path: Vec<(usize, usize)>,
}

impl Trail {
    fn next<'a>(&mut self, view: &'a View) -> Option<Step<'a>> {
        if !self.is_begun {
            self.is_begun = true;
            self.path.push((0, 0));
            let node = view.nodes.first()?;
            return Some(Step::Enter {
                node,
                is_first: true,
                follows: false,
            });
        }
        let (at, entered) = self.path.last_mut()?;
        let above = view.nodes.get(*at)?;
        let next = above.children.get(*entered);
        *entered += 1;
        let (is_first, follows) = (
            *entered == 1,
            *entered < above.children.len() || above.more > 0,
        );
        let Some((at, node)) = next.and_then(|at| Some((*at, view.nodes.get(*at)?))) else {
            self.path.pop();
            return Some(Step::Leave { node: above });
        };
        self.path.push((at, 0));
        Some(Step::Enter {
            node,
            is_first,
            follows,
        })
    }
}

/// A view that is printed in pieces, so that it is never there a second time as one long text.
pub(crate) struct Pieces {
    view: View,
    trail: Trail,
    /// As text these are the rails; JSON has none.
    rails: Option<Vec<bool>>,
}

impl Pieces {
    pub(crate) fn json(view: View) -> Self {
        Self {
            view,
            trail: Trail::default(),
            rails: None,
        }
    }

    pub(crate) fn text(view: View) -> Self {
        Self {
            rails: Some(Vec::new()),
            ..Self::json(view)
        }
    }
}

impl Iterator for Pieces {
    type Item = String;

    /// The next piece, of some ten thousand octets.
    fn next(&mut self) -> Option<String> {
        const OCTETS: usize = 16 << 10;
        let mut out = String::new();
        while out.len() < OCTETS {
            let Some(step) = self.trail.next(&self.view) else {
                break;
            };
            match &mut self.rails {
                Some(rails) => write_text_step(&mut out, rails, step),
                None => write_json_step(&mut out, step),
            }
        }
        Some(out).filter(|out| !out.is_empty())
    }
}

enum Step<'a> {
    /// A node, before its children, with its place among those of the same parent: whether it is the first, and whether
    /// anything follows.
    Enter {
        node: &'a ViewNode,
        is_first: bool,
        follows: bool,
    },
    /// A node, after its children.
    Leave { node: &'a ViewNode },
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl ViewNode {
    /// Reads one node. What it shares with its parent is taken from there instead of being looked for again.
    fn of(node: &Arc<Node>, parent: Option<(usize, &Self)>, now: Stamp) -> Self {
        // Looking is what makes an end by deadline visible, here as everywhere.
        let ended = sweep::err(node);
        let state = node.load_settled();
        let deadline_owner = match parent {
            Some((_, parent)) if state & (bit::OWNS | bit::SHIELD | bit::JOINT) == 0 => {
                parent.deadline_owner
            }
            _ => node.deadline_owner().map(|owner| owner.id),
        };
        let cause = ended.and_then(|_| {
            let shared = parent
                .filter(|_| state & (bit::ORIGIN | bit::JOINT) == 0)
                .and_then(|(_, parent)| parent.cause.clone());
            shared.or_else(|| node.cause().map(Arc::new))
        });
        Self {
            id: node.id,
            kind: node.kind.name(),
            label: node.label().as_str().to_owned(),
            state: state_name(state),
            age: now.since(node.created),
            remaining: (node.deadline != Stamp::NEVER).then(|| node.deadline.since(now)),
            deadline_owner,
            cause,
            waiters: node.waiter_count(),
            key: match &node.about {
                About::Value(slot) => Some(slot.key_name()),
                _ => None,
            },
            depth: parent.map_or(0, |(_, parent)| parent.depth + 1),
            parent: parent.map(|(index, _)| index),
            children: Vec::new(),
            more: 0,
        }
    }

    /// Kind, number and label.
    fn title(&self) -> Title<'_> {
        Title(self)
    }

    /// Age, time left, who waits, and how it ended.
    fn note(&self) -> Note<'_> {
        Note(self)
    }
}

struct Title<'a>(&'a ViewNode);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ViewNode {
            kind, id, label, ..
        } = self.0;
        write!(f, "{}#{id}", OneLine(kind))?;
        if !label.is_empty() {
            write!(f, " {}", OneLine(label))?;
        }
        match self.0.key {
            Some(key) if key != label => write!(f, " [{}]", OneLine(key)),
            _ => Ok(()),
        }
    }
}

struct Note<'a>(&'a ViewNode);

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.0;
        write!(f, "{} old", Span(node.age))?;
        match (&node.cause, node.remaining) {
            (Some(cause), _) if cause.origin().id == node.id => {
                let what = cause.brief().to_string();
                let place = cause
                    .location()
                    .map(|at| format!(" at {}:{}", at.file(), at.line()));
                let place = place.filter(|_| !cause.is_dropped()).unwrap_or_default();
                write!(
                    f,
                    ", {}{place}",
                    what.strip_prefix("context ").unwrap_or(&what)
                )?;
            }
            (Some(cause), _) => write!(
                f,
                ", {} with {}#{}",
                node.state,
                cause.origin().kind,
                cause.origin().id
            )?,
            (None, Some(remaining)) => {
                write!(f, ", {} left", Span(remaining))?;
                if let Some(owner) = node.deadline_owner.filter(|owner| *owner != node.id) {
                    write!(f, " by #{owner}")?;
                }
            }
            (None, None) => {}
        }
        if node.state == "draining" {
            f.write_str(", draining")?;
        }
        match node.waiters {
            0 => Ok(()),
            waiters => write!(f, ", {waiters} waiting"),
        }
    }
}

/// What the state of a node is called.
pub(super) fn state_name(state: u16) -> &'static str {
    if state & (bit::DONE | bit::EXPIRED) == bit::DONE {
        "canceled"
    } else if state & bit::DONE != 0 {
        "expired"
    } else if state & bit::DRAINING != 0 {
        "draining"
    } else {
        "live"
    }
}

/// Whether `node` has several parents and was met below another one.
fn is_known(node: &Node, merged: &mut HashSet<u64>) -> bool {
    node.load() & bit::JOINT != 0 && !merged.insert(node.id)
}

/// The node with the number `id`, at or below `top`.
pub(super) fn find(top: &Arc<Node>, id: u64) -> Option<Arc<Node>> {
    descend(top, |node| {
        if node.id == id {
            ControlFlow::Break(node.clone())
        } else {
            ControlFlow::Continue(())
        }
    })
}

/// Shows `visit` the node and everything below it, level by level, until it has enough.
fn descend<T>(top: &Arc<Node>, mut visit: impl FnMut(&Arc<Node>) -> ControlFlow<T>) -> Option<T> {
    let mut waiting = VecDeque::from([top.clone()]);
    let mut merged = HashSet::new();
    while let Some(node) = waiting.pop_front() {
        if let ControlFlow::Break(found) = visit(&node) {
            return Some(found);
        }
        let mut from = ChildCursor::default();
        loop {
            let batch = node.children(&mut from);
            if batch.is_empty() {
                break;
            }
            waiting.extend(
                batch
                    .into_iter()
                    .filter(|child| !is_known(child, &mut merged)),
            );
        }
    }
    None
}

/// The error of [`Context::emptied_within`]: what was still there.
#[derive(Clone, Debug)]
pub struct StillAlive {
    /// Level by level, children in the order of their creation.
    nodes: Vec<Survivor>,
    /// How many more there were.
    more: usize,
}

/// One node that is still there although it should be gone: somebody holds a handle of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Survivor {
    /// The way to it from the root, as a [`Context`] prints it.
    pub path: String,
    /// Its number.
    pub id: u64,
    /// Its kind.
    pub kind: &'static str,
    /// Its label.
    pub label: String,
    /// `live`, `draining`, `canceled` or `expired`.
    pub state: &'static str,
    /// How long ago it was made.
    pub age: Duration,
    /// How many tasks and threads wait for it.
    pub waiters: usize,
}

impl StillAlive {
    /// So many nodes are described; the rest is counted.
    const NODES_MAX: usize = 256;

    /// What is below `top` now; none if nothing is.
    pub(super) fn below(top: &Arc<Node>) -> Option<Self> {
        let now = Stamp::now();
        let (mut nodes, mut more) = (Vec::new(), 0);
        descend(top, |node| {
            if Arc::ptr_eq(node, top) {
            } else if nodes.len() < Self::NODES_MAX {
                nodes.push(Survivor::of(node, now));
            } else {
                more += 1;
            }
            ControlFlow::<()>::Continue(())
        });
        (!nodes.is_empty()).then_some(Self { nodes, more })
    }

    /// The nodes, parents before children. Of more than 256 only those nearest to the top.
    #[must_use]
    pub fn nodes(&self) -> &[Survivor] {
        &self.nodes
    }

    /// How many nodes were there altogether.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len() + self.more
    }
}

impl Survivor {
    fn of(node: &Arc<Node>, now: Stamp) -> Self {
        sweep::err(node);
        Self {
            path: Context {
                node: node.clone().into(),
            }
            .to_string(),
            id: node.id,
            kind: node.kind.name(),
            label: node.label().as_str().to_owned(),
            state: state_name(node.load()),
            age: now.since(node.created),
            waiters: node.waiter_count(),
        }
    }
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", OneLine(self.kind), self.id)?;
        if !self.label.is_empty() {
            write!(f, " {}", OneLine(&self.label))?;
        }
        write!(f, " ({}, {} old)", self.state, Span(self.age))
    }
}

/// One line: how many, and the first few.
impl fmt::Display for StillAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{} still alive", self.count())?;
        for (index, node) in self.nodes.iter().take(SHOWN).enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write!(f, "{node}")?;
        }
        if self.count() > SHOWN {
            write!(f, ", and {} more", self.count() - SHOWN)?;
        }
        Ok(())
    }
}

impl Error for StillAlive {}

/// See the `Display` of [`Context`].
pub(super) fn write_path(node: &Arc<Node>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut path = Vec::new();
    let mut above = Some(node);
    while let Some(node) = above.filter(|node| !node.is_root()) {
        path.push(node);
        above = node.parent();
    }
    f.write_str(if node.load() & bit::TODO == 0 {
        "context.Background"
    } else {
        "context.TODO"
    })?;
    let now = Stamp::now();
    for node in path.into_iter().rev() {
        write_step(node, now, f)?;
    }
    Ok(())
}

fn write_step(node: &Node, now: Stamp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if node.kind.is_given() {
        return write!(
            f,
            ".{}#{}({})",
            OneLine(node.kind.name()),
            node.id,
            OneLine(node.label())
        );
    }
    let left = Span(node.deadline.since(now));
    match node.kind {
        Kind::DEADLINE | Kind::TIMEOUT => write!(f, ".WithDeadline({left})"),
        Kind::VALUE => write!(f, ".WithValue({})", OneLine(node.label())),
        Kind::WITHOUT_CANCEL => f.write_str(".WithoutCancel"),
        Kind::ANY => f.write_str(".Any"),
        Kind::AFTER_FUNC => f.write_str(".AfterFunc"),
        _ => f.write_str(".WithCancel"),
    }
}

fn write_text_step(out: &mut String, rails: &mut Vec<bool>, step: Step<'_>) {
    match step {
        Step::Enter { node, follows, .. } => {
            write_rails(out, rails, follows);
            write_line(out, node);
            rails.push(follows);
        }
        Step::Leave { node } => {
            if node.more > 0 {
                write_rails(out, rails, false);
                let _ = writeln!(out, "… {} more", node.more);
            }
            rails.pop();
        }
    }
}

fn write_json_step(out: &mut String, step: Step<'_>) {
    match step {
        Step::Enter { node, is_first, .. } => {
            if !is_first {
                out.push(',');
            }
            // Writing to a string cannot fail.
            let _ = write_json(out, node);
        }
        Step::Leave { node } => {
            out.push(']');
            if node.more > 0 {
                let _ = write!(out, ",\"more\":{}", node.more);
            }
            out.push('}');
        }
    }
}

fn write_rails(out: &mut String, rails: &[bool], follows: bool) {
    // The first node stands at the left edge, and so do the lines of its children.
    let Some((_, above)) = rails.split_first() else {
        return;
    };
    for rail in above {
        out.push_str(if *rail { "│  " } else { "   " });
    }
    out.push_str(if follows { "├─ " } else { "└─ " });
}

fn write_line(out: &mut String, node: &ViewNode) {
    let _ = writeln!(out, "{}  {}", node.title(), node.note());
}

fn write_json(out: &mut String, node: &ViewNode) -> fmt::Result {
    let (id, state, waiters) = (node.id, node.state, node.waiters);
    write!(
        out,
        "{{\"id\":{id},\"kind\":\"{}\",\"label\":\"{}\"",
        Quoted(node.kind),
        Quoted(&node.label)
    )?;
    if let Some(key) = node.key {
        write!(out, ",\"key\":\"{}\"", Quoted(key))?;
    }
    write!(
        out,
        ",\"state\":\"{state}\",\"age_ms\":{},\"deadline_ms\":",
        node.age.as_millis()
    )?;
    match node.remaining {
        Some(remaining) => write!(out, "{}", remaining.as_millis())?,
        None => out.push_str("null"),
    }
    match node.deadline_owner {
        Some(owner) => write!(out, ",\"deadline_owner\":{owner}")?,
        None => out.push_str(",\"deadline_owner\":null"),
    }
    match &node.cause {
        Some(cause) => write!(out, ",\"cause\":\"{}\"", Quoted(cause))?,
        None => out.push_str(",\"cause\":null"),
    }
    write!(out, ",\"waiters\":{waiters},\"children\":[")
}

/// Prints what it holds for the inside of a quoted string: as RFC 8259 §7 asks, and `<` besides, so that it can stand
/// in a page. DOT's strings take the same escapes where labels are concerned.
pub(crate) struct Quoted<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(&self.0, f, |c, f| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '\u{0}'..='\u{1f}' | '<' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                write!(f, "\\u{:04x}", u32::from(c))
            }
            _ => f.write_char(c),
        })
    }
}

/// Prints what it holds for the inside of a Mermaid label.
struct Entities<T>(T);

impl<T: fmt::Display> fmt::Display for Entities<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(&self.0, f, |c, f| match c {
            '"' | '#' | '&' | ';' | '<' | '>' | '`' | '\\' | '\u{0}'..='\u{1f}' => {
                write!(f, "#{};", u32::from(c))
            }
            _ => f.write_char(c),
        })
    }
}

/// Prints `text` with each character in the way that `print` says.
fn each_char<'b>(
    text: &impl fmt::Display,
    f: &mut fmt::Formatter<'b>,
    print: impl Fn(char, &mut fmt::Formatter<'b>) -> fmt::Result,
) -> fmt::Result {
    struct Each<'a, 'b, P>(&'a mut fmt::Formatter<'b>, P);
    impl<'b, P: Fn(char, &mut fmt::Formatter<'b>) -> fmt::Result> fmt::Write for Each<'_, 'b, P> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|c| (self.1)(c, self.0))
        }
    }
    write!(Each(f, print), "{text}")
}
