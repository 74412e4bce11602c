//! Lessons: what whoever runs the server shows of its tree, with real requests, for somebody who watches.
//!
//! This room knows the list, plays one at a time and tells what was seen. What a lesson does is not its affair.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::desk::push_json;
use super::request::Request;
use super::response::Response;
use crate::context::Cancel;

/// A lesson, as the list has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// A word for it.
    pub name: &'static str,
    /// A few words for it.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

/// What was seen when a lesson was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// It went as it should.
    pub is_so: bool,
    /// What happened, with the numbers of the nodes and the figures; where it did not go as it should, that.
    pub said: String,
    /// The promise that it shows.
    pub law: &'static str,
    /// Which one of [`laws`](crate::context::laws); none where it is one of the contract's own.
    pub number: Option<u32>,
    /// The example to read.
    pub example: &'static str,
    /// The nodes to look at.
    pub nodes: Vec<u64>,
}

/// A lesson while it is played.
pub type Playing<'a> = Pin<Box<dyn Future<Output = Seen> + 'a>>;

/// Somebody who gives lessons.
pub trait Lessons: fmt::Debug + Send + Sync {
    /// What there is to learn, in the order in which it is learnt best.
    fn list(&self) -> &[Lesson];

    /// Plays the lesson called `name` on the tree of `root`. `None`: there is none.
    fn play<'a>(&'a self, name: &str, root: &'a Cancel) -> Option<Playing<'a>>;
}

/// Where lessons are asked for, one at a time.
#[derive(Debug)]
pub(super) struct School {
    lessons: Arc<dyn Lessons>,
    is_busy: AtomicBool,
}

impl School {
    pub(super) fn new(lessons: Arc<dyn Lessons>) -> Self {
        Self {
            lessons,
            is_busy: AtomicBool::new(false),
        }
    }

    /// `POST /learn/NAME`.
    async fn play(&self, name: &str, root: &Cancel) -> Response {
        let Some(playing) = self.lessons.play(name, root) else {
            return no_such_lesson();
        };
        if self.is_busy.swap(true, Ordering::Acquire) {
            return Response::json(
                409,
                "{\"error\":\"a lesson is being played; wait until it is over\"}\n".to_owned(),
            );
        }
        let _lesson = Busy(&self.is_busy);
        let seen = playing.await;
        Response::json(200, told(name, &seen))
    }
}

/// A lesson is being played until this is dropped, even if whoever asked has gone.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// `GET /learn`: an empty list where nobody gives lessons.
pub(super) fn list(school: Option<&School>) -> Response {
    let mut out = String::from("[");
    let lessons = school.map(|school| school.lessons.list());
    for (index, lesson) in lessons.unwrap_or_default().iter().enumerate() {
        let Lesson { name, title, about } = lesson;
        out.push_str(if index == 0 { "" } else { "," });
        for (key, text) in [
            ("{\"name\":", name),
            (",\"title\":", title),
            (",\"about\":", about),
        ] {
            out.push_str(key);
            push_json(&mut out, text);
        }
        out.push('}');
    }
    out.push_str("]\n");
    Response::json(200, out)
}

/// `POST /learn/NAME`.
pub(super) async fn play(
    school: Option<&School>,
    request: &Request,
    name: &str,
    root: &Cancel,
) -> Response {
    if request.method != b"POST" {
        return Response::not_allowed("POST");
    }
    if !request.is_meant {
        return Response::not_meant();
    }
    match school {
        Some(school) => school.play(name, root).await,
        None => no_such_lesson(),
    }
}

fn no_such_lesson() -> Response {
    Response::json(404, "{\"error\":\"there is no such lesson\"}\n".to_owned())
}

fn told(name: &str, seen: &Seen) -> String {
    let mut out = String::from("{\"name\":");
    push_json(&mut out, name);
    let _ = write!(out, ",\"ok\":{},\"said\":", seen.is_so);
    push_json(&mut out, &seen.said);
    out.push_str(",\"law\":");
    push_json(&mut out, seen.law);
    match seen.number {
        Some(number) => {
            let _ = write!(out, ",\"number\":{number}");
        }
        None => out.push_str(",\"number\":null"),
    }
    out.push_str(",\"example\":");
    push_json(&mut out, seen.example);
    out.push_str(",\"nodes\":[");
    for (index, id) in seen.nodes.iter().enumerate() {
        let _ = write!(out, "{}{id}", if index == 0 { "" } else { "," });
    }
    out.push_str("]}\n");
    out
}
