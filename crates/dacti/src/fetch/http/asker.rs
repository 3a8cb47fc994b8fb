//! Single requests whose answers are returned unchanged, for checks of hosts and caches.
//!
//! This module repeats no request and judges no answer. Readers of packages use sessions instead.

use super::HttpOptions;
use super::client::misuse;
use super::exchange::HttpEnd;
use super::network::{ended, headers, origin, parse, redirect};
use crate::fetch::{Location, tls};
use crate::remote::Runner;
use crate::{Error, ErrorKind};
use core::time::Duration;
use dacti_http::End;
use daicon_core::Span;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

/// The maximum number of redirects that one request follows.
const HOPS_MAX: usize = 10;
/// The maximum time for one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_mins(1);

/// Sends single requests, and returns the answers as they are.
#[derive(Debug)]
pub struct HttpAsker {
    http: reqwest::Client,
    headers: HeaderMap,
    header_origins: Vec<String>,
    runner: Runner,
}

/// A server's answer to one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlainAnswer {
    /// The status.
    pub status: u16,
    /// The version of the protocol, such as `HTTP/1.1`.
    pub version: String,
    /// The header fields. Their names are in lower case.
    pub fields: Vec<(String, String)>,
    /// The first bytes of the body. The caller limits their number.
    pub body: Vec<u8>,
    /// Whether the body broke off before its end, and before the caller had all wanted bytes.
    pub is_cut: bool,
    /// The number of redirects that were followed.
    pub redirects: usize,
    /// Whether a redirect led from https to http. Such a redirect is not followed.
    pub leaves_https: bool,
}

impl PlainAnswer {
    /// Returns the value of a field; `None` if the answer lacks it. `name` is in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the answer has exactly the bytes of `span`, according to its status, its
    /// `Content-Range` and the length of its body.
    #[must_use]
    pub fn is_range(&self, span: Span) -> bool {
        let last = span.end.saturating_sub(1);
        let range = format!("{}-{last}/", span.start);
        let given = self.field("content-range").and_then(|value| value.strip_prefix("bytes "));
        self.status == 206
            && !self.is_cut
            && given.is_some_and(|given| given.trim_start().starts_with(&range))
            && u64::try_from(self.body.len()) == Ok(span.len())
    }

    /// Returns the total length that the `Content-Range` states.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.field("content-range")?.rsplit_once('/')?.1.trim().parse().ok()
    }
}

impl HttpAsker {
    /// Returns an asker that sends the header fields of `options` only to the origins of `urls`.
    ///
    /// # Errors
    /// `Remote` if one of `urls` is not an http or https URL, or if a header field is invalid.
    pub fn new(urls: &[&str], options: &HttpOptions) -> Result<Self, Error> {
        tls::choose_provider();
        let mut header_origins = Vec::new();
        let mut shown = Location::from("");
        for url in urls {
            shown = Location::from(*url);
            let parsed = parse(url)?;
            if !matches!(parsed.scheme(), "http" | "https") {
                return Err(misuse(
                    shown,
                    "this is not an http or https URL: give an http or https URL",
                ));
            }
            header_origins.push(origin(&parsed));
        }
        for further in &options.header_origins {
            header_origins.push(origin(&parse(further)?));
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .user_agent(concat!("dacti/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| misuse(shown.clone(), &crate::fetch::chain(&error)))?;
        let headers = headers(&options.headers, &shown)?;
        Ok(Self { http, headers, header_origins, runner: Runner::new()? })
    }

    /// Requests `span` of the file at `url`, with the header fields that readers send and those in
    /// `more`. The answer keeps one byte more than `span`, so that a body that is too long is
    /// detected.
    ///
    /// # Errors
    /// The errors of [`ask`](Self::ask).
    pub fn ask_range(
        &self,
        url: &str,
        span: Span,
        more: &[(&'static str, &str)],
    ) -> Result<PlainAnswer, Error> {
        let range = format!("bytes={}-{}", span.start, span.end.saturating_sub(1));
        let mut fields = vec![("range", range.as_str())];
        fields.extend(more);
        if !more.iter().any(|(name, _)| *name == "accept-encoding") {
            fields.push(("accept-encoding", "identity"));
        }
        self.ask(url, &fields, span.len().saturating_add(1))
    }

    /// Sends one request with these header fields, follows its redirects, and returns the answer
    /// with at most `body_max` bytes of its body.
    ///
    /// # Errors
    /// `Remote` if there was no answer.
    pub fn ask(
        &self,
        url: &str,
        fields: &[(&'static str, &str)],
        body_max: u64,
    ) -> Result<PlainAnswer, Error> {
        let parsed = parse(url)?;
        let place = Location::from(url);
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_str(value);
            let invalid = "a header field has an invalid value";
            let value = value.map_err(|_| misuse(place.clone(), invalid))?;
            map.insert(HeaderName::from_static(name), value);
        }
        let asking = Asking {
            http: self.http.clone(),
            headers: self.headers.clone(),
            header_origins: self.header_origins.clone(),
            fields: map,
            place: place.clone(),
            body_max,
        };
        self.runner.wait(async move {
            match timeout(ANSWER_TIME_MAX, asking.answer(parsed)).await {
                Ok(answer) => answer,
                Err(_) => Err(unavailable(place, "the server did not answer in time")),
            }
        })
    }
}

/// One request in progress.
struct Asking {
    http: reqwest::Client,
    headers: HeaderMap,
    header_origins: Vec<String>,
    fields: HeaderMap,
    place: Location,
    body_max: u64,
}

impl Asking {
    async fn answer(self, mut url: Url) -> Result<PlainAnswer, Error> {
        let mut redirects = 0_usize;
        loop {
            let is_named = self.header_origins.contains(&origin(&url));
            let mut fields = if is_named { self.headers.clone() } else { HeaderMap::new() };
            fields.extend(self.fields.clone());
            let sent = self.http.get(url.clone()).headers(fields).send().await;
            let answer = sent.map_err(|error| self.failed(error))?;
            match redirect(&answer, &url).filter(|_| redirects < HOPS_MAX) {
                Some(next) => {
                    redirects = redirects.saturating_add(1);
                    url = next;
                }
                None => return Ok(self.read(answer, &url, redirects).await),
            }
        }
    }

    fn failed(&self, error: reqwest::Error) -> Error {
        let HttpEnd { end, cause } = ended(error);
        let why = match end {
            End::Unreachable => "the server cannot be reached",
            End::Tls => "the connection failed at TLS",
            _ => "the server broke off the connection",
        };
        let why = cause.map_or(why.into(), |cause| format!("{why} ({cause})"));
        unavailable(self.place.clone(), &why)
    }

    async fn read(
        &self,
        mut answer: reqwest::Response,
        url: &Url,
        redirects: usize,
    ) -> PlainAnswer {
        let fields = answer.headers().iter();
        let fields = fields.map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let (status, version) = (answer.status().as_u16(), format!("{:?}", answer.version()));
        let leaves_https = url.scheme() == "https" && answer.status().is_redirection();
        let mut read = PlainAnswer {
            fields: fields.collect(),
            status,
            version,
            redirects,
            leaves_https,
            ..PlainAnswer::default()
        };
        let body_max = usize::try_from(self.body_max).unwrap_or(usize::MAX);
        while read.body.len() < body_max {
            match answer.chunk().await {
                Ok(Some(bytes)) => {
                    let left = body_max.saturating_sub(read.body.len());
                    read.body.extend(bytes.iter().take(left));
                }
                Ok(None) => break,
                Err(_) => {
                    read.is_cut = true;
                    break;
                }
            }
        }
        read
    }
}

fn unavailable(place: Location, why: &str) -> Error {
    Error::Remote { place, kind: ErrorKind::Unavailable, source: why.into() }
}

#[cfg(test)]
mod tests {
    use super::PlainAnswer;
    use daicon_core::Span;

    #[test]
    fn a_range_has_the_right_status_place_and_length() {
        let answer = |status, range: &str, len| PlainAnswer {
            status,
            fields: vec![("content-range".into(), range.into())],
            body: vec![0; len],
            ..PlainAnswer::default()
        };
        let span = Span { start: 5, end: 8 };
        assert!(answer(206, "bytes 5-7/100", 3).is_range(span));
        assert!(answer(206, "bytes 5-7/*", 3).is_range(span));
        assert_eq!(answer(206, "bytes 5-7/100", 3).total(), Some(100));
        assert_eq!(answer(206, "bytes 5-7/*", 3).total(), None);
        for wrong in [
            answer(200, "bytes 5-7/100", 3),
            answer(206, "bytes 5-77/100", 3),
            answer(206, "bytes 4-7/100", 3),
            answer(206, "5-7/100", 3),
            answer(206, "bytes 5-7/100", 4),
            PlainAnswer { is_cut: true, ..answer(206, "bytes 5-7/100", 3) },
        ] {
            assert!(!wrong.is_range(span), "{wrong:?}");
        }
    }
}
