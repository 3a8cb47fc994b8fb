//! The cost of reading parts of a DAR archive with a real nginx, compared with an indexed CAR v2 of
//! the same blocks. The test reads the CAR as its specification says: the header, the whole index,
//! and then a range for each block. The index of a CAR does not state the places of a block's
//! descendants. Libraries from npm read the same blocks, if they can.

use super::counts::Relay;
use super::npm::{programs, run};
use dacti_dar::unixfs::{Builder, Item, Metadata, Profile};
use dacti_dar::{BlockStore, Cid, ReadError, WriteOptions, Writer, write_dag};
use dacti_tests::dar_reference::car_v2;
use dacti_tests::http;
use dacti_tests::lab::{Lab, Lifetimes, Tool, full, missing};
use dacti_tests::program::program;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

type Blocks = BTreeMap<Vec<u8>, Vec<u8>>;

/// The number of files in each folder. Together, a folder and its files are 1,000 blocks.
const FILES: usize = 999;

struct Dag {
    root: Cid,
    blocks: Blocks,
    /// The CIDs of the folders. `files` has the CIDs of the files in one folder.
    folders: Vec<Cid>,
    files: Vec<Cid>,
}

fn content(folder: usize, file: usize) -> Vec<u8> {
    format!("folder {folder}, file {file}: ").repeat(4).into_bytes()
}

/// Returns a folder that has `folders` folders of short files.
fn dag(folders: usize) -> Dag {
    let mut dag = Dag {
        root: Cid::new_identity(0x55, b"").unwrap(),
        blocks: Blocks::new(),
        folders: vec![],
        files: vec![],
    };
    let mut made: Vec<(Cid, Vec<u8>)> = vec![];
    let mut entries = vec![];
    for folder in 0..folders {
        let mut files = vec![];
        for file in 0..FILES {
            let data = content(folder, file);
            let item = Item::leaf(&data);
            dag.blocks.insert(item.cid.to_bytes(), data);
            files.push((format!("file-{file:03}"), item));
        }
        if folder == folders / 2 {
            dag.files = files.iter().map(|(_, item)| item.cid.clone()).collect();
        }
        let mut builder = Builder::new(Profile::default(), |cid: &Cid, block| {
            made.push((cid.clone(), block));
        });
        let item = builder.folder(files, &Metadata::default()).unwrap();
        dag.folders.push(item.cid.clone());
        entries.push((format!("folder-{folder:04}"), item));
    }
    let mut builder =
        Builder::new(Profile::default(), |cid: &Cid, block| made.push((cid.clone(), block)));
    dag.root = builder.folder(entries, &Metadata::default()).unwrap().cid;
    dag.blocks.extend(made.into_iter().map(|(cid, block)| (cid.to_bytes(), block)));
    dag
}

struct Store<'b>(&'b Blocks);

impl BlockStore for Store<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let found = self.0.get(&cid.to_bytes());
        into.extend(found.into_iter().flatten());
        Ok(found.is_some())
    }
}

/// Runs `dacti dar` with `--stats`. Returns the numbers of requests and bytes that the relay
/// counts.
#[track_caller]
fn dar(relay: &Relay, folder: &Path, arguments: &[&str]) -> (u64, u64) {
    relay.take();
    let url = format!("http://{}/x.dar", relay.address());
    let mut command = Command::new(program());
    command.current_dir(folder).args(["dar", arguments[0], &url]).args(&arguments[1..]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    relay.take()
}

/// A reader of a CAR v2.
struct Car<'r> {
    relay: &'r Relay,
    /// The records of the index, sorted by digest. A record has 40 bytes: a digest and an offset.
    index: Vec<u8>,
    data_at: u64,
}

impl<'r> Car<'r> {
    fn open(relay: &'r Relay) -> Self {
        let header = get(relay, 0, 51);
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        let (data_at, index_at) = (number(27), number(43));
        let index = get(relay, index_at, 1 << 40);
        // Skips the fields before the records: the codec (two bytes), the number of hash functions,
        // the hash code, the number of widths, a width and a length.
        Self { relay, index: index[2 + 4 + 8 + 4 + 4 + 8..].to_vec(), data_at }
    }

    /// Reads a block. Its length is not known before the first read, so this read has a fixed
    /// length. If the block is longer, a second read fetches the rest.
    fn block(&self, cid: &Cid) -> Vec<u8> {
        let records: Vec<&[u8]> = self.index.chunks(40).collect();
        let at = records.binary_search_by(|record| record[..32].cmp(cid.digest())).unwrap();
        let at = self.data_at + u64::from_le_bytes(records[at][32..].try_into().unwrap());
        let mut bytes = get(self.relay, at, 4096);
        let (mut len, mut used) = (0_u64, 0);
        loop {
            len |= u64::from(bytes[used] & 0x7f) << (7 * used);
            used += 1;
            if bytes[used - 1] < 0x80 {
                break;
            }
        }
        let end = used + usize::try_from(len).unwrap();
        if end > bytes.len() {
            bytes.extend(get(self.relay, at + 4096, (end - 4096) as u64));
        }
        bytes[used + cid.to_bytes().len()..end].to_vec()
    }
}

fn get(relay: &Relay, at: u64, len: u64) -> Vec<u8> {
    let range = format!("Range: bytes={at}-{}\r\n", at + len - 1);
    let answer = http::ask(&relay.address().to_string(), "GET", "/x.car", &range).unwrap();
    assert_eq!(answer.status, 206);
    answer.body
}

/// Reads blocks of the CAR with libraries from npm. Returns the numbers of requests and bytes that
/// the relay counts, or `None` if npm is not installed.
fn public(relay: &Relay, cids: &[&Cid]) -> Option<(u64, u64)> {
    if missing(&[Tool::NODE, Tool::NPM]) {
        return None;
    }
    relay.take();
    let url = format!("http://{}/x.car", relay.address());
    let mut node = Tool::NODE.command().unwrap();
    node.current_dir(programs()).args(["car.mjs", "ranges", &url]);
    run(node.args(cids.iter().map(ToString::to_string)));
    Some(relay.take())
}

/// Prints how many bytes of a local file `CarIndexedReader` reads for one block. This reader cannot
/// read URLs.
fn indexed_reader(car: &Path, cid: &Cid) {
    if missing(&[Tool::NODE, Tool::NPM]) {
        return;
    }
    let mut node = Tool::NODE.command().unwrap();
    node.current_dir(programs()).args(["car.mjs", "file"]).arg(car).arg(cid.to_string());
    let told: serde_json::Value = serde_json::from_str(&run(&mut node)).unwrap();
    let bytes = told["bytes"].as_u64().unwrap();
    eprintln!("CarIndexedReader of @ipld/car reads {bytes} bytes of the file for one block");
    assert!(bytes > fs::metadata(car).unwrap().len() / 2, "it scans the file: {bytes}");
}

#[test]
fn parts_of_an_archive_take_few_requests() {
    if missing(&[Tool::NGINX]) {
        return;
    }
    let folders = if full() { 1_000 } else { 50 };
    let dag = dag(folders);
    assert_eq!(dag.blocks.len(), folders * (FILES + 1) + 1);
    let lab = Lab::start(Lifetimes { head: 2, data: 3600 }).unwrap();
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).unwrap();
    assert!(write_dag(&mut writer, &dag.root, &mut Store(&dag.blocks)).unwrap());
    fs::write(lab.data().join("x.dar"), writer.finish().unwrap().0).unwrap();
    fs::write(lab.data().join("x.car"), car_v2(&[dag.root.to_bytes()], &dag.blocks)).unwrap();
    let relay = Relay::start(lab.origin());
    let out = tempfile::tempdir().unwrap();
    let (folder, file) = (&dag.folders[folders / 2], &dag.files[123]);
    let expected = content(folders / 2, 123);
    let row = |part: &str, dar: (u64, u64), car: (u64, u64), cids: &[&Cid]| {
        let public = public(&relay, cids);
        let others =
            public.map_or("- | -".into(), |(requests, bytes)| format!("{requests} | {bytes}"));
        let count = dag.blocks.len();
        eprintln!(
            "| {count} | {part} | {} | {} | {} | {} | {others} |",
            dar.0, dar.1, car.0, car.1
        );
    };

    let dar_cost = dar(&relay, out.path(), &["get", &file.to_string(), "-o", "block"]);
    assert_eq!(fs::read(out.path().join("block")).unwrap(), expected);
    assert!(dar_cost.0 <= 4 && dar_cost.1 <= 4 * (65_536 + 1_024), "{dar_cost:?}");
    let car = Car::open(&relay);
    assert_eq!(car.block(file), expected);
    row("one block", dar_cost, relay.take(), &[file]);
    indexed_reader(&lab.data().join("x.car"), file);

    let dar_cost = dar(&relay, out.path(), &["extract", &folder.to_string(), "-o", "sub.dar"]);
    assert!(dar_cost.0 <= 4, "{dar_cost:?}");
    let car = Car::open(&relay);
    assert_eq!(car.block(folder), dag.blocks[&folder.to_bytes()]);
    for file in &dag.files {
        assert_eq!(car.block(file), dag.blocks[&file.to_bytes()]);
    }
    let all: Vec<&Cid> = [folder].into_iter().chain(&dag.files).collect();
    row("a DAG of 1,000 blocks", dar_cost, relay.take(), &all);

    let path = format!("folder-{:04}/file-123", folders / 2);
    let arguments = ["extract", "--path", &path, "--files", "-C", "files"];
    let dar_cost = dar(&relay, out.path(), &arguments);
    assert_eq!(fs::read(out.path().join("files").join(file.to_string())).unwrap(), expected);
    // One range covers all leaves of the file.
    assert!(dar_cost.0 <= 6 + 1, "{dar_cost:?}");
    let car = Car::open(&relay);
    for cid in [&dag.root, folder, file] {
        assert_eq!(car.block(cid), dag.blocks[&cid.to_bytes()]);
    }
    row("a file by its path", dar_cost, relay.take(), &[&dag.root, folder, file]);
}
