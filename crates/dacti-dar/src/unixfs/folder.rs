//! The entries of folders, in one block or sharded.

use alloc::vec::Vec;

use super::hamt::{HASH_TYPE, Places, prefix, prefix_len};
use super::{Kind, Node, UnixFsError};
use crate::cid::Cid;
use crate::source::BlockStore;

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The stored name. It may be any bytes: it was not checked.
    pub name: Vec<u8>,
    /// The CID of the entry's node.
    pub cid: Cid,
}

/// Reads the node of a CID.
pub(super) fn node(store: &mut impl BlockStore, cid: &Cid) -> Result<Node, UnixFsError> {
    if cid.is_identity() {
        return Node::read(cid, cid.digest());
    }
    let mut block = Vec::new();
    if !store.get(cid, &mut block)? {
        return Err(UnixFsError::Missing(cid.clone()));
    }
    Node::read(cid, &block)
}

/// A block of a sharded folder that is to be read.
struct Shard {
    cid: Cid,
    /// The places in the blocks above it.
    path: Vec<u64>,
}

/// Reads the entries of a folder, whose own node was read. At most `entries_max` are read:
/// `None` if there are more.
///
/// # Errors
/// A missing block, a wrong shard, an error of the store.
pub fn list(
    store: &mut impl BlockStore,
    cid: &Cid,
    folder: Node,
    entries_max: usize,
) -> Result<Option<Vec<Entry>>, UnixFsError> {
    match folder.kind {
        Kind::Folder if folder.links.len() > entries_max => Ok(None),
        Kind::Folder => {
            let entry = |link: super::Link| Entry { name: link.name, cid: link.cid };
            Ok(Some(folder.links.into_iter().map(entry).collect()))
        }
        Kind::Shard => list_sharded(store, cid, folder, entries_max),
        Kind::File | Kind::Symlink => {
            Err(UnixFsError::Kind { cid: cid.clone(), expected: "folder" })
        }
    }
}

fn list_sharded(
    store: &mut impl BlockStore,
    cid: &Cid,
    top: Node,
    entries_max: usize,
) -> Result<Option<Vec<Entry>>, UnixFsError> {
    let mut entries = Vec::new();
    let fanout = top.fanout;
    let mut to_read = Vec::new();
    let mut current = Some((Shard { cid: cid.clone(), path: Vec::new() }, top));
    while let Some((shard, node)) = current.take() {
        let wrong = || UnixFsError::Shard(shard.cid.clone());
        let same = node.kind == Kind::Shard && node.fanout == fanout;
        if !same || node.hash_type != HASH_TYPE || Places::of(b"", fanout).is_none() {
            return Err(wrong());
        }
        // A part below the top without any entry could be linked without end.
        if node.links.is_empty() && !shard.path.is_empty() {
            return Err(wrong());
        }
        let mut before = None;
        for link in node.links {
            let (digits, name) =
                link.name.split_at_checked(prefix_len(fanout)).ok_or_else(wrong)?;
            let place = core::str::from_utf8(digits).ok();
            let place = place.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let place = place.filter(|&place| prefix(place, fanout).as_bytes() == digits);
            // The places in a part ascend, so no block can be read twice under another place.
            let place = place.filter(|&place| place < fanout && before < Some(place));
            let place = place.ok_or_else(wrong)?;
            before = Some(place);
            let mut path = shard.path.clone();
            path.push(place);
            if name.is_empty() {
                to_read.push(Shard { cid: link.cid, path });
            } else if is_at(name, fanout, &path) {
                entries.push(Entry { name: name.to_vec(), cid: link.cid });
            } else {
                return Err(wrong());
            }
            // Each part that waits holds at least one entry.
            if entries.len().saturating_add(to_read.len()) > entries_max {
                return Ok(None);
            }
        }
        if let Some(next) = to_read.pop() {
            if next.path.len() > 64 {
                return Err(UnixFsError::Shard(next.cid));
            }
            let node = self::node(store, &next.cid)?;
            current = Some((next, node));
        }
    }
    Ok(Some(entries))
}

/// Tells whether a name belongs to these places.
fn is_at(name: &[u8], fanout: u64, path: &[u64]) -> bool {
    Places::of(name, fanout)
        .is_some_and(|mut places| path.iter().all(|&place| places.next() == Some(place)))
}

/// Finds an entry of a folder by its name. A sharded folder takes one block for each level.
///
/// # Errors
/// A missing block, a wrong shard, an error of the store.
pub fn find(
    store: &mut impl BlockStore,
    cid: &Cid,
    folder: Node,
    name: &[u8],
) -> Result<Option<Cid>, UnixFsError> {
    let (mut cid, mut node) = (cid.clone(), folder);
    let mut places = match node.kind {
        Kind::Folder => {
            let link = node.links.into_iter().find(|link| link.name == name);
            return Ok(link.map(|link| link.cid));
        }
        Kind::Shard => Places::of(name, node.fanout).ok_or(UnixFsError::Shard(cid.clone()))?,
        Kind::File | Kind::Symlink => {
            return Err(UnixFsError::Kind { cid, expected: "folder" });
        }
    };
    let fanout = node.fanout;
    while let Some(place) = places.next() {
        if node.kind != Kind::Shard || node.fanout != fanout || node.hash_type != HASH_TYPE {
            return Err(UnixFsError::Shard(cid));
        }
        let digits = prefix(place, fanout);
        let at = |link: &super::Link| link.name.starts_with(digits.as_bytes());
        let Some(link) = node.links.into_iter().find(at) else { return Ok(None) };
        match link.name.get(digits.len()..).unwrap_or_default() {
            [] => {}
            found if found == name => return Ok(Some(link.cid)),
            _ => return Ok(None),
        }
        node = self::node(store, &link.cid)?;
        cid = link.cid;
    }
    Err(UnixFsError::Shard(cid))
}
