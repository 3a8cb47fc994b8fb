//! Sends the requests of a fetch and feeds it the answers: the one loop between `dacti-http` and
//! the network.

use super::HttpOptions;
use super::place::Place;
use crate::fetch::pause::{OnPause, PAUSE, telling};
use crate::fetch::tls;
use crate::fetch::{Location, chain};
use crate::{Error, ErrorKind};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use dacti_http::{End, Fetch, Request, Response, Session, Tag, Want};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, sleep, timeout_at};

/// Redirects that one request may follow.
const HOPS_MAX: usize = 10;
/// Bytes of an unusable answer that are read, so that its connection can be used again.
const DRAIN_LEN_MAX: usize = 16 * 1024;

/// A session of requests for one URL.
pub(crate) struct Client {
    http: reqwest::Client,
    headers: HeaderMap,
    /// The origins that get those header fields.
    header_origins: Vec<String>,
    on_pause: OnPause,
    place: Place,
    session: Mutex<Session>,
    /// The last random number; see [`random`](Self::random).
    random: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shown())
    }
}

/// Takes the bytes of a fetch.
pub(crate) trait Sink: Send {
    /// Takes bytes, which begin at `at` bytes from the start of the fetch. They replace all bytes
    /// that were taken for that position and later ones.
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
    /// Returns a client for requests to `url`. The header fields are sent to the origin of
    /// `package_url`.
    pub(crate) fn new(url: &str, package_url: &str, options: &HttpOptions) -> Result<Self, Error> {
        let shown = Location::from(url);
        let parsed = parse(url)?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(misuse(shown, "this is not an http or https URL: give one"));
        }
        let place = Place::new(parsed);
        tls::choose_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.concurrency.max(1))
            .tcp_nodelay(true)
            .user_agent(concat!("dacti/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| misuse(shown, &chain(&error)))?;
        let mut session = options.session;
        session.tags &= place.takes_tags();
        let headers = headers(&options.headers, place.shown())?;
        let mut header_origins = vec![origin(&parse(package_url)?)];
        for further in &options.header_origins {
            header_origins.push(origin(&parse(further)?));
        }
        let random = getrandom::u64().map_err(|error| {
            Error::io("get random numbers for", "".as_ref(), io::Error::other(error))
        })?;
        let (session, random) = (Mutex::new(Session::new(session)), AtomicU64::new(random));
        let on_pause = options.on_pause.clone();
        Ok(Self { http, headers, header_origins, on_pause, place, session, random })
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the URL as messages show it.
    pub(super) const fn shown(&self) -> &Location {
        self.place.shown()
    }

    /// Returns the place of an object beside this file.
    pub(super) fn object(&self, name: &str, keeps_query: bool) -> Result<Place, Error> {
        let no_path = || misuse(self.shown().clone(), "this URL has no path, and so no parts");
        self.place.object(name, keeps_query).ok_or_else(no_path)
    }

    /// Fetches the bytes of `fetch` into `sink`, and returns the finished fetch.
    pub(crate) async fn fetch(&self, fetch: Fetch, sink: &mut dyn Sink) -> Result<Fetch, Error> {
        self.fetch_at(&self.place, fetch, sink).await
    }

    /// As [`fetch`](Self::fetch), from another place that shares the session.
    pub(super) async fn fetch_at(
        &self,
        place: &Place,
        fetch: Fetch,
        sink: &mut dyn Sink,
    ) -> Result<Fetch, Error> {
        let mut fetch = Held { client: self, fetch };
        let mut cause = None;
        loop {
            let want = fetch.fetch.want(&mut self.session(), self.random());
            match want {
                Ok(Want::Nothing) => return Ok(fetch.fetch.clone()),
                Ok(Want::Wait(millis)) => {
                    self.pause_at(place.shown(), Duration::from_millis(millis)).await;
                }
                Ok(Want::Send(request)) => {
                    self.exchange(place, &mut fetch.fetch, request, sink, &mut cause).await?;
                }
                Err(error) => return Err(failed_at(place.shown(), error, cause)),
            }
        }
    }

    pub(super) async fn pause(&self, time: Duration) {
        self.pause_at(self.shown(), time).await;
    }

    async fn pause_at(&self, shown: &Location, time: Duration) {
        if time >= PAUSE {
            let why = "the server, or a cache on the way, does not serve these bytes at the moment";
            self.on_pause.tell(shown, why, time);
        }
        sleep(time).await;
    }

    /// Sends one request and feeds its answer.
    async fn exchange(
        &self,
        place: &Place,
        fetch: &mut Fetch,
        request: Request,
        sink: &mut dyn Sink,
        cause: &mut Option<String>,
    ) -> Result<(), Error> {
        let bounds = Bounds::of(&request);
        let mut answer = match self.send(place, request, &bounds).await? {
            Ok(answer) => answer,
            Err((end, why)) => {
                *cause = why;
                fetch.end(&mut self.session(), end);
                return Ok(());
            }
        };
        let mut response = Response::new(answer.status().as_u16());
        for (name, value) in answer.headers() {
            response = response.with_field(name.as_str(), value.as_bytes());
        }
        *cause = None;
        if !fetch.response(&mut self.session(), &response) {
            drain(answer, &bounds).await;
            return Ok(());
        }
        loop {
            let piece = timeout_at(bounds.next(), answer.chunk()).await;
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

    /// Sends a request and follows its redirects. `Ok(Err)` tells how it ended if there was no
    /// answer.
    async fn send(
        &self,
        place: &Place,
        request: Request,
        bounds: &Bounds,
    ) -> Result<Result<reqwest::Response, (End, Option<String>)>, Error> {
        let Some(mut url) = place.url(request.tag, request.resolve) else {
            return Err(misuse(place.shown().clone(), "no tag can be added to this URL"));
        };
        let mut hops = 0_usize;
        loop {
            let sent = self.http.get(url.clone()).headers(self.fields(&request, &url)).send();
            let why = "the server has not answered yet";
            let sent = telling(&self.on_pause, place.shown(), why, bounds.first_byte, sent);
            let answer = match timeout_at(bounds.first(), sent).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Ok(Err(ended(error))),
                Err(_) => return Ok(Err((End::Timeout, None))),
            };
            let next = redirect(&answer, &url).filter(|_| hops < HOPS_MAX);
            let Some(next) = next else {
                // The target of a tagged request need not be the target of other requests.
                if hops > 0 && request.tag == Tag::None && !answer.status().is_redirection() {
                    place.pin(url);
                    if !place.takes_tags() {
                        self.session().forbid_tags();
                    }
                }
                return Ok(Ok(answer));
            };
            hops = hops.saturating_add(1);
            let allowed = self.session().redirect();
            allowed.map_err(|error| failed_at(place.shown(), error, None))?;
            drain(answer, bounds).await;
            url = next;
        }
    }

    fn fields(&self, request: &Request, url: &Url) -> HeaderMap {
        // The caller's fields may be secrets, so only the origins that the caller named get them.
        let is_named = self.header_origins.contains(&origin(url));
        let mut fields = if is_named { self.headers.clone() } else { HeaderMap::new() };
        for (name, value) in request.fields() {
            if let Ok(value) = HeaderValue::from_str(&value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        fields
    }

    /// Returns the next number of splitmix64, seeded by a random number of the system. This is good
    /// enough for waits and nonces, but not for secrets.
    fn random(&self) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn failed(&self, error: dacti_http::Error, cause: Option<String>) -> Error {
        failed_at(self.shown(), error, cause)
    }
}

/// Returns the error of a fetch from this place.
fn failed_at(place: &Location, error: dacti_http::Error, cause: Option<String>) -> Error {
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
    Error::Remote { place: place.clone(), kind, source: Box::new(Failed { error, cause }) }
}

/// The error of a fetch, and the network's last message.
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

/// A fetch in progress. Dropping it gives its part of the budget back.
struct Held<'c> {
    client: &'c Client,
    fetch: Fetch,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.fetch.cancel(&mut self.client.session());
    }
}

/// The longest times of an answer.
struct Bounds {
    first_byte: Duration,
    silence: Duration,
    end: Instant,
}

impl Bounds {
    fn of(request: &Request) -> Self {
        // A clock cannot hold every bound.
        let far = Duration::from_secs(u32::MAX.into());
        let all = Duration::from_millis(request.millis_max).min(far);
        let silence = Duration::from_millis(request.silence_millis_max).min(far);
        let first_byte = Duration::from_millis(request.first_byte_millis_max).min(far);
        let now = Instant::now();
        Self { first_byte, silence, end: now.checked_add(all).unwrap_or(now) }
    }

    /// Returns the deadline for the start of the answer.
    fn first(&self) -> Instant {
        self.within(self.first_byte)
    }

    /// Returns the deadline for the next bytes.
    fn next(&self) -> Instant {
        self.within(self.silence)
    }

    fn within(&self, time: Duration) -> Instant {
        let next = Instant::now().checked_add(time);
        next.unwrap_or(self.end).min(self.end)
    }
}

/// Returns the target of a redirect. A redirect from https to http is not followed.
pub(super) fn redirect(answer: &reqwest::Response, from: &Url) -> Option<Url> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = answer.headers().get(LOCATION)?.to_str().ok()?;
    let to = from.join(to).ok()?;
    let follows = to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http");
    follows.then_some(to)
}

/// Reads a short body to its end, so that the connection can be used again.
async fn drain(mut answer: reqwest::Response, bounds: &Bounds) {
    let mut left = DRAIN_LEN_MAX;
    if answer.content_length().is_some_and(|len| len > DRAIN_LEN_MAX as u64) {
        return;
    }
    while let Ok(Ok(Some(piece))) = timeout_at(bounds.next(), answer.chunk()).await {
        match left.checked_sub(piece.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

pub(super) fn ended(error: reqwest::Error) -> (End, Option<String>) {
    let end = match () {
        () if error.is_timeout() => End::Timeout,
        () if error.is_connect() && is_tls(&error) => End::Tls,
        () if error.is_connect() => End::Unreachable,
        () => End::Reset,
    };
    (end, Some(chain(&error.without_url())))
}

/// Returns whether a connection failed at TLS. The TLS library reports its faults as invalid data,
/// and a connection that ends during the handshake as an unexpected end. A server without TLS
/// causes either.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut source = core::error::Error::source(error);
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| is_tls_kind(error.kind())) {
            return true;
        }
        // An IO error can wrap another error, perhaps again one of IO. Its `source` would skip that
        // one.
        let within = io.and_then(io::Error::get_ref).map(|error| error as &dyn core::error::Error);
        source = within.or_else(|| error.source());
    }
    false
}

const fn is_tls_kind(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

pub(super) fn parse(url: &str) -> Result<Url, Error> {
    // The library's error does not repeat the URL.
    Url::parse(url).map_err(|error| misuse(Location::from(url), &error.to_string()))
}

pub(super) fn headers(given: &[(String, String)], place: &Location) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let (Ok(name_read), Ok(mut value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            let why = format!("{name:?} is not a header field: write NAME: VALUE");
            return Err(misuse(place.clone(), &why));
        };
        value.set_sensitive(true);
        headers.append(name_read, value);
    }
    Ok(headers)
}

pub(super) fn misuse(place: Location, why: &str) -> Error {
    Error::Remote { place, kind: ErrorKind::Misuse, source: why.into() }
}
