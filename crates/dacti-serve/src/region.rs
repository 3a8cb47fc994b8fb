//! Answers a request for a region of a package.

use crate::answer::{self, Answer, Request};
use crate::body::Body;
use crate::lifetime::Lifetimes;
use crate::lookup::{Found, Load, Served, region_work};
use crate::range::{Asked, asked};
use crate::read::PIECE;
use crate::work;
use bytes::Bytes;
use dacti::seal::Verdict;
use dacti::{Encoding, Error, Located, Package};
use hyper::header::{CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

/// A region of at most this many stored and decoded bytes is verified whole before it is sent.
const WHOLE_MAX: u64 = 4 << 20;

/// A region that was found, or the reason why there is none yet.
pub(crate) enum Prepared {
    Page(Box<(Page, Content)>),
    Absent,
    /// The part of the package that has to be loaded first.
    Needs(Load),
}

/// Why a region is looked up.
#[derive(Debug, Clone)]
pub(crate) enum Purpose {
    /// The content is sent, unless the client has a copy. `brotli` tells whether the client decodes
    /// Brotli. `copies` is the field `If-None-Match`: the `ETag` values of the client's copies.
    Answer { brotli: bool, copies: Option<HeaderValue> },
    /// An answer redirects to the region if the region exists.
    Redirect,
}

impl Purpose {
    /// Returns the purpose of a request for a region.
    pub(crate) fn of(request: &Request<'_>) -> Self {
        let copies = request.field(&IF_NONE_MATCH).cloned();
        Self::Answer { brotli: request.accepts_brotli(), copies }
    }
}

/// Finds the region at `path`, and reads it if it is short and is sent. The permit moves to the
/// thread of the work, and is returned with the result. So the permit stays in use until the work
/// ends, even if the client leaves earlier.
pub(crate) async fn prepare(
    served: Arc<Served>,
    path: String,
    purpose: Purpose,
    turn: OwnedSemaphorePermit,
) -> (Result<Prepared, String>, Option<OwnedSemaphorePermit>) {
    // If the client leaves, this future is dropped, and the work ends at its next read.
    let (work, client) = region_work();
    let prepared = spawn_blocking(move || {
        let (prepared, _) = work.run(|| find_and_read(&served, &path, &purpose));
        (prepared, turn)
    });
    let done = prepared.await;
    drop(client);
    match done {
        Ok((prepared, turn)) => (prepared, Some(turn)),
        Err(error) => (Err(error.to_string()), None),
    }
}

fn find_and_read(served: &Served, path: &str, purpose: &Purpose) -> Result<Prepared, String> {
    let located = match served.find(path).map_err(|fault| fault.to_string())? {
        Found::Region(located) => located,
        Found::Absent => return Ok(Prepared::Absent),
        Found::Needs(load) => return Ok(Prepared::Needs(load)),
    };
    let package = served.package();
    let brotli = matches!(purpose, Purpose::Answer { brotli: true, .. });
    let encoded = brotli && located.encoding == Encoding::BROTLI;
    let tag = package.view().layout().and_then(|layout| {
        let id = u128::from_be_bytes(layout.file_id);
        let form = if encoded { "-br" } else { "" };
        HeaderValue::try_from(format!("\"{id:032x}-{:x}{form}\"", located.span.start)).ok()
    });
    let page = Page { located, encoded, tag };
    let content = match purpose {
        Purpose::Answer { copies, .. } if !answer::names(copies.as_ref(), page.tag.as_ref()) => {
            // A long region is read once here. A short region that is encoded is read twice: first
            // to verify it, and then to decode it.
            work::allow(located.span.len().saturating_mul(2));
            page.content(package).map_err(|error| error.to_string())?
        }
        _ => Content::Unread,
    };
    Ok(Prepared::Page(Box::new((page, content))))
}

/// Answers with a region. The answer holds the permit while it uses memory or a thread.
pub(crate) fn answer(
    (page, content): (Page, Content),
    file: Arc<File>,
    path: &str,
    request: &Request<'_>,
    turn: OwnedSemaphorePermit,
) -> Answer {
    let mut answer = page.answer(request, path, content, file, turn);
    page.describe(&mut answer);
    answer
}

/// A region before it is sent.
pub(crate) struct Page {
    located: Located,
    /// Whether the stored Brotli stream is sent.
    encoded: bool,
    /// An `ETag` made of the file id and the region's place. The same `ETag` always names the same
    /// bytes, because an update never overwrites a place that was in use.
    tag: Option<HeaderValue>,
}

/// The content, or its source.
pub(crate) enum Content {
    /// The content was not read, because the client has a copy, or no content is sent.
    Unread,
    Whole(Bytes),
    /// The stored bytes of a long region, which were verified.
    Seek(Box<dacti::RegionSeeker>),
    Stream(Box<dacti::RegionReader>),
}

impl Page {
    fn content(&self, package: &Package) -> Result<Content, Error> {
        let small = self.located.span.len() <= WHOLE_MAX;
        if self.is_as_stored() {
            return Ok(if small {
                Content::Whole(package.stored(&self.located)?.into())
            } else {
                let mut seeker = package.stored_seeker_at(self.located)?;
                seeker.verify()?;
                Content::Seek(Box::new(seeker))
            });
        }
        if small {
            let mut whole = Vec::new();
            let mut content = package.reader_at(self.located)?.take(WHOLE_MAX.saturating_add(1));
            let read = content.read_to_end(&mut whole).map_err(unreadable)?;
            if u64::try_from(read).is_ok_and(|read| read <= WHOLE_MAX) {
                return Ok(Content::Whole(whole.into()));
            }
        }
        let mut reader = package.reader_at(self.located)?;
        reader.verify()?;
        Ok(Content::Stream(Box::new(reader)))
    }

    /// Returns whether the stored bytes are sent without decoding.
    fn is_as_stored(&self) -> bool {
        self.encoded || self.located.encoding == Encoding::NONE
    }

    fn answer(
        &self,
        request: &Request<'_>,
        path: &str,
        content: Content,
        file: Arc<File>,
        turn: OwnedSemaphorePermit,
    ) -> Answer {
        let lifetimes = request.lifetimes();
        let kind = answer::content_type(path);
        let tag = self.tag.as_ref();
        match content {
            Content::Unread => answer::unchanged(lifetimes.short()),
            Content::Whole(bytes) => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let asked = asked(request.range(tag), len);
                answer::part(&asked, len, kind, lifetime(lifetimes, &asked), |span| {
                    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                    Body::held(bytes.slice(at(span.start)..at(span.end)), turn)
                })
            }
            Content::Seek(mut content) => {
                let (start, len) = (self.located.span.start, self.located.span.len());
                let asked = asked(request.range(tag), len);
                answer::part(&asked, len, kind, lifetime(lifetimes, &asked), |span| {
                    // Without a seal there is nothing to check, so the bytes are read directly from
                    // the file.
                    if content.verdict() == Some(Verdict::Unchecked) {
                        let at = |n: u64| start.saturating_add(n);
                        return Body::file(file, at(span.start)..at(span.end), None);
                    }
                    // A seek from the start never fails, even to a position past the end. No bytes
                    // follow there.
                    let _ = content.seek(SeekFrom::Start(span.start));
                    let len = span.end.saturating_sub(span.start);
                    stream(content.take(len), turn)
                })
            }
            Content::Stream(content) => {
                answer::stream(kind, lifetimes.short(), stream(content, turn))
            }
        }
    }

    fn describe(&self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        if let Some(tag) = &self.tag {
            headers.insert(ETAG, tag.clone());
        }
        if self.encoded {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        if self.located.encoding == Encoding::BROTLI {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
    }
}

const fn lifetime<'l>(lifetimes: &'l Lifetimes, asked: &Asked) -> &'l HeaderValue {
    match asked {
        Asked::Unsatisfiable => lifetimes.none(),
        // An update may put another region at this path, so caches keep the answer only for a short
        // time.
        _ => lifetimes.short(),
    }
}

/// Reads the content on a thread that may block, as fast as the client receives it.
fn stream(mut content: impl Read + Send + 'static, turn: OwnedSemaphorePermit) -> Body {
    let (pieces, taken) = mpsc::channel(2);
    spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match content.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // The connection ends within the body, so that the client sees a cut answer.
                    let _ = pieces.blocking_send(Err(error));
                    break;
                }
            };
            piece.truncate(read);
            if pieces.blocking_send(Ok(piece.into())).is_err() {
                // The client is gone.
                break;
            }
        }
        drop(turn);
    });
    Body::pieces(taken)
}

fn unreadable(source: io::Error) -> Error {
    Error::Io { action: "read", path: std::path::PathBuf::new(), source }
}
