//! The clock, and a net under panics.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pivot_core::admission::Seed;
use pivot_core::serve::{Host, Panicked};
use pivot_core::time::Instant;

/// The system's clocks, for one worker.
#[derive(Debug)]
pub struct StdHost {
    /// Microseconds of the system's clock.
    start_us: u64,
    unix_s: Cell<u64>,
    unix_read_at: Cell<Instant>,
}

/// How old the date may be. It is read with the second clock, and no more often than somebody could tell.
const DATE_AGE_MAX_US: u64 = 100_000;

impl StdHost {
    /// A host whose time starts with the program's first server, so that all workers share it.
    pub fn new() -> Self {
        static START_US: OnceLock<u64> = OnceLock::new();
        Self {
            start_us: *START_US.get_or_init(monotonic_us),
            unix_s: Cell::new(unix_s()),
            unix_read_at: Cell::new(Instant::ZERO),
        }
    }
}

impl Default for StdHost {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for StdHost {
    fn now(&self) -> Instant {
        let now = Instant::from_micros(monotonic_us().wrapping_sub(self.start_us));
        if now.micros_since(self.unix_read_at.get()) >= DATE_AGE_MAX_US {
            self.unix_read_at.set(now);
            self.unix_s.set(unix_s());
        }
        now
    }

    fn unix_s(&self) -> Option<u64> {
        Some(self.unix_s.get())
    }

    fn poll<F: Future<Output = ()>>(
        &self,
        future: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Result<Poll<()>, Panicked> {
        // A handler that panicked is dropped and never polled again, and what it shares with others is behind cells
        // that are not borrowed across its suspension.
        catch_unwind(AssertUnwindSafe(|| future.poll(context))).map_err(|_| Panicked)
    }
}

/// The system's monotonic clock. Its start is near the machine's, so microseconds do not overflow.
fn monotonic_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A seed that nobody outside can know: the standard library's, from the system's source of randomness.
pub fn random_seed() -> Seed {
    let word = || RandomState::new().build_hasher().finish();
    Seed(word(), word())
}

/// The CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
