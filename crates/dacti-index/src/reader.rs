//! Reads an index group by group, one wanted span at a time, and searches it.
//!
//! Groups are stored newest first, and the first group that has an id decides. So a search ends at
//! that group. Specification: `docs/spec/dacti-index.md`.

use crate::group::{truncated, used_len};
use crate::{
    Error, GROUP_HEADER_LEN, GROUP_LEN, Group, GroupHeader, INDEX_HEADER_LEN, IndexHeader, Located,
    Misuse, Structure,
};
use daicon_core::{Span, struct_at};
use uuid::Uuid;

/// The result of one feed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'b> {
    /// The index header. It is always the first event.
    Header {
        /// Number of groups that follow.
        groups: u32,
    },
    /// A group; the newest group is the first. A group without entries is also an event, because
    /// updates can write entries into it.
    Group(Group<'b>),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Header,
    GroupHeader { at: u64, left: u32 },
    Entries { at: u64, left: u32, header: GroupHeader },
    Ended,
}

/// The walk over an index: a machine that says which span it wants next, and is fed the bytes of
/// this span.
///
/// A walk over `n` groups takes at most `1 + 2 * n` feeds.
#[derive(Debug, Clone)]
pub struct IndexReader {
    region: Span,
    state: State,
}

impl IndexReader {
    /// Starts a walk over the region of the index component. `region` is absolute. A region of size
    /// 0 is an empty index.
    ///
    /// # Errors
    /// `RegionTooSmall` if the region is too short for a header.
    pub fn new(region: Span) -> Result<Self, Error> {
        let state = if region.is_empty() { State::Ended } else { State::Header };
        if matches!(state, State::Header) && region.len() < INDEX_HEADER_LEN {
            return Err(too_small(region, 0));
        }
        Ok(Self { region, state })
    }

    /// Returns the span to feed next, absolute; `None` at the end of the walk and after an error.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        match &self.state {
            State::Header => Span::new(self.region.start, INDEX_HEADER_LEN),
            State::GroupHeader { at, .. } => Span::new(*at, GROUP_HEADER_LEN),
            State::Entries { at, header, .. } => {
                Span::new(at.checked_add(GROUP_HEADER_LEN)?, used_len(header))
            }
            State::Ended => None,
        }
    }

    /// Takes the wanted bytes, and returns the structure in them. Ignores bytes past the wanted
    /// span. A shorter slice means that the file ends there.
    ///
    /// # Errors
    /// Any fault of the index. The walk has then ended.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<Event<'b>>, Error> {
        // Only the code that continues the walk sets the state again, so an error ends the walk.
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Header => self.feed_header(bytes).map(Some),
            State::GroupHeader { at, left } => self.feed_group_header(bytes, at, left),
            State::Entries { at, left, header } => {
                let group = Group::from_parts(header, bytes, at)?;
                self.next_group(at.saturating_add(GROUP_LEN), left);
                Ok(Some(Event::Group(group)))
            }
            State::Ended => Err(Misuse::FedAfterEnd.into()),
        }
    }

    /// Ends the walk, for a caller that needs no further groups.
    pub fn stop(&mut self) {
        self.state = State::Ended;
    }

    fn feed_header<'b>(&mut self, bytes: &[u8]) -> Result<Event<'b>, Error> {
        let at = self.region.start;
        let Some(header) = struct_at::<IndexHeader>(bytes) else {
            return Err(truncated(Structure::IndexHeader, at, INDEX_HEADER_LEN, at, bytes));
        };
        if header.version.get() != 0 {
            return Err(Error::UnsupportedVersion { at, found: header.version.get() });
        }
        let groups = header.groups.get();
        if crate::index_len(groups) > self.region.len() {
            return Err(too_small(self.region, groups));
        }
        self.next_group(at.saturating_add(INDEX_HEADER_LEN), groups);
        Ok(Event::Header { groups })
    }

    fn feed_group_header<'b>(
        &mut self,
        bytes: &'b [u8],
        at: u64,
        left: u32,
    ) -> Result<Option<Event<'b>>, Error> {
        let Some(header) = struct_at::<GroupHeader>(bytes) else {
            return Err(truncated(Structure::GroupHeader, at, GROUP_HEADER_LEN, at, bytes));
        };
        if header.length == 0 {
            // The group has no entries to read.
            self.next_group(at.saturating_add(GROUP_LEN), left);
            return Group::from_parts(*header, &[], at).map(|group| Some(Event::Group(group)));
        }
        self.state = State::Entries { at, left, header: *header };
        Ok(None)
    }

    fn next_group(&mut self, at: u64, left: u32) {
        self.state = match left.checked_sub(1) {
            Some(left) => State::GroupHeader { at, left },
            None => State::Ended,
        };
    }
}

/// The search for one region: an [`IndexReader`] that ends at the first group that has the id.
#[derive(Debug, Clone)]
pub struct Finder {
    reader: IndexReader,
    id: Uuid,
    found: Option<Located>,
}

impl Finder {
    /// Starts a search for `id` in the index at `region`, absolute.
    ///
    /// # Errors
    /// The errors of [`IndexReader::new`].
    pub fn new(region: Span, id: Uuid) -> Result<Self, Error> {
        Ok(Self { reader: IndexReader::new(region)?, id, found: None })
    }

    /// Returns the span to feed next, absolute; `None` if the search has ended.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        self.reader.want()
    }

    /// Takes the wanted bytes.
    ///
    /// # Errors
    /// Any fault of the index. The search has then ended.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(Event::Group(group)) = self.reader.feed(bytes)? {
            let found = group.find(self.id).inspect_err(|_| self.reader.stop())?;
            if found.is_some() {
                self.reader.stop();
            }
            // The entry that decides may be a removal: the region is then absent.
            self.found = found.filter(|found| !found.is_removal());
        }
        Ok(())
    }

    /// Returns the region that was found. Returns `None` during the search, and if the index does
    /// not have the region.
    #[must_use]
    pub const fn found(&self) -> Option<Located> {
        self.found
    }
}

fn too_small(region: Span, groups: u32) -> Error {
    let needed = crate::index_len(groups);
    Error::RegionTooSmall { at: region.start, groups, needed, size: region.len() }
}

#[cfg(test)]
mod tests {
    use super::{Finder, IndexReader};
    use crate::{Encoding, Entry, Error, GroupHeader, emit_group, emit_header, index_len};
    use daicon_core::{ErrorKind, Span};
    use std::{vec, vec::Vec};
    use uuid::Uuid;

    /// Returns a file with an index at position 100. `Some((id, offset))` makes a group of one
    /// entry, and `None` a group without entries.
    fn index(groups: &[Option<(u128, u32)>]) -> Vec<u8> {
        let mut file = vec![0xaa; 100 + index_len(groups.len() as u32) as usize];
        emit_header(groups.len() as u32, &mut file[100..]).unwrap();
        for (i, group) in groups.iter().enumerate() {
            let out = &mut file[108 + i * 6136..];
            let (header, entries) = match group {
                Some((id, offset)) => {
                    let header = GroupHeader::new(1000, Encoding::NONE, 1);
                    (header, vec![Entry::new(Uuid::from_u128(*id), *offset, 1)])
                }
                None => (GroupHeader::new(0, Encoding::from_tag([0; 4]), 0), vec![]),
            };
            emit_group(&header, &entries, out).unwrap();
        }
        file
    }

    fn region(file: &[u8]) -> Span {
        Span { start: 100, end: file.len() as u64 }
    }

    /// Finds `id`. Returns the start of its stored bytes, the number of feeds, and the number of
    /// bytes fed.
    fn find(file: &[u8], id: u128) -> (Option<u64>, usize, u64) {
        let mut finder = Finder::new(region(file), Uuid::from_u128(id)).unwrap();
        let (mut feeds, mut bytes) = (0, 0);
        while let Some(want) = finder.want() {
            feeds += 1;
            bytes += want.len();
            finder.feed(&file[want.start as usize..want.end as usize]).unwrap();
        }
        (finder.found().map(|found| found.span.start), feeds, bytes)
    }

    #[test]
    fn newest_group_wins_and_ends_the_search() {
        let file = index(&[None, Some((7, 1)), Some((7, 2)), Some((8, 3))]);
        // The search for 7 reads the index header and the header of the empty first group. Then it
        // reads the header and the one entry of the second group, which has the id.
        assert_eq!(find(&file, 7), (Some(1001), 4, 8 + 16 + 16 + 24));
        assert_eq!(find(&file, 8), (Some(1003), 8, 8 + 16 + 3 * 40));
        assert_eq!(find(&file, 9), (None, 8, 8 + 16 + 3 * 40));
    }

    #[test]
    fn a_removal_ends_the_search_and_hides_older_entries() {
        // spec: R-GONE-01
        let mut file = index(&[Some((7, 1)), Some((7, 2)), Some((8, 3))]);
        file[108 + 8..108 + 12].copy_from_slice(b"gone");
        file[108 + 16 + 20] = 0;
        assert_eq!(find(&file, 7), (None, 3, 8 + 16 + 24));
        assert_eq!(find(&file, 8).0, Some(1003));
    }

    #[test]
    fn an_empty_region_is_an_empty_index() {
        let reader = IndexReader::new(Span { start: 77, end: 77 }).unwrap();
        assert_eq!(reader.want(), None);
    }

    #[test]
    fn a_region_too_small_for_its_groups_is_corrupt() {
        let file = index(&[None, None]);
        let short = Span { start: 100, end: file.len() as u64 - 1 };
        let mut reader = IndexReader::new(short).unwrap();
        let error = reader.feed(&file[100..]).unwrap_err();
        let (needed, size) = (8 + 2 * 6136, 8 + 2 * 6136 - 1);
        assert_eq!(error, Error::RegionTooSmall { at: 100, groups: 2, needed, size });
        assert_eq!(reader.want(), None);
        for len in 1..8 {
            let error = IndexReader::new(Span { start: 0, end: len }).unwrap_err();
            assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(0)));
        }
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let mut file = index(&[]);
        file[100] = 1;
        let error = IndexReader::new(region(&file)).unwrap().feed(&file[100..]).unwrap_err();
        assert_eq!(error, Error::UnsupportedVersion { at: 100, found: 1 });
    }
}
