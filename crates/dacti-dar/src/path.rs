//! Paths through DAGs: names of UnixFS folders, keys of DAG-CBOR and DAG-JSON maps, and numbers of
//! their lists.

use alloc::vec::Vec;

use crate::cbor::{Attempt, item_head, items_len};
use crate::cid::Cid;
use crate::source::BlockStore;
use crate::unixfs::{self, Node, UnixFsError};

const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;

/// Resolves a path of names from a block on. Returns the CID that it leads to; `None` if a block
/// has no such name, or if the path ends inside a block.
///
/// A path may have any number of names; each takes a block at most, and a sharded folder a few.
///
/// # Errors
/// A missing block, a wrong UnixFS node, an error of the store.
pub fn resolve(
    store: &mut impl BlockStore,
    cid: &Cid,
    path: &[&str],
) -> Result<Option<Cid>, UnixFsError> {
    let (mut cid, mut rest) = (cid.clone(), path);
    while let Some((&name, after)) = rest.split_first() {
        let block = block(store, &cid)?;
        let next = match cid.codec() {
            DAG_CBOR => in_cbor(&block, rest),
            DAG_JSON => in_json(&block, rest),
            _ => {
                let node = Node::read(&cid, &block)?;
                unixfs::find(store, &cid, node, name.as_bytes())?.map(|cid| (cid, after))
            }
        };
        let Some(next) = next else { return Ok(None) };
        (cid, rest) = next;
    }
    Ok(Some(cid))
}

fn block(store: &mut impl BlockStore, cid: &Cid) -> Result<Vec<u8>, UnixFsError> {
    let mut block = Vec::new();
    if cid.is_identity() {
        block.extend_from_slice(cid.digest());
    } else if !store.get(cid, &mut block)? {
        return Err(UnixFsError::Missing(cid.clone()));
    }
    Ok(block)
}

/// Follows names inside of a DAG-CBOR block up to a link. Returns it, and the names after it.
fn in_cbor<'p>(block: &[u8], path: &'p [&'p str]) -> Option<(Cid, &'p [&'p str])> {
    let (mut item, mut rest) = (block, path);
    loop {
        let Attempt::Done(head) = item_head(item) else { return None };
        let inner = item.get(head.len..)?;
        if head.major == 6 && head.value == 42 {
            return Some((cbor_link(inner)?, rest));
        }
        let (&name, after) = rest.split_first()?;
        item = match head.major {
            4 => {
                let number: u64 = name.parse().ok()?;
                (number < head.value).then_some(())?;
                let Attempt::Done(len) = items_len(inner, number) else { return None };
                inner.get(len..)?
            }
            5 => cbor_value(inner, head.value, name)?,
            _ => return None,
        };
        rest = after;
    }
}

/// Returns the value of a key among the items of a map, and all after it.
fn cbor_value<'b>(items: &'b [u8], count: u64, name: &str) -> Option<&'b [u8]> {
    let mut rest = items;
    for _ in 0..count {
        let Attempt::Done(head) = item_head(rest) else { return None };
        let Attempt::Done(key_len) = items_len(rest, 1) else { return None };
        let key = rest.get(head.len..key_len)?;
        rest = rest.get(key_len..)?;
        if head.major == 3 && key == name.as_bytes() {
            return Some(rest);
        }
        let Attempt::Done(value_len) = items_len(rest, 1) else { return None };
        rest = rest.get(value_len..)?;
    }
    None
}

/// Reads the byte string after the tag of a link.
fn cbor_link(bytes: &[u8]) -> Option<Cid> {
    let Attempt::Done(head) = item_head(bytes) else { return None };
    let len = usize::try_from(head.value).ok().filter(|_| head.major == 2)?;
    let link = bytes.get(head.len..head.len.checked_add(len)?)?;
    Cid::read_all(link.strip_prefix(&[0])?).ok()
}

/// Does the same as [`in_cbor`], in a DAG-JSON block of ordinary depth.
fn in_json<'p>(block: &[u8], path: &'p [&'p str]) -> Option<(Cid, &'p [&'p str])> {
    let value: serde_json::Value = serde_json::from_slice(block).ok()?;
    let (mut item, mut rest) = (&value, path);
    loop {
        if let Some(object) = item.as_object().filter(|object| object.len() == 1)
            && let Some(text) = object.get("/").and_then(serde_json::Value::as_str)
        {
            return Some((text.parse().ok()?, rest));
        }
        let (&name, after) = rest.split_first()?;
        item = match item {
            serde_json::Value::Object(object) => object.get(name)?,
            serde_json::Value::Array(list) => list.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn names_are_followed_inside_of_blocks() {
        let cid = Cid::new_identity(0x55, b"end").unwrap();
        let mut cbor = b"\xa2\x61a\x82\x01\xa1\x61b".to_vec();
        crate::cbor::push_link(&mut cbor, &cid);
        cbor.extend(b"\x61c\x00");
        let json = format!("{{\"a\":[1,{{\"b\":{{\"/\":\"{cid}\"}}}}],\"c\":0}}");
        for (path, found) in [
            (&["a", "1", "b"][..], Some(&[][..])),
            (&["a", "1", "b", "x", "y"], Some(&["x", "y"])),
            (&["a", "1"], None),
            (&["a", "0", "b"], None),
            (&["a", "2"], None),
            (&["a", "-1"], None),
            (&["c", "b"], None),
            (&["d"], None),
        ] {
            let expected = found.map(|rest| (cid.clone(), rest));
            assert_eq!(in_cbor(&cbor, path), expected, "{path:?}");
            assert_eq!(in_json(json.as_bytes(), path), expected, "{path:?}");
        }
    }
}
