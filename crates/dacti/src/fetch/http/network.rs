//! The HTTP client of the feature `http`: reqwest, with our own handling of redirects and time
//! limits.

use super::HttpOptions;
use super::client::misuse;
use super::exchange::{Exchange, HttpAnswer, HttpClient, HttpEnd, HttpRequest, HttpSent};
use crate::Error;
use crate::fetch::tls;
use crate::fetch::{Location, chain};
use bytes::Bytes;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use dacti_http::End;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use std::io;
use tokio::time::{Instant, sleep, timeout_at};

/// The maximum number of redirects that one request follows.
const HOPS_MAX: usize = 10;
/// The maximum length of a body that is read although it is not needed. After such a body was read
/// to its end, the connection can be used again.
const DRAIN_LEN_MAX: usize = 16 * 1024;

/// A client over reqwest.
#[derive(Debug)]
pub(super) struct Network {
    http: reqwest::Client,
    headers: HeaderMap,
    /// The origins to which the fields in `headers` are sent.
    header_origins: Vec<String>,
    /// The last random number; see [`random`](HttpClient::random).
    random: AtomicU64,
}

impl Network {
    /// Returns a client for the package at `url`. It sends the header fields of `options` to the
    /// origin of `url` and to the origins that `options` names.
    pub(super) fn new(url: &str, options: &HttpOptions) -> Result<Self, Error> {
        let shown = Location::from(url);
        let parsed = parse(url)?;
        tls::choose_provider();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.concurrency.max(1))
            .tcp_nodelay(true)
            .user_agent(concat!("dacti/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| misuse(shown.clone(), &chain(&error)))?;
        let headers = headers(&options.headers, &shown)?;
        let mut header_origins = vec![origin(&parsed)];
        for further in &options.header_origins {
            header_origins.push(origin(&parse(further)?));
        }
        let random = getrandom::u64().map_err(|error| {
            Error::io("get random numbers for", "".as_ref(), io::Error::other(error))
        })?;
        Ok(Self { http, headers, header_origins, random: AtomicU64::new(random) })
    }

    /// Sends a request and follows its redirects.
    async fn sent(
        &self,
        request: HttpRequest,
        hop: &(dyn Fn() -> Result<(), Error> + Send + Sync),
    ) -> Result<Result<HttpSent, HttpEnd>, Error> {
        let bounds = Bounds::of(&request);
        let mut url = parse(&request.url)?;
        let mut hops = 0_usize;
        loop {
            let sent = self.http.get(url.clone()).headers(self.fields(&request, &url)).send();
            let answer = match timeout_at(bounds.first(), sent).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Ok(Err(ended(error))),
                Err(_) => return Ok(Err(timed_out())),
            };
            let next = redirect(&answer, &url).filter(|_| hops < HOPS_MAX);
            let Some(next) = next else {
                let redirected = (hops > 0).then(|| url.into());
                let answer = Box::new(Answer { answer, bounds });
                return Ok(Ok(HttpSent { answer, redirected }));
            };
            hops = hops.saturating_add(1);
            hop()?;
            drain(answer, &bounds).await;
            url = next;
        }
    }

    fn fields(&self, request: &HttpRequest, url: &Url) -> HeaderMap {
        // The caller's fields may be secrets, so only the origins that the caller named get them.
        let is_named = self.header_origins.contains(&origin(url));
        let mut fields = if is_named { self.headers.clone() } else { HeaderMap::new() };
        for (name, value) in &request.fields {
            if let Ok(value) = HeaderValue::from_str(value) {
                fields.insert(HeaderName::from_static(name), value);
            }
        }
        fields
    }
}

impl HttpClient for Network {
    fn check_url(&self, url: &str) -> Result<String, Error> {
        let parsed = parse(url)?;
        if !matches!(parsed.scheme(), "http" | "https") {
            let why = "this is not an http or https URL: give an http or https URL";
            return Err(misuse(Location::from(url), why));
        }
        Ok(parsed.into())
    }

    fn beside(&self, url: &str, name: &str, keeps_query: bool) -> Option<String> {
        let mut url = Url::parse(url).ok()?;
        if !keeps_query {
            url.set_query(None);
        }
        url.set_fragment(None);
        url.path_segments_mut().ok()?.pop().extend(name.split('/'));
        Some(url.into())
    }

    fn send<'c>(
        &'c self,
        request: HttpRequest,
        hop: &'c (dyn Fn() -> Result<(), Error> + Send + Sync),
    ) -> Exchange<'c, Result<Result<HttpSent, HttpEnd>, Error>> {
        Box::pin(self.sent(request, hop))
    }

    fn sleep(&self, time: Duration) -> Exchange<'static, ()> {
        // Creating the timer needs the runtime, so the future creates the timer when the runtime
        // polls the future.
        Box::pin(async move { sleep(time).await })
    }

    /// Returns the next number of splitmix64, seeded with a random number of the system.
    fn random(&self) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// An answer and its time limits.
#[derive(Debug)]
struct Answer {
    answer: reqwest::Response,
    bounds: Bounds,
}

impl HttpAnswer for Answer {
    fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    fn each_field(&self, take: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.answer.headers() {
            take(name.as_str(), value.as_bytes());
        }
    }

    fn next(&mut self) -> Exchange<'_, Result<Option<Bytes>, HttpEnd>> {
        Box::pin(async {
            match timeout_at(self.bounds.next(), self.answer.chunk()).await {
                Ok(Ok(piece)) => Ok(piece),
                Ok(Err(error)) => {
                    Err(HttpEnd { end: End::Reset, cause: Some(chain(&error.without_url())) })
                }
                Err(_) => Err(timed_out()),
            }
        })
    }

    fn refuse(self: Box<Self>) -> Exchange<'static, ()> {
        Box::pin(async move { drain(self.answer, &self.bounds).await })
    }
}

const fn timed_out() -> HttpEnd {
    HttpEnd { end: End::Timeout, cause: None }
}

/// The time limits for an answer.
#[derive(Debug)]
struct Bounds {
    first_byte: Duration,
    silence: Duration,
    end: Instant,
}

impl Bounds {
    fn of(request: &HttpRequest) -> Self {
        // An `Instant` cannot represent every time limit, so long limits are shortened.
        let far = Duration::from_secs(u32::MAX.into());
        let all = request.time_max.min(far);
        let silence = request.silence_max.min(far);
        let first_byte = request.first_byte_time_max.min(far);
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

pub(super) fn ended(error: reqwest::Error) -> HttpEnd {
    let end = match () {
        () if error.is_timeout() => End::Timeout,
        () if error.is_connect() && is_tls(&error) => End::Tls,
        () if error.is_connect() => End::Unreachable,
        () => End::Reset,
    };
    HttpEnd { end, cause: Some(chain(&error.without_url())) }
}

/// Returns whether a connection failed at TLS. The TLS library reports its faults as invalid data.
/// It reports a connection that ends during the handshake as an unexpected end. A server without
/// TLS can cause either of these errors.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut source = core::error::Error::source(error);
    while let Some(error) = source {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| is_tls_kind(error.kind())) {
            return true;
        }
        // An IO error can wrap another error, which may be an IO error itself. `source` would skip
        // the wrapped error.
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
    // The message of the library does not repeat the URL, so it shows no secret.
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

#[cfg(test)]
mod tests {
    use super::Network;
    use crate::fetch::{HttpClient, HttpOptions};
    use dacti_http::Tag;

    #[test]
    fn an_object_lies_beside_the_file() {
        // spec: R-PART-09
        let network = Network::new("http://a/p", &HttpOptions::default()).expect("it is a URL");
        let object = |url: &str, keeps_query| {
            network.beside(url, "p.parts/5d0c-1", keeps_query).expect("there is a path")
        };
        assert_eq!(object("http://a/b/p?v=1#x", false), "http://a/b/p.parts/5d0c-1");
        assert_eq!(object("http://a/b/p?v=1", true), "http://a/b/p.parts/5d0c-1?v=1");
        assert_eq!(object("http://u:s@a/p", false), "http://u:s@a/p.parts/5d0c-1");
        let url = network.beside("http://a/p", "ein teil/ü", false).expect("there is a path");
        let expected = "http://a/ein%20teil/%C3%BC?g=0-0000000000000001";
        assert_eq!(Tag::Nonce { slice: 0, nonce: 1 }.append_to(&url), expected);
    }
}
