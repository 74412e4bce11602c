//! Any futures-io reader and writer as a [`Stream`]: for a proxy on an executor of one's own, and for pipes in memory.
//!
//! Such a pair cannot say that its peer hung up without being read, so this one reads ahead, at most
//! `AHEAD_MAX` octets, and hands those out first.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{self, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};

use super::stream::{Hangup, Stream};

/// How many octets are read ahead at most, in order to see the end behind them.
const AHEAD_MAX: usize = 4096;

/// A reader and a writer, taken as one connection.
pub struct Pair<R, W> {
    read: RefCell<ReadSide<R>>,
    write: RefCell<W>,
}

struct ReadSide<R> {
    reader: R,
    /// Read, but not handed out yet.
    ahead: Vec<u8>,
    /// What came behind `ahead`, if anything did: the end, or an error still to be handed out.
    end: Option<Option<io::Error>>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pair<R, W> {
    /// Takes both halves. A stream that is both can be given as two clones, or split.
    pub fn new(reader: R, writer: W) -> Self {
        let read = RefCell::new(ReadSide {
            reader,
            ahead: Vec::new(),
            end: None,
        });
        Self {
            read,
            write: RefCell::new(writer),
        }
    }
}

impl<R, W> fmt::Debug for Pair<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl<R: AsyncRead + Unpin> ReadSide<R> {
    /// Reads some more ahead. Ready when something more is known.
    fn poll_ahead(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut scratch = [0; AHEAD_MAX];
        let room = scratch
            .get_mut(..AHEAD_MAX.saturating_sub(self.ahead.len()))
            .unwrap_or_default();
        if room.is_empty() || self.end.is_some() {
            return Poll::Ready(());
        }
        match ready!(Pin::new(&mut self.reader).poll_read(cx, room)) {
            Ok(0) => self.end = Some(None),
            Ok(count) => self
                .ahead
                .extend_from_slice(room.get(..count).unwrap_or_default()),
            Err(error) => self.end = Some(Some(error)),
        }
        Poll::Ready(())
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Stream for Pair<R, W> {
    fn poll_readable(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut read = self.read.borrow_mut();
        if !read.ahead.is_empty() {
            return Poll::Ready(());
        }
        read.poll_ahead(cx)
    }

    fn poll_read(&self, cx: &mut task::Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let mut read = self.read.borrow_mut();
        if read.ahead.is_empty() {
            ready!(read.poll_ahead(cx));
        }
        if read.ahead.is_empty() {
            let end = read.end.as_mut().and_then(Option::take);
            return Poll::Ready(end.map_or(Ok(0), Err));
        }
        let room = (into.capacity() - into.len()).max(1);
        let count = room.min(read.ahead.len());
        into.extend(read.ahead.drain(..count));
        Poll::Ready(Ok(count))
    }

    fn poll_write(
        &self,
        cx: &mut task::Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut writer = self.write.borrow_mut();
        let taken = ready!(Pin::new(&mut *writer).poll_write_vectored(cx, pieces))?;
        // What was taken is to arrive now, not when a writer that buffers sees fit.
        let _ = Pin::new(&mut *writer).poll_flush(cx)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_shutdown(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.write.borrow_mut()).poll_close(cx)
    }

    fn poll_hangup(&self, cx: &mut task::Context<'_>) -> Poll<Hangup> {
        let mut read = self.read.borrow_mut();
        loop {
            let unread = read.ahead.len();
            match &read.end {
                Some(Some(_)) => return Poll::Ready(Hangup::Reset),
                Some(None) if unread == 0 => return Poll::Ready(Hangup::Ended),
                Some(None) => return Poll::Ready(Hangup::EndedBehind(unread as u64)),
                // Enough was read ahead: what is behind it will be seen when some of it is consumed.
                None if unread >= AHEAD_MAX => return Poll::Pending,
                None => ready!(read.poll_ahead(cx)),
            }
        }
    }
}
