//! A package: opened once, shared by any number of threads, read by id or path.

use crate::fetch::source::{BytesSource, FileSource, Lent, ReadAt, read_span};
use crate::find::front;
use crate::find::guide::Told;
use crate::find::keys::{self, Begun};
use crate::find::scan::{self, Known};
use crate::hash::HashPool;
use crate::index::{GroupSummary, IndexScan};
use crate::read::explain::Explainer;
use crate::read::listing;
use crate::read::region::{region, stored};
use crate::read::seals::Trust;
use crate::read::view::read_failed;
use crate::{Error, Limits, Listed, Names, Region, RegionName, RegionReader, View};
use dacti_index::{Encoding, Located};
use dacti_lookup::{Search, SearchOutcome};
use dacti_names::{NAMES_ID, region_id};
use dacti_seal::SealPolicy;
use daicon_core::Span;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

/// An open package.
///
/// Everything is read from the view that was taken when it was opened: a package that grows
/// meanwhile shows what it showed then.
#[derive(Debug)]
pub struct Package {
    source: Arc<dyn ReadAt>,
    view: Arc<View>,
    limits: Limits,
    trust: Arc<Trust>,
    explainer: Explainer,
    hash_pool: Arc<HashPool>,
    known: Known,
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
        let known = Known::new(&*source, &view, &limits);
        let explainer = Explainer::new(Arc::clone(&source), Arc::clone(&view), &limits);
        let hash_pool = Arc::new(HashPool::new(None));
        let names = OnceLock::new();
        Ok(Self { source, view, limits, trust, explainer, hash_pool, known, names })
    }

    /// The same package, which hands out a region only if its seal satisfies `policy`.
    ///
    /// Without this, digests are checked where the package has them. [`SealPolicy::Nothing`] leaves
    /// them alone.
    #[must_use]
    pub fn require(mut self, policy: SealPolicy) -> Self {
        Arc::make_mut(&mut self.trust).require(policy);
        // What was read under another policy does not count.
        self.names = OnceLock::new();
        self
    }

    /// The seals, and what is required of them.
    pub(crate) const fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// What head and tables say, for those who outlive this package.
    pub(crate) const fn shared_view(&self) -> &Arc<View> {
        &self.view
    }

    /// What tells swapped bytes from altered ones.
    pub(crate) const fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// Threads that hash long regions.
    pub(crate) const fn hash_pool(&self) -> &Arc<HashPool> {
        &self.hash_pool
    }

    /// The bytes of `span` where they are in memory: in the head that the view took, or lent.
    pub(crate) fn lent(&self, span: Span) -> Option<&[u8]> {
        self.source.slice(span).or_else(|| self.view.head().answer(span))
    }

    /// What the source lends.
    #[inline]
    pub(crate) const fn lent_by_source(&self) -> &Lent {
        &self.known.lent
    }

    /// The bytes of `span`, lent or read; fewer only at the file's end.
    pub(crate) fn bytes(&self, span: Span) -> Result<Cow<'_, [u8]>, Error> {
        match self.lent(span) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => read_span(&*self.source, span).map(Cow::Owned).map_err(read_failed),
        }
    }

    /// What head and tables say.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
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
    #[expect(
        clippy::inline_always,
        reason = "not inlined, it takes a third longer: docs/rationale.md"
    )]
    #[inline(always)]
    pub fn find<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<Option<Located>, Error> {
        match key.into() {
            RegionName::Id(id) => self.find_id(id),
            RegionName::Path(path) => self.find_path(path),
        }
    }

    fn find_path(&self, path: &str) -> Result<Option<Located>, Error> {
        let hashed = region_id(path).map_err(|error| Error::with_path(error, path))?;
        match self.view.name_flags() {
            Some(flags) if flags.explicit_ids => {
                let id = self.names()?.find(path).map_or(hashed, |name| name.id);
                self.find_id(id)
            }
            Some(_) => self.find_id(hashed),
            None => {
                if let Some(found) = self.find_id(hashed)? {
                    return Ok(Some(found));
                }
                match self.names()?.find(path).filter(|name| name.id != hashed) {
                    Some(name) => self.find_id(name.id),
                    None => Ok(None),
                }
            }
        }
    }

    /// How far what is in hand leads to the region of an id, without reading.
    pub(crate) fn begin(&self, id: Uuid) -> Begun<'_> {
        match self.view.keys() {
            Some(keys) if self.known.guide.is_none() => {
                keys.begin(&*self.source, &self.view, &self.known, id)
            }
            None if self.view.groups_in_head().is_none() => Begun::Scan,
            _ => Begun::Known(self.find_id(id)),
        }
    }

    /// Goes on with a search by what it wanted, as far as what is in hand leads then.
    pub(crate) fn go_on<'v>(&self, mut search: Search<'v>, wanted: &[u8]) -> Begun<'v> {
        match self.known.blocks.feed_shared(&mut search, wanted) {
            Ok(()) => keys::go_on(search, &*self.source, &self.view, &self.known),
            Err(_) => Begun::Alone,
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "not inlined, it takes a third longer: docs/rationale.md"
    )]
    #[inline(always)]
    pub(crate) fn find_id(&self, id: Uuid) -> Result<Option<Located>, Error> {
        // What is asked often stays in registers, as what is written to memory in small parts and
        // read in large ones waits for all that was read before. So the rest is out of line, takes
        // the id as a number, and answers in a type of its own.
        if let Some(filled) = self.known.filled() {
            match filled.find(id, self.known.lent.bytes()) {
                Told::Found(found) => return Ok(Some(found)),
                Told::Absent => return Ok(None),
                Told::Unknown | Told::Nothing => {}
            }
        }
        match self.known.told_by_front(id) {
            front::Told::Found(found) if found.span.end <= self.view.len() => {
                return Ok(Some(*found));
            }
            front::Told::Absent => return Ok(None),
            front::Told::Found(_) | front::Told::Nothing => {}
        }
        match self.search_id(id.as_u128()) {
            Ok(SearchOutcome::Found(found)) => Ok(Some(found)),
            Ok(SearchOutcome::Absent) => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[inline(never)]
    fn search_id(&self, id: u128) -> Result<SearchOutcome, Error> {
        let (source, id) = (&*self.source, Uuid::from_u128(id));
        let guided = self.view.keys().and_then(|keys| keys.guided(&self.view, &self.known, id));
        let answer = match guided {
            Some(answer) => keys::located(answer, self.view.len())?,
            None => scan::find(source, &self.view, &self.known, id)?,
        };
        Ok(answer.map_or(SearchOutcome::Absent, SearchOutcome::Found))
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

    /// A region's content as a stream, for what is too large to hold.
    ///
    /// # Errors
    /// As [`locate`](Self::locate); an encoding that is not known; a region that is stored as it
    /// is, and longer than a stream may be.
    pub fn reader<'a>(&self, key: impl Into<RegionName<'a>>) -> Result<RegionReader, Error> {
        self.reader_at(self.locate(key)?)
    }

    /// The content of a region that was found before, as a stream of at most
    /// [`Limits::stream_len_max`] bytes.
    ///
    /// # Errors
    /// Stored bytes outside the file; an encoding that is not known; a region that is stored as it
    /// is, and longer.
    pub fn reader_at(&self, located: Located) -> Result<RegionReader, Error> {
        let located = located.within(self.view.len())?;
        RegionReader::new(self, located, located.encoding, self.limits.stream_len_max)
    }

    /// The stored bytes of a region that was found before, not decoded, as a stream of at most
    /// [`Limits::stream_len_max`] bytes.
    ///
    /// # Errors
    /// Stored bytes outside the file; a policy that no bytes could satisfy.
    pub fn stored_reader_at(&self, located: Located) -> Result<RegionReader, Error> {
        let located = located.within(self.view.len())?;
        RegionReader::new(self, located, Encoding::NONE, self.limits.stream_len_max)
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
        scan::scan(&*self.source, &self.view, |_| ())
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
        let names = match self.find_id(NAMES_ID)? {
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

#[cfg(test)]
mod tests {
    use super::Package;
    use crate::{BuildOptions, EncodingChoice, PackageBuilder};
    use std::sync::Barrier;
    use uuid::Uuid;

    #[test]
    fn the_short_way_opens_whoever_looks_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.dacti-pack");
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        let ids: Vec<_> =
            (0..3000_u32).map(|n| Uuid::new_v5(&Uuid::nil(), &n.to_le_bytes())).collect();
        for id in &ids {
            builder.add(*id, vec![7]).unwrap();
        }
        builder.build(&path).unwrap();
        for round in 0..200 {
            let package = Package::open_mapped(&path).unwrap();
            let start = Barrier::new(2);
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    let (package, ids, start) = (&package, &ids, &start);
                    scope.spawn(move || {
                        start.wait();
                        for id in ids.iter().cycle().skip(thread * 700 + round).take(10) {
                            assert!(package.find(*id).unwrap().is_some());
                        }
                    });
                }
            });
            // Two look-ups, at once or one after the other, sort the newest entries, of which there
            // are none here: so the guide has all to say.
            assert!(package.known.filled().is_some(), "round {round}");
        }
    }
}
