//! How many connections there are, in all and from each client.

use super::key::ClientKey;
use crate::sync::{AtomicU32, Ordering};

/// Connection caps, shared by all workers.
///
/// Clients are counted in a table of as many words as there may be connections, found by the client's hash. Two clients
/// that fall on the same word share its count, so a cap for each client is at times stricter than it says, never
/// laxer; the table is keyed, so nobody can choose whom to fall together with.
#[derive(Debug)]
pub struct Connections<'s> {
    open: AtomicU32,
    open_max: u32,
    per_client_max: u32,
    clients: &'s [AtomicU32],
}

/// The right to one connection, to be given to [`Connections::close`].
///
/// It does not give itself back: the reference that this takes would be a tenth of what an idle connection costs.
#[derive(Debug)]
#[must_use = "give it to Connections::close"]
pub struct ConnectionPermit {
    key: ClientKey,
}

impl ConnectionPermit {
    /// Whose connection it is: hashed once, for every request that comes over it.
    pub const fn key(&self) -> ClientKey {
        self.key
    }
}

impl<'s> Connections<'s> {
    /// Caps of `open_max` in all and `per_client_max` for each client; the latter is off if it is not less.
    pub fn new(open_max: u32, per_client_max: u32, clients: &'s [AtomicU32]) -> Self {
        Self { open: AtomicU32::new(0), open_max, per_client_max, clients }
    }

    /// How many words the table of clients needs: none if the cap for each client is off.
    pub const fn clients_for(open_max: usize, per_client_max: usize) -> usize {
        if per_client_max < open_max { open_max.next_power_of_two() * 2 } else { 0 }
    }

    /// Counts a new connection.
    ///
    /// # Errors
    /// The reason's label: `connections_max` or `connections_per_client`.
    pub fn try_open(&self, key: ClientKey) -> Result<ConnectionPermit, &'static str> {
        add_below(&self.open, self.open_max).ok_or("connections_max")?;
        if let Some(count) = self.count_of(key)
            && add_below(count, self.per_client_max).is_none()
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err("connections_per_client");
        }
        Ok(ConnectionPermit { key })
    }

    /// Counts one connection less.
    pub fn close(&self, permit: ConnectionPermit) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = self.count_of(permit.key) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The word that a client is counted in; `None` if the cap for each client is off.
    fn count_of(&self, key: ClientKey) -> Option<&AtomicU32> {
        let place = (key.bits() as usize).checked_rem(self.clients.len())?;
        self.clients.get(place)
    }

    /// How many connections are open.
    pub fn open_count(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many may be open.
    pub fn open_max(&self) -> u32 {
        self.open_max
    }
}

fn add_below(count: &AtomicU32, max: u32) -> Option<u32> {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < max).then_some(now + 1)).ok()
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::admission::Seed;
    use std::vec::Vec;

    fn key(number: u32) -> ClientKey {
        ClientKey::of_address(core::net::Ipv4Addr::from(number).into(), Seed(1, 1))
    }

    #[test]
    fn both_caps_hold_and_everything_comes_back() {
        let clients: Vec<AtomicU32> =
            (0..Connections::clients_for(3, 2)).map(|_| AtomicU32::new(0)).collect();
        let connections = Connections::new(3, 2, &clients);
        let one = [connections.try_open(key(1)), connections.try_open(key(1))];
        assert_eq!(connections.try_open(key(1)).err(), Some("connections_per_client"));
        let other = connections.try_open(key(2));
        assert!(other.is_ok());
        assert_eq!(connections.try_open(key(3)).err(), Some("connections_max"));
        one.into_iter().chain([other]).for_each(|permit| connections.close(permit.unwrap()));
        assert_eq!(connections.open_count(), 0);
        assert!(clients.iter().all(|count| count.load(Ordering::Relaxed) == 0));
    }
}
