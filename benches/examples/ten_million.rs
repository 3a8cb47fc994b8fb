//! `cargo xtask bench ten-million`: builds a package of ten million regions, looks up regions, and
//! verifies the package. Prints the time and the memory of each step.
//!
//! `--count N` sets the number of regions. `--paths` gives the regions paths instead of ids. `--dir
//! DIR` sets the folder of the package.

use dacti::{BuildOptions, Content, EncodingChoice, Package, PackageBuilder};
use dacti_benches::Numbers;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use uuid::Uuid;

struct Asked {
    count: u64,
    paths: bool,
    dir: Option<PathBuf>,
}

impl Asked {
    fn of_args() -> Self {
        let mut asked = Self { count: 10_000_000, paths: false, dir: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--count" => {
                    let count = args.next().and_then(|count| count.parse().ok());
                    asked.count = count.expect("--count takes a number");
                }
                "--paths" => asked.paths = true,
                "--dir" => asked.dir = args.next().map(PathBuf::from),
                other => panic!("takes --count N, --paths and --dir DIR, not {other}"),
            }
        }
        asked
    }
}

/// The name of region `n`.
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

fn content(n: u64) -> [u8; 8] {
    n.to_le_bytes()
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
    println!("{} regions of 8 bytes, with {what}", asked.count);
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
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..asked.count {
        let content: Content<'_> = content(n).to_vec().into();
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
    for package in [Package::open(path), Package::open_mapped(path)] {
        let package = package.expect("it was built");
        for i in 0..10_000.min(asked.count) {
            let n = Numbers::new(i).number() % asked.count;
            let found = match Name::new(n, asked.paths) {
                Name::Id(id) => package.get(id),
                Name::Path(path) => package.get(&path),
            };
            assert_eq!(found.expect("it is there"), content(n));
            let absent = Numbers::new(i + (1 << 40)).id();
            assert!(package.find(absent).expect("the index is sound").is_none());
        }
        assert!(package.view().fences_fault().is_none());
    }
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
