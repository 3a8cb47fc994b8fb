//! The lookup component: writing fences, and using fences to find regions and to prove that regions
//! are missing.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::{Numbers, ids, index};
use dacti_index::GROUP_ENTRIES;
use dacti_lookup::{Lookup, RunSpec, SearchOutcome, emit_lookup, lookup_len, stride_for};
use daicon_core::Window;
use std::hint::black_box;
use uuid::Uuid;

/// Numbers of entries just below and just above one group, and in large packages. An index without
/// entries is not measured, because it has no fences.
const ENTRIES: [usize; 6] = [1, 254, 255, 256, 100_000, 1_000_000];
/// The length of the reserve for fences in the head, in bytes. The package has eight delta groups.
const KEYS_LEN_MAX: u64 = 12_856;

fn keys(ids: &[Uuid]) -> Vec<u8> {
    let groups = ids.len().div_ceil(GROUP_ENTRIES) as u32;
    let runs = [RunSpec { first_group: 0, groups }];
    let stride = stride_for(&runs, KEYS_LEN_MAX).expect("they fit");
    let mut out = vec![0; lookup_len(&runs, stride) as usize];
    let first = |group: u32| ids[group as usize * GROUP_ENTRIES];
    emit_lookup(0, &runs, stride, first, &mut out).expect("the buffer has room");
    out
}

fn emit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup/emit");
    for count in ENTRIES {
        let ids = ids(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &ids, |bencher, ids| {
            bencher.iter(|| keys(black_box(ids)));
        });
    }
    group.finish();
}

fn find(lookup: &Lookup<'_>, file: &Window<'_>, id: Uuid) -> SearchOutcome {
    let mut search = lookup.search(black_box(id));
    while let Some(want) = search.want() {
        let bytes = file.answer(want).expect("the window is the file");
        search.feed(bytes).expect("keys and groups are sound");
    }
    search.outcome().expect("it wants no more")
}

fn finds(criterion: &mut Criterion) {
    for (name, is_there) in [("lookup/hit", true), ("lookup/miss", false)] {
        let mut group = criterion.benchmark_group(name);
        for count in ENTRIES {
            let ids = ids(count);
            let file = index(&ids);
            let keys = keys(&ids);
            let lookup = Lookup::parse(&keys, 0).expect("it was just made");
            let mut numbers = Numbers::new(9);
            group.throughput(Throughput::Elements(1));
            group.bench_with_input(BenchmarkId::from_parameter(count), &file, |bencher, file| {
                let window = Window::ending_file(0, file);
                bencher.iter(|| {
                    let any = numbers.id();
                    let id = if is_there { ids[any.as_u128() as usize % count] } else { any };
                    let answer = find(&lookup, &window, id);
                    assert_eq!(matches!(answer, SearchOutcome::Found(_)), is_there);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, emit, finds);
criterion_main!(benches);
