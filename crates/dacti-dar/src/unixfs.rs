//! UnixFS: files and folders as DAGs. Reads UnixFS nodes, finds names in folders and sharded
//! folders, and reads files. Builds DAGs whose blocks equal the blocks that IPFS nodes make.
//!
//! Blocks are read from a [`BlockStore`](crate::BlockStore), which proves them. This module does
//! not prove them again.

mod build;
mod error;
mod file;
mod file_walk;
mod folder;
mod hamt;
mod murmur3;
mod node;
mod shard_walk;

pub use build::{Builder, FolderSize, Item, Metadata, Profile};
pub use error::UnixFsError;
pub use file::FileReader;
pub use file_walk::FileWalk;
pub use folder::{Entry, find, list};
pub(crate) use folder::{NameSearch, Step};
pub use node::{Kind, Link, Node};
pub use shard_walk::ShardWalk;
