//! Who has a job that a loop gives to a thread: one word, and every change of hands a swap of it.
//!
//! ```text
//!            submit            take              finish           collect
//!   Free ────────────> Queued ───────> Running ──────────> Done ──────────> Free
//!                        │                │                  │
//!                        │ leave          │ leave            │ leave
//!                        v                v      finish      v
//!                       Free          Abandoned ───────────> Free
//! ```
//!
//! The loop submits, collects and leaves (its client went away, or its deadline has passed); a thread takes and finishes.
//! Whoever makes a step that leads out of a state where the other one cannot be has what the job holds to himself, and
//! [`Handover::step`] tells him which state that was: so a job is dropped exactly once, whichever of `leave` and
//! `finish` comes first.

use core::fmt;

use crate::sync::{AtomicU32, Ordering, is_mutant};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HandoverState {
    /// There is none: the place can be given away.
    Free,
    /// Waits for a thread.
    Queued,
    /// A thread has it.
    Running,
    /// The thread has put its result back.
    Done,
    /// A thread has it, and nobody waits for its result.
    Abandoned,
}

/// What somebody does about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverStep {
    /// The loop puts it there.
    Submit,
    /// Somebody takes it out of the queue.
    Take,
    /// Who took it puts it back.
    Finish,
    /// The loop takes the result.
    Collect,
    /// The loop gives it up.
    Leave,
}

impl HandoverState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Free, Self::Queued, Self::Running, Self::Done, Self::Abandoned];

    /// The state after a step; `None` where there is no such step.
    pub const fn after(self, step: HandoverStep) -> Option<Self> {
        match (self, step) {
            (Self::Free, HandoverStep::Submit) => Some(Self::Queued),
            (Self::Queued, HandoverStep::Take) => Some(Self::Running),
            (Self::Running, HandoverStep::Finish) => Some(Self::Done),
            (Self::Running, HandoverStep::Leave) => Some(Self::Abandoned),
            (Self::Done, HandoverStep::Collect | HandoverStep::Leave)
            | (Self::Queued, HandoverStep::Leave)
            | (Self::Abandoned, HandoverStep::Finish) => Some(Self::Free),
            _ => None,
        }
    }

    const fn of(word: u32) -> Self {
        match word {
            1 => Self::Queued,
            2 => Self::Running,
            3 => Self::Done,
            4 => Self::Abandoned,
            _ => Self::Free,
        }
    }
}

/// The word of one job's place.
pub struct Handover(AtomicU32);

impl Handover {
    /// A place without a job.
    pub fn new() -> Self {
        Self(AtomicU32::new(HandoverState::Free as u32))
    }

    /// Makes a step, and answers the state that it led out of; `None` if there is no such step from where the job is.
    pub fn step(&self, step: HandoverStep) -> Option<HandoverState> {
        if is_mutant("handover_blind_step") {
            let state = self.state();
            self.0.store(state.after(step)? as u32, Ordering::Release);
            return Some(state);
        }
        // Release publishes what was done to the job before the step, Acquire shows what the other side did before its own.
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                HandoverState::of(word).after(step).map(|state| state as u32)
            })
            .ok()
            .map(HandoverState::of)
    }

    /// Where the job is now. Only its own next step is sure to find it there.
    pub fn state(&self) -> HandoverState {
        // Acquire pairs with the Release of the step that led there.
        HandoverState::of(self.0.load(Ordering::Acquire))
    }
}

impl Default for Handover {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handover").field(&self.state()).finish()
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use HandoverState::*;
    use HandoverStep::*;

    /// Every step in every state; a dash where it is refused.
    #[test]
    fn the_table_of_steps_is_as_drawn() {
        let steps = [Submit, Take, Finish, Collect, Leave];
        let table = HandoverState::ALL.map(|state| steps.map(|step| state.after(step)));
        let expected = [
            [Some(Queued), None, None, None, None],
            [None, Some(Running), None, None, Some(Free)],
            [None, None, Some(Done), None, Some(Abandoned)],
            [None, None, None, Some(Free), Some(Free)],
            [None, None, Some(Free), None, None],
        ];
        assert_eq!(table, expected);
        assert!(HandoverState::ALL.iter().all(|&state| HandoverState::of(state as u32) == state));
    }

    #[test]
    fn a_step_says_which_state_it_left_and_a_refused_one_changes_nothing() {
        let handover = Handover::new();
        assert_eq!(handover.step(Take), None);
        assert_eq!(handover.step(Submit), Some(Free));
        assert_eq!(handover.step(Take), Some(Queued));
        assert_eq!(handover.step(Leave), Some(Running));
        assert_eq!(handover.step(Finish), Some(Abandoned));
        assert_eq!(handover.state(), Free);
    }
}
