//! What of the program's memory is let go of.

use crate::runtime::trim::{code, let_go_of_code};

#[test]
fn only_code_of_files_is_let_go_of() {
    let check = |line: &str, expected| assert_eq!(code(line), expected, "{line}");
    check(
        "55d0c2a00000-55d0c2c7f000 r-xp 0006b000 fe:00 1573 /usr/bin/osier",
        Some(0x55d0_c2a0_0000..0x55d0_c2c7_f000),
    );
    check(
        "b6e00000-b6f00000 r-xp 00000000 1f:02 77 /lib/a file with spaces",
        Some(0xb6e0_0000..0xb6f0_0000),
    );
    // Relocated, and then closed to writing: what was written there is nowhere else.
    check(
        "55d0c2d00000-55d0c2d0e000 r--p 0036a000 fe:00 1573 /usr/bin/osier",
        None,
    );
    check(
        "55d0c2d0e000-55d0c2d10000 rw-p 00378000 fe:00 1573 /usr/bin/osier",
        None,
    );
    check(
        "55d0c2a00000-55d0c2c7f000 rwxp 0006b000 fe:00 1573 /usr/bin/osier",
        None,
    );
    check(
        "7ffd0e9f2000-7ffd0e9f4000 r-xp 00000000 00:00 0 [vdso]",
        None,
    );
    check("7f0000000000-7f0000021000 r-xp 00000000 00:00 0", None);
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
fn a_program_that_has_let_go_of_its_code_goes_on() {
    let_go_of_code();
    assert_eq!(code("10-20 r-xp 0 0:0 1 /x"), Some(0x10..0x20));
}
