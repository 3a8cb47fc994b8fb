//! Archives for async programs. The reader of `dacti-dar` reads single blocks and DAGs from the
//! bytes that were fetched so far. Machines of `dacti-dar` read whole archives and files, and are
//! fed as the bytes arrive.

use super::DarSource;
#[cfg(any(feature = "http", feature = "store"))]
use crate::Error;
#[cfg(feature = "http")]
use crate::fetch::HttpOptions;
#[cfg(feature = "store")]
use crate::fetch::StoreOptions;
use crate::remote::{Gathered, Operation, Remote, RemoteFile, run};
use dacti_dar::unixfs::{Entry, FileWalk, Kind, Node, ShardWalk, UnixFsError};
use dacti_dar::{
    Archive, ByteRange, Cid, Header, PathEnd, PathWalk, ReadAt as _, ReadError, ReadOptions, Root,
    StreamEvent, StreamReader, SubDag, Summary,
};
use dacti_http::Stats;
use std::io;
use std::sync::Arc;

/// The length of one fetch, if an archive is read in order.
const READ_LEN: u64 = 4 << 20;

/// An archive whose bytes are fetched asynchronously.
///
/// An `AsyncArchive` runs the code of an [`Archive`], so requests, checks, limits and errors are
/// the same. Its futures can be polled on any executor, and dropping a future ends its requests:
/// see [`AsyncPackage`](crate::AsyncPackage).
///
/// Memory: the bytes that a call has fetched are kept until the call ends. A call of
/// [`dag`](Self::dag) keeps the DAG's ranges. A call of [`verify`](Self::verify) keeps one piece of
/// 4 MiB, or one block.
#[derive(Debug)]
pub struct AsyncArchive {
    archive: Archive<DarSource>,
    gathered: Arc<Gathered>,
    options: ReadOptions,
}

/// The blocks of a DAG, in depth-first order. Each block occurs once.
pub type Blocks = Vec<(Cid, Vec<u8>)>;

impl AsyncArchive {
    /// Opens the archive that a transport fetches. The transport must know the file's length.
    ///
    /// # Errors
    /// An error of the transport, or a fault of the archive's trailer.
    pub async fn from_remote(
        remote: Arc<dyn Remote>,
        options: &ReadOptions,
    ) -> Result<Self, ReadError> {
        if remote.file().len >= RemoteFile::LEN_UNKNOWN {
            let why = "the transport does not state the archive's length";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why).into());
        }
        let gathered = Arc::new(Gathered::new(remote));
        let source = || DarSource::new(Arc::clone(&gathered) as _);
        let open = || Archive::open_with(source(), options);
        let archive = run_over(&gathered, &Arc::default(), open).await?;
        Ok(Self { archive, gathered, options: *options })
    }

    /// Opens the archive at an `http` or `https` URL.
    ///
    /// # Errors
    /// An error of the server or the network, or a fault of the archive's trailer.
    #[cfg(feature = "http")]
    pub async fn open_url(url: &str, options: &HttpOptions) -> Result<Self, ReadError> {
        Self::opened(crate::fetch::http::remote(url, options).await).await
    }

    /// Opens the archive at a URL of an object store.
    ///
    /// # Errors
    /// An error of the store, or a fault of the archive's trailer.
    #[cfg(feature = "store")]
    pub async fn open_store(url: &str, options: &StoreOptions) -> Result<Self, ReadError> {
        Self::opened(crate::fetch::store::remote(url, options).await).await
    }

    #[cfg(any(feature = "http", feature = "store"))]
    async fn opened(remote: Result<Arc<dyn Remote>, Error>) -> Result<Self, ReadError> {
        let remote = remote.map_err(io::Error::other)?;
        Self::from_remote(remote, &ReadOptions::default()).await
    }

    /// Returns the numbers of requests, bytes and events so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.gathered.remote().stats()
    }

    /// Reads the header.
    ///
    /// # Errors
    /// The errors of [`Archive::header`].
    pub async fn header(&self) -> Result<Header, ReadError> {
        self.run(Archive::header).await
    }

    /// Reads the list of roots.
    ///
    /// # Errors
    /// The errors of [`Archive::roots`].
    pub async fn roots(&self) -> Result<Vec<Root>, ReadError> {
        self.run(Archive::roots).await
    }

    /// Finds a block by the archive's index, and reads it; `None` if the archive lacks the block:
    /// see [`Archive::get`].
    ///
    /// # Errors
    /// The errors of [`Archive::get`].
    pub async fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, ReadError> {
        self.run(|archive| archive.get(cid)).await
    }

    /// Reads the DAG under a block. One fetch reads the DAG's contiguous range. If some of its
    /// blocks lie before this range, further fetches read them.
    ///
    /// # Errors
    /// The errors of [`Archive::dag`] and [`Walk::next_block`](dacti_dar::Walk::next_block).
    pub async fn dag(&self, cid: &Cid) -> Result<(Blocks, Summary), ReadError> {
        self.run(|archive| {
            let (mut walk, mut blocks) = (archive.dag(cid)?, Vec::new());
            while let Some(block) = walk.next_block()? {
                blocks.push((block.cid, block.data.to_vec()));
            }
            Ok((blocks, walk.summary().clone()))
        })
        .await
    }

    /// Finds where the blocks of the DAG under a block lie in the archive.
    ///
    /// # Errors
    /// The errors of [`dag`](Self::dag).
    pub async fn sub_dag(&self, cid: &Cid) -> Result<SubDag, ReadError> {
        self.run(|archive| archive.dag(cid)?.finish()).await
    }

    /// Follows a path of names, starting at a block: see [`resolve`](dacti_dar::resolve).
    ///
    /// # Errors
    /// A missing block; a wrong UnixFS node; an error of the transport.
    pub async fn resolve(&self, cid: &Cid, path: &[&str]) -> Result<Option<Cid>, UnixFsError> {
        let names = path.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut walk = PathWalk::new(cid, names);
        while let Some(cid) = walk.want().cloned() {
            walk.feed(&self.block(&cid).await?)?;
        }
        Ok(match walk.end() {
            Some(PathEnd::At(cid)) => Some(cid.clone()),
            _ => None,
        })
    }

    /// Lists the entries of a folder, at most `entries_max`; `None` if there are more.
    ///
    /// # Errors
    /// [`UnixFsError::Kind`] if the block is not a folder; a missing block; an error of the
    /// transport.
    pub async fn list(
        &self,
        folder: &Cid,
        entries_max: usize,
    ) -> Result<Option<Vec<Entry>>, UnixFsError> {
        let node = Node::read(folder, &self.block(folder).await?)?;
        match node.kind {
            Kind::Folder => {
                return Ok(Some(node.into_entries()).filter(|found| found.len() <= entries_max));
            }
            Kind::Shard => {}
            _ => return Err(UnixFsError::Kind { cid: folder.clone(), expected: "folder" }),
        }
        let mut walk = ShardWalk::new(folder, node)?;
        let mut entries = walk.take_entries();
        loop {
            if entries.len().saturating_add(walk.waiting()) > entries_max {
                return Ok(None);
            }
            let Some(cid) = walk.want().cloned() else { return Ok(Some(entries)) };
            walk.feed(&self.block(&cid).await?)?;
            entries.append(&mut walk.take_entries());
        }
    }

    /// Opens a UnixFS file.
    ///
    /// # Errors
    /// [`UnixFsError::Kind`] if the block is not a file; a missing block; an error of the
    /// transport.
    pub async fn file(&self, cid: &Cid) -> Result<AsyncFile<'_>, UnixFsError> {
        self.file_range(cid, None).await
    }

    /// Does the same as [`file`](Self::file), for a range of the file's bytes. Blocks without bytes
    /// in the range are not fetched.
    ///
    /// # Errors
    /// The errors of [`file`](Self::file).
    pub async fn file_range(
        &self,
        cid: &Cid,
        range: Option<core::ops::Range<u64>>,
    ) -> Result<AsyncFile<'_>, UnixFsError> {
        let node = Node::read(cid, &self.block(cid).await?)?;
        Ok(AsyncFile { archive: self, walk: FileWalk::new(cid, node, range)?, is_taken: false })
    }

    /// Reads and verifies the whole archive in order, piece by piece. `take` is called with each
    /// event.
    ///
    /// # Errors
    /// A fault of the archive, or an error of the transport. Archives without marks, which the
    /// first implementation of DAR wrote, are refused.
    pub async fn read(&self, mut take: impl FnMut(StreamEvent<'_>)) -> Result<Summary, ReadError> {
        let mut machine = StreamReader::new(&self.options);
        let (mut start, mut bytes) = (0_u64, Vec::new());
        while let Some(want) = machine.want() {
            let skip = usize::try_from(want.start.saturating_sub(start)).unwrap_or(usize::MAX);
            let held = bytes.len().saturating_sub(skip);
            let rest = self.archive.len().saturating_sub(want.start);
            let needed = want.len.min(rest);
            if want.start < start || u64::try_from(held).unwrap_or(u64::MAX) < needed {
                let len = needed.max(READ_LEN.min(rest));
                bytes = self.fetch(ByteRange { start: want.start, len }).await?;
                start = want.start;
            }
            let skip = usize::try_from(want.start.saturating_sub(start)).unwrap_or(usize::MAX);
            if let Some(event) = machine.feed(bytes.get(skip..).unwrap_or_default())? {
                take(event);
            }
        }
        Ok(machine.summary().clone())
    }

    /// Reads and verifies the whole archive.
    ///
    /// # Errors
    /// The errors of [`read`](Self::read).
    pub async fn verify(&self) -> Result<Summary, ReadError> {
        self.read(|_| {}).await
    }

    /// Returns the bytes of a range.
    async fn fetch(&self, range: ByteRange) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(range.len).unwrap_or(usize::MAX);
        self.run(|archive| {
            let mut bytes = vec![0; len];
            let got = archive.source().read_at(range.start, &mut bytes)?;
            bytes.truncate(got);
            Ok(bytes)
        })
        .await
    }

    /// Returns the block of a CID.
    async fn block(&self, cid: &Cid) -> Result<Vec<u8>, UnixFsError> {
        let block = self.get(cid).await?;
        block.ok_or_else(|| UnixFsError::Missing(cid.clone()))
    }

    async fn run<T>(
        &self,
        mut work: impl FnMut(&Archive<DarSource>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        run_over(&self.gathered, &Arc::default(), || work(&self.archive)).await
    }
}

/// Runs `work` with the bytes that were fetched so far. If `work` lacks bytes, they are fetched,
/// and `work` runs again.
async fn run_over<T>(
    gathered: &Gathered,
    operation: &Arc<Operation>,
    mut work: impl FnMut() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    // An error of the archive is part of the result of `work`. `run` itself returns only errors of
    // the transport.
    let ran = run(gathered, operation, || Ok(work())).await;
    ran.map_err(io::Error::other)?
}

/// A UnixFS file of an [`AsyncArchive`]. Only one chunk at a time is in memory.
#[derive(Debug)]
pub struct AsyncFile<'a> {
    archive: &'a AsyncArchive,
    walk: FileWalk,
    /// Whether the bytes of the walk's last block were handed out.
    is_taken: bool,
}

impl AsyncFile<'_> {
    /// Returns the next bytes; an empty slice at the file's end.
    ///
    /// # Errors
    /// A missing block; a wrong file; an error of the transport.
    pub async fn next_chunk(&mut self) -> Result<&[u8], UnixFsError> {
        while self.is_taken || self.walk.data().is_empty() {
            let Some(cid) = self.walk.want().cloned() else { return Ok(&[]) };
            self.walk.feed(&self.archive.block(&cid).await?)?;
            self.is_taken = false;
        }
        self.is_taken = true;
        Ok(self.walk.data())
    }
}
