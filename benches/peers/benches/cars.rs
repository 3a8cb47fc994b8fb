//! CARs of the same blocks. `dacti-dar` and other crates write and read them.
//!
//! `iroh-car` does not verify blocks, so its users have to. The bench `iroh-car-plus-hash`
//! therefore reads with `iroh-car` and hashes each block, with the hash function that DAR uses.
//! `rs-car` can verify blocks, and cannot write.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::Numbers;
use dacti_benches::dag::{BLOCK_LEN, Block, tree};
use dacti_dar::{CarStream, CarWriter, CidList, Fit, ReadOptions, fits};
use futures::StreamExt;
use std::hint::black_box;

const COUNT: usize = 100_000;

fn cars(criterion: &mut Criterion) {
    let blocks = tree(COUNT, &mut Numbers::new(7));
    let name = format!("{COUNT}x{BLOCK_LEN}");
    let mut car = Vec::with_capacity(COUNT * (BLOCK_LEN + 40));
    let mut group = criterion.benchmark_group("car");
    group.sample_size(20).throughput(Throughput::Bytes((COUNT * BLOCK_LEN) as u64));
    let write = |car: &mut Vec<u8>| {
        car.clear();
        let mut writer =
            CarWriter::new(car, &CidList::from([blocks[0].cid.clone()])).expect("a vector");
        for block in &blocks {
            writer.block(&block.cid, &block.data).expect("a vector");
        }
    };
    group.bench_function(format!("write-unproved/{name}"), |b| b.iter(|| write(&mut car)));
    write(&mut car);
    group.bench_function(format!("stream/{name}"), |b| {
        b.iter(|| {
            let mut stream = CarStream::new(black_box(&car[..]), &ReadOptions::default());
            let mut count = 0;
            while stream.next_block().expect("as written").is_some() {
                count += 1;
            }
            count
        });
    });
    peers(&mut group, &blocks, &car, &name);
    group.finish();
}

fn peers(group: &mut BenchmarkGroup<WallTime>, blocks: &[Block], car: &[u8], name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (iroh, rs, prove) in [
        ("iroh-car-plus-hash", "rs-car-proving", true),
        ("iroh-car-unproved", "rs-car-unproved", false),
    ] {
        group.bench_function(format!("stream/{iroh}/{name}"), |b| {
            b.iter(|| runtime.block_on(iroh_read(black_box(car), prove)));
        });
        let mut out = Vec::with_capacity(COUNT * (BLOCK_LEN + 40));
        group.bench_function(format!("write/{iroh}/{name}"), |b| {
            b.iter(|| runtime.block_on(iroh_write(black_box(blocks), prove, &mut out)));
        });
        group.bench_function(format!("stream/{rs}/{name}"), |b| {
            b.iter(|| futures::executor::block_on(rs_read(black_box(car), prove)));
        });
    }
}

async fn iroh_read(car: &[u8], prove: bool) -> usize {
    let reader = iroh_car::CarReader::new(car).await.expect("as written");
    let mut stream = Box::pin(reader.stream());
    let mut count = 0;
    while let Some(block) = stream.next().await {
        let (cid, data) = block.expect("as written");
        assert!(!prove || fits(&cid.into(), &data) == Fit::Yes);
        count += 1;
    }
    count
}

async fn iroh_write(blocks: &[Block], prove: bool, out: &mut Vec<u8>) -> usize {
    out.clear();
    let root = (&blocks[0].cid).try_into().expect("32 bytes");
    let header = iroh_car::CarHeader::new_v1(vec![root]);
    let mut writer = iroh_car::CarWriter::new(header, &mut *out);
    for Block { cid, data } in blocks {
        assert!(!prove || fits(cid, data) == Fit::Yes);
        let cid = cid.try_into().expect("32 bytes");
        writer.write(cid, data).await.expect("a vector");
    }
    writer.finish().await.expect("a vector");
    out.len()
}

async fn rs_read(car: &[u8], prove: bool) -> usize {
    let mut source = futures::io::Cursor::new(car);
    let mut reader = rs_car::CarReader::new(&mut source, prove).await.expect("as written");
    let mut count = 0;
    while let Some(block) = reader.next().await {
        block.expect("as written");
        count += 1;
    }
    count
}

criterion_group!(benches, cars);
criterion_main!(benches);
