//! Descriptors run out: C6b. Alone in its process, which has to share them.

mod common;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;

use common::{draft, start};
use pivot_core::mode::Draft;
use pivot_core::monitor::CloseReason;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn when_descriptors_run_out_the_longest_idle_connection_makes_room() {
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
    drop(taken);
    let totals = server.end().totals;
    assert!(totals.accept_errors >= 49, "{totals:?}");
    assert!(totals.closed(CloseReason::Evicted) >= 49, "{totals:?}");
}
