//! Local copies of packages. A pull makes a new copy, or fetches the bytes that an old copy lacks.
//!
//! A copy is one file. While a pull replaces it, readers of the copy see the old package or the new
//! one. Specification: `docs/spec/dacti-parts.md`, "The region"; `docs/spec/dacti-cdn.md`, "Laws".

use super::partial::Partial;
use super::reuse::{self, Filled, Wanted};
use crate::fetch::source::ReadAt;
use crate::read::whole::read_whole;
use crate::report::{Finding, parts_check};
use crate::{Error, ErrorKind, Package};
use core::ops::ControlFlow;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{PartsHead, is_in_parts, one_file_head};
use daicon_core::Span;
use std::path::Path;

/// The number of bytes that are fetched at once.
const FETCH_LEN: u64 = 4 << 20;

/// The result of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// The state of the local file before the pull.
    pub copy: CopyState,
    /// Length of the copy in bytes.
    pub len: u64,
    /// The number of bytes that were fetched, without the head.
    pub fetched: u64,
}

/// The state of the local file before a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyState {
    /// There was no file, or a file of another package. A new file was written.
    New,
    /// The file had an earlier state of the package. The bytes that it lacked were fetched.
    Grown,
    /// The file had the same state, so nothing was done.
    Same,
}

/// Makes `path` a copy of `package`, as one file. Calls `progress` on the calling thread with two
/// numbers: the bytes that the copy has, and the bytes that it will have. The pull stops if
/// `progress` returns `Break`.
///
/// If `path` has an earlier state of the same package, only the bytes that it lacks are fetched. If
/// `path` has another package, some regions may be in both packages. The digest list of the new
/// package shows which regions these are, and they are not fetched.
///
/// The finished copy replaces the old copy only after all digests were checked. An interrupted pull
/// leaves the old copy unchanged. It also leaves an [`unfinished_copy`](super::unfinished_copy)
/// beside the old copy, from which the next pull resumes.
///
/// # Errors
/// Errors of the source and of the system; bytes that do not match their digests; `TotalTooLong`
/// if the regions decode to far too many bytes; `Stopped` if `progress` returns `Break`.
pub fn pull(
    package: &Package,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Pulled, Error> {
    let source = &**package.source();
    let head = read_whole(source, Span { start: 0, end: HEAD_LEN.min(source.len()) })?;
    let (one_file, parts) = as_one_file(head)?;
    let len = package_len(package, parts.as_ref());
    let local = Package::open(path).ok();
    let is_same = local.as_ref().is_some_and(|local| is_same_package(local, package));
    if let Some(local) = local.as_ref().filter(|_| is_same)
        && read_whole(&**local.source(), Span { start: 0, end: HEAD_LEN.min(len) })? == one_file
        && local.view().len() >= len
    {
        Partial::forget(path);
        return Ok(Pulled { copy: CopyState::Same, len, fetched: 0 });
    }
    let mut pull = Pull { package, path, one_file, parts, len, progress };
    let (partial, fetched) = pull.fill(local.as_ref(), is_same)?;
    let (partial, fetched) = match pull.prove(&partial) {
        Ok(()) => (partial, fetched),
        // These errors do not mean that bytes are wrong. The next pull resumes with these bytes.
        Err(error @ (Error::Stopped | Error::TotalTooLong { .. })) => return Err(error),
        // The bytes that were copied from this machine may be wrong, so all bytes are fetched
        // again.
        Err(_) if fetched < len.saturating_sub(HEAD_LEN) => {
            partial.discard()?;
            let (partial, again) = pull.fill(None, false)?;
            pull.prove(&partial)?;
            (partial, fetched.saturating_add(again))
        }
        Err(error) => {
            partial.discard()?;
            return Err(error);
        }
    };
    // spec: R-HTTP-65
    if let Err(error) = package.confirm() {
        // A later pull must not resume with the bytes of another package.
        if error.kind() == ErrorKind::Replaced {
            partial.discard()?;
        }
        return Err(error);
    }
    partial.commit()?;
    let copy = if is_same { CopyState::Grown } else { CopyState::New };
    Ok(Pulled { copy, len, fetched })
}

/// A pull in progress.
struct Pull<'p> {
    package: &'p Package,
    path: &'p Path,
    one_file: Vec<u8>,
    parts: Option<PartsHead>,
    len: u64,
    progress: &'p mut dyn FnMut(u64, u64) -> ControlFlow<()>,
}

impl Pull<'_> {
    /// Fills an unfinished copy, and returns it with the number of bytes that were fetched.
    fn fill(&mut self, local: Option<&Package>, is_same: bool) -> Result<(Partial, u64), Error> {
        let partial = Partial::open(self.path, &self.one_file, self.len)?;
        let source = &**self.package.source();
        let mut filled = Filled::default();
        let old = local.filter(|_| is_same).map_or_else(Vec::new, |local| self.unchanged(local));
        let second_starts = self.second_starts();
        let first = reuse::first(self.package).into_iter();
        let first: Vec<Span> = first.flat_map(|span| self.settled(span)).collect();
        let fill_second_starts = || reuse::copy(&partial, &partial.source()?, &second_starts);
        let mut copying = Copying {
            partial: &partial,
            done: HEAD_LEN.min(self.len),
            total: self.len,
            progress: self.progress,
        };
        if let Some(local) = local.filter(|_| is_same) {
            copying.copy(&**local.source(), &old)?;
            filled.add(old);
        }
        let all = match &self.parts {
            // Positions that no part has are zeros in the file. Second starts are copied from the
            // first starts.
            Some(parts) => parts.region.list.first_starts().map(|entry| entry.span).collect(),
            None => vec![Span { start: HEAD_LEN.min(self.len), end: self.len }],
        };
        let mut fetched = 0_u64;
        let others = local.filter(|_| !is_same);
        if partial.is_resumed || others.is_some() {
            let first = within(&first, &all);
            let first = filled.missing(&first);
            fetched = fetched.saturating_add(sum(&first));
            copying.copy(source, &first)?;
            filled.add(first);
            fill_second_starts()?;
            if let Some(wanted) = Wanted::read(&partial, self.package)? {
                if partial.is_resumed {
                    filled.add(wanted.completed());
                }
                if let Some(local) = others {
                    let shared = wanted.shared_with(local)?;
                    reuse::copy(&partial, &**local.source(), &shared)?;
                    filled.add(shared.into_iter().map(|(span, _)| span));
                }
            }
        }
        let missing = filled.missing(&all);
        copying.done = copying.total.saturating_sub(sum(&missing));
        copying.copy(source, &missing)?;
        fill_second_starts()?;
        Ok((partial, fetched.saturating_add(sum(&missing))))
    }

    /// Returns the spans of the old copy whose bytes the new one has, too.
    ///
    /// Published bytes never change, so these are all bytes of the old copy after its head. The
    /// exception is an index after the head that ends in second starts of parts. A later package
    /// may have other bytes at these positions.
    fn unchanged(&self, local: &Package) -> Vec<Span> {
        let end = local.view().len().min(self.len);
        let index = local.view().index();
        let settled = if index.start < HEAD_LEN { end } else { index.start.min(end) };
        let start = HEAD_LEN.min(end);
        let Some(parts) = &self.parts else { return vec![Span { start, end }] };
        let mut unchanged = vec![Span { start, end: settled.max(start) }];
        let (source, pool) = (&**local.source(), self.package.hash_pool());
        for entry in parts.region.list.first_starts() {
            let is_there = entry.span.end > settled && entry.span.end <= end;
            if is_there && parts_check::check(source, entry, pool).is_ok() {
                unchanged.push(entry.span);
            }
        }
        unchanged
    }

    /// Returns the positions of the bytes of `span` at the first starts of their parts.
    fn settled(&self, span: Span) -> Vec<Span> {
        self.parts.as_ref().map_or_else(|| vec![span], |parts| parts.region.list.settled(span))
    }

    /// Returns the second starts of parts, each with the position at which its part starts first.
    fn second_starts(&self) -> Vec<(Span, u64)> {
        let Some(parts) = &self.parts else { return Vec::new() };
        let pairs = parts.region.list.second_starts();
        pairs.map(|(entry, first)| (entry.span, first.span.start)).collect()
    }

    /// Checks the copy by the digests of its parts. If there are no parts, checks it by the seals
    /// of its regions.
    fn prove(&mut self, partial: &Partial) -> Result<(), Error> {
        let source = partial.source()?;
        if let Some(parts) = &self.parts {
            let pool = self.package.hash_pool();
            let mut entries = parts.region.list.entries().iter();
            return entries.try_for_each(|entry| parts_check::check(&source, entry, pool));
        }
        let copy = Package::from_source(std::sync::Arc::new(source), *self.package.limits())?;
        let report = copy.verify(None, &mut |_| (self.progress)(self.len, self.len))?;
        let region = report.findings.into_iter().find_map(|finding| match finding {
            Finding::Region { name, error } => Some(Error::Pulled { name, error }),
            Finding::Entry(error) | Finding::Names(error) => Some(error),
            _ => None,
        });
        region.map_or(Ok(()), Err)
    }
}

fn sum(spans: &[Span]) -> u64 {
    spans.iter().fold(0, |sum: u64, span| sum.saturating_add(span.len()))
}

/// Returns the overlaps of `spans` with the spans in `all`, in ascending order.
fn within(spans: &[Span], all: &[Span]) -> Vec<Span> {
    let mut within: Vec<Span> = spans
        .iter()
        .flat_map(|span| {
            all.iter()
                .map(|one| Span { start: span.start.max(one.start), end: span.end.min(one.end) })
        })
        .filter(|span| span.start < span.end)
        .collect();
    within.sort_unstable_by_key(|span| span.start);
    within
}

/// Copies ranges into the unfinished copy.
struct Copying<'c> {
    partial: &'c Partial,
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
            self.partial.write_at(piece.start, &bytes)?;
            self.done = self.done.saturating_add(piece.len()).min(self.total);
            if (self.progress)(self.done, self.total).is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(())
    }
}

/// Returns the pieces in which a span is fetched or copied.
pub(super) fn pieces(span: Span) -> impl Iterator<Item = Span> {
    let mut at = span.start;
    core::iter::from_fn(move || {
        let start = at;
        at = start.saturating_add(FETCH_LEN).min(span.end);
        (start < span.end).then_some(Span { start, end: at })
    })
}

/// Returns the head in the form of a package of one file, and its list of parts if it has one.
fn as_one_file(head: Vec<u8>) -> Result<(Vec<u8>, Option<PartsHead>), Error> {
    if !is_in_parts(&head) {
        return Ok((head, None));
    }
    let parts = PartsHead::parse(&head)?;
    let one_file = one_file_head(&head, parts.region_at).map_err(dacti_cdn::Error::from)?;
    Ok((one_file, Some(parts)))
}

/// Returns the length of the copy. For a package of one file, this is the length of the file.
fn package_len(package: &Package, parts: Option<&PartsHead>) -> u64 {
    parts.map_or_else(|| package.source().len(), |parts| parts.len)
}

/// Returns whether two packages have the same file id.
fn is_same_package(local: &Package, package: &Package) -> bool {
    let id = |package: &Package| package.view().layout().map(|layout| layout.file_id);
    id(local).is_some() && id(local) == id(package)
}
