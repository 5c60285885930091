//! A worker's few objects in front of a shared pool.

use heapless::Vec;

use super::{Exhausted, Guard, Object, Pool};

/// Most objects in one cache.
pub const CACHED_MAX: usize = 8;

/// Free objects that one worker keeps to itself, so that most borrowing touches nothing that workers share.
///
/// It holds at most [`CACHED_MAX`] objects, and at most an eighth of what the pool has for each worker: small pools are not
/// cached. What it holds counts as lent in the pool; [`Cache::len`] says how much that is.
///
/// Another worker that finds the pool empty asks for what is cached ([`Pool::is_wanted`]): caches then let nothing
/// stay, and their owners give everything back at their next turn ([`Cache::clear`]). A worker that goes to sleep is
/// to do so as well, before long.
///
/// ```
/// use pivot_core::pool::{Cache, Object, Pool, Slot};
/// struct Word(u32);
/// impl Object for Word {
///     type Seed = ();
///     fn create(_: ()) -> Self {
///         Word(0)
///     }
///     fn reset(&mut self) {
///         self.0 = 0;
///     }
/// }
/// let slots: [Slot<Word>; 8] = core::array::from_fn(|_| Slot::new(()));
/// let pool = Pool::new(&slots);
/// let mut cache = Cache::new(&pool, 1);
/// let mut word = cache.borrow().unwrap();
/// word.0 = 7;
/// cache.give_back(word);
/// assert_eq!((cache.len(), pool.lent_count()), (1, 1));
/// assert_eq!(cache.borrow().unwrap().0, 0);
/// ```
#[derive(Debug)]
pub struct Cache<'p, T: Object> {
    pool: &'p Pool<'p, T>,
    spare: Vec<Guard<'p, T>, CACHED_MAX>,
    len_max: usize,
}

impl<'p, T: Object> Cache<'p, T> {
    /// An empty cache of one of `workers` workers.
    pub fn new(pool: &'p Pool<'p, T>, workers: usize) -> Self {
        let share = pool.capacity() / (8 * workers.max(1));
        Self { pool, spare: Vec::new(), len_max: share.min(CACHED_MAX) }
    }

    /// Borrows an object: one of its own, else one of the pool.
    ///
    /// # Errors
    /// [`Exhausted`] if neither has one.
    #[inline(always)]
    pub fn borrow(&mut self) -> Result<Guard<'p, T>, Exhausted> {
        match self.spare.pop() {
            Some(guard) => Ok(guard),
            None => self.pool.borrow(),
        }
    }

    /// Ends a lending; the object stays here if there is room and nobody wants it elsewhere.
    #[inline(always)]
    pub fn give_back(&mut self, mut guard: Guard<'p, T>) {
        if self.spare.len() < self.len_max && !self.pool.is_wanted() {
            guard.renew();
            // There is room, and if there were not, the pool would take it.
            drop(self.spare.push(guard));
        }
    }

    /// Gives all objects back to the pool.
    pub fn clear(&mut self) {
        self.spare.clear();
    }

    /// How many objects it holds.
    pub fn len(&self) -> usize {
        self.spare.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.spare.is_empty()
    }
}

#[cfg(all(test, not(pivot_loom)))]
mod tests {
    use super::*;
    use crate::pool::Slot;
    use std::vec::Vec as List;

    struct Text(List<u8>);
    impl Object for Text {
        type Seed = ();
        fn create((): ()) -> Self {
            Self(List::new())
        }
        fn reset(&mut self) {
            self.0.clear();
        }
    }

    fn slots(count: usize) -> List<Slot<Text>> {
        (0..count).map(|_| Slot::new(())).collect()
    }

    #[test]
    fn a_cached_object_is_as_good_as_new_and_its_former_lending_is_over() {
        let slots = slots(8);
        let pool = Pool::new(&slots);
        let mut cache = Cache::new(&pool, 1);
        let mut text = cache.borrow().unwrap();
        text.0.extend(b"secret");
        let weak = text.downgrade();
        cache.give_back(text);
        assert!(!weak.is_lent());
        let text = cache.borrow().unwrap();
        assert!(text.0.is_empty() && !weak.is_lent() && text.downgrade().is_lent());
    }

    #[test]
    fn a_cache_holds_no_more_than_its_share() {
        let slots = slots(40);
        let pool = Pool::new(&slots);
        for (workers, share) in [(1, 5), (2, 2), (8, 0)] {
            let mut cache = Cache::new(&pool, workers);
            let lent: List<_> = (0..10).map(|_| cache.borrow().unwrap()).collect();
            lent.into_iter().for_each(|guard| cache.give_back(guard));
            assert_eq!((cache.len(), pool.lent_count()), (share, share), "{workers} workers");
            cache.clear();
            assert_eq!(pool.lent_count(), 0);
        }
    }

    #[test]
    fn who_finds_the_pool_empty_gets_what_others_would_have_kept() {
        let slots = slots(8);
        let pool = Pool::new(&slots);
        let (mut one, mut two) = (Cache::new(&pool, 1), Cache::new(&pool, 1));
        let mut lent: List<_> = (0..8).map(|_| one.borrow().unwrap()).collect();
        one.give_back(lent.pop().unwrap());
        assert!(two.borrow().is_err() && pool.is_wanted(), "the last one is cached");
        // What comes back now does not stay, and the owner of the cache gives up what it has.
        one.give_back(lent.pop().unwrap());
        one.clear();
        assert!(one.is_empty() && two.borrow().is_ok() && !pool.is_wanted());
    }
}
