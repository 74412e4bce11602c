//! Memory that is not needed, back to the system.

use std::fs;
use std::ops::Range;

use super::unchecked;

/// Hands what the allocator keeps free on to the system, as far as it can: a burst of connections leaves much that is
/// never needed again, in pieces between what lives on, and glibc gives back only what lies at the end. Other
/// allocators see to it themselves. Takes a few milliseconds where there is much.
pub fn give_back() {
    unchecked::trim(0);
}

/// Lets go of the program's own code in memory. Starting and reading a file run most of what is in it, once, and the kernel
/// brings in a good deal around whatever is run; of all that a gateway at rest needs little. What is run again comes back
/// from the page cache, or from the file where the system had better uses for the memory meanwhile.
///
/// Where the system does not say what is mapped, nothing happens.
pub fn let_go_of_code() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for range in maps.lines().filter_map(code) {
        unchecked::let_go_of_code(range);
    }
}

/// The addresses of a line of `/proc/PID/maps` (proc_pid_maps(5)), if they are a file's code, private, and never written to.
pub(super) fn code(line: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (access, inode) = (words.next()?, words.nth(2)?);
    if access != "r-xp" || inode == "0" {
        return None;
    }
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}
