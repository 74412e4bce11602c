//! A view as a graph for Graphviz: every node has its number as its name, and all text is in quoted labels.

use std::fmt::{self, Write as _};

use super::{View, each_char};

impl View {
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
            let (title, note) = (EscString(node.title()), EscString(node.note()));
            let _ = writeln!(
                out,
                "    n{} [label=\"{title}\\n{note}\", fillcolor=\"{color}\"];",
                node.id
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
}

/// Prints what it holds for the inside of a quoted label. In one, a backslash begins an escape and an ampersand a
/// character reference (Graphviz: `escString`, `lblString`); so both are escaped themselves, and the picture shows what
/// was said.
struct EscString<T>(T);

impl<T: fmt::Display> fmt::Display for EscString<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_char(&self.0, f, |c, f| match c {
            '"' => f.write_str("\\\""),
            '\\' => f.write_str("\\\\"),
            '&' => f.write_str("&amp;"),
            _ => f.write_char(c),
        })
    }
}
