//! Short fuzz tests. They give mutated fixtures to every reader, and compare the results with those
//! of the reference.
//!
//! `DACTI_FUZZ_ITERATIONS` sets the number of rounds of each test. `DACTI_FUZZ_SEED` sets the seed
//! of the first round, as a decimal number. The seed grows by one with each round. If a round
//! fails, it prints its seed.

use crate::entries::ENTRIES;
use crate::support::{Random, fixtures};
use dacti_tests::expect;
use dacti_tests::reference as by;

const ITERATIONS: u64 = 3000;
const SEED: u64 = 0x000d_ac71;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} must be a decimal number")),
        Err(_) => default,
    }
}

/// Prints the seed of a round if the round panics.
struct Round {
    seed: u64,
    of: String,
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: DACTI_FUZZ_SEED={} DACTI_FUZZ_ITERATIONS=1", self.of, self.seed);
        }
    }
}

/// In each round, mutates one of `files` and calls `check` with the result.
fn run(files: &[(String, Vec<u8>)], check: impl Fn(&[u8])) {
    assert!(!files.is_empty());
    let first = setting("DACTI_FUZZ_SEED", SEED);
    for seed in (0..setting("DACTI_FUZZ_ITERATIONS", ITERATIONS)).map(|i| first.wrapping_add(i)) {
        let mut random = Random(seed);
        let (name, bytes) = &files[random.below(files.len())];
        let round = Round { seed, of: name.clone() };
        let mut bytes = bytes.clone();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        check(&bytes);
        drop(round);
    }
}

/// Runs an entry point with mutations of its seeds.
fn smoke(name: &str) {
    let entry = ENTRIES.iter().find(|entry| entry.name == name).expect("it is listed");
    run(&(entry.seeds)(), entry.run);
}

/// Changes a few bytes. Most changes are near the start or near bytes other than zero, because
/// these bytes usually have a meaning.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.extend(random.next().to_le_bytes());
        return;
    }
    let at = place(bytes, random);
    match random.below(12) {
        0..3 => bytes[at] = random.next() as u8,
        3 => bytes[at] ^= 1 << random.below(8),
        4 => put(bytes, at, &odd(random).to_le_bytes()),
        5..7 => put(bytes, at / 4 * 4, &(odd(random) as u32).to_le_bytes()),
        7 => {
            let sum = u32::from_le_bytes(four(bytes, at)).wrapping_add(random.below(5) as u32);
            put(bytes, at, &sum.wrapping_sub(2).to_le_bytes());
        }
        8 => bytes.truncate(at),
        9 => bytes.extend(std::iter::repeat_n(random.next() as u8, random.below(100))),
        10 => {
            let from = place(bytes, random);
            let len = random.below(64).min(bytes.len() - from.max(at));
            bytes.copy_within(from..from + len, at);
        }
        _ => {
            let end = bytes.len().min(at + random.below(32));
            bytes[at..end].fill(0);
        }
    }
}

fn place(bytes: &[u8], random: &mut Random) -> usize {
    let mut at = random.below(bytes.len());
    if random.below(3) == 0 {
        at %= 200;
    }
    for _ in 0..random.below(8) {
        if bytes[at] == 0 {
            at = random.below(bytes.len());
        }
    }
    at
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let len = value.len().min(bytes.len() - at);
    bytes[at..at + len].copy_from_slice(&value[..len]);
}

fn four(bytes: &[u8], at: usize) -> [u8; 4] {
    let mut out = [0; 4];
    let len = out.len().min(bytes.len() - at);
    out[..len].copy_from_slice(&bytes[at..at + len]);
    out
}

/// Returns a number that often reveals faults of readers.
fn odd(random: &mut Random) -> u64 {
    let picks = [0, 1, 27, 28, 52, 255, 256, 257, 6136, 65_535, 65_536, 1 << 31, 1 << 32, 1 << 63];
    let pick = picks[random.below(picks.len())];
    match random.below(4) {
        0 => pick,
        1 => u64::from(u32::MAX).wrapping_sub(pick),
        2 => u64::MAX.wrapping_sub(pick),
        _ => random.next() >> random.below(64),
    }
}

#[test]
fn fuzz_container() {
    smoke("container");
}

#[test]
fn fuzz_index() {
    smoke("index");
}

#[test]
fn fuzz_names() {
    smoke("names");
}

#[test]
fn fuzz_package() {
    smoke("package");
}

#[test]
fn fuzz_brotli() {
    smoke("brotli");
}

#[test]
fn fuzz_dar() {
    smoke("dar");
}

#[test]
fn fuzz_car() {
    smoke("car");
}

#[test]
fn fuzz_plan() {
    smoke("plan");
}

#[test]
fn fuzz_parts() {
    smoke("parts");
}

#[test]
fn fuzz_http() {
    smoke("http");
}

#[test]
fn fuzz_remote() {
    smoke("remote");
}

#[test]
fn each_entry_point_has_a_test() {
    let tests = include_str!("fuzz.rs");
    for entry in ENTRIES {
        assert!(tests.contains(&format!("    smoke(\"{}\");", entry.name)), "{}", entry.name);
    }
}

#[test]
fn the_mutator_reaches_every_byte_and_both_verdicts() {
    // The mutations must give both good and bad files. Otherwise, the fuzz test would prove
    // nothing.
    let start = by::index(&[by::delta()]);
    let mut touched = vec![false; start.len()];
    let mut random = Random(1);
    for _ in 0..50_000 {
        let mut bytes = start.clone();
        mutate(&mut bytes, &mut random);
        for (at, (a, b)) in start.iter().zip(&bytes).enumerate() {
            touched[at] |= a != b;
        }
    }
    assert!(touched.iter().all(|touched| *touched));
    let (mut good, mut bad) = (0, 0);
    for seed in 0..300 {
        let mut random = Random(seed);
        let all = fixtures("index");
        let mut bytes = all[random.below(all.len())].bytes.clone();
        mutate(&mut bytes, &mut random);
        match expect::dump_of("index", &bytes) {
            Ok(dump) if !dump.is_empty() => good += 1,
            _ => bad += 1,
        }
    }
    assert!(good > 30 && bad > 30, "{good} good, {bad} bad");
}
