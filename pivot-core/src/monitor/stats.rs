//! What one worker counts, and what all have counted together.

use super::counter::Counter;
use super::histogram::Histogram;
use super::outcome::{CloseReason, Outcome};
use crate::admission::Refusal;

/// The counts of one worker.
#[derive(Debug)]
pub struct WorkerStats {
    /// Requests that began: their head was complete, or was answered.
    pub requests: Counter,
    outcomes: [Counter; Outcome::COUNT],
    refusals: [Counter; Refusal::REASONS.len()],
    closed: [Counter; CloseReason::COUNT],
    /// Connections that are open.
    pub connections: Counter,
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Errors of accepting, descriptors that ran out included.
    pub accept_errors: Counter,
    /// Whether the worker accepts nobody, because there are no descriptors: 0 or 1.
    pub accept_paused: Counter,
    /// Buffers for heads that the worker keeps to itself.
    pub heads_cached: Counter,
    /// Buffers for answers that the worker keeps to itself.
    pub answers_cached: Counter,
    /// What a newcomer to the queue would have had to wait at the last look, in microseconds.
    pub shed_wait_us: Counter,
    /// How the model of missed deadlines does: see [`Calibration`](crate::admission::Calibration). In millionths.
    pub model_brier_ppm: Counter,
    /// The same: how far predictions are from what came.
    pub model_error_ppm: Counter,
    /// The same: the share that missed.
    pub model_missed_ppm: Counter,
    /// Whether the model is asked: 0 or 1.
    pub model_trusted: Counter,
    /// Bytes that were read.
    pub received_bytes: Counter,
    /// Bytes that were written.
    pub sent_bytes: Counter,
    /// From the complete head to the complete answer.
    pub request_duration: Histogram,
    /// From the complete head to the start of the handler.
    pub queue_wait: Histogram,
}

impl Default for WorkerStats {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerStats {
    /// Counts of nothing.
    pub fn new() -> Self {
        Self {
            requests: Counter::new(),
            outcomes: core::array::from_fn(|_| Counter::new()),
            refusals: core::array::from_fn(|_| Counter::new()),
            closed: core::array::from_fn(|_| Counter::new()),
            connections: Counter::new(),
            accepted: Counter::new(),
            accept_errors: Counter::new(),
            accept_paused: Counter::new(),
            heads_cached: Counter::new(),
            answers_cached: Counter::new(),
            shed_wait_us: Counter::new(),
            model_brier_ppm: Counter::new(),
            model_error_ppm: Counter::new(),
            model_missed_ppm: Counter::new(),
            model_trusted: Counter::new(),
            received_bytes: Counter::new(),
            sent_bytes: Counter::new(),
            request_duration: Histogram::new(),
            queue_wait: Histogram::new(),
        }
    }

    /// Counts the end of a request.
    pub fn end_request(&self, outcome: Outcome) {
        self.outcomes[outcome.index()].add(1);
        if matches!(outcome, Outcome::Panicked | Outcome::Timeout | Outcome::ServerError) {
            log_warn!("request ended: {=str}", outcome.label());
        }
    }

    /// Counts a refusal's reason; its request ends as [`Outcome::Refused`] beside it.
    pub fn refuse(&self, refusal: Refusal) {
        self.refusals[refusal.index()].add(1);
        log_debug!("request refused: {=str}", Refusal::REASONS[refusal.index()]);
    }

    /// Counts the end of a connection.
    pub fn close(&self, reason: CloseReason) {
        self.closed[reason.index()].add(1);
        self.connections.subtract(1);
        log_debug!("connection closed: {=str}", reason.label());
    }
}

/// The sums over some workers, at about one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that began.
    pub requests: u64,
    /// How they ended, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::COUNT],
    /// Why they were refused, in the order of [`Refusal::REASONS`].
    pub refusals: [u64; Refusal::REASONS.len()],
    /// Why connections were closed, in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::COUNT],
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Errors of accepting.
    pub accept_errors: u64,
    /// Workers that accept nobody for now, because there are no descriptors.
    pub accept_paused: u64,
    /// Bytes that were read.
    pub received_bytes: u64,
    /// Bytes that were written.
    pub sent_bytes: u64,
}

impl Totals {
    /// Adds up the counts of `workers`.
    pub fn of(workers: &[WorkerStats]) -> Self {
        let mut totals = Self::default();
        for stats in workers {
            // Ends before beginnings: a request that ends meanwhile never makes more ends than beginnings.
            for (sum, count) in totals.outcomes.iter_mut().zip(&stats.outcomes) {
                *sum += count.get();
            }
            totals.requests += stats.requests.get();
            for (sum, count) in totals.refusals.iter_mut().zip(&stats.refusals) {
                *sum += count.get();
            }
            for (sum, count) in totals.closed.iter_mut().zip(&stats.closed) {
                *sum += count.get();
            }
            totals.connections += stats.connections.get();
            totals.accepted += stats.accepted.get();
            totals.accept_errors += stats.accept_errors.get();
            totals.accept_paused += stats.accept_paused.get();
            totals.received_bytes += stats.received_bytes.get();
            totals.sent_bytes += stats.sent_bytes.get();
        }
        totals
    }

    /// How many requests ended like this.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.index()]
    }

    /// Why how many connections were closed.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason.index()]
    }

    /// How many requests are under way: begun, and not yet ended. Zero once a server is quiet.
    pub fn in_flight(&self) -> u64 {
        self.requests.saturating_sub(self.outcomes.iter().sum())
    }
}
