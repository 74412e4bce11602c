//! TLS toward an origin for the control side, which has no worker's sockets: one connection at a time, a request and its
//! answer.

use std::io::{self, Read as _, Write as _};

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use rustls::ClientConnection;

use super::origin::Toward;
use crate::net::handshake::HandshakeError;
use crate::net::listener::AsyncStream;

/// A connection by TLS, once both sides have agreed.
pub struct Secured {
    stream: Box<dyn AsyncStream>,
    tls: ClientConnection,
}

impl Secured {
    /// Puts TLS on a connection that was just made. Takes as long as it takes: the caller bounds it by dropping it.
    ///
    /// # Errors
    /// Why the two did not agree.
    pub async fn begin(stream: Box<dyn AsyncStream>, with: &Toward) -> io::Result<Self> {
        let (config, name) = with.parts();
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut secured = Self { stream, tls };
        loop {
            secured.flush().await?;
            if !secured.tls.is_handshaking() {
                return Ok(secured);
            }
            if !secured.receive().await? {
                return Err(HandshakeError::Cut.into());
            }
        }
    }

    /// # Errors
    /// What the system says of the connection.
    pub async fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(octets)?;
        self.flush().await
    }

    /// Reads what is there of the content; 0 is its end.
    ///
    /// # Errors
    /// What the system says of the connection, or rustls of what came; an end without a close_notify.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if !self.receive().await? {
                // From here on its reader tells the end.
                self.tls.read_tls(&mut io::empty())?;
            }
        }
    }

    /// Sends what rustls has to say.
    async fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            let mut octets = Vec::new();
            self.tls.write_tls(&mut octets)?;
            self.stream.write_all(&octets).await?;
        }
        self.stream.flush().await
    }

    /// Receives something and has rustls take it. False: the connection has ended.
    async fn receive(&mut self) -> io::Result<bool> {
        let mut room = [0; 4096];
        let count = self.stream.read(&mut room).await?;
        let mut rest = room.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest)?;
            if let Err(error) = self.tls.process_new_packets() {
                // What is wrong is told to the origin too, if it listens.
                let _ = self.flush().await;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(count > 0)
    }
}

impl std::fmt::Debug for Secured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secured").finish_non_exhaustive()
    }
}
