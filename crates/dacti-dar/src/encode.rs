//! The core of the writer: makes the next bytes of an archive and keeps the depth-first order.
//! Stores no blocks and does no IO: [`Writer`](crate::Writer) is a loop around this core.

use alloc::vec::Vec;

use hashbrown::HashSet;

use crate::check::BlockCheck;
use crate::cid::{Cid, Prefix};
use crate::cid_list::CidList;
use crate::error::{Error, Misuse, Structure};
use crate::frame::{MAGIC, MARK_END, MARK_ROOT, push_footer};
use crate::hash::{Fit, Hashed, hash_is_known};
use crate::header::Header;
use crate::index::IndexImage;
use crate::limits::{Limits, UnknownHash};
use crate::links::LinkOrder;
use crate::order::{Order, Summary, Taken, Work};
use crate::skipped::SkippedLinks;
use crate::table::{BlockPlace, OFFSET_MAX};
use crate::varint;

/// Options of a writer.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The limits.
    pub limits: Limits,
    /// The treatment of unknown hash functions.
    pub unknown_hash: UnknownHash,
    /// Write an index.
    pub index: bool,
    /// The root list of the CAR from which the blocks are read. The header records it.
    pub car_roots: Option<CidList>,
    /// The order of the links of a block. The header states it.
    pub link_order: LinkOrder,
    /// Accept zeros after the last section of a CAR, in [`from_car`](crate::from_car).
    pub allow_padding: bool,
    /// The maximum number of missing blocks that the summary lists.
    pub missing_max: u32,
    /// Lets threads help: one computes the digest of all CIDs, and [`Writer`](crate::Writer) uses
    /// another to check blocks against their CIDs. The writer then reports a block that does not
    /// match its CID only on a later call. After this report, the writer has failed. Neither the
    /// block nor any later byte reaches the sink. Archives below about 256 KiB start no thread.
    pub threads: bool,
    /// Sees each block before [`Writer`](crate::Writer) writes it, and may refuse it.
    pub check: Option<BlockCheck>,
}

/// The result of adding a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The block was written.
    Written {
        /// The offset of its frame.
        at: u64,
    },
    /// The block was written before, and a back-reference was written now.
    Repeated {
        /// The offset of the block's frame.
        at: u64,
    },
    /// The CID is an identity CID: it holds the bytes, and no frame was written.
    Inline,
}

/// The time at which a block is checked against its CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The encoder checks the block before it places the block.
    Now,
    /// The caller checks the block before the bytes leave the process.
    Later,
}

impl Proof {
    /// Returns the time of the check for blocks of this prefix. Blocks with unknown hash functions
    /// are checked at once, because the encoder must refuse or trust them.
    fn allowed(self, prefix: &Prefix) -> Self {
        if hash_is_known(prefix.hash, prefix.digest_len) { self } else { Self::Now }
    }
}

/// Makes the bytes of an archive. After each call, [`Self::head`] returns the next bytes of the
/// archive. After [`Placed::Written`], the block's bytes follow them.
#[derive(Debug)]
pub struct Encoder {
    order: Order,
    index: bool,
    pos: u64,
    head: Vec<u8>,
    /// The height of the stack just above the link that [`Self::expected`] returns.
    cursor: usize,
    /// The links that were skipped: those above `cursor`. They still wait.
    skipped: SkippedLinks,
    /// Blocks that were refused because of a skipped link.
    refused: HashSet<Cid>,
    tail: Option<Tail>,
    header: Header,
}

#[derive(Debug)]
struct Tail {
    digest: [u8; 64],
    image: Option<IndexImage>,
    index_at: Option<u64>,
    trailer_at: Option<u64>,
    next_root: usize,
    done: bool,
}

impl Encoder {
    /// Makes an encoder whose [`Self::head`] is the archive's header.
    #[must_use]
    pub fn new(options: &WriteOptions) -> Self {
        Self::with_header(options, Header::new(options.car_roots.as_ref(), options.link_order))
    }

    /// Makes an encoder of an archive with `header`, the header of another archive.
    pub(crate) fn with_header(options: &WriteOptions, mut header: Header) -> Self {
        let missing_max = usize::try_from(options.missing_max).unwrap_or(usize::MAX);
        // The list may have millions of roots, so its bytes are moved, not copied.
        let mut head = core::mem::take(&mut header.metadata);
        head.splice(0..0, MAGIC);
        let pos = head.len() as u64;
        let mut order =
            Order::new(options.limits, options.unknown_hash, missing_max, options.threads);
        order.link_order = header.link_order;
        let (index, cursor, tail) = (options.index, 0, None);
        let (skipped, refused) = (SkippedLinks::default(), HashSet::new());
        Self { order, index, pos, head, cursor, skipped, refused, tail, header }
    }

    /// Returns the archive's next bytes. A written block's bytes follow them.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.order.summary
    }

    /// Returns the place of a block that was written.
    #[must_use]
    pub fn locate(&self, cid: &Cid) -> Option<BlockPlace> {
        self.order.table.located(self.order.table.find_cid(cid)?)
    }

    /// Returns the link whose block may come next: the topmost waiting link that was not skipped.
    #[must_use]
    pub fn expected(&self) -> Option<Cid> {
        let (bucket, start) = self.order.link_below(self.cursor)?;
        let digest = self.order.link_digest(self.cursor, start);
        self.order.table.prefix(bucket)?.with(digest)
    }

    /// Skips the link that [`Self::expected`] returns. The archive does not record the skip.
    ///
    /// Waiting links form a stack. The block of the skipped link can still be added until the block
    /// of a link deeper in the stack is added.
    pub fn skip(&mut self) {
        self.skipped.insert(&self.order, self.cursor);
        self.cursor = self.order.link_below(self.cursor).map_or(0, |(_, start)| start);
    }

    /// Tells whether the block was refused before by [`Misuse::AmbiguousSkip`]. Such a block can be
    /// written as a root.
    #[must_use]
    pub fn was_refused(&self, cid: &Cid) -> bool {
        self.refused.contains(cid)
    }

    pub(crate) fn link_order(&self) -> LinkOrder {
        self.order.link_order
    }

    /// Tells whether the block was written as a root.
    #[must_use]
    pub fn is_root(&self, cid: &Cid) -> bool {
        self.order.is_root(cid)
    }

    /// Returns the work done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.order.work
    }

    /// Makes the topmost link the expected one, after a change of the stack of waiting links.
    fn rewind(&mut self) {
        self.cursor = self.order.height();
        self.skipped.clear();
    }

    /// Empties the bytes of the last frame, and frees the memory of a long header.
    fn clear_head(&mut self) {
        self.head.clear();
        self.head.shrink_to(1 << 20);
    }

    /// Begins a DAG. The links that still wait in the previous DAG are skipped.
    ///
    /// # Errors
    /// [`Misuse::DuplicateRoot`], [`Misuse::WrongCid`], [`Misuse::Finished`], an unknown hash, a
    /// limit.
    pub fn root(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, Error> {
        Ok(self.place_root(cid, data, Proof::Now)?.0)
    }

    pub(crate) fn place_root(
        &mut self,
        cid: &Cid,
        data: &[u8],
        proof: Proof,
    ) -> Result<(Placed, Proof), Error> {
        self.check_open()?;
        if self.order.is_root(cid) {
            return Err(Error::Misuse(Misuse::DuplicateRoot));
        }
        let known = cid.is_identity() || self.order.table.find_cid(cid).is_some();
        let proof = if known { Proof::Now } else { proof.allowed(&Prefix::of(cid)) };
        if !known {
            self.check_len(data)?;
        }
        if !known && proof == Proof::Now {
            self.check_hash(cid, data)?;
        }
        let at = self.pos;
        self.clear_head();
        varint::push_signed(&mut self.head, MARK_ROOT);
        // If the block was written before under the other CID version, the root mark repeats that
        // version.
        let written = self.order.table.find_cid(cid).and_then(|id| self.order.table.cid(id));
        written.as_ref().unwrap_or(cid).push(&mut self.head);
        self.order.end_dag(at);
        let frame_at = at.saturating_add(self.head.len() as u64);
        let placed = if cid.is_identity() {
            self.order.take_identity_root(cid, at)?;
            Placed::Inline
        } else if let Some(id) = self.order.table.find_cid(cid) {
            let target = self.order.table.located(id).map_or(0, |located| located.offset);
            varint::push_signed(&mut self.head, target.cast_signed().wrapping_neg());
            self.order.take_root_reference(id);
            Placed::Repeated { at: target }
        } else {
            let frame_end = self.push_length(frame_at, data)?;
            self.order.take_root(cid, data, frame_at, frame_end)?;
            self.pos = frame_end;
            self.rewind();
            return Ok((Placed::Written { at: frame_at }, proof));
        };
        self.pos = at.saturating_add(self.head.len() as u64);
        self.rewind();
        Ok((placed, proof))
    }

    /// Adds the next block in depth-first order. A block that was written before becomes a
    /// back-reference, and `data` is ignored.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`], [`Misuse::WrongCid`], [`Misuse::AmbiguousSkip`], [`Misuse::Loop`],
    /// [`Misuse::Identity`] or [`Misuse::Finished`]: nothing was written, and more blocks can be
    /// added. Also an unknown hash, or a limit.
    pub fn block(&mut self, cid: &Cid, data: &[u8]) -> Result<Placed, Error> {
        Ok(self.place_block(cid, data, Proof::Now)?.0)
    }

    pub(crate) fn place_block(
        &mut self,
        cid: &Cid,
        data: &[u8],
        proof: Proof,
    ) -> Result<(Placed, Proof), Error> {
        self.check_open()?;
        if cid.is_identity() {
            return Err(Error::Misuse(Misuse::Identity));
        }
        // The table has the prefix of each block that may come next, because the link to the block
        // has added it.
        let table = &self.order.table;
        let digest = cid.digest();
        let key = table.bucket_of(cid).map(|bucket| (bucket, table.hash(bucket, digest)));
        if let Some((bucket, hash)) = key
            && table.find_hashed(hash, bucket, digest).is_some()
        {
            return Ok((self.repeat(cid)?, Proof::Now));
        }
        let at = self.pos;
        let (taken, proof) = self.link_of(cid, data, proof)?;
        self.clear_head();
        let frame_end = self.push_length(at, data)?;
        self.order.take_block(&taken, key.map(|(_, hash)| hash), data, at, at, frame_end)?;
        self.pos = frame_end;
        self.rewind();
        Ok((Placed::Written { at }, proof))
    }

    /// Returns the waiting link to which a reader assigns the block. The link must name the block.
    fn link_of(&mut self, cid: &Cid, data: &[u8], proof: Proof) -> Result<(Taken, Proof), Error> {
        let Some(taken) = self.expected_link(cid) else {
            return Ok((self.fit(cid, data)?, Proof::Now));
        };
        // The expected link names the block. A reader assigns the block to this link, unless the
        // block also matches a skipped link.
        if self.skipped.is_empty() && proof.allowed(&Prefix::of(cid)) == Proof::Later {
            return Ok((taken, Proof::Later));
        }
        let mut hashed = Hashed::new(data);
        match self.order.prove(cid, &mut hashed, self.pos) {
            Err(Error::WrongHash { .. }) => return Err(Error::Misuse(Misuse::WrongCid)),
            other => other?,
        }
        let before = hashed.work();
        let ambiguous = self.skipped.take(&self.order, &mut hashed, self.order.unknown_hash);
        let work = hashed.work().saturating_sub(before);
        self.order.work.hashed = self.order.work.hashed.saturating_add(work);
        if ambiguous {
            self.refused.insert(cid.clone());
            return Err(Error::Misuse(Misuse::AmbiguousSkip));
        }
        Ok((taken, Proof::Now))
    }

    /// Returns the waiting link that [`Self::expected`] describes, if that link names the block.
    fn expected_link(&self, cid: &Cid) -> Option<Taken> {
        self.order.link_at(self.cursor).filter(|link| self.order.is_taken(link, cid))
    }

    /// Returns the topmost waiting link whose digest matches the block. Fails if that link does not
    /// name `cid`.
    fn fit(&mut self, cid: &Cid, data: &[u8]) -> Result<Taken, Error> {
        let mut hashed = Hashed::new(data);
        let Some(taken) = self.order.fit(&mut hashed, self.pos, 0)? else {
            return Err(Error::Misuse(why_not(cid, &mut hashed)));
        };
        if !self.order.is_taken(&taken, cid) {
            let wrong = why_not(cid, &mut hashed);
            let ambiguous = wrong == Misuse::OutOfOrder;
            return Err(Error::Misuse(if ambiguous { Misuse::AmbiguousSkip } else { wrong }));
        }
        Ok(taken)
    }

    /// Adds a back-reference to a block that was written before. The block's bytes are not needed.
    ///
    /// # Errors
    /// [`Misuse::NeverWritten`], [`Misuse::OutOfOrder`], [`Misuse::Loop`], [`Misuse::Finished`].
    pub fn repeat(&mut self, cid: &Cid) -> Result<Placed, Error> {
        self.check_open()?;
        let table = &self.order.table;
        let id = table.find_cid(cid).ok_or(Error::Misuse(Misuse::NeverWritten))?;
        let target = table.located(id).map_or(0, |located| located.offset);
        let bucket = table.key(id).map_or(0, |(bucket, _)| bucket);
        let expected = self.expected_link(cid);
        let expected =
            expected.filter(|_| !self.skipped.holds_link(&self.order, bucket, cid.digest()));
        let taken = expected.or_else(|| self.order.fit_known(id, 0));
        let taken = taken.ok_or(Error::Misuse(Misuse::OutOfOrder))?;
        if self.order.loops(&taken, id) {
            return Err(Error::Misuse(Misuse::Loop));
        }
        self.order.take_reference(&taken, id, self.pos);
        self.clear_head();
        varint::push_signed(&mut self.head, target.cast_signed().wrapping_neg());
        self.pos = self.pos.saturating_add(self.head.len() as u64);
        self.rewind();
        Ok(Placed::Repeated { at: target })
    }

    /// Returns the next bytes after the blocks, about 64 KiB at a time; none when the archive is
    /// complete. After the first call no block can be added.
    ///
    /// # Errors
    /// A limit: offsets in an archive have 48 bits.
    pub fn finish_piece(&mut self) -> Result<&[u8], Error> {
        self.clear_head();
        if self.tail.is_none() {
            let at = self.pos;
            let digest = self.order.end_blocks(at);
            varint::push_signed(&mut self.head, MARK_END);
            self.pos = at.saturating_add(self.head.len() as u64);
            let image = self.index.then(|| IndexImage::new(&self.order.table));
            let index_at = image.as_ref().map(|_| self.pos);
            self.order.summary.indexed = self.index;
            self.order.judge_header(&self.header);
            let (trailer_at, next_root, done) = (None, 0, false);
            self.tail = Some(Tail { digest, image, index_at, trailer_at, next_root, done });
            return Ok(&self.head);
        }
        self.next_tail_piece();
        self.pos = self.pos.saturating_add(self.head.len() as u64);
        self.order.summary.len = self.pos;
        Ok(&self.head)
    }

    fn next_tail_piece(&mut self) {
        let Some(tail) = &mut self.tail else { return };
        if tail.done {
            return;
        }
        if let Some(image) = &mut tail.image {
            self.head = image.next_piece(&self.order.table);
            if !self.head.is_empty() {
                return;
            }
            tail.image = None;
        }
        let trailer_at = if let Some(at) = tail.trailer_at {
            at
        } else {
            let count = self.order.root_count() as u64;
            varint::push_signed(&mut self.head, count.cast_signed());
            tail.trailer_at = Some(self.pos);
            self.pos
        };
        while tail.next_root < self.order.root_count() {
            if self.head.len() >= 64 << 10 {
                return;
            }
            self.order.push_root(tail.next_root, &mut self.head);
            tail.next_root = tail.next_root.saturating_add(1);
        }
        push_footer(&mut self.head, &tail.digest, tail.index_at, trailer_at);
        tail.done = true;
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.tail {
            None => Ok(()),
            Some(_) => Err(Error::Misuse(Misuse::Finished)),
        }
    }

    fn check_len(&self, data: &[u8]) -> Result<(), Error> {
        let limit = u64::from(self.order.limits.block_len_max);
        let found = data.len() as u64;
        let (what, at) = (Structure::Block, self.pos);
        if found > limit {
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        Ok(())
    }

    fn check_hash(&mut self, cid: &Cid, data: &[u8]) -> Result<(), Error> {
        match self.order.prove(cid, &mut Hashed::new(data), self.pos) {
            Err(Error::WrongHash { .. }) => Err(Error::Misuse(Misuse::WrongCid)),
            other => other,
        }
    }

    fn push_length(&mut self, at: u64, data: &[u8]) -> Result<u64, Error> {
        let found = data.len() as u64;
        let limit = u64::from(self.order.limits.block_len_max);
        let what = Structure::Block;
        if found > limit {
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        let before = self.head.len() as u64;
        varint::push_signed(&mut self.head, found.cast_signed());
        let head = (self.head.len() as u64).saturating_sub(before);
        let end = at.saturating_add(head).saturating_add(found);
        if end > OFFSET_MAX {
            return Err(Error::LimitExceeded { what, at, found: end, limit: OFFSET_MAX });
        }
        Ok(end)
    }
}

/// Returns the reason why a block matches no waiting link.
fn why_not(cid: &Cid, hashed: &mut Hashed<'_>) -> Misuse {
    let prefix = Prefix::of(cid);
    match hashed.fits(prefix.hash, cid.digest()) {
        Fit::No(_) => Misuse::WrongCid,
        Fit::Yes | Fit::Unknown => Misuse::OutOfOrder,
    }
}
