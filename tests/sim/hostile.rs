//! Both sides hostile: a client and origins that say whatever octets there are, over connections that cut them anywhere.
//!
//! Nobody here knows what an exchange should have been. What must hold is what always must: nothing is left, the client
//! can read what it gets as the responses that the log tells of, and an origin what it gets as requests.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::net::stream::{self, Stream};

use super::client::{Script, Step};
use super::dice::Dice;
use super::origin::Ledger;
use super::plan::Plan;
use super::records::Book;
use super::talk::Head;
use super::trace::Trace;
use super::turns::Turns;
use super::wire::Tip;
use super::world::{Report, World};

/// Runs what these octets say: two lengths, how everything else falls, the client's octets, and the origins'.
pub(crate) fn run(input: &[u8], book: &mut Book, is_traced: bool) -> Report {
    let clock = TestClock::install();
    let (lengths, rest) = input.split_at(input.len().min(3));
    let length = |at: usize| lengths.get(at).copied().map_or(0, usize::from);
    let (chosen, rest) = rest.split_at(rest.len().min(length(0)));
    let says = (length(1) << 8 | length(2)) % (rest.len() + 1);
    let (client, origin) = rest.split_at(says);
    let seed = input.iter().fold(0, |seed: u64, octet| {
        seed.wrapping_mul(31).wrapping_add(u64::from(*octet))
    });
    let dice = Dice::chosen(seed, chosen);
    let trace = Trace::new(is_traced);
    let mut plan = Plan::draw(&dice);
    plan.clients = vec![(Duration::ZERO, script(client, &dice))];
    let turns = Turns::new(dice.clone());
    let ledger = Ledger::default();
    let speech = Speech {
        octets: origin.into(),
        said: Rc::default(),
        dice: dice.clone(),
        ledger: ledger.clone(),
    };
    let origins = Rc::new(RefCell::new(Vec::new()));
    let (spawning, held) = (turns.clone(), origins.clone());
    let serve = move |_, tip| {
        held.borrow_mut()
            .push(spawning.spawn(speech.clone().serve(tip)));
        None
    };
    let rest = turns.clone();
    let mut world = World::new(
        plan,
        &dice,
        book,
        clock,
        trace,
        turns,
        ledger,
        Box::new(serve),
    );
    world.is_hostile = true;
    let report = world.run(book);
    drop(origins.take());
    // What was dropped lets go of what it held.
    while rest.step() {}
    report
}

/// A client that says these octets, in pieces, and then waits, or goes.
fn script(octets: &[u8], dice: &Dice) -> Script {
    let mut steps = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let most = rest.len();
        let (piece, more) = rest.split_at(match dice.chance(70) {
            true => most,
            false => dice.between(1, most),
        });
        steps.push(Step::Send(piece.to_vec()));
        if dice.chance(30) {
            steps.push(Step::Rest(dice.millis(0, 4000)));
        }
        rest = more;
    }
    steps.extend(match dice.below(6) {
        0 => Some(Step::Leave),
        1 => Some(Step::Reset),
        2 => Some(Step::End),
        _ => None,
    });
    Script::of(steps)
}

/// What all origins together have to say.
#[derive(Clone)]
struct Speech {
    octets: Rc<[u8]>,
    /// How much of it was said.
    said: Rc<Cell<usize>>,
    dice: Dice,
    ledger: Ledger,
}

impl Speech {
    /// Says some of it, whatever is asked, and ends in some way.
    async fn serve(self, tip: Tip) {
        let heard = RefCell::new(Vec::new());
        let hears = async {
            loop {
                let mut into = Vec::with_capacity(4096);
                match stream::read(&tip, &mut into).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => heard.borrow_mut().append(&mut into),
                }
            }
        };
        let says = async {
            if self.dice.chance(70) {
                // Most wait for a word.
                poll_fn(|cx| tip.poll_readable(cx)).await;
            }
            loop {
                let from = self.said.get().min(self.octets.len());
                let rest = &self.octets[from..];
                if rest.is_empty() {
                    break;
                }
                let piece = &rest[..self.dice.between(1, rest.len())];
                self.said.set(from + piece.len());
                if !self.say(&tip, piece).await {
                    return;
                }
                match self.dice.below(8) {
                    0 => clock::sleep(self.dice.millis(0, 4000)).await,
                    1 => break,
                    _ => {}
                }
            }
            match self.dice.below(3) {
                0 => tip.abort(),
                1 => {}
                _ => {
                    let _ = stream::shutdown(&tip).await;
                    futures_lite::future::pending::<()>().await;
                }
            }
        };
        futures_lite::future::or(hears, says).await;
        if let Err(why) = understand(&heard.borrow()) {
            self.ledger.fault(format!("an origin was sent {why}"));
        }
    }

    async fn say(&self, tip: &Tip, mut octets: &[u8]) -> bool {
        while !octets.is_empty() {
            let pieces = [IoSlice::new(octets)];
            match poll_fn(|cx| tip.poll_write(cx, &pieces)).await {
                Ok(0) | Err(_) => return false,
                Ok(taken) => octets = &octets[taken..],
            }
        }
        true
    }
}

/// Whatever an origin was sent is requests, one behind the other; the last one may be cut, or lead to a tunnel.
fn understand(octets: &[u8]) -> Result<(), String> {
    let mut rest = octets;
    while let Some(head) = Head::read(rest)? {
        if head.field("upgrade").is_some() {
            return Ok(());
        }
        let content = head.request_body()?.read(&rest[head.octets..])?;
        if !content.is_whole {
            return Ok(());
        }
        rest = &rest[head.octets + content.used..];
    }
    Ok(())
}
