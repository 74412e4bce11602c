//! A connection in memory that does whatever a network may do to octets, short of changing them.
//!
//! It has two lanes, one in each direction. A lane takes some of what is written to it, holds a bounded number of
//! octets, lets them arrive later, and gives them out in pieces of its own. It ends by a FIN or by a reset, and either
//! side may close while the other still writes. Each of the two ends is a [`Stream`], so what is tested and what tests it
//! wait in the same way.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use osier::clock::{self, Sleep};
use osier::net::stream::{Hangup, Stream};

use super::dice::Dice;
use super::trace::Trace;

/// A lane that is narrow is so for its first octets: heads and small content are cut everywhere, and what is large does
/// not take for ever.
const NARROW: usize = 4000;

/// How a connection treats what is written to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// How many octets a lane holds that nobody has read.
    pub(crate) room: usize,
    /// How many octets move in one read or write at most.
    pub(crate) piece: usize,
    /// How long octets are under way.
    pub(crate) latency: Duration,
    /// How many times of a hundred it says that it is ready when it is not, and the other way round.
    pub(crate) fickle: usize,
}

/// One connection, as its two ends and whoever breaks it know it.
pub(crate) struct Wire {
    name: String,
    lanes: [RefCell<Lane>; 2],
    manner: Manner,
    dice: Dice,
    trace: Trace,
    /// Which ends are there.
    open: [Cell<bool>; 2],
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Arrived, and not read.
    arrived: VecDeque<u8>,
    /// Under way, with when they arrive; `None`: never.
    under_way: VecDeque<(Option<Instant>, Vec<u8>)>,
    held: usize,
    /// Nothing written from here on arrives.
    is_lost: bool,
    end: Option<End>,
    /// Its reader has read its end.
    end_is_read: bool,
    /// The reset was told to the reader.
    is_told: bool,
    /// Nobody will read any more.
    is_unread: bool,
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    /// Rings when something arrives.
    alarm: Option<Sleep>,
}

/// How a lane ends, and from when on its reader can see that.
#[derive(Clone, Copy, Debug)]
enum End {
    Fin(Option<Instant>),
    Reset(Instant),
}

impl Wire {
    /// A connection; the first end is the one that asked for it.
    pub(crate) fn pair(name: String, manner: Manner, dice: &Dice, trace: &Trace) -> (Tip, Tip) {
        let wire = Rc::new(Self {
            name,
            lanes: [RefCell::default(), RefCell::default()],
            manner,
            dice: dice.clone(),
            trace: trace.clone(),
            open: [Cell::new(true), Cell::new(true)],
        });
        let tip = |side| Tip {
            wire: wire.clone(),
            side,
            is_abortive: Cell::new(false),
            tally: Cell::new((0, 0)),
            on_drop: RefCell::new(None),
        };
        (tip(0), tip(1))
    }

    /// Resets both lanes, as a machine on the way might.
    pub(crate) fn cut(&self) {
        self.trace.note(format_args!("{} is cut", self.name));
        let now = clock::now();
        for lane in &self.lanes {
            lane.borrow_mut().reset(now, true);
        }
    }

    /// From here on nothing arrives any more, and nobody is told.
    pub(crate) fn lose(&self) {
        self.trace
            .note(format_args!("{} loses everything", self.name));
        for lane in &self.lanes {
            lane.borrow_mut().is_lost = true;
        }
    }

    /// Whether the second end is there, and can see that the first one is not: by a reset, or by an end behind which
    /// nothing is left to read.
    pub(crate) fn is_left_alone(&self) -> Option<Hangup> {
        if !self.open[1].get() {
            return None;
        }
        let mut lane = self.lanes[1].borrow_mut();
        lane.settle();
        if lane.is_reset() {
            return Some(Hangup::Reset);
        }
        (lane.has_ended() && lane.arrived.is_empty()).then_some(Hangup::Ended)
    }

    /// Whether the second end has read that the first one says no more.
    pub(crate) fn end_is_read(&self) -> bool {
        self.lanes[1].borrow().end_is_read
    }

    /// How it treats octets once so many have passed.
    fn manner_after(&self, octets: usize) -> Manner {
        match octets < NARROW {
            true => self.manner,
            false => Manner {
                room: self.manner.room.max(NARROW),
                piece: self.manner.piece.max(NARROW),
                ..self.manner
            },
        }
    }

    fn is_fickle(&self) -> bool {
        self.manner.fickle > 0 && self.dice.chance(self.manner.fickle)
    }
}

impl Lane {
    /// Lets arrive what has had its time.
    fn settle(&mut self) {
        let now = clock::now();
        while let Some((Some(at), _)) = self.under_way.front() {
            if *at > now {
                return;
            }
            if let Some((_, octets)) = self.under_way.pop_front() {
                self.arrived.extend(octets);
            }
        }
    }

    /// Whether the reader sees the lane's end now: nothing more will arrive.
    fn has_ended(&self) -> bool {
        match self.end {
            Some(End::Fin(Some(at))) => self.under_way.is_empty() && at <= clock::now(),
            _ => false,
        }
    }

    fn is_reset(&self) -> bool {
        matches!(self.end, Some(End::Reset(at)) if at <= clock::now())
    }

    /// When something will be there to be seen.
    fn next(&self) -> Option<Instant> {
        let arrival = self.under_way.front().and_then(|(at, _)| *at);
        let end = match self.end {
            Some(End::Fin(at)) => at,
            Some(End::Reset(at)) => Some(at),
            None => None,
        };
        [arrival, end]
            .into_iter()
            .flatten()
            .filter(|at| *at > clock::now())
            .min()
    }

    /// Waits for the next thing to be seen.
    fn wait(&mut self, cx: &mut Context<'_>) {
        remember(&mut self.readers, cx.waker());
        let next = self.next();
        if self.alarm.as_ref().map(Sleep::at) != next {
            self.alarm = next.map(clock::sleep_until);
        }
        if let Some(alarm) = &mut self.alarm {
            // It is later than now.
            let _ = Pin::new(alarm).poll(cx);
        }
    }

    fn reset(&mut self, at: Instant, loses: bool) {
        if matches!(self.end, Some(End::Reset(_))) {
            return;
        }
        self.end = Some(End::Reset(at));
        if loses {
            self.under_way.clear();
        }
        self.held = self.arrived.len() + self.under_way.iter().map(|it| it.1.len()).sum::<usize>();
        wake(&mut self.readers);
        wake(&mut self.writers);
    }
}

fn remember(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|it| it.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

fn wake(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        waker.wake();
    }
}

/// One end of a [`Wire`].
pub(crate) struct Tip {
    wire: Rc<Wire>,
    side: usize,
    /// Its close is a reset.
    is_abortive: Cell<bool>,
    /// Octets read and written.
    tally: Cell<(usize, usize)>,
    /// Called when this end closes.
    on_drop: RefCell<Option<Box<dyn FnOnce()>>>,
}

impl Tip {
    /// The connection itself, for those who break it.
    pub(crate) fn wire(&self) -> Rc<Wire> {
        self.wire.clone()
    }

    /// Whatever is written goes at once.
    pub(crate) fn takes_all_at_once(&self) -> bool {
        self.wire.manner.fickle == 0 && self.wire.manner.room >= 65_536
    }

    /// Has this called when the end closes.
    pub(crate) fn when_closed(&self, call: impl FnOnce() + 'static) {
        *self.on_drop.borrow_mut() = Some(Box::new(call));
    }

    fn incoming(&self) -> &RefCell<Lane> {
        &self.wire.lanes[self.side]
    }

    fn outgoing(&self) -> &RefCell<Lane> {
        &self.wire.lanes[1 - self.side]
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        let (name, side) = (&self.wire.name, ["<", ">"][self.side]);
        self.wire.trace.note(format_args!("{name}{side} {what}"));
    }

    fn arrival(&self) -> Instant {
        clock::now() + self.wire.manner.latency
    }
}

impl Stream for Tip {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.wire.is_fickle() {
            return Poll::Ready(());
        }
        self.poll_disturbed(cx)
    }

    fn poll_disturbed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut lane = self.incoming().borrow_mut();
        lane.settle();
        if !lane.arrived.is_empty() || lane.has_ended() || lane.is_reset() {
            return Poll::Ready(());
        }
        lane.wait(cx);
        Poll::Pending
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let mut lane = self.incoming().borrow_mut();
        lane.settle();
        if lane.arrived.is_empty() {
            if lane.is_reset() {
                if std::mem::replace(&mut lane.is_told, true) {
                    return Poll::Ready(Ok(0));
                }
                self.note(format_args!("reads a reset"));
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if lane.has_ended() {
                lane.end_is_read = true;
                self.note(format_args!("reads the end"));
                return Poll::Ready(Ok(0));
            }
            lane.wait(cx);
            return Poll::Pending;
        }
        if into.len() == into.capacity() {
            into.reserve(1);
        }
        let room = (into.capacity() - into.len()).min(lane.arrived.len());
        let (read, written) = self.tally.get();
        let most = room.min(self.wire.manner_after(read).piece);
        let count = self.wire.dice.between(most.div_ceil(2).max(1), most);
        into.extend(lane.arrived.drain(..count));
        lane.held -= count;
        self.tally.set((read + count, written));
        wake(&mut lane.writers);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.wire.is_fickle() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let arrival = self.arrival();
        let is_reset = self.incoming().borrow().is_reset();
        let mut lane = self.outgoing().borrow_mut();
        if is_reset || matches!(lane.end, Some(End::Reset(_))) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if matches!(lane.end, Some(End::Fin(_))) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        if lane.is_unread {
            // It is closed on the other side, which says so when it gets the first of this.
            if !std::mem::replace(&mut lane.is_lost, true) {
                lane.held = 0;
                self.incoming().borrow_mut().reset(arrival, false);
            }
            self.incoming().borrow_mut().wait(cx);
        }
        let (read, written) = self.tally.get();
        let manner = self.wire.manner_after(written);
        let room = manner.room.saturating_sub(lane.held);
        if room == 0 && offered > 0 {
            remember(&mut lane.writers, cx.waker());
            return Poll::Pending;
        }
        let most = offered.min(room).min(manner.piece);
        let count = self.wire.dice.between(most.min(1), most);
        let mut octets = Vec::with_capacity(count);
        for piece in pieces {
            let rest = count - octets.len();
            octets.extend_from_slice(&piece[..rest.min(piece.len())]);
        }
        self.tally.set((read, written + count));
        lane.held += count;
        let at = (!lane.is_lost).then_some(arrival);
        lane.under_way.push_back((at, octets));
        wake(&mut lane.readers);
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = self.outgoing().borrow_mut();
        if lane.end.is_none() {
            self.note(format_args!(
                "ends its side, {} octets written",
                self.tally.get().1
            ));
            lane.end = Some(End::Fin((!lane.is_lost).then_some(self.arrival())));
            wake(&mut lane.readers);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<Hangup> {
        let mut lane = self.incoming().borrow_mut();
        lane.settle();
        if lane.is_reset() {
            return Poll::Ready(Hangup::Reset);
        }
        if lane.has_ended() {
            lane.wait(cx);
            return Poll::Ready(match lane.arrived.len() {
                0 => Hangup::Ended,
                unread => Hangup::EndedBehind(unread as u64),
            });
        }
        lane.wait(cx);
        Poll::Pending
    }

    fn abort(&self) {
        self.is_abortive.set(true);
    }
}

impl Drop for Tip {
    fn drop(&mut self) {
        let (read, written) = self.tally.get();
        let arrival = self.arrival();
        let is_unread = {
            let mut lane = self.incoming().borrow_mut();
            lane.settle();
            lane.is_unread = true;
            lane.alarm = None;
            lane.readers.clear();
            wake(&mut lane.writers);
            !lane.arrived.is_empty()
        };
        let mut lane = self.outgoing().borrow_mut();
        let is_reset = self.is_abortive.get() || is_unread;
        let how = if is_reset { "resets" } else { "closes" };
        self.note(format_args!("{how}, {read} octets read, {written} written"));
        if is_reset && !lane.is_lost {
            // A reset does not wait for what is in front of it.
            let loses = self.wire.dice.chance(50);
            lane.reset(arrival, loses);
        } else if lane.end.is_none() {
            lane.end = Some(End::Fin((!lane.is_lost).then_some(arrival)));
            wake(&mut lane.readers);
        }
        drop(lane);
        self.wire.open[self.side].set(false);
        if let Some(call) = self.on_drop.borrow_mut().take() {
            call();
        }
    }
}
