//! The loop of one worker.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token as MioToken, Waker};
use pivot_core::app::Routes;
use pivot_core::exec::Notify;
use pivot_core::serve::{Admitted, Readiness, Shared, Token, Worker};
use pivot_core::time::Instant;

use super::listen::BACKLOG;
use super::socket::{Stream, TcpSocket};
use crate::{Error, StdHost};

/// Interrupts a poller's wait.
#[derive(Debug)]
pub struct PollWaker(Waker);

impl Notify for PollWaker {
    fn notify(&self) {
        // It fails only when the poller is gone, and then nobody waits.
        let _ = self.0.wake();
    }
}

/// A poller and what interrupts the wait for it.
pub(super) fn poller<D: Drive>() -> Result<(Poll, &'static D::Waker), Error> {
    let failed = |source| Error::System { what: "make a poller", source };
    let poll = Poll::new().map_err(failed)?;
    let waker = D::waker(&poll).map_err(failed)?;
    Ok((poll, Box::leak(Box::new(waker))))
}

/// What moves a worker's turns on: the thread that waits for its poller, or a runtime that does other things beside.
pub trait Drive: 'static {
    /// Descriptors for each worker: its poller, its waker, its listener, and what else the wait needs.
    const DESCRIPTORS: u64;

    /// Interrupts its wait.
    type Waker: Notify + Send + 'static;

    /// What interrupts the wait for `poll`.
    ///
    /// # Errors
    /// Those of the system.
    fn waker(poll: &Poll) -> io::Result<Self::Waker>;

    /// Takes turns until the server has drained.
    ///
    /// # Errors
    /// Those of the system, when the worker cannot wait for events.
    fn drive<S, R, M, F>(turns: Turns<S, R, M, F>, waker: &'static Self::Waker) -> io::Result<()>
    where
        S: Stream,
        R: Routes + 'static,
        M: Fn(Admitted<R>) -> F,
        F: Future<Output = ()>;
}

/// The thread itself waits for the poller.
#[derive(Debug)]
pub struct Thread;

impl Drive for Thread {
    const DESCRIPTORS: u64 = 4;

    type Waker = PollWaker;

    fn waker(poll: &Poll) -> io::Result<PollWaker> {
        Waker::new(poll.registry(), WAKER).map(PollWaker)
    }

    fn drive<S, R, M, F>(mut turns: Turns<S, R, M, F>, _waker: &'static PollWaker) -> io::Result<()>
    where
        S: Stream,
        R: Routes + 'static,
        M: Fn(Admitted<R>) -> F,
        F: Future<Output = ()>,
    {
        loop {
            let wait = turns.next_at().map(|at| turns.until(at));
            if turns.turn(wait)? == Turn::Drained {
                return Ok(());
            }
        }
    }
}

/// What a turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There will be more.
    GoesOn,
    /// The server has drained, and every connection is closed.
    Drained,
}

/// A worker with its poller and its listener, whoever moves it on.
pub struct Turns<S: 'static, R: Routes + 'static, M, F: 'static> {
    worker: Worker<S, StdHost, R, M, F>,
    poll: Poll,
    events: Events,
    accepting: Accepting<S>,
    drain_until: Option<Instant>,
    shared: &'static Shared,
    cut_count: Arc<AtomicU64>,
}

impl<S: 'static, R: Routes + 'static, M, F: 'static> std::fmt::Debug for Turns<S, R, M, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").field("drain_until", &self.drain_until).finish_non_exhaustive()
    }
}

impl<S, R, M, F> Turns<S, R, M, F>
where
    S: Stream,
    R: Routes + 'static,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Listens for the worker. `make` makes a stream of what was accepted; connections that the end cuts off are added to `cut_count`.
    pub(super) fn new(
        worker: Worker<S, StdHost, R, M, F>,
        poll: Poll,
        mut listener: TcpListener,
        make: fn(TcpSocket) -> S,
        shared: &'static Shared,
        cut_count: &Arc<AtomicU64>,
    ) -> io::Result<Self> {
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let reserve = File::open("/dev/null").ok();
        Ok(Self {
            worker,
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            accepting: Accepting { listener: Some(listener), make, reserve, again_at: None },
            drain_until: None,
            shared,
            cut_count: Arc::clone(cut_count),
        })
    }

    /// When the next turn is due, if nothing happens before; a moment that has passed means at once.
    ///
    /// The worker counts on being told of wake-ups from here on: the next call has to be [`Turns::turn`], after a wait.
    pub fn next_at(&self) -> Option<Instant> {
        let next = earliest(earliest(self.worker.poll_timeout(), self.accepting.again_at), self.drain_until);
        let is_due = next.is_some_and(|at| at <= self.worker.now());
        if !is_due && !self.worker.prepare_sleep() { Some(self.worker.now()) } else { next }
    }

    /// How far a moment is from the start of the last turn.
    pub fn until(&self, at: Instant) -> Duration {
        Duration::from_micros(at.micros_since(self.worker.now()))
    }

    /// Another descriptor of the poller: readable when a turn would find events.
    ///
    /// # Errors
    /// Those of the system, when there are no more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.poll.registry().as_fd().try_clone_to_owned()
    }

    /// Waits for events, for as long as `wait`, and does one turn of work.
    ///
    /// # Errors
    /// Those of the system, when it cannot wait.
    pub fn turn(&mut self, wait: Option<Duration>) -> io::Result<Turn> {
        if let Err(error) = self.poll.poll(&mut self.events, wait)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        let worker = &mut self.worker;
        worker.end_sleep();
        worker.begin_turn();
        for event in &self.events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accepting.again_at = Some(Instant::ZERO),
                token => worker.handle_ready(token_of(token), readiness_of(event)),
            }
        }
        let now = worker.now();
        let is_draining = self.shared.is_draining();
        if is_draining {
            // Who was let in by the kernel before the end has a right to an answer; from here on the port is closed.
            self.accepting.accept(worker, &self.poll, BACKLOG as usize, now);
            self.accepting.listener = None;
            self.accepting.again_at = None;
        } else if self.accepting.again_at.is_some_and(|at| at <= now) {
            self.accepting.accept(worker, &self.poll, ACCEPTS_MAX, now);
        }
        worker.run();
        if is_draining {
            let until = *self.drain_until.get_or_insert(now.plus(self.shared.config().timeouts.drain));
            if worker.open_count() == 0 || now >= until {
                self.cut_count.fetch_add(worker.close_all() as u64, Ordering::Relaxed);
                return Ok(Turn::Drained);
            }
        }
        Ok(Turn::GoesOn)
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The listening side of a worker.
struct Accepting<S> {
    listener: Option<TcpListener>,
    make: fn(TcpSocket) -> S,
    /// A descriptor to give up when there are no others: for telling a client no.
    reserve: Option<File>,
    /// When to accept again. An edge is told once, so who stops early has to come back by himself.
    again_at: Option<Instant>,
}

impl<S: Stream> Accepting<S> {
    /// Accepts who waits, up to `count_max` of them.
    fn accept<R, M, F>(
        &mut self,
        worker: &mut Worker<S, StdHost, R, M, F>,
        poll: &Poll,
        count_max: usize,
        now: Instant,
    ) where
        R: Routes + 'static,
        M: Fn(Admitted<R>) -> F,
        F: Future<Output = ()>,
    {
        let Some(listener) = &self.listener else { return };
        for _ in 0..count_max {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let Ok(token) = worker.accept((self.make)(TcpSocket(stream)), peer) else { continue };
                    let Some(socket) = worker.socket_mut(token) else { continue };
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    if poll
                        .registry()
                        .register(&mut socket.transport().0, mio_token(token), interest)
                        .is_err()
                    {
                        worker.count_accept_error();
                        worker.handle_ready(token, Readiness { reset: true, ..Readiness::default() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.again_at = None;
                    worker.set_accept_paused(false);
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    worker.count_accept_error();
                    let is_out_of_descriptors = matches!(
                        error.raw_os_error().map(rustix::io::Errno::from_raw_os_error),
                        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
                    );
                    if !is_out_of_descriptors {
                        // The client went away before it was accepted: the next one is not concerned.
                        continue;
                    }
                    if worker.evict_idle() {
                        continue;
                    }
                    // Nobody is idle. One client is told no with the reserve, the others wait a little.
                    drop(self.reserve.take());
                    drop(listener.accept());
                    self.reserve = File::open("/dev/null").ok();
                    self.again_at = Some(now.plus(ACCEPT_PAUSE));
                    worker.set_accept_paused(true);
                    return;
                }
            }
        }
        self.again_at = Some(Instant::ZERO);
    }
}

fn readiness_of(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable(),
        writable: event.is_writable(),
        ended: event.is_read_closed(),
        reset: event.is_error() || (event.is_read_closed() && event.is_write_closed()),
    }
}

fn mio_token(token: Token) -> MioToken {
    MioToken((token.generation as usize) << 32 | token.index as usize)
}

fn token_of(token: MioToken) -> Token {
    Token { index: token.0 as u32, generation: (token.0 >> 32) as u32 }
}

const LISTENER: MioToken = MioToken(usize::MAX);
const WAKER: MioToken = MioToken(usize::MAX - 1);
/// Events taken from the kernel in one turn.
const EVENTS_MAX: usize = 1_024;
/// Clients accepted in one turn: new ones may not keep the old ones waiting.
const ACCEPTS_MAX: usize = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
