//! The links of DAG-PB.

use crate::protobuf::{Field, Fields};

const NODE_DATA: u64 = 1;
const NODE_LINKS: u64 = 2;
const LINK_HASH: u64 = 1;
const LINK_NAME: u64 = 2;
const LINK_SIZE: u64 = 3;

/// Passes the bytes of each link to `take`. Returns false if the block is invalid.
pub(super) fn links(data: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let mut has_data = false;
    Fields::new(data).all(|field| match field {
        Some((NODE_DATA, Field::Bytes(_))) => !core::mem::replace(&mut has_data, true),
        Some((NODE_LINKS, Field::Bytes(link))) => link_hash(link).is_some_and(&mut *take),
        _ => false,
    })
}

/// Returns a link's hash. The link must have exactly one hash, and each other field at most once.
fn link_hash(link: &[u8]) -> Option<&[u8]> {
    let (mut hash, mut name, mut size) = (None, None, None);
    for field in Fields::new(link) {
        let before = match field? {
            (LINK_HASH, Field::Bytes(bytes)) => hash.replace(bytes).map(|_| ()),
            (LINK_NAME, Field::Bytes(bytes)) => name.replace(bytes).map(|_| ()),
            (LINK_SIZE, Field::Number(number)) => size.replace(number).map(|_| ()),
            _ => return None,
        };
        if before.is_some() {
            return None;
        }
    }
    hash
}
