//! What `top` is doing: keys and a glance → what is selected, how it is sorted, what is being typed. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use super::glance::{Glance, Node};
use super::keys::Key;
use crate::cli::args::Sort;

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What a line or two are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prompt {
    /// What a row must have in it.
    Filter,
    /// Why a node is to end.
    Reason {
        id: u64,
        /// What the node was called when it was chosen.
        name: String,
        text: String,
    },
}

/// What is to be done outside of here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Nothing,
    Quit,
    /// Look at once.
    Look,
    Cancel {
        id: u64,
        /// What the node was called.
        name: String,
        reason: String,
    },
}

/// What is between two frames.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) prompt: Option<Prompt>,
    /// Nothing is asked for, and nothing moves.
    pub(super) is_paused: bool,
    /// The node under the mark: it stays there when rows move.
    pub(super) selected: Option<u64>,
    /// The row of it, for when it has gone.
    pub(super) row: usize,
    /// The first row that is on the screen.
    pub(super) top: usize,
    /// What there is to say once, until the next key.
    pub(super) notice: String,
    /// Why there is nothing new to see.
    pub(super) trouble: String,
}

impl State {
    pub(super) fn new(sort: Sort) -> Self {
        Self {
            sort,
            ..Self::default()
        }
    }

    /// The nodes that are shown, in their order.
    pub(super) fn rows<'a>(&self, glance: &'a Glance) -> Vec<&'a Node> {
        let mut rows: Vec<&Node> = glance
            .nodes
            .iter()
            .filter(|node| self.has_filter(node))
            .collect();
        rows.sort_unstable_by_key(|node| {
            let left = match self.sort {
                Sort::Age => Duration::ZERO,
                // Who has no deadline has all the time there is.
                Sort::Budget => node.left.unwrap_or(Duration::MAX),
            };
            (left, Reverse(node.age), node.id)
        });
        rows
    }

    fn has_filter(&self, node: &Node) -> bool {
        let wanted = self.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        wanted.is_empty()
            || has(&name(node))
            || has(&node.state)
            || node.cause.as_deref().is_some_and(has)
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: Key, glance: &Glance, rows_shown: usize) -> Deed {
        self.notice.clear();
        match (key, self.prompt.take()) {
            (Key::Interrupt, _) => Deed::Quit,
            (key, Some(Prompt::Filter)) => self.type_filter(key),
            (key, Some(Prompt::Reason { id, name, text })) => self.type_reason(key, id, name, text),
            (key, None) => self.command(key, glance, rows_shown),
        }
    }

    fn type_filter(&mut self, key: Key) -> Deed {
        match key {
            Key::Enter => return Deed::Nothing,
            Key::Escape => {
                self.filter.clear();
                return Deed::Nothing;
            }
            key => edit(&mut self.filter, key),
        }
        self.prompt = Some(Prompt::Filter);
        Deed::Nothing
    }

    fn type_reason(&mut self, key: Key, id: u64, name: String, mut text: String) -> Deed {
        match key {
            Key::Enter => {
                return Deed::Cancel {
                    id,
                    name,
                    reason: text,
                };
            }
            Key::Escape => {
                "nothing was cancelled".clone_into(&mut self.notice);
                return Deed::Nothing;
            }
            key => edit(&mut text, key),
        }
        self.prompt = Some(Prompt::Reason { id, name, text });
        Deed::Nothing
    }

    fn command(&mut self, key: Key, glance: &Glance, rows_shown: usize) -> Deed {
        let rows = self.rows(glance);
        let page = isize::try_from(rows_shown.max(1)).unwrap_or(isize::MAX);
        match key {
            Key::Char('q') | Key::Escape => return Deed::Quit,
            Key::Char('a') => self.sort = Sort::Age,
            Key::Char('b') => self.sort = Sort::Budget,
            Key::Char('j') | Key::Down => self.move_by(1, &rows),
            Key::Char('k') | Key::Up => self.move_by(-1, &rows),
            Key::PageDown => self.move_by(page, &rows),
            Key::PageUp => self.move_by(-page, &rows),
            Key::Char('g') | Key::Home => self.move_by(isize::MIN, &rows),
            Key::Char('G') | Key::End => self.move_by(isize::MAX, &rows),
            Key::Char('/') => self.prompt = Some(Prompt::Filter),
            Key::Char('c') => self.ask_why(&rows),
            Key::Char(' ') => {
                self.is_paused = !self.is_paused;
                if !self.is_paused {
                    return Deed::Look;
                }
            }
            _ => {}
        }
        Deed::Nothing
    }

    fn move_by(&mut self, rows: isize, shown: &[&Node]) {
        let last = shown.len().saturating_sub(1);
        self.row = self.row.saturating_add_signed(rows).min(last);
        self.selected = shown.get(self.row).map(|node| node.id);
    }

    fn ask_why(&mut self, rows: &[&Node]) {
        let Some(node) = rows.get(self.row) else {
            "there is nothing to cancel here".clone_into(&mut self.notice);
            return;
        };
        self.prompt = Some(Prompt::Reason {
            id: node.id,
            name: name(node),
            text: String::new(),
        });
    }

    /// Finds the selected row again, and sees to it that it is among the `rows_shown` of the screen.
    pub(super) fn settle(&mut self, glance: &Glance, rows_shown: usize) {
        let rows = self.rows(glance);
        let found = rows.iter().position(|node| Some(node.id) == self.selected);
        let last = rows.len().saturating_sub(1);
        self.row = found.unwrap_or(self.row).min(last);
        self.selected = rows.get(self.row).map(|node| node.id);
        // Down to the row, up to it, and no further than the last page.
        let lowest = (self.row + 1).saturating_sub(rows_shown);
        let last_page = rows.len().saturating_sub(rows_shown);
        self.top = self.top.max(lowest).min(self.row).min(last_page);
    }
}

/// What a node is called in a row and in a filter: `exchange#17 GET /`.
pub(super) fn name(node: &Node) -> String {
    format!("{}#{} {}", node.kind, node.id, node.label)
}

/// A line that is typed: no editor, but what a hand expects.
fn edit(text: &mut String, key: Key) {
    match key {
        Key::Char(c) => text.push(c),
        Key::Backspace => drop(text.pop()),
        Key::Erase => text.clear(),
        _ => {}
    }
}
