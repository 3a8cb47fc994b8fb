//! Plans updates of a package of 100,000 regions. Some write into a delta group, and others fold.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_benches::Numbers;
use dacti_cdn::{
    Digest, Edit, Put, Remove, Snapshot, SnapshotReader, Strategy, UpdatePolicy, check, plan,
};
use dacti_index::Encoding;
use std::hint::black_box;
use uuid::Uuid;

const REGIONS: usize = 100_000;

fn ids() -> Vec<Uuid> {
    let mut numbers = Numbers::new(4);
    (0..REGIONS).map(|_| numbers.id()).collect()
}

/// Returns the snapshot of a package. It has all entries of the index.
fn snapshot(ids: &[Uuid]) -> Snapshot {
    let dir = tempfile::tempdir().expect("there is room for a package");
    let path = dir.path().join("bench.dacti-pack");
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for id in ids {
        builder.add(*id, b"region".to_vec()).expect("the id is free");
    }
    builder.build(&path).expect("it can be built");
    let file = std::fs::read(&path).expect("it was built");
    let mut reader = SnapshotReader::new(file.len() as u64);
    while let Some(want) = reader.want() {
        reader.feed(&file[want.start as usize..want.end as usize]).expect("it is sound");
    }
    let mut snapshot = reader.finish().expect("it is sound");
    let mut scan = snapshot.entries_reader().expect("it is sound");
    while let Some(want) = scan.want() {
        scan.feed(&file[want.start as usize..want.end as usize]).expect("it is sound");
    }
    snapshot.set_entries(scan.finish().expect("all was fed"));
    snapshot
}

fn puts(ids: &[Uuid]) -> Vec<Edit> {
    let put = |id: &Uuid| {
        let digest = Digest::default();
        let (encoding, size, seal_len) = (Encoding::NONE, 100, 32);
        Edit::Put(Put { id: *id, encoding, size, seal_len, digest, replaced_len: 0 })
    };
    ids.iter().map(put).collect()
}

fn bench(criterion: &mut Criterion) {
    let ids = ids();
    let snapshot = snapshot(&ids);
    let policy = UpdatePolicy::default();
    let mut group = criterion.benchmark_group("plan/delta");
    for count in [1, 255] {
        let edits = puts(&ids[..count]);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::from_parameter(count), &edits, |bencher, edits| {
            bencher.iter(|| {
                let plan = plan(&snapshot, black_box(edits), &policy).expect("there is room");
                assert_eq!(plan.strategy, Strategy::Delta);
                plan
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("plan/fold");
    group.throughput(Throughput::Elements(REGIONS as u64));
    // This update puts a region and removes a region.
    let (seal_len, digest) = (32, Digest::default());
    let removal = Edit::Remove(Remove { id: ids[7], seal_len, digest, replaced_len: 0 });
    let both = [puts(&ids[..1]), vec![removal]].concat();
    group.bench_function(BenchmarkId::from_parameter(REGIONS), |bencher| {
        bencher.iter(|| plan(&snapshot, black_box(&both), &policy).expect("it folds"));
    });
    group.finish();
    let mut group = criterion.benchmark_group("plan/check");
    let made = plan(&snapshot, &puts(&ids[..255]), &policy).expect("there is room");
    group.bench_function("255", |bencher| {
        bencher.iter(|| check(black_box(&made), &snapshot).expect("it keeps the laws"));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
