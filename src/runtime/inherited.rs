//! Descriptors that this process was born with, taken over by their numbers.

use std::fs;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};

use super::unchecked;

/// The first number that is not one of the standard streams.
const FIRST: RawFd = 3;

/// Takes over the `count` descriptors from number 3 on, and keeps them from processes that this one starts. What is not
/// open, or was opened by this process itself, is left out. Only the first call finds any.
///
/// # Errors
/// What fcntl says.
pub(crate) fn take(count: usize) -> rustix::io::Result<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let mut taken = Vec::new();
    // The standard library and rustix open everything close-on-exec: what came through an exec, nobody here has opened.
    // And each number is taken once.
    let is_ours = |number| !came_through_exec(number);
    for fd in (FIRST..)
        .take(count)
        .filter_map(|number| unchecked::adopt(number, is_ours))
    {
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        taken.push(fd);
    }
    Ok(taken)
}

/// The descriptor is open, and would survive an exec: so it has survived ours.
fn came_through_exec(number: RawFd) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
        return false;
    };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & OFlags::CLOEXEC.bits() == 0)
}
