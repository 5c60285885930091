//! The memory that is announced is the memory that is taken: D1. Alone in its process, whose resident memory it looks at.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Client, draft, until};
use pivot_core::mode::Draft;
use pivot_std::mio::Server;

static ANNOUNCED: AtomicUsize = AtomicUsize::new(0);

/// Resident memory in bytes, counted page by page.
fn resident() -> usize {
    let map = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = map.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Starts a server that takes all its memory, and answers what it announced and what it took.
fn measure(draft: Draft) -> (usize, usize) {
    let before = resident();
    let server = Server::bind("127.0.0.1:0", draft.build().unwrap()).unwrap().commit_memory();
    let server = server.on_start(|budget| ANNOUNCED.store(budget.total(), Ordering::SeqCst));
    let (address, monitor) = (server.local_address(), server.monitor());
    let running =
        std::thread::spawn(move || server.run(|| pivot_examples::app(pivot_std::thread_cpu_time)).unwrap());
    until(|| ANNOUNCED.load(Ordering::SeqCst) > 0);
    assert_eq!(Client::connect(address).get("/").0, 200);
    let taken = resident() - before;
    monitor.drain();
    running.join().unwrap();
    (ANNOUNCED.swap(0, Ordering::SeqCst), taken)
}

#[test]
fn what_is_announced_at_start_is_what_is_resident_once_all_is_touched() {
    // A first server touches the code and what the process needs by itself.
    measure(draft());
    let high = Draft { connections_max: 5_000, ..pivot_core::mode::Profile::High.draft() };
    let (announced, taken) = measure(high);
    assert!(announced > 50 << 20);
    assert!(taken.abs_diff(announced) * 10 < announced, "{announced} bytes announced, {taken} taken");
}
