//! The services that are called, by name: a table of fixed size that is filled at start.

use core::fmt;

use super::Breaker;
use crate::admission::guard::{Upstream, UpstreamConfig};

/// Services by name, in slots that were carved at start. Filled by one, then read by all workers.
///
/// A name is looked up once, at start; what a handler keeps is the service or its index.
///
/// # Examples
/// ```
/// use pivot_core::admission::{Breaker, Deadline, Registry, RegistryError, UpstreamConfig};
/// use pivot_core::time::Instant;
///
/// let mut slots = [const { None }; 2];
/// let mut services = Registry::new(&mut slots);
/// let users = services.add("users", UpstreamConfig::PRESET, Breaker::new())?;
/// services.add("orders", UpstreamConfig::PRESET, Breaker::new())?;
/// assert_eq!(services.add("third", UpstreamConfig::PRESET, Breaker::new()), Err(RegistryError::Full));
/// let guard = services.get(users).expect("it was added").guard(Deadline::NEVER);
/// assert!(guard.try_call(Instant::from_millis(1)).is_ok());
/// # Ok::<(), RegistryError>(())
/// ```
#[derive(Debug)]
pub struct Registry<'s> {
    slots: &'s mut [Option<RegistrySlot<'s>>],
    len: usize,
}

/// Room for one service in a [`Registry`].
#[derive(Debug)]
pub struct RegistrySlot<'s> {
    name: &'static str,
    upstream: Upstream<'s>,
}

/// A service cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryError {
    /// Every slot has a service: carve more.
    Full,
    /// The name has one already.
    Taken,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "every slot of the registry has a service",
            Self::Taken => "the name has a service already",
        })
    }
}

impl core::error::Error for RegistryError {}

impl<'s> Registry<'s> {
    /// An empty registry with room for as many services as there are slots.
    pub fn new(slots: &'s mut [Option<RegistrySlot<'s>>]) -> Self {
        slots.fill_with(|| None);
        Self { slots, len: 0 }
    }

    /// Adds a service; its index. Looks at every slot.
    ///
    /// The configuration is one that [`check_upstream`](crate::mode::check_upstream) has found in range.
    ///
    /// # Errors
    /// No slot is free, or the name is taken.
    pub fn add(
        &mut self,
        name: &'static str,
        config: UpstreamConfig,
        breaker: Breaker<'s>,
    ) -> Result<usize, RegistryError> {
        if self.find(name).is_some() {
            return Err(RegistryError::Taken);
        }
        let slot = self.slots.get_mut(self.len).ok_or(RegistryError::Full)?;
        *slot = Some(RegistrySlot { name, upstream: Upstream::new(config, breaker) });
        self.len += 1;
        Ok(self.len - 1)
    }

    /// The index of a name. Looks at every slot.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.iter().position(|(taken, _)| taken == name)
    }

    /// The service with this index.
    pub fn get(&self, index: usize) -> Option<&Upstream<'s>> {
        self.slots.get(index)?.as_ref().map(|slot| &slot.upstream)
    }

    /// Names and services, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Upstream<'s>)> {
        self.slots.iter().flatten().map(|slot| (slot.name, &slot.upstream))
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_registry_and_a_taken_name_are_refused_and_change_nothing() {
        let mut slots = [const { None }; 2];
        let mut registry = Registry::new(&mut slots);
        let mut add = |name| registry.add(name, UpstreamConfig::PRESET, Breaker::new());
        assert_eq!((add("a"), add("a"), add("b")), (Ok(0), Err(RegistryError::Taken), Ok(1)));
        assert_eq!((add("c"), add("a")), (Err(RegistryError::Full), Err(RegistryError::Taken)));
        assert_eq!((registry.find("b"), registry.find("c")), (Some(1), None));
        assert!(registry.get(1).is_some() && registry.get(2).is_none());
        assert!(registry.iter().map(|(name, _)| name).eq(["a", "b"]));
    }
}
