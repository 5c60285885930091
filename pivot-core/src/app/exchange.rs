//! Where the loop and a handler meet: a bounded window of content in, one of the answer out, and timers.
//!
//! The loop touches an exchange only while its handler is suspended, and the handler only while it runs, both on
//! one thread; the cells below are never borrowed across a suspension point.

use core::cell::{Cell, RefCell, RefMut};
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::task::{Context, Poll, Waker};

use super::buffer::{Buffer, RequestHead};
use super::clockface::Clockface;
use super::input::{BodyError, Gathering, Input};
use super::output::Output;
use crate::admission::{Class, Permit, Refusal};
use crate::http::Status;
use crate::http::h1::decode::Head;
use crate::pool::Guard;
use crate::time::Instant;

/// The other end of a connection, in 18 bytes.
///
/// An address that nobody asks for is never turned into a [`SocketAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// An IPv4 address is mapped into IPv6 (RFC 4291, section 2.5.5.2).
    ip: [u8; 16],
    port: u16,
}

impl Peer {
    /// Nobody: the unspecified address.
    pub const NOBODY: Self = Self { ip: [0; 16], port: 0 };

    /// The peer at an address. Flow label and scope of IPv6 are not kept.
    pub const fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self { ip, port: address.port() }
    }

    /// Its address; IPv4 if it was mapped.
    pub const fn address(self) -> SocketAddr {
        let v6 = Ipv6Addr::from_octets(self.ip);
        let ip = match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        };
        SocketAddr::new(ip, self.port)
    }
}

/// What an exchange is about: everything that handlers can ask and that is not in the head.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The other end of the connection, as the backend sees it.
    pub peer: Peer,
    /// The class that the request was admitted in.
    pub class: Class,
    /// When its handler started.
    pub started: Instant,
    /// By when it has to be done.
    pub deadline: Instant,
}

/// One admitted request, until the last byte of its answer.
pub struct Exchange {
    pub(super) clock: &'static Clockface,
    pub(super) about: Cell<About>,
    windows: RefCell<Windows>,
    /// The head, once the handler is through with it.
    returned: Cell<Option<Guard<'static, RequestHead>>>,
    /// The permit of the request, which goes wherever its handler runs.
    permit: Cell<Option<Permit<'static>>>,
    /// Why the request was not answered, where it is not for the handler to say.
    failure: Cell<Option<Failure>>,
    timers: RefCell<heapless::Vec<(Instant, Waker), TIMERS_MAX>>,
}

/// What goes in and what comes out.
#[derive(Debug)]
pub struct Windows {
    /// The content of the request.
    pub input: Input,
    /// The answer.
    pub output: Output,
}

/// What became of a request that was to run on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It did not run.
    Refused(Refusal),
    /// Its handler panicked.
    Panicked,
}

/// Most tasks inside one handler that can sleep at the same time; each more is polled every turn instead.
const TIMERS_MAX: usize = 4;

impl Exchange {
    /// An exchange that waits for its first request.
    pub fn new(clock: &'static Clockface) -> Self {
        Self {
            clock,
            about: Cell::new(About {
                peer: Peer::NOBODY,
                class: Class::Normal,
                started: Instant::ZERO,
                deadline: Instant::NEVER,
            }),
            windows: RefCell::new(Windows { input: Input::new(), output: Output::new() }),
            returned: Cell::new(None),
            permit: Cell::new(None),
            failure: Cell::new(None),
            timers: RefCell::new(heapless::Vec::new()),
        }
    }

    /// Begins with a request whose head was decoded.
    ///
    /// `output` is what the answer is appended to; `window` is there if content follows the head.
    #[inline(always)]
    pub fn begin(
        &self,
        about: About,
        head: &Head,
        output: Guard<'static, Buffer>,
        window: Option<Guard<'static, Buffer>>,
        content_size_max: u64,
    ) {
        self.about.set(about);
        let mut windows = self.windows.borrow_mut();
        windows.input.begin(head, window, content_size_max);
        windows.output.begin(head, output);
    }

    /// Ends, wherever the request stands: takes the output back and lets go of everything else.
    #[inline(always)]
    pub fn end(&self) -> Option<Guard<'static, Buffer>> {
        self.timers.borrow_mut().clear();
        let mut windows = self.windows.borrow_mut();
        windows.input.end();
        windows.output.end()
    }

    /// Whether the answer is whole, nothing of it is sent, the connection goes on after it and the request had no content:
    /// then there is nothing to settle.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        let windows = self.windows.borrow();
        windows.output.is_plain() && windows.input.is_ended()
    }

    /// The status that the client will see, or has seen.
    #[inline(always)]
    pub fn status(&self) -> Status {
        self.windows.borrow().output.status()
    }

    /// Answers with a status and a line of text, unless an answer is on its way.
    pub(crate) fn answer_status(&self, status: Status, message: &str) {
        self.windows().output.answer_status(status, message, self.clock);
    }

    /// Gives the head back, for what came behind it.
    #[inline(always)]
    pub fn return_head(&self, head: Guard<'static, RequestHead>) {
        self.returned.set(Some(head));
    }

    /// Takes the head that was given back.
    #[inline(always)]
    pub fn take_head(&self) -> Option<Guard<'static, RequestHead>> {
        self.returned.take()
    }

    /// Waits until all content is in the window, and lets the client know that it is waited for.
    pub(crate) fn poll_whole_content(
        &self,
        context: &mut Context<'_>,
        gathering: &mut Gathering,
    ) -> Poll<Result<(), BodyError>> {
        let windows = &mut *self.windows();
        let polled = windows.input.poll_whole(context, gathering);
        if polled.is_pending() && windows.input.take_expectation() {
            windows.output.invite();
        }
        polled
    }

    /// Waits until the answers before this one have been handed to the socket.
    pub(crate) fn poll_earlier_sent(&self, context: &mut Context<'_>) -> Poll<()> {
        self.windows().output.poll_flush(context)
    }

    /// Takes the content and the permit out, with a window for the answer made of `buffer`: for a handler elsewhere. What is left
    /// here can still answer, with a failure.
    pub(crate) fn detach(
        &self,
        head: &Head,
        buffer: Guard<'static, Buffer>,
    ) -> (Windows, Option<Permit<'static>>) {
        let input = core::mem::replace(&mut self.windows().input, Input::new());
        let mut output = Output::new();
        output.begin(head, buffer);
        output.detach();
        (Windows { input, output }, self.take_permit())
    }

    /// Whether this is where a handler runs for another exchange.
    pub(crate) fn is_detached(&self) -> bool {
        self.windows().output.is_detached()
    }

    /// Begins with what was detached from another exchange.
    pub(crate) fn begin_detached(&self, about: About, windows: Windows, permit: Option<Permit<'static>>) {
        self.about.set(about);
        *self.windows() = windows;
        self.permit.set(permit);
    }

    /// Ends what [`Exchange::begin_detached`] has begun.
    pub(crate) fn end_detached(&self) -> (Windows, Option<Permit<'static>>) {
        self.timers.borrow_mut().clear();
        let empty = Windows { input: Input::new(), output: Output::new() };
        (core::mem::replace(&mut self.windows(), empty), self.take_permit())
    }

    /// Takes back what was detached, as it is now. Earlier answers have to be sent.
    pub(crate) fn attach(&self, windows: Windows, permit: Option<Permit<'static>>) {
        self.permit.set(permit);
        let mut own = self.windows();
        *own = windows;
        own.output.attach();
    }

    /// Takes back the content and the permit alone: nobody has looked at it.
    pub(crate) fn attach_content(&self, windows: Windows, permit: Option<Permit<'static>>) {
        self.permit.set(permit);
        self.windows().input = windows.input;
    }

    /// Keeps the permit of the request.
    #[inline(always)]
    pub(crate) fn keep_permit(&self, permit: Permit<'static>) {
        self.permit.set(Some(permit));
    }

    /// Takes the permit; `None` while the handler runs elsewhere.
    #[inline(always)]
    pub(crate) fn take_permit(&self) -> Option<Permit<'static>> {
        self.permit.take()
    }

    /// Says why there is no answer.
    pub(crate) fn fail(&self, failure: Failure) {
        self.failure.set(Some(failure));
    }

    /// Why there is no answer, if that was said.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.failure.take()
    }

    /// What the exchange is about.
    pub fn about(&self) -> About {
        self.about.get()
    }

    /// Content and answer, to be let go of before the handler runs or is suspended.
    #[inline]
    pub fn windows(&self) -> RefMut<'_, Windows> {
        self.windows.borrow_mut()
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
    pub(crate) fn poll_sleep(&self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
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
