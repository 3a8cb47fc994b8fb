//! The content of one region as it comes, for programs that are async.

use super::gathered::{Gathered, Operation};
use super::package::fetch;
use crate::read::view::read_failed;
use crate::seal::Verdict;
use crate::{Error, ErrorKind, Located, RegionReader};
use std::io::Read;
use std::sync::Arc;

/// Bytes of a chunk at most.
const CHUNK_LEN: usize = 64 * 1024;

/// A region's content, decoded as it comes, by [`chunk`](Self::chunk).
///
/// As with a [`RegionReader`], the last byte is kept back until the seal was found to fit, where
/// there is one and it counts.
#[derive(Debug)]
pub struct AsyncRegionReader {
    reader: RegionReader,
    gathered: Arc<Gathered>,
    operation: Arc<Operation>,
}

impl AsyncRegionReader {
    pub(super) fn new(reader: RegionReader, gathered: Arc<Gathered>) -> Self {
        Self { reader, gathered, operation: Arc::default() }
    }

    /// Where the region is stored.
    #[must_use]
    pub const fn located(&self) -> &Located {
        self.reader.located()
    }

    /// What was found out about the content that was read; `None` while it is not verified.
    #[must_use]
    pub const fn verdict(&self) -> Option<Verdict> {
        self.reader.verdict()
    }

    /// The next bytes of the content, at most 64 KiB of them; `None` at its end.
    ///
    /// # Errors
    /// What is wrong with the stored bytes, and what the network says. What was read before is not
    /// to be used then.
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            let Self { reader, gathered, operation } = self;
            let read = gathered.within(operation, || reader.read(&mut chunk));
            if let Some((span, told)) = operation.take_missing() {
                // One piece at a time is all that it needs.
                operation.forget_all();
                fetch(gathered.remote(), operation, span, told).await?;
                continue;
            }
            let read = match read.map_err(read_failed) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Stale => {
                    return Err(Arc::clone(gathered.remote()).explained(error).await);
                }
                Err(error) => return Err(error),
            };
            chunk.truncate(read);
            return Ok((read > 0).then_some(chunk));
        }
    }
}
