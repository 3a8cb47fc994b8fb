//! Files and folders as `UnixFS`: what blocks they become, and where a block's bytes are read from.
//! Files are cut into chunks of one length; the tree over them is balanced, 174 links a node.
//!
//! A first pass takes CIDs and keeps inner nodes; bytes of files are read again when their block is
//! written, and checked then, as every block is.

use crate::Talk;
use crate::outcome::Failure;
use crate::progress::Bar;
use dacti_dar::{BlockStore, Cid, ReadError, multihash};
use ipld_dagpb::{PbLink, PbNode};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
/// Links of a file's inner node.
const WIDTH: usize = 174;
/// Folders in folders in folders: no system goes deeper.
const DEPTH_MAX: u32 = 1000;

/// Where a block's bytes are.
enum Place {
    Memory(Vec<u8>),
    File { file: usize, offset: u64, len: u32 },
}

/// A part of a tree: its top, the file bytes under it, and the bytes of all blocks under it.
struct Node {
    cid: Cid,
    content: u64,
    total: u64,
}

/// Collects blocks. See the module's head.
pub(crate) struct Builder {
    chunk: u32,
    files: Vec<PathBuf>,
    places: HashMap<Cid, Place>,
    open: Option<(usize, File)>,
    bar: Bar,
    done: u64,
}

impl Builder {
    pub(crate) fn new(chunk: u32, talk: Talk) -> Self {
        Self {
            chunk,
            files: Vec::new(),
            places: HashMap::new(),
            open: None,
            bar: Bar::bytes("hashing", 0, talk),
            done: 0,
        }
    }

    /// Bytes of files seen so far.
    pub(crate) fn len(&self) -> u64 {
        self.done
    }

    /// Adds a file or a folder; returns its root.
    pub(crate) fn add(&mut self, path: &Path) -> Result<Cid, Failure> {
        Ok(self.node(path, DEPTH_MAX)?.cid)
    }

    fn node(&mut self, path: &Path, depth: u32) -> Result<Node, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::Failed(format!("cannot read {}: {error}", path.display()))
        };
        let kind = fs::symlink_metadata(path).map_err(unreadable)?.file_type();
        if kind.is_file() {
            return self.file(path).map_err(unreadable);
        }
        let Some(depth) = depth.checked_sub(1).filter(|_| kind.is_dir()) else {
            let shown = path.display();
            return Err(Failure::Failed(format!("{shown}: neither a file nor a folder")));
        };
        let mut entries = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let name = name.ok_or_else(|| {
                Failure::Failed(format!("{}: its name is not UTF-8", path.display()))
            })?;
            entries.push((name, path));
        }
        entries.sort();
        let mut links = Vec::new();
        let mut content = 0_u64;
        for (name, path) in entries {
            let node = self.node(&path, depth)?;
            content = content.saturating_add(node.content);
            links.push((name, node));
        }
        // `UnixFS`: type 1, a folder.
        Ok(self.keep(links, vec![0x08, 0x01], content))
    }

    fn file(&mut self, path: &Path) -> Result<Node, std::io::Error> {
        let number = self.files.len();
        self.files.push(path.into());
        let mut source = File::open(path)?;
        let mut nodes = Vec::new();
        let mut offset = 0_u64;
        loop {
            let mut chunk = Vec::new();
            source.by_ref().take(u64::from(self.chunk)).read_to_end(&mut chunk)?;
            if chunk.is_empty() && !nodes.is_empty() {
                break;
            }
            let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let cid = cid(RAW, &chunk);
            self.places.entry(cid).or_insert(Place::File { file: number, offset, len });
            let content = u64::from(len);
            nodes.push(Node { cid, content, total: content });
            offset = offset.saturating_add(content);
            self.done = self.done.saturating_add(content);
            self.bar.set(self.done, self.done);
            if len < self.chunk {
                break;
            }
        }
        // An exact multiple of the chunk's length ends in an empty read, which is no block.
        while nodes.len() > 1 {
            nodes = self.level(nodes);
        }
        Ok(nodes.swap_remove(0))
    }

    /// The nodes above a level of nodes.
    fn level(&mut self, nodes: Vec<Node>) -> Vec<Node> {
        let mut above = Vec::new();
        let mut rest = nodes.into_iter().peekable();
        while rest.peek().is_some() {
            let children: Vec<Node> = rest.by_ref().take(WIDTH).collect();
            let content = children.iter().fold(0_u64, |sum, node| sum.saturating_add(node.content));
            // `UnixFS`: type 2, a file; its length; the lengths under each link.
            let mut data = vec![0x08, 0x02, 0x18];
            push_varint(&mut data, content);
            for child in &children {
                data.push(0x20);
                push_varint(&mut data, child.content);
            }
            let links = children.into_iter().map(|node| (String::new(), node)).collect();
            above.push(self.keep(links, data, content));
        }
        above
    }

    /// Keeps an inner node.
    fn keep(&mut self, links: Vec<(String, Node)>, data: Vec<u8>, content: u64) -> Node {
        let total = links.iter().fold(0_u64, |sum, (_, node)| sum.saturating_add(node.total));
        let links = links.into_iter().map(|(name, node)| PbLink {
            cid: node.cid,
            name: Some(name),
            size: Some(node.total),
        });
        let block = PbNode { links: links.collect(), data: Some(data.into()) }.into_bytes();
        let cid = cid(DAG_PB, &block);
        let total = total.saturating_add(block.len() as u64);
        self.places.entry(cid).or_insert(Place::Memory(block));
        Node { cid, content, total }
    }
}

impl BlockStore for Builder {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        match self.places.get(cid) {
            None => return Ok(false),
            Some(Place::Memory(block)) => into.extend_from_slice(block),
            Some(&Place::File { file, offset, len }) => {
                let Some(path) = self.files.get(file) else { return Ok(false) };
                if self.open.as_ref().is_none_or(|(open, _)| *open != file) {
                    self.open = Some((file, File::open(path)?));
                }
                if let Some((_, source)) = &mut self.open {
                    source.seek(SeekFrom::Start(offset))?;
                    source.take(u64::from(len)).read_to_end(into)?;
                }
            }
        }
        Ok(true)
    }
}

fn cid(codec: u64, block: &[u8]) -> Cid {
    // The hash is one that the crate has.
    Cid::new_v1(codec, multihash(SHA2_256, block).unwrap_or_default())
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
