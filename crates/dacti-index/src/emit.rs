//! Writes index headers and groups into a caller's buffer. Fills room for later entries with zeros.
//!
//! Specification: `docs/spec/dacti-index.md`.

use crate::{
    Encoding, Entry, Error, GROUP_LEN, GroupHeader, INDEX_HEADER_LEN, IndexHeader, Misuse,
};
use daicon_core::{U32Le, bytes_of, to_u64};

/// Writes the header of an index of `groups` groups at the start of `out`. Returns the number of
/// bytes written.
///
/// # Errors
/// `Misuse` if `out` is too short, or if the index would be longer than a region can be.
pub fn emit_header(groups: u32, out: &mut [u8]) -> Result<usize, Error> {
    if groups > crate::GROUPS_MAX {
        return Err(Misuse::TooManyGroups { groups: u64::from(groups) }.into());
    }
    let header = IndexHeader { version: U32Le::new(0), groups: groups.into() };
    let bytes = bytes_of(&header);
    prefix_mut(out, INDEX_HEADER_LEN)?.copy_from_slice(bytes);
    Ok(bytes.len())
}

/// Writes a group at the start of `out`: its header, its entries, and zeros up to its full length.
///
/// Returns the number of bytes written, which is always 6136.
///
/// # Errors
/// `Misuse` if `out` is too short, if the header's length differs from the number of `entries`, or
/// if readers would reject an entry or the encoding.
pub fn emit_group(header: &GroupHeader, entries: &[Entry], out: &mut [u8]) -> Result<usize, Error> {
    let length = header.length;
    if usize::from(length) != entries.len() {
        let entries = to_u64(entries.len());
        return Err(Misuse::GroupLength { length, entries }.into());
    }
    let out = prefix_mut(out, GROUP_LEN)?;
    let base = header.base.get();
    for (entry, i) in entries.iter().zip(0_u8..) {
        let start = base.checked_add(u64::from(entry.offset.get()));
        if start.and_then(|start| start.checked_add(u64::from(entry.size.get()))).is_none() {
            return Err(Misuse::PastLastPosition { entry: i }.into());
        }
        if header.encoding == Encoding::GONE.tag() && entry.size.get() > 0 {
            return Err(Misuse::RemovalWithBytes { entry: i }.into());
        }
    }
    let written = out.len();
    let (head, slots) = out.split_at_mut(size_of::<GroupHeader>());
    head.copy_from_slice(bytes_of(header));
    let mut slots = slots.chunks_exact_mut(size_of::<Entry>());
    // `zip` asks its first iterator for an item before its second. `entries` must be the first: if
    // `slots` were the first, `zip` would take one slot too many, and this slot would not become
    // zero.
    for (entry, slot) in entries.iter().zip(slots.by_ref()) {
        slot.copy_from_slice(bytes_of(entry));
    }
    slots.for_each(|slot| slot.fill(0));
    Ok(written)
}

fn prefix_mut(out: &mut [u8], needed: u64) -> Result<&mut [u8], Error> {
    let len = to_u64(out.len());
    usize::try_from(needed)
        .ok()
        .and_then(|needed| out.get_mut(..needed))
        .ok_or_else(|| Misuse::BufferTooShort { needed, len }.into())
}

#[cfg(test)]
mod tests {
    use super::{emit_group, emit_header};
    use crate::{Encoding, Entry, Error, GroupHeader, Misuse, index_len};
    use uuid::Uuid;

    #[test]
    fn a_group_of_one_lies_as_the_table_of_the_specification_says() {
        let mut out = [0xaa; 6137];
        let id = Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let header = GroupHeader::new(0x1_0000_0002, Encoding::BROTLI, 1);
        assert_eq!(emit_group(&header, &[Entry::new(id, 3, 4)], &mut out), Ok(6136));
        assert_eq!(out[..16], *b"\x02\0\0\0\x01\0\0\0brot\x01\0\0\0");
        let stored = b"\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        assert_eq!(out[16..32], *stored);
        assert_eq!(out[32..40], *b"\x03\0\0\0\x04\0\0\0");
        assert!(out[40..6136].iter().all(|byte| *byte == 0));
        assert_eq!(out[6136], 0xaa);
    }

    #[test]
    fn an_index_that_passes_its_32_bit_size_is_refused() {
        let mut out = [0; 8];
        assert_eq!(index_len(699_962), 4_294_966_840);
        assert_eq!(emit_header(699_962, &mut out), Ok(8));
        let expected = Error::Misuse(Misuse::TooManyGroups { groups: 699_963 });
        assert_eq!(emit_header(699_963, &mut out), Err(expected));
    }

    #[test]
    fn a_removal_with_bytes_is_a_mistake() {
        // spec: R-GONE-03
        let header = GroupHeader::new(0, Encoding::GONE, 2);
        let mut out = [0; 6136];
        let entries = [0, 1].map(|size| Entry::new(Uuid::nil(), 0, size));
        let expected = Error::Misuse(Misuse::RemovalWithBytes { entry: 1 });
        assert_eq!(emit_group(&header, &entries, &mut out), Err(expected));
    }

    #[test]
    fn a_length_that_is_not_the_entries_is_a_mistake() {
        let header = GroupHeader::new(0, Encoding::NONE, 2);
        let mut out = [0; 6136];
        let expected = Error::Misuse(Misuse::GroupLength { length: 2, entries: 1 });
        assert_eq!(emit_group(&header, &[Entry::new(Uuid::nil(), 0, 0)], &mut out), Err(expected));
    }
}
