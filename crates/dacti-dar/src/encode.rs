//! The writer's core: what an archive's next bytes are. Keeps the depth-first order, never a block.
//! Does no IO: [`Writer`](crate::Writer) is a loop around it.

use alloc::vec::Vec;

use cid::Cid;

use crate::content::{Fit, Hashed, Prefix, hash_is_known, is_identity, push_cid};
use crate::error::{Error, Misuse, Structure};
use crate::frame::{MAGIC, MARK_END, MARK_ROOT, push_footer};
use crate::header::{Header, metadata};
use crate::index::IndexImage;
use crate::limits::{Limits, UnknownHash};
use crate::order::{Order, Summary, Taken};
use crate::table::{Located, OFFSET_MAX};
use crate::varint;

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Caps.
    pub limits: Limits,
    /// What to do with hash functions that are not known here.
    pub unknown_hash: UnknownHash,
    /// Whether to write an index.
    pub index: bool,
    /// The root list of the CAR that the blocks come from, for the header.
    pub car_roots: Option<Vec<Cid>>,
    /// How many missing blocks to list in the summary.
    pub missing_max: u32,
    /// Whether threads may help: one takes the digest of all CIDs, and [`Writer`](crate::Writer)
    /// has another check blocks against their CIDs. A block that does not fit its CID is then
    /// refused a little later, and the writer is of no use from there on; no byte of it, nor of
    /// what follows it, reaches the sink. Archives of less than some 256 KiB start no thread.
    pub threads: bool,
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// It stands in the archive now.
    Written {
        /// Where its frame begins.
        at: u64,
    },
    /// It stood there before: a back-reference was written.
    Repeated {
        /// Where its frame begins.
        at: u64,
    },
    /// An identity CID: its bytes are in the CID, no frame was written.
    Inline,
}

/// When a block is checked against its CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Before it is placed.
    Now,
    /// By the caller, before its bytes leave the process.
    Later,
}

impl Proof {
    /// What cannot be proved is the encoder's to refuse or to believe.
    fn allowed(self, prefix: &Prefix) -> Self {
        if hash_is_known(prefix.hash, prefix.digest_len) { self } else { Self::Now }
    }
}

/// Makes an archive's bytes. After each call, [`Self::head`] comes next in the archive, and after
/// [`Placed::Written`] the block itself behind it.
#[derive(Debug)]
pub struct Encoder {
    order: Order,
    index: bool,
    pos: u64,
    head: Vec<u8>,
    /// Where on the stack of waiting links [`Self::expected`] looks.
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
    /// An encoder whose [`Self::head`] is the archive's header.
    #[must_use]
    pub fn new(options: &WriteOptions) -> Self {
        let metadata = metadata(options.car_roots.as_deref());
        let elements = u64::from(options.car_roots.is_some());
        let car_roots = options.car_roots.clone();
        Self::with_header(options, Header { car_roots, elements, metadata, frames_at: 0 })
    }

    /// An encoder of an archive that says of itself what another one says.
    pub(crate) fn with_header(options: &WriteOptions, mut header: Header) -> Self {
        let missing_max = usize::try_from(options.missing_max).unwrap_or(usize::MAX);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&header.metadata);
        let pos = head.len() as u64;
        header.frames_at = pos;
        let order = Order::new(options.limits, options.unknown_hash, missing_max, options.threads);
        Self { order, index: options.index, pos, head, cursor: 0, tail: None, header }
    }

    /// The bytes that come next, before the block if there is one.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Counts so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.order.summary
    }

    /// Where a block stands that was written.
    #[must_use]
    pub fn locate(&self, cid: &Cid) -> Option<Located> {
        self.order.table.located(self.order.table.find_cid(cid)?)
    }

    /// The link whose block may come next: the topmost that waits and was not passed over.
    #[must_use]
    pub fn expected(&self) -> Option<Cid> {
        let (bucket, start) = self.order.link_below(self.cursor)?;
        let digest = self.order.link_digest(self.cursor, start);
        self.order.table.prefix(bucket)?.with(digest)
    }

    /// Passes over the link that [`Self::expected`] names. It leaves no mark in the archive, and
    /// the block may still be given, as long as nothing below it was.
    pub fn skip(&mut self) {
        self.cursor = self.order.link_below(self.cursor).map_or(0, |(_, start)| start);
    }

    /// Begins a DAG: links of the DAG before it that still wait are passed over.
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

    /// Adds the next block in depth-first order. A block that stands in the archive already becomes
    /// a back-reference, and its bytes are not looked at.
    ///
    /// # Errors
    /// [`Misuse::OutOfOrder`], [`Misuse::WrongCid`], [`Misuse::AmbiguousSkip`], [`Misuse::Loop`],
    /// [`Misuse::Identity`], [`Misuse::Finished`]: nothing was written then, and writing can go on.
    /// An unknown hash, a limit.
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
        // A block fits the topmost link if that is its own, given that it fits its CID.
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

    /// The waiting link that a block hashes to, which must be its own.
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

    /// Adds a back-reference to a block that was written, without its bytes.
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

    /// The next bytes of what follows the blocks, 64 KiB or a little more at a time; empty when the
    /// archive is complete. No block can be added after the first call.
    ///
    /// # Errors
    /// A limit: an archive with an index has 48-bit offsets.
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

/// Why a block fits no waiting link.
fn why_not(cid: &Cid, hashed: &mut Hashed<'_>) -> Misuse {
    let prefix = Prefix::of(cid);
    match hashed.fits(prefix.hash, cid.hash().digest()) {
        Fit::No(_) => Misuse::WrongCid,
        Fit::Yes | Fit::Unknown => Misuse::OutOfOrder,
    }
}
