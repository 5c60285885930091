//! A reader beside the one writer never sees a count fall.
#![cfg(pivot_loom)]

use loom::sync::Arc;
use pivot_core::monitor::Counter;

#[test]
fn a_count_that_is_read_while_it_grows_only_grows() {
    loom::model(|| {
        let counter = Arc::new(Counter::new());
        let writer = counter.clone();
        let writing = loom::thread::spawn(move || {
            writer.add(1);
            writer.add(1);
        });
        let first = counter.get();
        let second = counter.get();
        assert!(first <= second && second <= 2);
        writing.join().unwrap();
        assert_eq!(counter.get(), 2);
    });
}
