//! A package: opened once, shared by any number of threads, read by id or path.

use crate::fetch::source::{BytesSource, FileSource, Lent, ReadAt, read_span};
use crate::find::finder::Finder;
use crate::find::scan;
use crate::hash::HashPool;
use crate::index::{GroupSummary, IndexScan};
use crate::read::explain::Explainer;
use crate::read::listing;
use crate::read::region::{region, stored};
use crate::read::seals::Trust;
use crate::read::stream::Proofs;
use crate::read::view::read_failed;
use crate::{Error, Limits, Listed, Names, Region, RegionName, View};
use dacti_index::Located;
use dacti_names::{NAMES_ID, region_id};
use dacti_seal::SealPolicy;
use daicon_core::Span;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// An open package.
///
/// Everything is read from the view that was taken when it was opened: a package that grows
/// meanwhile shows what it showed then.
#[derive(Debug)]
pub struct Package {
    finder: Finder,
    limits: Limits,
    trust: Arc<Trust>,
    explainer: Explainer,
    hash_pool: Arc<HashPool>,
    proofs: Arc<Proofs>,
    names: OnceLock<Names>,
}

impl Package {
    /// Opens the package in the file at `path`, which is read by position.
    ///
    /// # Errors
    /// `Io`, `NotAFile`, or what is wrong with its head and tables.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path.as_ref(), |path| Ok(Arc::new(FileSource::open(path)?)))
    }

    /// Opens the package in the file at `path` and maps it into memory: for many look-ups, which
    /// then take no system call, and copy nothing where [`region`](Self::region) hands them out.
    ///
    /// Opening takes longer than [`open`](Self::open) does. Whoever cuts the file short meanwhile
    /// ends this program: see [`MmapSource`](crate::fetch::source::MmapSource).
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Io` where the file cannot be mapped.
    #[cfg(any(unix, windows))]
    pub fn open_mapped(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path.as_ref(), |path| {
            Ok(Arc::new(crate::fetch::source::MmapSource::open(path)?))
        })
    }

    fn open_with(
        path: &Path,
        source: impl FnOnce(&Path) -> Result<Arc<dyn ReadAt>, Error>,
    ) -> Result<Self, Error> {
        Self::from_source(source(path)?, Limits::default()).map_err(|error| match error {
            Error::Io { action, source, .. } => Error::io(action, path, source),
            error => error,
        })
    }

    /// Opens a package that is in memory.
    ///
    /// # Errors
    /// What is wrong with its head and tables.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, Error> {
        Self::from_source(Arc::new(BytesSource::new(bytes)), Limits::default())
    }

    /// Opens a package from any source, with limits of the caller's.
    ///
    /// # Errors
    /// What the source says, or what is wrong with the package's head and tables.
    pub fn from_source(source: Arc<dyn ReadAt>, limits: Limits) -> Result<Self, Error> {
        let view = Arc::new(View::read(&*source)?);
        let trust = Arc::new(Trust::new(view.seals_read().cloned()));
        let explainer = Explainer::new(Arc::clone(&source), Arc::clone(&view), &limits);
        let finder = Finder::new(source, view, &limits);
        let (hash_pool, names) = (Arc::new(HashPool::new(None)), OnceLock::new());
        Ok(Self { finder, limits, trust, explainer, hash_pool, proofs: Arc::default(), names })
    }

    /// The same package, which hands out a region only if its seal satisfies `policy`.
    ///
    /// Without this, digests are checked where the package has them. [`SealPolicy::Nothing`] leaves
    /// them alone.
    #[must_use]
    pub fn require(mut self, policy: SealPolicy) -> Self {
        Arc::make_mut(&mut self.trust).require(policy);
        // What was read under another policy does not count.
        (self.proofs, self.names) = (Arc::default(), OnceLock::new());
        self
    }

    /// The seals, and what is required of them.
    pub(crate) const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// What head and tables say, for those who outlive this package.
    pub(crate) const fn shared_view(&self) -> &Arc<View> {
        self.finder.view()
    }

    /// What finds regions.
    pub(crate) const fn finder(&self) -> &Finder {
        &self.finder
    }

    /// What tells swapped bytes from altered ones.
    pub(crate) const fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// Proofs of the regions that were verified last.
    pub(crate) const fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    /// Threads that hash long regions.
    pub(crate) const fn hash_pool(&self) -> &Arc<HashPool> {
        &self.hash_pool
    }

    /// The bytes of `span` where they are in memory: in the head that the view took, or lent.
    pub(crate) fn lent(&self, span: Span) -> Option<&[u8]> {
        self.source().slice(span).or_else(|| self.view().head().answer(span))
    }

    /// What the source lends.
    #[inline]
    pub(crate) const fn lent_by_source(&self) -> &Lent {
        self.finder.lent()
    }

    /// The bytes of `span`, lent or read; fewer only at the file's end.
    pub(crate) fn bytes(&self, span: Span) -> Result<Cow<'_, [u8]>, Error> {
        match self.lent(span) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => read_span(&**self.source(), span).map(Cow::Owned).map_err(read_failed),
        }
    }

    /// Checks once more that the source is still the file that was opened.
    ///
    /// Digests bind a region's bytes to its id, and not to a package. If another package with the
    /// same paths and lengths replaces this one at its URL, its regions can pass all checks. Calls
    /// that read many regions end with this check. Call it after you have read many regions one by
    /// one, and before you use them together. Cost: nothing for files and memory; over HTTP one
    /// request, if anything was fetched since the last check.
    ///
    /// # Errors
    /// `Remote` of the kind `Replaced`, or the reason why the file cannot be checked.
    pub fn confirm(&self) -> Result<(), Error> {
        self.source().confirm().map_err(read_failed)
    }

    /// What head and tables say.
    #[must_use]
    pub fn view(&self) -> &View {
        self.finder.view()
    }

    /// Where the bytes come from.
    #[must_use]
    pub const fn source(&self) -> &Arc<dyn ReadAt> {
        self.finder.source()
    }

    /// What reading may cost.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where the stored bytes of a region are; `None` where there is no such region.
    ///
    /// A path is looked up by the id that is hashed from it, without any table, unless the package
    /// says that its names list gives ids of its own. Cost: nothing where the index lies in the
    /// head, one read of a block where the package has lookup keys, and else a scan of the index up
    /// to the group that has the id. Of a local file a part of the block is read first, which has
    /// nearly every region that is there.
    /// Threads do not wait for each other.
    ///
    /// # Errors
    /// What is wrong with the index or, where it is asked, the names list; a path that breaks the
    /// rules.
    #[inline]
    pub fn find<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<Option<Located>, Error> {
        match name.into() {
            RegionName::Id(id) => self.finder.find(id),
            RegionName::Path(path) => self.find_path(path),
        }
    }

    fn find_path(&self, path: &str) -> Result<Option<Located>, Error> {
        let hashed = region_id(path).map_err(|error| Error::with_path(error, path))?;
        match self.view().name_flags() {
            Some(flags) if flags.explicit_ids => {
                let id = self.names()?.find(path).map_or(hashed, |name| name.id);
                self.finder.find(id)
            }
            Some(_) => self.finder.find(hashed),
            None => {
                if let Some(found) = self.finder.find(hashed)? {
                    return Ok(Some(found));
                }
                match self.names()?.find(path).filter(|name| name.id != hashed) {
                    Some(name) => self.finder.find(name.id),
                    None => Ok(None),
                }
            }
        }
    }

    /// As [`find`](Self::find), where a region that is not there is an error.
    ///
    /// # Errors
    /// As [`find`](Self::find), and `NotFound`.
    pub fn locate<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Located, Error> {
        let key = key.into();
        self.find(key)?.ok_or_else(|| Error::NotFound { key: key.to_string() })
    }

    /// A region's content, whole and decoded, at most [`Limits::region_len_max`] bytes.
    ///
    /// # Errors
    /// As [`locate`](Self::locate); what is wrong with the stored bytes.
    pub fn get<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Vec<u8>, Error> {
        self.get_capped(key, self.limits.region_len_max)
    }

    /// A region's content, whole and decoded, at most `len_max` bytes.
    ///
    /// # Errors
    /// As [`get`](Self::get); a region that is longer is an error, not cut.
    pub fn get_capped<'a>(
        &self,
        key: impl Into<RegionName<'a>>,
        len_max: u64,
    ) -> Result<Vec<u8>, Error> {
        region(self, self.locate(key)?, None, len_max).map(Region::into_vec)
    }

    /// A region's content, whole, decoded and verified, borrowed where that is possible: where the
    /// region is stored as it is, and its bytes are mapped, in memory, or in the head. At most
    /// [`Limits::region_len_max`] bytes.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn region<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Region<'_>, Error> {
        self.region_at(self.locate(key)?)
    }

    /// As [`region`](Self::region), for a region that was found before.
    ///
    /// # Errors
    /// Stored bytes outside the file; what is wrong with them.
    #[inline]
    pub fn region_at(&self, located: Located) -> Result<Region<'_>, Error> {
        region(self, located, None, self.limits.region_len_max)
    }

    /// The stored bytes of a region that was found before, verified and not decoded.
    ///
    /// # Errors
    /// Stored bytes outside the file; a seal that does not fit; what the source says.
    pub fn stored(&self, located: &Located) -> Result<Vec<u8>, Error> {
        stored(self, *located).map(Cow::into_owned)
    }

    /// Every region by the entry that counts, ascending by id; the names list's own is among them.
    ///
    /// Cost: the whole index is read; 56 bytes of memory an entry.
    ///
    /// # Errors
    /// What is wrong with the index. Whether stored bytes lie within the file is not looked at.
    pub fn regions(&self) -> Result<Vec<Located>, Error> {
        let scan = self.scan_index()?;
        match scan.faults.into_iter().next() {
            Some(fault) => Err(fault.into()),
            None => Ok(scan.found),
        }
    }

    /// The whole index, read once: for those who want more than one of its sides.
    ///
    /// # Errors
    /// An index that cannot be read at all. Entries at fault are in the scan.
    pub fn scan_index(&self) -> Result<IndexScan, Error> {
        scan::scan(&**self.source(), self.view(), |_| ())
    }

    /// Every group of the index, newest first, those without entries too.
    ///
    /// # Errors
    /// What is wrong with the index.
    pub fn groups(&self) -> Result<Vec<GroupSummary>, Error> {
        Ok(self.scan_index()?.groups)
    }

    /// The names list; empty where the package has none. Read once and kept.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn names(&self) -> Result<&Names, Error> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let names = match self.finder.find(NAMES_ID)? {
            Some(located) => Names::read(self, located)?,
            None => Names::default(),
        };
        Ok(self.names.get_or_init(|| names))
    }

    /// The names list where it was read before, or where there is none.
    pub(crate) fn names_in_hand(&self) -> Option<&Names> {
        self.names.get()
    }

    /// Every region with its path: the named ones by path, then the others by id.
    ///
    /// # Errors
    /// What is wrong with the index or the names list.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        Ok(listing::join(&self.regions()?, self.names()?))
    }

    /// As [`list`](Self::list), where damage costs no more than what is damaged: without a names
    /// list regions are listed by id, and an entry that names no place is left out. What is
    /// lost is put into `faults`.
    ///
    /// # Errors
    /// An index that cannot be read at all.
    pub fn list_lossy(&self, faults: &mut Vec<Error>) -> Result<Vec<Listed>, Error> {
        let scan = self.scan_index()?;
        faults.extend(scan.faults.into_iter().map(Error::from));
        let none = Names::default();
        let names = self.names().unwrap_or_else(|fault| {
            faults.push(fault);
            &none
        });
        Ok(listing::join(&scan.found, names))
    }
}
