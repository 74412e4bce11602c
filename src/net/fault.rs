//! What of TLS went wrong with a peer, in words that logs and `Proxy-Status` can tell apart.

use std::borrow::Cow;
use std::io;

use super::handshake::HandshakeError;

/// What of TLS went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Of which kind it is (RFC 9209 §2.3).
    pub kind: FaultKind,
    /// What it is, in one word.
    pub word: Cow<'static, str>,
}

/// Of which kind a [`Fault`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The peer's certificate is not what it has to be.
    Certificate,
    /// The peer said what it does not like, in an alert.
    Alert,
    /// The peer broke a rule, or speaks nothing that we do.
    Protocol,
    /// The peer ended the connection.
    Ended,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, word: impl Into<Cow<'static, str>>) -> Self {
        let word = word.into();
        Self { kind, word }
    }

    /// What is behind an error of a connection; `None`: nothing of TLS.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?;
        if let Some(error) = inner.downcast_ref::<HandshakeError>() {
            return Some(Self::of_handshake(error));
        }
        #[cfg(feature = "tls")]
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            return Some(super::tls::fault::of(error));
        }
        None
    }

    fn of_handshake(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::Refused { fault, .. } => fault.clone(),
            HandshakeError::NotTls { .. } => Self::new(FaultKind::Protocol, "not_tls"),
            HandshakeError::Gone | HandshakeError::Cut | HandshakeError::Proven => {
                Self::new(FaultKind::Ended, "closed")
            }
            HandshakeError::Io(_) => Self::new(FaultKind::Ended, "reset"),
        }
    }
}
