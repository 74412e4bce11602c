//! What is left of TLS in a build without it: names for what there is none of.

#[path = "tls/version.rs"]
pub mod version;

/// Toward origins.
pub mod origin {
    /// How an endpoint is spoken to by TLS: none is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Toward {}
}
