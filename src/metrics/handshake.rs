//! What can come of a TLS handshake.

/// What came of a TLS handshake with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Both agreed, from the beginning.
    Full,
    /// Both agreed, from where an earlier session had come to.
    Resumed,
    /// The client went away without a word.
    Gone,
    /// The client ended the connection midway.
    Cut,
    /// It took too long.
    Timeout,
    /// One side refused the other.
    Refused,
    /// The client speaks plain HTTP, and was told so.
    PlainHttp,
    /// The client speaks something else.
    NotTls,
    /// The connection failed.
    Failed,
}

impl Handshake {
    /// All of them, in their order, and the words for them.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Full, "full"),
        (Self::Resumed, "resumed"),
        (Self::Gone, "gone"),
        (Self::Cut, "cut"),
        (Self::Timeout, "timeout"),
        (Self::Refused, "refused"),
        (Self::PlainHttp, "plain_http"),
        (Self::NotTls, "not_tls"),
        (Self::Failed, "failed"),
    ];
}
