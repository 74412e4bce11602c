//! All the `unsafe` there is: what neither std nor a crate has a safe way for. Each block says why it is right, and each
//! caller's own file says what it is for.

use std::ops::Range;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::ptr;

use rustix::mm::{self, Advice};

/// Takes over the descriptor `number`. `None`: `is_ours` says that this process has an owner for it already.
///
/// `is_ours` is asked once, right before: whoever calls this calls it once for each number.
pub(super) fn adopt(number: RawFd, is_ours: impl FnOnce(RawFd) -> bool) -> Option<OwnedFd> {
    if is_ours(number) {
        return None;
    }
    // SAFETY: it is open, and nobody in this process owns it, or `is_ours` would have said so.
    #[expect(unsafe_code, reason = "std has no safe way from a number to its owner")]
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has the C library give free memory back to the system, but for `pad` octets at the end. Another library than glibc sees to
/// that itself: nothing is done.
pub(super) fn trim(pad: usize) {
    #[cfg(target_env = "gnu")]
    glibc::malloc_trim(pad);
    #[cfg(not(target_env = "gnu"))]
    let _ = pad;
}

/// Takes what is as in its file out of this process's memory. Each of `ranges` is all of a mapping that is private, of a file, not
/// writable, and was never written to.
///
/// Does nothing else: its own code is in one of them, and so is all that would be done meanwhile.
pub(super) fn let_go_of_code(ranges: &[Range<usize>]) {
    for range in ranges {
        let start = ptr::with_exposed_provenance_mut(range.start);
        // SAFETY: nothing was ever written there, so what is read and run next is what the file has, as it was before; the file
        // of a program that runs cannot be written to (ETXTBSY), and this one unloads no library.
        #[expect(unsafe_code, reason = "no crate has a safe madvise")]
        let advised = unsafe { mm::madvise(start, range.len(), Advice::LinuxDontNeed) };
        // Advice that is not taken has changed nothing.
        let _ = advised;
    }
}

#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "a function of the C library that no crate offers"
)]
mod glibc {
    unsafe extern "C" {
        /// Keeps `pad` octets at the end. SAFETY: it takes any number, and is made for threads that allocate meanwhile.
        pub(super) safe fn malloc_trim(pad: usize) -> i32;
    }
}
