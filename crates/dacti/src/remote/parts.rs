//! A package in parts that is fetched over a network. The head is in memory, and every other read
//! is split into ranges of immutable objects.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Reading".

use super::{Fetching, Remote, RemoteFile};
use crate::fetch::source::Doubt;
use crate::{Error, ErrorKind, HEAD_LEN, View};
use core::future::Future;
use core::pin::Pin;
use dacti_cdn::parts::{PartsHead, PartsRegion, is_in_parts};
use dacti_http::Stats;
use daicon_core::Span;
use futures_util::future::try_join_all;
use futures_util::lock::Mutex;
use std::collections::HashSet;
use std::io;
use std::sync::{self, Arc, PoisonError};

/// A range of an object. `name` is relative to the head's folder.
#[derive(Debug, Clone)]
pub(crate) struct PartRange {
    pub(crate) name: String,
    /// The length that the object must have, in bytes.
    pub(crate) len: u64,
    /// The wanted bytes, relative to the object's start.
    pub(crate) span: Span,
}

/// A transport that also fetches objects beside the head.
pub(crate) trait PartTransport: Remote {
    /// Fetches a range of an object. An object of another length counts as missing; the error then
    /// has the kind `Stale`.
    fn fetch_part(self: Arc<Self>, part: PartRange, past_caches: bool) -> Fetching<Vec<u8>>;

    /// Fetches the current head, past all caches. Returns `None` if the fetched head is older than
    /// a head that was fetched before, or if it cannot be read.
    fn fresh_head(self: Arc<Self>) -> Fetching<Option<Vec<u8>>>;

    /// Waits for an upload. `n` is the number of the wait, counted from 0. Returns `false` if there
    /// are no more waits.
    fn wait_for_upload(self: Arc<Self>, n: u32) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

/// Returns a transport for the form in which the package is published. The head of the package
/// tells the form.
pub(crate) fn of_its_form<T: PartTransport + 'static>(transport: T) -> Arc<dyn Remote> {
    let transport = Arc::new(transport);
    if !is_in_parts(&transport.file().head) {
        return transport;
    }
    Arc::new(PartsRemote::new(transport))
}

/// A package in parts.
#[derive(Debug)]
struct PartsRemote<T> {
    transport: Arc<T>,
    file: RemoteFile,
    /// The list of parts of the view's head.
    own: Option<Arc<PartsRegion>>,
    /// The latest list of parts; `None` if the head is wrong. In this case, the reader of the head
    /// reports the fault.
    region: sync::Mutex<Option<Arc<PartsRegion>>>,
    /// Spans whose bytes were wrong once. They are fetched past all caches.
    doubted: sync::Mutex<HashSet<Span>>,
    look_lock: Mutex<()>,
}

impl<T: PartTransport + 'static> PartsRemote<T> {
    fn new(transport: Arc<T>) -> Self {
        let of_head = transport.file();
        let head = of_head.head.clone();
        let parsed = PartsHead::parse(&head).ok();
        let len = parsed.as_ref().map_or(HEAD_LEN, |parsed| parsed.len);
        let RemoteFile { read_len, concurrency, has_budget, .. } = *of_head;
        let file = RemoteFile { read_len, concurrency, has_budget, ..RemoteFile::new(head, len) };
        let own = parsed.map(|parsed| Arc::new(parsed.region));
        let region = sync::Mutex::new(own.clone());
        let (doubted, look_lock) = (sync::Mutex::default(), Mutex::default());
        Self { transport, file, own, region, doubted, look_lock }
    }

    fn region(&self) -> Option<Arc<PartsRegion>> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches `span` with the given list of parts. All parts are requested at once.
    async fn fetch_by(&self, region: &Arc<PartsRegion>, span: Span) -> Result<Vec<u8>, Error> {
        let past_caches = {
            let doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
            doubted.iter().any(|doubted| doubted.overlaps(&span))
        };
        // A later list may have other bytes at the second start of a part, but never at the first
        // one. So the positions are converted to first starts.
        let later = self.own.as_ref().filter(|own| !Arc::ptr_eq(own, region));
        let spans = later.map_or_else(|| vec![span], |own| own.list.settled(span));
        let mut reads = Vec::new();
        for span in spans {
            reads.extend(region.list.resolve(span).map_err(dacti_cdn::Error::from)?);
        }
        let fetches = reads.into_iter().map(|read| {
            let name = format!("{}{}", region.prefix, read.entry.object_name(read.object));
            let len = read.entry.object_span(read.object).len();
            let part = PartRange { name, len, span: read.range };
            Arc::clone(&self.transport).fetch_part(part, past_caches)
        });
        let mut pieces = try_join_all(fetches).await?;
        match &mut pieces[..] {
            [only] => Ok(core::mem::take(only)),
            pieces => Ok(pieces.concat()),
        }
    }

    /// Fetches the head past all caches. If the head belongs to a later publication than `used`,
    /// its list of parts is used from now on. Returns whether the list now differs from `used`.
    async fn look(&self, used: &Arc<PartsRegion>) -> Result<bool, Error> {
        let is_used =
            |region: Option<Arc<PartsRegion>>| region.is_some_and(|now| Arc::ptr_eq(&now, used));
        // While this fetch waited for the lock, another may have fetched the head.
        let _one = self.look_lock.lock().await;
        if !is_used(self.region()) {
            return Ok(true);
        }
        let Some(head) = Arc::clone(&self.transport).fresh_head().await? else { return Ok(false) };
        let Ok(parsed) = PartsHead::parse(&head) else { return Ok(false) };
        if parsed.region.sequence <= used.sequence {
            return Ok(false);
        }
        let now = Some(Arc::new(parsed.region));
        *self.region.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(true)
    }

    /// Fetches `span`. If a part is missing, looks for the same bytes in the list of the current
    /// head, which may name another part. If this does not help, waits and tries again, because the
    /// part may not be uploaded yet.
    async fn fetch_patiently(&self, span: Span) -> Result<Vec<u8>, Error> {
        // spec: R-PART-13
        let mut waits = 0_u32;
        let mut region = self.region().ok_or_else(no_list)?;
        loop {
            let error = match self.fetch_by(&region, span).await {
                Err(error) if is_missing(&error) => error,
                result => return result,
            };
            if !self.look(&region).await? {
                if !Arc::clone(&self.transport).wait_for_upload(waits).await {
                    return Err(missing(error));
                }
                waits = waits.saturating_add(1);
            }
            region = self.region().ok_or_else(no_list)?;
        }
    }
}

fn is_missing(error: &Error) -> bool {
    let kinds = [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Stale];
    matches!(error, Error::Remote { kind, .. } if kinds.contains(kind))
}

/// Returns the error of a part that is still missing after all waits.
fn missing(error: Error) -> Error {
    let Error::Remote { place, kind, source } = error else { return error };
    let text = format!(
        "this part of the package is missing, although the head names it: {source}; if its upload \
         is not in progress, publish the package again"
    );
    Error::Remote { place, kind, source: text.into() }
}

fn no_list() -> Error {
    Error::io("read", "".as_ref(), io::ErrorKind::InvalidData.into())
}

impl<T: PartTransport + 'static> Remote for PartsRemote<T> {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn is_in_parts(&self) -> bool {
        true
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move { self.fetch_patiently(span).await })
    }

    fn stats(&self) -> Stats {
        self.transport.stats()
    }

    fn is_final(&self, span: Span) -> bool {
        span.end <= HEAD_LEN
    }

    fn doubt(&self, span: Span, _: Doubt) -> Result<bool, Error> {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        // The next fetch bypasses all caches. If its bytes are wrong, too, the object at the origin
        // is damaged.
        Ok(doubted.insert(span))
    }

    fn ended(&self) -> Option<Error> {
        self.transport.ended()
    }

    fn confirmed(self: Arc<Self>) -> Fetching<()> {
        // A part's name is the hash of its bytes, so the head need not be checked again.
        Box::pin(async move { self.transport.ended().map_or(Ok(()), Err) })
    }

    fn reloaded(self: Arc<Self>, n: u32) -> Fetching<Option<Arc<dyn Remote>>> {
        Arc::clone(&self.transport).reloaded(n)
    }

    fn opened(&self, view: &View) {
        self.transport.opened(view);
    }
}
