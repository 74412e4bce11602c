//! The commands that speak to a running gateway, through its admin interface.

use std::io;

use super::args::{Form, TreeFlags};
use super::{FAILED, print, say};
use crate::admin;
use crate::net::address::Address;

/// Prints the live tree.
pub(super) fn tree(flags: &TreeFlags) -> u8 {
    ask(&flags.admin, "GET", &tree_path(flags), "")
}

/// What is asked for, by these flags.
pub(super) fn tree_path(flags: &TreeFlags) -> String {
    let mut path = match flags.form {
        Form::Text => "/tree",
        Form::Json => "/tree.json",
        Form::Dot => "/tree.dot",
        Form::Mermaid => "/tree.mmd",
    }
    .to_owned();
    let numbers = [
        ("root", flags.root),
        ("depth", flags.depth),
        ("max", flags.max),
    ];
    let mut sign = '?';
    for (name, number) in numbers {
        if let Some(number) = number {
            path.push_str(&format!("{sign}{name}={number}"));
            sign = '&';
        }
    }
    path
}

/// Ends a node of the tree, and prints the receipt.
pub(super) fn cancel(at: &Address, id: u64, because: &str) -> u8 {
    ask(at, "POST", &format!("/cancel/{id}"), because)
}

/// Prints how the gateway is.
pub(super) fn status(at: &Address) -> u8 {
    ask_known(at, "GET", "/status")
}

/// Has the configuration read again, and prints what changed.
pub(super) fn reload(at: &Address) -> u8 {
    ask_known(at, "POST", "/reload")
}

/// Gives an endpoint nothing new, or something again.
pub(super) fn drain(at: &Address, endpoint: &str, is_draining: bool) -> u8 {
    let word = if is_draining { "drain" } else { "undrain" };
    ask(at, "POST", &format!("/{word}/{endpoint}"), "")
}

fn ask(at: &Address, method: &str, path: &str, body: &str) -> u8 {
    match admin::ask(at, method, path, body) {
        Ok(content) => print(&content),
        Err(error) => failed(at, &error),
    }
}

/// Asks what not every gateway knows, for data.
fn ask_known(at: &Address, method: &str, path: &str) -> u8 {
    match admin::ask(at, method, path, "") {
        Ok(content) => print(&laid_out(&content)),
        // A socket that is not there has a number of the system's.
        Err(error) if error.kind() == io::ErrorKind::NotFound && error.raw_os_error().is_none() => {
            say(format_args!(
                "osier: {at}: the osier there does not know {path}"
            ));
            FAILED
        }
        Err(error) => failed(at, &error),
    }
}

fn failed(at: &Address, error: &io::Error) -> u8 {
    say(format_args!("osier: {}", why(at, error)));
    FAILED
}

/// What went wrong, with the remedy where nobody was there.
pub(super) fn why(at: &Address, error: &io::Error) -> String {
    let is_absent = error.raw_os_error().is_some()
        && matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
        );
    let remedy = if is_absent {
        "; is a gateway running with this admin address? --admin names another"
    } else {
        ""
    };
    format!("{}{remedy}", what(at, error))
}

/// What went wrong, and where.
pub(super) fn what(at: &Address, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("{at}: no answer in time"),
        _ => format!("{at}: {error}"),
    }
}

/// JSON with a line for every member. What is no JSON stays readable: nothing is added inside of strings, and nothing
/// but space outside.
pub(super) fn laid_out(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.trim().chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            out.push(char);
            in_string = char != '"' || is_escaped;
            is_escaped = char == '\\' && !is_escaped;
            continue;
        }
        let newline = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        };
        match char {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                out.push(char);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(close) => out.push(close),
                    None => {
                        depth += 1;
                        newline(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                is_escaped = false;
                out.push(char);
            }
            char => out.push(char),
        }
    }
    out.push('\n');
    out
}
