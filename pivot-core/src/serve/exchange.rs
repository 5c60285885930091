//! One admitted request, from its permit to the last byte of its answer.

use core::task::{Context, Poll};

use super::connection::{NONE, Phase};
use super::offload;
use super::refuse::Short;
use super::shared::Shared;
use super::socket::{Host, Io, Socket};
use super::transfer::DRAIN_SIZE_MAX;
use super::worker::Worker;
use crate::admission::concurrency::{Sample as LimitSample, SampleOutcome, Samples};
use crate::admission::shed::Sample;
use crate::admission::{Entry, Permit, Permits, Refusal, Ticket};
use crate::app::buffer::RequestHead;
use crate::app::{About, App, Exchange, Failure, Output, Request, Response, Rest, Routes, Windows};
use crate::http::Status;
use crate::http::h1::decode::BodyLength;
use crate::monitor::{CloseReason, Outcome, WorkerStats};
use crate::pool::Guard;
use crate::time::Instant;

/// A request on its way to its handler.
pub struct Admitted<R: 'static> {
    pub(super) app: &'static App<R>,
    pub(super) shared: &'static Shared,
    pub(super) exchange: &'static Exchange,
    pub(super) head: Guard<'static, RequestHead>,
}

impl<R> core::fmt::Debug for Admitted<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Admitted").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

/// Runs the handler of an admitted request: the future that fills a worker's slots, where there are no threads for handlers that
/// block.
pub async fn run<R: Routes>(admitted: Admitted<R>) {
    let Admitted { app, shared, exchange, head } = admitted;
    handle(app, shared, exchange, &head).await;
    exchange.return_head(head);
}

/// As [`run`], where there are such threads: lets one of them run the handler of a blocking route. For the loops and the threads
/// alike.
pub async fn run_or_offload<R: Routes>(admitted: Admitted<R>) {
    let Admitted { app, shared, exchange, head } = admitted;
    if let Some(offload) = shared.offload
        && shared.is_blocking(&head)
        && !exchange.is_detached()
    {
        if let Some(head) = offload::detour(offload, shared, exchange, head).await {
            exchange.return_head(head);
        }
        return;
    }
    handle(app, shared, exchange, &head).await;
    exchange.return_head(head);
}

/// The handler that a request leads to.
#[inline(always)]
fn handle<'r, R: Routes>(
    app: &'r App<R>,
    shared: &'r Shared,
    exchange: &'r Exchange,
    head: &'r RequestHead,
) -> impl Future<Output = ()> + 'r {
    let index = head.route().map_or(usize::MAX, |route| usize::from(route.0));
    app.call(index, Request::new(exchange, head, &shared.router), Response::new(exchange))
}

/// What the worker knows of an exchange, beside the exchange itself.
///
/// What only a suspended exchange needs stays as in [`Running::nothing`] until it is, and is put back by `release`.
#[derive(Debug)]
pub(super) struct Running {
    exchange: &'static Exchange,
    connection: u32,
    ticket: Option<Ticket<'static>>,
    /// When the head was complete.
    since: Instant,
    /// When the handler started.
    started: Instant,
    /// How many permits were taken then, with its own; 0 if nobody wants to know.
    inflight: u32,
    /// When the handler has to be done, waiting for the client not counted.
    deadline: Instant,
    /// By when the client wants its answer.
    wanted_by: Instant,
    /// What the model of missed deadlines saw of it.
    sample: Option<Sample>,
    /// The route, for the average of its service times.
    route: usize,
    /// Since when it waits for the client.
    waits_since: Option<Instant>,
    /// How far the client may still fall behind its pace.
    slack_us: u64,
    /// When the content has to be complete; set when it is first waited for.
    body_until: Instant,
    /// How much of what came behind the head was content.
    skip_len: usize,
    /// The handler is through; the rest of its content is read and dropped, so that the connection can go on.
    is_answered: bool,
    /// How much of that may still come.
    unread_left: usize,
}

impl Running {
    pub(super) const fn nothing(exchange: &'static Exchange) -> Self {
        Self {
            exchange,
            connection: NONE,
            ticket: None,
            since: Instant::ZERO,
            started: Instant::ZERO,
            inflight: 0,
            deadline: Instant::NEVER,
            wanted_by: Instant::NEVER,
            sample: None,
            route: usize::MAX,
            waits_since: None,
            slack_us: 0,
            body_until: Instant::NEVER,
            skip_len: 0,
            is_answered: false,
            unread_left: DRAIN_SIZE_MAX,
        }
    }

    /// Gives permit and ticket back, and counts the end. The handler has ended.
    #[inline(always)]
    fn release(
        &mut self,
        outcome: Outcome,
        is_failure: bool,
        sampled: SampleOutcome,
        books: &Books,
        now: Instant,
    ) {
        self.connection = NONE;
        self.waits_since = None;
        self.body_until = Instant::NEVER;
        self.is_answered = false;
        self.unread_left = DRAIN_SIZE_MAX;
        drop(self.exchange.take_permit());
        if let Some(ticket) = self.ticket.take()
            && outcome != Outcome::Cancelled
        {
            // What a client cannot wait for says nothing about the route.
            let is_failure = is_failure && !(outcome == Outcome::Timeout && self.wanted_by <= now);
            ticket.report(is_failure, now.since(self.started), now);
        }
        if let Some(samples) = books.samples {
            let limit = books.permits.limit().saturating_sub(books.reserved);
            let us = |from: Instant, to: Instant| u32::try_from(to.micros_since(from)).unwrap_or(u32::MAX);
            let (rtt_us, wait_us) = (us(self.started, now), us(self.since, self.started));
            samples.record(LimitSample { rtt_us, wait_us, inflight: self.inflight, outcome: sampled }, limit);
        }
        books.stats.request_duration.record(now.micros_since(self.since));
        books.stats.end_request(outcome);
    }
}

/// Where a worker writes down how requests end.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) stats: &'static WorkerStats,
    /// For the loop that moves the concurrency limit, if there is one.
    pub(super) samples: Option<&'static Samples>,
    pub(super) permits: &'static Permits,
    /// Permits that are none of the loop's concern.
    pub(super) reserved: u32,
}

impl<S, H, R, M, F> Worker<S, H, R, M, F>
where
    S: Socket + 'static,
    H: Host,
    R: Routes,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Gives a request of the queue its objects and its slot, and runs its handler for the first time.
    pub(super) fn start(&mut self, entry: Entry, permit: Permit<'static>) {
        let index = entry.item;
        let shared = self.shared;
        let connection = &mut self.connections[index as usize];
        let Some(mut request) = connection.request.take() else { return };
        let Some(head) = &request.head else { return };
        let output = match connection.output.take() {
            Some(output) => Ok(output),
            None => self.answers_cached.borrow(),
        };
        let window = match head.body {
            BodyLength::None => Ok(None),
            _ => shared.streams.borrow().map(Some),
        };
        let slot = self.slots.take();
        let (Ok(output), Ok(window), Ok(slot)) = (output, window, slot) else {
            if let Ok(slot) = slot {
                self.slots.give_back(slot);
            }
            connection.request = Some(request);
            drop(permit);
            return self.refuse_queued(index, Refusal::PoolExhausted);
        };
        self.stats.queue_wait.record(self.now.micros_since(entry.since));
        let running = &mut self.running[slot as usize];
        let exchange = running.exchange;
        let deadline = self.now.plus_micros(shared.waits.handler_us).min(request.deadline);
        let about = About { peer: connection.peer, class: entry.class, started: self.now, deadline };
        let has_content = window.is_some();
        exchange.begin(about, head, output, window, shared.config.body_size_max);
        let ticket = request.ticket.take();
        // The window is as large as a head's buffer, so all content that came with the head fits.
        running.skip_len = if has_content { exchange.windows().input.offer(request.rest()) } else { 0 };
        running.connection = index;
        exchange.keep_permit(permit);
        running.ticket = ticket;
        running.since = entry.since;
        running.started = self.now;
        running.inflight = if self.books.samples.is_some() { shared.permits.taken_count() } else { 0 };
        running.deadline = deadline;
        running.wanted_by = request.deadline;
        running.sample = request.sample.take();
        if !self.service_us.is_empty() {
            running.route = request.route().map_or(usize::MAX, |route| usize::from(route.0));
        }
        running.slack_us = shared.waits.grace_us;
        if connection.peer_ended {
            exchange.windows().input.handle_end();
        }
        connection.phase = Phase::Running;
        connection.slot = slot;
        let admitted = Admitted { app: self.app, shared, exchange, head: request };
        self.slots.fill(slot, || (self.spawn)(admitted));
        self.poll_handler(slot);
    }

    /// Runs a handler again that something has become of.
    #[inline(never)]
    pub(super) fn resume(&mut self, slot: u32) {
        if self.running[slot as usize].connection != NONE {
            self.end_waiting(slot);
            self.poll_handler(slot);
        }
    }

    /// Polls a handler, and does what follows from it.
    #[inline(always)]
    fn poll_handler(&mut self, slot: u32) {
        let waker = self.domain.waker(slot as usize);
        let mut context = Context::from_waker(&waker);
        let Some(future) = self.slots.get(slot) else { return };
        let polled = self.host.poll(future, &mut context);
        self.update_clock();
        match polled {
            Ok(Poll::Ready(())) => self.end_exchange(slot, None),
            Ok(Poll::Pending) => self.pump(slot),
            Err(super::Panicked) => self.finish(slot, Some(Outcome::Panicked)),
        }
    }

    /// Moves bytes between the exchange and its socket while the handler is suspended, and sets its deadlines.
    pub(super) fn pump(&mut self, slot: u32) {
        let running = &mut self.running[slot as usize];
        let index = running.connection;
        if index == NONE {
            return;
        }
        let exchange = running.exchange;
        let connection = &mut self.connections[index as usize];
        let Some(socket) = &mut connection.socket else { return };
        let mut windows = exchange.windows();
        let sent = send_committed(socket, &mut windows.output);
        let (Ok(sent_len) | Err(sent_len)) = sent;
        self.stats.sent_bytes.add(sent_len as u64);
        let mut received_len = 0;
        let mut is_gone = sent.is_err();
        let is_answered = running.is_answered;
        // In: as much as the window takes.
        while connection.is_readable && !is_gone {
            let space = windows.input.space();
            if space.is_empty() {
                // No room, or nothing more to come: the bytes wait in the kernel.
                break;
            }
            match socket.read(space) {
                Ok(len) => {
                    received_len += len;
                    windows.input.handle_received(len);
                    if is_answered {
                        running.unread_left = running.unread_left.saturating_sub(windows.input.discard());
                        if running.unread_left == 0 {
                            break;
                        }
                    }
                }
                Err(Io::WouldBlock) => connection.is_readable = false,
                Err(Io::Closed) => {
                    windows.input.handle_end();
                    connection.is_readable = false;
                    connection.peer_ended = true;
                }
                Err(Io::Reset) => is_gone = true,
            }
        }
        self.stats.received_bytes.add(received_len as u64);
        let is_over = windows.input.is_ended() || windows.input.is_broken() || running.unread_left == 0;
        // Who waits for the client goes by the client's pace, everybody else by the handler's deadline.
        let awaits_input = is_answered || windows.input.is_awaited();
        let awaits_output = windows.output.is_awaited();
        drop(windows);
        if is_gone {
            return self.close(index, CloseReason::Reset);
        }
        if is_answered && is_over {
            return self.finish(slot, None);
        }
        let moved_len = sent_len + received_len;
        let rate_min = self.shared.config.body_rate_min;
        let timeouts = &self.shared.config.timeouts;
        if awaits_input || awaits_output {
            let running = &mut self.running[slot as usize];
            if awaits_input && running.body_until == Instant::NEVER {
                running.body_until = self.now.plus(timeouts.body);
            }
            let until = running.body_until;
            if running.waits_since.is_none() {
                running.waits_since = Some(self.now);
                let deadline = self.now.plus_micros(running.slack_us).min(until);
                self.set_deadline(index, deadline);
            }
            self.extend_deadline(index, moved_len, rate_min);
            let connection = &mut self.connections[index as usize];
            connection.deadline = connection.deadline.min(until);
        } else {
            if self.running[slot as usize].waits_since.is_some() {
                self.extend_deadline(index, moved_len, rate_min);
                self.end_waiting(slot);
            }
            self.connections[index as usize].deadline = Instant::NEVER;
        }
        self.arm_exchange(slot);
    }

    /// The client has done its part. The time that it took is not the handler's, and what it has left of its own is kept: a
    /// handler that is resumed by every byte does not give its client more.
    fn end_waiting(&mut self, slot: u32) {
        let running = &mut self.running[slot as usize];
        if let Some(since) = running.waits_since.take() {
            running.deadline = running.deadline.plus(self.now.since(since));
            running.slack_us = self.connections[running.connection as usize].deadline.micros_since(self.now);
        }
    }

    /// Arms the timer of an exchange for its first sleeper or its deadline.
    fn arm_exchange(&mut self, slot: u32) {
        let running = &self.running[slot as usize];
        let deadline = if running.waits_since.is_some() { Instant::NEVER } else { running.deadline };
        let at = running.exchange.timer().map_or(deadline, |timer| timer.min(deadline));
        if at != Instant::NEVER {
            self.timers.arm_by(self.connections.len() as u32 + slot, at, self.now);
        }
    }

    pub(super) fn handle_exchange_timer(&mut self, slot: u32) {
        let running = &self.running[slot as usize];
        if running.connection == NONE {
            return;
        }
        if running.waits_since.is_none() && running.deadline <= self.now {
            return self.finish(slot, Some(Outcome::Timeout));
        }
        running.exchange.handle_timers(self.now);
        self.arm_exchange(slot);
    }

    /// The client was too slow, in sending or in reading.
    pub(super) fn handle_io_timeout(&mut self, index: u32) {
        let slot = self.connections[index as usize].slot;
        let running = &self.running[slot as usize];
        let exchange = running.exchange;
        let awaits_input = running.is_answered || exchange.windows().input.is_awaited();
        let is_committed = exchange.windows().output.is_committed();
        if awaits_input && !is_committed {
            self.end_handler(slot);
            drop(exchange.take_head());
            self.connections[index as usize].output = exchange.end();
            self.slots.give_back(slot);
            // A slow client says nothing of how many requests may run.
            self.running[slot as usize].release(
                Outcome::Timeout,
                true,
                SampleOutcome::Refused,
                &self.books,
                self.now,
            );
            self.enter(index, Phase::Head);
            return self.answer_short(
                index,
                Short::closing(Status::REQUEST_TIMEOUT),
                CloseReason::BodyTimeout,
            );
        }
        let reason = if awaits_input { CloseReason::BodyTimeout } else { CloseReason::WriteTimeout };
        self.cancel(slot, Outcome::Timeout);
        self.enter(index, Phase::Flushing);
        self.close(index, reason);
    }

    /// As [`Worker::end_exchange`], for everybody but a handler that is through at once.
    #[inline(never)]
    fn finish(&mut self, slot: u32, failure: Option<Outcome>) {
        self.end_exchange(slot, failure);
    }

    /// Ends an exchange: its handler is through, or `failure` says what became of it.
    #[inline(always)]
    fn end_exchange(&mut self, slot: u32, mut failure: Option<Outcome>) {
        self.end_handler(slot);
        let running = &mut self.running[slot as usize];
        let exchange = running.exchange;
        let is_plain = failure.is_none() && !self.shared.is_draining() && exchange.is_plain();
        let end = if is_plain {
            End { goes_on: true, is_whole: true, is_read: true, status: exchange.status() }
        } else {
            match exchange.take_failure() {
                Some(Failure::Refused(refusal)) => return self.refuse_running(slot, refusal),
                Some(Failure::Panicked) => failure = Some(Outcome::Panicked),
                None => {}
            }
            match self.conclude(slot, failure) {
                Some(end) => end,
                None => return self.pump(slot),
            }
        };
        let running = &mut self.running[slot as usize];
        let index = running.connection;
        let connection = &mut self.connections[index as usize];
        if let Some(head) = exchange.take_head() {
            // What came behind this request is the beginning of the next one.
            match next_head(head, running.skip_len, exchange) {
                Ok(head) if end.goes_on => connection.request = Some(head),
                Ok(head) | Err(head) => self.heads_cached.give_back(head),
            }
        }
        connection.slot = NONE;
        connection.output = exchange.end();
        self.slots.give_back(slot);
        let outcome = failure.unwrap_or(match end.status.code() {
            _ if !end.is_whole => Outcome::ServerError,
            0..400 => Outcome::Success,
            400..500 => Outcome::ClientError,
            _ => Outcome::ServerError,
        });
        let is_failure = failure.is_some() || outcome == Outcome::ServerError;
        let sampled = match (failure, end.status) {
            (Some(Outcome::Timeout), _) | (None, Status::SERVICE_UNAVAILABLE | Status::GATEWAY_TIMEOUT) => {
                SampleOutcome::Dropped
            }
            _ => SampleOutcome::Served,
        };
        running.release(outcome, is_failure, sampled, &self.books, self.now);
        if running.sample.is_some() || running.route != usize::MAX {
            self.learn(slot, outcome);
        }
        if end.goes_on {
            return self.next_request(index);
        }
        // An answer that broke off ends at once: the client must not take what it has for the whole.
        let connection = &mut self.connections[index as usize];
        connection.must_linger |= !end.is_read;
        connection.must_linger &= end.is_whole;
        let reason = match failure {
            Some(Outcome::Timeout) => CloseReason::HandlerTimeout,
            None if end.is_whole => CloseReason::Finished,
            _ => CloseReason::Broken,
        };
        self.finish_connection(index, reason);
    }

    /// Brings an exchange to its end that is not simply a whole answer to a request without content.
    ///
    /// `None`: so little of the content is still to come that it is waited for.
    #[cold]
    fn conclude(&mut self, slot: u32, failure: Option<Outcome>) -> Option<End> {
        let running = &mut self.running[slot as usize];
        let mut windows = running.exchange.windows();
        let Windows { input, output } = &mut *windows;
        let is_whole = output.ensure(failure.map(status_of), running.exchange.clock());
        // Content that nobody read: a little is read and dropped, for more the connection ends.
        let rest = input.end_reading(&mut running.unread_left);
        let may_last = failure.is_none() && !self.shared.is_draining();
        if rest == Rest::Coming && is_whole && may_last && !running.is_answered {
            output.settle();
            if output.keeps_alive() {
                running.is_answered = true;
                running.waits_since = None;
                return None;
            }
        }
        let is_read = rest == Rest::Read;
        if !(may_last && is_read) {
            output.close_after();
        }
        output.settle();
        Some(End { goes_on: is_whole && output.keeps_alive(), is_whole, is_read, status: output.status() })
    }

    /// Turns a request away that had got its permit: there was no thread for it. Its future has ended.
    #[cold]
    fn refuse_running(&mut self, slot: u32, refusal: Refusal) {
        let running = &mut self.running[slot as usize];
        let (index, exchange) = (running.connection, running.exchange);
        let connection = &mut self.connections[index as usize];
        connection.request = exchange.take_head();
        connection.output = exchange.end();
        self.slots.give_back(slot);
        // The handler had no part in it: the breaker does not hear of it.
        drop(running.ticket.take());
        running.release(Outcome::Refused, false, SampleOutcome::Refused, &self.books, self.now);
        (running.sample, running.route) = (None, usize::MAX);
        self.enter(index, Phase::Head);
        self.answer_refusal(index, refusal, None);
    }

    /// Drops an exchange's handler wherever it stands, and everything that the exchange holds.
    pub(super) fn cancel(&mut self, slot: u32, outcome: Outcome) {
        self.end_handler(slot);
        let running = &mut self.running[slot as usize];
        drop(running.exchange.take_head());
        drop(running.exchange.end());
        self.slots.give_back(slot);
        running.release(outcome, false, SampleOutcome::Abandoned, &self.books, self.now);
        (running.sample, running.route) = (None, usize::MAX);
    }

    /// Tells those who learn how a request ended, and how long its handler took.
    #[cold]
    fn learn(&mut self, slot: u32, outcome: Outcome) {
        let running = &mut self.running[slot as usize];
        let route = core::mem::replace(&mut running.route, usize::MAX);
        if let Some(average) = self.service_us.get_mut(route) {
            // One in eight of what is new, as TCP does with round trips (RFC 6298, section 2).
            let took = u32::try_from(self.now.micros_since(running.started)).unwrap_or(u32::MAX);
            *average = average.saturating_sub(*average / 8).saturating_add(took / 8);
        }
        if let Some(sample) = running.sample.take() {
            let missed = outcome == Outcome::Timeout || self.now > running.wanted_by;
            self.shedder.learn(&sample, missed);
        }
    }

    /// Drops the handler, wherever it stands; nothing wakes it any more.
    #[inline(always)]
    fn end_handler(&mut self, slot: u32) {
        self.domain.set().retire(slot as usize);
        self.slots.clear(slot);
        self.timers.disarm(self.connections.len() as u32 + slot);
    }
}

/// What answers a handler that failed.
const fn status_of(failure: Outcome) -> Status {
    match failure {
        Outcome::Timeout => Status::SERVICE_UNAVAILABLE,
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

/// Sends what is committed of an answer, as far as there is room; how much that was, as an error if the peer is gone.
fn send_committed(socket: &mut impl Socket, output: &mut Output) -> Result<usize, usize> {
    let mut sent_len = 0;
    while !output.sendable().is_empty() {
        match socket.write(output.sendable()) {
            Ok(len) => {
                output.handle_sent(len);
                sent_len += len;
            }
            Err(Io::WouldBlock) => break,
            Err(Io::Closed | Io::Reset) => return Err(sent_len),
        }
    }
    Ok(sent_len)
}

/// The buffer of a head that was answered, with the beginning of the next request: `skip_len` bytes of the content came
/// with the head, and the rest went through the exchange's window. An error if nothing has come of another request.
#[inline(always)]
fn next_head(
    mut head: Guard<'static, RequestHead>,
    skip_len: usize,
    exchange: &Exchange,
) -> Result<Guard<'static, RequestHead>, Guard<'static, RequestHead>> {
    let windows = exchange.windows();
    let leftover = windows.input.leftover();
    if leftover.is_empty() && !head.has_more_than(skip_len) {
        return Err(head);
    }
    head.finish(skip_len);
    if !leftover.is_empty() {
        head.buffer.compact();
        // The window is not larger than the head's buffer, and all of that came into the window.
        let fits = head.buffer.push(leftover);
        debug_assert!(fits, "what follows chunked content fits into a head's buffer");
    }
    Ok(head)
}

/// How an exchange ends, as its connection has to know.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The connection can be used for the next request.
    goes_on: bool,
    /// The client gets all of the answer.
    is_whole: bool,
    /// All content was read: the next request follows.
    is_read: bool,
    status: Status,
}
