//! The facade: building a package, opening it, and reading a region.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_benches::Numbers;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::Path;

fn regions(count: usize, len: usize) -> Vec<(String, Vec<u8>)> {
    let mut numbers = Numbers::new(4);
    (0..count).map(|i| (format!("{}/{i}.txt", i % 17), numbers.text(len))).collect()
}

fn builder(regions: &[(String, Vec<u8>)], options: BuildOptions) -> PackageBuilder {
    let mut builder = PackageBuilder::new(options);
    for (path, content) in regions {
        builder.add(path.as_str(), content.clone()).expect("the paths are sound");
    }
    builder
}

/// Packs with one thread and with two threads. Also measures the same brotli encoder without the
/// packer.
fn pack(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let out = dir.path().join("bench.dacti-pack");
    let regions = regions(512, 16 * 1024);
    let bytes: usize = regions.iter().map(|(_, content)| content.len()).sum();
    let mut group = criterion.benchmark_group("package/pack");
    group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
    for (name, encoding, threads) in [
        ("none/1", EncodingChoice::None, 1),
        ("brotli/1", EncodingChoice::Brotli, 1),
        ("brotli/2", EncodingChoice::Brotli, 2),
    ] {
        let threads = NonZeroUsize::new(threads);
        let options = BuildOptions { encoding, threads, ..BuildOptions::default() };
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_batched(
                || builder(&regions, options),
                |builder| builder.build(&out).expect("it can be built"),
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function(BenchmarkId::from_parameter("brotli-crate/1"), |bencher| {
        let params =
            brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 17, ..Default::default() };
        bencher.iter(|| {
            for (_, content) in &regions {
                let mut out = Vec::new();
                brotli::BrotliCompress(&mut &content[..], &mut out, &params).expect("it is memory");
                black_box(out.len());
            }
        });
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut group = criterion.benchmark_group("package/open-and-get");
    for count in [1_000, 20_000] {
        let regions = regions(count, 1024);
        let out = dir.path().join("bench.dacti-pack");
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        builder(&regions, options).build(&out).expect("it can be built");
        let (path, content) = &regions[count / 2];
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| open_and_get(&out, path, content.len()));
        });
    }
    group.finish();
}

fn open_and_get(package: &Path, path: &str, len: usize) -> Vec<u8> {
    let package = Package::open(package).expect("it was just built");
    let content = package.get(path).expect("the path is in it");
    assert_eq!(content.len(), len);
    content
}

criterion_group!(benches, pack, read);
criterion_main!(benches);
