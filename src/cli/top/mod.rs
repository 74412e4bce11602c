//! `osier top`: the live tree in a terminal, refreshed, with keys.
//!
//! What is shown and what keys do is said by pure files (`glance`, `state`, `frame`, `keys`, `columns`); this one and
//! `terminal` are the thin rest: threads that wait for keys, signals and answers, and a loop that takes what they bring.
//! The loop itself never waits for the server, so keys work while it is slow or gone.

mod columns;
mod frame;
mod glance;
mod keys;
mod state;
mod terminal;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use futures_lite::{StreamExt as _, future};

use super::args::TopFlags;
use super::json::Broken;
use super::{DONE, FAILED, operate, print, say};
use crate::admin;
use crate::clock;
use crate::net::address::Address;
use glance::{Glance, Server};
use keys::Keys;
use state::{Deed, State};
use terminal::Terminal;

/// So many nodes are looked at.
const NODES_MAX: usize = 5000;
/// How long an Escape may be the front of something longer.
const ESCAPE_ALONE: Duration = Duration::from_millis(50);
/// How long an answer may take before somebody is told that it does.
const SLOW: Duration = Duration::from_secs(2);

/// Shows the tree until somebody has seen enough.
pub(super) fn run(flags: &TopFlags) -> u8 {
    let look = match Look::take(&flags.admin) {
        Ok(look) => look,
        Err(error) => return failed(&operate::why(&flags.admin, &error)),
    };
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let is_seen = io::stdout().is_terminal() && io::stdin().is_terminal() && !is_dumb;
    if flags.is_once || !is_seen {
        return print(&frame::table(&look.glance, &State::new(flags.sort)));
    }
    match Top::start(flags, look).and_then(Top::run) {
        Ok(code) => code,
        Err(error) => failed(&format!("the terminal: {error}")),
    }
}

fn failed(why: &str) -> u8 {
    say(format_args!("osier: {why}"));
    FAILED
}

/// What the threads bring.
enum Event {
    /// Octets from the keyboard; none when it has gone.
    Typed(Vec<u8>),
    Signal(Signal),
    /// What the server said, or why it did not.
    Looked(io::Result<Look>),
    /// What came of a cancel.
    Said(String),
}

/// A glance, and what the next one is compared with.
struct Look {
    glance: Glance,
    requests: Option<f64>,
    at: Instant,
}

impl Look {
    fn take(admin: &Address) -> io::Result<Self> {
        let ask = |path: &str| admin::ask(admin, "GET", path, "");
        let broken = |what: Broken| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
        let tree = ask(&format!("/tree.json?max={NODES_MAX}"))?;
        let nodes = glance::nodes(&tree).map_err(broken)?;
        // A gateway that does not say how it is, or what it counts, has a tree all the same.
        let server = ask("/status").ok().map(|text| Server::read(&text));
        let server = server.transpose().map_err(broken)?;
        let requests = ask("/metrics").ok();
        Ok(Self {
            glance: Glance {
                server: server.unwrap_or_default(),
                nodes,
                per_second: None,
            },
            requests: requests.and_then(|text| glance::requests(&text)),
            at: clock::now(),
        })
    }

    /// Counts what happened since `before`.
    fn since(mut self, before: &Self) -> Self {
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64();
        let counts = self.requests.zip(before.requests);
        self.glance.per_second = counts
            // Counters that went back belong to a server that was started anew.
            .filter(|(now, then)| now >= then && seconds > 0.0)
            .map(|(now, then)| (now - then) / seconds);
        self
    }
}

/// The loop, and what it has.
struct Top<'a> {
    flags: &'a TopFlags,
    terminal: Terminal,
    has_colours: bool,
    events: Receiver<Event>,
    brings: Sender<Event>,
    asks: Sender<()>,
    state: State,
    look: Look,
    keys: Keys,
    /// When the server was asked what it has not answered yet.
    asked: Option<Instant>,
    /// When it is asked next.
    next: Instant,
    /// What is on the screen.
    seen: String,
}

impl<'a> Top<'a> {
    fn start(flags: &'a TopFlags, look: Look) -> io::Result<Self> {
        let (brings, events) = channel();
        // Signals first: from here on none of them ends us with the terminal in our hands.
        wait_for_signals(brings.clone())?;
        let terminal = Terminal::take(io::stdin(), io::stdout())?;
        wait_for_keys(brings.clone())?;
        let asks = wait_for_answers(flags.admin.clone(), brings.clone())?;
        Ok(Self {
            flags,
            terminal,
            has_colours: std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
            events,
            brings,
            asks,
            state: State::new(flags.sort),
            look,
            keys: Keys::default(),
            asked: None,
            next: clock::now() + flags.interval,
            seen: String::new(),
        })
    }

    fn run(mut self) -> io::Result<u8> {
        loop {
            self.draw()?;
            let event = self.events.recv_timeout(self.patience());
            let end = match event {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => Some(FAILED),
            };
            if let Some(code) = end {
                return Ok(code);
            }
        }
    }

    /// How long nothing has to be done, if nothing comes.
    fn patience(&self) -> Duration {
        if self.keys.is_undecided() {
            return ESCAPE_ALONE;
        }
        self.next.saturating_duration_since(clock::now())
    }

    /// Nothing came.
    fn tick(&mut self) -> Option<u8> {
        if self.keys.is_undecided() {
            let key = self.keys.nothing_follows();
            return self.press(key);
        }
        self.next = clock::now() + self.flags.interval;
        if !self.state.is_paused {
            self.ask();
        }
        None
    }

    /// Asks the server, unless it still has a question.
    fn ask(&mut self) {
        match self.asked {
            None => {
                self.asked = Some(clock::now());
                // The thread lives as long as we do.
                let _ = self.asks.send(());
            }
            Some(at) => {
                let waited = clock::now().saturating_duration_since(at);
                if waited >= SLOW {
                    let (admin, waited) = (&self.flags.admin, columns::short(waited));
                    self.state.trouble = format!("{admin} has not answered for {waited}");
                }
            }
        }
    }

    fn take(&mut self, event: Event) -> io::Result<Option<u8>> {
        Ok(match event {
            Event::Typed(octets) if octets.is_empty() => Some(DONE),
            Event::Typed(octets) => {
                let keys = self.keys.push(&octets);
                self.press(keys)
            }
            Event::Signal(Signal::Winch) => {
                // Whatever the terminal made of the old frame.
                self.seen.clear();
                None
            }
            Event::Signal(Signal::Cont) => {
                self.terminal.enter_again()?;
                self.seen.clear();
                None
            }
            // What a shell says of a process that a signal ended.
            Event::Signal(signal) => u8::try_from(128 + signal as i32).ok().or(Some(FAILED)),
            Event::Looked(looked) => {
                self.asked = None;
                self.looked(looked);
                None
            }
            Event::Said(said) => {
                self.state.notice = said;
                if !self.state.is_paused {
                    self.ask();
                }
                None
            }
        })
    }

    fn looked(&mut self, looked: io::Result<Look>) {
        match looked {
            // What was under way when somebody said stop changes nothing any more.
            Ok(_) if self.state.is_paused => {}
            Ok(look) => {
                self.look = look.since(&self.look);
                self.state.trouble.clear();
            }
            Err(error) => {
                let what = operate::what(&self.flags.admin, &error);
                self.state.trouble = format!("trying again: {what}");
            }
        }
    }

    fn press(&mut self, keys: impl IntoIterator<Item = keys::Key>) -> Option<u8> {
        for key in keys {
            let rows = frame::rows_shown(self.terminal.size());
            match self.state.press(key, &self.look.glance, rows) {
                Deed::Nothing => {}
                Deed::Quit => return Some(DONE),
                Deed::Look => self.ask(),
                Deed::Cancel { id, name, reason } => self.cancel(id, name, reason),
            }
        }
        None
    }

    /// Has a node ended, beside the loop.
    fn cancel(&mut self, id: u64, name: String, reason: String) {
        self.state.notice = format!("cancelling {name}");
        let (admin, brings) = (self.flags.admin.clone(), self.brings.clone());
        let cancel = move || {
            let asked = admin::ask(&admin, "POST", &format!("/cancel/{id}"), &reason);
            let said = match asked.map(|answer| glance::receipt(&answer)) {
                Ok(Ok(receipt)) => format!("{name}: {receipt}"),
                Ok(Err(error)) => format!("{name}: {error}"),
                Err(error) => format!("{name}: {}", operate::what(&admin, &error)),
            };
            let _ = brings.send(Event::Said(said));
        };
        if let Err(error) = thread::Builder::new().spawn(cancel) {
            self.state.notice = format!("no thread to cancel with: {error}");
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let size = self.terminal.size();
        self.state
            .settle(&self.look.glance, frame::rows_shown(size));
        let lines = frame::frame(&self.look.glance, &self.state, size);
        let octets = frame::octets(&lines, self.has_colours);
        if octets != self.seen {
            self.terminal.write(&octets)?;
            self.seen = octets;
        }
        Ok(())
    }
}

fn wait_for_signals(brings: Sender<Event>) -> io::Result<()> {
    let wanted = [
        Signal::Term,
        Signal::Int,
        Signal::Hup,
        Signal::Quit,
        Signal::Winch,
        Signal::Cont,
    ];
    let mut signals = Signals::new(wanted)?;
    beside(move || {
        while let Some(Ok(signal)) = future::block_on(signals.next()) {
            if brings.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    })
}

fn wait_for_keys(brings: Sender<Event>) -> io::Result<()> {
    beside(move || {
        let mut room = [0; 1024];
        loop {
            let count = rustix::io::retry_on_intr(|| rustix::io::read(io::stdin(), &mut room));
            // A terminal that has gone is no reason to stay.
            let typed = room.get(..count.unwrap_or(0)).unwrap_or_default().to_vec();
            let is_last = typed.is_empty();
            if brings.send(Event::Typed(typed)).is_err() || is_last {
                return;
            }
        }
    })
}

/// Whoever asks the server: each time that somebody sends, once.
fn wait_for_answers(admin: Address, brings: Sender<Event>) -> io::Result<Sender<()>> {
    let (asks, asked) = channel();
    beside(move || {
        while asked.recv().is_ok() {
            if brings.send(Event::Looked(Look::take(&admin))).is_err() {
                return;
            }
        }
    })?;
    Ok(asks)
}

/// In a thread of its own, which the process does not wait for.
fn beside(what: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().spawn(what).map(drop)
}
