//! The search for private keys in the blocks of archives.

use crate::seal::KeySearch;
use dacti_dar::unixfs::Node;
use dacti_dar::{BlockCheck, Cid};
use std::io;

/// A search for private keys in the blocks of an archive. The blocks must be passed in the
/// archive's order.
///
/// The leaves of a UnixFS file follow each other in an archive. Their contents are searched as one
/// stream. So a key is found even if it crosses from one leaf into the next.
#[derive(Debug, Clone, Default)]
pub struct BlockSearch(KeySearch);

impl BlockSearch {
    /// Takes the next block. Returns whether a private key was found so far.
    pub fn feed(&mut self, cid: &Cid, data: &[u8]) -> bool {
        match Node::read(cid, data) {
            // A key can also lie in the other bytes of the block, such as names and links. So the
            // whole block is searched, too.
            Ok(node) if cid.codec() == DAG_PB => {
                self.0.feed(&node.data);
                self.0.has_found() || KeySearch::finds_in(data)
            }
            _ => {
                self.0.feed(data);
                self.0.has_found()
            }
        }
    }
}

/// The codec of UnixFS nodes.
const DAG_PB: u64 = 0x70;

/// A block that contains a private key. Anybody who reads the archive could sign with this key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {0} contains a private key, and the new archive or CAR would publish this key: leave \
     out the file that contains it"
)]
pub struct KeyInBlock(pub Cid);

/// Returns a check that refuses blocks with private keys, for one archive or CAR. Its error is
/// [`KeyInBlock`].
#[must_use]
pub fn key_check() -> BlockCheck {
    let mut search = BlockSearch::default();
    BlockCheck::new(move |cid, data| {
        if search.feed(cid, data) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, KeyInBlock(cid.clone())));
        }
        Ok(())
    })
}
