//! A file at a URL. Its head and its other bytes are fetched by the rules of
//! `docs/spec/dacti-http.md`.

use super::HttpOptions;
use super::client::{Client, Failed, Sink};
use super::exchange::{HttpClient, PartCache};
use crate::fetch::source::{Doubt, read_full_of};
use crate::fetch::temporary::Temporary;
use crate::read::view::read_failed;
use crate::remote::{
    Fetching, PartRange, PartTransport, Remote, RemoteFile, identity, identity_of_head, of_its_form,
};
use crate::{Error, ErrorKind, HEAD_LEN, View};
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use dacti_http::{Fetch, Grid, News, Stats};
use daicon_core::Span;
use futures_util::lock::Mutex;
use std::io;
use std::sync::{Arc, OnceLock};

/// A file at an `http` or `https` URL.
#[derive(Debug)]
pub(super) struct HttpRemote {
    client: Arc<Client>,
    /// The client for the head's URL, if the head has a URL of its own.
    head_client: Option<Arc<Client>>,
    file: RemoteFile,
    /// The whole file, if the server does not support ranges.
    whole: OnceLock<Temporary>,
    whole_lock: Mutex<()>,
    look_lock: Mutex<()>,
    query_for_parts: bool,
    part_cache: Option<Arc<dyn PartCache>>,
}

impl HttpRemote {
    /// Fetches the head of the package at `url`, which may be one file or in parts.
    pub(super) async fn open(
        http: Arc<dyn HttpClient>,
        url: String,
        options: HttpOptions,
    ) -> Result<Arc<dyn Remote>, Error> {
        Self::of_file(http, url, options).await.map(of_its_form)
    }

    /// Does the same as [`open`](Self::open), for a file whose length must be known. If no answer
    /// to a range request states the length, the file is requested without a range.
    #[cfg(all(feature = "dar", feature = "http"))]
    pub(super) async fn open_sized(
        http: Arc<dyn HttpClient>,
        url: String,
        options: HttpOptions,
    ) -> Result<Arc<dyn Remote>, Error> {
        // spec: R-HTTP-66
        let remote = Self::of_file(http, url, options).await?;
        if remote.file.len < RemoteFile::LEN_UNKNOWN {
            return Ok(of_its_form(remote));
        }
        let has_ranges = remote.stats().whole == 0;
        let len = match remote.read_whole(None).await {
            Ok(file) => file.len(),
            Err(error) => match http_error(&error) {
                // The file is too long to be read whole, but the answer states its length. The
                // bytes can be fetched by ranges.
                Some(&dacti_http::Error::NoRanges { len: Some(len), .. }) if has_ranges => len,
                _ => return Err(error),
            },
        };
        let file = RemoteFile { head: remote.file.head.clone(), len, ..remote.file };
        Ok(of_its_form(Self { file, ..remote }))
    }

    /// Fetches the head of the file at `url`.
    async fn of_file(
        http: Arc<dyn HttpClient>,
        url: String,
        options: HttpOptions,
    ) -> Result<Self, Error> {
        let head_url = options.head_url.as_deref();
        let client_for = |at: &str| Client::new(Arc::clone(&http), at, &options);
        let head_client = head_url.map(client_for).transpose()?;
        let remote = Self {
            client: Arc::new(client_for(&url)?),
            head_client: head_client.map(Arc::new),
            file: RemoteFile {
                head: Vec::new(),
                len: 0,
                len_is_hint: true,
                read_len: options.read_len.max(1),
                concurrency: options.concurrency.max(1),
                has_budget: options.session.bytes_max < u64::MAX,
            },
            whole: OnceLock::new(),
            whole_lock: Mutex::default(),
            look_lock: Mutex::default(),
            query_for_parts: options.query_for_parts,
            part_cache: options.part_cache.clone(),
        };
        let fetch = Fetch::head(&remote.head_client().session());
        let remote = remote.with_head(fetch).await?;
        if let Some(head) = &remote.head_client {
            // The head was fetched by another client, but both clients share one budget.
            let spent = head.session().stats();
            remote.client.session().spend(spent.requests, spent.bytes);
        }
        Ok(remote)
    }

    /// Returns the same file with the head that `fetch` returns.
    async fn with_head(self, fetch: Fetch) -> Result<Self, Error> {
        let mut head = Vec::new();
        let fetch = self.head_client().fetch(fetch, &mut head).await?;
        let read = u64::try_from(head.len()).unwrap_or(u64::MAX);
        // If the head comes from a copy at another URL, the answer does not show the file's length.
        // Otherwise, if the answer shows that it contains the whole file, the number of its bytes
        // is the file's length. In all other cases the length is only a hint.
        let told = fetch.file_len().filter(|_| self.head_client.is_none());
        let ends_here = self.head_client.is_none()
            && (told == Some(read) || (told.is_none() && read < HEAD_LEN));
        let len = if ends_here { read } else { told.unwrap_or(RemoteFile::LEN_UNKNOWN) };
        let file = RemoteFile { head, len, len_is_hint: !ends_here, ..self.file };
        Ok(Self { file, ..self })
    }

    /// Fetches the file's current head, past all caches. If it is the head of another file, the
    /// session ends.
    async fn look(&self) -> Result<(), Error> {
        let own = identity_of_head(self.file.head.clone());
        let known = self.client.session().identity();
        if let (None, Some(own)) = (known, own) {
            // The package is still being opened, so the session does not know its identity yet.
            self.client.session().set_identity(own);
        }
        for n in 0.. {
            let fetch = Fetch::fresh_head(&self.client.session());
            let mut head = Vec::new();
            let fetch = self.client.fetch(fetch, &mut head).await?;
            if let Some(now) = identity_of_head(head) {
                let judged = fetch.judge(&mut self.client.session(), now);
                return judged.map(drop).map_err(|error| self.client.failed(error, None));
            }
            // Some heads cannot be identified, because their tables lie after the head. If the head
            // of this package is one of them, there is nothing to compare.
            if own.is_none() {
                return Ok(());
            }
            let Some(wait) = self.upload_wait(n) else { break };
            self.client.pause(wait).await;
        }
        let ended = self.client.session().end_unreadable();
        Err(self.client.failed(ended, None))
    }

    /// Returns the duration of wait number `n`, counted from 0; `None` if there are no more waits.
    /// Such a wait gives an upload in progress time to end.
    fn upload_wait(&self, n: u32) -> Option<Duration> {
        let options = *self.client.session().options();
        let doubled = 1_u64.checked_shl(n).unwrap_or(u64::MAX);
        let millis = options.upload_wait_millis.saturating_mul(doubled);
        (n < options.upload_waits_max).then(|| Duration::from_millis(millis))
    }

    fn head_client(&self) -> &Arc<Client> {
        self.head_client.as_ref().unwrap_or(&self.client)
    }

    /// Fetches the head again if the bytes of `fetch` may belong to another state of the file.
    /// Digests alone do not show this: another package may have regions with the same paths, and
    /// these regions match their own digests.
    async fn look_after(&self, fetch: &Fetch) -> Result<(), Error> {
        if !fetch.wants_look(&self.client.session()) {
            return self.check_ended();
        }
        // While this fetch waited for the lock, another fetch may have fetched the head.
        let _one = self.look_lock.lock().await;
        if fetch.wants_look(&self.client.session()) {
            self.look().await?;
            fetch.looked(&mut self.client.session());
        }
        self.check_ended()
    }

    fn check_ended(&self) -> Result<(), Error> {
        self.ended().map_or(Ok(()), Err)
    }

    /// If ranges do not work, reads the whole file, and returns the bytes of `span`.
    async fn fetch_whole(&self, error: Error, span: Span) -> Result<Vec<u8>, Error> {
        let Some(&dacti_http::Error::NoRanges { len, .. }) = http_error(&error) else {
            return Err(error);
        };
        self.read_whole(len).await?;
        self.at_hand(span).map_or(Err(error), |bytes| bytes.map_err(read_failed))
    }

    /// Reads the whole file, unless it was read already.
    async fn read_whole(&self, len: Option<u64>) -> Result<&Temporary, Error> {
        let _guard = self.whole_lock.lock().await;
        if let Some(file) = self.whole.get() {
            return Ok(file);
        }
        let fetch = Fetch::whole(&self.client.session(), len);
        let fetch = fetch.map_err(|error| self.client.failed(error, None))?;
        let mut file = Temporary::new().map_err(read_failed)?;
        let fetch = self.client.fetch(fetch, &mut file).await?;
        self.look_after(&fetch).await?;
        Ok(self.whole.get_or_init(|| file))
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
        self.whole.get().is_some() || (!self.file.len_is_hint && self.stats().whole > 0)
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            let fetch = Fetch::range(&self.client.session(), span);
            let mut bytes = Vec::new();
            match self.client.fetch(fetch, &mut bytes).await {
                Ok(fetch) => self.look_after(&fetch).await.map(|()| bytes),
                Err(error) => self.fetch_whole(error, span).await,
            }
        })
    }

    fn at_hand(&self, span: Span) -> Option<io::Result<Vec<u8>>> {
        let file = self.whole.get()?;
        let end = span.end.min(file.len());
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(span.start)).unwrap_or(0)];
        let read = |at, buf: &mut [u8]| file.read_at(at, buf);
        Some(read_full_of(read, span.start, &mut bytes).map(|filled| {
            bytes.truncate(filled);
            bytes
        }))
    }

    fn is_final(&self, span: Span) -> bool {
        self.whole.get().is_some() || span.end <= HEAD_LEN
    }

    fn doubt(&self, span: Span, why: Doubt) -> Result<bool, Error> {
        let doubted = self.client.session().doubt(span, why);
        doubted.map(|()| true).map_err(|error| self.client.failed(error, None))
    }

    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        Box::pin(async move {
            match self.look().await {
                Err(now) if now.kind() == ErrorKind::Replaced => now,
                // Any other result does not explain the error.
                Ok(()) | Err(_) => error,
            }
        })
    }

    fn ended(&self) -> Option<Error> {
        let ended = self.client.session().ended();
        ended.map(|error| self.client.failed(error, None))
    }

    fn confirmed(self: Arc<Self>) -> Fetching<()> {
        Box::pin(async move {
            self.check_ended()?;
            if !self.client.session().wants_confirmation() {
                return Ok(());
            }
            let _one = self.look_lock.lock().await;
            // While this call waited for the lock, another call may have fetched the head.
            if self.client.session().wants_confirmation() {
                self.look().await?;
            }
            Ok(())
        })
    }

    fn look(&self, fetches: bool) -> Option<Span> {
        let looks = fetches || self.client.session().wants_confirmation();
        looks.then(|| Span { start: 0, end: HEAD_LEN.min(self.file.len) })
    }

    fn note_region(&self, region: Span) {
        self.client.session().note_region(region);
    }

    fn reloaded(self: Arc<Self>, n: u32) -> Fetching<Option<Arc<dyn Remote>>> {
        Box::pin(async move {
            // If the URL accepts tags, the first new request has a new tag. So it bypasses the
            // caches, and no wait is needed.
            let tags = self.client.session().options().tags;
            if n > 0 || !tags {
                let wait = self.upload_wait(if tags { n.saturating_sub(1) } else { n });
                let Some(wait) = wait.filter(|_| self.may_be_upload()) else { return Ok(None) };
                self.client.pause(wait).await;
            }
            let again = Self {
                client: Arc::clone(&self.client),
                head_client: self.head_client.clone(),
                file: RemoteFile { head: Vec::new(), ..self.file },
                whole: OnceLock::new(),
                whole_lock: Mutex::default(),
                look_lock: Mutex::default(),
                query_for_parts: self.query_for_parts,
                part_cache: self.part_cache.clone(),
            };
            // The package has no view yet, so the session forgets the state of the old head.
            again.client.session().restart();
            let fetch = Fetch::fresh_head(&again.head_client().session());
            again.with_head(fetch).await.map(|again| Some(of_its_form(again)))
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

impl PartTransport for HttpRemote {
    fn fetch_part(self: Arc<Self>, part: PartRange, past_caches: bool) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            // The last segment of the name contains the part's digest, so the bytes of this object
            // never change.
            let (_, name) = part.name.rsplit_once('/').unwrap_or(("", &part.name));
            let cache = self.part_cache.as_ref();
            if let Some(cache) = cache.filter(|_| !past_caches)
                && let Some(bytes) = cache.cached(name, part.span).await
                && u64::try_from(bytes.len()) == Ok(part.span.len())
            {
                return Ok(bytes);
            }
            let place = self.client.object(&part.name, self.query_for_parts)?;
            let fetch = Fetch::object(&self.client.session(), part.span, part.len, past_caches);
            let mut bytes = Vec::new();
            self.client.fetch_at(&place, fetch, &mut bytes).await?;
            self.check_ended()?;
            if let Some(cache) = cache {
                cache.keep(name, part.span, &bytes);
            }
            Ok(bytes)
        })
    }

    fn fresh_head(self: Arc<Self>) -> Fetching<Option<Vec<u8>>> {
        Box::pin(async move {
            let fetch = Fetch::fresh_head(&self.client.session());
            let mut head = Vec::new();
            let fetch = self.head_client().fetch(fetch, &mut head).await?;
            let Some(now) = identity_of_head(head.clone()) else { return Ok(None) };
            let news = fetch.judge(&mut self.client.session(), now);
            let news = news.map_err(|error| self.client.failed(error, None))?;
            Ok((news != News::Older).then_some(head))
        })
    }

    fn wait_for_upload(self: Arc<Self>, n: u32) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        Box::pin(async move {
            let Some(wait) = self.upload_wait(n) else { return false };
            self.client.pause(wait).await;
            true
        })
    }
}

impl Sink for Temporary {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if at == 0 {
            self.clear()?;
        }
        self.write_at(at, bytes)
    }
}

/// Returns the error of `dacti-http` that `error` wraps; `None` if it wraps none.
fn http_error(error: &Error) -> Option<&dacti_http::Error> {
    let Error::Remote { source, .. } = error else { return None };
    source.downcast_ref::<Failed>().map(|failed| &failed.error)
}
