//! The integration tests: the whole house on real loopback sockets, and its command.
//!
//! Each test is a dialogue between a client, an origin and the house. Nothing is installed for them; what needs a
//! program that a machine may lack is `#[ignore = "needs …"]`.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed"
)]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

/// Messages in, messages out: methods, framing, versions, pipelining, reuse, and what forwarding adds and takes away.
mod basics;
/// Time within a message: nothing waits for what is not needed yet, in either direction; interim responses.
mod streaming;

/// Messages that attack, in both directions: what is forwarded of them, and what becomes of the connections.
mod wire;

/// Every way an exchange can fail, and what each side is told of it.
mod failures;

/// Branches that end before their time: a client that leaves, a cancel by id; and the admin interface that does it.
mod cancel;
/// The 115 sentences that Go's context promises or tests, each a test of ours; the table is in the docs of `context`.
mod context_go;

/// What `/metrics` says: every number moves by what was done, and by nothing else.
mod metrics;

/// Access records: their formats and destinations, readers that are slow or gone, and settings that change.
mod log;

/// The end of a server: what may finish, what must not begin.
mod drain;
/// What happens in the tree, told while it happens.
mod watch;

/// A server among others: passed sockets, a service manager, another user, another binary under load.
mod operate;

/// What the process can do no more, and that it does all the rest as before.
#[cfg(feature = "sandbox")]
mod sandbox;

/// Who is let in with a password, and what becomes of those who guess.
#[cfg(feature = "auth")]
mod auth;
/// What each key of the file does: a test for every one, which fails when the key is ignored.
mod keys;
/// A gateway told by a file: reloads under load, and files that are not right.
mod reload;
/// Listeners that speak TLS: with whom, by which name, and what becomes of those who do not.
#[cfg(feature = "tls")]
mod tls;

/// Octets that are no HTTP: where they go, and every way they can end.
mod stream;

/// Connections that become tunnels, and those that must not.
mod upgrade;

/// Origins that speak TLS: who is believed, what is said inside, what is read again.
#[cfg(feature = "tls")]
mod origin_tls;

/// Who the client is, said by a proxy in front of osier, and by osier to origins.
mod proxy_protocol;

/// What the keys of upstreams and tries do: a test for every one, which fails when the key is ignored.
mod upstreams;

/// Names that a real name server answers for, in a namespace of their own.
mod names;

/// Origins that come and go, close when they like, stall and break off.
mod chaos;

/// What the kernel does to sockets: ends that come with data, resets, unix sockets, want of descriptors, many at once.
mod sockets;

/// Want of descriptors, disk and memory; slow and dead peers, clocks that jump, links that go: limits hold, others are served.
mod faults;

/// Programs that speak no HTTP, through streams; and other proxies in front and behind.
mod programs;

/// Programs that others wrote, in front of the command and behind it.
mod clients;

/// The examples: what each is meant to teach is what it says.
mod examples;

/// `osier top` in a real terminal, and where there is none.
mod top;

/// Labels, targets and reasons that would like to be more than text, in all that prints them.
mod labels;

/// The command: its exit codes, what it says, and what its flags do.
mod cli;
/// The proxy as a library: one connection on an executor of one's own, hooks, faked time.
mod library;
/// What Go's httputil.ReverseProxy does, sentence by sentence, each a test of ours.
mod reverse_proxy_go;

/// What the tests of Go's net/http ask of a server and of a client, as far as a proxy is either.
mod net_http_go;
