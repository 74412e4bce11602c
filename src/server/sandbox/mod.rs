//! What the process can do no more once all is bound: reach files that nobody named, and make system calls that no
//! gateway makes.
//!
//! `allowed` says what may be touched, from the configuration alone; `places` finds where that really is; `filter` says
//! which system calls are refused; `enforce` has the kernel see to it, with Landlock and seccomp, and is there with the feature `sandbox` only. Both hold for a thread
//! and what it starts: so this comes before any other thread, and after that there is no way out, for a process that
//! takes over from this one either.

mod allowed;
#[cfg(feature = "sandbox")]
mod enforce;
#[cfg(not(feature = "sandbox"))]
#[path = "without.rs"]
mod enforce;
#[cfg(all(
    feature = "sandbox",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod filter;
mod places;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;

use super::privileges::thread_count;
use crate::config::Sandbox;

pub(super) use allowed::Needs;
use places::Place;
pub(super) use places::Use;

/// Tells a process that takes over from one in a sandbox what holds for it already.
pub(super) const VARIABLE: &str = "OSIER_SANDBOX";

/// A sandbox, seen from inside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Inside {
    /// What may be touched.
    places: Vec<Place>,
    /// Files are kept shut.
    landlock: bool,
    /// System calls are refused.
    seccomp: bool,
    /// There is another sandbox around it, made by the process that this one takes over from. What that one lets be
    /// touched is not known here.
    is_inner: bool,
}

impl Inside {
    /// The sandbox that was there before this process was: what [`VARIABLE`] says, where that came with the sockets.
    pub(super) fn inherited(word: Option<&str>) -> Option<Self> {
        let has = |name| word.is_some_and(|word| word.split(' ').any(|it| it == name));
        let inside = Self {
            places: Vec::new(),
            landlock: has("landlock"),
            seccomp: has("seccomp"),
            is_inner: true,
        };
        (inside.landlock || inside.seccomp).then_some(inside)
    }

    /// What is told to the next process.
    pub(super) fn word(&self) -> String {
        let words = [(self.landlock, "landlock"), (self.seccomp, "seccomp")];
        let words: Vec<_> = words.iter().filter(|(is_on, _)| *is_on).collect();
        words
            .iter()
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// An error about a file, with the reason where the sandbox is it.
    pub(super) fn explain(&self, path: &Path, wanted: Use, error: io::Error) -> io::Error {
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        let may = !self.is_inner && places::cover(&self.places, path, wanted);
        if !is_denied || !self.landlock || may {
            return error;
        }
        let verb = match wanted {
            Use::Read => "read",
            Use::Write | Use::Keep => "written",
            Use::Bind => "bound",
            Use::Run => "run",
        };
        // Another kind than the kernel's: what is usually said of that one would be wrong here.
        io::Error::other(format!(
            "{error}: the sandbox lets nothing be {verb} in a folder that was not named when it was made; \
             restart osier (USR2 stays inside)"
        ))
    }
}

/// Goes in, as far as `wish` says. What is to be said of it comes back too.
///
/// # Errors
/// [`SandboxError`]: there is no sandbox where one is required, or something broke on the way in.
pub(super) fn enter(
    wish: Sandbox,
    needs: &Needs<'_>,
    outer: Option<Inside>,
) -> Result<(Option<Inside>, Option<String>), SandboxError> {
    if wish == Sandbox::Off {
        return Ok((outer, None));
    }
    let mut missing = Vec::new();
    let mut inside = outer.unwrap_or_default();
    if thread_count().is_some_and(|count| count > 1) {
        missing.push(Missing::Threads);
    } else {
        let places = places::find(&needs.wants());
        match enforce::landlock(&places, inside.is_inner && inside.landlock) {
            Ok(()) => (inside.landlock, inside.places) = (true, places),
            Err(why) => missing.push(why),
        }
        // One filter is enough, and each costs every system call a little.
        if !inside.seccomp {
            match enforce::seccomp() {
                Ok(()) => inside.seccomp = true,
                Err(why) => missing.push(why),
            }
        }
    }
    let list = missing.iter().map(Missing::to_string).collect::<Vec<_>>();
    let list = list.join("; ");
    match (wish, missing.is_empty()) {
        (Sandbox::Require, false) => Err(SandboxError(missing)),
        (_, false) => Ok((Some(inside), Some(format!("the sandbox has holes: {list}")))),
        (_, true) => Ok((Some(inside), None)),
    }
}

/// A part of the sandbox that is not to be had.
#[derive(Debug)]
#[allow(dead_code, reason = "which of them there are depends on the build")]
enum Missing {
    /// The build leaves it out.
    Feature,
    /// Other threads run already; they would stay outside.
    Threads,
    /// The kernel has no Landlock, or has it switched off.
    Landlock,
    /// The kernel has it, but says no.
    LandlockFailed(String),
    /// Nobody has written down the numbers of this architecture's system calls.
    Architecture,
    /// The kernel takes no filter.
    SeccompFailed(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature => f.write_str(
                "this osier was built without it (`cargo build --release --features sandbox`)",
            ),
            Self::Threads => {
                f.write_str("other threads run already, and would stay outside")
            }
            Self::Landlock => f.write_str(
                "this kernel has no Landlock, so files are not kept shut (Linux 5.13 or later, with `landlock` in `lsm=`)",
            ),
            Self::LandlockFailed(why) => write!(f, "Landlock fails, so files are not kept shut: {why}"),
            Self::Architecture => write!(
                f,
                "system calls are refused on x86_64 and aarch64 only, and this is {}",
                std::env::consts::ARCH
            ),
            Self::SeccompFailed(why) => {
                write!(f, "seccomp fails, so no system call is refused: {why}")
            }
        }
    }
}

/// What a sandbox lacks that was required.
#[derive(Debug)]
pub struct SandboxError(Vec<Missing>);

impl fmt::Display for SandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for missing in &self.0 {
            write!(f, "{missing}; ")?;
        }
        f.write_str("`sandbox = \"try\"` does without what is missing")
    }
}

impl std::error::Error for SandboxError {}
