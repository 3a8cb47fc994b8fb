//! `dacti serve` as a gateway: the cases of the trustless gateway specification, with DAGs that
//! other projects made. Code of this file, not of the crates, finds the expected blocks.

use crate::dar_cli::Folder;
use dacti_dar::{WriteOptions, from_car};
use dacti_tests::http::{self, Answer};
use dacti_tests::served::Served;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The bytes of a CID.
pub type CidBytes = Vec<u8>;

/// Reads a varint. Returns its number, and the bytes after it.
fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let (mut value, mut at) = (0, 0);
    loop {
        let byte = bytes[at];
        value |= u64::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte < 0x80 {
            return (value, &bytes[at..]);
        }
    }
}

fn take(bytes: &[u8], len: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(len).unwrap())
}

/// Reads a CID with a hash function that computes a digest, which excludes identity CIDs. Returns
/// the CID, and the bytes after it.
fn cid(bytes: &[u8]) -> (&[u8], &[u8]) {
    let rest = if bytes[..2] == [0x12, 0x20] {
        bytes
    } else {
        let (_, rest) = varint(bytes);
        varint(rest).1
    };
    let (len, rest) = varint(varint(rest).1);
    let rest = take(rest, len).1;
    bytes.split_at(bytes.len() - rest.len())
}

/// Reads a CAR. Returns its header, and its sections in order.
pub fn car(bytes: &[u8]) -> (Vec<u8>, Vec<(CidBytes, Vec<u8>)>) {
    let (len, rest) = varint(bytes);
    let (head, mut rest) = take(rest, len);
    let mut sections = vec![];
    while !rest.is_empty() {
        let (len, after) = varint(rest);
        let (section, after) = take(after, len);
        let (cid, data) = cid(section);
        sections.push((cid.to_vec(), data.to_vec()));
        rest = after;
    }
    (head.to_vec(), sections)
}

/// Returns those fields of a protobuf message that hold bytes, with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = vec![];
    while !bytes.is_empty() {
        let (tag, rest) = varint(bytes);
        let (value, rest) = varint(rest);
        let (field, rest) = if tag & 7 == 2 { take(rest, value) } else { (&[][..], rest) };
        found.push((tag >> 3, field));
        bytes = rest;
    }
    found
}

/// A DAG that another project made.
pub struct Dag {
    pub blocks: BTreeMap<CidBytes, Vec<u8>>,
    pub root: CidBytes,
}

impl Dag {
    /// Reads the blocks of a CAR. The first block is the root.
    pub fn of(name: &str) -> Self {
        let (_, sections) = car(&fixture(name));
        let root = sections[0].0.clone();
        Self { blocks: sections.into_iter().collect(), root }
    }

    /// Returns the name and the CID of each link of a DAG-PB block. Blocks of other codecs count as
    /// blocks without links.
    pub fn links(&self, cid: &[u8]) -> Vec<(String, CidBytes)> {
        if cid[0] == 1 && cid[1] != 0x70 {
            return vec![];
        }
        let links = fields(&self.blocks[cid]).into_iter().filter(|(number, _)| *number == 2);
        let link = |(_, link)| {
            let parts: BTreeMap<u64, &[u8]> = fields(link).into_iter().collect();
            let name = String::from_utf8(parts.get(&2).unwrap_or(&&[][..]).to_vec()).unwrap();
            (name, parts[&1].to_vec())
        };
        links.map(link).collect()
    }

    pub fn child(&self, cid: &[u8], name: &str) -> CidBytes {
        let links = self.links(cid).into_iter();
        links.filter(|(found, _)| found == name).map(|(_, cid)| cid).next().expect(name)
    }

    /// Returns a block and all blocks below it, in depth-first order. A block that is linked
    /// several times occurs several times.
    pub fn all(&self, cid: &[u8]) -> Vec<CidBytes> {
        let mut found = vec![cid.to_vec()];
        for (_, link) in self.links(cid) {
            found.extend(self.all(&link));
        }
        found
    }

    /// Returns the shards of a sharded folder that lead to a name, and then the CID of the name's
    /// entry. It searches all shards instead of hashing the name.
    fn in_shards(&self, shard: &[u8], name: &str) -> Option<Vec<CidBytes>> {
        for (found, link) in self.links(shard) {
            if found.len() == 2 {
                if let Some(rest) = self.in_shards(&link, name) {
                    return Some([vec![shard.to_vec()], rest].concat());
                }
            } else if &found[2..] == name {
                return Some(vec![shard.to_vec(), link]);
            }
        }
        None
    }

    /// Returns the blocks of a sharded folder in depth-first order.
    fn shards(&self, shard: &[u8]) -> Vec<CidBytes> {
        let mut found = vec![shard.to_vec()];
        for (name, link) in self.links(shard) {
            if name.len() == 2 {
                found.extend(self.shards(&link));
            }
        }
        found
    }
}

pub fn fixture(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dar_car");
    fs::read(directory.join(format!("{name}.car"))).expect("the CAR is committed")
}

pub fn text(cid: &[u8]) -> String {
    crate::dar_support::cid(cid).to_string()
}

/// The program `dacti serve`, which serves a folder of archives.
pub struct Site {
    served: Served,
    pub folder: Folder,
}

impl Site {
    /// Serves archives that are made from CARs of these names.
    pub fn of(cars: &[&str]) -> Self {
        let options = WriteOptions { index: true, ..WriteOptions::default() };
        let mut files = vec![];
        for name in cars {
            let bytes = fixture(name);
            let (dar, _) = from_car(&bytes[..], Vec::new(), &options).expect(name);
            files.push((format!("archives/{name}.dar"), dar));
        }
        Self::of_files(&files)
    }

    pub fn of_files(files: &[(String, Vec<u8>)]) -> Self {
        let folder = Folder::new();
        for (name, bytes) in files {
            let path = folder.at("site").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { served: Served::start(&folder.at("site"), &[]), folder }
    }

    pub fn address(&self) -> &str {
        &self.served.address
    }

    pub fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        http::ask(&self.served.address, method, path, fields).expect(path)
    }

    pub fn get(&self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields)
    }

    /// Requests a CAR. Checks that the answer has exactly the expected blocks, in this order and
    /// with the right bytes.
    #[track_caller]
    fn check(&self, dag: &Dag, path: &str, fields: &str, expected: &[CidBytes]) -> Answer {
        let answer = self.get(path, fields);
        let told = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{path}: {told}");
        let (_, sections) = car(&answer.body);
        let found: Vec<String> = sections.iter().map(|(cid, _)| text(cid)).collect();
        let expected: Vec<String> = expected.iter().map(|cid| text(cid)).collect();
        assert_eq!(found, expected, "{path}");
        for (cid, data) in sections {
            assert_eq!(dag.blocks[&cid], data, "{path}");
        }
        assert!(answer.field("content-type").contains("application/vnd.ipld.car; version=1"));
        answer
    }
}

const TWO_FILES: &str = "subdir-with-two-single-block-files";
const CBOR: &str = "dir-with-dag-cbor-with-links";
const HAMT: &str = "single-layer-hamt-with-multi-block-files";
const MIXED: &str = "subdir-with-mixed-block-files";
const MISSING: &str = "file-3k-and-3-blocks-missing-block";
const COPIES: &str = "dir-with-duplicate-files";

/// Returns the file of 1,026 bytes from the DAG of mixed files: its CID and its blocks.
fn multiblock(dag: &Dag) -> (CidBytes, Vec<CidBytes>) {
    let file = dag.child(&dag.child(&dag.root, "subdir"), "multiblock.txt");
    let all = dag.all(&file);
    assert_eq!(all.len(), 6);
    (file, all)
}

#[test]
fn case_1_a_file_by_its_path() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let root = text(&dag.root);
    let folder = dag.child(&dag.root, "subdir");
    let file = dag.child(&folder, "ascii.txt");
    let expected = [dag.root.clone(), folder, file];
    site.check(&dag, &format!("/ipfs/{root}/subdir/ascii.txt?format=car"), "", &expected);
    // Sends the same request with an `Accept` field instead of a query, and with a double slash in
    // the path.
    let accept = "Accept: application/vnd.ipld.car\r\n";
    site.check(&dag, &format!("/ipfs/{root}//subdir/%61scii.txt"), accept, &expected);
}

#[test]
fn case_2_a_path_through_dag_cbor() {
    let (site, dag) = (Site::of(&[CBOR]), Dag::of(CBOR));
    let document = dag.child(&dag.root, "document");
    let file = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    let file = file.parse::<dacti_dar::Cid>().unwrap().to_bytes();
    let path = format!("/ipfs/{}/files/single?format=car", text(&document));
    site.check(&dag, &path, "", &[document.clone(), file.clone()]);
    let path = format!("/ipfs/{}/document/files/single?format=car", text(&dag.root));
    site.check(&dag, &path, "", &[dag.root.clone(), document.clone(), file]);
    // A document is a single block. So with the scope `entity`, the answer has only this block.
    let path = format!("/ipfs/{}/document?format=car&dag-scope=entity", text(&dag.root));
    site.check(&dag, &path, "", &[dag.root.clone(), document.clone()]);
    // This path ends at a map inside the document, so it leads to no block.
    let answer = site.get(&format!("/ipfs/{}/files?format=car", text(&document)), "");
    assert_eq!(answer.status, 501);
    let answer = site.get(&format!("/ipfs/{}/files/none?format=car", text(&document)), "");
    assert_eq!(answer.status, 404);
}

#[test]
fn case_3_a_name_that_is_not_there() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let path = format!("/ipfs/{}/subdir/i-do-not-exist", text(&dag.root));
    let answer = site.get(&format!("{path}?format=car"), "");
    assert_eq!(answer.status, 404);
    // The error names the path that leads nowhere.
    assert_eq!(String::from_utf8(answer.body).unwrap(), format!("nothing is at {path}\n"));
    assert_eq!(answer.fields["cache-control"], "no-store");
}

#[test]
fn cases_4_to_6_scopes_of_a_folder_and_a_file() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let root = text(&dag.root);
    let folder = dag.child(&dag.root, "subdir");
    let file = dag.child(&folder, "ascii.txt");
    let car = |path: &str, scope| format!("/ipfs/{root}{path}?format=car&dag-scope={scope}");
    let to_folder = [dag.root.clone(), folder.clone()];
    site.check(&dag, &car("/subdir", "block"), "", &to_folder);
    let to_file = [dag.root.clone(), folder, file];
    site.check(&dag, &car("/subdir/ascii.txt", "block"), "", &to_file);
    site.check(&dag, &car("", "entity"), "", std::slice::from_ref(&dag.root));
    site.check(&dag, &car("/subdir", "entity"), "", &to_folder);
}

#[test]
fn case_7_a_file_in_a_sharded_folder() {
    let (site, dag) = (Site::of(&[HAMT]), Dag::of(HAMT));
    let root = text(&dag.root);
    for name in ["685.txt", "1.txt"] {
        let way = dag.in_shards(&dag.root, name).expect(name);
        assert!(way.len() >= 3, "at least two shards");
        let path = format!("/ipfs/{root}/{name}?format=car&dag-scope=block");
        site.check(&dag, &path, "", &way);
        let (file, shards) = way.split_last().unwrap();
        let all = [shards.to_vec(), dag.all(file)].concat();
        site.check(&dag, &format!("/ipfs/{root}/{name}?format=car"), "", &all);
    }
    // A folder as an entity has all its shards, and none of its files. For a folder, a byte range
    // has no effect.
    let shards = dag.shards(&dag.root);
    assert!(shards.len() > 10);
    for more in ["dag-scope=entity", "dag-scope=entity&entity-bytes=0:*", "entity-bytes=5:9"] {
        site.check(&dag, &format!("/ipfs/{root}?format=car&{more}"), "", &shards);
    }
    let answer = site.get(&format!("/ipfs/{root}/none.txt?format=car"), "");
    assert_eq!(answer.status, 404);
}

#[test]
fn cases_8_and_9_an_entity_and_all_below_a_folder() {
    let (site, dag) = (Site::of(&[MIXED]), Dag::of(MIXED));
    let root = text(&dag.root);
    let folder = dag.child(&dag.root, "subdir");
    let to_folder = vec![dag.root.clone(), folder.clone()];
    let file = [to_folder.clone(), multiblock(&dag).1].concat();
    let path = format!("/ipfs/{root}/subdir/multiblock.txt?format=car&dag-scope=");
    site.check(&dag, &format!("{path}entity"), "", &file);
    site.check(&dag, &format!("{path}all"), "", &file);
    site.check(&dag, &format!("{path}entity&entity-bytes=0:*"), "", &file);
    let all = [vec![dag.root.clone()], dag.all(&folder)].concat();
    site.check(&dag, &format!("/ipfs/{root}/subdir?format=car&dag-scope=all"), "", &all);
}

#[test]
fn cases_10_and_11_ranges_of_a_file() {
    let (site, dag) = (Site::of(&[MIXED]), Dag::of(MIXED));
    let (file, blocks) = multiblock(&dag);
    let path = format!("/ipfs/{}?format=car&dag-scope=entity", text(&file));
    // Each case has a byte range and the numbers of the leaves that it covers. A leaf has 256
    // bytes, and the last leaf has 2.
    let mut tags = vec![];
    for (bytes, leaves) in [
        ("512:*", 3..6),
        ("512:1023", 3..5),
        ("512:-256", 3..5),
        ("-5:*", 4..6),
        ("-9999:*", 1..6),
        ("-9999:-3", 1..5),
        ("0:0", 1..2),
        ("255:256", 1..3),
        ("1025:99999", 5..6),
        ("-1:-1", 5..6),
        // This range ends before it begins, so it is empty. The answer has only the root block.
        ("9:8", 1..1),
    ] {
        let expected = [&blocks[..1], &blocks[leaves]].concat();
        let answer = site.check(&dag, &format!("{path}&entity-bytes={bytes}"), "", &expected);
        tags.push(answer.field("etag").to_owned());
        // The parameter `entity-bytes` implies the scope `entity`.
        let implied = format!("/ipfs/{}?format=car&entity-bytes={bytes}", text(&file));
        site.check(&dag, &implied, "", &expected);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 11, "each range has a tag of its own");
    for (bytes, status) in [("1026:*", 400), ("2000:3000", 400), ("-3000:-2000", 400), ("x:1", 400)]
    {
        let answer = site.get(&format!("{path}&entity-bytes={bytes}"), "");
        assert_eq!(answer.status, status, "{bytes}");
    }
    // Requests for a raw block can also have a byte range.
    let leaf = text(&blocks[1]);
    let path = format!("/ipfs/{leaf}?format=car&entity-bytes=");
    site.check(&dag, &format!("{path}5:9"), "", &blocks[1..2]);
    assert_eq!(site.get(&format!("{path}256:300"), "").status, 400);
}

#[test]
fn case_12_a_block_that_is_missing_outside_of_the_range() {
    let (site, dag) = (Site::of(&[MISSING]), Dag::of(MISSING));
    let links: Vec<CidBytes> = dag.links(&dag.root).into_iter().map(|(_, cid)| cid).collect();
    let path = format!("/ipfs/{}?format=car&dag-scope=entity&entity-bytes=", text(&dag.root));
    let root = dag.root.clone();
    site.check(&dag, &format!("{path}0:1000"), "", &[root.clone(), links[0].clone()]);
    site.check(&dag, &format!("{path}2200:*"), "", &[root, links[2].clone()]);
}

#[test]
fn cases_13_to_15_blocks_that_repeat() {
    let (site, dag) = (Site::of(&[COPIES]), Dag::of(COPIES));
    let path = format!("/ipfs/{}", text(&dag.root));
    let all = dag.all(&dag.root);
    let mut once = all.clone();
    once.remove(2);
    assert!(all[1] == all[2] && once.len() == 9);
    let accept =
        |dups| format!("Accept: application/vnd.ipld.car; version=1; order=dfs; dups={dups}\r\n");
    let kind = |dups| format!("application/vnd.ipld.car; version=1; order=dfs; dups={dups}");
    for (path, fields, expected, dups) in [
        (path.clone(), accept("y"), &all, "y"),
        (path.clone(), accept("n"), &once, "n"),
        (format!("{path}?format=car"), accept("y"), &all, "y"),
        // If the client states no preference, the answer has each block once, in depth-first order.
        // A client that accepts an "unknown order" accepts this order, too.
        (format!("{path}?format=car"), String::new(), &once, "n"),
        (path.clone(), "Accept: application/vnd.ipld.car; order=unk\r\n".into(), &once, "n"),
        // The query takes precedence over the `Accept` field.
        (
            format!("{path}?format=car&car-dups=n&car-order=dfs&car-version=1"),
            accept("y"),
            &once,
            "n",
        ),
        (format!("{path}?format=car&car-dups=y"), String::new(), &all, "y"),
    ] {
        let answer = site.check(&dag, &path, &fields, expected);
        assert_eq!(answer.field("content-type"), kind(dups), "{path}");
    }
    // The folder links to this leaf twice. A request for the leaf alone returns its block once.
    let file = text(&all[1]);
    site.check(&dag, &format!("/ipfs/{file}?format=car"), "", &all[1..2]);
}

#[test]
fn identity_cids_are_blocks_without_a_section() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    // The specification uses the first CID to test whether a gateway is reachable. The second CID
    // is from the conformance tests for gateways.
    for (name, content) in [
        ("bafkqaaa", ""),
        ("bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa", "hello i am inlined cid\n"),
    ] {
        let answer = site.get(&format!("/ipfs/{name}?format=raw"), "");
        assert_eq!((answer.status, answer.body), (200, content.as_bytes().to_vec()));
        let accept = "Accept: application/vnd.ipld.car; dups=y\r\n";
        let answer = site.check(&dag, &format!("/ipfs/{name}"), accept, &[]);
        assert!(answer.field("content-type").contains("dups=y"));
        let root = name.parse::<dacti_dar::Cid>().unwrap().to_bytes();
        let (head, _) = car(&answer.body);
        assert!(head.windows(root.len()).any(|window| window == root), "it is the root");
        assert_eq!(site.ask("HEAD", &format!("/ipfs/{name}?format=raw"), "").status, 200);
    }
}

#[test]
fn both_versions_of_a_cid_name_a_block() {
    let (site, dag) = (Site::of(&[TWO_FILES, MISSING]), Dag::of(MISSING));
    let root = crate::dar_support::cid(&dag.root);
    let other = root.other_version().expect("a CID of version 0");
    for cid in [&root, &other] {
        let answer = site.get(&format!("/ipfs/{cid}?format=raw"), "");
        assert_eq!(answer.body, dag.blocks[&dag.root], "{cid}");
    }
    // The program also accepts CIDs in other bases.
    let answer = site.get(&format!("/ipfs/F{}?format=raw", hex(&other.to_bytes())), "");
    assert_eq!(answer.body, dag.blocks[&dag.root]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn the_archives_of_a_site_are_one_store() {
    // Each archive holds a half of one DAG: one has the folders without their files, and one has
    // the files.
    let dag = Dag::of(MIXED);
    let folder = dag.child(&dag.root, "subdir");
    let upper = [dag.root.clone(), folder.clone()];
    let halves = [true, false].map(|is_upper| {
        let blocks = dag.blocks.iter().filter(|(cid, _)| upper.contains(cid) == is_upper);
        let blocks: Vec<(&CidBytes, &Vec<u8>)> = blocks.collect();
        let roots = if is_upper { vec![dag.root.clone()] } else { vec![blocks[0].0.clone()] };
        let car = dacti_tests::dar_reference::car_v1(&roots, blocks);
        let options = WriteOptions { index: true, ..WriteOptions::default() };
        (format!("{is_upper}.dar"), from_car(&car[..], Vec::new(), &options).unwrap().0)
    });
    let site = Site::of_files(&halves);
    let path = format!("/ipfs/{}?format=car", text(&dag.root));
    site.check(&dag, &path, "", &dag.all(&dag.root));
}
