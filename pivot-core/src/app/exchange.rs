//! Where the loop and a handler meet: a bounded window of content in, one of the answer out, and timers.
//!
//! The loop touches an exchange only while its handler is suspended, and the handler only while it runs, both on
//! one thread; the cells below are never borrowed across a suspension point.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};

use super::buffer::{Buffer, RequestHead};
use super::input::Input;
use super::output::Output;
use crate::admission::Class;
use crate::http::h1::decode::Head;
use crate::http::http_date;
use crate::pool::Guard;
use crate::time::Instant;

/// The time as one worker knows it: read once a turn, shared by its exchanges.
#[derive(Debug)]
pub struct Clockface {
    now: Cell<Instant>,
    unix_s: Cell<Option<u64>>,
    date_line: Cell<[u8; DATE_LINE_LEN]>,
}

/// `date: Sun, 06 Nov 1994 08:49:37 GMT` and its CRLF.
pub(super) const DATE_LINE_LEN: usize = 6 + 29 + 2;

impl Clockface {
    /// A face that shows the start of time and does not know the date.
    pub const fn new() -> Self {
        Self {
            now: Cell::new(Instant::ZERO),
            unix_s: Cell::new(None),
            date_line: Cell::new([0; DATE_LINE_LEN]),
        }
    }

    /// Sets the moment, and the seconds since 1970 if the backend knows them.
    pub fn set(&self, now: Instant, unix_s: Option<u64>) {
        self.now.set(now);
        if unix_s != self.unix_s.get() {
            self.unix_s.set(unix_s);
            if let Some(unix_s) = unix_s {
                let mut line = *b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
                line[6..35].copy_from_slice(&http_date(unix_s));
                self.date_line.set(line);
            }
        }
    }

    /// The moment of the current turn.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Seconds since 1970, where they are known.
    pub fn unix_s(&self) -> Option<u64> {
        self.unix_s.get()
    }

    /// The `date` field with its line end; `None` where the time is not known (RFC 9110, section 6.6.1).
    pub fn date_line(&self) -> Option<[u8; DATE_LINE_LEN]> {
        self.unix_s.get().map(|_| self.date_line.get())
    }
}

impl Default for Clockface {
    fn default() -> Self {
        Self::new()
    }
}

/// What an exchange is about: everything that handlers can ask and that is not in the head.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The client's address, as the backend sees it.
    pub peer: SocketAddr,
    /// The class that the request was admitted in.
    pub class: Class,
    /// When its handler started.
    pub started: Instant,
}

/// One admitted request, until the last byte of its answer.
pub struct Exchange {
    pub(super) clock: &'static Clockface,
    pub(super) about: Cell<About>,
    pub(super) input: RefCell<Input>,
    pub(super) output: RefCell<Output>,
    /// The head, once the handler is through with it.
    returned: Cell<Option<Guard<'static, RequestHead>>>,
    timers: RefCell<heapless::Vec<(Instant, Waker), TIMERS_MAX>>,
}

/// Most tasks inside one handler that can sleep at the same time; each more is polled every turn instead.
const TIMERS_MAX: usize = 4;

impl Exchange {
    /// An exchange that waits for its first request.
    pub fn new(clock: &'static Clockface) -> Self {
        let nobody = SocketAddr::new(core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
        Self {
            clock,
            about: Cell::new(About { peer: nobody, class: Class::Normal, started: Instant::ZERO }),
            input: RefCell::new(Input::new()),
            output: RefCell::new(Output::new()),
            returned: Cell::new(None),
            timers: RefCell::new(heapless::Vec::new()),
        }
    }

    /// Begins with a request whose head was decoded.
    ///
    /// `output` is what the answer is appended to; `window` is there if content follows the head.
    pub fn begin(
        &self,
        about: About,
        head: &Head,
        output: Guard<'static, Buffer>,
        window: Option<Guard<'static, Buffer>>,
        content_size_max: u64,
    ) {
        self.about.set(about);
        self.input.borrow_mut().begin(head, window, content_size_max);
        self.output.borrow_mut().begin(head, output);
    }

    /// Ends, wherever the request stands: takes the output back and lets go of everything else.
    pub fn end(&self) -> Option<Guard<'static, Buffer>> {
        self.timers.borrow_mut().clear();
        self.input.borrow_mut().end();
        self.output.borrow_mut().end()
    }

    /// Gives the head back, for what came behind it.
    pub fn return_head(&self, head: Guard<'static, RequestHead>) {
        self.returned.set(Some(head));
    }

    /// Takes the head that was given back.
    pub fn take_head(&self) -> Option<Guard<'static, RequestHead>> {
        self.returned.take()
    }

    /// What the exchange is about.
    pub fn about(&self) -> About {
        self.about.get()
    }

    /// Runs `f` with the content's side.
    pub fn with_input<T>(&self, f: impl FnOnce(&mut Input) -> T) -> T {
        f(&mut self.input.borrow_mut())
    }

    /// Runs `f` with the answer's side.
    pub fn with_output<T>(&self, f: impl FnOnce(&mut Output) -> T) -> T {
        f(&mut self.output.borrow_mut())
    }

    /// The clock that the exchange goes by.
    pub fn clock(&self) -> &'static Clockface {
        self.clock
    }

    /// When the first sleeper has to be woken.
    pub fn timer(&self) -> Option<Instant> {
        self.timers.borrow().iter().map(|(at, _)| *at).min()
    }

    /// Wakes the sleepers whose time has come.
    pub fn handle_timers(&self, now: Instant) {
        let mut timers = self.timers.borrow_mut();
        let mut index = 0;
        while index < timers.len() {
            if timers[index].0 <= now {
                timers.swap_remove(index).1.wake();
            } else {
                index += 1;
            }
        }
    }

    /// Waits until `at`.
    pub(super) fn poll_sleep(&self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= at {
            return Poll::Ready(());
        }
        let mut timers = self.timers.borrow_mut();
        let waker = context.waker();
        if let Some(entry) = timers.iter_mut().find(|(_, known)| known.will_wake(waker)) {
            // The same task sleeps once or several times: wake it for the first of them.
            entry.0 = entry.0.min(at);
        } else if let Err((_, waker)) = timers.push((at, waker.clone())) {
            waker.wake();
        }
        Poll::Pending
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("about", &self.about).finish_non_exhaustive()
    }
}
