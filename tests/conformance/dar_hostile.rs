//! Invalid archives: truncated, with flipped bits, inconsistent, nested too deep, or too large.

use crate::dar_support::{
    Counted, Random, block, cid, leaf, node, plan, read_options, stream, tree, tree_plan, walk,
    write, write_options,
};
use dacti_dar::{Archive, Cid, Error, ErrorKind, Limits, LinkOrder, Misuse, ReadError};
use dacti_dar::{ReadOptions, Reader};
use dacti_dar::{Structure, Summary, UnknownHash, WriteOptions, Writer, Wrong, links};
use dacti_tests::dar_reference::{self as reference, Block, CidBytes, Plan, svarint, uvarint};
use std::thread;

fn format_error<T>(result: Result<T, ReadError>) -> Option<Error> {
    match result {
        Ok(_) => None,
        Err(ReadError::Format(error)) => Some(error),
        Err(error) => panic!("a slice has no errors: {error}"),
    }
}

fn verify(bytes: &[u8]) -> Result<Summary, ReadError> {
    Reader::with_options(bytes, &read_options()).verify()
}

/// Returns three archives: one made from a CAR that lacks a block, one of nested DAGs with an
/// index, and a very small one.
fn archives() -> Vec<(Plan, Vec<u8>)> {
    let (a, b, hole) = (leaf(b"a"), leaf(&[7; 300]), leaf(b"hole"));
    let inner = node(b"inner", &[&a, &hole, &b]);
    let left = block(reference::DAG_PB, 0x12, b"left", &[inner.cid.clone(), a.cid.clone()]);
    let right = node(b"right", &[&b, &inner]);
    let blocks = [&a, &b, &inner, &left, &right];
    let with_hole = Plan {
        index: false,
        car_roots: Some(vec![left.cid.clone()]),
        ..plan(&[&left, &right], &blocks)
    };
    let nested = Plan {
        car_roots: Some(vec![right.cid.clone(), left.cid.clone()]),
        ..plan(&[&right, &left, &b], &[&a, &b, &hole, &inner, &left, &right])
    };
    let plans = [with_hole, nested, plan(&[&a], &[&a])];
    plans.into_iter().map(|plan| (plan.clone(), reference::encode(&plan).bytes)).collect()
}

// spec: R-DARTRL-04
#[test]
fn truncation_at_every_byte() {
    for (plan, bytes) in archives() {
        assert_eq!(verify(&bytes).expect("it is whole").blocks, plan.store.len() as u64);
        for len in 0..bytes.len() {
            let error = format_error(verify(&bytes[..len])).expect("it is cut");
            assert_eq!(error.kind(), ErrorKind::Truncated, "{len}: {error}");
            let error = format_error(Archive::open(&bytes[..len])).expect("it is cut");
            assert_eq!(error.kind(), ErrorKind::Truncated, "{len}: {error}");
        }
    }
}

#[test]
fn truncation_is_named() {
    let (_, bytes) = archives().swap_remove(2);
    let at = |len: usize| format_error(verify(&bytes[..len])).expect("it is cut").to_string();
    // The archive has the magic (4 bytes), the list (1), a mark (1), a CID (36), a length (1), a
    // block (1) and the end mark (1).
    assert_eq!(at(2), "magic at 0x0: needs 64 bytes, but the archive ends at 0x2");
    assert_eq!(at(20), "root mark at 0x5: needs 114 bytes, but the archive ends at 0x14");
    assert_eq!(at(42), "frame at 0x2a: needs 1 bytes, but the archive ends at 0x2a");
    assert_eq!(at(43), "block at 0x2b: needs 1 bytes, but the archive ends at 0x2b");
    assert_eq!(at(45), "trailer at 0x2d: needs 81 bytes, but the archive ends at 0x2d");
    assert!(at(60).starts_with("index at 0x2d: needs 40 bytes"), "{}", at(60));
    assert!(at(100).starts_with("root list at"), "{}", at(100));
    assert!(at(bytes.len() - 1).starts_with("footer at"), "{}", at(bytes.len() - 1));
}

// spec: R-DARTRL-05, R-DARIDX-05
#[test]
fn flips_of_every_bit_of_an_archive() {
    let (plan, bytes) = archives().swap_remove(1);
    let good = verify(&bytes).expect("it is whole");
    let order = |bytes: &[u8]| -> Result<Vec<CidBytes>, ReadError> {
        walk(&Archive::open(bytes)?, &plan.roots[0])
    };
    let expected = order(&bytes).expect("it is whole");
    let mut shown = vec![];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            match verify(&flipped) {
                Err(_) => {}
                Ok(summary) => {
                    // Digests protect the blocks, but not the header. If a flipped bit changes the
                    // header, the summary must show the change.
                    assert_ne!(summary, good, "{at} {bit}");
                    shown.push(at);
                }
            }
            for block in plan.store.values() {
                let archive = Archive::open(&flipped[..]);
                let got = archive.and_then(|archive| archive.get(&cid(&block.cid)));
                if let Ok(Some(data)) = got {
                    assert_eq!(data, block.data, "{at} {bit}");
                }
            }
            if let Ok(found) = order(&flipped) {
                assert_eq!(found, expected, "{at} {bit}");
            }
        }
    }
    // The list of the CAR's roots starts at byte 4. It has two CIDs of 36 bytes, and each CID
    // follows five other bytes.
    let header = 4..4 + 2 + 2 * 41;
    assert!(shown.iter().all(|at| header.contains(at)), "{shown:?}");
}

/// Returns the first bytes of an archive: the magic, an empty list, and `items`.
fn begun(items: &[&[u8]]) -> Vec<u8> {
    [b"dar\x01\x80", &items.concat()[..]].concat()
}

fn rooted(block: &Block, rest: &[&[u8]]) -> Vec<u8> {
    let head = [svarint(-1), block.cid.clone(), frame(&block.data)].concat();
    begun(&[&head, &rest.concat()])
}

fn frame(data: &[u8]) -> Vec<u8> {
    [svarint(data.len() as i128), data.to_vec()].concat()
}

#[track_caller]
fn check(bytes: &[u8], expected: Error) {
    assert_eq!(format_error(verify(bytes)), Some(expected));
}

fn invalid(what: Structure, at: u64, wrong: Wrong) -> Error {
    Error::Invalid { what, at, wrong }
}

const FRAME: Structure = Structure::Frame;

// spec: R-DARVAR-02, R-DARFRM-10
#[test]
fn frames_that_cannot_be() {
    let one = leaf(b"one");
    let at = rooted(&one, &[]).len() as u64;
    check(&rooted(&one, &[&[0xff; 10]]), invalid(FRAME, at, Wrong::VarintOverflow));
    check(&rooted(&one, &[&[0x80, 0x00]]), invalid(FRAME, at, Wrong::VarintNotMinimal));
    let long = svarint(1 << 40);
    let (found, limit) = (1 << 40, 32 << 20);
    check(
        &rooted(&one, &[&long]),
        Error::LimitExceeded { what: Structure::Block, at, found, limit },
    );
    let long = rooted(&one, &[&svarint(1000), b"short"]);
    let (what, end) = (Structure::Block, long.len() as u64);
    check(&long, Error::Truncated { what, at: at + 2, needed: 1000, end });
    // A reader refuses a block to which no link leads, and a mark where no mark may be.
    check(&rooted(&one, &[&frame(b"two")]), invalid(FRAME, at, Wrong::Unexpected));
    check(&rooted(&one, &[&frame(b"one")]), invalid(FRAME, at, Wrong::Unexpected));
    check(&rooted(&one, &[&svarint(-3)]), invalid(FRAME, at, Wrong::Mark));
    check(&rooted(&one, &[&svarint(-4)]), invalid(FRAME, at, Wrong::Mark));
    for mark in [-1, -2] {
        let root = [svarint(-1), one.cid.clone(), svarint(mark)].concat();
        check(&begun(&[&root]), invalid(FRAME, 5 + 37, Wrong::Mark));
    }
    check(&begun(&[&frame(b"one")]), Error::NoMarks { at: 5 });
    check(&begun(&[&svarint(-4)]), Error::NoMarks { at: 5 });
}

// spec: R-DARFRM-05, R-DARFRM-11
#[test]
fn roots_that_cannot_be() {
    let (one, two) = (leaf(b"one"), leaf(b"two"));
    let at = rooted(&one, &[]).len() as u64;
    let mark = Structure::RootMark;
    let again = [svarint(-1), one.cid.clone(), svarint(-42)].concat();
    check(&rooted(&one, &[&again]), invalid(mark, at + 1, Wrong::DuplicateRoot));
    let wrong = [svarint(-1), two.cid.clone(), frame(b"not")].concat();
    let head = |bytes: &[u8]| u64::from_be_bytes(bytes[..8].try_into().expect("8"));
    let expected = head(&reference::digest(0x12, b"two"));
    let found = head(&reference::digest(0x12, b"not"));
    let what = Structure::Block;
    check(&rooted(&one, &[&wrong]), Error::WrongHash { what, at: at + 38, expected, found });
    let not_it = [svarint(-1), two.cid.clone(), svarint(-42)].concat();
    let unexpected = invalid(Structure::Reference, at + 37, Wrong::UnexpectedReference);
    check(&rooted(&one, &[&not_it]), unexpected);
    check(&begun(&[&svarint(-1), &[9; 50]]), invalid(mark, 6, Wrong::Cid));
    check(&begun(&[&svarint(-1), &[0x12, 0x21], &[9; 50]]), invalid(mark, 6, Wrong::Cid));
    let long = [uvarint(1), uvarint(0x55), uvarint(0x12), uvarint(65)].concat();
    let unsupported = Error::Unsupported { what: mark, at: 6, found: 65 };
    check(&begun(&[&svarint(-1), &long, &[9; 70]]), unsupported);
}

// spec: R-DARFRM-06
#[test]
fn back_references_that_cannot_be() {
    let (one, two) = (leaf(b"one"), leaf(b"two"));
    let top = node(b"top", &[&one, &two, &one]);
    let reference_at = |rest: &[&[u8]], target: i128, wrong: Wrong| {
        let before = rooted(&top, rest);
        let at = before.len() as u64;
        let bytes = rooted(&top, &[&rest.concat(), &svarint(-target)]);
        check(&bytes, invalid(Structure::Reference, at, wrong));
    };
    let [first, second] = [frame(b"one"), frame(b"two")];
    let one_at = rooted(&top, &[]).len() as i128;
    reference_at(&[&first], one_at + 4, Wrong::ForwardReference);
    reference_at(&[&first], one_at + 5, Wrong::ForwardReference);
    reference_at(&[&first], i128::from(i64::MAX), Wrong::ForwardReference);
    for target in [one_at + 1, one_at - 1, 5, 6] {
        reference_at(&[&first, &second], target, Wrong::NotAFrame);
    }
    // The back-reference leads to a block, but the next link of the DAG leads to another block.
    reference_at(&[&first, &second], one_at + 4, Wrong::UnexpectedReference);
    reference_at(&[&first, &second, &svarint(-one_at)], one_at, Wrong::UnexpectedReference);
    reference_at(&[&first], 42, Wrong::UnexpectedReference);
}

/// Returns a block that links to itself. This is possible because readers do not know its hash
/// function.
fn own_tail() -> Block {
    let cid = [uvarint(1), uvarint(reference::DAG_CBOR), uvarint(0x99), vec![4, 1, 2, 3, 4]];
    let cid = cid.concat();
    let data = reference::dag_cbor(b"loop", std::slice::from_ref(&cid));
    Block { cid: cid.clone(), data, links: vec![cid] }
}

// spec: R-DARFRM-07, R-DARFRM-12
#[test]
fn links_that_loop() {
    let looped = own_tail();
    let trust = ReadOptions { unknown_hash: UnknownHash::Trust, ..read_options() };
    let bytes = rooted(&looped, &[&svarint(-15)]);
    let unknown = Error::UnknownHash { what: Structure::Block, at: 16, code: 0x99 };
    check(&bytes, unknown);
    let error = format_error(Reader::with_options(&bytes[..], &trust).verify());
    let at = bytes.len() as u64 - 1;
    assert_eq!(error, Some(invalid(Structure::Reference, at, Wrong::Loop)));

    let options = WriteOptions { unknown_hash: UnknownHash::Trust, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
    writer.root(&cid(&looped.cid), &looped.data).expect("it is trusted");
    let error = format_error(writer.block(&cid(&looped.cid), &looped.data));
    assert_eq!(error, Some(Error::Misuse(Misuse::Loop)));
    let (bytes, summary) = writer.finish().expect("a vector");
    assert_eq!((summary.blocks, summary.unproven, summary.skipped_links), (1, 1, 1));
    let read = Reader::with_options(&bytes[..], &trust).verify().expect("as written");
    assert_eq!((read.blocks, read.unproven), (1, 1));

    // Random access also finds the loop. The index states where the subtree ends, and a
    // back-reference inside the subtree leads to the subtree's own root.
    let mut plan = Plan { index: true, ..Plan::default() };
    plan.store.insert(looped.cid.clone(), looped.clone());
    plan.roots.push(looped.cid.clone());
    let bytes = reference::encode(&plan).bytes;
    let archive = Archive::open_with(&bytes[..], &trust).expect("its trailer is right");
    let error = format_error(archive.dag(&cid(&looped.cid)).and_then(|walk| walk.finish()));
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Corrupt));
}

// spec: R-DARTRL-02, R-DARTRL-03
#[test]
fn trailers_that_point_anywhere() {
    let (plan, bytes) = archives().swap_remove(1);
    let mut random = Random(5);
    let key = cid(&plan.roots[0]);
    let end = bytes.len();
    for round in 0..20_000 {
        let mut wrong = bytes.clone();
        for field in [end - 8, end - 16] {
            let value = match random.next() % 4 {
                0 => continue,
                1 => random.next(),
                2 => random.next() % (2 * end as u64),
                _ => end as u64 - random.next() % 100,
            };
            wrong[field..field + 8].copy_from_slice(&value.to_be_bytes());
        }
        if wrong == bytes {
            continue;
        }
        assert!(verify(&wrong).is_err(), "{round}");
        if let Ok(archive) = Archive::open(&wrong[..]) {
            let _ = (archive.roots(), archive.header());
            if let Ok(Some(data)) = archive.get(&key) {
                assert_eq!(data, plan.store[&plan.roots[0]].data);
            }
            let _ = archive.dag(&key).and_then(|walk| walk.finish());
        }
    }
}

// spec: R-DARIDX-05
#[test]
fn indexes_that_mislead() {
    let blocks = tree(50, 120, 3);
    let bytes = reference::encode(&tree_plan(&blocks, true)).bytes;
    let archive = Archive::open(&bytes[..]).expect("it is good");
    let bucket = archive.buckets().expect("it has one")[1];
    let index_at = archive.index_at().expect("it has one");
    let get = |bytes: &[u8], block: &Block| -> Result<Option<Vec<u8>>, ReadError> {
        Archive::open(bytes)?.get(&cid(&block.cid))
    };
    let record = |i: usize| bucket.at as usize + i * 24;
    // Exchanges two records. Every look-up that reads them reports the fault.
    let mut unsorted = bytes.clone();
    unsorted[record(0)..record(2)].rotate_left(24);
    let unsorted_error = invalid(Structure::IndexRecord, record(1) as u64, Wrong::Unsorted);
    assert_eq!(format_error(get(&unsorted, &blocks[0])), Some(unsorted_error));
    assert!(verify(&unsorted).is_err());
    // Repeats a record. Look-ups still work, but verification refuses the index.
    let mut twice = bytes.clone();
    twice.copy_within(record(0)..record(1), record(1));
    for block in &blocks {
        if let Ok(Some(data)) = get(&twice, block) {
            assert_eq!(data, block.data);
        }
    }
    assert!(verify(&twice).is_err());
    // Sets the fields of the index's records to wrong offsets, and to lengths of blocks and
    // subtrees that exceed the end of the blocks.
    for (field, len) in [(8, 6), (14, 4), (18, 6)] {
        for value in [0_u64, 1, 4, 5, 100, 1 << 20, index_at, index_at - 1, (1 << 48) - 1] {
            let mut wrong = bytes.clone();
            for i in 0..bucket.count as usize {
                let at = record(i) + field;
                wrong[at..at + len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
            }
            let archive = Archive::open(&wrong[..]).expect("its trailer is right");
            for block in &blocks[..10] {
                if let Ok(Some(data)) = archive.get(&cid(&block.cid)) {
                    assert_eq!(data, block.data);
                }
                if let Ok(found) = walk(&archive, &block.cid) {
                    assert_eq!(found[0], block.cid);
                }
            }
            assert!(verify(&wrong).is_err());
        }
    }
}

// spec: R-DARIDX-06
#[test]
fn directories_that_mislead() {
    let blocks = tree(5, 120, 3);
    let bytes = reference::encode(&tree_plan(&blocks, true)).bytes;
    let archive = Archive::open(&bytes[..]).expect("it is good");
    let trailer_at = archive.trailer_at() as usize;
    for at in trailer_at - 30..trailer_at {
        for value in 0..=255 {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            let archive = Archive::open(&wrong[..]).expect("its trailer is right");
            let found = archive.get(&cid(&blocks[0].cid));
            if wrong != bytes
                && let Ok(Some(data)) = found
            {
                assert_eq!(data, blocks[0].data);
            }
        }
    }
    let mut other = bytes.clone();
    other[trailer_at - 1] = 2;
    let archive = Archive::open(&other[..]).expect("its trailer is right");
    let error = format_error(archive.get(&cid(&blocks[0].cid)));
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Unsupported));
}

#[test]
fn random_damage_never_misleads() {
    let mut random = Random(11);
    for (plan, bytes) in archives() {
        let good = verify(&bytes).expect("it is whole");
        for _ in 0..3000 {
            let mut wrong = bytes.clone();
            for _ in 0..1 + random.next() % 4 {
                let at = random.next() as usize % wrong.len();
                match random.next() % 3 {
                    0 => wrong[at] = random.next() as u8,
                    1 => drop(wrong.remove(at)),
                    _ => wrong.insert(at, random.next() as u8),
                }
            }
            if wrong == bytes {
                continue;
            }
            assert_ne!(verify(&wrong).ok(), Some(good.clone()));
            let Ok(archive) = Archive::open(&wrong[..]) else { continue };
            let _ = archive.roots();
            for key in plan.store.keys() {
                if let Ok(Some(data)) = archive.get(&cid(key)) {
                    assert_eq!(data, plan.store[key].data);
                }
                let _ = archive.dag(&cid(key)).and_then(|walk| walk.finish());
            }
        }
    }
}

#[test]
fn blocks_of_noise_have_links_or_none() {
    let mut random = Random(3);
    let good = node(b"good", &[&leaf(b"a"), &leaf(b"b")]).data;
    let pb = block(reference::DAG_PB, 0x12, b"good", &[leaf(b"a").cid, leaf(b"b").cid]).data;
    for _ in 0..200_000 {
        let len = random.next() as usize % 40;
        let mut data = match random.next() % 3 {
            0 => random.bytes(len),
            1 => good.clone(),
            _ => pb.clone(),
        };
        if !data.is_empty() {
            let at = random.next() as usize % data.len();
            data[at] = random.next() as u8;
        }
        for codec in [reference::DAG_CBOR, reference::DAG_PB, reference::DAG_JSON] {
            let mut found = vec![];
            links(codec, &data, LinkOrder::Bytes, &mut found);
            assert!(found.len() <= data.len());
        }
    }
    // Decoding nested lists of the maximum length of a block must not exhaust the stack.
    for (byte, codec) in [(0x81, reference::DAG_CBOR), (b'[', reference::DAG_JSON)] {
        let mut found = vec![];
        links(codec, &vec![byte; 1 << 20], LinkOrder::Bytes, &mut found);
        assert_eq!(found, []);
    }
}

/// Runs a function on a stack of 64 KiB.
fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(run);
    thread.expect("a thread").join().expect("it does not panic")
}

/// Returns a chain of `len` blocks. The first block is the root, and each block links to the next.
fn chain(len: u32) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    for number in 0..len {
        let links: Vec<CidBytes> =
            blocks.last().map(|block| block.cid.clone()).into_iter().collect();
        blocks.push(block(reference::DAG_CBOR, 0x12, &number.to_be_bytes(), &links));
    }
    blocks.reverse();
    blocks
}

// spec: R-DARFRM-13
#[test]
fn a_chain_of_a_million_blocks() {
    let (count, ok) = on_a_small_stack(|| {
        let blocks = chain(1_000_000);
        let options = WriteOptions { index: true, threads: true, ..WriteOptions::default() };
        let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
        for (number, block) in blocks.iter().enumerate() {
            let cid = Cid::try_from(&block.cid[..]).expect("a CID");
            match number {
                0 => writer.root(&cid, &block.data),
                _ => writer.block(&cid, &block.data),
            }
            .expect("it is in order");
        }
        let (bytes, _) = writer.finish().expect("a vector");
        let read = verify(&bytes).expect("as written");
        let archive = Archive::open(&bytes[..]).expect("as written");
        let top = cid(&blocks[0].cid);
        let sub = archive.dag(&top).and_then(|walk| walk.finish()).expect("as written");
        (read.blocks, sub.summary.blocks == read.blocks && sub.outside.is_empty())
    });
    assert_eq!((count, ok), (1_000_000, true));
}

// spec: R-DARTRL-06
#[test]
fn a_million_roots() {
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
    for number in 0..1_000_000_u32 {
        let block = leaf(&number.to_be_bytes());
        writer.root(&cid(&block.cid), &block.data).expect("each is new");
    }
    let (bytes, _) = writer.finish().expect("a vector");
    assert_eq!(verify(&bytes).expect("as written").roots, 1_000_000);
    let source = Counted { bytes, ..Counted::default() };
    let archive = Archive::open(&source).expect("as written");
    let block = leaf(&7_u32.to_be_bytes());
    assert_eq!(archive.get(&cid(&block.cid)).expect("as written"), Some(block.data));
    // The list of roots has 40 MB, and the reader reads it only on request. So all reads before the
    // request are short.
    assert!(source.reads.borrow().iter().all(|(_, len)| *len <= 64 << 10));
    assert_eq!(archive.roots().expect("as written").len(), 1_000_000);
    let limits = Limits { roots_max: 1000, ..Limits::default() };
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let archive = Archive::open_with(&source, &options).expect("as written");
    let error = format_error(archive.roots()).expect("too many");
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn limits_are_kept() {
    let blocks = tree(40, 200, 9);
    let bytes = write(&tree_plan(&blocks, false));
    let limited = |limits: Limits| {
        let options = ReadOptions { limits, ..ReadOptions::default() };
        let error = format_error(Reader::with_options(&bytes[..], &options).verify());
        error.map(|error| (error.kind(), error.what()))
    };
    let all = Limits::default();
    assert_eq!(limited(all), None);
    let limit = |what| Some((ErrorKind::Limit, Some(what)));
    assert_eq!(limited(Limits { block_len_max: 199, ..all }), limit(Structure::Block));
    assert_eq!(limited(Limits { block_len_max: 200, ..all }), None);
    assert_eq!(limited(Limits { blocks_max: 39, ..all }), limit(Structure::Block));
    assert_eq!(limited(Limits { blocks_max: 40, ..all }), None);
    assert_eq!(limited(Limits { prefixes_max: 1, ..all }), limit(Structure::Frame));
    assert_eq!(limited(Limits { pending_len_max: 30, ..all }), limit(Structure::PendingLinks));
    let long = vec![blocks[0].cid.clone(); 100];
    let plan = Plan { car_roots: Some(long), ..tree_plan(&blocks, false) };
    let bytes = reference::encode(&plan).bytes;
    assert_eq!(write_options(&plan).car_roots.map(|roots| roots.len()), Some(100));
    let limits = Limits { header_len_max: 1000, ..all };
    let options = ReadOptions { limits, ..ReadOptions::default() };
    let error = format_error(Reader::with_options(&bytes[..], &options).verify());
    assert_eq!(error.and_then(|error| error.what()), Some(Structure::Header));
    assert_eq!(stream(&bytes).expect("its limits are enough").len(), 40);
}
