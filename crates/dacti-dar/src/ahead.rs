//! Cuts the bytes that the blocking reader has read into batches of whole frames. A thread hashes
//! the blocks of a batch before the machine reaches them.
//!
//! The machine still judges each frame, and reuses only the hash of the block. If the next frame is
//! incomplete, invalid, too long or an end mark, this code cuts no further batches. From that frame
//! on, the machine computes all hashes itself.

use alloc::collections::VecDeque;
use core::mem;
use core::ops::Range;
use std::io::{self, Read};

use multihash::Multihash;

use crate::cid::{Cid, CidFault, DIGEST_LEN_MAX};
use crate::frame::Head;
use crate::hash_thread::{BATCH_LEN, Batch, HashThread, Piece, START_AT};
use crate::varint::Fault;
use crate::window::Window;

/// A batch and its offset in the archive.
#[derive(Debug, Default)]
struct Lot {
    batch: Batch,
    /// The range of the frames within the batch's bytes.
    frames: Range<usize>,
    /// The archive offset of the first frame.
    start: u64,
}

/// Reads ahead of the machine and lets a thread hash the blocks.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Whether a thread may be started.
    allowed: bool,
    thread: Option<HashThread>,
    /// For each batch that the thread holds, oldest first: the range of its frames, and their
    /// archive offset.
    places: VecDeque<(Range<usize>, u64)>,
    lot: Lot,
    next_piece: usize,
    block_len_max: u64,
    /// The hash function of the last block. The next block probably uses the same function.
    code: Option<u64>,
    /// Whether no further batch will be cut.
    stopped: bool,
    error: Option<io::Error>,
}

impl Ahead {
    pub(crate) fn new(allowed: bool, block_len_max: u32) -> Self {
        Self {
            allowed,
            thread: None,
            places: VecDeque::new(),
            lot: Lot::default(),
            next_piece: 0,
            block_len_max: u64::from(block_len_max),
            code: None,
            stopped: false,
            error: None,
        }
    }

    /// Notes the hash function of a block that the machine has read.
    pub(crate) fn note(&mut self, code: u64) {
        self.code = Some(code);
    }

    /// Loads the batch of the frame at `pos`, if frames are read ahead. `at_frame` says that the
    /// machine waits for a frame. Returns false if the machine must read from the window.
    pub(crate) fn fill<R: Read>(
        &mut self,
        window: &mut Window<R>,
        pos: u64,
        at_frame: bool,
    ) -> io::Result<bool> {
        if self.thread.is_none() {
            if !self.allowed || !at_frame || pos < START_AT || self.code.is_none() {
                return Ok(false);
            }
            self.allowed = false;
            self.thread = HashThread::start();
            window.fill(pos, 0)?;
        }
        while !self.lot.holds(pos) {
            self.send(window)?;
            let Some(thread) = &mut self.thread else { return Ok(false) };
            let used = mem::take(&mut self.lot);
            thread.put_back(used.batch);
            if thread.is_idle() {
                self.thread = None;
                return self.error.take().map_or(Ok(false), Err);
            }
            let batch = thread.receive()?;
            let (frames, start) = self.places.pop_front().unwrap_or_default();
            self.lot = Lot { batch, frames, start };
            self.next_piece = 0;
        }
        Ok(true)
    }

    /// Returns the bytes that [`Self::fill`] loaded, from archive offset `pos` on.
    pub(crate) fn bytes(&self, pos: u64) -> &[u8] {
        self.lot.bytes(pos)
    }

    /// Returns the hash of the block whose frame begins at `pos`, if the thread has computed it.
    pub(crate) fn hash_at(&mut self, pos: u64) -> Option<Multihash<DIGEST_LEN_MAX>> {
        while let Some(piece) = self.lot.batch.pieces.get(self.next_piece) {
            if piece.at >= pos {
                return piece.found.filter(|_| piece.at == pos);
            }
            self.next_piece = self.next_piece.saturating_add(1);
        }
        None
    }

    /// Sends batches until the thread holds its maximum number of batches.
    fn send<R: Read>(&mut self, window: &mut Window<R>) -> io::Result<()> {
        let code = self.code.unwrap_or_default();
        while let Some(thread) = self.thread.as_mut().filter(|thread| !thread.is_full()) {
            if self.stopped {
                break;
            }
            let mut batch = thread.spare();
            let mut needed = BATCH_LEN as u64;
            let cut = loop {
                let read = window.fill(window.start(), needed);
                batch.pieces.clear();
                let cut = cut(window.start(), window.bytes(), code, self.block_len_max, &mut batch);
                let all = window.has_ended() || read.is_err();
                self.stopped = cut.stopped || (all && cut.len == 0);
                if let Err(error) = read {
                    self.error = Some(error);
                    self.stopped = true;
                }
                if cut.len > 0 || self.stopped {
                    break cut;
                }
                needed = cut.needed;
            };
            if cut.len == 0 {
                thread.put_back(batch);
                break;
            }
            let start = window.start();
            let (bytes, frames) = window.take(cut.len, mem::take(&mut batch.bytes));
            for piece in &mut batch.pieces {
                let by = frames.start;
                piece.data = piece.data.start.saturating_add(by)..piece.data.end.saturating_add(by);
            }
            batch.bytes = bytes;
            thread.send(batch)?;
            self.places.push_back((frames, start));
        }
        Ok(())
    }
}

impl Lot {
    fn bytes(&self, pos: u64) -> &[u8] {
        let from = pos.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let frames = self.batch.bytes.get(self.frames.clone()).unwrap_or_default();
        from.and_then(|from| frames.get(from..)).unwrap_or_default()
    }

    fn holds(&self, pos: u64) -> bool {
        !self.bytes(pos).is_empty()
    }
}

/// The result of cutting whole frames from the front of some bytes.
struct Cut {
    len: usize,
    /// The number of bytes that are needed to cut one more frame.
    needed: u64,
    /// Whether the next bytes are not a valid frame.
    stopped: bool,
}

/// Finds the frames at the front of `bytes`, and puts their blocks into `batch`.
fn cut(start: u64, bytes: &[u8], code: u64, block_len_max: u64, batch: &mut Batch) -> Cut {
    let mut len = 0_usize;
    loop {
        let rest = bytes.get(len..).unwrap_or_default();
        let more = (bytes.len() as u64).saturating_mul(2).max(BATCH_LEN as u64);
        let (head, head_len) = match Head::read(rest) {
            Ok(read) => read,
            Err(fault) => {
                let stopped = fault != Fault::Short;
                return Cut { len, needed: more, stopped };
            }
        };
        let frame_len = match head {
            Head::Block(block_len) if block_len <= block_len_max => {
                let frame_len = block_len.saturating_add(head_len as u64);
                if frame_len > rest.len() as u64 {
                    return Cut { len, needed: frame_len, stopped: false };
                }
                let frame_len = usize::try_from(frame_len).unwrap_or(usize::MAX);
                let at = start.saturating_add(len as u64);
                let data = len.saturating_add(head_len)..len.saturating_add(frame_len);
                batch.pieces.push(Piece { at, data, code, expected: None, found: None });
                frame_len
            }
            Head::Reference(_) => head_len,
            Head::Root => match Cid::read(rest.get(head_len..).unwrap_or_default()) {
                Ok((_, cid_len)) => head_len.saturating_add(cid_len),
                Err(fault) => {
                    let stopped = fault != CidFault::Short;
                    return Cut { len, needed: more, stopped };
                }
            },
            _ => return Cut { len, needed: 0, stopped: true },
        };
        len = len.saturating_add(frame_len);
    }
}
