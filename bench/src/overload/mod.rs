//! The overload lab: servers under more than they can do, with clients that wait for 250 ms and not for one another.
//!
//! The server has one worker on core 1, the clients are on core 0. Each request takes 1 ms of the CPU time of the
//! thread that does it, in every server, so that the capacity is 1,000 requests a second less what a server needs for
//! itself, and a server that is preempted does not look better than it is.

mod answer;
mod arrivals;
mod busy;
mod classes;
mod clients;
mod curve;
mod flood;
mod refusal;
mod request;
mod retries;
mod shared;
mod step;
mod tally;

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;

use crate::load::pin;
use crate::rounds::busy_ticks;
use crate::server::{Cpu, Launch, Server, thread_cpu};
use crate::{Measure, Options, Result, progress, server};
use clients::{Habits, Plan, Try};

/// Its parts, in the order in which they run. `overload` on the command line is all of them.
pub(crate) const PARTS: [(&str, Measure); 9] = [
    ("overload-kept", curve::kept),
    ("overload-fresh", curve::fresh),
    ("overload-classes", classes::measure),
    ("overload-retries", retries::measure),
    ("overload-step", step::measure),
    ("overload-shared", shared::measure),
    ("overload-flood", flood::measure),
    ("overload-busy", busy::measure),
    ("overload-refusal", refusal::measure),
];

/// Who takes part: Pivot, plain servers, axum behind tower's limits in two ways, and nginx in front of axum.
pub(crate) const SERVERS: [&str; 6] =
    ["pivot", "axum", "actix-web", "axum-yield", "axum-thread", "nginx-axum"];
/// Rounds of a whole run, and how long each turn takes in it.
pub(crate) const ROUNDS: usize = 3;
pub(crate) const SECONDS: u64 = 20;

/// Requests a second that would fill a core with their work alone.
const CAPACITY: f64 = 1_000.0;
/// How long clients wait.
const DEADLINE: Duration = Duration::from_millis(250);
const SEED: u64 = 20_261_125;
/// A turn in which one request in a hundred was sent later than this shows the generator and not the server.
const LATE_MS_MAX: f64 = 5.0;
/// Cores that others may keep busy during a turn.
const OTHERS_MAX: f64 = 0.2;
/// How often a turn is repeated at most; then the quietest counts, and the report says so.
const REPEATS_MAX: usize = 2;
/// Shedding and everything else is as it is by default.
const PIVOT_OPTIONS: &[&str] = &["--trust-class-header"];

/// What a server needed for a turn, and how undisturbed the turn was.
#[derive(Clone, Copy)]
struct Turn {
    seconds: f64,
    /// Cores that the server used in user space, and in the kernel.
    user: f64,
    system: f64,
    /// How late the last in a hundred requests was sent, in milliseconds.
    late_ms: f64,
    /// Cores that others used.
    others: f64,
}

/// Notes about all turns of a part.
#[derive(Default)]
struct Noise {
    turns: usize,
    repeats: usize,
    noisy: usize,
    others_most: f64,
    late_ms_most: f64,
}

/// Tells how far a part is.
struct Course {
    part: &'static str,
    start: Instant,
    done: usize,
    total: usize,
}

/// What clients do in most parts.
fn habits(options: &Options) -> Habits {
    Habits { is_fresh: false, deadline: DEADLINE, is_patient: options.is_patient, retries: 0 }
}

/// The servers that take part, and a line about each that is not installed.
fn entrants(options: &Options) -> (Vec<&'static str>, Vec<String>) {
    let wanted: Vec<&'static str> = SERVERS.into_iter().filter(|name| options.wants(name)).collect();
    server::installed(&wanted)
}

/// A new server on core 1, before everybody else there if that is allowed: what one turn leaves behind shall not disturb
/// the next.
fn start(name: &str, workers: usize, options: &[&str]) -> Result<Server> {
    start_on("1", name, workers, options)
}

/// The same on certain cores.
fn start_on(cores: &str, name: &str, workers: usize, options: &[&str]) -> Result<Server> {
    let through = ["nice", "-n", "-20", "taskset", "-c", cores];
    let options = [PIVOT_OPTIONS, options].concat();
    Server::start(Launch { name, through: &through, workers, options: &options })
}

/// Lets clients loose on a server.
fn turn(server: &Server, plan: &Plan<'_>, sink: &mut (dyn FnMut(&Try) + Send)) -> Result<Turn> {
    let (busy, cpu, start) = (busy_ticks()?, server.cpu()?, Instant::now());
    let mut run = || -> Result<_> {
        pin(&[0])?;
        // Where that is allowed, nobody else's work makes a request late. It holds for this thread alone.
        let _ = setpriority_process(None, -20);
        let late = clients::run(plan, server.address, sink)?;
        Ok((late.percentile(99) as f64 / 1e6, thread_cpu(Path::new("/proc/thread-self"))?.total_ns))
    };
    let outcome = std::thread::scope(|scope| {
        let thread = scope.spawn(|| run().map_err(|error| error.to_string()));
        thread.join().unwrap_or_else(|_| Err("the clients panicked".to_owned()))
    });
    let (seconds, after, busy_after) = (start.elapsed().as_secs_f64(), server.cpu()?, busy_ticks()?);
    let (late_ms, clients_ns) = outcome?;
    let tick_s = 1.0 / rustix::param::clock_ticks_per_second() as f64;
    let [user, system] = shares(cpu, after).map(|ns| ns / 1e9 / seconds);
    let all = (busy_after - busy) as f64 * tick_s / seconds;
    let others = (all - user - system - clients_ns as f64 / 1e9 / seconds).max(0.0);
    Ok(Turn { seconds, user, system, late_ms, others })
}

/// The nanoseconds between, in user space and in the kernel: the sum is exact, its parts are as exact as the ticks.
fn shares(before: Cpu, after: Cpu) -> [f64; 2] {
    let total = (after.total_ns - before.total_ns) as f64;
    let (user, system) =
        ((after.user_ticks - before.user_ticks) as f64, (after.system_ticks - before.system_ticks) as f64);
    let part = if user + system > 0.0 { user / (user + system) } else { 0.0 };
    [total * part, total * (1.0 - part)]
}

impl Noise {
    /// A turn that nobody disturbs, or else the quietest of several.
    ///
    /// # Errors
    ///
    /// Those of `run`; or the generator was late in all of them.
    fn quiet<T>(&mut self, mut run: impl FnMut() -> Result<(T, Turn)>) -> Result<(T, Turn)> {
        let mut best = run()?;
        for _ in 0..REPEATS_MAX {
            if best.1.is_good() {
                break;
            }
            self.repeats += 1;
            let next = run()?;
            if next.1.late_ms.max(LATE_MS_MAX) + next.1.others
                < best.1.late_ms.max(LATE_MS_MAX) + best.1.others
            {
                best = next;
            }
        }
        if best.1.late_ms > LATE_MS_MAX {
            return Err(format!("void: requests were sent {:.1} ms late", best.1.late_ms).into());
        }
        self.turns += 1;
        self.noisy += usize::from(!best.1.is_good());
        self.others_most = self.others_most.max(best.1.others);
        self.late_ms_most = self.late_ms_most.max(best.1.late_ms);
        Ok(best)
    }

    fn note(&self) -> String {
        format!(
            "{} turns; {} were repeated because others used more than {OTHERS_MAX} cores or requests were sent late, {} that \
             count were still not quiet (others used up to {:.2} cores); the last in a hundred requests was sent {:.2} ms \
             late at most, and above {LATE_MS_MAX} ms a turn does not count",
            self.turns, self.repeats, self.noisy, self.others_most, self.late_ms_most
        )
    }
}

impl Turn {
    fn is_good(&self) -> bool {
        self.late_ms <= LATE_MS_MAX && self.others <= OTHERS_MAX
    }
}

impl Course {
    fn new(part: &'static str, total: usize) -> Self {
        Self { part, start: Instant::now(), done: 0, total }
    }

    /// Says what is going on now, and how long the part will still take.
    fn step(&mut self, what: &str) {
        let left = match self.done {
            0 => String::new(),
            done => {
                let seconds = self.start.elapsed().as_secs_f64() / done as f64 * (self.total - done) as f64;
                format!(", about {:.0} min left", (seconds / 60.0).ceil())
            }
        };
        self.done += 1;
        progress(&format!("{}: {} of {}{left}: {what}", self.part, self.done, self.total));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Turn = Turn { seconds: 1.0, user: 0.0, system: 0.0, late_ms: 1.0, others: 0.1 };

    fn outcome(turns: &[Turn]) -> (Result<(usize, Turn)>, Noise) {
        let (mut noise, mut calls) = (Noise::default(), 0);
        let result = noise.quiet(|| {
            calls += 1;
            Ok((calls, turns[calls - 1]))
        });
        (result, noise)
    }

    #[test]
    fn a_quiet_turn_counts_at_once_and_a_noisy_one_is_repeated() {
        let (result, noise) = outcome(&[GOOD]);
        assert_eq!((result.unwrap().0, noise.repeats, noise.noisy), (1, 0, 0));
        let noisy = Turn { others: 0.9, ..GOOD };
        let (result, noise) = outcome(&[noisy, Turn { others: 0.5, ..GOOD }, noisy]);
        assert_eq!((result.unwrap().0, noise.repeats, noise.noisy), (2, 2, 1));
    }

    #[test]
    fn a_generator_that_is_late_voids_the_turn() {
        let late = Turn { late_ms: 6.0, ..GOOD };
        assert!(outcome(&[late; 3]).0.is_err());
        assert_eq!(outcome(&[late, GOOD]).0.unwrap().0, 2);
    }

    #[test]
    fn user_and_system_time_share_the_exact_sum() {
        let after = Cpu { total_ns: 1_000, user_ticks: 3, system_ticks: 1 };
        assert_eq!(shares(Cpu::default(), after), [750.0, 250.0]);
        assert_eq!(shares(after, after), [0.0, 0.0]);
    }
}
