//! A limit of one, and idle keep-alive connections: permits are for requests, never for connections.

use pivot_core::admission::{Class, Permits};
use pivot_core::app::{App, get};
use pivot_core::mode::{Draft, Profile};
use pivot_sim::Server;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn idle_connections_hold_no_permit() {
    // Naive: a connection takes a permit when it is accepted and keeps it until it closes. The second never runs.
    let permits = Permits::new(1, 0);
    let connections: Vec<_> = (0..3).map(|_| permits.try_take(Class::Normal)).collect();
    assert_eq!(connections.iter().flatten().count(), 1);

    let draft = Draft { concurrency_max: 1, concurrency_reserved: 0, ..Profile::Micro.draft() };
    let app = App::new(get("/", async |_req, res| res.text("hello")));
    let mut server = Server::new(draft.build().unwrap(), app);
    let clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for round in 1..=2 {
        for client in &clients {
            server.send(*client, REQUEST);
            let received = String::from_utf8(server.received(*client)).unwrap();
            assert_eq!(received.matches("200 OK").count(), round, "{received}");
            assert!(server.is_open(*client), "and it stays open, idle");
            assert_eq!(server.shared().running_count(), 0);
        }
    }
    server.assert_everything_home();
}
