use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

struct Line(String);

impl Object for Line {
    type Seed = u8;
    fn create(_: u8) -> Self {
        Line(String::new())
    }
    fn reset(&mut self) {
        self.0.clear();
    }
}

fn slots(count: usize) -> Vec<Slot<Line>> {
    (0..count).map(|_| Slot::new(0)).collect()
}

#[test]
fn an_empty_pool_says_so_and_serves_again_after_a_return() {
    let slots = slots(1);
    let pool = Pool::new(&slots);
    let line = pool.borrow().unwrap();
    assert_eq!(pool.borrow().err(), Some(Exhausted));
    drop(line);
    assert!(pool.borrow().is_ok());
    let metrics = pool.metrics();
    assert_eq!((metrics.borrowed, metrics.refused, metrics.lent, metrics.lent_max), (2, 1, 0, 1));
}

#[test]
fn objects_are_made_at_their_first_use_only() {
    let slots = slots(5);
    let pool = Pool::new(&slots);
    for _ in 0..3 {
        let _two = (pool.borrow().unwrap(), pool.borrow().unwrap());
    }
    assert_eq!(pool.metrics().created, 2);
}

#[test]
fn an_object_comes_back_when_its_holder_panics() {
    let slots = slots(1);
    let pool = Pool::new(&slots);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _line = pool.borrow().unwrap();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(pool.borrow().unwrap().0, "");
}

#[test]
#[should_panic(expected = "a slot belongs to one pool")]
fn a_slot_cannot_be_in_two_pools() {
    let slots = slots(1);
    let _first = Pool::new(&slots);
    let _second = Pool::new(&slots);
}

#[test]
fn threads_that_borrow_and_return_never_share_an_object() {
    let slots = slots(3);
    let pool = Pool::new(&slots);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let pool = &pool;
            scope.spawn(move || {
                for _ in 0..20_000 {
                    if let Ok(mut line) = pool.borrow() {
                        assert_eq!(line.0, "");
                        line.0.push_str(name);
                        assert_eq!(line.0, name);
                    }
                }
            });
        }
    });
    assert_eq!(pool.lent_count(), 0);
    assert_eq!((0..3).filter_map(|_| pool.borrow().ok().map(core::mem::forget)).count(), 3);
}

proptest! {
    #[test]
    fn a_pool_does_as_a_naive_one(capacity in 0..6_usize, operations in proptest::collection::vec((any::<bool>(), any::<u8>()), 0..200)) {
        let slots = slots(capacity);
        let pool = Pool::new(&slots);
        let mut lent = BTreeMap::new();
        let mut over = Vec::new();
        for (borrow, pick) in operations {
            if borrow {
                match pool.borrow() {
                    Ok(mut line) => {
                        prop_assert_eq!(&line.0, "", "what a former borrower wrote is gone");
                        line.0.push(char::from(pick));
                        let weak = line.downgrade();
                        let former = lent.insert(line.index(), (line, weak));
                        prop_assert!(former.is_none(), "handed out twice");
                    }
                    Err(Exhausted) => prop_assert_eq!(lent.len(), capacity),
                }
            } else if let Some(&index) = lent.keys().nth(usize::from(pick) % lent.len().max(1)) {
                let (line, weak) = lent.remove(&index).unwrap();
                prop_assert!(weak.is_lent());
                drop(line);
                over.push(weak);
            }
            prop_assert_eq!(pool.lent_count(), lent.len());
            prop_assert!(over.iter().all(|weak| !weak.is_lent()));
        }
    }
}
