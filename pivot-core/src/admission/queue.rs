//! The queue between "head decoded" and "handler starts": explicit, bounded, visible.
//!
//! Each class has a first-in-first-out list; lists are linked through nodes that the caller provides, so every operation
//! takes constant time. All requests may wait equally long, so the first of a list is also the first to expire.

use super::class::Class;
use crate::time::{Duration, Instant};

/// A place in a [`Queue`].
#[derive(Clone, Copy, Debug)]
pub struct QueueNode {
    item: u32,
    next: u32,
    prev: u32,
    class: Class,
    is_queued: bool,
    since: Instant,
}

impl QueueNode {
    /// A place that nobody has.
    pub const FREE: Self = Self {
        item: 0,
        next: NONE,
        prev: NONE,
        class: Class::Normal,
        is_queued: false,
        since: Instant::ZERO,
    };
}

/// What was at the head of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was queued.
    pub item: u32,
    /// The class it was queued in.
    pub class: Class,
    /// When it was queued.
    pub since: Instant,
}

/// Requests of one worker that wait for a permit.
#[derive(Debug)]
pub struct Queue {
    nodes: &'static mut [QueueNode],
    free: u32,
    lists: [List; Class::COUNT],
    len: usize,
    wait_max: Duration,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
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
        Self { nodes, free, lists: [List { first: NONE, last: NONE }; Class::COUNT], len: 0, wait_max }
    }

    /// Appends to the list of a class, and answers the place for [`Queue::remove`].
    ///
    /// # Errors
    /// Gives `item` back if the queue is full.
    pub fn push(&mut self, item: u32, class: Class, now: Instant) -> Result<u32, u32> {
        let place = self.free;
        let Some(node) = self.nodes.get_mut(place as usize) else { return Err(item) };
        self.free = node.next;
        let list = &mut self.lists[class.index()];
        *node = QueueNode { item, next: NONE, prev: list.last, class, is_queued: true, since: now };
        let last = core::mem::replace(&mut list.last, place);
        match self.nodes.get_mut(last as usize) {
            Some(last) => last.next = place,
            None => list.first = place,
        }
        self.len += 1;
        Ok(place)
    }

    /// The class that [`Queue::pop`] would take from.
    pub fn first_class(&self) -> Option<Class> {
        if self.len == 0 {
            return None;
        }
        Class::ALL.into_iter().find(|class| self.lists[class.index()].first != NONE)
    }

    /// Takes the longest waiting of the most important class.
    pub fn pop(&mut self) -> Option<Entry> {
        let class = self.first_class()?;
        self.remove(self.lists[class.index()].first)
    }

    /// Takes one that has waited for longer than it may; call until it answers `None`.
    pub fn pop_expired(&mut self, now: Instant) -> Option<Entry> {
        if self.len == 0 {
            return None;
        }
        let overdue = |list: &&List| {
            self.nodes.get(list.first as usize).is_some_and(|node| node.since.plus(self.wait_max) <= now)
        };
        let place = self.lists.iter().find(overdue)?.first;
        self.remove(place)
    }

    /// When the next one will have waited for too long.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let firsts = self.lists.iter().filter_map(|list| self.nodes.get(list.first as usize));
        firsts.map(|node| node.since.plus(self.wait_max)).min()
    }

    /// Takes out what is at a place; `None` if nothing is.
    pub fn remove(&mut self, place: u32) -> Option<Entry> {
        let node = *self.nodes.get(place as usize).filter(|node| node.is_queued)?;
        let list = &mut self.lists[node.class.index()];
        match self.nodes.get_mut(node.prev as usize) {
            Some(prev) => prev.next = node.next,
            None => list.first = node.next,
        }
        match self.nodes.get_mut(node.next as usize) {
            Some(next) => next.prev = node.prev,
            None => list.last = node.prev,
        }
        self.nodes[place as usize] = QueueNode { next: self.free, ..QueueNode::FREE };
        self.free = place;
        self.len -= 1;
        Some(Entry { item: node.item, class: node.class, since: node.since })
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many can wait.
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn the_queue_does_as_a_list_would(operations in proptest::collection::vec((0..4_u8, 0..6_usize, 0..3_000_u64), 1..200)) {
            let wait_max = Duration::from_millis(5);
            let mut queue = Queue::new(std::vec![QueueNode::FREE; 8].leak(), wait_max);
            let mut naive: Vec<(u32, Entry)> = Vec::new();
            let mut now = Instant::ZERO;
            for (item, (operation, number, step)) in (0..).zip(operations) {
                now = now.plus(Duration::from_micros(step));
                match operation {
                    0 => {
                        let class = Class::ALL[number];
                        let place = queue.push(item, class, now);
                        prop_assert_eq!(place.is_err(), naive.len() == 8);
                        if let Ok(place) = place {
                            naive.push((place, Entry { item, class, since: now }));
                        }
                    }
                    1 => {
                        let first = naive.iter().enumerate().min_by_key(|(index, (_, entry))| (entry.class, *index)).map(|(index, _)| index);
                        prop_assert_eq!(queue.pop(), first.map(|index| naive.remove(index).1));
                    }
                    2 => {
                        let mut expired: Vec<Entry> = core::iter::from_fn(|| queue.pop_expired(now)).collect();
                        expired.sort_by_key(|entry| entry.item);
                        let (gone, kept): (Vec<_>, Vec<_>) = naive.iter().partition(|(_, entry)| now.since(entry.since) >= wait_max);
                        prop_assert_eq!(expired, gone.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>());
                        naive = kept;
                    }
                    _ => {
                        let known = naive.iter().position(|(place, _)| *place as usize == number);
                        prop_assert_eq!(queue.remove(number as u32), known.map(|index| naive.remove(index).1));
                    }
                }
                prop_assert_eq!(queue.len(), naive.len());
                prop_assert_eq!(queue.poll_timeout(), naive.iter().map(|(_, entry)| entry.since.plus(wait_max)).min());
            }
        }
    }
}
