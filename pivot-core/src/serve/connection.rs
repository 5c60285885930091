//! One connection: a few words, and buffers only while there is something in them.

use crate::admission::ConnectionPermit;
use crate::app::Peer;
use crate::app::buffer::{Buffer, RequestHead};
use crate::pool::Guard;
use crate::time::Instant;

/// Where a connection stands; see the picture in [`crate::serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's.
    Free,
    /// Between requests.
    Idle,
    /// Something came, and there is no buffer to read it into.
    Stalled,
    /// Has a buffer for a head, and looks for one. Never outlasts a call.
    Head,
    /// Part of a head has come.
    Partial,
    /// Had as many requests answered without a handler as one turn allows, and has more at hand: goes on in the next turn.
    Yielded,
    /// The next request is there, but the answers before it fill the output.
    Blocked,
    /// Admitted, and waiting for a permit. `slot` is its place in the queue.
    Queued,
    /// Was in the queue and gave its place to a more important request; refused in this turn.
    Displaced,
    /// With its handler. `slot` is the exchange.
    Running,
    /// Nothing more is read; when the output is sent, the connection ends.
    Flushing,
    /// Our side has ended; what the peer still sends is dropped, so that it can read our last answer in peace
    /// (RFC 9112, section 9.6).
    Lingering,
}

impl Phase {
    /// Whether the connections in this phase are linked in a list.
    pub(super) const fn has_list(self) -> bool {
        matches!(self, Self::Partial | Self::Stalled | Self::Yielded)
    }
}

/// A connection's entry in its worker's table.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) socket: Option<S>,
    pub(super) permit: Option<ConnectionPermit>,
    pub(super) request: Option<Guard<'static, RequestHead>>,
    pub(super) output: Option<Guard<'static, Buffer>>,
    /// When the current phase has lasted for too long.
    pub(super) deadline: Instant,
    pub(super) slot: u32,
    pub(super) generation: u32,
    pub(super) next: u32,
    pub(super) prev: u32,
    pub(super) peer: Peer,
    /// In `Flushing` and `Lingering`: bytes that may still be read and dropped, in units of 64.
    pub(super) drain_left: u16,
    pub(super) phase: Phase,
    pub(super) is_readable: bool,
    /// The peer has ended its side: behind what is there to read comes the end, and nobody will say so again.
    pub(super) end_is_near: bool,
    pub(super) peer_ended: bool,
    /// The client may not send what it announced: the connection ends after this answer.
    pub(super) must_linger: bool,
    /// It is in the list of those that rest, or have rested there last.
    pub(super) is_rested: bool,
    /// It is in the list of those whose output goes out at the end of the turn.
    pub(super) is_held_back: bool,
    pub(super) close_reason: crate::monitor::CloseReason,
}

/// Nothing: the end of a list.
pub(super) const NONE: u32 = u32::MAX;

impl<S> Connection<S> {
    pub(super) const fn free(next: u32) -> Self {
        Self {
            socket: None,
            permit: None,
            request: None,
            output: None,
            deadline: Instant::NEVER,
            slot: NONE,
            generation: 0,
            next,
            prev: NONE,
            peer: Peer::NOBODY,
            drain_left: 0,
            phase: Phase::Free,
            is_readable: false,
            end_is_near: false,
            peer_ended: false,
            must_linger: false,
            is_rested: false,
            is_held_back: false,
            close_reason: crate::monitor::CloseReason::Finished,
        }
    }
}

/// Connections in the order in which they came here, linked through their entries. An entry is in one list at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(super) fn push<S>(&mut self, table: &mut [Connection<S>], index: u32) {
        let last = core::mem::replace(&mut self.last, index);
        let entry = &mut table[index as usize];
        (entry.prev, entry.next) = (last, NONE);
        match table.get_mut(last as usize) {
            Some(last) => last.next = index,
            None => self.first = index,
        }
    }

    pub(super) fn remove<S>(&mut self, table: &mut [Connection<S>], index: u32) {
        let (prev, next) = (table[index as usize].prev, table[index as usize].next);
        match table.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => self.first = next,
        }
        match table.get_mut(next as usize) {
            Some(next) => next.prev = prev,
            None => self.last = prev,
        }
    }
}
