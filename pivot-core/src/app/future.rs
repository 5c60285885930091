//! The futures between the server and a handler, by hand: an `async` block for each level of an application would keep
//! its own copy of the request while the handler waits, these keep one word or less.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::answer::{self, IntoResponse};
use super::exchange::Exchange;
use super::request::Request;
use super::response::Answered;

pin_project! {
    /// A handler or middleware, and then the answer to what it returned.
    pub(super) struct Respond<'r, F> {
        exchange: &'r Exchange,
        #[pin]
        future: F,
    }
}

impl<'r, F> Respond<'r, F> {
    pub(super) const fn new(exchange: &'r Exchange, future: F) -> Self {
        Self { exchange, future }
    }
}

impl<F: Future<Output: IntoResponse>> Future for Respond<'_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let returned = ready!(this.future.poll(context));
        returned.respond(this.exchange);
        Poll::Ready(())
    }
}

pin_project! {
    /// What lies further in from a middleware, and then its answer.
    pub(super) struct Inner<'r, F> {
        exchange: &'r Exchange,
        #[pin]
        future: F,
    }
}

impl<'r, F> Inner<'r, F> {
    pub(super) const fn new(exchange: &'r Exchange, future: F) -> Self {
        Self { exchange, future }
    }
}

impl<'r, F: Future<Output = ()>> Future for Inner<'r, F> {
    type Output = Answered<'r>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answered<'r>> {
        let this = self.project();
        ready!(this.future.poll(context));
        Poll::Ready(Answered { exchange: this.exchange })
    }
}

/// Defines enums with a future for each member of a tuple, and one more for the number that is no route's.
macro_rules! one_of {
    ($($name:ident ($($variant:ident)+) $project:ident)+) => { $(
        pin_project! {
            #[project = $project]
            pub(super) enum $name<'r, $($variant),+> {
                $($variant { #[pin] future: $variant },)+
                NoRoute { req: Request<'r> },
            }
        }

        impl<$($variant: Future<Output = ()>),+> Future for $name<'_, $($variant),+> {
            type Output = ();

            fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
                match self.project() {
                    $($project::$variant { future } => future.poll(context),)+
                    $project::NoRoute { req } => {
                        answer::no_route(req);
                        Poll::Ready(())
                    }
                }
            }
        }
    )+ };
}

one_of! {
    OneOf1 (A) Project1
    OneOf2 (A B) Project2
    OneOf3 (A B D) Project3
    OneOf4 (A B D E) Project4
    OneOf5 (A B D E F) Project5
    OneOf6 (A B D E F G) Project6
    OneOf7 (A B D E F G H) Project7
    OneOf8 (A B D E F G H I) Project8
    OneOf9 (A B D E F G H I J) Project9
    OneOf10 (A B D E F G H I J K) Project10
    OneOf11 (A B D E F G H I J K L) Project11
    OneOf12 (A B D E F G H I J K L M) Project12
    OneOf13 (A B D E F G H I J K L M N) Project13
    OneOf14 (A B D E F G H I J K L M N O) Project14
    OneOf15 (A B D E F G H I J K L M N O P) Project15
    OneOf16 (A B D E F G H I J K L M N O P Q) Project16
}
