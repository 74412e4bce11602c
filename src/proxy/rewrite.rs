//! The path that an origin gets.
//!
//! Routing looks at the normalised path; what is sent is the client's, octet for octet, unless the route says otherwise.
//! Where it rewrites, it rewrites the normalised path, so that what was matched is what is sent.

use super::facts::Facts;
use super::template::Template;
use crate::http::path;

/// Which spelling of the path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paths {
    /// The origin gets the client's.
    #[default]
    Raw,
    /// The origin gets the normalised one.
    Normal,
    /// 400 where the two differ, or the path has `%2F`, `%5C` or `%00`.
    Strict,
}

/// What is sent in place of the path. Both act on the normalised path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rewrite {
    /// The path is sent as it is.
    #[default]
    Keep,
    /// This is taken off its front, where whole segments of it are there; what is left begins with `/`.
    Strip(String),
    /// This is sent.
    To(Template),
}

/// Why a route that is strict about paths refuses one: the name of the sin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl Paths {
    /// Judges the path as the client sent it, which is asked for only where it matters.
    ///
    /// # Errors
    /// [`Refused`], by [`Paths::Strict`] only.
    pub fn judge<'a>(self, raw: impl FnOnce() -> &'a [u8]) -> Result<(), Refused> {
        if self != Self::Strict {
            return Ok(());
        }
        let raw = raw();
        if path::has_encoded_separator(raw) {
            return Err(Refused("encoded_separator_in_path"));
        }
        if path::differs(raw) {
            return Err(Refused("path_not_normal"));
        }
        Ok(())
    }
}

/// The path the origin gets in place of the client's, written to `out`. False: the client's is sent as it is.
///
/// It begins with one `/`; the query goes along, unless the template has one of its own.
pub(super) fn path(rewrite: &Rewrite, paths: Paths, facts: &Facts<'_>, out: &mut Vec<u8>) -> bool {
    out.clear();
    match rewrite {
        Rewrite::Keep if paths == Paths::Normal => out.extend_from_slice(facts.path),
        Rewrite::Keep => return false,
        Rewrite::Strip(prefix) => {
            out.extend_from_slice(path::strip(facts.path, prefix.as_bytes()));
        }
        Rewrite::To(template) => facts.write(template, out),
    }
    // `//host` at the front would be read as an authority by whoever makes a link of it.
    let slashes = out.iter().take_while(|octet| **octet == b'/').count();
    if slashes > 1 {
        out.drain(1..slashes);
    }
    true
}
