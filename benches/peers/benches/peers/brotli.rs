//! Packing with Brotli: with one thread, with two threads, and with the crate `brotli` alone.

use crate::measure::{Effort, median};
use crate::table::time;
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_benches::Numbers;
use std::fmt::Write;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

const QUALITY: u8 = 5;
/// The window that the packer chooses. It is longer than a region.
const WINDOW_BITS: i32 = 17;
const REGION_LEN: usize = 16 * 1024;

/// The measured times, in nanoseconds.
#[derive(Debug, Default)]
pub struct Brotli {
    pub regions: usize,
    pub one: Vec<f64>,
    pub two: Vec<f64>,
    pub direct: Vec<f64>,
}

/// Packs `regions` texts of 16 KiB in each of the three ways, one way after the other.
pub fn measure(regions: usize, effort: &Effort, dir: &Path) -> Brotli {
    let mut numbers = Numbers::new(5);
    let texts: Vec<_> = (0..regions).map(|_| (numbers.id(), numbers.text(REGION_LEN))).collect();
    let path = dir.join("brotli");
    let mut brotli = Brotli { regions, ..Brotli::default() };
    for _ in 0..effort.packs {
        for (threads, times) in [(1, &mut brotli.one), (2, &mut brotli.two)] {
            let options = BuildOptions {
                encoding: EncodingChoice::Brotli,
                quality: QUALITY,
                threads: NonZeroUsize::new(threads),
                ..BuildOptions::default()
            };
            let mut builder = PackageBuilder::new(options);
            for (id, text) in &texts {
                builder.add(*id, text.clone()).expect("it can be added");
            }
            times.push(timed(|| {
                builder.build(&path).expect("it can be built");
            }));
        }
        brotli.direct.push(timed(|| direct(texts.iter().map(|(_, text)| &text[..]), &path)));
    }
    brotli
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// Compresses the texts with the simplest possible code. Writes the results into a file.
fn direct<'t>(texts: impl Iterator<Item = &'t [u8]>, path: &Path) {
    let params = brotli::enc::BrotliEncoderParams {
        quality: QUALITY.into(),
        lgwin: WINDOW_BITS,
        size_hint: REGION_LEN,
        ..Default::default()
    };
    let mut out = Vec::new();
    for text in texts {
        brotli::BrotliCompress(&mut &*text, &mut out, &params).expect("it is memory");
    }
    let mut file = File::create(path).expect("it can be created");
    file.write_all(black_box(&out)).expect("it can be written");
    crate::store::synced(&file);
}

/// Returns the times as a table in Markdown.
pub fn table(brotli: &Brotli) -> String {
    let bytes = (brotli.regions * REGION_LEN) as f64;
    let mut out = format!("### {} texts of 16 KiB, Brotli at quality 5\n\n", brotli.regions);
    out.push_str("| how | time | speed |\n| --- | --- | --- |\n");
    for (how, times) in [
        ("dacti, one thread", &brotli.one),
        ("dacti, two threads", &brotli.two),
        ("the crate `brotli`, called directly", &brotli.direct),
    ] {
        let Some(median) = median(times) else { continue };
        let speed = bytes / median * 1e9 / 1e6;
        writeln!(out, "| {how} | {} | {speed:.1} MB/s |", time(median))
            .expect("a string takes all");
    }
    out
}
