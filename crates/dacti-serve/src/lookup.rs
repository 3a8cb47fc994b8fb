//! Finds regions of a package that is served, with bounded work and memory.
//!
//! Most look-ups read one index block, or nothing. Some need the names list or the whole index.
//! These are loaded once, by one request at a time. A failure is remembered as long as the file
//! stays the same.

use crate::work::{Client, Work};
use core::time::Duration;
use dacti::{Located, Package, Uuid, region_id};
use std::sync::{Arc, OnceLock};

/// The maximum number of bytes that a look-up reads. If it needs more, the whole index is loaded.
const LOOKUP_LEN_MAX: u64 = 1 << 20;
/// The maximum number of bytes that are read for one region besides its stored bytes: for the
/// look-up, its seals and the dictionary.
const REGION_EXTRA_MAX: u64 = 8 << 20;
/// The maximum length of an index that is loaded whole, in bytes. An entry has 24 bytes in the
/// index, and 56 bytes in memory.
const INDEX_LEN_MAX: u64 = 32 << 20;
/// The maximum number of bytes that are read to load a names list.
const NAMES_READ_MAX: u64 = 64 << 20;

/// A package that is served, with the parts of it that were loaded.
#[derive(Debug)]
pub(crate) struct Served {
    package: Package,
    names: OnceLock<Result<(), Fault>>,
    /// Every region, ascending by id.
    table: OnceLock<Result<Vec<Located>, Fault>>,
    lookup_len_max: u64,
}

/// Why a package cannot be served. The fault is remembered until the file changes.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Arc<str>);

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Fault {
    fn new(why: impl core::fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

/// A part of a package that a look-up needs in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Names,
    Table,
}

/// The result of a look-up.
#[derive(Debug)]
pub(crate) enum Found {
    Region(Located),
    Absent,
    /// Load this part and look again.
    Needs(Load),
}

impl Served {
    pub(crate) const fn new(package: Package) -> Self {
        let lookup_len_max = LOOKUP_LEN_MAX;
        Self { package, names: OnceLock::new(), table: OnceLock::new(), lookup_len_max }
    }

    pub(crate) const fn package(&self) -> &Package {
        &self.package
    }

    /// Finds the region at `path`. It may block on reads from the disk.
    pub(crate) fn find(&self, path: &str) -> Result<Found, Fault> {
        // A text that is not a valid path names no region.
        let Ok(hashed) = region_id(path) else { return Ok(Found::Absent) };
        let flags = self.package.view().name_flags();
        let explicit = flags.is_some_and(|flags| flags.explicit_ids);
        if !explicit {
            let found = self.find_id(hashed)?;
            if flags.is_some() || !matches!(found, Found::Absent) {
                return Ok(found);
            }
            // The package does not say whether its names list has explicit ids. So the list may
            // have another id for this path.
        }
        if !self.has_names()? {
            return Ok(Found::Needs(Load::Names));
        }
        let names = self.package.names().map_err(Fault::new)?;
        let listed = names.find(path).and_then(|name| name.explicit_id).unwrap_or(hashed);
        if explicit || listed != hashed { self.find_id(listed) } else { Ok(Found::Absent) }
    }

    fn find_id(&self, id: Uuid) -> Result<Found, Fault> {
        let to_found = |found: Option<Located>| found.map_or(Found::Absent, Found::Region);
        if let Some(table) = self.table.get() {
            let table = table.as_ref().map_err(Clone::clone)?;
            let found = table.binary_search_by_key(&id, |located| located.id);
            return Ok(to_found(found.ok().and_then(|at| table.get(at)).copied()));
        }
        let (work, _client) = Work::new(self.lookup_len_max, Duration::from_secs(10));
        let (found, passed) = work.run(|| self.package.find(id));
        if passed {
            return Ok(Found::Needs(Load::Table));
        }
        found.map(to_found).map_err(Fault::new)
    }

    /// Returns whether the names list is in memory.
    pub(crate) fn has_names(&self) -> Result<bool, Fault> {
        self.names.get().map_or(Ok(false), |loaded| loaded.clone().map(|()| true))
    }

    /// Returns whether an earlier load of a part has ended, either with success or with a fault.
    pub(crate) fn is_loaded(&self, load: Load) -> bool {
        match load {
            Load::Names => self.names.get().is_some(),
            Load::Table => self.table.get().is_some(),
        }
    }

    /// Loads a part within `time`. Returns the number of bytes of memory that the part takes. The
    /// load may block on reads from the disk. It continues after the client has left, because the
    /// next client needs the part, too.
    pub(crate) fn load(&self, load: Load, time: Duration) -> u64 {
        match load {
            Load::Names => {
                let loaded = self.names.get_or_init(|| {
                    let (work, _client) = Work::new(NAMES_READ_MAX, time);
                    let (names, _) = work.run(|| self.package.names().map(drop));
                    names.map_err(Fault::new)
                });
                // The list does not state its length in memory, so this is an estimate.
                if loaded.is_ok() { self.package.limits().names_len_max / 4 } else { 0 }
            }
            Load::Table => {
                let table = self.table.get_or_init(|| self.read_table(time));
                let entries = table.as_ref().map_or(0, Vec::len);
                u64::try_from(entries.saturating_mul(size_of::<Located>())).unwrap_or(u64::MAX)
            }
        }
    }

    fn read_table(&self, time: Duration) -> Result<Vec<Located>, Fault> {
        let len = self.package.view().index().len();
        if len > INDEX_LEN_MAX {
            return Err(Fault::new(format_args!(
                "the index has {len} bytes and no fences, but this server loads at most \
                 {INDEX_LEN_MAX} bytes of an index without fences: pack the package again, with \
                 fences"
            )));
        }
        let (work, _client) = Work::new(len.saturating_add(LOOKUP_LEN_MAX), time);
        work.run(|| self.package.regions()).0.map_err(Fault::new)
    }
}

/// Returns the limits on the work of reading one region for a client. When the region is found, its
/// length is added to the limit on bytes.
pub(crate) fn region_work() -> (Work, Client) {
    Work::new(REGION_EXTRA_MAX, Duration::from_mins(1))
}

#[cfg(test)]
mod tests {
    use super::{Found, Load, Served};
    use crate::work;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use core::time::Duration;
    use dacti::fetch::{BytesSource, ReadAt};
    use dacti::{BuildOptions, Limits, Package, PackageBuilder};
    use std::io;
    use std::sync::Arc;

    /// A source whose reads are limited by the current work, and counted.
    #[derive(Debug)]
    struct Bounded(BytesSource, AtomicU64);

    impl ReadAt for Bounded {
        fn len(&self) -> u64 {
            self.0.len()
        }

        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            work::read(buf.len())?;
            self.1.fetch_add(1, Relaxed);
            self.0.read_at(at, buf)
        }
    }

    /// Returns a package of 3,000 regions whose look-ups may read nothing, and its source.
    fn served() -> (Served, Arc<Bounded>) {
        let mut builder = PackageBuilder::new(BuildOptions::default());
        for n in 0..3_000 {
            builder.add(format!("{n}"), vec![1]).unwrap();
        }
        let (bytes, _) = builder.build_to_vec().unwrap();
        let source = Arc::new(Bounded(BytesSource::new(bytes), AtomicU64::new(0)));
        let package = Package::from_source(Arc::clone(&source) as _, Limits::default()).unwrap();
        (Served { lookup_len_max: 0, ..Served::new(package) }, source)
    }

    #[test]
    fn an_index_that_look_ups_read_too_much_of_is_loaded_once() {
        let (served, source) = served();
        // The entry of the region `far` is not in the head, and look-ups may read nothing.
        let far = (0..3_000)
            .map(|n| n.to_string())
            .find(|path| matches!(served.find(path), Ok(Found::Needs(Load::Table))));
        let far = far.expect("most entries are after the head");
        assert!(!served.is_loaded(Load::Table));
        assert!(served.load(Load::Table, Duration::from_mins(1)) > 3_000 * 24);
        let reads = source.1.load(Relaxed);
        for n in 0..3_000 {
            assert!(matches!(served.find(&n.to_string()), Ok(Found::Region(_))));
        }
        assert!(matches!(served.find(&far), Ok(Found::Region(_))));
        assert!(matches!(served.find("no such"), Ok(Found::Absent)));
        assert_eq!(source.1.load(Relaxed), reads, "nothing more is read");
        served.load(Load::Table, Duration::from_mins(1));
        assert_eq!(source.1.load(Relaxed), reads);
    }

    #[test]
    fn a_load_that_takes_too_long_fails_for_good() {
        let (served, _) = served();
        assert_eq!(served.load(Load::Table, Duration::ZERO), 0);
        assert_eq!(served.load(Load::Table, Duration::from_mins(1)), 0, "it is remembered");
        let fault = served.find("7").unwrap_err().to_string();
        assert!(fault.contains("more work than this server allows"), "{fault}");
    }
}
