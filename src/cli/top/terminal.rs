//! The terminal: raw, on its other screen, and back as it was, whatever happens in between.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{Errno, fcntl_dupfd_cloexec, retry_on_intr, write};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::state::Size;

/// The other screen, without a cursor, empty.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
/// Plain text, the cursor, the screen that was there before.
const LEAVE: &str = "\x1b[m\x1b[?25h\x1b[?1049l";

/// A terminal that is ours for a while. Dropping it gives it back; a panic does so before it says anything.
#[derive(Debug)]
pub(super) struct Terminal(Arc<Held>);

#[derive(Debug)]
struct Held {
    input: OwnedFd,
    output: OwnedFd,
    /// How it was.
    before: Termios,
    is_ours: AtomicBool,
}

impl Terminal {
    /// Takes the terminal that is at both ends.
    ///
    /// # Errors
    /// One of them is none, or the system says no.
    pub(super) fn take(input: impl AsFd, output: impl AsFd) -> io::Result<Self> {
        let held = Arc::new(Held {
            before: tcgetattr(&input)?,
            // No descriptor below 3: those have meanings.
            input: fcntl_dupfd_cloexec(input, 3)?,
            output: fcntl_dupfd_cloexec(output, 3)?,
            is_ours: AtomicBool::new(false),
        });
        let (last_words, others) = (Arc::downgrade(&held), panic::take_hook());
        panic::set_hook(Box::new(move |said| {
            if let Some(held) = last_words.upgrade() {
                held.leave();
            }
            others(said);
        }));
        held.enter()?;
        Ok(Self(held))
    }

    /// Makes it ours again, after somebody else had it.
    pub(super) fn enter_again(&self) -> io::Result<()> {
        self.0.enter()
    }

    /// How large it is now.
    pub(super) fn size(&self) -> Size {
        let size = tcgetwinsize(&self.0.output).ok();
        // A terminal that does not know says 0.
        let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or(
            Size {
                columns: 80,
                rows: 24,
            },
            |size| Size {
                columns: usize::from(size.ws_col),
                rows: usize::from(size.ws_row),
            },
        )
    }

    /// Writes a frame.
    pub(super) fn write(&self, octets: &str) -> io::Result<()> {
        self.0.write(octets.as_bytes())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Held {
    fn enter(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        self.is_ours.store(true, Ordering::SeqCst);
        let entered = tcsetattr(&self.input, OptionalActions::Flush, &raw)
            .map_err(io::Error::from)
            .and_then(|()| self.write(ENTER.as_bytes()));
        if entered.is_err() {
            self.leave();
        }
        entered
    }

    /// Gives it back, once. Nobody can be told if that fails.
    fn leave(&self) {
        if self.is_ours.swap(false, Ordering::SeqCst) {
            let _ = self.write(LEAVE.as_bytes());
            let _ = tcsetattr(&self.input, OptionalActions::Flush, &self.before);
        }
    }

    fn write(&self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match retry_on_intr(|| write(&self.output, octets)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => octets = octets.get(count..).unwrap_or_default(),
                // Somebody else made it so; it passes.
                Err(Errno::AGAIN) => self.wait_for_room()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn wait_for_room(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        retry_on_intr(|| poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], None))?;
        Ok(())
    }
}
