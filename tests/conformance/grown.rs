//! Updates packages by writing the bytes that the specification describes. So tests of readers do
//! not depend on our own writers.
//!
//! No reader runs at the same time, so the updates need no barriers.

use dacti_tests::reference::{
    self as by, BROT, Entry, GROUP, Group, INDEX, Id, Link, NAMES, NONE, Name, Stored, Table,
    component, seal,
};
use std::collections::BTreeMap;

fn blake3(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// A package in the cdn layout, with at most ten groups and with digests. It can be updated.
pub struct Grown {
    /// The bytes of the file.
    pub file: Vec<u8>,
    slice: u64,
    encoding: [u8; 4],
    /// The number of the current delta group. `base` is its group base, and `entries` has its
    /// entries.
    delta: usize,
    base: u64,
    entries: Vec<Entry>,
    /// The start and the size of every live region.
    live: BTreeMap<Id, (u64, u32)>,
    place: usize,
}

/// The start of the index in a package of at most ten groups.
const INDEX_AT: usize = 4168;
/// The two places of T2.
const PLACES: [u64; 2] = [504, 752];

impl Grown {
    /// Returns a package of these files, which are stored without encoding.
    pub fn new(files: &[Stored], slice: u64) -> Self {
        Self::with(files, &by::names_of(files), NONE, slice)
    }

    /// Returns a package of these files. The bytes of the files and of the names list are given as
    /// stored bytes of this encoding.
    pub fn with(files: &[Stored], names_list: &[u8], encoding: [u8; 4], slice: u64) -> Self {
        let file = by::cdn_package_apart(files, names_list, encoding, slice, &blake3);
        let container = by::read_container(&file).expect("it is sound");
        let index = by::read_index(&file, &container).expect("it is sound");
        let live: BTreeMap<_, _> = {
            let spans = index.regions().into_iter().map(|(id, entry)| {
                let (start, len) = by::stored_span(&entry, u64::MAX).expect("it is sound");
                (id, (start, len as u32))
            });
            spans.collect()
        };
        let filled = live.len().div_ceil(255);
        assert!(filled < 10, "deltas are at the end of the head only up to ten groups");
        let delta = 9 - filled;
        Self { file, slice, encoding, delta, base: 0, entries: Vec::new(), live, place: 0 }
    }

    /// Returns the start and the size of a region's stored bytes.
    pub fn span(&self, id: Id) -> (u64, u32) {
        self.live[&id]
    }

    /// Makes an update that appends the regions, and writes their entries into a delta group.
    pub fn put(&mut self, regions: &[(Id, &[u8])]) {
        let mut data = Vec::new();
        let at = self.file.len() as u64;
        if self.entries.len() + regions.len() > 255 {
            (self.delta, self.entries) = (self.delta - 1, Vec::new());
        }
        if self.entries.is_empty() {
            self.base = at;
        }
        for (id, bytes) in regions {
            let start = at + data.len() as u64;
            let (offset, size) = ((start - self.base) as u32, bytes.len() as u32);
            self.entries.push(Entry { id: *id, offset, size });
            self.live.insert(*id, (start, size));
            data.extend(*bytes);
            data.extend(seal(*id, self.encoding, bytes, &blake3));
        }
        self.append(data);
        let entries = self.entries.clone();
        let group = Group { base: self.base, encoding: self.encoding, entries, ..by::delta() };
        let group_at = INDEX_AT + 8 + self.delta * GROUP as usize;
        by::place(&mut self.file, group_at, &by::index(&[group])[8..]);
    }

    /// Makes an update that adds a segment to the names list, and puts these regions.
    pub fn put_named(&mut self, names: &[Name], regions: &[(Id, &[u8])]) {
        let (at, size) = self.span(NAMES);
        let stored = &self.file[at as usize..][..size as usize];
        let decoded = match self.encoding {
            BROT => by::unbrotli(stored, 1 << 20).expect("it is sound").len(),
            _ => stored.len(),
        } as u64;
        let segment = by::names(Link { at, size, encoding: self.encoding, decoded }, names);
        let segment = match self.encoding {
            BROT => by::brotli_stored(&segment),
            _ => segment,
        };
        let mut all = vec![(NAMES, &segment[..])];
        all.extend(regions);
        self.put(&all);
    }

    /// Makes an update that removes regions, and folds all groups into a new index.
    pub fn fold(&mut self, removed: &[Id]) {
        for id in removed {
            assert!(self.live.remove(id).is_some(), "there is such a region");
        }
        let entries = self.live.iter();
        let entries: Vec<_> = entries
            .map(|(id, (at, size))| Entry { id: *id, offset: *at as u32, size: *size })
            .collect();
        let encoding = self.encoding;
        let groups: Vec<_> = entries
            .chunks(255)
            .map(|chunk| Group { encoding, entries: chunk.to_vec(), ..Group::default() })
            .collect();
        let region = by::index(&groups);
        let at = self.file.len() as u32;
        let len = region.len() as u32;
        self.append(region);
        self.place = 1 - self.place;
        let components = vec![component(INDEX, at, len), component(NAMES, 0, 0)];
        let t2 = by::table(&Table { slots: 8, components, ..Table::default() });
        by::place(&mut self.file, PLACES[self.place] as usize, &t2);
        by::place(&mut self.file, 36, &PLACES[self.place].to_le_bytes());
    }

    /// Appends bytes, and zeros up to the next multiple of the slice length.
    fn append(&mut self, bytes: Vec<u8>) {
        let end = (self.file.len() + bytes.len()) as u64;
        self.file.extend(bytes);
        self.file.resize(end.next_multiple_of(self.slice) as usize, 0);
    }
}
