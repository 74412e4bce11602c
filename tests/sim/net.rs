//! The network: who is where, and the connections there are.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::{Rc, Weak};

use async_task::Task;
use osier::clock;
use osier::net::address::Address;
use osier::net::dialer::Dial;

use super::dice::Dice;
use super::origin::{self, Ledger, Temper};
use super::trace::Trace;
use super::turns::Turns;
use super::wire::{Manner, Tip, Wire};

/// The network of one run. Cloned, it is the same.
#[derive(Clone)]
pub(crate) struct Network(Rc<Inner>);

struct Inner {
    dice: Dice,
    trace: Trace,
    turns: Turns,
    tempers: Vec<Temper>,
    manners: [Manner; 2],
    misdials: usize,
    ledger: Ledger,
    /// The ends that the gateway holds.
    held: Cell<usize>,
    wires: RefCell<Vec<Weak<Wire>>>,
    origins: RefCell<Vec<Task<()>>>,
    dialled: Cell<usize>,
    /// What an origin does is somebody else's affair.
    serve: Box<Serve>,
}

/// What is done with a connection to the origin of this number.
pub(crate) type Serve = dyn Fn(usize, Tip) -> Option<Tip>;

impl Network {
    pub(crate) fn new(
        (dice, trace, turns): (&Dice, &Trace, &Turns),
        tempers: Vec<Temper>,
        manners: [Manner; 2],
        misdials: usize,
        ledger: &Ledger,
        serve: Box<Serve>,
    ) -> Self {
        Self(Rc::new(Inner {
            dice: dice.clone(),
            trace: trace.clone(),
            turns: turns.clone(),
            tempers,
            manners,
            misdials,
            ledger: ledger.clone(),
            held: Cell::new(0),
            wires: RefCell::default(),
            origins: RefCell::default(),
            dialled: Cell::new(0),
            serve,
        }))
    }

    /// A connection of a client's: its end, and the gateway's.
    pub(crate) fn connect(&self, name: String) -> (Tip, Tip) {
        self.pair(name, self.0.manners[0], 1)
    }

    fn pair(&self, name: String, manner: Manner, held: usize) -> (Tip, Tip) {
        let (one, other) = Wire::pair(name, manner, &self.0.dice, &self.0.trace);
        self.0.wires.borrow_mut().push(Rc::downgrade(&one.wire()));
        self.0.held.set(self.0.held.get() + 1);
        let inner = self.0.clone();
        let closed = move || inner.held.set(inner.held.get() - 1);
        [&one, &other][held].when_closed(closed);
        (one, other)
    }

    /// How many ends the gateway holds.
    pub(crate) fn held(&self) -> usize {
        self.0.held.get()
    }

    /// One of the connections there are.
    pub(crate) fn any(&self) -> Option<Rc<Wire>> {
        let mut wires = self.0.wires.borrow_mut();
        wires.retain(|wire| wire.strong_count() > 0);
        match wires.len() {
            0 => None,
            count => wires[self.0.dice.below(count)].upgrade(),
        }
    }

    /// Ends the origins.
    pub(crate) fn close(&self) {
        let origins = self.0.origins.take();
        drop(origins);
    }
}

impl Dial for Network {
    type Stream = Tip;

    async fn dial(&self, to: &Address) -> io::Result<Tip> {
        let inner = &*self.0;
        let Address::Inet(to) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let number = usize::from(to.port());
        let manner = inner.manners[1];
        clock::sleep(manner.latency).await;
        if inner.dice.chance(inner.misdials) {
            let how = inner.dice.below(4);
            inner
                .trace
                .note(format_args!("origin {number} is not reached: {how}"));
            match how {
                0 => pending().await,
                // No descriptor is left.
                1 => return Err(io::Error::from_raw_os_error(24)),
                _ => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
        inner.dialled.set(inner.dialled.get() + 1);
        let name = format!("o{number}.{}", inner.dialled.get());
        inner.trace.note(format_args!("{name} is connected"));
        let (near, far) = self.pair(name, manner, 0);
        if let Some(far) = (inner.serve)(number, far) {
            let temper = inner.tempers[number - 1];
            let serving = origin::serve(far, temper, inner.dice.clone(), inner.ledger.clone());
            inner.origins.borrow_mut().push(inner.turns.spawn(serving));
        }
        Ok(near)
    }
}
