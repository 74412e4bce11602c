//! One node in full: the way to it, the values it sees by their keys' names, why it ended.

use std::fmt::Write as _;
use std::sync::Arc;

use super::node::{About, Node, bit};
use super::stamp::Stamp;
use super::value::Hidden;
use super::view::{Quoted, state_name};
use super::{Context, ContextError, sweep};
use crate::clock;

/// The node as one JSON object. Of values only the keys are told.
pub(super) fn to_json(node: &Arc<Node>) -> String {
    let now = Stamp::now();
    let ended = sweep::err(node);
    let state = node.load();
    let mut out = format!(
        "{{\"id\":{},\"kind\":\"{}\",\"label\":\"{}\",\"state\":\"{}\",\"age_ms\":{},\"deadline_ms\":{},\
         \"deadline_owner\":{},\"waiters\":{},\"draining\":{},\"path\":[",
        node.id,
        Quoted(node.kind.name()),
        Quoted(node.label()),
        state_name(state),
        now.since(node.created).as_millis(),
        remaining(node, now),
        or_null(node.deadline_owner().map(|owner| owner.id)),
        node.waiter_count(),
        state & bit::DRAINING != 0,
    );
    push_path(&mut out, node, now);
    out.push_str("],\"values\":[");
    push_values(&mut out, node);
    out.push_str("],\"cause\":");
    push_cause(&mut out, node, ended);
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"children\":{}}}", node.child_count());
    out
}

fn or_null(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// The milliseconds until its deadline.
fn remaining(node: &Node, now: Stamp) -> String {
    or_null((node.deadline != Stamp::NEVER).then(|| node.deadline.since(now).as_millis()))
}

/// The node and those above it, nearest first, without the root that never ends.
fn upwards(node: &Arc<Node>) -> impl Iterator<Item = &Arc<Node>> {
    std::iter::successors(Some(node), |node| node.parent()).filter(|node| !node.is_root())
}

fn push_path(out: &mut String, node: &Arc<Node>, now: Stamp) {
    let path: Vec<_> = upwards(node).collect();
    for (index, step) in path.into_iter().rev().enumerate() {
        let state = step.load();
        let _ = write!(
            out,
            "{}{{\"id\":{},\"kind\":\"{}\",\"label\":\"{}\",\"state\":\"{}\",\"deadline_ms\":{},\
             \"own_deadline\":{}}}",
            if index == 0 { "" } else { "," },
            step.id,
            Quoted(step.kind.name()),
            Quoted(step.label()),
            state_name(state),
            remaining(step, now),
            state & bit::OWNS != 0,
        );
    }
}

fn push_values(out: &mut String, node: &Arc<Node>) {
    let mut met = Vec::new();
    let mut is_first = true;
    for carrier in upwards(node) {
        let About::Value(slot) = &carrier.about else {
            continue;
        };
        let is_shadowed = met.contains(&slot.key());
        met.push(slot.key());
        // What hides a value carries none.
        if slot.value().is::<Hidden>() {
            continue;
        }
        let _ = write!(
            out,
            "{}{{\"key\":\"{}\",\"node\":{},\"shadowed\":{is_shadowed}}}",
            if is_first { "" } else { "," },
            Quoted(slot.key_name()),
            carrier.id,
        );
        is_first = false;
    }
}

fn push_cause(out: &mut String, node: &Arc<Node>, ended: Option<ContextError>) {
    let found = ended.and_then(|error| Some((error, node.cause()?, node.origin()?)));
    let Some((error, cause, origin)) = found else {
        return out.push_str("null");
    };
    let error = match error {
        ContextError::Canceled => "canceled",
        ContextError::DeadlineExceeded => "deadline_exceeded",
    };
    let path = Context {
        node: origin.clone().into(),
    };
    let place = cause
        .location()
        .map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    let _ = write!(
        out,
        "{{\"text\":\"{}\",\"error\":\"{error}\",\"origin\":{},\"origin_path\":\"{}\",\"place\":\"{}\",\"ago_ms\":{}}}",
        Quoted(cause.brief()),
        origin.id,
        Quoted(path),
        Quoted(place),
        clock::now()
            .saturating_duration_since(cause.at())
            .as_millis(),
    );
}
