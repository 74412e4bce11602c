//! ROOM 3: choose an endpoint. Pure: state in, endpoint out; no sockets, no clock.

pub mod policy;

#[cfg(test)]
mod tests;
