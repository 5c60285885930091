//! What may stand behind the permits: the ways in which a real server runs out of something.
//!
//! A plant takes requests and says when they end. It is the thing to be controlled, and knows nothing of the controller.

mod bimodal;
mod cpu;
mod dependency;
mod dice;
mod lock;
mod outage;
mod pause;
mod pool;
mod stations;

use pivot_core::time::Instant;

pub use bimodal::Bimodal;
pub use cpu::Cpu;
pub use dependency::Dependency;
pub use dice::Dice;
pub use lock::Lock;
pub use outage::Outage;
pub use pause::Pause;
pub use pool::Pool;

/// A request inside a plant, as the simulator names it.
pub type Job = u32;

/// What the simulator asks of a plant.
pub trait Plant {
    /// A request begins.
    fn start(&mut self, job: Job, dice: &mut Dice, now: Instant);

    /// When the next request ends.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Takes out a request that has ended by now, and whether it went well.
    fn pop_ended(&mut self, now: Instant) -> Option<(Job, bool)>;

    /// Requests a second at best, by theory.
    fn capacity(&self) -> f64;

    /// Requests that begin from now on take `slowness` times as long: capacity is divided by it.
    fn set_slowness(&mut self, slowness: f64);
}
