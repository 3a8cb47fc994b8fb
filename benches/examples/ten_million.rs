//! `cargo xtask bench ten-million`: builds a package of ten million regions, looks up regions, and
//! verifies the package. Prints the time and the memory of each step.
//!
//! `--count N` sets the number of regions, and `--len BYTES` their length. `--paths` gives the
//! regions paths instead of ids. With `--equal`, every second region has the same content, and up
//! to 16 regions share one stored copy of it. With `--equal --apart`, each region has a stored copy
//! of its own. `--dir DIR` sets the folder of the package.

use dacti::{BuildOptions, Content, EncodingChoice, Package, PackageBuilder};
use dacti_benches::Numbers;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use uuid::Uuid;

struct Asked {
    count: u64,
    len: usize,
    paths: bool,
    equal: bool,
    apart: bool,
    dir: Option<PathBuf>,
}

impl Asked {
    fn of_args() -> Self {
        let (count, len) = (10_000_000, 8);
        let mut asked = Self { count, len, paths: false, equal: false, apart: false, dir: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--count" => {
                    let count = args.next().and_then(|count| count.parse().ok());
                    asked.count = count.expect("--count takes a number");
                }
                "--len" => {
                    let len = args.next().and_then(|len| len.parse().ok());
                    asked.len = len.expect("--len takes a number");
                }
                "--paths" => asked.paths = true,
                "--equal" => asked.equal = true,
                "--apart" => asked.apart = true,
                "--dir" => asked.dir = args.next().map(PathBuf::from),
                other => panic!("{other} is no option: the first lines of the example name them"),
            }
        }
        asked
    }

    /// Returns the content of region `n`.
    fn content(&self, n: u64) -> Vec<u8> {
        let n = if self.equal && n.is_multiple_of(2) { u64::MAX } else { n };
        n.to_le_bytes().into_iter().cycle().take(self.len).collect()
    }
}

/// The name of region `n`: its id or its path.
enum Name {
    Id(Uuid),
    Path(String),
}

impl Name {
    fn new(n: u64, paths: bool) -> Self {
        if paths {
            Self::Path(format!("tiles/{:03}/{n:08}.bin", n % 1000))
        } else {
            Self::Id(Numbers::new(n).id())
        }
    }
}

fn main() {
    let asked = Asked::of_args();
    let dir = match &asked.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("there is a place for temporary files");
    let path = dir.path().join("ten-million.dacti-pack");
    let what = if asked.paths { "paths" } else { "ids" };
    println!("{} regions of {} bytes, with {what}", asked.count, asked.len);
    let builder = step("add", || builder(&asked));
    let built = step("build", || builder.build(&path).expect("it can be built"));
    assert_eq!(built.regions, asked.count);
    println!("{:>10} bytes of package", built.len);
    step("find", || find(&path, &asked));
    step("verify", || {
        let package = Package::open(&path).expect("it was built");
        let report = package.verify(None, &mut |_| ControlFlow::Continue(()));
        let report = report.expect("it has an index");
        assert!(report.findings.is_empty(), "{:?}", report.findings.first());
        assert!(report.regions >= asked.count);
    });
}

fn builder(asked: &Asked) -> PackageBuilder {
    let (encoding, share) = (EncodingChoice::None, !asked.apart);
    let options = BuildOptions { encoding, share, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..asked.count {
        let content: Content<'_> = asked.content(n).into();
        let added = match Name::new(n, asked.paths) {
            Name::Id(id) => builder.add(id, content),
            Name::Path(path) => builder.add(path, content),
        };
        added.expect("the names are sound");
    }
    builder
}

/// Finds and reads some regions. The file is read by position first, and then mapped.
fn find(path: &Path, asked: &Asked) {
    let packages = [("by position", Package::open(path)), ("mapped", Package::open_mapped(path))];
    for (how, package) in packages {
        let package = package.expect("it was built");
        let times = asked.count.min(200_000);
        let hits = time(times, |i| {
            let n = Numbers::new(i).number() % asked.count;
            let found = match Name::new(n, asked.paths) {
                Name::Id(id) => package.get(id),
                Name::Path(path) => package.get(&path),
            };
            assert_eq!(found.expect("it is there"), asked.content(n));
        });
        let misses = time(times, |i| {
            let absent = Numbers::new(i + (1 << 40)).id();
            assert!(package.find(absent).expect("the index is sound").is_none());
        });
        println!("{hits:8} ns a hit, {misses:5} ns a miss: {how}");
        assert!(package.view().fences_fault().is_none());
    }
}

/// Runs a look-up many times. Returns the nanoseconds that each took on average.
fn time(times: u64, mut look_up: impl FnMut(u64)) -> u128 {
    let start = Instant::now();
    (0..times).for_each(&mut look_up);
    start.elapsed().as_nanos() / u128::from(times.max(1))
}

/// Runs a step. Prints its time, and the maximum memory of the process during the step.
fn step<T>(name: &str, run: impl FnOnce() -> T) -> T {
    // Resets the maximum. If the system does not allow this, the printed maximum includes earlier
    // steps.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let value = run();
    let seconds = start.elapsed().as_secs_f64();
    match peak_kib() {
        Some(kib) => println!("{seconds:8.2} s {:7} MiB at most: {name}", kib / 1024),
        None => println!("{seconds:8.2} s: {name}"),
    }
    value
}

/// Returns the maximum memory of the process in KiB. Only Linux reports it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
