//! DAR: writing, streaming and look-ups, beside the two hashes that the format demands; and with
//! the feature `peers` the same blocks as a CAR by other crates.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::Numbers;
use dacti_dar::{Archive, CarStream, Cid, Event, ReadOptions, Reader, StreamReader, WriteOptions};
use dacti_dar::{Writer, multihash};
use sha2::{Digest, Sha256};
use sha3::Sha3_512;
use std::hint::black_box;

const COUNT: usize = 100_000;
const LEN: usize = 1024;
/// Links of an inner node: they fill it but for a payload.
const FAN_OUT: usize = 20;

struct Block {
    cid: Cid,
    data: Vec<u8>,
}

fn block(codec: u64, data: Vec<u8>) -> Block {
    assert_eq!(data.len(), LEN);
    let hash = multihash(0x12, &data).expect("sha2-256 is known");
    Block { cid: Cid::new_v1(codec, hash), data }
}

/// A tree of `count` blocks in depth-first order: DAG-CBOR nodes, raw leaves.
fn tree(count: usize, numbers: &mut Numbers) -> Vec<Block> {
    if count == 1 {
        let words = (0..LEN / 8).flat_map(|_| numbers.number().to_le_bytes());
        return vec![block(0x55, words.collect())];
    }
    let children = FAN_OUT.min(count - 1);
    let rest = count - 1;
    let (mut below, mut links) = (vec![], vec![]);
    for child in 0..children {
        let blocks = tree(rest / children + usize::from(child < rest % children), numbers);
        links.extend([0xd8, 0x2a, 0x58, 37, 0]);
        links.extend(blocks[0].cid.to_bytes());
        below.extend(blocks);
    }
    // A list: its head, the links, then a byte string that fills the block.
    let mut data = vec![0x81 + children as u8];
    if children > 22 {
        data = vec![0x98, children as u8 + 1];
    }
    data.extend(links);
    let payload = LEN - data.len() - 2;
    if payload < 256 {
        data.extend([0x58, payload as u8]);
        data.resize(LEN, 7);
    } else {
        data.push(0x59);
        data.extend((payload as u16 - 1).to_be_bytes());
        data.resize(LEN, 7);
    }
    let mut blocks = vec![block(0x71, data)];
    blocks.extend(below);
    blocks
}

fn write(blocks: &[Block], index: bool, threads: bool, out: &mut Vec<u8>) {
    out.clear();
    let options = WriteOptions { index, threads, ..WriteOptions::default() };
    let mut writer = Writer::with_options(out, &options).expect("a vector");
    for (number, block) in blocks.iter().enumerate() {
        let placed = match number {
            0 => writer.root(&block.cid, &block.data),
            _ => writer.block(&block.cid, &block.data),
        };
        placed.expect("in order");
    }
    writer.finish().expect("a vector");
}

fn hashes(blocks: &[Block], cids: &[Vec<u8>]) -> u8 {
    let mut all = Sha3_512::new();
    let mut sum = 0;
    for (block, cid) in blocks.iter().zip(cids) {
        sum ^= Sha256::digest(&block.data)[0];
        all.update(cid);
    }
    sum ^ all.finalize()[0]
}

fn feed(archive: &[u8]) -> usize {
    let mut machine = StreamReader::new(&ReadOptions::default());
    let mut blocks = 0;
    while let Some(want) = machine.want() {
        let rest = &archive[(want.start as usize).min(archive.len())..];
        if let Some(Event::Block { .. }) = machine.feed(rest).expect("as written") {
            blocks += 1;
        }
    }
    blocks
}

fn streams(criterion: &mut Criterion) {
    let blocks = tree(COUNT, &mut Numbers::new(7));
    let cids: Vec<_> = blocks.iter().map(|block| block.cid.to_bytes()).collect();
    let mut archive = Vec::with_capacity(COUNT * (LEN + 30) + (1 << 20));
    let name = format!("{COUNT}x{LEN}");
    let mut group = criterion.benchmark_group("dar");
    group.sample_size(20).throughput(Throughput::Bytes((COUNT * LEN) as u64));
    group.bench_function(format!("hashes/{name}"), |b| {
        b.iter(|| hashes(black_box(&blocks), &cids));
    });
    group.bench_function(format!("write-indexed/{name}"), |b| {
        b.iter(|| write(black_box(&blocks), true, false, &mut archive));
    });
    for (how, threads) in [("", false), ("-threads", true)] {
        group.bench_function(format!("write{how}/{name}"), |b| {
            b.iter(|| write(black_box(&blocks), false, threads, &mut archive));
        });
        let options = ReadOptions { threads, ..ReadOptions::default() };
        group.bench_function(format!("stream{how}/{name}"), |b| {
            b.iter(|| {
                let reader = Reader::with_options(black_box(&archive[..]), &options);
                reader.verify().expect("as written").blocks
            });
        });
    }
    group.bench_function(format!("feed/{name}"), |b| b.iter(|| feed(black_box(&archive))));
    group.finish();
    cars(criterion, &blocks, &name);
}

fn cars(criterion: &mut Criterion, blocks: &[Block], name: &str) {
    let mut car = Vec::with_capacity(COUNT * (LEN + 40));
    let mut group = criterion.benchmark_group("car");
    group.sample_size(20).throughput(Throughput::Bytes((COUNT * LEN) as u64));
    let write = |car: &mut Vec<u8>| {
        car.clear();
        let mut writer = dacti_dar::CarWriter::new(car, &[blocks[0].cid]).expect("a vector");
        for block in blocks {
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
    #[cfg(feature = "peers")]
    peers::peers(&mut group, blocks, &car, name);
    group.finish();
}

/// Other crates, on the same blocks. `iroh-car` proves no block: `iroh-car-plus-hash` adds what its
/// user has to add to know what they got, the hash of each block, by the same function as DAR's.
/// `rs-car` proves blocks by itself where it is asked to; it writes nothing.
#[cfg(feature = "peers")]
mod peers {
    use super::{Block, COUNT, LEN};
    use criterion::BenchmarkGroup;
    use criterion::measurement::WallTime;
    use dacti_dar::{Fit, fits};
    use futures::StreamExt;
    use std::hint::black_box;

    pub fn peers(group: &mut BenchmarkGroup<WallTime>, blocks: &[Block], car: &[u8], name: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for (iroh, rs, prove) in [
            ("iroh-car-plus-hash", "rs-car-proving", true),
            ("iroh-car-unproved", "rs-car-unproved", false),
        ] {
            group.bench_function(format!("stream/{iroh}/{name}"), |b| {
                b.iter(|| runtime.block_on(iroh_read(black_box(car), prove)));
            });
            let mut out = Vec::with_capacity(COUNT * (LEN + 40));
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
            assert!(!prove || fits(&cid, &data) == Fit::Yes);
            count += 1;
        }
        count
    }

    async fn iroh_write(blocks: &[Block], prove: bool, out: &mut Vec<u8>) -> usize {
        out.clear();
        let header = iroh_car::CarHeader::new_v1(vec![blocks[0].cid]);
        let mut writer = iroh_car::CarWriter::new(header, &mut *out);
        for Block { cid, data } in blocks {
            assert!(!prove || fits(cid, data) == Fit::Yes);
            writer.write(*cid, data).await.expect("a vector");
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
}

fn look_ups(criterion: &mut Criterion) {
    let blocks = tree(COUNT, &mut Numbers::new(7));
    let mut bytes = Vec::new();
    write(&blocks, true, false, &mut bytes);
    let archive = Archive::open(bytes).expect("as written");
    let mut group = criterion.benchmark_group("dar");
    let mut number = 0;
    group.throughput(Throughput::Elements(1)).bench_function(format!("get/{COUNT}"), |b| {
        b.iter(|| {
            number = (number + 7919) % COUNT;
            archive.get(black_box(&blocks[number].cid)).expect("as written")
        });
    });
    group.finish();
}

criterion_group!(benches, streams, look_ups);
criterion_main!(benches);
