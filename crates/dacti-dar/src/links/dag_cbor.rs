//! The links of DAG-CBOR: tag 42 on a byte string of a zero and a CID.

use crate::cbor::{Attempt, Item, walk};

const LINK_TAG: u64 = 42;

/// Passes the bytes of each link to `take`. Returns false if the block is invalid.
pub(super) fn links(data: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let item = |item: &Item<'_>| match (item.tag, item.major) {
        (Some(LINK_TAG), 2) => {
            item.content.split_first().is_some_and(|(&first, cid)| first == 0 && take(cid))
        }
        (Some(_), _) => false,
        (None, 6) => item.value == LINK_TAG,
        // False, true, null, and floats of 16, 32 and 64 bits.
        (None, 7) => match item.head_len {
            1 => (20..=22).contains(&item.value),
            2 => false,
            _ => true,
        },
        (None, _) => true,
    };
    matches!(walk(data, 1, item), Attempt::Done(len) if len == data.len())
}
