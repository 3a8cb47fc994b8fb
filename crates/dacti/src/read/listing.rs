//! The list of a package's regions, with their paths.

use crate::{Names, threads};
use dacti_index::{Encoding, Located};
use dacti_names::{Attributes, NAMES_ID, Name};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// A region in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path, if the names list has one.
    pub path: Option<String>,
    /// Its stored bytes.
    pub located: Located,
    /// The length of its content in bytes. It is exact if the region is stored without encoding;
    /// otherwise it is the hint of the names list.
    pub decoded_len: Option<u64>,
    /// The attributes of the file in the names list.
    pub attributes: Attributes,
}

impl Listed {
    /// Returns the path, or the id if the region has no path.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.located.id.to_string())
    }

    fn of(listing: Listing<'_>) -> Self {
        let Listing { path, located, decoded_len, attributes } = listing;
        Self { path: path.map(Into::into), located, decoded_len, attributes }
    }
}

/// A region in a listing. It borrows its path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing<'n> {
    pub(crate) path: Option<&'n str>,
    pub(crate) located: Located,
    pub(crate) decoded_len: Option<u64>,
    attributes: Attributes,
}

impl<'n> Listing<'n> {
    fn new(name: Option<&Name<'n>>, located: Located) -> Self {
        let stored = (located.encoding == Encoding::NONE).then(|| located.span.len());
        let hint = name.and_then(|name| name.decoded_len);
        let attributes = name.map(|name| name.attributes).unwrap_or_default();
        let path = name.map(|name| name.path);
        Self { path, located, decoded_len: stored.or(hint), attributes }
    }

    /// Returns a region without a path, whose decoded length is unknown.
    pub(crate) fn unnamed(located: Located) -> Self {
        let attributes = Attributes::default();
        Self { path: None, located, decoded_len: None, attributes }
    }

    /// Returns its path, or its id if it has no path.
    pub(crate) fn name(&self) -> String {
        self.path.map_or_else(|| self.located.id.to_string(), Into::into)
    }
}

/// Joins `regions` with `names`. The regions must ascend by id. Returns the named regions by path,
/// then the others by id.
///
/// Leaves out names without a region, and the region of the names list itself.
pub(crate) fn join(regions: &[Located], names: &Names) -> Vec<Listed> {
    let mut listed = Vec::with_capacity(regions.len());
    each(regions, &names.all(), |listing| listed.push(Listed::of(listing)));
    listed
}

/// Hands out each region once for each of its paths, in the order of [`join`]. A region without a
/// path is handed out once.
pub(crate) fn each<'n>(regions: &[Located], names: &[Name<'n>], mut take: impl FnMut(Listing<'n>)) {
    let mut shown = vec![false; regions.len()];
    for (name, i) in names.iter().zip(places(regions, names)) {
        let i = usize::try_from(i).unwrap_or(usize::MAX);
        if let (Some(located), Some(shown)) = (regions.get(i), shown.get_mut(i)) {
            *shown = true;
            take(Listing::new(Some(name), *located));
        }
    }
    let unnamed =
        regions.iter().zip(shown).filter(|(located, shown)| !shown && located.id != NAMES_ID);
    unnamed.for_each(|(located, _)| take(Listing::new(None, *located)));
}

/// Returns for each name the index of its region in `regions`, which ascend by id; `u32::MAX` if
/// there is none. The names are sorted by id and then merged with the regions. A binary search for
/// each name would be slower, because each of its steps would wait for memory.
fn places(regions: &[Located], names: &[Name<'_>]) -> Vec<u32> {
    let ids = ids(names);
    let id = |n: u32| ids.get(usize::try_from(n).unwrap_or(usize::MAX)).copied();
    // The first half of two ids nearly always differs. Sorting the halves takes less memory than
    // sorting whole ids.
    let mut by_id: Vec<(u64, u32)> = ids.iter().map(|id| id.as_u64_pair().0).zip(0..).collect();
    by_id.sort_unstable_by(|(a, n), (b, m)| a.cmp(b).then_with(|| id(*n).cmp(&id(*m))));
    let mut places = vec![u32::MAX; names.len()];
    let mut regions = regions.iter().zip(0_u32..).peekable();
    for (_, n) in by_id {
        let Some(wanted) = id(n) else { continue };
        while regions.next_if(|(located, _)| located.id < wanted).is_some() {}
        if let Some((located, i)) = regions.peek()
            && located.id == wanted
            && let Some(place) = places.get_mut(usize::try_from(n).unwrap_or(usize::MAX))
        {
            *place = *i;
        }
    }
    places
}

/// The number of names that a thread takes at once.
const CHUNK: usize = 4096;

/// Returns the ids of all names. Several threads hash the paths of a long list.
fn ids(names: &[Name<'_>]) -> Vec<Uuid> {
    let mut ids = vec![Uuid::nil(); names.len()];
    let chunks = Mutex::new(names.chunks(CHUNK).zip(ids.chunks_mut(CHUNK)));
    let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((names, ids)) = next() {
            for (name, id) in names.iter().zip(ids) {
                *id = name.id();
            }
        }
    };
    std::thread::scope(|scope| {
        let others = threads::count(None).get().min(names.len().div_ceil(CHUNK)).saturating_sub(1);
        // If the system starts no thread, this thread hashes all paths.
        let _ = threads::start(scope, others, || &work);
        work();
    });
    ids
}
