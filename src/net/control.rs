//! Connections of the control side: one at a time, off the workers.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use async_io::Async;

use super::address::Address;
use super::listener::AsyncStream;

/// Connects to `address`. Takes as long as it takes: the caller bounds it by dropping it.
///
/// # Errors
/// Why there is no connection.
pub async fn connect(address: &Address) -> io::Result<Box<dyn AsyncStream>> {
    Ok(match address {
        Address::Inet(addr) => Box::new(Async::<TcpStream>::connect(*addr).await?),
        Address::Unix(path) => Box::new(Async::<UnixStream>::connect(path).await?),
    })
}
