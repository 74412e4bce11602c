//! A view as a graph for Mermaid: every node has its number as its name, and all text is in quoted labels.

use std::fmt::{self, Write as _};

use super::{View, each_char};

impl View {
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
}

/// Prints what it holds for the inside of a quoted label. Mermaid looks for directives, comments, styles, Markdown and
/// HTML by patterns, in quotes too; so whatever is not plainly text is a numbered entity.
struct Entities<T>(T);

impl<T: fmt::Display> fmt::Display for Entities<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(&self.0, f, |c, f| match c {
            ' ' | '/' | '.' | ',' | '-' | '?' | '=' | '+' | '(' | ')' => f.write_char(c),
            _ if c.is_alphanumeric() => f.write_char(c),
            _ => write!(f, "#{};", u32::from(c)),
        })
    }
}
