//! A package: opened once, shared by any number of threads, read by id or path.

use crate::error::PublishFault;
use crate::fetch::parts::open_file;
use crate::fetch::source::{BytesSource, FileSource, Lent, ReadAt, read_span};
use crate::find::finder::Finder;
use crate::find::scan;
use crate::hash::HashPool;
use crate::index::{GroupSummary, IndexScan};
use crate::read::dictionary::PackageDictionary;
use crate::read::explain::Explainer;
use crate::read::region::{region, stored};
use crate::read::seals::Trust;
use crate::read::stream::Proofs;
use crate::read::view::read_failed;
use crate::{Error, Limits, Listed, Listing, Names, Region, RegionName, View};
use dacti_cdn::parts::PARTS_FORMAT_VERSION;
use dacti_index::{Located, OpenBrotli};
use dacti_names::{NAMES_ID, region_id};
use dacti_seal::{PublicKey, SealPolicy};
use daicon_core::Span;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
use std::time::{SystemTime, UNIX_EPOCH};

/// An open package.
///
/// All reads use the [`View`] that was read when the package was opened. So if an update changes
/// the file later, this package still returns the old contents. Threads can share a package, and do
/// not wait for each other.
#[derive(Debug)]
pub struct Package {
    finder: Finder,
    limits: Limits,
    /// The function that begins to decode a Brotli stream.
    brotli: OpenBrotli,
    trust: Arc<Trust>,
    dictionary: Arc<PackageDictionary>,
    explainer: Explainer,
    hash_pool: Arc<HashPool>,
    proofs: Arc<Proofs>,
    names: OnceLock<Names>,
    /// The place of the newest names region, if the index was read as a whole. It saves a look-up
    /// of this place, which would fetch a block of the index again.
    names_at: OnceLock<Option<Located>>,
    /// The reason why the policy refuses the head; `None` if it does not. With a refused head, no
    /// region is read.
    refused: Option<PublishFault>,
}

impl Package {
    /// Opens the package in the file at `path`, and reads it by position.
    ///
    /// # Errors
    /// `Io`; `NotAFile`; faults of the head and the tables.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path.as_ref(), |path| Ok(Arc::new(FileSource::open(path)?)))
    }

    /// Opens the package in the file at `path`, and maps it into memory. Look-ups then take no
    /// system call, and [`region`](Self::region) copies no content that is stored without encoding.
    ///
    /// Opening takes longer than with [`open`](Self::open). If another program truncates the file
    /// meanwhile, the system ends this program: see
    /// [`MmapSource`](crate::fetch::source::MmapSource).
    ///
    /// # Errors
    /// The errors of [`open`](Self::open), and `Io` if the file cannot be mapped.
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
        let opened = match Self::from_source(source(path)?, Limits::default()) {
            // Most files are whole packages, so the file is first opened as one. This fails for the
            // head of a package in parts, which is then opened as a head.
            Err(error) if is_head_in_parts(&error) => {
                Self::from_source(open_file(path)?, Limits::default())
            }
            opened => opened,
        };
        opened.map_err(|error| match error {
            Error::Io { action, source, .. } => Error::io(action, path, source),
            error => error,
        })
    }

    /// Opens a package in memory.
    ///
    /// # Errors
    /// Faults of the head and the tables.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Self, Error> {
        Self::from_source(Arc::new(BytesSource::new(bytes)), Limits::default())
    }

    /// Opens a package from any source, within the caller's limits.
    ///
    /// # Errors
    /// Errors of the source; faults of the head and the tables.
    pub fn from_source(source: Arc<dyn ReadAt>, limits: Limits) -> Result<Self, Error> {
        Self::from_source_decoded_by(source, limits, dacti_index::open_brotli)
    }

    /// Does the same as [`from_source`](Self::from_source), but decodes Brotli with the caller's
    /// decoder. The caller can load that decoder when the first region needs it.
    ///
    /// # Errors
    /// The errors of [`from_source`](Self::from_source).
    pub fn from_source_decoded_by(
        source: Arc<dyn ReadAt>,
        limits: Limits,
        brotli: OpenBrotli,
    ) -> Result<Self, Error> {
        let view = View::read(&*source)?;
        Ok(Self::from_view(source, view, limits, brotli))
    }

    /// Does the same as [`from_source_decoded_by`](Self::from_source_decoded_by), with the view
    /// that was read from `source`.
    pub(crate) fn from_view(
        source: Arc<dyn ReadAt>,
        view: View,
        limits: Limits,
        brotli: OpenBrotli,
    ) -> Self {
        let view = Arc::new(view);
        let trust = Arc::new(Trust::new(view.seals_read().cloned()));
        let explainer = Explainer::new(Arc::clone(&source), Arc::clone(&view), &limits);
        let dictionary = dictionary_of(&source, &view, &trust, brotli);
        let finder = Finder::new(source, view, &limits);
        let hash_pool = Arc::new(HashPool::new(None));
        let (names, names_at) = (OnceLock::new(), OnceLock::new());
        let (proofs, refused) = (Arc::default(), None);
        Self {
            finder,
            limits,
            brotli,
            trust,
            dictionary,
            explainer,
            hash_pool,
            proofs,
            names,
            names_at,
            refused,
        }
    }

    /// Sets the policy: the package then hands out a region only if the region's seal satisfies
    /// `policy`.
    ///
    /// By default a package checks the digests that it has. [`SealPolicy::Nothing`] skips the
    /// checks.
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    #[must_use]
    pub fn require(self, policy: SealPolicy) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.require_at(policy, now)
    }

    /// Does the same as [`require`](Self::require), at the time `now`, in seconds since 1970.
    /// WebAssembly in a browser needs this function, because it has no clock.
    #[must_use]
    pub fn require_at(mut self, policy: SealPolicy, now: u64) -> Self {
        self.refused = self.head_refused_by(&policy, now);
        Arc::make_mut(&mut self.trust).require(policy);
        // The proofs, the names list and the dictionary were accepted under the earlier policy, so
        // they are dropped.
        (self.proofs, self.names) = (Arc::default(), OnceLock::new());
        self.dictionary =
            dictionary_of(self.source(), self.shared_view(), &self.trust, self.brotli);
        self
    }

    /// Returns the reason why a policy refuses the head; `None` if it does not. Only the head of a
    /// package in parts is signed, so no policy refuses the head of a package of one file.
    fn head_refused_by(&self, policy: &SealPolicy, now: u64) -> Option<PublishFault> {
        // spec: R-PART-18, R-PART-19
        let SealPolicy::Signature(keys) = policy else { return None };
        let region = &self.view().parts()?.region;
        let signs = |key: &PublicKey| key.signed_head(&region.digest.0, &region.signature);
        if !keys.iter().any(signs) {
            return Some(PublishFault::UnsignedHead);
        }
        self.view().expired_by(now)
    }

    /// Returns the package if its head has not expired at `now`, in seconds since 1970. Only heads
    /// of packages in parts expire.
    ///
    /// # Errors
    /// `Publish` with [`PublishFault::ExpiredHead`].
    pub fn unexpired(self, now: u64) -> Result<Self, Error> {
        // spec: R-PART-19
        self.view().expired_by(now).map_or(Ok(self), |fault| Err(fault.into()))
    }

    /// Returns an error if the policy refuses the head.
    #[inline]
    pub(crate) fn check_head(&self) -> Result<(), Error> {
        match &self.refused {
            None => Ok(()),
            Some(fault) => Err(fault.clone().into()),
        }
    }

    /// Returns the seals and the policy of the reader.
    pub(crate) const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Returns the dictionary, which is read when a region needs it.
    pub(crate) const fn dictionary(&self) -> &Arc<PackageDictionary> {
        &self.dictionary
    }

    /// Returns the function that begins to decode a Brotli stream.
    pub(crate) const fn open_brotli(&self) -> OpenBrotli {
        self.brotli
    }

    /// Returns the view as a pointer that other values can share.
    pub(crate) const fn shared_view(&self) -> &Arc<View> {
        self.finder.view()
    }

    /// Returns the finder, which finds regions by id.
    pub(crate) const fn finder(&self) -> &Finder {
        &self.finder
    }

    /// Returns the explainer, which finds out why bytes are wrong: swapped, or altered.
    pub(crate) const fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// Returns the proofs of the regions that were verified last.
    pub(crate) const fn proofs(&self) -> &Arc<Proofs> {
        &self.proofs
    }

    /// Returns the threads that hash long regions.
    pub(crate) const fn hash_pool(&self) -> &Arc<HashPool> {
        &self.hash_pool
    }

    /// Returns the bytes of `span` if they are in memory: lent by the source, or in the head.
    pub(crate) fn lent(&self, span: Span) -> Option<&[u8]> {
        self.source().slice(span).or_else(|| self.view().head().answer(span))
    }

    /// Returns the bytes that the source lends.
    #[inline]
    pub(crate) const fn lent_by_source(&self) -> &Lent {
        self.finder.lent()
    }

    /// Returns the bytes of `span`, from memory or from the source. There are fewer bytes only if
    /// the file ends first.
    pub(crate) fn bytes(&self, span: Span) -> Result<Cow<'_, [u8]>, Error> {
        match self.lent(span) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => read_span(&**self.source(), span).map(Cow::Owned).map_err(read_failed),
        }
    }

    /// Reads the dictionary to which regions of the encoding `brod` refer; `None` if the package
    /// has none. You need not call this to decode regions.
    ///
    /// # Errors
    /// A component region outside the file; a seal that does not satisfy the policy; bytes that do
    /// not decode, or decode to more than 1 MiB.
    pub fn read_dictionary(&self) -> Result<Option<Arc<[u8]>>, Error> {
        self.check_head()?;
        Ok(self.dictionary.get()?.map(|dictionary| Arc::clone(&dictionary.bytes)))
    }

    /// Checks once more that the source is still the file that was opened.
    ///
    /// Digests bind a region's bytes to its id, but not to a package. If another package with the
    /// same paths and lengths replaces this one at the URL, the regions of the other package can
    /// pass all checks of digests. Calls that read many regions end with a call of `confirm`. Call
    /// it yourself after you have read many regions one by one, and before you use them together.
    /// Cost: nothing for files and memory; over HTTP one request, if anything was fetched since the
    /// last check.
    ///
    /// # Errors
    /// `Remote` of the kind `Replaced`, or the reason why the file cannot be checked.
    pub fn confirm(&self) -> Result<(), Error> {
        self.source().confirm().map_err(read_failed)
    }

    /// Returns the view: the head and the tables.
    #[must_use]
    pub fn view(&self) -> &View {
        self.finder.view()
    }

    /// Returns the source of the bytes.
    #[must_use]
    pub const fn source(&self) -> &Arc<dyn ReadAt> {
        self.finder.source()
    }

    /// Returns the limits of reading.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Finds the stored bytes of a region; `None` if the package has no such region.
    ///
    /// A path is hashed to an id, so no table of paths is needed. The names list is read only if
    /// the package has explicit ids, or if it has no names component and no region with the hashed
    /// id. Cost: no read if the head has the whole index; one read of an index block in a package
    /// with fences; otherwise a scan of the index up to the group with the id. In a local file, a
    /// part of the block is read first. Nearly every region is found in this part.
    ///
    /// # Errors
    /// Faults of the index and, if it is read, of the names list; a path that breaks the rules.
    #[inline]
    pub fn find<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<Option<Located>, Error> {
        match name.into() {
            RegionName::Id(id) if self.refused.is_none() => self.finder.find(id),
            name => self.find_named(name),
        }
    }

    /// Does the same as [`find`](Self::find), also for a path and for a head that the policy
    /// refuses. If the compiler inlined this function into `find`, a look-up by id would pass its
    /// result through memory and take twice the time.
    #[inline(never)]
    fn find_named(&self, name: RegionName<'_>) -> Result<Option<Located>, Error> {
        self.check_head()?;
        match name {
            RegionName::Id(id) => self.finder.find(id),
            RegionName::Path(path) => self.find_path(path),
        }
    }

    fn find_path(&self, path: &str) -> Result<Option<Located>, Error> {
        let hashed = region_id(path).map_err(|error| Error::with_path(error, path))?;
        match self.view().name_flags() {
            Some(flags) if flags.explicit_ids => {
                let explicit = self.names()?.find(path).and_then(|name| name.explicit_id);
                self.finder.find(explicit.unwrap_or(hashed))
            }
            Some(_) => self.finder.find(hashed),
            None => {
                if let Some(found) = self.finder.find(hashed)? {
                    return Ok(Some(found));
                }
                let explicit = self.names()?.find(path).and_then(|name| name.explicit_id);
                match explicit.filter(|id| *id != hashed) {
                    Some(id) => self.finder.find(id),
                    None => Ok(None),
                }
            }
        }
    }

    /// Finds the stored bytes of a region, or returns an error if the package does not have it.
    ///
    /// # Errors
    /// The errors of [`find`](Self::find), and `NotFound`.
    pub fn locate<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<Located, Error> {
        let name = name.into();
        self.find(name)?.ok_or_else(|| Error::NotFound { region: name.to_string() })
    }

    /// Reads a region's whole content, decoded. The content may have at most
    /// [`Limits::region_len_max`] bytes.
    ///
    /// # Errors
    /// The errors of [`locate`](Self::locate); faults of the stored bytes.
    pub fn get<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<Vec<u8>, Error> {
        self.get_capped(name, self.limits.region_len_max)
    }

    /// Reads a region's content, whole and decoded. If the content has more than `len_max` bytes,
    /// this returns an error, and no truncated content.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn get_capped<'a>(
        &self,
        name: impl Into<RegionName<'a>>,
        len_max: u64,
    ) -> Result<Vec<u8>, Error> {
        region(self, self.locate(name)?, None, len_max).map(Region::into_vec)
    }

    /// Reads a region's whole content, decoded and verified. The content may have at most
    /// [`Limits::region_len_max`] bytes. It is borrowed if the region is stored without encoding
    /// and its bytes are in memory: in a mapped file, in a package in memory, or in the head.
    ///
    /// # Errors
    /// The errors of [`get`](Self::get).
    pub fn region<'a>(&self, name: impl Into<RegionName<'a>>) -> Result<Region<'_>, Error> {
        self.region_at(self.locate(name)?)
    }

    /// Does the same as [`region`](Self::region), for a region that was found before.
    ///
    /// # Errors
    /// Stored bytes outside the file; faults of the stored bytes.
    #[inline]
    pub fn region_at(&self, located: Located) -> Result<Region<'_>, Error> {
        region(self, located, None, self.limits.region_len_max)
    }

    /// Reads and verifies the stored bytes of a region that was found before. Does not decode them.
    ///
    /// # Errors
    /// Stored bytes outside the file; a seal that does not match; errors of the source.
    pub fn stored(&self, located: &Located) -> Result<Vec<u8>, Error> {
        stored(self, *located).map(Cow::into_owned)
    }

    /// Reads the list of all regions, ascending by id. It includes the names list. If an id has
    /// several entries, the newest one is used.
    ///
    /// Cost: the whole index is read; 56 bytes of memory for each entry.
    ///
    /// # Errors
    /// Faults of the index. Stored bytes outside the file are not an error here.
    pub fn regions(&self) -> Result<Vec<Located>, Error> {
        let scan = self.scan_index()?;
        match scan.faults.into_iter().next() {
            Some(fault) => Err(fault.into()),
            None => Ok(scan.found),
        }
    }

    /// Reads the whole index once: groups, regions, and entries at fault.
    ///
    /// # Errors
    /// An index that cannot be read at all. Faults of single entries are part of the result.
    pub fn scan_index(&self) -> Result<IndexScan, Error> {
        self.check_head()?;
        let scan = scan::scan(&**self.source(), self.view(), |_| ())?;
        self.note_names(&scan);
        Ok(scan)
    }

    /// Records the place of the names list that the scan found. A scan with faults records nothing.
    pub(crate) fn note_names(&self, scan: &IndexScan) {
        if scan.faults.is_empty() {
            let place = scan.found.binary_search_by_key(&NAMES_ID, |located| located.id);
            self.names_at.get_or_init(|| place.ok().and_then(|i| scan.found.get(i)).copied());
        }
    }

    /// Reads every group of the index, newest first, including empty ones.
    ///
    /// # Errors
    /// Faults of the index.
    pub fn groups(&self) -> Result<Vec<GroupSummary>, Error> {
        Ok(self.scan_index()?.groups)
    }

    /// Reads the names list, once, and keeps it. It is empty if the package has none.
    ///
    /// # Errors
    /// Faults of the index and of the names list.
    pub fn names(&self) -> Result<&Names, Error> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        self.check_head()?;
        let place = match self.names_at.get() {
            Some(place) => *place,
            None => self.finder.find(NAMES_ID)?,
        };
        let names = match place {
            Some(located) => Names::read(self, located)?,
            None => Names::default(),
        };
        Ok(self.names.get_or_init(|| names))
    }

    /// Returns the cell with the place of the newest names region. It is filled when the index is
    /// read as a whole.
    pub(crate) const fn names_at(&self) -> &OnceLock<Option<Located>> {
        &self.names_at
    }

    /// Returns the names list, if it was read before.
    pub(crate) fn names_in_hand(&self) -> Option<&Names> {
        self.names.get()
    }

    /// Lists every region: the named ones by path, then the others by id.
    ///
    /// # Errors
    /// Faults of the index or the names list.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let regions = self.regions()?;
        let listing = Listing::new(regions, self.names()?);
        Ok(listing.iter().map(|listed| listed.to_listed()).collect())
    }

    /// Lists the readable regions of a damaged package, and adds all faults that it finds to
    /// `faults`. If the names list cannot be read, the regions are listed by id. A region whose
    /// entry has an invalid span is left out.
    ///
    /// # Errors
    /// An index that cannot be read at all.
    pub fn list_lossy(&self, faults: &mut Vec<Error>) -> Result<Vec<Listed>, Error> {
        Ok(self.listing(faults)?.iter().map(|listed| listed.to_listed()).collect())
    }

    /// Does the same as [`list_lossy`](Self::list_lossy), but copies no path.
    ///
    /// # Errors
    /// The errors of [`list_lossy`](Self::list_lossy).
    pub fn listing(&self, faults: &mut Vec<Error>) -> Result<Listing<'_>, Error> {
        let scan = self.scan_index()?;
        faults.extend(scan.faults.into_iter().map(Error::from));
        let names = self.names().unwrap_or_else(|fault| {
            faults.push(fault);
            Names::NONE
        });
        Ok(Listing::new(scan.found, names))
    }
}

fn dictionary_of(
    source: &Arc<dyn ReadAt>,
    view: &Arc<View>,
    trust: &Arc<Trust>,
    brotli: OpenBrotli,
) -> Arc<PackageDictionary> {
    let (source, view, trust) = (Arc::clone(source), Arc::clone(view), Arc::clone(trust));
    Arc::new(PackageDictionary::new(source, view, trust, brotli))
}

/// Returns whether a file was refused because it is the head of a package in parts.
fn is_head_in_parts(error: &Error) -> bool {
    use daicon_core::Error::UnsupportedFormatVersion;
    matches!(
        error,
        Error::Container(UnsupportedFormatVersion { found, .. }) if *found == PARTS_FORMAT_VERSION
    )
}
