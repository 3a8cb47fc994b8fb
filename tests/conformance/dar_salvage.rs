//! Salvaging: which blocks can be saved from truncated and from damaged archives.

use crate::dar_support::{block, cid, leaf, node, plan, read_options, tree, tree_plan};
use dacti_dar::{Reader, Salvaged, StreamEvent, WriteOptions, salvage};
use dacti_tests::dar_reference::{self as reference, CidBytes, Plan};
use std::collections::BTreeMap;

type Blocks = BTreeMap<CidBytes, Vec<u8>>;

/// Saves all blocks that can be saved. Checks that the result is a good archive.
fn save(bytes: &[u8]) -> (Blocks, Salvaged) {
    let options = WriteOptions { missing_max: 1000, ..WriteOptions::default() };
    let (saved, report) = salvage(bytes, Vec::new(), &options).expect("something is left");
    let mut reader = Reader::with_options(&saved[..], &read_options());
    let mut blocks = Blocks::new();
    while let Some(event) = reader.next_event().expect("it is good") {
        if let StreamEvent::Block { cid, data, .. } = event {
            blocks.insert(cid.to_bytes(), data.to_vec());
        }
    }
    assert_eq!(reader.summary(), &report.summary);
    (blocks, report)
}

/// Returns whether a block belongs to the archive. If the mark of a root is damaged, nothing proves
/// the codec in the root's CID. So only the digest and the bytes are compared.
fn is_of(good: &Blocks, (cid, data): (&CidBytes, &Vec<u8>)) -> bool {
    let digest = |cid: &CidBytes| cid[cid.len() - 32..].to_vec();
    good.iter().any(|(other, block)| block == data && digest(other) == digest(cid))
}

fn stored(plan: &Plan) -> Blocks {
    plan.store.iter().map(|(cid, block)| (cid.clone(), block.data.clone())).collect()
}

#[test]
fn a_whole_archive_is_saved_whole() {
    for index in [false, true] {
        let plan = tree_plan(&tree(30, 200, 4), index);
        let (blocks, report) = save(&reference::encode(&plan).bytes);
        assert_eq!(blocks, stored(&plan));
        assert_eq!((report.lost_frames, report.stopped_at, report.further_roots), (0, None, 0));
    }
}

// If an archive is cut at any byte, all blocks that end before the cut must be saved.
#[test]
fn a_cut_archive_gives_the_blocks_before_the_cut() {
    let plan = tree_plan(&tree(30, 200, 4), true);
    let encoded = reference::encode(&plan);
    for cut in 10..encoded.bytes.len() {
        let expected: Blocks = stored(&plan)
            .into_iter()
            .filter(|(cid, data)| {
                let (at, _) = encoded.place(cid);
                let head = reference::svarint(data.len() as i128).len();
                at as usize + head + data.len() <= cut
            })
            .collect();
        let (blocks, _) = save(&encoded.bytes[..cut]);
        assert_eq!(blocks, expected, "{cut}");
    }
}

// Flips each byte between the first frame and the index. With the index, at most one block may be
// lost. Without the index, more blocks may be lost, but every saved block must belong to the
// archive.
#[test]
fn a_flipped_byte_costs_one_block_with_an_index() {
    let plan = tree_plan(&tree(12, 100, 4), true);
    let good = stored(&plan);
    let encoded = reference::encode(&plan);
    let archive = dacti_dar::Archive::open(&encoded.bytes[..]).expect("it is good");
    let index_at = archive.index_at().expect("it has one") as usize;
    for at in 5..index_at {
        let mut bytes = encoded.bytes.clone();
        bytes[at] ^= 1;
        let (blocks, _) = save(&bytes);
        assert!(blocks.len() + 1 >= good.len(), "{at}: {}", blocks.len());
        assert!(blocks.iter().all(|block| is_of(&good, block)), "{at}");
    }
    let plain = reference::encode(&Plan { index: false, ..plan }).bytes;
    for at in 5..index_at {
        let mut bytes = plain.clone();
        bytes[at] ^= 1;
        let (blocks, _) = save(&bytes);
        assert!(blocks.iter().all(|block| is_of(&good, block)), "{at}");
    }
}

#[test]
fn siblings_of_a_lost_block_are_saved_without_an_index() {
    let (one, two, three) = (leaf(b"one"), leaf(b"two"), leaf(b"three"));
    let inner = node(b"inner", &[&two]);
    let top = node(b"top", &[&one, &inner, &three]);
    let plan = Plan { index: false, ..plan(&[&top], &[&one, &two, &three, &inner, &top]) };
    let encoded = reference::encode(&plan);
    let mut bytes = encoded.bytes.clone();
    let (at, _) = encoded.place(&inner.cid);
    bytes[at as usize + 5] ^= 1;
    let (blocks, report) = save(&bytes);
    // Two blocks are lost: the damaged node, and the leaf to which only this node links.
    let saved: Vec<&CidBytes> = blocks.keys().collect();
    let mut expected = vec![&one.cid, &three.cid, &top.cid];
    expected.sort();
    assert_eq!(saved, expected);
    assert_eq!((report.lost_frames, report.stopped_at), (2, None));
    let missing: Vec<CidBytes> = report.summary.missing.iter().map(|cid| cid.to_bytes()).collect();
    assert_eq!(missing, [inner.cid]);
}

#[test]
fn a_lost_root_leaves_the_blocks_below_it_as_roots() {
    let below = leaf(b"below");
    let top = block(reference::DAG_CBOR, 0x12, b"top", std::slice::from_ref(&below.cid));
    let plan = plan(&[&top], &[&top, &below]);
    let encoded = reference::encode(&plan);
    let mut bytes = encoded.bytes.clone();
    let (at, _) = encoded.place(&top.cid);
    bytes[at as usize + 5] ^= 1;
    let (blocks, report) = save(&bytes);
    assert_eq!(blocks.keys().collect::<Vec<_>>(), [&below.cid]);
    assert_eq!((report.by_index, report.further_roots), (1, 1));
    assert_eq!(report.lost_roots, [cid(&top.cid), cid(&top.cid)][..report.lost_roots.len()]);
    assert!(!report.lost_roots.is_empty());
}

#[test]
fn bytes_that_are_no_archive_are_refused() {
    let options = WriteOptions::default();
    for bytes in [&b""[..], b"dar", b"nothing of the kind", b"dar\x02\x80", b"dar\x01\x9f"] {
        assert!(salvage(bytes, Vec::new(), &options).is_err(), "{bytes:?}");
    }
}
