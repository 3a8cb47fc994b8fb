//! The list of a package's regions, with their paths.

use crate::Names;
use crate::read::names::SortedNames;
use dacti_index::{Encoding, Located};
use dacti_names::{Attributes, NAMES_ID, Name};
use std::borrow::Cow;
use uuid::Uuid;

/// A region in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The region's path, if the names list has one.
    pub path: Option<String>,
    /// The place of the region's stored bytes.
    pub located: Located,
    /// The length of the region's content in bytes. It is exact if the region is stored without
    /// encoding; otherwise it is the hint of the names list.
    pub decoded_len: Option<u64>,
    /// The attributes of the file in the names list.
    pub attributes: Attributes,
}

impl Listed {
    /// Returns the path, or the id if the region has no path.
    #[must_use]
    pub fn name(&self) -> String {
        self.borrowed().name().into_owned()
    }

    /// Returns this region with a borrowed path.
    #[must_use]
    pub fn borrowed(&self) -> ListedRef<'_> {
        let Self { path, located, decoded_len: hint, attributes } = self;
        ListedRef { path: path.as_deref(), located, hint: *hint, attributes: *attributes }
    }
}

/// A region in a listing. It borrows its path from the names list, or from a [`Listed`].
#[derive(Debug, Clone, Copy)]
pub struct ListedRef<'l> {
    /// The region's path, if the names list has one.
    pub path: Option<&'l str>,
    /// The place of the region's stored bytes. The listing copies only this reference, because many
    /// callers use the paths alone.
    pub located: &'l Located,
    /// The length of the region's content, if the names list states it.
    hint: Option<u64>,
    /// The attributes of the file in the names list.
    pub attributes: Attributes,
}

impl<'l> ListedRef<'l> {
    fn new(name: Name<'l>, located: &'l Located) -> Self {
        let Name { path, decoded_len: hint, attributes, .. } = name;
        Self { path: Some(path), located, hint, attributes }
    }

    /// Returns a region without a path.
    pub(crate) fn unnamed(located: &'l Located) -> Self {
        Self { path: None, located, hint: None, attributes: Attributes::default() }
    }

    /// Returns the path, or the id if the region has no path.
    #[must_use]
    pub fn name(&self) -> Cow<'l, str> {
        self.path.map_or_else(|| self.located.id.to_string().into(), Into::into)
    }

    /// Returns the length of the region's content in bytes: see [`Listed::decoded_len`].
    #[must_use]
    pub fn decoded_len(&self) -> Option<u64> {
        if self.located.encoding == Encoding::NONE {
            return Some(self.located.span.len());
        }
        self.hint
    }

    /// Returns this region with a copy of its path.
    #[must_use]
    pub fn to_listed(&self) -> Listed {
        let Self { path, located, attributes, .. } = *self;
        let (located, decoded_len) = (*located, self.decoded_len());
        Listed { path: path.map(Into::into), located, decoded_len, attributes }
    }
}

/// The regions of a package with their paths, which are borrowed from the names list. Memory: the
/// regions, 4 bytes for each name, and 32 more bytes for each name while the listing is made. If
/// the names list has several segments, the listing also has a merged copy of their records.
#[derive(Debug, Clone)]
pub struct Listing<'p> {
    /// Ascending by id.
    regions: Cow<'p, [Located]>,
    names: SortedNames<'p>,
    /// For each name, the index of its region in `regions`; `u32::MAX` if there is none.
    places: Vec<u32>,
    /// The indices of the regions without a path. The names list itself is left out.
    unnamed: Vec<u32>,
}

impl<'p> Listing<'p> {
    /// Joins `regions` with `names`. The regions must ascend by id.
    pub(crate) fn new(regions: impl Into<Cow<'p, [Located]>>, names: &'p Names) -> Self {
        let (regions, names) = (regions.into(), names.sorted());
        let places = places(&regions, &names);
        let mut has_path = vec![false; regions.len()];
        for i in &places {
            if let Some(has_path) = has_path.get_mut(index(*i)) {
                *has_path = true;
            }
        }
        let unnamed = regions.iter().zip(has_path).zip(0..);
        let unnamed = unnamed.filter(|((located, named), _)| !named && located.id != NAMES_ID);
        let unnamed = unnamed.map(|(_, i)| i).collect();
        Self { regions, names, places, unnamed }
    }

    /// Returns the named regions by path, then the others by id. A region with several paths is
    /// returned once for each of them. Names without a region are left out, and so is the region of
    /// the names list itself.
    pub fn iter(&self) -> impl Iterator<Item = ListedRef<'_>> + Clone {
        let named = self.names.iter().zip(&self.places).filter_map(|(name, place)| {
            self.regions.get(index(*place)).map(|located| ListedRef::new(name, located))
        });
        let unnamed = self.unnamed.iter().filter_map(|i| self.regions.get(index(*i)));
        named.chain(unnamed.map(ListedRef::unnamed))
    }

    /// Returns all regions except the names list, ascending by id. A region with several paths is
    /// returned once.
    pub fn regions(&self) -> impl Iterator<Item = Located> + Clone {
        self.regions.iter().filter(|located| located.id != NAMES_ID).copied()
    }

    /// Returns the names without a region.
    pub(crate) fn lost(&self) -> impl Iterator<Item = Name<'p>> {
        let names = self.names.iter().zip(&self.places);
        names.filter(|(_, place)| index(**place) >= self.regions.len()).map(|(name, _)| name)
    }

    pub(crate) const fn names(&self) -> &SortedNames<'p> {
        &self.names
    }
}

fn index(i: u32) -> usize {
    usize::try_from(i).unwrap_or(usize::MAX)
}

/// Returns [`Listing::places`]. The names are sorted by id and then merged with the regions. A
/// binary search for each name would be slower, because each of its steps would wait for memory.
fn places(regions: &[Located], names: &SortedNames<'_>) -> Vec<u32> {
    let ids: Vec<Uuid> = names.iter().map(|name| name.id()).collect();
    let id = |n: u32| ids.get(index(n)).copied();
    // The first halves of two ids nearly always differ. Sorting these halves takes less memory than
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
            && let Some(place) = places.get_mut(index(n))
        {
            *place = *i;
        }
    }
    places
}
