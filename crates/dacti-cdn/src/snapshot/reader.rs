//! Reads a snapshot: first the head, then the tables, the layout, the seal component and the index
//! header. Each of these structures, except the head itself, needs a further read only if it lies
//! outside the head.
//!
//! The reader also checks the room for updates: all of it must lie in the head and overlap no bytes
//! in use. Specification: `docs/spec/dacti-cdn.md`, "What an updater reads".

use super::{DeltaGroup, Snapshot, TableBytes};
use crate::parts::PARTS_ID;
use crate::{
    Error, HEAD_LEN, LAYOUT_ID, LAYOUT_LEN, LAYOUT_VERSION, Layout, Missing, Misuse, Structure,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use dacti_index::{
    DICTIONARY_ID, Event, GROUP_LEN, Group, INDEX_HEADER_LEN, INDEX_ID, INDEX_MINORS, IndexReader,
    index_len,
};
use dacti_lookup::LOOKUP_ID;
use dacti_seal::{COMPONENT_LEN_MIN, DIGEST_LIST_ID, KEYS_MAX, SEAL_ID, SEAL_VERSION, Seals};
use daicon_core::{Component, Span, TableWalker, Version, Window, to_u64};

/// The reading of a snapshot: a machine that says which bytes it wants and is fed them.
///
/// The reader wants the head first. If later bytes lie in the head, it takes them from there, so a
/// package that was never folded needs no other reads.
#[derive(Debug)]
pub struct SnapshotReader {
    len: u64,
    head: Vec<u8>,
    walker: Box<TableWalker>,
    tables: Vec<TableBytes>,
    found: Found,
    stage: Stage,
}

#[derive(Debug, Default)]
struct Found {
    layout: Option<Layout>,
    seal_len: u64,
    room_len: u64,
    index: Span,
    groups: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Tables,
    Layout(Span),
    Seals(Span),
    Index(Span),
    Ended,
    Failed,
}

impl SnapshotReader {
    /// Starts reading a file whose physical length is `len` bytes.
    #[must_use]
    pub fn new(len: u64) -> Self {
        Self {
            len,
            head: Vec::new(),
            walker: Box::new(TableWalker::new(Some(len))),
            tables: Vec::new(),
            found: Found::default(),
            stage: Stage::Head,
        }
    }

    /// Returns the span to feed next, absolute; `None` at the end and after an error.
    #[must_use]
    pub fn want(&self) -> Option<Span> {
        match self.stage {
            Stage::Head => Some(Span { start: 0, end: HEAD_LEN.min(self.len) }),
            Stage::Tables => self.walker.want(),
            Stage::Layout(span) | Stage::Seals(span) | Stage::Index(span) => Some(span),
            Stage::Ended | Stage::Failed => None,
        }
    }

    /// Takes the wanted bytes, and ignores bytes past them. A shorter slice means that the file
    /// ends there.
    ///
    /// # Errors
    /// Any fault of the package. After an error, the reading has ended.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let fed = self.feed_one(bytes).and_then(|()| self.feed_from_head());
        fed.inspect_err(|_| self.stage = Stage::Failed)
    }

    /// Feeds the wanted bytes from the head, until bytes outside the head are wanted.
    fn feed_from_head(&mut self) -> Result<(), Error> {
        let head = core::mem::take(&mut self.head);
        let window = if u64::try_from(head.len()).is_ok_and(|len| len == self.len) {
            Window::ending_file(0, &head)
        } else {
            Window::new(0, &head)
        };
        let mut fed = Ok(());
        while let Some(bytes) = self.want().and_then(|want| window.answer(want)) {
            fed = self.feed_one(bytes);
            if fed.is_err() {
                break;
            }
        }
        self.head = head;
        fed
    }

    fn feed_one(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self.stage {
            Stage::Head => {
                let len = usize::try_from(HEAD_LEN.min(self.len)).unwrap_or(usize::MAX);
                self.head = bytes.get(..len).unwrap_or(bytes).to_vec();
                self.stage = Stage::Tables;
            }
            Stage::Tables => self.feed_table(bytes)?,
            Stage::Layout(span) => {
                self.found.layout = Some(Layout::parse(cut(bytes, span), span.start, self.len)?);
                self.stage = self.after_layout()?;
            }
            Stage::Seals(span) => {
                let seals = Seals::parse(cut(bytes, span), span.start)?;
                self.found.seal_len = seals.kind.seal_len();
                self.found.room_len = seals.room_len();
                self.stage = self.after_seals()?;
            }
            Stage::Index(span) => {
                let mut reader = IndexReader::new(self.found.index)?;
                if let Some(Event::Header { groups }) = reader.feed(cut(bytes, span))? {
                    self.found.groups = groups;
                    self.check_filled()?;
                }
                self.stage = Stage::Ended;
            }
            Stage::Ended | Stage::Failed => return Err(Misuse::FedAfterEnd.into()),
        }
        Ok(())
    }

    fn feed_table(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(want) = self.walker.want() else { return Err(Misuse::FedAfterEnd.into()) };
        let tables = self.walker.tables().len();
        self.walker.feed(bytes)?;
        // The walker wants the header of a table first, then the entries that follow it.
        if self.walker.tables().len() > tables {
            self.tables.push(TableBytes { span: want, bytes: cut(bytes, want).to_vec() });
        } else if let Some(table) = self.tables.last_mut()
            && table.span.end == want.start
        {
            table.bytes.extend_from_slice(cut(bytes, want));
            table.span.end = want.end;
        }
        if self.walker.want().is_none() {
            self.stage = self.after_tables()?;
        }
        Ok(())
    }

    fn after_tables(&mut self) -> Result<Stage, Error> {
        let layout = self.walker.find(LAYOUT_ID, LAYOUT_VERSION);
        let layout = layout.ok_or(Error::NotUpdatable(Missing::Layout))?;
        let mut span = layout.span_within(self.len)?;
        span.end = span.end.min(span.start.saturating_add(LAYOUT_LEN));
        Ok(Stage::Layout(span))
    }

    fn after_layout(&mut self) -> Result<Stage, Error> {
        let Some(seals) = self.walker.components().iter().find(|found| found.id == SEAL_ID) else {
            return self.after_seals();
        };
        if !SEAL_VERSION.accepts(seals.version) {
            return Err(Error::NotUpdatable(Missing::Seals));
        }
        let mut span = seals.span_within(self.len)?;
        let keys = to_u64(KEYS_MAX).saturating_mul(32);
        let len_max = COMPONENT_LEN_MIN.saturating_add(keys);
        span.end = span.end.min(span.start.saturating_add(len_max));
        Ok(Stage::Seals(span))
    }

    fn after_seals(&mut self) -> Result<Stage, Error> {
        let index = self.walker.components().iter().find(|found| is_index(found));
        let index = index.ok_or(Error::NotUpdatable(Missing::Index))?;
        self.found.index = index.span_within(self.len)?;
        let reader = IndexReader::new(self.found.index)?;
        Ok(reader.want().map_or(Stage::Ended, Stage::Index))
    }

    /// Checks that the index region has room for exactly as many groups as its header states. If
    /// the file has zeros in place of the header, the header states 0 groups, and the check fails.
    fn check_filled(&self) -> Result<(), Error> {
        // spec: R-LAY-22
        let (index, groups) = (self.found.index, self.found.groups);
        if index_len(groups) != index.len() {
            return Err(Error::IndexNotFilled { at: index.start, groups, len: index.len() });
        }
        Ok(())
    }

    /// Checks the snapshot, and returns it.
    ///
    /// # Errors
    /// `Misuse` if the reader still wants bytes. Otherwise a fault of the room for updates, if it
    /// passes the end of the head or overlaps bytes in use.
    pub fn finish(self) -> Result<Snapshot, Error> {
        let (Stage::Ended, Some(layout)) = (self.stage, self.found.layout) else {
            return Err(Misuse::NotFed.into());
        };
        let mut snapshot = Snapshot {
            len: self.len,
            bound: self.len,
            head: self.head,
            layout,
            tables: self.tables,
            components: self.walker.components().to_vec(),
            index: self.found.index,
            index_groups: self.found.groups,
            delta_groups: Vec::new(),
            seal_len: self.found.seal_len,
            room_len: self.found.room_len,
            place: None,
            entries: None,
            changes: None,
            base: None,
            looked_up: Vec::new(),
            is_in_parts: false,
        };
        snapshot.read_delta_groups()?;
        snapshot.place = snapshot.place_in_force();
        snapshot.check_room()?;
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Finds the delta groups. Only the first index of a package has delta groups.
    fn read_delta_groups(&mut self) -> Result<(), Error> {
        let (at, found) = (self.index.start, self.layout.delta_groups);
        if at >= HEAD_LEN || self.index.is_empty() {
            return Ok(());
        }
        if found > self.index_groups {
            return Err(Error::DeltaGroups { at, found, groups: self.index_groups });
        }
        let mut group_at = at.saturating_add(INDEX_HEADER_LEN);
        let end = group_at.saturating_add(GROUP_LEN.saturating_mul(u64::from(found)));
        if end > HEAD_LEN {
            let what = Structure::DeltaGroups;
            return Err(Error::OutsideHead { what, at: group_at, end });
        }
        for number in 0..found {
            let rest = Span { start: group_at, end: HEAD_LEN };
            let rest = rest.slice_of(&self.head, 0).unwrap_or_default();
            let group = Group::parse(rest, group_at)?;
            self.delta_groups.push(DeltaGroup {
                number,
                at: group_at,
                base: group.base(),
                encoding: group.encoding(),
                length: u8::try_from(group.entries().len()).unwrap_or(u8::MAX),
            });
            group_at = group_at.saturating_add(GROUP_LEN);
        }
        Ok(())
    }

    /// Returns the number of the current place of the second table. Returns `None` if the table
    /// lies in neither of the two places, or does not list the index.
    fn place_in_force(&self) -> Option<usize> {
        let second = self.tables.get(1)?;
        let place = self.t2_spans().iter().position(|place| place.start == second.span.start)?;
        let index = self.components.iter().find(|found| is_index(found))?;
        let entry = Span { start: index.at, end: index.at };
        second.span.contains(&entry).then_some(place)
    }

    /// Checks that the room for updates lies in the head and overlaps no bytes in use.
    fn check_room(&self) -> Result<(), Error> {
        let [a, b] = self.t2_spans();
        let rooms = [
            (Structure::FirstTable, self.t1_span()),
            (Structure::SecondTable, a),
            (Structure::SecondTable, b),
            (Structure::DeltaGroups, self.delta_span()),
        ];
        for (what, room) in rooms {
            if room.end > HEAD_LEN && !room.is_empty() && what != Structure::DeltaGroups {
                return Err(Error::OutsideHead { what, at: room.start, end: room.end });
            }
        }
        for (i, (what, room)) in rooms.iter().enumerate() {
            let others = rooms.iter().skip(i.saturating_add(1)).copied();
            for (other, span) in others.chain(self.claims()) {
                if room.overlaps(&span) && !self.is_own(*what, *room, other, span) {
                    let (what, at) = (*what, room.start);
                    return Err(Error::Overlap { what, at, other, other_at: span.start });
                }
            }
        }
        Ok(())
    }

    /// Returns whether bytes in use may lie in this room, because they are part of its content.
    fn is_own(&self, what: Structure, room: Span, other: Structure, span: Span) -> bool {
        match (what, other) {
            (Structure::FirstTable | Structure::SecondTable, Structure::Table) => {
                room.start == span.start && room.contains(&span)
            }
            (Structure::DeltaGroups, Structure::Index) => span == self.index,
            _ => false,
        }
    }

    /// Returns whether this room lies in the head, and no bytes in use overlap it except the
    /// current fences.
    pub(crate) fn is_room_for_fences(&self, room: Span) -> bool {
        let fences = self.components.iter().find(|found| found.id == LOOKUP_ID);
        let fences = fences.and_then(|fences| fences.span().ok());
        let [a, b] = self.t2_spans();
        let rooms = [self.t1_span(), a, b, self.delta_span()];
        let claims = self.claims().map(|(_, span)| span).filter(|span| Some(*span) != fences);
        room.end <= HEAD_LEN && rooms.into_iter().chain(claims).all(|used| !room.overlaps(&used))
    }

    /// Returns the bytes that readers use: preamble, tables, regions of known components, and the
    /// regions that the delta groups list.
    fn claims(&self) -> impl Iterator<Item = (Structure, Span)> {
        let signature = (Structure::Head, Span { start: 0, end: daicon_core::PREAMBLE_LEN });
        let tables = self.tables.iter().map(|table| (Structure::Table, table.span));
        let known = [LAYOUT_ID, SEAL_ID, LOOKUP_ID, PARTS_ID, DICTIONARY_ID, DIGEST_LIST_ID];
        let regions = self.components.iter().filter(move |found| known.contains(&found.id));
        let regions = regions.filter_map(|found| found.span().ok());
        let regions = regions.map(|span| (Structure::ComponentRegion, span));
        let groups = self.delta_groups.iter().filter_map(|delta| self.delta_group(delta).ok());
        let stored = groups.flat_map(|group| group.regions().flatten().collect::<Vec<_>>());
        let stored = stored.map(|located| (Structure::StoredRegion, located.span));
        let index = core::iter::once((Structure::Index, self.index));
        core::iter::once(signature).chain(tables).chain(regions).chain(index).chain(stored)
    }
}

/// Returns whether a component is an index of a supported version.
fn is_index(found: &Component) -> bool {
    let version = |minor: u16| found.version == Version::new(0, minor);
    found.id == INDEX_ID
        && (found.version == dacti_index::INDEX_VERSION
            || INDEX_MINORS.iter().any(|minor| version(*minor)))
}

/// Returns the first `span.len()` bytes, or fewer if the file ends.
fn cut(bytes: &[u8], span: Span) -> &[u8] {
    let len = usize::try_from(span.len()).unwrap_or(usize::MAX);
    bytes.get(..len).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use crate::parts::PARTS_ID;
    use crate::world::{World, fresh};
    use crate::{Error, LayoutFault, Missing, Room, Structure};
    use dacti_index::{DICTIONARY_ID, INDEX_ID, INDEX_VERSION};
    use dacti_lookup::LOOKUP_ID;
    use dacti_seal::DIGEST_LIST_ID;
    use daicon_core::{ComponentSpec, ErrorKind, Region, Span, Version};
    use std::vec::Vec;

    #[track_caller]
    fn fails(world: &World, expected: Error) {
        assert_eq!(world.snapshot().map(|_| ()), Err(expected));
    }

    #[test]
    fn a_fresh_package_is_known_by_its_head() {
        // spec: R-CDN-02
        let world = fresh(5);
        let snapshot = world.snapshot().unwrap();
        assert_eq!(snapshot.index(), Span { start: 4168, end: 65_536 });
        assert_eq!((snapshot.index_groups(), snapshot.delta_groups().len()), (10, 9));
        assert_eq!((snapshot.delta_groups()[8].at, snapshot.seal_len()), (53_264, 32));
        let expected = Room {
            delta_groups: 9,
            delta_groups_free: 9,
            entries_free: 0,
            current: None,
            first_table_free: 14,
            second_table: true,
        };
        assert_eq!(snapshot.room(), expected);
        let mut reader = crate::SnapshotReader::new(world.len);
        let head = Span { start: 0, end: 65_536 };
        assert_eq!(reader.want(), Some(head));
        reader.feed(&world.read(head)).unwrap();
        assert_eq!(reader.want(), None);
    }

    #[test]
    fn what_updates_need_must_be_there() {
        // spec: R-CDN-01
        let mut world = fresh(5);
        // The layout component gets another id.
        world.bytes[52] ^= 1;
        fails(&world, Error::NotUpdatable(Missing::Layout));
        let mut world = fresh(5);
        world.bytes[528] ^= 1;
        fails(&world, Error::NotUpdatable(Missing::Index));
        let mut world = fresh(5);
        // The seal component gets the major version 7.
        world.bytes[80 + 16] = 7;
        fails(&world, Error::NotUpdatable(Missing::Seals));
        let mut world = fresh(5);
        world.bytes[1000] = 1;
        let error = world.snapshot().unwrap_err();
        assert_eq!(error, Error::Layout { at: 1000, fault: LayoutFault::Version(1) });
        assert_eq!((error.kind(), error.at()), (ErrorKind::Unsupported, Some(1000)));
    }

    #[track_caller]
    fn layout(change: impl FnOnce(&mut crate::Layout), expected: Error) {
        let mut world = fresh(5);
        change(&mut world.layout);
        world.bytes[1000..1080].copy_from_slice(&world.layout.emit().unwrap());
        fails(&world, expected);
    }

    #[test]
    fn room_outside_the_head_or_the_index_is_refused() {
        // spec: R-CDN-03
        let groups = Error::DeltaGroups { at: 4168, found: 11, groups: 10 };
        layout(|layout| layout.delta_groups = 11, groups);
        let (what, at) = (Structure::FirstTable, 28);
        let end = 28 + 24 + 28 * 3000;
        layout(|layout| layout.t1_slots = 3000, Error::OutsideHead { what, at, end });
        let (what, at) = (Structure::SecondTable, 65_500);
        let end = 65_500 + 24 + 28 * 8;
        layout(|layout| layout.t2_places[1] = 65_500, Error::OutsideHead { what, at, end });
        let at = u64::from(u32::MAX);
        let end = at + 24 + 28 * 8;
        layout(|layout| layout.t2_places[1] = u32::MAX, Error::OutsideHead { what, at, end });
    }

    #[test]
    fn room_that_something_else_claims_is_refused() {
        // spec: R-CDN-04
        use Structure::{ComponentRegion, DeltaGroups, FirstTable, Head, SecondTable};
        let overlap = |what, at, other, other_at| Error::Overlap { what, at, other, other_at };
        layout(|layout| layout.t1_slots = 18, overlap(FirstTable, 28, SecondTable, 504));
        layout(|layout| layout.t2_slots = 9, overlap(SecondTable, 504, SecondTable, 752));
        layout(|layout| layout.t2_places[1] = 8, overlap(FirstTable, 28, SecondTable, 8));
        let error = overlap(SecondTable, 960, ComponentRegion, 1000);
        layout(|layout| layout.t2_places[1] = 960, error);
        let error = overlap(SecondTable, 9000, DeltaGroups, 4176);
        layout(|layout| layout.t2_places[1] = 9000, error);
        let mut world = fresh(5);
        world.layout.t2_places = [504, 0];
        world.layout.t1_slots = 2;
        world.bytes[1000..1080].copy_from_slice(&world.layout.emit().unwrap());
        let found = world.snapshot().unwrap_err();
        assert!(matches!(found, Error::Overlap { other: SecondTable | Head, .. }), "{found}");
        for id in [LOOKUP_ID, PARTS_ID, DICTIONARY_ID, DIGEST_LIST_ID] {
            let mut world = fresh(5);
            let index = Region::new(4168, 8 + 6136 * 10);
            let index = ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, index);
            let within_t2 = Region::new(900, 40);
            let claim = ComponentSpec::with_region(id, Version::new(0, 0), within_t2);
            world.write_tables(&[claim], &[index]);
            fails(&world, overlap(SecondTable, 752, ComponentRegion, 900));
        }
        // The stored bytes of this delta group's entry lie in the free slots of the first table.
        let mut world = fresh(5);
        world.bytes[53_264..53_280].copy_from_slice(b"\x90\x01\0\0\0\0\0\0none\x01\0\0\0");
        world.bytes[53_296..53_304].copy_from_slice(b"\0\0\0\0\x08\0\0\0");
        fails(&world, overlap(FirstTable, 28, Structure::StoredRegion, 400));
    }

    #[test]
    fn an_index_in_the_head_has_no_reserve() {
        // spec: R-LAY-22, R-CDN-05
        for groups in [0, 9] {
            let mut world = fresh(5);
            world.bytes[4172] = groups;
            let (groups, len) = (groups.into(), 8 + 6136 * 10);
            fails(&world, Error::IndexNotFilled { at: 4168, groups, len });
        }
    }

    #[test]
    fn an_index_behind_the_head_has_no_reserve() {
        // spec: R-LAY-22, R-CDN-05
        let mut world = fresh(5);
        let all: Vec<_> = (0..3).map(|n| crate::world::put(n, 4)).collect();
        let edits = [&all[..], &[crate::world::remove(4)]].concat();
        let snapshot = world.scanned();
        let plan = crate::plan(&snapshot, &edits, &crate::UpdatePolicy::default()).unwrap();
        world.apply(&plan, &snapshot);
        let index = world.snapshot().unwrap().index();
        let sound = world.clone();
        // The test puts zeros in place of the index, as in a file whose upload was cut.
        world.appended.get_mut(&index.start).unwrap().fill(0);
        let (at, len) = (index.start, index.len());
        fails(&world, Error::IndexNotFilled { at, groups: 0, len });
        let error = Error::IndexNotFilled { at, groups: 0, len };
        assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(at)));
        // The header is right, but the only group consists of zeros. An update of this file must
        // not be planned.
        let mut world = sound;
        world.appended.get_mut(&index.start).unwrap()[8..].fill(0);
        let mut scan = world.snapshot().unwrap().entries_reader().unwrap();
        let mut fault = None;
        while let Some(want) = scan.want() {
            fault = scan.feed(&world.read(want)).err();
        }
        let expected = Error::EmptyGroup { at: at + 8 };
        assert_eq!((fault, expected.kind()), (Some(expected), ErrorKind::Corrupt));
    }

    #[test]
    fn an_index_that_lies_is_refused() {
        let mut world = fresh(5);
        world.bytes[4172] = 11;
        let error = world.snapshot().unwrap_err();
        assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(4168)));
        let mut world = fresh(5);
        let far = Region::new(131_000, 8 + 6136);
        let index = ComponentSpec::with_region(INDEX_ID, Version::new(0, 1), far);
        world.write_tables(&[], &[index]);
        let error = world.snapshot().unwrap_err();
        assert_eq!((error.kind(), error.at()), (ErrorKind::Truncated, Some(131_000)));
    }

    #[test]
    fn no_byte_of_the_head_makes_a_snapshot_panic() {
        let clean = fresh(300);
        let mut at = 0;
        while at < 4400 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut world = clean.clone();
                world.bytes[at] = value;
                if let Ok(snapshot) = world.snapshot() {
                    let edits = [crate::world::put(1, 5)];
                    let planned = crate::plan(&snapshot, &edits, &crate::UpdatePolicy::default());
                    if let Ok(plan) = planned {
                        assert_eq!(crate::check(&plan, &snapshot), Ok(()), "{at} {value}");
                    }
                }
            }
            at += if at < 1200 { 3 } else { 101 };
        }
        for len in [0, 1, 27, 28, 500, 65_535] {
            let world = World { len, ..clean.clone() };
            assert!(world.snapshot().is_err());
        }
    }
}
