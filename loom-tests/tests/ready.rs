//! A wake-up is never lost, whenever it comes.
#![cfg(pivot_loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use pivot_core::exec::{Notify, ReadySet};
use pivot_core::sync::AtomicU32;

struct Bell(AtomicBool);

impl Notify for Bell {
    fn notify(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_loop_that_goes_to_sleep_was_told_or_will_be() {
    loom::model(|| {
        let bell: &'static Bell = Box::leak(Box::new(Bell(AtomicBool::new(false))));
        let words = vec![AtomicU32::new(0)].leak();
        let generations = vec![AtomicU32::new(0)].leak();
        let set: Arc<ReadySet> = Arc::new(ReadySet::new(words, generations, bell));
        let other = set.clone();
        let waking = loom::thread::spawn(move || other.wake(0, 0));
        let mut is_seen = false;
        set.take(|_| is_seen = true);
        let sleeps = !is_seen && set.prepare_sleep();
        waking.join().unwrap();
        if sleeps {
            assert!(bell.0.load(Ordering::SeqCst), "asleep, and nobody rang");
            set.end_sleep();
        }
        set.take(|_| is_seen = true);
        assert!(is_seen, "the wake-up is lost");
    });
}

#[test]
fn a_wake_of_a_former_occupant_reaches_at_most_one_empty_poll() {
    loom::model(|| {
        let bell: &'static Bell = Box::leak(Box::new(Bell(AtomicBool::new(false))));
        let words = vec![AtomicU32::new(0)].leak();
        let generations = vec![AtomicU32::new(0)].leak();
        let set: Arc<ReadySet> = Arc::new(ReadySet::new(words, generations, bell));
        let other = set.clone();
        let waking = loom::thread::spawn(move || other.wake(0, 0));
        set.retire(0);
        let mut count = 0;
        set.take(|_| count += 1);
        waking.join().unwrap();
        set.take(|_| count += 1);
        assert!(count <= 1);
    });
}

#[test]
fn a_wake_after_the_end_wakes_nobody() {
    loom::model(|| {
        let bell: &'static Bell = Box::leak(Box::new(Bell(AtomicBool::new(false))));
        let words = vec![AtomicU32::new(0)].leak();
        let generations = vec![AtomicU32::new(0)].leak();
        let set: Arc<ReadySet> = Arc::new(ReadySet::new(words, generations, bell));
        set.retire(0);
        let other = set.clone();
        loom::thread::spawn(move || other.wake(0, 0)).join().unwrap();
        set.take(|_| panic!("the slot has another occupant"));
    });
}
