//! The pool never lends an object twice, and never loses one.
#![cfg(pivot_loom)]

use pivot_core::pool::{Object, Pool, Slot};

struct Thing(u32);

impl Object for Thing {
    type Seed = ();
    fn create((): ()) -> Self {
        Thing(0)
    }
    fn reset(&mut self) {
        self.0 = 0;
    }
}

fn pool(count: usize) -> &'static Pool<'static, Thing> {
    let slots: &'static [Slot<Thing>] = (0..count).map(|_| Slot::new(())).collect::<Vec<_>>().leak();
    Box::leak(Box::new(Pool::new(slots)))
}

#[test]
fn two_threads_that_borrow_and_return_never_share() {
    loom::model(|| {
        let pool = pool(2);
        let work = move || {
            for _ in 0..2 {
                if let Ok(mut thing) = pool.borrow() {
                    assert_eq!(thing.0, 0, "somebody else has it, or it was not reset");
                    thing.0 = 1;
                }
            }
        };
        let other = loom::thread::spawn(work);
        // Two at once here: the order in which they come back is what makes a stale head look fresh.
        let (one, two) = (pool.borrow(), pool.borrow());
        drop(one);
        drop(two);
        other.join().unwrap();
        assert_eq!(pool.lent_count(), 0);
        let all = [pool.borrow(), pool.borrow()];
        assert!(all.iter().all(Result::is_ok) && pool.borrow().is_err());
    });
}

#[test]
fn a_weak_handle_learns_that_its_lending_is_over() {
    loom::model(|| {
        let pool = pool(1);
        let first = pool.borrow().unwrap();
        let weak = first.downgrade();
        assert!(weak.is_lent());
        let returning = loom::thread::spawn(move || drop(first));
        if let Ok(mut again) = pool.borrow() {
            assert!(!weak.is_lent(), "the object is lent again: the handle to its former lending must know");
            again.0 = 7;
        }
        returning.join().unwrap();
        assert!(!weak.is_lent());
    });
}
