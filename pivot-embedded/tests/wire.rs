//! The example application over smoltcp on the host, on a virtual wire, under virtual time: P4, A5, C6b.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use pivot_core::admission::{Quota, Seed};
use pivot_core::mode::{Draft, Profile};
use pivot_core::serve::{self, Host, Shared};
use pivot_core::storage::{Arena, Budget, SpaceFull};
use pivot_core::time::Instant;
use pivot_embedded::{Server, Stack};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// One end of a wire.
struct End {
    incoming: Queue,
    outgoing: Queue,
}

struct Incoming(Vec<u8>);
struct Outgoing(Queue);

impl RxToken for Incoming {
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, f: F) -> T {
        f(&self.0)
    }
}

impl TxToken for Outgoing {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, len: usize, f: F) -> T {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.borrow_mut().push_back(packet);
        result
    }
}

impl Device for End {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Incoming, Outgoing)> {
        let packet = self.incoming.borrow_mut().pop_front()?;
        Some((Incoming(packet), Outgoing(self.outgoing.clone())))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Outgoing> {
        Some(Outgoing(self.outgoing.clone()))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1_500;
        capabilities
    }
}

#[derive(Clone)]
struct Clock(Rc<Cell<Instant>>);

impl Host for Clock {
    fn now(&self) -> Instant {
        self.0.get()
    }

    fn unix_s(&self) -> Option<u64> {
        None
    }
}

#[derive(Default)]
struct Leaked(Budget);

impl Arena for Leaked {
    fn take<T: 'static>(
        &mut self,
        part: &'static str,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'static mut [T], SpaceFull> {
        self.0.add(part, count, size_of::<T>());
        Ok((0..count).map(make).collect::<Vec<T>>().leak())
    }

    fn budget(&self) -> &Budget {
        &self.0
    }
}

/// A server and a machine full of clients, at the two ends of a wire.
struct Net {
    turn: Box<dyn FnMut() -> Option<Instant>>,
    close_all: Rc<Cell<bool>>,
    shared: &'static Shared,
    clock: Clock,
    device: End,
    interface: Interface,
    sockets: SocketSet<'static>,
    next_port: u16,
    /// Content bytes of each packet that the server has sent.
    sent: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

fn interface(device: &mut End, last: u8) -> Interface {
    let mut interface =
        Interface::new(Config::new(HardwareAddress::Ip), device, smoltcp::time::Instant::from_millis(1_000));
    interface.update_ip_addrs(|addresses| {
        addresses.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24)).unwrap();
    });
    interface
}

fn app() -> pivot_core::app::App<impl pivot_core::app::Routes> {
    pivot_examples::app(|| Duration::ZERO)
}

impl Net {
    fn new() -> Self {
        let (to_server, to_client) = (Queue::default(), Queue::default());
        let mut device = End { incoming: to_server.clone(), outgoing: to_client.clone() };
        let clock = Clock(Rc::new(Cell::new(Instant::from_millis(1_000))));
        let quota = Quota::new(1_000, Duration::from_secs(1), 1_000).unwrap();
        let config = Draft { quota, ..Profile::Micro.draft() }.build().unwrap();
        let served = interface(&mut device, 1);
        let mut server = Server::new(
            &mut Leaked::default(),
            (config, Stack::PRESET),
            app,
            (device, served, clock.clone()),
            Seed(3, 4),
            serve::run,
        )
        .unwrap();
        let shared = server.shared();
        let close_all = Rc::new(Cell::new(false));
        let closing = close_all.clone();
        let turn = Box::new(move || {
            if closing.take() {
                server.close_all();
            }
            server.poll();
            server.poll_timeout()
        });
        let sent = to_client.clone();
        let mut device = End { incoming: to_client, outgoing: to_server };
        let interface = interface(&mut device, 2);
        let sockets = SocketSet::new(Vec::new());
        Self { turn, close_all, shared, clock, device, interface, sockets, next_port: 40_000, sent }
    }

    fn connect(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 8_192]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        self.next_port += 1;
        socket.connect(self.interface.context(), (IpAddress::v4(10, 0, 0, 1), 80), self.next_port).unwrap();
        let handle = self.sockets.add(socket);
        self.settle();
        handle
    }

    fn socket(&mut self, client: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(client)
    }

    fn send(&mut self, client: SocketHandle, bytes: &[u8]) {
        assert_eq!(self.socket(client).send_slice(bytes).unwrap(), bytes.len());
        self.settle();
    }

    fn received(&mut self, client: SocketHandle) -> String {
        let mut buffer = vec![0; 65_536];
        let len = self.socket(client).recv_slice(&mut buffer).unwrap_or(0);
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    /// Lets both ends talk until they have nothing to say at this moment.
    fn settle(&mut self) {
        for _ in 0..200 {
            let now = smoltcp::time::Instant::from_micros(self.clock.0.get().as_micros() as i64);
            self.interface.poll(now, &mut self.device, &mut self.sockets);
            (self.turn)();
        }
    }

    fn advance(&mut self, duration: Duration) {
        let end = self.clock.0.get().plus(duration);
        while self.clock.0.get() < end {
            self.clock.0.set(self.clock.0.get().plus(Duration::from_millis(50)));
            let now = smoltcp::time::Instant::from_micros(self.clock.0.get().as_micros() as i64);
            self.interface.poll(now, &mut self.device, &mut self.sockets);
            (self.turn)();
        }
        self.settle();
    }

    fn assert_everything_home(&mut self) {
        self.close_all.set(true);
        self.settle();
        let totals = self.shared.totals();
        assert_eq!(totals.in_flight(), 0, "{totals:?}");
        assert_eq!(totals.outcomes.iter().sum::<u64>(), totals.requests, "{totals:?}");
        assert!(self.shared.is_everything_home());
    }
}

#[test]
fn the_application_answers_on_one_connection_again_and_again() {
    let mut net = Net::new();
    let client = net.connect();
    // Far more than the rings hold: heads and answers wrap around their ends many times.
    for id in 0..200 {
        net.send(client, format!("GET /users/{id} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let answer = net.received(client);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{id}: {answer}");
        assert!(answer.ends_with(&format!("{{\"id\":{id},\"name\":\"user {id}\"}}")), "{id}: {answer}");
        assert!(!answer.contains("date:"), "there is no clock that knows the date");
    }
    net.assert_everything_home();
}

#[test]
fn content_comes_back_in_pieces_and_errors_have_their_status() {
    let mut net = Net::new();
    let client = net.connect();
    let content = "x".repeat(3_000);
    net.send(
        client,
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n{content}").as_bytes(),
    );
    // The client's acknowledgements are delayed, so windows open only as time passes.
    net.advance(Duration::from_secs(1));
    assert!(net.received(client).ends_with(&format!("\r\n\r\n{content}")));
    for (request, status) in [
        ("GET /nope HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "404"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "y".repeat(2_000)), "431"),
    ] {
        let client = net.connect();
        net.send(client, request.as_bytes());
        assert_eq!(net.received(client).get(9..12), Some(status));
        net.socket(client).abort();
        net.settle();
    }
    net.assert_everything_home();
}

#[test]
fn a_small_answer_leaves_in_one_segment() {
    let mut net = Net::new();
    let client = net.connect();
    net.socket(client).send_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let now = smoltcp::time::Instant::from_micros(net.clock.0.get().as_micros() as i64);
    net.interface.poll(now, &mut net.device, &mut net.sockets);
    (net.turn)();
    let with_content = net.sent.borrow().iter().filter(|packet| packet.len() > 60).count();
    assert_eq!(with_content, 1);
    net.settle();
    assert!(net.received(client).ends_with("Hello from Pivot\n"));
    net.assert_everything_home();
}

#[test]
fn half_a_head_and_then_silence_is_answered_and_closed() {
    let mut net = Net::new();
    let client = net.connect();
    net.send(client, b"GET / HT");
    // The stack's own timeout would end the connection without a word; the server is sooner.
    net.advance(Duration::from_millis(2_500));
    assert!(net.received(client).starts_with("HTTP/1.1 408 "));
    net.assert_everything_home();
}

#[test]
fn more_clients_than_sockets_do_not_hurt_those_that_are_served() {
    let mut net = Net::new();
    let clients: Vec<SocketHandle> = (0..6).map(|_| net.connect()).collect();
    let served =
        clients.iter().filter(|&&client| net.sockets.get::<tcp::Socket<'_>>(client).may_send()).count();
    assert_eq!(served, 4);
    net.send(clients[0], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(net.received(clients[0]).ends_with("Hello from Pivot\n"));
    net.socket(clients[0]).close();
    net.advance(Duration::from_millis(100));
    let late = net.connect();
    net.send(late, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(net.received(late).ends_with("Hello from Pivot\n"), "a place that was left is free again");
    net.assert_everything_home();
}

#[test]
fn a_server_takes_as_much_memory_as_its_constant_says() {
    use pivot_core::mode::{self, Profile};
    use pivot_core::serve;
    use pivot_core::storage::Space;
    use pivot_embedded::server_size;
    const CONFIG: mode::Config = match Profile::Micro.draft().build() {
        Ok(config) => config,
        Err(_) => panic!("the Micro profile is valid"),
    };
    const SIZE: usize = server_size(app, &CONFIG, &Stack::PRESET, serve::run).within(64 << 10);
    static SPACE: Space<SIZE> = Space::new();
    let mut arena = SPACE.arena().unwrap();
    let mut device = End { incoming: Queue::default(), outgoing: Queue::default() };
    let interface = interface(&mut device, 1);
    let clock = Clock(Rc::new(Cell::new(Instant::ZERO)));
    Server::new(&mut arena, (CONFIG, Stack::PRESET), app, (device, interface, clock), Seed(1, 2), serve::run)
        .unwrap();
    assert_eq!(arena.free_len(), 0);
}
