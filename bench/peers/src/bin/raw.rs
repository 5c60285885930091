//! The limit: it reads no request, only finds the ends of heads, and answers each with the same bytes, as many as
//! Pivot sends. Edge-triggered epoll, one read and one write for all heads that a read brings, a listener for each
//! thread. What a server costs above this is its own; what this costs is the kernel's.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};

use memchr::memmem;
use pivot_bench_peers::{arguments, listener};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::retry_on_intr;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    date: Wed, 25 Nov 2026 03:13:38 GMT\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 17\r\n\r\n\
    Hello from Pivot\n";
const END: &[u8] = b"\r\n\r\n";
/// Most heads that one read answers.
const BATCH: usize = 64;
const READ_SIZE: usize = 16 << 10;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    /// How much of `END` the bytes so far end with.
    matched: usize,
}

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    let others: Vec<_> = (1..threads).map(|_| std::thread::spawn(move || serve(address, true))).collect();
    serve(address, threads > 1)?;
    for other in others {
        other.join().map_err(|_| std::io::Error::other("a thread panicked"))??;
    }
    Ok(())
}

fn serve(address: SocketAddrV4, shares_port: bool) -> std::io::Result<()> {
    let listener = listener(address, shares_port)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let edge = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Vec::<Event>::with_capacity(1_024);
    let (mut input, answers) = (vec![0; READ_SIZE], ANSWER.repeat(BATCH));
    loop {
        events.clear();
        retry_on_intr(|| epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None))?;
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Some(stream) = accept(&listener)? {
                    let index = free.pop().unwrap_or_else(|| {
                        connections.push(None);
                        connections.len() - 1
                    });
                    epoll::add(&epoll, &stream, EventData::new_u64(index as u64), edge)?;
                    connections[index] = Some(Connection { stream, matched: 0 });
                }
                continue;
            }
            let index = event.data.u64() as usize;
            let is_open = match &mut connections[index] {
                Some(connection) => turn(connection, &mut input, &answers),
                None => continue,
            };
            if !is_open {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

fn accept(listener: &TcpListener) -> std::io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            Ok(Some(stream))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Answers what has come. False: the connection is over.
fn turn(connection: &mut Connection, input: &mut [u8], answers: &[u8]) -> bool {
    loop {
        let kept = connection.matched;
        input[..kept].copy_from_slice(&END[..kept]);
        let len = match connection.stream.read(&mut input[kept..]) {
            Ok(0) => return false,
            Ok(len) => len,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        let (mut heads, mut rest) = (0, &input[..kept + len]);
        while let Some(at) = memmem::find(rest, END) {
            heads += 1;
            rest = &rest[at + END.len()..];
        }
        connection.matched =
            (1..END.len()).rev().find(|&matched| rest.ends_with(&END[..matched])).unwrap_or(0);
        while heads > 0 {
            let batch = heads.min(BATCH);
            let bytes = &answers[..batch * ANSWER.len()];
            // Who does not read so little is cut off: this server keeps nothing.
            if !connection.stream.write(bytes).is_ok_and(|written| written == bytes.len()) {
                return false;
            }
            heads -= batch;
        }
        // After a short read the next bytes are a new edge.
        if kept + len < input.len() {
            return true;
        }
    }
}
