//! A server in a thread of the test, and a client that speaks plain bytes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pivot_core::admission::Quota;
use pivot_core::app::{App, Routes};
use pivot_core::mode::{Draft, Profile};
use pivot_std::mio::{Ended, Monitor, Server};

/// Longer than anything here takes on a busy machine: who reaches it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    pub monitor: Monitor,
    thread: JoinHandle<Ended>,
}

pub fn draft() -> Draft {
    let plenty = Quota::new(10_000_000, Duration::from_secs(1), 10_000_000).unwrap();
    Draft { quota: plenty, breaker: None, ..Profile::Standard.draft() }
}

pub fn start<R: Routes + 'static>(draft: Draft, app: impl Fn() -> App<R> + Send + Sync + 'static) -> Running {
    let server = Server::bind("127.0.0.1:0", draft.build().unwrap()).unwrap().admin("127.0.0.1:0").unwrap();
    let (address, admin, monitor) = (server.local_address(), server.admin_address(), server.monitor());
    let thread = std::thread::spawn(move || server.run(app).unwrap());
    // The admin listener starts last.
    assert_eq!(Client::connect(admin.unwrap()).get("/livez").0, 200);
    Running { address, admin, monitor, thread }
}

impl Running {
    /// Ends the server, and checks that everything came home and every request ended once.
    pub fn end(self) -> Ended {
        self.monitor.drain();
        let ended = self.thread.join().unwrap();
        let shared = self.monitor.shared().unwrap();
        assert!(shared.is_everything_home(), "{shared:?}");
        assert_eq!(ended.totals.in_flight(), 0, "{:?}", ended.totals);
        assert_eq!(ended.totals.outcomes.iter().sum::<u64>(), ended.totals.requests, "{:?}", ended.totals);
        assert_eq!(ended.totals.connections, 0);
        ended
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

/// Waits until something holds.
pub fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to hold");
        std::thread::yield_now();
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn get(&mut self, path: &str) -> (u16, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.answer()
    }

    /// Reads one answer that says its length: its status and its content.
    pub fn answer(&mut self) -> (u16, String) {
        let head = self.head();
        let status = head[9..12].parse().unwrap();
        let len = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |len| len.parse::<usize>().unwrap());
        let mut content = vec![0; len];
        self.0.read_exact(&mut content).unwrap();
        (status, String::from_utf8(content).unwrap())
    }

    /// Asks for chunked content, and answers all of it with its framing.
    pub fn get_stream(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert!(self.head().starts_with("HTTP/1.1 200 "));
        let mut content = Vec::new();
        while !content.ends_with(b"\r\n0\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            content.push(byte[0]);
        }
        String::from_utf8(content).unwrap()
    }

    /// Reads to the empty line.
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(
                self.0.read(&mut byte).unwrap(),
                1,
                "cut off after {:?}",
                String::from_utf8_lossy(&head)
            );
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads to the end of the connection, however it comes.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Closes so that the peer sees a reset.
pub fn reset(client: Client) {
    socket2::SockRef::from(&client.0).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}
