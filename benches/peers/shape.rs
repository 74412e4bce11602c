//! The shapes of load, one table each.

use std::rc::Rc;

use crate::client::Exchange;
use crate::content::{MEBIBYTE, SMALL, get, post};
use crate::wire::Handshake;

#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// For machines.
    pub(crate) key: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) connections: usize,
    pub(crate) exchange: Exchange,
    /// Part of a quick run.
    pub(crate) quick: bool,
    /// How clients begin, over TLS.
    pub(crate) handshake: Option<Handshake>,
}

/// The shape that proxies are ranked by, and that gives nginx's maximum.
pub(crate) const MAIN: &str = "small-64";
/// Requests that are sent at once, where that is the question.
pub(crate) const PIPELINED: usize = 16;
/// Field lines, where that is the question: a browser's request with cookies has about as many.
pub(crate) const MANY_FIELDS: usize = 30;

const KIB_64: usize = 64 * 1024;

/// A request for so many octets, again and again on one connection.
pub(crate) fn plain(octets: usize) -> Exchange {
    Exchange {
        request: get(octets, 0, false).into(),
        depth: 1,
        content: octets,
        once: false,
    }
}

pub(crate) fn upload() -> Exchange {
    Exchange {
        request: post(MEBIBYTE).into(),
        ..plain(SMALL)
    }
}

pub(crate) fn closing() -> Exchange {
    Exchange {
        request: get(SMALL, 0, true).into(),
        once: true,
        ..plain(SMALL)
    }
}

pub(crate) fn pipelined() -> Exchange {
    let request: Rc<[u8]> = get(SMALL, 0, false).repeat(PIPELINED).into();
    Exchange {
        request,
        depth: PIPELINED,
        ..plain(SMALL)
    }
}

pub(crate) fn many_fields() -> Exchange {
    Exchange {
        request: get(SMALL, MANY_FIELDS, false).into(),
        ..plain(SMALL)
    }
}

pub(crate) fn all() -> Vec<Shape> {
    let shape = |key, title, connections, exchange, quick| Shape {
        key,
        title,
        connections,
        exchange,
        quick,
        handshake: None,
    };
    vec![
        shape("small-1", "63 octets, 1 connection", 1, plain(SMALL), false),
        shape(
            "small-8",
            "63 octets, 8 connections",
            8,
            plain(SMALL),
            false,
        ),
        shape(MAIN, "63 octets, 64 connections", 64, plain(SMALL), true),
        shape(
            "small-512",
            "63 octets, 512 connections",
            512,
            plain(SMALL),
            false,
        ),
        shape(
            "small-8000",
            "63 octets, 8,000 connections",
            8000,
            plain(SMALL),
            false,
        ),
        shape("64k-32", "64 KiB, 32 connections", 32, plain(KIB_64), true),
        shape("1m-32", "1 MiB, 32 connections", 32, plain(MEBIBYTE), true),
        shape(
            "upload-32",
            "upload of 1 MiB, 32 connections",
            32,
            upload(),
            false,
        ),
        shape(
            "close-64",
            "one request per connection, 64 at a time",
            64,
            closing(),
            false,
        ),
        shape(
            "pipeline-32",
            "16 requests pipelined, 32 connections",
            32,
            pipelined(),
            false,
        ),
        shape(
            "fields-64",
            "30 more fields, 64 connections",
            64,
            many_fields(),
            false,
        ),
    ]
}

/// Those over TLS. Where a handshake is what is asked for, a small request and its answer go with it: it is what the
/// connection is for, and by what it is known that both sides have their keys.
pub(crate) fn over_tls() -> Vec<Shape> {
    let shape = |key, title, connections, exchange, handshake| Shape {
        key,
        title,
        connections,
        exchange,
        quick: false,
        handshake: Some(handshake),
    };
    vec![
        shape(
            "tls-full-64",
            "TLS: a full handshake and one request, 64 at a time",
            64,
            closing(),
            Handshake::Full,
        ),
        shape(
            "tls-resumed-64",
            "TLS: a resumed handshake and one request, 64 at a time",
            64,
            closing(),
            Handshake::Resumed,
        ),
        shape(
            "tls-small-64",
            "TLS: 63 octets, 64 connections",
            64,
            plain(SMALL),
            Handshake::Full,
        ),
        shape(
            "tls-1m-32",
            "TLS: 1 MiB, 32 connections",
            32,
            plain(MEBIBYTE),
            Handshake::Full,
        ),
    ]
}

impl Shape {
    /// A connection has one exchange, and begins with a handshake.
    pub(crate) fn is_of_handshakes(&self) -> bool {
        self.exchange.once && self.handshake.is_some()
    }
}
