//! What a refused request is told.

use http::{HeaderValue, Response, StatusCode, header};
use pivot_core::admission::{FIELD_LEN_MAX, Refusal, Verdict};
use pivot_core::serve::{retry_after_s, status_of};
use pivot_core::time::Instant;

use crate::clock::dice;

/// Why a request is refused, and what its answer may say.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'v> {
    refusal: Refusal,
    verdict: Option<&'v Verdict<'static>>,
    now: Instant,
}

impl<'v> Refused<'v> {
    pub(crate) const fn new(refusal: Refusal, verdict: Option<&'v Verdict<'static>>, now: Instant) -> Self {
        Self { refusal, verdict, now }
    }

    /// The reason.
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// The status that Pivot answers it with: 429 or 503.
    pub fn status(&self) -> u16 {
        status_of(self.refusal).code()
    }

    /// In how many seconds to come back; spread by chance, so that not all do at once. `None`: never.
    pub fn retry_after_s(&self) -> Option<u64> {
        retry_after_s(self.refusal, self.now, dice(self.now))
    }

    /// How the client stands to its limits, if these refused it.
    pub const fn verdict(&self) -> Option<&'v Verdict<'static>> {
        self.verdict
    }
}

/// Makes the answer to a refused request. Closures that take [`Refused`] do.
///
/// ```
/// use pivot_tower::{Answer, Refused};
/// let answer = |refused: &Refused<'_>| format!("{} {}", refused.status(), refused.refusal().reason());
/// fn takes(_: impl Answer<String>) {}
/// takes(answer);
/// ```
pub trait Answer<R> {
    /// The answer.
    fn answer(&self, refused: &Refused<'_>) -> R;
}

impl<R, F: Fn(&Refused<'_>) -> R> Answer<R> for F {
    fn answer(&self, refused: &Refused<'_>) -> R {
        self(refused)
    }
}

/// Answers with the status, `Retry-After`, the fields `RateLimit` and `RateLimit-Policy` where there are any, and an empty
/// body. The [`Refusal`] is among the extensions, so that layers further out know the answer from one of the service.
///
/// ```
/// use pivot_tower::{Answer, HttpAnswer};
/// fn takes(_: impl Answer<http::Response<String>>) {}
/// takes(HttpAnswer);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpAnswer;

impl<B: Default> Answer<Response<B>> for HttpAnswer {
    fn answer(&self, refused: &Refused<'_>) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() =
            StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        response.extensions_mut().insert(refused.refusal());
        let fields = response.headers_mut();
        if let Some(seconds) = refused.retry_after_s() {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(verdict) = refused.verdict() {
            let mut buffer = [0; FIELD_LEN_MAX];
            let value = verdict.rate_limit(&mut buffer, refused.now).map(HeaderValue::from_str);
            if let Some(Ok(value)) = value {
                fields.insert("ratelimit", value);
            }
            let value = verdict.rate_limit_policy(&mut buffer).map(HeaderValue::from_str);
            if let Some(Ok(value)) = value {
                fields.insert("ratelimit-policy", value);
            }
        }
        response
    }
}

/// What breaker and monitor have to know of an answer.
///
/// ```
/// use pivot_tower::Answered;
/// assert_eq!(http::Response::new(()).status_code(), 200);
/// assert_eq!(http::Response::new(()).refusal(), None);
/// ```
pub trait Answered {
    /// Its status.
    fn status_code(&self) -> u16;
    /// Why it was refused, if the answer comes from a layer of this crate.
    fn refusal(&self) -> Option<Refusal>;
}

impl<B> Answered for Response<B> {
    fn status_code(&self) -> u16 {
        self.status().as_u16()
    }

    fn refusal(&self) -> Option<Refusal> {
        self.extensions().get::<Refusal>().copied()
    }
}
