//! The names list of a package: its chain of segments, read whole.
//!
//! Specification: `docs/spec/dacti-names.md`, `docs/spec/dacti-package.md`, "Looking up a path".

use crate::read::region::region;
use crate::{Error, Package, Region};
use core::cmp::Reverse;
use dacti_index::{Encoding, Located};
use dacti_names::{NAMES_ID, Name, SEGMENTS_MAX, Segment};
use std::collections::BinaryHeap;

/// The names of a package, from all segments of its names list.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Contents of the segments, newest first. Each was checked by `Segment::parse`.
    segments: Vec<Vec<u8>>,
    /// The places of the segments' stored bytes, newest first.
    places: Vec<Located>,
}

impl Names {
    /// The names of a package without names.
    pub(crate) const NONE: &Self = &Self { segments: Vec::new(), places: Vec::new() };

    /// Reads the segment at `located` and all older segments.
    pub(crate) fn read(package: &Package, located: Located) -> Result<Self, Error> {
        let (mut segments, mut places) = (Vec::new(), Vec::new());
        // One limit holds for the whole chain: the bytes of each segment reduce the limit for the
        // older segments.
        let mut left = package.limits().names_len_max;
        let mut next = Some((located, None));
        while let Some((located, linked_len)) = next {
            if segments.len() >= SEGMENTS_MAX {
                let limit = u64::try_from(SEGMENTS_MAX).unwrap_or(u64::MAX);
                return Err(dacti_names::Error::TooManySegments { limit }.into());
            }
            let content = read_segment(package, located, linked_len, left)?;
            left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
            next = match Segment::parse(&content)?.link() {
                None => None,
                Some(link) => {
                    let span = link.span_before(located.span.start)?;
                    let encoding = Encoding::from_tag(link.encoding);
                    let before = Located { id: NAMES_ID, span, encoding, at: located.span.start };
                    Some((before, Some(link.decoded_len)))
                }
            };
            segments.push(content);
            places.push(located);
        }
        Ok(Self { segments, places })
    }

    /// Returns the name of `path`, from the newest segment that has it.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Name<'_>> {
        self.parsed().find_map(|segment| segment.find(path))
    }

    /// Returns every name, ascending by path, each from the newest segment that has it.
    #[must_use]
    pub fn all(&self) -> Vec<Name<'_>> {
        match self.sorted() {
            // The number of names is known, so the list takes no more memory than it needs.
            SortedNames::One(only) => only.names().collect(),
            SortedNames::Merged(names) => names,
        }
    }

    /// Returns all names, ascending by path.
    pub(crate) fn sorted(&self) -> SortedNames<'_> {
        let mut segments = self.parsed();
        match (segments.next(), segments.next()) {
            (Some(only), None) => SortedNames::One(only),
            _ => SortedNames::Merged(self.iter().collect()),
        }
    }

    /// Iterates over every name, ascending by path, each from the newest segment that has it. The
    /// segments are merged on the way, so the iterator takes memory for each segment, and not for
    /// each name.
    pub fn iter(&self) -> impl Iterator<Item = Name<'_>> {
        let mut lists: Vec<_> = self.parsed().map(|segment| segment.names()).collect();
        let mut firsts: Vec<Option<Name<'_>>> = lists.iter_mut().map(Iterator::next).collect();
        // Of equal paths, the one of the newest segment comes first.
        let paths = firsts.iter().enumerate();
        let paths = paths.filter_map(|(age, name)| Some(Reverse((name.as_ref()?.path, age))));
        let mut paths: BinaryHeap<_> = paths.collect();
        let mut last = None;
        core::iter::from_fn(move || {
            loop {
                let Reverse((path, age)) = paths.pop()?;
                let first = firsts.get_mut(age)?;
                let name = core::mem::replace(first, lists.get_mut(age)?.next());
                paths.extend(first.as_ref().map(|name| Reverse((name.path, age))));
                if last != Some(path) {
                    last = Some(path);
                    return name;
                }
            }
        })
    }

    /// Returns the number of segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    #[cfg(feature = "write")]
    /// Returns the content of the only segment; `None` if there are several or none.
    pub(crate) fn only_segment(&self) -> Option<&[u8]> {
        match &self.segments[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Returns the places of the segments' stored bytes, newest first.
    #[must_use]
    pub fn places(&self) -> &[Located] {
        &self.places
    }

    fn parsed(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().filter_map(|content| Segment::reopen(content).ok())
    }
}

/// The names of a package, ascending by path. Those of a single segment are not copied.
#[derive(Debug, Clone)]
pub(crate) enum SortedNames<'n> {
    One(Segment<'n>),
    Merged(Vec<Name<'n>>),
}

impl<'n> SortedNames<'n> {
    /// Returns the number of names.
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::One(segment) => segment.len(),
            Self::Merged(names) => names.len(),
        }
    }

    pub(crate) fn get(&self, i: usize) -> Option<Name<'n>> {
        match self {
            Self::One(segment) => segment.name(i),
            Self::Merged(names) => names.get(i).copied(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Name<'n>> + Clone {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}

/// Reads a segment's content, of at most `cap` bytes. If a link leads to the segment, the content
/// must have the length that the link states.
pub(crate) fn read_segment(
    package: &Package,
    located: Located,
    linked_len: Option<u64>,
    cap: u64,
) -> Result<Vec<u8>, Error> {
    let content = |hint, cap| region(package, located, hint, cap).map(Region::into_vec);
    let Some(expected) = linked_len else { return content(None, cap) };
    match content(linked_len, cap.min(expected)) {
        // The content is longer than the link states. The caller's cap would allow the linked
        // length, so the link is wrong.
        Err(Error::Index(dacti_index::Error::TooLong { .. })) if expected <= cap => {
            Err(link_mismatch(expected, expected.saturating_add(1)))
        }
        Ok(content) => match u64::try_from(content.len()).unwrap_or(u64::MAX) {
            found if found != expected => Err(link_mismatch(expected, found)),
            _ => Ok(content),
        },
        Err(error) => Err(error),
    }
}

fn link_mismatch(expected: u64, found: u64) -> Error {
    let (what, at) = (dacti_names::Structure::NamesLink, 8);
    dacti_names::Error::Mismatch { what, at, expected, found }.into()
}
