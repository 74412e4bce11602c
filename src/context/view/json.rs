//! A view as JSON (RFC 8259): the root node itself, with its children in it.

use std::fmt::{self, Write as _};

use super::{Step, View, ViewNode, each_char};

impl View {
    /// One JSON object, with the children of each node nested in it. Times are in milliseconds.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.walk(|step| write_step(&mut out, step));
        out
    }
}

pub(super) fn write_step(out: &mut String, step: Step<'_>) {
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
/// in a page.
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
