//! The part of CBOR that archives need: heads of items, ends of items, and CIDs as tag 42. Walks
//! items without recursion: a counter holds the number of items that remain.

use alloc::vec::Vec;

use crate::cid::Cid;
use crate::cid_list::CidList;

/// Appends a CID in DAG-CBOR: tag 42, and a byte string of a zero and the CID.
pub(crate) fn push_link(out: &mut Vec<u8>, cid: &Cid) {
    out.extend_from_slice(&[0xd8, 0x2a]);
    push_head(out, 0x40, cid.encoded_len().saturating_add(1));
    out.push(0);
    cid.push(out);
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
        // Items of indefinite length are not valid in DAG-CBOR.
        _ => return Attempt::Wrong,
    };
    let Some(number) = rest.get(..width) else { return Attempt::Short };
    let value = number.iter().fold(0_u64, |sum, &byte| (sum << 8) | u64::from(byte));
    Attempt::Done(ItemHead { major: first >> 5, value, len: width.saturating_add(1) })
}

/// An item of CBOR.
pub(crate) struct Item<'b> {
    /// The tag right before it.
    pub(crate) tag: Option<u64>,
    pub(crate) major: u8,
    pub(crate) value: u64,
    /// The length of its head.
    pub(crate) head_len: usize,
    /// Its bytes, if it is a byte string or a text.
    pub(crate) content: &'b [u8],
}

/// Returns the length of the first `items` CBOR items of `bytes`.
pub(crate) fn items_len(bytes: &[u8], items: u64) -> Attempt<usize> {
    walk(bytes, items, |_| true)
}

/// Does the same as [`items_len`], and passes every item to `judge`, including the items in lists,
/// maps and tags. The walk ends if `judge` returns false. Text need not be UTF-8.
pub(crate) fn walk<'b>(
    bytes: &'b [u8],
    items: u64,
    mut judge: impl FnMut(&Item<'b>) -> bool,
) -> Attempt<usize> {
    let mut tag = None;
    let (mut to_come, mut at) = (items, 0_usize);
    while let Some(left) = to_come.checked_sub(1) {
        let head = match item_head(bytes.get(at..).unwrap_or_default()) {
            Attempt::Done(head) => head,
            Attempt::Short => return Attempt::Short,
            Attempt::Wrong => return Attempt::Wrong,
        };
        at = at.saturating_add(head.len);
        let ItemHead { major, value, len: head_len } = head;
        let mut content: &[u8] = &[];
        if matches!(major, 2 | 3) {
            let end = at.saturating_add(usize::try_from(value).unwrap_or(usize::MAX));
            let Some(found) = bytes.get(at..end) else { return Attempt::Short };
            (content, at) = (found, end);
        }
        let before = core::mem::replace(&mut tag, (major == 6).then_some(value));
        if !judge(&Item { tag: before, major, value, head_len, content }) {
            return Attempt::Wrong;
        }
        let children = match major {
            4 => value,
            5 => value.saturating_mul(2),
            6 => 1,
            _ => 0,
        };
        to_come = left.saturating_add(children);
        // Each item takes at least one byte. So if more items than bytes remain, bytes are missing.
        if at > bytes.len() || to_come > (bytes.len().saturating_sub(at)) as u64 {
            return Attempt::Short;
        }
    }
    Attempt::Done(at)
}

/// Reads a list of CIDs that fills all of `bytes`; `None` if `bytes` hold anything else.
pub(crate) fn cid_list(bytes: &[u8]) -> Option<CidList> {
    let mut list = CidList::default();
    let mut first = true;
    let read = walk(bytes, 1, |item| {
        if core::mem::replace(&mut first, false) {
            return item.major == 4;
        }
        match (item.tag, item.major, item.content.split_first()) {
            (None, 6, _) => item.value == 42,
            (Some(42), 2, Some((0, cid))) => list.push_bytes(cid),
            _ => false,
        }
    });
    matches!(read, Attempt::Done(len) if len == bytes.len()).then_some(list)
}
