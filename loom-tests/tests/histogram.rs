//! A reader beside the one writer never sees a count fall.
#![cfg(pivot_loom)]

use loom::sync::Arc;
use pivot_core::monitor::Counter;

#[test]
fn a_count_that_is_read_while_it_grows_only_grows() {
    loom::model(|| {
        let counter = Arc::new(Counter::new());
        counter.add(1);
        let other = counter.clone();
        // The reader is the thread: the checker finds its way back from a load to the store before it, not the other way.
        let reading = loom::thread::spawn(move || {
            let first = other.get();
            let second = other.get();
            assert!(1 <= first && first <= second && second <= 3, "{first}, then {second}");
        });
        counter.add(1);
        counter.add(1);
        reading.join().unwrap();
        assert_eq!(counter.get(), 3);
    });
}
