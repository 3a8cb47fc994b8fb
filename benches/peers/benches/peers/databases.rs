//! Databases in one file: redb, SQLite and LMDB. Of all stores, only these and dacti can change
//! their files. Each database packs in one transaction, in the order of its keys.

use crate::store::{Look, Reads, Store};
use crate::work::{Key, Work};
use heed::types::Bytes;
use heed::{CommitOrAbort, EnvOpenOptions, PutFlags};
use redb::{Builder, Database, ReadOnlyTable, ReadableDatabase, StorageBackend};
use redb::{TableDefinition, backends::FileBackend};
use rusqlite::{Connection, OpenFlags, Statement, params};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Redb;

const TABLE: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("regions");

impl Store for Redb {
    fn name(&self) -> &'static str {
        "redb"
    }

    fn file(&self) -> &'static str {
        "redb"
    }

    fn how(&self) -> &'static str {
        "one transaction, in the order of the ids, committed to disk; opened to read, with its \
         cache of pages as it comes"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let database = Database::create(path).expect("it can be created");
        let transaction = database.begin_write().expect("it is alone");
        {
            let mut table = transaction.open_table(TABLE).expect("it can be made");
            for (id, content) in work.by_id() {
                table.insert(id.as_bytes(), content).expect("it can be written");
            }
        }
        transaction.commit().expect("it can be written");
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let database = Builder::new().open_read_only(path).expect("it was packed");
        let transaction = database.begin_read().expect("it was packed");
        with(&mut transaction.open_table(TABLE).expect("it was packed"));
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let counted = CountedBackend::open(path);
        let counts = Arc::clone(&counted.counts);
        let database = Builder::new().open_read_only_with_backend(counted).expect("it was packed");
        let transaction = database.begin_read().expect("it was packed");
        let mut table = transaction.open_table(TABLE).expect("it was packed");
        assert!(Look::get(&mut table, key, out), "it is there");
        let (reads, bytes) = (&counts[0], &counts[1]);
        let (reads, bytes) = (reads.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
        Some(Reads { reads, bytes })
    }
}

impl Look for ReadOnlyTable<&'static [u8; 16], &'static [u8]> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let found = ReadOnlyTable::get(self, key.id.as_bytes()).expect("it is sound");
        let Some(content) = found else { return false };
        out.extend_from_slice(content.value());
        true
    }
}

/// The file backend of redb, which counts its reads. It takes no lock, because no other process
/// opens the file.
#[derive(Debug)]
struct CountedBackend {
    file: FileBackend,
    counts: Arc<[AtomicU64; 2]>,
}

impl CountedBackend {
    fn open(path: &Path) -> Self {
        let file = File::open(path).expect("it was packed");
        let file = FileBackend::new(file).expect("it is alone");
        Self { file, counts: Arc::default() }
    }
}

impl StorageBackend for CountedBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.counts[0].fetch_add(1, Ordering::Relaxed);
        self.counts[1].fetch_add(out.len() as u64, Ordering::Relaxed);
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
}

pub struct Sqlite;

impl Store for Sqlite {
    fn name(&self) -> &'static str {
        "rusqlite"
    }

    fn file(&self) -> &'static str {
        "sqlite"
    }

    fn how(&self) -> &'static str {
        "a table without row ids, pages of 8 KiB, one transaction in the order of the ids without \
         a journal, a prepared statement; read through its map"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let connection = Connection::open(path).expect("it can be created");
        connection
            .execute_batch(
                "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL; \
                 PRAGMA locking_mode = EXCLUSIVE; BEGIN; \
                 CREATE TABLE regions (id BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;",
            )
            .expect("it is SQL");
        let mut insert =
            connection.prepare("INSERT INTO regions VALUES (?1, ?2)").expect("it is SQL");
        for (id, content) in work.by_id() {
            insert.execute(params![id.as_bytes(), content]).expect("it can be written");
        }
        connection.execute_batch("COMMIT").expect("it can be written");
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("it was packed");
        connection
            .execute_batch("PRAGMA mmap_size = 2000000000; PRAGMA locking_mode = EXCLUSIVE;")
            .expect("it is SQL");
        let select = "SELECT content FROM regions WHERE id = ?1";
        with(&mut connection.prepare(select).expect("it is SQL"));
    }

    fn cold(&self, _: &Path, _: &Key, _: &mut Vec<u8>) -> Option<Reads> {
        None
    }
}

impl Look for Statement<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let mut rows = self.query([key.id.as_bytes()]).expect("it is sound");
        let Some(row) = rows.next().expect("it is sound") else { return false };
        let content = row.get_ref(0).expect("it has a column");
        out.extend_from_slice(content.as_blob().expect("it holds bytes"));
        true
    }
}

pub struct Lmdb;

/// The maximum length of the mapped file, more than any work needs. It costs no space, because the
/// file is sparse.
const MAP_LEN: usize = 4 << 30;

type Regions<'e> = heed::Database<'e, Bytes, Bytes>;

impl Store for Lmdb {
    fn name(&self) -> &'static str {
        "lmdb"
    }

    fn file(&self) -> &'static str {
        "lmdb"
    }

    fn how(&self) -> &'static str {
        "by heed: one transaction, appended in the order of the ids, synced; one read transaction \
         for all look-ups"
    }

    fn pack(&self, work: &Work, path: &Path) {
        std::fs::create_dir(path).expect("it can be created");
        let env = crate::mapped::lmdb(path, EnvOpenOptions::new().map_size(MAP_LEN));
        {
            let regions: Regions<'_> = env
                .create_databases_and_commit(
                    env.write_txn().expect("it is alone"),
                    |opener, txn| {
                        opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
                    },
                )
                .expect("it can be made")
                .unwrap_commit();
            let mut transaction = env.write_txn().expect("it is alone");
            for (id, content) in work.by_id() {
                regions
                    .put_with_flags(&mut transaction, PutFlags::APPEND, id.as_bytes(), content)
                    .expect("it can be written");
            }
            transaction.commit().expect("it can be written");
        }
        env.prepare_for_closing().wait();
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let env = crate::mapped::lmdb(path, EnvOpenOptions::new().map_size(MAP_LEN));
        {
            let regions: Option<Regions<'_>> = env
                .open_databases_and_commit(env.read_txn().expect("it was packed"), |opener, txn| {
                    opener.open_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
                })
                .expect("it was packed")
                .unwrap_commit();
            let regions = regions.expect("it is there");
            let transaction = env.read_txn().expect("it was packed");
            with(&mut LmdbOpen { transaction: &transaction, regions });
        }
        env.prepare_for_closing().wait();
    }

    fn cold(&self, _: &Path, _: &Key, _: &mut Vec<u8>) -> Option<Reads> {
        None
    }
}

struct LmdbOpen<'t> {
    transaction: &'t heed::RoTxn<'t, heed::WithTls>,
    regions: Regions<'t>,
}

impl Look for LmdbOpen<'_> {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let found = self.regions.get(self.transaction, key.id.as_bytes()).expect("it is sound");
        let Some(content) = found else { return false };
        out.extend_from_slice(content);
        true
    }
}
