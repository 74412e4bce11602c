//! Connection options: what the Connection lines of a head say, read once.
//!
//! The few options with a meaning of their own become bits; the others name fields that concern one connection only,
//! and of those it is enough to know that there are any. Source: RFC 9110 §7.6.1.

use super::field::{Fields, Name, is};

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
    /// How many there are over all lines, equal ones counted apart.
    pub(super) count: usize,
}

impl Options {
    /// Reads the Connection lines of `fields`.
    #[inline]
    pub(super) fn of(fields: &Fields) -> Self {
        let mut options = Self::default();
        if fields.has(Name::Connection) {
            for value in fields.all(Name::Connection) {
                // Nearly every line has this one option.
                if is(value, b"keep-alive") {
                    options.keep_alive = true;
                    options.count = options.count.saturating_add(1);
                } else {
                    options.read(value);
                }
            }
        }
        options
    }

    /// Reads one line.
    fn read(&mut self, value: &[u8]) {
        for option in super::field::items(value) {
            self.close |= is(option, b"close");
            self.keep_alive |= is(option, b"keep-alive");
            self.upgrade |= is(option, b"upgrade");
            self.fields |= names_field(option);
            self.count = self.count.saturating_add(1);
        }
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
