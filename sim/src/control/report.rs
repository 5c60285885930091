//! What came of a run.

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Answered while the client waited.
    Good,
    /// Answered after the client had left.
    Late,
    /// The plant failed it.
    Failed,
    /// The client left the queue.
    Left,
    /// The gate turned it away.
    Shed,
    /// The queue was full.
    QueueFull,
    /// It waited in the queue for too long.
    QueueExpired,
}

impl Ended {
    /// How many ways there are.
    pub const COUNT: usize = 7;
}

/// A stretch of half a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bin {
    /// Attempts.
    pub offered: u32,
    /// Attempts that ended well.
    pub good: u32,
    /// The limit at its end.
    pub limit: u32,
}

/// Counts, and what happened when.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's seed.
    pub seed: u64,
    /// Attempts, retries included.
    pub attempts: u64,
    /// Those that ended in each way.
    pub ended: [u64; Ended::COUNT],
    /// Permits that were out when everything was over.
    pub permits_out: u32,
    /// Half-seconds.
    pub bins: Vec<Bin>,
    /// When each answered attempt ended, and how long it took from its arrival, in microseconds.
    pub answered: Vec<(u64, u64)>,
}

impl Report {
    /// Half-seconds in a second.
    pub const BINS: f64 = 2.0;

    /// Checks that each attempt ended in one way, and that every permit is home.
    ///
    /// # Panics
    /// If not.
    pub fn assert_sound(&self) {
        let seed = self.seed;
        assert_eq!(self.ended.iter().sum::<u64>(), self.attempts, "PIVOT_SEED={seed}: {:?}", self.ended);
        assert_eq!(self.permits_out, 0, "PIVOT_SEED={seed}");
    }

    /// How many attempts ended this way.
    pub fn count(&self, ended: Ended) -> u64 {
        self.ended[ended as usize]
    }

    /// Attempts that ended well, a second, between two moments in seconds.
    pub fn goodput(&self, from: f64, to: f64) -> f64 {
        self.mean(from, to, |bin| f64::from(bin.good)) * Self::BINS
    }

    /// Attempts a second between two moments in seconds.
    pub fn offered(&self, from: f64, to: f64) -> f64 {
        self.mean(from, to, |bin| f64::from(bin.offered)) * Self::BINS
    }

    /// Mean limit between two moments in seconds.
    pub fn limit(&self, from: f64, to: f64) -> f64 {
        self.mean(from, to, |bin| f64::from(bin.limit))
    }

    /// Quantiles of the limit between two moments in seconds.
    pub fn limits<const N: usize>(&self, from: f64, to: f64, quantiles: [f64; N]) -> [f64; N] {
        let limits = self.between(from, to).iter().map(|bin| u64::from(bin.limit)).collect();
        let sorted = sorted(limits);
        quantiles.map(|quantile| quantile_of(&sorted, quantile))
    }

    /// The time in milliseconds, from arrival to answer, that a share of those answered between two moments did not exceed.
    pub fn latency_ms(&self, from: f64, to: f64, quantile: f64) -> f64 {
        let is_between = |at: u64| (from..to).contains(&(at as f64 / 1e6));
        let took = self.answered.iter().filter(|(at, _)| is_between(*at)).map(|(_, took)| *took).collect();
        quantile_of(&sorted(took), quantile) / 1e3
    }

    /// Seconds after `from` until goodput has reached `share` of `target` and kept it for two seconds; `None` if never.
    pub fn settled(&self, from: f64, to: f64, target: f64, share: f64) -> Option<f64> {
        let bins = self.between(from, to);
        let is_there = |bins: &[Bin]| {
            let good: u32 = bins.iter().map(|bin| bin.good).sum();
            f64::from(good) / bins.len() as f64 * Self::BINS >= share * target
        };
        bins.windows(4).position(is_there).map(|index| index as f64 / Self::BINS)
    }

    fn between(&self, from: f64, to: f64) -> &[Bin] {
        let index = |at: f64| ((at * Self::BINS) as usize).min(self.bins.len());
        &self.bins[index(from)..index(to)]
    }

    fn mean(&self, from: f64, to: f64, of: impl Fn(&Bin) -> f64) -> f64 {
        let bins = self.between(from, to);
        bins.iter().map(of).sum::<f64>() / bins.len().max(1) as f64
    }
}

fn sorted(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values
}

fn quantile_of(sorted: &[u64], quantile: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * quantile).round() as usize).map_or(0.0, |value| *value as f64)
}
