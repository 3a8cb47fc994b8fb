//! UnixFS: compares our DAGs with those of another implementation, and reads files from CARs that
//! other programs wrote.
//!
//! The expected roots come from `ipfs-unixfs-importer` 17.1.1 of npm, a program of another project.
//! It ran once with its default settings (CIDs of version 1, raw leaves), and once with its profile
//! `unixfs-v1-2025`. The script is in `fixtures/dar_unixfs/README.md`.

use dacti_dar::unixfs::{self, Builder, FileReader, Item, Kind, Metadata, Node, Profile};
use dacti_dar::{Archive, BlockStore, Cid, ReadError, WriteOptions, from_car};
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

#[derive(Default)]
struct Blocks(HashMap<Cid, Vec<u8>>);

impl BlockStore for Blocks {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let found = self.0.get(cid);
        into.extend(found.into_iter().flatten());
        Ok(found.is_some())
    }
}

/// Returns a folder of `count` small files.
fn folder(count: u32, profile: Profile) -> (Cid, Blocks, Vec<(String, Cid)>) {
    let mut blocks = Blocks::default();
    let mut entries = vec![];
    for number in 0..count {
        let name = format!("file-{number:06}.txt");
        let content = format!("content of {name}\n").into_bytes();
        entries.push((name, Item::leaf(&content)));
    }
    let names = entries.iter().map(|(name, item)| (name.clone(), item.cid.clone())).collect();
    let mut builder = Builder::new(profile, |cid: &Cid, block: Vec<u8>| {
        blocks.0.insert(cid.clone(), block);
    });
    let root = builder.folder(entries, &Metadata::default()).expect("no hashes collide").cid;
    (root, blocks, names)
}

#[test]
fn folders_of_any_size_have_the_roots_of_another_importer() {
    for (count, default, block) in [
        (
            4000,
            "bafybeigmusbolebinxdw3z2ucv5otufndz7wnctts35jbcg6d2a5vghmvm",
            "bafybeigmusbolebinxdw3z2ucv5otufndz7wnctts35jbcg6d2a5vghmvm",
        ),
        (
            4700,
            "bafybeih6kqcaeposcfhe4en3klb5u725clvadf75memojnw3hkfohgv67e",
            "bafybeiah62z6yuxfv7lwrqeisvwzhp4kra3qsydaw52mejbfjmruvaxdla",
        ),
        (
            6000,
            "bafybeide55c7ombcq66mygq3iftfwlkz2hhnc2xzkx4vrw6inwulkv7iii",
            "bafybeide55c7ombcq66mygq3iftfwlkz2hhnc2xzkx4vrw6inwulkv7iii",
        ),
        (
            20_000,
            "bafybeibe3mwu5rg7vnru7zuu65s2d3q4dmnuuhkycicmrltqirr4i2htjm",
            "bafybeibe3mwu5rg7vnru7zuu65s2d3q4dmnuuhkycicmrltqirr4i2htjm",
        ),
        (
            60_000,
            "bafybeicy3ucfd4z4k3ei46sq33hm5hpzhlqh6neicyimizvjmf3bzakr4y",
            "bafybeicy3ucfd4z4k3ei46sq33hm5hpzhlqh6neicyimizvjmf3bzakr4y",
        ),
    ] {
        for (profile, expected) in [(Profile::default(), default), (Profile::v1_2025(), block)] {
            let (root, mut blocks, names) = folder(count, profile);
            assert_eq!(root.to_string(), expected, "{count} {profile:?}");
            // Looks up the names one by one, and then lists all of them.
            let node = Node::read(&root, &blocks.0[&root]).expect("it was built");
            for (name, cid) in names.iter().step_by(997) {
                let found = unixfs::find(&mut blocks, &root, node.clone(), name.as_bytes());
                assert_eq!(found.expect("it was built").as_ref(), Some(cid), "{name}");
            }
            let found = unixfs::find(&mut blocks, &root, node.clone(), b"absent");
            assert_eq!(found.expect("it was built"), None);
            let listed = unixfs::list(&mut blocks, &root, node.clone(), names.len());
            let listed = listed.expect("it was built").expect("within the limit");
            let mut listed: Vec<_> = listed
                .into_iter()
                .map(|entry| (String::from_utf8(entry.name).expect("UTF-8"), entry.cid))
                .collect();
            listed.sort();
            assert_eq!(listed, names);
            let fewer = unixfs::list(&mut blocks, &root, node, names.len() - 1);
            assert!(fewer.expect("it was built").is_none());
        }
    }
}

#[test]
fn large_files_have_the_roots_of_another_importer() {
    let expected = include_str!("../fixtures/dar_unixfs/file_roots.txt");
    let mut expected = expected.lines();
    for profile in [Profile::default(), Profile::v1_2025()] {
        // A JavaScript program computed these bytes for the other implementation. So this code uses
        // floating-point numbers, too.
        let byte = |at: u32| (f64::from(at) * 2_654_435_761.0 / 65_536.0) as i64 as u8;
        let bytes: Vec<u8> = (0..50_000_000).map(byte).collect();
        let leaves: Vec<Item> = bytes.chunks(profile.chunk_len as usize).map(Item::leaf).collect();
        let mut blocks = Blocks::default();
        for chunk in bytes.chunks(profile.chunk_len as usize) {
            blocks.0.insert(Item::leaf(chunk).cid, chunk.to_vec());
        }
        let mut builder = Builder::new(profile, |cid: &Cid, block: Vec<u8>| {
            blocks.0.insert(cid.clone(), block);
        });
        let root = builder.file(leaves, &Metadata::default()).cid;
        assert_eq!(Some(root.to_string().as_str()), expected.next());
        let node = Node::read(&root, &blocks.0[&root]).expect("it was built");
        let mut read = vec![];
        let mut reader = FileReader::new(&mut blocks, &root, node).expect("a file");
        reader.read_to_end(&mut read).expect("it was built");
        assert!(read == bytes);
    }
}

/// A block store that reads blocks from an archive. It finds them by the archive's index.
struct Indexed<'a>(&'a Archive<Vec<u8>>);

impl BlockStore for Indexed<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let found = self.0.get(cid)?;
        into.extend(found.iter().flatten());
        Ok(found.is_some())
    }
}

fn archive(name: &str) -> (Archive<Vec<u8>>, Cid) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dar_car");
    let car = fs::read(directory.join(name)).expect("the CAR is committed");
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let (dar, report) = from_car(&car[..], Vec::new(), &options).expect("it is good");
    let root = report.car_roots.iter().next().expect("it has one");
    (Archive::open(dar).expect("it is good"), root)
}

fn node(store: &mut Indexed<'_>, cid: &Cid) -> Node {
    let mut block = vec![];
    assert!(store.get(cid, &mut block).expect("it is good"));
    Node::read(cid, &block).expect("it is good")
}

#[test]
fn modes_and_times_that_others_recorded_are_read() {
    let (archive, root) = archive("boxo-unixfs-mode-mtime.car");
    let mut store = Indexed(&archive);
    let top = node(&mut store, &root);
    assert_eq!(top.kind, Kind::Folder);
    let entries = unixfs::list(&mut store, &root, top, 1000).expect("good").expect("few");
    let recorded = entries.iter().any(|entry| {
        let node = node(&mut store, &entry.cid);
        node.mode.is_some() || node.mtime.is_some()
    });
    assert!(recorded, "{entries:?}");
}

#[test]
fn sharded_folders_that_others_wrote_are_listed_and_searched() {
    for (name, least) in
        [("boxo-multilayer-hamt.car", 3), ("single-layer-hamt-with-multi-block-files.car", 200)]
    {
        let (archive, root) = archive(name);
        let mut store = Indexed(&archive);
        // In this archive, the sharded folder is in a folder that is not sharded.
        let (mut root, mut top) = (root.clone(), node(&mut store, &root));
        if top.kind == Kind::Folder {
            let entry = top.links.iter().find(|link| link.name == b"hamtDir");
            root = entry.expect("it is there").cid.clone();
            top = node(&mut store, &root);
        }
        assert_eq!(top.kind, Kind::Shard, "{name}");
        let all = unixfs::list(&mut store, &root, top.clone(), 100_000);
        let entries = all.expect("it is good").expect("within the limit");
        assert!(entries.len() >= least, "{name}: {}", entries.len());
        for entry in entries {
            let found = unixfs::find(&mut store, &root, top.clone(), &entry.name);
            assert_eq!(found.expect("it is good"), Some(entry.cid), "{name}");
        }
    }
}
