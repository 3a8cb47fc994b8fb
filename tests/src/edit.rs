//! An independent planner: updates of a package in the cdn layout, as bytes.
//!
//! It imports none of our crates, and follows only the specification. It keeps the whole file in
//! memory, and prefers simple code. It returns the steps that `cache.rs` defines, in an order that
//! obeys the laws. Tests that break a law change these steps.

use crate::cache::{HEAD, Model, Op, Plan};
use crate::reference::{
    self as by, Component, Container, Entry, EntrySeen, GONE, GROUP, Group, INDEX, Id, LAYOUT,
    LOOKUP, Link, NAMES, NONE, Name, Table, path_id, read_container, read_index, read_layout,
    region,
};
use std::collections::{BTreeMap, BTreeSet};

/// The kind of seal that follows each region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// No seal.
    None,
    /// A digest.
    Digest,
    /// A digest, and 64 bytes in place of a signature. This planner cannot sign.
    Signed,
}

impl Sealing {
    /// Returns the seal that follows a region.
    #[must_use]
    pub fn behind(self, id: Id, encoding: [u8; 4], stored: &[u8]) -> Vec<u8> {
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        let digest = by::seal(id, encoding, stored, &hash);
        match self {
            Self::None => Vec::new(),
            Self::Digest => digest.to_vec(),
            Self::Signed => [digest, hash(&digest), hash(&hash(&digest))].concat(),
        }
    }
}

/// Returns a new package. Its regions have no encoding, and `sealing` says which seals they have.
#[must_use]
pub fn package(files: &[(String, Vec<u8>)], slice: u64, sealing: Sealing) -> Published {
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let component = match sealing {
        Sealing::None => None,
        Sealing::Digest => Some(by::seal_component(&hash)),
        Sealing::Signed => {
            let mut region = by::seal_component(&hash);
            region[4] = 2;
            let digest = hash(&[b"dacti-seal component v0", &region[..32]].concat());
            region[32..].copy_from_slice(&digest);
            Some(region)
        }
    };
    let behind = |id: Id, bytes: &[u8]| sealing.behind(id, NONE, bytes);
    let stored: Vec<_> = files.iter().map(|(path, bytes)| by::stored(path, bytes)).collect();
    let names = by::names_of(&stored);
    let file = by::cdn_package_sealed(&stored, &names, NONE, slice, &hash, component, &behind);
    Published::new(file, model_of(files), sealing)
}

/// Returns the content of a package of these files.
#[must_use]
pub fn model_of(files: &[(String, Vec<u8>)]) -> Model {
    Model {
        regions: files.iter().map(|(path, bytes)| (path_id(path), bytes.clone())).collect(),
        names: files.iter().map(|(path, _)| (path.clone(), path_id(path))).collect(),
        components: BTreeMap::new(),
    }
}

/// One change.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Puts a region under the id of a path.
    Put(String, Vec<u8>),
    /// Removes the region of a path.
    Remove(String),
}

/// A published package, to which updates are applied.
#[derive(Clone, Debug)]
pub struct Published {
    /// The file.
    pub file: Vec<u8>,
    /// Its content.
    pub model: Model,
    /// The kind of seal after each region.
    pub sealing: Sealing,
    /// Its slice length.
    pub slice: u64,
}

impl Published {
    /// Opens a package that another builder made.
    ///
    /// # Panics
    /// Panics if the package is not in the cdn layout.
    #[must_use]
    pub fn new(file: Vec<u8>, model: Model, sealing: Sealing) -> Self {
        let container = read_container(&file).expect("a package");
        let layout = read_layout(&file, &container).expect("a good layout").expect("a layout");
        Self { file, model, sealing, slice: layout.slice }
    }

    fn container(&self) -> Container {
        read_container(&self.file).expect("a package")
    }

    fn index(&self) -> by::Index {
        read_index(&self.file, &self.container()).expect("an index")
    }

    /// Returns the position at which the next block starts.
    fn fresh(&self) -> u64 {
        (self.file.len() as u64).next_multiple_of(self.slice)
    }

    /// Carries out all steps on the file.
    pub fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Barrier => {}
                Op::Append { at, bytes } | Op::Reserve { at, bytes } | Op::Switch { at, bytes } => {
                    by::place(&mut self.file, *at as usize, bytes);
                }
            }
        }
    }

    /// Makes a plan of these steps, carries it out, and applies the edits to the model.
    pub fn finish(&mut self, name: &str, ops: Vec<Op>, edits: &[Edit]) -> Plan {
        self.apply(&ops);
        for edit in edits {
            match edit {
                Edit::Put(path, bytes) => {
                    self.model.regions.insert(path_id(path), bytes.clone());
                    self.model.names.insert(path.clone(), path_id(path));
                }
                Edit::Remove(path) => {
                    self.model.regions.remove(&path_id(path));
                    self.model.names.remove(path);
                }
            }
        }
        Plan { name: name.to_owned(), ops, after: self.model.clone() }
    }

    /// Returns the seals of removals, and the entries of the removals. An offset of an entry counts
    /// from the first seal.
    fn removals(&self, edits: &[Edit]) -> (Vec<u8>, Vec<Entry>) {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        for edit in edits {
            let Edit::Remove(path) = edit else { panic!("only removals") };
            let id = path_id(path);
            entries.push(Entry { id, offset: data.len() as u32, size: 0 });
            data.extend(self.sealing.behind(id, GONE, &[]));
        }
        (data, entries)
    }

    /// Returns the data of an update, and their entries. An offset of an entry counts from the
    /// start of the data. If a path is new, or a content has a new length, the data start with a
    /// names segment.
    fn data(&self, edits: &[Edit]) -> (Vec<u8>, Vec<Entry>) {
        let (mut data, mut entries) = (Vec::new(), Vec::new());
        let mut put = |id: Id, bytes: &[u8]| {
            entries.push(Entry { id, offset: data.len() as u32, size: bytes.len() as u32 });
            data.extend(bytes);
            data.extend(self.sealing.behind(id, NONE, bytes));
        };
        if let Some(segment) = self.names_segment(edits) {
            put(NAMES, &segment);
        }
        for edit in edits {
            if let Edit::Put(path, bytes) = edit {
                put(path_id(path), bytes);
            }
        }
        (data, entries)
    }

    /// Returns a names segment with the paths that are new or whose content has a new length, or
    /// `None` if there are no such paths.
    #[must_use]
    pub fn names_segment(&self, edits: &[Edit]) -> Option<Vec<u8>> {
        let mut new = BTreeMap::new();
        for edit in edits {
            let Edit::Put(path, bytes) = edit else { continue };
            let known = self.model.names.get(path).map(|id| self.model.regions[id].len());
            if known != Some(bytes.len()) {
                new.insert(path, bytes.len() as u64);
            }
        }
        let new: Vec<_> = new.into_iter().collect();
        (!new.is_empty()).then(|| self.segment(&new))
    }

    /// Returns a names segment for paths and lengths, which is linked to the current segment.
    fn segment(&self, paths: &[(&String, u64)]) -> Vec<u8> {
        let names: Vec<_> = paths
            .iter()
            .map(|(path, length)| Name {
                id: [0; 16],
                length: *length,
                path: path.as_bytes().to_vec(),
            })
            .collect();
        let link = self.index().regions().get(&NAMES).map_or(Link::default(), |entry| Link {
            at: start(entry),
            size: entry.size,
            encoding: entry.encoding,
            decoded: by::content(&self.file, entry, u64::MAX).expect("names").len() as u64,
        });
        by::names(link, &names)
    }

    /// Pads bytes to a whole number of slices. If regions may share stored bytes, zeros for 15
    /// seals precede the padding.
    fn block(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        let seals = by::seals::read_component(&self.file, &self.container(), &hash);
        if let Some(seals) = seals.map(|seals| seals.expect("sound")).filter(|s| s.seals_max > 1) {
            bytes.resize(bytes.len() + 15 * seals.seal_len as usize, 0);
        }
        bytes.resize(bytes.len().next_multiple_of(self.slice as usize), 0);
        bytes
    }

    /// Returns the delta group for entries of this encoding, and the group's length. Without
    /// `next`, this is the first used group that has the encoding and enough free entries, if no
    /// newer group has an entry with one of the ids. Otherwise, this is the free group before all
    /// used groups.
    fn delta_group(&self, encoding: [u8; 4], entries: &[Entry], next: bool) -> Option<(u32, u8)> {
        let index = self.index();
        if index.region.0 >= HEAD {
            return None; // the index was folded and has no delta groups
        }
        let length = |g: u32| self.file[self.group_at(g) as usize + 12];
        let used: Vec<u32> = (0..self.deltas()).filter(|g| length(*g) > 0).collect();
        for group in &used {
            let at = self.group_at(*group) as usize + 8;
            let room = 255 - usize::from(length(*group));
            if !next && self.file[at..at + 4] == encoding && room >= entries.len() {
                return Some((*group, length(*group)));
            }
            let mut listed = index.entries.iter().filter(|entry| entry.group == *group);
            if listed.any(|listed| entries.iter().any(|entry| entry.id == listed.id)) {
                break;
            }
        }
        let first = used.first().copied().unwrap_or(self.deltas());
        Some((first.checked_sub(1)?, 0))
    }

    fn group_at(&self, group: u32) -> u64 {
        self.index().region.0 + 8 + GROUP * u64::from(group)
    }

    /// Makes an update in a delta group. The edits must be either all removals or all puts. With
    /// `next`, the update takes a free group even if the entries fit into a used group. Returns
    /// `None` if the update does not fit.
    pub fn delta(&mut self, edits: &[Edit], next: bool) -> Option<Plan> {
        let at = self.fresh();
        let removes = edits.iter().all(|edit| matches!(edit, Edit::Remove(_)));
        let (encoding, (data, entries)) =
            if removes { (GONE, self.removals(edits)) } else { (NONE, self.data(edits)) };
        if entries.len() > 255 {
            return None;
        }
        let (group, length) = self.delta_group(encoding, &entries, next)?;
        let group_at = self.group_at(group);
        let base = if length == 0 { at } else { by_u64(&self.file, group_at) };
        let mut slots = Vec::new();
        for entry in &entries {
            slots.extend(by::swap(entry.id));
            // Without seals, a removal has no bytes in the file. Its offset is then 0.
            let leads = !removes || !data.is_empty();
            let offset = if leads { (at - base) as u32 + entry.offset } else { 0 };
            slots.extend(offset.to_le_bytes());
            slots.extend(entry.size.to_le_bytes());
        }
        let slots_at = group_at + 16 + 24 * u64::from(length);
        let mut ops = vec![Op::Barrier];
        if !data.is_empty() {
            ops.push(Op::Append { at, bytes: self.block(data) });
        }
        ops.push(Op::Reserve { at: slots_at, bytes: slots });
        if length == 0 {
            let header = [&base.to_le_bytes()[..], &encoding].concat();
            ops.push(Op::Reserve { at: group_at, bytes: header });
        }
        ops.push(Op::Barrier);
        let bytes = vec![length + entries.len() as u8];
        ops.push(Op::Switch { at: group_at + 12, bytes });
        Some(self.finish("delta", ops, edits))
    }

    /// Makes a fold: a plan that writes a new index into a block.
    pub fn fold(&mut self, edits: &[Edit]) -> Plan {
        let at = self.fresh();
        let old = self.index().regions();
        let count = old.len() + edits.len() + 1;
        // The lengths of the index and of the fences before it are computed for the maximum number
        // of groups.
        let groups_max = count.div_ceil(255);
        let keys_len = (32 + 8 * groups_max).next_multiple_of(8) as u64;
        let index_at = at + keys_len;
        let data_at = index_at + 8 + GROUP * groups_max as u64;
        let (data, fresh) = self.data(edits);
        let mut all: BTreeMap<Id, (u64, u32)> =
            old.iter().map(|(id, entry)| (*id, (start(entry), entry.size))).collect();
        assert!(old.values().all(|entry| entry.encoding == NONE), "one encoding is enough here");
        for edit in edits {
            if let Edit::Remove(path) = edit {
                all.remove(&path_id(path));
            }
        }
        for entry in fresh {
            all.insert(entry.id, (data_at + u64::from(entry.offset), entry.size));
        }
        let base = all.values().map(|(at, _)| *at).min().unwrap_or(0);
        let entries: Vec<_> = all
            .iter()
            .map(|(id, (at, size))| Entry { id: *id, offset: (at - base) as u32, size: *size })
            .collect();
        let chunks: Vec<_> = entries.chunks(255).collect();
        let groups: Vec<_> = chunks
            .iter()
            .map(|chunk| Group {
                base,
                encoding: NONE,
                entries: chunk.to_vec(),
                ..Group::default()
            })
            .collect();
        let firsts: Vec<_> = chunks.iter().map(|chunk| chunk[0].id).collect();
        let keys = by::lookup(index_at, 0, &firsts, 1);
        let index = by::index(&groups);
        let mut bytes = keys.clone();
        by::place(&mut bytes, keys_len as usize, &index);
        by::place(&mut bytes, (data_at - at) as usize, &data);
        let index_component = component(INDEX, keys_len, index.len() as u64);
        let keys_component = component(LOOKUP, 0, keys.len() as u64);
        let extension = by_u64(&self.file, self.t2() + 8);
        let table = self.table_with(at, extension, &[index_component, keys_component]);
        let ops = self.table_switch(at, bytes, table);
        self.finish("fold", ops, edits)
    }

    /// Returns the offset of the valid T2.
    fn t2(&self) -> u64 {
        by_u64(&self.file, 36)
    }

    /// Returns the current T2 with a new base and a new extension. Components of `others` replace
    /// components with the same ids.
    fn table_with(&self, base: u64, extension: u64, others: &[Component]) -> Vec<u8> {
        let mut components = others.to_vec();
        let ids: BTreeSet<_> = others.iter().map(|other| other.id).collect();
        let t2 = self.t2();
        for found in self.container().components {
            let inside = (t2..t2 + 248).contains(&found.at);
            // The old fences belong to the old index. If `others` has no new fences, the table gets
            // none.
            if inside && !ids.contains(&found.id) {
                let (at, size) = region(&found, u64::MAX).expect("a good component");
                let data =
                    |n: usize| u32::from_le_bytes(found.data[n..n + 4].try_into().expect("4"));
                let (offset, size) = if found.id == NAMES {
                    (data(0), data(4))
                } else {
                    (at.wrapping_sub(base) as u32, size as u32)
                };
                components.push(Component {
                    id: found.id,
                    major: found.major,
                    minor: found.minor,
                    offset,
                    size,
                });
            }
        }
        by::table(&Table { base, extension, components, slots: 8, ..Table::default() })
    }

    /// Returns the steps that write a table into the place of T2 that is unused, and switch to it.
    fn table_switch(&self, at: u64, bytes: Vec<u8>, table: Vec<u8>) -> Vec<Op> {
        let place: u64 = if self.t2() == 504 { 752 } else { 504 };
        vec![
            Op::Barrier,
            Op::Append { at, bytes: self.block(bytes) },
            Op::Reserve { at: place, bytes: table },
            Op::Barrier,
            Op::Switch { at: 36, bytes: (place as u32).to_le_bytes().to_vec() },
        ]
    }

    /// Adds a component in a free slot of T1.
    pub fn slot(&mut self, id: Id, content: &[u8]) -> Plan {
        let at = self.fresh();
        let count = u32::from_le_bytes(self.file[48..52].try_into().expect("four bytes"));
        let one = by::component(id, at as u32, content.len() as u32);
        let entry = by::table(&Table { components: vec![one], ..Table::default() })[24..].to_vec();
        let ops = vec![
            Op::Barrier,
            Op::Append { at, bytes: self.block(content.to_vec()) },
            Op::Reserve { at: 28 + 24 + 28 * u64::from(count), bytes: entry },
            Op::Barrier,
            Op::Switch { at: 48, bytes: (count + 1).to_le_bytes().to_vec() },
        ];
        self.model.components.insert(id, content.to_vec());
        self.finish("component in T1", ops, &[])
    }

    /// Adds a component in a table of its own, which the extension offset of a new T2 names.
    pub fn further_table(&mut self, id: Id, content: &[u8]) -> Plan {
        let at = self.fresh();
        let t2 = self.t2();
        let components = vec![component(id, 56, content.len() as u64)];
        let extension = by_u64(&self.file, t2 + 8);
        let mut bytes =
            by::table(&Table { base: at, extension, components, slots: 1, ..Table::default() });
        by::place(&mut bytes, 56, content);
        let table = self.table_with(by_u64(&self.file, t2), at, &[]);
        let ops = self.table_switch(at, bytes, table);
        self.model.components.insert(id, content.to_vec());
        self.finish("component in a further table", ops, &[])
    }

    /// Returns the number of delta groups that the layout component states.
    ///
    /// # Panics
    /// If there is no layout component.
    #[must_use]
    pub fn deltas(&self) -> u32 {
        let container = self.container();
        assert!(container.components.iter().any(|found| found.id == LAYOUT), "a layout");
        read_layout(&self.file, &container).expect("good").expect("a layout").deltas
    }
}

fn component(id: Id, offset: u64, size: u64) -> Component {
    by::component(id, offset as u32, size as u32)
}

fn start(entry: &EntrySeen) -> u64 {
    entry.base + u64::from(entry.offset)
}

fn by_u64(file: &[u8], at: u64) -> u64 {
    let at = at as usize;
    u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"))
}
