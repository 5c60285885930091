//! From bytes to an admitted request: decode, classify, limit, shed, route, breaker, queue.

use core::net::IpAddr;

use super::connection::{NONE, Phase};
use super::exchange::Admitted;
use super::refuse::{ShortAnswer, render, status_of};
use super::socket::{Host, Socket};
use super::worker::Worker;
use crate::admission::{Class, ClientKey, ConnectionPermit, Refusal};
use crate::app::Routes;
use crate::app::buffer::RequestHead;
use crate::http::h1::decode::{BodyLength, Head, decode_head};
use crate::http::{Method, MethodSet, Status};
use crate::monitor::{CloseReason, Outcome};
use crate::router::{Found, path};

/// Whether a connection's next byte is of use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    ReadOn,
    Stop,
}

/// Why a request goes no further.
enum Rejected {
    /// It cannot be served.
    Malformed(Status),
    /// It could be, but not now.
    Refused(Refusal),
}

impl<S, H, R, M, F> Worker<S, H, R, M, F>
where
    S: Socket + 'static,
    H: Host,
    R: Routes,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    /// Decodes what has come of a head; once it is whole, admits or answers the request.
    pub(super) fn process_head(&mut self, index: u32) -> Progress {
        let connection = &mut self.connections[index as usize];
        let Some(request) = &mut connection.request else { return Progress::Stop };
        let RequestHead { buffer, headers, .. } = &mut **request;
        let decoded = decode_head(buffer.filled(), &self.shared.head_limits, headers);
        let head = match decoded {
            Ok(None) => {
                self.await_head(index);
                return Progress::ReadOn;
            }
            Err(error) => {
                self.stats.requests.add(1);
                self.stats.end_request(Outcome::Malformed);
                self.answer_short(index, error.status(), None, true, CloseReason::Malformed);
                return Progress::Stop;
            }
            Ok(Some(head)) => head,
        };
        request.head = Some(head);
        // An answer has to fit behind those that are not sent yet.
        let response_size = self.shared.config.response_size;
        if connection.output.as_mut().is_some_and(|output| {
            output.compact();
            output.space_len() < response_size
        }) {
            let deadline = self.now.plus(self.shared.config.timeouts.grace);
            self.enter(index, Phase::Blocked);
            self.set_deadline(index, deadline);
            self.flush(index);
            return Progress::Stop;
        }
        self.admit(index, &head);
        Progress::Stop
    }

    /// The output has room again.
    #[inline(never)]
    pub(super) fn unblock(&mut self, index: u32) {
        let connection = &self.connections[index as usize];
        if let Some(head) = connection.request.as_ref().and_then(|request| request.head) {
            self.admit(index, &head);
        }
    }

    #[inline(always)]
    fn admit(&mut self, index: u32, head: &Head) {
        self.stats.requests.add(1);
        match self.judge(index, head) {
            Ok(class) => match self.queue.push(index, class, self.now) {
                Ok(place) => {
                    self.enter(index, Phase::Queued);
                    self.connections[index as usize].slot = place;
                }
                Err(_) => self.refuse(index, Refusal::QueueFull),
            },
            Err(Rejected::Refused(refusal)) => self.refuse(index, refusal),
            Err(Rejected::Malformed(status)) => {
                self.stats.end_request(Outcome::Malformed);
                self.answer_short(index, status, None, true, CloseReason::Malformed);
            }
        }
    }

    /// Every check between the head and the queue, in order; the first that fails decides.
    #[inline(always)]
    fn judge(&mut self, index: u32, head: &Head) -> Result<Class, Rejected> {
        let shared = self.shared;
        let config = &shared.config;
        let connection = &mut self.connections[index as usize];
        let Some(request) = &mut connection.request else { return Ok(Class::Normal) };
        let class = match config.trust_class_header {
            true => class_of(request).unwrap_or_default(),
            false => Class::Normal,
        };
        let mut client = connection.permit.as_ref().map(ConnectionPermit::key);
        if config.trusted_hops > 0
            && let Some(address) = forwarded_for(request, config.trusted_hops)
        {
            client = Some(ClientKey::of_address(address, shared.seed));
        }
        let Some(client) = client else { return Ok(Class::Normal) };
        shared
            .limiter
            .charge(client, 1, self.now)
            .map_err(|retry_at| Rejected::Refused(Refusal::RateLimited { retry_at }))?;
        // On at nine tenths of the queue, off at seven: between the two, what was so stays so.
        let (len, capacity) = (self.queue.len(), self.queue.capacity());
        self.is_shedding = if self.is_shedding { len * 10 > capacity * 7 } else { len * 10 >= capacity * 9 };
        if self.is_shedding && class > Class::High {
            return Err(Rejected::Refused(Refusal::Shed));
        }
        if let BodyLength::Exact(len) = head.body
            && len > config.body_size_max
        {
            return Err(Rejected::Malformed(Status::CONTENT_TOO_LARGE));
        }
        if head.method == Method::Connect {
            return Err(Rejected::Malformed(Status::NOT_IMPLEMENTED));
        }
        find_route(shared, request, head)?;
        if let Some(route) = request.route()
            && let Some(breaker) = shared.breakers.get(usize::from(route.0))
        {
            let ticket = breaker.admit_by(self.number, &shared.breaker_config, self.now);
            request.ticket =
                Some(ticket.map_err(|retry_at| Rejected::Refused(Refusal::BreakerOpen { retry_at }))?);
        }
        Ok(class)
    }

    /// Answers a request of the queue without serving it.
    pub(super) fn refuse_queued(&mut self, index: u32, refusal: Refusal) {
        self.enter(index, Phase::Head);
        self.refuse(index, refusal);
    }

    /// Turns a request away; its connection lives on if nothing of the request is still to come.
    pub(super) fn refuse(&mut self, index: u32, refusal: Refusal) {
        self.stats.end_request(Outcome::Refused);
        self.answer_refusal(index, refusal);
    }

    /// Says why a request is refused, whose end was counted.
    pub(super) fn answer_refusal(&mut self, index: u32, refusal: Refusal) {
        self.stats.refuse(refusal);
        let retry_after_s = self.retry_after_s(refusal);
        let head = self.connections[index as usize].request.as_ref().and_then(|request| request.head);
        let close = self.shared.is_draining()
            || head.is_none_or(|head| !head.keep_alive || head.body != BodyLength::None);
        self.answer_short(index, status_of(refusal), Some(retry_after_s), close, CloseReason::Refused);
    }

    /// Answers without a handler.
    pub(super) fn answer_short(
        &mut self,
        index: u32,
        status: Status,
        retry_after_s: Option<u64>,
        close: bool,
        reason: CloseReason,
    ) {
        let connection = &mut self.connections[index as usize];
        if connection.output.is_none() {
            connection.output = self.answers_cached.borrow().ok();
        }
        let head = connection.request.as_ref().and_then(|request| request.head);
        let is_head_request = head.is_some_and(|head| head.method == Method::Head);
        let answer = ShortAnswer { status, retry_after_s, is_head_request, close };
        let fits = connection.output.as_mut().is_some_and(|output| {
            output.compact();
            render(answer, output, self.clock)
        });
        if !fits {
            // Not even a refusal can be said.
            return self.close(index, reason);
        }
        if close {
            connection.must_linger = true;
            self.finish_connection(index, reason);
        } else {
            if let Some(request) = &mut connection.request {
                let follows = request.has_more_than(0);
                request.finish(0);
                if !follows && let Some(request) = connection.request.take() {
                    self.heads_cached.give_back(request);
                }
            }
            self.next_request(index);
        }
    }

    /// Leaves what a connection has to send to the end of the turn; sends it at once if too many do that.
    fn hold_back(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        if !connection.is_held_back {
            match self.unsent.push(index) {
                Ok(()) => connection.is_held_back = true,
                Err(_) => self.flush(index),
            }
        }
    }

    /// Goes on after an answer: with the next request if some of it is here, else back to rest.
    ///
    /// The output is held back to the end of the turn if there is a next request, so that answers go out together.
    pub(super) fn next_request(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        connection.slot = NONE;
        if connection.request.is_some() {
            self.enter(index, Phase::Head);
            // A pipelined request may be refused and another follow: each round consumes a head.
            if self.process_head(index) == Progress::Stop {
                let connection = &self.connections[index as usize];
                let waits = connection.output.is_some() && connection.phase == Phase::Queued;
                if waits {
                    self.hold_back(index);
                }
                return;
            }
        } else {
            self.enter_idle(index);
        }
        self.flush(index);
        // What came meanwhile was left in the kernel, and an edge is told only once.
        let connection = &mut self.connections[index as usize];
        connection.is_readable |= connection.peer_ended;
        if connection.is_readable {
            self.receive(index);
        }
    }
}

#[inline(always)]
fn find_route(
    shared: &'static super::Shared,
    request: &mut RequestHead,
    head: &Head,
) -> Result<(), Rejected> {
    let bad = |_| Rejected::Malformed(Status::BAD_REQUEST);
    let raw = head.path.of(request.buffer.filled());
    if raw.is_empty() && head.method == Method::Options && head.target.of(request.buffer.filled()) == b"*" {
        // What the server as a whole can do (RFC 9110, section 9.3.7).
        let allow = Method::ALL.into_iter().fold(MethodSet::EMPTY, |set, method| match method {
            Method::Connect => set,
            method => set.with(method),
        });
        request.found = Found::MethodNotAllowed { allow };
        return Ok(());
    }
    let raw = if raw.is_empty() { b"/" } else { raw };
    match path::check(raw).map_err(bad)? {
        path::Form::Plain => request.found = shared.router.find(head.method, raw),
        path::Form::Escaped => {
            let pool_is_empty = |_| Rejected::Refused(Refusal::PoolExhausted);
            let mut decoded = shared.uris.borrow().map_err(pool_is_empty)?;
            let len = path::decode(raw, decoded.space_mut()).map_err(bad)?;
            decoded.fill(len);
            request.found = shared.router.find(head.method, decoded.filled());
            // Only now that nothing is matched any more may an escaped slash look like one.
            path::restore_slashes(decoded.filled_mut());
            request.uri = Some(decoded);
        }
    }
    Ok(())
}

/// The class that a trusted peer has set.
fn class_of(request: &RequestHead) -> Option<Class> {
    let value = field(request, b"x-pivot-class")?;
    Class::from_name(core::str::from_utf8(value).ok()?)
}

/// The client that the outermost of `hops` trusted proxies saw: the address that many places from the end.
fn forwarded_for(request: &RequestHead, hops: usize) -> Option<IpAddr> {
    let value = core::str::from_utf8(field(request, b"x-forwarded-for")?).ok()?;
    value.rsplit(',').nth(hops - 1)?.trim().parse().ok()
}

/// The value of the last field with this name: what the nearest proxy has written.
fn field<'r>(request: &'r RequestHead, name: &[u8]) -> Option<&'r [u8]> {
    let bytes = request.buffer.filled();
    let count = request.head.map_or(0, |head| usize::from(head.header_count));
    let span =
        request.headers[..count].iter().rfind(|span| span.name.of(bytes).eq_ignore_ascii_case(name))?;
    Some(span.value.of(bytes))
}
