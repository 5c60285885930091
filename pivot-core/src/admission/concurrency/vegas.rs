//! Vegas (Brakmo and Peterson, 1994, for TCP): bound the queue inside the server.

use super::baseline::Baseline;
use super::level::Level;
use super::limit_loop::Law;
use super::window::Window;

/// Estimates how many of the requests in flight queue, `limit × (1 − usual latency / latency)`, and keeps that between 3 and
/// 6 units, where a unit grows with the logarithm of the limit.
#[derive(Clone, Copy, Debug)]
pub struct Vegas {
    baseline: Baseline,
}

impl Vegas {
    /// Knows no latency yet.
    pub const NEW: Self = Self { baseline: Baseline::NEW };
}

impl Law for Vegas {
    fn propose(&mut self, level: Level, window: &Window) -> Level {
        let usual = self.baseline.handle_window(window);
        let unit = unit(level);
        let queue = level.times(window.mean_us.saturating_sub(usual), window.mean_us.max(1));
        if queue <= unit {
            level.plus(unit.times(6, 1))
        } else if queue < unit.times(3, 1) {
            level.plus(unit)
        } else if queue > unit.times(6, 1) {
            // Half of what is too much at once: one unit a window would take minutes at a limit of thousands.
            level.minus(unit.plus(queue.minus(unit.times(6, 1)).times(1, 2)))
        } else {
            level
        }
    }

    fn rebase(&mut self, window: &Window) {
        self.baseline.rebase(window);
    }
}

/// The decimal logarithm, at least 1.
fn unit(level: Level) -> Level {
    Level::whole(level.permits().max(10).ilog10())
}
