//! Memory that is free, back to the system.

use super::unchecked;

/// Hands what the allocator keeps free on to the system, as far as it can: a burst of connections leaves much that is
/// never needed again, in pieces between what lives on, and glibc gives back only what lies at the end. Other
/// allocators see to it themselves. Takes a few milliseconds where there is much.
pub fn give_back() {
    unchecked::trim(0);
}
