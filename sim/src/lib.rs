//! The whole server under virtual time, with a virtual network that a test plays on.
//!
//! A [`Server`] is the core's own worker with [`Wire`]s for sockets and a clock that moves only when it is told to, so an
//! hour takes a millisecond and every run is the same.
//!
//! ```
//! use pivot_core::app::{App, get};
//! use pivot_core::mode::Profile;
//! use pivot_sim::Server;
//!
//! let app = App::new(get("/", async |_req, res| res.text("hello")));
//! let mut server = Server::new(Profile::Micro.draft().build()?, app);
//! let client = server.connect();
//! server.send(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
//! assert!(server.received(client).ends_with(b"\r\n\r\nhello"));
//! # Ok::<(), pivot_core::mode::ConfigError>(())
//! ```

mod arena;
pub mod control;
pub mod plant;
pub mod shedding;
mod wire;

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use pivot_core::admission::Seed;
use pivot_core::app::{App, Routes};
use pivot_core::exec::Notify;
use pivot_core::mode::Config;
use pivot_core::monitor::Totals;
use pivot_core::serve::{self, Admitted, Host, Readiness, Shared, Socket, Token, Worker};
use pivot_core::time::{Duration, Instant};

pub use arena::Leaked;
pub use wire::{Wire, WireEnd};

/// A clock that stands still until somebody moves it.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    now: Rc<Cell<Instant>>,
}

impl Host for VirtualHost {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn unix_s(&self) -> Option<u64> {
        None
    }
}

struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

/// A client's connection, as the test names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(usize);

/// What a worker can do, whatever its future's type is.
trait Drive {
    fn accept(&mut self, end: WireEnd, peer: SocketAddr) -> Option<Token>;
    fn handle_ready(&mut self, token: Token, readiness: Readiness);
    fn turn(&mut self);
    fn poll_timeout(&self) -> Option<Instant>;
    fn close_all(&mut self);
}

impl<S, H, R, M, F> Drive for Worker<S, H, R, M, F>
where
    S: Socket + From<WireEnd> + 'static,
    H: Host,
    R: Routes + 'static,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()> + 'static,
{
    fn accept(&mut self, end: WireEnd, peer: SocketAddr) -> Option<Token> {
        Worker::accept(self, S::from(end), peer).ok()
    }

    fn handle_ready(&mut self, token: Token, readiness: Readiness) {
        Worker::handle_ready(self, token, readiness);
    }

    fn turn(&mut self) {
        self.begin_turn();
        self.run();
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Worker::poll_timeout(self)
    }

    fn close_all(&mut self) {
        Worker::close_all(self);
    }
}

/// A server of one worker, and its clients.
pub struct Server {
    worker: Box<dyn Drive>,
    shared: &'static Shared,
    now: Rc<Cell<Instant>>,
    clients: Vec<(Wire, Option<Token>)>,
    next_port: u16,
}

/// Turns that settle a server: more would mean that it spins.
const TURNS_MAX: usize = 100_000;

impl Server {
    /// A server that runs `app`. Its memory is leaked: make few, or small ones.
    ///
    /// # Panics
    /// If routes conflict.
    pub fn new<R: Routes + 'static>(config: Config, app: App<R>) -> Self {
        let mut arena = Leaked::default();
        let now = Rc::new(Cell::new(Instant::from_millis(1_000)));
        let shared = Shared::new(&mut arena, config, &app, Seed(1, 2)).expect("routes without conflict");
        let host = VirtualHost { now: now.clone() };
        let worker: Worker<WireEnd, _, _, _, _> =
            Worker::new(&mut arena, shared, 0, app, host, &Nobody, serve::run::<R>)
                .expect("room for a worker");
        Self { worker: Box::new(worker), shared, now, clients: Vec::new(), next_port: 1_024 }
    }

    /// Connects from an address that all clients share.
    pub fn connect(&mut self) -> Client {
        self.connect_from(Ipv4Addr::LOCALHOST)
    }

    /// Connects from an address.
    pub fn connect_from(&mut self, address: Ipv4Addr) -> Client {
        let wire = Wire::new();
        self.next_port = self.next_port.wrapping_add(1);
        let token = self.worker.accept(wire.server_end(), SocketAddr::from((address, self.next_port)));
        self.clients.push((wire, token));
        self.settle();
        Client(self.clients.len() - 1)
    }

    /// Whether the server took the connection, and has not closed it.
    pub fn is_open(&self, client: Client) -> bool {
        !self.clients[client.0].0.is_closed_by_server()
    }

    /// Takes at most `len` bytes a write, and `room` bytes in all, until told otherwise.
    pub fn limit_output(&mut self, client: Client, len: usize, room: usize) {
        self.clients[client.0].0.limit_output(len, room);
        self.notify(client, Readiness { writable: true, ..Readiness::default() });
    }

    /// Sends bytes and lets the server do all that follows at this moment.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        self.clients[client.0].0.send(bytes);
        self.notify(client, Readiness { readable: true, ..Readiness::default() });
    }

    /// Ends the client's side: it will send no more, but still listens.
    pub fn end(&mut self, client: Client) {
        self.clients[client.0].0.end();
        self.notify(client, Readiness { readable: true, ended: true, ..Readiness::default() });
    }

    /// Sends bytes and ends the client's side, so that the server hears of both at once.
    pub fn send_and_end(&mut self, client: Client, bytes: &[u8]) {
        self.clients[client.0].0.send(bytes);
        self.end(client);
    }

    /// Resets the connection.
    pub fn reset(&mut self, client: Client) {
        self.clients[client.0].0.reset();
        self.notify(client, Readiness { reset: true, ..Readiness::default() });
    }

    /// Everything that the client has received so far.
    pub fn received(&self, client: Client) -> Vec<u8> {
        self.clients[client.0].0.received()
    }

    /// Lets time pass, and the server do what is due, deadline by deadline.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now.get().plus(duration);
        for _ in 0..TURNS_MAX {
            self.settle();
            match self.worker.poll_timeout() {
                Some(at) if at <= end => self.now.set(at.max(self.now.get().plus(Duration::from_micros(1)))),
                _ => {
                    self.now.set(end);
                    return self.settle();
                }
            }
        }
        panic!("the server asks for turn after turn without an end");
    }

    /// Moves the clock in one step, whatever is due in between.
    pub fn jump(&mut self, duration: Duration) {
        self.now.set(self.now.get().plus(duration));
        self.settle();
    }

    /// What the workers share: counts, and what is out.
    pub fn shared(&self) -> &'static Shared {
        self.shared
    }

    /// What was counted.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Closes every connection, and checks that everything came home: each permit, slot, buffer and count.
    ///
    /// # Panics
    /// If something did not.
    pub fn assert_everything_home(&mut self) {
        self.worker.close_all();
        let totals = self.totals();
        assert_eq!(totals.in_flight(), 0, "each request ends in one outcome: {totals:?}");
        assert_eq!(
            totals.outcomes.iter().sum::<u64>(),
            totals.requests,
            "and in no more than one: {totals:?}"
        );
        assert_eq!(totals.connections, 0, "{totals:?}");
        assert_eq!(totals.closed.iter().sum::<u64>(), totals.accepted, "{totals:?}");
        assert!(self.shared.is_everything_home(), "something is still lent: {:?}", self.shared);
        assert_eq!(self.shared.open_count(), 0);
    }

    /// Forgets all clients, once their connections are closed; their names mean nothing afterwards.
    pub fn forget_clients(&mut self) {
        self.clients.clear();
    }

    fn notify(&mut self, client: Client, readiness: Readiness) {
        if let Some(token) = self.clients[client.0].1 {
            self.worker.handle_ready(token, readiness);
        }
        self.settle();
    }

    /// Runs turns until nothing more happens at this moment.
    fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            self.worker.turn();
            if self.worker.poll_timeout().is_none_or(|at| at > self.now.get()) {
                return;
            }
        }
        panic!("the server never comes to rest");
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}
