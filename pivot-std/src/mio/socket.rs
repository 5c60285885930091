//! A TCP stream as the core wants it.

use std::net::Shutdown;

use mio::net::TcpStream;
use pivot_core::serve::{Io, Socket};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// A TCP stream that never blocks.
///
/// It calls the system directly: around `recv` and `send` the C library keeps books for threads that are cancelled,
/// 75 instructions for a request.
#[derive(Debug)]
pub struct TcpSocket(pub(super) TcpStream);

/// What a worker reads and writes, on top of a TCP stream: the stream itself, or one that ciphers.
pub trait Stream: Socket + 'static {
    /// The stream whose readiness counts.
    fn transport(&mut self) -> &mut TcpSocket;
}

impl Stream for TcpSocket {
    fn transport(&mut self) -> &mut TcpSocket {
        self
    }
}

impl Socket for TcpSocket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Io> {
        loop {
            match recv(&self.0, &mut *into, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Io::Closed),
                Ok((len, _)) => return Ok(len),
                Err(error) => refused(error)?,
            }
        }
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Io> {
        loop {
            match send(&self.0, from, SEND_FLAGS) {
                Ok(0) => return Err(Io::Reset),
                Ok(len) => return Ok(len),
                Err(error) => refused(error)?,
            }
        }
    }

    fn end(&mut self) {
        // It may be gone already; the next read says so.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

/// No signal when the peer is gone; an Apple system has no such flag, and Rust's runtime ignores the signal there too.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// What an error means; `Ok` to try again at once.
fn refused(error: Errno) -> Result<(), Io> {
    match error {
        Errno::INTR => Ok(()),
        Errno::AGAIN => Err(Io::WouldBlock),
        _ => Err(Io::Reset),
    }
}
