//! The origin: one connection of it. It answers `/N` with N octets, takes what a request brings, and does nothing else.
//!
//! It lives in the generator's own thread. A second process on the generator's core would cost a switch for every
//! message, and the figures would show the scheduler.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;

use crate::content::{PATTERN, answer_head};

/// How many field lines a head may have.
const FIELDS_MAX: usize = 96;

/// What the origin remembers of the last request, for the check before the measuring.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Remembering costs time: only while it is asked for.
    pub(crate) wanted: bool,
    pub(crate) head: Vec<u8>,
    pub(crate) content: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) stream: TcpStream,
    /// The begin of a head whose end has not come.
    input: Vec<u8>,
    /// Octets of a request's content that are still to come.
    incoming: usize,
    /// Heads and small contents that wait to be written, from `written` on.
    output: Vec<u8>,
    written: usize,
    /// The part of the pattern that follows `output`.
    content: std::ops::Range<usize>,
    /// The answer to the request whose content is still coming.
    owed: Option<usize>,
    close: bool,
}

/// Below this, content is copied behind its head; above it, it is written from where it is.
const COPIED_MAX: usize = 4096;

impl Served {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: Vec::new(),
            incoming: 0,
            output: Vec::new(),
            written: 0,
            content: 0..0,
            owed: None,
            close: false,
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        self.written < self.output.len() || !self.content.is_empty()
    }

    /// Reads once, answers what is complete, writes what can be written. `false`: the connection is over.
    pub(crate) fn turn(&mut self, scratch: &mut [u8], witness: &mut Witness) -> io::Result<bool> {
        if self.has_output() {
            self.flush()?;
            // What waited behind a large answer has its turn now.
            self.take(&[], witness)?;
        }
        match (&self.stream).read(scratch) {
            Ok(0) => return Ok(false),
            Ok(count) => self.take(&scratch[..count], witness)?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.flush()?;
        Ok(!self.close || self.has_output() || self.owed.is_some())
    }

    fn take(&mut self, octets: &[u8], witness: &mut Witness) -> io::Result<()> {
        let joined;
        let mut rest = if self.input.is_empty() {
            octets
        } else {
            self.input.extend_from_slice(octets);
            joined = std::mem::take(&mut self.input);
            &joined
        };
        while !rest.is_empty() {
            if self.incoming > 0 {
                let count = rest.len().min(self.incoming);
                if witness.wanted {
                    witness.content.extend_from_slice(&rest[..count]);
                }
                self.incoming -= count;
                rest = &rest[count..];
            } else if self.content.is_empty() {
                match self.head(rest, witness)? {
                    Some(consumed) => rest = &rest[consumed..],
                    None => break,
                }
            } else {
                // A pipelined request behind a large answer: what is written goes first.
                break;
            }
            if self.incoming == 0 {
                if let Some(octets) = self.owed.take() {
                    self.answer(octets);
                }
            }
        }
        self.input.extend_from_slice(rest);
        Ok(())
    }

    /// Reads a head. `None`: its end has not come.
    fn head(&mut self, octets: &[u8], witness: &mut Witness) -> io::Result<Option<usize>> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let consumed = match request.parse(octets).map_err(io::Error::other)? {
            httparse::Status::Complete(consumed) => consumed,
            httparse::Status::Partial => return Ok(None),
        };
        for field in request.headers.iter() {
            if field.name.eq_ignore_ascii_case("content-length") {
                self.incoming = number(field.value)?;
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(io::Error::other("the proxy sent a length as chunks"));
            } else if field.name.eq_ignore_ascii_case("connection") {
                self.close |= field.value.eq_ignore_ascii_case(b"close");
            }
        }
        // HTTP/1.0 has no persistence unless it is asked for, and nobody here asks.
        self.close |= request.version == Some(0);
        let path = request.path.unwrap_or_default();
        self.owed = Some(number(path.trim_start_matches('/').as_bytes())?.min(PATTERN.len()));
        if witness.wanted {
            witness.head.clear();
            witness.head.extend_from_slice(&octets[..consumed]);
            witness.content.clear();
        }
        Ok(Some(consumed))
    }

    fn answer(&mut self, octets: usize) {
        self.output
            .extend_from_slice(answer_head(octets).as_bytes());
        if octets <= COPIED_MAX {
            self.output.extend_from_slice(&PATTERN[..octets]);
        } else {
            self.content = 0..octets;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.has_output() {
            let parts = [
                IoSlice::new(&self.output[self.written..]),
                IoSlice::new(&PATTERN[self.content.clone()]),
            ];
            match (&self.stream).write_vectored(&parts) {
                Ok(count) => {
                    let of_output = count.min(self.output.len() - self.written);
                    self.written += of_output;
                    self.content.start += count - of_output;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        self.content = 0..0;
        Ok(())
    }
}

/// Digits only.
pub(crate) fn number(text: &[u8]) -> io::Result<usize> {
    let text = std::str::from_utf8(text).map_err(io::Error::other)?;
    text.parse().map_err(io::Error::other)
}
