//! The server on tokio: one current-thread runtime for each worker, for handlers that await what tokio has.
//!
//! The application, the configuration and all that decides are those of [`crate::mio`]. A worker is one task, the runtime's
//! own, that watches the worker's poller as a single descriptor: a connection costs what it costs there, and there is no task, no
//! waker and no registration in the runtime for it.
//!
//! Handlers run inside the runtime, on one thread: timers, sockets, channels and [`tokio::task::spawn_local`] all work, and
//! futures need not be `Send`. Handlers on a multi-threaded runtime would have to be `Send` and boxed, so they are not offered. Who
//! has such a runtime hands it work by its `Handle`, and awaits what `Handle::spawn` answers, from any handler.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use pivot_core::app::{App, Request, Response, Routes, get};
//! use pivot_core::mode::Profile;
//!
//! fn app() -> App<impl Routes> {
//!     App::new(get("/", async |_req: Request<'_>, res: Response<'_>| {
//!         tokio::time::sleep(Duration::from_millis(10)).await;
//!         res.text("rested")
//!     }))
//! }
//!
//! fn main() -> Result<(), pivot_std::Error> {
//!     let config = Profile::High.draft().build()?;
//!     pivot_std::tokio::Server::bind("127.0.0.1:8080", config)?.run(app)?;
//!     Ok(())
//! }
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use pivot_core::app::Routes;
use pivot_core::exec::Notify;
use pivot_core::serve::Admitted;
use pivot_core::time::Instant;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::mio::{Drive, ServerOn, Stream, Turn, Turns};

/// The server whose threads are tokio runtimes.
pub type Server = ServerOn<Runtime>;

/// A current-thread runtime waits for the worker's poller, beside whatever its handlers wait for.
#[derive(Debug)]
pub struct Runtime;

/// Makes a worker's task run.
#[derive(Debug)]
pub struct TaskWaker(tokio::sync::Notify);

impl Notify for TaskWaker {
    fn notify(&self) {
        self.0.notify_one();
    }
}

impl Drive for Runtime {
    /// A runtime has a poller, a waker and two ends for signals of its own, and the other descriptor of the worker's poller.
    const DESCRIPTORS: u64 = 4 + 5;

    type Waker = TaskWaker;

    fn waker(_poll: &::mio::Poll) -> io::Result<TaskWaker> {
        Ok(TaskWaker(tokio::sync::Notify::new()))
    }

    fn drive<S, R, M, F>(mut turns: Turns<S, R, M, F>, waker: &'static TaskWaker) -> io::Result<()>
    where
        S: Stream,
        R: Routes + 'static,
        M: Fn(Admitted<R>) -> F,
        F: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let ended = LocalSet::new().block_on(&runtime, run(&mut turns, waker));
        // What handlers have left on threads of the runtime may not hold up the end.
        runtime.shutdown_background();
        ended
    }
}

async fn run<S, R, M, F>(turns: &mut Turns<S, R, M, F>, waker: &'static TaskWaker) -> io::Result<()>
where
    S: Stream,
    R: Routes + 'static,
    M: Fn(Admitted<R>) -> F,
    F: Future<Output = ()>,
{
    // What tokio offers instead is unsafe, for descriptors that somebody else may close; this one is owned.
    #[allow(deprecated)]
    let poller = AsyncFd::with_interest(turns.descriptor()?, Interest::READABLE)?;
    let mut notified = pin!(waker.0.notified());
    let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
    // Too early costs one turn that finds nothing; so the timer is moved only when it would be too late.
    let mut timer_at = Instant::NEVER;
    loop {
        let next_at = turns.next_at();
        let wait = next_at.map(|at| turns.until(at));
        if wait == Some(Duration::ZERO) {
            // Other tasks of this runtime have their turn, and so has its own poller.
            tokio::task::yield_now().await;
        } else {
            if let (Some(at), Some(wait)) = (next_at, wait)
                && at < timer_at
            {
                timer.as_mut().reset(tokio::time::Instant::now() + wait);
                timer_at = at;
            }
            poll_fn(|context| {
                let mut is_over = Poll::Pending;
                if notified.as_mut().poll(context).is_ready() {
                    notified.set(waker.0.notified());
                    is_over = Poll::Ready(Ok(()));
                }
                if timer_at != Instant::NEVER && timer.as_mut().poll(context).is_ready() {
                    timer_at = Instant::NEVER;
                    is_over = Poll::Ready(Ok(()));
                }
                match poller.poll_read_ready(context) {
                    // Forgotten before the turn looks, so that what comes meanwhile is told again.
                    Poll::Ready(Ok(mut ready)) => {
                        ready.clear_ready();
                        is_over = Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
                is_over
            })
            .await?;
        }
        if turns.turn(Some(Duration::ZERO))? == Turn::Drained {
            return Ok(());
        }
    }
}
