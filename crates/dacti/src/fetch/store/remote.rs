//! A file in an object store: its head, and its bytes by range.

use super::StoreOptions;
use super::client::Client;
use super::spending::Spending;
use crate::fetch::source::Doubt;
use crate::remote::{
    Fetching, PartRange, PartTransport, Remote, RemoteFile, identity, identity_of_head, of_its_form,
};
use crate::{Error, ErrorKind, HEAD_LEN, View};
use core::future::Future;
use core::pin::Pin;
use dacti_http::Stats;
use daicon_core::Span;
use object_store::ObjectMeta;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The span of the head. A shorter file is read whole.
const HEAD: Span = Span { start: 0, end: HEAD_LEN };

/// A file in an object store.
#[derive(Debug)]
pub(super) struct StoreRemote {
    client: Client,
    /// The client for the head's URL, if the head has a URL of its own.
    head_client: Option<Client>,
    spending: Arc<Spending>,
    file: RemoteFile,
    /// The file id of the package.
    file_id: OnceLock<[u8; 16]>,
    /// The tag (`ETag`) of the latest content that is known to be this package.
    tag: Mutex<Option<String>>,
    /// Spans whose bytes were wrong once.
    doubted: Mutex<HashSet<Span>>,
}

impl StoreRemote {
    /// Fetches the head of the package at `url`, which may be one file or in parts.
    pub(super) async fn open(url: String, options: StoreOptions) -> Result<Arc<dyn Remote>, Error> {
        Self::of_object(url, options).await.map(of_its_form)
    }

    /// Fetches the head of the object at `url`.
    async fn of_object(url: String, options: StoreOptions) -> Result<Self, Error> {
        let spending = Arc::new(Spending::new(options.requests_max, options.bytes_max));
        let client = |url: &str| Client::new(url, &options, Arc::clone(&spending));
        let remote = Self {
            head_client: options.head_url.as_deref().map(client).transpose()?,
            client: client(&url)?,
            file: RemoteFile {
                head: Vec::new(),
                len: 0,
                len_is_hint: false,
                read_len: options.read_len.max(1),
                concurrency: options.concurrency.max(1),
                has_budget: options.bytes_max < u64::MAX,
            },
            file_id: OnceLock::new(),
            tag: Mutex::default(),
            doubted: Mutex::default(),
            spending,
        };
        let (head, meta) = remote.fetch_head().await?;
        // If the head was read from a copy, the length and the `ETag` of the copy are not those of
        // the package.
        let is_own = remote.head_client.is_none();
        let len = if is_own {
            meta.as_ref().map_or(0, |meta| meta.size)
        } else {
            RemoteFile::LEN_UNKNOWN
        };
        let tag = Mutex::new(meta.filter(|_| is_own).as_ref().map(tag_of));
        let file = RemoteFile { head, len, len_is_hint: !is_own, ..remote.file };
        Ok(Self { file, tag, ..remote })
    }

    /// Fetches the current head, and the properties of its object unless the object is empty.
    async fn fetch_head(&self) -> Result<(Vec<u8>, Option<ObjectMeta>), Error> {
        let client = self.head_client.as_ref().unwrap_or(&self.client);
        let fetched = client.fetch(HEAD).await;
        // A request for a range of an empty object returns an error. So after an error, the object
        // may be empty.
        match fetched {
            Err(error) if error.kind() == ErrorKind::Unavailable => match client.len().await {
                Some(0) => Ok((Vec::new(), None)),
                _ => Err(error),
            },
            fetched => fetched.map(|(head, meta)| (head, Some(meta))),
        }
    }

    /// Returns whether another package is at this place now.
    async fn is_replaced(&self) -> Result<bool, Error> {
        let (head, _) = self.fetch_head().await?;
        let now = identity_of_head(head).map(|identity| identity.file_id);
        let known = self.known_file_id();
        // If one of the heads cannot be identified, they cannot be compared.
        Ok(known.zip(now).is_some_and(|(known, now)| known != now))
    }

    /// Returns the file id of the package that this session reads.
    fn known_file_id(&self) -> Option<[u8; 16]> {
        self.file_id.get().copied().or_else(|| {
            // The package is still being opened, so its head is used.
            identity_of_head(self.file.head.clone()).map(|identity| identity.file_id)
        })
    }

    fn replaced(&self) -> Error {
        let told = "another package has replaced this one: open the package again".into();
        self.client.error(ErrorKind::Replaced, told)
    }

    /// If the object's content has changed, checks that it is a later state of this package.
    /// Digests alone do not show this: another package may have regions with the same paths, and
    /// these regions match their own digests.
    async fn check_tag(&self, tag: String) -> Result<(), Error> {
        let is_known = {
            let mut known = self.tag.lock().unwrap_or_else(PoisonError::into_inner);
            // If the head was read from a copy, the package's own `ETag` is not known yet. The
            // first range request brings it.
            *known.get_or_insert_with(|| tag.clone()) == tag
        };
        if is_known {
            return Ok(());
        }
        if self.is_replaced().await? {
            return Err(self.replaced());
        }
        *self.tag.lock().unwrap_or_else(PoisonError::into_inner) = Some(tag);
        Ok(())
    }
}

/// Returns the `ETag` of an object. If the store sends none, returns the object's modification time
/// and length instead.
fn tag_of(meta: &ObjectMeta) -> String {
    let instead = || format!("{} {}", meta.last_modified.timestamp_millis(), meta.size);
    meta.e_tag.clone().unwrap_or_else(instead)
}

impl Remote for StoreRemote {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn stats(&self) -> Stats {
        self.spending.stats()
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            let (bytes, meta) = self.client.fetch(span).await?;
            self.check_tag(tag_of(&meta)).await?;
            let len = meta.size;
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) == span.len() {
                return Ok(bytes);
            }
            let told = format!("the object ends at {len}, before the end of {span}");
            Err(self.client.error(ErrorKind::Stale, told))
        })
    }

    fn is_final(&self, span: Span) -> bool {
        span.end <= HEAD_LEN
    }

    fn doubt(&self, span: Span, _: Doubt) -> Result<bool, Error> {
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if doubted.insert(span) {
            self.spending.count_retry();
            return Ok(true);
        }
        let told = format!(
            "the bytes of {span} were read twice and do not match the head: the object is \
             damaged, or its head belongs to another file"
        );
        Err(self.client.error(ErrorKind::Stale, told))
    }

    fn explained(self: Arc<Self>, error: Error) -> Pin<Box<dyn Future<Output = Error> + Send>> {
        Box::pin(async move {
            match self.is_replaced().await {
                Ok(true) => self.replaced(),
                _ => error,
            }
        })
    }

    fn confirmed(self: Arc<Self>) -> Fetching<()> {
        // Each answer was already checked: see `check_tag`.
        Box::pin(async { Ok(()) })
    }

    fn reloaded(self: Arc<Self>, _: u32) -> Fetching<Option<Arc<dyn Remote>>> {
        // A store has no stale copies, so the head that was read is the current one.
        Box::pin(async { Ok(None) })
    }

    fn opened(&self, view: &View) {
        // If an earlier view has set the id, that id is kept.
        let _ = self.file_id.set(identity(view).file_id);
    }
}

impl PartTransport for StoreRemote {
    fn fetch_part(self: Arc<Self>, part: PartRange, _: bool) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            let object = self.client.object(&part.name);
            let (bytes, meta) = object.fetch(part.span).await?;
            if meta.size != part.len {
                let told = format!("the object has {} bytes instead of {}", meta.size, part.len);
                return Err(object.error(ErrorKind::Stale, told));
            }
            Ok(bytes)
        })
    }

    fn fresh_head(self: Arc<Self>) -> Fetching<Option<Vec<u8>>> {
        Box::pin(async move {
            let (head, _) = self.fetch_head().await?;
            let known = self.known_file_id();
            let now = identity_of_head(head.clone()).map(|identity| identity.file_id);
            match known.zip(now) {
                Some((known, now)) if known != now => Err(self.replaced()),
                _ => Ok(now.map(|_| head)),
            }
        })
    }

    fn wait_for_upload(self: Arc<Self>, _: u32) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        // Waiting does not help: a store has no stale copies, and every publisher stores parts
        // before heads.
        Box::pin(async { false })
    }
}
