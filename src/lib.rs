//! osier: a small HTTP/1.1 reverse proxy in which every request is a branch of a context tree.
//!
//! **In scope**: HTTP/1.1 to clients and origins, and beside it streams of octets that are no HTTP; choosing an origin;
//! cancelling, deadlines and their causes, from the server down to one attempt; the live tree; one thread per core, few
//! crates, little memory.
//!
//! **Out of scope**: HTTP/2 and 3, caching, serving files, scripting, platforms other than Linux (the rooms
//! [`context`], [`http`], [`balance`], [`limit`] and [`metrics`] build everywhere).
//!
//! Two rooms are libraries of their own: [`context`], a context tree in the sense of Go's `context`, and [`http`],
//! HTTP/1.1 without I/O. The rest is the proxy: [`server`] starts it whole, [`proxy::session`] serves one connection on
//! any executor.
//!
//! # The house
//!
//! ```text
//! src/
//! ├── main.rs     the door: cli::run, nothing else
//! ├── clock.rs    now, sleep_until: the only place that asks for the time
//! ├── context/    ROOM 1  the context tree. Knows no HTTP, no sockets, no workers
//! ├── http/       ROOM 2  sans-IO HTTP/1.1 on httparse. Octets in, values out. Pure
//! ├── balance/    ROOM 3  choose an endpoint; what is known of each: load, latency, health. Pure
//! ├── limit/      how often, how many at a time, for whom: for the whole process. Pure
//! ├── metrics/    what each worker counts, summed when asked for, and written as Prometheus reads it. Pure
//! ├── runtime/    ROOM 4  one worker per core: tasks, edge-triggered epoll, timers, buffers
//! ├── net/        ROOM 5  the only room with sockets: listeners, dialer, streams, pools, names; TLS (feature `tls`), and
//! │                        certificates that are asked for (feature `acme`)
//! │                        (pure in it: proxy_protocol/, what proxies say of a client; client_hello/, a name in TLS)
//! ├── proxy/      ROOM 6  the gateway: session, exchange, attempt, relay, tunnel, answer; stream/: what is no HTTP
//! ├── config/     ROOM 7  text → Raw → Config, pure; errors with line, caret and "did you mean"
//! ├── admin/      ROOM 8  the live tree and its page, a cancel by id, lessons, status, metrics and reload, on a private listener
//! ├── auth/       users and their hashed passwords, verified by a thread of their own (feature `auth`)
//! ├── log/        access records, written by a thread of their own
//! ├── server/     assembly: a file or options → listeners, workers, the control side; reload, drain, handing over, stop
//! └── cli/        arguments → command
//! ```
//!
//! Imports go down only. A room may use those on the lines below its own:
//!
//! ```text
//! 7   main · cli
//! 6   server              assembly; the only reader of Config
//! 5   config              speaks in the values of those below: addresses, timeouts; knows nothing of what they do
//! 4   proxy · admin       admin borrows the date of proxy::answer
//! 3   net · log · auth
//! 2   runtime
//! 1   context · http · balance · limit · metrics      know nothing of each other
//! 0   clock
//! ```
//!
//! # One request through the files
//!
//! ```text
//!   CONTEXT   server ─▶ listener ─▶ session ─▶ exchange ─▶ attempt ─▶ task (what is waited for, and how long)
//!
//!   CLIENT                                                                                    ORIGIN
//!     1  server/accept.rs       a connection becomes a session: a node and a task
//!        proxy/introduction.rs  whose it is, where a proxy in front says so    reset
//!        proxy/stream/          what carries no HTTP: an endpoint, then proxy/octets.rs both ways, as a tunnel
//!        proxy/session.rs       where TLS is spoken: net/tls/ agrees on keys  closed, 400 for plain HTTP
//!     2  proxy/session.rs       wait for octets, without a buffer            closed when idle too long
//!     3  http/head.rs           octets → RequestHead                         400 414 431 501 505
//!     4  http/framing.rs        RequestHead → Framed (RFC 9112 §6.3)         400 501, close
//!     5  proxy/scene.rs         who asks; proxy/route/: the route, and with it what the exchange is held to
//!        proxy/exchange.rs      the exchange's node; may it be forwarded     404 405 413 417 429 503
//!        proxy/forward_auth.rs  who may: somebody else knows                 401 403
//!        proxy/basic_auth.rs    who may: a file says                         401 429 503
//!     ┌─ 6  balance/picker.rs   which endpoint                               503
//!     │  7  net/pool.rs         a connection that idles, else net/dialer.rs  502 504
//!     │  8  http/forward.rs     strip hop-by-hop, then add; the input is untouched
//!     │     proxy/rewrite.rs, proxy/edit.rs    the route's path and fields
//!     │  9  http/write.rs       only what is framed can be written ────────────────────────────▶
//!     │ 10  proxy/relay.rs      request body, decoder → encoder ═══════════════════════════════▶
//!     │ 11  proxy/attempt.rs    the response head ◀──────────────────────────────────────────── 502 504
//!     │       1xx: passed on, again from 11.  101: proxy/tunnel.rs, both ways
//!     └─ again from 6 only if nothing reached the client, and proxy/retry.rs says that it may help
//!        (proxy/upload.rs keeps the content for that; proxy/hedge.rs runs several at the same time)
//!    12  http/forward.rs, http/write.rs     the response head, in one write with the first content
//!    13  proxy/relay.rs         response body (10 and 13 run at the same time)
//!    14  http/connection.rs     may the connections carry another exchange
//!    15  net/pool.rs, log/      kept or closed; counted (metrics/); one access record
//! ```
//!
//! # What is absent on purpose
//!
//! 1. `context` does not know that HTTP exists; `http` does not know that time, sockets or tasks exist.
//! 2. No octet received from one peer is written to the other, except content, a stream's and, after a 101, a tunnel's.
//!    Heads are always written anew from a parsed and framed one.
//! 3. Status codes for osier's own answers are chosen in `proxy/answer.rs` and nowhere else.
//! 4. The time is asked for in `clock.rs` only.
//! 5. Errors belong to rooms; there is no error type of the whole crate.
//! 6. There is no `unsafe` but in `runtime/unchecked.rs`: to take over a descriptor by its number, which the service
//!    manager's sockets come with and std has no safe way for, to declare a function of the C library, and to let go of
//!    code and constants in memory.

pub mod balance;
pub mod clock;
pub mod context;
pub mod http;
pub mod limit;
pub mod metrics;

#[cfg(target_os = "linux")]
pub mod admin;
#[cfg(all(target_os = "linux", feature = "auth"))]
pub mod auth;
#[cfg(target_os = "linux")]
pub mod cli;
#[cfg(target_os = "linux")]
pub mod config;
#[cfg(target_os = "linux")]
pub mod log;
#[cfg(target_os = "linux")]
pub mod net;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod runtime;
#[cfg(target_os = "linux")]
pub mod server;

#[cfg(target_os = "linux")]
pub use server::ReverseProxy;

/// The README's examples are tests too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
