//! Verifies a package: structure, bounds, overlaps, and that every region decodes.

use crate::map::Overlap;
use crate::{Error, FileMap, Listed, Names, Package, listing, scan};
use core::fmt;
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicUsize, Ordering};
use dacti_index::Located;
use dacti_names::NAMES_ID;
use daicon_core::Diagnostic;
use std::io;
use std::sync::Mutex;

/// Something that a verification found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// An oddity of the container that readers pass over. Nothing is lost by it.
    Container(Diagnostic),
    /// The layout component is wrong. Reading needs it not, updating does.
    Layout(String),
    /// The names list cannot be read: regions are found by id, and paths only by the ids hashed
    /// from them.
    Names(Error),
    /// Two structures or regions claim some of the same bytes. The format allows it, and no packer
    /// of ours does it.
    Overlap(Overlap),
    /// An entry of the index that names no place.
    Entry(Error),
    /// A region that cannot be read.
    Region {
        /// Its path or id.
        name: String,
        /// Why not.
        error: Error,
    },
    /// A region that is not as long as the names list says. The list is only a hint.
    Length {
        /// Its path or id.
        name: String,
        /// What the names list says, in bytes.
        hint: u64,
        /// How long it is, in bytes.
        found: u64,
    },
    /// A path whose region is not in the index.
    NameWithoutRegion {
        /// The path.
        path: String,
    },
}

impl Finding {
    /// Whether something cannot be read for it.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Names(_) | Self::Entry(_) | Self::Region { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(Diagnostic::Loop { at, extension_at }) => write!(
                f,
                "table at {at:#x}: its extension leads back to the table at {extension_at:#x}"
            ),
            Self::Container(Diagnostic::Duplicate { at, first_at }) => write!(
                f,
                "component at {at:#x}: ignored, as the one at {first_at:#x} has the same id \
                 and major version"
            ),
            Self::Container(Diagnostic::ReservedNotZero { at, found }) => {
                write!(f, "reserved field at {at:#x}: {found:#x}, not 0")
            }
            Self::Container(_) => f.write_str("an oddity of the container"),
            Self::Layout(fault) => f.write_str(fault),
            Self::Names(error) => write!(f, "names list: {error}"),
            Self::Overlap(Overlap { first, second }) => write!(
                f,
                "{} at {} overlaps {} at {}",
                second.claimant, second.span, first.claimant, first.span
            ),
            Self::Entry(error) => error.fmt(f),
            Self::Region { name, error } => write!(f, "{name:?}: {error}"),
            Self::Length { name, hint, found } => {
                write!(f, "{name:?}: {found} bytes long, {hint} by the names list")
            }
            Self::NameWithoutRegion { path } => write!(f, "{path:?}: has a name, but no region"),
        }
    }
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyProgress {
    /// Stored bytes decoded.
    pub bytes: u64,
    /// Stored bytes in all.
    pub bytes_total: u64,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// Regions that were looked at, the names list's own included.
    pub regions: u64,
    /// Bytes that they take when stored.
    pub stored_len: u64,
    /// Bytes that they decode to.
    pub decoded_len: u64,
    /// What is wrong or odd, in the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything can be read.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.findings.iter().any(Finding::is_loss)
    }
}

impl Package {
    /// Verifies the whole package: every structure, every bound, and every region decoded on all
    /// cores.
    ///
    /// What `progress` returns decides whether it goes on. Cost: every byte is read; memory as for [`list`](Self::list), and a decoder's window a
    /// thread.
    ///
    /// # Errors
    /// An index that cannot be read at all; `Stopped`. What is wrong with single regions is in the report.
    pub fn verify(
        &self,
        threads: Option<NonZeroUsize>,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Report, Error> {
        let mut report = Report::default();
        let view = self.view();
        report.findings.extend(view.diagnostics().iter().copied().map(Finding::Container));
        report.findings.extend(view.layout_fault().map(|fault| Finding::Layout(fault.into())));
        let regions = scan::regions(&**self.source(), view)?;
        let entries = regions.faults.into_iter().map(|fault| Finding::Entry(fault.into()));
        report.findings.extend(entries);
        let overlaps = FileMap::read(self)?.overlaps;
        report.findings.extend(overlaps.into_iter().map(Finding::Overlap));
        let none = Names::default();
        let names = self.names().unwrap_or_else(|error| {
            report.findings.push(Finding::Names(error));
            &none
        });
        let listed = listing::join(&regions.found, names);
        report.findings.extend(names_without_regions(names, &regions.found));
        let own = regions.found.iter().filter(|found| found.id == NAMES_ID);
        let mut jobs: Vec<Listed> =
            own.map(|own| Listed { path: None, located: *own, decoded_len: None }).collect();
        jobs.extend(listed);
        // In the order of the file, so that disks and caches are read ahead.
        jobs.sort_by_key(|job| job.located.span.start);
        report.regions = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
        decode_all(self, &jobs, threads, progress, &mut report)?;
        Ok(report)
    }

    fn decode(&self, located: Located) -> Result<u64, Error> {
        let mut reader = self.reader_at(located)?;
        io::copy(&mut reader, &mut io::sink()).map_err(Error::from_read)
    }
}

fn names_without_regions(names: &Names, regions: &[Located]) -> Vec<Finding> {
    let all = names.all();
    let lost = all
        .iter()
        .filter(|name| regions.binary_search_by_key(&name.id, |located| located.id).is_err());
    lost.map(|name| Finding::NameWithoutRegion { path: name.path.into() }).collect()
}

/// Decodes every region on several threads. Findings come in the order of `jobs`.
fn decode_all(
    package: &Package,
    jobs: &[Listed],
    threads: Option<NonZeroUsize>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    report: &mut Report,
) -> Result<(), Error> {
    let threads = crate::threads(threads).get().min(jobs.len());
    let mut stopped = false;
    let next = AtomicUsize::new(0);
    let (done, results) = std::sync::mpsc::channel();
    let findings: Mutex<Vec<(usize, Finding)>> = Mutex::default();
    let bytes_total =
        jobs.iter().fold(0, |sum: u64, job| sum.saturating_add(job.located.span.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, findings) = (done.clone(), &next, &findings);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(i) else { break };
                    let decoded = package.decode(job.located);
                    let decoded_len = decoded.as_ref().copied().unwrap_or_default();
                    if let Some(finding) = judge(job, decoded) {
                        let mut findings =
                            findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        findings.push((i, finding));
                    }
                    let stored_len = job.located.span.len();
                    if done.send((stored_len, decoded_len)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(done);
        // Dropped at a break, which is what the threads notice.
        for (stored_len, decoded_len) in results {
            report.stored_len = report.stored_len.saturating_add(stored_len);
            report.decoded_len = report.decoded_len.saturating_add(decoded_len);
            let at = VerifyProgress { bytes: report.stored_len, bytes_total };
            if progress(at).is_break() {
                stopped = true;
                break;
            }
        }
    });
    if stopped {
        return Err(Error::Stopped);
    }
    let mut findings = findings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    findings.sort_by_key(|(i, _)| *i);
    report.findings.extend(findings.into_iter().map(|(_, finding)| finding));
    Ok(())
}

fn judge(job: &Listed, decoded: Result<u64, Error>) -> Option<Finding> {
    let name = || match (&job.path, job.located.id) {
        (None, NAMES_ID) => "names list".into(),
        _ => job.name(),
    };
    match decoded {
        Err(error) => Some(Finding::Region { name: name(), error }),
        Ok(found) => job.decoded_len.filter(|hint| *hint != found).map(|hint| Finding::Length {
            name: name(),
            hint,
            found,
        }),
    }
}

impl Error {
    /// What a region's reader says, with the index's own errors brought back to what they were.
    pub(crate) fn from_read(error: io::Error) -> Self {
        let own = error.get_ref().and_then(|inner| inner.downcast_ref::<dacti_index::Error>());
        match own {
            Some(own) => Self::Index(*own),
            None => crate::view::read_failed(error),
        }
    }
}
