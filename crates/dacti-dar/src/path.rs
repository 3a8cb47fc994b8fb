//! Paths through DAGs: names in UnixFS folders, keys of DAG-CBOR and DAG-JSON maps, and positions
//! in lists of these codecs.

use alloc::vec::Vec;

use crate::cbor::{Attempt, item_head, items_len};
use crate::cid::Cid;
use crate::source::BlockStore;
use crate::unixfs::{NameSearch, Node, Step, UnixFsError};

const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;

/// Resolves a path of names that starts at a block. Returns the CID at the end of the path. Returns
/// `None` if a block has no such name, or if the path ends inside a block.
///
/// A path may have any number of names. Each name costs at most one block, or a few in a sharded
/// folder.
///
/// # Errors
/// A missing block, a wrong UnixFS node, an error of the store.
pub fn resolve(
    store: &mut impl BlockStore,
    cid: &Cid,
    path: &[&str],
) -> Result<Option<Cid>, UnixFsError> {
    let names = path.iter().map(|name| name.as_bytes().to_vec()).collect();
    let mut walk = PathWalk::new(cid, names);
    while let Some(cid) = walk.want().cloned() {
        let mut block = Vec::new();
        if cid.is_identity() {
            block.extend_from_slice(cid.digest());
        } else if !store.get(&cid, &mut block)? {
            return Err(UnixFsError::Missing(cid));
        }
        walk.feed(&block)?;
    }
    Ok(match walk.end() {
        Some(PathEnd::At(cid)) => Some(cid.clone()),
        _ => None,
    })
}

/// The end of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEnd {
    /// The path leads to this block.
    At(Cid),
    /// The name at this position of the path does not exist.
    Missing(usize),
    /// The path leads to a value inside a block. The number says how many names were followed up to
    /// this value. There are no further names, or the next name cannot be followed, because the
    /// value is no map, list or link.
    Inside(usize),
}

/// A path through DAGs, followed block by block: a machine that names the next block that it needs.
#[derive(Debug)]
pub struct PathWalk {
    cid: Cid,
    names: Vec<Vec<u8>>,
    /// The number of names that were followed.
    followed: usize,
    search: NameSearch,
    end: Option<PathEnd>,
    roots: Vec<Cid>,
}

impl PathWalk {
    /// Begins at a block. A path without names ends there, and no block is read.
    #[must_use]
    pub fn new(cid: &Cid, names: Vec<Vec<u8>>) -> Self {
        let end = names.is_empty().then(|| PathEnd::At(cid.clone()));
        let (search, roots) = (NameSearch::default(), alloc::vec![cid.clone()]);
        Self { cid: cid.clone(), names, followed: 0, search, end, roots }
    }

    /// Returns the CID of the block that [`Self::feed`] needs next; `None` at the end. The block of
    /// an identity CID is inside the CID.
    #[must_use]
    pub fn want(&self) -> Option<&Cid> {
        self.end.is_none().then_some(&self.cid)
    }

    /// Returns the end of the path, once the end is known.
    #[must_use]
    pub fn end(&self) -> Option<&PathEnd> {
        self.end.as_ref()
    }

    /// Returns the CIDs to which names have led so far, starting with the first block's CID.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// Takes the block that [`Self::want`] names. The caller guarantees that the block matches the
    /// CID.
    ///
    /// # Errors
    /// A wrong UnixFS node. Do not feed the machine after an error.
    pub fn feed(&mut self, block: &[u8]) -> Result<(), UnixFsError> {
        let rest = self.names.get(self.followed..).unwrap_or_default();
        let Some(name) = rest.first().filter(|_| self.end.is_none()) else { return Ok(()) };
        let followed = match self.cid.codec() {
            DAG_CBOR => in_cbor(block, rest),
            DAG_JSON => in_json(block, rest),
            _ => {
                let node = Node::read(&self.cid, block)?;
                match self.search.feed(&self.cid, node, name)? {
                    Step::Found(cid) => Followed::Link(cid, 1),
                    Step::Absent => Followed::Missing(0),
                    Step::Below(shard) => {
                        self.cid = shard;
                        return Ok(());
                    }
                }
            }
        };
        self.search = NameSearch::default();
        match followed {
            Followed::Link(cid, count) => {
                self.followed = self.followed.saturating_add(count);
                self.cid = cid.clone();
                self.roots.push(cid.clone());
                if self.followed >= self.names.len() {
                    self.end = Some(PathEnd::At(cid));
                }
            }
            Followed::Missing(count) => {
                self.end = Some(PathEnd::Missing(self.followed.saturating_add(count)));
            }
            Followed::Inside(count) => {
                self.end = Some(PathEnd::Inside(self.followed.saturating_add(count)));
            }
        }
        Ok(())
    }
}

/// The result of following names inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Followed {
    /// A link, and the number of names that led to it.
    Link(Cid, usize),
    /// The name at this position does not exist.
    Missing(usize),
    /// The names lead to a value inside the block. The number says how many names were followed up
    /// to this value. There are no further names, or the value is no map, list or link.
    Inside(usize),
}

/// Follows names inside a DAG-CBOR block up to a link.
fn in_cbor(block: &[u8], path: &[Vec<u8>]) -> Followed {
    let (mut item, mut count) = (block, 0_usize);
    loop {
        let Attempt::Done(head) = item_head(item) else { return Followed::Missing(count) };
        let inner = item.get(head.len..).unwrap_or_default();
        if head.major == 6 && head.value == 42 {
            return cbor_link(inner)
                .map_or(Followed::Missing(count), |cid| Followed::Link(cid, count));
        }
        let Some(name) = path.get(count) else { return Followed::Inside(count) };
        let next = match head.major {
            4 => cbor_item(inner, head.value, name),
            5 => cbor_value(inner, head.value, name),
            _ => return Followed::Inside(count),
        };
        let Some(next) = next else { return Followed::Missing(count) };
        (item, count) = (next, count.saturating_add(1));
    }
}

/// Returns the bytes that begin with the list item of this number.
fn cbor_item<'b>(items: &'b [u8], count: u64, name: &[u8]) -> Option<&'b [u8]> {
    let number: u64 = core::str::from_utf8(name).ok()?.parse().ok()?;
    (number < count).then_some(())?;
    let Attempt::Done(len) = items_len(items, number) else { return None };
    items.get(len..)
}

/// Returns the bytes that begin with the value of this key in a map.
fn cbor_value<'b>(items: &'b [u8], count: u64, name: &[u8]) -> Option<&'b [u8]> {
    let mut rest = items;
    for _ in 0..count {
        let Attempt::Done(head) = item_head(rest) else { return None };
        let Attempt::Done(key_len) = items_len(rest, 1) else { return None };
        let key = rest.get(head.len..key_len)?;
        rest = rest.get(key_len..)?;
        if head.major == 3 && key == name {
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

/// Does the same as [`in_cbor`] for a DAG-JSON block, if it is not nested too deeply.
fn in_json(block: &[u8], path: &[Vec<u8>]) -> Followed {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(block) else {
        return Followed::Missing(0);
    };
    let (mut item, mut count) = (&value, 0_usize);
    loop {
        if let Some(object) = item.as_object().filter(|object| object.len() == 1)
            && let Some(text) = object.get("/").and_then(serde_json::Value::as_str)
        {
            return text.parse().map_or(Followed::Missing(count), |cid| Followed::Link(cid, count));
        }
        let Some(name) = path.get(count) else { return Followed::Inside(count) };
        let name = core::str::from_utf8(name).ok();
        let next = match item {
            serde_json::Value::Object(object) => name.and_then(|name| object.get(name)),
            serde_json::Value::Array(list) => {
                name.and_then(|name| list.get(name.parse::<usize>().ok()?))
            }
            _ => return Followed::Inside(count),
        };
        let Some(next) = next else { return Followed::Missing(count) };
        (item, count) = (next, count.saturating_add(1));
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
        let link = |count| Followed::Link(cid.clone(), count);
        for (path, expected) in [
            (&["a", "1", "b"][..], link(3)),
            (&["a", "1", "b", "x", "y"], link(3)),
            (&["a", "1"], Followed::Inside(2)),
            (&["a", "0", "b"], Followed::Inside(2)),
            (&["a", "2"], Followed::Missing(1)),
            (&["a", "-1"], Followed::Missing(1)),
            (&["c", "b"], Followed::Inside(1)),
            (&["c"], Followed::Inside(1)),
            (&["d"], Followed::Missing(0)),
        ] {
            let names: Vec<Vec<u8>> = path.iter().map(|name| name.as_bytes().to_vec()).collect();
            assert_eq!(in_cbor(&cbor, &names), expected, "{path:?}");
            assert_eq!(in_json(json.as_bytes(), &names), expected, "{path:?}");
        }
    }
}
