//! One connection of the stack, as the core wants it.

use pivot_core::serve::{Io, Socket};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;

use crate::Sockets;

/// A connection of the stack. Dropping it ends the connection: in order if there is nothing left to read, else by a reset.
#[derive(Debug)]
pub struct StackSocket {
    sockets: &'static Sockets,
    handle: SocketHandle,
}

impl StackSocket {
    pub(crate) fn new(sockets: &'static Sockets, handle: SocketHandle) -> Self {
        Self { sockets, handle }
    }

    fn with<T>(&self, f: impl FnOnce(&mut tcp::Socket<'static>) -> T) -> T {
        f(self.sockets.borrow_mut().get_mut(self.handle))
    }
}

impl Socket for StackSocket {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Io> {
        self.with(|socket| match socket.recv_slice(into) {
            Ok(0) if socket.may_recv() => Err(Io::WouldBlock),
            Ok(0) | Err(tcp::RecvError::Finished) => Err(Io::Closed),
            Ok(len) => Ok(len),
            Err(tcp::RecvError::InvalidState) if socket.is_active() => Err(Io::Closed),
            Err(tcp::RecvError::InvalidState) => Err(Io::Reset),
        })
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Io> {
        self.with(|socket| match socket.send_slice(from) {
            Ok(0) => Err(Io::WouldBlock),
            Ok(len) => Ok(len),
            Err(_) => Err(Io::Reset),
        })
    }

    fn end(&mut self) {
        self.with(tcp::Socket::close);
    }
}

impl Drop for StackSocket {
    fn drop(&mut self) {
        self.with(|socket| {
            if socket.can_recv() {
                socket.abort();
            } else {
                socket.close();
            }
        });
    }
}
