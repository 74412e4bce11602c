//! What may be set about the log, and the one word of it that every worker looks at.

use super::destination::Destination;
use super::format::Format;
use super::level::Level;

/// How the log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where access records go.
    pub access: Destination,
    /// What they look like.
    pub format: Format,
    /// How much osier says of itself, on standard error.
    pub level: Level,
    /// Queries are left out of what is logged: of targets, of the Referer, of what is said of an exchange in trouble.
    pub redact_query: bool,
}

/// What a [`Scribe`](super::Scribe) has to know of the settings, in one word that is read anew for each record. It says
/// which settings they are, too: no two that follow each other have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Word(pub(super) usize);

impl Word {
    /// Of a log that is silent: no record is wanted, and no line.
    pub(super) const SILENT: Self = Self(0);

    /// How many bits say what the settings are; the ones above count the changes.
    const BITS: u32 = 7;
    /// The least level that is said, counted from 1; 0 for none.
    const LEVEL: usize = 0b111;
    const ACCESS: usize = 1 << 3;
    const REDACTS: usize = 1 << 4;
    const JSON: usize = 1 << 5;
    const COMBINED: usize = 1 << 6;

    /// The word of the settings that come after those of `before`.
    pub(super) fn next(before: Self, settings: &Settings) -> Self {
        let changes = (before.0 >> Self::BITS).wrapping_add(1);
        let mut word = changes << Self::BITS | Self::rank(settings.level);
        if settings.access != Destination::Off {
            word |= Self::ACCESS;
        }
        if settings.redact_query {
            word |= Self::REDACTS;
        }
        match settings.format {
            Format::Logfmt => {}
            Format::Json => word |= Self::JSON,
            Format::Combined => word |= Self::COMBINED,
        }
        Self(word)
    }

    /// Access records are wanted.
    pub(super) fn has_access(self) -> bool {
        self.0 & Self::ACCESS != 0
    }

    /// Queries are left out.
    pub(super) fn redacts(self) -> bool {
        self.0 & Self::REDACTS != 0
    }

    /// What records look like.
    pub(super) fn format(self) -> Format {
        match self.0 & (Self::JSON | Self::COMBINED) {
            0 => Format::Logfmt,
            Self::JSON => Format::Json,
            _ => Format::Combined,
        }
    }

    /// Lines of this level are said.
    pub(super) fn says(self, level: Level) -> bool {
        Self::rank(level) <= self.0 & Self::LEVEL
    }

    fn rank(level: Level) -> usize {
        level as usize + 1
    }
}
