//! Memory that is not needed, back to the system.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;

use super::unchecked;

/// Hands what the allocator keeps free on to the system, as far as it can: a burst of connections leaves much that is
/// never needed again, in pieces between what lives on, and glibc gives back only what lies at the end. Other
/// allocators see to it themselves. Takes a few milliseconds where there is much.
pub fn give_back() {
    unchecked::trim(0);
}

/// The program's own code and constants in memory, to let go of. Starting and reading a file need most of what is in it, once, and
/// the kernel brings in a good deal around whatever is needed; a gateway at rest needs little. What is needed again comes back
/// from the page cache, or from the file where the system had better uses for the memory meanwhile.
///
/// Where the system does not say what is mapped, that is nothing; where it does not say either what was written to
/// (CONFIG_PROC_PAGE_MONITOR), only code.
pub(super) fn code() -> Vec<Range<usize>> {
    File::open("/proc/self/smaps")
        .or_else(|_| File::open("/proc/self/maps"))
        .map(|maps| as_in_file(BufReader::new(maps).lines().map_while(Result::ok)))
        .unwrap_or_default()
}

/// The addresses of all that is, octet by octet, what a file has: private mappings of files that cannot be written to, and never
/// were. Takes the lines of `/proc/PID/smaps`, or of `maps`.
///
/// Code never was. Of what is only read some was, before it was closed to writing: the relocations (RELRO). They are in memory
/// of no file then ("Anonymous"), or of none and swapped out ("Swap").
///
/// # Source
/// proc_pid_maps(5); Documentation/filesystems/proc.rst of the kernel, 1.1, on `smaps`: a page of a private mapping that is written
/// to becomes an anonymous one, and is counted there as such.
pub(super) fn as_in_file(lines: impl Iterator<Item = String>) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    // A mapping that can only be read, and how many of the two have been seen to be nothing.
    let mut constants = None;
    let mut zeros = 0;
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("Anonymous:" | "Swap:") => {
                zeros += usize::from(words.next() == Some("0"));
                if zeros == 2 {
                    ranges.extend(constants.take());
                }
            }
            Some(field) if field.ends_with(':') => {}
            _ => {
                zeros = 0;
                constants = mapping(&line, "r--p");
                ranges.extend(mapping(&line, "r-xp"));
            }
        }
    }
    ranges
}

/// The addresses of a line of `/proc/PID/maps`, if they are a file's with that access.
fn mapping(line: &str, wanted: &str) -> Option<Range<usize>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (access, inode) = (words.next()?, words.nth(2)?);
    if access != wanted || inode == "0" {
        return None;
    }
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?)
}
