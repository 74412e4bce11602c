//! Certificates of an authority that speaks ACME (RFC 8555), feature `acme`.
//!
//! ```text
//! challenge.rs   what is shown to the authority while it looks: tokens by HTTP (RFC 8555 §8.3), certificates by TLS
//!                (RFC 8737)
//! order.rs       one order, from the directory to the certificate, on the messages of `rustls-acme`
//! ```
//!
//! When there is an order, where its outcome is kept and who shows it is for the server to say.

pub mod challenge;
pub mod order;

#[cfg(test)]
mod tests;

/// How an authority is shown that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// By a certificate that it is shown at port 443 (RFC 8737).
    #[default]
    TlsAlpn01,
    /// By an answer that it gets at port 80 (RFC 8555 §8.3).
    Http01,
}

impl Proof {
    /// All of them, as a file writes them.
    pub const ALL: [(&'static str, Self); 2] =
        [("tls-alpn-01", Self::TlsAlpn01), ("http-01", Self::Http01)];

    /// As a file writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }
}
