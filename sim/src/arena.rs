//! The arena of simulated servers.

use pivot_core::storage::{Arena, Budget, SpaceFull};

/// Memory that is leaked: a simulated server lives as long as its test's process.
#[derive(Debug, Default)]
pub struct Leaked {
    budget: Budget,
}

impl Arena for Leaked {
    fn take<T: 'static>(
        &mut self,
        part: &'static str,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<&'static mut [T], SpaceFull> {
        self.budget.add(part, count, size_of::<T>());
        Ok((0..count).map(make).collect::<Vec<T>>().leak())
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}
