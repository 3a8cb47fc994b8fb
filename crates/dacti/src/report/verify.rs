//! Verifies a package: its structure, its bounds, its overlaps, and whether every region decodes.

use crate::find::scan;
use crate::hash::HashPool;
use crate::index::IndexScan;
use crate::read::listing::{ListedRef, Listing};
use crate::report::FileMap;
use crate::report::fences_check::FencesCheck;
use crate::report::map::Overlap;
use crate::report::parts_check;
use crate::{Error, Names, Package, UnverifiedReader, View};
use core::fmt;
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use dacti_index::Located;
use dacti_names::NAMES_ID;
use daicon_core::Diagnostic;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use uuid::Uuid;

/// The number of decoded bytes that are checked at once.
const PIECE: usize = 64 * 1024;
/// The maximum time between two calls of `progress`.
const PATIENCE: Duration = Duration::from_millis(100);

/// A finding of a verification.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// An oddity of the container that readers ignore. Nothing is lost.
    Container(Diagnostic),
    /// Further oddities of the container, which were counted but not kept.
    ContainerMore {
        /// The number of these oddities.
        count: u64,
    },
    /// The layout component is wrong. Reading does not need it, but updating does.
    Layout(Arc<Error>),
    /// The fences are wrong, or contradict the index. Look-ups work without them, but more slowly.
    Fences(Arc<Error>),
    /// The seal component is wrong, so no region can be verified.
    Seals(dacti_seal::Error),
    /// The digest list is wrong. It is used only to compare packages.
    DigestList(dacti_seal::DigestListFault),
    /// A part that cannot be read, or whose bytes do not match its digest in the head's list.
    Part(Error),
    /// The dictionary cannot be read, so regions that refer to it cannot be decoded.
    Dictionary(Error),
    /// The names list cannot be read. Regions are still found by id, and by paths without an
    /// explicit id.
    Names(Error),
    /// Two structures or regions claim some of the same bytes. The format allows this, but packers
    /// of this project never do it.
    Overlap(Overlap),
    /// An entry of the index whose span is not valid in the file.
    Entry(Error),
    /// A region that cannot be read.
    Region {
        /// The region's path or id.
        name: String,
        /// The reason. It is the same for all regions that share their bytes.
        error: Arc<Error>,
    },
    /// A removal whose seal does not match.
    Removal {
        /// The id of the removed region.
        id: Uuid,
        /// The reason.
        error: Arc<Error>,
    },
    /// A region whose length differs from the length that the names list gives as a hint.
    Length {
        /// The region's path or id.
        name: String,
        /// The length in the names list, in bytes.
        hint: u64,
        /// The region's length, in bytes.
        found: u64,
    },
    /// The flags of the package say that no path has an explicit id, but its names list has such
    /// paths. These paths are listed, but look-ups do not find them.
    HiddenIds {
        /// The number of these paths.
        count: u64,
    },
    /// A path whose region is not in the index.
    NameWithoutRegion {
        /// The path.
        path: String,
    },
}

impl Finding {
    /// Returns the oddities of a package's container: first the oddities that were kept, then the
    /// number of the others.
    pub fn of_container(view: &View) -> impl Iterator<Item = Self> {
        let count = view.diagnostics_left_out();
        let more = (count > 0).then_some(Self::ContainerMore { count });
        view.diagnostics().iter().copied().map(Self::Container).chain(more)
    }

    /// Returns whether the finding means that some content of the package cannot be read or found.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Seals(_)
                | Self::Part(_)
                | Self::Dictionary(_)
                | Self::Names(_)
                | Self::Entry(_)
                | Self::Region { .. }
                | Self::Removal { .. }
                | Self::HiddenIds { .. }
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(diagnostic) => diagnostic.fmt(f),
            Self::ContainerMore { count } => {
                write!(f, "and {count} more oddities of the container")
            }
            Self::Layout(fault) | Self::Fences(fault) => fault.fmt(f),
            Self::Names(Error::Names(error)) => write!(f, "names list: {error}"),
            Self::Seals(error) => error.fmt(f),
            Self::DigestList(fault) => fault.fmt(f),
            Self::Names(error) => write!(f, "names list: {error}"),
            Self::Dictionary(error) => write!(f, "dictionary: {error}"),
            Self::Overlap(Overlap { first, second }) => write!(
                f,
                "{} at {} overlaps {} at {}",
                second.claimant, second.span, first.claimant, first.span
            ),
            Self::Part(error) | Self::Entry(error) => error.fmt(f),
            Self::Region { name, error } => write!(f, "{name:?}: {error}"),
            Self::Removal { id, error } => write!(f, "removal of {id}: {error}"),
            Self::Length { name, hint, found } => {
                write!(f, "{name:?}: {found} bytes long, but the names list says {hint}")
            }
            Self::HiddenIds { count } => write!(
                f,
                "names list: {count} paths have explicit ids, but the package says that it has \
                 none: readers find these regions only by id"
            ),
            Self::NameWithoutRegion { path } => {
                write!(f, "{path:?}: is in the names list, but has no region")
            }
        }
    }
}

/// The progress of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyProgress {
    /// The number of stored bytes that were decoded.
    pub bytes: u64,
    /// The number of all stored bytes.
    pub bytes_total: u64,
}

/// The result of a verification.
#[derive(Debug, Default)]
pub struct Report {
    /// The number of regions that were checked, including the names list.
    pub regions: u64,
    /// The number of stored bytes of these regions. Bytes that regions share count once for each
    /// region.
    pub stored_len: u64,
    /// The number of decoded bytes of these regions. Bytes that regions share count once for each
    /// region.
    pub decoded_len: u64,
    /// All findings, in the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Returns whether the whole package can be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(Finding::is_loss)
    }
}

impl Package {
    /// Verifies the whole package: every structure, every bound, and every region. Regions are
    /// decoded on `threads` threads; `None` means one thread for each core. In a package in parts,
    /// the digest of every part is verified, too.
    ///
    /// The verification stops if `progress` returns `Break`. Cost: every byte is read, and regions
    /// near each other share a read. In a package in parts, every byte is read a second time to
    /// hash the parts. Memory: as much as [`list`](Self::list) and [`Readers`](crate::Readers) take
    /// together.
    ///
    /// # Errors
    /// An index that cannot be read at all; `TotalTooLong` if all regions together decode to more
    /// than [`Limits::total_len_max`](crate::Limits::total_len_max) allows; `Stopped`; another file
    /// that has replaced the package; the same fault of a server for several regions in a row.
    /// Faults of single regions are in the report.
    pub fn verify(
        &self,
        threads: Option<NonZeroUsize>,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Report, Error> {
        let mut report = Report::default();
        let view = self.view();
        report.findings.extend(Finding::of_container(view));
        report.findings.extend(view.layout_fault().cloned().map(Finding::Layout));
        let (scan, fences_fault) = self.scan_with_fences()?;
        report.findings.extend(view.seals_fault().map(Finding::Seals));
        report.findings.extend(self.digest_list_fault(&scan)?.map(Finding::DigestList));
        let keys = view.fences_fault().cloned().or_else(|| fences_fault.map(Arc::new));
        report.findings.extend(keys.map(Finding::Fences));
        report.findings.extend(scan.faults.iter().map(|fault| Finding::Entry((*fault).into())));
        report.findings.extend(self.dictionary().get().err().map(Finding::Dictionary));
        let overlaps = FileMap::claims_of(self, &scan)?.overlaps;
        report.findings.extend(overlaps.into_iter().map(Finding::Overlap));
        let (names, names_lost) = match self.names() {
            Ok(names) => (names, false),
            Err(error) => {
                report.findings.push(Finding::Names(error));
                (Names::NONE, true)
            }
        };
        let listing = Listing::new(&scan.found[..], names);
        report.findings.extend(judge_names(self, &listing));
        let seal_len = self.trust().seal_len();
        let own = scan.found.iter().filter(|found| found.id == NAMES_ID && !names_lost);
        // spec: R-GONE-04
        let removals = scan.removals.iter().filter(|_| seal_len > 0);
        let own = own.chain(removals).map(ListedRef::unnamed);
        let mut listed: Vec<ListedRef<'_>> = own.chain(listing.iter()).collect();
        // The regions are sorted in the order of the file, so that disks and caches read ahead.
        // Regions that share their bytes are adjacent, and are decoded once.
        listed.sort_unstable_by_key(|listed| {
            let Located { span, encoding, id, .. } = *listed.located;
            (span, encoding.tag(), id, listed.path)
        });
        report.regions = u64::try_from(scan.found.len()).unwrap_or(u64::MAX);
        if scan.found.is_empty() && view.seals_fault().is_none() {
            report.findings.extend(self.trust().lacking().map(Finding::Seals));
        }
        let jobs: Vec<&[ListedRef<'_>]> = listed
            .chunk_by(|a, b| {
                // A seal covers one id. So if two regions share bytes, each seal after these bytes
                // matches at most one of the regions.
                a.located.span == b.located.span
                    && a.located.encoding == b.located.encoding
                    && (seal_len == 0 || a.located.id == b.located.id)
            })
            .collect();
        decode_all(self, &jobs, threads, progress, &mut report)?;
        let parts = parts_check::faults(self, &HashPool::new(threads));
        report.findings.extend(parts.into_iter().map(Finding::Part));
        Ok(report)
    }

    /// Reads the index once. Returns the scan, and the fault of the fences or the first
    /// contradiction between fences and index, if there is one.
    pub(crate) fn scan_with_fences(&self) -> Result<(IndexScan, Option<Error>), Error> {
        let view = self.view();
        let (mut fault, mut check) = (None, None);
        match view
            .index_region()
            .lookup(&view.head())
            .map(|lookup| FencesCheck::new(&lookup))
            .transpose()
        {
            Ok(checker) => check = checker,
            Err(error) => fault = Some(error),
        }
        let scan = scan::scan(&**self.source(), view, |group| {
            if let Some(Err(error)) = check.as_mut().map(|check| check.take(group)) {
                (fault, check) = (Some(error), None);
            }
        })?;
        self.note_names(&scan);
        Ok((scan, fault))
    }
}

/// Decodes a region and returns the length of its content. The content is dropped. If `stop` is set
/// meanwhile, returns `Stopped`.
fn decode(
    mut reader: UnverifiedReader,
    hash_pool: &Arc<HashPool>,
    stop: &AtomicBool,
) -> Result<u64, Error> {
    reader.hash_by(hash_pool);
    let mut buf = vec![0; PIECE];
    while !stop.load(Ordering::Relaxed) {
        if reader.read(&mut buf).map_err(Error::from_read)? == 0 {
            return Ok(reader.decoded_len());
        }
    }
    Err(Error::Stopped)
}

fn judge_names(package: &Package, listing: &Listing<'_>) -> Vec<Finding> {
    let hashed_alone = package.view().name_flags().is_some_and(|flags| !flags.explicit_ids);
    let names = listing.names().iter();
    let hidden = names.filter(|name| hashed_alone && name.is_explicit()).count();
    let mut findings: Vec<_> =
        listing.lost().map(|name| Finding::NameWithoutRegion { path: name.path.into() }).collect();
    if hidden > 0 {
        let count = u64::try_from(hidden).unwrap_or(u64::MAX);
        findings.push(Finding::HiddenIds { count });
    }
    findings
}

/// Decodes on several threads. All regions of a job share the same bytes, which are decoded once.
/// Findings are added in the order of `jobs`.
fn decode_all(
    package: &Package,
    jobs: &[&[ListedRef<'_>]],
    threads: Option<NonZeroUsize>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    report: &mut Report,
) -> Result<(), Error> {
    let stop = &AtomicBool::new(false);
    let hash_pool = &Arc::new(HashPool::new(threads));
    let (done, results) = std::sync::mpsc::channel();
    let stored_len =
        |job: &[ListedRef<'_>]| job.first().map_or(0, |first| first.located.span.len());
    let bytes_total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(stored_len(job)));
    let mut findings: Vec<(usize, Finding)> = Vec::new();
    let wanted = crate::threads::count(threads).get().min(jobs.len());
    // Each job has at least one region, so this leaves out no job.
    let readers =
        package.unverified_readers_at(jobs.iter().filter_map(|job| Some(*job.first()?.located)));
    let stopped = std::thread::scope(|scope| {
        crate::threads::start(scope, wanted, || {
            let (done, readers) = (done.clone(), &readers);
            move || {
                while let Some((i, reader)) = readers.next() {
                    let len = reader.and_then(|reader| decode(reader, hash_pool, stop));
                    if done.send((i, len)).is_err() || stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            }
        })?;
        drop(done);
        let mut bytes = 0_u64;
        loop {
            match results.recv_timeout(PATIENCE) {
                Ok((_, Err(error @ Error::TotalTooLong { .. }))) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Ok((i, decoded)) => {
                    let job = jobs.get(i).copied().unwrap_or_default();
                    bytes = bytes.saturating_add(stored_len(job));
                    let told = judge(job, decoded, report);
                    findings.extend(told.into_iter().map(|finding| (i, finding)));
                }
                // Decoding a region may take a long time, so `progress` is also called meanwhile.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
            if progress(VerifyProgress { bytes, bytes_total }).is_break() {
                stop.store(true, Ordering::Relaxed);
                return Ok::<bool, Error>(true);
            }
        }
    })?;
    if stopped {
        return Err(Error::Stopped);
    }
    readers.finish()?;
    findings.sort_by_key(|(i, _)| *i);
    report.findings.extend(findings.into_iter().map(|(_, finding)| finding));
    Ok(())
}

/// Adds the numbers of a job to the report, and returns the findings for all regions of the job.
fn judge(job: &[ListedRef<'_>], decoded: Result<u64, Error>, report: &mut Report) -> Vec<Finding> {
    let name = |listed: &ListedRef<'_>| match (listed.path, listed.located.id) {
        (None, NAMES_ID) => "names list".into(),
        _ => listed.name().into_owned(),
    };
    if let Some(removal) = job.first().filter(|first| first.located.is_removal()) {
        let id = removal.located.id;
        return decoded
            .err()
            .map(|error| Finding::Removal { id, error: error.into() })
            .into_iter()
            .collect();
    }
    // A region may be listed under several paths.
    let regions = job.chunk_by(|a, b| a.located.id == b.located.id).count();
    let regions = u64::try_from(regions).unwrap_or(u64::MAX);
    let stored_len = job.first().map_or(0, |first| first.located.span.len());
    report.stored_len = report.stored_len.saturating_add(stored_len.saturating_mul(regions));
    match decoded {
        Err(error) => {
            let error = Arc::new(error);
            let lost = |listed| Finding::Region { name: name(listed), error: Arc::clone(&error) };
            job.iter().map(lost).collect()
        }
        Ok(found) => {
            report.decoded_len = report.decoded_len.saturating_add(found.saturating_mul(regions));
            let wrong = job.iter().filter_map(|listed| {
                let hint = listed.decoded_len().filter(|hint| *hint != found)?;
                Some(Finding::Length { name: name(listed), hint, found })
            });
            wrong.collect()
        }
    }
}

impl Error {
    /// Returns the error that a region's reader reported, without the IO error that may wrap it.
    pub(crate) fn from_read(error: io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return own,
            Err(error) => error,
        };
        let Some(inner) = error.get_ref() else { return crate::read::view::read_failed(error) };
        if let Some(index) = inner.downcast_ref::<dacti_index::Error>() {
            return Self::Index(*index);
        }
        match inner.downcast_ref::<dacti_seal::Error>() {
            Some(seal) => Self::Seal(*seal),
            None => crate::read::view::read_failed(error),
        }
    }
}
