//! Updates of files with 100,000 regions of 1 KiB, in place. Compares a package with a ZIP archive
//! (which has to write its central directory again), with redb and with SQLite.
//!
//! `cargo xtask bench update` runs this bench, and `--test` runs it once with a small work. Each
//! update opens the file, replaces regions, and syncs the file to the disk. ZIP cannot replace the
//! files in an archive, so the update adds them. The result is a table in Markdown. It has the
//! median time, the bytes by which the file grows, and the number of slices of 64 KiB of the old
//! file that change. A cache would have to fetch these slices again.

use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_benches::Numbers;
use redb::{Database, TableDefinition};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const TABLE: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("regions");
const REGION_LEN: usize = 1024;
const SLICE_LEN: usize = 65_536;

type Region = (Uuid, Vec<u8>);

/// A store that keeps regions in one file.
struct Holder {
    name: &'static str,
    pack: fn(&Path, &[Region]),
    /// Applies an update. The last argument is the number of the update, so that updates have
    /// different contents.
    update: fn(&Path, &[Region], usize),
}

const HOLDERS: [Holder; 4] = [
    Holder { name: "dacti", pack: pack_dacti, update: update_dacti },
    Holder { name: "zip", pack: pack_zip, update: update_zip },
    Holder { name: "redb", pack: pack_redb, update: update_redb },
    Holder { name: "SQLite", pack: pack_sqlite, update: update_sqlite },
];

fn pack_dacti(path: &Path, regions: &[Region]) {
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for (id, content) in regions {
        builder.add(*id, content.clone()).expect("the id is its own");
    }
    builder.build(path).expect("it can be built");
}

fn update_dacti(path: &Path, regions: &[Region], _: usize) {
    let mut update = Update::open(path, UpdateOptions::default()).expect("it was packed");
    for (id, content) in regions {
        update.put(*id, content.clone()).expect("the id is its own");
    }
    update.plan().expect("there is room").apply().expect("it can be written");
}

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

fn write_zip<W: std::io::Write + std::io::Seek>(
    zip: &mut ZipWriter<W>,
    regions: &[Region],
    round: usize,
) {
    for (id, content) in regions {
        zip.start_file(format!("{id}/{round}"), stored()).expect("it can be written");
        std::io::Write::write_all(zip, content).expect("it can be written");
    }
}

fn pack_zip(path: &Path, regions: &[Region]) {
    let file = std::io::BufWriter::new(File::create(path).expect("it can be created"));
    let mut zip = ZipWriter::new(file);
    write_zip(&mut zip, regions, 0);
    zip.finish().expect("it can be written").into_inner().expect("it can be written");
}

fn update_zip(path: &Path, regions: &[Region], round: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it was packed");
    let mut zip = ZipWriter::new_append(file).expect("it was packed");
    write_zip(&mut zip, regions, round);
    zip.finish().expect("it can be written").sync_all().expect("it can be written");
}

fn pack_redb(path: &Path, regions: &[Region]) {
    let database = Database::create(path).expect("it can be created");
    insert_redb(&database, regions);
}

fn insert_redb(database: &Database, regions: &[Region]) {
    let transaction = database.begin_write().expect("it is alone");
    {
        let mut table = transaction.open_table(TABLE).expect("it can be made");
        for (id, content) in regions {
            table.insert(id.as_bytes(), &content[..]).expect("it can be written");
        }
    }
    transaction.commit().expect("it can be written");
}

fn update_redb(path: &Path, regions: &[Region], _: usize) {
    insert_redb(&Database::open(path).expect("it was packed"), regions);
}

fn pack_sqlite(path: &Path, regions: &[Region]) {
    let database = Connection::open(path).expect("it can be created");
    let table = "CREATE TABLE regions (id BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID";
    database.execute(table, []).expect("it is empty");
    insert_sqlite(database, regions);
}

fn insert_sqlite(mut database: Connection, regions: &[Region]) {
    let transaction = database.transaction().expect("it is alone");
    {
        let insert = "INSERT OR REPLACE INTO regions VALUES (?1, ?2)";
        let mut insert = transaction.prepare(insert).expect("it is SQL");
        for (id, content) in regions {
            insert.execute(params![&id.as_bytes()[..], content]).expect("it can be written");
        }
    }
    transaction.commit().expect("it can be written");
}

fn update_sqlite(path: &Path, regions: &[Region], _: usize) {
    insert_sqlite(Connection::open(path).expect("it was packed"), regions);
}

/// The cost of updates of one size.
struct Cost {
    time: Duration,
    grown: i64,
    slices: usize,
}

/// Applies `rounds` updates of `count` regions each to a copy of the file.
fn measure(holder: &Holder, fresh: &Path, regions: &[Region], count: usize, rounds: usize) -> Cost {
    let path = fresh.with_extension("copy");
    fs::copy(fresh, &path).expect("there is room");
    let mut numbers = Numbers::new(count as u64);
    let (mut times, mut slices, mut grown) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let old = fs::read(&path).expect("it is there");
        let step = regions.len() / count;
        let puts: Vec<Region> = regions
            .iter()
            .skip(round % step.max(1))
            .step_by(step)
            .take(count)
            .map(|(id, _)| (*id, numbers.text(REGION_LEN)))
            .collect();
        let start = Instant::now();
        (holder.update)(&path, &puts, round);
        times.push(start.elapsed());
        let new = fs::read(&path).expect("it is there");
        let changed = old.chunks(SLICE_LEN).zip(new.chunks(SLICE_LEN));
        slices.push(changed.filter(|(old, new)| new.get(..old.len()) != Some(*old)).count());
        grown.push(new.len() as i64 - old.len() as i64);
    }
    fs::remove_file(&path).expect("it is there");
    times.sort();
    slices.sort_unstable();
    grown.sort_unstable();
    let middle = rounds / 2;
    Cost { time: times[middle], grown: grown[middle], slices: slices[middle] }
}

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let (regions, rounds) = if test { (600, 2) } else { (100_000, 15) };
    let mut numbers = Numbers::new(7);
    let regions: Vec<Region> =
        (0..regions).map(|_| (numbers.id(), numbers.text(REGION_LEN))).collect();
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    println!("| store | regions put | time | | grows by, bytes | slices changed |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut own = BTreeMap::new();
    for holder in &HOLDERS {
        let fresh: PathBuf = dir.path().join(holder.name);
        (holder.pack)(&fresh, &regions);
        for count in [1, 100, 255] {
            let Cost { time, grown, slices } = measure(holder, &fresh, &regions, count, rounds);
            let ms = time.as_secs_f64() * 1000.0;
            // The package is measured first, and the times of the other stores are divided by its
            // time.
            let ratio = ms / *own.entry(count).or_insert(ms);
            let name = holder.name;
            println!("| {name} | {count} | {ms:.2} ms | {ratio:.2} x | {grown} | {slices} |");
        }
        fs::remove_file(&fresh).expect("it is there");
    }
}
