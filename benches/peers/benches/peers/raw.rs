//! The floor: a store with only a table and the contents. It is about as fast as a store can be.
//!
//! The file starts with a header of 16 bytes: the number of slots and the number of entries. The
//! table follows. An entry takes 24 bytes: the id, the offset and the length. The first 64 bits of
//! an id give the slot of its entry. If this slot is taken, the entry is in one of the next slots.
//! A quarter of the slots is free, so an entry is near its slot. All entries are in the order of
//! their ids.

use crate::mapped::map;
use crate::store::{Counts, Look, Reads, Store, read_at, synced};
use crate::work::{Key, Work};
use std::fs::File;
use std::io::Write;
use std::path::Path;

const HEAD: usize = 16;
const ENTRY: usize = 24;
/// The number of slots that one read covers. Nearly every look-up needs only one read.
const SLOTS_AT_ONCE: usize = 16;

/// The floor. Its file is mapped, or read by position.
pub struct Raw {
    pub mapped: bool,
}

/// Returns the preferred slot of an id. If no other entry has taken this slot, it holds the id's
/// entry.
fn place(lead: u64, slots: u64) -> usize {
    ((u128::from(lead) * u128::from(slots)) >> 64) as usize
}

/// Returns the number of additional slots at the end of the table. They take the entries for which
/// the slots before them have no room.
fn spare(slots: u64) -> usize {
    64 + SLOTS_AT_ONCE + (slots / 1024) as usize
}

fn table_len(slots: u64) -> usize {
    (slots as usize + spare(slots)) * ENTRY
}

fn lead(id: &[u8]) -> u64 {
    u64::from_be_bytes(id[..8].try_into().expect("8 bytes"))
}

/// The result of searching some consecutive slots, of which the first is the preferred slot of an
/// id.
enum Found {
    At {
        offset: usize,
        len: usize,
    },
    Absent,
    /// The searched slots are all taken by other entries, so a later slot may have the id's entry.
    Further,
}

fn search(slots: &[u8], id: &[u8; 16]) -> Found {
    let wanted = u128::from_be_bytes(*id);
    for slot in slots.chunks_exact(ENTRY) {
        let found = u128::from_be_bytes(slot[..16].try_into().expect("16 bytes"));
        let (offset, len) = slot[16..].split_at(4);
        let len = u32::from_le_bytes(len.try_into().expect("4 bytes"));
        if found == wanted && len > 0 {
            let offset = u32::from_le_bytes(offset.try_into().expect("4 bytes"));
            return Found::At { offset: offset as usize, len: len as usize };
        }
        if found > wanted || len == 0 {
            return Found::Absent;
        }
    }
    Found::Further
}

impl Store for Raw {
    fn name(&self) -> &'static str {
        if self.mapped { "raw, mapped" } else { "raw" }
    }

    fn file(&self) -> &'static str {
        "raw"
    }

    fn how(&self) -> &'static str {
        "the floor: a table of 24-byte entries by the id's leading 64 bits, a quarter of its slots \
         free, and the bytes after it, in one write; found by one read of 16 slots, or in a map"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let slots = (work.count() as u64 * 4).div_ceil(3);
        let data_at = HEAD + table_len(slots);
        let mut out = Vec::with_capacity(data_at + work.content_len() as usize);
        out.extend(slots.to_le_bytes());
        out.extend((work.count() as u64).to_le_bytes());
        out.resize(data_at, 0);
        let mut order: Vec<_> = work.keys.iter().map(|key| (key.id, key.at)).collect();
        order.sort_unstable();
        let mut next = 0;
        for (id, at) in order {
            let id = id.as_bytes();
            let slot = next.max(place(lead(id), slots));
            next = slot + 1;
            let entry = &mut out[HEAD + slot * ENTRY..][..ENTRY];
            entry[..16].copy_from_slice(id);
            entry[16..20].copy_from_slice(&((at * work.region_len) as u32).to_le_bytes());
            entry[20..].copy_from_slice(&(work.region_len as u32).to_le_bytes());
        }
        assert!(next * ENTRY <= table_len(slots), "the table has room");
        for (_, content) in work.regions() {
            out.extend_from_slice(content);
        }
        let mut file = File::create(path).expect("it can be created");
        file.write_all(&out).expect("it can be written");
        synced(&file);
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        if self.mapped {
            shared(path, |mapped| with(&mut *mapped));
        } else {
            with(&mut Read::open(path, Counts::default()));
        }
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counts = Counts::default();
        if self.mapped {
            return None;
        }
        Read::open(path, counts.clone()).get(key, out);
        Some(counts.reads())
    }
}

/// Maps the file at `path`. One thread or several threads use the map.
pub fn shared<T>(path: &Path, with: impl FnOnce(&mut Mapped<'_>) -> T) -> T {
    let map = map(path);
    let slots = u64::from_le_bytes(map[..8].try_into().expect("8 bytes"));
    let (table, data) = map[HEAD..].split_at(table_len(slots));
    with(&mut Mapped { slots, table, data })
}

/// The floor, with its file mapped.
pub struct Mapped<'m> {
    slots: u64,
    table: &'m [u8],
    data: &'m [u8],
}

impl Look for Mapped<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        self.copied(key, out)
    }
}

impl Mapped<'_> {
    #[inline]
    pub fn copied(&self, key: &Key, out: &mut Vec<u8>) -> bool {
        let id = key.id.as_bytes();
        match search(&self.table[place(lead(id), self.slots) * ENTRY..], id) {
            Found::At { offset, len } => {
                out.extend_from_slice(&self.data[offset..][..len]);
                true
            }
            Found::Absent | Found::Further => false,
        }
    }
}

struct Read {
    file: File,
    slots: u64,
    counts: Counts,
}

impl Read {
    fn open(path: &Path, counts: Counts) -> Self {
        let file = File::open(path).expect("it was packed");
        let head = read_at(&file, 0, HEAD, &counts);
        let slots = u64::from_le_bytes(head[..8].try_into().expect("8 bytes"));
        Self { file, slots, counts }
    }
}

impl Look for Read {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let id = key.id.as_bytes();
        let mut at = HEAD + place(lead(id), self.slots) * ENTRY;
        loop {
            let mut slots = [0; SLOTS_AT_ONCE * ENTRY];
            let read = crate::store::read_at_most(&self.file, at as u64, &mut slots);
            self.counts.add(read);
            match search(&slots[..read], id) {
                Found::At { offset, len } => {
                    let start = out.len();
                    out.resize(start + len, 0);
                    let from = HEAD + table_len(self.slots) + offset;
                    let buf = &mut out[start..];
                    let read = crate::store::read_at_most(&self.file, from as u64, buf);
                    self.counts.add(read);
                    return read == len;
                }
                Found::Absent => return false,
                Found::Further => at += slots.len(),
            }
        }
    }
}
