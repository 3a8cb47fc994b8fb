//! The entry points of the fuzzers. Each entry point gives untrusted bytes to one reader. It
//! compares the result with that of the reference, or with that of a second way of reading.
//!
//! `fuzz.rs` runs them with mutated seeds, which are the same in every run. The program in `fuzz/`
//! uses coverage to choose the inputs.

use crate::support::{fixtures, uuid_of};
use crate::{answers, container, heads, index, names, package};
use dacti::{BuildOptions, PackageBuilder};
use dacti_cdn::{Action, Digest, Edit, Plan, Put, Snapshot, SnapshotReader, UpdatePolicy};
use dacti_dar::{
    Archive, CarStream, CarWriter, Cid, CidList, Error, Limits, Misuse, ReadError, ReadOptions,
    Reader, StreamEvent, StreamReader, WriteOptions, Writer, from_car, multihash,
};
use dacti_index::{Encoding, Located};
use dacti_tests::expect;
use dacti_tests::reference::{self as by, small};
use daicon_core::Span;
use std::sync::OnceLock;

/// An entry point.
pub struct Entry {
    pub name: &'static str,
    /// Returns the initial inputs, each with a name.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
    /// Runs the reader, and panics if a result is wrong.
    pub run: fn(&[u8]),
}

pub const ENTRIES: &[Entry] = &[
    Entry { name: "container", seeds: || of_areas(&["container", "index"]), run: container },
    Entry { name: "index", seeds: || of_areas(&["index"]), run: index },
    Entry { name: "names", seeds: names_seeds, run: names },
    Entry { name: "package", seeds: || of_areas(&["package", "index"]), run: package },
    Entry { name: "brotli", seeds: brotli_seeds, run: brotli },
    Entry { name: "dar", seeds: dar_seeds, run: dar },
    Entry { name: "car", seeds: car_seeds, run: car },
    Entry { name: "plan", seeds: plan_seeds, run: plan },
    Entry { name: "parts", seeds: || of_areas(&["parts"]), run: heads::fuzz },
    Entry { name: "http", seeds: answers::http_seeds, run: answers::http },
    Entry { name: "remote", seeds: answers::remote_seeds, run: answers::remote },
];

fn of_areas(areas: &[&str]) -> Vec<(String, Vec<u8>)> {
    areas.iter().flat_map(|area| fixtures(area)).map(|f| (f.name, f.bytes)).collect()
}

fn container(file: &[u8]) {
    container::check_against_reference(file, "fuzzed bytes");
}

fn index(file: &[u8]) {
    let expected = expect::dump_of("index", file).map_err(|fault| fault.to_string());
    assert_eq!(index::dump_of(file), expected);
}

fn names_seeds() -> Vec<(String, Vec<u8>)> {
    let mut files = of_areas(&["names"]);
    // Good files occur several times in the list, because most mutations make a count or a length
    // wrong, which ends reading early.
    for _ in 0..5 {
        let good = fixtures("names").into_iter().filter(|fixture| fixture.is_good());
        files.extend(good.map(|fixture| (fixture.name, fixture.bytes)));
    }
    files
}

fn names(content: &[u8]) {
    let expected = expect::dump_of("names", content).map_err(|fault| fault.to_string());
    assert_eq!(names::ours(content), expected);
}

fn package(file: &[u8]) {
    let expected = expect::dump_of("package", file);
    let ours = package::dump_of(file);
    match (&ours, &expected) {
        (Ok(ours), Ok(expected)) => assert_eq!(ours, expected),
        // A file can have several faults. The two readers may then report different ones.
        (Err(_), Err(_)) => {}
        // If the seal component has a fault, readers refuse every region (R-SEAL-19). A package
        // without regions has nothing to refuse, so our reader opens it.
        (Ok(_), Err(fault)) if package::is_bare_with(file, &fault.to_string()) => {}
        _ => panic!("{ours:?} for {expected:?}"),
    }
    package::check_map(file);
}

fn brotli_seeds() -> Vec<(String, Vec<u8>)> {
    let text = b"to be, or not to be, that is the question; ".repeat(50);
    let mut files = vec![("stored".to_owned(), by::brotli_stored(&text))];
    for quality in [0, 5, 11] {
        let mut stream = Vec::new();
        let params = brotli::enc::BrotliEncoderParams {
            quality,
            ..brotli::enc::BrotliEncoderParams::default()
        };
        brotli::BrotliCompress(&mut &text[..], &mut stream, &params).expect("memory takes all");
        files.push((format!("quality {quality}"), stream));
    }
    files
}

fn brotli(stored: &[u8]) {
    let cap = 1 << 16;
    let span = Span { start: 5, end: 5 + stored.len() as u64 };
    let located = Located { id: uuid_of(small(1)), span, encoding: Encoding::BROTLI, at: 0 };
    let file = [&[0; 5], stored].concat();
    let ours = index::content(&file, &located, cap);
    assert!(ours.as_ref().map_or(0, Vec::len) as u64 <= cap);
    let expected =
        by::unbrotli(stored, cap).map_err(|kind| format!("error {kind} brotli stream at 0x5"));
    assert_eq!(ours, expected);
}

/// Returns small limits. With these, a wrong length in the input costs little time and memory.
fn dar_limits() -> Limits {
    Limits {
        block_len_max: 1 << 16,
        header_len_max: 1 << 16,
        blocks_max: 1 << 10,
        pending_len_max: 1 << 20,
        ..Limits::default()
    }
}

fn dar_options() -> ReadOptions {
    ReadOptions { limits: dar_limits(), ..ReadOptions::default() }
}

/// Returns a DAG-CBOR list with links to two leaves, and the two leaves.
fn dar_blocks() -> Vec<(Cid, Vec<u8>)> {
    let block = |codec, data: Vec<u8>| {
        (Cid::new_v1(codec, multihash(0x12, &data).expect("sha2-256 is known")), data)
    };
    let leaves = [block(0x55, b"one leaf".to_vec()), block(0x55, vec![7; 300])];
    let mut list = vec![0x82];
    for (cid, _) in &leaves {
        let bytes = cid.to_bytes();
        list.extend([0xd8, 0x2a, 0x58, bytes.len() as u8 + 1, 0]);
        list.extend(bytes);
    }
    [block(0x71, list)].into_iter().chain(leaves).collect()
}

fn dar_seeds() -> Vec<(String, Vec<u8>)> {
    let blocks = dar_blocks();
    let archive = |index| {
        let options = WriteOptions { index, ..WriteOptions::default() };
        let mut out = Vec::new();
        let mut writer = Writer::with_options(&mut out, &options).expect("a vector");
        writer.root(&blocks[0].0, &blocks[0].1).expect("a root");
        for (cid, data) in &blocks[1..] {
            writer.block(cid, data).expect("in order");
        }
        writer.finish().expect("complete");
        out
    };
    vec![("plain".to_owned(), archive(false)), ("indexed".to_owned(), archive(true))]
}

type Blocks = Vec<(Cid, Vec<u8>)>;

/// Reads an archive as a stream. The machine alone must have the same result when it is fed from a
/// slice. If a good archive has an index, random access must find each block.
fn dar(bytes: &[u8]) {
    let streamed = streamed(bytes);
    assert_eq!(streamed.is_ok(), fed(bytes), "{streamed:?}");
    let archive = Archive::open_with(bytes.to_vec(), &dar_options());
    match (streamed, archive) {
        (Ok(blocks), Ok(archive)) => {
            let indexed = archive.index_at().is_some();
            for (cid, data) in blocks {
                match archive.get(&cid) {
                    Ok(found) => assert_eq!(found.as_ref(), Some(&data), "{cid}"),
                    Err(ReadError::Format(Error::Misuse(Misuse::NoIndex))) if !indexed => {}
                    Err(error) => panic!("{cid} of a good archive: {error}"),
                }
            }
        }
        (Ok(_), Err(error)) => panic!("a good archive does not open: {error}"),
        // Random access reads only a part of the archive, so it may not notice the fault.
        (Err(_), Ok(archive)) => {
            for root in archive.roots().unwrap_or_default() {
                let _ = archive.get(&root.cid);
            }
        }
        (Err(_), Err(_)) => {}
    }
}

fn streamed(bytes: &[u8]) -> Result<Blocks, ReadError> {
    let mut reader = Reader::with_options(bytes, &dar_options());
    let mut blocks = Vec::new();
    while let Some((cid, data)) = reader.next_block()? {
        blocks.push((cid, data.to_vec()));
    }
    Ok(blocks)
}

fn fed(bytes: &[u8]) -> bool {
    let mut machine = StreamReader::new(&dar_options());
    let mut whole = false;
    while let Some(want) = machine.want() {
        let start = (want.start as usize).min(bytes.len());
        match machine.feed(&bytes[start..]) {
            Ok(event) => whole |= matches!(event, Some(StreamEvent::End)),
            Err(_) => return false,
        }
    }
    whole
}

fn car_seeds() -> Vec<(String, Vec<u8>)> {
    let blocks = dar_blocks();
    let mut car = Vec::new();
    let roots = CidList::from([blocks[0].0.clone()]);
    let mut writer = CarWriter::new(&mut car, &roots).expect("a vector");
    for (cid, data) in &blocks {
        writer.block(cid, data).expect("a vector");
    }
    writer.finish().expect("a vector");
    vec![("car".to_owned(), car)]
}

/// Converts a CAR to an archive. Checks that the archive is complete, and that it has each block of
/// the CAR.
fn car(bytes: &[u8]) {
    let mut stream = CarStream::new(bytes, &dar_options());
    let mut blocks = Vec::new();
    let read = loop {
        match stream.next_block() {
            Ok(Some(block)) => blocks.push((block.cid.clone(), block.data.to_vec())),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    let options = WriteOptions { limits: dar_limits(), ..WriteOptions::default() };
    let Ok((made, _)) = from_car(bytes, Vec::new(), &options) else { return };
    assert!(read, "a CAR that cannot be read became an archive");
    let mut kept = streamed(&made).expect("what was written can be read");
    kept.sort();
    blocks.retain(|(cid, _)| !cid.is_identity());
    blocks.sort();
    blocks.dedup();
    assert_eq!(kept, blocks);
}

/// Returns the snapshot of a package that has a reserve for updates.
fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a place for a package");
        let path = dir.path().join("p");
        let mut builder = PackageBuilder::new(BuildOptions::default());
        builder.add("a.txt", b"content".to_vec()).expect("a path");
        builder.build(&path).expect("it can be built");
        let file = std::fs::read(path).expect("it was built");
        let mut reader = SnapshotReader::new(file.len() as u64);
        while let Some(want) = reader.want() {
            reader.feed(&file[want.start as usize..want.end as usize]).expect("a good package");
        }
        reader.finish().expect("a good package")
    })
}

fn plan_seeds() -> Vec<(String, Vec<u8>)> {
    let put = |size| {
        Edit::Put(Put {
            id: uuid_of(small(1)),
            encoding: Encoding::NONE,
            size,
            seal_len: 32,
            digest: Digest([7; 32]),
            replaced_len: 0,
        })
    };
    let plans = [1, 70_000].map(|size| {
        let plan = dacti_cdn::plan(snapshot(), &[put(size)], &UpdatePolicy::default());
        serde_json::to_vec(&plan.expect("there is room")).expect("JSON")
    });
    plans.into_iter().map(|plan| ("put".to_owned(), plan)).collect()
}

/// Checks an untrusted plan. If the check accepts the plan, its switch and its reserves must lie in
/// the head, and all other writes after the end of the file.
fn plan(json: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<Plan>(json) else { return };
    let snapshot = snapshot();
    if dacti_cdn::check(&plan, snapshot).is_err() {
        return;
    }
    let head_len = dacti_cdn::HEAD_LEN;
    for step in &plan.steps {
        match &step.action {
            Action::Append(append) => assert!(append.at >= snapshot.state().len, "{plan:?}"),
            Action::Reserve(reserve) => {
                assert_eq!(reserve.before.len(), reserve.after.len(), "{plan:?}");
                assert!(reserve.at + reserve.after.len() as u64 <= head_len, "{plan:?}");
            }
            Action::Switch(switch) => {
                assert_eq!(switch.before.len(), switch.after.len(), "{plan:?}");
                assert!(switch.at + switch.after.len() as u64 <= head_len, "{plan:?}");
            }
            Action::Barrier(_) => {}
        }
    }
}
