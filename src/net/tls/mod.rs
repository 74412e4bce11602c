//! TLS 1.2 and 1.3 on a worker's sockets, by rustls.
//!
//! rustls does no I/O of its own, so it is driven directly, by readiness and shared reference as every
//! [`Stream`](super::stream::Stream) is. [`stream::TlsStream`] is both sides of it, the one that accepts and the one that
//! connects; they differ in how they begin ([`stream::TlsStream::server`], [`stream::TlsStream::client`]) and in what
//! they were told to demand of the peer:
//!
//! ```text
//! certificate.rs   PEM → a chain with its key, or certificates to trust; what is wrong with a file
//! acceptor.rs      what a listener shows and demands: chosen by SNI, resumed by tickets
//! wall.rs          what time it is for whoever verifies: never before the clock's floor
//! stream.rs        the connection
//! control.rs       the same for the control side
//! origin.rs        our side of connections to an upstream's endpoints
//! roots.rs         the authorities that the system believes
//! fault.rs         rustls's errors, in words
//! version.rs       1.2 and 1.3
//! name.rs          a certificate's names and times, read from DER
//! acme/            certificates that are asked for, with the feature `acme`
//! ```

pub mod acceptor;
#[cfg(feature = "acme")]
pub mod acme;
pub mod certificate;
pub mod control;
pub mod fault;
mod name;
pub mod origin;
pub mod roots;
pub mod stream;
pub mod version;
pub mod wall;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;

/// The cryptography of this process, made once.
#[must_use]
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}
