//! The blocking fronts: loops around the machines over `Read` and `Write`, and positioned reads.
//! Knows no bytes of the format.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use std::io::{self, Read, Write};

use cid::Cid;

use crate::ahead::Ahead;
use crate::encode::{Encoder, Placed, Proof, WriteOptions};
use crate::error::{Error, Misuse};
use crate::hash_thread::{BATCH_LEN, Batch, HashThread, Piece, START_AT};
use crate::header::Header;
use crate::order::{Root, Summary};
use crate::stream::{Event, ReadOptions, Step, StreamReader};
use crate::table::Located;

/// What can go wrong where bytes are moved too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The archive, or the way it is used.
    #[error(transparent)]
    Format(#[from] Error),
    /// The source or the sink.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// The format's error, where it is one.
    #[must_use]
    pub fn format(&self) -> Option<&Error> {
        match self {
            Self::Format(error) => Some(error),
            Self::Io(_) => None,
        }
    }
}

/// How much is read at least, so that small blocks do not cost a call each.
const READ_LEN: usize = 128 << 10;

/// A window over a stream: what was read and not used yet.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where the unused bytes begin and end in the buffer.
    from: usize,
    to: usize,
    /// Where the unused bytes begin in the source.
    start: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), from: 0, to: 0, start: 0, ended: false }
    }

    /// Makes at least `len` bytes from `start` on available, or all there are. The buffer grows as
    /// bytes arrive, never ahead of them.
    pub(crate) fn fill(&mut self, start: u64, len: u64) -> io::Result<()> {
        loop {
            let drop = start.saturating_sub(self.start);
            let held = self.to.saturating_sub(self.from);
            let drop = usize::try_from(drop).unwrap_or(usize::MAX).min(held);
            self.from = self.from.saturating_add(drop);
            self.start = self.start.saturating_add(drop as u64);
            let ahead = start.saturating_sub(self.start);
            let held = self.to.saturating_sub(self.from) as u64;
            if self.ended || (ahead == 0 && held >= len) {
                return Ok(());
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to = self.to.saturating_sub(self.from);
            self.from = 0;
        }
        if self.buffer.len().saturating_sub(self.to) < READ_LEN / 2 {
            let grown = self.buffer.len().saturating_mul(2).max(READ_LEN);
            self.buffer.resize(grown, 0);
        }
        let room = self.buffer.get_mut(self.to..).unwrap_or_default();
        match self.source.read(room) {
            Ok(0) => self.ended = true,
            Ok(got) => self.to = self.to.saturating_add(got.min(room.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes the first `len` of the unused bytes: a buffer, and where they lie in it. What follows
    /// them is moved to another buffer.
    pub(crate) fn take(&mut self, len: usize, mut other: Vec<u8>) -> (Vec<u8>, Range<usize>) {
        let end = self.from.saturating_add(len).min(self.to);
        let taken = self.from..end;
        let rest = self.buffer.get(end..self.to).unwrap_or_default();
        if other.len() < rest.len() {
            other.resize(rest.len().max(READ_LEN), 0);
        }
        if let Some(room) = other.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        self.from = 0;
        self.to = rest.len();
        self.start = self.start.saturating_add(taken.len() as u64);
        (mem::replace(&mut self.buffer, other), taken)
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }
}

/// Reads an archive in one pass over any source.
///
/// Memory: 66 to 133 bytes for each distinct block (with 32-byte digests), the links that wait for
/// their block, and a buffer of twice the longest block; with threads up to six such buffers, of
/// 128 KiB at least.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    machine: StreamReader,
    ahead: Ahead,
    /// Where the bytes of the last step begin, where they are the ones read ahead.
    ahead_at: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// A reader with default options.
    pub fn new(source: R) -> Self {
        Self::with_options(source, &ReadOptions::default())
    }

    /// A reader.
    pub fn with_options(source: R, options: &ReadOptions) -> Self {
        Self {
            window: Window::new(source),
            machine: StreamReader::new(options),
            ahead: Ahead::new(options.threads, options.limits.block_len_max),
            ahead_at: None,
        }
    }

    pub(crate) fn with_machine(source: R, start: u64, machine: StreamReader) -> Self {
        let mut window = Window::new(source);
        window.start = start;
        Self { window, machine, ahead: Ahead::new(false, 0), ahead_at: None }
    }

    /// The next event; `None` after [`Event::End`].
    ///
    /// # Errors
    /// Whatever is wrong with the archive, or with the source. It cannot be read further then.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        let Some(step) = self.step()? else { return Ok(None) };
        Ok(Some(step.event(self.bytes())))
    }

    /// The machine's next step; `None` after the last.
    fn step(&mut self) -> Result<Option<Step>, ReadError> {
        while let Some(want) = self.machine.want() {
            let pos = want.start;
            let step = if self.ahead.fill(&mut self.window, pos, self.machine.at_frame())? {
                self.ahead_at = Some(pos);
                let hash = self.ahead.hash_at(pos);
                self.machine.step_hashed(self.ahead.bytes(pos), hash)?
            } else {
                self.ahead_at = None;
                self.window.fill(pos, want.len)?;
                self.machine.step(self.window.bytes())?
            };
            if let Some(Step::Block { cid, .. }) = &step {
                self.ahead.note(cid.hash().code());
            }
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// The bytes that the last step was taken in.
    fn bytes(&self) -> &[u8] {
        match self.ahead_at {
            Some(pos) => self.ahead.bytes(pos),
            None => self.window.bytes(),
        }
    }

    /// The next block, other events passed over; `None` when the archive is complete.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>, ReadError> {
        while let Some(step) = self.step()? {
            if let Step::Block { cid, data, .. } = step {
                return Ok(Some((cid, self.bytes().get(data).unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// Reads to the end, which proves the archive.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn verify(mut self) -> Result<Summary, ReadError> {
        while self.next_block()?.is_some() {}
        Ok(self.machine.summary().clone())
    }

    /// The archive's header; empty before the first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.machine.header()
    }

    /// Counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        self.machine.summary()
    }

    /// Roots so far, in order.
    pub fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        self.machine.roots()
    }

    /// Where a block stands that was read.
    #[must_use]
    pub fn locate(&self, cid: &Cid) -> Option<Located> {
        self.machine.locate(cid)
    }

    pub(crate) fn into_machine(self) -> StreamReader {
        self.machine
    }
}

/// Writes an archive in one pass to any sink.
///
/// [`Writer::finish`] must be called: an archive whose writer was dropped has no trailer, and every
/// reader says that it is cut short.
///
/// Memory: 66 to 133 bytes for each distinct block (with 32-byte digests), and the links that wait
/// for their block; with an index 4 bytes more per block at the end. With threads, five buffers of
/// 128 KiB and the longest block.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sink: W,
    encoder: Encoder,
    /// What was not written yet, and the blocks in it that were not proved.
    batch: Batch,
    may_start: bool,
    thread: Option<HashThread>,
    /// A block was refused after it was placed.
    failed: bool,
}

/// How much is written at once: small enough to stay in a core's own cache.
const WRITE_LEN: usize = 32 << 10;
/// Blocks longer than this are handed to the sink without a copy.
const COPY_LEN: usize = 8 << 10;

impl<W: Write> Writer<W> {
    /// A writer without an index.
    ///
    /// # Errors
    /// The sink's.
    pub fn new(sink: W) -> Result<Self, ReadError> {
        Self::with_options(sink, &WriteOptions::default())
    }

    /// A writer.
    ///
    /// # Errors
    /// The sink's.
    pub fn with_options(sink: W, options: &WriteOptions) -> Result<Self, ReadError> {
        Self::with_encoder(sink, Encoder::new(options), options.threads)
    }

    /// A writer of an archive that says of itself what another one says.
    pub(crate) fn with_header(
        sink: W,
        options: &WriteOptions,
        header: Header,
    ) -> Result<Self, ReadError> {
        Self::with_encoder(sink, Encoder::with_header(options, header), options.threads)
    }

    fn with_encoder(sink: W, encoder: Encoder, threads: bool) -> Result<Self, ReadError> {
        let mut writer = Self {
            sink,
            encoder,
            batch: Batch { bytes: Vec::with_capacity(WRITE_LEN), pieces: Vec::new() },
            may_start: threads,
            thread: None,
            failed: false,
        };
        writer.put(&[])?;
        Ok(writer)
    }

    /// Begins a DAG with its root. See [`Encoder::root`].
    ///
    /// # Errors
    /// As [`Encoder::root`], and the sink's.
    pub fn root(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, ReadError> {
        let proof = self.proof()?;
        let (placed, proof) = self.encoder.place_root(cid, data, proof)?;
        self.place(cid, placed, proof, data)
    }

    /// Adds the next block in depth-first order. See [`Encoder::block`].
    ///
    /// # Errors
    /// As [`Encoder::block`], and the sink's.
    pub fn block(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, ReadError> {
        let proof = self.proof()?;
        let (placed, proof) = self.encoder.place_block(cid, data, proof)?;
        self.place(cid, placed, proof, data)
    }

    /// Adds a back-reference to a block that was written. See [`Encoder::repeat`].
    ///
    /// # Errors
    /// As [`Encoder::repeat`], and the sink's.
    pub fn repeat(&mut self, cid: &Cid) -> Result<Placed, ReadError> {
        self.proof()?;
        let placed = self.encoder.repeat(cid)?;
        self.place(cid, placed, Proof::Now, &[])
    }

    /// The link whose block may come next. See [`Encoder::expected`].
    #[must_use]
    pub fn expected(&self) -> Option<Cid> {
        self.encoder.expected()
    }

    /// Passes over that link. See [`Encoder::skip`].
    pub fn skip(&mut self) {
        self.encoder.skip();
    }

    /// Whether the block was written.
    #[must_use]
    pub fn contains(&self, cid: &Cid) -> bool {
        self.encoder.locate(cid).is_some()
    }

    /// Counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        self.encoder.summary()
    }

    /// Writes index and trailer. Returns the sink, flushed, and what was written.
    ///
    /// # Errors
    /// The sink's, or a limit.
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

    /// When the next block is to be proved.
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
            let (expected, code) = (Some(*cid.hash()), cid.hash().code());
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
        self.batch.bytes.extend_from_slice(self.encoder.head());
        if self.thread.is_none() && data.len() > COPY_LEN {
            self.hand_on()?;
            return Ok(self.sink.write_all(data)?);
        }
        self.batch.bytes.extend_from_slice(data);
        let most = if self.thread.is_some() { BATCH_LEN } else { WRITE_LEN - COPY_LEN - 256 };
        if self.batch.bytes.len() > most { self.hand_on() } else { Ok(()) }
    }

    /// Hands what there is to the thread, or to the sink where there is no thread.
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

    /// Writes the oldest batch that the thread has, if all its blocks fit their CIDs.
    fn write_proved(&mut self) -> Result<(), ReadError> {
        let Some(thread) = &mut self.thread else { return Ok(()) };
        let batch = thread.receive()?;
        if batch.pieces.iter().any(|piece| piece.found != piece.expected) {
            self.failed = true;
            return Err(Error::Misuse(Misuse::WrongCid).into());
        }
        self.sink.write_all(&batch.bytes)?;
        thread.put_back(batch);
        Ok(())
    }
}

/// Reads at positions: what random access needs of a source.
pub trait ReadAt {
    /// Fills `buffer` from `offset` on; returns how many bytes there were, fewer only at the end.
    ///
    /// # Errors
    /// The source's.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The source's length.
    ///
    /// # Errors
    /// The source's.
    fn len(&self) -> io::Result<u64>;

    /// Whether there is nothing in it.
    ///
    /// # Errors
    /// The source's.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        (**self).len()
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let got = rest.len().min(buffer.len());
        for (to, from) in buffer.chunks_mut(got.max(1)).zip(rest.chunks(got.max(1))).take(1) {
            if let (Some(to), Some(from)) = (to.get_mut(..got), from.get(..got)) {
                to.copy_from_slice(from);
            }
        }
        Ok(got)
    }

    fn len(&self) -> io::Result<u64> {
        Ok((*self).len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(offset, buffer)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.as_slice().len() as u64)
    }
}

impl ReadAt for std::fs::File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while let Some(room) = buffer.get_mut(got..).filter(|room| !room.is_empty()) {
            match file_read(self, room, offset.saturating_add(got as u64)) {
                Ok(0) => break,
                Ok(more) => got = got.saturating_add(more),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

#[cfg(unix)]
fn file_read(file: &std::fs::File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, offset)
}

#[cfg(windows)]
fn file_read(file: &std::fs::File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

/// Reads a source from an offset on, as a stream.
#[derive(Debug)]
pub struct ReadFrom<S> {
    source: S,
    offset: u64,
}

impl<S: ReadAt> ReadFrom<S> {
    /// A stream that begins at an offset.
    pub fn new(source: S, offset: u64) -> Self {
        Self { source, offset }
    }
}

impl<S: ReadAt> Read for ReadFrom<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read_at(self.offset, buffer)?;
        self.offset = self.offset.saturating_add(got as u64);
        Ok(got)
    }
}
