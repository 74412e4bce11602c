//! Memory that is free, back to the system.

/// Hands what the allocator keeps free on to the system, as far as it can: a burst of connections leaves much that is
/// never needed again, in pieces between what lives on, and glibc gives back only what lies at the end. Other
/// allocators see to it themselves. Takes a few milliseconds where there is much.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    glibc::malloc_trim(0);
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
