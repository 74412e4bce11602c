//! Why a connection never came to carry octets safely.

use std::fmt;
use std::io;

use super::fault::Fault;

/// Why a TLS handshake failed.
#[derive(Debug)]
pub enum HandshakeError {
    /// The peer went away before it had sent anything: a port scan, a health check, a connection made in advance.
    Gone,
    /// The peer ended the connection midway.
    Cut,
    /// The connection failed.
    Io(io::Error),
    /// What the peer sent is no TLS; `is_http`: it looks like a request in plain HTTP.
    NotTls {
        /// It begins as a request does.
        is_http: bool,
    },
    /// An authority has seen what it came for, and nothing more is said on this connection (RFC 8737 §3).
    Proven,
    /// One side refused the other.
    Refused {
        /// What is wrong, in a word.
        fault: Fault,
        /// The same for people.
        why: String,
    },
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the peer went away before it had sent anything"),
            Self::Cut => f.write_str("the peer ended the connection during the handshake"),
            Self::Io(error) => error.fmt(f),
            Self::NotTls { is_http: true } => f.write_str("the peer speaks plain HTTP, not TLS"),
            Self::NotTls { is_http: false } => f.write_str("the peer does not speak TLS"),
            Self::Proven => f.write_str("an authority has seen what it came for"),
            Self::Refused { why, .. } => f.write_str(why),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Io(error) => error,
            HandshakeError::Gone | HandshakeError::Cut | HandshakeError::Proven => {
                Self::new(io::ErrorKind::UnexpectedEof, error)
            }
            HandshakeError::NotTls { .. } | HandshakeError::Refused { .. } => {
                Self::new(io::ErrorKind::InvalidData, error)
            }
        }
    }
}
