//! One scale of importance for all requests: class first, cohort within the class.

use crate::admission::{Class, ClientKey};
use crate::time::Instant;

/// Cohorts in a class. A client is in the same cohort of every class for an hour.
pub const COHORTS: usize = 128;
/// Levels on the scale.
pub const LEVELS: usize = Class::COUNT * COHORTS;

/// A place on the scale, 0–767; the lower, the more important.
pub(super) type Level = u16;

/// What this hour's cohorts are drawn with: the clients that are refused first are others an hour later.
pub(super) fn salt_at(now: Instant) -> u64 {
    (now.as_micros() / HOUR_US).wrapping_mul(ODD.rotate_left(32))
}

/// The level of a client's request.
///
/// The key is a keyed hash, so a client cannot choose its cohort; this only mixes the hour into it.
pub(super) fn level_of(class: Class, client: ClientKey, salt: u64) -> Level {
    let mixed = (client.bits() ^ salt).wrapping_mul(ODD);
    let cohort = mixed >> (64 - COHORTS.trailing_zeros());
    (class.index() * COHORTS) as Level + cohort as Level
}

const HOUR_US: u64 = 3_600_000_000;
/// 2⁶⁴ divided by the golden ratio: multiplying by it carries every bit into the topmost ones (Knuth, 6.4).
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Seed;
    use std::net::Ipv4Addr;

    #[test]
    fn clients_spread_over_the_cohorts_and_change_them_by_the_hour() {
        let level = |client: u32, hour: u64| {
            let salt = salt_at(Instant::from_micros(hour * HOUR_US + 5));
            level_of(Class::High, ClientKey::of_address(Ipv4Addr::from(client).into(), Seed(1, 2)), salt)
        };
        let mut counts = [0; COHORTS];
        let mut stayed = 0;
        for client in 0..12_800 {
            counts[usize::from(level(client, 7)) - 2 * COHORTS] += 1;
            stayed += u32::from(level(client, 7) == level(client, 8));
        }
        assert!(counts.iter().all(|count| (50..=160).contains(count)), "{counts:?}");
        assert!(stayed < 300, "{stayed} of 12,800 stayed in their cohort");
        let salt = salt_at(Instant::ZERO);
        let client = ClientKey::of_address(Ipv4Addr::LOCALHOST.into(), Seed(1, 2));
        assert!(Class::ALL.is_sorted_by_key(|class| level_of(*class, client, salt)));
    }
}
