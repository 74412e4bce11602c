//! What a later version will have: it is named, so that whoever writes it is told so and not that there is no such
//! thing. What is there by now is taken out of these lists, and needs no other farewell.

/// Keys: the kind of table, as it is opened in `raw`, and the key.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("", "stream"),
    ("listen", "proxy_protocol"),
    ("listen", "tls"),
    ("route", "accept_deadline"),
    ("route", "allow"),
    ("route", "auth"),
    ("route", "deny"),
    ("route", "hedge"),
    ("route", "mirror"),
    ("route.retry", "budget"),
    ("route.retry", "on"),
    ("route.retry", "per_try"),
    ("route.retry", "replay_body"),
    ("upstream", "deadline_header"),
    ("upstream", "eject"),
    ("upstream", "health"),
    ("upstream", "max_connections"),
    ("upstream", "queue"),
    ("upstream", "resolve"),
    ("upstream", "send_proxy"),
    ("upstream", "slow_start"),
    ("upstream", "sticky"),
    ("upstream", "tls"),
    ("upstream.to", "backup"),
];

/// Values of an upstream's `balance`; of those with a `:` the part before it.
pub(super) const BALANCE: &[&str] = &["least_conn", "p2c", "ewma", "random", "first", "hash"];

/// What is said of both.
pub(super) fn message(name: &str) -> String {
    format!("`{name}` is not in this version yet")
}
