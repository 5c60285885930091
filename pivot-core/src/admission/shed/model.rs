//! **Model of missed deadlines**, an option of [`adaptive`](super::adaptive): refuses those that would be answered too late.
//!
//! *Protects against* work for nobody: a request that starts in time, but whose handler ends after its client has given up.
//! A logistic regression over ten features gives the probability of that; above a half, the request is refused. The
//! controller stays in charge of the queue: what the model refuses makes it shorter.
//!
//! It learns from every judged request that was admitted. What is refused has no outcome, so one in 64 of those that would be
//! refused is admitted below the hard cap and counts 64-fold. Its probabilities are compared with what came
//! ([`Calibration`]), and while they are bad, the controller decides alone.
//!
//! | knob | default | unit |
//! |---|---|---|
//! | `predict` | off | |
//!
//! *Cost*: about 400 bytes; two logarithms by leading zeros and ten multiplications for each request that is judged, as many
//! again for its outcome; none for requests that come while all is calm.
//! All in integers: features have 8 bits of fraction, weights 20 in 32, probabilities 16; sums of products have 28 in 64.
//!
//! *Not for* requests without a deadline, nor for handlers that all take equally long: there the controller knows as much. See
//! `docs/shedding.md` for what it adds where.

use super::calibration::{Calibration, ONE};
use super::sigmoid::sigmoid;
use crate::time::Instant;

const FEATURES: usize = 10;
/// One of this many that would be refused is admitted, and counts for as many.
pub(super) const EXPLORED: u32 = 64;
/// A sample of weight 1 moves the weights by 2⁻⁹ of its gradient.
const RATE_BITS: u32 = 9;
/// Each sample takes 2⁻¹⁶ off each weight: the L2 penalty.
const DECAY: i32 = 1 << 16;

/// What the worker knows beside its queue, for the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Handlers that run.
    pub running: u32,
    /// How many may run.
    pub running_max: u32,
    /// Objects that are left in the scarcest pool.
    pub pool_free: u32,
    /// Objects of that pool in all.
    pub pool_size: u32,
}

/// What the model saw of one request; its outcome is reported with [`super::Shedder::learn`].
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    features: [i16; FEATURES],
    predicted: u32,
    weight: u8,
}

/// What is known when a request is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    pub(super) wait_us: u64,
    /// How much the wait of a newcomer grew since the last interval, beside the set-point; 8 bits of fraction.
    pub(super) slope: i64,
    pub(super) class: i64,
    pub(super) service_us: u64,
    pub(super) body_len: u64,
    pub(super) deadline: Instant,
    pub(super) load: Load,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    weights: [i32; FEATURES],
    pub(super) calibration: Calibration,
}

impl Model {
    pub(super) fn sample(&self, outlook: &Outlook, now: Instant) -> Sample {
        let features = features(outlook, now);
        Sample { features, predicted: self.predict(&features), weight: 1 }
    }

    /// Whether it is to be refused.
    pub(super) fn refuses(&self, sample: &Sample) -> bool {
        self.calibration.is_trusted() && u64::from(sample.predicted) * 2 > ONE
    }

    pub(super) fn learn(&mut self, sample: &Sample, missed: bool) {
        let weight = u32::from(sample.weight);
        self.calibration.record(sample.predicted, missed, weight);
        let target = if missed { ONE as i64 } else { 0 };
        let error = i64::from(self.predict(&sample.features)) - target;
        for (own, feature) in self.weights.iter_mut().zip(sample.features) {
            // 16 + 8 bits of fraction become 20, and the rate is applied.
            let step = (error * i64::from(feature) * i64::from(weight)) >> (4 + RATE_BITS);
            *own = own.saturating_sub(*own / DECAY).saturating_sub(step.clamp(-STEP_MAX, STEP_MAX) as i32);
        }
    }

    fn predict(&self, features: &[i16; FEATURES]) -> u32 {
        let products = self.weights.iter().zip(features).map(|(own, x)| i64::from(*own) * i64::from(*x));
        sigmoid(products.sum::<i64>() >> 12)
    }
}

impl Sample {
    /// The same, for a request that is admitted although it would be refused.
    pub(super) fn explored(self) -> Self {
        Self { weight: EXPLORED as u8, ..self }
    }
}

fn features(outlook: &Outlook, now: Instant) -> [i16; FEATURES] {
    let Outlook { wait_us, slope, class, service_us, body_len, deadline, load } = *outlook;
    let left = log2(deadline.micros_since(now).min(u64::from(u32::MAX)));
    let share = |part: u32, whole: u32| i64::from(part) * 256 / i64::from(whole.max(1));
    let all = [
        256,
        (log2(wait_us) - left) / 4,
        slope,
        share(load.running, load.running_max),
        256 - share(load.pool_free, load.pool_size),
        class * 256 / 5,
        (log2(service_us) - left) / 4,
        log2(body_len) / 16,
        left / 16,
        log2(wait_us.saturating_add(service_us)) - left,
    ];
    all.map(|feature| feature.clamp(-512, 512) as i16)
}

/// The logarithm to base 2 of `value + 1` with 8 bits of fraction, straight between powers of two: within 0.09.
fn log2(value: u64) -> i64 {
    let value = value.saturating_add(1);
    let whole = value.ilog2();
    let aligned = value << (63 - whole);
    i64::from(whole) << 8 | (aligned >> 55 & 0xff) as i64
}

/// No sample moves a weight by more than 8.
const STEP_MAX: i64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1_000);

    /// Requests with 50 ms left, whose handlers take 1 ms or 60 ms; a few with a queue that is too long.
    fn outlook(number: u64) -> Outlook {
        Outlook {
            wait_us: number * 977 % 30_000,
            slope: 0,
            class: (number % 6) as i64,
            service_us: if number.is_multiple_of(5) { 60_000 } else { 1_000 },
            body_len: 0,
            deadline: Instant::from_millis(1_050),
            load: Load { running: 4, running_max: 4, pool_free: 10, pool_size: 20 },
        }
    }

    fn teach(model: &mut Model, numbers: core::ops::Range<u64>, label: impl Fn(u64, &Outlook) -> bool) {
        for number in numbers {
            let outlook = outlook(number);
            let sample = model.sample(&outlook, NOW);
            model.learn(&sample, label(number, &outlook));
        }
    }

    fn truth(_: u64, outlook: &Outlook) -> bool {
        outlook.wait_us + outlook.service_us > 50_000
    }

    /// A coin that knows nothing of the request.
    fn chance(number: u64, _: &Outlook) -> bool {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 1 == 1
    }

    #[test]
    fn it_learns_who_is_late_and_falls_back_when_labels_are_random() {
        let mut model = Model::default();
        teach(&mut model, 0..6_000, truth);
        assert!(model.calibration.is_trusted(), "{:?}", model.calibration);
        let right = (0..1_000).filter(|number| {
            let outlook = outlook(*number);
            model.refuses(&model.sample(&outlook, NOW)) == truth(*number, &outlook)
        });
        let right = right.count();
        assert!(right >= 980, "{right} of 1,000");
        teach(&mut model, 0..6_000, chance);
        assert!(!model.calibration.is_trusted(), "{:?}", model.calibration);
        assert!((0..1_000).all(|number| !model.refuses(&model.sample(&outlook(number), NOW))));
        teach(&mut model, 0..12_000, truth);
        assert!(model.calibration.is_trusted(), "and it comes back with labels that make sense");
    }

    #[test]
    fn random_labels_never_win_trust() {
        let mut model = Model::default();
        for thousand in 0..20 {
            teach(&mut model, thousand * 1_000..(thousand + 1) * 1_000, chance);
            assert!(!model.calibration.is_trusted(), "{:?}", model.calibration);
        }
    }

    #[test]
    fn an_explored_request_counts_as_those_it_stands_for() {
        let sample = Model::default().sample(&outlook(1), NOW);
        let (mut once, mut many) = (Model::default(), Model::default());
        once.learn(&sample.explored(), true);
        (0..EXPLORED).for_each(|_| many.learn(&sample, true));
        let predicted = [&once, &many].map(|model| i64::from(model.predict(&sample.features)));
        assert!(predicted[0] > predicted[1] && predicted[0] - predicted[1] < 3_000, "{predicted:?}");
        assert_eq!(once.calibration.bins(), many.calibration.bins());
    }

    #[test]
    fn extremes_saturate() {
        let outlook = Outlook { wait_us: u64::MAX, service_us: u64::MAX, slope: i64::MIN, ..outlook(1) };
        let mut model = Model::default();
        for number in 0..10_000_u32 {
            let sample = model.sample(&outlook, NOW).explored();
            model.learn(&sample, number.is_multiple_of(2));
        }
        assert!(features(&outlook, NOW).iter().all(|feature| (-512..=512).contains(feature)));
        for value in [0, 1, 2, 1_000, u64::from(u32::MAX)] {
            let exact = (value as f64 + 1.0).log2();
            assert!((log2(value) as f64 / 256.0 - exact).abs() < 0.09, "{value}");
        }
    }
}
