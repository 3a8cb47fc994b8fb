//! The index: finding a region, packing an index, and decoding regions.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::{Numbers, ids, index};
use dacti_index::{Encoding, Finder, Located, decode_to_vec, id_ranges};
use daicon_core::{Span, Window};
use std::hint::black_box;
use std::io::Write;
use uuid::Uuid;

/// Numbers of entries: just below and just above one group, and in larger indexes.
const ENTRIES: [usize; 7] = [0, 1, 254, 255, 256, 255 * 16, 100_000];

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/find");
    for count in ENTRIES {
        let ids = ids(count);
        let file = index(&ids);
        let region = Span { start: 0, end: file.len() as u64 };
        // A search for the middle id scans half of the index.
        let id = ids.get(count / 2).copied();
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::from_parameter(count), &file, |bencher, file| {
            let window = Window::ending_file(0, file);
            bencher.iter(|| {
                let mut finder = Finder::new(region, black_box(id.unwrap_or_default()))
                    .expect("the region is sound");
                while let Some(want) = finder.want() {
                    let bytes = window.answer(want).expect("the window is the file");
                    finder.feed(bytes).expect("the index is sound");
                }
                assert_eq!(finder.found().is_some(), id.is_some());
            });
        });
    }
    group.finish();
}

fn pack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/pack");
    for count in ENTRIES {
        let ids = ids(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &ids, |bencher, ids| {
            bencher.iter(|| {
                let ranges = id_ranges(ids.iter().map(|_| 1)).expect("they fit one range");
                (ranges, index(ids))
            });
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index/decode");
    for len in [0, 1024, 65_536, 1 << 20] {
        let text = Numbers::new(3).text(len);
        let mut stored = Vec::new();
        let mut compressor = brotli::CompressorWriter::new(&mut stored, 65_536, 5, 22);
        compressor.write_all(&text).expect("a vector takes all");
        drop(compressor);
        let span = Span { start: 0, end: stored.len() as u64 };
        let located = Located { id: Uuid::nil(), span, encoding: Encoding::BROTLI, at: 0 };
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::new("brot", len), &stored, |bencher, stored| {
            let len = len as u64;
            bencher.iter(|| decode_to_vec(&located, stored, Some(len), len).expect("it is sound"));
        });
    }
    group.finish();
}

criterion_group!(benches, find, pack, decode);
criterion_main!(benches);
