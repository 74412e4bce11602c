//! One connection of the load generator: what it has sent, and what it waits for.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use crate::origin::number;
use crate::wire::{Target, Wire};

const FIELDS_MAX: usize = 96;

/// What a connection sends again and again, and what has to come back.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The octets of one request, or of `depth` of them.
    pub(crate) request: Rc<[u8]>,
    /// Requests that are sent without waiting in between.
    pub(crate) depth: usize,
    /// Content octets of each answer. An answer of another length is a failure.
    pub(crate) content: usize,
    /// One exchange per connection: the connection is over when the proxy has closed it.
    pub(crate) once: bool,
}

/// What became of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something is still to come.
    Waiting,
    /// All answers are here: the connection is free.
    Free,
    /// It has done its one exchange and the proxy has closed it.
    Over,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) wire: Wire,
    exchange: Exchange,
    /// Octets of the request that are written.
    sent: usize,
    /// Answers that are owed.
    owed: usize,
    /// The begin of a head whose end has not come.
    partial: Vec<u8>,
    /// Content octets of the current answer that are still to come.
    incoming: usize,
    /// When the request was due: sent, or meant to be sent.
    since: Instant,
    /// Everything received, for the check.
    pub(crate) received: Option<Vec<u8>>,
}

impl Client {
    /// Begins to connect.
    pub(crate) fn connect(to: &Target, exchange: Exchange) -> io::Result<Self> {
        Ok(Self {
            wire: Wire::connect(to)?,
            sent: exchange.request.len(),
            exchange,
            owed: 0,
            partial: Vec::new(),
            incoming: 0,
            since: Instant::now(),
            received: None,
        })
    }

    /// Sends the request; its time counts from `due`.
    pub(crate) fn send(&mut self, due: Instant) -> io::Result<()> {
        self.sent = 0;
        self.owed = self.exchange.depth;
        self.since = due;
        self.flush()
    }

    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.exchange.request.len() || self.wire.has_output()
    }

    /// Since when an answer is owed, if one is.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        (self.owed > 0).then_some(self.since)
    }

    /// Writes and reads once; calls `answered` with the begin of each exchange whose answer is complete.
    pub(crate) fn turn(
        &mut self,
        scratch: &mut [u8],
        mut answered: impl FnMut(Instant),
    ) -> io::Result<Turn> {
        if self.has_output() {
            self.flush()?;
        }
        let octets = match self.wire.read(scratch) {
            Ok([]) if self.exchange.once && self.owed == 0 => return Ok(Turn::Over),
            Ok([]) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Waiting),
            Err(error) => return Err(error),
        };
        if let Some(received) = &mut self.received {
            received.extend_from_slice(octets);
        }
        self.take(octets, &mut answered)?;
        Ok(match self.owed {
            0 if !self.exchange.once => Turn::Free,
            _ => Turn::Waiting,
        })
    }

    fn take(&mut self, octets: &[u8], answered: &mut impl FnMut(Instant)) -> io::Result<()> {
        let joined;
        let mut rest = if self.partial.is_empty() {
            octets
        } else {
            self.partial.extend_from_slice(octets);
            joined = std::mem::take(&mut self.partial);
            &joined
        };
        while !rest.is_empty() {
            if self.owed == 0 {
                return Err(io::Error::other("octets that nobody asked for"));
            }
            if self.incoming == 0 {
                let Some(consumed) = self.head(rest)? else {
                    self.partial.extend_from_slice(rest);
                    return Ok(());
                };
                rest = &rest[consumed..];
            }
            let count = rest.len().min(self.incoming);
            self.incoming -= count;
            rest = &rest[count..];
            if self.incoming == 0 {
                self.owed -= 1;
                answered(self.since);
            }
        }
        Ok(())
    }

    /// Reads a head. `None`: its end has not come.
    fn head(&mut self, octets: &[u8]) -> io::Result<Option<usize>> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let consumed = match response.parse(octets).map_err(io::Error::other)? {
            httparse::Status::Complete(consumed) => consumed,
            httparse::Status::Partial => return Ok(None),
        };
        let status = response.code.unwrap_or_default();
        if status != 200 {
            return Err(io::Error::other(format!("an answer with status {status}")));
        }
        let length = response
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("content-length"))
            .ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
        self.incoming = number(length.value)?;
        if self.incoming != self.exchange.content {
            return Err(io::Error::other("an answer of another length"));
        }
        Ok(Some(consumed))
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.sent < self.exchange.request.len() {
            self.sent += self.wire.write(&self.exchange.request[self.sent..])?;
        }
        self.wire.flush()
    }
}
