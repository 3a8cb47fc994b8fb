//! The blocking reader: a loop around [`StreamReader`] over any `Read`.

use std::io::Read;

use crate::ahead::Ahead;
use crate::cid::Cid;
use crate::header::Header;
use crate::order::{Root, Summary};
use crate::source::ReadError;
use crate::stream::{ReadOptions, Step, StreamEvent, StreamReader};
use crate::table::BlockPlace;
use crate::window::Window;

/// Reads an archive in one pass over any source.
///
/// Memory: 66 to 133 bytes for each distinct block (with 32-byte digests), the links that wait for
/// their block, and a buffer of twice the longest block. With threads, there are up to six such
/// buffers, each of at least 128 KiB.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    machine: StreamReader,
    ahead: Ahead,
    /// The archive offset of the last step's bytes, if they were read ahead.
    ahead_at: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Makes a reader with default options.
    pub fn new(source: R) -> Self {
        Self::with_options(source, &ReadOptions::default())
    }

    /// Makes a reader.
    pub fn with_options(source: R, options: &ReadOptions) -> Self {
        Self {
            window: Window::new(source),
            machine: StreamReader::new(options),
            ahead: Ahead::new(options.threads, options.limits.block_len_max),
            ahead_at: None,
        }
    }

    pub(crate) fn with_machine(source: R, start: u64, machine: StreamReader) -> Self {
        let window = Window::starting_at(source, start);
        Self { window, machine, ahead: Ahead::new(false, 0), ahead_at: None }
    }

    /// Reads the next event; `None` after [`StreamEvent::End`].
    ///
    /// # Errors
    /// A fault of the archive, or an error of the source. After an error, the reader has failed.
    pub fn next_event(&mut self) -> Result<Option<StreamEvent<'_>>, ReadError> {
        let Some(step) = self.step()? else { return Ok(None) };
        Ok(Some(step.event(self.bytes())))
    }

    /// Returns the machine's next step; `None` after the last step.
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
                self.ahead.note(cid.hash_code());
            }
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// Returns the bytes that the last step refers to.
    fn bytes(&self) -> &[u8] {
        match self.ahead_at {
            Some(pos) => self.ahead.bytes(pos),
            None => self.window.bytes(),
        }
    }

    /// Reads the next block and skips other events. `None` means that the archive is complete.
    ///
    /// # Errors
    /// The errors of [`Self::next_event`].
    pub fn next_block(&mut self) -> Result<Option<(Cid, &[u8])>, ReadError> {
        while let Some(step) = self.step()? {
            if let Step::Block { cid, data, .. } = step {
                return Ok(Some((cid, self.bytes().get(data).unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// Reads the archive to its end. Success proves the whole archive.
    ///
    /// # Errors
    /// The errors of [`Self::next_event`].
    pub fn verify(mut self) -> Result<Summary, ReadError> {
        while self.next_block()?.is_some() {}
        Ok(self.machine.summary().clone())
    }

    /// Returns the archive's header, which is empty before the first event.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.machine.header()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        self.machine.summary()
    }

    /// Returns the roots so far, in order.
    pub fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        self.machine.roots()
    }

    /// Returns the place of a block that was read.
    #[must_use]
    pub fn locate(&self, cid: &Cid) -> Option<BlockPlace> {
        self.machine.locate(cid)
    }

    pub(crate) fn into_machine(self) -> StreamReader {
        self.machine
    }
}
