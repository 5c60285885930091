//! Where loops leave jobs and threads take them.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::Thread;

use pivot_core::admission::{Queue, QueueNode, Refusal};
use pivot_core::exec::{Handover, HandoverState, HandoverStep};
use pivot_core::mode::Config;
use pivot_core::monitor::JobCounts;
use pivot_core::serve::{Ended, Job, Offload, Place, Progress};
use pivot_core::storage::{Arena, SpaceFull, take_one};
use pivot_core::time::{Duration, Instant};

/// The queue of a server's blocking routes, and the places of its jobs.
///
/// A place is in the free list, or has a job. There are as many as jobs can wait and run, and for as many more that have
/// ended and that their loops have not fetched yet.
pub(crate) struct Desk {
    counts: JobCounts,
    wait_max: Duration,
    slots: &'static [Slot],
    line: Mutex<Line>,
    /// Rung for each job that joins the queue, and at the end.
    bell: Condvar,
}

struct Line {
    queue: Queue,
    free: &'static mut [u32],
    free_count: usize,
    is_closed: bool,
}

struct Slot {
    handover: Handover,
    cell: Mutex<Cell>,
}

#[derive(Default)]
struct Cell {
    content: Content,
    /// Of the exchange that waits for the job.
    waker: Option<Waker>,
    /// The thread that has the job.
    runner: Option<Thread>,
}

#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    Job(Job),
    Ended(Ended),
}

impl Desk {
    /// Takes a desk from `arena`.
    ///
    /// # Errors
    /// [`SpaceFull`] if the arena is too small.
    pub(crate) fn take_from(arena: &mut impl Arena, config: &Config) -> Result<&'static Self, SpaceFull> {
        let queue_max = config.blocking_queue_max;
        let slot_count = queue_max + config.blocking_threads + queue_max;
        let nodes = arena.take("blocking queue", queue_max, |_| QueueNode::FREE)?;
        let slots = arena.take("blocking jobs", slot_count, |_| Slot {
            handover: Handover::new(),
            cell: Mutex::default(),
        })?;
        let free = arena.take("blocking list", slot_count, |index| index as u32)?;
        let wait_max = config.timeouts.queue;
        let queue = Queue::new(nodes, wait_max);
        let line = Mutex::new(Line { queue, free, free_count: slot_count, is_closed: false });
        let desk = Self { counts: JobCounts::new(), wait_max, slots, line, bell: Condvar::new() };
        Ok(take_one(arena, "blocking desk", desk)?)
    }

    /// Waits for a job, and takes it; `None` once the desk is closed and nobody waits any more. For threads.
    pub(super) fn take(&self, runner: &Thread, mut now: impl FnMut() -> Instant) -> Option<(u32, Job)> {
        let mut line = lock(&self.line);
        loop {
            let at = now();
            // At most as many as were queued.
            while let Some(entry) = line.queue.pop_expired(at) {
                self.refuse(entry.item, Refusal::QueueExpired);
            }
            let entry = line.queue.pop();
            self.counts.set_queued(line.queue.len());
            if let Some(entry) = entry {
                if let Some(job) = self.take_out(entry.item, Some(runner)) {
                    self.counts.begin();
                    return Some((entry.item, job));
                }
            } else if line.is_closed {
                return None;
            } else {
                line = self.bell.wait(line).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Puts back what became of a job that was taken. If nobody waits for it, what it holds comes home here.
    pub(super) fn finish(&self, index: u32, ended: Ended) {
        let slot = self.slot(index);
        let waker = {
            let mut cell = lock(&slot.cell);
            cell.content = Content::Ended(ended);
            cell.runner = None;
            cell.waker.take()
        };
        match slot.handover.step(HandoverStep::Finish) {
            Some(HandoverState::Abandoned) => {
                // Who left it holds the line until that is counted.
                let mut line = lock(&self.line);
                self.counts.end_abandoned();
                self.clear(index, &mut line);
            }
            left => {
                debug_assert_eq!(left, Some(HandoverState::Running), "a job that was taken runs");
                self.counts.end();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }

    /// Whether nobody waits any more for a job that was taken.
    pub(super) fn is_abandoned(&self, index: u32) -> bool {
        self.slot(index).handover.state() == HandoverState::Abandoned
    }

    /// Ends the threads once the queue is empty.
    pub(crate) fn close(&self) {
        lock(&self.line).is_closed = true;
        self.bell.notify_all();
    }

    fn slot(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    /// Takes a job out of its place. The caller has taken it out of the queue, and holds the line.
    fn take_out(&self, index: u32, runner: Option<&Thread>) -> Option<Job> {
        let slot = self.slot(index);
        let left = slot.handover.step(HandoverStep::Take);
        debug_assert_eq!(left, Some(HandoverState::Queued), "who is in the queue waits");
        let mut cell = lock(&slot.cell);
        cell.runner = runner.cloned();
        match std::mem::take(&mut cell.content) {
            Content::Job(job) => Some(job),
            Content::Ended(_) | Content::Nothing => None,
        }
    }

    /// Ends a job that will never run, and tells who waits for it. The caller has taken it out of the queue, and holds the line.
    fn refuse(&self, index: u32, refusal: Refusal) {
        let Some(job) = self.take_out(index, None) else { return };
        let slot = self.slot(index);
        let mut cell = lock(&slot.cell);
        cell.content = Content::Ended(Ended::Refused(job, refusal));
        let waker = cell.waker.take();
        drop(cell);
        let left = slot.handover.step(HandoverStep::Finish);
        debug_assert_eq!(left, Some(HandoverState::Running), "nobody leaves a job while the line is held");
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Empties a place that nobody has, and frees it. What it held comes home.
    fn clear(&self, index: u32, line: &mut Line) {
        *lock(&self.slot(index).cell) = Cell::default();
        line.free[line.free_count] = index;
        line.free_count += 1;
    }
}

impl Offload for Desk {
    fn submit(&self, job: Job, waker: &Waker, now: Instant) -> Result<Place, (Job, Refusal)> {
        let mut line = lock(&self.line);
        let Some(free_count) = line.free_count.checked_sub(1) else { return Err((job, Refusal::QueueFull)) };
        let index = line.free[free_count];
        if line.queue.len() == line.queue.capacity()
            && let Some(victim) = line.queue.displace(job.class())
        {
            self.refuse(victim.item, Refusal::QueueFull);
        }
        let Ok(node) = line.queue.push(index, job.class(), now) else {
            return Err((job, Refusal::QueueFull));
        };
        line.free_count = free_count;
        let slot = self.slot(index);
        *lock(&slot.cell) = Cell { content: Content::Job(job), waker: Some(waker.clone()), runner: None };
        let left = slot.handover.step(HandoverStep::Submit);
        debug_assert_eq!(left, Some(HandoverState::Free), "a free place has no job");
        self.counts.set_queued(line.queue.len());
        drop(line);
        self.bell.notify_one();
        Ok(Place { slot: index, node, until: now.plus(self.wait_max) })
    }

    fn poll(&self, place: &Place, now: Instant) -> Progress {
        let slot = self.slot(place.slot);
        if slot.handover.state() == HandoverState::Queued && now >= place.until {
            let mut line = lock(&self.line);
            // Under the lock, who is queued stays queued.
            if slot.handover.state() == HandoverState::Queued {
                line.queue.remove(place.node);
                self.refuse(place.slot, Refusal::QueueExpired);
                self.counts.set_queued(line.queue.len());
            }
        }
        match slot.handover.state() {
            HandoverState::Queued => Progress::Queued(place.until),
            HandoverState::Done => Progress::Ended,
            _ => Progress::Running,
        }
    }

    fn collect(&self, place: &Place) -> Option<Ended> {
        let slot = self.slot(place.slot);
        if slot.handover.state() != HandoverState::Done {
            return None;
        }
        let content = std::mem::take(&mut lock(&slot.cell).content);
        slot.handover.step(HandoverStep::Collect);
        self.clear(place.slot, &mut lock(&self.line));
        match content {
            Content::Ended(ended) => Some(ended),
            Content::Job(_) | Content::Nothing => None,
        }
    }

    fn leave(&self, place: &Place) {
        let slot = self.slot(place.slot);
        let mut line = lock(&self.line);
        match slot.handover.step(HandoverStep::Leave) {
            Some(HandoverState::Running) => {
                self.counts.abandon();
                // It may be suspended in an `await`: then it can end now. The line keeps its place from being freed meanwhile.
                if let Some(runner) = &lock(&slot.cell).runner {
                    runner.unpark();
                }
            }
            Some(HandoverState::Queued) => {
                line.queue.remove(place.node);
                self.counts.set_queued(line.queue.len());
                self.clear(place.slot, &mut line);
            }
            left => {
                debug_assert_eq!(left, Some(HandoverState::Done), "a job is left once");
                self.clear(place.slot, &mut line);
            }
        }
    }

    fn counts(&self) -> &JobCounts {
        &self.counts
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
