//! One worker: its connections, its exchanges, its queue, and the turns that move them on.

use core::fmt;
use core::net::SocketAddr;

use super::connection::{Connection, List, NONE, Phase};
use super::exchange::{Admitted, Books, Running};
use super::refuse::Short;
use super::shared::{Shared, StartError, limit_config};
use super::socket::{Host, Readiness, Socket};
use crate::admission::concurrency::LimitLoop;
use crate::admission::shed::{Load, Strategy};
use crate::admission::{ClientKey, Queue, QueueNode, Refusal, Shedder};
use crate::app::buffer::{Buffer, RequestHead};
use crate::app::{App, Clockface, Exchange, Peer, Routes};
use crate::exec::{Domain, Node, Notify, ReadySet, Slots, Wheel};
use crate::http::Status;
use crate::mode::{Config, Draft};
use crate::monitor::{CloseReason, Outcome, WorkerStats};
use crate::pool::Cache;
use crate::storage::{Arena, Plan, take_one, take_pinned};
use crate::sync::AtomicU32;
use crate::time::{Duration, Instant};

/// A connection, as its backend names it. One of a connection that is gone is recognised and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// The connection's place in its worker's table.
    pub index: u32,
    /// Which of the connections that had this place.
    pub generation: u32,
}

/// Why a connection was not taken; it is closed by dropping its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// `connections_max` are open, and none of this worker's is idle.
    Full,
    /// The client has as many as `connections_per_client`.
    PerClient,
}

/// One loop's share of a server.
///
/// `S` is the backend's socket, `H` what surrounds the worker, `R` the application's routes, `F` the future that `M`
/// makes of an admitted request: see [`super::run`].
pub struct Worker<S: 'static, H, R: Routes + 'static, M, F: 'static> {
    pub(super) shared: &'static Shared,
    pub(super) stats: &'static WorkerStats,
    /// Its number among the workers.
    pub(super) number: u16,
    pub(super) host: H,
    pub(super) app: &'static App<R>,
    pub(super) spawn: M,
    pub(super) clock: &'static Clockface,
    pub(super) now: Instant,
    pub(super) connections: &'static mut [Connection<S>],
    free: u32,
    /// In the order of their last rest. Who has begun something since is taken out when somebody looks, or rests again.
    rested: List,
    /// By phase: who has waited longest is first.
    pub(super) heads: List,
    pub(super) stalled: List,
    yielded: List,
    /// Buffers of this worker's own.
    pub(super) heads_cached: Cache<'static, RequestHead>,
    pub(super) answers_cached: Cache<'static, Buffer>,
    /// When they go back to all, if none is needed until then.
    cached_until: Instant,
    pub(super) queue: Queue,
    pub(super) slots: Slots<F>,
    pub(super) running: &'static mut [Running],
    pub(super) domain: Domain,
    pub(super) timers: Wheel,
    pub(super) shedder: Shedder<'static>,
    /// Connections whose request lost its place in the queue.
    pub(super) displaced: heapless::Vec<u32, DISPLACED_MAX>,
    /// The loop that moves the concurrency limit, with the first worker, if there is one.
    limit_loop: &'static mut [LimitLoop],
    /// What handlers of each route take, as a moving average in microseconds; none if nobody learns from it.
    pub(super) service_us: &'static mut [u32],
    pub(super) books: Books,
    /// Connections whose answers wait for the end of the turn, to go out with those of later requests.
    pub(super) unsent: heapless::Vec<u32, UNSENT_MAX>,
    pub(super) dice: u32,
    /// [`Worker::next_request`] is at work, and has to go round again.
    pub(super) is_advancing: bool,
    pub(super) goes_on: bool,
    open_count: usize,
}

/// Most connections whose answers are held back to the end of a turn.
const UNSENT_MAX: usize = 64;
/// Most requests that lose their place in the queue between two rounds of refusals; the next one keeps it.
const DISPLACED_MAX: usize = 32;
/// Most times in a turn that a connection goes on which had its share before.
const YIELDED_MAX: usize = 64;
/// How long handlers run before the worker looks at I/O again.
const SLICE: Duration = Duration::from_millis(5);
/// How soon to ask again for a permit that another worker holds.
const PERMIT_POLL: Duration = Duration::from_millis(1);
/// How long a worker keeps buffers to itself that it does not need: a pause, not the end of its work.
const CACHED_FOR_US: u64 = 10_000;
/// A partial head this old may be dropped for the buffer that it holds.
const HEAD_EVICTABLE_AFTER: Duration = Duration::from_millis(500);

impl<S, H, R: Routes, M, F> Worker<S, H, R, M, F> {
    /// What [`Worker::new`] takes.
    pub const fn plan(plan: Plan, config: &Config) -> Plan {
        let config = config.get();
        let (open_max, slot_count) = (config.connections_max, config.concurrency_max);
        plan.with_one::<App<R>>()
            .with_one::<Clockface>()
            .with::<Connection<S>>(open_max)
            .with::<Node>(open_max + slot_count)
            .with::<QueueNode>(config.queue_max / config.workers)
            .with::<u32>(slot_count)
            .with_pinned::<F>(slot_count)
            .with::<Exchange>(slot_count)
            .with::<Running>(slot_count)
            .with::<AtomicU32>(ReadySet::words_for(slot_count))
            .with::<AtomicU32>(slot_count)
            .with_one::<ReadySet>()
            .with::<LimitLoop>(if config.limit.is_some() { 1 } else { 0 })
            .with::<u32>(service_times_for::<R>(config))
    }
}

impl<S, H, R, M, F> Worker<S, H, R, M, F>
where
    S: Socket + 'static,
    H: Host,
    R: Routes,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Takes a worker's tables from `arena`. `spawn` is [`super::run`].
    ///
    /// # Errors
    /// [`StartError`] if the arena is too small, or the process has too many workers.
    pub fn new(
        arena: &mut impl Arena,
        shared: &'static Shared,
        index: usize,
        app: App<R>,
        host: H,
        notify: &'static dyn Notify,
        spawn: M,
    ) -> Result<Self, StartError> {
        let config = &shared.config;
        let app: &'static App<R> = take_one(arena, "application", app)?;
        let clock: &'static Clockface = take_one(arena, "clock", Clockface::new())?;
        let (open_max, slot_count) = (config.connections_max, config.concurrency_max);
        let last = open_max as u32 - 1;
        let connections = arena.take("connections", open_max, |index| {
            Connection::free(if index as u32 == last { NONE } else { index as u32 + 1 })
        })?;
        let nodes = arena.take("timers", open_max + slot_count, |_| Node::IDLE)?;
        let places = config.queue_max / config.workers;
        let queue = Queue::new(arena.take("queue", places, |_| QueueNode::FREE)?, config.timeouts.queue);
        let free = arena.take("slot list", slot_count, |_| 0_u32)?;
        let slots = Slots::new(take_pinned(arena, "handler futures", slot_count)?, free);
        let exchanges: &'static [Exchange] = arena.take("exchanges", slot_count, |_| Exchange::new(clock))?;
        let running = arena.take("running", slot_count, |index| Running::nothing(&exchanges[index]))?;
        let words = arena.take("ready words", ReadySet::words_for(slot_count), |_| AtomicU32::new(0))?;
        let generations = arena.take("generations", slot_count, |_| AtomicU32::new(0))?;
        let set = take_one(arena, "ready set", ReadySet::new(words, generations, notify))?;
        let now = host.now();
        // The first worker runs the loop for all.
        let limit = if index == 0 { limit_config(config) } else { None };
        let mut limit = limit.map(LimitLoop::new).transpose().map_err(StartError::Config)?.into_iter();
        let limit_loop =
            arena.take("limit loop", limit.len(), |_| limit.next().expect("as many as were counted"))?;
        let service_us = arena.take("service times", service_times_for::<R>(config), |_| 0_u32)?;
        Ok(Self {
            shared,
            stats: &shared.stats[index],
            number: index as u16,
            host,
            app,
            spawn,
            clock,
            now,
            connections,
            free: 0,
            rested: List::EMPTY,
            heads: List::EMPTY,
            stalled: List::EMPTY,
            yielded: List::EMPTY,
            heads_cached: Cache::new(&shared.requests, config.workers),
            answers_cached: Cache::new(&shared.responses, config.workers),
            cached_until: Instant::NEVER,
            queue,
            slots,
            running,
            domain: Domain::register(set).map_err(StartError::Domains)?,
            timers: Wheel::new(nodes, now),
            shedder: Shedder::new(config.shed, &shared.shed_cursor, config.workers, now),
            displaced: heapless::Vec::new(),
            limit_loop,
            service_us,
            books: Books {
                stats: &shared.stats[index],
                samples: shared.samples.get(index),
                permits: &shared.permits,
                reserved: config.concurrency_reserved as u32,
            },
            unsent: heapless::Vec::new(),
            dice: (shared.seed.0 >> 32) as u32 ^ index as u32,
            is_advancing: false,
            goes_on: false,
            open_count: 0,
        })
    }

    /// Takes a new connection. Its first readiness has to be reported like any other. While the server drains, it is served
    /// if its request has come by the next turn, and closed if not.
    ///
    /// At the cap, this worker's longest idle connection makes room.
    ///
    /// # Errors
    /// [`AcceptError`] and the socket, to be dropped.
    pub fn accept(&mut self, socket: S, peer: SocketAddr) -> Result<Token, (S, AcceptError)> {
        self.stats.accepted.add(1);
        // Closing counts one connection less, and this one was never counted as open.
        let refused = |worker: &Self, error| {
            worker.stats.connections.add(1);
            worker.stats.close(CloseReason::OverCap);
            error
        };
        let key = ClientKey::of_address(peer.ip(), self.shared.seed);
        let mut permit = self.shared.connections.try_open(key);
        if matches!(permit, Err("connections_max")) && self.evict_idle() {
            permit = self.shared.connections.try_open(key);
        }
        let permit = match permit {
            Ok(permit) => permit,
            Err("connections_per_client") => return Err((socket, refused(self, AcceptError::PerClient))),
            Err(_) => return Err((socket, refused(self, AcceptError::Full))),
        };
        let index = self.free;
        let Some(connection) = self.connections.get_mut(index as usize) else {
            return Err((socket, refused(self, AcceptError::Full)));
        };
        self.free = connection.next;
        connection.socket = Some(socket);
        connection.permit = Some(permit);
        connection.peer = Peer::new(peer);
        connection.is_readable = false;
        connection.end_is_near = false;
        connection.peer_ended = false;
        connection.must_linger = false;
        connection.close_reason = CloseReason::Finished;
        self.open_count += 1;
        self.stats.connections.add(1);
        let generation = connection.generation;
        self.enter_idle(index);
        Ok(Token { index, generation })
    }

    /// The socket of a connection, for a backend that has to register it.
    pub fn socket_mut(&mut self, token: Token) -> Option<&mut S> {
        let connection = self.connections.get_mut(token.index as usize)?;
        if connection.generation != token.generation { None } else { connection.socket.as_mut() }
    }

    /// Something became of a connection: reads, decodes and admits what is there, or sends what waited for room.
    pub fn handle_ready(&mut self, token: Token, readiness: Readiness) {
        let Some(connection) = self.connections.get_mut(token.index as usize) else { return };
        if connection.generation != token.generation || connection.phase == Phase::Free {
            return;
        }
        if readiness.reset {
            return self.handle_reset(token.index);
        }
        connection.is_readable |= readiness.readable || readiness.ended;
        connection.end_is_near |= readiness.ended;
        // An edge reports all that is ready, so most events say that there is room for what is not there.
        if readiness.writable && (connection.output.is_some() || connection.phase == Phase::Running) {
            self.handle_writable(token.index);
        }
        self.receive(token.index);
        self.refuse_displaced();
    }

    /// Starts a turn: reads the clock, and does what is due.
    pub fn begin_turn(&mut self) {
        self.update_clock();
        while let Some(timer) = self.timers.pop(self.now) {
            match timer.checked_sub(self.connections.len() as u32) {
                None => self.handle_connection_timer(timer),
                Some(slot) => self.handle_exchange_timer(slot),
            }
        }
        if self.yielded.first != NONE {
            self.serve_yielded();
        }
        self.refuse_expired();
        if self.shedder.tick(&mut self.queue, self.now) {
            self.note_shedding();
        }
        let limit_due = self.limit_loop.first().and_then(LimitLoop::poll_timeout);
        if limit_due.is_some_and(|due| due <= self.now) {
            self.move_limit();
        }
        if self.now >= self.cached_until
            || self.shared.requests.is_wanted()
            || self.shared.responses.is_wanted()
        {
            self.clear_caches();
        }
        if self.shared.is_draining() {
            self.end_idle();
        }
    }

    /// Closes the connections that rest, but for those whose next request has come already.
    #[cold]
    fn end_idle(&mut self) {
        // Bounded: each round takes a connection out of its rest, and while the server drains none comes back to it.
        while let Some(index) = self.first_idle() {
            self.connections[index as usize].is_readable = true;
            self.receive(index);
            if self.connections[index as usize].phase == Phase::Idle {
                self.close(index, CloseReason::Drained);
            }
        }
        self.refuse_displaced();
    }

    /// The second phase of a turn: runs handlers, in the order of their classes, for one slice of time.
    pub fn run(&mut self) {
        let until = self.now.plus(SLICE);
        let set = self.domain.set();
        set.take(|slot| self.resume(slot as u32));
        while self.now < until {
            // Handlers took time: who came too late meanwhile is not started.
            self.refuse_expired();
            let Some(class) = self.queue.first_class() else { break };
            let Some(permit) = self.shared.permits.try_take(class) else { break };
            let Some(entry) = self.queue.pop() else { break };
            self.shedder.observe_start();
            self.start(entry, permit);
        }
        self.refuse_displaced();
        while let Some(index) = self.unsent.pop() {
            self.connections[index as usize].is_held_back = false;
            self.flush(index);
        }
        self.serve_stalled();
        self.note_caches();
    }

    /// When the worker has to be run again at the latest; a moment that has passed means at once.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.domain.set().is_any_ready() || self.yielded.first != NONE {
            return Some(self.now);
        }
        let mut timer = self.timers.poll_timeout();
        if self.cached_until != Instant::NEVER {
            timer = Some(timer.map_or(self.cached_until, |timer| timer.min(self.cached_until)));
        }
        if self.stalled.first != NONE {
            // Another worker may return the buffer that is waited for.
            let ask_again = self.now.plus(PERMIT_POLL);
            timer = Some(timer.map_or(ask_again, |timer| timer.min(ask_again)));
        }
        // Alone, a worker that has nothing to do has nothing to learn either.
        let limit_timer = if self.shared.config.workers > 1 { self.limit_loop.first() } else { None };
        let limit_timer = limit_timer.and_then(LimitLoop::poll_timeout);
        for at in [self.shedder.poll_timeout(), limit_timer].into_iter().flatten() {
            timer = Some(timer.map_or(at, |timer| timer.min(at)));
        }
        let Some(class) = self.queue.first_class() else { return timer };
        // Somebody waits: for the rest of the slice, or for a permit. Our own permits come back in our own turns.
        let limit = self.shared.permits.limit();
        let has_permit = self.shared.permits.taken_count()
            < limit.saturating_sub(if class == crate::admission::Class::System {
                0
            } else {
                self.shared.config.concurrency_reserved as u32
            });
        let ask_again = if has_permit { self.now } else { self.now.plus(PERMIT_POLL) };
        Some(timer.map_or(ask_again, |timer| timer.min(ask_again)))
    }

    /// Announces that the backend is about to wait for I/O. `false`: a handler became ready, do not wait.
    pub fn prepare_sleep(&self) -> bool {
        self.domain.set().prepare_sleep()
    }

    /// Announces that the backend is awake again.
    pub fn end_sleep(&self) {
        self.domain.set().end_sleep();
    }

    /// Closes the connection that has been idle for longest; `false` if none is idle.
    ///
    /// For a backend that has run out of descriptors.
    pub fn evict_idle(&mut self) -> bool {
        let index = self.first_idle();
        if let Some(index) = index {
            self.close(index, CloseReason::Evicted);
        }
        index.is_some()
    }

    /// Counts an error of accepting.
    pub fn count_accept_error(&self) {
        self.stats.accept_errors.add(1);
    }

    /// Tells whether the backend accepts nobody for lack of descriptors.
    pub fn set_accept_paused(&self, is_paused: bool) {
        self.stats.accept_paused.set(is_paused.into());
    }

    /// How many of this worker's connections are open.
    pub fn open_count(&self) -> usize {
        self.open_count
    }

    /// Closes every connection, wherever it stands; answers how many were cut off in the middle of something.
    pub fn close_all(&mut self) -> usize {
        self.clear_caches();
        let mut cut_count = 0;
        for index in 0..self.connections.len() as u32 {
            let phase = self.connections[index as usize].phase;
            if phase != Phase::Free {
                cut_count += usize::from(!matches!(phase, Phase::Idle | Phase::Lingering));
                self.close(index, CloseReason::Drained);
            }
        }
        cut_count
    }

    /// The moment at which the worker last read the clock: at the start of its turn, or after a handler.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What surrounds the worker.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Tells what the worker keeps to itself, and for how long.
    #[inline]
    fn note_caches(&mut self) {
        let (heads, answers) = (self.heads_cached.len() as u64, self.answers_cached.len() as u64);
        self.stats.heads_cached.set(heads);
        self.stats.answers_cached.set(answers);
        self.cached_until =
            if heads + answers == 0 { Instant::NEVER } else { self.now.plus_micros(CACHED_FOR_US) };
    }

    #[cold]
    fn clear_caches(&mut self) {
        self.heads_cached.clear();
        self.answers_cached.clear();
        self.note_caches();
    }

    /// Goes on with connections that have had their share of an earlier turn.
    #[cold]
    fn serve_yielded(&mut self) {
        for _ in 0..YIELDED_MAX {
            let index = self.yielded.first;
            if index == NONE {
                break;
            }
            self.enter(index, Phase::Head);
            self.next_request(index);
        }
        self.refuse_displaced();
    }

    /// Refuses those of the queue that can no longer start in time.
    #[inline]
    fn refuse_expired(&mut self) {
        while let Some(entry) = self.queue.pop_expired(self.now) {
            self.refuse_queued(entry.item, Refusal::QueueExpired);
        }
    }

    /// Tells how the queue stands, once in an interval.
    #[cold]
    fn note_shedding(&mut self) {
        self.stats.shed_wait_us.set(self.shedder.wait_us());
        if let Some(calibration) = self.shedder.calibration() {
            self.stats.model_brier_ppm.set(calibration.brier_ppm());
            self.stats.model_error_ppm.set(calibration.error_ppm());
            self.stats.model_missed_ppm.set(calibration.missed_ppm());
            self.stats.model_trusted.set(calibration.is_trusted().into());
            let pools = [self.shared.responses.metrics(), self.shared.requests.metrics()];
            let scarcest = pools.into_iter().min_by_key(|pool| pool.capacity.saturating_sub(pool.lent));
            self.shedder.set_load(Load {
                running: self.shared.permits.taken_count(),
                running_max: self.shared.permits.limit(),
                pool_free: scarcest.map_or(0, |pool| pool.capacity.saturating_sub(pool.lent)),
                pool_size: scarcest.map_or(0, |pool| pool.capacity),
            });
        }
    }

    /// Lets the loop look at what became of requests, and sets the limit that it wants.
    #[cold]
    fn move_limit(&mut self) {
        let (shared, now) = (self.shared, self.now);
        for limit_loop in self.limit_loop.iter_mut() {
            if let Some(limit) = limit_loop.handle_timeout(shared.samples.iter(), now) {
                shared.permits.set_limit(limit + self.books.reserved);
            }
        }
    }

    pub(super) fn update_clock(&mut self) {
        // A clock that is set back stands still for us.
        self.now = self.host.now().max(self.now);
        self.clock.set(self.now, self.host.unix_s());
    }

    /// Puts a connection to rest between requests.
    pub(super) fn enter_idle(&mut self, index: u32) {
        self.enter(index, Phase::Idle);
        if self.rested.last != index {
            self.leave_rested(index);
            self.rested.push(self.connections, index);
            self.connections[index as usize].is_rested = true;
        }
        self.set_deadline(index, self.now.plus_micros(self.shared.waits.idle_us));
    }

    /// The connection that has been idle for longest.
    ///
    /// Takes out those that are not idle any more: as many steps as connections came to rest since, all in all.
    fn first_idle(&mut self) -> Option<u32> {
        while let Some(connection) = self.connections.get(self.rested.first as usize) {
            if connection.phase == Phase::Idle {
                return Some(self.rested.first);
            }
            self.leave_rested(self.rested.first);
        }
        None
    }

    fn leave_rested(&mut self, index: u32) {
        if core::mem::take(&mut self.connections[index as usize].is_rested) {
            self.rested.remove(self.connections, index);
        }
    }

    /// Changes the phase, and takes the connection out of the list of its old one.
    #[inline(always)]
    pub(super) fn enter(&mut self, index: u32, phase: Phase) {
        let old = core::mem::replace(&mut self.connections[index as usize].phase, phase);
        if old.has_list() || phase.has_list() {
            self.change_list(index, old, phase);
        }
    }

    #[cold]
    fn change_list(&mut self, index: u32, old: Phase, new: Phase) {
        match old {
            Phase::Partial => self.heads.remove(self.connections, index),
            Phase::Stalled => self.stalled.remove(self.connections, index),
            Phase::Yielded => self.yielded.remove(self.connections, index),
            _ => {}
        }
        match new {
            Phase::Partial => {
                self.leave_rested(index);
                self.heads.push(self.connections, index);
            }
            Phase::Stalled => {
                self.leave_rested(index);
                self.stalled.push(self.connections, index);
            }
            Phase::Yielded => {
                self.leave_rested(index);
                self.yielded.push(self.connections, index);
            }
            _ => {}
        }
    }

    /// Gives the connection until `deadline` for what it is doing.
    #[inline(always)]
    pub(super) fn set_deadline(&mut self, index: u32, deadline: Instant) {
        self.connections[index as usize].deadline = deadline;
        self.timers.arm_by(index, deadline, self.now);
    }

    /// Moves the deadline by what `len` bytes are worth at a minimum rate, but not beyond the grace from now.
    pub(super) fn extend_deadline(&mut self, index: u32, len: usize, rate_min: u32) {
        let worth = Duration::from_micros(len as u64 * 1_000_000 / u64::from(rate_min));
        let furthest = self.now.plus(self.shared.config.timeouts.grace);
        let connection = &mut self.connections[index as usize];
        // The timer is not moved: it fires at the old deadline and is armed again for the rest.
        connection.deadline = connection.deadline.plus(worth).min(furthest);
    }

    /// Ends a connection, and whatever it was in the middle of.
    pub(super) fn close(&mut self, index: u32, reason: CloseReason) {
        let slot = self.connections[index as usize].slot;
        match self.connections[index as usize].phase {
            Phase::Free => return,
            Phase::Queued => {
                self.queue.remove(slot);
                self.stats.end_request(Outcome::Cancelled);
            }
            Phase::Displaced => self.stats.end_request(Outcome::Cancelled),
            Phase::Running => self.cancel(slot, Outcome::Cancelled),
            _ => {}
        }
        self.enter(index, Phase::Free);
        self.leave_rested(index);
        self.timers.disarm(index);
        let connection = &mut self.connections[index as usize];
        connection.request = None;
        connection.output = None;
        connection.socket = None;
        if let Some(permit) = connection.permit.take() {
            self.shared.connections.close(permit);
        }
        connection.slot = NONE;
        connection.generation = connection.generation.wrapping_add(1);
        connection.next = self.free;
        self.free = index;
        self.open_count -= 1;
        self.stats.close(reason);
    }

    fn handle_reset(&mut self, index: u32) {
        let reason = match self.connections[index as usize].phase {
            Phase::Idle | Phase::Stalled | Phase::Lingering => CloseReason::PeerClosed,
            _ => CloseReason::Reset,
        };
        self.close(index, reason);
    }

    fn handle_connection_timer(&mut self, index: u32) {
        let deadline = self.connections[index as usize].deadline;
        if deadline > self.now {
            if deadline != Instant::NEVER {
                self.timers.arm(index, deadline, self.now);
            }
            return;
        }
        match self.connections[index as usize].phase {
            Phase::Free | Phase::Queued | Phase::Displaced | Phase::Yielded | Phase::Head => {}
            Phase::Idle | Phase::Stalled => self.close(index, CloseReason::IdleTimeout),
            Phase::Partial => {
                self.stats.requests.add(1);
                self.stats.end_request(Outcome::Timeout);
                self.answer_short(index, Short::closing(Status::REQUEST_TIMEOUT), CloseReason::HeadTimeout);
            }
            Phase::Blocked | Phase::Flushing => self.close(index, CloseReason::WriteTimeout),
            Phase::Lingering => {
                let reason = self.connections[index as usize].close_reason;
                self.close(index, reason);
            }
            Phase::Running => self.handle_io_timeout(index),
        }
    }

    /// Gives buffers that came back to those who wait for one, the longest waiting first.
    fn serve_stalled(&mut self) {
        // Each round either serves one or ends, so this is bounded by the list.
        while self.stalled.first != NONE {
            let index = self.stalled.first;
            let Ok(request) = self.heads_cached.borrow() else {
                // A partial head that has been there for long gives its buffer up.
                let oldest = self.heads.first;
                let Some(head) = self.connections.get(oldest as usize) else { return };
                let age_left = head.deadline.since(self.now);
                let grace = self.shared.config.timeouts.grace;
                if age_left.saturating_add(HEAD_EVICTABLE_AFTER) > grace {
                    return;
                }
                self.stats.requests.add(1);
                self.stats.refuse(Refusal::PoolExhausted);
                self.stats.end_request(Outcome::Refused);
                self.close(oldest, CloseReason::Evicted);
                continue;
            };
            self.begin_head(index, request);
            self.receive(index);
        }
    }
}

/// A number that clients cannot foresee well enough to gain by it.
#[inline]
pub(super) const fn roll(dice: &mut u32) -> u32 {
    // xorshift32 (Marsaglia, 2003); it spreads retries and cohorts, and keeps no secret.
    *dice |= 1;
    *dice ^= *dice << 13;
    *dice ^= *dice >> 17;
    *dice ^= *dice << 5;
    *dice
}

/// How many routes have their service times measured.
const fn service_times_for<R: Routes>(config: &Draft) -> usize {
    match config.shed.strategy {
        Strategy::Adaptive { predict: true, .. } => R::COUNT,
        _ => 0,
    }
}

impl<S: 'static, H, R: Routes, M, F> fmt::Debug for Worker<S, H, R, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("open_count", &self.open_count).finish_non_exhaustive()
    }
}
