//! Additive increase: one more each window. The decrease is the objective's, for every law.

use super::level::Level;
use super::limit_loop::Law;
use super::window::Window;

/// One more each window.
#[derive(Clone, Copy, Debug)]
pub struct Aimd;

impl Law for Aimd {
    fn propose(&mut self, level: Level, _: &Window) -> Level {
        level.plus(Level::ONE)
    }

    fn rebase(&mut self, _: &Window) {}
}
