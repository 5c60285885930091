//! The future of a request that a layer has let through or refused.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// What a layer holds for a request while it is served; dropped if the request is.
pub trait Guard<R, E> {
    /// The request was answered, or failed.
    fn end(self, result: &Result<R, E>);
}

pin_project! {
    /// The answer of a refused request, or the future of one that was let through.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Guarded<F, R, G> {
        #[pin]
        state: State<F, R, G>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F, R, G> {
        // The answer, until it was given.
        Refused { answer: Option<R> },
        Running { #[pin] future: F, guard: Option<G> },
    }
}

impl<F, R, G> Guarded<F, R, G> {
    pub(crate) fn refused(answer: R) -> Self {
        Self { state: State::Refused { answer: Some(answer) } }
    }

    pub(crate) fn running(future: F, guard: G) -> Self {
        Self { state: State::Running { future, guard: Some(guard) } }
    }
}

impl<F, R, E, G> Future for Guarded<F, R, G>
where
    F: Future<Output = Result<R, E>>,
    G: Guard<R, E>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Refused { answer } => {
                Poll::Ready(Ok(answer.take().expect("polled after its end")))
            }
            StateProjection::Running { future, guard } => {
                let result = ready!(future.poll(context));
                if let Some(guard) = guard.take() {
                    guard.end(&result);
                }
                Poll::Ready(result)
            }
        }
    }
}
