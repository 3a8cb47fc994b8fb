//! Looks many ids up together: blocks of the index that several of them want are read once, and
//! near ones by one read.
//!
//! Whatever does not go smoothly is left to the look-up of one id, which knows all ways.

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

/// An id, and the place among the keys of the one that it is looked up for.
pub(super) type Asked = (Uuid, usize);

/// Takes what was found for a key.
type Tell<'t> = dyn FnMut(usize, Result<Option<Located>, Error>) + 't;

/// A search that wants bytes which are not in hand.
struct Pending<'p> {
    want: Span,
    asked: Asked,
    search: Search<'p>,
}

/// Ids of which what is in hand tells nothing.
#[derive(Default)]
pub(super) struct Unknown<'p> {
    searches: Vec<Pending<'p>>,
    /// Those that a scan of the index has to find.
    scanned: Vec<Asked>,
    /// Those that are looked up by themselves.
    alone: Vec<Asked>,
}

/// Tells what is in hand of where `ids` are, and returns the others.
pub(super) fn begin<'p>(
    package: &'p Package,
    mut ids: Vec<Asked>,
    tell: &mut Tell<'_>,
) -> Unknown<'p> {
    // Neighbours lie in one block.
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

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let others = self.scanned.len().saturating_add(self.alone.len());
        self.searches.len().saturating_add(others)
    }

    /// What is read first to find them.
    pub(super) fn reads(&mut self, package: &Package) -> Vec<Span> {
        let mut reads = Vec::new();
        if !self.scanned.is_empty() {
            reads.extend(scan::windows(&**package.source(), package.view()));
        }
        reads.extend(self.joined(package).iter().map(|read| read.span));
        reads
    }

    /// The reads of all blocks that are wanted, in the order of the searches.
    fn joined(&mut self, package: &Package) -> Vec<Joined> {
        self.searches.sort_by_key(|pending| (pending.want, pending.asked));
        let wants: Vec<Span> = self.searches.iter().map(|pending| pending.want).collect();
        coalesce(&wants, joining(package)).collect()
    }

    /// Reads until all are found.
    pub(super) fn find(mut self, package: &'p Package, tell: &mut Tell<'_>) {
        // A search is fed a bounded number of times.
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
        scan_for(package, self.scanned, tell);
        for (id, i) in self.alone {
            tell(i, package.finder().find(id));
        }
    }
}

/// Finds ids in one scan of the index, in the order of ids.
fn scan_for(package: &Package, asked: Vec<Asked>, tell: &mut Tell<'_>) {
    let ids: Vec<Uuid> = asked.iter().map(|(id, _)| *id).collect();
    match scan::find_all(&**package.source(), package.view(), &ids) {
        Ok(found) => {
            for ((_, i), found) in asked.into_iter().zip(found) {
                tell(i, found.map_err(Error::from));
            }
        }
        // Each has what it says.
        Err(_) => asked.into_iter().for_each(|(id, i)| tell(i, package.finder().find(id))),
    }
}

/// The id by which a key is looked up first; `None` where only the names list tells it.
pub(super) fn id_of(
    package: &Package,
    key: RegionName<'_>,
    names: Option<&Names>,
) -> Result<Option<Uuid>, Error> {
    let path = match key {
        RegionName::Id(id) => return Ok(Some(id)),
        RegionName::Path(path) => path,
    };
    let hashed = region_id(path).map_err(|error| Error::with_path(error, path))?;
    if package.view().name_flags().is_some_and(|flags| flags.explicit_ids) {
        return Ok(names.map(|names| names.find(path).map_or(hashed, |name| name.id)));
    }
    Ok(Some(hashed))
}

/// The id that the names list gives a path which is not there by its hashed one.
pub(super) fn other_id(key: RegionName<'_>, names: &Names) -> Option<Uuid> {
    let RegionName::Path(path) = key else { return None };
    let hashed = region_id(path).ok()?;
    names.find(path).map(|name| name.id).filter(|id| *id != hashed)
}

/// Whether a key that is not there is looked up in the names list too: where the package does not
/// say that it gives no ids of its own, nor that it gives some, for which it was asked first.
pub(super) fn has_other_id(package: &Package, key: RegionName<'_>) -> bool {
    matches!(key, RegionName::Path(_)) && package.view().name_flags().is_none()
}

/// Where the regions of `keys` are.
pub(super) fn find_all(
    package: &Package,
    keys: &[RegionName<'_>],
) -> Vec<Result<Option<Located>, Error>> {
    let explicit = package.view().name_flags().is_some_and(|flags| flags.explicit_ids);
    let by_path = keys.iter().any(|key| matches!(key, RegionName::Path(_)));
    let names = if explicit && by_path { package.names().ok() } else { None };
    let mut found: Vec<_> = keys.iter().map(|_| Ok(None)).collect();
    let mut asked = Vec::new();
    for ((i, key), slot) in keys.iter().enumerate().zip(&mut found) {
        match id_of(package, *key, names) {
            Ok(Some(id)) => asked.push((id, i)),
            // It says what is wrong with the names list.
            Ok(None) => *slot = package.find(*key),
            Err(fault) => *slot = Err(fault),
        }
    }
    find_ids(package, asked, &mut found);
    let absent =
        keys.iter().copied().enumerate().filter(|(i, key)| {
            matches!(found.get(*i), Some(Ok(None))) && has_other_id(package, *key)
        });
    let absent: Vec<_> = absent.collect();
    if absent.is_empty() {
        return found;
    }
    let Ok(names) = package.names() else {
        // Each has what it says.
        for (i, key) in absent {
            set(&mut found, i, package.find(key));
        }
        return found;
    };
    let others = absent.into_iter().filter_map(|(i, key)| Some((other_id(key, names)?, i)));
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
