//! The machine of the streaming reader. It reads in one pass, proves every block by its CID, and at
//! the end checks roots, digest and index against the blocks. It does no IO and owns no block.
//!
//! The caller feeds slices of the length that [`StreamReader::want`] returns. If the needed length
//! is not known yet, the want is an upper bound. If a slice is shorter than the want, the source
//! ends after the slice; the slice may still have all needed bytes. A frame takes at most three
//! feeds. A want is never longer than the largest of these: the longest block, the header, 64 KiB.

use alloc::vec::Vec;
use core::ops::Range;

use multihash::Multihash;

use crate::cid::{CID_LEN_MAX, Cid, CidFault, DIGEST_LEN_MAX, IDENTITY_CID_LEN_MAX};
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::frame::{FOOTER_LEN, Head, push_footer};
use crate::hash::Hashed;
use crate::header::{self, Header};
use crate::index::IndexImage;
use crate::limits::{Limits, UnknownHash};
use crate::order::{Order, Root, Summary, Work, bad_reference};
use crate::varint;

/// A range of a file: `len` bytes from `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The absolute offset of the first byte.
    pub start: u64,
    /// The number of bytes.
    pub len: u64,
}

impl ByteRange {
    /// Returns the offset after the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}

/// Options of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// The limits.
    pub limits: Limits,
    /// The treatment of unknown hash functions.
    pub unknown_hash: UnknownHash,
    /// The maximum number of missing blocks that the summary lists. Each costs the memory of its
    /// CID.
    pub missing_max: u32,
    /// Lets threads help: one computes the digest of all CIDs, and [`Reader`](crate::Reader) uses
    /// another to hash blocks ahead of time. Archives below about 256 KiB start no thread. With
    /// threads, a reader reads ahead up to 1 MiB or five times the longest block, whichever is
    /// more.
    pub threads: bool,
    /// Accepts zeros after the last section of a CAR.
    pub allow_padding: bool,
}

/// An event of a reader, in the order of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEvent<'b> {
    /// The header was read.
    Header,
    /// A root mark. The next block or repeat is that root, unless the root is an identity CID.
    Root {
        /// The root.
        cid: Cid,
        /// The offset of the mark.
        at: u64,
    },
    /// A block, checked against its CID.
    Block {
        /// Its CID.
        cid: Cid,
        /// The offset of its frame.
        at: u64,
        /// Its bytes.
        data: &'b [u8],
    },
    /// A back-reference to an earlier block.
    Repeat {
        /// The block's CID.
        cid: Cid,
        /// The offset of the back-reference.
        at: u64,
        /// The offset of the block's frame.
        target: u64,
    },
    /// The archive is complete and consistent.
    End,
}

/// An event without borrowed bytes: it states data as a range of the bytes that were fed.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Header,
    Root { cid: Cid, at: u64 },
    Block { cid: Cid, at: u64, data: Range<usize> },
    Repeat { cid: Cid, at: u64, target: u64 },
    End,
}

impl Step {
    pub(crate) fn event(self, bytes: &[u8]) -> StreamEvent<'_> {
        match self {
            Self::Header => StreamEvent::Header,
            Self::Root { cid, at } => StreamEvent::Root { cid, at },
            Self::Block { cid, at, data } => {
                StreamEvent::Block { cid, at, data: bytes.get(data).unwrap_or_default() }
            }
            Self::Repeat { cid, at, target } => StreamEvent::Repeat { cid, at, target },
            Self::End => StreamEvent::End,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header {
        len: u64,
    },
    Item,
    /// A root mark with an identity CID that is longer than any other CID.
    LongRoot,
    Body {
        frame_at: u64,
        len: u64,
    },
    AfterBlocks,
    Index,
    Trailer,
    Footer,
    End,
    Done,
    Failed,
}

/// The roots and the end of the blocks, read from the trailer of an archive without marks.
#[derive(Debug)]
struct Unmarked {
    roots: Vec<Cid>,
    next: usize,
    /// The end of the frames.
    end: u64,
    /// The length of the archive.
    len: u64,
}

/// Reads an archive in one pass.
#[derive(Debug)]
pub struct StreamReader {
    order: Order,
    header: Header,
    state: State,
    pos: u64,
    /// The root whose frame must come next.
    root: Option<Cid>,
    unmarked: Option<Unmarked>,
    digest: [u8; 64],
    index: Option<IndexImage>,
    index_at: Option<u64>,
    trailer_at: u64,
    next_root: usize,
    /// The bytes of the index or trailer that must follow.
    expected: Vec<u8>,
    /// A digest of the current frame's block, if the caller has computed one.
    hash: Option<Multihash<DIGEST_LEN_MAX>>,
}

/// The maximum length of a root mark and the CID of a block with a frame.
const ROOT_LEN_MAX: u64 = (varint::LEN_MAX + CID_LEN_MAX) as u64;
/// The maximum length of a root mark and an identity CID.
const LONG_ROOT_LEN_MAX: u64 = (varint::LEN_MAX + IDENTITY_CID_LEN_MAX) as u64;

/// The number of bytes that the first want asks for. Every archive is longer than this, so a reader
/// of a pipe never waits for bytes that do not exist.
const HEADER_TRY: u64 = 64;

impl StreamReader {
    /// Makes a machine that reads from offset 0.
    #[must_use]
    pub fn new(options: &ReadOptions) -> Self {
        let missing_max = usize::try_from(options.missing_max).unwrap_or(usize::MAX);
        Self {
            order: Order::new(options.limits, options.unknown_hash, missing_max, options.threads),
            header: Header::default(),
            state: State::Header { len: HEADER_TRY },
            pos: 0,
            root: None,
            unmarked: None,
            digest: [0; 64],
            index: None,
            index_at: None,
            trailer_at: 0,
            next_root: 0,
            expected: Vec::new(),
            hash: None,
        }
    }

    /// Makes a machine for the blocks of an archive without marks.
    pub(crate) fn unmarked(
        options: &ReadOptions,
        header: Header,
        roots: Vec<Cid>,
        (end, len): (u64, u64),
        digest: [u8; 64],
    ) -> Self {
        let mut reader = Self::new(options);
        reader.pos = header.frames_at;
        reader.order.link_order = header.link_order;
        reader.header = header;
        reader.state = State::Item;
        reader.unmarked = Some(Unmarked { roots, next: 0, end, len });
        reader.digest = digest;
        reader
    }

    /// Returns the range that [`Self::feed`] needs next. `None` means that the archive was read
    /// completely, or that the machine has failed.
    #[must_use]
    pub fn want(&self) -> Option<ByteRange> {
        if matches!(self.state, State::Done | State::Failed) {
            return None;
        }
        Some(ByteRange { start: self.pos, len: self.want_len() })
    }

    fn want_len(&self) -> u64 {
        let len = match self.state {
            State::Header { len } | State::Body { len, .. } => len,
            State::Item => ROOT_LEN_MAX,
            State::LongRoot => LONG_ROOT_LEN_MAX,
            State::AfterBlocks | State::End => 1,
            State::Index | State::Trailer | State::Footer => self.expected.len() as u64,
            State::Done | State::Failed => 0,
        };
        match &self.unmarked {
            Some(unmarked) => len.min(unmarked.end.saturating_sub(self.pos)),
            None => len,
        }
    }

    /// Returns the archive's header, once it is read.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the counts so far. They are complete after [`StreamEvent::End`].
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.order.summary
    }

    /// Returns the roots so far, in order.
    pub fn roots(&self) -> impl Iterator<Item = Root> + '_ {
        (0..self.order.root_count()).filter_map(|number| self.order.root(number))
    }

    /// Returns the work done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.order.work
    }

    /// Returns the place of a block that was read.
    #[must_use]
    pub fn locate(&self, cid: &Cid) -> Option<crate::table::BlockPlace> {
        let id = self.order.table.find_cid(cid)?;
        self.order.table.located(id)
    }

    /// Takes bytes that begin at the start of [`Self::want`]. Bytes past the wanted range are used
    /// if they complete the frame, and ignored otherwise. A shorter slice means that the source
    /// ends there.
    ///
    /// # Errors
    /// The first fault of the archive. After an error, the machine has failed.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<StreamEvent<'b>>, Error> {
        Ok(self.step(bytes)?.map(|step| step.event(bytes)))
    }

    /// Tells whether a frame of an archive with marks comes next.
    pub(crate) fn at_frame(&self) -> bool {
        self.state == State::Item && self.unmarked.is_none()
    }

    /// Does the same as [`Self::step`]. `bytes` hold the whole next frame, and `hash` is the digest
    /// of its block, if the digest was already computed.
    pub(crate) fn step_hashed(
        &mut self,
        bytes: &[u8],
        hash: Option<Multihash<DIGEST_LEN_MAX>>,
    ) -> Result<Option<Step>, Error> {
        self.hash = hash;
        let result = self.step(bytes);
        self.hash = None;
        result
    }

    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        let result = match self.state {
            State::Header { len } => self.read_header(bytes, len),
            State::Item | State::LongRoot => self.read_item(bytes),
            State::Body { frame_at, len } => self.read_body(bytes, 0, frame_at, len),
            State::AfterBlocks => self.read_after_blocks(bytes),
            State::Index => self.read_index(bytes),
            State::Trailer => self.read_trailer(bytes),
            State::Footer => self.read_footer(bytes),
            State::End => self.read_end(bytes),
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

    fn read_header(&mut self, bytes: &[u8], len: u64) -> Result<Option<Step>, Error> {
        let limits = self.order.limits;
        let given = bytes.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(bytes);
        if let Some(found) = header::read(given, &limits)? {
            self.pos = found.frames_at;
            self.order.link_order = found.link_order;
            self.header = found;
            self.state = State::Item;
            return Ok(Some(Step::Header));
        }
        let what = if bytes.len() < 4 { Structure::Magic } else { Structure::Header };
        if (bytes.len() as u64) < len {
            return Err(self.truncated(what, 0, len, bytes));
        }
        let (limit, found) = (u64::from(limits.header_len_max), len.saturating_mul(2));
        if len >= limit {
            return Err(Error::LimitExceeded { what, at: 0, found, limit });
        }
        self.state = State::Header { len: found.min(limit) };
        Ok(None)
    }

    fn read_item(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        if self.unmarked.as_ref().is_some_and(|unmarked| unmarked.end == self.pos) {
            return self.end_unmarked();
        }
        let at = self.pos;
        let end = at.saturating_add(bytes.len() as u64);
        let (head, head_len) =
            Head::read(bytes).map_err(|fault| Error::varint(fault, Structure::Frame, at, end))?;
        let marks = self.unmarked.is_none();
        if marks
            && self.order.root_count() == 0
            && self.root.is_none()
            && !matches!(head, Head::Root | Head::End)
        {
            return Err(Error::NoMarks { at });
        }
        match head {
            Head::Block(len) => {
                let limit = u64::from(self.order.limits.block_len_max);
                if len > limit {
                    let what = Structure::Block;
                    return Err(Error::LimitExceeded { what, at, found: len, limit });
                }
                self.pos = at.saturating_add(head_len as u64);
                self.state = State::Body { frame_at: at, len };
                let here = bytes.len().saturating_sub(head_len) as u64;
                if here >= len { self.read_body(bytes, head_len, at, len) } else { Ok(None) }
            }
            Head::Reference(target) => self.read_reference(at, head_len, target),
            Head::Root if marks && self.root.is_none() => self.read_root(bytes, at, head_len),
            Head::End if marks && self.root.is_none() => {
                self.pos = at.saturating_add(head_len as u64);
                self.digest = self.order.end_blocks(at);
                self.state = State::AfterBlocks;
                Ok(None)
            }
            _ => Err(Error::invalid(Structure::Frame, at, Wrong::Mark)),
        }
    }

    fn read_root(&mut self, bytes: &[u8], at: u64, head_len: usize) -> Result<Option<Step>, Error> {
        let what = Structure::RootMark;
        let cid_at = at.saturating_add(head_len as u64);
        let rest = bytes.get(head_len..).unwrap_or_default();
        let (cid, len) = match Cid::read(rest) {
            Ok(read) => read,
            Err(CidFault::Short) if (bytes.len() as u64) < self.want_len() => {
                return Err(self.truncated(what, at, self.want_len(), bytes));
            }
            Err(CidFault::Short) if self.state == State::Item => {
                self.state = State::LongRoot;
                return Ok(None);
            }
            Err(CidFault::Short | CidFault::Invalid) => {
                return Err(Error::invalid(what, cid_at, Wrong::Cid));
            }
            Err(CidFault::DigestTooLong(found)) => {
                return Err(Error::Unsupported { what, at: cid_at, found });
            }
        };
        self.state = State::Item;
        if self.order.is_root(&cid) {
            return Err(Error::invalid(what, cid_at, Wrong::DuplicateRoot));
        }
        self.order.end_dag(at);
        self.pos = cid_at.saturating_add(len as u64);
        if cid.is_identity() {
            self.order.take_identity_root(&cid, at)?;
        } else {
            self.root = Some(cid.clone());
        }
        Ok(Some(Step::Root { cid, at }))
    }

    fn read_reference(
        &mut self,
        at: u64,
        head_len: usize,
        target: u64,
    ) -> Result<Option<Step>, Error> {
        if target >= at {
            return Err(bad_reference(at, Wrong::ForwardReference));
        }
        let id = self.order.table.at_offset(target);
        let id = id.ok_or(bad_reference(at, Wrong::NotAFrame))?;
        let cid = self.order.table.cid(id).ok_or(bad_reference(at, Wrong::NotAFrame))?;
        if let Some(root) = &self.root {
            if *root != cid {
                return Err(bad_reference(at, Wrong::UnexpectedReference));
            }
            self.root = None;
            self.order.take_root_reference(id);
        } else if let Some(taken) = self.order.fit_known(id, 0) {
            if self.order.loops(&taken, id) {
                return Err(bad_reference(at, Wrong::Loop));
            }
            self.order.take_reference(&taken, id, at);
        } else if self.next_unmarked_root().as_ref() == Some(&cid) {
            self.order.end_dag(at);
            self.order.take_root_reference(id);
        } else {
            return Err(bad_reference(at, Wrong::UnexpectedReference));
        }
        self.pos = at.saturating_add(head_len as u64);
        Ok(Some(Step::Repeat { cid, at, target }))
    }

    fn read_body(
        &mut self,
        bytes: &[u8],
        from: usize,
        frame_at: u64,
        len: u64,
    ) -> Result<Option<Step>, Error> {
        let to = usize::try_from(len).ok().and_then(|len| from.checked_add(len));
        let range = from..to.unwrap_or(usize::MAX);
        let body_at = self.pos;
        let Some(data) = bytes.get(range.clone()) else {
            return Err(self.truncated(Structure::Block, body_at, len, bytes));
        };
        let frame_end = body_at.saturating_add(len);
        let cid = if let Some(cid) = self.root.take() {
            self.order.prove(&cid, &mut Hashed::with(data, self.hash.take()), body_at)?;
            self.order.take_root(&cid, data, frame_at, frame_end)?;
            cid
        } else {
            self.take_linked(data, frame_at, body_at, frame_end)?
        };
        self.pos = frame_end;
        self.state = State::Item;
        Ok(Some(Step::Block { cid, at: frame_at, data: range }))
    }

    fn take_linked(
        &mut self,
        data: &[u8],
        frame_at: u64,
        body_at: u64,
        frame_end: u64,
    ) -> Result<Cid, Error> {
        let unexpected = Error::invalid(Structure::Frame, frame_at, Wrong::Unexpected);
        let mut hashed = Hashed::with(data, self.hash.take());
        let fit = self.order.fit(&mut hashed, body_at, 0);
        if let Ok(Some(taken)) = fit {
            let cid = self.order.taken_cid(&taken).ok_or(unexpected)?;
            self.order.take_block(&taken, None, data, frame_at, frame_at, frame_end)?;
            return Ok(cid);
        }
        // In an archive without marks, a block that matches no waiting link must be the next root.
        let Some(cid) = self.next_unmarked_root() else {
            return Err(fit.err().unwrap_or(unexpected));
        };
        self.order.prove(&cid, &mut hashed, body_at)?;
        self.order.end_dag(frame_at);
        self.order.take_root(&cid, data, frame_at, frame_end)?;
        Ok(cid)
    }

    /// Returns the next root in the trailer's list whose block was not read yet, for an archive
    /// without marks.
    fn next_unmarked_root(&mut self) -> Option<Cid> {
        let unmarked = self.unmarked.as_mut()?;
        while let Some(cid) = unmarked.roots.get(unmarked.next) {
            unmarked.next = unmarked.next.saturating_add(1);
            if !self.order.is_root(cid) {
                return Some(cid.clone());
            }
        }
        None
    }

    /// Ends the blocks of an archive without marks, where the index or the trailer begins.
    fn end_unmarked(&mut self) -> Result<Option<Step>, Error> {
        let at = self.pos;
        let found = self.order.end_blocks(at);
        if found != self.digest {
            return Err(Error::invalid(Structure::Digest, at, Wrong::Differs));
        }
        let roots = self.unmarked.as_ref().map(|u| u.roots.as_slice()).unwrap_or_default();
        self.order.summary.roots = roots.len() as u64;
        for cid in roots {
            if !cid.is_identity() && self.order.table.find_cid(cid).is_none() {
                return Err(Error::invalid(Structure::RootList, at, Wrong::Differs));
            }
        }
        self.order.summary.len = self.unmarked.as_ref().map_or(at, |unmarked| unmarked.len);
        self.order.judge_header(&self.header);
        self.state = State::Done;
        Ok(Some(Step::End))
    }

    fn read_after_blocks(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        let Some(&first) = bytes.first() else {
            return Err(self.truncated(Structure::Trailer, self.pos, FOOTER_LEN + 1, bytes));
        };
        // A trailer begins with a count, which is even in zigzag. An index begins with a mark,
        // which is odd.
        if first & 1 == 0 {
            self.begin_trailer();
            return Ok(None);
        }
        let mut image = IndexImage::new(&self.order.table);
        self.expected = image.next_piece(&self.order.table);
        self.index = Some(image);
        self.index_at = Some(self.pos);
        self.order.summary.indexed = true;
        self.state = State::Index;
        Ok(None)
    }

    /// Compares bytes with the expected ones. The error names the first difference.
    fn compare(&self, what: Structure, bytes: &[u8]) -> Result<(), Error> {
        if bytes.starts_with(&self.expected) {
            return Ok(());
        }
        for (i, &expected) in (0_u64..).zip(&self.expected) {
            let at = self.pos.saturating_add(i);
            match usize::try_from(i).ok().and_then(|i| bytes.get(i)) {
                Some(&found) if found == expected => {}
                Some(&found) => {
                    let (expected, found) = (u64::from(expected), u64::from(found));
                    return Err(Error::Mismatch { what, at, expected, found });
                }
                None => {
                    let needed = self.expected.len() as u64;
                    return Err(self.truncated(what, self.pos, needed, bytes));
                }
            }
        }
        Ok(())
    }

    fn advance(&mut self) {
        self.pos = self.pos.saturating_add(self.expected.len() as u64);
        self.expected.clear();
    }

    fn read_index(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        self.compare(Structure::Index, bytes)?;
        self.advance();
        if let Some(image) = &mut self.index {
            self.expected = image.next_piece(&self.order.table);
        }
        if self.expected.is_empty() {
            self.index = None;
            self.begin_trailer();
        }
        Ok(None)
    }

    fn begin_trailer(&mut self) {
        self.trailer_at = self.pos;
        self.state = State::Trailer;
        self.next_root = 0;
        varint::push_signed(&mut self.expected, (self.order.root_count() as u64).cast_signed());
        self.push_roots();
    }

    fn push_roots(&mut self) {
        while self.next_root < self.order.root_count() && self.expected.len() < 32 << 10 {
            self.order.push_root(self.next_root, &mut self.expected);
            self.next_root = self.next_root.saturating_add(1);
        }
    }

    fn read_trailer(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        self.compare(Structure::RootList, bytes)?;
        self.advance();
        self.push_roots();
        if self.expected.is_empty() {
            push_footer(&mut self.expected, &self.digest, self.index_at, self.trailer_at);
            self.state = State::Footer;
        }
        Ok(None)
    }

    fn read_footer(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        let digest = self.digest.len().min(bytes.len());
        if bytes.get(..digest) != self.digest.get(..digest) {
            return Err(Error::invalid(Structure::Digest, self.pos, Wrong::Differs));
        }
        self.compare(Structure::Footer, bytes)?;
        self.advance();
        self.state = State::End;
        Ok(None)
    }

    fn read_end(&mut self, bytes: &[u8]) -> Result<Option<Step>, Error> {
        if !bytes.is_empty() {
            return Err(Error::invalid(Structure::Trailer, self.pos, Wrong::TrailingBytes));
        }
        self.order.summary.len = self.pos;
        self.order.judge_header(&self.header);
        self.state = State::Done;
        Ok(Some(Step::End))
    }
}
