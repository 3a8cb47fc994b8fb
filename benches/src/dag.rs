//! DAGs for the benches of DAR archives and CARs.

use crate::Numbers;
use dacti_dar::{Cid, multihash};

/// The length of each block in bytes.
pub const BLOCK_LEN: usize = 1024;
/// The number of links of an inner node. The payload of the node fills the rest of its block.
const FAN_OUT: usize = 20;

/// A block and its CID.
pub struct Block {
    /// Its CID.
    pub cid: Cid,
    /// Its bytes.
    pub data: Vec<u8>,
}

fn block(codec: u64, data: Vec<u8>) -> Block {
    assert_eq!(data.len(), BLOCK_LEN);
    let hash = multihash(0x12, &data).expect("sha2-256 is known");
    Block { cid: Cid::new_v1(codec, hash), data }
}

/// Returns a tree of `count` blocks in depth-first order. Inner nodes are DAG-CBOR, and leaves are
/// raw.
pub fn tree(count: usize, numbers: &mut Numbers) -> Vec<Block> {
    if count == 1 {
        let words = (0..BLOCK_LEN / 8).flat_map(|_| numbers.number().to_le_bytes());
        return vec![block(0x55, words.collect())];
    }
    let children = FAN_OUT.min(count - 1);
    let rest = count - 1;
    let (mut below, mut links) = (vec![], vec![]);
    for child in 0..children {
        let blocks = tree(rest / children + usize::from(child < rest % children), numbers);
        links.extend([0xd8, 0x2a, 0x58, 37, 0]);
        links.extend(blocks[0].cid.to_bytes());
        below.extend(blocks);
    }
    // The block is a list: its header, the links, and a byte string that fills the rest of the
    // block.
    let mut data = vec![0x81 + children as u8];
    if children > 22 {
        data = vec![0x98, children as u8 + 1];
    }
    data.extend(links);
    let payload = BLOCK_LEN - data.len() - 2;
    if payload < 256 {
        data.extend([0x58, payload as u8]);
        data.resize(BLOCK_LEN, 7);
    } else {
        data.push(0x59);
        data.extend((payload as u16 - 1).to_be_bytes());
        data.resize(BLOCK_LEN, 7);
    }
    let mut blocks = vec![block(0x71, data)];
    blocks.extend(below);
    blocks
}
