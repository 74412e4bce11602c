//! Where access records go, and how they get there: within bounded time, whatever the other end does.
//!
//! Only the writing thread writes, and it does not wait for ever either: a reader that takes nothing for [`PATIENCE`]
//! loses what it is due, and from then on is not waited for at all until it reads again. So what is said on standard
//! error is never stuck behind a log that nobody reads, and a reload can lead away from it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

/// For how long a reader that takes nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where a write could wait for a reader, no more than this is written at once: a pipe that takes anything takes this
/// without waiting (`PIPE_BUF`).
const PIECE_OCTETS: usize = 4096;
/// How often a write is tried that could be made, but then could not.
const TRIES: usize = 8;
/// What each datagram begins with, for syslog daemons (RFC 3164 §4.1): facility local0, severity informational, and
/// who speaks. They put the time in front themselves.
const TAG: &[u8] = b"<134>osier: ";

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Destination {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to. A FIFO too, whose reader may come and go.
    File(PathBuf),
    /// A unix datagram socket, as syslog daemons have one: `/dev/log`. One record per datagram, without its line feed,
    /// behind `<134>osier: `. Whoever listens there may come later, or go and come back.
    Unix(PathBuf),
}

impl Destination {
    /// What `off`, `stdout`, `unix:PATH` or a path says.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "off" => Self::Off,
            "stdout" => Self::Stdout,
            _ => match text.strip_prefix("unix:") {
                Some(path) => Self::Unix(path.into()),
                None => Self::File(text.into()),
            },
        }
    }

    /// Opens it; `None` for nowhere.
    ///
    /// # Errors
    /// The file cannot be opened or made; the path is no datagram socket, or may not be written to. That nobody listens
    /// at it is no error.
    pub(super) fn open(&self) -> io::Result<Option<Sink>> {
        Ok(match self {
            Self::Off => None,
            Self::Stdout => Some(Sink::Stream(Stream::new(Octets::Stdout))),
            Self::File(path) => Some(Sink::Stream(Stream::new(Octets::File(open_file(path)?)))),
            Self::Unix(path) => Some(Sink::Datagrams(Datagrams::to(path)?)),
        })
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let is_fifo = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    let mut options = OpenOptions::new();
    if is_fifo {
        // Opened for writing alone, a FIFO makes whoever opens it wait for a reader (fifo(7)).
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        options.read(true).write(true).custom_flags(nonblocking);
    } else {
        options.create(true).append(true);
    }
    options.open(path)
}

/// What was not written: how many lines, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: usize,
    pub(super) why: io::Error,
}

impl Lost {
    fn all_of(lines: &[u8], why: io::Error) -> Self {
        let lines = lines.iter().filter(|octet| **octet == b'\n').count();
        Self { lines, why }
    }
}

/// An open destination.
#[derive(Debug)]
pub(super) enum Sink {
    Stream(Stream),
    Datagrams(Datagrams),
}

impl Sink {
    /// Standard error.
    pub(super) fn stderr() -> Self {
        Self::Stream(Stream::new(Octets::Stderr))
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// [`Lost`]: what could not be written, or not in time.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        match self {
            Self::Stream(stream) => stream.write(lines),
            Self::Datagrams(datagrams) => datagrams.write(lines),
        }
    }
}

/// Where a stream of octets goes.
#[derive(Debug)]
enum Octets {
    Stdout,
    Stderr,
    File(File),
}

impl Octets {
    fn with<T>(&self, work: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self {
            Self::Stdout => work(io::stdout().as_fd()),
            Self::Stderr => work(io::stderr().as_fd()),
            Self::File(file) => work(file.as_fd()),
        }
    }
}

/// Lines, one behind the other.
#[derive(Debug)]
pub(super) struct Stream {
    to: Octets,
    /// A file on a disk, or a device that is no terminal: there is nobody whose reading could be waited for.
    has_no_reader: bool,
    /// The last line that was begun is not whole.
    is_torn: bool,
    reader: Reader,
}

impl Stream {
    fn new(to: Octets) -> Self {
        let found = to.with(|fd| fstat(fd).map(|found| FileType::from_raw_mode(found.st_mode)));
        let is_terminal = to.with(|fd| rustix::termios::isatty(fd));
        Self {
            has_no_reader: found
                .is_ok_and(|found| found.is_file() || (found.is_char_device() && !is_terminal)),
            to,
            is_torn: false,
            reader: Reader::default(),
        }
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        // What is left of a torn line is a line of its own, so that the next one begins where it should.
        if self.is_torn {
            self.write_some(b"\n")
                .map_err(|why| Lost::all_of(lines, why))?;
            self.is_torn = false;
        }
        let mut left = lines;
        while !left.is_empty() {
            match self.write_some(left) {
                Ok(count) => {
                    let (written, rest) = left.split_at(count.min(left.len()));
                    self.is_torn = written.last().is_some_and(|octet| *octet != b'\n');
                    left = rest;
                }
                Err(why) => return Err(Lost::all_of(left, why)),
            }
        }
        self.is_torn = false;
        Ok(())
    }

    /// Writes some of it, and waits for the reader where there is one.
    fn write_some(&mut self, octets: &[u8]) -> io::Result<usize> {
        let octets = if self.has_no_reader {
            octets
        } else {
            piece(octets)
        };
        let (reader, waits) = (&mut self.reader, !self.has_no_reader);
        self.to.with(|fd| {
            for _ in 0..TRIES {
                if waits {
                    reader.wait(fd)?;
                }
                match rustix::io::write(fd, octets) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => return Ok(count),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(too_slow())
        })
    }
}

/// As many whole lines as make a piece, or a piece of a line that is larger.
fn piece(lines: &[u8]) -> &[u8] {
    let Some(piece) = lines.get(..PIECE_OCTETS) else {
        return lines;
    };
    match piece.iter().rposition(|octet| *octet == b'\n') {
        Some(last) => piece.get(..=last).unwrap_or(piece),
        None => piece,
    }
}

/// Lines, one in each datagram.
#[derive(Debug)]
pub(super) struct Datagrams {
    path: PathBuf,
    /// Connected, while somebody listens.
    socket: Option<UnixDatagram>,
    reader: Reader,
    /// Used again for each.
    datagram: Vec<u8>,
}

impl Datagrams {
    fn to(path: &Path) -> io::Result<Self> {
        if path.as_os_str().is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "unix: needs a path",
            ));
        }
        let socket = match connect(path) {
            Ok(socket) => Some(socket),
            Err(error) if is_away(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            socket,
            reader: Reader::default(),
            datagram: TAG.to_vec(),
        })
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let mut left = lines;
        let mut lost: Option<Lost> = None;
        while !left.is_empty() {
            let end = left.iter().position(|octet| *octet == b'\n');
            let (line, rest) = left.split_at(end.unwrap_or(left.len()));
            let rest = rest.get(1..).unwrap_or_default();
            self.datagram.truncate(TAG.len());
            self.datagram.extend_from_slice(line);
            match self.send() {
                Ok(()) => {}
                // Only this one is.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {
                    let lines = lost.map_or(0, |lost| lost.lines) + 1;
                    lost = Some(Lost { lines, why: error });
                }
                Err(why) => {
                    let mut all = Lost::all_of(left, why);
                    all.lines += lost.map_or(0, |lost| lost.lines);
                    return Err(all);
                }
            }
            left = rest;
        }
        lost.map_or(Ok(()), Err)
    }

    fn send(&mut self) -> io::Result<()> {
        // Who listened may have gone, and come back as another socket.
        let mut was_connected = true;
        for _ in 0..TRIES {
            let socket = match self.socket.take() {
                Some(socket) => socket,
                None => {
                    was_connected = false;
                    connect(&self.path)?
                }
            };
            match socket.send(&self.datagram) {
                Ok(_) => {
                    self.reader.takes();
                    self.socket = Some(socket);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let waited = self.reader.wait(socket.as_fd());
                    self.socket = Some(socket);
                    waited?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.socket = Some(socket);
                }
                Err(error) if is_away(&error) && was_connected => {}
                Err(error) => {
                    self.socket = (!is_away(&error)).then_some(socket);
                    return Err(error);
                }
            }
        }
        Err(too_slow())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// Nobody listens there, which may change.
fn is_away(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOTCONN | Errno::PIPE)
    )
}

/// Who reads at the other end, and whether that is worth waiting for.
#[derive(Debug, Default)]
struct Reader {
    /// It took nothing for as long as it was waited for.
    has_stalled: bool,
}

impl Reader {
    /// Waits until there is room for something, or an error to be met.
    fn wait(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let patience = if self.has_stalled {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        loop {
            match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], Some(&patience)) {
                Ok(0) => {
                    self.has_stalled = true;
                    return Err(too_slow());
                }
                Ok(_) => {
                    self.takes();
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn takes(&mut self) {
        self.has_stalled = false;
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the reader is too slow")
}
