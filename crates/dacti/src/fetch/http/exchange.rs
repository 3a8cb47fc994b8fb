//! The HTTP client of a caller. It sends requests and returns answers, and judges neither.
//!
//! Examples are a library such as reqwest, and a browser's `fetch`.

use crate::Error;
use bytes::Bytes;
use core::fmt;
use core::future::{Future, ready};
use core::pin::Pin;
use core::time::Duration;
use dacti_http::End;
use daicon_core::Span;

/// An exchange with the network, in progress. Dropping it ends the exchange.
pub type Exchange<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// A request to send, and the time limits for its answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The complete URL.
    pub url: String,
    /// Header fields, in addition to the fields that the client always sends. The client must not
    /// add other fields that affect caches or that make the request conditional.
    pub fields: Vec<(&'static str, String)>,
    /// The maximum time until the answer begins.
    pub first_byte_time_max: Duration,
    /// The maximum time without a byte after the answer has begun.
    pub silence_max: Duration,
    /// The maximum time for the whole answer.
    pub time_max: Duration,
}

/// The start of an answer. Its status and header fields have arrived.
#[derive(Debug)]
pub struct HttpSent {
    /// The answer.
    pub answer: Box<dyn HttpAnswer>,
    /// The URL to which redirects have led, if there were any.
    pub redirected: Option<String>,
}

/// The end of an exchange that gave no whole answer.
#[derive(Debug, Clone)]
pub struct HttpEnd {
    /// How it ended.
    pub end: End,
    /// The network's message.
    pub cause: Option<String>,
}

/// An answer whose body has not been read to its end.
pub trait HttpAnswer: fmt::Debug + Send {
    /// Returns the status.
    fn status(&self) -> u16;

    /// Calls `take` with the name and value of each header field.
    fn each_field(&self, take: &mut dyn FnMut(&str, &[u8]));

    /// Returns the next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// The answer ended too early. The error tells how.
    fn next(&mut self) -> Exchange<'_, Result<Option<Bytes>, HttpEnd>>;

    /// Drops an answer that is not needed. If the unread body is short, a client may first read it,
    /// so that it can use the connection again.
    #[must_use]
    fn refuse(self: Box<Self>) -> Exchange<'static, ()> {
        Box::pin(ready(()))
    }
}

/// An HTTP client.
///
/// [`AsyncPackage::open_with_client`](crate::AsyncPackage::open_with_client) reads a package with
/// such a client. The code that calls the client applies all rules of reading over HTTP: ranges,
/// retries, stale caches and budgets.
pub trait HttpClient: fmt::Debug + Send + Sync {
    /// Checks a URL, and returns it in the form that requests use.
    ///
    /// # Errors
    /// `Remote` of the kind `Misuse`.
    fn check_url(&self, url: &str) -> Result<String, Error>;

    /// Returns the URL of an object beside the file at `url`. The last path segment of `url` is
    /// replaced by `name`, which may have several segments. The query is dropped unless
    /// `keeps_query` is set. The fragment is always dropped. Returns `None` if the URL has no path.
    fn beside(&self, url: &str, name: &str, keeps_query: bool) -> Option<String>;

    /// Sends a request and follows its redirects, except redirects from https to http. Before it
    /// follows a redirect, it calls `hop`. It stops if `hop` returns an error.
    ///
    /// # Errors
    /// The errors of `hop`; a request that cannot be sent at all. If an exchange ended without an
    /// answer, the result is `Ok(Err)`, which tells how it ended.
    fn send<'c>(
        &'c self,
        request: HttpRequest,
        hop: &'c (dyn Fn() -> Result<(), Error> + Send + Sync),
    ) -> Exchange<'c, Result<Result<HttpSent, HttpEnd>, Error>>;

    /// Waits for `time`.
    fn sleep(&self, time: Duration) -> Exchange<'static, ()>;

    /// Returns a random number, used for the waits between retries and for tags of URLs. It need
    /// not be secret.
    fn random(&self) -> u64;
}

/// A cache of ranges of parts. A part's name is its digest, so its bytes never change.
pub trait PartCache: fmt::Debug + Send + Sync {
    /// Returns the bytes of `span` in the part called `name`, if the cache has them.
    fn cached(&self, name: &str, span: Span) -> Exchange<'static, Option<Vec<u8>>>;

    /// Keeps fetched bytes, which are `span` of the part called `name`.
    fn keep(&self, name: &str, span: Span, bytes: &[u8]);
}
