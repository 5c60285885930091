//! Bytes in, bytes out: reading into whatever the phase needs, sending what is there.

use super::admit::Progress;
use super::connection::{NONE, Phase};
use super::exchange::Admitted;
use super::socket::{Host, Io, Socket};
use super::worker::Worker;
use crate::app::Routes;
use crate::app::buffer::RequestHead;
use crate::monitor::CloseReason;
use crate::pool::Guard;

/// Most bytes that are read and dropped after an answer whose request had content that nobody read.
pub(super) const DRAIN_SIZE_MAX: usize = 16 << 10;
const DRAIN_UNIT: usize = 64;

impl<S, H, R, M, F> Worker<S, H, R, M, F>
where
    S: Socket + 'static,
    H: Host,
    R: Routes,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Reads what there is, as far as the phase has a use for it.
    pub(super) fn receive(&mut self, index: u32) {
        // Bounded: each round reads at least a byte into a head of bounded length, or leaves the loop.
        while self.connections[index as usize].is_readable {
            match self.connections[index as usize].phase {
                Phase::Idle => {
                    let Ok(request) = self.heads_cached.borrow() else {
                        self.enter(index, Phase::Stalled);
                        return;
                    };
                    self.begin_head(index, request);
                }
                Phase::Head | Phase::Partial => {
                    if self.receive_head(index) == Progress::Stop {
                        return;
                    }
                }
                Phase::Running => return self.pump(self.connections[index as usize].slot),
                Phase::Lingering => {
                    if !self.receive_nothing(index) {
                        return;
                    }
                }
                // The bytes wait in the kernel until there is a use for them.
                Phase::Free
                | Phase::Stalled
                | Phase::Yielded
                | Phase::Blocked
                | Phase::Queued
                | Phase::Displaced
                | Phase::Flushing => return,
            }
        }
    }

    /// Gives a connection whose next byte is at hand a buffer for it.
    #[inline(always)]
    pub(super) fn begin_head(&mut self, index: u32, request: Guard<'static, RequestHead>) {
        self.enter(index, Phase::Head);
        self.connections[index as usize].request = Some(request);
    }

    /// A head has come in part: gives the rest its time, and more of it for every byte.
    pub(super) fn await_head(&mut self, index: u32) {
        let timeouts = &self.shared.config.timeouts;
        let connection = &mut self.connections[index as usize];
        let Some(request) = &mut connection.request else { return };
        if connection.phase == Phase::Head {
            request.began = self.now;
            let deadline = self.now.plus(timeouts.grace.min(timeouts.head));
            connection.deadline = deadline;
            self.enter(index, Phase::Partial);
        }
        let deadline = self.connections[index as usize].deadline;
        self.timers.arm_by(index, deadline, self.now);
    }

    fn receive_head(&mut self, index: u32) -> Progress {
        let connection = &mut self.connections[index as usize];
        let (Some(socket), Some(request)) = (&mut connection.socket, &mut connection.request) else {
            return Progress::Stop;
        };
        if request.buffer.space_len() == 0 {
            request.buffer.compact();
        }
        let space = request.buffer.space_mut();
        let space_len = space.len();
        if space_len == 0 {
            // The decoder has judged a full buffer already.
            return Progress::Stop;
        }
        match socket.read(space) {
            Ok(len) => {
                // A short read has drained the socket, but for an end that came with the data.
                connection.is_readable = len == space_len || connection.end_is_near;
                request.buffer.fill(len);
                self.stats.received_bytes.add(len as u64);
                if connection.phase == Phase::Partial {
                    let until = request.began.plus(self.shared.config.timeouts.head);
                    self.extend_deadline(index, len, self.shared.config.head_rate_min);
                    let connection = &mut self.connections[index as usize];
                    connection.deadline = connection.deadline.min(until);
                }
                self.process_head(index)
            }
            Err(Io::WouldBlock) => {
                connection.is_readable = false;
                self.rest_if_nothing_came(index);
                Progress::Stop
            }
            Err(Io::Closed) => {
                let has_answers = connection.output.as_ref().is_some_and(|output| !output.is_empty());
                connection.is_readable = false;
                connection.peer_ended = true;
                if has_answers {
                    connection.close_reason = CloseReason::PeerClosed;
                    connection.request = None;
                    self.enter(index, Phase::Flushing);
                    self.flush(index);
                } else {
                    self.close(index, CloseReason::PeerClosed);
                }
                Progress::Stop
            }
            Err(Io::Reset) => {
                self.close(index, CloseReason::Reset);
                Progress::Stop
            }
        }
    }

    /// A readiness that brought nothing: the connection goes on resting, without a buffer.
    fn rest_if_nothing_came(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        if let Some(request) = connection.request.take_if(|request| request.buffer.is_empty()) {
            self.heads_cached.give_back(request);
            self.enter_idle(index);
        } else {
            self.await_head(index);
        }
    }

    /// Reads and drops; `false` when that is over for now.
    fn receive_nothing(&mut self, index: u32) -> bool {
        let connection = &mut self.connections[index as usize];
        let Some(socket) = &mut connection.socket else { return false };
        let mut nowhere = [0; 512];
        match socket.read(&mut nowhere) {
            Ok(len) if usize::from(connection.drain_left) * DRAIN_UNIT > len => {
                connection.drain_left -= len.div_ceil(DRAIN_UNIT) as u16;
                self.stats.received_bytes.add(len as u64);
                true
            }
            Err(Io::WouldBlock) => {
                connection.is_readable = false;
                false
            }
            // The end that was waited for, or too much of what nobody wants.
            Ok(_) | Err(Io::Closed | Io::Reset) => {
                let reason = connection.close_reason;
                self.close(index, reason);
                false
            }
        }
    }

    pub(super) fn handle_writable(&mut self, index: u32) {
        match self.connections[index as usize].phase {
            Phase::Running => self.pump(self.connections[index as usize].slot),
            _ => self.flush(index),
        }
    }

    /// Sends what the connection has left to send, and goes on with what waited for that.
    pub(super) fn flush(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        if connection.phase == Phase::Free || connection.phase == Phase::Running {
            return;
        }
        let Some(socket) = &mut connection.socket else { return };
        let (mut sent_len, mut error) = (0, None);
        if let Some(output) = &mut connection.output {
            while !output.is_empty() {
                match socket.write(output.filled()) {
                    Ok(len) => {
                        output.consume(len);
                        sent_len += len;
                    }
                    Err(io) => {
                        error = Some(io);
                        break;
                    }
                }
            }
        }
        self.stats.sent_bytes.add(sent_len as u64);
        let phase = connection.phase;
        match error {
            None => {
                if let Some(output) = connection.output.take() {
                    self.answers_cached.give_back(output);
                }
                match phase {
                    Phase::Flushing => self.end_sending(index),
                    Phase::Blocked => self.unblock(index),
                    _ => {}
                }
            }
            Some(Io::WouldBlock) => match phase {
                Phase::Blocked | Phase::Flushing if sent_len > 0 => {
                    let rate_min = self.shared.config.body_rate_min;
                    self.extend_deadline(index, sent_len, rate_min);
                }
                Phase::Idle => {
                    // Nothing else is going on: what is left to send decides how long the connection may live.
                    self.connections[index as usize].close_reason = CloseReason::Finished;
                }
                _ => {}
            },
            Some(Io::Closed | Io::Reset) => self.close(index, CloseReason::Reset),
        }
    }

    /// Everything is sent that will be: closes, or first lets the peer finish talking.
    fn end_sending(&mut self, index: u32) {
        let linger = self.shared.config.timeouts.linger;
        let connection = &mut self.connections[index as usize];
        let reason = connection.close_reason;
        if !connection.must_linger || connection.peer_ended || linger.is_zero() {
            return self.close(index, reason);
        }
        if let Some(socket) = &mut connection.socket {
            socket.end();
        }
        connection.drain_left = (DRAIN_SIZE_MAX / DRAIN_UNIT) as u16;
        connection.is_readable = true;
        let deadline = self.now.plus(linger);
        self.enter(index, Phase::Lingering);
        self.set_deadline(index, deadline);
        self.receive(index);
    }

    /// Ends the connection once its output is sent.
    pub(super) fn finish_connection(&mut self, index: u32, reason: CloseReason) {
        let deadline = self.now.plus(self.shared.config.timeouts.grace);
        let connection = &mut self.connections[index as usize];
        connection.close_reason = reason;
        connection.request = None;
        connection.slot = NONE;
        self.enter(index, Phase::Flushing);
        self.set_deadline(index, deadline);
        self.flush(index);
    }
}
