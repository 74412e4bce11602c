//! The workers, as far as they are asked what they have counted.
//!
//! A worker is asked once and not again before it has answered, however many want to know. Whoever wants to know waits a
//! second at most: of a worker that does not answer by then there is what it said last, and for how long it has not.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_io::Timer;
use event_listener::Event;
use futures_lite::future;

use crate::clock;
use crate::metrics::Snapshot;

/// How long answers are waited for.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Puts a question to a worker.
pub type Ask = Box<dyn Fn(Question) + Send + Sync>;

/// What a worker is asked: what it has counted. Dropped unanswered, it says that the worker has ended.
#[derive(Debug, Clone)]
pub struct Question(Arc<Asked>);

#[derive(Debug)]
struct Asked(Arc<Sheet>);

/// All workers.
pub struct Crew {
    members: Vec<Member>,
    patience: Duration,
}

struct Member {
    ask: Ask,
    sheet: Arc<Sheet>,
}

/// Where one worker answers.
#[derive(Debug)]
struct Sheet {
    /// LOCK: nothing else is locked while it is.
    said: Mutex<Said>,
    /// Whoever waits for the answer.
    answered: Event,
}

#[derive(Debug, Default)]
struct Said {
    /// What it said last.
    snapshot: Snapshot,
    /// Since when it has been asked. // until it answers
    asked: Option<Instant>,
    /// How long it took to answer.
    lag: Duration,
    /// It has ended, and is not asked any more.
    has_ended: bool,
}

/// What all workers said.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Of all of them together.
    pub total: Snapshot,
    /// How long each took to answer, or has not answered for; `None`: it has ended.
    pub lags: Vec<Option<Duration>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("members", &self.members.len())
            .finish()
    }
}

impl Crew {
    /// Workers, each with the way to ask it. Their answers are waited for no longer than `patience`: [`PATIENCE`].
    #[must_use]
    pub fn new(ways: impl IntoIterator<Item = Ask>, patience: Duration) -> Self {
        let members = ways.into_iter().map(|ask| Member {
            ask,
            sheet: Arc::new(Sheet {
                said: Mutex::default(),
                answered: Event::new(),
            }),
        });
        Self {
            members: members.collect(),
            patience,
        }
    }

    /// Asks all of them.
    pub async fn report(&self) -> Report {
        // All are asked before any answer is waited for.
        self.members.iter().for_each(Member::begin);
        let all = async {
            for member in &self.members {
                member.sheet.answered().await;
            }
        };
        let over = async {
            Timer::after(self.patience).await;
        };
        future::or(all, over).await;
        let mut report = Report::default();
        for member in &self.members {
            let said = member.sheet.lock();
            report.total.merge(&said.snapshot);
            report.lags.push(said.behind(clock::monotonic()));
        }
        report
    }
}

impl Member {
    fn begin(&self) {
        {
            let mut said = self.sheet.lock();
            if said.asked.is_some() || said.has_ended {
                return;
            }
            said.asked = Some(clock::monotonic());
        }
        // Not locked: it may answer at once.
        (self.ask)(Question(Arc::new(Asked(self.sheet.clone()))));
    }
}

impl Question {
    /// The worker's answer.
    pub fn answer(&self, snapshot: Snapshot) {
        let sheet = &*self.0.0;
        {
            let mut said = sheet.lock();
            said.snapshot = snapshot;
            if let Some(asked) = said.asked.take() {
                said.lag = clock::monotonic().saturating_duration_since(asked);
            }
        }
        sheet.answered.notify(usize::MAX);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let is_unanswered = {
            let mut said = self.0.lock();
            let is_unanswered = said.asked.take().is_some();
            if is_unanswered {
                said.has_ended = true;
                said.snapshot.retire();
            }
            is_unanswered
        };
        if is_unanswered {
            self.0.answered.notify(usize::MAX);
        }
    }
}

impl Sheet {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is asked any more.
    async fn answered(&self) {
        while self.lock().asked.is_some() {
            let listener = pin!(self.answered.listen());
            if self.lock().asked.is_none() {
                return;
            }
            listener.await;
        }
    }
}

impl Said {
    fn behind(&self, now: Instant) -> Option<Duration> {
        match self.asked {
            _ if self.has_ended => None,
            Some(asked) => Some(now.saturating_duration_since(asked)),
            None => Some(self.lag),
        }
    }
}
