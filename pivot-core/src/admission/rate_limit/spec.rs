//! Which limits a server has, and whom each is counted for.

use core::net::IpAddr;

use super::Quota;
use crate::admission::{ClientKey, Part, Seed};

/// Whom a limit is counted for. Several parts together count for each combination.
///
/// ```
/// use pivot_core::admission::LimitBy;
/// const PER_KEY_AND_ROUTE: LimitBy = LimitBy { header: Some("x-api-key"), route: true, ..LimitBy::NOTHING };
/// # let _ = PER_KEY_AND_ROUTE;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitBy {
    /// The client's address; IPv6 by its /64.
    pub client: bool,
    /// The value of a header field: an API key, or a user whom a proxy in front has found out. A request without it counts for
    /// its client's address, so that leaving it out gains nothing.
    ///
    /// Whoever may choose the value at will has as many quotas as he likes: limit clients by their addresses beside it.
    pub header: Option<&'static str>,
    /// The route; requests without one count together.
    pub route: bool,
}

impl LimitBy {
    /// Everybody together.
    pub const NOTHING: Self = Self { client: false, header: None, route: false };
    /// Each client.
    pub const CLIENT: Self = Self { client: true, ..Self::NOTHING };
    /// Each route, whoever asks.
    pub const ROUTE: Self = Self { route: true, ..Self::NOTHING };

    /// Each value of a header field.
    pub const fn header(name: &'static str) -> Self {
        Self { header: Some(name), ..Self::NOTHING }
    }

    /// The key of a request: `client` is the address it came from, `value` the header field's, `route` the route's index.
    pub fn key(&self, client: IpAddr, value: Option<&[u8]>, route: Option<u32>, seed: Seed) -> ClientKey {
        let none = Part::Route(u32::MAX);
        let identity = match (self.header, value) {
            (Some(_), Some(value)) => Part::ApiKey(value),
            (Some(_), None) => Part::Address(client),
            (None, _) => none,
        };
        let client = if self.client { Part::Address(client) } else { none };
        let route = if self.route { Part::Route(route.unwrap_or(u32::MAX)) } else { none };
        ClientKey::of_parts(&[identity, client, route], seed)
    }
}

/// A limit beside that of each client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSpec {
    /// What clients and metrics call it: printable ASCII without `"` and `\`.
    pub name: &'static str,
    /// Whom it is counted for.
    pub by: LimitBy,
    /// What each of them may do.
    pub quota: Quota,
    /// How many of them it remembers. 1–16,777,216.
    pub keys_max: usize,
    /// Whether it only counts whom it would refuse.
    pub is_shadow: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed(1, 2);
    const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn each_part_that_counts_makes_another_key_and_no_other_does() {
        let by =
            |by: LimitBy| [by.key(HERE, Some(b"k"), Some(1), SEED), by.key(THERE, Some(b"l"), Some(2), SEED)];
        let [one, other] = by(LimitBy::NOTHING);
        assert_eq!(one, other);
        let ways = [LimitBy::CLIENT, LimitBy::ROUTE, LimitBy::header("x-key")];
        for way in ways {
            let [one, other] = by(way);
            assert_ne!(one, other, "{way:?}");
        }
        let both = LimitBy { route: true, ..LimitBy::header("x-key") };
        let key = |value: &'static [u8], route| both.key(HERE, Some(value), Some(route), SEED);
        assert_eq!(key(b"k", 1), key(b"k", 1));
        assert!(key(b"k", 1) != key(b"k", 2) && key(b"k", 1) != key(b"l", 1));
    }

    #[test]
    fn who_leaves_the_field_out_counts_by_his_address() {
        let by = LimitBy::header("x-key");
        let without = |client| by.key(client, None, None, SEED);
        assert_ne!(without(HERE), without(THERE));
        assert_eq!(without(HERE), by.key(HERE, None, Some(3), SEED));
    }
}
