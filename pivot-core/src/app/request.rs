//! A request as handlers see it.

use core::any::Any;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::str::{self, FromStr};

use super::buffer::RequestHead;
use super::exchange::Exchange;
use super::input::BodyError;
use crate::admission::{Class, Deadline};
use crate::http::Method;
use crate::http::h1::decode::{BodyLength, Version};
use crate::router::{Found, Router};
use crate::time::{Duration, Instant};

/// A request: its head, whole, and its content, piece by piece.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub(super) exchange: &'r Exchange,
    head: &'r RequestHead,
    router: &'r Router<'static>,
    extended: Option<&'r Extended<'r>>,
}

/// A value that middleware has given to a request; see [`Request::extend`].
#[derive(Clone, Copy)]
pub struct Extended<'r> {
    value: &'r dyn Any,
    earlier: Option<&'r Extended<'r>>,
}

impl fmt::Debug for Extended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extended").finish_non_exhaustive()
    }
}

impl<'r> Request<'r> {
    /// The request that an exchange is about. `head` has been decoded and routed.
    pub fn new(exchange: &'r Exchange, head: &'r RequestHead, router: &'r Router<'static>) -> Self {
        Self { exchange, head, router, extended: None }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.head.head.map_or(Method::Get, |head| head.method)
    }

    /// The version that the client speaks.
    pub fn version(&self) -> Version {
        self.head.head.map_or(Version::Http11, |head| head.version)
    }

    /// The path as it was sent, escapes and all; `/` if it was left out.
    pub fn path(&self) -> &'r str {
        let path = self.head.head.map_or(&[][..], |head| head.path.of(self.head.buffer.filled()));
        if path.is_empty() { "/" } else { text(path) }
    }

    /// What follows the `?`, as it was sent.
    pub fn query(&self) -> Option<&'r str> {
        let query = self.head.head?.query?;
        Some(text(query.of(self.head.buffer.filled())))
    }

    /// The value of the first pair `name=value` in the query, as it was sent: escapes are not decoded.
    pub fn query_value(&self, name: &str) -> Option<&'r str> {
        self.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// The value of the path's parameter `name`, decoded; `None` if the route has no such parameter.
    pub fn param(&self, name: &str) -> Option<&'r str> {
        let Found::Route { route, params } = &self.head.found else { return None };
        let span = params.get(self.router.param_index(*route, name)?)?;
        let path = match &self.head.uri {
            Some(decoded) => decoded.filled(),
            None => self.head.head?.path.of(self.head.buffer.filled()),
        };
        Some(text(span.of(path)))
    }

    /// The parameter `name`, parsed.
    ///
    /// # Errors
    /// [`ParamError`] if the route has no such parameter, or its text is no `T`; answered with 400.
    pub fn param_as<T: FromStr>(&self, name: &'static str) -> Result<T, ParamError> {
        self.param(name).and_then(|value| value.parse().ok()).ok_or(ParamError { name })
    }

    /// The pattern of the route that was matched.
    pub fn route(&self) -> Option<impl fmt::Display + use<'r>> {
        self.router.pattern(self.head.route()?)
    }

    /// The value of the first header field with this name, in any case; `None` too if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.headers().find_map(|(key, value)| {
            if key.eq_ignore_ascii_case(name) { str::from_utf8(value).ok() } else { None }
        })
    }

    /// All header fields, in the order in which they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'r str, &'r [u8])> + use<'r> {
        let head = self.head;
        let count = head.head.map_or(0, |index| usize::from(index.header_count));
        let bytes = head.buffer.filled();
        head.headers.iter().take(count).map(move |span| (text(span.name.of(bytes)), span.value.of(bytes)))
    }

    /// The host that the client asked for, with the port if it named one; empty if it named none.
    pub fn host(&self) -> &'r str {
        text(self.head.head.map_or(&[][..], |head| head.host.of(self.head.buffer.filled())))
    }

    /// The length of the content, where the client announced it.
    pub fn content_length(&self) -> Option<u64> {
        match self.head.head?.body {
            BodyLength::None => Some(0),
            BodyLength::Exact(len) => Some(len),
            BodyLength::Chunked => None,
        }
    }

    /// The address at the other end of the connection: a proxy's, where there is one.
    pub fn peer(&self) -> SocketAddr {
        self.exchange.about().peer.address()
    }

    /// The class in which the request was admitted.
    pub fn class(&self) -> Class {
        self.exchange.about().class
    }

    /// By when the answer is of use: the handler's own time limit, or what the client said by `grpc-timeout` if that is earlier.
    /// Behind it the handler is dropped. What it asks of others should be told it (see
    /// [`Deadline::header_value`](crate::admission::Deadline::header_value)).
    pub fn deadline(&self) -> Deadline {
        Deadline::at(self.exchange.about().deadline)
    }

    /// The moment at which the handler was last resumed.
    pub fn now(&self) -> Instant {
        self.exchange.clock().now()
    }

    /// Reads content into `into`: waits for some, answers how many bytes there were, and 0 at the end.
    ///
    /// # Errors
    /// [`BodyError`] if the content is too long, broken, or broke off.
    pub async fn read(&self, into: &mut [u8]) -> Result<usize, BodyError> {
        self.read_with(|bytes| {
            let len = bytes.len().min(into.len());
            into[..len].copy_from_slice(&bytes[..len]);
            len
        })
        .await
    }

    /// Lets `take` look at the content that has come and say how much of it is done with; answers that, and 0 at the end.
    ///
    /// # Errors
    /// As for [`Request::read`].
    pub async fn read_with(&self, take: impl FnOnce(&[u8]) -> usize) -> Result<usize, BodyError> {
        let mut take = Some(take);
        poll_fn(|context| {
            let windows = &mut *self.exchange.windows();
            if windows.input.take_expectation() {
                windows.output.invite();
            }
            windows.input.poll_read(context, |bytes| take.take().map_or(0, |take| take(bytes)))
        })
        .await
    }

    /// Reads all content into `into` and answers the part that was filled.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] as well if it does not fit.
    pub async fn read_all<'b>(&self, into: &'b mut [u8]) -> Result<&'b [u8], BodyError> {
        let mut len = 0;
        loop {
            if len == into.len() {
                let mut one_more = [0];
                return if self.read(&mut one_more).await? == 0 {
                    Ok(into)
                } else {
                    Err(BodyError::TooLarge)
                };
            }
            match self.read(&mut into[len..]).await? {
                0 => return Ok(&into[..len]),
                read => len += read,
            }
        }
    }

    /// Reads all content into `into` and parses it as JSON; texts in the value refer to `into`.
    ///
    /// # Errors
    /// As for [`Request::read_all`]; [`BodyError::Json`] if it is none, or not what `T` asks for.
    #[cfg(feature = "json")]
    pub async fn json<'b, T: serde::Deserialize<'b>>(&self, into: &'b mut [u8]) -> Result<T, BodyError> {
        let content = self.read_all(into).await?;
        serde_json_core::from_slice(content).map(|(value, _)| value).map_err(|_| BodyError::Json)
    }

    /// Waits, without holding anything but this exchange's slot and permit.
    pub async fn sleep(&self, duration: Duration) {
        let at = self.now().plus(duration);
        poll_fn(|context| self.exchange.poll_sleep(at, context)).await;
    }

    /// A link that gives this request `value`, for the handlers further in; see [`Request::with`].
    ///
    /// Nothing is copied or boxed: value and link stay where the middleware keeps them.
    pub fn extend<'v>(&self, value: &'v dyn Any) -> Extended<'v>
    where
        'r: 'v,
    {
        Extended { value, earlier: self.extended }
    }

    /// The request with a value that middleware has linked in; read it by [`Request::get`].
    #[must_use]
    pub fn with<'v>(&self, extended: &'v Extended<'v>) -> Request<'v>
    where
        'r: 'v,
    {
        Request { exchange: self.exchange, head: self.head, router: self.router, extended: Some(extended) }
    }

    /// The value of type `T` that middleware has given to this request; of several, the innermost.
    pub fn get<T: Any>(&self) -> Option<&'r T> {
        let mut link = self.extended;
        while let Some(extended) = link {
            if let Some(value) = extended.value.downcast_ref() {
                return Some(value);
            }
            link = extended.earlier;
        }
        None
    }

    pub(super) fn allowed_methods(&self) -> crate::http::MethodSet {
        match self.head.found {
            Found::MethodNotAllowed { allow } => allow,
            _ => crate::http::MethodSet::EMPTY,
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// Content as a byte stream, for readers that know `embedded-io`.
impl embedded_io_async::ErrorType for Request<'_> {
    type Error = BodyError;
}

impl embedded_io_async::Error for BodyError {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        match self {
            Self::TooLarge => embedded_io_async::ErrorKind::OutOfMemory,
            Self::Framing(_) => embedded_io_async::ErrorKind::InvalidData,
            #[cfg(feature = "json")]
            Self::Json => embedded_io_async::ErrorKind::InvalidData,
            Self::Incomplete => embedded_io_async::ErrorKind::ConnectionAborted,
        }
    }
}

impl embedded_io_async::Read for Request<'_> {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, BodyError> {
        Request::read(self, into).await
    }
}

/// A parameter of the path was not what the handler needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamError {
    /// The parameter's name in the pattern.
    pub name: &'static str,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the path's {} is not valid", self.name)
    }
}

impl core::error::Error for ParamError {}

/// Text that was checked to be ASCII or UTF-8 when it was decoded.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or("")
}
