//! A job between its loop and a thread: whoever comes last has it to himself, and nobody else touches it.
#![cfg(pivot_loom)]

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Mutex};
use pivot_core::exec::{Handover, HandoverState, HandoverStep};

/// A place with its job: the lock is never waited for, it stands for "mine alone", as in the shipped desk.
struct Place {
    handover: Handover,
    job: Mutex<u32>,
    homecomings: AtomicU32,
}

impl Place {
    fn submitted() -> Arc<Self> {
        let place =
            Arc::new(Self { handover: Handover::new(), job: Mutex::new(0), homecomings: AtomicU32::new(0) });
        place.write(1);
        assert_eq!(place.handover.step(HandoverStep::Submit), Some(HandoverState::Free));
        place
    }

    fn write(&self, job: u32) {
        *self.job.try_lock().expect("whoever touches the job has it to himself") = job;
    }

    /// What the job holds goes home.
    fn bring_home(&self) {
        self.write(0);
        self.homecomings.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread takes the job, works on it and puts it back.
    fn work(&self) {
        if self.handover.step(HandoverStep::Take).is_none() {
            return;
        }
        self.write(2);
        if self.handover.step(HandoverStep::Finish) == Some(HandoverState::Abandoned) {
            self.bring_home();
        }
    }

    /// The loop gives the job up: its client is gone, or its deadline has passed.
    fn leave(&self) {
        match self.handover.step(HandoverStep::Leave) {
            Some(HandoverState::Queued | HandoverState::Done) => self.bring_home(),
            left => assert_eq!(left, Some(HandoverState::Running)),
        }
    }

    fn is_home(&self) -> bool {
        self.homecomings.load(Ordering::Relaxed) == 1 && self.handover.state() == HandoverState::Free
    }
}

#[test]
fn a_job_that_is_given_up_comes_home_once_wherever_it_is() {
    loom::model(|| {
        let place = Place::submitted();
        let other = place.clone();
        let working = loom::thread::spawn(move || other.work());
        place.leave();
        working.join().unwrap();
        assert!(place.is_home(), "{:?}", place.handover);
    });
}

#[test]
fn two_threads_take_one_job_once() {
    loom::model(|| {
        let place = Place::submitted();
        let other = place.clone();
        let taking =
            loom::thread::spawn(move || u32::from(other.handover.step(HandoverStep::Take).is_some()));
        let here = u32::from(place.handover.step(HandoverStep::Take).is_some());
        assert_eq!(here + taking.join().unwrap(), 1);
    });
}

#[test]
fn a_loop_that_sees_the_end_sees_the_result() {
    loom::model(|| {
        let place = Place::submitted();
        let other = place.clone();
        let working = loom::thread::spawn(move || other.work());
        if place.handover.state() == HandoverState::Done {
            place.bring_home();
            assert_eq!(place.handover.step(HandoverStep::Collect), Some(HandoverState::Done));
        } else {
            place.leave();
        }
        working.join().unwrap();
        assert!(place.is_home(), "{:?}", place.handover);
    });
}
