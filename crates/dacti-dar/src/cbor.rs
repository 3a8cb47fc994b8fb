//! The little CBOR that archives need: heads of items, ends of items, CIDs as tag 42. Walks items
//! without recursion, by counting the items to come.

use alloc::vec::Vec;

use cid::Cid;

use crate::content::push_cid;

/// Appends a CID in DAG-CBOR: tag 42, and a byte string of a zero and the CID.
pub(crate) fn push_link(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(&[0xd8, 0x2a]);
    push_head(out, 0x40, crate::content::cid_len(cid).saturating_add(1));
    out.push(0);
    push_cid(out, cid);
}

/// Appends the head of a CBOR item: major type in the upper three bits, and a number.
pub(crate) fn push_head(out: &mut Vec<u8>, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let (code, width) = match value {
        0..=23 => (bytes.last().copied().unwrap_or(0), 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push(major | code);
    out.extend_from_slice(bytes.get(bytes.len().saturating_sub(width)..).unwrap_or_default());
}

/// One CBOR item's head.
pub(crate) struct ItemHead {
    pub(crate) major: u8,
    pub(crate) value: u64,
    pub(crate) len: usize,
}

/// The result of an attempt to read.
pub(crate) enum Attempt<T> {
    Done(T),
    /// The bytes end too early.
    Short,
    Wrong,
}

pub(crate) fn item_head(bytes: &[u8]) -> Attempt<ItemHead> {
    let Some((&first, rest)) = bytes.split_first() else { return Attempt::Short };
    let width = match first & 0x1f {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        code @ 0..=23 => {
            let value = u64::from(code);
            return Attempt::Done(ItemHead { major: first >> 5, value, len: 1 });
        }
        // DAG-CBOR has no indefinite lengths.
        _ => return Attempt::Wrong,
    };
    let Some(number) = rest.get(..width) else { return Attempt::Short };
    let value = number.iter().fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
    Attempt::Done(ItemHead { major: first >> 5, value, len: width.saturating_add(1) })
}

/// Returns the number of bytes that `items` CBOR items take at the front of `bytes`.
pub(crate) fn items_len(bytes: &[u8], items: u64) -> Attempt<usize> {
    visit(bytes, items, |_| {})
}

/// As [`items_len`]. Gives the CID bytes of each link to `link`: a link is tag 42 on a byte string
/// that begins with a zero. Text need not be UTF-8 here.
pub(crate) fn visit<'b>(
    bytes: &'b [u8],
    items: u64,
    mut link: impl FnMut(&'b [u8]),
) -> Attempt<usize> {
    let mut tagged = false;
    let (mut to_come, mut at) = (items, 0_usize);
    while let Some(left) = to_come.checked_sub(1) {
        let head = match item_head(bytes.get(at..).unwrap_or_default()) {
            Attempt::Done(head) => head,
            Attempt::Short => return Attempt::Short,
            Attempt::Wrong => return Attempt::Wrong,
        };
        at = at.saturating_add(head.len);
        let was_tagged = core::mem::replace(&mut tagged, head.major == 6 && head.value == 42);
        let children = match head.major {
            2 | 3 => {
                let from = at;
                at = at.saturating_add(usize::try_from(head.value).unwrap_or(usize::MAX));
                let Some(content) = bytes.get(from..at) else { return Attempt::Short };
                if let (2, true, Some((0, cid))) = (head.major, was_tagged, content.split_first()) {
                    link(cid);
                }
                0
            }
            4 => head.value,
            5 => head.value.saturating_mul(2),
            6 => 1,
            _ => 0,
        };
        to_come = left.saturating_add(children);
        // Each item takes at least one byte.
        if at > bytes.len() || to_come > (bytes.len().saturating_sub(at)) as u64 {
            return Attempt::Short;
        }
    }
    Attempt::Done(at)
}
