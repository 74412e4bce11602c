//! In a build without the feature `tls` there is no identity, and so nobody has any of the others.

use std::io;
use std::net::TcpStream;
use std::path::Path;

use crate::peer::Pem;
use crate::wire::Handshake;

#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) pem: Pem,
    nobody: Client,
}

impl Identity {
    pub(crate) fn new(_dir: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn clients(&self) -> io::Result<Clients> {
        match self.nobody {}
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Clients {}

impl Clients {
    pub(crate) fn of(&self, _handshake: Handshake) -> Client {
        match *self {}
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Client {}

impl Client {
    pub(crate) fn begin(&self, _socket: TcpStream) -> io::Result<Session> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) socket: TcpStream,
    nobody: Client,
}

impl Session {
    pub(crate) fn read<'a>(&mut self, _scratch: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match self.nobody {}
    }

    pub(crate) fn write(&mut self, _octets: &[u8]) -> io::Result<usize> {
        match self.nobody {}
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self.nobody {}
    }

    pub(crate) fn has_output(&self) -> bool {
        match self.nobody {}
    }
}
