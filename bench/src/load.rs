//! The load: one thread, epoll, keep-alive connections, every answer checked.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto, socket, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::Timespec;

use crate::Result;
use crate::histogram::Histogram;
use crate::http::Shape;

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most connections from one address: below the number of ports that Linux gives out by itself.
const PER_ADDRESS: usize = 10_000;
/// Descriptors that servers keep for what is not a connection.
const DESCRIPTORS_BESIDE: u64 = 500;

/// What the load does.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    pub(crate) connections: usize,
    /// How many of the connections have a request under way at one time; they take turns.
    pub(crate) active: usize,
    /// Requests that a connection sends in one write before it waits for all the answers.
    pub(crate) depth: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    /// From the write of a request, or of its batch, to the arrival of its answer, in nanoseconds.
    pub(crate) latency_ns: Histogram,
}

pub(crate) struct Load {
    plan: Plan,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    batch: Vec<u8>,
    /// The length of an answer, learnt from the first.
    answer_len: usize,
}

struct Connection {
    stream: TcpStream,
    /// Answers that are still due.
    due: usize,
    sent_at: Instant,
    /// The beginning of an answer.
    part: Vec<u8>,
}

impl Load {
    /// Opens all connections and makes one request on each.
    pub(crate) fn open(plan: Plan, address: SocketAddr) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let batch = plan.shape.request.repeat(plan.depth).into_bytes();
        let mut load = Self { plan, epoll, connections: Vec::new(), batch, answer_len: 0 };
        for index in 0..plan.connections {
            let mut stream = open(index, address).map_err(|error| format!("connection {index}: {error}"))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            plan.shape.exchange(&mut stream, 1).map_err(|error| format!("connection {index}: {error}"))?;
            stream.set_nonblocking(true)?;
            epoll::add(&load.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            load.connections.push(Connection { stream, due: 0, sent_at: Instant::now(), part: Vec::new() });
        }
        Ok(load)
    }

    /// Keeps `active` connections busy for so long, and waits for the last answers.
    pub(crate) fn run(&mut self, duration: Duration) -> Result<Outcome> {
        let start = Instant::now();
        let mut outcome = Outcome { requests: 0, elapsed: Duration::ZERO, latency_ns: Histogram::new() };
        let mut idle: VecDeque<usize> = (0..self.connections.len()).collect();
        let mut events = Vec::<Event>::with_capacity(1_024);
        let mut input = vec![0; 64 << 10];
        let mut busy = 0;
        while busy < self.plan.active {
            self.send(idle.pop_front().ok_or("more are active than connected")?)?;
            busy += 1;
        }
        while busy > 0 {
            events.clear();
            let patience = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
            retry_on_intr(|| {
                epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience))
            })?;
            if events.is_empty() {
                return Err("the server is silent, so the run is void".into());
            }
            for event in &events {
                let index = event.data.u64() as usize;
                outcome.requests += self.receive(index, &mut input, &mut outcome.latency_ns)?;
                if self.connections[index].due > 0 {
                    continue;
                }
                idle.push_back(index);
                busy -= 1;
                if start.elapsed() < duration {
                    self.send(idle.pop_front().unwrap_or(index))?;
                    busy += 1;
                }
            }
        }
        outcome.elapsed = start.elapsed();
        Ok(outcome)
    }

    fn send(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        connection.sent_at = Instant::now();
        connection.due = self.plan.depth;
        // It fits into any socket's buffer: all answers of the last batch are here.
        match connection.stream.write(&self.batch)? {
            written if written == self.batch.len() => Ok(()),
            _ => Err("the server does not read a batch of requests".into()),
        }
    }

    /// Takes what has come, and answers how many answers were whole.
    fn receive(&mut self, index: usize, input: &mut [u8], latency_ns: &mut Histogram) -> Result<u64> {
        let connection = &mut self.connections[index];
        let kept = connection.part.len();
        input[..kept].copy_from_slice(&connection.part);
        let len = match connection.stream.read(&mut input[kept..]) {
            Ok(0) => return Err("the server closed a connection, so the run is void".into()),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let (mut rest, mut answers) = (&input[..kept + len], 0);
        loop {
            let is_known = |answer| self.plan.shape.is_answered_by(answer);
            let whole = match rest.get(..self.answer_len.max(1)).filter(|answer| is_known(answer)) {
                Some(answer) => answer.len(),
                None => match self.plan.shape.answer_len(rest)? {
                    Some(len) => len,
                    None => break,
                },
            };
            self.answer_len = whole;
            rest = &rest[whole..];
            answers += 1;
        }
        connection.part.clear();
        connection.part.extend_from_slice(rest);
        connection.due =
            connection.due.checked_sub(answers).ok_or("the server sends more than it was asked for")?;
        latency_ns.record(connection.sent_at.elapsed().as_nanos() as u64, answers as u64);
        Ok(answers as u64)
    }
}

fn open(index: usize, address: SocketAddr) -> Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if index >= PER_ADDRESS {
        // All of 127.0.0.0/8 is this machine.
        let source = Ipv4Addr::new(127, 0, 0, (1 + index / PER_ADDRESS) as u8);
        bind(&socket, &SocketAddrV4::new(source, 0))?;
    }
    connect(&socket, &address)?;
    Ok(socket.into())
}

/// Closes at once and leaves nothing behind: tens of thousands of waiting ports would keep the next server from its own.
impl Drop for Load {
    fn drop(&mut self) {
        for connection in &self.connections {
            // Without it the close is an ordinary one.
            let _ = sockopt::set_socket_linger(&connection.stream, Some(Duration::ZERO));
        }
    }
}

/// Lets the calling thread run on these cores alone, and the threads and programs that it starts.
pub(crate) fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    sched_setaffinity(None, &set).map_err(|error| format!("no right to use cores {cores:?}: {error}"))?;
    Ok(())
}

/// Allows as many open files as the system lets us, for us and for the servers that we start.
pub(crate) fn raise_connections_max() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Most connections that a server can have then.
pub(crate) fn connections_max() -> usize {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_BESIDE) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::PLAINTEXT;
    use std::net::TcpListener;

    /// A server on one connection that sends these pieces, whatever it is asked, after an orderly first answer.
    fn served(pieces: Vec<Vec<u8>>, plan: Plan) -> Result<Outcome> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut input = [0; 4_096];
            let _ = stream.read(&mut input).unwrap();
            stream.write_all(&ok(PLAINTEXT.content)).unwrap();
            while stream.read(&mut input).is_ok_and(|len| len > 0) {
                for piece in &pieces {
                    if stream.write_all(piece).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let outcome = Load::open(plan, address).and_then(|mut load| load.run(Duration::ZERO));
        server.join().unwrap();
        outcome
    }

    const ONE: Plan = Plan { shape: PLAINTEXT, connections: 1, active: 1, depth: 1 };

    fn ok(content: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len()).into_bytes()
    }

    #[test]
    fn answers_in_pieces_are_counted_once() {
        let answer = ok(PLAINTEXT.content);
        let pieces = vec![answer[..20].to_vec(), answer[20..50].to_vec(), answer[50..].to_vec()];
        assert_eq!(served(pieces, ONE).unwrap().requests, 1);
        let pieces = vec![[&answer[..], &answer[..10]].concat(), answer[10..].to_vec()];
        assert_eq!(served(pieces, Plan { depth: 2, ..ONE }).unwrap().requests, 2);
    }

    #[test]
    fn one_wrong_answer_voids_the_run() {
        for wrong in [
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_vec(),
            ok("Hello from Pivot"),
            ok("Hello from pivot\n"),
            ok(PLAINTEXT.content).repeat(2),
        ] {
            assert!(served(vec![wrong], ONE).is_err());
        }
    }
}
