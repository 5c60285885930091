//! What a backend provides.

use core::pin::Pin;
use core::task::{Context, Poll};

use crate::time::Instant;

/// One end of a connection. Nothing here ever blocks.
pub trait Socket {
    /// Reads what is there into `into`, which is not empty; answers how much, at least 1.
    ///
    /// # Errors
    /// [`Io`] says why there is nothing.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Io>;

    /// Writes as much of `from` as there is room for; answers how much, at least 1.
    ///
    /// # Errors
    /// [`Io`] says why there is no room.
    fn write(&mut self, from: &[u8]) -> Result<usize, Io>;

    /// Says that nothing more will be written.
    fn end(&mut self);
}

/// Why a socket gave or took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Try again when it is ready.
    WouldBlock,
    /// The peer will send no more.
    Closed,
    /// The connection is gone.
    Reset,
}

/// What became of a socket since somebody last looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be something to read, or the peer has ended its side.
    pub readable: bool,
    /// There may be room to write.
    pub writable: bool,
    /// The peer has ended its side: after what is there to read comes the end.
    pub ended: bool,
    /// The connection is gone.
    pub reset: bool,
}

/// What surrounds a worker.
pub trait Host {
    /// The time.
    fn now(&self) -> Instant;

    /// Seconds since 1970, where they are known.
    fn unix_s(&self) -> Option<u64>;

    /// Polls a handler.
    ///
    /// # Errors
    /// [`Panicked`] where panics can be caught. Elsewhere a panic ends the program, and nothing has to be done here.
    fn poll<F: Future<Output = ()>>(
        &self,
        future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Result<Poll<()>, Panicked> {
        Ok(future.poll(context))
    }
}

/// A handler panicked, and must not be polled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;
