//! The targets of the project for its speed, and whether this run reached them.

use crate::brotli::Brotli;
use crate::measure::{Measured, median};
use crate::store::Reads;
use crate::table::time;
use crate::threads::{Scaling, factor};
use crate::work::grouped;
use std::fmt::Write;

/// All measurements of a run.
#[derive(Default)]
pub struct Results {
    /// For each work: the number of regions, and the measurements of each store, in the order of
    /// the table.
    pub works: Vec<(usize, Vec<(&'static str, Measured)>)>,
    pub brotli: Option<Brotli>,
    /// Look-ups by several threads.
    pub threads: Vec<Scaling>,
    /// The reads of a cold look-up of one region of 1 KiB in a package of ten million regions.
    pub ten_million: Option<Reads>,
}

/// A function that selects one kind of measurements.
type Kind = fn(&Measured) -> &[f64];

const PACK: Kind = |measured| &measured.pack;
const OPEN_GET: Kind = |measured| &measured.open_get;
const HIT: Kind = |measured| &measured.hit;
const MISS: Kind = |measured| &measured.miss;

const FLOOR: &str = "raw";
const MAPPED_FLOOR: &str = "raw, mapped";
/// The names of this project's stores start with one of these words.
const OWN: [&str; 2] = ["raw", "dacti"];

struct Bar {
    work: &'static str,
    bar: String,
    /// The text of the result, and whether the target was reached. `None` if this run did not
    /// measure it.
    found: Option<(String, bool)>,
}

/// Returns all targets as a table in Markdown.
pub fn bars(results: &Results) -> String {
    let mut out = String::from("| work | target | this run | |\n| --- | --- | --- | --- |\n");
    let all = [packs(results), opens(results), look_ups(results), cold(results), brotli(results)];
    for Bar { work, bar, found } in all.into_iter().flatten() {
        let (found, verdict) = match found {
            Some((found, true)) => (found, "reached"),
            Some((found, false)) => (found, "**missed**"),
            None => ("not measured".into(), ""),
        };
        writeln!(out, "| {work} | {bar} | {found} | {verdict} |").expect("a string takes all");
    }
    out
}

impl Results {
    fn of(&self, count: usize, store: &str) -> Option<&Measured> {
        let (_, stores) = self.works.iter().find(|(of, _)| *of == count)?;
        stores.iter().find(|(name, _)| *name == store).map(|(_, measured)| measured)
    }

    fn median(&self, count: usize, store: &str, kind: Kind) -> Option<f64> {
        median(kind(self.of(count, store)?))
    }

    /// Checks that the median of one store is at most a multiple of the median of another store.
    fn at_most(&self, count: usize, stores: [&str; 2], kind: Kind, factor: f64) -> Found {
        let ours = self.median(count, stores[0], kind)?;
        let ratio = ours / self.median(count, stores[1], kind)?;
        Some((format!("{ratio:.2} x ({})", time(ours)), ratio <= factor))
    }

    /// Checks that a store is faster than all stores of other projects, or than those in `among`.
    /// Lists the stores that are faster.
    fn ahead(&self, count: usize, store: &str, kind: Kind, among: &[&str]) -> Found {
        let ours = self.median(count, store, kind)?;
        let (_, stores) = self.works.iter().find(|(of, _)| *of == count)?;
        let mut faster = Vec::new();
        for (name, measured) in stores {
            let other = !OWN.iter().any(|own| name.starts_with(own));
            let other = other && (among.is_empty() || among.contains(name));
            if let Some(theirs) = median(kind(measured)).filter(|theirs| other && *theirs < ours) {
                faster.push(format!("{name} {:.2} x", theirs / ours));
            }
        }
        let text = if faster.is_empty() {
            "nobody is faster".into()
        } else {
            format!("faster: {}", faster.join(", "))
        };
        Some((text, faster.is_empty()))
    }
}

type Found = Option<(String, bool)>;

fn packs(results: &Results) -> Vec<Bar> {
    let work = "pack 100,000 x 1 KiB";
    let count = 100_000;
    let among = ["pmtiles", "zip", "mcap", "safetensors", "tar"];
    let floor = |store, factor| results.at_most(count, [store, FLOOR], PACK, factor);
    let ahead = |store| results.ahead(count, store, PACK, &among);
    let peers = "ahead of pmtiles, zip, mcap, safetensors, tar";
    vec![
        Bar { work, bar: "no digests: <= 1.5 x the floor".into(), found: floor("dacti", 1.5) },
        Bar { work, bar: "digests: <= 3 x the floor".into(), found: floor("dacti, digests", 3.0) },
        Bar { work, bar: format!("no digests: {peers}"), found: ahead("dacti") },
        Bar { work, bar: format!("digests: {peers}"), found: ahead("dacti, digests") },
    ]
}

fn opens(results: &Results) -> Vec<Bar> {
    let work = "open and get one of 1,000,000";
    let count = 1_000_000;
    let reads = results.of(count, "dacti").and_then(|measured| measured.cold);
    let pmtiles = results.at_most(count, ["dacti", "pmtiles"], OPEN_GET, 0.1);
    vec![
        Bar {
            work,
            bar: "<= 3 reads, <= 110 kB".into(),
            found: reads.map(|reads| held(reads, 3, 110_000)),
        },
        Bar {
            work,
            bar: "<= 4 x the floor".into(),
            found: results.at_most(count, ["dacti", FLOOR], OPEN_GET, 4.0),
        },
        Bar { work, bar: "<= 0.1 x pmtiles".into(), found: pmtiles },
    ]
}

fn look_ups(results: &Results) -> Vec<Bar> {
    let count = 1_000_000;
    let mut bars = Vec::new();
    for (work, kind) in
        [("random hit, open, 1,000,000", HIT), ("random miss, open, 1,000,000", MISS)]
    {
        let store = "dacti, mapped";
        let found = results.at_most(count, [store, MAPPED_FLOOR], kind, 1.5);
        bars.push(Bar { work, bar: "<= 1.5 x the floor".into(), found });
        let found = results.ahead(count, store, kind, &[]);
        bars.push(Bar { work, bar: "ahead of all peers".into(), found });
    }
    let of = |name| results.threads.iter().find(|scaling| scaling.name == name).and_then(factor);
    let found = of("dacti, mapped").zip(of(MAPPED_FLOOR));
    bars.push(Bar {
        work: "random hit, two threads",
        bar: ">= 0.9 x the gain of the floor by a second thread".into(),
        found: found.map(|(own, floor)| {
            (format!("{own:.2} x one thread's, the floor {floor:.2} x"), own >= 0.9 * floor)
        }),
    });
    bars
}

fn cold(results: &Results) -> Vec<Bar> {
    let work = "cold look-up by ranges";
    let bar = |count: usize, reads, bytes: u64, found: Option<Reads>| Bar {
        work,
        bar: format!("{}: <= {reads} reads, <= {} kB", grouped(count as u64), bytes / 1000),
        found: found.map(|found| held(found, reads, bytes)),
    };
    let of = |count| results.of(count, "dacti, digests").and_then(|measured| measured.cold);
    vec![
        bar(1_000, 2, 70_000, of(1_000)),
        bar(100_000, 3, 75_000, of(100_000)),
        bar(1_000_000, 3, 90_000, of(1_000_000)),
        bar(10_000_000, 3, 125_000, results.ten_million),
    ]
}

fn held(found: Reads, reads: u64, bytes: u64) -> (String, bool) {
    let text = format!("{} reads, {} bytes", found.reads, grouped(found.bytes));
    (text, found.reads <= reads && found.bytes <= bytes)
}

fn brotli(results: &Results) -> Vec<Bar> {
    let work = "pack with brotli, quality 5";
    let ratio = |f: fn(&Brotli) -> Option<f64>| results.brotli.as_ref().and_then(f);
    let cores = ratio(|brotli| Some(median(&brotli.one)? / median(&brotli.two)?));
    let direct = ratio(|brotli| Some(median(&brotli.one)? / median(&brotli.direct)?));
    vec![
        Bar {
            work,
            bar: "two cores: >= 1.8 x one core's speed".into(),
            found: cores.map(|ratio| (format!("{ratio:.2} x"), ratio >= 1.8)),
        },
        Bar {
            work,
            bar: "one core: no slower than the crate `brotli` called directly".into(),
            found: direct.map(|ratio| (format!("{ratio:.3} x its time"), ratio <= 1.0)),
        },
    ]
}
