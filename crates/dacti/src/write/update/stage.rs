//! The regions that an update appends. They are encoded and sealed before the update is planned. Up
//! to a limit, their stored bytes are kept in memory; above it, they are in a temporary file.
//!
//! The positions that the regions will get in the package are not known here. Specification:
//! `docs/spec/dacti-cdn.md`.

use super::block::read_exact_at;
use crate::fetch::source::write_file_at;
use crate::write::pack::encode::{Encoder, Piece, Sealing};
use crate::write::pack::input::Input;
use crate::write::pack::pipeline::run;
use crate::write::pack::write::batches;
use crate::{Error, Progress};
use core::num::NonZeroUsize;
use core::ops::ControlFlow;
use dacti_index::{Encoding, IdRange};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The maximum number of bytes that are kept in memory.
const MEMORY_MAX: u64 = 8 << 20;

/// A region that is ready to be appended.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) id: Uuid,
    pub(super) encoding: Encoding,
    /// The length of its stored bytes, without the seal.
    pub(super) stored_len: u64,
    pub(super) seal_len: u64,
    /// The BLAKE3 of its stored bytes and its seal.
    pub(super) digest: [u8; 32],
    /// The start of its bytes in the stage.
    pub(super) at: u64,
}

impl Staged {
    /// Returns the number of bytes that the region takes in the package, with its seal.
    pub(super) fn len(&self) -> u64 {
        self.stored_len.saturating_add(self.seal_len)
    }
}

/// Regions that are ready to be appended, with their bytes.
#[derive(Debug)]
pub(super) struct Stage {
    store: Store,
    staged: Vec<Staged>,
}

/// The number of threads that encode, and the limit of encoded bytes that wait to be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) threads: NonZeroUsize,
    pub(super) in_flight_max: usize,
}

impl Stage {
    /// Returns an empty stage. Its temporary file will be created in `folder` if possible.
    pub(super) fn new(folder: &Path) -> Self {
        Self { store: Store::new(folder.into()), staged: Vec::new() }
    }

    /// Returns the regions that are ready, in the order in which they were added.
    pub(super) fn staged(&self) -> &[Staged] {
        &self.staged
    }

    /// Returns the length of all stored bytes, without seals.
    pub(super) fn stored_len(&self) -> u64 {
        self.staged.iter().fold(0, |sum, staged| staged.stored_len.saturating_add(sum))
    }

    /// Drops all regions.
    pub(super) fn clear(&mut self) {
        self.staged.clear();
        self.store = Store::new(core::mem::take(&mut self.store.folder));
    }

    /// Adds the region of a component without encoding it. Returns its number.
    pub(super) fn add_component(&mut self, id: Uuid, region: &[u8]) -> Result<usize, Error> {
        let number = self.staged.len();
        let (at, encoding) = (self.store.len, Encoding::NONE);
        let stored_len = u64::try_from(region.len()).unwrap_or(u64::MAX);
        let digest = blake3::hash(region).into();
        self.store.append(region).map_err(store_failed("write"))?;
        self.staged.push(Staged { id, encoding, stored_len, seal_len: 0, digest, at });
        Ok(number)
    }

    /// Adds the seal of a removal. Returns its number.
    pub(super) fn add_removal(&mut self, id: Uuid, sealing: Sealing<'_>) -> Result<usize, Error> {
        let (number, at) = (self.staged.len(), self.store.len);
        let seal = sealing.of_removal(id)?;
        let digest = blake3::hash(&seal).into();
        let seal_len = u64::try_from(seal.len()).unwrap_or(u64::MAX);
        self.store.append(&seal).map_err(store_failed("write"))?;
        let encoding = Encoding::GONE;
        self.staged.push(Staged { id, encoding, stored_len: 0, seal_len, digest, at });
        Ok(number)
    }

    /// Fills `buf` with the bytes of region `i`, from `offset` on.
    pub(super) fn read(&self, i: usize, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let at = self.staged.get(i).map_or(u64::MAX, |staged| staged.at.saturating_add(offset));
        self.store.read_at(at, buf).map_err(store_failed("read"))
    }

    /// Encodes and seals `inputs` in their order, and calls `progress` on the calling thread.
    pub(super) fn add(
        &mut self,
        inputs: &[&Input],
        encoder: Encoder<'_>,
        effort: Effort,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let batches =
            batches(inputs, &[IdRange { first: 0, count: inputs.len(), stored_len_max: 0 }]);
        let seal_len = Sealing::len_of(encoder.sealing);
        let mut taker = Taker {
            stage: self,
            inputs: inputs.iter(),
            encoding: encoder.encoding,
            seal_len,
            hasher: blake3::Hasher::new(),
            region_len: 0,
            told: Progress {
                regions_total: u64::try_from(inputs.len()).unwrap_or(u64::MAX),
                bytes_total: inputs.iter().fold(0, |sum, input| input.len.saturating_add(sum)),
                ..Progress::default()
            },
            progress,
        };
        run(
            batches.len(),
            effort.threads,
            effort.in_flight_max,
            |job, lane| {
                let batch = batches.get(job).and_then(|batch| inputs.get(batch.clone()));
                encoder.encode(batch.unwrap_or_default(), lane)
            },
            |piece| taker.take(&piece).map(|()| Some(piece)),
        )
    }
}

/// Receives the pieces that the encoding threads make, in order.
struct Taker<'t, 'i> {
    stage: &'t mut Stage,
    inputs: core::slice::Iter<'i, &'i Input>,
    encoding: Encoding,
    seal_len: u64,
    /// The hash and the number of the bytes of the current region that were received so far.
    hasher: blake3::Hasher,
    region_len: u64,
    told: Progress,
    progress: &'t mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Taker<'_, '_> {
    fn take(&mut self, piece: &Piece) -> Result<(), Error> {
        let mut bytes = &piece.bytes[..];
        for ended in &piece.ends {
            let left = ended.stored_len.saturating_add(self.seal_len);
            let left = usize::try_from(left.saturating_sub(self.region_len)).unwrap_or(usize::MAX);
            let (own, behind) = bytes.split_at(left.min(bytes.len()));
            self.hash(own);
            bytes = behind;
            self.end_region(ended.stored_len);
        }
        self.hash(bytes);
        self.stage.store.append(&piece.bytes).map_err(store_failed("write"))?;
        match (self.progress)(self.told) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.region_len = self.region_len.saturating_add(len);
    }

    fn end_region(&mut self, stored_len: u64) {
        let Some(input) = self.inputs.next() else { return };
        let before = self.stage.staged.last();
        let at = before.map_or(0, |before| before.at.saturating_add(before.len()));
        let (id, encoding, seal_len) = (input.id, self.encoding, self.seal_len);
        let digest = self.hasher.finalize().into();
        self.stage.staged.push(Staged { id, encoding, stored_len, seal_len, digest, at });
        self.hasher.reset();
        self.region_len = 0;
        self.told.regions = self.told.regions.saturating_add(1);
        self.told.bytes = self.told.bytes.saturating_add(input.len);
    }
}

/// The added bytes. Up to a limit they are in memory, above it in a file.
#[derive(Debug)]
struct Store {
    folder: PathBuf,
    bytes: Vec<u8>,
    file: Option<File>,
    len: u64,
}

impl Store {
    const fn new(folder: PathBuf) -> Self {
        Self { folder, bytes: Vec::new(), file: None, len: 0 }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = self.len.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.file.is_none() && len > MEMORY_MAX {
            // The package's folder must have room for these bytes anyway, because they will be
            // appended to the package. If no file can be created in this folder, the system's
            // folder for temporary files is used.
            let file = tempfile::tempfile_in(&self.folder).or_else(|_| tempfile::tempfile())?;
            write_file_at(&file, 0, &self.bytes)?;
            self.bytes = Vec::new();
            self.file = Some(file);
        }
        match &self.file {
            Some(file) => write_file_at(file, self.len, bytes)?,
            None => self.bytes.extend_from_slice(bytes),
        }
        self.len = len;
        Ok(())
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        let Some(file) = &self.file else {
            let start = usize::try_from(at).unwrap_or(usize::MAX);
            let found = self.bytes.get(start..start.saturating_add(buf.len()));
            buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        };
        read_exact_at(file, at, buf)
    }
}

fn store_failed(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::io(action, Path::new("a temporary file"), error)
}

#[cfg(test)]
mod tests {
    use super::{Effort, Stage};
    use crate::Content;
    use crate::hash::HashPool;
    use crate::write::pack::encode::{Encoder, Sealing};
    use crate::write::pack::input::{Input, InputName, Spool};
    use core::num::NonZeroUsize;
    use core::ops::ControlFlow;
    use dacti_index::Encoding;
    use dacti_seal::Kind;

    #[test]
    fn short_and_long_regions_are_each_followed_by_their_seal() {
        // There are four regions: one of 5 bytes, one of 0 bytes, one of several pieces that is too
        // long for memory, and one of 3 bytes.
        let contents = [vec![1; 5], vec![], vec![2; 9 << 20], vec![3; 3]];
        let mut spool = Spool::default();
        let inputs: Vec<Input> = contents
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|(content, name)| {
                Input::new(InputName::from(name), Content::from(content.clone()), &mut spool)
            })
            .collect::<Result<_, _>>()
            .unwrap();
        let inputs: Vec<&Input> = inputs.iter().collect();
        let (encoding, hash_pool) = (Encoding::NONE, &HashPool::new(None));
        let sealing = Some(Sealing { kind: Kind::Digest, key: None });
        let encoder = Encoder {
            encoding,
            quality: 5,
            dictionary: None,
            sealing,
            hashes: false,
            hash_pool,
            sharing: None,
        };
        let threads = NonZeroUsize::new(3).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(dir.path());
        let effort = Effort { threads, in_flight_max: 2 << 20 };
        stage.add(&inputs, encoder, effort, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(stage.staged().len(), 4);
        for (i, content) in contents.iter().enumerate() {
            let staged = &stage.staged()[i];
            let mut bytes = vec![0; content.len() + 32];
            stage.read(i, 0, &mut bytes).unwrap();
            assert_eq!(staged.stored_len, content.len() as u64);
            assert!(bytes.starts_with(content));
            let sealed = dacti_seal::digest(staged.id, Encoding::NONE, content);
            assert_eq!(bytes[content.len()..], sealed);
            assert_eq!(staged.digest, *blake3::hash(&bytes).as_bytes());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }
}
