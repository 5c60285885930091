//! The connection as a sequence of what clients can do: nothing panics, nothing is lost, everything comes home.
#![no_main]

use std::cell::RefCell;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use pivot_core::admission::Quota;
use pivot_core::mode::{Draft, Profile};
use pivot_sim::{Client, Server};

const STARTS: [&[u8]; 8] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /slow?ms=500 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /large?bytes=3000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    b"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    b"HEAD /users/%37 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
];

fn server() -> Server {
    let quota = Quota::new(1_000_000, Duration::from_secs(1), 1_000_000).expect("in range");
    let draft =
        Draft { head_size_max: 512, response_size: 512, quota, breaker: None, ..Profile::Micro.draft() };
    Server::new(draft.build().expect("in range"), pivot_examples::app(|| Duration::ZERO))
}

// One server for all runs: its memory is never given back, and it has to come to rest after each run anyway.
thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(server());
}

fuzz_target!(|bytes: &[u8]| {
    SERVER.with_borrow_mut(|server| {
        let mut clients: Vec<Client> = Vec::new();
        let mut rest = bytes;
        while let [operation, amount, after @ ..] = rest {
            rest = after;
            let which = usize::from(operation >> 4) % 6;
            let Some(&client) = clients.get(which) else {
                clients.push(server.connect());
                continue;
            };
            let amount = usize::from(*amount);
            match operation & 15 {
                0..=3 => server.send(client, STARTS[amount % STARTS.len()]),
                4..=6 => {
                    let (raw, after) = rest.split_at(amount.min(rest.len()));
                    server.send(client, raw);
                    rest = after;
                }
                7 => server.limit_output(client, 1 + amount % 40, amount * 4),
                8 | 9 => server.advance(Duration::from_millis(amount as u64 * 20)),
                10 => server.jump(Duration::from_millis(amount as u64 * 200)),
                11 => server.end(client),
                12 => server.send_and_end(client, STARTS[amount % STARTS.len()]),
                _ => {
                    server.reset(client);
                    clients[which] = server.connect();
                }
            }
        }
        server.assert_everything_home();
        server.forget_clients();
    });
});
