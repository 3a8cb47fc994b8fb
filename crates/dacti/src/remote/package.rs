//! Packages for async programs: a [`Package`] that reads from the bytes that were fetched so far.

use super::gathered::{Gathered, Operation};
#[cfg(any(feature = "http-client", feature = "store"))]
use super::identity::identity;
use super::reader::Drive;
use super::{AsyncReader, AsyncRegionReader, AsyncVerifiedReader, Remote};
use crate::fetch::{ReadAt, refuse_unless};
use crate::read::stream::RangeReader;
use crate::seal::SealPolicy;
use crate::{
    Error, ErrorKind, Limits, Listed, Located, Package, RegionName, UnverifiedReader, View,
};
use core::fmt;
use core::future::poll_fn;
use core::ops::Range;
use dacti_http::Stats;
use dacti_index::OpenBrotli;
use daicon_core::Span;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// An open package whose bytes are fetched asynchronously.
///
/// An `AsyncPackage` runs the code of a [`Package`], so requests, checks, limits and errors are the
/// same. Its futures can be polled on any executor and sent to other threads. When a future is
/// dropped, its requests end. Packages under URLs are fetched on the runtime of `tokio` that polls
/// the future. This runtime must have IO and time enabled, as with `enable_all`. On any other
/// executor, the package starts a thread that fetches. A [`Remote`] of the caller needs no runtime
/// of `tokio`.
///
/// A thread that polls never waits for a network. But it computes digests and decodes, and does not
/// yield before it has finished a region.
///
/// Memory: the bytes that a call has fetched are kept until the call ends. For
/// [`get_many`](Self::get_many) these are all the regions, and for [`list`](Self::list) the index.
/// For streams see [`RegionReader`](crate::RegionReader).
#[derive(Debug)]
pub struct AsyncPackage {
    package: Package,
    gathered: Arc<Gathered>,
}

impl AsyncPackage {
    /// Opens the package that a transport fetches: see [`Remote`].
    ///
    /// # Errors
    /// An error of the transport; a fault of the package's head or tables.
    pub async fn from_remote(remote: Arc<dyn Remote>, limits: Limits) -> Result<Self, Error> {
        Self::from_remote_decoded_by(remote, limits, dacti_index::open_brotli).await
    }

    /// Does the same as [`from_remote`](Self::from_remote), but decodes Brotli with the caller's
    /// decoder: see [`Package::from_source_decoded_by`].
    ///
    /// # Errors
    /// The errors of [`from_remote`](Self::from_remote).
    pub async fn from_remote_decoded_by(
        remote: Arc<dyn Remote>,
        limits: Limits,
        brotli: OpenBrotli,
    ) -> Result<Self, Error> {
        let mut remote = remote;
        // A faulty head may have been read from a stale cache, or from a file whose upload is not
        // complete.
        for n in 0.. {
            let opened = Self::of_head(Arc::clone(&remote), limits, brotli).await;
            if !opened.as_ref().is_err_and(is_odd) {
                return opened;
            }
            match Arc::clone(&remote).reloaded(n).await? {
                Some(fresh) => remote = fresh,
                None => return opened,
            }
        }
        Self::of_head(remote, limits, brotli).await
    }

    /// Does the same as [`from_remote`](Self::from_remote), for a transport that needs a runtime of
    /// `tokio`.
    #[cfg(any(feature = "http", feature = "store"))]
    pub(crate) async fn driven(
        opening: impl Future<Output = Result<Arc<dyn Remote>, Error>> + Send + 'static,
        limits: Limits,
    ) -> Result<Self, Error> {
        Self::from_remote(super::driven::driven(opening).await?, limits).await
    }

    /// Opens the package with the head that `remote` has.
    async fn of_head(
        remote: Arc<dyn Remote>,
        limits: Limits,
        brotli: OpenBrotli,
    ) -> Result<Self, Error> {
        let gathered = Arc::new(Gathered::new(Arc::clone(&remote)));
        let source: Arc<dyn ReadAt> = Arc::clone(&gathered) as _;
        let open = || Package::from_source_decoded_by(Arc::clone(&source), limits, brotli);
        let package = run(&gathered, &Arc::default(), open).await?;
        remote.opened(package.view());
        Ok(Self { package, gathered })
    }

    /// Returns the numbers of requests, bytes and events so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.gathered.remote().stats()
    }

    /// Returns whether the file was fetched whole, because the server does not support ranges.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gathered.remote().is_whole()
    }

    /// Sets the policy: the package then hands out a region only if the region's seal satisfies
    /// `policy`. See [`Package::require`].
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    #[must_use]
    pub fn require(self, policy: SealPolicy) -> Self {
        Self { package: self.package.require(policy), ..self }
    }

    /// Does the same as [`require`](Self::require), at the time `now`: see [`Package::require_at`].
    #[must_use]
    pub fn require_at(self, policy: SealPolicy, now: u64) -> Self {
        Self { package: self.package.require_at(policy, now), ..self }
    }

    /// Returns the package if its head has not expired: see [`Package::unexpired`].
    ///
    /// # Errors
    /// The errors of [`Package::unexpired`].
    pub fn unexpired(self, now: u64) -> Result<Self, Error> {
        Ok(Self { package: self.package.unexpired(now)?, ..self })
    }

    /// Returns the view: the head and the tables.
    #[must_use]
    pub fn view(&self) -> &View {
        self.package.view()
    }

    /// Returns whether this package is later than `earlier`: a later state of the same file, or
    /// another file. Both packages must be read from the same place.
    #[cfg(any(feature = "http-client", feature = "store"))]
    #[must_use]
    pub fn is_later_than(&self, earlier: &Self) -> bool {
        let (now, then) = (identity(self.view()), identity(earlier.view()));
        now.file_id != then.file_id || now.generation > then.generation
    }

    /// Returns the limits of reading.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        self.package.limits()
    }

    /// Finds the stored bytes of a region; `None` if there is no such region: see
    /// [`Package::find`].
    ///
    /// # Errors
    /// The errors of [`Package::find`].
    pub async fn find<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Option<Located>, Error> {
        let key = key.into();
        self.run(&Arc::default(), |package| package.find(key)).await
    }

    /// Does the same as [`find`](Self::find), but a missing region is an error.
    ///
    /// # Errors
    /// The errors of [`Package::locate`].
    pub async fn locate<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Located, Error> {
        let key = key.into();
        self.run(&Arc::default(), |package| package.locate(key)).await
    }

    /// Reads a region's whole content, decoded and verified. The content may have at most
    /// [`Limits::region_len_max`] bytes: see [`Package::get`].
    ///
    /// # Errors
    /// The errors of [`Package::get`].
    pub async fn get<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Vec<u8>, Error> {
        let located = self.locate(key).await?;
        self.get_at(located).await
    }

    /// Does the same as [`get`](Self::get), for a region that was found before.
    ///
    /// # Errors
    /// The errors of [`Package::region_at`].
    pub async fn get_at(&self, located: Located) -> Result<Vec<u8>, Error> {
        let operation = Arc::default();
        let region = |package: &Package| package.region_at(located).map(crate::Region::into_vec);
        self.run(&operation, region).await
    }

    /// Reads many regions, each whole, decoded and verified, in the order of `keys`: see
    /// [`Package::get_many`]. One request fetches regions near each other, and many requests run at
    /// once. An error for one region does not affect the others.
    pub async fn get_many<'a, K: Into<RegionName<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Vec<u8>, Error>> {
        let keys: Vec<RegionName<'a>> = keys.into_iter().map(Into::into).collect();
        let contents =
            self.run_many(keys.len(), |package| package.get_many(keys.iter().copied())).await;
        refuse_unless(self.confirm().await, contents)
    }

    /// Checks once more that the file is the one that was opened: see [`Package::confirm`].
    ///
    /// # Errors
    /// The errors of [`Package::confirm`].
    pub async fn confirm(&self) -> Result<(), Error> {
        Arc::clone(self.gathered.remote()).confirmed().await
    }

    /// Finds the stored bytes of many regions, in the order of `names`: see [`Package::find_many`].
    pub async fn find_many<'a, K: Into<RegionName<'a>>>(
        &self,
        names: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Located>, Error>> {
        let names: Vec<RegionName<'a>> = names.into_iter().map(Into::into).collect();
        self.run_many(names.len(), |package| package.find_many(names.iter().copied())).await
    }

    /// Returns all regions, ascending by id: see [`Package::regions`].
    ///
    /// # Errors
    /// The errors of [`Package::regions`].
    pub async fn regions(&self) -> Result<Vec<Located>, Error> {
        self.run(&Arc::default(), Package::regions).await
    }

    /// Returns every region with its path: see [`Package::list`].
    ///
    /// # Errors
    /// The errors of [`Package::list`].
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        self.run(&Arc::default(), Package::list).await
    }

    /// Opens a region's content as a stream that is verified before its first byte: see
    /// [`Package::reader`].
    ///
    /// # Errors
    /// The errors of [`Package::reader`].
    pub async fn reader<'a>(
        &self,
        key: impl Into<RegionName<'a>>,
    ) -> Result<AsyncRegionReader, Error> {
        let located = self.locate(key).await?;
        self.reader_at(located)
    }

    /// Does the same as [`reader`](Self::reader), for a region that was found before.
    ///
    /// # Errors
    /// The errors of [`Package::reader_at`].
    pub fn reader_at(&self, located: Located) -> Result<AsyncRegionReader, Error> {
        Ok(self.reader_over(self.package.reader_at(located)?))
    }

    /// Does the same as [`reader`](Self::reader), for a region whose seal is always checked: see
    /// [`Package::verified_reader`].
    ///
    /// # Errors
    /// The errors of [`Package::verified_reader`].
    pub async fn verified_reader<'a>(
        &self,
        name: impl Into<RegionName<'a>>,
    ) -> Result<AsyncVerifiedReader, Error> {
        self.verified_reader_at(self.locate(name).await?)
    }

    /// Does the same as [`verified_reader`](Self::verified_reader), for a region that was found
    /// before.
    ///
    /// # Errors
    /// The errors of [`Package::verified_reader_at`].
    pub fn verified_reader_at(&self, located: Located) -> Result<AsyncVerifiedReader, Error> {
        Ok(self.reader_over(self.package.verified_reader_at(located)?))
    }

    /// Opens a region's content as a stream that hands bytes out before they are verified. The
    /// stream keeps no bytes: see [`UnverifiedReader`].
    ///
    /// # Errors
    /// The errors of [`Package::unverified_reader_at`].
    pub fn unverified_reader_at(
        &self,
        located: Located,
    ) -> Result<AsyncReader<UnverifiedReader>, Error> {
        Ok(self.reader_over(self.package.unverified_reader_at(located)?))
    }

    fn reader_over<R: io::Read>(&self, reader: R) -> AsyncReader<R> {
        AsyncReader::new(reader, Arc::clone(&self.gathered))
    }

    /// Reads a range of a region's content, decoded and verified: see [`Package::range`].
    ///
    /// # Errors
    /// The errors of [`Package::range`].
    pub async fn range<'a>(
        &self,
        name: impl Into<RegionName<'a>>,
        range: Range<u64>,
    ) -> Result<Vec<u8>, Error> {
        self.range_at(self.locate(name).await?, range).await
    }

    /// Does the same as [`range`](Self::range), for a region that was found before.
    ///
    /// # Errors
    /// The errors of [`Package::range_at`].
    pub async fn range_at(&self, located: Located, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut reader = RangeReader::new(&self.package, located, &range)?;
        let mut drive = Drive::new(Arc::clone(&self.gathered));
        poll_fn(|context| drive.poll(context, || reader.fill())).await?;
        Ok(reader.into_bytes())
    }

    /// Does the same as [`run`](Self::run), for `count` results. If a fetch fails with an
    /// [`Error::Remote`], only the results that need its bytes are errors. Any other error ends the
    /// run, and each result is then this error.
    async fn run_many<T>(
        &self,
        count: usize,
        mut work: impl FnMut(&Package) -> Vec<Result<T, Error>>,
    ) -> Vec<Result<T, Error>> {
        let operation = Arc::default();
        match self.run(&operation, |package| Ok(work(package))).await {
            Ok(found) => found,
            // `run` failed, so each of the `count` results is its error.
            Err(error) => (0..count).map(|_| Err(Error::of_others(&error))).collect(),
        }
    }

    /// Runs `work` on the package, and again after each fetch, until no bytes are missing.
    pub(crate) async fn run<T>(
        &self,
        operation: &Arc<Operation>,
        mut work: impl FnMut(&Package) -> Result<T, Error>,
    ) -> Result<T, Error> {
        run(&self.gathered, operation, || work(&self.package)).await
    }
}

/// Runs `work` with the bytes that were fetched so far. If `work` lacks bytes, fetches them, and
/// runs `work` again.
///
/// The loop ends, because each round fetches missing bytes, or fetches wrong bytes again in another
/// way, such as past a cache. There are only a few such ways.
pub(crate) async fn run<T>(
    gathered: &Gathered,
    operation: &Arc<Operation>,
    mut work: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        let result = gathered.within(operation, &mut work);
        match (operation.take_missing(), result) {
            (Some((span, told)), _) => {
                let remote = Arc::clone(gathered.remote());
                fetch(remote, Arc::clone(operation), span, told).await?;
            }
            (None, Err(error)) if error.kind() == ErrorKind::Stale => {
                return Err(Arc::clone(gathered.remote()).explained(error).await);
            }
            (None, result) => return result,
        }
    }
}

/// Fetches `span` and the announced spans `told`. The transport limits the number of fetches at
/// once.
pub(super) async fn fetch(
    remote: Arc<dyn Remote>,
    operation: Arc<Operation>,
    span: Span,
    told: Vec<Span>,
) -> Result<(), Error> {
    let ahead = told.into_iter().filter(|told| *told != span && !operation.has(*told));
    let mut queue: VecDeque<Span> = core::iter::once(span).chain(ahead).collect();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < remote.file().concurrency.max(1)
            && let Some(next) = queue.pop_front()
        {
            let fetch = Arc::clone(&remote).fetch(next);
            under_way.push(async move { (next, fetch.await) });
        }
        let Some((fetched, bytes)) = under_way.next().await else { return Ok(()) };
        match bytes.and_then(|bytes| all_of(fetched, bytes)) {
            Ok(bytes) => operation.keep(fetched, bytes),
            // If a read ahead fails, its error is dropped. If its span is needed later, the span is
            // fetched again.
            Err(error) if fetched == span => operation.fail(span, error)?,
            Err(_) => {}
        }
    }
}

/// Returns an error if a transport's answer is too short. Without this error, the missing bytes
/// would be fetched again forever.
fn all_of(span: Span, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if len >= span.len() {
        return Ok(bytes);
    }
    let text = format!("only {len} of the {} bytes at {:#x} arrived", span.len(), span.start);
    let source = io::Error::new(io::ErrorKind::UnexpectedEof, text);
    let (place, kind) = ("the transport".into(), ErrorKind::Truncated);
    Err(Error::Remote { place, kind, source: source.into() })
}

/// Returns whether an error means that a head is faulty.
pub(super) fn is_odd(fault: &Error) -> bool {
    matches!(fault.kind(), ErrorKind::Corrupt | ErrorKind::Truncated | ErrorKind::Replaced)
}

impl Error {
    /// Returns an IO error with the text of `error`, for another result that fails for the same
    /// reason.
    fn of_others(error: &dyn fmt::Display) -> Self {
        Self::io("read", "".as_ref(), io::Error::other(error.to_string()))
    }
}
