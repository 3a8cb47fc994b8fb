//! Seals: computing digests of short and long regions, signing, and checking digests and
//! signatures.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dacti_benches::Numbers;
use dacti_index::{Encoding, Located};
use dacti_seal::{Kind, SealPolicy, Seals, SecretKey, digest, verify};
use daicon_core::Span;
use std::hint::black_box;
use uuid::Uuid;

/// The lengths are one byte, one chunk of BLAKE3, a chunk and one byte, and two longer lengths. The
/// facade hashes regions of the longest length with several threads, but this bench uses only one.
const LENS: [usize; 5] = [1, 1024, 1025, 65_536, 1 << 20];

fn region(numbers: &mut Numbers, len: usize) -> (Located, Vec<u8>) {
    let span = Span::new(100_000, len as u64).expect("it is a span");
    let located = Located { id: numbers.id(), span, encoding: Encoding::NONE, at: 65_552 };
    (located, numbers.text(len).into_iter().take(len).collect())
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32], Uuid::from_u128(9))
}

fn digests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal/digest");
    let mut numbers = Numbers::new(3);
    for len in LENS {
        let (Located { id, encoding, .. }, stored) = region(&mut numbers, len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &stored, |bencher, stored| {
            bencher.iter(|| digest(id, encoding, black_box(stored)));
        });
    }
    group.finish();
}

fn signing(criterion: &mut Criterion) {
    let key = key();
    criterion.bench_function("seal/sign", |bencher| bencher.iter(|| key.sign(black_box(&[3; 32]))));
}

fn judging(criterion: &mut Criterion) {
    let key = key();
    let (kind, package, keys) = (Kind::Signature, key.package(), vec![*key.public().key()]);
    let signed = Seals { kind, package, keys, seals_max: 1 };
    let trusted = SealPolicy::Signature(vec![key.public()]);
    for (name, seals, policy) in
        [("digest", Seals::DIGESTS, SealPolicy::Digest), ("signature", signed, trusted)]
    {
        let mut group = criterion.benchmark_group(format!("seal/verify {name}"));
        let mut numbers = Numbers::new(3);
        for len in LENS {
            let (located, stored) = region(&mut numbers, len);
            let digest = digest(located.id, located.encoding, &stored);
            let mut sealed = [&stored[..], &digest].concat();
            if seals.kind == Kind::Signature {
                sealed.extend(key.sign(&digest));
            }
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_with_input(BenchmarkId::from_parameter(len), &sealed, |bencher, sealed| {
                bencher.iter(|| {
                    verify(located, black_box(sealed), Some(&seals), &policy).expect("it is sound")
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, digests, signing, judging);
criterion_main!(benches);
