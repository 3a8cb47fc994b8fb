//! Packages for programs that are async: the same package, over what was fetched so far.

use super::gathered::{Gathered, Operation};
use super::source::is_odd;
use super::{AsyncRegionReader, Remote};
use crate::fetch::source::ReadAt;
use crate::seal::SealPolicy;
use crate::{Error, ErrorKind, Limits, Listed, Located, Package, RegionName, View};
use core::fmt;
use dacti_http::Stats;
use daicon_core::Span;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinSet;

/// An open package whose bytes are fetched while others do their work.
///
/// It does what a [`Package`] does, by the same code: the same requests, checks, limits and errors.
/// Its futures are to be polled on a runtime of `tokio`, of any kind, may be sent to other threads,
/// and end their requests when they are dropped. They never wait for a network on the thread that
/// polls them; what they compute there, digests and decoding, they do without a break, region by
/// region.
///
/// Memory: what an operation has fetched is kept until it is done, which for
/// [`get_many`](Self::get_many) is all the regions, and for [`list`](Self::list) the index.
#[derive(Debug)]
pub struct AsyncPackage {
    package: Package,
    gathered: Arc<Gathered>,
}

impl AsyncPackage {
    /// Opens the package that `remote` has.
    pub(crate) async fn of_remote(remote: Arc<dyn Remote>, limits: Limits) -> Result<Self, Error> {
        let opened = Self::of_head(Arc::clone(&remote), limits).await;
        if !opened.as_ref().is_err_and(is_odd) {
            return opened;
        }
        // A head that makes no sense may be a stale edge's: asked for once more, past it.
        match remote.reloaded().await? {
            Some(fresh) => Self::of_head(fresh, limits).await,
            None => opened,
        }
    }

    /// Opens the package by the head that `remote` has.
    async fn of_head(remote: Arc<dyn Remote>, limits: Limits) -> Result<Self, Error> {
        let gathered = Arc::new(Gathered::new(Arc::clone(&remote)));
        let source: Arc<dyn ReadAt> = Arc::clone(&gathered) as _;
        let open = || Package::from_source(Arc::clone(&source), limits);
        let package = run(&gathered, &Arc::default(), open).await?;
        remote.opened(package.view());
        Ok(Self { package, gathered })
    }

    /// What was spent so far, and what was met.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.gathered.remote().stats()
    }

    /// Whether the file was read whole, as the server has no ranges.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.gathered.remote().is_whole()
    }

    /// The same package, which hands out a region only if its seal satisfies `policy`: see
    /// [`Package::require`].
    #[must_use]
    pub fn require(self, policy: SealPolicy) -> Self {
        Self { package: self.package.require(policy), ..self }
    }

    /// What head and tables say.
    #[must_use]
    pub fn view(&self) -> &View {
        self.package.view()
    }

    /// What reading may cost.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        self.package.limits()
    }

    /// Where the stored bytes of a region are; `None` where there is no such region: see
    /// [`Package::find`].
    ///
    /// # Errors
    /// As [`Package::find`].
    pub async fn find<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Option<Located>, Error> {
        let key = key.into();
        self.run(&Arc::default(), |package| package.find(key)).await
    }

    /// As [`find`](Self::find), where a region that is not there is an error.
    ///
    /// # Errors
    /// As [`Package::locate`].
    pub async fn locate<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Located, Error> {
        let key = key.into();
        self.run(&Arc::default(), |package| package.locate(key)).await
    }

    /// A region's content, whole, decoded and verified, at most [`Limits::region_len_max`] bytes:
    /// see [`Package::get`].
    ///
    /// # Errors
    /// As [`Package::get`].
    pub async fn get<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Vec<u8>, Error> {
        let located = self.locate(key).await?;
        self.get_at(located).await
    }

    /// As [`get`](Self::get), for a region that was found before.
    ///
    /// # Errors
    /// As [`Package::region_at`].
    pub async fn get_at(&self, located: Located) -> Result<Vec<u8>, Error> {
        let operation = Arc::default();
        let region = |package: &Package| package.region_at(located).map(crate::Region::into_vec);
        self.run(&operation, region).await
    }

    /// Many regions, each whole, decoded and verified, in the order of `keys`: near ones by one
    /// request, and many requests at once: see [`Package::get_many`]. Each key's fault is its own.
    pub async fn get_many<'a, K: Into<RegionName<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Vec<u8>, Error>> {
        let keys: Vec<RegionName<'a>> = keys.into_iter().map(Into::into).collect();
        self.run_many(keys.len(), |package| package.get_many(keys.iter().copied())).await
    }

    /// Where the stored bytes of many regions are, in the order of `keys`: see
    /// [`Package::find_many`].
    pub async fn find_many<'a, K: Into<RegionName<'a>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Option<Located>, Error>> {
        let keys: Vec<RegionName<'a>> = keys.into_iter().map(Into::into).collect();
        self.run_many(keys.len(), |package| package.find_many(keys.iter().copied())).await
    }

    /// Every region by the entry that counts, ascending by id: see [`Package::regions`].
    ///
    /// # Errors
    /// As [`Package::regions`].
    pub async fn regions(&self) -> Result<Vec<Located>, Error> {
        self.run(&Arc::default(), Package::regions).await
    }

    /// Every region with its path: see [`Package::list`].
    ///
    /// # Errors
    /// As [`Package::list`].
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        self.run(&Arc::default(), Package::list).await
    }

    /// A region's content as a stream, for what is too large to hold: see [`Package::reader`].
    ///
    /// # Errors
    /// As [`Package::reader`].
    pub async fn reader<'a>(
        &self,
        key: impl Into<RegionName<'a>>,
    ) -> Result<AsyncRegionReader, Error> {
        let located = self.locate(key).await?;
        self.reader_at(located)
    }

    /// As [`reader`](Self::reader), for a region that was found before.
    ///
    /// # Errors
    /// As [`Package::reader_at`].
    pub fn reader_at(&self, located: Located) -> Result<AsyncRegionReader, Error> {
        let reader = self.package.reader_at(located)?;
        Ok(AsyncRegionReader::new(reader, Arc::clone(&self.gathered)))
    }

    /// As [`run`](Self::run), for what is asked of each of `count` keys. What cannot be fetched is
    /// told for those that needed it.
    async fn run_many<T>(
        &self,
        count: usize,
        mut work: impl FnMut(&Package) -> Vec<Result<T, Error>>,
    ) -> Vec<Result<T, Error>> {
        let operation = Arc::default();
        match self.run(&operation, |package| Ok(work(package))).await {
            Ok(found) => found,
            // Nobody fetches any more.
            Err(error) => (0..count).map(|_| Err(Error::of_others(&error))).collect(),
        }
    }

    /// Runs a part of a package's logic, as often as it takes.
    async fn run<T>(
        &self,
        operation: &Arc<Operation>,
        mut work: impl FnMut(&Package) -> Result<T, Error>,
    ) -> Result<T, Error> {
        run(&self.gathered, operation, || work(&self.package)).await
    }
}

/// Runs `work` over what was fetched, and fetches what it lacks, until it lacks nothing.
///
/// Each round brings bytes that were not there, or another way to bytes that were wrong, of which
/// there are few; so it ends.
async fn run<T>(
    gathered: &Gathered,
    operation: &Arc<Operation>,
    mut work: impl FnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    loop {
        let result = gathered.within(operation, &mut work);
        match (operation.take_missing(), result) {
            (Some((span, told)), _) => fetch(gathered.remote(), operation, span, told).await?,
            (None, Err(error)) if error.kind() == ErrorKind::Stale => {
                return Err(Arc::clone(gathered.remote()).explained(error).await);
            }
            (None, result) => return result,
        }
    }
}

/// Fetches `span`, and what will be read behind it, as much at once as may be.
pub(super) async fn fetch(
    remote: &Arc<dyn Remote>,
    operation: &Operation,
    span: Span,
    told: Vec<Span>,
) -> Result<(), Error> {
    let ahead = told.into_iter().filter(|told| *told != span && !operation.has(*told));
    let mut queue: VecDeque<Span> = core::iter::once(span).chain(ahead).collect();
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < remote.file().concurrency.max(1)
            && let Some(next) = queue.pop_front()
        {
            let fetch = Arc::clone(remote).fetch(next);
            under_way.spawn(async move { (next, fetch.await) });
        }
        let Some(done) = under_way.join_next().await else { return Ok(()) };
        match done {
            Ok((fetched, Ok(bytes))) => operation.keep(fetched, bytes),
            // Of what lies ahead a failure is met again by the read itself.
            Ok((fetched, Err(error))) if fetched == span => operation.fail(span, error)?,
            Ok((_, Err(_))) => {}
            Err(error) => return Err(Error::of_others(&error)),
        }
    }
}

impl Error {
    /// An error of something that others have met.
    fn of_others(error: &dyn fmt::Display) -> Self {
        Self::io("read", "".as_ref(), std::io::Error::other(error.to_string()))
    }
}
