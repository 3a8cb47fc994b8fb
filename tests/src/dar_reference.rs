//! An encoder of DAR and CAR archives, with which tests compare the crate. It follows only
//! `docs/spec/dar.md`, and shares no code with the crate. It is recursive and has no limits.

use sha2::{Digest, Sha256, Sha512};
use sha3::{Sha3_256, Sha3_512};
use std::collections::BTreeMap;

/// The bytes of a CID.
pub type CidBytes = Vec<u8>;

/// A block of a DAG.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its CID.
    pub cid: CidBytes,
    /// Its bytes.
    pub data: Vec<u8>,
    /// The CIDs of its links, in order. If a link is an identity CID, the links of its content
    /// stand in its place.
    pub links: Vec<CidBytes>,
}

/// The multicodec code of raw blocks.
pub const RAW: u64 = 0x55;
/// The multicodec code of DAG-PB blocks.
pub const DAG_PB: u64 = 0x70;
/// The multicodec code of DAG-CBOR blocks.
pub const DAG_CBOR: u64 = 0x71;
/// The multicodec code of DAG-JSON blocks.
pub const DAG_JSON: u64 = 0x129;

/// The multihash code of SHA-256.
pub const SHA2_256: u64 = 0x12;

/// Returns a number as an unsigned LEB128 varint.
pub fn uvarint(mut value: u64) -> Vec<u8> {
    let mut out = vec![];
    while value >= 128 {
        out.push((value % 128) as u8 + 128);
        value /= 128;
    }
    out.push(value as u8);
    out
}

/// Returns a number as a zigzag LEB128 varint, computed as the definition says.
pub fn svarint(value: i128) -> Vec<u8> {
    let folded = if value >= 0 { value * 2 } else { -value * 2 - 1 };
    uvarint(u64::try_from(folded).expect("64 bits"))
}

/// Returns the digest of `data`, by the hash function with this multihash code.
pub fn digest(hash: u64, data: &[u8]) -> Vec<u8> {
    match hash {
        0x00 => data.to_vec(),
        0x12 => Sha256::digest(data).to_vec(),
        0x13 => Sha512::digest(data).to_vec(),
        0x14 => Sha3_512::digest(data).to_vec(),
        0x16 => Sha3_256::digest(data).to_vec(),
        0x1e => blake3::hash(data).as_bytes().to_vec(),
        other => panic!("tests have no hash {other:#x}"),
    }
}

/// Returns a CIDv1.
pub fn cid_v1(codec: u64, hash: u64, data: &[u8]) -> CidBytes {
    let digest = digest(hash, data);
    [uvarint(1), uvarint(codec), uvarint(hash), uvarint(digest.len() as u64), digest].concat()
}

/// Returns a CIDv0.
pub fn cid_v0(data: &[u8]) -> CidBytes {
    [vec![0x12, 0x20], digest(SHA2_256, data)].concat()
}

/// Returns the same CID in the other version, or `None` if the CID has no version 0.
pub fn other_version(cid: &[u8]) -> Option<CidBytes> {
    match cid {
        [0x12, 0x20, ..] => Some([&[1, 0x70], cid].concat()),
        [1, 0x70, rest @ ..] if rest.starts_with(&[0x12, 0x20]) => Some(rest.to_vec()),
        _ => None,
    }
}

fn cbor_head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    if value < 24 {
        vec![major + value as u8]
    } else if value < 1 << 8 {
        vec![major + 24, value as u8]
    } else if value < 1 << 16 {
        [vec![major + 25], (value as u16).to_be_bytes().to_vec()].concat()
    } else {
        [vec![major + 26], (value as u32).to_be_bytes().to_vec()].concat()
    }
}

fn cbor_link(cid: &[u8]) -> Vec<u8> {
    [vec![0xd8, 0x2a], cbor_head(2, cid.len() as u64 + 1), vec![0], cid.to_vec()].concat()
}

/// Returns a DAG-CBOR list: a byte string, then the links.
pub fn dag_cbor(payload: &[u8], links: &[CidBytes]) -> Vec<u8> {
    let mut out = cbor_head(4, links.len() as u64 + 1);
    out.extend(cbor_head(2, payload.len() as u64));
    out.extend(payload);
    links.iter().for_each(|link| out.extend(cbor_link(link)));
    out
}

/// Returns a DAG-PB node: links without names or sizes, then data.
pub fn dag_pb(payload: &[u8], links: &[CidBytes]) -> Vec<u8> {
    let mut out = vec![];
    for link in links {
        let inner = [vec![0x0a], uvarint(link.len() as u64), link.clone()].concat();
        out.extend([vec![0x12], uvarint(inner.len() as u64), inner].concat());
    }
    out.extend([vec![0x0a], uvarint(payload.len() as u64), payload.to_vec()].concat());
    out
}

/// Returns a DAG-JSON list: a text of hexadecimal digits, then the links, whose text the caller
/// gives.
pub fn dag_json(payload: &[u8], links: &[String]) -> Vec<u8> {
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let links: String = links.iter().map(|link| format!(",{{\"/\":\"{link}\"}}")).collect();
    format!("[\"{hex}\"{links}]").into_bytes()
}

/// The content of an archive to write.
#[derive(Debug, Default, Clone)]
pub struct Plan {
    /// The blocks to write. A link to any other block leads to a missing block.
    pub store: BTreeMap<CidBytes, Block>,
    /// The roots, without duplicates. The store must have their blocks.
    pub roots: Vec<CidBytes>,
    /// The roots of the CAR, which are element 0 of the header.
    pub car_roots: Option<Vec<CidBytes>>,
    /// The number of the order of links, which is element 1 of the header.
    pub link_order: Option<u64>,
    /// Whether the archive has an index.
    pub index: bool,
    /// Whether to write an archive as the first implementation did: without marks, without offsets
    /// of roots, and without an index.
    pub first_implementation: bool,
}

#[derive(Debug)]
struct Placed {
    offset: usize,
    block_len: usize,
    subtree_len: usize,
}

/// An archive, and the order of its blocks.
#[derive(Debug, Default)]
pub struct Encoded {
    /// The archive.
    pub bytes: Vec<u8>,
    /// The CIDs of the blocks, in the order in which they were written.
    pub order: Vec<CidBytes>,
    placed: BTreeMap<CidBytes, Placed>,
}

impl Encoded {
    /// Returns the offset of a block's frame and the length of the block's subtree.
    pub fn place(&self, cid: &[u8]) -> (u64, u64) {
        let placed = &self.placed[cid];
        (placed.offset as u64, placed.subtree_len as u64)
    }
}

/// Writes an archive.
pub fn encode(plan: &Plan) -> Encoded {
    let mut out = Encoded { bytes: b"dar\x01".to_vec(), ..Encoded::default() };
    let elements = match (&plan.car_roots, plan.link_order) {
        (_, Some(_)) => 2,
        (Some(_), None) => 1,
        (None, None) => 0,
    };
    out.bytes.push(0x80 + elements);
    match &plan.car_roots {
        Some(roots) => {
            out.bytes.extend(cbor_head(4, roots.len() as u64));
            roots.iter().for_each(|cid| out.bytes.extend(cbor_link(cid)));
        }
        None if elements > 0 => out.bytes.push(0xf6),
        None => {}
    }
    let order = |order: &u64| [vec![0x81], cbor_head(0, *order)].concat();
    out.bytes.extend(plan.link_order.iter().flat_map(order));
    for root in &plan.roots {
        if !plan.first_implementation {
            out.bytes.extend(svarint(-1));
            out.bytes.extend(root);
        }
        emit(plan, root, &mut out);
    }
    if !plan.first_implementation {
        out.bytes.extend(svarint(-2));
    }
    let index_at = if plan.index { out.bytes.len() as i64 } else { -1 };
    if plan.index {
        let index = index(&out);
        out.bytes.extend(svarint(-3));
        out.bytes.extend(svarint(index.len() as i128));
        out.bytes.extend(index);
    }
    let trailer_at = out.bytes.len() as i64;
    out.bytes.extend(svarint(plan.roots.len() as i128));
    for root in &plan.roots {
        out.bytes.extend(root);
        if !plan.first_implementation {
            out.bytes.extend(svarint(out.placed[root].offset as i128));
        }
    }
    out.bytes.extend(Sha3_512::digest(out.order.concat()));
    out.bytes.extend(index_at.to_be_bytes());
    out.bytes.extend(trailer_at.to_be_bytes());
    out
}

fn emit(plan: &Plan, cid: &CidBytes, out: &mut Encoded) {
    // A CID of version 0 and the same CID of version 1 name the same block.
    let versions = [Some(cid.clone()), other_version(cid)];
    if let Some(placed) = versions.iter().flatten().find_map(|cid| out.placed.get(cid)) {
        let offset = placed.offset as i128;
        out.bytes.extend(svarint(-offset));
        return;
    }
    let found = versions.iter().flatten().find_map(|cid| plan.store.get(cid));
    let Some(block) = found else { return };
    let offset = out.bytes.len();
    let block_len = block.data.len();
    out.placed.insert(cid.clone(), Placed { offset, block_len, subtree_len: 0 });
    out.order.push(cid.clone());
    out.bytes.extend(svarint(block_len as i128));
    out.bytes.extend(&block.data);
    for link in &block.links {
        emit(plan, link, out);
    }
    out.placed.get_mut(cid).expect("just placed").subtree_len = out.bytes.len() - offset;
}

/// Reads a varint that this file wrote. Returns the number, and the bytes after the varint.
fn take(bytes: &[u8]) -> (u64, &[u8]) {
    let len = bytes.iter().position(|byte| *byte < 128).expect("it ends") + 1;
    let value = bytes[..len].iter().rev().fold(0, |sum, byte| sum * 128 + u64::from(byte % 128));
    (value, &bytes[len..])
}

/// Splits a CID into four numbers and the digest. The numbers are the version, the codec, the hash
/// function and the length of the digest.
fn parts(cid: &[u8]) -> ([u64; 4], &[u8]) {
    if cid[0] == 0x12 {
        return ([0, DAG_PB, SHA2_256, 32], &cid[2..]);
    }
    let (version, rest) = take(cid);
    let (codec, rest) = take(rest);
    let (hash, rest) = take(rest);
    let (len, digest) = take(rest);
    ([version, codec, hash, len], digest)
}

fn index(encoded: &Encoded) -> Vec<u8> {
    let mut buckets: BTreeMap<[u64; 4], BTreeMap<&[u8], &Placed>> = BTreeMap::new();
    for (cid, placed) in &encoded.placed {
        let (prefix, digest) = parts(cid);
        buckets.entry(prefix).or_default().insert(digest, placed);
    }
    let mut records = vec![];
    let mut directory = uvarint(buckets.len() as u64);
    for (prefix, bucket) in &buckets {
        prefix.iter().for_each(|number| directory.extend(uvarint(*number)));
        directory.extend(uvarint(bucket.len() as u64));
        for (digest, placed) in bucket {
            let mut head = [*digest, &[0_u8; 8][..]].concat();
            head.truncate(8);
            records.extend(head);
            records.extend(&placed.offset.to_be_bytes()[2..]);
            records.extend(&placed.block_len.to_be_bytes()[4..]);
            records.extend(&placed.subtree_len.to_be_bytes()[2..]);
        }
    }
    let directory_len = directory.len() as u32;
    [records, directory, directory_len.to_be_bytes().to_vec(), b"dix\x01".to_vec()].concat()
}

/// Returns a CAR v1.
pub fn car_v1<'b>(
    roots: &[CidBytes],
    blocks: impl IntoIterator<Item = (&'b CidBytes, &'b Vec<u8>)>,
) -> Vec<u8> {
    let mut header = vec![0xa2, 0x65];
    header.extend(b"roots");
    header.extend(cbor_head(4, roots.len() as u64));
    roots.iter().for_each(|cid| header.extend(cbor_link(cid)));
    header.push(0x67);
    header.extend(b"version\x01");
    let mut out = [uvarint(header.len() as u64), header].concat();
    for (cid, data) in blocks {
        out.extend(uvarint((cid.len() + data.len()) as u64));
        out.extend(cid);
        out.extend(data);
    }
    out
}

/// Returns a CAR v2 that contains a CAR v1 and the sorted index that such files have.
pub fn car_v2<'b>(
    roots: &[CidBytes],
    blocks: impl IntoIterator<Item = (&'b CidBytes, &'b Vec<u8>)>,
) -> Vec<u8> {
    let blocks: Vec<_> = blocks.into_iter().collect();
    let data = car_v1(roots, blocks.iter().copied());
    let mut out = b"\x0a\xa1\x67version\x02".to_vec();
    out.extend([0; 16]);
    let at = 51_u64;
    for number in [at, data.len() as u64, at + data.len() as u64] {
        out.extend(number.to_le_bytes());
    }
    out.extend(&data);
    // The index has the type MultihashIndexSorted (0x0401). For each hash function and each width
    // of records, it has records of a digest and an offset.
    out.extend(uvarint(0x0401));
    let mut records = vec![];
    let mut offset =
        data.len() - blocks.iter().map(|(cid, data)| section(cid, data)).sum::<usize>();
    for (cid, data) in &blocks {
        let mut record = parts(cid).1.to_vec();
        record.extend((offset as u64).to_le_bytes());
        records.push(record);
        offset += section(cid, data);
    }
    records.sort();
    let records = records.concat();
    out.extend(1_i32.to_le_bytes());
    out.extend(SHA2_256.to_le_bytes());
    out.extend(1_i32.to_le_bytes());
    out.extend(40_u32.to_le_bytes());
    out.extend((records.len() as u64).to_le_bytes());
    out.extend(records);
    out
}

fn section(cid: &[u8], data: &[u8]) -> usize {
    let len = cid.len() + data.len();
    uvarint(len as u64).len() + len
}
