//! From what a handler returns to what the client gets.

use super::exchange::Exchange;
use super::input::BodyError;
use super::output::{ContentType, SendError};
use super::request::{ParamError, Request};
use super::response::Sent;
use crate::http::{Method, Status};

/// What a handler may return: [`Sent`], or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not an answer",
    note = "a handler returns `Sent` or `Result<Sent, E>` where `E: ErrorStatus`; `Sent` is what `res.text(…)` and the like give"
)]
pub trait IntoResponse {
    /// Makes sure that the exchange has an answer.
    fn respond(self, exchange: &Exchange);
}

impl IntoResponse for Sent {
    fn respond(self, _: &Exchange) {}
}

impl<E: ErrorStatus> IntoResponse for Result<Sent, E> {
    fn respond(self, exchange: &Exchange) {
        if let Err(error) = self {
            exchange.answer_status(error.status(), error.message());
        }
    }
}

/// An error of a handler, as the client may see it.
///
/// The client learns the status and the message, never the error itself, so that nothing of the inside leaks.
#[diagnostic::on_unimplemented(
    note = "implement `pivot_core::app::ErrorStatus` for the error, to say which status answers it"
)]
pub trait ErrorStatus {
    /// The status that answers it. 500 unless the type says otherwise.
    fn status(&self) -> Status {
        Status::INTERNAL_SERVER_ERROR
    }

    /// What the client is told besides the status; by default its reason phrase.
    fn message(&self) -> &str {
        self.status().reason()
    }
}

impl ErrorStatus for SendError {}

impl ErrorStatus for BodyError {
    fn status(&self) -> Status {
        BodyError::status(*self)
    }
}

impl ErrorStatus for ParamError {
    fn status(&self) -> Status {
        Status::BAD_REQUEST
    }
}

impl ErrorStatus for Status {
    fn status(&self) -> Status {
        *self
    }
}

/// An error that cannot be.
impl ErrorStatus for core::convert::Infallible {}

/// Answers a request that no route takes: 404, 405 with `Allow`, or the automatic `OPTIONS`.
pub(crate) fn no_route(req: &Request<'_>) {
    let exchange = req.exchange;
    let allow = req.allowed_methods();
    if allow.is_empty() {
        return exchange.answer_status(Status::NOT_FOUND, Status::NOT_FOUND.reason());
    }
    let mut list = heapless::String::<64>::new();
    // Nine methods and their commas are 60 bytes.
    let _ = core::fmt::write(&mut list, format_args!("{allow}"));
    let is_options = req.method() == Method::Options;
    let status = if is_options { Status::NO_CONTENT } else { Status::METHOD_NOT_ALLOWED };
    let output = &mut exchange.windows().output;
    let _ = output
        .set_status(status)
        .and_then(|()| output.add_header("allow", list.as_bytes(), exchange.clock))
        .and_then(|()| {
            let text = if is_options { "" } else { status.reason() };
            let write = |space: &mut [u8]| {
                space.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
                Some(text.len())
            };
            output.finish_with(ContentType::Text, exchange.clock, write, Some(text.len()))
        });
}
