//! The one place of this room that asks the machine: for the file, its neighbours and the environment.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Report, Span};
use super::{Outcome, Surroundings, read};
#[cfg(feature = "tls")]
use crate::net::tls::roots::{Machine, Roots};

/// A configuration larger than this is a mistake.
const CONFIG_OCTETS_MAX: u64 = 4 << 20;
/// An error page larger than this is one too: it is kept in memory.
const PAGE_OCTETS_MAX: u64 = 1 << 20;

/// Reads the configuration at `path`, with this process's environment. That the file cannot be read is told as
/// everything else is: in the report.
#[must_use]
pub fn load(path: &Path) -> Outcome {
    load_explained(path, &|_, error| error)
}

/// The same; `explain` may say more of what went wrong with a file.
pub(crate) fn load_explained(
    path: &Path,
    explain: &dyn Fn(&Path, io::Error) -> io::Error,
) -> Outcome {
    let name = path.display().to_string();
    let octets = match read_at_most(path, CONFIG_OCTETS_MAX).map_err(|error| explain(path, error)) {
        Ok(octets) => octets,
        Err(error) => {
            let message = format!("cannot read the file: {error}");
            let list = vec![Diagnostic::error(Span::at(0), message)];
            return Outcome {
                config: None,
                report: Report::new(&name, "", list),
            };
        }
    };
    let around = Surroundings {
        environment: &|name| std::env::var(name).ok(),
        file: &|path| read_at_most(path, PAGE_OCTETS_MAX).map_err(|error| explain(path, error)),
        folder: &|path| files_in(path),
    };
    read(&name, &octets, &around)
}

/// The files in a folder, in the order of their names.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        // Not what is behind it: links are how certificates are found by their hash.
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// The authorities that this system believes when they say who an origin is.
///
/// # Errors
/// There are none: where they were looked for.
#[cfg(feature = "tls")]
pub fn system_roots() -> Result<Roots, String> {
    Roots::find(&Machine {
        environment: &|name| std::env::var(name).ok(),
        file: &|path| read_at_most(path, PAGE_OCTETS_MAX),
        folder: &|path| files_in(path),
    })
}

/// The content of a file that a configuration names.
#[cfg(feature = "tls")]
pub(crate) fn load_file(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, PAGE_OCTETS_MAX)
}

fn read_at_most(path: &Path, octets_max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?
        .take(octets_max + 1)
        .read_to_end(&mut octets)?;
    if octets.len() as u64 > octets_max {
        return Err(io::Error::other(format!(
            "it is larger than {octets_max} octets"
        )));
    }
    Ok(octets)
}
