//! What happens in the tree, told to whoever listens: a picture first, then every change, as server-sent events.
//!
//! LAW: a reader that is slow loses changes and is told how many; it never costs memory, nor a worker's time. Its watch keeps
//! as much as one frame holds, and is only looked at when the frame before has been written.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::{future, stream};

use super::Admin;
use super::numbers::Numbers;
use super::request::Request;
use super::response::{Reply, Response, Streamed};
use super::tree::look;
use crate::clock;
use crate::context::{Change, Pieces, Quoted, ViewOptions, Watch};

/// How many may listen at once.
const READERS_MAX: usize = 16;
/// How many changes a frame holds.
const CHANGES_MAX: usize = 500;
/// How long there is between two frames of changes.
const TICK: Duration = Duration::from_millis(100);
/// How long there is between two frames of numbers, and between two pictures at least.
const SECOND: Duration = Duration::from_secs(1);
/// How long nothing but a comment keeps the connection.
const SILENCE: Duration = Duration::from_secs(15);

/// How many nodes a picture has, unless asked for otherwise; and at most.
const NODES: u64 = 2000;
const NODES_MAX: u64 = 20_000;

/// A reader's place among those there may be.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(readers: &'a AtomicUsize) -> Option<Self> {
        let more = |count: usize| (count < READERS_MAX).then_some(count + 1);
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        readers.fetch_update(success, failure, more).ok()?;
        Some(Self(readers))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers `/events`.
pub(super) fn answer<'a>(admin: &'a Admin, request: &Request) -> Reply<'a> {
    let nodes_max = match request.number("max") {
        Ok(asked) => asked.unwrap_or(NODES).clamp(1, NODES_MAX),
        Err(refused) => return refused.into(),
    };
    let Some(seat) = Seat::take(&admin.readers) else {
        return Response::text(503, "enough listen already: 16 at most\n").into();
    };
    let reader = Reader::new(admin, seat, nodes_max);
    let pieces = stream::unfold(reader, |mut reader| async {
        let frame = reader.next().await?;
        Some((frame.into_bytes(), reader))
    });
    Reply::Stream(Streamed {
        content_type: "text/event-stream",
        is_endless: true,
        pieces: Box::pin(pieces),
    })
}

/// One who listens.
struct Reader<'a> {
    admin: &'a Admin,
    _seat: Seat<'a>,
    watch: Watch,
    options: ViewOptions,
    /// When it was told something last.
    told: Instant,
    /// When it got the last picture, and how many changes it had lost by then. // none before the first
    picture: Option<(Instant, u64)>,
    /// When it got the last numbers, and how many changes there had been by then.
    counted: (Instant, u64),
    /// How many changes it was told.
    changes: u64,
    /// How many it lost that the desk was told of.
    noted: u64,
    numbers: Numbers,
}

impl<'a> Reader<'a> {
    fn new(admin: &'a Admin, seat: Seat<'a>, nodes_max: u64) -> Self {
        let now = clock::now();
        Self {
            admin,
            _seat: seat,
            watch: Watch::with_capacity(Some(admin.root.context()), CHANGES_MAX),
            options: ViewOptions {
                nodes_max: usize::try_from(nodes_max).unwrap_or(usize::MAX),
                ..ViewOptions::default()
            },
            told: now,
            picture: None,
            counted: (now, 0),
            changes: 0,
            noted: 0,
            numbers: Numbers::default(),
        }
    }

    /// The next frames; none once the interface shuts.
    async fn next(&mut self) -> Option<String> {
        let admin = self.admin;
        let open = async { Some(self.frames().await) };
        future::or(open, async {
            admin.shut.wait().await;
            None
        })
        .await
    }

    async fn frames(&mut self) -> String {
        let mut out = String::new();
        if self.picture.is_none() {
            self.push_picture(&mut out).await;
        }
        while out.is_empty() {
            Timer::after(TICK).await;
            let changes = self.watch.take();
            if !changes.is_empty() {
                self.push_changes(&mut out, &changes);
            }
            let now = clock::now();
            let lost = self.watch.lost();
            let is_stale = self.picture.is_some_and(|(at, before)| {
                lost > before && now.saturating_duration_since(at) >= SECOND
            });
            if is_stale {
                self.push_picture(&mut out).await;
            }
            if now.saturating_duration_since(self.counted.0) >= SECOND {
                self.push_numbers(&mut out, now, lost).await;
            }
            if out.is_empty() && now.saturating_duration_since(self.told) >= SILENCE {
                out.push_str(": still here\n\n");
            }
        }
        self.told = clock::now();
        out
    }

    /// Milliseconds since the server started.
    fn at_ms(&self) -> u128 {
        clock::now()
            .saturating_duration_since(self.admin.since)
            .as_millis()
    }

    async fn push_picture(&mut self, out: &mut String) {
        // What is lost while it is taken is not in it for certain.
        let lost = self.watch.lost();
        let view = look(self.admin.root.context(), &self.options).await;
        let _ = write!(
            out,
            "event: snapshot\ndata: {{\"at_ms\":{},\"lost\":{lost},\"tree\":",
            self.at_ms()
        );
        for piece in Pieces::json(view) {
            out.push_str(&piece);
            future::yield_now().await;
        }
        out.push_str("}\n\n");
        self.picture = Some((clock::now(), lost));
    }

    fn push_changes(&mut self, out: &mut String, changes: &[Change]) {
        self.changes += changes.len() as u64;
        let _ = write!(
            out,
            "event: changes\ndata: {{\"at_ms\":{},\"lost\":{},\"changes\":[",
            self.at_ms(),
            self.watch.lost()
        );
        for (index, change) in changes.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_change(out, change);
        }
        out.push_str("]}\n\n");
    }

    async fn push_numbers(&mut self, out: &mut String, now: Instant, lost: u64) {
        let (before, seen) = self.counted;
        let count = self.changes + lost;
        let span = now.saturating_duration_since(before).as_millis().max(1);
        let per_s = u128::from(count.saturating_sub(seen)) * 1000 / span;
        self.counted = (now, count);
        let _ = write!(
            out,
            "event: numbers\ndata: {{\"events_per_s\":{per_s},\"lost\":{lost},"
        );
        match &self.admin.desk {
            Some(desk) => {
                let new = usize::try_from(lost - self.noted).unwrap_or(usize::MAX);
                desk.note_lost(new);
                self.noted = lost;
                out.push_str(&self.numbers.members(desk, self.admin.root.context()).await);
            }
            None => out.push_str("\"nodes\":null,\"in_flight\":0,\"upstreams\":[]"),
        }
        out.push_str("}\n\n");
    }
}

fn push_change(out: &mut String, change: &Change) {
    // Writing to a string cannot fail.
    let _ = match change {
        Change::Made(made) => {
            let left = made.deadline.map(|at| {
                let left = at.saturating_duration_since(clock::now());
                left.as_millis().to_string()
            });
            let owner = made.deadline_owner.map(|owner| owner.to_string());
            let null = || "null".to_owned();
            write!(
                out,
                "{{\"new\":{},\"parent\":{},\"kind\":\"{}\",\"label\":\"{}\",\"deadline_ms\":{},\"deadline_owner\":{}}}",
                made.id,
                made.parent,
                Quoted(made.kind),
                Quoted(&made.label),
                left.unwrap_or_else(null),
                owner.unwrap_or_else(null),
            )
        }
        Change::Ended(ended) => {
            let state = if ended.cause.kind().is_timeout() {
                "expired"
            } else {
                "canceled"
            };
            let _ = write!(
                out,
                "{{\"end\":{},\"state\":\"{state}\",\"cause\":\"{}\",\"origin\":{}",
                ended.id,
                Quoted(&ended.cause),
                ended.cause.origin().id
            );
            if let Some(receipt) = ended.receipt {
                let _ = write!(
                    out,
                    ",\"receipt\":{{\"nodes\":{},\"waiters\":{},\"depth\":{},\"took_us\":{}}}",
                    receipt.nodes,
                    receipt.waiters,
                    receipt.depth,
                    receipt.took.as_micros()
                );
            }
            write!(out, "}}")
        }
        Change::Drained(id) => write!(out, "{{\"drain\":{id}}}"),
        Change::Gone(id) => write!(out, "{{\"gone\":{id}}}"),
    };
}
