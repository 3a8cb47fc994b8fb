//! Look-ups by several threads at the same time. The threads share one open store.

use crate::measure::{Effort, median};
use crate::packages::Dacti;
use crate::raw::Raw;
use crate::store::Store;
use crate::work::{Key, Work};
use std::fmt::Write;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// The numbers of threads. Each of them is measured, one after the other.
const THREADS: [usize; 2] = [1, 2];

/// The look-ups per second of one store, with one thread and with two threads.
pub struct Scaling {
    pub name: &'static str,
    pub rates: [Vec<f64>; 2],
}

/// Looks up a region, and returns whether it exists.
type Ask<'a> = &'a (dyn Fn(&Key, &mut Vec<u8>) -> bool + Sync);

/// Measures look-ups of regions that exist, in random order. The files in `dir` were packed before.
pub fn measure(
    work: &Work,
    mapped: &Dacti,
    read: &Dacti,
    effort: &Effort,
    dir: &Path,
) -> Vec<Scaling> {
    let floor = Raw { mapped: true };
    let (raw_path, path) = (dir.join(floor.file()), dir.join(mapped.file()));
    let rates = || [Vec::new(), Vec::new()];
    let mut all =
        [floor.name(), mapped.name, read.name].map(|name| Scaling { name, rates: rates() });
    crate::raw::shared(&raw_path, |raw| {
        let (mapped, read) = (mapped.shared(&path), read.shared(&path));
        let asks: [Ask<'_>; 3] =
            [&|key, out| raw.copied(key, out), &|key, out| mapped.copied(key, out), &|key, out| {
                read.copied(key, out)
            }];
        for _ in 0..effort.rounds {
            for (ask, scaling) in asks.iter().zip(&mut all) {
                for (threads, rates) in THREADS.iter().zip(&mut scaling.rates) {
                    rates.push(rate(*ask, &work.hits, *threads, effort.looking));
                }
            }
        }
    });
    all.into()
}

/// Returns the number of look-ups per second of all threads together.
fn rate(ask: Ask<'_>, keys: &[Key], threads: usize, looking: Duration) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let asking = (0..threads).map(|thread| {
            let barrier = &barrier;
            scope.spawn(move || asked(ask, keys, thread * keys.len() / threads, looking, barrier))
        });
        // All threads must run before this thread waits for the first of them. So the iterator is
        // collected first.
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|thread| thread.join().expect("it ends")).sum()
    })
}

/// Returns the number of look-ups per second of one thread. The thread warms up for the same time
/// first.
fn asked(ask: Ask<'_>, keys: &[Key], start: usize, looking: Duration, barrier: &Barrier) -> f64 {
    let mut out = Vec::with_capacity(4096);
    let mut keys = keys.iter().cycle().skip(start);
    let mut look_up = |count: usize| {
        for key in keys.by_ref().take(count) {
            out.clear();
            assert!(ask(key, &mut out), "{}", key.id);
        }
    };
    barrier.wait();
    let mut rate = 0.0;
    for _ in 0..2 {
        let (began, mut count) = (Instant::now(), 0);
        loop {
            look_up(256);
            count += 256;
            let elapsed = began.elapsed();
            if elapsed >= looking {
                rate = f64::from(count) / elapsed.as_secs_f64();
                break;
            }
        }
    }
    rate
}

/// Returns the rate of two threads, divided by the rate of one thread.
pub fn factor(scaling: &Scaling) -> Option<f64> {
    let [one, two] = &scaling.rates;
    Some(median(two)? / median(one)?)
}

/// Returns the rates as a table in Markdown.
pub fn table(work: &Work, all: &[Scaling]) -> String {
    let mut out =
        format!("### Random hits by threads that share an open store, {}\n\n", work.title());
    out.push_str("| store | one thread | two threads | |\n| --- | --- | --- | --- |\n");
    for scaling in all {
        let [one, two] = scaling.rates.each_ref().map(|rates| median(rates).unwrap_or(0.0) / 1e6);
        let factor = factor(scaling).unwrap_or(0.0);
        writeln!(
            out,
            "| {} | {one:.2} million a second | {two:.2} | {factor:.2} x |",
            scaling.name
        )
        .expect("a string takes all");
    }
    out
}
