//! Listening sockets, and the descriptors that they need.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpListener;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Type};

use crate::Error;

/// How many clients the kernel holds that nobody has accepted yet.
pub(super) const BACKLOG: i32 = 4_096;
/// Descriptors for everything that is not a client: pollers, wakers, listeners, logs, and a reserve.
const DESCRIPTORS_BESIDE: u64 = 64;

/// Opens `count` listeners at one address; the kernel spreads clients over them.
pub(super) fn listen(address: &str, count: usize) -> Result<Vec<TcpListener>, Error> {
    let failed = |source| Error::Listen { address: address.to_owned(), source };
    let mut wanted = address
        .to_socket_addrs()
        .map_err(failed)?
        .next()
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))?;
    // Sockets that share a port do so with every program of the same user: an address that is taken shows only to a
    // socket that does not want to share.
    let first = open(wanted, false).map_err(failed)?;
    if count == 1 {
        return Ok(vec![first]);
    }
    wanted = first.local_addr().map_err(failed)?;
    drop(first);
    (0..count).map(|_| open(wanted, true).map_err(failed)).collect()
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Raises the soft limit of descriptors to the hard one, and makes sure that it suffices for the connections, and for
/// `others` that workers need.
pub(super) fn reserve_descriptors(connections_max: usize, others: u64) -> Result<(), Error> {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let needed = connections_max as u64 + others + DESCRIPTORS_BESIDE;
    if needed > hard {
        return Err(Error::Descriptors { needed, limit: hard });
    }
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).map_err(|error| Error::System {
            what: "raise the limit of file descriptors",
            source: error.into(),
        })?;
    }
    Ok(())
}
