//! Updates a package while eight readers read it through a cache. No reader may get a wrong byte,
//! or an error that repeating does not remove.
//!
//! Half of the readers fetch the head from the origin, and everything else from the cache. A cache
//! with several locations can also answer with a new head and old bytes, but never with a worse mix
//! than this. An update waits for no cache, so it is published as fast as the disk allows.

use dacti::fetch::{HttpOptions, Stats};
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_tests::lab::{Edge, Lab, Lifetimes, Tool, full, missing};
use dacti_tests::program::program;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

const READERS: usize = 8;
const REGIONS: usize = 40;

/// The state of a package when the updates begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The package is as it was packed.
    Fresh,
    /// The package has room for a few updates, so one of the next updates folds.
    NearlyFull,
    /// The package was folded before, so each update folds.
    Folded,
}

/// Returns the content of a region in a version. A reader can see from the content which version it
/// is, and whether it is complete.
pub(super) fn content(region: usize, version: u64) -> Vec<u8> {
    let len = 200 + region * 1_500;
    let mut bytes = format!("region {region} version {version}\n").into_bytes();
    let mut state = (region as u64 + 1).wrapping_mul(version.wrapping_add(0x9e37_79b9_7f4a_7c15));
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.push((state >> 56) as u8);
    }
    bytes
}

pub(super) fn version_of(region: usize, bytes: &[u8]) -> Option<u64> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let text = std::str::from_utf8(line).ok()?;
    let version = text.strip_prefix(&format!("region {region} version "))?.parse().ok()?;
    (bytes == content(region, version)).then_some(version)
}

/// Reads a region of a view, and returns the region's number and its version. `pick` is the state
/// of a pseudo-random sequence that chooses one of the `regions` regions.
pub(super) fn read_next(package: &Package, regions: usize, pick: &mut usize) -> (usize, u64) {
    *pick = pick.wrapping_mul(25_214_903_917).wrapping_add(11) % (1 << 40);
    let region = *pick / 7 % regions;
    let bytes = package.get(path(region).as_str()).unwrap();
    let version = version_of(region, &bytes)
        .unwrap_or_else(|| panic!("wrong bytes of region {region}: {bytes:?}"));
    (region, version)
}

pub(super) fn path(region: usize) -> String {
    format!("files/{region:03}")
}

/// Packs a package whose regions have version 0.
fn pack(at: &Path, start: Start) {
    let (encoding, share) = (EncodingChoice::None, false);
    let options = BuildOptions { encoding, share, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for region in 0..REGIONS {
        builder.add(path(region).as_str(), content(region, 0)).unwrap();
    }
    // These further regions make the index longer than the head.
    for other in 0..3_000 {
        builder.add(format!("others/{other}").as_str(), vec![b'x'; 20]).unwrap();
    }
    builder.build(at).unwrap();
    match start {
        Start::Fresh => {}
        // The package has eight delta groups of 255 entries. Each update takes 252 entries of a
        // group.
        Start::NearlyFull => {
            for _ in 0..8 {
                put(at, (0..252).map(|other| (format!("others/{other}"), vec![b'y'; 20])));
            }
        }
        Start::Folded => {
            let mut update = Update::open(at, UpdateOptions::default()).unwrap();
            update.remove("others/2999").unwrap();
            // A removal alone would not fold, so the update also puts a region.
            update.put("others/2998", vec![b'z'; 20]).unwrap();
            update.plan().unwrap().apply().unwrap();
        }
    }
}

fn put(at: &Path, regions: impl Iterator<Item = (String, Vec<u8>)>) {
    let options = UpdateOptions { force: true, ..UpdateOptions::default() };
    let mut update = Update::open(at, options).unwrap();
    for (path, content) in regions {
        update.put(path.as_str(), content).unwrap();
    }
    update.plan().unwrap().apply().unwrap();
}

/// Puts all regions in a new version with the verb `dacti put`.
fn put_by_program(package: &Path, folder: &Path, version: u64) {
    for region in 0..REGIONS {
        let file = folder.join(path(region));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content(region, version)).unwrap();
    }
    let mut put = Command::new(program());
    let output = put.args(["put", "--quiet"]).arg(package).arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Prints a row of a table. If `DACTI_LAB_ROWS` names a folder, also appends the row to a file
/// there.
pub(super) fn tell(table: &str, row: &str) {
    eprintln!("{row}");
    if let Some(rows) = std::env::var_os("DACTI_LAB_ROWS") {
        let rows = Path::new(&rows).join(table);
        let mut rows = fs::OpenOptions::new().create(true).append(true).open(rows).unwrap();
        // The row is one write, because other tests append to the same file at the same time.
        rows.write_all(format!("{row}\n").as_bytes()).unwrap();
    }
}

/// The results of the readers of one cache.
#[derive(Debug, Default)]
struct Met {
    opened: AtomicU64,
    read: AtomicU64,
    stats: Mutex<Stats>,
}

impl Met {
    fn add(&self, stats: Stats) {
        let mut sum = self.stats.lock().unwrap();
        *sum = sum.and(stats);
    }

    /// Returns a row of the table in `docs/caches.md`. The table has no columns for wrong bytes and
    /// for errors, because these fail the test.
    fn row(&self, cache: &str, start: Start, lifetimes: Lifetimes, updates: u64) -> String {
        let start = match start {
            Start::Fresh => "fresh",
            Start::NearlyFull => "nearly full",
            Start::Folded => "folded",
        };
        let stats = self.stats.lock().unwrap();
        let numbers = [
            updates,
            self.opened.load(Ordering::Relaxed),
            self.read.load(Ordering::Relaxed),
            stats.requests,
            stats.resumes,
            stats.retries,
            stats.stale,
            stats.not_satisfiable,
            stats.whole,
            stats.escalations,
        ];
        let numbers = numbers.map(|n| n.to_string()).join(" | ");
        format!("| {cache} | {start} | {} s | {numbers} |", lifetimes.head)
    }
}

/// Opens the package again and again. Reads regions by each view, some of them when the view is no
/// longer the newest.
fn read(
    url: &str,
    head_url: Option<String>,
    published: &RwLock<u64>,
    over: &AtomicBool,
    met: &Met,
    seed: usize,
) {
    let mut newest: BTreeMap<usize, u64> = BTreeMap::new();
    let mut pick = seed;
    while !over.load(Ordering::Relaxed) {
        let mut options = HttpOptions { head_url: head_url.clone(), ..HttpOptions::default() };
        options.session.backoff_millis = 5;
        options.session.backoff_millis_max = 100;
        let (package, source) = Package::open_url_with(url, &options).unwrap();
        met.opened.fetch_add(1, Ordering::Relaxed);
        // Each update replaces all regions, so all regions of a view have the same version.
        let mut seen = None;
        for _ in 0..12 {
            let (region, version) = read_next(&package, REGIONS, &mut pick);
            assert_eq!(*seen.get_or_insert(version), version, "half an update");
            // An update becomes visible before the publisher increases `published`. So readers may
            // see the next version.
            assert!(version <= *published.read().unwrap() + 1, "from the future");
            met.read.fetch_add(1, Ordering::Relaxed);
            if head_url.is_some() {
                // This reader fetches heads from the origin, so no head may be older than an
                // earlier one.
                let newest = newest.entry(region).or_default();
                assert!(version >= *newest, "the view went back");
                *newest = version;
            }
        }
        met.add(source.stats());
    }
}

/// Updates a package for some time while readers read it through `edge`. Prints a row of the table.
fn run(before: Before, edge: Edge, start: Start, lifetimes: Lifetimes, time: Duration) {
    let (lab, cache) = match before {
        Before::Nginx => (Lab::start(lifetimes), edge.name().into()),
        Before::Serve => {
            (Lab::start_serve(lifetimes), format!("{}, before `dacti serve`", edge.name()))
        }
    };
    let mut lab = lab.unwrap();
    let package = lab.data().join("p.dacti-pack");
    pack(&package, start);
    let at = lab.edge(edge).unwrap();
    let (through, origin) =
        (format!("http://{at}/p.dacti-pack"), format!("http://{}/p.dacti-pack", lab.origin()));
    let (published, over, met) = (RwLock::new(0), AtomicBool::new(false), Met::default());
    let mut updates = 0;
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for reader in 0..READERS {
            let head_url = reader.is_multiple_of(2).then(|| origin.clone());
            let (through, published, over, met) = (&through, &published, &over, &met);
            scope.spawn(move || {
                let _over = Over(over);
                read(through, head_url, published, over, met, reader * 1_234_567);
            });
        }
        let started = Instant::now();
        while started.elapsed() < time && !over.load(Ordering::Relaxed) {
            // Waits until readers have read the previous version a few times, so that the test does
            // not depend on the speed of the machine.
            let read = met.read.load(Ordering::Relaxed);
            while met.read.load(Ordering::Relaxed) < read + 60 && !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let version = *published.read().unwrap() + 1;
            put_by_program(&package, &lab.scratch("new"), version);
            *published.write().unwrap() = version;
            updates += 1;
        }
    });
    assert!(updates > 0 && met.opened.load(Ordering::Relaxed) > 8);
    tell("updates", &met.row(&cache, start, lifetimes, updates));
}

/// Ends all threads when it is dropped. So if one thread ends, even by a panic, the others end,
/// too.
pub(super) struct Over<'o>(pub(super) &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lifetimes of heads: two seconds, and an hour. In both cases, caches keep data for a year.
const SHORT: Lifetimes = Lifetimes { head: 2, data: 31_536_000 };
const LONG: Lifetimes = Lifetimes { head: 3_600, data: 31_536_000 };

/// The kind of origin before which a cache stands.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nginx,
    Serve,
}

fn matrix(before: Before, edge: Edge) {
    if missing(&[Tool::NGINX, edge.tool()]) {
        return;
    }
    if !full() {
        run(before, edge, Start::Fresh, LONG, Duration::from_secs(2));
        return run(before, edge, Start::NearlyFull, SHORT, Duration::from_secs(2));
    }
    let starts: &[_] = match before {
        Before::Nginx => &[Start::Fresh, Start::NearlyFull, Start::Folded],
        // For this other server, only nearly full packages are tested. Their updates are of both
        // kinds: some fold, and some do not.
        Before::Serve => &[Start::NearlyFull],
    };
    for &start in starts {
        for lifetimes in [SHORT, LONG] {
            run(before, edge, start, lifetimes, Duration::from_secs(60));
        }
    }
}

#[test]
fn behind_nginx_with_short_slices() {
    matrix(Before::Nginx, Edge::NginxSlice64k);
}

#[test]
fn behind_nginx_with_long_slices() {
    matrix(Before::Nginx, Edge::NginxSlice1m);
}

#[test]
fn behind_nginx_with_whole_objects() {
    matrix(Before::Nginx, Edge::NginxWhole);
}

#[test]
fn behind_varnish() {
    matrix(Before::Nginx, Edge::Varnish);
}

#[test]
fn behind_varnish_that_keeps_ranges() {
    matrix(Before::Nginx, Edge::VarnishRanges);
}

#[test]
fn behind_squid_that_passes_ranges_on() {
    matrix(Before::Nginx, Edge::SquidPass);
}

#[test]
fn behind_squid_with_whole_objects() {
    matrix(Before::Nginx, Edge::SquidWhole);
}

#[test]
fn behind_traffic_server() {
    matrix(Before::Nginx, Edge::Ats);
}

#[test]
fn behind_nginx_with_long_slices_before_serve() {
    matrix(Before::Serve, Edge::NginxSlice1m);
}

#[test]
fn behind_traffic_server_before_serve() {
    matrix(Before::Serve, Edge::Ats);
}
