//! PMTiles, with the crate `pmtiles`.

use crate::store::{Look, Reads, Store, synced};
use crate::work::{Key, Work};
use pmtiles::{
    AsyncBackend, AsyncPmTilesReader, BackendResponse, Compression, DirectoryCache, HashMapCache,
    MmapBackend, NoCache, PmTilesWriter, PmtResult, TileId, TileType,
};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::{Builder, Runtime};

pub struct PmTiles;

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

impl Store for PmTiles {
    fn name(&self) -> &'static str {
        "pmtiles"
    }

    fn file(&self) -> &'static str {
        "pmtiles"
    }

    fn how(&self) -> &'static str {
        "keys are tile numbers, every third in use; neither tiles nor directories are compressed, \
         tiles are not compared; its own map backend, its directory cache where it stays open; \
         each opening makes a runtime: a shared one saved some 70 µs of it up to 100,000 regions, \
         and openings of 1,000,000 took 150 ms with it"
    }

    fn pack(&self, work: &Work, path: &Path) {
        let file = File::create(path).expect("it can be created");
        let handle = file.try_clone().expect("it is open");
        // The writer does not compress tiles. It does not look for equal tiles, so it hashes
        // nothing.
        let writer = PmTilesWriter::new(TileType::Unknown)
            .precompressed(Compression::None)
            .internal_compression(Compression::None)
            .dedup_by_key::<u64>();
        let mut writer = writer.create(file).expect("it can be written");
        for (key, content) in work.regions() {
            let tile = TileId::new(key.tile).expect("it is small");
            writer.add_tile(tile.into(), content, None).expect("it can be written");
        }
        writer.finalize().expect("it can be written");
        synced(&handle);
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        let runtime = runtime();
        let cache = HashMapCache::default();
        let reader = AsyncPmTilesReader::new_with_cached_path(cache, path);
        let reader = runtime.block_on(reader).expect("it was packed");
        with(&mut Open { reader });
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        let runtime = runtime();
        let map = runtime.block_on(MmapBackend::try_from(path)).expect("it was packed");
        let (reads, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let backend = Counted { map, reads: &reads, bytes: &bytes };
        let reader = AsyncPmTilesReader::<_, NoCache>::try_from_source(backend);
        let reader = runtime.block_on(reader).expect("it was packed");
        Open { reader }.get(key, out);
        Some(Reads { reads: reads.into_inner(), bytes: bytes.into_inner() })
    }
}

struct Open<B, C> {
    reader: AsyncPmTilesReader<B, C>,
}

impl<B, C> Look for Open<B, C>
where
    B: AsyncBackend + Sync + Send,
    C: DirectoryCache + Sync + Send,
{
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        let tile = TileId::new(key.tile).expect("it is small");
        let found = futures::executor::block_on(self.reader.get_tile(tile));
        let Some(bytes) = found.expect("the archive is sound") else { return false };
        out.extend_from_slice(&bytes);
        true
    }
}

struct Counted<'c> {
    map: MmapBackend,
    reads: &'c AtomicU64,
    bytes: &'c AtomicU64,
}

impl AsyncBackend for Counted<'_> {
    async fn read(&self, offset: u64, length: usize) -> PmtResult<BackendResponse> {
        let response = self.map.read(offset, length).await?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(response.bytes.len() as u64, Ordering::Relaxed);
        Ok(response)
    }
}
