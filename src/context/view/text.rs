//! A view as text: a tree of lines for a terminal, and what is said of a node in every drawing.

use std::fmt::{self, Write as _};

use super::{Step, View, ViewNode};
use crate::context::cause::{OneLine, Span};

impl View {
    /// A tree of lines, for a terminal. Each node takes one line.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        // For each level above the present line: whether anything follows on that level.
        let mut rails = Vec::new();
        self.walk(|step| write_step(&mut out, &mut rails, step));
        out
    }
}

pub(super) fn write_step(out: &mut String, rails: &mut Vec<bool>, step: Step<'_>) {
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

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl ViewNode {
    /// Kind, number and label.
    pub(in crate::context) fn title(&self) -> Title<'_> {
        Title(self)
    }

    /// Age, time left, who waits, and how it ended.
    pub(in crate::context) fn note(&self) -> Note<'_> {
        Note(self)
    }
}

/// See [`ViewNode::title`].
pub(in crate::context) struct Title<'a>(&'a ViewNode);

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

/// See [`ViewNode::note`].
pub(in crate::context) struct Note<'a>(&'a ViewNode);

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
                OneLine(cause.origin().kind),
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
