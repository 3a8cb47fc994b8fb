//! Reads blocks at the position that the depth-first order gives them: often right after the last
//! block. This saves look-ups in the index. The reader keeps no table of blocks, so its memory does
//! not grow with the DAG.

use alloc::vec::Vec;

use crate::archive::Archive;
use crate::cid::Cid;
use crate::frame::Head;
use crate::hash::{Fit, fits};
use crate::index::READ_LEN;
use crate::source::{ReadAt, ReadError};
use crate::stream::ByteRange;
use crate::table::BlockPlace;
use crate::varint;

/// The place at which a walk expects the frame of its next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePlace {
    /// The offset of the frame.
    at: u64,
    /// The end of the last block before that frame. Only back-references lie between this end and
    /// the frame.
    from: u64,
}

impl FramePlace {
    /// Returns the place after a block that ends at `end`.
    #[must_use]
    pub fn after(end: u64) -> Self {
        Self { at: end, from: end }
    }

    /// Returns the offset of the frame.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Returns the end of the last block before the frame. Only back-references lie between that
    /// end and the frame.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }
}

/// The place of a block that a walk needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Near {
    /// The frame at the expected place holds the block.
    Here {
        /// The block's bytes, which are proved.
        data: Vec<u8>,
        /// The offset after the frame.
        end: u64,
    },
    /// The block lies at another place, which the index states.
    Elsewhere(BlockPlace),
}

/// Reads frames of an archive. Each read fetches 64 KiB, so that later frames are in memory.
#[derive(Debug, Default)]
pub struct NearReader {
    start: u64,
    bytes: Vec<u8>,
}

impl NearReader {
    /// Finds the block of a CID. First looks at the expected place. If the frame at `place` holds
    /// the block or refers to it, moves `place` past that frame. Returns `None` if the archive
    /// lacks the block.
    ///
    /// # Errors
    /// [`Misuse::NoIndex`](crate::Misuse::NoIndex), a fault of the index, or an error of the
    /// source.
    pub fn find<S: ReadAt>(
        &mut self,
        archive: &Archive<S>,
        place: &mut FramePlace,
        cid: &Cid,
    ) -> Result<Option<Near>, ReadError> {
        let (head, head_len) = match self.head(archive, place.at)? {
            Some((head, len)) => (Some(head), len),
            None => (None, 0),
        };
        if let Some((data, end)) = self.block(archive, place.at, cid)? {
            *place = FramePlace::after(end);
            return Ok(Some(Near::Here { data, end }));
        }
        let Some(found) = archive.locate(cid)? else { return Ok(None) };
        if head == Some(Head::Reference(found.offset)) {
            place.at = place.at.saturating_add(head_len);
        }
        Ok(Some(Near::Elsewhere(found)))
    }

    /// Reads the block of a CID at a place. Returns `None` if the frame there does not hold that
    /// block.
    ///
    /// # Errors
    /// An error of the source.
    pub fn read_at<S: ReadAt>(
        &mut self,
        archive: &Archive<S>,
        place: FramePlace,
        cid: &Cid,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.block(archive, place.at, cid)?.map(|(data, _)| data))
    }

    /// If the frame at `at` holds the block of a CID, reads the block. Also returns the offset
    /// after the frame.
    fn block<S: ReadAt>(
        &mut self,
        archive: &Archive<S>,
        at: u64,
        cid: &Cid,
    ) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
        let Some((Head::Block(len), head_len)) = self.head(archive, at)? else { return Ok(None) };
        let body_at = at.saturating_add(head_len);
        let end = body_at.saturating_add(len);
        let limit = u64::from(archive.options().limits.block_len_max);
        if len > limit || end > archive.frames_end() {
            return Ok(None);
        }
        let data = self.read(archive, body_at, len)?;
        Ok((fits(cid, data) == Fit::Yes).then(|| (data.to_vec(), end)))
    }

    /// Reads the number at the start of a frame; `None` if no valid number starts there.
    fn head<S: ReadAt>(
        &mut self,
        archive: &Archive<S>,
        at: u64,
    ) -> Result<Option<(Head, u64)>, ReadError> {
        let len = archive.frames_end().saturating_sub(at).min(varint::LEN_MAX as u64);
        let bytes = self.read(archive, at, len)?;
        // An invalid frame is not an error here, because the index can still find the block.
        Ok(Head::read(bytes).ok().map(|(head, len)| (head, len as u64)))
    }

    fn read<S: ReadAt>(
        &mut self,
        archive: &Archive<S>,
        at: u64,
        len: u64,
    ) -> Result<&[u8], ReadError> {
        let held = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(at.checked_sub(start)?).ok()?;
            let to = from.checked_add(usize::try_from(len).ok()?)?;
            (to <= bytes.len()).then_some(from..to)
        };
        if held(self.start, &self.bytes).is_none() {
            let most = archive.frames_end().saturating_sub(at);
            let bytes = archive.read(ByteRange { start: at, len: READ_LEN.max(len).min(most) })?;
            (self.start, self.bytes) = (at, bytes);
        }
        let range = held(self.start, &self.bytes).unwrap_or_default();
        Ok(self.bytes.get(range).unwrap_or_default())
    }
}

impl BlockPlace {
    /// Returns the offset of the end of the block.
    #[must_use]
    pub fn end(&self) -> u64 {
        let head_len = varint::len_signed(i64::from(self.len));
        self.offset.saturating_add(head_len).saturating_add(u64::from(self.len))
    }
}
