//! Answers: status, fields and body.
//!
//! Answers with files have no validators. If the package grows between two answers, their
//! validators would differ, and a cache that compares them would stop its transfer.
//! `docs/spec/dacti-cdn.md` has the details.

use crate::body::Body;
use crate::lifetime::Lifetimes;
use crate::opened::Opened;
use crate::range::{Asked, asked};
use crate::read::{PIECE, read_later, read_now};
use bytes::Bytes;
use core::ops::Range;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, IF_RANGE, LOCATION, RANGE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use std::io;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) type Answer = Response<Body>;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The fields of an answer that scripts of other sites may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "accept-ranges, content-disposition, content-encoding, content-length, content-location, \
     content-range, etag, x-ipfs-path, x-ipfs-roots",
);
/// The request fields that scripts of other sites may send.
const ALLOWED: HeaderValue = HeaderValue::from_static("range, if-none-match, if-range");
/// Seconds after which a client may try again.
const SOON: HeaderValue = HeaderValue::from_static("1");
const ORIGINS: HeaderValue = HeaderValue::from_static("*");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Returns whether a field `If-None-Match` names `tag`, the `ETag` of an answer. `*` names every
/// `ETag`, and a weak `ETag` equals a strong one.
pub(crate) fn names(if_none_match: Option<&HeaderValue>, tag: Option<&HeaderValue>) -> bool {
    fn opaque(tag: &str) -> &str {
        tag.strip_prefix("W/").unwrap_or(tag)
    }
    let tags = if_none_match.and_then(|tags| tags.to_str().ok());
    let tag = tag.and_then(|tag| tag.to_str().ok()).map(opaque);
    tags.zip(tag).is_some_and(|(tags, tag)| {
        tags.split(',').map(str::trim).any(|known| known == "*" || opaque(known) == tag)
    })
}

/// The request's header fields that the server reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'r> {
    headers: &'r HeaderMap,
    /// Whether the client asks for the header fields only.
    head: bool,
    lifetimes: &'r Lifetimes,
}

impl<'r> Request<'r> {
    pub(crate) const fn new(headers: &'r HeaderMap, head: bool, lifetimes: &'r Lifetimes) -> Self {
        Self { headers, head, lifetimes }
    }

    pub(crate) const fn lifetimes(&self) -> &'r Lifetimes {
        self.lifetimes
    }

    /// Returns whether the client asks for the header fields only.
    pub(crate) const fn is_head(&self) -> bool {
        self.head
    }

    pub(crate) fn field(&self, name: &HeaderName) -> Option<&'r HeaderValue> {
        self.headers.get(name)
    }

    /// Returns the wanted range. Returns `None` for a HEAD request, and if `If-Range` differs from
    /// `tag`.
    pub(crate) fn range(&self, tag: Option<&HeaderValue>) -> Option<&'r [u8]> {
        if self.head || self.field(&IF_RANGE).is_some_and(|wanted| Some(wanted) != tag) {
            return None;
        }
        self.field(&RANGE).map(HeaderValue::as_bytes)
    }

    /// Returns whether the client accepts a Brotli stream: `Accept-Encoding` lists `br` without a
    /// weight.
    pub(crate) fn accepts_brotli(&self) -> bool {
        let accepted = self.field(&ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        accepted.is_some_and(|codings| codings.split(',').any(|coding| coding.trim() == "br"))
    }
}

/// Answers with a file, or a part of it.
///
/// # Errors
/// `PermissionDenied` if the file has a private key, or an error of the file.
pub(crate) async fn file(opened: &Opened, path: &str, request: &Request<'_>) -> io::Result<Answer> {
    let asked = asked(request.range(None), opened.len);
    let lifetime = request.lifetimes.of(opened.kind, &asked);
    let span = match &asked {
        Asked::Whole | Asked::Several => 0..opened.len,
        Asked::Part { bytes, .. } => bytes.clone(),
        Asked::Unsatisfiable => 0..0,
    };
    let body = if request.head { Body::empty() } else { read(opened, span).await? };
    Ok(part(&asked, opened.len, content_type(path), lifetime, |_| body))
}

/// Returns the body of a span. A short body is read at once, so that it is sent together with the
/// header fields.
async fn read(opened: &Opened, span: Range<u64>) -> io::Result<Body> {
    let file = &opened.file;
    let len = usize::try_from(span.end.saturating_sub(span.start)).unwrap_or(usize::MAX);
    if let Some(searched) = &opened.searched {
        if searched.is_secret() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        // A short body lies in at most two chunks, which are searched here. A longer body searches
        // its further chunks as it is sent.
        let last = if len <= PIECE { span.end.saturating_sub(1) } else { span.start };
        for at in [span.start, last.max(span.start)] {
            if !span.is_empty() && !searched.is_clean(at) {
                Arc::clone(searched).search(Arc::clone(file), at).await?;
            }
        }
    }
    if len <= PIECE {
        let read = match read_now(file, span.start, len) {
            Some(read) => read,
            None => read_later(Arc::clone(file), span.start, len).await,
        };
        // If this read is short or fails, the body reads the bytes again.
        if let Ok(bytes) = read
            && bytes.len() == len
        {
            return Ok(Body::whole(bytes));
        }
    }
    Ok(Body::file(Arc::clone(file), span, opened.searched.clone()))
}

/// Answers with the part that `asked` names. The file or region has `len` bytes.
pub(crate) fn part(
    asked: &Asked,
    len: u64,
    kind: HeaderValue,
    lifetime: &HeaderValue,
    body: impl FnOnce(Range<u64>) -> Body,
) -> Answer {
    match asked {
        Asked::Whole | Asked::Several => {
            let mut answer = whole(kind, lifetime, body(0..len));
            answer.headers_mut().insert(CONTENT_LENGTH, len.into());
            answer
        }
        Asked::Part { bytes, .. } => {
            let last = bytes.end.saturating_sub(1);
            let mut answer = whole(kind, lifetime, body(bytes.clone()));
            let len_of_part = bytes.end.saturating_sub(bytes.start);
            answer.headers_mut().insert(CONTENT_LENGTH, len_of_part.into());
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            content_range(&mut answer, format!("bytes {}-{last}/{len}", bytes.start));
            answer
        }
        Asked::Unsatisfiable => {
            let mut answer = empty(StatusCode::RANGE_NOT_SATISFIABLE, lifetime);
            content_range(&mut answer, format!("bytes */{len}"));
            answer
        }
    }
}

/// Answers with a whole body.
pub(crate) fn whole(kind: HeaderValue, lifetime: &HeaderValue, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(ACCEPT_RANGES, BYTES);
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    shared(headers, lifetime);
    answer
}

/// Answers with a body whose length is not known before it is sent, and that has no ranges.
pub(crate) fn stream(kind: HeaderValue, lifetime: &HeaderValue, body: Body) -> Answer {
    let mut answer = whole(kind, lifetime, body);
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    answer
}

/// Answers with a status alone.
pub(crate) fn without_body(status: StatusCode) -> Answer {
    empty(status, &NO_STORE)
}

/// Answers with an index page. The answer holds the permit until the client has received the page.
pub(crate) fn page(text: String, request: &Request<'_>, turn: OwnedSemaphorePermit) -> Answer {
    let bytes = Bytes::from(text);
    let len = bytes.len();
    let body = if request.head { Body::empty() } else { Body::held(bytes, turn) };
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let mut answer = whole(html, &NO_STORE, body);
    let headers = answer.headers_mut();
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_LENGTH, len.into());
    // The policy stops scripts, even if the name of a file contains a script.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    answer
}

/// Answers with a page from memory. No cache keeps it, because it may differ after the next start
/// of the server.
pub(crate) fn memory(content: Bytes, path: &str, request: &Request<'_>) -> Answer {
    let len = content.len();
    let body = if request.head { Body::empty() } else { Body::whole(content) };
    let mut answer = whole(content_type(path), &NO_STORE, body);
    let headers = answer.headers_mut();
    headers.remove(ACCEPT_RANGES);
    headers.insert(CONTENT_LENGTH, len.into());
    answer
}

/// Changes an answer with a page into the answer for a missing file.
pub(crate) fn set_missing(answer: &mut Answer) {
    *answer.status_mut() = StatusCode::NOT_FOUND;
    let headers = answer.headers_mut();
    headers.remove(ACCEPT_RANGES);
    headers.insert(CACHE_CONTROL, NO_STORE);
}

/// Answers that the client's copy is current.
pub(crate) fn unchanged(lifetime: &HeaderValue) -> Answer {
    empty(StatusCode::NOT_MODIFIED, lifetime)
}

/// Answers with a status, and with the reason as text.
pub(crate) fn failed(status: StatusCode, why: &str) -> Answer {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut answer = whole(text, &NO_STORE, Body::whole(format!("{why}\n").into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.remove(ACCEPT_RANGES);
    match status {
        StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(ALLOW, METHODS)),
        StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(RETRY_AFTER, SOON)),
        _ => {}
    }
    answer
}

/// Answers a browser that asks whether scripts of other sites may read (a CORS preflight).
pub(crate) fn preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT, &NO_STORE);
    let headers = answer.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    answer
}

/// Redirects to a directory whose final `/` is missing.
pub(crate) fn moved(to: &str) -> Answer {
    let mut answer = empty(StatusCode::MOVED_PERMANENTLY, &NO_STORE);
    if let Ok(to) = HeaderValue::try_from(to) {
        answer.headers_mut().insert(LOCATION, to);
    }
    answer
}

/// Returns the media type for the path of a file or region.
pub(crate) fn content_type(path: &str) -> HeaderValue {
    if path.ends_with(".dacti-pack") {
        return HeaderValue::from_static("application/prs.dacti-pack");
    }
    let octets = HeaderValue::from_static("application/octet-stream");
    known_type(path).and_then(|kind| HeaderValue::try_from(kind).ok()).unwrap_or(octets)
}

/// Returns the media type of a path's extension; `None` if it is unknown.
pub(crate) fn known_type(path: &str) -> Option<String> {
    Some(match mime_guess::from_path(path).first_raw()? {
        // Text files of packages and sites are taken to be UTF-8.
        text @ ("text/html" | "text/css" | "text/plain" | "text/javascript" | "text/markdown") => {
            format!("{text}; charset=utf-8")
        }
        other => other.into(),
    })
}

fn empty(status: StatusCode, lifetime: &HeaderValue) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    shared(answer.headers_mut(), lifetime);
    answer
}

fn shared(headers: &mut HeaderMap, lifetime: &HeaderValue) {
    headers.insert(CACHE_CONTROL, lifetime.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ORIGINS);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
}

fn content_range(answer: &mut Answer, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(CONTENT_RANGE, value);
    }
}
