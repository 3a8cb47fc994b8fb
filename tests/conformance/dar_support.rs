//! Code that the tests of DAR share: DAGs, stores, and sources that count reads.

use dacti_dar::{Archive, BlockStore, Cid, ReadAt, ReadError, ReadOptions, Reader, StreamEvent};
use dacti_dar::{WriteOptions, Writer, write_dag};
use dacti_tests::dar_reference::{self as reference, Block, CidBytes, Plan};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

pub fn cid(bytes: &[u8]) -> Cid {
    Cid::try_from(bytes).expect("the reference writes CIDs")
}

/// Returns a block with this codec, this hash function, this payload and these links.
pub fn block(codec: u64, hash: u64, payload: &[u8], links: &[CidBytes]) -> Block {
    let data = match codec {
        reference::RAW => payload.to_vec(),
        reference::DAG_PB => reference::dag_pb(payload, links),
        reference::DAG_CBOR => reference::dag_cbor(payload, links),
        reference::DAG_JSON => {
            let texts: Vec<String> = links.iter().map(|link| cid(link).to_string()).collect();
            reference::dag_json(payload, &texts)
        }
        other => panic!("tests have no codec {other:#x}"),
    };
    let cid = match (codec, hash) {
        (reference::DAG_PB, reference::SHA2_256) => reference::cid_v0(&data),
        _ => reference::cid_v1(codec, hash, &data),
    };
    let links = if codec == reference::RAW { vec![] } else { links.to_vec() };
    Block { cid, data, links }
}

pub fn leaf(payload: &[u8]) -> Block {
    block(reference::RAW, reference::SHA2_256, payload, &[])
}

pub fn node(payload: &[u8], links: &[&Block]) -> Block {
    let links: Vec<CidBytes> = links.iter().map(|block| block.cid.clone()).collect();
    block(reference::DAG_CBOR, reference::SHA2_256, payload, &links)
}

pub fn plan(roots: &[&Block], blocks: &[&Block]) -> Plan {
    let store = blocks.iter().map(|&block| (block.cid.clone(), block.clone())).collect();
    let roots = roots.iter().map(|block| block.cid.clone()).collect();
    Plan { store, roots, index: true, ..Plan::default() }
}

pub struct Store<'p>(pub &'p BTreeMap<CidBytes, Block>);

impl BlockStore for Store<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let found = self.0.get(&cid.to_bytes());
        into.extend(found.map(|block| block.data.as_slice()).unwrap_or_default());
        Ok(found.is_some())
    }
}

pub fn write_options(plan: &Plan) -> WriteOptions {
    WriteOptions {
        index: plan.index,
        car_roots: plan.car_roots.as_ref().map(|roots| roots.iter().map(|c| cid(c)).collect()),
        ..WriteOptions::default()
    }
}

/// Returns the archive of a plan, as the crate's own writer writes it.
pub fn write(plan: &Plan) -> Vec<u8> {
    let mut writer = Writer::with_options(Vec::new(), &write_options(plan)).expect("a vector");
    for root in &plan.roots {
        assert!(write_dag(&mut writer, &cid(root), &mut Store(&plan.store)).expect("a plan"));
    }
    writer.finish().expect("a vector").0
}

pub fn read_options() -> ReadOptions {
    ReadOptions { missing_max: 1000, threads: true, ..ReadOptions::default() }
}

/// Returns the CIDs and the blocks of an archive, in the order of the stream.
pub fn stream(bytes: &[u8]) -> Result<Vec<(CidBytes, Vec<u8>)>, ReadError> {
    let mut reader = Reader::with_options(bytes, &read_options());
    let mut blocks = vec![];
    while let Some(event) = reader.next_event()? {
        if let StreamEvent::Block { cid, data, .. } = event {
            blocks.push((cid.to_bytes(), data.to_vec()));
        }
    }
    Ok(blocks)
}

/// Returns the CIDs of a DAG's blocks, without duplicates, in the order in which random access
/// finds them.
pub fn walk<S: ReadAt>(archive: &Archive<S>, root: &[u8]) -> Result<Vec<CidBytes>, ReadError> {
    let mut walk = archive.dag(&cid(root))?;
    let mut order = vec![];
    while let Some(block) = walk.next_block()? {
        order.push(block.cid.to_bytes());
    }
    Ok(order)
}

/// Returns the CIDs of a DAG's blocks in depth-first order, without duplicates.
pub fn depth_first(plan: &Plan, root: &[u8]) -> Vec<CidBytes> {
    fn visit(plan: &Plan, cid: &[u8], order: &mut Vec<CidBytes>) {
        let Some(block) = plan.store.get(cid) else { return };
        if order.iter().any(|seen| seen == cid) {
            return;
        }
        order.push(cid.to_vec());
        block.links.iter().for_each(|link| visit(plan, link, order));
    }
    let mut order = vec![];
    visit(plan, root, &mut order);
    order
}

/// A source that records its reads.
#[derive(Default)]
pub struct Counted {
    pub bytes: Vec<u8>,
    pub reads: RefCell<Vec<(u64, usize)>>,
}

impl ReadAt for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.borrow_mut().push((offset, buffer.len()));
        self.bytes.read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
}

/// A generator of pseudo-random numbers. The same seed gives the same numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend(self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }
}

/// Returns a tree of `count` blocks with `len` bytes each. Inner nodes are DAG-CBOR, and leaves are
/// raw. The blocks are in depth-first order, so the root is the first.
pub fn tree(count: usize, len: usize, seed: u64) -> Vec<Block> {
    let mut random = Random(seed);
    // A link takes 41 bytes. The list and its byte string take 8 more bytes.
    let fan_out = ((len - 8) / 41).clamp(1, 25);
    subtree(count, len, fan_out, &mut random)
}

fn subtree(count: usize, len: usize, fan_out: usize, random: &mut Random) -> Vec<Block> {
    if count == 1 {
        return vec![leaf(&random.bytes(len))];
    }
    // For some numbers of links, a node cannot have exactly `len` bytes. If the payload grows by
    // one byte, its header may also grow, so some lengths are skipped.
    let (children, payload) = (1..=fan_out.min(count - 1))
        .rev()
        .find_map(|children| Some((children, payload_for(len, children)?)))
        .expect("some number does");
    let rest = count - 1;
    let mut below = vec![];
    let mut links = vec![];
    for child in 0..children {
        let share = rest / children + usize::from(child < rest % children);
        let blocks = subtree(share, len, fan_out, random);
        links.push(blocks[0].cid.clone());
        below.extend(blocks);
    }
    let top = block(reference::DAG_CBOR, reference::SHA2_256, &random.bytes(payload), &links);
    assert_eq!(top.data.len(), len);
    let mut blocks = vec![top];
    blocks.extend(below);
    blocks
}

/// Returns the length of the payload with which a node with this number of links has `len` bytes.
/// Returns `None` if there is no such length.
fn payload_for(len: usize, links: usize) -> Option<usize> {
    let links = vec![vec![0; 36]; links];
    (0..len).rev().find(|payload| reference::dag_cbor(&vec![0; *payload], &links).len() == len)
}

/// Returns a plan for an archive of a tree.
pub fn tree_plan(blocks: &[Block], index: bool) -> Plan {
    let store = blocks.iter().map(|block| (block.cid.clone(), block.clone())).collect();
    Plan { store, roots: vec![blocks[0].cid.clone()], index, ..Plan::default() }
}
