//! Packages for tests, built from the byte map of the specification.

use crate::parts::{ListChange, NextEntry, PartEntry, PartList, cut_at_groups};
use crate::{
    Action, Append, Derived, Digest, Edit, LAYOUT_ID, LAYOUT_VERSION, Layout, PieceContent, Plan,
    Probe, Put, Remove, Reserve, Snapshot, SnapshotReader, State, Switch,
};
use dacti_index::{
    Encoding, Entry, Event, GroupHeader, INDEX_ID, INDEX_VERSION, IndexReader, emit_group,
    emit_header,
};
use dacti_lookup::{LOOKUP_ID, LOOKUP_VERSION, RunSpec, emit_lookup};
use dacti_names::{Flags, NAMES_ID, NAMES_VERSION};
use dacti_seal::{SEAL_ID, SEAL_VERSION, Seals};
use daicon_core::{
    ComponentSpec, PreambleSpec, Region, Span, TableSpec, TableWalker, Version, emit_container,
};
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;
use uuid::Uuid;

pub(crate) const NONE: Encoding = Encoding::NONE;

/// A sparse file: it has `bytes` from position 0 on, and each `appended` piece at its start. All
/// other positions below `len` are zeros.
#[derive(Debug, Clone)]
pub(crate) struct World {
    /// The list of parts, if the package is in parts. Its digests are not hashes of the parts.
    pub(crate) list: Option<PartList>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) appended: BTreeMap<u64, Vec<u8>>,
    pub(crate) len: u64,
    pub(crate) layout: Layout,
}

/// Returns a new package of `entries` regions in the cdn layout, with slices of 64 KiB. Each region
/// has 10 stored bytes and a seal of 32 bytes. The ids are `id(0)`, `id(1)` and so on.
pub(crate) fn fresh(entries: u32) -> World {
    let groups: Vec<u32> = (0..entries).collect();
    let filled = entries.div_ceil(255);
    let (delta, in_head) = if filled <= 10 { (10 - filled, 10) } else { (8, 8) };
    let start = 65_536 - 8 - 6136 * in_head;
    let total = delta + filled;
    let data_at = (start + 8 + 6136 * total) as usize;
    let mut bytes = vec![0; data_at + entries as usize * 42];
    emit_header(total, &mut bytes[start as usize..]).unwrap();
    for (g, ids) in groups.chunks(255).enumerate() {
        let at = start as usize + 8 + 6136 * (delta as usize + g);
        let header = GroupHeader::new(data_at as u64, NONE, ids.len() as u8);
        let listed: Vec<_> = ids.iter().map(|n| Entry::new(id(*n), n * 42, 10)).collect();
        emit_group(&header, &listed, &mut bytes[at..]).unwrap();
    }
    let fresh_end = (bytes.len() as u64).next_multiple_of(65_536);
    let fences =
        if filled <= 10 { Span::default() } else { Span { start: 3584, end: u64::from(start) } };
    let layout = Layout {
        file_id: *b"file id 16 bytes",
        slice_len: 65_536,
        fresh_end,
        delta_groups: delta,
        t1_slots: 16,
        t2_places: [504, 752],
        t2_slots: 8,
        fences,
    };
    let mut world = World { list: None, bytes, appended: BTreeMap::new(), len: fresh_end, layout };
    let index = Region::new(start, 8 + 6136 * total);
    world.write_tables(&[], &[ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, index)]);
    world
}

/// Returns a package in parts of `entries` regions, at least 2,551, with fences and eight delta
/// groups. The last `used` delta groups are full: each lists one region 255 times.
pub(crate) fn in_parts(entries: u32, used: u32) -> World {
    let mut world = fresh(entries);
    let groups = entries.div_ceil(255);
    let start = 65_536 - 8 - 6136 * 8;
    let index = Region::new(start as u32, 8 + 6136 * (8 + groups));
    let run = [RunSpec { first_group: 8, groups }];
    let lookup = Region::new(3584, (32 + 8 * u64::from(groups)) as u32);
    let first = |group: u32| id((group - 8) * 255);
    emit_lookup(start, &run, 1, first, &mut world.bytes[3584..]).unwrap();
    let index = ComponentSpec::with_region(INDEX_ID, INDEX_VERSION, index);
    let lookup = ComponentSpec::with_region(LOOKUP_ID, LOOKUP_VERSION, lookup);
    world.write_tables(&[], &[index, lookup]);
    for group in 8 - used..8 {
        let at = start as usize + 8 + 6136 * group as usize;
        let header = GroupHeader::new(world.layout.fresh_end - 65_536, NONE, 255);
        let listed = [Entry::new(id(group), group, 1); 255];
        emit_group(&header, &listed, &mut world.bytes[at..]).unwrap();
    }
    let index = Span { start, end: start + 8 + 6136 * u64::from(8 + groups) };
    let data = Span { start: 65_536, end: world.len };
    let entries = cut_at_groups(data, index).map(part);
    world.list = Some(PartList::new(entries.collect(), 0).unwrap());
    world
}

fn part(span: Span) -> PartEntry {
    PartEntry { span, piece_exponent: 0, digest: Digest::of(&span.start.to_le_bytes()) }
}

impl World {
    /// Writes tables, layout and seals again. Adds `first` to the first table, and `second` to the
    /// second table.
    pub(crate) fn write_tables(&mut self, first: &[ComponentSpec], second: &[ComponentSpec]) {
        self.bytes[1000..1080].copy_from_slice(&self.layout.emit().unwrap());
        self.bytes[1080..1144].copy_from_slice(&Seals::DIGESTS.emit().unwrap());
        let at = Region::new(1000, 80);
        let mut t1 = vec![ComponentSpec::with_region(LAYOUT_ID, LAYOUT_VERSION, at)];
        t1.push(ComponentSpec::with_region(SEAL_ID, SEAL_VERSION, Region::new(1080, 64)));
        t1.extend(first);
        let flags = Flags { explicit_ids: false }.to_data();
        let mut t2 = vec![second[0], ComponentSpec::with_data(NAMES_ID, NAMES_VERSION, flags)];
        t2.extend(&second[1..]);
        let preamble = PreambleSpec { format: Uuid::from_u128(1), version: Version::new(0, 1) };
        let first = TableSpec { slots: 16, components: &t1, ..TableSpec::default() };
        let second = TableSpec { at: 504, slots: 8, components: &t2, ..TableSpec::default() };
        emit_container(&preamble, &[first, second], &mut self.bytes).unwrap();
    }

    /// Returns the length of the package. In a package in parts, second starts may follow the last
    /// block.
    pub(crate) fn bound(&self) -> u64 {
        self.list.as_ref().map_or(0, PartList::end).max(self.len)
    }

    /// Reads the bytes of `span`, through the list of parts if there is one.
    pub(crate) fn read(&self, span: Span) -> Vec<u8> {
        let Some(list) = &self.list else { return self.read_settled(span) };
        let span = Span { start: span.start, end: span.end.min(self.bound()).max(span.start) };
        list.settled(span).into_iter().flat_map(|span| self.read_settled(span)).collect()
    }

    fn read_settled(&self, span: Span) -> Vec<u8> {
        let end = span.end.min(self.len);
        let mut out = vec![0; end.saturating_sub(span.start) as usize];
        let pieces = self.appended.iter().map(|(at, bytes)| (*at, bytes));
        for (at, bytes) in pieces.chain([(0, &self.bytes)]) {
            let start = span.start.max(at);
            let end = end.min(at + bytes.len() as u64);
            if start < end {
                let from = &bytes[(start - at) as usize..(end - at) as usize];
                let to = (start - span.start) as usize;
                out[to..to + from.len()].copy_from_slice(from);
            }
        }
        out
    }

    /// Carries out a plan, with zeros for the bytes of edits, and checks the state after each step.
    pub(crate) fn apply(&mut self, plan: &Plan, snapshot: &Snapshot) {
        let derived = Derived::of(plan, snapshot).unwrap();
        if let Some(derived) = derived {
            derived
                .emit(|at, bytes| {
                    self.appended.insert(at, bytes.to_vec());
                    Ok::<(), crate::Error>(())
                })
                .unwrap();
        }
        let list = self.list.take();
        for step in &plan.steps {
            match &step.action {
                Action::Append(append) => {
                    assert!(append.at >= self.len);
                    for piece in &append.pieces {
                        if let PieceContent::Inline(bytes) = &piece.content {
                            self.appended.insert(piece.span.start, bytes.clone());
                        }
                    }
                    self.len = append.span().end;
                }
                Action::Reserve(Reserve { at, before, after })
                | Action::Switch(Switch { at, before, after, .. }) => {
                    let at = *at as usize;
                    assert_eq!(self.bytes[at..at + before.len()], before[..]);
                    self.bytes[at..at + after.len()].copy_from_slice(after);
                }
                Action::Barrier(barrier) => {
                    // If the digest of a probe is a placeholder, the probe is skipped: it covers a
                    // region that is too long to store.
                    let known = |probe: &&Probe| probe.digest != Digest::default();
                    for probe in barrier.probes.iter().filter(known) {
                        assert_eq!(Digest::of(&self.read(probe.span)), probe.digest);
                    }
                }
            }
            let head = Digest::of(&self.bytes[..65_536]);
            assert_eq!(step.after, State { len: self.len, head });
        }
        self.list = list.map(|list| self.next_list(&list, plan, snapshot));
    }

    fn next_list(&self, list: &PartList, plan: &Plan, before: &Snapshot) -> PartList {
        let block = plan.append().map_or_else(Span::default, Append::span);
        let mut walker = TableWalker::new(None);
        while let Some(want) = walker.want() {
            walker.feed(&self.read(want)).unwrap();
        }
        let change = ListChange {
            block,
            index_before: (before.index(), before.index_groups()),
            index_after: walker.find(INDEX_ID, INDEX_VERSION).unwrap().span().unwrap(),
            fresh_end: self.layout.fresh_end,
        };
        let entries = list.next_entries(&change).unwrap().into_iter().map(|entry| match entry {
            NextEntry::There(entry) => entry,
            NextEntry::New(span) => part(span),
        });
        PartList::new(entries.collect(), 0).unwrap()
    }

    /// Returns the start and the size of every region, by id, as found by the readers of the lower
    /// crates.
    pub(crate) fn regions(&self) -> BTreeMap<Uuid, (u64, u64)> {
        let bound = self.bound();
        let mut walker = TableWalker::new(Some(bound));
        while let Some(want) = walker.want() {
            walker.feed(&self.read(want)).unwrap();
        }
        let index = walker.find(INDEX_ID, INDEX_VERSION).unwrap().span_within(bound).unwrap();
        let mut reader = IndexReader::new(index).unwrap();
        let mut regions = BTreeMap::new();
        while let Some(want) = reader.want() {
            let bytes = self.read(want);
            let Some(Event::Group(group)) = reader.feed(&bytes).unwrap() else { continue };
            for located in group.regions().rev() {
                let located = located.unwrap().within(self.len).unwrap();
                let place = (located.span.start, located.span.len());
                regions.entry(located.id).or_insert((!located.is_removal()).then_some(place));
            }
        }
        regions.into_iter().filter_map(|(id, place)| Some((id, place?))).collect()
    }

    pub(crate) fn snapshot(&self) -> Result<Snapshot, crate::Error> {
        let mut reader = SnapshotReader::new(self.bound());
        while let Some(want) = reader.want() {
            reader.feed(&self.read(want))?;
        }
        let snapshot = reader.finish()?;
        Ok(match &self.list {
            Some(list) => snapshot.in_parts(list, self.len.next_multiple_of(8)),
            None => snapshot,
        })
    }

    /// Returns a snapshot of this package in parts with the entries before the base groups.
    pub(crate) fn with_changes(&self) -> Snapshot {
        let mut snapshot = self.snapshot().unwrap();
        let mut scan = snapshot.changes_reader().unwrap();
        while let Some(want) = scan.want() {
            scan.feed(&self.read(want)).unwrap();
        }
        snapshot.set_changes(scan.finish().unwrap());
        snapshot
    }

    /// Returns a snapshot of this package with all entries.
    pub(crate) fn scanned(&self) -> Snapshot {
        let mut snapshot = self.snapshot().unwrap();
        let mut scan = snapshot.entries_reader().unwrap();
        while let Some(want) = scan.want() {
            scan.feed(&self.read(want)).unwrap();
        }
        snapshot.set_entries(scan.finish().unwrap());
        snapshot
    }
}

pub(crate) fn id(n: u32) -> Uuid {
    Uuid::from_u128(0x0100_0000_0000_4000_8000_0000_0000_0000 + (u128::from(n) << 96))
}

/// Returns an edit that puts a region which is too long to store in a test. Its digest is a
/// placeholder.
pub(crate) fn put_long(n: u32, size: u64) -> Edit {
    let digest = Digest::default();
    Edit::Put(Put { id: id(n), encoding: NONE, size, seal_len: 32, digest, replaced_len: 0 })
}

/// Returns an edit that puts a region of `size` zeros with a seal of 32 zeros.
pub(crate) fn put(n: u32, size: u64) -> Edit {
    let digest = Digest::of(&vec![0; size as usize + 32]);
    Edit::Put(Put { id: id(n), encoding: NONE, size, seal_len: 32, digest, replaced_len: 0 })
}

/// Returns an edit that removes a region, with a seal of 32 zeros.
pub(crate) fn remove(n: u32) -> Edit {
    let digest = Digest::of(&[0; 32]);
    Edit::Remove(Remove { id: id(n), seal_len: 32, digest, replaced_len: 0 })
}
