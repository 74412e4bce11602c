//! What must hold of what a client has seen, held against what origins and the log say.

use std::time::Duration;

use osier::proxy::timeout::Timeouts;

use super::client::{Ask, Ended, Story};
use super::origin::Ledger;
use super::records::Record;
use super::talk::{self, Body, Content, Head};

/// What else is known of a run.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    /// How long things may take.
    pub(crate) timeouts: Timeouts,
    /// How long octets are under way to a client, and how many of them may be.
    pub(crate) latency: Duration,
    pub(crate) room: usize,
    /// Nobody but clients and origins did anything.
    pub(crate) is_calm: bool,
    /// Whatever can be waited for has a limit.
    pub(crate) is_bounded: bool,
    /// Nobody waits before a connection is made.
    pub(crate) connects_at_once: bool,
    /// Connections were cut off without a word.
    pub(crate) has_losses: bool,
    /// Others may answer in place of the origin, with less than the whole.
    pub(crate) has_auth: bool,
    /// Others than the origins that were meant are sent the same request.
    pub(crate) has_copies: bool,
}

/// Whoever says nothing, or nothing more, is let go when its time is over, to the tick.
fn pauses(story: &Story, outcomes: &[Outcome], circumstances: &Circumstances) -> Option<String> {
    let Timeouts { header, idle, .. } = circumstances.timeouts;
    let all: usize = story.asks.iter().map(Ask::octets).sum();
    let is_answered = outcomes.len() == story.asks.len() && story.sent == all;
    let persists = outcomes
        .last()
        .is_some_and(|last| last.is_whole && !last.closes);
    let (what, limit, took) = match story.octets.is_empty() && story.sent == 0 {
        true => ("a head", header?, story.stayed),
        false if is_answered && persists => ("another request", idle?, story.silent),
        false => return None,
    };
    let may_be_told = story.ended == Ended::Fin && !story.ended_its_side && !story.is_slow;
    // What is read and said last is under way for a while, and in a narrow lane octet by octet.
    let slack = 2 * circumstances.latency + TICK;
    // Content that an origin did not want may be left unread: then the end comes at once.
    let may_be_early = story.asks.last().is_some_and(|ask| !ask.body.is_empty());
    let is_early = took + slack < limit && !may_be_early;
    let is_wrong = is_early || took > limit + slack + circumstances.latency;
    (may_be_told && is_wrong)
        .then(|| format!("waited for {what} for {took:?} where the limit is {limit:?}"))
}

/// No exchange ends later than its deadline, where its client takes what it is told at once.
fn late(story: &Story, record: &Record, circumstances: &Circumstances) -> Option<String> {
    let Timeouts {
        total,
        request,
        connect,
        ..
    } = circumstances.timeouts;
    let is_taken = !story.is_slow && circumstances.room >= 4096;
    // From the last octet of its content on, where it has some.
    let is_whole = matches!(record.method.as_str(), "GET" | "HEAD" | "DELETE");
    // It has not waited for a permit, or for whoever was asked, or for an attempt before this one.
    let is_first = record.attempts == 1 && circumstances.connects_at_once;
    let limits = [
        (total, true),
        (request, is_whole),
        (connect, is_whole && is_first),
    ];
    let causes = ["deadline:total", "deadline:request", "connect_timeout"];
    let mut limits = causes.into_iter().zip(limits);
    let is_late = limits.any(|(cause, (limit, counts))| {
        let limit = limit.map_or(f64::MAX, |limit| (limit + TICK).as_secs_f64() * 1e3);
        cause == record.cause && counts && record.total_ms > limit
    });
    (is_taken && is_late).then(|| format!("ended late: {}", record.line))
}

/// What the time may be off by.
const TICK: Duration = Duration::from_millis(1);

/// Everything that is wrong with what a client has seen of whom nothing is known but what the log says: it got the
/// responses that were recorded, in their order, and nothing else.
pub(crate) fn by_records(story: &Story, records: &[Record]) -> Vec<String> {
    let mut rest = &story.octets[..];
    let mut records = records.iter();
    let mut record = records.next();
    let mut faults = Vec::new();
    while !rest.is_empty() && faults.is_empty() {
        match follow(rest, record, story.ended) {
            Ok(Some((used, is_final))) => {
                rest = &rest[used..];
                if is_final {
                    record = records.next();
                }
            }
            Ok(None) => return faults,
            Err(why) => faults.push(format!("{why}: {record:?}")),
        }
    }
    faults
}

/// Reads one response. How many octets it took, and whether it was the final one; `None`: nothing follows it.
fn follow(
    octets: &[u8],
    record: Option<&Record>,
    ended: Ended,
) -> Result<Option<(usize, bool)>, String> {
    let Some(head) = Head::read(octets)? else {
        return Ok(None);
    };
    let record = record.ok_or_else(|| format!("a response of nobody's: {head:?}"))?;
    let status = head.status()?;
    if status != 101 && matches!(status, 100..=199) {
        return Ok(Some((head.octets, false)));
    }
    if status != record.status {
        return Err(format!("{status} in place of what was recorded"));
    }
    if status == 101 {
        return Ok(None);
    }
    let body = head.response_body(&record.method)?;
    let content = body.read(&octets[head.octets..])?;
    let is_whole = content.is_whole || (body == Body::UntilClose && ended == Ended::Fin);
    let count = content.octets.len();
    if (is_whole && count != record.sent) || count > record.sent {
        return Err(format!("{count} octets of content"));
    }
    if !is_whole && ended == Ended::Fin && record.cause.is_empty() {
        return Err("cut, and recorded as whole".to_owned());
    }
    Ok(is_whole.then_some((head.octets + content.used, true)))
}

/// How a response ended for its client.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// Octets of content.
    content: usize,
    is_whole: bool,
    /// It is an origin's, and not the gateway's own.
    is_origins: bool,
    /// Nothing may follow it.
    closes: bool,
}

/// Everything that is wrong with what one client has seen.
pub(crate) fn of(
    story: &Story,
    records: &[Record],
    ledger: &Ledger,
    circumstances: &Circumstances,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut outcomes = Vec::new();
    let cut = read(story, circumstances, &mut outcomes).unwrap_or_else(|fault| {
        faults.push(fault);
        false
    });
    let own = |record: &&Record| record.client == story.number;
    let headless = records.iter().filter(own).filter(|it| it.tag.is_empty());
    if headless.count() > 1 {
        faults.push("more than one record without a head".to_owned());
    }
    for (turn, ask) in story.asks.iter().enumerate() {
        let outcome = outcomes.get(turn);
        if cut && turn == outcomes.len() {
            continue;
        }
        let told: Vec<&Record> = records.iter().filter(|it| it.tag == ask.tag).collect();
        if let Some(fault) = judge(story, ask, outcome, &told, ledger, circumstances) {
            faults.push(format!("{}: {fault}", ask.tag));
        }
    }
    if story.ended == Ended::InVain && circumstances.is_bounded && !circumstances.has_losses {
        faults.push("waited in vain".to_owned());
    }
    if circumstances.is_calm {
        faults.extend(pauses(story, &outcomes, circumstances));
        let late = records
            .iter()
            .filter(own)
            .filter_map(|it| late(story, it, circumstances));
        faults.extend(late);
    }
    let number = story.number;
    faults
        .iter()
        .map(|fault| format!("client {number}: {fault}"))
        .collect()
}

/// Reads the responses, one for each request, in their order. True: the next one was cut within its head.
fn read(
    story: &Story,
    circumstances: &Circumstances,
    outcomes: &mut Vec<Outcome>,
) -> Result<bool, String> {
    let mut rest = &story.octets[..];
    while !rest.is_empty() {
        let Some(head) = Head::read(rest)? else {
            return Ok(true);
        };
        if outcomes.last().is_some_and(|last| last.closes) {
            return Err(format!("octets behind the last response: {head:?}"));
        }
        let ask = story.asks.get(outcomes.len()).filter(|_| {
            let before: usize = story.asks[..outcomes.len()].iter().map(Ask::octets).sum();
            before < story.sent
        });
        let ask = ask.ok_or_else(|| format!("a response nobody asked for: {head:?}"))?;
        let status = head.status()?;
        let tag = head.field("x-tag");
        if status == 101 {
            return tunnel(ask, &head, &rest[head.octets..]).map(|()| false);
        }
        if matches!(status, 100..=199) {
            rest = &rest[head.octets..];
            continue;
        }
        let is_origins = tag.is_some();
        match tag {
            Some(tag) if tag != ask.tag => {
                return Err(format!("{} was answered with {tag}'s response", ask.tag));
            }
            None if head.field("proxy-status").is_none() => {
                return Err(format!("{}: nobody's response: {head:?}", ask.tag));
            }
            _ => {}
        }
        let body = head.response_body(ask.method)?;
        let content = body.read(&rest[head.octets..])?;
        let is_whole = content.is_whole || (body == Body::UntilClose && story.ended == Ended::Fin);
        if is_origins {
            let has_content = !matches!(body, Body::Length(0));
            judge_content(&head, &content, is_whole && has_content, circumstances)
                .map_err(|why| format!("{}: {why}", ask.tag))?;
        }
        let is_old = ask.head.windows(8).any(|it| it == b"HTTP/1.0");
        outcomes.push(Outcome {
            status,
            content: content.octets.len(),
            is_whole,
            is_origins,
            closes: head.has_option("close")
                || body == Body::UntilClose
                || !is_whole
                || (is_old && !head.has_option("keep-alive")),
        });
        rest = &rest[head.octets + content.used..];
    }
    Ok(false)
}

/// An origin's content is what that origin made for this exchange, and, where it ends as it should, all of it.
fn judge_content(
    head: &Head,
    content: &Content,
    is_whole: bool,
    circumstances: &Circumstances,
) -> Result<(), String> {
    let tag = head.field("x-tag").unwrap_or_default();
    let attempt = head.field("x-attempt").unwrap_or_default();
    let length: usize = head
        .field("x-length")
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    let count = content.octets.len();
    if content.octets != talk::pattern(&format!("{tag}.{attempt}"), count) {
        let octets = String::from_utf8_lossy(&content.octets[..count.min(80)]);
        return Err(format!(
            "content of another exchange's: {octets:?} in {head:?}"
        ));
    }
    if count > length {
        return Err(format!("{count} octets of content, of {length}"));
    }
    if is_whole && count < length && !circumstances.has_auth {
        return Err(format!("{count} octets of {length}, and a clean end"));
    }
    Ok(())
}

fn tunnel(ask: &Ask, head: &Head, octets: &[u8]) -> Result<(), String> {
    if !ask.upgrades {
        return Err(format!("{}: a tunnel nobody asked for", ask.tag));
    }
    let attempt = head.field("x-attempt").unwrap_or_default();
    if octets != talk::pattern(&format!("{}<{attempt}", ask.tag), octets.len()) {
        return Err(format!(
            "{}: a tunnel has octets of somebody else's",
            ask.tag
        ));
    }
    Ok(())
}

/// One request: what became of it, for its client, its origins and the log.
fn judge(
    story: &Story,
    ask: &Ask,
    outcome: Option<&Outcome>,
    told: &[&Record],
    ledger: &Ledger,
    circumstances: &Circumstances,
) -> Option<String> {
    if told.len() > 1 {
        return Some(format!("{} records", told.len()));
    }
    let record = told.first();
    if ledger.heads(&ask.tag) > 0 && record.is_none() {
        return Some("an origin saw it, and the log did not".to_owned());
    }
    let is_idempotent = matches!(ask.method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE");
    if !is_idempotent && !circumstances.has_copies && ledger.heads(&ask.tag) > 1 {
        return Some(format!("{} came to origins more than once", ask.method));
    }
    if record.is_some_and(|record| record.client != story.number) {
        return Some("recorded as another client's".to_owned());
    }
    let Some(outcome) = outcome else {
        // Accepted, and then what? Only a client that has gone, or is cut off, gets nothing.
        let is_lost = record.is_some_and(|record| !matches!(record.status, 499 | 101));
        let may_stall = story.is_slow;
        if is_lost && !may_stall && story.ended == Ended::Fin && circumstances.is_calm {
            return Some(format!("{record:?}, and its client saw nothing"));
        }
        return None;
    };
    // A message that is none is answered without a record of its own target.
    let Some(record) = record else {
        return (!ask.is_broken && outcome.is_origins).then(|| "no record".to_owned());
    };
    if record.status != outcome.status {
        return Some(format!(
            "answered {}, recorded {}",
            outcome.status, record.status
        ));
    }
    if outcome.is_whole && record.sent != outcome.content {
        let (sent, content) = (record.sent, outcome.content);
        return Some(format!("{content} octets of content, recorded {sent}"));
    }
    if outcome.is_whole && outcome.is_origins && !record.cause.is_empty() && circumstances.is_calm {
        let stays = story.ended != Ended::Left && !story.ended_its_side;
        return stays.then(|| format!("a whole response, recorded as {}", record.cause));
    }
    if !outcome.is_whole && story.ended != Ended::Left && record.cause.is_empty() {
        return (story.ended == Ended::Fin).then(|| "cut, and recorded as whole".to_owned());
    }
    None
}

impl Ask {
    fn octets(&self) -> usize {
        self.head.len() + self.body.len()
    }
}
