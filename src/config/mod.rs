//! Text → `Raw` → [`Config`]: what was written, then what is meant.
//!
//! Pure: [`read`] gets the text, the environment and a way to look into files, and gives a [`Config`] or the reasons
//! why not, all of them at once. [`load`] is the one place that asks the machine. Nobody here opens a socket, looks a
//! name up or matches a request; [`Config`] is plain data for the server to build from.
//!
//! What every key means is written where its value ends up, in the fields of [`Config`]. The names in the file are a
//! contract: tools outside use them.

#[cfg(feature = "acme")]
mod acme;
mod check;
pub mod diagnostic;
mod load;
mod model;
mod origin_tls;
pub mod print;
mod raw;
mod route;
mod stream;
mod suggest;
mod syntax;
mod table;
mod tie;
mod tls;
mod upstream;
pub mod value;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use diagnostic::{Diagnostic, Found, Report, Span};

pub use load::load;
pub(crate) use load::load_explained;
#[cfg(feature = "tls")]
pub(crate) use load::load_file;
#[cfg(feature = "tls")]
pub use load::system_roots;
#[cfg(feature = "acme")]
pub use model::Acme;
pub use model::{
    AccessLog, Action, Admin, Auth, Balance, Config, Edits, Endpoint, ErrorPage, Format, Forwarded,
    HalfClose, Health, Keepalive, Level, LimitChanges, Limits, Listener, Log, OriginTls, Override,
    Paths, Per, Queue, RateLimit, RequestId, Rewrite, Route, Sandbox, Share, Shutdown, Stream,
    StreamLimits, TimeoutChanges, TimeoutName, Upstream,
};
#[cfg(feature = "tls")]
pub use model::{ListenTls, Renewal, TlsPair};
pub use route::OWN_FIELDS;

/// What a configuration refers to outside its own text.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The value of an environment variable, for `${NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file, for error pages, users and certificates.
    pub file: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// The files in a folder, for certificates.
    pub folder: &'a dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// What came of reading a configuration.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What is meant; `None` where there are errors.
    pub config: Option<Config>,
    /// What is to be said of it: errors, warnings, or nothing.
    pub report: Report,
}

/// Reads a configuration. `name` is what the file is called in what is said of it.
#[must_use]
pub fn read(name: &str, octets: &[u8], around: &Surroundings<'_>) -> Outcome {
    // Some editors begin a file with a mark; no column counts it.
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let text = String::from_utf8_lossy(octets);
    let found = Found::default();
    let config = match std::str::from_utf8(octets) {
        Ok(_) => understand(&text, around, &found),
        Err(error) => {
            let is_utf16 = octets.starts_with(b"\xff\xfe") || octets.starts_with(b"\xfe\xff");
            let (message, label) = if is_utf16 {
                ("the file is UTF-16", "save it as UTF-8")
            } else {
                ("the file is not UTF-8", "from here on it is not")
            };
            let at = Span::at(error.valid_up_to());
            found.push(Diagnostic::error(at, message).label(label));
            None
        }
    };
    let report = Report::new(name, &text, found.into_list());
    Outcome {
        config: config.filter(|_| !report.has_errors()),
        report,
    }
}

fn understand(text: &str, around: &Surroundings<'_>, found: &Found) -> Option<Config> {
    let raw = raw::parse(text, around.environment, found)?;
    check::check(&raw, text, around, found)
}
