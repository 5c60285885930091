//! Counts every request and says what was counted.
//!
//! Each worker has [`WorkerStats`] of its own and is their only writer, so counting takes no locked instruction; a reader
//! on any thread adds the workers up. Memory is constant whether or not anyone reads.

mod counter;
mod export;
mod histogram;
mod jobs;
mod outcome;
mod stats;

pub use counter::Counter;
pub use export::{Export, Format, Gauges};
pub use histogram::{BUCKETS, Histogram, bucket_bounds, bucket_of};
pub use jobs::JobCounts;
pub use outcome::{CloseReason, Outcome};
pub use stats::{Totals, WorkerStats};
