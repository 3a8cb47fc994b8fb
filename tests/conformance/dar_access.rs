//! The cost of random access. It is counted in reads, not measured in time.

use crate::dar_support::{Counted, Random, block, cid, tree, tree_plan, write};
use dacti_dar::{Archive, WriteOptions, Writer};
use dacti_tests::dar_reference::{self as reference, CidBytes};

const READ: usize = 64 << 10;

/// Returns an archive of a million small blocks. Its root has 1,000 inner nodes, and each of them
/// has 999 leaves.
fn a_million() -> (Vec<CidBytes>, Vec<u8>) {
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
    let mut keys = vec![];
    for inner in 0..1000_u32 {
        let leaf = |number: u32| {
            let payload = [inner.to_be_bytes(), number.to_be_bytes()].concat();
            block(reference::RAW, 0x12, &payload, &[])
        };
        let leaves: Vec<_> = (0..999).map(leaf).collect();
        let links: Vec<CidBytes> = leaves.iter().map(|leaf| leaf.cid.clone()).collect();
        let top = block(reference::DAG_CBOR, 0x12, b"", &links);
        writer.root(&cid(&top.cid), &top.data).expect("in order");
        keys.push(top.cid);
        for leaf in leaves {
            writer.block(&cid(&leaf.cid), &leaf.data).expect("in order");
            keys.push(leaf.cid);
        }
    }
    (keys, writer.finish().expect("a vector").0)
}

// spec: R-DARACC-01
#[test]
fn a_look_up_among_a_million_blocks_takes_at_most_four_reads() {
    let (keys, bytes) = a_million();
    let source = Counted { bytes, ..Counted::default() };
    let mut random = Random(1);
    let mut counts = [0; 8];
    for _ in 0..5000 {
        source.reads.borrow_mut().clear();
        let key = cid(&keys[random.next() as usize % keys.len()]);
        // Looks up a block in an archive that was just opened.
        let archive = Archive::open(&source).expect("as written");
        assert!(archive.get(&key).expect("as written").is_some());
        let reads = source.reads.borrow();
        assert!(reads.iter().all(|(_, len)| *len <= READ), "{reads:?}");
        assert!(reads.len() <= 4, "{reads:?}");
        counts[reads.len()] += 1;
    }
    println!("cold look-ups by number of reads: {counts:?}");
    for number in 0..2000_u32 {
        source.reads.borrow_mut().clear();
        let absent = reference::cid_v1(reference::RAW, 0x12, &number.to_le_bytes());
        let archive = Archive::open(&source).expect("as written");
        assert_eq!(archive.get(&cid(&absent)).expect("as written"), None);
        assert!(source.reads.borrow().len() <= 3);
    }
}

// spec: R-DARACC-02
#[test]
fn a_sub_dag_of_a_thousand_blocks_takes_three_reads() {
    // The index of this archive is longer than 64 KiB, so the last 64 KiB of the file have only a
    // part of it.
    let blocks = tree(24 * 1000 + 1, 1024, 5);
    let bytes = write(&tree_plan(&blocks, true));
    let source = Counted { bytes, ..Counted::default() };
    let child = cid(&blocks[1].cid);
    let archive = Archive::open(&source).expect("as written");
    let mut walk = archive.dag(&child).expect("as written");
    let mut count = 0;
    while let Some(found) = walk.next_block().expect("as written") {
        assert_eq!(found.cid, cid(&blocks[1 + count].cid));
        assert_eq!(found.data, blocks[1 + count].data);
        count += 1;
    }
    assert_eq!(count, 1000);
    let reads = source.reads.borrow();
    assert_eq!(reads.len(), 3, "{reads:?}");
}
