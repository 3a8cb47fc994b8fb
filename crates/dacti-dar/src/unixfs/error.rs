//! The errors of UnixFS.

use crate::cid::Cid;
use crate::source::ReadError;

/// An error of reading files and folders.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixFsError {
    /// The store lacks a block.
    #[error("block {0} is missing")]
    Missing(Cid),
    /// The block is not a UnixFS node.
    #[error("block {0} is not a UnixFS node")]
    NoNode(Cid),
    /// The node has a kind other than the needed one.
    #[error("block {cid} is not a {expected}")]
    Kind {
        /// The node.
        cid: Cid,
        /// The kind that is needed.
        expected: &'static str,
    },
    /// A sharded folder contradicts the hashes of its names, or has a form that no writer makes.
    #[error("block {0} is not a valid part of a sharded folder")]
    Shard(Cid),
    /// A file contradicts the lengths that it states, or is nested too deeply.
    #[error("block {0} is not a valid part of a file")]
    File(Cid),
    /// The store's error.
    #[error(transparent)]
    Store(#[from] ReadError),
}
