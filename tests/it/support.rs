//! The people of the dialogues: a client, an origin, and the house between them. All on real loopback sockets, all
//! with the standard library's blocking calls, so that a test reads from top to bottom as what happens.
//!
//! Nothing here sleeps for correctness: whoever waits, waits for a condition, for [`PATIENCE`] at most.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use osier::context::Context;
use osier::log::{Destination, Log};
use osier::net::address::Address;
use osier::proxy::gateway::{Endpoint, Target};
use osier::server::{Options, Server, Stopper};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

/// For how long a condition is waited for. No test takes so long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until `question` has an answer.
pub(crate) fn wait_for<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until a whole line of a file has all the words, and returns it.
pub(crate) fn wait_for_line(path: &Path, words: &[&str]) -> String {
    wait_for(&format!("{words:?} in {}", path.display()), || {
        let text = std::fs::read_to_string(path).ok()?;
        let line = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .find(|line| words.iter().all(|word| line.contains(word)))?;
        Some(line.to_owned())
    })
}

/// So many octets that differ from place to place.
pub(crate) fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// `content` in chunks of `size` octets, with the last chunk but without trailers' end.
pub(crate) fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in content.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// A path for a file, a socket or a directory that no other test has; removed with the value.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("osier-{}-{number}-{name}", std::process::id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = std::fs::remove_file(&self.0);
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// TCP or unix.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// TLS on TCP.
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

/// One end of a connection, and what has arrived on it.
pub(crate) struct Wire {
    socket: Socket,
    /// Received and not asked for yet.
    received: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a FIN, as a message delimited by it would.
    Clean,
    /// With a reset.
    Reset,
}

/// A message as it arrived: its head as text, its content without framing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The lines behind the last chunk.
    pub(crate) trailers: String,
}

impl Message {
    /// The request line, or the status line.
    pub(crate) fn start(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        let word = self.start().split(' ').nth(1);
        word.and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("no status in {self:?}"))
    }

    /// All values of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }

    /// The only value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} is there twice: {self:?}");
        all.first().copied()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn is_chunked(&self) -> bool {
        self.field("transfer-encoding") == Some("chunked")
    }

    fn length(&self) -> Option<usize> {
        self.field("content-length").map(|l| l.parse().unwrap())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", self.head)?;
        if self.body.len() <= 400 {
            write!(f, "{}", String::from_utf8_lossy(&self.body))
        } else {
            write!(f, "({} octets)", self.body.len())
        }
    }
}

impl Wire {
    fn new(socket: Socket) -> Self {
        match &socket {
            Socket::Tcp(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
            }
            Socket::Unix(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
            }
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => {
                stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.sock.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.sock.set_nodelay(true).unwrap();
            }
        }
        Self {
            socket,
            received: Vec::new(),
        }
    }

    /// A connection to `address`.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::new(Socket::Tcp(TcpStream::connect(address).unwrap()))
    }

    /// A connection to `address` on which TLS is spoken, to `name`. The handshake comes with the first octets.
    #[cfg(feature = "tls")]
    pub(crate) fn connect_tls(
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
        name: &str,
    ) -> Self {
        Self::connect_tls_behind(b"", address, config, name)
    }

    /// The same, behind some octets in the clear.
    #[cfg(feature = "tls")]
    pub(crate) fn connect_tls_behind(
        first: &[u8],
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
        name: &str,
    ) -> Self {
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let tls = rustls::ClientConnection::new(config, name).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(first).unwrap();
        Self::new(Socket::Tls(Box::new(rustls::StreamOwned::new(tls, socket))))
    }

    /// What was agreed on.
    #[cfg(feature = "tls")]
    pub(crate) fn agreed(&self) -> &rustls::ClientConnection {
        match &self.socket {
            Socket::Tls(stream) => &stream.conn,
            _ => panic!("no TLS is spoken here"),
        }
    }

    /// A connection from one of this machine's addresses to another.
    pub(crate) fn connect_from(source: [u8; 4], address: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((source, 0))).unwrap();
        connect(&socket, &address).unwrap();
        Self::new(Socket::Tcp(socket.into()))
    }

    /// A connection to the unix socket at `path`.
    pub(crate) fn connect_unix(path: &Path) -> Self {
        Self::new(Socket::Unix(UnixStream::connect(path).unwrap()))
    }

    /// Writes all of it.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.try_send(octets).unwrap();
    }

    /// Writes as much as is taken.
    pub(crate) fn try_send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(stream) => stream.write_all(octets.as_ref()),
            Socket::Unix(stream) => stream.write_all(octets.as_ref()),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => {
                stream.write_all(octets.as_ref())?;
                stream.flush()
            }
        }
    }

    /// A second handle to the same connection, for a thread that only writes.
    pub(crate) fn another(&self) -> Self {
        Self::new(match &self.socket {
            Socket::Tcp(stream) => Socket::Tcp(stream.try_clone().unwrap()),
            Socket::Unix(stream) => Socket::Unix(stream.try_clone().unwrap()),
            #[cfg(feature = "tls")]
            Socket::Tls(_) => panic!("there is one state of TLS"),
        })
    }

    /// Writes zeros until no more are taken for a second or ever, `most` at most. Returns how many were.
    pub(crate) fn send_until_full(&mut self, most: usize) -> usize {
        let zeros = vec![0; 256 * 1024];
        let mut taken = 0;
        while taken < most && ready(self, PollFlags::OUT, Duration::from_secs(1)) {
            let piece = &zeros[..zeros.len().min(most - taken)];
            match rustix::net::send(&*self, piece, rustix::net::SendFlags::DONTWAIT) {
                Ok(count) => taken += count,
                Err(rustix::io::Errno::AGAIN) => {}
                Err(rustix::io::Errno::CONNRESET | rustix::io::Errno::PIPE) => break,
                Err(error) => panic!("{error}"),
            }
        }
        taken
    }

    /// From here on, what is written waits for more: an end that follows goes out in the same segment.
    pub(crate) fn hold_back(&self) {
        rustix::net::sockopt::set_tcp_nodelay(self, false).unwrap();
        rustix::net::sockopt::set_tcp_cork(self, true).unwrap();
    }

    /// Writes octet by octet.
    pub(crate) fn send_slowly(&mut self, octets: impl AsRef<[u8]>) {
        for octet in octets.as_ref() {
            self.send([*octet]);
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let result = match &mut self.socket {
            Socket::Tcp(stream) => stream.read(room),
            Socket::Unix(stream) => stream.read(room),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.read(room),
        };
        if let Err(error) = &result {
            assert!(
                !matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ),
                "nothing more comes; this is there: {}",
                String::from_utf8_lossy(&self.received)
            );
        }
        result
    }

    /// Waits for more. 0: the end.
    pub(crate) fn receive(&mut self) -> io::Result<usize> {
        let mut room = [0; 16 * 1024];
        let count = self.read(&mut room)?;
        self.received.extend_from_slice(&room[..count]);
        Ok(count)
    }

    fn receive_some(&mut self) {
        let count = self.receive().unwrap();
        assert!(
            count > 0,
            "ended; this is there: {:?}",
            String::from_utf8_lossy(&self.received)
        );
    }

    /// The next octets, so many.
    pub(crate) fn read_octets(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            self.receive_some();
        }
        self.received.drain(..count).collect()
    }

    /// What comes up to and with `end`.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let mut from = 0;
        loop {
            let behind = self.received[from..]
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(place) = behind {
                let all = self.read_octets(from + place + end.len());
                return String::from_utf8_lossy(&all).into_owned();
            }
            from = self.received.len().saturating_sub(end.len());
            self.receive_some();
        }
    }

    /// The next octets are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref();
        let got = self.read_octets(octets.len());
        assert!(
            got == octets,
            "{:?} came where {:?} was expected",
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(octets)
        );
    }

    /// The next head, with the empty line; no body.
    pub(crate) fn read_head(&mut self) -> Message {
        Message {
            head: self.read_until("\r\n\r\n"),
            body: Vec::new(),
            trailers: String::new(),
        }
    }

    fn read_chunks(&mut self, message: &mut Message) {
        loop {
            let line = self.read_until("\r\n");
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                break;
            }
            let chunk = self.read_octets(size);
            message.body.extend_from_slice(&chunk);
            self.expect("\r\n");
        }
        loop {
            let line = self.read_until("\r\n");
            if line == "\r\n" {
                return;
            }
            message.trailers.push_str(&line);
        }
    }

    /// The next request with its body.
    pub(crate) fn read_request(&mut self) -> Message {
        let mut request = self.read_head();
        if request.is_chunked() {
            self.read_chunks(&mut request);
        } else {
            request.body = self.read_octets(request.length().unwrap_or(0));
        }
        request
    }

    /// The next final response, to a method that is not HEAD, with its body.
    pub(crate) fn read_response(&mut self) -> Message {
        let mut response = self.read_head();
        let status = response.status();
        if matches!(status, 100..=199 | 204 | 304) {
            return response;
        }
        if response.is_chunked() {
            self.read_chunks(&mut response);
        } else if let Some(length) = response.length() {
            response.body = self.read_octets(length);
        } else {
            let (rest, end) = self.read_to_end();
            assert_eq!(end, End::Clean, "{response:?}");
            response.body = rest;
        }
        response
    }

    /// Everything up to the end, and which end that is.
    pub(crate) fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            match self.receive() {
                Ok(0) => return (std::mem::take(&mut self.received), End::Clean),
                Ok(_) => {}
                Err(_) => return (std::mem::take(&mut self.received), End::Reset),
            }
        }
    }

    /// The end comes now, with a FIN, and nothing before it.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let (rest, end) = self.read_to_end();
        assert_eq!(
            (String::from_utf8_lossy(&rest).as_ref(), end),
            ("", End::Clean)
        );
    }

    /// The connection ends now, one way or the other, and nothing comes before that.
    #[track_caller]
    pub(crate) fn expect_gone(&mut self) {
        let (rest, _) = self.read_to_end();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Nothing waits to be read. Says nothing of what is still under way: ask it when something later has been seen.
    pub(crate) fn is_quiet(&self) -> bool {
        self.received.is_empty() && !ready(self, PollFlags::IN, Duration::ZERO)
    }

    /// Ends this side: the other reads an end.
    pub(crate) fn finish(&mut self) {
        match &mut self.socket {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                stream.sock.shutdown(Shutdown::Write)
            }
        }
        .unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self, Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        match &self.socket {
            Socket::Tcp(stream) => stream.local_addr().unwrap(),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.sock.local_addr().unwrap(),
            Socket::Unix(_) => panic!("a unix socket has no such address"),
        }
    }

    /// Sends a request and reads its response.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request);
        self.read_response()
    }

    /// `GET path`, and the response.
    pub(crate) fn get(&mut self, path: &str) -> Message {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
    }

    /// Answers 200 with a text.
    pub(crate) fn answer(&mut self, content: &str) {
        self.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        ));
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

fn ready(fd: &impl AsFd, what: PollFlags, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(fd, what)], Some(&timeout)).unwrap() > 0
}

/// An origin: a listening socket. A test either plays it itself, connection by connection ([`Origin::accept`]), or has
/// it played by a thread per connection ([`Origin::script`]).
#[derive(Debug)]
pub(crate) struct Origin {
    listener: Listening,
    _socket: Option<Scratch>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Origin {
    pub(crate) fn bind() -> Self {
        Self::bind_to(([127, 0, 0, 1], 0))
    }

    fn bind_to(address: ([u8; 4], u16)) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(address)).unwrap();
        // Thousands may come before the busy machine's thread that accepts.
        rustix::net::listen(&listener, 4096).unwrap();
        Self {
            listener: Listening::Tcp(listener),
            _socket: None,
        }
    }

    pub(crate) fn bind_unix() -> Self {
        let socket = Scratch::new("origin.sock");
        let path = socket.path().to_owned();
        Self {
            listener: Listening::Unix(UnixListener::bind(&path).unwrap(), path),
            _socket: Some(socket),
        }
    }

    /// An address that refuses: nobody listens there, and nobody else gets it while the test runs.
    pub(crate) fn nobody() -> (Endpoint, TcpListener) {
        // A socket that is bound but does not listen.
        let socket = rustix::net::socket(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::STREAM,
            None,
        )
        .unwrap();
        rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        (endpoint(Address::Inet(address)), listener)
    }

    pub(crate) fn address(&self) -> Address {
        match &self.listener {
            Listening::Tcp(listener) => Address::Inet(listener.local_addr().unwrap()),
            Listening::Unix(_, path) => Address::Unix(path.clone()),
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(self.address())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Wire {
        let arrived = match &self.listener {
            Listening::Tcp(listener) => ready(listener, PollFlags::IN, PATIENCE),
            Listening::Unix(listener, _) => ready(listener, PollFlags::IN, PATIENCE),
        };
        assert!(arrived, "nobody connects to the origin");
        self.accept_now()
    }

    fn accept_now(&self) -> Wire {
        Wire::new(match &self.listener {
            Listening::Tcp(listener) => Socket::Tcp(listener.accept().unwrap().0),
            Listening::Unix(listener, _) => Socket::Unix(listener.accept().unwrap().0),
        })
    }

    /// A connection waits to be accepted.
    pub(crate) fn has_waiting(&self) -> bool {
        match &self.listener {
            Listening::Tcp(listener) => ready(listener, PollFlags::IN, Duration::ZERO),
            Listening::Unix(listener, _) => ready(listener, PollFlags::IN, Duration::ZERO),
        }
    }

    /// Has every connection played by `script`, on a thread of its own, and records what it is asked.
    pub(crate) fn script(
        script: impl Fn(&mut Wire, &Message) -> bool + Send + Sync + 'static,
    ) -> Scripted {
        Self::script_at(([127, 0, 0, 1], 0), script)
    }

    /// The same, at this address.
    pub(crate) fn script_at(
        address: ([u8; 4], u16),
        script: impl Fn(&mut Wire, &Message) -> bool + Send + Sync + 'static,
    ) -> Scripted {
        let origin = Self::bind_to(address);
        let address = origin.address();
        let record = Arc::new(Record::default());
        let (script, seen) = (Arc::new(script), record.clone());
        thread::spawn(move || {
            loop {
                let mut wire = origin.accept_forever();
                let connection = seen.connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), seen.clone());
                thread::spawn(move || {
                    while wire.has_more() {
                        let request = wire.read_request();
                        let mut requests = seen.requests.lock().unwrap();
                        requests.push((connection, request.clone()));
                        drop(requests);
                        if !script(&mut wire, &request) {
                            return;
                        }
                    }
                });
            }
        });
        Scripted { address, record }
    }

    /// Answers every request with 200 and the request's target as content.
    pub(crate) fn that_answers() -> Scripted {
        Self::script(|wire, request| {
            let target = request.start().split(' ').nth(1).unwrap_or_default();
            wire.answer(target);
            true
        })
    }

    fn accept_forever(&self) -> Wire {
        self.accept_now()
    }
}

impl Wire {
    /// Something comes before the end does. Waits as long as it takes: for scripts, which the test outlives.
    fn has_more(&mut self) -> bool {
        if self.received.is_empty() {
            let _ = poll(&mut [PollFd::new(&*self, PollFlags::IN)], None);
        }
        !self.received.is_empty() || matches!(self.receive(), Ok(1..))
    }
}

/// An origin that plays by itself, and what it was asked.
#[derive(Debug)]
pub(crate) struct Scripted {
    address: Address,
    record: Arc<Record>,
}

#[derive(Debug, Default)]
struct Record {
    connections: AtomicUsize,
    requests: Mutex<Vec<(usize, Message)>>,
}

impl Scripted {
    pub(crate) fn endpoint(&self) -> Endpoint {
        endpoint(self.address.clone())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// How many connections it has accepted.
    pub(crate) fn connection_count(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    /// What it was asked, with the number of the connection.
    pub(crate) fn requests(&self) -> Vec<(usize, Message)> {
        self.record.requests.lock().unwrap().clone()
    }
}

/// An endpoint at `address`, called as it.
pub(crate) fn endpoint(address: Address) -> Endpoint {
    Endpoint {
        name: address.to_string().into(),
        addresses: vec![address].into(),
        base_path: String::new(),
        tls: None,
    }
}

/// The gateway, in this process: one worker, the admin interface on. Dropping it drains it.
#[derive(Debug)]
pub(crate) struct House {
    address: Address,
    admin: SocketAddr,
    stopper: Stopper,
    runner: Option<JoinHandle<io::Result<()>>>,
    /// Where its records are, unless the options say otherwise.
    records: Scratch,
    log: Log,
    /// The server's node.
    ctx: Context,
}

/// Options for one endpoint and one worker, with everything else as it is by default.
pub(crate) fn options(endpoints: impl IntoIterator<Item = Endpoint>) -> Options {
    let mut options = Options {
        workers: Some(1),
        ..Options::default()
    };
    options.rules.target = Target::Upstream(endpoints.into_iter().collect());
    options
}

impl House {
    /// In front of one origin.
    pub(crate) fn to(endpoint: Endpoint) -> Self {
        Self::start(options([endpoint]))
    }

    /// In front of one origin, with something changed.
    pub(crate) fn with(endpoint: Endpoint, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options([endpoint]);
        change(&mut options);
        Self::start(options)
    }

    pub(crate) fn start(mut options: Options) -> Self {
        let anywhere = Address::Inet(SocketAddr::from(([127, 0, 0, 1], 0)));
        if options.listen.is_empty() {
            options.listen.push(anywhere.clone());
        }
        options.admin = Some(anywhere);
        let records = Scratch::new("access.log");
        if options.log.access == Destination::Off {
            options.log.access = Destination::File(records.path().to_owned());
        }
        let server = Server::start(options).unwrap();
        let Some(Address::Inet(admin)) = server.admin().cloned() else {
            panic!("no admin interface");
        };
        Self {
            address: server.listening()[0].clone(),
            admin,
            stopper: server.stopper(),
            log: server.log().clone(),
            ctx: server.context().clone(),
            runner: Some(thread::spawn(move || server.run())),
            records,
        }
    }

    /// The server's node.
    pub(crate) fn ctx(&self) -> &Context {
        &self.ctx
    }

    /// A handle to its log.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.address {
            Address::Inet(address) => *address,
            Address::Unix(_) => panic!("it listens on a unix socket"),
        }
    }

    /// A new client.
    pub(crate) fn connect(&self) -> Wire {
        match &self.address {
            Address::Inet(address) => Wire::connect(*address),
            Address::Unix(path) => Wire::connect_unix(path),
        }
    }

    /// A new connection to the admin interface.
    pub(crate) fn connect_admin(&self) -> Wire {
        Wire::connect(self.admin)
    }

    /// The live tree as text.
    pub(crate) fn tree(&self) -> String {
        let request = "GET /tree HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        self.connect_admin().ask(request).text().to_owned()
    }

    /// Waits until a line of the tree has all the words, and returns the id in it.
    pub(crate) fn wait_for_node(&self, words: &[&str]) -> u64 {
        wait_for(&format!("a node with {words:?}"), || {
            let tree = self.tree();
            let mut lines = tree.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)))?;
            let id = line.split('#').nth(1)?.split(' ').next()?;
            id.parse().ok()
        })
    }

    /// Waits until no line of the tree has the word.
    pub(crate) fn wait_until_gone(&self, word: &str) {
        wait_for(&format!("{word} to be gone"), || {
            (!self.tree().contains(word)).then_some(())
        });
    }

    /// `POST /cancel/ID`.
    pub(crate) fn cancel(&self, id: u64, reason: &str) -> Message {
        self.connect_admin().ask(format!(
            "POST /cancel/{id} HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{reason}",
            reason.len()
        ))
    }

    /// Waits until an access record has all the words, and returns it.
    pub(crate) fn wait_for_record(&self, words: &[&str]) -> String {
        wait_for_line(self.records.path(), words)
    }

    /// Begins the drain.
    pub(crate) fn drain(&self) {
        self.stopper.drain();
    }

    /// Waits until the server has returned from `run`.
    pub(crate) fn wait_until_ended(&mut self) {
        let Some(runner) = self.runner.take() else {
            return;
        };
        wait_for("the server's end", || runner.is_finished().then_some(()));
        runner.join().unwrap().unwrap();
    }

    /// It has returned from `run`.
    pub(crate) fn has_ended(&self) -> bool {
        self.runner.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stopper.drain();
        if !thread::panicking() {
            self.wait_until_ended();
        }
    }
}

/// A listener whose queue is full, so that a connect to it neither succeeds nor fails; with what keeps it so.
pub(crate) fn full_listener() -> (Endpoint, (OwnedFd, Vec<OwnedFd>)) {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};
    let open = || {
        socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    };
    let listener = open();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let address: SocketAddr = rustix::net::getsockname(&listener)
        .unwrap()
        .try_into()
        .unwrap();
    let waiting = (0..4)
        .map(|_| {
            let fd = open();
            let _ = connect(&fd, &address);
            fd
        })
        .collect();
    (endpoint(Address::Inet(address)), (listener, waiting))
}

/// The built command, running.
#[derive(Debug)]
pub(crate) struct Osier {
    child: Child,
    /// What it says on standard error, line by line, as it comes.
    said: Receiver<String>,
    /// The line at start.
    announced: String,
    address: SocketAddr,
    admin: Option<SocketAddr>,
}

impl Osier {
    /// The command, not started yet.
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_osier"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// As a proxy in front of an origin.
    pub(crate) fn in_front_of(origin: &Scripted, more: &[&str]) -> Self {
        let to = origin.address().to_string();
        Self::serving(Self::command(&proxy_arguments(&to, more)))
    }

    /// As a proxy in front of an address.
    pub(crate) fn serving_to(to: &Address, more: &[&str]) -> Self {
        Self::serving(Self::command(&proxy_arguments(&to.to_string(), more)))
    }

    /// The same, with so few descriptors at most.
    pub(crate) fn with_limit(descriptors: u32, origin: &Scripted, more: &[&str]) -> Self {
        Self::with_limit_to(descriptors, origin.address(), more)
    }

    /// The same, in front of an address.
    pub(crate) fn with_limit_to(descriptors: u32, to: &Address, more: &[&str]) -> Self {
        let to = to.to_string();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\"")])
            .args(["sh", env!("CARGO_BIN_EXE_osier")])
            .args(proxy_arguments(&to, more))
            .stdin(Stdio::null());
        Self::serving(command)
    }

    /// Starts a command that serves, and waits for its line at start.
    pub(crate) fn serving(mut command: Command) -> Self {
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        // Warnings about its file come first.
        let mut lines = Vec::new();
        let announced = loop {
            match said.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("osier ") => break line,
                Ok(line) => lines.push(line),
                Err(_) => panic!("it says: {lines:?}"),
            }
        };
        let after = |word: &str| {
            let rest = announced.split(word).nth(1)?;
            let rest = rest
                .strip_prefix("http")
                .map(|it| it.trim_start_matches('s'))?;
            let rest = rest.strip_prefix("://")?;
            rest.split([' ', ',']).next()?.parse().ok()
        };
        let address = after(": ").unwrap_or_else(|| panic!("it says: {announced}"));
        let admin = after("admin on ");
        Self {
            child,
            said,
            announced,
            address,
            admin,
        }
    }

    pub(crate) fn announced(&self) -> &str {
        &self.announced
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nobody reads its standard output any more.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// The admin interface as `--admin` takes it.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.admin.unwrap())
    }

    /// Waits until the client's connection was accepted.
    pub(crate) fn wait_for_session(&self, client: &Wire) {
        let label = client.local_addr().to_string();
        wait_for("the session", || {
            let request = "GET /tree HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let tree = Wire::connect(self.admin.unwrap()).ask(request);
            tree.text().contains(&label).then_some(())
        });
    }

    /// The next line it says on standard error.
    pub(crate) fn hear(&self) -> String {
        self.said.recv_timeout(PATIENCE).unwrap()
    }

    /// The same; `None`: it has said all, and has ended.
    #[cfg(feature = "acme")]
    pub(crate) fn heard(&self) -> Option<String> {
        self.said.recv_timeout(PATIENCE).ok()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_for("the command's end", || self.child.try_wait().unwrap()).code()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Osier {
    fn drop(&mut self) {
        if thread::panicking() {
            // Whoever looks for the reason finds what was not heard yet.
            self.said
                .try_iter()
                .for_each(|line| eprintln!("osier: {line}"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proxy_arguments<'a>(to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--to",
        to,
    ];
    arguments.extend(more);
    arguments
}

/// A program that runs. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    /// Its standard output, line by line.
    lines: Receiver<String>,
    /// Its standard error, when it has ended.
    complaints: Option<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            let name = Path::new(command.get_program()).display();
            panic!("{name}: {error}; `.ci/clients` installs what these tests need")
        });
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        Self {
            stdin: child.stdin.take(),
            lines,
            complaints: Some(thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })),
            child,
        }
    }

    /// The next line it says.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = self.child.kill();
            panic!("it says nothing, but {}", self.complaints())
        })
    }

    /// Where it listens, as its first line says.
    pub(crate) fn address(&mut self) -> Address {
        let line = self.hear();
        let address = line.strip_prefix("listening on ").unwrap();
        Address::Inet(address.parse().unwrap())
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for its end, which must be a good one, and returns all it said.
    #[track_caller]
    pub(crate) fn finish(mut self) -> String {
        let status = self.wait();
        let complaints = self.complaints();
        assert!(status.success(), "{status}: {complaints}");
        self.lines.iter().map(|line| line + "\n").collect()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("its end", || self.child.try_wait().unwrap())
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn complaints(&mut self) -> String {
        self.complaints.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, and returns what it said.
#[track_caller]
pub(crate) fn run(command: Command) -> String {
    Running::start(command).finish()
}

/// A JSON value (RFC 8259), as far as the admin interface needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Reads a JSON text, all of it.
pub(crate) fn json(text: &str) -> Json {
    let mut rest = text.trim();
    let value = Json::read(&mut rest).unwrap_or_else(|| panic!("no JSON at {rest:?} of {text}"));
    assert_eq!(rest.trim(), "", "{text}");
    value
}

impl Json {
    pub(crate) fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("{other:?} is no list"),
        }
    }

    /// It is an object with a member of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(self, Self::Object(members) if members.iter().any(|(key, _)| key == name))
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    fn read(rest: &mut &str) -> Option<Self> {
        *rest = rest.trim_start();
        for (word, value) in [
            ("null", Self::Null),
            ("true", Self::Bool(true)),
            ("false", Self::Bool(false)),
        ] {
            if let Some(behind) = rest.strip_prefix(word) {
                *rest = behind;
                return Some(value);
            }
        }
        match rest.chars().next()? {
            '"' => Self::read_text(rest).map(Self::Text),
            '[' => {
                let mut items = Vec::new();
                Self::read_items(rest, ']', |rest| {
                    items.push(Self::read(rest)?);
                    Some(())
                })?;
                Some(Self::List(items))
            }
            '{' => {
                let mut members = Vec::new();
                Self::read_items(rest, '}', |rest| {
                    let name = Self::read_text(rest)?;
                    *rest = rest.trim_start().strip_prefix(':')?;
                    members.push((name, Self::read(rest)?));
                    Some(())
                })?;
                Some(Self::Object(members))
            }
            _ => {
                let end = rest
                    .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
                    .unwrap_or(rest.len());
                let (number, behind) = rest.split_at(end);
                *rest = behind;
                number.parse().ok().map(Self::Number)
            }
        }
    }

    fn read_items(
        rest: &mut &str,
        end: char,
        mut item: impl FnMut(&mut &str) -> Option<()>,
    ) -> Option<()> {
        *rest = rest[1..].trim_start();
        if let Some(behind) = rest.strip_prefix(end) {
            *rest = behind;
            return Some(());
        }
        loop {
            *rest = rest.trim_start();
            item(rest)?;
            *rest = rest.trim_start();
            if let Some(behind) = rest.strip_prefix(end) {
                *rest = behind;
                return Some(());
            }
            *rest = rest.strip_prefix(',')?;
        }
    }

    fn read_text(rest: &mut &str) -> Option<String> {
        let mut text = String::new();
        let mut characters = rest.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    c @ ('"' | '\\' | '/') => text.push(c),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'u' => {
                        let digits: String = characters.by_ref().take(4).collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    _ => return None,
                },
                c if c < ' ' => return None,
                other => text.push(other),
            }
        }
        *rest = characters.as_str();
        Some(text)
    }
}

impl std::ops::Index<&str> for Json {
    type Output = Self;

    #[track_caller]
    fn index(&self, name: &str) -> &Self {
        let Self::Object(members) = self else {
            panic!("{self:?} is no object");
        };
        let member = members.iter().find(|(key, _)| key == name);
        &member.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}
