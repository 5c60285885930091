//! Configurations to start from.

use core::fmt;

use super::config::{Draft, Timeouts};
use crate::admission::classify::{Classifier, ClientIdentity, SYSTEM_RULES};
use crate::admission::concurrency::LimitConfig;
use crate::admission::{AccessList, BreakerConfig, Quota, ShedConfig};
use crate::time::Duration;

/// A set of numbers that fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A small service: 1,000 connections, 64 requests at once.
    Standard,
    /// A busy service: 10,000 connections, 512 requests at once.
    High,
    /// A machine to itself: 100,000 connections, 2,000 requests at once.
    Extreme,
    /// A microcontroller: 4 connections, 4 requests at once.
    Micro,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Standard, Self::High, Self::Extreme, Self::Micro];

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::High => "high",
            Self::Extreme => "extreme",
            Self::Micro => "micro",
        }
    }

    /// The profile with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(name))
    }

    /// What the profile sets.
    pub const fn draft(self) -> Draft {
        match self {
            Self::Standard => Draft {
                connections_max: 1_000,
                connections_per_client: 1_000,
                concurrency_max: 64,
                concurrency_reserved: 2,
                queue_max: 256,
                blocking_queue_max: 16,
                requests_max: 400,
                responses_max: 200,
                streams_max: 64,
                uris_max: 200,
                clients_max: 4_096,
                ..HIGH
            },
            Self::High => HIGH,
            Self::Extreme => Draft {
                connections_max: 100_000,
                connections_per_client: 100_000,
                concurrency_max: 2_000,
                concurrency_reserved: 32,
                queue_max: 4_096,
                blocking_queue_max: 256,
                requests_max: 8_192,
                responses_max: 4_096,
                streams_max: 2_000,
                uris_max: 2_048,
                clients_max: 262_144,
                ..HIGH
            },
            Self::Micro => Draft {
                workers: 1,
                connections_max: 4,
                connections_per_client: 4,
                concurrency_max: 4,
                concurrency_reserved: 1,
                queue_max: 4,
                limit: None,
                blocking_threads: 0,
                blocking_queue_max: 1,
                head_size_max: 1_024,
                target_size_max: 256,
                headers_max: 24,
                body_size_max: 64 << 10,
                response_size: 512,
                requests_max: 4,
                responses_max: 4,
                streams_max: 2,
                uris_max: 2,
                clients_max: 8,
                router_nodes_max: 64,
                ..HIGH
            },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Health and metrics are asked for by the system, if it runs on this machine.
static SYSTEM: Classifier = Classifier::checked(&SYSTEM_RULES);

/// Begins at its most: handlers may wait on purpose, as many as there is memory for, until they turn out to be too many.
const LIMIT: LimitConfig = LimitConfig {
    max: 100_000,
    initial: 100_000,
    latency_objective: Duration::from_secs(1),
    ..LimitConfig::PRESET
};

const HIGH: Draft = Draft {
    workers: 1,
    connections_max: 10_000,
    connections_per_client: 10_000,
    concurrency_max: 512,
    concurrency_reserved: 8,
    queue_max: 1_000,
    blocking_threads: 4,
    blocking_queue_max: 64,
    head_size_max: 16 << 10,
    target_size_max: 8 << 10,
    headers_max: if size_of::<usize>() >= 8 { 64 } else { 32 },
    body_size_max: 1 << 20,
    response_size: 16 << 10,
    requests_max: 2_000,
    responses_max: 1_000,
    streams_max: 512,
    uris_max: 512,
    head_rate_min: 500,
    body_rate_min: 1_024,
    quota: Quota::PRESET,
    clients_max: 65_536,
    breaker: Some(BreakerConfig::PRESET),
    quota_is_shadow: false,
    limits: &[],
    access: AccessList::new(&[], &[]),
    classifier: &SYSTEM,
    client: ClientIdentity::Peer,
    trust_class_header: false,
    shed: ShedConfig::PRESET,
    limit: Some(LIMIT),
    router_nodes_max: 2_048,
    timeouts: Timeouts {
        idle: Duration::from_secs(60),
        head: Duration::from_secs(10),
        body: Duration::from_secs(300),
        grace: Duration::from_secs(2),
        handler: Duration::from_secs(30),
        queue: Duration::from_secs(5),
        linger: Duration::from_secs(1),
        drain: Duration::from_secs(30),
    },
};
