//! What latency would be without a queue, as far as that is known.

use super::window::Window;

/// The usual latency when concurrency is not to blame.
///
/// It falls with what is seen, and rises only on good grounds: while the limit does not set the pace, or when throughput
/// proves that the time is not spent in a queue. Under load it never rises by itself, so that an overload that lasts does
/// not become the usual; and no probe pins the limit to find it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Baseline {
    us: u64,
}

impl Baseline {
    /// Nothing is known.
    pub(super) const NEW: Self = Self { us: 0 };

    /// Takes a window in; answers the latency in microseconds, 0 while nothing is known.
    pub(super) fn handle_window(&mut self, window: &Window) -> u64 {
        let mean = window.mean_us;
        if mean == 0 {
            return self.us;
        }
        if self.us == 0 {
            self.us = mean;
        } else if mean < self.us {
            // A quarter of the way: the smallest mean of many small windows would be luck.
            self.us -= (self.us - mean).div_ceil(4);
        } else if !window.is_full {
            self.us += (mean - self.us) / 16;
        }
        self.us
    }

    /// Throughput rose with the limit: what the latency is now, it is without a queue.
    pub(super) fn rebase(&mut self, window: &Window) {
        if window.mean_us > 0 {
            self.us = window.mean_us;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_that_lasts_does_not_become_the_usual() {
        let mut baseline = Baseline::NEW;
        let window = |mean_us, is_full| Window { mean_us, is_full, ..Window::default() };
        baseline.handle_window(&window(10_000, false));
        for _ in 0..10_000 {
            assert_eq!(baseline.handle_window(&window(80_000, true)), 10_000);
        }
        for _ in 0..100 {
            baseline.handle_window(&window(80_000, false));
        }
        assert!(baseline.handle_window(&window(80_000, false)) > 79_000);
        baseline.rebase(&window(5_000, true));
        assert_eq!(baseline.handle_window(&window(5_000, true)), 5_000);
    }
}
