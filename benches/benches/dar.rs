//! DAR: writing, streaming and look-ups. Their times are compared with those of the two hash
//! functions that the format requires.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::Numbers;
use dacti_benches::dag::{BLOCK_LEN, Block, tree};
use dacti_dar::{Archive, ReadOptions, Reader, StreamEvent, StreamReader, WriteOptions, Writer};
use sha2::{Digest, Sha256};
use sha3::Sha3_512;
use std::hint::black_box;

const COUNT: usize = 100_000;

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
        if let Some(StreamEvent::Block { .. }) = machine.feed(rest).expect("as written") {
            blocks += 1;
        }
    }
    blocks
}

fn streams(criterion: &mut Criterion) {
    let blocks = tree(COUNT, &mut Numbers::new(7));
    let cids: Vec<_> = blocks.iter().map(|block| block.cid.to_bytes()).collect();
    let mut archive = Vec::with_capacity(COUNT * (BLOCK_LEN + 30) + (1 << 20));
    let name = format!("{COUNT}x{BLOCK_LEN}");
    let mut group = criterion.benchmark_group("dar");
    group.sample_size(20).throughput(Throughput::Bytes((COUNT * BLOCK_LEN) as u64));
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
