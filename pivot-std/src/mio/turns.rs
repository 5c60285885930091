//! The loop of one worker.

use std::fs::File;
use std::io;
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

use super::socket::TcpSocket;
use crate::{Error, StdHost};

/// Interrupts a poller's wait.
pub(super) struct PollWaker(pub(super) Waker);

impl Notify for PollWaker {
    fn notify(&self) {
        // It fails only when the poller is gone, and then nobody waits.
        let _ = self.0.wake();
    }
}

/// A poller and what interrupts its wait.
pub(super) fn poller() -> Result<(Poll, &'static PollWaker), Error> {
    let failed = |source| Error::System { what: "make a poller", source };
    let poll = Poll::new().map_err(failed)?;
    let waker = Waker::new(poll.registry(), WAKER).map_err(failed)?;
    Ok((poll, Box::leak(Box::new(PollWaker(waker)))))
}

/// Runs a worker until the server has drained; answers how many connections were cut off.
pub(super) fn run<R, M, F>(
    mut worker: Worker<TcpSocket, StdHost, R, M, F>,
    mut poll: Poll,
    mut listener: TcpListener,
    shared: &'static Shared,
    cut_count: &Arc<AtomicU64>,
) -> io::Result<()>
where
    R: Routes + 'static,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut accepting =
        Accepting { listener: Some(listener), reserve: File::open("/dev/null").ok(), again_at: None };
    let mut events = Events::with_capacity(EVENTS_MAX);
    let mut drain_until = None;
    loop {
        let timeout = earliest(earliest(worker.poll_timeout(), accepting.again_at), drain_until);
        let mut wait = timeout.map(|at| Duration::from_micros(at.micros_since(worker.now())));
        if wait != Some(Duration::ZERO) && !worker.prepare_sleep() {
            wait = Some(Duration::ZERO);
        }
        if let Err(error) = poll.poll(&mut events, wait)
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        worker.end_sleep();
        worker.begin_turn();
        for event in &events {
            match event.token() {
                WAKER => {}
                LISTENER => accepting.again_at = Some(Instant::ZERO),
                token => worker.handle_ready(token_of(token), readiness_of(event)),
            }
        }
        let now = worker.now();
        if accepting.again_at.is_some_and(|at| at <= now) {
            accepting.accept(&mut worker, &poll, now);
        }
        worker.run();
        if shared.is_draining() {
            // The backlog was accepted and refused above; from here on the port is closed.
            accepting.listener = None;
            accepting.again_at = None;
            let until = *drain_until.get_or_insert(now.plus(shared.config().timeouts.drain));
            if worker.open_count() == 0 || now >= until {
                cut_count.fetch_add(worker.close_all() as u64, Ordering::Relaxed);
                return Ok(());
            }
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The listening side of a worker.
struct Accepting {
    listener: Option<TcpListener>,
    /// A descriptor to give up when there are no others: for telling a client no.
    reserve: Option<File>,
    /// When to accept again. An edge is told once, so who stops early has to come back by himself.
    again_at: Option<Instant>,
}

impl Accepting {
    fn accept<R, M, F>(&mut self, worker: &mut Worker<TcpSocket, StdHost, R, M, F>, poll: &Poll, now: Instant)
    where
        R: Routes + 'static,
        M: Fn(Admitted<R>) -> F,
        F: Future<Output = ()>,
    {
        let Some(listener) = &self.listener else { return };
        for _ in 0..ACCEPTS_MAX {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let Ok(token) = worker.accept(TcpSocket(stream), peer) else { continue };
                    let Some(socket) = worker.socket_mut(token) else { continue };
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    if poll.registry().register(&mut socket.0, mio_token(token), interest).is_err() {
                        worker.count_accept_error();
                        worker.handle_ready(token, Readiness { reset: true, ..Readiness::default() });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.again_at = None;
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
