//! The work that all stores get: the same regions, keys and look-ups.

use dacti_benches::Numbers;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// The number of prepared look-ups of regions that exist, and the number of prepared look-ups of
/// missing regions.
const QUESTIONS: usize = 200_000;

/// The names of a region. A store uses the kind of name that it supports.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub id: Uuid,
    /// The id in hexadecimal digits, for stores whose keys are texts.
    name: [u8; 32],
    /// The number of a tile, for PMTiles. Regions have only every third number, so the numbers in
    /// between are missing.
    pub tile: u64,
    /// The number of the region. For a missing region, it has no meaning.
    pub at: usize,
}

impl Key {
    fn new(id: Uuid, tile: u64, at: usize) -> Self {
        let mut name = [0; 32];
        id.as_simple().encode_lower(&mut name);
        Self { id, name, tile, at }
    }

    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).expect("hexadecimal digits")
    }
}

/// Regions that all have the same length, and look-ups of regions.
pub struct Work {
    pub region_len: usize,
    /// The keys of the regions, in the order of packing.
    pub keys: Vec<Key>,
    pub content: Arc<Vec<u8>>,
    /// The keys of regions that exist, in random order.
    pub hits: Vec<Key>,
    /// The keys of regions that are missing.
    pub misses: Vec<Key>,
}

impl Work {
    pub fn new(count: usize, region_len: usize) -> Self {
        let mut numbers = Numbers::new(11);
        let keys: Vec<_> =
            (0..count).map(|at| Key::new(numbers.id(), 3 * at as u64 + 1, at)).collect();
        let words = (count * region_len).div_ceil(8);
        let mut content = Vec::with_capacity(words * 8);
        for _ in 0..words {
            content.extend(numbers.number().to_le_bytes());
        }
        let questions = QUESTIONS.min(20 * count);
        let mut any = || (numbers.number() % count as u64) as usize;
        let hits = (0..questions).map(|_| keys[any()]).collect();
        let missing: Vec<_> = (0..questions).map(|_| any()).collect();
        let misses =
            missing.into_iter().map(|at| Key::new(numbers.id(), 3 * at as u64 + 2, at)).collect();
        Self { region_len, keys, content: Arc::new(content), hits, misses }
    }

    pub fn count(&self) -> usize {
        self.keys.len()
    }

    pub fn content(&self, at: usize) -> &[u8] {
        &self.content[self.range(at)]
    }

    /// Returns the range of `content` that is the content of region `at`.
    pub fn range(&self, at: usize) -> Range<usize> {
        at * self.region_len..(at + 1) * self.region_len
    }

    pub fn content_len(&self) -> u64 {
        (self.count() * self.region_len) as u64
    }

    /// Returns every key and its region, in the order of packing.
    pub fn regions(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        self.keys.iter().map(|key| (key, self.content(key.at)))
    }

    /// Returns the regions in the order of their ids, because some stores are fastest with sorted
    /// input. Sorting is part of the measured time of packing.
    pub fn by_id(&self) -> Vec<(Uuid, &[u8])> {
        let mut regions: Vec<_> =
            self.keys.iter().map(|key| (key.id, self.content(key.at))).collect();
        regions.sort_unstable_by_key(|(id, _)| *id);
        regions
    }

    /// Returns a description of the work.
    pub fn title(&self) -> String {
        let mut title = grouped(self.count() as u64);
        let len = self.region_len;
        let unit = if len.is_multiple_of(1024) { "KiB" } else { "B" };
        let len = if len.is_multiple_of(1024) { len / 1024 } else { len };
        write!(title, " regions of {len} {unit}").expect("a string takes all");
        title
    }
}

/// Formats a number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
