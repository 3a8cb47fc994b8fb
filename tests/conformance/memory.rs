//! Opening a package of ten million entries, and look-ups in it: the number of reads, the number of
//! bytes, and the memory.
//!
//! The reference's writers make the package. It has the head of a package of this size. Of the
//! index and the data, it has only the parts that the test reads; all other bytes are a hole. The
//! test is a binary of its own, because it counts the memory of the whole process.

use dacti::fetch::{Counted, FileSource, MmapSource, ReadAt, ReadStats};
use dacti::{Limits, Package};
use dacti_tests::reference::{self as by, Component, Entry, GROUP, Group, Id, Table, component};
use peak_alloc::PeakAlloc;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ENTRIES: u64 = 10_000_000;
const DELTAS: u64 = 4;
const INDEX_AT: u64 = 40_984;
/// The stride of the fences. It is the smallest stride with which the fences fit into the reserve
/// of 37,400 bytes.
const STRIDE: u64 = 9;

/// Returns the id of entry `n`. The ids are in ascending order, with the same distance between
/// them.
fn id(n: u64) -> Id {
    let lead = n * (u64::MAX / ENTRIES) + 12_345;
    let mut id = [0x80; 16];
    id[..8].copy_from_slice(&lead.to_be_bytes());
    id
}

/// Returns the content of the region of entry `n`, which has 1,024 bytes.
fn content(n: u64) -> Vec<u8> {
    n.to_le_bytes().repeat(128)
}

/// Writes the package. For each of the entries `asked`, it has the index block, the region and the
/// digest.
fn write(path: &Path, asked: &[u64]) {
    let groups = ENTRIES.div_ceil(255);
    let index_len = 8 + GROUP * (DELTAS + groups);
    let data_at = INDEX_AT + index_len;
    // A packer puts groups of up to 4 GiB into one id range. Here, each group is its own id range.
    let stored_len = 1024 + 32;
    let base = |group: u64| data_at + group * 255 * stored_len;
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let firsts: Vec<Id> = (0..groups).map(|group| id(group * 255)).collect();
    let keys = by::lookup(INDEX_AT, DELTAS as u32, &firsts, STRIDE as u32);
    assert!(keys.len() as u64 <= INDEX_AT - 3584);
    let shorter = by::lookup(INDEX_AT, DELTAS as u32, &firsts, STRIDE as u32 - 1);
    assert!(shorter.len() as u64 > INDEX_AT - 3584);
    let end = (data_at + ENTRIES * stored_len).next_multiple_of(1 << 20);
    let seal = by::seal_component(&hash);

    let mut head = by::head(by::PACKAGE, 0, 1);
    let components = vec![
        component(by::LAYOUT, 1000, 80),
        component(by::SEAL, 1080, 64),
        component(by::PARTS, 1536, 2048),
    ];
    let t1 = Table { extension: 504, slots: 16, components, ..Table::default() };
    by::place(&mut head, 28, &by::table(&t1));
    let components = vec![
        component(by::INDEX, INDEX_AT as u32, index_len as u32),
        Component { id: by::NAMES, major: 0, minor: 1, offset: 0, size: 0 },
        component(by::LOOKUP, 3584, keys.len() as u32),
    ];
    by::place(&mut head, 504, &by::table(&Table { slots: 8, components, ..Table::default() }));
    let (deltas, keys_len) = (DELTAS as u32, (INDEX_AT - 3584) as u32);
    let layout =
        by::Layout { file_id: [7; 16], slice: 1 << 20, end, deltas, keys_at: 3584, keys_len };
    by::place(&mut head, 1000, &by::layout(&layout));
    by::place(&mut head, 1080, &seal);
    by::place(&mut head, 3584, &keys);
    let index = by::index_with(0, (DELTAS + groups) as u32, &vec![by::delta(); DELTAS as usize]);
    by::place(&mut head, INDEX_AT as usize, &index);
    assert_eq!(head.len(), 65_536);

    let file = File::create(path).expect("it can be created");
    file.set_len(end).expect("it can be a hole");
    let write = |bytes: &[u8], at| file.write_all_at(bytes, at).expect("it can be written");
    write(&head, 0);
    for n in asked {
        // Writes the groups of the index block that has the entry, and the group after the block.
        let first = n / 255 / STRIDE * STRIDE;
        for group in first..(first + STRIDE + 1).min(groups) {
            let entries = (group * 255..((group + 1) * 255).min(ENTRIES)).map(|n| Entry {
                id: id(n),
                offset: ((n - group * 255) * stored_len) as u32,
                size: 1024,
            });
            let bytes = Group { base: base(group), entries: entries.collect(), ..Group::default() };
            write(&by::index(&[bytes])[8..], INDEX_AT + 8 + GROUP * (DELTAS + group));
        }
        let (group, content) = (n / 255, content(*n));
        let at = base(group) + (n - group * 255) * stored_len;
        write(&content, at);
        write(&by::seal(id(*n), by::NONE, &content, &hash), at + 1024);
    }
}

fn uuid(id: Id) -> Uuid {
    Uuid::from_bytes(id)
}

/// Returns the maximum number of bytes that `work` uses, in addition to those in use before.
fn memory<T>(work: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let value = work();
    (value, MEMORY.peak_usage() - before)
}

const MEGABYTE: usize = 1_000_000;
const HEAD: usize = 65_536;

/// This file has only one test, because the memory of other tests would be counted, too.
#[test]
fn ten_million_entries_cost_three_reads_and_less_than_a_megabyte() {
    // spec: R-LKP-10, R-LKP-19
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("ten-million.dacti-pack");
    let asked = [0, 77, 5_000_000, 5_000_001, 7_777_777, 9_999_999];
    write(&path, &asked);
    for n in asked {
        let file = FileSource::open(&path).expect("it opens");
        let source = Counted::new(Arc::new(file));
        let ((), used) = memory(|| {
            let package = Package::from_source(Arc::new(source.clone()), Limits::default());
            let package = package.expect("it is good");
            assert_eq!(source.stats(), ReadStats { reads: 1, bytes: 65_536 });
            assert_eq!(package.get(uuid(id(n))).expect("it is there"), content(n));
            assert!(package.view().fences_fault().is_none());
        });
        let ReadStats { reads, bytes } = source.stats();
        assert!(reads == 3 && bytes <= 125_000, "{reads} reads, {bytes} bytes");
        assert!(used < MEGABYTE + HEAD, "{used} bytes");
    }
    // The memory stays bounded during many look-ups, with each kind of source.
    let sources: [Arc<dyn ReadAt>; 2] = [
        Arc::new(FileSource::open(&path).expect("it opens")),
        Arc::new(MmapSource::open(&path).expect("it opens")),
    ];
    for source in sources {
        let ((), used) = memory(|| {
            let package = Package::from_source(source, Limits::default()).expect("it is good");
            for n in asked.iter().cycle().take(1000) {
                assert_eq!(package.region(uuid(id(*n))).expect("it is there")[..], content(*n));
                let mut absent = id(*n);
                absent[15] = 0x7f;
                assert_eq!(package.find(uuid(absent)).expect("it is sound"), None);
            }
            assert!(package.view().fences_fault().is_none());
        });
        assert!(used < MEGABYTE + HEAD, "{used} bytes");
    }
}
