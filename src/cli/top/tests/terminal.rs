//! On a pseudo-terminal: raw and on its other screen while it is ours, and as it was afterwards.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::super::terminal::Terminal;
use super::size;

/// A terminal, and what is written to it.
struct Pty {
    main: OwnedFd,
    end: File,
    written: Receiver<Vec<u8>>,
}

impl Pty {
    fn open() -> Self {
        let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&main).unwrap();
        unlockpt(&main).unwrap();
        let name = ptsname(&main, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.as_bytes());
        let mut open = OpenOptions::new();
        open.read(true).write(true);
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut open,
            i32::try_from(OFlags::NOCTTY.bits()).unwrap(),
        );
        let end = open.open(path).unwrap();
        let (sender, written) = channel();
        let mut reader = File::from(main.try_clone().unwrap());
        thread::spawn(move || {
            let mut room = [0; 1024];
            while let Ok(count @ 1..) = reader.read(&mut room) {
                let _ = sender.send(room[..count].to_vec());
            }
        });
        Self { main, end, written }
    }

    fn take(&self) -> Terminal {
        Terminal::take(&self.end, &self.end).unwrap()
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.end).unwrap().local_modes;
        let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(modes.contains(cooked) || !modes.intersects(cooked));
        !modes.intersects(cooked)
    }

    /// Waits until the last of what was written is this, and returns all of it.
    fn written_up_to(&self, last: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(last.as_bytes()) {
            all.extend(self.written.recv_timeout(Duration::from_secs(20)).unwrap());
        }
        String::from_utf8(all).unwrap()
    }
}

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

#[test]
fn a_terminal_is_given_back() {
    let pty = Pty::open();
    assert!(!pty.is_raw());
    let terminal = pty.take();
    assert!(pty.is_raw());
    terminal.write("hello").unwrap();
    drop(terminal);
    assert!(!pty.is_raw());
    assert_eq!(pty.written_up_to(LEAVE), format!("{ENTER}hello{LEAVE}"));
}

#[test]
fn a_panic_gives_it_back_before_it_says_anything() {
    let pty = Pty::open();
    let terminal = pty.take();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _terminal = terminal;
        panic!("on purpose");
    }));
    assert!(panicked.is_err() && !pty.is_raw());
    // Once: the second time would be on the screen of somebody else.
    assert_eq!(pty.written_up_to(LEAVE), format!("{ENTER}{LEAVE}"));
    assert!(pty.written.try_recv().is_err());
}

#[test]
fn it_can_be_taken_again_after_somebody_else_had_it() {
    let pty = Pty::open();
    let before = tcgetattr(&pty.end).unwrap();
    let terminal = pty.take();
    rustix::termios::tcsetattr(&pty.end, rustix::termios::OptionalActions::Now, &before).unwrap();
    terminal.enter_again().unwrap();
    assert!(pty.is_raw());
    drop(terminal);
    assert!(!pty.is_raw());
}

#[test]
fn its_size_is_what_it_is_now() {
    let pty = Pty::open();
    let terminal = pty.take();
    // It does not know: nobody has said.
    assert_eq!(terminal.size(), size(80, 24));
    let resized = Winsize {
        ws_row: 10,
        ws_col: 50,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&pty.main, resized).unwrap();
    assert_eq!(terminal.size(), size(50, 10));
}

#[test]
fn what_is_no_terminal_is_not_taken() {
    let file = File::open("/dev/null").unwrap();
    assert!(Terminal::take(&file, &file).is_err());
}
