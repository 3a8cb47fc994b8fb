//! A package under a URL as a source: blocking reads over a session of requests.
//!
//! The requests run on a runtime of the source's own, so that it can be read from any thread, a
//! runtime's among them.

use super::HttpOptions;
use super::ahead::Ahead;
use super::client::{Client, Failed, Sink};
use crate::source::{Doubt, ReadAt, write_file_at};
use crate::view::read_failed;
use crate::{Error, HEAD_LEN};
use dacti_http::{Fetch, Grid, Stats};
use daicon_core::Span;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// A package under an `http` or `https` URL.
///
/// The head is fetched when it is opened; all else by the rules of `docs/spec/dacti-http.md`, each
/// range by itself.
#[derive(Debug)]
pub struct HttpSource {
    client: Arc<Client>,
    /// Where the head is, if not there too.
    head_client: Option<Arc<Client>>,
    runtime: Option<Runtime>,
    head: Vec<u8>,
    len: u64,
    read_len: usize,
    ahead: Mutex<Ahead<Begun>>,
    /// The file, where the server has no ranges.
    whole: OnceLock<File>,
    whole_lock: Mutex<()>,
}

/// A read that was begun ahead. It is given up where it is dropped.
#[derive(Debug)]
struct Begun {
    bytes: Receiver<Result<Vec<u8>, Error>>,
    task: AbortHandle,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HttpSource {
    /// Fetches the head of the package at `url`.
    ///
    /// # Errors
    /// `Remote`.
    pub fn open(url: &str, options: &HttpOptions) -> Result<Self, Error> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let head_url = options.head_url.as_deref();
        let head_client = head_url.map(|url| Client::new(url, options)).transpose()?;
        let mut source = Self {
            client: Arc::new(Client::new(url, options)?),
            head_client: head_client.map(Arc::new),
            runtime: Some(
                runtime.map_err(|error| Error::io("start threads for", "".as_ref(), error))?,
            ),
            head: Vec::new(),
            len: 0,
            read_len: options.read_len.max(1),
            ahead: Mutex::new(Ahead::new(options.concurrency.max(1))),
            whole: OnceLock::new(),
            whole_lock: Mutex::default(),
        };
        let fetch = source.head_client().session().head();
        source.take_head(fetch)?;
        if let Some(head) = &source.head_client {
            // Both spend of one budget.
            let spent = head.session().stats();
            source.client.session().spend(spent.requests, spent.bytes);
        }
        Ok(source)
    }

    /// Fetches the head again, past all caches.
    pub(crate) fn reload(&mut self) -> Result<(), Error> {
        let fetch = self.head_client().session().reload_head();
        self.take_head(fetch)
    }

    fn take_head(&mut self, fetch: Fetch) -> Result<(), Error> {
        let (head, fetch) = self.wait_on(self.head_client(), fetch, Vec::new())?;
        // What a server without a word on the length has is known no better than this, and a copy
        // of the head says nothing about the rest.
        let len = fetch.file_len().filter(|_| self.head_client.is_none());
        self.len = len.unwrap_or(u64::MAX >> 1);
        self.head = head;
        Ok(())
    }

    /// The head as it is now, past all caches.
    pub(crate) fn fresh_head(&self) -> Result<Vec<u8>, Error> {
        let fetch = self.head_client().session().reload_head();
        Ok(self.wait_on(self.head_client(), fetch, Vec::new())?.0)
    }

    /// Tells the session what the layout says.
    pub(crate) fn set_grid(&self, grid: Grid) {
        self.client.session().set_grid(grid);
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    fn head_client(&self) -> &Arc<Client> {
        self.head_client.as_ref().unwrap_or(&self.client)
    }

    /// What was spent so far, and what was met.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = self.client.session().stats();
        match &self.head_client {
            Some(head) => stats.and(head.session().stats()),
            None => stats,
        }
    }

    /// Whether the file was read whole, as the server has no ranges.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole.get().is_some()
            || self.in_head(Span { start: 0, end: self.len }).is_some() && self.stats().whole > 0
    }

    /// Starts `fetch` and says where its bytes will come.
    fn start<S: Sink + 'static>(
        &self,
        client: &Arc<Client>,
        fetch: Fetch,
        mut sink: S,
    ) -> io::Result<Receiver<Result<(S, Fetch), Error>>> {
        let (sender, receiver) = sync_channel(1);
        let client = Arc::clone(client);
        let runtime = self.runtime.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        runtime.spawn(async move {
            let result = client.fetch(fetch, &mut sink).await;
            // Nobody waits for what was given up.
            let _ = sender.send(result.map(|fetch| (sink, fetch)));
        });
        Ok(receiver)
    }

    /// Waits for `fetch`, without keeping a runtime from its work.
    fn wait<S: Sink + 'static>(&self, fetch: Fetch, sink: S) -> Result<(S, Fetch), Error> {
        self.wait_on(&self.client, fetch, sink)
    }

    fn wait_on<S: Sink + 'static>(
        &self,
        client: &Arc<Client>,
        fetch: Fetch,
        sink: S,
    ) -> Result<(S, Fetch), Error> {
        let receiver = self.start(client, fetch, sink).map_err(read_failed)?;
        receiver.recv().map_err(|_| read_failed(io::ErrorKind::NotConnected.into()))?
    }

    fn in_head(&self, span: Span) -> Option<&[u8]> {
        span.slice_of(&self.head, 0)
    }

    /// The bytes of `span`, read ahead or fetched now.
    fn fetch(&self, span: Span) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = self.take_ahead(span) {
            return bytes;
        }
        let fetch = self.client.session().fetch(span);
        match self.wait(fetch, Vec::new()) {
            Ok((bytes, _)) => Ok(bytes),
            Err(error) => self.fetch_whole(error, span),
        }
    }

    /// Takes the file as a whole where ranges do not work, and the bytes of `span` from it.
    fn fetch_whole(&self, error: Error, span: Span) -> Result<Vec<u8>, Error> {
        let Some(&dacti_http::Error::NoRanges { len, .. }) = http_error(&error) else {
            return Err(error);
        };
        let guard = self.whole_lock.lock().unwrap_or_else(PoisonError::into_inner);
        if self.whole.get().is_none() {
            let fetch = self.client.session().whole(len);
            let fetch = fetch.map_err(|error| self.client.failed(error, None))?;
            let file = tempfile::tempfile().map_err(read_failed)?;
            let (file, _) = self.wait(fetch, Spool(file))?;
            // Nobody else sets it while this one has the lock.
            let _ = self.whole.set(file.0);
        }
        drop(guard);
        self.read_whole(span).unwrap_or(Err(error))
    }

    fn read_whole(&self, span: Span) -> Option<Result<Vec<u8>, Error>> {
        let file = self.whole.get()?;
        let mut bytes = Vec::new();
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let end = span.end.min(len);
        let part = usize::try_from(end.saturating_sub(span.start)).unwrap_or(0);
        bytes.resize(part, 0);
        let filled = crate::source::read_full_of(
            |at, buf| crate::source::read_file_at(file, at, buf),
            span.start,
            &mut bytes,
        );
        Some(filled.map_err(read_failed).map(|filled| {
            bytes.truncate(filled);
            bytes
        }))
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead<Begun>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read ahead of `span`, where it was, and begins the next reads.
    fn take_ahead(&self, span: Span) -> Option<Result<Vec<u8>, Error>> {
        let begun = self.ahead().take(span)?;
        let bytes = begun.bytes.recv().ok();
        self.begin_ahead();
        // A failure is met again by the read that follows, which may know more ways.
        bytes.and_then(Result::ok).map(Ok)
    }

    /// Keeps as many reads under way as there may be.
    fn begin_ahead(&self) {
        let mut ahead = self.ahead();
        while ahead.begin_next(|span| self.begin(span)) {}
    }

    fn begin(&self, span: Span) -> Option<Begun> {
        let fetch = self.client.session().fetch(span);
        let (sender, bytes) = sync_channel(1);
        let client = Arc::clone(&self.client);
        let task = self.runtime.as_ref()?.spawn(async move {
            let mut bytes = Vec::new();
            let result = client.fetch(fetch, &mut bytes).await;
            let _ = sender.send(result.map(|_| bytes));
        });
        Some(Begun { bytes, task: task.abort_handle() })
    }
}

impl Drop for HttpSource {
    fn drop(&mut self) {
        // A runtime may not wait for its threads where it is dropped by another runtime's.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A whole file on its way into a temporary one.
#[derive(Debug)]
struct Spool(File);

impl Sink for Spool {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if at == 0 {
            self.0.set_len(0)?;
        }
        write_file_at(&self.0, at, bytes)
    }
}

impl ReadAt for HttpSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let len = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let bytes = self.read(Span { start: at, end: at.saturating_add(len) })?;
        for (to, from) in buf.iter_mut().zip(&bytes) {
            *to = *from;
        }
        Ok(bytes.len())
    }

    fn slice(&self, span: Span) -> Option<&[u8]> {
        self.in_head(span)
    }

    fn read(&self, span: Span) -> io::Result<Vec<u8>> {
        let span = Span { start: span.start, end: span.end.min(self.len) };
        if span.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(bytes) = self.in_head(span) {
            return Ok(bytes.into());
        }
        if let Some(read) = self.read_whole(span) {
            return read.map_err(io::Error::other);
        }
        self.fetch(span).map_err(io::Error::other)
    }

    fn read_len(&self) -> usize {
        self.read_len
    }

    fn will_read(&self, spans: &[Span]) {
        if spans.len() < 2 || self.whole.get().is_some() {
            return;
        }
        let mut ahead = self.ahead();
        let far = spans.iter().filter(|span| self.in_head(**span).is_none() && !span.is_empty());
        // As they are asked for below.
        far.for_each(|span| ahead.tell(Span { end: span.end.min(self.len), ..*span }));
        drop(ahead);
        self.begin_ahead();
    }

    fn will_not_read(&self, spans: &[Span]) {
        let mut ahead = self.ahead();
        for span in spans {
            drop(ahead.take(*span));
        }
        drop(ahead);
        self.begin_ahead();
    }

    fn doubt(&self, span: Span, why: Doubt) -> io::Result<bool> {
        if self.whole.get().is_some() || span.end <= HEAD_LEN {
            return Ok(false);
        }
        let why = match why {
            Doubt::Digest => dacti_http::Doubt::Digest,
            Doubt::Contradiction => dacti_http::Doubt::Contradiction,
        };
        let doubted = self.client.session().doubt(span, why);
        let Err(error) = doubted else { return Ok(true) };
        // Where another file stands there now, that is the reason.
        super::open::check_replaced(self).map_err(io::Error::other)?;
        Err(io::Error::other(self.client.failed(error, None)))
    }
}

/// What the rules of reading say, in an error of ours.
fn http_error(error: &Error) -> Option<&dacti_http::Error> {
    let Error::Remote { source, .. } = error else { return None };
    source.downcast_ref::<Failed>().map(|failed| &failed.error)
}
