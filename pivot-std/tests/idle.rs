//! Ten thousand connections at rest: D1, C6b. The server is a process of its own: so it has descriptors enough, and its
//! resident memory is its own.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use common::{Client, draft, start};
use pivot_core::mode::Draft;

const COUNT: usize = 10_000;
const WARM: usize = 16;
/// What a connection at rest may cost, in bytes.
const BYTES_MAX: usize = 128;

/// The other process: this test, started by the one below with the number of connections in the environment.
#[test]
fn server_process() {
    let Ok(connections_max) = std::env::var("PIVOT_TEST_CONNECTIONS_MAX") else { return };
    let connections_max = connections_max.parse().unwrap();
    let draft = Draft { connections_max, connections_per_client: connections_max, ..draft() };
    let server = start(draft, || pivot_examples::app(pivot_std::thread_cpu_time));
    writeln!(std::io::stdout(), "\nlistening at {}", server.address).unwrap();
    // The other side closes the pipe when it is done.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    writeln!(std::io::stdout(), "\naccepted {}", server.end().totals.accepted).unwrap();
}

struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    address: std::net::SocketAddr,
}

impl Process {
    fn start(connections_max: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["server_process", "--nocapture", "--test-threads=1"])
            .env("PIVOT_TEST_CONNECTIONS_MAX", connections_max.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let address = line(&mut output, "listening at ").parse().unwrap();
        Self { child, output, address }
    }

    /// Resident memory in bytes, counted page by page: the sum in `status` lags behind by up to a page batch a core.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    /// Ends it and answers how many connections it has accepted.
    fn end(mut self) -> usize {
        drop(self.child.stdin.take());
        let accepted = line(&mut self.output, "accepted ").parse().unwrap();
        assert!(self.child.wait().unwrap().success());
        accepted
    }
}

/// Touches the buffers of more requests at a time than chance will bring together.
fn warm(server: &Process) {
    let mut clients: Vec<Client> = (0..WARM).map(|_| Client::connect(server.address)).collect();
    for client in &mut clients {
        client.send(b"GET /slow?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().0, 200);
    }
}

/// Reads up to a line that begins so, and answers the rest of it.
fn line(output: &mut impl BufRead, start: &str) -> String {
    output.lines().map(Result::unwrap).find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap()
}

#[test]
fn ten_thousand_idle_connections_cost_their_tables_and_the_next_client_is_served() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // By chance more buffers and stacks are touched in one process than in the other: the least of three tells.
    let mut bytes = usize::MAX;
    for _ in 0..3 {
        bytes = bytes.min(bytes_of_an_idle_connection());
        writeln!(std::io::stderr(), "an idle connection: {bytes} bytes resident").unwrap();
        if bytes <= BYTES_MAX {
            return;
        }
    }
    panic!("{bytes} bytes for each idle connection");
}

fn bytes_of_an_idle_connection() -> usize {
    let small = Process::start(64);
    // The same number of requests, so that the same code and buffers have been touched.
    warm(&small);
    for _ in 0..COUNT {
        assert_eq!(Client::connect(small.address).get("/").0, 200);
    }
    let base = small.resident();
    assert_eq!(small.end(), COUNT + WARM);

    let server = Process::start(COUNT);
    warm(&server);
    let mut clients = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        let mut client = Client::connect(server.address);
        assert_eq!(client.get("/").0, 200);
        clients.push(client);
    }
    let bytes = server.resident().saturating_sub(base) / COUNT;
    // All places are taken: the longest idle one makes room.
    assert_eq!(Client::connect(server.address).get("/").0, 200);
    assert_eq!(clients[0].rest(), "");
    assert_eq!(clients[COUNT - 1].get("/").0, 200);
    drop(clients);
    assert_eq!(server.end(), COUNT + WARM + 1);
    bytes
}
