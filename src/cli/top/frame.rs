//! What is on the screen: a glance, a state and a size → lines; lines → octets. Pure.

use std::fmt::Write as _;

use super::columns::{clipped, fitted, harmless, short, whole, width};
use super::glance::{Glance, Node};
use super::state::{Prompt, Size, State};
use crate::cli::args::Sort;

/// How a line looks, where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Strong,
    Faint,
    /// Under the mark.
    Marked,
    /// It ends, or has no time left.
    Late,
    /// It has ended.
    Ended,
}

/// A line, not wider than the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) look: Look,
}

impl Line {
    fn new(look: Look, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            look,
        }
    }
}

/// Above the rows: how the server is, what is in flight, what is said or asked, and what the columns are.
const HEAD_LINES: usize = 4;
/// Below them: the keys.
const FOOT_LINES: usize = 1;
/// As much of it as there is room for.
const KEYS: [&str; 3] = [
    "q quit  a by age  b by budget  j/k select  c cancel  / filter  space pause",
    "q quit  a/b sort  j/k select  c cancel  / filter",
    "q quit  c cancel",
];

/// How many rows a screen has room for.
pub(super) fn rows_shown(size: Size) -> usize {
    size.rows.saturating_sub(HEAD_LINES + FOOT_LINES)
}

/// The whole screen: as many lines as it has, or fewer.
pub(super) fn frame(glance: &Glance, state: &State, size: Size) -> Vec<Line> {
    let rows = state.rows(glance);
    let shown = rows_shown(size);
    let visible = rows.get(state.top..).unwrap_or_default();
    let visible = visible.get(..shown).unwrap_or(visible);
    let table = Table::of(&rows, Some(size.columns.saturating_sub(MARK.len())));
    let mut lines = vec![
        Line::new(Look::Strong, server(glance)),
        second(glance, state),
        third(glance, state, rows.len(), size),
        Line::new(
            Look::Faint,
            format!("{NO_MARK}{}", table.line(&HEADS.map(str::to_owned))),
        ),
    ];
    for (index, node) in visible.iter().enumerate() {
        let is_marked = state.top + index == state.row;
        let mark = if is_marked { MARK } else { NO_MARK };
        let look = if is_marked { Look::Marked } else { look(node) };
        lines.push(Line::new(
            look,
            format!("{mark}{}", table.line(&cells(node))),
        ));
    }
    lines.resize_with(HEAD_LINES + shown, || Line::new(Look::Plain, ""));
    let keys = KEYS.iter().find(|keys| width(keys) <= size.columns);
    lines.push(Line::new(Look::Faint, keys.copied().unwrap_or_default()));
    lines.truncate(size.rows);
    for line in &mut lines {
        line.text = clipped(&line.text, size.columns);
    }
    lines
}

/// The table alone, as wide as it is: for a file or another program.
pub(super) fn table(glance: &Glance, state: &State) -> String {
    let rows = state.rows(glance);
    let table = Table::of(&rows, None);
    let mut out = format!("{}\n{}\n", server(glance), in_flight(glance));
    for cells in [HEADS.map(str::to_owned)]
        .into_iter()
        .chain(rows.into_iter().map(cells))
    {
        out.push_str(table.line(&cells).trim_end());
        out.push('\n');
    }
    out
}

const MARK: &str = "> ";
const NO_MARK: &str = "  ";

/// `osier 0.1.0, up 3m02s, serving, 12.3 requests/s`
fn server(glance: &Glance) -> String {
    let server = &glance.server;
    let mut parts = vec![format!("osier {}", server.version).trim_end().to_owned()];
    parts.extend(server.uptime.map(|uptime| format!("up {}", whole(uptime))));
    parts.extend(Some(server.state.clone()).filter(|state| !state.is_empty()));
    let rate = glance.per_second;
    parts.extend(rate.map(|rate| format!("{rate:.1} requests/s")));
    harmless(&parts.join(", "))
}

/// `in flight: 1 server, 1 listener, 3 session`: what lives, by its kind, as it comes from the top.
fn in_flight(glance: &Glance) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let lives = |node: &&Node| matches!(node.state.as_str(), "live" | "draining");
    for node in glance.nodes.iter().filter(lives) {
        match kinds.iter_mut().find(|(kind, _)| *kind == node.kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&node.kind, 1)),
        }
    }
    let mut parts: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {}", harmless(kind)))
        .collect();
    let more: u64 = glance.nodes.iter().map(|node| node.more).sum();
    parts.extend((more > 0).then(|| format!("{more} or more not shown")));
    format!("in flight: {}", parts.join(", "))
}

fn second(glance: &Glance, state: &State) -> Line {
    if state.trouble.is_empty() {
        Line::new(Look::Plain, in_flight(glance))
    } else {
        Line::new(Look::Ended, harmless(&state.trouble))
    }
}

fn third(glance: &Glance, state: &State, rows: usize, size: Size) -> Line {
    match &state.prompt {
        Some(Prompt::Filter) => {
            return Line::new(Look::Strong, asked("filter: ", &state.filter, size));
        }
        Some(Prompt::Reason { name, text, .. }) => {
            // Half of the line at least is for what is typed.
            let name = clipped(&harmless(name.trim_end()), size.columns / 2);
            return Line::new(
                Look::Strong,
                asked(&format!("cancel {name}, because: "), text, size),
            );
        }
        None if !state.notice.is_empty() => {
            return Line::new(Look::Strong, harmless(&state.notice));
        }
        None => {}
    }
    let by = match state.sort {
        Sort::Age => "oldest first",
        Sort::Budget => "least time left first",
    };
    let mut text = format!("{rows} of {} nodes, {by}", glance.nodes.len());
    if !state.filter.is_empty() {
        let _ = write!(text, ", with \"{}\"", harmless(&state.filter));
    }
    if state.is_paused {
        text.push_str(", paused");
    }
    Line::new(Look::Plain, text)
}

/// A question and what is typed behind it: of what does not fit, the end is seen.
fn asked(question: &str, typed: &str, size: Size) -> String {
    let typed = harmless(typed);
    let room = size.columns.saturating_sub(width(question) + 1);
    let mut seen = typed.as_str();
    while width(seen) > room {
        let mut chars = seen.chars();
        chars.next();
        seen = chars.as_str();
    }
    format!("{question}{seen}_")
}

fn look(node: &Node) -> Look {
    match node.state.as_str() {
        "canceled" | "expired" => Look::Ended,
        "draining" => Look::Late,
        _ if node.left.is_some_and(|left| left.as_millis() < 1000) => Look::Late,
        _ => Look::Plain,
    }
}

const HEADS: [&str; 8] = [
    "KIND", "ID", "AGE", "LEFT", "OWNER", "WAIT", "LABEL", "CAUSE",
];
const KIND: usize = 0;
const OWNER: usize = 4;
const WAIT: usize = 5;
const LABEL: usize = 6;
const CAUSE: usize = 7;
/// So narrow each column is at least, that rows do not jump from frame to frame.
const NARROWEST: [usize; 8] = [8, 6, 6, 6, 6, 4, 5, 5];
/// So much of a label is worth more than a column of figures.
const LABEL_SEEN: usize = 16;

fn cells(node: &Node) -> [String; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        harmless(&node.kind),
        node.id.to_string(),
        short(node.age),
        or_dash(node.left.map(short)),
        or_dash(node.owner.map(|owner| owner.to_string())),
        node.waiters.to_string(),
        harmless(&node.label),
        or_dash(node.cause.as_deref().map(harmless)),
    ]
}

/// How wide each column is; none at all where there is no room for it.
struct Table {
    widths: [usize; 8],
}

impl Table {
    /// For these rows, in so many columns of a terminal or in as many as it takes.
    fn of(rows: &[&Node], columns: Option<usize>) -> Self {
        let mut widths = NARROWEST;
        for cells in rows.iter().map(|node| cells(node)) {
            for (widest, cell) in widths.iter_mut().zip(&cells) {
                *widest = (*widest).max(width(cell));
            }
        }
        let mut table = Self { widths };
        if let Some(columns) = columns {
            table.fit(columns);
        }
        table
    }

    fn fit(&mut self, columns: usize) {
        self.widths[KIND] = self.widths[KIND].min(14);
        let wanted = self.widths[CAUSE];
        // What can be left out first goes first.
        for out in [OWNER, WAIT, CAUSE] {
            if self.room_for_text(columns) >= LABEL_SEEN {
                break;
            }
            self.widths[out] = 0;
        }
        let room = self.room_for_text(columns);
        let cause = match self.widths[CAUSE] {
            0 => 0,
            _ => wanted.min((room / 2).max(NARROWEST[CAUSE])),
        };
        self.widths[CAUSE] = cause;
        self.widths[LABEL] = room.saturating_sub(cause);
    }

    /// What the label and the cause have together.
    fn room_for_text(&self, columns: usize) -> usize {
        let gaps = GAP.len() * (self.widths.iter().filter(|width| **width > 0).count() - 1);
        let figures: usize = self.widths.get(..LABEL).unwrap_or_default().iter().sum();
        columns.saturating_sub(figures + gaps)
    }

    fn line(&self, cells: &[String; 8]) -> String {
        let mut line = String::new();
        for (at, (cell, width)) in cells.iter().zip(self.widths).enumerate() {
            if width == 0 {
                continue;
            }
            if at > 0 {
                line.push_str(GAP);
            }
            let is_figure = !matches!(at, KIND | LABEL | CAUSE);
            line.push_str(&fitted(cell, width, is_figure));
        }
        line
    }
}

const GAP: &str = "  ";

/// The octets that put these lines on a screen, in place of what is there, without clearing it in between.
pub(super) fn octets(lines: &[Line], has_colours: bool) -> String {
    let mut out = String::from("\x1b[H");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("\r\n");
        }
        let style = match line.look {
            _ if !has_colours => "",
            Look::Plain => "",
            Look::Strong => "\x1b[1m",
            Look::Faint => "\x1b[2m",
            Look::Marked => "\x1b[7m",
            Look::Late => "\x1b[33m",
            Look::Ended => "\x1b[31m",
        };
        out.push_str(style);
        out.push_str(&line.text);
        if !style.is_empty() {
            out.push_str("\x1b[m");
        }
        out.push_str("\x1b[K");
    }
    out.push_str("\x1b[J");
    out
}
