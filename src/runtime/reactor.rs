//! A worker's reactor: epoll, edge-triggered, every descriptor registered once.
//!
//! Each [`Source`] keeps what epoll said as readiness flags. A task tries its syscall only while the flag is up, and
//! takes the flag down when the syscall says that nothing is left.
//!
//! The trap this file exists to avoid: a short read means "drained" only as long as no end of file has been reported.
//! When data and FIN arrive together there is one edge for both, and a task that forgets the flag after the data
//! sleeps forever on the end that is already there. So RDHUP, HUP and ERR are sticky: once seen, the source stays
//! readable until a read returns 0 or an error.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use slab::Slab;

/// How many events one turn takes from epoll at most.
const EVENTS_PER_TURN: usize = 256;
/// The event data of a descriptor that nobody waits for by name (the worker's eventfd).
const UNNAMED: u64 = u64::MAX;

/// The descriptor can be read: octets, an end or an error wait there.
const READABLE: u8 = 1;
/// The descriptor can be written.
const WRITABLE: u8 = 2;
/// The peer ended its side (FIN). Sticky.
const FIN: u8 = 4;
/// The connection is gone in both directions (RST, or an error). Sticky.
const RESET: u8 = 8;

/// The epoll of one worker and the flags of everything registered in it.
pub struct Reactor {
    epoll: OwnedFd,
    /// What is registered; the event data names a place here and its number.
    sources: RefCell<Slab<Rc<Flags>>>,
    /// The number of the source registered last, so that an event for a closed one never reaches its successor.
    number: Cell<u32>,
    /// The batch of the current turn, kept for its memory.
    events: RefCell<Vec<epoll::Event>>,
}

#[derive(Debug)]
struct Flags {
    /// From [`Reactor::number`].
    number: u32,
    /// READABLE, WRITABLE, FIN, RESET.
    ready: Cell<u8>,
    /// Which of those the waiting task waits for.
    interest: Cell<u8>,
    /// The one task that waits. A connection belongs to one task at a time.
    waker: RefCell<Option<Waker>>,
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reactor({} sources)", self.source_count())
    }
}

impl Reactor {
    /// An epoll with nothing in it.
    ///
    /// # Errors
    /// What the system says when it has no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            sources: RefCell::default(),
            number: Cell::new(0),
            events: RefCell::new(Vec::with_capacity(EVENTS_PER_TURN)),
        })
    }

    /// Registers a descriptor whose events only have to end the wait.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn watch_unnamed(&self, fd: impl AsFd) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            fd,
            epoll::EventData::new_u64(UNNAMED),
            flags,
        )?)
    }

    /// Registers a non-blocking descriptor, both directions, for as long as the [`Source`] lives.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn register<F: AsFd>(self: &Rc<Self>, fd: F) -> io::Result<Source<F>> {
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        self.register_for(fd, flags)
    }

    /// Registers a listening socket: of several workers that share it, one is woken per connection.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn register_listener<F: AsFd>(self: &Rc<Self>, fd: F) -> io::Result<Source<F>> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET | epoll::EventFlags::EXCLUSIVE;
        self.register_for(fd, flags)
    }

    fn register_for<F: AsFd>(
        self: &Rc<Self>,
        fd: F,
        events: epoll::EventFlags,
    ) -> io::Result<Source<F>> {
        let number = self.number.get().wrapping_add(1);
        self.number.set(number);
        let flags = Rc::new(Flags {
            number,
            ready: Cell::new(0),
            interest: Cell::new(0),
            waker: RefCell::new(None),
        });
        let index = self.sources.borrow_mut().insert(flags.clone());
        // Made first: from here on its drop gives the place back.
        let source = Source {
            fd,
            flags,
            index,
            reactor: self.clone(),
        };
        let data = epoll::EventData::new_u64(u64::from(number) << 32 | index as u64);
        epoll::add(&self.epoll, &source.fd, data, events)?;
        Ok(source)
    }

    /// Waits until something is ready or `timeout` is over (`None`: for as long as it takes).
    ///
    /// # Errors
    /// What epoll_wait says; an interrupted wait is no error.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|t| Timespec {
            tv_sec: t.as_secs().min(86_400) as i64,
            tv_nsec: i64::from(t.subsec_nanos()) as _,
        });
        let mut events = self.events.borrow_mut();
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks what the last wait found ready, and wakes who waits for it. Returns how many events there were.
    pub fn dispatch(&self) -> usize {
        let events = self.events.borrow();
        for event in events.iter() {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == UNNAMED {
                continue;
            }
            let source = self.sources.borrow().get(data as u32 as usize).cloned();
            if let Some(source) = source.filter(|s| s.number == (data >> 32) as u32) {
                source.raise(ready_bits(flags));
            }
        }
        events.len()
    }

    /// How many descriptors are registered by name.
    pub fn source_count(&self) -> usize {
        self.sources.borrow().len()
    }
}

/// What epoll's flags mean here.
fn ready_bits(flags: epoll::EventFlags) -> u8 {
    let mut ready = 0;
    if flags.intersects(epoll::EventFlags::IN) {
        ready |= READABLE;
    }
    if flags.intersects(epoll::EventFlags::OUT) {
        ready |= WRITABLE;
    }
    if flags.intersects(epoll::EventFlags::RDHUP) {
        ready |= READABLE | FIN;
    }
    if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
        // Both directions answer at once now: a read with the end or the error, a write with the error.
        ready |= READABLE | WRITABLE | FIN | RESET;
    }
    ready
}

impl Flags {
    fn raise(&self, ready: u8) {
        self.ready.set(self.ready.get() | ready);
        if self.interest.get() & ready != 0 {
            self.interest.set(0);
            // The waker stays, for the next wait is by the same task, nearly always.
            if let Some(waker) = &*self.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    fn lower(&self, ready: u8) {
        self.ready.set(self.ready.get() & !ready);
    }

    fn has(&self, ready: u8) -> bool {
        self.ready.get() & ready != 0
    }

    fn wait<T>(&self, interest: u8, cx: &task::Context<'_>) -> Poll<T> {
        self.interest.set(self.interest.get() | interest);
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// A registered, non-blocking descriptor and what is known about its readiness.
///
/// One task at a time waits on a source; it may wait for reading, writing and the peer's end at once.
#[derive(Debug)]
pub struct Source<F: AsFd> {
    fd: F,
    flags: Rc<Flags>,
    /// The place in [`Reactor::sources`].
    index: usize,
    reactor: Rc<Reactor>,
}

impl<F: AsFd> Source<F> {
    /// The descriptor.
    pub fn get_ref(&self) -> &F {
        &self.fd
    }

    /// Tries `io` while the source is readable. Its `Ok((value, drained))` says whether the descriptor was emptied.
    pub fn poll_read_with<T>(
        &self,
        cx: &task::Context<'_>,
        mut io: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            if !self.flags.has(READABLE) {
                return self.flags.wait(READABLE, cx);
            }
            match io(self.fd.as_fd()) {
                Ok((value, drained)) => {
                    // After a FIN there is always one more thing to read: the end itself.
                    if drained && !self.flags.has(FIN) {
                        self.flags.lower(READABLE);
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(rustix::io::Errno::AGAIN) => self.flags.lower(READABLE),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Tries `io` while the source is writable. Its `Ok((value, full))` says whether the descriptor took less than it
    /// was given.
    pub fn poll_write_with<T>(
        &self,
        cx: &task::Context<'_>,
        mut io: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<(T, bool)>,
    ) -> Poll<io::Result<T>> {
        loop {
            if !self.flags.has(WRITABLE) {
                return self.flags.wait(WRITABLE, cx);
            }
            match io(self.fd.as_fd()) {
                Ok((value, full)) => {
                    if full {
                        self.flags.lower(WRITABLE);
                    }
                    return Poll::Ready(Ok(value));
                }
                Err(rustix::io::Errno::AGAIN) => self.flags.lower(WRITABLE),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Ready when a read would not wait: octets, the end or an error are there. Costs no syscall.
    pub fn poll_readable(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.flags.has(READABLE) {
            Poll::Ready(())
        } else {
            self.flags.wait(READABLE, cx)
        }
    }

    /// Ready when a write would not wait. Costs no syscall.
    pub fn poll_writable(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.flags.has(WRITABLE) {
            Poll::Ready(())
        } else {
            self.flags.wait(WRITABLE, cx)
        }
    }

    /// Ready when the peer ended its side or the connection is gone. Costs no syscall and reads nothing.
    pub fn poll_fin(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.flags.has(FIN) {
            Poll::Ready(())
        } else {
            self.flags.wait(FIN, cx)
        }
    }

    /// Ready when the connection is gone in both directions. Costs no syscall and reads nothing.
    pub fn poll_reset(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.flags.has(RESET) {
            Poll::Ready(())
        } else {
            self.flags.wait(RESET, cx)
        }
    }

    /// Readable, as far as is known without asking.
    pub fn is_readable(&self) -> bool {
        self.flags.has(READABLE)
    }

    /// The connection is gone in both directions.
    pub fn is_reset(&self) -> bool {
        self.flags.has(RESET)
    }

    /// Takes a descriptor that outlives this source (a listener's, shared with others) out of epoll.
    pub fn unregister(&self) {
        let _ = epoll::delete(&self.reactor.epoll, &self.fd);
    }

    /// Supposes the descriptor to be writable until a write says otherwise: true of a connection just accepted.
    pub fn suppose_writable(&self) {
        self.flags.ready.set(self.flags.ready.get() | WRITABLE);
    }

    /// Supposes the descriptor to be readable until a read says otherwise.
    pub fn suppose_readable(&self) {
        self.flags.ready.set(self.flags.ready.get() | READABLE);
    }

    /// The peer ended its side, or the connection is gone.
    pub fn is_fin(&self) -> bool {
        self.flags.has(FIN)
    }
}

impl<F: AsFd> Drop for Source<F> {
    fn drop(&mut self) {
        // Closing a descriptor takes it out of epoll; one that is shared is taken out by `unregister`.
        self.reactor.sources.borrow_mut().try_remove(self.index);
    }
}
