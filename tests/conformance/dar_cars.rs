//! Converts CARs of other projects to DAR and back, and compares lengths.

use crate::dar_support::{cid, read_options, tree, tree_plan, walk, write};
use dacti_dar::{Archive, CarStream, Cid, CidList, Error, ErrorKind, FromCar, Structure, Summary};
use dacti_dar::{ReadError, ReadOptions, Reader, WriteOptions, from_car, to_car};
use dacti_tests::dar_reference::{self as reference};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

type Blocks = BTreeMap<Vec<u8>, Vec<u8>>;

fn car(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dar_car");
    fs::read(directory.join(name)).expect("the CAR is committed")
}

fn car_blocks(bytes: &[u8]) -> Result<(CidList, Blocks), ReadError> {
    let mut stream = CarStream::new(bytes, &ReadOptions::default());
    let roots = stream.header()?.roots.clone();
    let mut blocks = Blocks::new();
    while let Some(block) = stream.next_block()? {
        blocks.insert(block.cid.to_bytes(), block.data.to_vec());
    }
    Ok((roots, blocks))
}

fn convert(bytes: &[u8], index: bool) -> Result<(Vec<u8>, FromCar), ReadError> {
    let options = WriteOptions { index, missing_max: 1000, ..WriteOptions::default() };
    from_car(bytes, Vec::new(), &options)
}

/// Converts a CAR to DAR, verifies the archive, and converts it back to CAR. The blocks and the
/// roots must stay the same.
#[track_caller]
fn check(name: &str, bytes: &[u8], further: usize, missing: &[&str]) -> Summary {
    let (roots, blocks) = car_blocks(bytes).expect(name);
    let mut summaries = vec![];
    for index in [false, true] {
        let (dar, report) = convert(bytes, index).expect(name);
        assert_eq!(report.car_roots, roots, "{name}");
        assert_eq!(report.further_roots.len(), further, "{name}");
        let found: Vec<String> = report.summary.missing.iter().map(Cid::to_string).collect();
        assert_eq!(found, missing, "{name}");
        let reader = Reader::with_options(&dar[..], &read_options());
        assert_eq!(reader.verify().expect(name), report.summary, "{name}");
        let mut reader = Reader::new(&dar[..]);
        let (back, _) = to_car(&mut reader, None, None, Vec::new()).expect(name);
        assert_eq!(car_blocks(&back).expect(name), (roots.clone(), blocks.clone()), "{name}");
        let archive = Archive::open(dar).expect(name);
        let mut reached = 0;
        for root in archive.roots().expect(name) {
            if root.offset.is_some() {
                reached += walk(&archive, &root.cid.to_bytes()).expect(name).len();
            }
        }
        assert!(reached as u64 >= report.summary.blocks, "{name}: the roots reach all");
        for (key, data) in blocks.iter().filter(|_| index) {
            assert_eq!(archive.get(&cid(key)).expect(name).as_ref(), Some(data), "{name}");
        }
        summaries.push(report.summary);
    }
    let expected = blocks.len() as u64;
    let identities = blocks.keys().filter(|key| key[2] == 0 && key[0] == 1).count() as u64;
    assert_eq!(summaries[0].blocks, expected - identities, "{name}");
    summaries.swap_remove(0)
}

// spec: R-DARCAR-01, R-DARCAR-02, R-DARLNK-04, R-DARLNK-02
#[test]
fn cars_of_others_keep_blocks_and_roots() {
    check("carv1-basic", &car("carv1-basic.car"), 0, &[]);
    check("carv2-basic", &car("carv2-basic.car"), 0, &[]);
    check("simple-unixfs", &car("simple-unixfs.car"), 0, &[]);
    let summary = check("duplicate files", &car("dir-with-duplicate-files.car"), 0, &[]);
    assert_eq!(summary.repeats, 1);
    // Some keys of maps are not valid UTF-8. Even so, the links after them must be found. Six
    // sections are identity CIDs, and must stay sections.
    let summary = check("sample-v1", &car("sample-v1.car"), 6, &[]);
    assert_eq!((summary.blocks, summary.roots, summary.undecodable), (1043, 7, 0));
}

// spec: R-DARCAR-03
#[test]
fn missing_blocks_stay_missing() {
    let one = ["QmSNLTo6Wv9dfroVaw7MFYjLqf9ho7PKrgsjdzYDtv8h1W"];
    check("one missing", &car("file-3k-and-3-blocks-missing-block.car"), 0, &one);
    let three = [
        "QmQVogEgzv2B7p1FPVueiaTvpVQazboakY8EwEKNPZ1KGM",
        "QmVKt1VVkgfYcbSZqLD9sxZAkDpbH3L7RM6mJ6LHbkj5Bm",
        "QmabQNoyptSoGBrQes6Pq44q7E4pkzXR2soPrLQH8tcmM7",
    ];
    check("three missing", &car("simple-unixfs-missing-blocks.car"), 0, &three);
}

#[test]
fn a_car_that_is_broken_gives_one_error() {
    let error = convert(&car("badsectionlength.car"), true).expect_err("its length is wrong");
    let error = *error.format().expect("not the source's error");
    assert_eq!((error.kind(), error.at()), (ErrorKind::Limit, Some(0x12)));
    assert_eq!(
        error.to_string(),
        "CAR section at 0x12: 216830324832 exceeds the limit of 33554432"
    );
}

#[test]
fn cars_are_read_to_their_last_byte() {
    for name in ["carv1-basic.car", "carv2-basic.car", "simple-unixfs.car"] {
        let bytes = car(name);
        let (_, blocks) = car_blocks(&bytes).expect(name);
        let mut whole = vec![];
        for len in 0..bytes.len() {
            match car_blocks(&bytes[..len]) {
                Ok((_, some)) => whole.push((len, some.len())),
                Err(error) => {
                    let error = *error.format().expect("a slice has no errors");
                    assert_eq!(error.kind(), ErrorKind::Truncated, "{name} {len}");
                }
            }
        }
        if name == "carv2-basic.car" {
            // A CAR v2 states the position at which its blocks end. So a missing index after this
            // position is no error.
            let expected: Vec<_> = (499..bytes.len()).map(|len| (len, blocks.len())).collect();
            assert_eq!(whole, expected);
        } else {
            // If a CAR v1 is cut between two sections, the part before the cut is a valid CAR v1.
            let counts: Vec<_> = whole.iter().map(|(_, some)| *some).collect();
            assert_eq!(counts, (0..blocks.len()).collect::<Vec<_>>(), "{name}");
        }
    }
}

// spec: R-DARCAR-04
#[test]
fn a_car_without_roots_and_one_whose_root_is_absent() {
    let blocks = tree(5, 100, 7);
    let sections: Vec<_> = blocks.iter().map(|block| (&block.cid, &block.data)).collect();
    let bytes = reference::car_v1(&[], sections.iter().copied());
    check("no roots", &bytes, 1, &[]);
    let absent = reference::cid_v1(reference::RAW, 0x12, b"absent");
    let roots = [blocks[1].cid.clone(), absent.clone(), blocks[1].cid.clone()];
    let bytes = reference::car_v1(&roots, sections.iter().copied());
    check("absent root", &bytes, 1, &[]);
    let (_, report) = convert(&bytes, false).expect("it is whole");
    assert_eq!(report.absent_roots, CidList::from([cid(&absent)]));
    assert_eq!(report.further_roots, CidList::from([cid(&blocks[0].cid)]));
    // This CAR v2 has each section twice: first all sections in reverse order, and then all of them
    // in the usual order.
    let twice = sections.iter().rev().chain(&sections).copied();
    let bytes = reference::car_v2(&[blocks[0].cid.clone()], twice);
    check("twice", &bytes, 0, &[]);
    let (_, report) = convert(&bytes, false).expect("it is whole");
    assert_eq!((report.car_version, report.duplicates), (2, 5));
}

#[test]
fn a_root_that_is_an_identity_cid() {
    let below = crate::dar_support::leaf(b"below");
    let inline = reference::dag_cbor(b"top", std::slice::from_ref(&below.cid));
    let top = reference::cid_v1(reference::DAG_CBOR, 0, &inline[..40.min(inline.len())]);
    // The root is an identity CID. Its content is cut off, so it is no valid DAG-CBOR.
    let bytes = reference::car_v1(std::slice::from_ref(&top), [(&top, &inline[..40].to_vec())]);
    check("identity", &bytes, 0, &[]);
    // The root is an identity CID, and the CAR has no section for it. So the CID is only in the
    // header.
    let bytes = reference::car_v1(std::slice::from_ref(&top), [(&below.cid, &below.data)]);
    check("identity in the header", &bytes, 1, &[]);
    let (_, report) = convert(&bytes, false).expect("it is whole");
    assert_eq!(report.absent_roots, CidList::from([cid(&top)]));
}

#[test]
fn wrong_cars() {
    #[track_caller]
    fn check(bytes: &[u8], expected: (ErrorKind, Structure, u64)) {
        let error = car_blocks(bytes).expect_err("it is wrong");
        let error: Error = *error.format().expect("a slice has no errors");
        let found = (error.kind(), error.what().expect("it names one"), error.at().expect("it"));
        assert_eq!(found, expected, "{error}");
    }
    use ErrorKind::{Corrupt, Truncated, Unsupported};
    let block = crate::dar_support::leaf(b"block");
    let good = reference::car_v1(&[], [(&block.cid, &block.data)]);
    let header = good.len() - 42;
    check(&[], (Truncated, Structure::CarHeader, 0));
    check(&[0], (Corrupt, Structure::CarHeader, 0));
    check(&[1, 0xff], (Corrupt, Structure::CarHeader, 1));
    check(&[0xff; 12], (Corrupt, Structure::CarHeader, 0));
    let mut other = good.clone();
    other[header - 1] = 3;
    check(&other, (Unsupported, Structure::CarHeader, 1));
    let mut zero = good.clone();
    zero.push(0);
    check(&zero, (Corrupt, Structure::CarSection, good.len() as u64));
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    check(&flipped, (Corrupt, Structure::CarSection, good.len() as u64 - 5));
    let mut flipped = good.clone();
    flipped[header + 1] = 0x99;
    check(&flipped, (Corrupt, Structure::CarSection, header as u64 + 1));
    let v2 = reference::car_v2(&[], [(&block.cid, &block.data)]);
    for (at, byte) in [(27, 0x10), (35, 0), (34, 0xff)] {
        let mut wrong = v2.clone();
        wrong[at] = byte;
        assert!(car_blocks(&wrong).is_err(), "{at}");
    }
}

/// Returns the lengths of four files with the same blocks: a DAR, a DAR with an index, a CAR v1,
/// and a CAR v2 with its index.
fn sizes(count: usize, len: usize) -> [f64; 4] {
    let blocks = tree(count, len, 1);
    let plain = write(&tree_plan(&blocks, false)).len();
    let indexed = write(&tree_plan(&blocks, true)).len();
    let sections = || blocks.iter().map(|block| (&block.cid, &block.data));
    let roots = [blocks[0].cid.clone()];
    let v1 = reference::car_v1(&roots, sections()).len();
    let v2 = reference::car_v2(&roots, sections()).len();
    let sizes = [plain, indexed, v1, v2].map(|size| size as f64);
    println!(
        "{count} blocks of {len}: DAR {plain} ({:.4} of CAR v1), with index {indexed} ({:.4} of \
         CAR v1, {:.4} of CAR v2 with index), CAR v1 {v1}, CAR v2 {v2}",
        sizes[0] / sizes[2],
        sizes[1] / sizes[2],
        sizes[1] / sizes[3],
    );
    sizes
}

#[test]
fn sizes_against_car() {
    let [plain, indexed, v1, v2] = sizes(10_000, 600);
    assert!(plain <= 0.945 * v1);
    assert!(indexed < v1);
    assert!(indexed <= 0.93 * v2);
    let [plain, indexed, v1, _] = sizes(10_000, 256);
    assert!(plain <= 0.90 * v1);
    assert!(indexed < v1);
    let [_, indexed, v1, _] = sizes(10_000, 1024);
    assert!(indexed < v1);
    let [_, indexed, v1, _] = sizes(200, 262_144);
    assert!(indexed < v1);
}
