//! Connection options: what the Connection lines of a head say, read once.
//!
//! The few options with a meaning of their own become bits; the others name fields that concern one connection only,
//! and of those it is enough to know that there are any. Source: RFC 9110 §7.6.1.

use super::field::{Fields, Name, is, is_token};

/// The connection options of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Options {
    /// `close`.
    pub(super) close: bool,
    /// `keep-alive`.
    pub(super) keep_alive: bool,
    /// `upgrade`.
    pub(super) upgrade: bool,
    /// One at least that [`names_field`].
    pub(super) fields: bool,
    /// One at least that is no token.
    pub(super) is_malformed: bool,
    /// How many there are over all lines, equal ones counted apart.
    pub(super) count: u32,
}

impl Options {
    /// Reads the Connection lines of `fields`.
    #[inline]
    pub(super) fn of(fields: &Fields) -> Self {
        let mut lines = fields.all(Name::Connection);
        match (lines.next(), lines.next()) {
            (None, _) => Self::default(),
            // What nearly every head says that says anything.
            (Some(value), None) if is(value, b"keep-alive") => Self {
                keep_alive: true,
                count: 1,
                ..Self::default()
            },
            _ => Self::read(fields),
        }
    }

    /// Reads any Connection lines.
    #[inline(never)]
    fn read(fields: &Fields) -> Self {
        let mut options = Self::default();
        for option in fields.words(Name::Connection) {
            options.is_malformed |= !is_token(option);
            options.close |= is(option, b"close");
            options.keep_alive |= is(option, b"keep-alive");
            options.upgrade |= is(option, b"upgrade");
            options.fields |= names_field(option);
            options.count = options.count.saturating_add(1);
        }
        options
    }
}

/// Whether `option` names a field away.
///
/// Host, and what the writer or a step of forwarding says anew, are not subject to it: to strip them would let a client
/// reframe or readdress a request.
pub(super) fn names_field(option: &[u8]) -> bool {
    !is(option, b"close")
        && !matches!(
            Name::of(option),
            Name::Host | Name::KeepAlive | Name::Te | Name::Upgrade | Name::Via | Name::Date
        )
}
