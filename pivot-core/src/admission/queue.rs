//! The queue between "head decoded" and "handler starts": explicit, bounded, visible.
//!
//! Each class has a list, and the most important class that has somebody waiting goes first. Lists are linked through
//! nodes that the caller provides. Every request has a moment by which it has to start; a binary heap over
//! the same nodes knows the earliest of them, so that a request that may wait for 5 ms can stand behind one that may wait
//! for 100 ms and still be told in time. Joining and leaving take O(log n) at worst, and constant time while
//! all may wait equally long, which is the usual case.
//!
//! ```
//! use pivot_core::admission::{Class, Queue, QueueNode};
//! use pivot_core::time::{Duration, Instant};
//! let nodes = Box::leak(Box::new([QueueNode::FREE; 2]));
//! let (mut queue, now) = (Queue::new(nodes, Duration::from_millis(100)), Instant::ZERO);
//! queue.push(1, Class::Batch, now).unwrap();
//! queue.push(2, Class::Normal, now).unwrap();
//! assert_eq!(queue.push(3, Class::High, now), Err(3), "full");
//! assert_eq!(queue.displace(Class::High).map(|victim| victim.item), Some(1));
//! queue.push(3, Class::High, now).unwrap();
//! assert_eq!(queue.pop().map(|first| first.item), Some(3));
//! ```

use super::class::Class;
use crate::time::{Duration, Instant, micros};

/// A place in a [`Queue`].
#[derive(Clone, Copy, Debug)]
pub struct QueueNode {
    since: Instant,
    deadline: Instant,
    item: u32,
    next: u32,
    prev: u32,
    /// Where in the heap this place is.
    position: u32,
    /// The place that is in the heap where this node is in the slice.
    heap: u32,
    class: Class,
    is_queued: bool,
}

impl QueueNode {
    /// A place that nobody has.
    pub const FREE: Self = Self {
        since: Instant::ZERO,
        deadline: Instant::NEVER,
        item: 0,
        next: NONE,
        prev: NONE,
        position: NONE,
        heap: NONE,
        class: Class::Normal,
        is_queued: false,
    };
}

/// What was taken from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was queued.
    pub item: u32,
    /// The class it was queued in.
    pub class: Class,
    /// When it was queued.
    pub since: Instant,
    /// By when it has to start.
    pub deadline: Instant,
}

/// Who of a class goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Who has waited longest: fair, and right as long as the queue drains.
    #[default]
    Fifo,
    /// Who came last: while a queue stands, the newcomer's client is the one that still waits for an answer.
    Lifo,
}

/// Requests of one worker that wait for a permit.
#[derive(Debug)]
pub struct Queue {
    nodes: &'static mut [QueueNode],
    free: u32,
    lists: [List; Class::COUNT],
    /// A bit for each class of which somebody waits, the most important lowest.
    waiting: u8,
    len: usize,
    /// In microseconds, so that joining need not convert it.
    wait_max_us: u64,
    order: Order,
    /// When somebody joined the empty queue for the last time.
    filled_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl Queue {
    /// A queue of as many places as there are nodes, in which nobody waits for longer than `wait_max`.
    pub fn new(nodes: &'static mut [QueueNode], wait_max: Duration) -> Self {
        let count = nodes.len() as u32;
        for (index, node) in (0..).zip(nodes.iter_mut()) {
            *node = QueueNode::FREE;
            node.next = if index + 1 < count { index + 1 } else { NONE };
        }
        let free = if count > 0 { 0 } else { NONE };
        let lists = [List { first: NONE, last: NONE, len: 0 }; Class::COUNT];
        Self {
            nodes,
            free,
            lists,
            waiting: 0,
            len: 0,
            wait_max_us: micros(wait_max),
            order: Order::Fifo,
            filled_at: Instant::ZERO,
        }
    }

    /// Appends to the list of a class, and answers the place for [`Queue::remove`].
    ///
    /// # Errors
    /// Gives `item` back if the queue is full; [`Queue::displace`] may make room.
    pub fn push(&mut self, item: u32, class: Class, now: Instant) -> Result<u32, u32> {
        self.push_by(item, class, Instant::NEVER, now)
    }

    /// As [`Queue::push`], for a request that has to start by `deadline` if that comes before the longest wait is over.
    ///
    /// # Errors
    /// Gives `item` back if the queue is full.
    pub fn push_by(&mut self, item: u32, class: Class, deadline: Instant, now: Instant) -> Result<u32, u32> {
        let place = self.free;
        let Some(node) = self.nodes.get_mut(place as usize) else { return Err(item) };
        self.free = node.next;
        let list = &mut self.lists[class.index()];
        let wait_until = Instant::from_micros(now.as_micros().saturating_add(self.wait_max_us));
        let deadline = deadline.min(wait_until);
        node.since = now;
        node.deadline = deadline;
        node.item = item;
        node.next = NONE;
        node.prev = list.last;
        node.class = class;
        node.is_queued = true;
        let last = core::mem::replace(&mut list.last, place);
        list.len += 1;
        self.waiting |= 1 << class.index();
        match self.nodes.get_mut(last as usize) {
            Some(last) => last.next = place,
            None => list.first = place,
        }
        if self.len == 0 {
            self.filled_at = now;
            self.put(place, 0);
        } else {
            self.rise(place, self.len);
        }
        self.len += 1;
        Ok(place)
    }

    /// Makes room for a class in a full queue: takes out a request of the least important class that waits, if it is less
    /// important than `class`; of that class the one whose turn would come last.
    pub fn displace(&mut self, class: Class) -> Option<Entry> {
        let last =
            Class::ALL.get((u8::BITS - self.waiting.leading_zeros()).checked_sub(1)? as usize).copied()?;
        if last <= class {
            return None;
        }
        let list = &self.lists[last.index()];
        self.remove(if self.order == Order::Fifo { list.last } else { list.first })
    }

    /// The class that [`Queue::pop`] would take from.
    #[inline]
    pub fn first_class(&self) -> Option<Class> {
        Class::ALL.get(self.waiting.trailing_zeros() as usize).copied()
    }

    /// Takes who goes first of the most important class.
    ///
    /// Nobody starts too late if [`Queue::pop_expired`] was called until it answered `None` at the same moment.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Entry> {
        let list = &self.lists[self.first_class()?.index()];
        self.take(if self.order == Order::Fifo { list.first } else { list.last })
    }

    /// Takes one that has waited for longer than it may; call until it answers `None`.
    pub fn pop_expired(&mut self, now: Instant) -> Option<Entry> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.remove(self.nodes[0].heap)
    }

    /// When the next one will have waited for too long.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.len == 0 {
            return None;
        }
        Some(self.nodes[self.nodes[0].heap as usize].deadline)
    }

    /// Takes out what is at a place; `None` if nothing is.
    pub fn remove(&mut self, place: u32) -> Option<Entry> {
        self.take(place)
    }

    #[inline(always)]
    fn take(&mut self, place: u32) -> Option<Entry> {
        let node = self.nodes.get_mut(place as usize).filter(|node| node.is_queued)?;
        let QueueNode { item, class, since, deadline, next, prev, position, .. } = *node;
        node.is_queued = false;
        node.next = core::mem::replace(&mut self.free, place);
        let list = &mut self.lists[class.index()];
        list.len -= 1;
        if list.len == 0 {
            self.waiting &= !(1 << class.index());
        }
        match self.nodes.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => list.first = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(next) => next.prev = prev,
            None => list.last = prev,
        }
        self.len -= 1;
        if position as usize != self.len {
            self.close_gap(position as usize);
        }
        Some(Entry { item, class, since, deadline })
    }

    /// Changes who of a class goes first, for those that wait already too.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Who of a class goes first.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many of a class and of more important ones wait: whom a newcomer of the class waits for in FIFO order.
    pub fn len_ahead(&self, class: Class) -> usize {
        self.lists[..=class.index()].iter().map(|list| list.len as usize).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many can wait.
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// Since when there has always been somebody waiting; `None` if nobody is.
    pub fn standing_since(&self) -> Option<Instant> {
        (self.len > 0).then_some(self.filled_at)
    }

    /// The last of the heap takes over a gap, and goes up or down from there.
    fn close_gap(&mut self, index: usize) {
        let moved = self.nodes[self.len].heap;
        self.rise(moved, index);
        self.sink(moved, self.nodes[moved as usize].position as usize);
    }

    /// Puts a place into the heap at `index`, or above where its deadline comes before its parent's.
    fn rise(&mut self, place: u32, mut index: usize) {
        let deadline = self.nodes[place as usize].deadline;
        while index > 0 {
            let parent = (index - 1) / 2;
            let above = self.nodes[parent].heap;
            if self.nodes[above as usize].deadline <= deadline {
                break;
            }
            self.put(above, index);
            index = parent;
        }
        self.put(place, index);
    }

    /// Moves a place from `index` down to where its deadline comes before those of its children.
    fn sink(&mut self, place: u32, mut index: usize) {
        let deadline = self.nodes[place as usize].deadline;
        loop {
            let (left, right) = (2 * index + 1, 2 * index + 2);
            let at = |index: usize| self.nodes[self.nodes[index].heap as usize].deadline;
            if left >= self.len {
                break;
            }
            let child = if right < self.len && at(right) < at(left) { right } else { left };
            if at(child) >= deadline {
                break;
            }
            self.put(self.nodes[child].heap, index);
            index = child;
        }
        self.put(place, index);
    }

    fn put(&mut self, place: u32, index: usize) {
        self.nodes[index].heap = place;
        self.nodes[place as usize].position = index as u32;
    }
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const WAIT_MAX: Duration = Duration::from_millis(5);
    const CAPACITY: usize = 8;

    /// The same queue as a list in order of arrival, which everything is looked up in.
    #[derive(Default)]
    struct Naive {
        waiting: Vec<(u32, Entry)>,
        is_lifo: bool,
    }

    impl Naive {
        /// Index of who would be served at this rank (first or last) of a class.
        fn of_class(&self, class: Class, is_first: bool) -> Option<usize> {
            let mut of_class = (0..self.waiting.len()).filter(|index| self.waiting[*index].1.class == class);
            if is_first != self.is_lifo { of_class.next() } else { of_class.next_back() }
        }

        fn pop(&mut self) -> Option<Entry> {
            let class = self.waiting.iter().map(|(_, entry)| entry.class).min()?;
            self.of_class(class, true).map(|index| self.waiting.remove(index).1)
        }

        fn displace(&mut self, class: Class) -> Option<Entry> {
            let last =
                self.waiting.iter().map(|(_, entry)| entry.class).max().filter(|last| *last > class)?;
            self.of_class(last, false).map(|index| self.waiting.remove(index).1)
        }
    }

    proptest! {
        #[test]
        fn the_queue_does_as_a_list_would(
            operations in proptest::collection::vec((0..8_u8, 0..6_usize, 0..3_000_u64, 0..8_000_u64), 1..200),
        ) {
            let mut queue = Queue::new(std::vec![QueueNode::FREE; CAPACITY].leak(), WAIT_MAX);
            let mut naive = Naive::default();
            let mut now = Instant::ZERO;
            let (mut pushed, mut left) = (0, 0);
            let mut filled_at = now;
            for (item, (operation, number, step, patience)) in (0..).zip(operations) {
                now = now.plus(Duration::from_micros(step));
                let class = Class::ALL[number];
                let was_empty = naive.waiting.is_empty();
                match operation {
                    0 | 1 => {
                        let deadline = match operation {
                            0 => Instant::NEVER,
                            _ => now.plus(Duration::from_micros(patience)),
                        };
                        let place = queue.push_by(item, class, deadline, now);
                        prop_assert_eq!(place.is_err(), naive.waiting.len() == CAPACITY, "bounded");
                        if let Ok(place) = place {
                            let deadline = deadline.min(now.plus(WAIT_MAX));
                            naive.waiting.push((place, Entry { item, class, since: now, deadline }));
                            pushed += 1;
                            filled_at = if was_empty { now } else { filled_at };
                        }
                    }
                    2 => {
                        let victim = queue.displace(class);
                        prop_assert_eq!(victim, naive.displace(class));
                        prop_assert!(victim.is_none_or(|victim| victim.class > class), "only the less important give way");
                        left += usize::from(victim.is_some());
                    }
                    3 => {
                        let mut expired: Vec<Entry> = core::iter::from_fn(|| queue.pop_expired(now)).collect();
                        prop_assert!(expired.is_sorted_by_key(|entry| entry.deadline));
                        left += expired.len();
                        expired.sort_by_key(|entry| entry.item);
                        let (gone, kept): (Vec<_>, Vec<_>) =
                            naive.waiting.iter().partition(|(_, entry)| entry.deadline <= now);
                        prop_assert_eq!(expired, gone.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>());
                        naive.waiting = kept;
                        // Whoever starts now does not start too late.
                        let first = queue.pop();
                        prop_assert!(first.is_none_or(|first| first.deadline > now));
                        prop_assert_eq!(first, naive.pop());
                        left += usize::from(first.is_some());
                    }
                    4 => {
                        let known = naive.waiting.iter().position(|(place, _)| *place as usize == number);
                        let removed = queue.remove(number as u32);
                        prop_assert_eq!(removed, known.map(|index| naive.waiting.remove(index).1));
                        left += usize::from(removed.is_some());
                    }
                    5 => {
                        naive.is_lifo = number % 2 == 1;
                        queue.set_order(if naive.is_lifo { Order::Lifo } else { Order::Fifo });
                    }
                    _ => {
                        let first = queue.pop();
                        prop_assert_eq!(first, naive.pop());
                        left += usize::from(first.is_some());
                    }
                }
                prop_assert_eq!(queue.len(), naive.waiting.len());
                prop_assert_eq!(queue.len(), pushed - left, "nothing is lost, nothing comes twice");
                let entries = || naive.waiting.iter().map(|(_, entry)| entry);
                prop_assert_eq!(queue.len_ahead(class), entries().filter(|entry| entry.class <= class).count());
                prop_assert_eq!(queue.first_class(), entries().map(|entry| entry.class).min());
                prop_assert_eq!(queue.poll_timeout(), entries().map(|entry| entry.deadline).min());
                prop_assert_eq!(queue.standing_since(), (!queue.is_empty()).then_some(filled_at));
            }
        }
    }

    #[test]
    fn a_queue_without_places_is_always_full() {
        let mut queue = Queue::new(&mut [], WAIT_MAX);
        assert_eq!(queue.push(7, Class::System, Instant::ZERO), Err(7));
        assert_eq!((queue.pop(), queue.displace(Class::System), queue.poll_timeout()), (None, None, None));
    }
}
