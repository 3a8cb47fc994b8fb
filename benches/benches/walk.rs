//! The container: measures the time of a walk over its tables.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::container;
use daicon_core::{TableWalker, Window};
use std::hint::black_box;

fn walk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("container/walk");
    for (tables, components) in [(1, 0), (1, 1), (1, 3), (2, 16), (64, 4)] {
        let file = container(tables, components);
        group.throughput(Throughput::Bytes(file.len() as u64));
        let id = BenchmarkId::from_parameter(format!("{tables}x{components}"));
        group.bench_with_input(id, &file, |bencher, file| {
            bencher.iter(|| {
                let window = Window::ending_file(0, file);
                let mut walker = TableWalker::new(Some(file.len() as u64));
                while let Some(want) = walker.want() {
                    let bytes = window.answer(want).expect("the window is the file");
                    walker.feed(bytes).expect("the container is sound");
                }
                black_box(walker.components().len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, walk);
criterion_main!(benches);
