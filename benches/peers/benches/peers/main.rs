//! `cargo xtask bench peers`: compares packages with crates of other projects. All of them do the
//! same work in one run.
//!
//! Prints a table in Markdown to standard output, and the progress to standard error. With
//! `--quick`, it omits the largest work and repeats less often. With `--test`, it runs everything
//! once with small works, to check that everything works. With `--regions N`, it does only the work
//! with N regions. With `--only STORES`, it measures only the floor (the simplest possible store),
//! and the stores whose names contain one of the words in STORES. Commas separate the words.

mod bars;
mod brotli;
mod databases;
mod logs;
mod mapped;
mod measure;
mod packages;
mod raw;
mod store;
mod streams;
mod table;
mod tensors;
mod threads;
mod tiles;
mod work;
mod zips;

use bars::Results;
use measure::Effort;
use packages::Dacti;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::Store;
use work::Work;

const READ: Dacti = Dacti {
    name: "dacti",
    how: "no digests written, none asked for; read by position",
    digests: false,
    paths: false,
    mapped: false,
};

const MAPPED: Dacti = Dacti {
    name: "dacti, mapped",
    how: "the same file, mapped; regions are borrowed from the map",
    mapped: true,
    ..READ
};

/// Returns all stores. The first two are variants of the floor, the simplest store that can work.
fn stores() -> Vec<Box<dyn Store>> {
    vec![
        Box::new(raw::Raw { mapped: false }),
        Box::new(raw::Raw { mapped: true }),
        Box::new(READ),
        Box::new(MAPPED),
        Box::new(Dacti {
            name: "dacti, digests",
            how: "each region's BLAKE3 digest written, and checked by each read; by position",
            digests: true,
            paths: false,
            mapped: false,
        }),
        Box::new(Dacti {
            name: "dacti, digests, mapped",
            how: "the same file, mapped; each read checks the region's digest",
            digests: true,
            paths: false,
            mapped: true,
        }),
        Box::new(Dacti {
            name: "dacti, paths",
            how: "as `dacti, digests`, with paths in place of ids: each is hashed, and there is a \
                  names list",
            digests: true,
            paths: true,
            mapped: false,
        }),
        Box::new(zips::Zip),
        Box::new(zips::RcZip),
        Box::new(tiles::PmTiles),
        Box::new(logs::Mcap),
        Box::new(tensors::Tensors),
        Box::new(streams::Tar),
        Box::new(streams::Car),
        Box::new(databases::Redb),
        Box::new(databases::Sqlite),
        Box::new(databases::Lmdb),
    ]
}

/// The arguments of the command line.
#[derive(Default)]
struct Asked {
    quick: bool,
    test: bool,
    regions: Option<usize>,
    only: Option<String>,
    dir: Option<PathBuf>,
}

impl Asked {
    fn of_args() -> Self {
        let mut asked = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => asked.quick = true,
                "--test" => asked.test = true,
                // Cargo adds this argument for every bench.
                "--bench" => {}
                "--regions" => {
                    let count = args.next().and_then(|count| count.parse().ok());
                    asked.regions = Some(count.expect("--regions takes a number"));
                }
                "--only" => asked.only = args.next(),
                "--dir" => asked.dir = args.next().map(PathBuf::from),
                other => {
                    panic!("takes --quick, --regions N, --only STORES and --dir DIR, not {other}")
                }
            }
        }
        asked
    }

    fn effort(&self) -> Effort {
        let ms = Duration::from_millis;
        if self.test {
            Effort { packs: 1, rounds: 1, opening: ms(0), looking: ms(0) }
        } else if self.quick {
            Effort { packs: 3, rounds: 5, opening: ms(30), looking: ms(15) }
        } else {
            Effort { packs: 5, rounds: 7, opening: ms(50), looking: ms(30) }
        }
    }

    /// Returns, for each work, the number of regions and their length.
    fn works(&self) -> Vec<(usize, usize)> {
        let mut works = vec![(1_000, 1024), (100_000, 1024), (1_000_000, 64)];
        match self {
            Self { test: true, .. } => works = vec![(300, 1024), (3_000, 64)],
            Self { regions: Some(asked), .. } => works.retain(|(count, _)| count == asked),
            Self { quick: true, .. } => works.truncate(2),
            _ => {}
        }
        works
    }

    /// Returns whether this run measures all works and all stores.
    fn whole(&self) -> bool {
        self.only.is_none() && self.regions.is_none()
    }

    /// Returns the number of texts that are compressed.
    fn texts(&self) -> usize {
        match self {
            Self { test: true, .. } => 4,
            Self { quick: true, .. } => 1_000,
            _ => 2_000,
        }
    }

    /// Returns the number of regions for look-ups by several threads.
    fn shared(&self) -> usize {
        self.works().last().map_or(0, |(count, _)| *count)
    }

    /// Returns the number of regions in the package of a cold look-up.
    fn many(&self) -> usize {
        if self.test { 3_000 } else { 10_000_000 }
    }

    /// Creates the folder for the files of the stores.
    fn dir(&self) -> tempfile::TempDir {
        let dir = match &self.dir {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        };
        dir.expect("there is a place for temporary files")
    }

    fn stores(&self) -> Vec<Box<dyn Store>> {
        let mut stores = stores();
        if let Some(only) = &self.only {
            let asked = |name: &str| only.split(',').any(|word| name.contains(word));
            stores.retain(|store| store.name().starts_with("raw") || asked(store.name()));
        }
        stores
    }
}

fn main() {
    let asked = Asked::of_args();
    let (stores, effort) = (asked.stores(), asked.effort());
    let mut results = Results::default();
    let start = Instant::now();
    let tell = |what: &str| eprintln!("{:6.1} s: {what}", start.elapsed().as_secs_f64());
    for (count, region_len) in asked.works() {
        let work = Work::new(count, region_len);
        tell(&work.title());
        let dir = asked.dir();
        let all = measure::measure(&work, &stores, &effort, dir.path());
        println!("{}", table::table(&work, &stores, &all));
        if asked.whole() && count == asked.shared() {
            tell("threads");
            let all = threads::measure(&work, &MAPPED, &READ, &effort, dir.path());
            println!("{}", threads::table(&work, &all));
            results.threads = all;
        }
        let named = stores.iter().map(|store| store.name()).zip(all);
        results.works.push((count, named.collect()));
    }
    if asked.whole() {
        tell("Brotli");
        let brotli = brotli::measure(asked.texts(), &effort, asked.dir().path());
        println!("{}", brotli::table(&brotli));
        results.brotli = Some(brotli);
    }
    if !asked.quick && asked.whole() {
        tell("one region among many");
        results.ten_million = Some(packages::one_among(asked.many(), asked.dir().path()));
    }
    if !asked.test {
        println!("### Targets\n\n{}", bars::bars(&results));
    }
    println!("### How each store was used\n\n{}", table::notes(&stores));
    tell("done");
}
