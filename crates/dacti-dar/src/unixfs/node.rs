//! One node: a DAG-PB block with a UnixFS message in its data, or a raw block.

use alloc::string::String;
use alloc::vec::Vec;

use super::UnixFsError;
use crate::cid::{Cid, DAG_PB};
use crate::protobuf::{Field, Fields};

const RAW: u64 = 0x55;

/// The kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A file, or a part of one.
    File,
    /// A folder in one block.
    Folder,
    /// A folder, or a part of one, that is sharded by the hashes of its names.
    Shard,
    /// A symbolic link.
    Symlink,
}

/// A link of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The CID.
    pub cid: Cid,
    /// The name, which need not be UTF-8.
    pub name: Vec<u8>,
    /// The number of bytes in all blocks below the link, as the writer counted them.
    pub size: u64,
}

/// A UnixFS node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its kind.
    pub kind: Kind,
    /// The node's bytes. In a file, they precede the bytes of its links. In a symbolic link, they
    /// are the target.
    pub data: Vec<u8>,
    /// Its links.
    pub links: Vec<Link>,
    /// The length of the file, if it is stated.
    pub file_size: Option<u64>,
    /// The number of bytes of the file below each link.
    pub block_sizes: Vec<u64>,
    /// The number of places in each block of a sharded folder.
    pub fanout: u64,
    /// The hash function of a sharded folder.
    pub hash_type: u64,
    /// The permission bits, if they are recorded.
    pub mode: Option<u32>,
    /// The modification time, if it is recorded: seconds since 1970, and nanoseconds.
    pub mtime: Option<(i64, u32)>,
}

impl Node {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            data: Vec::new(),
            links: Vec::new(),
            file_size: None,
            block_sizes: Vec::new(),
            fanout: 0,
            hash_type: 0,
            mode: None,
            mtime: None,
        }
    }

    /// Reads a node from its block.
    ///
    /// # Errors
    /// [`UnixFsError::NoNode`].
    pub fn read(cid: &Cid, block: &[u8]) -> Result<Self, UnixFsError> {
        let node = match cid.codec() {
            RAW => {
                let file_size = Some(block.len() as u64);
                Some(Self { data: block.to_vec(), file_size, ..Self::new(Kind::File) })
            }
            DAG_PB => read_block(block),
            _ => None,
        };
        node.ok_or_else(|| UnixFsError::NoNode(cid.clone()))
    }

    /// Returns the length of a file, if its node states the length.
    #[must_use]
    pub fn content_len(&self) -> Option<u64> {
        if self.file_size.is_some() || self.block_sizes.len() != self.links.len() {
            return self.file_size;
        }
        let sizes = self.block_sizes.iter();
        Some(sizes.fold(self.data.len() as u64, |sum, size| sum.saturating_add(*size)))
    }

    /// Returns the target of a symbolic link; `None` if the target is not UTF-8.
    #[must_use]
    pub fn target(&self) -> Option<String> {
        String::from_utf8(self.data.clone()).ok()
    }
}

fn read_block(block: &[u8]) -> Option<Node> {
    let (mut links, mut message) = (Vec::new(), None);
    for field in Fields::new(block) {
        match field? {
            (1, Field::Bytes(bytes)) => message = Some(bytes),
            (2, Field::Bytes(bytes)) => links.push(read_link(bytes)?),
            _ => return None,
        }
    }
    let mut node = read_message(message?)?;
    node.links = links;
    Some(node)
}

fn read_link(bytes: &[u8]) -> Option<Link> {
    let (mut cid, mut name, mut size) = (None, Vec::new(), 0);
    for field in Fields::new(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => cid = Cid::read_all(bytes).ok(),
            (2, Field::Bytes(bytes)) => name = bytes.to_vec(),
            (3, Field::Number(number)) => size = number,
            _ => return None,
        }
    }
    Some(Link { cid: cid?, name, size })
}

/// Reads the message of a node. Unknown fields are ignored.
fn read_message(message: &[u8]) -> Option<Node> {
    let mut node = Node::new(Kind::File);
    let mut kind = None;
    for field in Fields::new(message) {
        match field? {
            (1, Field::Number(number)) => {
                kind = Some(match number {
                    0 | 2 => Kind::File,
                    1 => Kind::Folder,
                    4 => Kind::Symlink,
                    5 => Kind::Shard,
                    _ => return None,
                });
            }
            (2, Field::Bytes(bytes)) => node.data = bytes.to_vec(),
            (3, Field::Number(number)) => node.file_size = Some(number),
            (4, Field::Number(number)) => node.block_sizes.push(number),
            (4, Field::Bytes(bytes)) => read_packed(bytes, &mut node.block_sizes)?,
            (5, Field::Number(number)) => node.hash_type = number,
            (6, Field::Number(number)) => node.fanout = number,
            (7, Field::Number(number)) => node.mode = Some(u32::try_from(number & 0o7777).ok()?),
            (8, Field::Bytes(bytes)) => node.mtime = Some(read_time(bytes)?),
            _ => {}
        }
    }
    node.kind = kind?;
    Some(node)
}

fn read_packed(bytes: &[u8], into: &mut Vec<u64>) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (number, len) = crate::varint::read(rest).ok()?;
        into.push(number);
        rest = rest.get(len..)?;
    }
    Some(())
}

fn read_time(bytes: &[u8]) -> Option<(i64, u32)> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    for field in Fields::new(bytes) {
        match field? {
            (1, Field::Number(number)) => seconds = number.cast_signed(),
            (2, Field::Fixed(number)) => nanoseconds = u32::try_from(number).ok()?,
            _ => {}
        }
    }
    (nanoseconds < 1_000_000_000).then_some((seconds, nanoseconds))
}
