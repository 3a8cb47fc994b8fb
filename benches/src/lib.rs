//! Inputs for the benches. They are made from fixed seeds, and no input is read from a disk.

pub mod dag;

use dacti_index::{
    Encoding, Entry, GROUP_ENTRIES, GroupHeader, emit_group, emit_header, index_len,
};
use daicon_core::{ComponentSpec, PreambleSpec, Region, TableSpec, Version, emit_preamble};
use uuid::Uuid;

/// A generator of pseudo-random numbers (SplitMix64). The numbers are the same in every run.
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// Creates a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a pseudorandom id.
    pub fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.number(), self.number())
    }

    /// Returns a pseudorandom number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a text of `len` bytes. It has words of a small vocabulary in random order, and
    /// compresses about as well as prose.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "region ", "index ", "the ", "of ", "a ", "package ", "is ", "read ", "by ", "group ",
            "and ", "its ", "bytes.\n", "offset ", "where ", "table ",
        ];
        let mut text = Vec::with_capacity(len + 8);
        while text.len() < len {
            let number = self.number();
            text.extend(WORDS[(number % 16) as usize].bytes());
            if number.is_multiple_of(7) {
                text.extend(format!("{:x} ", number >> 40).bytes());
            }
        }
        text.truncate(len);
        text
    }
}

/// Returns a container. Its chain has `tables` tables with `components` components each.
pub fn container(tables: u64, components: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(1);
    let table_len = 24 + 28 * components as u64;
    let mut file = vec![0; (28 + tables * table_len) as usize];
    let preamble = PreambleSpec { format: Uuid::from_u128(1), version: Version::new(1, 0) };
    emit_preamble(&preamble, &mut file).expect("the buffer has room");
    for i in 0..tables {
        let at = 28 + i * table_len;
        let components: Vec<_> = (0..components)
            .map(|_| {
                let region = Region::new(0, 0);
                ComponentSpec::with_region(numbers.id(), Version::new(1, 0), region)
            })
            .collect();
        let extension_at = if i + 1 < tables { at + table_len } else { 0 };
        let table = TableSpec { at, components: &components, extension_at, ..TableSpec::default() };
        table.emit(&mut file[at as usize..]).expect("the buffer has room");
    }
    file
}

/// Returns pseudorandom ids in ascending order.
pub fn ids(count: usize) -> Vec<Uuid> {
    let mut numbers = Numbers::new(2);
    let mut ids: Vec<_> = (0..count).map(|_| numbers.id()).collect();
    ids.sort_unstable();
    ids
}

/// Returns an index with these ids. All groups but the last are full. The content of each region is
/// the byte at offset 0.
pub fn index(ids: &[Uuid]) -> Vec<u8> {
    let groups = ids.len().div_ceil(GROUP_ENTRIES);
    let mut out = vec![0; index_len(groups as u32) as usize];
    emit_header(groups as u32, &mut out).expect("the buffer has room");
    for (group, slot) in ids.chunks(GROUP_ENTRIES).zip(out[8..].chunks_mut(6136)) {
        let entries: Vec<_> = group.iter().map(|id| Entry::new(*id, 0, 1)).collect();
        let header = GroupHeader::new(0, Encoding::NONE, entries.len() as u8);
        emit_group(&header, &entries, slot).expect("the slot has room");
    }
    out
}
