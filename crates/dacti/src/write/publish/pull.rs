//! Local copies of packages: made whole, or brought up to date by the bytes that are new.
//!
//! A copy is one file. While it is brought up to date, its readers see the old package or the new
//! one. Specification: `docs/spec/dacti-parts.md`, "The region"; `docs/spec/dacti-cdn.md`, "Laws".

use super::upload::{digest_of, read_whole};
use crate::fetch::source::{ReadAt, write_file_at};
use crate::read::view::read_failed;
use crate::report::Finding;
use crate::{AtomicFile, Error, Package};
use core::ops::ControlFlow;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{PartsError, PartsFault, PartsHead, is_in_parts, one_file_head};
use daicon_core::Span;
use std::path::Path;

/// Bytes that are fetched at once.
const FETCH_LEN: u64 = 4 << 20;

/// The result of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// The file before the pull.
    pub copy: CopyState,
    /// Length of the copy in bytes.
    pub len: u64,
    /// Bytes after the head that were fetched.
    pub fetched: u64,
}

/// The file before a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// No file, or another package: a new file was made.
    New,
    /// An earlier state of the package: the bytes that it lacked were fetched.
    Grown,
    /// The same state: nothing was done.
    Same,
}

/// Makes `path` a copy of `package`, as one file, and tells `progress` how many bytes of how many
/// are there, from this thread. It stops if `progress` returns `Break`.
///
/// If `path` is an earlier state of the same package, only the bytes that it lacks are fetched, and
/// the rest is copied on this machine. The copy appears under its name whole, in place of the old
/// one, when its digests were checked. An interrupted pull leaves the old copy.
///
/// # Errors
/// Errors of the source and of the system; bytes that do not fit their digests.
pub fn pull(
    package: &Package,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Pulled, Error> {
    let source = &**package.source();
    let head = read_whole(source, Span { start: 0, end: HEAD_LEN.min(source.len()) })?;
    let (one_file, parts) = as_one_file(head)?;
    let len = package_len(package, parts.as_ref());
    let local = Package::open(path).ok().filter(|local| is_same_package(local, package));
    if let Some(local) = &local
        && read_whole(&**local.source(), Span { start: 0, end: HEAD_LEN.min(len) })? == one_file
        && local.view().len() >= len
    {
        return Ok(Pulled { copy: CopyState::Same, len, fetched: 0 });
    }
    let have = local.as_ref().map_or(0, |local| local.view().len().min(len));
    let file = AtomicFile::create(path)?;
    let failed = |error| Error::io("write", path, error);
    file.file().set_len(len).map_err(failed)?;
    write_file_at(file.file(), 0, &one_file).map_err(failed)?;
    let mut copying = Copying { file: &file, path, done: 0, total: len, progress };
    let old = Span { start: HEAD_LEN, end: have.max(HEAD_LEN) };
    if let Some(local) = &local {
        copying.copy(&**local.source(), &[old])?;
    }
    let missing = match &parts {
        // Positions in no part are zeros in the file.
        Some(parts) => parts.region.list.entries().iter().map(|entry| entry.span).collect(),
        None => vec![Span { start: HEAD_LEN, end: len }],
    };
    let lacks = |span: Span| Span { start: span.start.max(old.end), end: span.end };
    let missing: Vec<Span> =
        missing.into_iter().map(lacks).filter(|span| span.start < span.end).collect();
    copying.copy(source, &missing)?;
    let fetched = missing.iter().fold(0, |sum: u64, span| sum.saturating_add(span.len()));
    prove(&file, parts.as_ref(), package)?;
    file.commit()?;
    let copy = if local.is_some() { CopyState::Grown } else { CopyState::New };
    Ok(Pulled { copy, len, fetched })
}

/// Holds the copy against the digests of its parts, or else against the seals of its regions.
fn prove(file: &AtomicFile, parts: Option<&PartsHead>, package: &Package) -> Result<(), Error> {
    let handle = file.file().try_clone().map_err(|e| Error::io("open", file.path(), e))?;
    let source = crate::fetch::FileSource::of(handle).map_err(read_failed)?;
    if let Some(parts) = parts {
        for entry in parts.region.list.entries() {
            if digest_of(&source, entry.span)? != entry.digest {
                let fault = PartsError { at: entry.span.start, fault: PartsFault::PartDigest };
                return Err(dacti_cdn::Error::from(fault).into());
            }
        }
        return Ok(());
    }
    let copy = Package::from_source(std::sync::Arc::new(source), *package.limits())?;
    let report = copy.verify(None, &mut |_| ControlFlow::Continue(()))?;
    let region = report.findings.into_iter().find_map(|finding| match finding {
        Finding::Region { name, error } => Some(Error::Pulled { name, error }),
        Finding::Entry(error) | Finding::Names(error) => Some(error),
        _ => None,
    });
    region.map_or(Ok(()), Err)
}

/// Copies ranges into the file.
struct Copying<'c> {
    file: &'c AtomicFile,
    path: &'c Path,
    done: u64,
    total: u64,
    progress: &'c mut dyn FnMut(u64, u64) -> ControlFlow<()>,
}

impl Copying<'_> {
    fn copy(&mut self, source: &dyn ReadAt, spans: &[Span]) -> Result<(), Error> {
        let pieces: Vec<Span> = spans.iter().flat_map(|span| pieces(*span)).collect();
        source.will_read(&pieces);
        for piece in pieces {
            let bytes = read_whole(source, piece)?;
            write_file_at(self.file.file(), piece.start, &bytes)
                .map_err(|error| Error::io("write", self.path, error))?;
            self.done = self.done.saturating_add(piece.len());
            if (self.progress)(self.done, self.total).is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }
}

/// Returns the pieces in which a span is fetched.
fn pieces(span: Span) -> impl Iterator<Item = Span> {
    let mut at = span.start;
    core::iter::from_fn(move || {
        let start = at;
        at = start.saturating_add(FETCH_LEN).min(span.end);
        (start < span.end).then_some(Span { start, end: at })
    })
}

/// Returns a head as that of one file, and its list of parts.
fn as_one_file(head: Vec<u8>) -> Result<(Vec<u8>, Option<PartsHead>), Error> {
    if !is_in_parts(&head) {
        return Ok((head, None));
    }
    let parts = PartsHead::parse(&head)?;
    let one_file = one_file_head(&head, parts.region_at).map_err(dacti_cdn::Error::from)?;
    Ok((one_file, Some(parts)))
}

/// Returns the length of the copy: of a package of one file, to the end of its last byte.
fn package_len(package: &Package, parts: Option<&PartsHead>) -> u64 {
    parts.map_or_else(|| package.source().len(), |parts| parts.len)
}

/// Whether two packages have one file id.
fn is_same_package(local: &Package, package: &Package) -> bool {
    let id = |package: &Package| package.view().layout().map(|layout| layout.file_id);
    id(local).is_some() && id(local) == id(package)
}
