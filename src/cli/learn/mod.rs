//! The demo's lessons: each sends requests through the gateway that runs, acts on its tree, and says what it saw.
//!
//! Nothing here is a script of what ought to happen. The sentence at the end is made of what was observed: nodes by their
//! numbers, answers, times. Where that is not what the lesson is about, it says so. A lesson takes some seconds on purpose:
//! somebody is to watch.

mod ask;
mod cancel;
mod deadline;
mod drain;
mod hedge;
mod value;

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use crate::admin::lesson::{Lesson, Lessons, Playing, Seen};
use crate::clock;
use crate::context::{Cancel, View, ViewNode, ViewOptions};
use crate::net::address::Address;

use ask::{Answer, ask};

/// How long something stands still before the lesson goes on, so that it can be looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a lesson waits for what it expects to see.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks for that.
const GLANCE: Duration = Duration::from_millis(50);

/// A lesson, with what it shows.
struct Plan {
    lesson: Lesson,
    law: &'static str,
    number: Option<u32>,
    example: &'static str,
    play: for<'a> fn(Stage<'a>) -> Work<'a>,
}

type Work<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Told, Awry>> + 'a>>;

/// What a lesson that went as it should has to say.
#[derive(Debug)]
struct Told {
    said: String,
    nodes: Vec<u64>,
}

/// What was seen instead.
#[derive(Debug)]
struct Awry(String);

impl From<io::Error> for Awry {
    fn from(error: io::Error) -> Self {
        Self(format!("the gateway did not answer: {error}"))
    }
}

const PLANS: [Plan; 5] = [
    Plan {
        lesson: Lesson {
            name: "cancel",
            title: "Cancel in the middle",
            about: "Two requests run side by side. One is cancelled: its branch ends, its sibling goes on.",
        },
        law: "A parent finishes all that is below.",
        number: Some(25),
        example: "examples/04_context.rs",
        play: |stage| Box::pin(cancel::play(stage)),
    },
    Plan {
        lesson: Lesson {
            name: "deadline",
            title: "The earlier deadline holds",
            about: "A client has four seconds, the gateway would give an attempt sixty. The tree says whose deadline counts.",
        },
        law: "A deadline that cannot be first is nobody's.",
        number: Some(47),
        example: "examples/05_deadlines.rs",
        play: |stage| Box::pin(deadline::play(stage)),
    },
    Plan {
        lesson: Lesson {
            name: "value",
            title: "A value is shadowed",
            about: "A branch carries a user. Further down another one takes its place: for what is below, and nobody else.",
        },
        law: "A value shadows below only.",
        number: Some(61),
        example: "examples/06_values.rs",
        play: |stage| Box::pin(value::play(stage)),
    },
    Plan {
        lesson: Lesson {
            name: "hedge",
            title: "The second try wins",
            about: "The origin is slow, once. The gateway asks another endpoint too, takes the first answer, and cancels the other try.",
        },
        law: "A cancel with a reason is canceled because of it.",
        number: Some(73),
        example: "examples/07_cause_and_receipt.rs",
        play: |stage| Box::pin(hedge::play(stage)),
    },
    Plan {
        lesson: Lesson {
            name: "drain",
            title: "Drain, and nothing ends",
            about: "Three tasks send one request after the other. A branch is told to drain: they finish what runs, begin nothing new, and leave.",
        },
        law: "Draining is the softer signal: accept no new work, finish what runs.",
        number: None,
        example: "examples/08_drain_then_cancel.rs",
        play: |stage| Box::pin(drain::play(stage)),
    },
];

/// What can be learnt from the gateway at one address.
#[derive(Debug)]
pub(super) struct Course {
    gateway: Address,
    lessons: [Lesson; PLANS.len()],
}

impl Course {
    pub(super) fn new(gateway: Address) -> Self {
        Self {
            gateway,
            lessons: PLANS.map(|plan| plan.lesson),
        }
    }
}

impl Lessons for Course {
    fn list(&self) -> &[Lesson] {
        &self.lessons
    }

    fn play<'a>(&'a self, name: &str, root: &'a Cancel) -> Option<Playing<'a>> {
        let plan = PLANS.iter().find(|plan| plan.lesson.name == name)?;
        let work = (plan.play)(Stage {
            gateway: &self.gateway,
            root,
        });
        let (law, number, example) = (plan.law, plan.number, plan.example);
        Some(Box::pin(async move {
            let outcome = work.await;
            let is_so = outcome.is_ok();
            let Told { said, nodes } = outcome.unwrap_or_else(|Awry(why)| Told {
                said: format!("This did not go as it should: {why}."),
                nodes: Vec::new(),
            });
            Seen {
                is_so,
                said,
                law,
                number,
                example,
                nodes,
            }
        }))
    }
}

/// Where a lesson is played: the gateway, and its tree.
#[derive(Debug, Clone, Copy)]
struct Stage<'a> {
    gateway: &'a Address,
    root: &'a Cancel,
}

impl Stage<'_> {
    /// Sends a request through the gateway, and waits for the whole answer.
    async fn ask(&self, target: &str, fields: &[(&str, &str)]) -> Result<Answer, Awry> {
        Ok(ask(self.gateway, target, fields).await?)
    }

    /// Waits until the tree has what is wanted.
    async fn until<T>(
        &self,
        what: &str,
        mut wanted: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, Awry> {
        let options = ViewOptions::default();
        let begun = clock::now();
        loop {
            // No handle of a node is kept meanwhile: one that is let go of while another is held has ended, not gone.
            let seen = wanted(&View::of(self.root.context(), &options));
            match seen {
                Some(seen) => return Ok(seen),
                None if clock::now().saturating_duration_since(begun) > PATIENCE => {
                    return Err(Awry(format!("{what} was not seen in the tree")));
                }
                None => clock::sleep(GLANCE).await,
            }
        }
    }

    /// Waits until an exchange with this target has `count` attempts under way, and returns both.
    async fn exchange(
        &self,
        target: &str,
        count: usize,
    ) -> Result<(ViewNode, Vec<ViewNode>), Awry> {
        let what = format!("an exchange for {target} with {count} under way");
        let label = format!("GET {target}");
        let busy = self.until(&what, |view| {
            let nodes = view.nodes();
            let is_it = |node: &&ViewNode| {
                node.kind == "exchange" && node.label == label && node.state == "live"
            };
            let exchange = nodes.iter().find(is_it)?;
            let attempts = exchange.children.iter().filter_map(|at| nodes.get(*at));
            let attempts: Vec<_> = attempts
                .filter(|node| node.kind == "attempt")
                .cloned()
                .collect();
            (attempts.len() == count).then(|| (exchange.clone(), attempts))
        });
        busy.await
    }
}

/// Goes on only if it is so.
fn ensure(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), Awry> {
    if is_so {
        Ok(())
    } else {
        Err(Awry(otherwise()))
    }
}

/// A span of time, in a sentence.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

/// So many of them.
struct Count<'a>(usize, &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
pub(super) fn promises() -> impl Iterator<Item = (&'static str, Option<u32>, &'static str)> {
    PLANS
        .iter()
        .map(|plan| (plan.law, plan.number, plan.example))
}
