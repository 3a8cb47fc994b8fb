//! The blocking writer: a loop around [`Encoder`] over any `Write`.

use alloc::vec::Vec;
use core::mem;
use std::io::Write;

use crate::check::BlockCheck;
use crate::cid::Cid;
use crate::encode::{Encoder, Placed, Proof, WriteOptions};
use crate::error::{Error, Misuse};
use crate::hash_thread::{BATCH_LEN, Batch, HashThread, Piece, START_AT};
use crate::header::Header;
use crate::links::LinkOrder;
use crate::order::{Summary, Work};
use crate::source::ReadError;

/// Writes an archive in one pass to any sink.
///
/// [`Writer::finish`] must be called. An archive whose writer was dropped has no trailer, and every
/// reader refuses it as truncated.
///
/// Memory: 66 to 133 bytes for each distinct block (with 32-byte digests), and the links that wait
/// for their block. An index takes 4 bytes more per block at the end. Threads take five buffers of
/// 128 KiB plus the longest block.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sink: W,
    encoder: Encoder,
    check: Option<BlockCheck>,
    /// Bytes that are not written yet, and the blocks in them that are not proved yet.
    batch: Batch,
    may_start: bool,
    thread: Option<HashThread>,
    /// Whether the thread has found a block that does not match its CID.
    failed: bool,
}

/// The minimum number of bytes written at once: small enough for the private cache of a CPU core.
const WRITE_LEN: usize = 32 << 10;
/// Blocks longer than this are written to the sink without a copy.
const COPY_LEN: usize = 8 << 10;

impl<W: Write> Writer<W> {
    /// Makes a writer without an index.
    ///
    /// # Errors
    /// An error of the sink.
    pub fn new(sink: W) -> Result<Self, ReadError> {
        Self::with_options(sink, &WriteOptions::default())
    }

    /// Makes a writer.
    ///
    /// # Errors
    /// An error of the sink.
    pub fn with_options(sink: W, options: &WriteOptions) -> Result<Self, ReadError> {
        Self::with_encoder(sink, Encoder::new(options), options)
    }

    /// Makes a writer of an archive with `header`, the header of another archive.
    pub(crate) fn with_header(
        sink: W,
        options: &WriteOptions,
        header: Header,
    ) -> Result<Self, ReadError> {
        Self::with_encoder(sink, Encoder::with_header(options, header), options)
    }

    fn with_encoder(sink: W, encoder: Encoder, options: &WriteOptions) -> Result<Self, ReadError> {
        let mut writer = Self {
            sink,
            encoder,
            check: options.check.clone(),
            batch: Batch { bytes: Vec::with_capacity(WRITE_LEN), pieces: Vec::new() },
            may_start: options.threads,
            thread: None,
            failed: false,
        };
        writer.put(&[])?;
        Ok(writer)
    }

    /// Begins a DAG with its root. See [`Encoder::root`].
    ///
    /// # Errors
    /// The errors of [`Encoder::root`], an error of the caller's check, and an error of the sink.
    pub fn root(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, ReadError> {
        let proof = self.proof()?;
        self.check(cid, data)?;
        let (placed, proof) = self.encoder.place_root(cid, data, proof)?;
        self.place(cid, placed, proof, data)
    }

    /// Adds the next block in depth-first order. See [`Encoder::block`].
    ///
    /// # Errors
    /// The errors of [`Encoder::block`], an error of the caller's check, and an error of the sink.
    pub fn block(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, ReadError> {
        let proof = self.proof()?;
        self.check(cid, data)?;
        let (placed, proof) = self.encoder.place_block(cid, data, proof)?;
        self.place(cid, placed, proof, data)
    }

    /// Adds a back-reference to a block that was written. See [`Encoder::repeat`].
    ///
    /// # Errors
    /// The errors of [`Encoder::repeat`], and an error of the sink.
    pub fn repeat(&mut self, cid: &Cid) -> Result<Placed, ReadError> {
        self.proof()?;
        let placed = self.encoder.repeat(cid)?;
        self.place(cid, placed, Proof::Now, &[])
    }

    /// Returns the link whose block may come next. See [`Encoder::expected`].
    #[must_use]
    pub fn expected(&self) -> Option<Cid> {
        self.encoder.expected()
    }

    /// Skips the link that [`Self::expected`] returns. See [`Encoder::skip`].
    pub fn skip(&mut self) {
        self.encoder.skip();
    }

    /// Tells whether the block was refused before. See [`Encoder::was_refused`].
    #[must_use]
    pub fn was_refused(&self, cid: &Cid) -> bool {
        self.encoder.was_refused(cid)
    }

    /// Returns the work done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.encoder.work()
    }

    /// Returns the order of links that the header states.
    pub(crate) fn link_order(&self) -> LinkOrder {
        self.encoder.link_order()
    }

    /// Tells whether the block was written as a root.
    #[must_use]
    pub fn is_root(&self, cid: &Cid) -> bool {
        self.encoder.is_root(cid)
    }

    /// Tells whether the block was written.
    #[must_use]
    pub fn contains(&self, cid: &Cid) -> bool {
        self.encoder.locate(cid).is_some()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        self.encoder.summary()
    }

    /// Writes the index, if there is one, and the trailer, and flushes the sink. Returns the sink
    /// and the counts.
    ///
    /// # Errors
    /// An error of the sink, or a limit.
    pub fn finish(mut self) -> Result<(W, Summary), ReadError> {
        self.proof()?;
        self.hand_on()?;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_idle()) {
            self.write_proved()?;
        }
        self.thread = None;
        loop {
            let piece = self.encoder.finish_piece()?;
            if piece.is_empty() {
                break;
            }
            self.batch.bytes.extend_from_slice(piece);
            self.hand_on()?;
        }
        self.sink.flush()?;
        Ok((self.sink, self.encoder.summary().clone()))
    }

    /// Lets the caller's check see a block that is not written yet.
    fn check(&self, cid: &Cid, data: &[u8]) -> Result<(), ReadError> {
        Ok(self.check.as_ref().map_or(Ok(()), |check| check.run(cid, data))?)
    }

    /// Returns the time at which the next block is checked.
    fn proof(&self) -> Result<Proof, Error> {
        match self.thread {
            _ if self.failed => Err(Error::Misuse(Misuse::WrongCid)),
            Some(_) => Ok(Proof::Later),
            None => Ok(Proof::Now),
        }
    }

    fn place(
        &mut self,
        cid: &Cid,
        placed: Placed,
        proof: Proof,
        data: &[u8],
    ) -> Result<Placed, ReadError> {
        let Placed::Written { at } = placed else {
            self.put(&[])?;
            return Ok(placed);
        };
        if proof == Proof::Later {
            let from = self.batch.bytes.len().saturating_add(self.encoder.head().len());
            let data = from..from.saturating_add(data.len());
            let (expected, code) = (Some(cid.clone()), cid.hash_code());
            self.batch.pieces.push(Piece { at, data, code, expected, found: None });
        }
        self.put(data)?;
        if self.may_start && at >= START_AT {
            self.may_start = false;
            self.hand_on()?;
            self.thread = HashThread::start();
        }
        Ok(placed)
    }

    fn put(&mut self, data: &[u8]) -> Result<(), ReadError> {
        let head = self.encoder.head();
        if self.thread.is_none() && head.len() > COPY_LEN {
            // Only a header with a long list of roots is longer than this.
            self.sink.write_all(head)?;
        } else {
            self.batch.bytes.extend_from_slice(head);
        }
        if self.thread.is_none() && data.len() > COPY_LEN {
            self.hand_on()?;
            return Ok(self.sink.write_all(data)?);
        }
        self.batch.bytes.extend_from_slice(data);
        let most = if self.thread.is_some() { BATCH_LEN } else { WRITE_LEN - COPY_LEN - 256 };
        if self.batch.bytes.len() > most { self.hand_on() } else { Ok(()) }
    }

    /// Sends the batch to the thread. Without a thread, writes the batch to the sink.
    fn hand_on(&mut self) -> Result<(), ReadError> {
        let Some(thread) = &self.thread else {
            self.sink.write_all(&self.batch.bytes)?;
            self.batch.bytes.clear();
            return Ok(());
        };
        if thread.is_full() {
            self.write_proved()?;
        }
        if let Some(thread) = &mut self.thread {
            let mut empty = thread.spare();
            empty.bytes.clear();
            thread.send(mem::replace(&mut self.batch, empty))?;
        }
        Ok(())
    }

    /// Writes the thread's oldest batch, if all its blocks match their CIDs.
    fn write_proved(&mut self) -> Result<(), ReadError> {
        let Some(thread) = &mut self.thread else { return Ok(()) };
        let batch = thread.receive()?;
        if !batch.pieces.iter().all(Piece::is_proved) {
            self.failed = true;
            return Err(Error::Misuse(Misuse::WrongCid).into());
        }
        self.sink.write_all(&batch.bytes)?;
        thread.put_back(batch);
        Ok(())
    }
}
