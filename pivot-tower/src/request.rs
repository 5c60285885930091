//! What the layers have to know of a request.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::Request;
use pivot_core::admission::classify::ClientIdentity;
use pivot_core::admission::{Class, ClientKey, DEADLINE_HEADER, Deadline, Seed};
use pivot_core::time::Instant;

/// Says of a request whose it is, how important, and until when its answer is of use.
///
/// A closure `Fn(&Request, Seed) -> ClientKey` names the client alone:
///
/// ```
/// use pivot_core::admission::{ClientKey, Part, Quota, Seed};
/// use pivot_tower::RateLimitLayer;
/// let by_key = |request: &http::Request<()>, seed: Seed| {
///     let key = request.headers().get("x-api-key").map_or(&b""[..], |key| key.as_bytes());
///     ClientKey::of_parts(&[Part::ApiKey(key)], seed)
/// };
/// let layer = RateLimitLayer::new(Quota::PRESET, 10_000).describe(by_key);
/// # let _ = layer;
/// ```
pub trait Describe<Req> {
    /// The client that limits are counted for, hashed with `seed`.
    fn client(&self, request: &Req, seed: Seed) -> ClientKey;

    /// The class.
    fn class(&self, _request: &Req) -> Class {
        Class::Normal
    }

    /// By when an answer is of use.
    fn deadline(&self, _request: &Req, _now: Instant) -> Deadline {
        Deadline::NEVER
    }
}

impl<Req, F: Fn(&Req, Seed) -> ClientKey> Describe<Req> for F {
    fn client(&self, request: &Req, seed: Seed) -> ClientKey {
        self(request, seed)
    }
}

/// The same for requests of `http`: the client by its address, the deadline from `grpc-timeout`.
///
/// The address is that of the peer: axum's `ConnectInfo<SocketAddr>` (feature `axum`) or a `SocketAddr` among the
/// extensions. Requests that have neither share one client, and so one quota.
///
/// ```
/// use pivot_core::admission::classify::ClientIdentity;
/// use pivot_tower::HttpRequests;
/// // Behind one proxy of our own, which also sets `x-pivot-class`.
/// let requests = HttpRequests { identity: ClientIdentity::x_forwarded_for(1), trusts_class: true };
/// # let _ = requests;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpRequests {
    /// Where the client's address is taken from. Default: the peer.
    pub identity: ClientIdentity,
    /// Whether the field `x-pivot-class` is believed. Only behind a proxy that sets or removes it. Default: no.
    pub trusts_class: bool,
}

impl<B> Describe<Request<B>> for HttpRequests {
    #[inline]
    fn client(&self, request: &Request<B>, seed: Seed) -> ClientKey {
        let peer = peer_of(request);
        let address = match self.identity.field_name() {
            None => peer,
            Some(name) => {
                let lines = request.headers().get_all(name);
                self.identity.address_in(lines.iter().rev().map(|value| value.as_bytes()), peer)
            }
        };
        ClientKey::of_address(address, seed)
    }

    #[inline]
    fn class(&self, request: &Request<B>) -> Class {
        if !self.trusts_class {
            return Class::Normal;
        }
        let name = request.headers().get("x-pivot-class").and_then(|value| value.to_str().ok());
        name.and_then(Class::from_name).unwrap_or_default()
    }

    #[inline]
    fn deadline(&self, request: &Request<B>, now: Instant) -> Deadline {
        match request.headers().get(DEADLINE_HEADER) {
            Some(value) => Deadline::NEVER.shortened_by(value.as_bytes(), now),
            None => Deadline::NEVER,
        }
    }
}

fn peer_of<B>(request: &Request<B>) -> IpAddr {
    #[cfg(feature = "axum")]
    if let Some(info) = request.extensions().get::<axum::extract::ConnectInfo<SocketAddr>>() {
        return info.0.ip();
    }
    request.extensions().get::<SocketAddr>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip)
}

/// A seed that nobody outside can know.
pub(crate) fn random_seed() -> Seed {
    let word = || RandomState::new().build_hasher().finish();
    Seed(word(), word())
}
