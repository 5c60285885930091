//! Pivot on smoltcp: the core's server on any `smoltcp::phy::Device` and any clock.
//!
//! One call, [`Server::poll`], moves everything on by a turn: frames in, requests, answers, frames out. Call it when the
//! network interface has something, or when [`Server::poll_timeout`] has come; sleep in between.
//!
//! All memory comes from the [`Arena`] that [`Server::new`] is given: nothing here allocates.
#![no_std]

mod socket;

use core::cell::RefCell;
use core::fmt;

use pivot_core::admission::Seed;
use pivot_core::app::{App, Routes};
use pivot_core::exec::Notify;
use pivot_core::mode::Config;
use pivot_core::serve::{Admitted, Host, Readiness, Shared, StartError, Token, Worker};
use pivot_core::storage::{Arena, Plan, take_one};
use pivot_core::time::{Duration, Instant};
use smoltcp::iface::{Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::Device;
use smoltcp::socket::tcp;
use smoltcp::wire::IpAddress;

pub use socket::StackSocket;

/// How the stack is set up.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// The port to listen at.
    pub port: u16,
    /// Receive buffer of a connection, in bytes. At least a segment's content, or throughput suffers.
    pub receive_size: usize,
    /// Send buffer of a connection, in bytes. At least an answer, so that it leaves in one segment.
    pub send_size: usize,
    /// How long a connection may be half open, or without an acknowledgement. Set before listening: four peers that
    /// never answer would otherwise lock the server out.
    pub timeout: Duration,
}

impl Stack {
    /// Port 80, a kilobyte each way, 3 s.
    pub const PRESET: Self =
        Self { port: 80, receive_size: 1_024, send_size: 1_024, timeout: Duration::from_secs(3) };
}

/// A server on a network stack of its own.
///
/// `D` is the network device, `H` the clock, `R` the application's routes, `F` the future that `M` makes of a request.
pub struct Server<D: Device, H, R: Routes + 'static, M, F: 'static> {
    device: D,
    interface: Interface,
    sockets: &'static Sockets,
    connections: &'static mut [Place],
    worker: Worker<StackSocket, H, R, M, F>,
    shared: &'static Shared,
    stack: Stack,
}

/// The memory that a server of this application takes, known while it is compiled: the size of the `Space` for it.
///
/// `spawn` is [`pivot_core::serve::run`]. [`Plan::within`] makes a server that is too large an error of the compiler.
///
/// ```
/// use pivot_core::app::{App, Routes, get};
/// use pivot_core::mode::{Config, Profile};
/// use pivot_core::{serve, storage::Space};
/// use pivot_embedded::{Stack, server_size};
///
/// fn app() -> App<impl Routes> {
///     App::new((get("/", async |_req, res| res.text("hello")),))
/// }
/// const CONFIG: Config = match Profile::Micro.draft().build() {
///     Ok(config) => config,
///     Err(_) => panic!("the Micro profile is valid"),
/// };
/// static SPACE: Space<{ server_size(app, &CONFIG, &Stack::PRESET, serve::run).within(48 << 10) }> = Space::new();
/// # assert!(SPACE.arena().is_some());
/// ```
pub const fn server_size<R: Routes + 'static, F: Future<Output = ()> + 'static>(
    _: fn() -> App<R>,
    config: &Config,
    stack: &Stack,
    _: fn(Admitted<R>) -> F,
) -> Plan {
    let count = config.get().connections_max;
    let plan = Shared::plan::<R>(Plan::new(), config)
        .with::<SocketStorage<'static>>(count)
        .with::<u8>(count * stack.receive_size)
        .with::<u8>(count * stack.send_size)
        .with::<Place>(count)
        .with_one::<Sockets>();
    // Neither the clock nor the function itself is in what a worker takes.
    Worker::<StackSocket, (), R, (), F>::plan(plan, config)
}

type Sockets = RefCell<SocketSet<'static>>;

/// A socket of the stack, and the connection that is on it.
#[derive(Clone, Copy, Debug)]
struct Place {
    handle: SocketHandle,
    token: Option<Token>,
}

/// The superloop polls all the time it is awake: nobody has to be interrupted.
struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

static NOBODY: Nobody = Nobody;

impl<D, H, R, M, F> Server<D, H, R, M, F>
where
    D: Device,
    H: Host,
    R: Routes,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Takes all memory of a server, and listens with as many sockets as `connections_max` says.
    ///
    /// `spawn` is [`pivot_core::serve::run`].
    ///
    /// # Errors
    /// [`StartError`] if the arena is too small, or routes conflict.
    pub fn new(
        arena: &mut impl Arena,
        (config, stack): (Config, Stack),
        app: fn() -> App<R>,
        (device, interface, host): (D, Interface, H),
        seed: Seed,
        spawn: M,
    ) -> Result<Self, StartError> {
        let shared = Shared::new(arena, config, &app(), seed)?;
        let count = config.connections_max;
        // The storage's empty value is not all zeroes: made at run time it costs RAM, but no flash.
        let storage = arena.take("socket table", count, |_| SocketStorage::EMPTY)?;
        let mut set = SocketSet::new(storage);
        let receive = arena.take_bytes("receive buffers", count, stack.receive_size)?;
        let send = arena.take_bytes("send buffers", count, stack.send_size)?;
        let mut buffers =
            receive.chunks_exact_mut(stack.receive_size).zip(send.chunks_exact_mut(stack.send_size));
        let connections = arena.take("socket places", count, |_| {
            let (receive, send) = buffers.next().unwrap_or_default();
            let mut socket = tcp::Socket::new(tcp::SocketBuffer::new(receive), tcp::SocketBuffer::new(send));
            // A small answer leaves at once, and no answer waits for an acknowledgement.
            socket.set_nagle_enabled(false);
            socket.set_ack_delay(None);
            listen(&mut socket, &stack);
            Place { handle: set.add(socket), token: None }
        })?;
        let sockets = take_one(arena, "sockets", RefCell::new(set))?;
        let worker = Worker::new(arena, shared, 0, app(), host, &NOBODY, spawn)?;
        Ok(Self { device, interface, sockets, connections, worker, shared, stack })
    }

    /// Moves everything on by one turn.
    pub fn poll(&mut self) {
        self.poll_interface();
        self.worker.begin_turn();
        for place in self.connections.iter_mut() {
            let mut sockets = self.sockets.borrow_mut();
            let socket = sockets.get_mut::<tcp::Socket<'_>>(place.handle);
            let state = socket.state();
            let readiness = Readiness {
                readable: socket.can_recv(),
                writable: socket.can_send(),
                ended: matches!(state, tcp::State::CloseWait | tcp::State::LastAck | tcp::State::Closing),
                reset: matches!(state, tcp::State::Closed | tcp::State::TimeWait),
            };
            if place.token.is_none() && matches!(state, tcp::State::Established | tcp::State::CloseWait) {
                let Some(peer) = socket.remote_endpoint() else { continue };
                let IpAddress::Ipv4(address) = peer.addr;
                drop(sockets);
                let socket = StackSocket::new(self.sockets, place.handle);
                // A refused connection is closed by the drop of its socket.
                place.token = self.worker.accept(socket, (address, peer.port).into()).ok();
            } else {
                drop(sockets);
            }
            if let Some(token) = place.token {
                self.worker.handle_ready(token, readiness);
            }
        }
        self.worker.run();
        self.listen_again();
        self.poll_interface();
    }

    /// When to call [`Server::poll`] again if the network has nothing until then.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let at = stack_time(self.worker.host().now());
        let stack = self.interface.poll_at(at, &self.sockets.borrow());
        let stack = stack.map(|at| Instant::from_micros(at.total_micros().unsigned_abs()));
        [stack, self.worker.poll_timeout()].into_iter().flatten().min()
    }

    /// What was counted, and what is out.
    pub fn shared(&self) -> &'static Shared {
        self.shared
    }

    /// The network device.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Closes every connection.
    pub fn close_all(&mut self) {
        self.worker.close_all();
        self.poll_interface();
    }

    fn poll_interface(&mut self) {
        let now = stack_time(self.worker.host().now());
        self.interface.poll(now, &mut self.device, &mut self.sockets.borrow_mut());
    }

    /// Sockets whose connection is over listen again. TIME-WAIT is no obstacle: it is not an open state.
    fn listen_again(&mut self) {
        let mut sockets = self.sockets.borrow_mut();
        for place in self.connections.iter_mut() {
            if place.token.is_some_and(|token| self.worker.socket_mut(token).is_none()) {
                place.token = None;
            }
            let socket = sockets.get_mut::<tcp::Socket<'_>>(place.handle);
            if place.token.is_none() && !socket.is_open() {
                listen(socket, &self.stack);
            }
        }
    }
}

impl<D: Device, H, R: Routes, M, F> fmt::Debug for Server<D, H, R, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("stack", &self.stack).finish_non_exhaustive()
    }
}

fn listen(socket: &mut tcp::Socket<'_>, stack: &Stack) {
    socket.set_timeout(Some(smoltcp::time::Duration::from_micros(stack.timeout.as_micros() as u64)));
    // It fails only for port 0 or an open socket; with port 0 the server is deaf, as it was told to be.
    let _ = socket.listen(stack.port);
}

fn stack_time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(now.as_micros().cast_signed())
}
