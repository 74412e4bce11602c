//! A TLS session on a socket, as a [`Stream`].
//!
//! While nothing comes it owns no buffer of ours: what is received goes through one that the whole thread shares, and
//! what rustls cannot take yet, because the plaintext before it was not read, is all that is kept (`ahead`).
//!
//! What is written is encrypted one record at a time. Of a record that is not all with the system the last octet is
//! reported as taken only when it is: so whoever writes knows that it has begun, and is not done before nothing is left
//! to be flushed; and a slow peer holds one record of memory.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::sync::Arc;
use std::task::{self, Poll, Waker, ready};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

#[cfg(feature = "acme")]
use super::acme::challenge::{Peek, Seen};
use super::certificate::subject_of;
use crate::net::handshake::HandshakeError;
use crate::net::stream::{Hangup, Stream};
use crate::net::tcp::Socket;

/// Octets that are received at a time: two records of the largest size.
const RECEIVED_MAX: usize = 32 * 1024;
/// No more plaintext than this is kept unread; rustls keeps to the same.
const PLAIN_MAX: usize = 16 * 1024;
/// How many times one poll receives: whoever sends records with nothing in them keeps no worker busy.
const ROUNDS_MAX: u8 = 32;
/// Octets of one record's content at most (RFC 8446 §5.1).
const RECORD_MAX: usize = 16 * 1024;
/// What rustls says where there is no certificate to be shown.
#[cfg(feature = "acme")]
const NO_CERTIFICATE: &str = "no server certificate chain resolved";

thread_local! {
    /// What is received, on its way to rustls.
    static RECEIVED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// TLS on a socket.
pub struct TlsStream {
    socket: Socket,
    state: RefCell<State>,
    /// TLS is not spoken: a client began with plain HTTP, and is answered in the same; or the handshake has failed, and
    /// what the peer still sends is nothing any more.
    is_raw: Cell<bool>,
    /// The close is to be a reset.
    is_aborted: Cell<bool>,
    /// See [`Stream::peer_subject`].
    subject: OnceCell<Option<Box<str>>>,
}

struct State {
    tls: rustls::Connection,
    /// Ciphertext that was received and waits until the plaintext before it has been read.
    ahead: Vec<u8>,
    /// Octets of plaintext that can be read.
    plain: usize,
    /// The peer's end.
    end: Option<End>,
    /// Octets of plaintext that rustls has and that were not reported as taken: of a record that is not all with the
    /// system the last one.
    owed: usize,
    /// We have said that nothing more comes from us.
    is_ended: bool,
    /// The first octet that was received.
    first: Option<u8>,
    /// Looks whether the client is an authority.
    #[cfg(feature = "acme")]
    peek: Option<Box<Peek>>,
    /// It is one: the handshake is all that it came for.
    #[cfg(feature = "acme")]
    is_authority: bool,
}

/// How the peer's direction ended.
enum End {
    /// By close_notify: what came before is the whole.
    Notified,
    /// By an end of the connection alone: something may be missing.
    Cut,
    /// By an error, which is told once.
    Failed(Option<Failure>),
}

enum Failure {
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io(error) => error,
            Failure::Tls(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl TlsStream {
    /// The side that was connected to. The handshake is to be driven by [`Stream::poll_handshake`].
    ///
    /// # Errors
    /// rustls cannot begin, for want of random octets, say.
    pub fn server(socket: Socket, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::new(socket, tls.into()))
    }

    /// The side that connected, to `name`. The handshake is to be driven by [`Stream::poll_handshake`].
    ///
    /// # Errors
    /// As [`TlsStream::server`].
    pub fn client(
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self::new(socket, tls.into()))
    }

    fn new(socket: Socket, mut tls: rustls::Connection) -> Self {
        tls.set_buffer_limit(Some(RECORD_MAX));
        Self {
            socket,
            state: RefCell::new(State {
                tls,
                ahead: Vec::new(),
                plain: 0,
                end: None,
                owed: 0,
                is_ended: false,
                first: None,
                #[cfg(feature = "acme")]
                peek: None,
                #[cfg(feature = "acme")]
                is_authority: false,
            }),
            is_raw: Cell::new(false),
            is_aborted: Cell::new(false),
            subject: OnceCell::new(),
        }
    }

    /// Has `peek` look at how the client begins.
    #[cfg(feature = "acme")]
    #[must_use]
    pub fn peeked(mut self, peek: Option<Peek>) -> Self {
        self.state.get_mut().peek = peek.map(Box::new);
        self
    }

    /// What the peers have agreed on, as far as they have.
    pub fn with_session<T>(&self, look: impl FnOnce(&rustls::Connection) -> T) -> T {
        look(&self.state.borrow().tls)
    }

    /// Receives what is there and has rustls take it. Ready when it was some, or the end.
    fn poll_more(&self, state: &mut State, cx: &mut task::Context<'_>) -> Poll<()> {
        if !state.ahead.is_empty() {
            let ahead = std::mem::take(&mut state.ahead);
            let taken = state.feed(&ahead);
            state.keep(ahead.get(taken..));
        } else if state.end.is_none() {
            let received = RECEIVED.with_borrow_mut(|received| {
                received.resize(RECEIVED_MAX, 0);
                match ready!(self.socket.poll_receive(cx, received)) {
                    Ok(0) => state.end = Some(End::Cut),
                    Ok(count) => {
                        let octets = received.get(..count).unwrap_or_default();
                        if state.is_plain_request(octets) {
                            self.is_raw.set(true);
                        }
                        state.first = state.first.or_else(|| octets.first().copied());
                        let taken = match self.is_raw.get() {
                            true => 0,
                            false => state.feed(octets),
                        };
                        state.keep(octets.get(taken..));
                    }
                    Err(error) => state.end = Some(End::Failed(Some(Failure::Io(error)))),
                }
                Poll::Ready(())
            });
            ready!(received);
        }
        if state.tls.wants_write() {
            // An alert, or an answer to new keys. What the system does not take now goes with what is written next.
            let _ = self.poll_flush(state, cx);
        }
        Poll::Ready(())
    }

    /// As [`TlsStream::poll_more`], but no more than [`ROUNDS_MAX`] times in one poll: then others get their turn.
    fn poll_some(
        &self,
        state: &mut State,
        rounds: &mut u8,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        if *rounds == ROUNDS_MAX {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *rounds += 1;
        self.poll_more(state, cx)
    }

    /// Ready when everything that rustls has to say is with the system.
    fn poll_flush(&self, state: &mut State, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        let mut outlet = Outlet {
            socket: &self.socket,
            cx,
        };
        while state.tls.wants_write() {
            match state.tls.write_tls(&mut outlet) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What the peer's end means while keys are agreed on.
    fn refused(&self, state: &mut State) -> HandshakeError {
        self.is_raw.set(true);
        state.ahead.clear();
        let failure = match &mut state.end {
            Some(End::Failed(failure)) => failure.take(),
            _ if state.first.is_none() => return HandshakeError::Gone,
            _ => return HandshakeError::Cut,
        };
        match failure {
            Some(Failure::Tls(rustls::Error::InvalidMessage(_)))
                if state.first.is_some_and(|first| !is_handshake(first)) =>
            {
                let is_http = state.first == Some(b'H');
                HandshakeError::NotTls { is_http }
            }
            Some(Failure::Tls(error)) => HandshakeError::Refused {
                fault: super::fault::of(&error),
                why: state.in_words(&error),
            },
            Some(Failure::Io(error)) if state.first.is_none() && is_gone(&error) => {
                HandshakeError::Gone
            }
            Some(Failure::Io(error)) => HandshakeError::Io(error),
            None => HandshakeError::Cut,
        }
    }
}

/// A record of this kind is what TLS begins with (RFC 8446 §5.1).
fn is_handshake(first: u8) -> bool {
    first == 22
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

impl State {
    /// Has rustls take these octets, until enough plaintext is there. Returns how many it took; behind an end all.
    fn feed(&mut self, octets: &[u8]) -> usize {
        #[cfg(feature = "acme")]
        if self.meets_authority(octets) {
            return octets.len();
        }
        let mut rest = octets;
        while !rest.is_empty() && self.plain < PLAIN_MAX {
            let read = self.tls.read_tls(&mut rest);
            match self.tls.process_new_packets() {
                Ok(now) => {
                    self.plain = now.plaintext_bytes_to_read();
                    if now.peer_has_closed() {
                        self.end = Some(End::Notified);
                    } else if !matches!(read, Ok(1..)) {
                        let error = read
                            .err()
                            .unwrap_or_else(|| io::ErrorKind::InvalidData.into());
                        self.end = Some(End::Failed(Some(Failure::Io(error))));
                    }
                }
                Err(error) => self.end = Some(End::Failed(Some(Failure::Tls(error)))),
            }
            if self.end.is_some() {
                return octets.len();
            }
        }
        octets.len() - rest.len()
    }

    /// An authority begins so: from here on it is spoken with as it wants to be. What there was to speak with it has
    /// seen no more than a part of its first message, and said nothing.
    #[cfg(feature = "acme")]
    fn meets_authority(&mut self, octets: &[u8]) -> bool {
        let Some(peek) = &mut self.peek else {
            return false;
        };
        let connection = match peek.see(octets) {
            Seen::Part => return false,
            Seen::Other => {
                self.peek = None;
                return false;
            }
            Seen::Authority(connection) => connection,
        };
        (self.peek, self.is_authority) = (None, true);
        match connection {
            Ok(connection) => self.tls = (*connection).into(),
            Err(error) => self.end = Some(End::Failed(Some(Failure::Tls(error)))),
        }
        true
    }

    /// What rustls says, for people.
    #[cfg_attr(
        not(feature = "acme"),
        expect(clippy::unused_self, reason = "all have a certificate")
    )]
    fn in_words(&self, error: &rustls::Error) -> String {
        #[cfg(feature = "acme")]
        if let (rustls::Error::General(what), rustls::Connection::Server(tls)) = (error, &self.tls)
        {
            if what == NO_CERTIFICATE {
                let name = tls.server_name().unwrap_or("who names nobody");
                return format!("there is no certificate for {name} yet");
            }
        }
        error.to_string()
    }

    /// What a client begins with is a request without TLS: a letter, where TLS has the number of its kind of record.
    fn is_plain_request(&self, octets: &[u8]) -> bool {
        let is_letter = octets.first().is_some_and(u8::is_ascii_uppercase);
        is_letter && self.first.is_none() && matches!(self.tls, rustls::Connection::Server(_))
    }

    /// Keeps what could not be taken yet.
    fn keep(&mut self, rest: Option<&[u8]>) {
        self.ahead = rest.unwrap_or_default().to_vec();
    }

    /// Moves plaintext to the spare capacity of `into`. Returns how much.
    fn take(&mut self, into: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while self.plain > 0 {
            let mut reader = self.tls.reader();
            let chunk = reader.fill_buf().unwrap_or_default();
            let count = chunk.len().min(into.capacity() - into.len());
            if count == 0 {
                break;
            }
            into.extend_from_slice(chunk.get(..count).unwrap_or_default());
            reader.consume(count);
            self.plain -= count;
            taken += count;
        }
        taken
    }
}

/// The socket, to rustls.
struct Outlet<'a, 'b> {
    socket: &'a Socket,
    cx: &'a mut task::Context<'b>,
}

impl io::Write for Outlet<'_, '_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.socket.poll_write(self.cx, pieces) {
            Poll::Ready(taken) => taken,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for TlsStream {
    fn poll_readable(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        if self.is_raw.get() {
            return match state.ahead.is_empty() {
                true => self.socket.poll_readable(cx),
                false => Poll::Ready(()),
            };
        }
        let mut rounds = 0;
        while state.plain == 0 && state.end.is_none() {
            ready!(self.poll_some(state, &mut rounds, cx));
        }
        Poll::Ready(())
    }

    fn poll_read(&self, cx: &mut task::Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.borrow_mut();
        if self.is_raw.get() && state.ahead.is_empty() {
            return self.socket.poll_read(cx, into);
        }
        if into.len() == into.capacity() {
            into.reserve(1);
        }
        if self.is_raw.get() {
            let count = state.ahead.len().min(into.capacity() - into.len());
            into.extend(state.ahead.drain(..count));
            return Poll::Ready(Ok(count));
        }
        let (mut taken, mut rounds) = (0, 0);
        loop {
            taken += state.take(into);
            let is_full = into.len() == into.capacity();
            let is_more = !state.ahead.is_empty() || self.socket.may_receive();
            if taken > 0 && (is_full || state.end.is_some() || !is_more) {
                return Poll::Ready(Ok(taken));
            }
            match &mut state.end {
                None => {}
                Some(End::Notified) => return Poll::Ready(Ok(0)),
                Some(End::Cut) => {
                    let error = "the peer ended the connection without a close_notify";
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, error);
                    return Poll::Ready(Err(error));
                }
                Some(End::Failed(failure)) => {
                    let failure = failure.take().map(io::Error::from);
                    let error = failure.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
                    return Poll::Ready(Err(error));
                }
            }
            if self.poll_some(state, &mut rounds, cx).is_pending() {
                return match taken {
                    0 => Poll::Pending,
                    taken => Poll::Ready(Ok(taken)),
                };
            }
        }
    }

    fn poll_write(
        &self,
        cx: &mut task::Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_raw.get() {
            return self.socket.poll_write(cx, pieces);
        }
        let state = &mut *self.state.borrow_mut();
        let mut rest = pieces.to_vec();
        let mut rest = rest.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        let mut sent = 0;
        loop {
            match self.poll_flush(state, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let reported = state.owed.saturating_sub(1);
                    state.owed -= reported;
                    return match sent + reported {
                        0 => Poll::Pending,
                        taken => Poll::Ready(Ok(taken)),
                    };
                }
            }
            let left: usize = rest.iter().map(|piece| piece.len()).sum();
            let owed = std::mem::take(&mut state.owed).min(left);
            sent += owed;
            IoSlice::advance_slices(&mut rest, owed);
            if rest.is_empty() {
                return Poll::Ready(Ok(sent));
            }
            match state.tls.writer().write_vectored(rest) {
                Ok(0) => return Poll::Ready(Ok(sent)),
                Ok(taken) => state.owed = taken,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_shutdown(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_raw.get() {
            let state = &mut *self.state.borrow_mut();
            if !state.is_ended {
                state.is_ended = true;
                state.tls.send_close_notify();
            }
            if let Err(error) = ready!(self.poll_flush(state, cx)) {
                return Poll::Ready(Err(error));
            }
        }
        self.socket.poll_shutdown(cx)
    }

    fn poll_hangup(&self, cx: &mut task::Context<'_>) -> Poll<Hangup> {
        if self.is_raw.get() {
            return self.socket.poll_hangup(cx);
        }
        let state = &mut *self.state.borrow_mut();
        let mut rounds = 0;
        loop {
            match state.end {
                Some(End::Failed(_)) => return Poll::Ready(Hangup::Reset),
                Some(End::Notified | End::Cut) => {
                    return Poll::Ready(match state.plain {
                        0 => Hangup::Ended,
                        unread => Hangup::EndedBehind(unread as u64),
                    });
                }
                None if self.socket.is_reset() => return Poll::Ready(Hangup::Reset),
                None if state.plain < PLAIN_MAX => ready!(self.poll_some(state, &mut rounds, cx)),
                // Enough was read ahead: a close_notify behind it is seen when some of it is read; an end of the
                // connection at once. How much plaintext is in what is behind it cannot be told: rather more than less,
                // for a client that has sent another request has not left.
                None => {
                    let unread = (state.plain + state.ahead.len()) as u64;
                    return Poll::Ready(match ready!(self.socket.poll_hangup(cx)) {
                        Hangup::Reset => Hangup::Reset,
                        Hangup::Ended => Hangup::EndedBehind(unread),
                        Hangup::EndedBehind(more) => Hangup::EndedBehind(unread + more),
                    });
                }
            }
        }
    }

    fn poll_handshake(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), HandshakeError>> {
        let state = &mut *self.state.borrow_mut();
        let mut rounds = 0;
        loop {
            if state.end.is_some() && state.tls.is_handshaking() {
                return Poll::Ready(Err(self.refused(state)));
            }
            if self.is_raw.get() {
                return Poll::Ready(Ok(()));
            }
            if let Err(error) = ready!(self.poll_flush(state, cx)) {
                return Poll::Ready(Err(HandshakeError::Io(error)));
            }
            if !state.tls.is_handshaking() {
                #[cfg(feature = "acme")]
                if state.is_authority {
                    return Poll::Ready(Err(HandshakeError::Proven));
                }
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_some(state, &mut rounds, cx));
        }
    }

    fn is_secure(&self) -> bool {
        !self.is_raw.get()
    }

    fn is_resumed(&self) -> bool {
        let kind = self.state.borrow().tls.handshake_kind();
        kind == Some(rustls::HandshakeKind::Resumed)
    }

    fn peer_subject(&self) -> Option<&str> {
        let state = self.state.borrow();
        if state.tls.is_handshaking() {
            return None;
        }
        let subject = self.subject.get_or_init(|| {
            let shown = state.tls.peer_certificates()?.first()?;
            subject_of(shown).map(String::into_boxed_str)
        });
        subject.as_deref()
    }

    fn abort(&self) {
        self.is_aborted.set(true);
        self.socket.abort();
    }
}

impl Drop for TlsStream {
    /// Says that nothing more comes, as far as that goes without waiting: else the peer would take a connection that has
    /// merely idled for one that was cut.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let is_over = state.is_ended || matches!(state.end, Some(End::Failed(_)));
        let is_told = self.is_raw.get() || state.tls.is_handshaking() || is_over;
        if is_told || self.is_aborted.get() || std::thread::panicking() {
            return;
        }
        state.tls.send_close_notify();
        let mut outlet = Outlet {
            socket: &self.socket,
            cx: &mut task::Context::from_waker(Waker::noop()),
        };
        while state.tls.wants_write() && matches!(state.tls.write_tls(&mut outlet), Ok(1..)) {}
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").finish_non_exhaustive()
    }
}
