//! Descriptors that this process was born with, taken over by their numbers: the one thing that needs `unsafe`.

use std::fs;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};

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
    for number in (FIRST..)
        .take(count)
        .filter(|number| came_through_exec(*number))
    {
        // SAFETY: it is open, and nobody in this process owns it: the standard library and rustix open everything
        // close-on-exec, and this one is not so. Each number is taken once.
        #[expect(unsafe_code, reason = "std has no safe way from a number to its owner")]
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
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
