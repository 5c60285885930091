//! A connection without a network.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use pivot_core::serve::{Io, Socket};

/// The client's end of a connection.
#[derive(Clone, Debug)]
pub struct Wire(Rc<RefCell<State>>);

/// The server's end.
#[derive(Debug)]
pub struct WireEnd(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    client_ended: bool,
    is_reset: bool,
    server_closed: bool,
    server_ended: bool,
    /// Most bytes that one write takes, and how many more are taken at all.
    write_len_max: usize,
    room: usize,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            to_server: VecDeque::new(),
            to_client: Vec::new(),
            client_ended: false,
            is_reset: false,
            server_closed: false,
            server_ended: false,
            write_len_max: usize::MAX,
            room: usize::MAX,
        })))
    }

    pub(crate) fn server_end(&self) -> WireEnd {
        WireEnd(self.0.clone())
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_server.extend(bytes);
    }

    pub(crate) fn end(&self) {
        self.0.borrow_mut().client_ended = true;
    }

    pub(crate) fn reset(&self) {
        self.0.borrow_mut().is_reset = true;
    }

    pub(crate) fn limit_output(&self, len: usize, room: usize) {
        let mut state = self.0.borrow_mut();
        state.write_len_max = len;
        state.room = room;
    }

    pub(crate) fn received(&self) -> Vec<u8> {
        self.0.borrow().to_client.clone()
    }

    /// Whether the server has closed the connection, or ended its side.
    pub(crate) fn is_closed_by_server(&self) -> bool {
        let state = self.0.borrow();
        state.server_closed || state.server_ended
    }
}

impl Socket for WireEnd {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Io> {
        let mut state = self.0.borrow_mut();
        if state.is_reset {
            return Err(Io::Reset);
        }
        if state.to_server.is_empty() {
            return Err(if state.client_ended { Io::Closed } else { Io::WouldBlock });
        }
        let len = into.len().min(state.to_server.len());
        for (byte, sent) in into.iter_mut().zip(state.to_server.drain(..len)) {
            *byte = sent;
        }
        Ok(len)
    }

    fn write(&mut self, from: &[u8]) -> Result<usize, Io> {
        let mut state = self.0.borrow_mut();
        if state.is_reset {
            return Err(Io::Reset);
        }
        let len = from.len().min(state.write_len_max).min(state.room);
        if len == 0 {
            return Err(Io::WouldBlock);
        }
        state.room -= len;
        state.to_client.extend_from_slice(&from[..len]);
        Ok(len)
    }

    fn end(&mut self) {
        self.0.borrow_mut().server_ended = true;
    }
}

impl Drop for WireEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().server_closed = true;
    }
}
