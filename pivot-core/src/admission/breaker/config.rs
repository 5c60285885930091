//! When a breaker opens, and for how long.

use crate::time::{Duration, Instant, micros};

/// When a breaker opens, and for how long.
///
/// A window slides: it is judged by what it holds and by the share of the window before that is not yet over. It ends
/// with its time or with its number of results, whichever is first. So a breaker *by time* has a `window` and leaves
/// `results_max` alone; one *by count*, of the last N results, has `results_max: N` and a long `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// How long a window lasts. Whole seconds, 1 s – 1 h. Default: 60 s.
    pub window: Duration,
    /// A window also ends when one counter holds this many results (who counts where: see [`Breaker`](super::Breaker)).
    /// 1–16,777,215. Default: 16,777,215, all that a counter can hold.
    pub results_max: u32,
    /// Fewer results than this in a window never open it. 1–1,000. Default: 20.
    pub volume_min: u16,
    /// It opens at this many failures in a window. 1–1,000. Default: 50.
    pub failures_max: u16,
    /// It opens when this share of a window's results are failures. Percent, 1–100. Default: 50.
    pub failure_percent_max: u8,
    /// A result that takes longer is slow, whether or not it is a failure. 1 ms – 1 h. Default: 5 s.
    pub slow: Duration,
    /// It opens when this share of a window's results are slow. Percent, 1–100. Default: 50.
    pub slow_percent_max: u8,
    /// How long it stays open at first; twice as long each time that a probe goes badly, up to 16 times as long, and by
    /// chance up to a tenth longer than that. 100 ms – 1 h. Default: 30 s.
    pub open: Duration,
    /// Most probes at once while it is half open, and how many have to go well. 1–100. Default: 10.
    pub probes_max: u8,
}

impl BreakerConfig {
    /// 60 s, 20 results, 50 failures or 50 %, slow after 5 s and 50 % of these, open for 30 s, 10 probes.
    pub const PRESET: Self = Self {
        window: Duration::from_secs(60),
        results_max: COUNT_MAX,
        volume_min: 20,
        failures_max: 50,
        failure_percent_max: 50,
        slow: Duration::from_secs(5),
        slow_percent_max: 50,
        open: Duration::from_secs(30),
        probes_max: 10,
    };

    /// The window in [`Moment`]'s units.
    #[inline]
    pub(super) const fn window_units(&self) -> u32 {
        // 15,625/256 of them are a second.
        (self.window.as_secs().wrapping_mul(15_625) >> 8) as u32
    }

    /// How long it stays open when it opened `opened` times in a row before, in [`Moment`]'s units.
    ///
    /// The moment is all the randomness there is: breakers of one fleet trip microseconds apart, and no two spread alike.
    pub(super) fn open_units(&self, opened: u8, epoch: u16, now: Instant) -> u32 {
        let spread = now.as_micros().wrapping_add(u64::from(epoch)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let open = self.open_us() << opened.min(GROWTH_MAX);
        // Rounded up: not shorter than it was asked for.
        ((open + open * spread / 2_560) >> UNIT_BITS) as u32 + 1
    }

    /// No breaker that opened for the `opened`-th time in a row stays so for longer, in [`Moment`]'s units.
    pub(super) fn open_units_max(&self, opened: u8) -> u32 {
        let open = self.open_us() << opened.min(GROWTH_MAX);
        ((open + open / 10) >> UNIT_BITS) as u32 + 1
    }

    fn open_us(&self) -> u64 {
        micros(self.open).min(HOUR_S * 1_000_000)
    }
}

/// A moment in units of 2¹⁴ µs (16.4 ms), modulo 2²⁸ of them (51 days): no state is kept for as long as half of that.
pub(super) type Moment = u32;

#[inline]
pub(super) const fn moment(now: Instant) -> Moment {
    (now.as_micros() >> UNIT_BITS) as u32 & MOMENT_MASK
}

/// How far `until` lies ahead of `now`, or close to [`MOMENT_MASK`] if it is behind.
pub(super) const fn ahead(until: Moment, now: Moment) -> u32 {
    until.wrapping_sub(now) & MOMENT_MASK
}

pub(super) const UNIT_BITS: u32 = 14;
pub(super) const MOMENT_BITS: u32 = 28;
pub(super) const MOMENT_MASK: u32 = (1 << MOMENT_BITS) - 1;
/// It grows to 2⁴ times `open`.
pub(super) const GROWTH_MAX: u8 = 4;
/// The largest number of results that a counter holds for a window.
pub(super) const COUNT_MAX: u32 = (1 << 24) - 1;
const HOUR_S: u64 = 3_600;
