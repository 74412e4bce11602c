//! The words that say why an exchange did not end as it should, as far as they are told apart in numbers.

/// Why an exchange did not end as it should: the word in the log up to the colon. What a client's message did wrong has a
/// word of its own for each rule in the log, and one for all here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the word that it is written as")]
pub enum Cause {
    ClientGone,
    ClientProtocol,
    ClientBodyTimeout,
    HeaderTimeout,
    IdleTimeout,
    LingerTimeout,
    BodyLimit,
    NoRoute,
    Denied,
    Auth,
    AuthTimeout,
    AuthQueueFull,
    Limited,
    Deadline,
    ConnectRefused,
    ConnectTimeout,
    Tls,
    ResponseTimeout,
    ResponseBodyTimeout,
    OriginClosed,
    OriginProtocol,
    OriginStatus,
    NoEndpoint,
    QueueFull,
    QueueTimeout,
    Shed,
    TunnelTimeout,
    TunnelMax,
    Drain,
    Admin,
    Rejected,
    Config,
    /// None of these.
    Other,
}

impl Cause {
    /// All of them, in their order.
    pub const ALL: [(Self, &'static str); 33] = [
        (Self::ClientGone, "client_gone"),
        (Self::ClientProtocol, "client_protocol"),
        (Self::ClientBodyTimeout, "client_body_timeout"),
        (Self::HeaderTimeout, "header_timeout"),
        (Self::IdleTimeout, "idle_timeout"),
        (Self::LingerTimeout, "linger_timeout"),
        (Self::BodyLimit, "body_limit"),
        (Self::NoRoute, "no_route"),
        (Self::Denied, "denied"),
        (Self::Auth, "auth"),
        (Self::AuthTimeout, "auth_timeout"),
        (Self::AuthQueueFull, "auth_queue_full"),
        (Self::Limited, "limited"),
        (Self::Deadline, "deadline"),
        (Self::ConnectRefused, "connect_refused"),
        (Self::ConnectTimeout, "connect_timeout"),
        (Self::Tls, "tls"),
        (Self::ResponseTimeout, "response_timeout"),
        (Self::ResponseBodyTimeout, "response_body_timeout"),
        (Self::OriginClosed, "origin_closed"),
        (Self::OriginProtocol, "origin_protocol"),
        (Self::OriginStatus, "origin_status"),
        (Self::NoEndpoint, "no_endpoint"),
        (Self::QueueFull, "queue_full"),
        (Self::QueueTimeout, "queue_timeout"),
        (Self::Shed, "shed"),
        (Self::TunnelTimeout, "tunnel_timeout"),
        (Self::TunnelMax, "tunnel_max"),
        (Self::Drain, "drain"),
        (Self::Admin, "admin"),
        (Self::Rejected, "rejected"),
        (Self::Config, "config"),
        (Self::Other, "other"),
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL
            .get(self as usize)
            .map_or("other", |(_, word)| word)
    }
}
