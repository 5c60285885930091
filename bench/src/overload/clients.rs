//! Clients that do not wait for one another: an open-loop generator on one thread.
//!
//! A request is sent when it is due, whatever became of those before it, and its latency is measured from that moment:
//! what the generator itself is late by counts against the server, and is watched apart, so that a run in which it was
//! much can be thrown away. Nothing spins: between two moments the thread sleeps in `epoll`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};
use rustix::thread::set_current_timer_slack;
use rustix::time::Timespec;

use super::answer::Answer;
use super::arrivals::{Arrivals, Dice, Phase};
use super::request::{Clientele, Kind};
use crate::Result;
use crate::histogram::Histogram;

/// What clients ask for, and when.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) phases: &'a [Phase],
    pub(crate) seed: u64,
    pub(crate) habits: Habits,
}

/// How clients behave.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// Whether each request has a connection of its own.
    pub(crate) is_fresh: bool,
    /// An answer is in time up to this long after the moment at which its request was due.
    pub(crate) deadline: Duration,
    /// Whether a client still waits after its deadline. Else it closes its connection then.
    pub(crate) is_patient: bool,
    /// How often a client tries again what was not answered in time.
    pub(crate) retries: u32,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A 200 with the right content, in time.
    Answered,
    /// The same after the deadline; patient clients alone see it.
    Late,
    /// Nothing, or not all of it, came before the client went.
    GaveUp,
    /// Another status.
    Refused(u16),
    /// The server reset or closed the connection, or did not take it.
    Broken,
    /// There was no connection to send it on: all that the generator may open are waiting.
    Unsent,
}

/// One try of a request, at its end. Moments are in nanoseconds after the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    /// The place of its kind.
    pub(crate) kind: usize,
    /// When the request was due first.
    pub(crate) arrived_ns: u64,
    /// Retries before this try.
    pub(crate) attempt: u32,
    pub(crate) outcome: Outcome,
    /// From the moment at which this try was due to its end.
    pub(crate) latency_ns: u64,
}

/// Sends what the plan says, and hands each try to `sink` when it ends. Answers how late tries were sent, in nanoseconds.
///
/// # Errors
///
/// The run is void: an answer is wrong, or the system has no room for what the plan needs.
pub(crate) fn run(plan: &Plan<'_>, address: SocketAddr, sink: &mut dyn FnMut(&Try)) -> Result<Histogram> {
    // The default slack would make each send 50 µs late.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let mut clients = Clients::new(plan, address, sink)?;
    clients.open_first()?;
    clients.run()?;
    Ok(std::mem::replace(&mut clients.late_ns, Histogram::new()))
}

/// Keep-alive connections that are there at the start.
const FIRST: usize = 256;
/// Most connections at one time: fewer than the ports that Linux gives out for one pair of addresses.
const CONNECTIONS_MAX: usize = 12_000;
/// Before a client tries again it waits for this long, give or take half of it, whatever `Retry-After` says.
const PAUSE_NS: u64 = 100_000_000;
/// What patient clients still wait for after the last request was due.
const GRACE_NS: u64 = 5_000_000_000;

struct Clients<'a> {
    plan: &'a Plan<'a>,
    address: SocketAddr,
    sink: &'a mut dyn FnMut(&Try),
    epoll: OwnedFd,
    start: Instant,
    connections: Vec<Connection>,
    /// Places in `connections` without a socket.
    free: Vec<u32>,
    /// Connections without a request, the one that rested longest first; some were closed since.
    idle: VecDeque<Token>,
    /// When the requests that are under way are given up, in order: place and number. Some have ended since.
    deadlines: VecDeque<(u64, u32, u64)>,
    /// What is tried again, and when.
    again: BinaryHeap<Reverse<Due>>,
    under_way: usize,
    deadline_ns: u64,
    dice: Dice,
    /// The next client that never came before.
    newcomer: u32,
    late_ns: Histogram,
    request: Vec<u8>,
    input: Vec<u8>,
}

struct Connection {
    socket: Option<OwnedFd>,
    /// Tells this socket from those before it on the same place.
    generation: u32,
    /// Tells this request from those before it on the same place.
    number: u64,
    /// The request that waits for its answer.
    due: Option<Due>,
    /// Before the connection is there: the request. After it: the beginning of an answer.
    part: Vec<u8>,
    is_connecting: bool,
}

/// A connection, and no later one on its place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Token {
    index: u32,
    generation: u32,
}

/// A try that is due; ordered by the moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    due_ns: u64,
    arrived_ns: u64,
    kind: usize,
    client: u32,
    attempt: u32,
}

impl<'a> Clients<'a> {
    fn new(plan: &'a Plan<'a>, address: SocketAddr, sink: &'a mut dyn FnMut(&Try)) -> Result<Self> {
        Ok(Self {
            plan,
            address,
            sink,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            start: Instant::now(),
            connections: Vec::new(),
            free: Vec::new(),
            idle: VecDeque::new(),
            deadlines: VecDeque::new(),
            again: BinaryHeap::new(),
            under_way: 0,
            deadline_ns: plan.habits.deadline.as_nanos() as u64,
            dice: Dice::new(plan.seed ^ 0x5eed),
            newcomer: 0,
            late_ns: Histogram::new(),
            request: Vec::new(),
            input: vec![0; 16 << 10],
        })
    }

    /// Opens the connections that kept clients have already.
    fn open_first(&mut self) -> Result<()> {
        if self.plan.habits.is_fresh {
            return Ok(());
        }
        for _ in 0..FIRST {
            let index = self.open()?.ok_or("the server takes no connections")?;
            // It is there, or it will be soon.
            let token = self.token(index);
            self.idle.push_back(token);
        }
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    fn run(&mut self) -> Result<()> {
        let mut arrivals = Arrivals::new(self.plan.phases, self.plan.seed).peekable();
        let end: Duration = self.plan.phases.iter().map(|phase| phase.duration).sum();
        let end_ns = end.as_nanos() as u64 + GRACE_NS;
        let mut events = Vec::<Event>::with_capacity(1_024);
        self.start = Instant::now();
        loop {
            let mut now = self.now();
            self.give_up(now);
            while let Some(due_ns) = self.next_due(arrivals.peek().copied()).filter(|due| *due <= now) {
                let due = match arrivals.next_if(|arrival| *arrival == due_ns) {
                    Some(arrival) => self.newly_due(arrival),
                    None => match self.again.pop() {
                        Some(Reverse(due)) => due,
                        None => break,
                    },
                };
                self.send(due, now)?;
                now = self.now();
            }
            let next = self.next_due(arrivals.peek().copied());
            if next.is_none() && self.under_way == 0 {
                return Ok(());
            }
            if now >= end_ns {
                self.give_up_all();
                return Ok(());
            }
            let deadline = self.deadlines.front().map(|front| front.0);
            let wake = next.into_iter().chain(deadline).chain([end_ns]).min().unwrap_or(end_ns);
            let wait_ns = wake.saturating_sub(self.now());
            let wait = Timespec {
                tv_sec: (wait_ns / 1_000_000_000) as i64,
                tv_nsec: (wait_ns % 1_000_000_000) as i64,
            };
            events.clear();
            retry_on_intr(|| {
                epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait))
            })?;
            for event in &events {
                let word = event.data.u64();
                self.handle(Token { index: word as u32, generation: (word >> 32) as u32 })?;
            }
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// When the next try is due, if there is one: the next arrival, or what is tried again before it.
    fn next_due(&self, arrival: Option<u64>) -> Option<u64> {
        arrival.into_iter().chain(self.again.peek().map(|due| due.0.due_ns)).min()
    }

    fn newly_due(&mut self, arrival: u64) -> Due {
        let kind = place(self.plan.kinds, self.dice.share());
        let client = match self.plan.kinds[kind].clients {
            Clientele::Unnamed => 0,
            Clientele::Among(count) => self.dice.below(count.into()) as u32,
            Clientele::New => {
                self.newcomer += 1;
                self.newcomer
            }
        };
        Due { due_ns: arrival, arrived_ns: arrival, kind, client, attempt: 0 }
    }

    fn send(&mut self, due: Due, now: u64) -> Result<()> {
        self.late_ns.record(now.saturating_sub(due.due_ns), 1);
        let is_fresh = self.plan.habits.is_fresh;
        let mut request = std::mem::take(&mut self.request);
        self.plan.kinds[due.kind].write(due.kind, due.client, is_fresh, &mut request);
        let sent = self.send_bytes(&request);
        self.request = request;
        match sent? {
            Ok(index) => {
                let connection = &mut self.connections[index as usize];
                connection.due = Some(due);
                connection.number += 1;
                self.under_way += 1;
                if !self.plan.habits.is_patient {
                    self.deadlines.push_back((due.due_ns + self.deadline_ns, index, connection.number));
                }
            }
            Err(outcome) => self.end(due, outcome, now),
        }
        Ok(())
    }

    /// Sends a request on a connection that is idle, else on a new one.
    fn send_bytes(&mut self, request: &[u8]) -> Result<std::result::Result<u32, Outcome>> {
        loop {
            let idle = self.take_idle();
            let (index, is_new) = match idle {
                Some(index) => (index, false),
                None if self.connections.len() - self.free.len() >= CONNECTIONS_MAX => {
                    return Ok(Err(Outcome::Unsent));
                }
                None => match self.open()? {
                    Some(index) => (index, true),
                    None => return Ok(Err(Outcome::Broken)),
                },
            };
            let connection = &mut self.connections[index as usize];
            let Some(socket) = &connection.socket else { continue };
            match write(socket, request) {
                Ok(len) if len == request.len() => {
                    connection.is_connecting = false;
                    return Ok(Ok(index));
                }
                // The server has not answered the first packet yet.
                Err(Errno::AGAIN) if connection.is_connecting => {
                    connection.part.extend_from_slice(request);
                    let data = EventData::new_u64(word(index, connection.generation));
                    epoll::modify(&self.epoll, socket, data, EventFlags::OUT)?;
                    return Ok(Ok(index));
                }
                Ok(_) | Err(Errno::AGAIN) => return Err("the server does not read a request".into()),
                // The server has closed it while it was idle, as it may: the next one, please.
                Err(_) => {
                    self.close(index, true);
                    if is_new {
                        return Ok(Err(Outcome::Broken));
                    }
                }
            }
        }
    }

    fn take_idle(&mut self) -> Option<u32> {
        loop {
            let token = self.idle.pop_front()?;
            if self.is_current(token) {
                return Some(token.index);
            }
        }
    }

    /// Opens a connection. `None`: the server does not take it.
    fn open(&mut self) -> Result<Option<u32>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        let is_connecting = match connect(&socket, &self.address) {
            Ok(()) => false,
            Err(Errno::INPROGRESS) => true,
            Err(Errno::CONNREFUSED | Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(format!("connect: {error}").into()),
        };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let free = Connection {
                    socket: None,
                    generation: 0,
                    number: 0,
                    due: None,
                    part: Vec::new(),
                    is_connecting,
                };
                self.connections.push(free);
                self.connections.len() as u32 - 1
            }
        };
        let connection = &mut self.connections[index as usize];
        let data = EventData::new_u64(word(index, connection.generation));
        epoll::add(&self.epoll, &socket, data, EventFlags::IN)?;
        connection.socket = Some(socket);
        connection.is_connecting = is_connecting;
        Ok(Some(index))
    }

    /// Something came on a connection, or it is there, or it is gone.
    fn handle(&mut self, token: Token) -> Result<()> {
        if !self.is_current(token) {
            return Ok(());
        }
        let connection = &mut self.connections[token.index as usize];
        let Some(socket) = &connection.socket else { return Ok(()) };
        if connection.due.is_some() && connection.is_connecting {
            let len = match write(socket, &connection.part) {
                Ok(len) => len,
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => {
                    self.finish(token.index, Outcome::Broken, true);
                    return Ok(());
                }
            };
            if len < connection.part.len() {
                return Err("the server does not read a request".into());
            }
            connection.part.clear();
            connection.is_connecting = false;
            let data = EventData::new_u64(word(token.index, token.generation));
            epoll::modify(&self.epoll, socket, data, EventFlags::IN)?;
            return Ok(());
        }
        let kept = connection.part.len();
        self.input[..kept].copy_from_slice(&connection.part);
        let len = match read(socket, &mut self.input[kept..]) {
            Ok(len) => len,
            Err(Errno::AGAIN) => return Ok(()),
            Err(_) => 0,
        };
        let Some(due) = connection.due else {
            // Idle: the server closes it, as it may. What it says unasked is of no use.
            self.close(token.index, true);
            return Ok(());
        };
        if len == 0 {
            self.finish(token.index, Outcome::Broken, true);
            return Ok(());
        }
        let bytes = &self.input[..kept + len];
        let Some(answer) = Answer::read(bytes)? else {
            if bytes.len() == self.input.len() {
                return Err("an answer is too long".into());
            }
            connection.part.clear();
            connection.part.extend_from_slice(bytes);
            return Ok(());
        };
        if answer.len < bytes.len() {
            return Err("the server sends more than it was asked for".into());
        }
        let is_last = answer.is_last || self.plan.habits.is_fresh;
        let is_in_time = self.start.elapsed().as_nanos() as u64 - due.due_ns <= self.deadline_ns;
        let outcome = match answer.status {
            200 if answer.content != self.plan.kinds[due.kind].content.as_bytes() => {
                return Err(format!("wrong content: {}", String::from_utf8_lossy(answer.content)).into());
            }
            200 if is_in_time => Outcome::Answered,
            200 => Outcome::Late,
            status => Outcome::Refused(status),
        };
        connection.part.clear();
        self.finish(token.index, outcome, is_last);
        Ok(())
    }

    /// Ends the try that is under way on a connection.
    fn finish(&mut self, index: u32, outcome: Outcome, is_last: bool) {
        let connection = &mut self.connections[index as usize];
        let Some(due) = connection.due.take() else { return };
        self.under_way -= 1;
        if is_last {
            // A client that gives up closes in the ordinary way; what has been answered leaves nothing behind, so that
            // there are ports for the next ones.
            self.close(index, outcome != Outcome::GaveUp);
        } else {
            let token = self.token(index);
            self.idle.push_back(token);
        }
        let now = self.now();
        self.end(due, outcome, now);
    }

    /// Tells how a try ended, and plans the next one.
    fn end(&mut self, due: Due, outcome: Outcome, now: u64) {
        let Due { due_ns, arrived_ns, kind, attempt, .. } = due;
        (self.sink)(&Try { kind, arrived_ns, attempt, outcome, latency_ns: now.saturating_sub(due_ns) });
        if outcome != Outcome::Answered && attempt < self.plan.habits.retries {
            let due_ns = now + PAUSE_NS / 2 + self.dice.below(PAUSE_NS);
            self.again.push(Reverse(Due { due_ns, attempt: attempt + 1, ..due }));
        }
    }

    fn give_up(&mut self, now: u64) {
        while let Some(&(deadline, index, number)) = self.deadlines.front()
            && deadline <= now
        {
            self.deadlines.pop_front();
            if self.connections[index as usize].number == number {
                self.finish(index, Outcome::GaveUp, true);
            }
        }
    }

    /// Nobody waits any more, and nobody tries again.
    fn give_up_all(&mut self) {
        for index in 0..self.connections.len() as u32 {
            self.finish(index, Outcome::GaveUp, true);
        }
        self.again.clear();
    }

    /// Closes a connection; `at_once`: by a reset, after which no side remembers it.
    fn close(&mut self, index: u32, at_once: bool) {
        let connection = &mut self.connections[index as usize];
        let Some(socket) = connection.socket.take() else { return };
        if at_once {
            // Without it the close is an ordinary one.
            let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        }
        connection.generation = connection.generation.wrapping_add(1);
        connection.part.clear();
        connection.due = None;
        self.free.push(index);
    }

    fn token(&self, index: u32) -> Token {
        Token { index, generation: self.connections[index as usize].generation }
    }

    fn is_current(&self, token: Token) -> bool {
        self.connections[token.index as usize].generation == token.generation
    }
}

impl Drop for Clients<'_> {
    fn drop(&mut self) {
        for index in 0..self.connections.len() as u32 {
            self.close(index, true);
        }
    }
}

fn word(index: u32, generation: u32) -> u64 {
    u64::from(index) | u64::from(generation) << 32
}

/// The kind that a number in 0..1 falls on.
fn place(kinds: &[Kind], mut share: f64) -> usize {
    for (place, kind) in kinds.iter().enumerate() {
        share -= kind.share;
        if share < 0.0 {
            return place;
        }
    }
    kinds.len() - 1
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::super::request::TRIFLE;
    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nHello from Pivot\n";
    const NO: &str = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";
    /// So long that no machine is too slow for it.
    const LONG: Duration = Duration::from_secs(600);
    const HABITS: Habits = Habits { is_fresh: false, deadline: LONG, is_patient: false, retries: 0 };

    /// All tries of clients of a server that does this on each connection.
    fn tries(habits: Habits, serve: fn(TcpStream)) -> Result<Vec<Try>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        // It ends with the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        let phases = [Phase { duration: Duration::from_millis(200), rate: 500.0 }];
        let (mut all, plan) = (Vec::new(), Plan { kinds: &[TRIFLE], phases: &phases, seed: 1, habits });
        run(&plan, address, &mut |one| all.push(*one))?;
        Ok(all)
    }

    fn arrivals() -> usize {
        Arrivals::new(&[Phase { duration: Duration::from_millis(200), rate: 500.0 }], 1).count()
    }

    /// Says the same to each request.
    fn say(mut stream: TcpStream, answer: &str) {
        let mut input = [0; 4_096];
        while stream.read(&mut input).is_ok_and(|len| len > 0) {
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn all_are(tries: &[Try], outcome: Outcome) -> bool {
        tries.iter().all(|one| one.outcome == outcome)
    }

    #[test]
    fn every_arrival_is_answered_once_on_kept_and_on_fresh_connections() {
        for is_fresh in [false, true] {
            let tries = tries(Habits { is_fresh, ..HABITS }, |stream| say(stream, OK)).unwrap();
            assert_eq!(tries.len(), arrivals());
            assert!(all_are(&tries, Outcome::Answered));
        }
    }

    #[test]
    fn what_is_refused_is_tried_again_so_often_and_no_more() {
        let tries = tries(Habits { retries: 2, ..HABITS }, |stream| say(stream, NO)).unwrap();
        assert!(all_are(&tries, Outcome::Refused(503)));
        for attempt in 0..3 {
            assert_eq!(tries.iter().filter(|one| one.attempt == attempt).count(), arrivals(), "{attempt}");
        }
        assert_eq!(tries.len(), 3 * arrivals());
    }

    #[test]
    fn a_client_without_an_answer_gives_up_at_its_deadline_and_closes() {
        let deadline = Duration::from_millis(50);
        let silent = |mut stream: TcpStream| while stream.read(&mut [0; 4_096]).is_ok_and(|len| len > 0) {};
        let tries = tries(Habits { deadline, ..HABITS }, silent).unwrap();
        assert_eq!(tries.len(), arrivals());
        assert!(all_are(&tries, Outcome::GaveUp));
        assert!(tries.iter().all(|one| one.latency_ns >= deadline.as_nanos() as u64));
    }

    #[test]
    fn a_patient_client_sees_late_answers() {
        let habits = Habits { deadline: Duration::ZERO, is_patient: true, ..HABITS };
        let tries = tries(habits, |stream| say(stream, OK)).unwrap();
        assert_eq!(tries.len(), arrivals());
        assert!(all_are(&tries, Outcome::Late));
    }

    #[test]
    fn a_server_that_closes_instead_of_answering_breaks_the_request() {
        let close = |mut stream: TcpStream| drop(stream.read(&mut [0; 4_096]));
        let tries = tries(Habits { is_fresh: true, ..HABITS }, close).unwrap();
        assert_eq!(tries.len(), arrivals());
        assert!(all_are(&tries, Outcome::Broken));
    }

    #[test]
    fn a_wrong_answer_voids_the_run() {
        assert!(tries(HABITS, |stream| say(stream, &OK.replace('H', "h"))).is_err());
        assert!(tries(HABITS, |stream| say(stream, &OK.replace("Hello", "hello"))).is_err());
        assert!(tries(HABITS, |stream| say(stream, &OK.repeat(2))).is_err());
    }

    #[test]
    fn kinds_come_in_their_shares() {
        let kinds = [0.05, 0.95].map(|share| Kind { share, ..TRIFLE });
        assert_eq!([0.0, 0.049, 0.05, 0.5, 0.999].map(|share| place(&kinds, share)), [0, 0, 1, 1, 1]);
    }
}
