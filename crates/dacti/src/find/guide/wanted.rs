//! An id as the guide compares it: its beginning, a byte of its hash, and all of it as it stands in
//! the file.

use dacti_index::Entry;
use daicon_core::bytes_of;
use uuid::Uuid;

/// An id that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Its first eight bytes, in text order.
    pub(super) lead: u64,
    /// All of it, as it stands in the file.
    stored: [u64; 2],
    /// The byte of its hash, eight times over.
    pub(super) tags: u64,
}

impl Wanted {
    #[inline]
    pub(super) fn new(id: Uuid) -> Self {
        let lead = lead_of(id);
        let tail = id.as_bytes().last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self::stored([stored_lead(lead), tail], lead)
    }

    #[inline]
    pub(super) fn of(entry: &Entry) -> Self {
        Self::stored(stored_id(entry), lead_at(entry))
    }

    #[inline]
    fn stored(stored: [u64; 2], lead: u64) -> Self {
        // Fibonacci hashing: bits anywhere in an id have a say in the product's top byte.
        let [one, other] = stored;
        let hash = (one ^ other).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        Self { lead, stored, tags: hash.max(1).wrapping_mul(0x0101_0101_0101_0101) }
    }

    /// The byte of its hash.
    pub(super) fn tag(&self) -> u64 {
        self.tags & 0xff
    }

    #[inline]
    pub(super) fn is(&self, entry: &Entry) -> bool {
        stored_id(entry) == self.stored
    }
}

/// The first eight bytes of an entry's id, in text order.
#[inline]
pub(super) fn lead_at(entry: &Entry) -> u64 {
    let [stored, _] = stored_id(entry);
    // Three little-endian fields: of 32, 16 and 16 bits.
    (stored << 32) | ((stored >> 16) & 0xffff_0000) | (stored >> 48)
}

/// The first eight bytes of an id in text order, as they stand in the file.
#[inline]
fn stored_lead(lead: u64) -> u64 {
    (lead >> 32) | ((lead & 0xffff_0000) << 16) | (lead << 48)
}

/// An entry's id, as it stands in the file.
#[inline]
fn stored_id(entry: &Entry) -> [u64; 2] {
    let bytes = bytes_of(&entry.id);
    let number = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    [number(bytes.first_chunk()), number(bytes.last_chunk())]
}

/// The first eight bytes of an id.
#[inline]
pub(super) fn lead_of(id: Uuid) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
