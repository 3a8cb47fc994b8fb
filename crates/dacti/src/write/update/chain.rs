//! The chain of names segments of a package, and the segment that an update writes next.
//!
//! An update writes the new names, and merges the small segments before them into the new segment.
//! So the chain stays short. While the list doubles in length, each name is written again only a
//! few times. Specification: `docs/spec/dacti-names.md`, "Earlier segments".

use crate::read::names::read_segment;
use crate::{Error, Package};
use dacti_index::{Encoding, Located};
use dacti_names::{Link, NAMES_ID, Name, SEGMENTS_MAX, Segment, emit_segment};
use std::collections::BTreeMap;

/// A segment of at most this many bytes is read to find out whether it lists a path. A longer
/// segment is read only if it can be merged. A path may be written again although an unread segment
/// lists it, because writing a record takes less time than reading a long list.
const READ_MAX: u64 = 1 << 20;
/// A segment is merged into the next one if it is at most this many times as long as the next one.
const MERGE_RATIO: u64 = 2;
/// The maximum number of segments of a chain that an update writes. Readers follow at most 64.
const CHAIN_MAX: usize = 32;

/// A segment of the chain.
#[derive(Debug)]
struct Loaded {
    located: Located,
    /// The content of the segment. It was parsed before, so it is valid.
    content: Vec<u8>,
}

/// The segments of the chain that were read, newest first.
#[derive(Debug, Default)]
pub(super) struct Chain {
    loaded: Vec<Loaded>,
    /// The link to the newest segment that was not read.
    rest: Option<Link>,
}

impl Chain {
    /// Reads the chain of a package: all of it if `whole` is set, otherwise the newest segments.
    pub(super) fn read(package: &Package, whole: bool) -> Result<Self, Error> {
        let Some(located) = package.find(NAMES_ID)? else { return Ok(Self::default()) };
        let mut chain = Self::default();
        if !whole && located.encoding == Encoding::NONE && located.span.len() > READ_MAX {
            chain.rest = Some(link_to(&located, located.span.len()));
            return Ok(chain);
        }
        let limit = package.limits().names_len_max;
        let mut left = limit;
        let mut next = Some((located, None));
        while let Some((located, linked)) = next {
            let linked_len = linked.map(|link: Link| link.decoded_len);
            let read = limit.saturating_sub(left);
            let read_max = READ_MAX.max(read.saturating_mul(MERGE_RATIO));
            let is_long = linked_len.is_some_and(|len| len > read_max);
            if chain.loaded.len() >= SEGMENTS_MAX || (is_long && !whole) {
                chain.rest = linked;
                break;
            }
            let content = read_segment(package, located, linked_len, left)?;
            left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
            next = match Segment::parse(&content)?.link() {
                None => None,
                Some(link) => {
                    let span = link.span_before(located.span.start)?;
                    let (encoding, at) = (Encoding::from_tag(link.encoding), located.span.start);
                    Some((Located { id: NAMES_ID, span, encoding, at }, Some(link)))
                }
            };
            chain.loaded.push(Loaded { located, content });
        }
        Ok(chain)
    }

    /// Returns the [`Name`] of `path` from the newest segment that lists this path.
    pub(super) fn find(&self, path: &str) -> Option<Name<'_>> {
        self.segments().find_map(|segment| segment.find(path))
    }

    /// Returns whether all segments were read.
    pub(super) const fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Returns the content of the next segment: the `new` names, and the names of the segments that
    /// it merges.
    pub(super) fn next<'n>(&'n self, new: &[Name<'n>]) -> Result<Vec<u8>, Error> {
        let mut merged: BTreeMap<&str, Name<'_>> =
            new.iter().map(|name| (name.path, *name)).collect();
        let mut len = new.iter().fold(32, |sum: u64, name| sum.saturating_add(record_len(name)));
        let mut taken = 0;
        for (segment, loaded) in self.segments().zip(&self.loaded) {
            let segment_len = u64::try_from(loaded.content.len()).unwrap_or(u64::MAX);
            let behind = self.loaded.len().saturating_sub(taken);
            let behind = behind.saturating_add(usize::from(self.rest.is_some()));
            if segment_len > len.saturating_mul(MERGE_RATIO) && behind < CHAIN_MAX {
                break;
            }
            for name in segment.names() {
                merged.entry(name.path).or_insert(name);
            }
            len = len.saturating_add(segment_len);
            taken = taken.saturating_add(1);
        }
        let names: Vec<_> = merged.into_values().collect();
        Ok(emit_segment(&names, self.link_to(taken))?)
    }

    /// Returns the link to a segment by its number, newest first.
    fn link_to(&self, i: usize) -> Option<Link> {
        let Some(Loaded { located, content }) = self.loaded.get(i) else { return self.rest };
        Some(link_to(located, u64::try_from(content.len()).unwrap_or(u64::MAX)))
    }

    fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.loaded.iter().filter_map(|loaded| Segment::reopen(&loaded.content).ok())
    }
}

/// Returns the link to a segment whose content has `decoded_len` bytes.
fn link_to(located: &Located, decoded_len: u64) -> Link {
    let size = u32::try_from(located.span.len()).unwrap_or(u32::MAX);
    let (at, encoding) = (located.span.start, located.encoding.tag());
    Link { at, size, encoding, decoded_len }
}

/// Returns the number of bytes that a name takes in a segment, with its path and attributes.
fn record_len(name: &Name<'_>) -> u64 {
    let attributes_len = if name.attributes.is_empty() { 0 } else { 16 };
    let path_len = u64::try_from(name.path.len()).unwrap_or(u64::MAX);
    path_len.saturating_add(32).saturating_add(attributes_len)
}

#[cfg(test)]
mod tests {
    use super::{Chain, Loaded};
    use dacti_index::{Encoding, Located};
    use dacti_names::{NAMES_ID, Name, Segment};
    use daicon_core::Span;

    /// Appends the next segment of a chain, with these names, at the position `at`.
    fn grow(chain: &mut Chain, at: u64, paths: &[&str]) {
        let names: Vec<_> = paths.iter().map(|path| Name::hashed(path).unwrap()).collect();
        let content = chain.next(&names).unwrap();
        let end = at.saturating_add(content.len() as u64);
        let span = Span { start: at, end };
        let located = Located { id: NAMES_ID, span, encoding: Encoding::NONE, at: 0 };
        let previous = Segment::parse(&content).unwrap().link();
        let keep = chain
            .loaded
            .iter()
            .position(|loaded| previous.is_some_and(|link| loaded.located.span.start == link.at));
        chain.loaded.drain(..keep.unwrap_or(chain.loaded.len()));
        chain.loaded.insert(0, Loaded { located, content });
    }

    #[test]
    fn a_chain_grows_with_the_logarithm_of_its_names() {
        // spec: R-NAME-15
        let mut chain = Chain::default();
        let mut written = 0;
        let paths: Vec<_> = (0..2000).map(|i| format!("folder/{i:05}.html")).collect();
        for (path, at) in paths.iter().zip((1000..).step_by(1_000_000)) {
            grow(&mut chain, at, &[path]);
            written += chain.loaded[0].content.len();
        }
        assert!(chain.loaded.len() <= 11, "{} segments", chain.loaded.len());
        // A record and its path take less than 50 bytes. The list doubles 11 times, and each record
        // may be written twice for each doubling.
        assert!(written < 2000 * 50 * 2 * 11, "{written} bytes");
        for path in &paths {
            assert_eq!(chain.find(path).unwrap().path, path);
        }
    }

    #[test]
    fn a_large_segment_is_linked_to_and_a_newer_name_counts() {
        let mut chain = Chain::default();
        let many: Vec<_> = (0..100).map(|i| format!("{i:03}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        grow(&mut chain, 1000, &many);
        let newer = Name { decoded_len: Some(7), ..Name::hashed("050").unwrap() };
        let content = chain.next(&[newer]).unwrap();
        let segment = Segment::parse(&content).unwrap();
        assert_eq!((segment.len(), segment.link().unwrap().at), (1, 1000));
        assert_eq!(segment.find("050").unwrap().decoded_len, Some(7));
        let more: Vec<_> = (0..60).map(|i| format!("x{i:03}")).collect();
        let more: Vec<_> = more.iter().map(|path| Name::hashed(path).unwrap()).collect();
        let content = chain.next(&more).unwrap();
        let segment = Segment::parse(&content).unwrap();
        assert_eq!((segment.len(), segment.link()), (160, None), "merged: it is not much longer");
    }
}
