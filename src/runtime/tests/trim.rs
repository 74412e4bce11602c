//! What of the program's memory is let go of.

use std::ops::Range;

use crate::runtime::trim::{as_in_file, code};
use crate::runtime::unchecked;

fn check(maps: &str, expected: Option<Range<usize>>) {
    let lines = maps.lines().map(|line| line.trim_start().to_owned());
    assert_eq!(as_in_file(lines), Vec::from_iter(expected), "{maps}");
}

#[test]
fn code_of_files_is_let_go_of() {
    check(
        "55d0c2a00000-55d0c2c7f000 r-xp 0006b000 fe:00 1573 /usr/bin/osier",
        Some(0x55d0_c2a0_0000..0x55d0_c2c7_f000),
    );
    check(
        "b6e00000-b6f00000 r-xp 00000000 1f:02 77 /lib/a file with spaces",
        Some(0xb6e0_0000..0xb6f0_0000),
    );
    for other in [
        "55d0c2d0e000-55d0c2d10000 rw-p 00378000 fe:00 1573 /usr/bin/osier",
        "55d0c2a00000-55d0c2c7f000 rwxp 0006b000 fe:00 1573 /usr/bin/osier",
        "55d0c2a00000-55d0c2c7f000 r-xs 0006b000 fe:00 1573 /usr/bin/osier",
        "7ffd0e9f2000-7ffd0e9f4000 r-xp 00000000 00:00 0 [vdso]",
        "7f0000000000-7f0000021000 r-xp 00000000 00:00 0",
        // Nobody says whether it was written to.
        "55d0c2d00000-55d0c2d0e000 r--p 0036a000 fe:00 1573 /usr/bin/osier",
    ] {
        check(other, None);
    }
    for strange in [
        "",
        "-",
        "12-",
        "x-y r-xp 0 0 1",
        "7f00-7f01",
        "7f00-7f01 r-xp",
    ] {
        check(strange, None);
    }
}

#[test]
fn constants_of_files_are_let_go_of_if_they_were_never_written_to() {
    let constants = |anonymous: &str, swap: &str| {
        format!(
            "55d0c2900000-55d0c2a00000 r--p 00000000 fe:00 1573 /usr/bin/osier
            Rss:                 448 kB
            {anonymous}
            AnonHugePages:         0 kB
            {swap}
            SwapPss:               0 kB
            VmFlags: rd mr mw me
            55d0c2d0e000-55d0c2d10000 rw-p 00378000 fe:00 1573 /usr/bin/osier
            Anonymous:             0 kB
            Swap:                  0 kB"
        )
    };
    let clean = "Anonymous:             0 kB";
    let kept = "Swap:                  0 kB";
    check(
        &constants(clean, kept),
        Some(0x55d0_c290_0000..0x55d0_c2a0_0000),
    );
    // Relocated, and then closed to writing: what was written there is nowhere else.
    check(&constants("Anonymous:             4 kB", kept), None);
    check(&constants("Anonymous:            40 kB", kept), None);
    check(&constants(clean, "Swap:                  4 kB"), None);
    // Not all that has to be known is said.
    check(&constants(clean, ""), None);
    check(&constants("", kept), None);
    check(&constants("", ""), None);
}

/// A table of addresses: in a program that can be anywhere it is written to when it starts, and then only read.
static RELOCATED: [&[u8]; 3] = [b"one", b"two", b"three"];

#[test]
fn a_program_that_has_let_go_of_its_code_goes_on() {
    let code = code();
    assert!(!code.is_empty());
    let table = RELOCATED.as_ptr().addr();
    let is_static = cfg!(target_feature = "crt-static");
    assert!(is_static || !code.iter().any(|range| range.contains(&table)));
    unchecked::let_go_of_code(&code);
    assert_eq!(std::hint::black_box(&RELOCATED).concat(), b"onetwothree");
}
