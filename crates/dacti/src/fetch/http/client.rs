//! Sends what a fetch wants and feeds it what comes: the one loop between `dacti-http` and the
//! network.

use super::HttpOptions;
use super::place::{Place, redacted};
use crate::fetch::tls;
use crate::{Error, ErrorKind};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use dacti_http::{Answer, End, Fetch, Request, Session, Tag, Want};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Response, Url};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep, timeout_at};

/// Redirects that one request may follow.
const HOPS_MAX: usize = 10;
/// Bytes of an answer of no use that are read, so that its connection can be used again.
const DRAIN_LEN_MAX: usize = 16 * 1024;

/// A session of requests for one URL.
pub(crate) struct Client {
    http: reqwest::Client,
    headers: HeaderMap,
    place: Place,
    session: Mutex<Session>,
    /// The last random number; see [`random`](Self::random).
    random: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", redacted(self.place.given()))
    }
}

/// Takes the bytes of a fetch.
pub(crate) trait Sink: Send {
    /// Takes bytes that stand `at` bytes behind the start of what is fetched. What was taken from
    /// there on before is void.
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

impl Sink for Vec<u8> {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.truncate(usize::try_from(at).unwrap_or(usize::MAX));
        self.try_reserve(bytes.len())?;
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl Client {
    /// Requests for `url`.
    pub(crate) fn new(url: &str, options: &HttpOptions) -> Result<Self, Error> {
        let url = Url::parse(url).map_err(|error| misuse("the URL", &error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(misuse(&redacted(&url), "only http and https are known"));
        }
        let place = Place::new(url);
        tls::choose_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.concurrency.max(1))
            .tcp_nodelay(true)
            .user_agent(concat!("dacti/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| misuse(&redacted(place.given()), &chain(&error)))?;
        let mut session = options.session;
        session.tags &= place.takes_tags();
        let headers = headers(&options.headers)?;
        let random = getrandom::u64().map_err(|error| {
            Error::io("get random numbers for", "".as_ref(), io::Error::other(error))
        })?;
        let (session, random) = (Mutex::new(Session::new(session)), AtomicU64::new(random));
        Ok(Self { http, headers, place, session, random })
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL as a message shows it.
    pub(crate) fn shown(&self) -> String {
        redacted(self.place.given())
    }

    /// Fetches what `fetch` is of into `sink`, and says how it ended up.
    pub(crate) async fn fetch(&self, fetch: Fetch, sink: &mut dyn Sink) -> Result<Fetch, Error> {
        let mut fetch = Held { client: self, fetch };
        let mut cause = None;
        loop {
            let want = fetch.fetch.want(&mut self.session(), self.random());
            match want {
                Ok(Want::Nothing) => return Ok(fetch.fetch.clone()),
                Ok(Want::Wait(millis)) => sleep(Duration::from_millis(millis)).await,
                Ok(Want::Send(request)) => {
                    self.exchange(&mut fetch.fetch, request, sink, &mut cause).await?;
                }
                Err(error) => return Err(self.failed(error, cause)),
            }
        }
    }

    /// Sends one request and feeds its answer.
    async fn exchange(
        &self,
        fetch: &mut Fetch,
        request: Request,
        sink: &mut dyn Sink,
        cause: &mut Option<String>,
    ) -> Result<(), Error> {
        let bounds = Bounds::of(&request);
        let mut response = match self.send(request, &bounds).await? {
            Ok(response) => response,
            Err((end, why)) => {
                *cause = why;
                fetch.end(&mut self.session(), end);
                return Ok(());
            }
        };
        let mut answer = Answer::new(response.status().as_u16());
        for (name, value) in response.headers() {
            answer = answer.with_field(name.as_str(), value.as_bytes());
        }
        *cause = None;
        if !fetch.answer(&mut self.session(), &answer) {
            drain(response, &bounds).await;
            return Ok(());
        }
        loop {
            let piece = timeout_at(bounds.next(), response.chunk()).await;
            let end = match piece {
                Ok(Ok(Some(bytes))) => {
                    let (delivery, more) = fetch.body(&mut self.session(), &bytes);
                    if let Some(delivery) = delivery {
                        let at = delivery.at.saturating_sub(fetch.span().start);
                        sink.put(at, delivery.bytes).map_err(crate::read::view::read_failed)?;
                    }
                    if !more {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Ok(None)) => End::Complete,
                Ok(Err(error)) => {
                    *cause = Some(chain(&error.without_url()));
                    End::Reset
                }
                Err(_) => End::Timeout,
            };
            fetch.end(&mut self.session(), end);
            return Ok(());
        }
    }

    /// Sends a request, and follows where it leads. `Ok(Err)` is how it ended without an answer.
    async fn send(
        &self,
        request: Request,
        bounds: &Bounds,
    ) -> Result<Result<Response, (End, Option<String>)>, Error> {
        let Some(mut url) = self.place.url(request.tag, request.resolve) else {
            return Err(misuse(&self.shown(), "no tag can be added to it"));
        };
        let mut hops = 0_usize;
        loop {
            let sent = self.http.get(url.clone()).headers(self.fields(&request, &url)).send();
            let response = match timeout_at(bounds.next(), sent).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Ok(Err(ended(error))),
                Err(_) => return Ok(Err((End::Timeout, None))),
            };
            let next = redirect(&response, &url).filter(|_| hops < HOPS_MAX);
            let Some(next) = next else {
                // Where a tagged request led says nothing about others.
                if hops > 0 && request.tag == Tag::None && !response.status().is_redirection() {
                    self.place.pin(url);
                    if !self.place.takes_tags() {
                        self.session().forbid_tags();
                    }
                }
                return Ok(Ok(response));
            };
            hops = hops.saturating_add(1);
            let allowed = self.session().redirect();
            allowed.map_err(|error| self.failed(error, None))?;
            drain(response, bounds).await;
            url = next;
        }
    }

    fn fields(&self, request: &Request, url: &Url) -> HeaderMap {
        // What a caller adds may be a secret between him and the origin that he named.
        let same = url.origin() == self.place.given().origin();
        let mut fields = if same { self.headers.clone() } else { HeaderMap::new() };
        for (name, value) in request.fields() {
            if let Ok(value) = HeaderValue::from_str(&value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        fields
    }

    /// Splitmix64 from a start that the system gave: for waits and names that nobody has asked for
    /// before, not for secrets.
    fn random(&self) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn failed(&self, error: dacti_http::Error, cause: Option<String>) -> Error {
        let kind = match error.kind() {
            dacti_http::ErrorKind::Stale => ErrorKind::Stale,
            dacti_http::ErrorKind::Replaced => ErrorKind::Replaced,
            dacti_http::ErrorKind::NotFound => ErrorKind::NotFound,
            dacti_http::ErrorKind::Denied => ErrorKind::Denied,
            dacti_http::ErrorKind::Unsupported => ErrorKind::Unsupported,
            dacti_http::ErrorKind::Limit => ErrorKind::Limit,
            dacti_http::ErrorKind::Misuse => ErrorKind::Misuse,
            _ => ErrorKind::Unavailable,
        };
        Error::Remote { place: self.shown(), kind, source: Box::new(Failed { error, cause }) }
    }
}

/// What a fetch ended with, and what the network said last.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", Cause(.cause.as_deref()))]
pub(crate) struct Failed {
    #[source]
    pub(crate) error: dacti_http::Error,
    cause: Option<String>,
}

struct Cause<'c>(Option<&'c str>);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

/// A fetch under way, whose part of the budget is given back when nobody goes on with it.
struct Held<'c> {
    client: &'c Client,
    fetch: Fetch,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.fetch.cancel(&mut self.client.session());
    }
}

/// How long an answer may take.
struct Bounds {
    silence: Duration,
    end: Instant,
}

impl Bounds {
    fn of(request: &Request) -> Self {
        // A bound that no clock can hold is none.
        let far = Duration::from_secs(u32::MAX.into());
        let all = Duration::from_millis(request.millis_max).min(far);
        let silence = Duration::from_millis(request.silence_millis_max).min(far);
        let now = Instant::now();
        Self { silence, end: now.checked_add(all).unwrap_or(now) }
    }

    /// When what comes next must have come.
    fn next(&self) -> Instant {
        let next = Instant::now().checked_add(self.silence);
        next.unwrap_or(self.end).min(self.end)
    }
}

/// Where a redirect leads. From https only https is followed.
fn redirect(response: &Response, from: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    let to = from.join(to).ok()?;
    let follows = to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http");
    follows.then_some(to)
}

/// Reads a short body to its end, so that the connection can be used again.
async fn drain(mut response: Response, bounds: &Bounds) {
    let mut left = DRAIN_LEN_MAX;
    if response.content_length().is_some_and(|len| len > DRAIN_LEN_MAX as u64) {
        return;
    }
    while let Ok(Ok(Some(piece))) = timeout_at(bounds.next(), response.chunk()).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn ended(error: reqwest::Error) -> (End, Option<String>) {
    let end = match () {
        () if error.is_timeout() && !error.is_connect() => End::Timeout,
        () if error.is_connect() => End::Unreachable,
        () => End::Reset,
    };
    (end, Some(chain(&error.without_url())))
}

/// An error with what led to it.
fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (Ok(name_read), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            return Err(misuse(name, "this is no header field"));
        };
        value.set_sensitive(true);
        headers.append(name_read, value);
    }
    Ok(headers)
}

fn misuse(place: &str, why: &str) -> Error {
    Error::Remote { place: place.into(), kind: ErrorKind::Misuse, source: why.into() }
}
