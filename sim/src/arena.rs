//! The arena of simulated servers.

use std::sync::Mutex;

use pivot_core::storage::{Arena, Budget, SpaceFull};

/// Where everything lies that was leaked: leak checkers take what a `static` leads to for what it is, kept on purpose.
static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

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
        let taken = (0..count).map(make).collect::<Vec<T>>().leak();
        if let Ok(mut kept) = KEPT.lock() {
            kept.push(taken.as_ptr().expose_provenance());
        }
        Ok(taken)
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}
