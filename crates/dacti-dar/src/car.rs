//! CAR archives: reads version 1 and 2, writes version 1, and proves each block against its CID.
//! The index of a CAR v2 is ignored.
//!
//! The reader is a machine like [`StreamReader`](crate::StreamReader). It takes at most three feeds
//! per section, and never wants more bytes than the limits allow.

use alloc::vec::Vec;
use std::io::{self, Read, Write};

use core::ops::Range;

use crate::cbor::{Attempt, cid_list, item_head, items_len, push_head, push_link};
use crate::check::BlockCheck;
use crate::cid::{Cid, CidFault, IDENTITY_CID_LEN_MAX, Prefix};
use crate::cid_list::CidList;
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::hash::{Fit, digest_head, fits};
use crate::limits::UnknownHash;
use crate::source::ReadError;
use crate::stream::{ByteRange, ReadOptions};
use crate::varint;
use crate::window::Window;

/// The first bytes of a CAR v2: a CAR header of version 2 without roots.
const PRAGMA: [u8; 11] = *b"\x0a\xa1\x67version\x02";
const V2_HEADER_LEN: u64 = 40;

/// The header of a CAR.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CarHeader {
    /// 1 or 2.
    pub version: u8,
    /// The roots. The list may be empty, and may name blocks that the CAR lacks.
    pub roots: CidList,
}

/// A block of a CAR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarBlock<'b> {
    /// Its CID.
    pub cid: Cid,
    /// The offset of its bytes.
    pub at: u64,
    /// Its bytes, checked against the CID.
    pub data: &'b [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    V2,
    HeaderLen,
    Header {
        len: u64,
    },
    SectionLen,
    Section {
        at: u64,
        len: u64,
    },
    /// Reading zeros, which began at this offset.
    Padding {
        at: u64,
    },
    Done,
    Failed,
}

#[derive(Debug, Clone)]
pub(crate) enum CarStep {
    Header,
    Block { cid: Cid, at: u64, data: Range<usize> },
    End,
}

/// Reads a CAR in one pass. The machine names the range that it wants, and checks the bytes that it
/// is fed.
#[derive(Debug)]
pub struct CarReader {
    options: ReadOptions,
    state: State,
    pos: u64,
    /// The end of the blocks in a CAR v2.
    end: Option<u64>,
    header: CarHeader,
    unproven: u64,
}

/// An event of a [`CarReader`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarEvent<'b> {
    /// The header was read.
    Header,
    /// A block.
    Block(CarBlock<'b>),
    /// The CAR is complete.
    End,
}

impl CarReader {
    /// Makes a machine that reads from offset 0.
    #[must_use]
    pub fn new(options: &ReadOptions) -> Self {
        Self {
            options: *options,
            state: State::Start,
            pos: 0,
            end: None,
            header: CarHeader::default(),
            unproven: 0,
        }
    }

    /// Returns the range that [`Self::feed`] needs next. If the needed length is not known yet, the
    /// range is an upper bound. `None` means that the CAR is read completely, or that the machine
    /// failed.
    #[must_use]
    pub fn want(&self) -> Option<ByteRange> {
        let len = match self.state {
            State::Start => PRAGMA.len() as u64,
            State::V2 => V2_HEADER_LEN,
            State::HeaderLen | State::SectionLen => varint::LEN_MAX as u64,
            State::Header { len } | State::Section { len, .. } => len,
            State::Padding { .. } => PADDING_LEN,
            State::Done | State::Failed => return None,
        };
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.pos));
        Some(ByteRange { start: self.pos, len: len.min(left) })
    }

    /// Returns the header, once it is read.
    #[must_use]
    pub fn header(&self) -> &CarHeader {
        &self.header
    }

    /// Returns the number of blocks that were accepted without proof.
    #[must_use]
    pub fn unproven(&self) -> u64 {
        self.unproven
    }

    /// Takes bytes that begin at the start of [`Self::want`]. A shorter slice means that the source
    /// ends there.
    ///
    /// # Errors
    /// The first fault of the CAR. After an error, the machine has failed.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<CarEvent<'b>>, Error> {
        Ok(self.step(bytes)?.map(|step| match step {
            CarStep::Header => CarEvent::Header,
            CarStep::Block { cid, at, data } => {
                let data = bytes.get(data).unwrap_or_default();
                CarEvent::Block(CarBlock { cid, at, data })
            }
            CarStep::End => CarEvent::End,
        }))
    }

    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Option<CarStep>, Error> {
        // Bytes after the end that a CAR v2 states are not part of its blocks.
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.pos));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..left.min(bytes.len())).unwrap_or_default();
        let result = match self.state {
            State::Start => self.read_start(bytes),
            State::V2 => self.read_v2(bytes),
            State::HeaderLen => self.read_header_len(bytes),
            State::Header { len } => self.read_header(bytes, len),
            State::SectionLen => self.read_section_len(bytes),
            State::Section { at, len } => self.read_section(bytes, 0, at, len),
            State::Padding { at } => self.read_padding(bytes, at),
            State::Done | State::Failed => Err(Error::Misuse(Misuse::Finished)),
        };
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn truncated(&self, what: Structure, at: u64, needed: u64, bytes: &[u8]) -> Error {
        Error::Truncated { what, at, needed, end: self.pos.saturating_add(bytes.len() as u64) }
    }

    fn read_start(&mut self, bytes: &[u8]) -> Result<Option<CarStep>, Error> {
        if bytes.get(..PRAGMA.len()) == Some(&PRAGMA) {
            self.header.version = 2;
            self.pos = PRAGMA.len() as u64;
            self.state = State::V2;
            return Ok(None);
        }
        self.header.version = 1;
        self.read_header_len(bytes)
    }

    fn read_v2(&mut self, bytes: &[u8]) -> Result<Option<CarStep>, Error> {
        let what = Structure::CarV2Header;
        let number = |from: usize| -> Option<u64> {
            let bytes = bytes.get(from..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*bytes))
        };
        // The header has 16 bytes of characteristics, and then data offset, data size and index
        // offset.
        let (Some(at), Some(size), Some(_)) = (number(16), number(24), number(32)) else {
            return Err(self.truncated(what, self.pos, V2_HEADER_LEN, bytes));
        };
        let least = self.pos.saturating_add(V2_HEADER_LEN);
        let end = at.checked_add(size).filter(|_| at >= least && size > 0);
        let Some(end) = end else {
            let (from, to) = (least, u64::MAX);
            return Err(Error::OutOfBounds { what, at: self.pos, target: at, from, to });
        };
        self.pos = at;
        self.end = Some(end);
        self.state = State::HeaderLen;
        Ok(None)
    }

    fn read_len(&self, bytes: &[u8], what: Structure) -> Result<(u64, usize), Error> {
        let end = self.pos.saturating_add(bytes.len() as u64);
        let (len, len_len) =
            varint::read(bytes).map_err(|fault| Error::varint(fault, what, self.pos, end))?;
        if len == 0 {
            return Err(Error::invalid(what, self.pos, Wrong::Empty));
        }
        if let Some(end) = self.end {
            let to = self.pos.saturating_add(len_len as u64).saturating_add(len);
            if to > end {
                let (at, from, target) = (self.pos, self.pos, to);
                return Err(Error::OutOfBounds { what, at, target, from, to: end });
            }
        }
        Ok((len, len_len))
    }

    fn read_header_len(&mut self, bytes: &[u8]) -> Result<Option<CarStep>, Error> {
        let what = Structure::CarHeader;
        let (found, len_len) = self.read_len(bytes, what)?;
        let limit = u64::from(self.options.limits.header_len_max);
        if found > limit {
            return Err(Error::LimitExceeded { what, at: self.pos, found, limit });
        }
        self.pos = self.pos.saturating_add(len_len as u64);
        self.state = State::Header { len: found };
        Ok(None)
    }

    fn read_header(&mut self, bytes: &[u8], len: u64) -> Result<Option<CarStep>, Error> {
        let (what, at) = (Structure::CarHeader, self.pos);
        let node = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
        let node = node.ok_or_else(|| self.truncated(what, at, len, bytes))?;
        let wrong = Error::invalid(what, at, Wrong::Cbor);
        let (version, roots) = header_node(node).ok_or(wrong)?;
        if version != 1 {
            return Err(Error::Unsupported { what, at, found: version });
        }
        self.header.roots = roots.ok_or(wrong)?;
        self.pos = at.saturating_add(len);
        self.state = State::SectionLen;
        Ok(Some(CarStep::Header))
    }

    fn read_section_len(&mut self, bytes: &[u8]) -> Result<Option<CarStep>, Error> {
        if bytes.is_empty() {
            // A CAR v1 ends where its source ends; a CAR v2 states the end of its blocks.
            if let Some(end) = self.end.filter(|&end| end != self.pos) {
                let needed = end.saturating_sub(self.pos);
                return Err(self.truncated(Structure::CarSection, self.pos, needed, bytes));
            }
            self.state = State::Done;
            return Ok(Some(CarStep::End));
        }
        let (what, at) = (Structure::CarSection, self.pos);
        if bytes.first() == Some(&0) && self.options.allow_padding {
            self.state = State::Padding { at };
            return Ok(None);
        }
        let (found, len_len) = self.read_len(bytes, what)?;
        let limit = u64::from(self.options.limits.block_len_max);
        if found.saturating_sub(IDENTITY_CID_LEN_MAX as u64) > limit {
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        self.pos = at.saturating_add(len_len as u64);
        self.state = State::Section { at, len: found };
        let here = bytes.len().saturating_sub(len_len) as u64;
        if here >= found { self.read_section(bytes, len_len, at, found) } else { Ok(None) }
    }

    /// Reads zeros up to the end of the CAR.
    fn read_padding(&mut self, bytes: &[u8], at: u64) -> Result<Option<CarStep>, Error> {
        let (what, start) = (Structure::CarSection, self.pos);
        if bytes.iter().any(|&byte| byte != 0) {
            return Err(Error::invalid(what, at, Wrong::Empty));
        }
        self.pos = start.saturating_add(bytes.len() as u64);
        if bytes.is_empty() {
            // A CAR v2 must have the length that its header states.
            if let Some(end) = self.end.filter(|&end| end != start) {
                return Err(self.truncated(what, start, end.saturating_sub(start), bytes));
            }
            self.state = State::Done;
            return Ok(Some(CarStep::End));
        }
        Ok(None)
    }

    fn read_section(
        &mut self,
        bytes: &[u8],
        from: usize,
        at: u64,
        len: u64,
    ) -> Result<Option<CarStep>, Error> {
        let what = Structure::CarSection;
        let to = usize::try_from(len).ok().and_then(|len| from.checked_add(len));
        let Some(section) = to.and_then(|to| bytes.get(from..to)) else {
            return Err(self.truncated(what, self.pos, len, bytes));
        };
        let (cid, cid_len) = Cid::read(section).map_err(|fault| match fault {
            CidFault::DigestTooLong(found) => Error::Unsupported { what, at: self.pos, found },
            CidFault::Short | CidFault::Invalid => Error::invalid(what, self.pos, Wrong::Cid),
        })?;
        let data = section.get(cid_len..).unwrap_or_default();
        let data_at = self.pos.saturating_add(cid_len as u64);
        let (found, limit) = (data.len() as u64, u64::from(self.options.limits.block_len_max));
        if found > limit {
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        match fits(&cid, data) {
            Fit::Yes => {}
            Fit::No(found) => {
                let expected = digest_head(cid.digest());
                return Err(Error::WrongHash { what, at: data_at, expected, found });
            }
            Fit::Unknown if self.options.unknown_hash == UnknownHash::Trust => {
                self.unproven = self.unproven.saturating_add(1);
            }
            Fit::Unknown => {
                return Err(Error::unproved(Prefix::of(&cid), what, at));
            }
        }
        self.pos = self.pos.saturating_add(len);
        self.state = State::SectionLen;
        let start = from.saturating_add(cid_len);
        Ok(Some(CarStep::Block { cid, at: data_at, data: start..to.unwrap_or(start) }))
    }
}

/// The length of one read of padding.
const PADDING_LEN: u64 = 64 << 10;

/// Returns the version and the roots of a CAR's header. The keys of the map may be in any order.
fn header_node(node: &[u8]) -> Option<(u64, Option<CidList>)> {
    let Attempt::Done(map) = item_head(node) else { return None };
    (map.major == 5).then_some(())?;
    let (mut version, mut roots) = (None, None);
    let mut rest = node.get(map.len..)?;
    for _ in 0..map.value {
        let Attempt::Done(key_len) = items_len(rest, 1) else { return None };
        let (key, after) = rest.split_at_checked(key_len)?;
        let Attempt::Done(value_len) = items_len(after, 1) else { return None };
        let (value, after) = after.split_at_checked(value_len)?;
        rest = after;
        match key {
            b"\x67version" if version.is_none() => {
                let Attempt::Done(head) = item_head(value) else { return None };
                (head.major == 0).then_some(())?;
                version = Some(head.value);
            }
            b"\x65roots" if roots.is_none() => roots = Some(cid_list(value)?),
            _ => return None,
        }
    }
    rest.is_empty().then_some((version?, roots))
}

/// Reads a CAR from any source.
#[derive(Debug)]
pub struct CarStream<R> {
    window: Window<R>,
    machine: CarReader,
}

impl<R: Read> CarStream<R> {
    /// Makes a reader.
    pub fn new(source: R, options: &ReadOptions) -> Self {
        Self { window: Window::new(source), machine: CarReader::new(options) }
    }

    /// Reads the header, if it was not read yet.
    ///
    /// # Errors
    /// A fault of the header, or an error of the source.
    pub fn header(&mut self) -> Result<&CarHeader, ReadError> {
        while self.machine.header.version == 0
            || !matches!(
                self.machine.state,
                State::SectionLen
                    | State::Section { .. }
                    | State::Padding { .. }
                    | State::Done
                    | State::Failed
            )
        {
            let Some(want) = self.machine.want() else { break };
            self.window.fill(want.start, want.len)?;
            self.machine.step(self.window.bytes())?;
        }
        // A list of millions of roots needs much memory, so this frees the memory.
        self.window.shrink();
        Ok(self.machine.header())
    }

    /// Reads the next block; `None` at the end.
    ///
    /// # Errors
    /// A fault of the CAR, or an error of the source.
    pub fn next_block(&mut self) -> Result<Option<CarBlock<'_>>, ReadError> {
        while let Some(want) = self.machine.want() {
            self.window.fill(want.start, want.len)?;
            if let Some(CarStep::Block { cid, at, data }) =
                self.machine.step(self.window.bytes())?
            {
                let data = self.window.bytes().get(data).unwrap_or_default();
                return Ok(Some(CarBlock { cid, at, data }));
            }
        }
        Ok(None)
    }

    /// Returns the number of blocks that were accepted without proof.
    #[must_use]
    pub fn unproven(&self) -> u64 {
        self.machine.unproven
    }
}

/// Writes a CAR v1.
#[derive(Debug)]
pub struct CarWriter<W> {
    sink: W,
    head: Vec<u8>,
    len: u64,
    check: Option<BlockCheck>,
}

impl<W: Write> CarWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// An error of the sink.
    pub fn new(mut sink: W, roots: &CidList) -> io::Result<Self> {
        // The header is the map `{"roots": [...], "version": 1}`. Its keys have the order of
        // DAG-CBOR.
        let mut node = Vec::new();
        push_head(&mut node, 0xa0, 2);
        push_head(&mut node, 0x60, 5);
        node.extend_from_slice(b"roots");
        push_head(&mut node, 0x80, roots.len() as u64);
        for cid in roots {
            push_link(&mut node, &cid);
        }
        push_head(&mut node, 0x60, 7);
        node.extend_from_slice(b"version");
        push_head(&mut node, 0, 1);
        let mut head = Vec::new();
        varint::push(&mut head, node.len() as u64);
        head.append(&mut node);
        sink.write_all(&head)?;
        let len = head.len() as u64;
        Ok(Self { sink, head, len, check: None })
    }

    /// Lets `check` see each block before it is written. The check may refuse the block.
    #[must_use]
    pub fn with_check(mut self, check: Option<BlockCheck>) -> Self {
        self.check = check;
        self
    }

    /// Writes a block. The caller guarantees that the block matches its CID.
    ///
    /// # Errors
    /// An error of the caller's check or of the sink.
    pub fn block(&mut self, cid: &Cid, data: &[u8]) -> io::Result<()> {
        if let Some(check) = &self.check {
            check.run(cid, data)?;
        }
        self.head.clear();
        let len = cid.encoded_len().saturating_add(data.len() as u64);
        varint::push(&mut self.head, len);
        cid.push(&mut self.head);
        self.sink.write_all(&self.head)?;
        self.sink.write_all(data)?;
        self.len = self.len.saturating_add(self.head.len() as u64);
        self.len = self.len.saturating_add(data.len() as u64);
        Ok(())
    }

    /// Flushes the sink. Returns the sink, and the number of bytes written.
    ///
    /// # Errors
    /// An error of the sink.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.sink.flush()?;
        Ok((self.sink, self.len))
    }
}
