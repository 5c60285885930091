//! From bytes to an admitted request: decode, classify, limit, shed, route, breaker, queue.

use core::net::IpAddr;

use super::connection::{NONE, Phase};
use super::exchange::Admitted;
use super::refuse::{Short, render, retry_after_s, status_of};
use super::shared::Shared;
use super::socket::{Host, Socket};
use super::worker::{Worker, roll};
use crate::admission::classify::{ClientIdentity, Facts};
use crate::admission::{Access, Arrival, Class, ClientKey, Deadline, LIMITS_MAX, Refusal, Verdict, shed};
use crate::app::buffer::RequestHead;
use crate::app::{Peer, Routes};
use crate::http::h1::decode::{BodyLength, Head, decode_head};
use crate::http::{Method, MethodSet, Status};
use crate::monitor::{CloseReason, Outcome};
use crate::router::{Found, path};
use crate::time::Instant;

/// Whether a connection's next byte is of use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    ReadOn,
    Stop,
}

/// Requests of a connection that are answered without a handler, one after the other, before others have their turn.
const ROUNDS_MAX: u32 = 16;

/// Why a request goes no further.
enum Rejected {
    /// It cannot be served.
    Malformed(Status),
    /// It could be, but not now.
    Refused(Refusal),
    /// It is over the only limit: that of its client, by what it costs.
    OverQuota(ClientKey, u32),
    /// It is over one of several limits.
    Limited(Verdict<'static>),
}

/// What was found out about a request that may go on.
struct Judged {
    class: Class,
    /// By when it has to start.
    start_by: Instant,
    /// It takes the place of another.
    displaces: bool,
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
                self.answer_short(index, Short::closing(error.status()), CloseReason::Malformed);
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
            Ok(Judged { class, start_by, displaces }) => {
                if displaces {
                    self.displace(class);
                }
                match self.queue.push_by(index, class, start_by, self.now) {
                    Ok(place) => {
                        self.enter(index, Phase::Queued);
                        self.connections[index as usize].slot = place;
                    }
                    Err(_) => self.refuse(index, Refusal::QueueFull),
                }
            }
            Err(Rejected::Refused(refusal)) => self.refuse(index, refusal),
            Err(Rejected::OverQuota(client, cost)) => {
                let verdict = self.shared.policy.refused_by_first(client, cost, self.now);
                self.refuse_limited(index, &verdict);
            }
            Err(Rejected::Limited(verdict)) => self.refuse_limited(index, &verdict),
            Err(Rejected::Malformed(status)) => {
                self.stats.end_request(Outcome::Malformed);
                self.answer_short(index, Short::closing(status), CloseReason::Malformed);
            }
        }
    }

    /// Every check between the head and the queue, in order; the first that fails decides.
    ///
    /// What costs nobody's capacity comes first: a request that is malformed or over its quota leaves no trace in the breaker.
    #[inline(always)]
    fn judge(&mut self, index: u32, head: &Head) -> Result<Judged, Rejected> {
        let shared = self.shared;
        let config = &shared.config;
        let connection = &mut self.connections[index as usize];
        let (Some(request), Some(permit)) = (&mut connection.request, &connection.permit) else {
            return Err(Rejected::Malformed(Status::BAD_REQUEST));
        };
        let mut origin = Origin { peer: connection.peer, forwarded: None, client: permit.key() };
        if config.client != ClientIdentity::Peer {
            origin.read_forwarded(shared, request);
        }
        let class = find_route(shared, request, head, &origin)?;
        let route = request.route().map(|route| usize::from(route.0));
        // What watches over the server is not kept out by what others do in its place.
        if class != Class::System {
            let cost = route.and_then(|route| shared.costs.get(route)).copied().unwrap_or(1).into();
            if !shared.is_limit_plain {
                charge_all(shared, request, &origin, cost, self.now)?;
            } else if shared.limiter.charge(origin.client, cost, self.now).is_err() {
                return Err(Rejected::OverQuota(origin.client, cost));
            }
        }
        let body_len = match head.body {
            BodyLength::Exact(len) if len > config.body_size_max => {
                return Err(Rejected::Malformed(Status::CONTENT_TOO_LARGE));
            }
            BodyLength::Exact(len) => len,
            BodyLength::None | BodyLength::Chunked => 0,
        };
        if head.method == Method::Connect {
            return Err(Rejected::Malformed(Status::NOT_IMPLEMENTED));
        }
        if head.time_left.len > 0 {
            request.deadline = deadline_of(head.time_left.of(request.buffer.filled()), self.now);
        }
        let service_us = route.and_then(|route| self.service_us.get(route)).copied().unwrap_or(0);
        let arrival =
            Arrival { class, client: origin.client, deadline: request.deadline, service_us, body_len };
        let dice = roll(&mut self.dice);
        let displaces = match self.shedder.admit(&arrival, &self.queue, dice, self.now) {
            shed::Verdict::Admit => false,
            shed::Verdict::Displace => true,
            shed::Verdict::Refuse(reason) => return Err(Rejected::Refused(reason.into())),
        };
        if self.shedder.learns() {
            request.sample = self.shedder.take_sample();
        }
        if let Some(route) = route
            && let Some(breaker) = shared.breakers.get(route)
        {
            let ticket = breaker.admit_by(self.number, &shared.breaker_config, self.now);
            request.ticket =
                Some(ticket.map_err(|retry_at| Rejected::Refused(Refusal::BreakerOpen { retry_at }))?);
        }
        let start_by = self.shedder.start_by(request.deadline, self.now);
        Ok(Judged { class, start_by, displaces })
    }

    /// Takes the least important request out of the queue for one of a class that is more so. It is refused once nobody is in
    /// the middle of something: its connection may have a next request ready, which may take another's place.
    #[cold]
    fn displace(&mut self, class: Class) {
        if !self.displaced.is_full()
            && let Some(victim) = self.queue.displace(class)
        {
            self.enter(victim.item, Phase::Displaced);
            self.connections[victim.item as usize].slot = NONE;
            // There is room: that was looked at.
            let _ = self.displaced.push(victim.item);
        }
    }

    /// Refuses those that lost their place. Each round ends a request, so there are not more than there were requests at hand.
    #[inline]
    pub(super) fn refuse_displaced(&mut self) {
        while let Some(index) = self.displaced.pop() {
            // It may have closed since, and another may be in its place.
            if self.connections[index as usize].phase == Phase::Displaced {
                self.refuse_queued(index, Refusal::QueueFull);
            }
        }
    }

    /// Answers a request of the queue without serving it.
    pub(super) fn refuse_queued(&mut self, index: u32, refusal: Refusal) {
        let request = self.connections[index as usize].request.as_mut();
        if let Some(sample) = request.and_then(|request| request.sample.take())
            && refusal == Refusal::QueueExpired
        {
            self.shedder.learn(&sample, true);
        }
        self.enter(index, Phase::Head);
        self.refuse(index, refusal);
    }

    /// Turns a request away; its connection lives on if nothing of the request is still to come.
    pub(super) fn refuse(&mut self, index: u32, refusal: Refusal) {
        self.stats.end_request(Outcome::Refused);
        self.answer_refusal(index, refusal, None);
    }

    /// Turns a request away that is over a limit, and tells its client about the limit.
    #[inline(never)]
    fn refuse_limited(&mut self, index: u32, verdict: &Verdict<'static>) {
        self.stats.end_request(Outcome::Refused);
        let retry_at = verdict.decision().retry_at.unwrap_or(self.now);
        self.answer_refusal(index, Refusal::RateLimited { retry_at }, Some(verdict));
    }

    /// Says why a request is refused, whose end was counted.
    pub(super) fn answer_refusal(
        &mut self,
        index: u32,
        refusal: Refusal,
        verdict: Option<&Verdict<'static>>,
    ) {
        self.stats.refuse(refusal);
        let retry_after_s = retry_after_s(refusal, self.now, roll(&mut self.dice));
        let head = self.connections[index as usize].request.as_ref().and_then(|request| request.head);
        let close = self.shared.is_draining()
            || head.is_none_or(|head| !head.keep_alive || head.body != BodyLength::None);
        let short = Short { retry_after_s, verdict, close, ..Short::of(status_of(refusal)) };
        self.answer_short(index, short, CloseReason::Refused);
    }

    /// Answers without a handler.
    pub(super) fn answer_short(&mut self, index: u32, short: Short<'_>, reason: CloseReason) {
        let connection = &mut self.connections[index as usize];
        if connection.output.is_none() {
            connection.output = self.answers_cached.borrow().ok();
        }
        let head = connection.request.as_ref().and_then(|request| request.head);
        let is_head_request = head.is_some_and(|head| head.method == Method::Head);
        let close = short.close;
        let fits = connection.output.as_mut().is_some_and(|output| {
            output.compact();
            render(Short { is_head_request, ..short }, output, self.clock)
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
    ///
    /// Requests that are answered without a handler follow one another here, not one inside of the other: a client may
    /// send thousands in one piece.
    pub(super) fn next_request(&mut self, index: u32) {
        self.goes_on = true;
        if self.is_advancing {
            return;
        }
        self.is_advancing = true;
        let mut left = ROUNDS_MAX;
        while core::mem::take(&mut self.goes_on) {
            if left == 0 {
                self.enter(index, Phase::Yielded);
                self.flush(index);
                break;
            }
            left -= 1;
            self.advance(index);
        }
        self.is_advancing = false;
    }

    #[inline(always)]
    fn advance(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        connection.slot = NONE;
        if connection.request.is_some() {
            self.enter(index, Phase::Head);
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

/// Looks up where a request leads, and tells its class.
#[inline(always)]
fn find_route(
    shared: &'static Shared,
    request: &mut RequestHead,
    head: &Head,
    origin: &Origin,
) -> Result<Class, Rejected> {
    let bad = |_| Rejected::Malformed(Status::BAD_REQUEST);
    let raw = head.path.of(request.buffer.filled());
    if raw.is_empty() && head.method == Method::Options && head.target.of(request.buffer.filled()) == b"*" {
        // What the server as a whole can do (RFC 9110, section 9.3.7).
        let allow = Method::ALL.into_iter().fold(MethodSet::EMPTY, |set, method| match method {
            Method::Connect => set,
            method => set.with(method),
        });
        request.found = Found::MethodNotAllowed { allow };
        return Ok(class_of(shared, request, head, b"", origin));
    }
    let raw = if raw.is_empty() { b"/" } else { raw };
    match path::check(raw).map_err(bad)? {
        path::Form::Plain => {
            request.found = shared.router.find(head.method, raw);
            let raw = head.path.of(request.buffer.filled());
            Ok(class_of(shared, request, head, raw, origin))
        }
        path::Form::Escaped => {
            let pool_is_empty = |_| Rejected::Refused(Refusal::PoolExhausted);
            let mut decoded = shared.uris.borrow().map_err(pool_is_empty)?;
            let len = path::decode(raw, decoded.space_mut()).map_err(bad)?;
            decoded.fill(len);
            request.found = shared.router.find(head.method, decoded.filled());
            let class = class_of(shared, request, head, decoded.filled(), origin);
            // Only now that nothing is matched any more may an escaped slash look like one.
            path::restore_slashes(decoded.filled_mut());
            request.uri = Some(decoded);
            Ok(class)
        }
    }
}

/// The class of a request; `path` is as the router gets it.
#[inline(always)]
fn class_of(shared: &Shared, request: &RequestHead, head: &Head, path: &[u8], origin: &Origin) -> Class {
    let config = &shared.config;
    if config.trust_class_header || config.classifier.may_hold(head.method, path) {
        classify(shared, request, head, path, origin)
    } else {
        Class::Normal
    }
}

#[inline(never)]
fn classify(shared: &Shared, request: &RequestHead, head: &Head, path: &[u8], origin: &Origin) -> Class {
    let config = &shared.config;
    let facts = Facts {
        method: head.method,
        path,
        headers: request.fields(),
        head: request.buffer.filled(),
        peer: origin.peer.address().ip(),
        client: origin.address(),
        is_trusted: config.trust_class_header,
    };
    facts.class_from_header().unwrap_or_else(|| config.classifier.classify(&facts))
}

/// Who sent a request. What a header field says of it is read once.
struct Origin {
    peer: Peer,
    /// The address that a trusted proxy saw.
    forwarded: Option<IpAddr>,
    client: ClientKey,
}

impl Origin {
    #[cold]
    fn read_forwarded(&mut self, shared: &Shared, request: &RequestHead) {
        let peer = self.peer.address().ip();
        let address = shared.config.client.address(request.fields(), request.buffer.filled(), peer);
        self.forwarded = Some(address);
        self.client = ClientKey::of_address(address, shared.seed);
    }

    fn address(&self) -> IpAddr {
        self.forwarded.unwrap_or_else(|| self.peer.address().ip())
    }
}

/// Charges a request to every limit there is, or to none if one of them refuses it or its client is on a list.
#[cold]
#[inline(never)]
fn charge_all(
    shared: &'static Shared,
    request: &RequestHead,
    origin: &Origin,
    cost: u32,
    now: Instant,
) -> Result<(), Rejected> {
    let config = &shared.config;
    let address = origin.address();
    match config.access.judge(address) {
        Access::Allowed => return Ok(()),
        Access::Denied => return Err(Rejected::Refused(Refusal::Denied)),
        Access::Limited => {}
    }
    let mut charges = heapless::Vec::<(ClientKey, u32), LIMITS_MAX>::new();
    // There is room: the number of limits was checked.
    let _ = charges.push((origin.client, cost));
    let route = request.route().map(|route| u32::from(route.0));
    for limit in config.limits {
        let value = limit.by.header.and_then(|name| request.field(name));
        let _ = charges.push((limit.by.key(address, value, route, shared.seed), cost));
    }
    let verdict = shared.policy.charge(&charges, now);
    if verdict.is_admitted() { Ok(()) } else { Err(Rejected::Limited(verdict)) }
}

/// The moment that a client names, which is none if what it says cannot be understood.
#[cold]
fn deadline_of(value: &[u8], now: Instant) -> Instant {
    Deadline::NEVER.shortened_by(value, now).moment()
}
