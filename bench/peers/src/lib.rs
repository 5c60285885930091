//! What the peers share: their command line, their listener, and the work of `GET /cpu`.

pub mod axum;

use std::net::{SocketAddrV4, TcpListener};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, listen, socket_with, sockopt};
use rustix::time::{ClockId, clock_gettime};

/// The answer to `GET /`.
pub const HELLO: &str = "Hello from Pivot\n";
/// Its type.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// How long an idle connection may stay, in seconds, where a framework has a limit; the same as Pivot's.
pub const IDLE_SECONDS: u64 = 60;

/// Requests at one time in a server that sheds what is above: they are answered within half of what a client waits.
pub const BESIDE_MAX: usize = 64;

/// The answer to `GET /users/{id}`.
#[derive(serde::Serialize)]
pub struct User {
    /// From the path.
    pub id: u64,
    /// Made of it.
    pub name: String,
}

impl User {
    /// The user with this number.
    pub fn new(id: u64) -> Self {
        Self { id, name: format!("user {id}") }
    }
}

/// The query of `GET /cpu`.
#[derive(serde::Deserialize)]
pub struct Burn {
    /// How much CPU time to burn, in milliseconds.
    pub ms: u64,
}

/// `NAME ADDRESS [THREADS]`.
pub fn arguments() -> (SocketAddrV4, usize) {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().and_then(|text| text.parse().ok());
    let threads = arguments.next().map_or(Some(1), |text| text.parse().ok());
    match (address, threads) {
        (Some(address), Some(threads)) if threads > 0 => (address, threads),
        _ => {
            eprintln!("usage: NAME ADDRESS [THREADS], as in: NAME 127.0.0.1:8080 1");
            std::process::exit(2)
        }
    }
}

/// Burns CPU time of the calling thread. The wall clock would run on while another thread has the core.
pub fn burn(ms: u64) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let end = now() + Duration::from_millis(ms);
    while now() < end {
        std::hint::spin_loop();
    }
}

/// A listener whose connections inherit TCP_NODELAY, in blocking mode; frameworks make it what they need.
pub fn listener(address: SocketAddrV4, shares_port: bool) -> std::io::Result<TcpListener> {
    let socket =
        socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shares_port)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, 4_096)?;
    Ok(socket.into())
}

/// The same for tokio, within a runtime.
pub fn tokio_listener(address: SocketAddrV4) -> std::io::Result<tokio::net::TcpListener> {
    let listener = listener(address, false)?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

/// Tokio's single-threaded scheduler for one thread, the other for more.
pub fn tokio_runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()
}
