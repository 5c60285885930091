//! The same laws without the repairs, as they are widely used: what the scenarios must show to fail.

use pivot_core::admission::concurrency::{Sample, SampleOutcome};
use pivot_core::time::Instant;

use super::controller::Controller;

/// Gradient by a ratio alone: a long average follows what is seen, so that a level that is steadily bad becomes the usual;
/// drops are not looked at, nor is whether the limit is reached if `needs_load` is off.
#[derive(Debug)]
pub struct RatioGradient {
    limit: f64,
    short_us: f64,
    long_us: f64,
    bounds: (f64, f64),
    needs_load: bool,
}

impl RatioGradient {
    /// From `initial`, between two bounds.
    pub const fn new(initial: f64, bounds: (f64, f64), needs_load: bool) -> Self {
        Self { limit: initial, short_us: 0.0, long_us: 0.0, bounds, needs_load }
    }
}

impl Controller for RatioGradient {
    fn limit(&self) -> u32 {
        self.limit as u32
    }

    fn record(&mut self, sample: Sample, _: Instant) {
        if matches!(sample.outcome, SampleOutcome::Refused) {
            return;
        }
        let short_us = average(&mut self.short_us, sample);
        if self.long_us == 0.0 {
            self.long_us = short_us;
        }
        self.long_us += (short_us - self.long_us) / 300.0;
        if self.long_us > 2.0 * short_us {
            self.long_us *= 0.95;
        }
        if self.needs_load && f64::from(sample.inflight) < self.limit / 2.0 {
            return;
        }
        let gradient = (1.5 * self.long_us / short_us).clamp(0.5, 1.0);
        let wanted = gradient * self.limit + 4.0;
        self.limit = (0.8 * self.limit + 0.2 * wanted).clamp(self.bounds.0, self.bounds.1);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}
}

/// The mean of the last samples.
fn average(mean_us: &mut f64, sample: Sample) -> f64 {
    let latest_us = f64::from(sample.rtt_us).max(1.0);
    *mean_us += if *mean_us == 0.0 { latest_us } else { (latest_us - *mean_us) / 32.0 };
    *mean_us
}

/// The gradient in whole numbers: a step of less than one is rounded to none.
#[derive(Debug)]
pub struct WholeGradient {
    limit: u32,
}

impl WholeGradient {
    /// From `initial`.
    pub const fn new(initial: u32) -> Self {
        Self { limit: initial }
    }
}

impl Controller for WholeGradient {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn record(&mut self, sample: Sample, _: Instant) {
        if sample.outcome == SampleOutcome::Served {
            let wanted = self.limit + self.limit.isqrt();
            self.limit = ((self.limit * 4 + wanted) / 5).min(1_000);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}
}

/// Vegas on the means of 200 samples: the smallest mean ever seen is the usual latency; if `probe_every` is given, the
/// latest replaces it after so many means, whatever it is.
#[derive(Debug)]
pub struct MinimumVegas {
    limit: f64,
    usual_us: f64,
    probe_every: Option<u32>,
    means: u32,
    samples: u32,
    sum_us: f64,
}

impl MinimumVegas {
    /// From `initial`.
    pub const fn new(initial: f64, probe_every: Option<u32>) -> Self {
        Self { limit: initial, usual_us: f64::INFINITY, probe_every, means: 0, samples: 0, sum_us: 0.0 }
    }
}

impl Controller for MinimumVegas {
    fn limit(&self) -> u32 {
        self.limit as u32
    }

    fn record(&mut self, sample: Sample, _: Instant) {
        if sample.outcome == SampleOutcome::Refused || sample.rtt_us == 0 {
            return;
        }
        self.samples += 1;
        self.sum_us += f64::from(sample.rtt_us);
        if self.samples < 200 {
            return;
        }
        let latest_us = self.sum_us / f64::from(self.samples);
        (self.samples, self.sum_us) = (0, 0.0);
        self.means += 1;
        let is_probe = self.probe_every.is_some_and(|every| self.means.is_multiple_of(every));
        if is_probe || latest_us < self.usual_us {
            self.usual_us = latest_us;
            return;
        }
        if f64::from(sample.inflight) * 2.0 < self.limit {
            return;
        }
        let unit = self.limit.log10().max(1.0);
        let queue = (self.limit * (1.0 - self.usual_us / latest_us)).ceil();
        let step = match queue {
            _ if queue <= unit => 6.0 * unit,
            _ if queue < 3.0 * unit => unit,
            _ if queue > 6.0 * unit => -unit,
            _ => 0.0,
        };
        self.limit = (self.limit + step).clamp(4.0, 1_000.0);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}
}

/// Additive increase and multiplicative decrease on each sample; if `counts_refusals`, a refusal of one's own is a drop.
#[derive(Debug)]
pub struct SampleAimd {
    limit: f64,
    objective_us: u32,
    counts_refusals: bool,
}

impl SampleAimd {
    /// From `initial`; a sample that took longer than the objective lowers the limit.
    pub const fn new(initial: f64, objective_us: u32, counts_refusals: bool) -> Self {
        Self { limit: initial, objective_us, counts_refusals }
    }
}

impl Controller for SampleAimd {
    fn limit(&self) -> u32 {
        self.limit as u32
    }

    fn record(&mut self, sample: Sample, _: Instant) {
        let is_bad = match sample.outcome {
            SampleOutcome::Refused => self.counts_refusals,
            SampleOutcome::Dropped => true,
            SampleOutcome::Served | SampleOutcome::Abandoned => sample.rtt_us > self.objective_us,
        };
        if is_bad {
            self.limit = (self.limit * 0.9).max(1.0);
        } else if sample.outcome == SampleOutcome::Served && f64::from(sample.inflight) * 2.0 >= self.limit {
            self.limit = (self.limit + 1.0 / self.limit).min(1_000.0);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}
}
