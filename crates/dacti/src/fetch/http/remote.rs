//! A file under a URL: its head, and its bytes by the rules of `docs/spec/dacti-http.md`.

use super::HttpOptions;
use super::client::{Client, Failed, Sink};
use super::open::check_replaced;
use crate::fetch::source::{Doubt, read_file_at, read_full_of, write_file_at};
use crate::read::view::read_failed;
use crate::remote::{Fetching, Near, Remote, RemoteFile, identity};
use crate::{Error, HEAD_LEN, View};
use core::future::Future;
use core::pin::Pin;
use dacti_http::{Fetch, Grid, Identity, Stats};
use daicon_core::Span;
use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::sync::Mutex;

/// A file under an `http` or `https` URL.
#[derive(Debug)]
pub(super) struct HttpRemote {
    client: Arc<Client>,
    /// Where the head is, if not there too.
    head_client: Option<Arc<Client>>,
    file: RemoteFile,
    /// The file, where the server has no ranges.
    whole: OnceLock<File>,
    whole_lock: Mutex<()>,
    look_lock: Mutex<()>,
}

impl HttpRemote {
    /// Fetches the head of the file at `url`.
    pub(super) async fn open(url: String, options: HttpOptions) -> Result<Self, Error> {
        let head_url = options.head_url.as_deref();
        let head_client = head_url.map(|url| Client::new(url, &options)).transpose()?;
        let remote = Self {
            client: Arc::new(Client::new(&url, &options)?),
            head_client: head_client.map(Arc::new),
            file: RemoteFile {
                head: Vec::new(),
                len: 0,
                read_len: options.read_len.max(1),
                concurrency: options.concurrency.max(1),
            },
            whole: OnceLock::new(),
            whole_lock: Mutex::default(),
            look_lock: Mutex::default(),
        };
        let fetch = remote.head_client().session().head();
        let remote = remote.with_head(fetch).await?;
        if let Some(head) = &remote.head_client {
            // Both spend of one budget.
            let spent = head.session().stats();
            remote.client.session().spend(spent.requests, spent.bytes);
        }
        Ok(remote)
    }

    /// The same file with the head that `fetch` brings.
    async fn with_head(self, fetch: Fetch) -> Result<Self, Error> {
        let mut head = Vec::new();
        let fetch = self.head_client().fetch(fetch, &mut head).await?;
        // What a server without a word on the length has is known no better than this, and a copy
        // of the head says nothing about the rest.
        let len = fetch.file_len().filter(|_| self.head_client.is_none());
        let file = RemoteFile { head, len: len.unwrap_or(RemoteFile::LEN_UNKNOWN), ..self.file };
        Ok(Self { file, ..self })
    }

    /// The head as it is now, past all caches.
    pub(super) async fn fresh_head(&self) -> Result<Vec<u8>, Error> {
        let fetch = self.head_client().session().reload_head();
        let mut head = Vec::new();
        self.head_client().fetch(fetch, &mut head).await?;
        Ok(head)
    }

    /// Holds a head against the latest that the session has. One that cannot be read by itself says
    /// nothing.
    pub(super) fn judge(&self, head: Option<Identity>) -> Result<(), Error> {
        let Some(head) = head else { return Ok(()) };
        let judged = self.client.session().judge(head);
        judged.map(drop).map_err(|error| self.client.failed(error, None))
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn head_client(&self) -> &Arc<Client> {
        self.head_client.as_ref().unwrap_or(&self.client)
    }

    /// Looks at the head again where what was fetched is of a later state of the file than any that
    /// is known: the digests of another package with the same paths would fit as well.
    async fn look(&self, fetch: &Fetch) -> Result<(), Error> {
        if !self.client.session().wants_look(fetch) {
            return Ok(());
        }
        // Who waits may find that another has looked.
        let _one = self.look_lock.lock().await;
        if self.client.session().wants_look(fetch) {
            check_replaced(self).await?;
            self.client.session().looked(fetch);
        }
        Ok(())
    }

    /// Takes the file as a whole where ranges do not work, and the bytes of `span` from it.
    async fn fetch_whole(&self, error: Error, span: Span) -> Result<Vec<u8>, Error> {
        let Some(&dacti_http::Error::NoRanges { len, .. }) = http_error(&error) else {
            return Err(error);
        };
        let guard = self.whole_lock.lock().await;
        if self.whole.get().is_none() {
            let fetch = self.client.session().whole(len);
            let fetch = fetch.map_err(|error| self.client.failed(error, None))?;
            let mut file = Spool(tempfile::tempfile().map_err(read_failed)?);
            let fetch = self.client.fetch(fetch, &mut file).await?;
            self.look(&fetch).await?;
            // Nobody else sets it while this one has the lock.
            let _ = self.whole.set(file.0);
        }
        drop(guard);
        self.at_hand(span).map_or(Err(error), |bytes| bytes.map_err(read_failed))
    }
}

impl Remote for HttpRemote {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn stats(&self) -> Stats {
        let stats = self.client.session().stats();
        match &self.head_client {
            Some(head) => stats.and(head.session().stats()),
            None => stats,
        }
    }

    fn is_whole(&self) -> bool {
        self.whole.get().is_some()
            || self.in_head(Span { start: 0, end: self.file.len }).is_some()
                && self.stats().whole > 0
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            let fetch = self.client.session().fetch(span);
            let mut bytes = Vec::new();
            match self.client.fetch(fetch, &mut bytes).await {
                Ok(fetch) => self.look(&fetch).await.map(|()| bytes),
                Err(error) => self.fetch_whole(error, span).await,
            }
        })
    }

    fn at_hand(&self, span: Span) -> Option<io::Result<Vec<u8>>> {
        let file = self.whole.get()?;
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let end = span.end.min(len);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(span.start)).unwrap_or(0)];
        let read = |at, buf: &mut [u8]| read_file_at(file, at, buf);
        Some(read_full_of(read, span.start, &mut bytes).map(|filled| {
            bytes.truncate(filled);
            bytes
        }))
    }

    fn is_final(&self, span: Span) -> bool {
        self.whole.get().is_some() || span.end <= HEAD_LEN
    }

    fn doubt(&self, span: Span, why: Doubt) -> Result<bool, Error> {
        let why = match why {
            Doubt::Digest => dacti_http::Doubt::Digest,
            Doubt::Contradiction => dacti_http::Doubt::Contradiction,
        };
        let doubted = self.client.session().doubt(span, why);
        doubted.map(|()| true).map_err(|error| self.client.failed(error, None))
    }

    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        Box::pin(async move { check_replaced(&self).await.err().unwrap_or(error) })
    }

    fn reloaded(self: Arc<Self>) -> Fetching<Option<Arc<dyn Remote>>> {
        Box::pin(async move {
            if !self.client.session().options().tags {
                return Ok(None);
            }
            let again = Self {
                client: Arc::clone(&self.client),
                head_client: self.head_client.clone(),
                file: RemoteFile { head: Vec::new(), ..self.file },
                whole: OnceLock::new(),
                whole_lock: Mutex::default(),
                look_lock: Mutex::default(),
            };
            let fetch = again.head_client().session().reload_head();
            Ok(Some(Arc::new(again.with_head(fetch).await?) as Arc<dyn Remote>))
        })
    }

    fn opened(&self, view: &View) {
        if let Some(layout) = view.layout() {
            let (slice_len, fresh_end) = (layout.slice_len, layout.fresh_end);
            self.client.session().set_grid(Grid { slice_len, fresh_end });
        }
        self.client.session().set_identity(identity(view));
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

/// What the rules of reading say, in an error of ours.
fn http_error(error: &Error) -> Option<&dacti_http::Error> {
    let Error::Remote { source, .. } = error else { return None };
    source.downcast_ref::<Failed>().map(|failed| &failed.error)
}
