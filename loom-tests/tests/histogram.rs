//! A reader beside the one writer never sees a count fall.
#![cfg(pivot_loom)]

use loom::sync::Arc;
use pivot_core::monitor::Counter;

#[test]
fn a_count_that_is_read_while_it_grows_only_grows() {
    loom::model(|| {
        let counter = Arc::new(Counter::new());
        counter.add(1);
        let writer = counter.clone();
        let writing = loom::thread::spawn(move || {
            writer.add(1);
            writer.add(1);
        });
        let first = counter.get();
        let second = counter.get();
        assert!(1 <= first && first <= second && second <= 3);
        writing.join().unwrap();
        assert_eq!(counter.get(), 3);
    });
}
