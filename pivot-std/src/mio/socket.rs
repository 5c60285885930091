//! A TCP stream as the core wants it.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use pivot_core::serve::{Io, Socket};

/// A TCP stream that never blocks.
#[derive(Debug)]
pub struct TcpSocket(pub(super) TcpStream);

impl Socket for TcpSocket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Io> {
        loop {
            match self.0.read(into) {
                Ok(0) => return Err(Io::Closed),
                Ok(len) => return Ok(len),
                Err(error) => refused(error.kind())?,
            }
        }
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Io> {
        loop {
            match self.0.write(from) {
                Ok(0) => return Err(Io::Reset),
                Ok(len) => return Ok(len),
                Err(error) => refused(error.kind())?,
            }
        }
    }

    fn end(&mut self) {
        // It may be gone already; the next read says so.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

/// What an error means; `Ok` to try again at once.
fn refused(kind: ErrorKind) -> Result<(), Io> {
    match kind {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => Err(Io::WouldBlock),
        _ => Err(Io::Reset),
    }
}
