//! Gradient: scale the limit by the ratio of the usual latency to the latest.

use super::baseline::Baseline;
use super::level::Level;
use super::limit_loop::Law;
use super::window::Window;

/// Moves half of the way to `limit × clamp(2 × usual latency / latency, 0.5, 1) + √limit` each window.
///
/// The root is the queue that chance alone makes; it is what lets the limit grow.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    baseline: Baseline,
}

impl Gradient {
    /// Knows no latency yet.
    pub const NEW: Self = Self { baseline: Baseline::NEW };
}

impl Law for Gradient {
    fn propose(&mut self, level: Level, window: &Window) -> Level {
        let usual = self.baseline.handle_window(window);
        let tolerated = 2 * usual;
        let latest = window.mean_us.max(1);
        let scaled = level.times(tolerated.clamp(latest / 2, latest), latest);
        level.halfway_to(scaled.plus(level.sqrt()))
    }

    fn rebase(&mut self, window: &Window) {
        self.baseline.rebase(window);
    }
}
