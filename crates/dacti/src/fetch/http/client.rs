//! Sends the requests of a fetch, and feeds the answers to the fetch. This is the only loop between
//! `dacti-http` and the network.

use super::HttpOptions;
use super::exchange::{HttpAnswer, HttpClient, HttpEnd, HttpRequest, HttpSent};
use super::place::Place;
use crate::fetch::Location;
use crate::fetch::pause::{OnPause, PAUSE, telling};
use crate::{Error, ErrorKind};
use core::fmt;
use core::time::Duration;
use dacti_http::{End, Fetch, Request, Response, Session, Tag, Want};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A session of requests for one URL.
pub(crate) struct Client {
    http: Arc<dyn HttpClient>,
    on_pause: OnPause,
    place: Place,
    session: Mutex<Session>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shown())
    }
}

/// Receives the bytes of a fetch.
pub(crate) trait Sink: Send {
    /// Receives the bytes at offset `at`, counted from the start of the fetch. They replace all
    /// bytes that were received earlier for this offset or for later offsets.
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
    /// Returns a client that sends the requests of one session to `url`, by `http`.
    pub(crate) fn new(
        http: Arc<dyn HttpClient>,
        url: &str,
        options: &HttpOptions,
    ) -> Result<Self, Error> {
        let place = Place::new(http.check_url(url)?, Location::from(url));
        let mut session = options.session;
        session.tags &= place.takes_tags();
        let (session, on_pause) = (Mutex::new(Session::new(session)), options.on_pause.clone());
        Ok(Self { http, on_pause, place, session })
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
        // spec: R-PART-09
        let url = self.http.beside(self.place.given(), name, keeps_query).ok_or_else(|| {
            misuse(self.shown().clone(), "this URL has no path, so no parts can lie beside it")
        })?;
        let shown = Location::from(&*url);
        Ok(Place::new(url, shown))
    }

    /// Fetches the bytes of `fetch` into `sink`, and returns the finished fetch.
    pub(crate) async fn fetch(&self, fetch: Fetch, sink: &mut dyn Sink) -> Result<Fetch, Error> {
        self.fetch_at(&self.place, fetch, sink).await
    }

    /// Does the same as [`fetch`](Self::fetch), for the object at `place`, in the same session.
    pub(super) async fn fetch_at(
        &self,
        place: &Place,
        fetch: Fetch,
        sink: &mut dyn Sink,
    ) -> Result<Fetch, Error> {
        let mut fetch = Held { client: self, fetch };
        let mut cause = None;
        loop {
            let want = fetch.fetch.want(&mut self.session(), self.http.random());
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
        self.http.sleep(time).await;
    }

    /// Sends one request and feeds its answer to `fetch`.
    async fn exchange(
        &self,
        place: &Place,
        fetch: &mut Fetch,
        request: Request,
        sink: &mut dyn Sink,
        cause: &mut Option<String>,
    ) -> Result<(), Error> {
        let mut answer = match self.send(place, request).await? {
            Ok(answer) => answer,
            Err(ended) => {
                *cause = ended.cause;
                fetch.end(&mut self.session(), ended.end);
                return Ok(());
            }
        };
        let mut response = Response::new(answer.status());
        answer.each_field(&mut |name, value| response = response.with_field(name, value));
        *cause = None;
        if !fetch.response(&mut self.session(), &response) {
            answer.refuse().await;
            return Ok(());
        }
        loop {
            let end = match answer.next().await {
                Ok(Some(bytes)) => {
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
                Ok(None) => End::Complete,
                Err(ended) => {
                    *cause = ended.cause;
                    ended.end
                }
            };
            fetch.end(&mut self.session(), end);
            return Ok(());
        }
    }

    /// Sends a request. If there is no answer, returns `Ok(Err)`, which tells how the exchange
    /// ended.
    async fn send(
        &self,
        place: &Place,
        request: Request,
    ) -> Result<Result<Box<dyn HttpAnswer>, HttpEnd>, Error> {
        let url = place.url(request.tag, request.resolve);
        let order = HttpRequest {
            url,
            fields: request.fields().collect(),
            first_byte_time_max: Duration::from_millis(request.first_byte_millis_max),
            silence_max: Duration::from_millis(request.silence_millis_max),
            time_max: Duration::from_millis(request.millis_max),
        };
        let bound = order.first_byte_time_max;
        let hop = || {
            let allowed = self.session().redirect();
            allowed.map_err(|error| failed_at(place.shown(), error, None))
        };
        let sent = self.http.send(order, &hop);
        let why = "the server has not answered yet";
        let timer = self.http.sleep(PAUSE);
        let sent = telling(&self.on_pause, place.shown(), why, bound, timer, sent).await?;
        let HttpSent { answer, redirected } = match sent {
            Ok(sent) => sent,
            Err(ended) => return Ok(Err(ended)),
        };
        // A server can redirect a tagged request to a target that is right only for this tag. So
        // the target is kept for later requests only if the request had no tag.
        if let Some(url) = redirected.filter(|_| request.tag == Tag::None)
            && !(300..400).contains(&answer.status())
        {
            place.pin(url);
            if !place.takes_tags() {
                self.session().forbid_tags();
            }
        }
        Ok(Ok(answer))
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

/// The error of a fetch, with the latest message of the network.
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

/// A fetch in progress. When it is dropped, the unused part of its budget is returned.
struct Held<'c> {
    client: &'c Client,
    fetch: Fetch,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.fetch.cancel(&mut self.client.session());
    }
}

pub(super) fn misuse(place: Location, why: &str) -> Error {
    Error::Remote { place, kind: ErrorKind::Misuse, source: why.into() }
}
