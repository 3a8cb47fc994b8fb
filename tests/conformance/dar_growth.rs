//! The work for the worst inputs, of one size and of twice that size. The tests count bytes and
//! comparisons instead of measuring time.

use crate::dar_support::{Counted, block, cid, node, plan};
use dacti_dar::{Archive, WriteOptions, from_car};
use dacti_tests::dar_reference::{self as reference, Block, CidBytes, Plan};

/// Returns a link to a block that does not exist.
fn missing(number: usize) -> CidBytes {
    reference::cid_v1(reference::RAW, reference::SHA2_256, &number.to_be_bytes())
}

/// Returns the work for a CAR whose root has many links: `count` links to missing blocks, a link to
/// a missing raw block, and `count` links to one other block. The CAR has this other block, and its
/// bytes are those of the missing raw block. If a writer skipped only the link to the raw block,
/// readers could take the other block for it.
fn ambiguous_skips(count: usize) -> u64 {
    let raw = reference::cid_v1(reference::RAW, reference::SHA2_256, &[0x80]);
    let list = reference::cid_v1(reference::DAG_CBOR, reference::SHA2_256, &[0x80]);
    let mut links: Vec<CidBytes> = (0..count).map(missing).collect();
    links.push(raw);
    links.extend(vec![list.clone(); count]);
    let root = block(reference::DAG_CBOR, reference::SHA2_256, b"root", &links);
    let data = vec![0x80];
    let sections = [(&root.cid, &root.data), (&list, &data)];
    let car = reference::car_v1(std::slice::from_ref(&root.cid), sections);
    let (_, report) = from_car(&car[..], Vec::new(), &WriteOptions::default()).expect("it is good");
    assert_eq!((report.summary.blocks, report.summary.roots), (2, 2));
    // The writer skips all links of the root, and makes the other block a second root.
    assert_eq!(report.summary.skipped_links, 2 * count as u64 + 1);
    report.work.hashed + report.work.compared
}

#[test]
fn ambiguous_skips_cost_as_much_as_there_are_links() {
    let (once, twice) = (ambiguous_skips(20_000), ambiguous_skips(40_000));
    println!("{once}, {twice} at twice the size");
    assert!(twice <= 2 * once + 1000, "{once} {twice}");
    // The root has about 41 bytes for each link. The work is less than two units for each of these
    // bytes.
    assert!(once < 2 * 20_000 * 2 * 41, "{once}");
}

/// Returns an archive with `count` nested subtrees, which all end before the same long block. Each
/// subtree has a link to a missing block, and a reader could take the long block for that block. A
/// later block links to all subtrees again, the innermost first.
fn nested_before_a_long_block(count: usize) -> (Vec<u8>, CidBytes) {
    let long = block(reference::RAW, reference::SHA2_256, &vec![7; 1 << 20], &[]);
    let mut nested: Vec<Block> = vec![];
    for number in 0..count {
        let inner = nested.last().map(|block| block.cid.clone());
        let links: Vec<CidBytes> = inner.into_iter().chain([missing(number)]).collect();
        nested.push(block(reference::DAG_CBOR, reference::SHA2_256, b"", &links));
    }
    let outermost = nested.last().expect("there are some");
    let first = node(b"first", &[outermost, &long]);
    let top = node(b"top", &nested.iter().collect::<Vec<_>>());
    let blocks: Vec<&Block> = nested.iter().chain([&long, &first, &top]).collect();
    let plan = Plan { index: true, ..plan(&[&first, &top], &blocks) };
    (reference::encode(&plan).bytes, top.cid)
}

fn walked(count: usize) -> (u64, u64) {
    let (bytes, top) = nested_before_a_long_block(count);
    let source = Counted { bytes, ..Counted::default() };
    let archive = Archive::open(&source).expect("it is good");
    let mut walk = archive.dag(&cid(&top)).expect("it is good");
    let mut blocks = 0;
    while walk.next_block().expect("it is good").is_some() {
        blocks += 1;
    }
    assert_eq!(blocks, count + 1);
    let read = source.reads.borrow().iter().map(|(_, len)| *len as u64).sum();
    (walk.work().hashed, read)
}

#[test]
fn a_long_block_is_hashed_once_for_all_subtrees_that_end_before_it() {
    let ((hashed, read), (hashed_twice, read_twice)) = (walked(200), walked(400));
    println!("{hashed} bytes hashed, {read} read; {hashed_twice}, {read_twice} at twice the size");
    // The long block is hashed once, and so is each small block.
    assert!(hashed < (1 << 20) + 200 * 200, "{hashed}");
    assert!(hashed_twice < (1 << 20) + 400 * 200, "{hashed_twice}");
    assert!(read_twice <= 2 * read + (1 << 20), "{read} {read_twice}");
}
