//! The shedder's cursor: what two workers find at the same time, both counts.
#![cfg(pivot_loom)]

use std::time::Duration;

use loom::sync::Arc;
use pivot_core::admission::{Class, Cursor, Queue, QueueNode, ShedConfig, Shedder, Strategy};
use pivot_core::time::Instant;

const NOW: Instant = Instant::from_millis(5_000);

/// One of two workers with a full queue takes half of 5 % off the share.
fn shed(cursor: &Cursor) {
    let mut queue = Queue::new(vec![QueueNode::FREE; 1].leak(), Duration::from_secs(1));
    queue.push(0, Class::Normal, NOW).unwrap();
    let config = ShedConfig { strategy: Strategy::PRIORITY, ..ShedConfig::PRESET };
    Shedder::new(config, cursor, 2, Instant::ZERO).tick(&mut queue, NOW);
}

#[test]
fn cursor_follows_the_queues_of_both_workers() {
    loom::model(|| {
        let cursor = Arc::new(Cursor::new());
        let other = cursor.clone();
        let shedding = loom::thread::spawn(move || shed(&other));
        shed(&cursor);
        shedding.join().unwrap();
        assert!((951_000..953_000).contains(&cursor.admitted_ppm()), "{}", cursor.admitted_ppm());
        assert!(cursor.level() < 768);
    });
}
