//! Chance from a seed.

/// A stream of random numbers (splitmix64), the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next share, from 0 up to 1.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time in microseconds, exponentially distributed around its mean.
    pub fn exponential_us(&mut self, mean_us: f64) -> u64 {
        (-(1.0 - self.share()).ln() * mean_us).round().max(1.0) as u64
    }

    /// A time in microseconds, up to a tenth more or less than its mean.
    pub fn steady_us(&mut self, mean_us: f64) -> u64 {
        (mean_us * (0.9 + 0.2 * self.share())).round().max(1.0) as u64
    }
}
