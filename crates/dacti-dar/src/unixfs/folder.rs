//! The entries of folders, in one block or sharded.

use alloc::vec::Vec;

use super::hamt::{HASH_TYPE, Places, prefix};
use super::{Kind, Link, Node, ShardWalk, UnixFsError};
use crate::cid::Cid;
use crate::source::BlockStore;

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The stored name. It may be any bytes, because the reader does not check it.
    pub name: Vec<u8>,
    /// The CID of the entry's node.
    pub cid: Cid,
}

/// Returns the block of a CID.
pub(super) fn block(store: &mut impl BlockStore, cid: &Cid) -> Result<Vec<u8>, UnixFsError> {
    let mut block = Vec::new();
    if cid.is_identity() {
        block.extend_from_slice(cid.digest());
    } else if !store.get(cid, &mut block)? {
        return Err(UnixFsError::Missing(cid.clone()));
    }
    Ok(block)
}

/// Reads the entries of a folder whose top node was already read. Returns `None` if the folder has
/// more than `entries_max` entries.
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
        Kind::Folder => Ok(Some(folder.into_entries())),
        Kind::Shard => list_sharded(store, cid, folder, entries_max),
        Kind::File | Kind::Symlink => {
            Err(UnixFsError::Kind { cid: cid.clone(), expected: "folder" })
        }
    }
}

impl Node {
    /// Returns the links of a folder's node as its entries.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.links.into_iter().map(|Link { name, cid, .. }| Entry { name, cid }).collect()
    }
}

fn list_sharded(
    store: &mut impl BlockStore,
    cid: &Cid,
    top: Node,
    entries_max: usize,
) -> Result<Option<Vec<Entry>>, UnixFsError> {
    let mut walk = ShardWalk::new(cid, top)?;
    let mut entries = walk.take_entries();
    loop {
        // Each block that waits to be read holds at least one entry, so it counts as one entry.
        if entries.len().saturating_add(walk.waiting()) > entries_max {
            return Ok(None);
        }
        let Some(cid) = walk.want().cloned() else { return Ok(Some(entries)) };
        walk.feed(&block(store, &cid)?)?;
        entries.append(&mut walk.take_entries());
    }
}

/// Finds an entry of a folder by its name. In a sharded folder, each level costs one block.
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
    let mut search = NameSearch::default();
    loop {
        match search.feed(&cid, node, name)? {
            Step::Found(cid) => return Ok(Some(cid)),
            Step::Absent => return Ok(None),
            Step::Below(shard) => cid = shard,
        }
        node = Node::read(&cid, &block(store, &cid)?)?;
    }
}

/// A search for one name in a folder, block by block.
#[derive(Debug, Default)]
pub(crate) struct NameSearch {
    /// In a sharded folder: its fan-out, and the positions of the name in the next blocks.
    places: Option<(u64, Places)>,
}

/// The result of one block of a search.
#[derive(Debug)]
pub(crate) enum Step {
    /// The entry's CID.
    Found(Cid),
    Absent,
    /// The search continues in this block of the sharded folder.
    Below(Cid),
}

impl NameSearch {
    /// Searches one block of the folder: the folder's own block first, then each block that
    /// [`Step::Below`] names.
    pub(crate) fn feed(&mut self, cid: &Cid, node: Node, name: &[u8]) -> Result<Step, UnixFsError> {
        let wrong = || UnixFsError::Shard(cid.clone());
        let (fanout, mut places) = match (self.places, node.kind) {
            (None, Kind::Folder) => {
                let link = node.links.into_iter().find(|link| link.name == name);
                return Ok(link.map_or(Step::Absent, |link| Step::Found(link.cid)));
            }
            (None, Kind::File | Kind::Symlink) => {
                return Err(UnixFsError::Kind { cid: cid.clone(), expected: "folder" });
            }
            (None, Kind::Shard) => (node.fanout, Places::of(name, node.fanout).ok_or_else(wrong)?),
            (Some(places), _) => places,
        };
        if node.kind != Kind::Shard || node.fanout != fanout || node.hash_type != HASH_TYPE {
            return Err(wrong());
        }
        let place = places.next().ok_or_else(wrong)?;
        self.places = Some((fanout, places));
        let digits = prefix(place, fanout);
        let at = |link: &Link| link.name.starts_with(digits.as_bytes());
        let Some(link) = node.links.into_iter().find(at) else { return Ok(Step::Absent) };
        Ok(match link.name.get(digits.len()..).unwrap_or_default() {
            [] => Step::Below(link.cid),
            found if found == name => Step::Found(link.cid),
            _ => Step::Absent,
        })
    }
}
