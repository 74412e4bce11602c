//! A view as lines of fields between tabs, for `awk`, `cut` and `sort`.

use std::fmt::{self, Write as _};

use super::{Step, View, ViewNode, each_char};
use crate::context::cause::is_disruptive;

impl View {
    /// A line for each node, parents before children: depth, id, kind, state, age and remaining time in milliseconds,
    /// the deadline's owner, how many wait, the label.
    ///
    /// A tab is between two fields, and `-` stands for what there is not. A control character or a backslash in a text
    /// is written `\u{HEX}`, so a line has eight tabs whatever a peer sent.
    #[must_use]
    pub fn to_tsv(&self) -> String {
        let mut out = String::new();
        self.walk(|step| write_step(&mut out, step));
        out
    }
}

pub(super) fn write_step(out: &mut String, step: Step<'_>) {
    if let Step::Enter { node, .. } = step {
        // Writing to a string cannot fail.
        let _ = write_fields(out, node);
    }
}

fn write_fields(out: &mut String, node: &ViewNode) -> fmt::Result {
    let kind = Field(node.kind);
    write!(out, "{}\t{}\t{kind}\t{}", node.depth, node.id, node.state)?;
    let remaining = node.remaining.map(|left| left.as_millis());
    write!(out, "\t{}\t{}", node.age.as_millis(), OrDash(remaining))?;
    let owner = OrDash(node.deadline_owner);
    let label = Some(Field(&node.label)).filter(|_| !node.label.is_empty());
    writeln!(out, "\t{owner}\t{}\t{}", node.waiters, OrDash(label))
}

/// What it holds, or a dash.
struct OrDash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(it) => it.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// Prints what it holds without a tab, an end of line or an escape that is not its own.
struct Field<T>(T);

impl<T: fmt::Display> fmt::Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(&self.0, f, |c, f| {
            if c == '\\' || is_disruptive(c) {
                write!(f, "{}", c.escape_unicode())
            } else {
                f.write_char(c)
            }
        })
    }
}
