//! All the `unsafe` there is: what neither std nor a crate has a safe way for. Each block says why it is right, and each
//! caller's own file says what it is for.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

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
