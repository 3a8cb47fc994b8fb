//! Looks up many ids together. If several ids need the same block, it is read once. Blocks near
//! each other share a read.
//!
//! If a shared read fails or its bytes are wrong, each affected id is looked up alone, and that
//! look-up reports the fault.

use super::reads::joining;
use crate::fetch::source::{Told, read_span};
use crate::find::finder::Begun;
use crate::find::scan;
use crate::{Error, Names, Package, RegionName};
use dacti_index::Located;
use dacti_lookup::Search;
use dacti_names::region_id;
use daicon_core::{Joined, Span, coalesce};
use uuid::Uuid;

/// An id to look up, and the index of its name in the caller's list of names.
pub(super) type Asked = (Uuid, usize);

/// A function that is told the index of a name, and the result of the name's look-up.
type Tell<'t> = dyn FnMut(usize, Result<Option<Located>, Error>) + 't;

/// A search that waits for bytes that must be read.
struct Pending<'p> {
    want: Span,
    asked: Asked,
    search: Search<'p>,
}

/// Ids whose look-up needs bytes that are not in memory.
#[derive(Default)]
pub(super) struct Unknown<'p> {
    searches: Vec<Pending<'p>>,
    /// Ids that a scan of the index must find.
    scanned: Vec<Asked>,
    /// Ids that are looked up one by one.
    alone: Vec<Asked>,
}

/// Finds ids with the bytes in memory. Returns the ids whose look-up needs other bytes.
pub(super) fn begin<'p>(
    package: &'p Package,
    mut ids: Vec<Asked>,
    tell: &mut Tell<'_>,
) -> Unknown<'p> {
    // Ids that follow each other often lie in one block.
    ids.sort_unstable();
    let mut unknown = Unknown::default();
    for asked in ids {
        unknown.take(asked, package.finder().begin(asked.0), tell);
    }
    unknown
}

impl<'p> Unknown<'p> {
    fn take(&mut self, asked: Asked, begun: Begun<'p>, tell: &mut Tell<'_>) {
        match begun {
            Begun::Known(found) => tell(asked.1, found),
            Begun::Scan => self.scanned.push(asked),
            Begun::Alone => self.alone.push(asked),
            Begun::Search(search) => match search.want() {
                Some(want) => self.searches.push(Pending { want, asked, search }),
                None => self.alone.push(asked),
            },
        }
    }

    /// Returns the number of ids.
    pub(super) fn len(&self) -> usize {
        let others = self.scanned.len().saturating_add(self.alone.len());
        self.searches.len().saturating_add(others)
    }

    /// Returns the reads that are made first: those of a scan, if an id needs one, and those of the
    /// wanted blocks.
    pub(super) fn reads(&mut self, package: &Package) -> Vec<Span> {
        let mut reads = Vec::new();
        if !self.scanned.is_empty() {
            reads.extend(scan::windows(&**package.source(), package.view()));
        }
        reads.extend(self.joined(package).iter().map(|read| read.span));
        reads
    }

    /// Returns the reads of all wanted blocks, and sorts the searches in the order of these reads.
    fn joined(&mut self, package: &Package) -> Vec<Joined> {
        self.searches.sort_by_key(|pending| (pending.want, pending.asked));
        let wants: Vec<Span> = self.searches.iter().map(|pending| pending.want).collect();
        coalesce(&wants, joining(package)).collect()
    }

    /// Reads until the look-up of every id has a result.
    pub(super) fn find(mut self, package: &'p Package, tell: &mut Tell<'_>) {
        // The loop ends, because each search needs a limited number of reads.
        while !self.searches.is_empty() {
            let reads = self.joined(package);
            let ahead = reads.iter().map(|read| read.span).collect();
            let _told = Told::new(&**package.source(), ahead);
            let mut searches = core::mem::take(&mut self.searches).into_iter();
            for read in reads {
                let bytes = read_span(&**package.source(), read.span).ok();
                for Pending { want, asked, search } in searches.by_ref().take(read.count) {
                    let part = bytes.as_deref().and_then(|b| want.slice_of(b, read.span.start));
                    let begun =
                        part.map_or(Begun::Alone, |part| package.finder().feed_begun(search, part));
                    self.take(asked, begun, tell);
                }
            }
        }
        for (id, i) in self.alone {
            // If the fences contradict the groups, each look-up of one id would scan the index. One
            // scan finds all ids instead.
            if package.finder().must_scan() {
                self.scanned.push((id, i));
            } else {
                tell(i, package.finder().find(id));
            }
        }
        scan_for(package, self.scanned, tell);
    }
}

/// The maximum number of ids that are looked up alone after a joint scan failed. Each of these
/// look-ups may read the whole index.
const ALONE_MAX: usize = 8;

/// Finds ids in one scan of the index.
fn scan_for(package: &Package, mut asked: Vec<Asked>, tell: &mut Tell<'_>) {
    asked.sort_unstable();
    let ids: Vec<Uuid> = asked.iter().map(|(id, _)| *id).collect();
    let (found, walked) = scan::find_all(&**package.source(), package.view(), &ids);
    let mut alone = 0;
    for ((id, i), found) in asked.into_iter().zip(found) {
        let told = match (found, &walked) {
            (Some(found), _) => found.map_err(Error::from),
            (None, Ok(())) => Ok(None),
            // The scan failed before it reached the id. If the id is looked up alone, it gets an
            // error of its own.
            (None, Err(_)) if alone < ALONE_MAX => {
                alone = alone.saturating_add(1);
                package.finder().find(id)
            }
            (None, Err(fault)) => Err(fault.repeated()),
        };
        tell(i, told);
    }
}

/// Returns the id under which a name is looked up first. For a path in a package with explicit ids,
/// the names list tells this id. In that case the result is `None` if `list` is `None`.
pub(super) fn id_of(
    package: &Package,
    name: RegionName<'_>,
    list: Option<&Names>,
) -> Result<Option<Uuid>, Error> {
    let path = match name {
        RegionName::Id(id) => return Ok(Some(id)),
        RegionName::Path(path) => path,
    };
    let hashed = region_id(path).map_err(|error| Error::with_path(error, path))?;
    if package.view().name_flags().is_some_and(|flags| flags.explicit_ids) {
        return Ok(
            list.map(|list| list.find(path).and_then(|named| named.explicit_id).unwrap_or(hashed))
        );
    }
    Ok(Some(hashed))
}

/// Returns the id that the names list gives to a path, if it differs from the hashed id.
pub(super) fn other_id(name: RegionName<'_>, list: &Names) -> Option<Uuid> {
    let RegionName::Path(path) = name else { return None };
    let hashed = region_id(path).ok()?;
    list.find(path).and_then(|named| named.explicit_id).filter(|id| *id != hashed)
}

/// Returns whether a name must be looked up in the names list if its hashed id was not found. This
/// holds for a path in a package without a names component, because no flag tells whether its names
/// list has explicit ids.
pub(super) fn has_other_id(package: &Package, name: RegionName<'_>) -> bool {
    matches!(name, RegionName::Path(_)) && package.view().name_flags().is_none()
}

/// Finds the regions of `names`.
pub(super) fn find_all(
    package: &Package,
    names: &[RegionName<'_>],
) -> Vec<Result<Option<Located>, Error>> {
    if package.check_head().is_err() {
        return names.iter().map(|_| package.check_head().map(|()| None)).collect();
    }
    let explicit = package.view().name_flags().is_some_and(|flags| flags.explicit_ids);
    let by_path = names.iter().any(|name| matches!(name, RegionName::Path(_)));
    let list = if explicit && by_path { package.names().ok() } else { None };
    let mut found: Vec<_> = names.iter().map(|_| Ok(None)).collect();
    let mut asked = Vec::new();
    for ((i, name), slot) in names.iter().enumerate().zip(&mut found) {
        match id_of(package, *name, list) {
            Ok(Some(id)) => asked.push((id, i)),
            // The names list is at fault. Looking up this name alone returns that fault.
            Ok(None) => *slot = package.find(*name),
            Err(fault) => *slot = Err(fault),
        }
    }
    find_ids(package, asked, &mut found);
    let absent = names.iter().copied().enumerate().filter(|(i, name)| {
        matches!(found.get(*i), Some(Ok(None))) && has_other_id(package, *name)
    });
    let absent: Vec<_> = absent.collect();
    if absent.is_empty() {
        return found;
    }
    let Ok(list) = package.names() else {
        // The names list cannot be read, so each name is looked up alone and gets its own error.
        for (i, name) in absent {
            set(&mut found, i, package.find(name));
        }
        return found;
    };
    let others = absent.into_iter().filter_map(|(i, name)| Some((other_id(name, list)?, i)));
    let asked = others.collect();
    find_ids(package, asked, &mut found);
    found
}

fn find_ids(package: &Package, ids: Vec<Asked>, found: &mut [Result<Option<Located>, Error>]) {
    let tell = &mut |i, told| set(found, i, told);
    let unknown = begin(package, ids, tell);
    unknown.find(package, tell);
}

fn set<T>(slots: &mut [T], i: usize, value: T) {
    if let Some(slot) = slots.get_mut(i) {
        *slot = value;
    }
}
