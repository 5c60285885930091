//! Descriptors run out: C6b. Alone in its process, which has to share them.

mod common;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;

use common::{draft, start, until};
use pivot_core::mode::Draft;
use pivot_core::monitor::CloseReason;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

#[test]
fn when_descriptors_run_out_the_longest_idle_connection_makes_room_and_if_none_is_idle_accepting_pauses() {
    let draft = Draft { connections_max: 100, ..draft() };
    let server = start(draft, || pivot_examples::app(pivot_std::thread_cpu_time));
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: limit.maximum }).unwrap();
    // All but twenty are taken by something else.
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(taken.len() > 20, "the limit is in force");
    taken.truncate(taken.len() - 20);
    let mut clients = VecDeque::new();
    for index in 0..60 {
        if clients.len() == 11 {
            // The server has closed its end of the oldest: give up ours.
            let mut oldest: common::Client = clients.pop_front().unwrap();
            assert_eq!(
                oldest.0.read(&mut [0]).unwrap(),
                0,
                "client {index} came in, so the oldest was closed"
            );
        }
        let mut client = server.connect();
        assert_eq!(client.get("/").0, 200, "client {index}");
        clients.push_back(client);
    }
    drop(clients);
    taken.truncate(taken.len() - 40);
    let shared = server.monitor.shared().unwrap();
    until(|| shared.totals().connections == 0);
    // Now nobody is idle, and others knock: they wait, and those who are inside get their answers.
    let mut clients: Vec<common::Client> = (0..5).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(b"GET /slow?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    until(|| shared.running_count() == 5);
    let knocking: Vec<Socket> =
        (0..20).map(|_| Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap()).collect();
    taken.extend(std::iter::from_fn(|| File::open("/dev/null").ok()));
    knocking.iter().for_each(|socket| socket.connect(&server.address.into()).unwrap());
    until(|| shared.totals().accept_paused == 1);
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().0, 200));
    drop(clients);
    drop(taken);
    until(|| shared.totals().accept_paused == 0);
    drop(knocking);
    assert_eq!(server.connect().get("/").0, 200);
    let totals = server.end().totals;
    assert!(totals.accept_errors >= 49, "{totals:?}");
    assert!(totals.closed(CloseReason::Evicted) >= 49, "{totals:?}");
}
