//! One thread: takes a job, drives its handler to the end, puts it back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use pivot_core::app::Routes;
use pivot_core::serve::{self, Admitted, Ended, Host, Station};

use super::Desk;
use crate::StdHost;

/// Works until the desk is closed.
pub(crate) fn run<R: Routes>(desk: &Desk, station: &Station<R>) {
    let host = StdHost::new();
    let thread = thread::current();
    let waker = Waker::from(Arc::new(Unpark(thread.clone())));
    while let Some((index, job)) = desk.take(&thread, || host.now()) {
        let admitted = station.begin(job);
        // A handler that panicked, or its future's drop, is done with; what it shares with others is its own affair, as in the
        // loop, and the station's cells are not borrowed across a call.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            drive(station, &host, &waker, admitted, || desk.is_abandoned(index));
        }));
        let job = station.end();
        desk.finish(
            index,
            match (ran, job) {
                (Ok(()), Some(job)) => Ended::Answered(job),
                _ => Ended::Panicked,
            },
        );
    }
}

/// Runs a handler to its end, or to the point where it is suspended and nobody waits for it any more.
fn drive<R: Routes>(
    station: &Station<R>,
    host: &StdHost,
    waker: &Waker,
    admitted: Admitted<R>,
    is_abandoned: impl Fn() -> bool,
) {
    let mut future = pin!(serve::run_or_offload(admitted));
    let mut context = Context::from_waker(waker);
    loop {
        let now = host.now();
        station.set_clock(now, host.unix_s());
        if let Poll::Ready(()) = future.as_mut().poll(&mut context) {
            return;
        }
        // Who is woken between here and there is not lost: a park ends at once then.
        if is_abandoned() {
            return;
        }
        match station.poll_timeout() {
            Some(at) => thread::park_timeout(Duration::from_micros(at.micros_since(host.now()))),
            None => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
