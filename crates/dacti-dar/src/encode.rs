//! The core of the writer: makes the next bytes of an archive and keeps the depth-first order.
//! Holds no block and does no IO: [`Writer`](crate::Writer) is a loop around it.

use alloc::vec::Vec;

use cid::Cid;

use crate::content::{Fit, Hashed, Prefix, hash_is_known, is_identity, push_cid};
use crate::error::{Error, Misuse, Structure};
use crate::frame::{MAGIC, MARK_END, MARK_ROOT, push_footer};
use crate::header::{Header, metadata};
use crate::index::IndexImage;
use crate::limits::{Limits, UnknownHash};
use crate::order::{Order, Summary, Taken};
use crate::table::{BlockPlace, OFFSET_MAX};
use crate::varint;

/// Options of a writer.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Caps.
    pub limits: Limits,
    /// The treatment of unknown hash functions.
    pub unknown_hash: UnknownHash,
    /// Write an index.
    pub index: bool,
    /// The root list of the CAR that the blocks come from. It goes into the header.
    pub car_roots: Option<Vec<Cid>>,
    /// The number of missing blocks that the summary lists at most.
    pub missing_max: u32,
    /// Let threads help: one takes the digest of all CIDs, and [`Writer`](crate::Writer) has
    /// another check blocks against their CIDs. A block that does not fit its CID is then refused a
    /// little later. The writer has failed then, and neither the block nor later bytes reach the
    /// sink. Archives below about 256 KiB start no thread.
    pub threads: bool,
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
    /// Before it is placed.
    Now,
    /// By the caller, before the bytes leave the process.
    Later,
}

impl Proof {
    /// Blocks of unknown hashes are checked now, as the encoder refuses or believes them.
    fn allowed(self, prefix: &Prefix) -> Self {
        if hash_is_known(prefix.hash, prefix.digest_len) { self } else { Self::Now }
    }
}

/// Makes the bytes of an archive. After each call, the bytes of [`Self::head`] come next in the
/// archive. After [`Placed::Written`] the block's bytes follow them.
#[derive(Debug)]
pub struct Encoder {
    order: Order,
    index: bool,
    pos: u64,
    head: Vec<u8>,
    /// The height of the stack of waiting links at which [`Self::expected`] looks.
    cursor: usize,
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
        let metadata = metadata(options.car_roots.as_deref());
        let elements = u64::from(options.car_roots.is_some());
        let car_roots = options.car_roots.clone();
        Self::with_header(options, Header { car_roots, elements, metadata, frames_at: 0 })
    }

    /// Makes an encoder of an archive with the header of another one.
    pub(crate) fn with_header(options: &WriteOptions, mut header: Header) -> Self {
        let missing_max = usize::try_from(options.missing_max).unwrap_or(usize::MAX);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&header.metadata);
        let pos = head.len() as u64;
        header.frames_at = pos;
        let order = Order::new(options.limits, options.unknown_hash, missing_max, options.threads);
        Self { order, index: options.index, pos, head, cursor: 0, tail: None, header }
    }

    /// Returns the bytes that come next, before the block if one is written.
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

    /// Skips the link that [`Self::expected`] returns. The archive shows no trace of it, and its
    /// block may still be given until a block below it is.
    pub fn skip(&mut self) {
        self.cursor = self.order.link_below(self.cursor).map_or(0, |(_, start)| start);
    }

    /// Begins a DAG. Waiting links of the DAG before it are skipped.
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
        let known = is_identity(cid) || self.order.table.find_cid(cid).is_some();
        let proof = if known { Proof::Now } else { proof.allowed(&Prefix::of(cid)) };
        if !known {
            self.check_len(data)?;
        }
        if !known && proof == Proof::Now {
            self.check_hash(cid, data)?;
        }
        let at = self.pos;
        self.head.clear();
        varint::push_signed(&mut self.head, MARK_ROOT);
        push_cid(&mut self.head, cid);
        self.order.end_dag(at);
        let frame_at = at.saturating_add(self.head.len() as u64);
        let placed = if is_identity(cid) {
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
            self.cursor = self.order.height();
            return Ok((Placed::Written { at: frame_at }, proof));
        };
        self.pos = at.saturating_add(self.head.len() as u64);
        self.cursor = self.order.height();
        Ok((placed, proof))
    }

    /// Adds the next block in depth-first order. A block that was written before becomes a
    /// back-reference, and `data` is ignored.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`], [`Misuse::WrongCid`], [`Misuse::AmbiguousSkip`], [`Misuse::Loop`],
    /// [`Misuse::Identity`], [`Misuse::Finished`]: nothing was written, and writing can go on. An
    /// unknown hash, a limit.
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
        if is_identity(cid) {
            return Err(Error::Misuse(Misuse::Identity));
        }
        // A link has brought the prefix of every block that may come.
        let table = &self.order.table;
        let digest = cid.hash().digest();
        let key = table.bucket(&Prefix::of(cid)).map(|bucket| (bucket, table.hash(bucket, digest)));
        if let Some((bucket, hash)) = key
            && table.find_hashed(hash, bucket, digest).is_some()
        {
            return Ok((self.repeat(cid)?, Proof::Now));
        }
        let at = self.pos;
        // If the topmost link names the block, no other link needs to be looked at.
        let top = match proof.allowed(&Prefix::of(cid)) {
            Proof::Later => self.order.top().filter(|top| self.order.is_taken(top, cid)),
            Proof::Now => None,
        };
        let (taken, proof) = match top {
            Some(taken) => (taken, Proof::Later),
            None => (self.fit(cid, data)?, Proof::Now),
        };
        self.head.clear();
        let frame_end = self.push_length(at, data)?;
        self.order.take_block(&taken, key.map(|(_, hash)| hash), data, at, at, frame_end)?;
        self.pos = frame_end;
        self.cursor = self.order.height();
        Ok((Placed::Written { at }, proof))
    }

    /// Returns the waiting link that a block hashes to. The link must name the block.
    fn fit(&self, cid: &Cid, data: &[u8]) -> Result<Taken, Error> {
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

    /// Adds a back-reference to a block that was written. Its bytes are not needed.
    ///
    /// # Errors
    /// [`Misuse::NeverWritten`], [`Misuse::OutOfOrder`], [`Misuse::Loop`], [`Misuse::Finished`].
    pub fn repeat(&mut self, cid: &Cid) -> Result<Placed, Error> {
        self.check_open()?;
        let table = &self.order.table;
        let id = table.find_cid(cid).ok_or(Error::Misuse(Misuse::NeverWritten))?;
        let target = table.located(id).map_or(0, |located| located.offset);
        let taken = self.order.fit_known(id, 0).ok_or(Error::Misuse(Misuse::OutOfOrder))?;
        if self.order.loops(&taken, id) {
            return Err(Error::Misuse(Misuse::Loop));
        }
        self.order.take_reference(&taken, id, self.pos);
        self.head.clear();
        varint::push_signed(&mut self.head, target.cast_signed().wrapping_neg());
        self.pos = self.pos.saturating_add(self.head.len() as u64);
        self.cursor = self.order.height();
        Ok(Placed::Repeated { at: target })
    }

    /// Returns the next bytes after the blocks, about 64 KiB at a time; none when the archive is
    /// complete. After the first call no block can be added.
    ///
    /// # Errors
    /// A limit: offsets in an archive have 48 bits.
    pub fn finish_piece(&mut self) -> Result<&[u8], Error> {
        self.head.clear();
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

    fn check_hash(&self, cid: &Cid, data: &[u8]) -> Result<(), Error> {
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

/// Tells why a block fits no waiting link.
fn why_not(cid: &Cid, hashed: &mut Hashed<'_>) -> Misuse {
    let prefix = Prefix::of(cid);
    match hashed.fits(prefix.hash, cid.hash().digest()) {
        Fit::No(_) => Misuse::WrongCid,
        Fit::Yes | Fit::Unknown => Misuse::OutOfOrder,
    }
}
