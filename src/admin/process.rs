//! What the kernel says of this process. What it does not say is left out.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Resource, getrlimit};

/// What the kernel says of this process.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// Octets in memory.
    pub(super) resident: Option<u64>,
    /// Octets of address space.
    pub(super) address_space: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
}

impl Process {
    /// As it is now.
    pub(super) fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name| value(&status, name).and_then(|kib: u64| kib.checked_mul(1024));
        Self {
            resident: kib("VmRSS:"),
            address_space: kib("VmSize:"),
            threads: value(&status, "Threads:"),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The number behind a name, at the beginning of a line.
pub(super) fn value(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines();
    let rest = lines.find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Linux 6.2 and later say it as the directory's size, also to a process that has become somebody else and may not read
/// the directory any more. Before that it is counted.
fn open_fds() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    let size = fs::metadata(DIRECTORY).ok()?.size();
    if size > 0 {
        return Some(size);
    }
    let open = fs::read_dir(DIRECTORY).ok()?.count() as u64;
    // The one that the directory is read by is gone again.
    Some(open.saturating_sub(1))
}
