//! How many requests run at once.

use super::class::Class;
use crate::sync::{AtomicU32, Ordering, is_mutant};

/// Permits to run, shared by all workers: together they never run more than the limit.
///
/// The last `reserved` permits are for the system class, so that health checks get through when everything else is
/// taken.
#[derive(Debug)]
pub struct Permits {
    taken: AtomicU32,
    limit: AtomicU32,
    reserved: u32,
}

/// The right of one request to run. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit<'p> {
    permits: &'p Permits,
}

impl Permits {
    /// `limit` permits, `reserved` of them for the system class alone.
    pub fn new(limit: u32, reserved: u32) -> Self {
        Self { taken: AtomicU32::new(0), limit: AtomicU32::new(limit), reserved }
    }

    /// Takes a permit, if one is left for this class.
    pub fn try_take(&self, class: Class) -> Option<Permit<'_>> {
        let limit = self.limit.load(Ordering::Relaxed);
        let limit = if class == Class::System { limit } else { limit.saturating_sub(self.reserved) };
        if is_mutant("permits_check_then_add") && self.taken.load(Ordering::Relaxed) < limit {
            self.taken.fetch_add(1, Ordering::Relaxed);
            return Some(Permit { permits: self });
        }
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < limit).then_some(taken + 1))
            .ok()?;
        Some(Permit { permits: self })
    }

    /// How many are taken.
    pub fn taken_count(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Changes how many there are. Permits that are out stay out, so a lower limit takes hold as they come back.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.permits.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_permits_are_for_the_system_class() {
        let permits = Permits::new(3, 1);
        let held = [permits.try_take(Class::Critical), permits.try_take(Class::Batch)];
        assert!(held.iter().all(Option::is_some) && permits.try_take(Class::Critical).is_none());
        let system = permits.try_take(Class::System);
        assert!(system.is_some() && permits.try_take(Class::System).is_none());
        drop((held, system));
        assert_eq!(permits.taken_count(), 0);
    }

    #[test]
    fn a_lower_limit_takes_hold_as_permits_come_back() {
        let permits = Permits::new(2, 0);
        let (one, two) = (permits.try_take(Class::Normal), permits.try_take(Class::Normal));
        permits.set_limit(1);
        drop(one);
        assert!(permits.try_take(Class::Normal).is_none());
        drop(two);
        assert!(permits.try_take(Class::Normal).is_some());
    }
}
