//! The pool beside a naive one.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pivot_core::pool::{Exhausted, Object, Pool, Slot};

struct Line(Vec<u8>);

impl Object for Line {
    type Seed = ();
    fn create((): ()) -> Self {
        Line(Vec::new())
    }
    fn reset(&mut self) {
        self.0.clear();
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&capacity, operations)) = bytes.split_first() else { return };
    let capacity = usize::from(capacity % 9);
    let slots: Vec<Slot<Line>> = (0..capacity).map(|_| Slot::new(())).collect();
    let pool = Pool::new(&slots);
    let (mut lent, mut over) = (BTreeMap::new(), Vec::new());
    for &operation in operations {
        if operation < 128 {
            match pool.borrow() {
                Ok(mut line) => {
                    assert!(line.0.is_empty());
                    line.0.push(operation);
                    let weak = line.downgrade();
                    assert!(lent.insert(line.index(), (line, weak)).is_none());
                }
                Err(Exhausted) => assert_eq!(lent.len(), capacity),
            }
        } else if let Some(&index) = lent.keys().nth(usize::from(operation) % lent.len().max(1))
            && let Some((line, weak)) = lent.remove(&index)
        {
            assert!(weak.is_lent());
            drop(line);
            over.push(weak);
        }
        assert_eq!(pool.lent_count(), lent.len());
        assert!(over.iter().all(|weak| !weak.is_lent()));
    }
});
