//! Measures times. Each round measures all stores one after the other, and the result of a store is
//! the median of its rounds.

use crate::store::{Look, Reads, Store};
use crate::work::{Key, Work};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// The number of rounds in which every store packs.
    pub packs: usize,
    /// The number of rounds in which every store is opened and looked up.
    pub rounds: usize,
    /// The time for opening one store in a round.
    pub opening: Duration,
    /// The time in which a round measures one kind of look-ups in one store. A warm-up comes before
    /// the measurement, and takes four to sixteen times as long: the more regions a store has, the
    /// more look-ups it needs for the warm-up.
    pub looking: Duration,
}

/// All measurements of one store. The times are in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub pack: Vec<f64>,
    pub open_get: Vec<f64>,
    pub hit: Vec<f64>,
    pub miss: Vec<f64>,
    /// The reads of a cold look-up, as the median of several look-ups.
    pub cold: Option<Reads>,
    /// The bytes of the file that are not content, divided by the number of regions.
    pub overhead: f64,
}

/// Returns the median of these measurements, or `None` if there are none.
pub fn median(times: &[f64]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    match times.len() {
        0 => None,
        n if n.is_multiple_of(2) => Some(f64::midpoint(times[middle - 1], times[middle])),
        _ => Some(times[middle]),
    }
}

/// Measures all stores with one work. The stores write their files into `dir`.
pub fn measure(
    work: &Work,
    stores: &[Box<dyn Store>],
    effort: &Effort,
    dir: &Path,
) -> Vec<Measured> {
    let mut all = vec![Measured::default(); stores.len()];
    packs(work, stores, effort, dir, &mut all);
    for (store, measured) in stores.iter().zip(&mut all) {
        let path = dir.join(store.file());
        check(work, &**store, &path);
        let extra = file_len(&path).saturating_sub(work.content_len());
        measured.overhead = extra as f64 / work.count() as f64;
        measured.cold = cold(work, &**store, &path);
    }
    for round in 0..effort.rounds {
        for (store, measured) in stores.iter().zip(&mut all) {
            let path = dir.join(store.file());
            measured.open_get.push(open_get(work, &**store, &path, effort, round));
            store.open(&path, &mut |open| {
                let keys = (&work.hits[..], work.count());
                measured.hit.push(look_ups(open, keys, effort, round, true));
                let keys = (&work.misses[..], work.count());
                measured.miss.push(look_ups(open, keys, effort, round, false));
            });
        }
    }
    all
}

fn packs(
    work: &Work,
    stores: &[Box<dyn Store>],
    effort: &Effort,
    dir: &Path,
    all: &mut [Measured],
) {
    for _ in 0..effort.packs {
        let mut packed = BTreeMap::new();
        for (at, store) in stores.iter().enumerate() {
            if packed.insert(store.file(), at).is_some() {
                continue;
            }
            let path = dir.join(store.file());
            remove(&path);
            let start = Instant::now();
            store.pack(work, &path);
            all[at].pack.push(start.elapsed().as_nanos() as f64);
        }
    }
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).expect("it can be removed");
    } else if path.exists() {
        std::fs::remove_file(path).expect("it can be removed");
    }
}

/// Returns the length of a file, or the length of the largest file in a folder.
fn file_len(path: &Path) -> u64 {
    let len = |path: PathBuf| std::fs::metadata(path).expect("it was packed").len();
    if !path.is_dir() {
        return len(path.into());
    }
    let files = std::fs::read_dir(path).expect("it was packed");
    files.map(|file| len(file.expect("it was packed").path())).max().unwrap_or_default()
}

/// Checks that a store returns the right bytes for its regions, and none for missing regions.
fn check(work: &Work, store: &dyn Store, path: &Path) {
    store.open(path, &mut |open| {
        let mut out = Vec::new();
        for key in work.hits.iter().take(2_000) {
            out.clear();
            assert!(open.get(key, &mut out), "{} lacks {}", store.name(), key.id);
            assert!(out == work.content(key.at), "{} has other bytes", store.name());
        }
        for key in work.misses.iter().take(2_000) {
            assert!(!open.get(key, &mut out), "{} makes up {}", store.name(), key.id);
        }
    });
}

/// Opens the file for each of several look-ups, and counts the reads and bytes of each. Returns the
/// counts of the look-up whose number of bytes is the median.
fn cold(work: &Work, store: &dyn Store, path: &Path) -> Option<Reads> {
    let mut all = Vec::new();
    for key in work.hits.iter().take(11) {
        let mut out = Vec::new();
        let start = Instant::now();
        let reads = store.cold(path, key, &mut out)?;
        assert!(out == work.content(key.at), "{} has other bytes", store.name());
        all.push((reads.bytes, reads.reads));
        if start.elapsed() > Duration::from_millis(200) {
            break;
        }
    }
    all.sort_unstable();
    all.get(all.len() / 2).map(|(bytes, reads)| Reads { reads: *reads, bytes: *bytes })
}

/// Returns the time to open a store and to get one region, as the median of one round.
fn open_get(work: &Work, store: &dyn Store, path: &Path, effort: &Effort, round: usize) -> f64 {
    let mut times = Vec::new();
    let mut keys = work.hits.iter().cycle().skip(round * 997);
    let mut out = Vec::with_capacity(work.region_len);
    let began = Instant::now();
    while times.len() < 2_000 && (times.is_empty() || began.elapsed() < effort.opening) {
        let key = keys.next().expect("they come again");
        out.clear();
        let start = Instant::now();
        store.open(path, &mut |open| {
            open.get(key, &mut out);
            touch(&out);
        });
        times.push(start.elapsed().as_nanos() as f64);
    }
    median(&times).unwrap_or_default()
}

/// Returns the time of a look-up in an open store, as the mean of one round.
fn look_ups(
    open: &mut dyn Look,
    (keys, regions): (&[Key], usize),
    effort: &Effort,
    round: usize,
    hit: bool,
) -> f64 {
    let start_at = round * 7919 % keys.len();
    let mut next = start_at;
    let mut out = Vec::with_capacity(4096);
    // The warm-up loads all pages of the file into memory. Some stores build up caches while they
    // are used. The warm-up fills these caches, as a program that runs for a long time would.
    let began = Instant::now();
    for (i, keys) in keys.chunks(64).enumerate() {
        let has_learned = i * 64 > regions / 8;
        let limit = effort.looking * if has_learned { 4 } else { 16 };
        if began.elapsed() > limit {
            break;
        }
        ask(open, keys, &mut out, hit);
    }
    let began = Instant::now();
    let mut count = 0;
    loop {
        let chunk = &keys[next..(next + 64).min(keys.len())];
        next = if next + 64 >= keys.len() { 0 } else { next + 64 };
        ask(open, chunk, &mut out, hit);
        count += chunk.len();
        let elapsed = began.elapsed();
        if elapsed >= effort.looking {
            return elapsed.as_nanos() as f64 / count as f64;
        }
    }
}

fn ask(open: &mut dyn Look, keys: &[Key], out: &mut Vec<u8>, hit: bool) {
    for key in keys {
        out.clear();
        assert!(open.get(key, out) == hit, "{}", key.id);
        touch(out);
    }
}

/// Uses the bytes. Otherwise the compiler could remove the code that reads them.
fn touch(out: &[u8]) {
    black_box(out.iter().step_by(64).fold(0_u8, |sum, byte| sum ^ byte));
}
