//! Oddities of real CARs: identity CIDs, truncated digests, padding, map keys out of order, and one
//! block under both versions of its CID. The CARs are in `fixtures/dar_car`.

use crate::dar_support::{block, cid, leaf, node, plan, read_options, stream, walk, write};
use dacti_dar::{Archive, CarStream, Cid, CidList, Error, ErrorKind, FromCar, LinkOrder, Misuse};
use dacti_dar::{ReadError, ReadOptions, Reader, Structure, WriteOptions, Writer, Wrong};
use dacti_dar::{from_car, to_car};
use dacti_tests::dar_reference::{self as reference, Block, CidBytes, Plan, uvarint};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn car(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dar_car");
    fs::read(directory.join(name)).expect("the CAR is committed")
}

fn convert(bytes: &[u8], allow_padding: bool) -> Result<(Vec<u8>, FromCar), ReadError> {
    let options =
        WriteOptions { index: true, missing_max: 1000, allow_padding, ..WriteOptions::default() };
    from_car(bytes, Vec::new(), &options)
}

fn format_error<T>(result: Result<T, ReadError>) -> Error {
    match result {
        Ok(_) => panic!("it is wrong"),
        Err(ReadError::Format(error)) => error,
        Err(error) => panic!("a slice has no errors: {error}"),
    }
}

/// Returns the roots and the blocks of a CAR. The keys are the CIDs in version 1, because a
/// conversion may change the version of a CID.
fn blocks(bytes: &[u8], allow_padding: bool) -> (CidList, BTreeMap<Vec<u8>, Vec<u8>>) {
    let options = ReadOptions { allow_padding, ..ReadOptions::default() };
    let mut stream = CarStream::new(bytes, &options);
    let roots = stream.header().expect("a CAR").roots.clone();
    let mut blocks = BTreeMap::new();
    while let Some(block) = stream.next_block().expect("a CAR") {
        let key = block.cid.other_version().filter(|other| other.version() == 1);
        blocks.insert(key.unwrap_or(block.cid).to_bytes(), block.data.to_vec());
    }
    (roots, blocks)
}

/// Converts a CAR to DAR and back. Checks that the roots and the blocks stay the same, and that
/// random access finds each block.
#[track_caller]
fn check(name: &str, count: usize, roots: usize, missing: usize) -> FromCar {
    let bytes = car(name);
    let (dar, report) = convert(&bytes, true).expect(name);
    let expected = blocks(&bytes, true);
    assert_eq!((expected.1.len(), expected.0.len()), (count, roots), "{name}");
    assert_eq!(report.summary.missing.len(), missing, "{name}");
    assert_eq!((report.summary.undecodable, report.summary.unproven), (0, 0), "{name}");
    let read = Reader::with_options(&dar[..], &read_options()).verify().expect(name);
    assert_eq!(read, report.summary, "{name}");
    let (back, _) = to_car(&mut Reader::new(&dar[..]), None, None, Vec::new()).expect(name);
    assert_eq!(blocks(&back, false), expected, "{name}");
    let archive = Archive::open(dar).expect(name);
    for (key, data) in &expected.1 {
        let key = cid(key);
        assert_eq!(archive.get(&key).expect(name).as_ref(), Some(data), "{name}");
        if let Some(other) = key.other_version() {
            assert_eq!(archive.get(&other).expect(name).as_ref(), Some(data), "{name}");
        }
    }
    report
}

// The expected counts come from another program, which was written only to count sections.
// spec: R-DARCAR-01, R-DARCAR-04, R-DARLNK-01, R-DARLNK-02
#[test]
fn cars_of_gateways_and_nodes_go_there_and_back() {
    check("boxo-dir-special-chars.car", 6, 1, 0);
    check("boxo-multilayer-hamt.car", 18, 1, 0);
    check("boxo-unixfs-mode-mtime.car", 10, 1, 0);
    check("dir-with-dag-cbor-with-links.car", 9, 1, 0);
    check("gateway-dag-json-traversal.car", 3, 1, 0);
    check("gateway-issue-54.car", 9, 1, 0);
    check("go-car-rw-blockstore-v2.car", 3, 3, 0);
    check("ipld-selector-adl-v2-dag-json.car", 5, 1, 0);
    check("kubo-dagstat-v2.car", 4, 1, 0);
    // The CAR has 11 sections, but 10 blocks: one block is stored under both versions of its CID.
    check("kubo-subdomains-sha2-512.car", 10, 1, 0);
    check("single-layer-hamt-with-multi-block-files.car", 243, 1, 0);
    check("subdir-with-mixed-block-files.car", 10, 1, 0);
    check("subdir-with-two-single-block-files.car", 4, 1, 0);
    // The CAR has only the block of a directory, and lacks the blocks to which it links.
    let report = check("kubo-partial-entity-cidv0.car", 1, 1, report_missing());
    assert!(report.further_roots.is_empty());
}

/// Returns the number of different links in the only block of `kubo-partial-entity-cidv0.car`.
fn report_missing() -> usize {
    let bytes = car("kubo-partial-entity-cidv0.car");
    let links: std::collections::BTreeSet<&[u8]> = bytes
        .windows(36)
        .filter(|window| window.starts_with(&[0x0a, 0x22, 0x12, 0x20]))
        .map(|window| &window[2..])
        .collect();
    links.len()
}

// spec: R-DARCAR-05
#[test]
fn zeros_after_the_last_section_need_permission() {
    for (name, at, count) in
        [("go-car-zero-padded-2.car", 20_819, 20), ("zero-pad-pow2.car", 266, 3)]
    {
        let error = format_error(convert(&car(name), false));
        let what = Structure::CarSection;
        assert_eq!(error, Error::Invalid { what, at, wrong: Wrong::Empty }, "{name}");
        check(name, count, 1, 0);
        // Even if padding is allowed, a padding byte other than zero is refused.
        let mut bytes = car(name);
        *bytes.last_mut().expect("not empty") = 1;
        assert_eq!(format_error(convert(&bytes, true)), error, "{name}");
    }
    // A CAR v2 states the position at which its blocks end. Zeros before that position are padding,
    // too.
    let block = leaf(b"block");
    let v1 = reference::car_v1(&[], [(&block.cid, &block.data)]);
    let len = v1.len() as u64 + 7;
    let mut v2 = b"\x0a\xa1\x67version\x02".to_vec();
    v2.extend([0; 16]);
    [51, len, 0].iter().for_each(|number: &u64| v2.extend(number.to_le_bytes()));
    v2.extend([&v1[..], &[0; 7]].concat());
    assert_eq!(convert(&v2, true).expect("padded").1.summary.blocks, 1);
    let error = format_error(convert(&v2[..v2.len() - 1], true));
    assert_eq!((error.kind(), error.what()), (ErrorKind::Truncated, Some(Structure::CarSection)));
}

// spec: R-DARCAR-06
#[test]
fn headers_of_cars_may_have_their_keys_in_any_order() {
    check("header-keys-unsorted.car", 3, 1, 0);
    let header = |node: &[u8]| [uvarint(node.len() as u64), node.to_vec()].concat();
    let roots = |bytes: &[u8]| CarStream::new(bytes, &ReadOptions::default()).header().is_ok();
    assert!(roots(&header(b"\xa2\x67version\x01\x65roots\x80")));
    for wrong in [
        &b"\xa1\x67version\x01"[..],
        b"\xa1\x65roots\x80",
        b"\xa2\x65roots\x80\x65roots\x80",
        b"\xa3\x65roots\x80\x67version\x01\x61x\x00",
        b"\xa2\x65roots\x81\x00\x67version\x01",
        b"\xa2\x65roots\x80\x67version\x01\x00",
    ] {
        assert!(!roots(&header(wrong)), "{wrong:?}");
    }
}

// spec: R-DARLNK-02, R-DARFRM-12
#[test]
fn digests_are_proved_whole_or_cut() {
    check("sha256-cut20.car", 3, 1, 0);
    // A truncated digest also detects a flipped bit of the block.
    let mut bytes = car("sha256-cut20.car");
    let at = bytes.windows(5).position(|window| window == b"short").expect("it is there");
    bytes[at] ^= 1;
    let error = format_error(convert(&bytes, false));
    assert_eq!((error.kind(), error.at()), (ErrorKind::Corrupt, Some(at as u64)));
    // A digest of less than 20 bytes proves nothing. The error says so.
    let digest = reference::digest(reference::SHA2_256, b"x");
    let name = |len: usize| [&[1, 0x55, 0x12, len as u8][..], &digest[..len]].concat();
    for (len, known) in [(0, false), (19, false), (20, true), (31, true)] {
        let block = Block { cid: name(len), data: b"x".to_vec(), links: vec![] };
        let plan = plan(&[&block], &[&block]);
        let bytes = reference::encode(&plan).bytes;
        let read = Reader::new(&bytes[..]).verify();
        if known {
            assert_eq!(read.expect("it is proved").blocks, 1);
            continue;
        }
        let (what, at, most) = (Structure::Block, 5 + 1 + 4 + len as u64 + 1, 32);
        let error = Error::DigestLength { what, at, code: 0x12, len: len as u16, most };
        assert_eq!(format_error(read), error);
    }
    // The same with threads: 8,192 blocks have right digests of truncated length, and the block
    // after them has a wrong digest.
    let mut writer = Writer::with_options(Vec::new(), &threads()).expect("a vector");
    for number in 0..8192_u32 {
        let data = number.to_be_bytes().repeat(20);
        let digest = reference::digest(reference::SHA2_256, &data);
        let cid = cid(&[&[1, 0x55, 0x12, 20][..], &digest[..20]].concat());
        writer.root(&cid, &data).expect("it fits");
    }
    let (bytes, _) = writer.finish().expect("a vector");
    assert_eq!(
        Reader::with_options(&bytes[..], &read_options()).verify().expect("good").blocks,
        8192
    );
}

fn threads() -> WriteOptions {
    WriteOptions { threads: true, ..WriteOptions::default() }
}

// spec: R-DARLNK-02
#[test]
fn every_hash_function_proves_and_refuses() {
    let known = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1e, 0x20, 0xb220, 0xb240];
    for code in known {
        let hash = dacti_dar::multihash(code, b"block").expect("it is known");
        let name = Cid::new_v1(reference::RAW, hash);
        let mut writer = Writer::new(Vec::new()).expect("a vector");
        writer.root(&name, b"block").expect("it fits");
        let (bytes, summary) = writer.finish().expect("a vector");
        assert_eq!(summary.unproven, 0);
        assert_eq!(stream(&bytes).expect("good"), [(name.to_bytes(), b"block".to_vec())]);
        let mut writer = Writer::new(Vec::new()).expect("a vector");
        let error = format_error(writer.root(&name, b"other"));
        assert_eq!(error, Error::Misuse(Misuse::WrongCid), "{code:#x}");
    }
}

// spec: R-DARLNK-03, R-DARLNK-06, R-DARCAR-07
#[test]
fn identity_cids_of_any_length_that_is_allowed() {
    // A section of 100 bytes under an identity CID becomes a root of the archive.
    let report = check("ident-section-100.car", 3, 1, 0);
    assert_eq!(report.further_roots.len(), 1);
    check("ident-long-json.car", 3, 1, 0);
    // The root is an identity CID of 112 bytes. Its content is a file of two chunks, which the CAR
    // lacks.
    let report = check("ident-root-112.car", 1, 1, 2);
    assert_eq!((report.absent_roots.len(), report.further_roots.len()), (1, 1));
    // If a root is an identity CID, the blocks to which its content links become roots of the
    // archive. Random access finds the DAG of the identity root through these links.
    let (one, two, other) = (leaf(b"one"), leaf(b"two"), leaf(b"other"));
    let content = reference::dag_cbor(&[7; 3000], &[two.cid.clone(), one.cid.clone()]);
    let top = reference::cid_v1(reference::DAG_CBOR, 0, &content);
    let sections = [&other, &one, &two].map(|block| (&block.cid, &block.data));
    let bytes = reference::car_v1(std::slice::from_ref(&top), sections);
    let (dar, report) = convert(&bytes, false).expect("it is good");
    let expected: Vec<Cid> = [&two, &one, &other].iter().map(|block| cid(&block.cid)).collect();
    assert_eq!(report.further_roots.iter().collect::<Vec<_>>(), expected);
    let archive = Archive::open(dar).expect("it is good");
    assert_eq!(walk(&archive, &top).expect("it is good"), [two.cid, one.cid]);
    assert_eq!(archive.get(&cid(&top)).expect("it is good"), Some(content));
}

// spec: R-DARLNK-03, R-DARLNK-06, R-DARTRL-02
#[test]
fn long_identity_roots_stand_in_marks_and_trailer() {
    for len in [64, 65, 128, 4000] {
        let below = leaf(b"below");
        let content = reference::dag_cbor(&vec![7; len - 50], std::slice::from_ref(&below.cid));
        let top = cid(&reference::cid_v1(reference::DAG_CBOR, 0, &content));
        let options = WriteOptions { index: true, ..WriteOptions::default() };
        let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
        writer.root(&top, &[]).expect("it is new");
        writer.block(&cid(&below.cid), &below.data).expect("it is linked");
        let (bytes, _) = writer.finish().expect("a vector");
        // These bytes were written by hand. The archive starts with the root's mark, its CID, the
        // block and the end mark. The trailer has the list of roots: their count, the CID and the
        // offset 0.
        let frames = [&b"dar\x01\x80\x01"[..], &top.to_bytes(), &[10], b"below", &[3]].concat();
        assert!(bytes.starts_with(&frames));
        let trailer = [&[2][..], &top.to_bytes(), &[0]].concat();
        assert_eq!(bytes[bytes.len() - 80 - trailer.len()..bytes.len() - 80], trailer);
        assert_eq!(Reader::new(&bytes[..]).verify().expect("good").roots, 1);
        let archive = Archive::open(&bytes[..]).expect("good");
        assert_eq!(archive.roots().expect("good")[0].cid, top);
        assert_eq!(
            walk(&archive, &top.to_bytes()).expect("good"),
            std::slice::from_ref(&below.cid)
        );
        for cut in 0..bytes.len() {
            let error = format_error(Reader::new(&bytes[..cut]).verify());
            assert_eq!(error.kind(), ErrorKind::Truncated, "{len} {cut}");
        }
    }
    // This CID is longer than the limit.
    let long = [&[1, 1, 0x55, 0][..], &uvarint(4097), &[0; 5000]].concat();
    let bytes = [&b"dar\x01\x80"[..], &long].concat();
    let error = format_error(Reader::new(&bytes[..]).verify());
    assert_eq!(error, Error::Unsupported { what: Structure::RootMark, at: 6, found: 4097 });
}

// spec: R-DARFRM-03, R-DARFRM-06, R-DARCAR-08
#[test]
fn both_versions_of_a_cid_find_one_block() {
    let report = check("root-v1-block-v0.car", 2, 1, 0);
    assert_eq!((report.absent_roots.len(), report.further_roots.len()), (0, 0));
    let below = leaf(b"below");
    let links = std::slice::from_ref(&below.cid);
    let v0 = block(reference::DAG_PB, reference::SHA2_256, b"file", links);
    let v1 = reference::other_version(&v0.cid).expect("it has one");
    for (first, second) in [(v0.cid.clone(), v1.clone()), (v1, v0.cid.clone())] {
        let stored = Block { cid: first.clone(), ..v0.clone() };
        let links = [first.clone(), second.clone(), below.cid.clone()];
        let top = block(reference::DAG_CBOR, reference::SHA2_256, b"top", &links);
        let plan = plan(&[&top], &[&top, &stored, &below]);
        let bytes = write(&plan);
        assert_eq!(bytes, reference::encode(&plan).bytes);
        let read = Reader::with_options(&bytes[..], &read_options()).verify().expect("good");
        assert_eq!((read.blocks, read.repeats, read.missing.len()), (3, 2, 0));
        let archive = Archive::open(&bytes[..]).expect("good");
        for name in [&first, &second] {
            assert_eq!(archive.get(&cid(name)).expect("good").as_ref(), Some(&v0.data));
            let order = walk(&archive, name).expect("good");
            assert_eq!(order, [(*name).clone(), below.cid.clone()]);
        }
        let order = [top.cid.clone(), first.clone(), below.cid.clone()];
        assert_eq!(walk(&archive, &top.cid).expect("good"), order);
        // The two versions of a CID are the same root, so the second one is refused as a duplicate.
        let mut writer = Writer::new(Vec::new()).expect("a vector");
        writer.root(&cid(&first), &v0.data).expect("it is new");
        let error = format_error(writer.root(&cid(&second), &v0.data));
        assert_eq!(error, Error::Misuse(Misuse::DuplicateRoot));
    }
}

fn mst(left: Option<&Block>, entries: &[(&Block, Option<&Block>)]) -> Block {
    let link = |block: &Block| [&[0xd8, 0x2a, 0x58, 37, 0][..], &block.cid].concat();
    let link_or_null = |block: Option<&Block>| block.map_or(vec![0xf6], link);
    let mut data = vec![0xa2, 0x61, b'e', 0x80 + entries.len() as u8];
    for (number, (value, after)) in entries.iter().enumerate() {
        data.extend([0xa4, 0x61, b'k', 0x41, number as u8, 0x61, b'p', 0, 0x61, b't']);
        data.extend(link_or_null(*after));
        data.extend([0x61, b'v']);
        data.extend(link(value));
    }
    data.extend([0x61, b'l']);
    data.extend(link_or_null(left));
    let mut links: Vec<CidBytes> = left.map(|block| block.cid.clone()).into_iter().collect();
    for (value, after) in entries {
        links.push(value.cid.clone());
        links.extend(after.map(|block| block.cid.clone()));
    }
    let cid = reference::cid_v1(reference::DAG_CBOR, reference::SHA2_256, &data);
    Block { cid, data, links }
}

// Repositories of the AT protocol order the links of a node by key. The link to the left subtree is
// the first. Then each record follows, and after it the subtree with the next keys. In the node's
// bytes, however, the entries precede the link to the left subtree.
// spec: R-DARHDR-05
#[test]
fn merkle_search_trees_in_the_order_of_their_keys() {
    let records: Vec<Block> = (0..7).map(|number| node(&[number], &[])).collect();
    let left = mst(None, &[(&records[0], None), (&records[1], None)]);
    let middle = mst(None, &[(&records[3], None)]);
    let root = mst(Some(&left), &[(&records[2], Some(&middle)), (&records[4], None)]);
    let commit = node(b"commit", &[&root]);
    let all = [&commit, &root, &left, &middle];
    let all: Vec<&Block> = all.into_iter().chain(&records[..5]).collect();
    let plan = Plan { link_order: Some(1), ..plan(&[&commit], &all) };
    let expected = reference::encode(&plan);
    let order = [&commit, &root, &left, &records[0], &records[1], &records[2], &middle];
    let order = order.into_iter().chain([&records[3], &records[4]]);
    let order: Vec<CidBytes> = order.map(|block| block.cid.clone()).collect();
    assert_eq!(expected.order, order);
    let options = WriteOptions {
        index: true,
        link_order: LinkOrder::MerkleSearchTree,
        ..WriteOptions::default()
    };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector");
    let mut store = crate::dar_support::Store(&plan.store);
    dacti_dar::write_dag(&mut writer, &cid(&commit.cid), &mut store).expect("a plan");
    let (bytes, _) = writer.finish().expect("a vector");
    assert_eq!(bytes, expected.bytes);
    let read: Vec<_> = stream(&bytes).expect("good").into_iter().map(|(cid, _)| cid).collect();
    assert_eq!(read, order);
    let archive = Archive::open(&bytes[..]).expect("good");
    assert_eq!(walk(&archive, &root.cid).expect("good"), order[1..]);
    // The sections of the CAR are in reverse order. The caller of the conversion chooses the order
    // of keys by an option. Copies of the resulting archive keep this order.
    let sections = all.iter().rev().map(|block| (&block.cid, &block.data));
    let car = reference::car_v1(std::slice::from_ref(&commit.cid), sections);
    let (dar, _) = from_car(&car[..], Vec::new(), &options).expect("good");
    let read: Vec<_> = stream(&dar).expect("good").into_iter().map(|(cid, _)| cid).collect();
    assert_eq!(read, order);
    let (copied, _) =
        dacti_dar::copy(&mut Reader::new(&dar[..]), Vec::new(), &WriteOptions::default())
            .expect("good");
    assert_eq!(stream(&copied).expect("good").len(), 9);
    // The header of the archive states a number for the order of links. Readers refuse an undefined
    // number. They also refuse the number of the order of bytes, because the frames are in the
    // order of keys.
    let mut wrong = bytes.clone();
    wrong[7] = 2;
    let what = Structure::LinkOrder;
    let error = format_error(Reader::new(&wrong[..]).verify());
    assert_eq!(error, Error::Unsupported { what, at: 6, found: 2 });
    wrong[7] = 0;
    let error = format_error(Reader::new(&wrong[..]).verify());
    assert_eq!((error.kind(), error.what()), (ErrorKind::Corrupt, Some(Structure::Frame)));
}

#[test]
fn the_length_of_an_archive_without_marks_is_that_of_its_file() {
    let one = leaf(b"one");
    let plan = Plan { first_implementation: true, index: false, ..plan(&[&one], &[&one]) };
    let bytes = reference::encode(&plan).bytes;
    let archive = Archive::open(&bytes[..]).expect("good");
    let summary = archive.stream().and_then(Reader::verify).expect("good");
    assert_eq!(summary.len, bytes.len() as u64);
}

// The expected archives were made from the CARs by hand.
// spec: R-DARCAR-01, R-DARCAR-02, R-DARCAR-03, R-DARCAR-05, R-DARCAR-06, R-DARCAR-07, R-DARCAR-08
#[test]
fn cars_become_the_archives_of_the_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for (name, dar) in [
        ("header-keys-unsorted.car", "dar_of_header_keys_unsorted.bin"),
        ("root-v1-block-v0.car", "dar_of_root_v1_block_v0.bin"),
        ("ident-section-100.car", "dar_of_ident_section_100.bin"),
        ("ident-root-112.car", "dar_of_ident_root_112.bin"),
        ("sha256-cut20.car", "dar_of_sha256_cut20.bin"),
        ("zero-pad-pow2.car", "dar_of_zero_pad_pow2.bin"),
        ("kubo-partial-entity-cidv0.car", "dar_of_kubo_partial_entity_cidv0.bin"),
    ] {
        let options = WriteOptions { allow_padding: true, ..WriteOptions::default() };
        let (made, _) = from_car(&car(name)[..], Vec::new(), &options).expect(name);
        assert_eq!(made, fs::read(fixtures.join(dar)).expect("it is committed"), "{name}");
    }
}
