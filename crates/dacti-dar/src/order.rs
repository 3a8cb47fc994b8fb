//! The depth-first order that readers and writers share: the waiting links, the block that a frame
//! may hold, the ends of subtrees, and the contents of the trailer. This code parses no frames and
//! does no IO.
//!
//! The waiting links are on one stack: each is a digest and the number of its prefix. Each block
//! that pushed links is a level of the stack. A block is assigned to the topmost waiting link whose
//! digest matches the block's bytes. The links above that link are skipped: no later block is
//! assigned to them. The stack is a vector, so a deep DAG costs memory but no call stack.

use alloc::vec::Vec;

use hashbrown::HashSet;

use crate::cid::{Cid, DIGEST_LEN_MAX, Prefix};
use crate::cid_digest::CidDigest;
use crate::cid_list::CidList;
use crate::error::{Error, Structure, Wrong};
use crate::hash::{Fit, Hashed, digest_head, hash_is_known};
use crate::header::Header;
use crate::limits::{Limits, UnknownHash};
use crate::links::{LinkOrder, LinkSource, links};
use crate::table::{BlockTable, Id};

/// An open block: its subtree can still grow.
#[derive(Debug, Clone, Copy)]
struct Level {
    id: Id,
    /// The height of the stack before this block's links were pushed.
    base: usize,
}

/// The waiting link to which a block or a back-reference is assigned: the topmost one that matches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// The height of the stack just below that link.
    height: usize,
    pub(crate) bucket: u16,
    start: usize,
}

/// The counts of an archive. They are complete when the blocks end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Distinct blocks.
    pub blocks: u64,
    /// The sum of the lengths of these blocks, in bytes.
    pub block_bytes: u64,
    /// Back-references.
    pub repeats: u64,
    /// Roots.
    pub roots: u64,
    /// Links that were skipped.
    pub skipped_links: u64,
    /// Skipped links whose blocks the archive lacks. Each is listed once. The options limit the
    /// length of the list.
    pub missing: Vec<Cid>,
    /// Whether there are more missing blocks than the list holds.
    pub missing_more: bool,
    /// Blocks of an unknown codec. They count as blocks without links.
    pub unknown_codec: u64,
    /// Blocks that are invalid in their codec. They count as blocks without links.
    pub undecodable: u64,
    /// Blocks that were accepted without proof, because their hash function is unknown or their
    /// digest is too short.
    pub unproven: u64,
    /// Roots that the header lists, but whose blocks the archive lacks; without identity CIDs.
    /// Either the CAR also lacked these blocks, or the header is damaged. The archive does not tell
    /// which of the two is true.
    pub absent_car_roots: CidList,
    /// The number of elements of the header that this crate does not know.
    pub unknown_elements: u64,
    /// The order of links that the header states. If no block depends on this order, it is not
    /// proved.
    pub link_order: LinkOrder,
    /// Whether the archive has an index.
    pub indexed: bool,
    /// The length of the archive.
    pub len: u64,
}

/// The work that a reader, a writer or a walk has done, for callers with a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Work {
    /// Bytes that were hashed to prove blocks. Bytes that another thread hashed ahead are not
    /// included.
    pub hashed: u64,
    /// Waiting links that were compared with a block.
    pub compared: u64,
}

/// A root as the trailer lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its CID.
    pub cid: Cid,
    /// The offset of the frame of the root's block. `None` for an identity CID, which has no frame,
    /// and if the trailer states no offset.
    pub offset: Option<u64>,
}

#[derive(Debug)]
enum RootEntry {
    Block(Id),
    Identity(u32),
}

/// The depth-first order of one archive.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "`link_order` is the name in the public options")]
pub(crate) struct Order {
    pub(crate) limits: Limits,
    pub(crate) unknown_hash: UnknownHash,
    missing_max: usize,
    pub(crate) link_order: LinkOrder,
    pub(crate) work: Work,
    pub(crate) table: BlockTable,
    /// The waiting links. Each link is stored as its digest, followed by the number of its bucket
    /// in two bytes.
    stack: Vec<u8>,
    levels: Vec<Level>,
    found: Vec<Cid>,
    roots: Vec<RootEntry>,
    identity_roots: Vec<Cid>,
    seen_identity: HashSet<Cid>,
    digest: CidDigest,
    missing: HashSet<Vec<u8>>,
    pub(crate) summary: Summary,
}

impl Order {
    pub(crate) fn new(
        limits: Limits,
        unknown_hash: UnknownHash,
        missing_max: usize,
        may_help: bool,
    ) -> Self {
        Self {
            limits,
            unknown_hash,
            missing_max,
            link_order: LinkOrder::default(),
            work: Work::default(),
            table: BlockTable::default(),
            stack: Vec::new(),
            levels: Vec::new(),
            found: Vec::new(),
            roots: Vec::new(),
            identity_roots: Vec::new(),
            seen_identity: HashSet::new(),
            digest: CidDigest::new(may_help),
            missing: HashSet::new(),
            summary: Summary::default(),
        }
    }

    /// Returns the height of the stack of waiting links.
    pub(crate) fn height(&self) -> usize {
        self.stack.len()
    }

    /// Returns the link that ends at a height of the stack: its bucket, and the position at which
    /// its digest starts.
    pub(crate) fn link_below(&self, height: usize) -> Option<(u16, usize)> {
        let tail = height.checked_sub(2)?;
        let bytes = self.stack.get(tail..height)?;
        let bucket = u16::from_le_bytes(bytes.try_into().ok()?);
        let len = usize::from(self.table.prefix(bucket)?.digest_len);
        Some((bucket, tail.checked_sub(len)?))
    }

    /// Returns the digest of the link that ends at this height. [`Self::link_below`] has returned
    /// `start`.
    pub(crate) fn link_digest(&self, height: usize, start: usize) -> &[u8] {
        self.stack.get(start..height.saturating_sub(2)).unwrap_or_default()
    }

    /// Finds the topmost waiting link above height `floor` whose digest matches the block. `at` is
    /// the block's offset, for errors.
    pub(crate) fn fit(
        &mut self,
        hashed: &mut Hashed<'_>,
        at: u64,
        floor: usize,
    ) -> Result<Option<Taken>, Error> {
        let mut height = self.stack.len();
        let (mut taken, mut unproved) = (None, None);
        let hashed_before = hashed.work();
        while let Some((bucket, start)) = self.link_below(height).filter(|_| height > floor) {
            self.work.compared = self.work.compared.saturating_add(1);
            let Some(prefix) = self.table.prefix(bucket) else { break };
            match hashed.fits(prefix.hash, self.link_digest(height, start)) {
                Fit::No(_) => {}
                Fit::Unknown if self.unknown_hash == UnknownHash::Refuse => {
                    unproved = unproved.or(Some(prefix));
                }
                Fit::Yes | Fit::Unknown => {
                    taken = Some(Taken { height: start, bucket, start });
                    break;
                }
            }
            height = start;
        }
        let work = hashed.work().saturating_sub(hashed_before);
        self.work.hashed = self.work.hashed.saturating_add(work);
        match unproved.filter(|_| taken.is_none()) {
            Some(prefix) => Err(Error::unproved(prefix, Structure::Block, at)),
            None => Ok(taken),
        }
    }

    /// Returns the known hash functions of the waiting links above `floor`.
    pub(crate) fn functions_above(&self, floor: usize) -> Vec<u64> {
        let mut codes = Vec::new();
        let mut height = self.stack.len();
        while let Some((bucket, start)) = self.link_below(height).filter(|_| height > floor) {
            let prefix = self.table.prefix(bucket);
            let known = prefix.filter(|prefix| hash_is_known(prefix.hash, prefix.digest_len));
            if let Some(code) = known.map(|prefix| prefix.hash)
                && !codes.contains(&code)
            {
                codes.push(code);
            }
            height = start;
        }
        codes
    }

    /// Finds the topmost waiting link above height `floor` that names a block of the table.
    pub(crate) fn fit_known(&mut self, id: Id, floor: usize) -> Option<Taken> {
        let key = self.table.key(id)?;
        let (mut taken, mut compared) = (None, 0_u64);
        let mut height = self.stack.len();
        while let Some((bucket, start)) = self.link_below(height).filter(|_| height > floor) {
            compared = compared.saturating_add(1);
            if self.table.is_same(key, (bucket, self.link_digest(height, start))) {
                taken = Some(Taken { height: start, bucket, start });
                break;
            }
            height = start;
        }
        self.work.compared = self.work.compared.saturating_add(compared);
        taken
    }

    /// Returns the waiting link that ends at a height of the stack.
    pub(crate) fn link_at(&self, height: usize) -> Option<Taken> {
        let (bucket, start) = self.link_below(height)?;
        Some(Taken { height: start, bucket, start })
    }

    /// Skips the topmost waiting link.
    pub(crate) fn skip_top(&mut self, at: u64) {
        if let Some((_, start)) = self.link_below(self.stack.len()) {
            self.pop_to(start, start, at);
        }
    }

    /// Returns the height of the stack below the assigned link.
    pub(crate) fn taken_height(taken: &Taken) -> usize {
        taken.height
    }

    /// Returns the digest of the assigned link.
    pub(crate) fn taken_digest(&self, taken: &Taken) -> &[u8] {
        let len = self.table.prefix(taken.bucket).map_or(0, |prefix| prefix.digest_len);
        let end = taken.start.saturating_add(usize::from(len));
        self.stack.get(taken.start..end).unwrap_or_default()
    }

    /// Tells whether the assigned link names the block of this CID.
    pub(crate) fn is_taken(&self, taken: &Taken, cid: &Cid) -> bool {
        let bucket = self.table.bucket_of(cid);
        let key = (taken.bucket, self.taken_digest(taken));
        bucket.is_some_and(|bucket| self.table.is_same(key, (bucket, cid.digest())))
    }

    pub(crate) fn taken_cid(&self, taken: &Taken) -> Option<Cid> {
        self.table.prefix(taken.bucket)?.with(self.taken_digest(taken))
    }

    /// Checks a block against a CID. An unknown hash is an error unless the options trust it.
    pub(crate) fn prove(&mut self, cid: &Cid, data: &mut Hashed<'_>, at: u64) -> Result<(), Error> {
        let what = Structure::Block;
        let before = data.work();
        let fit = data.fits(cid.hash_code(), cid.digest());
        let work = data.work().saturating_sub(before);
        self.work.hashed = self.work.hashed.saturating_add(work);
        match fit {
            Fit::Yes => Ok(()),
            Fit::No(found) => {
                let expected = digest_head(cid.digest());
                Err(Error::WrongHash { what, at, expected, found })
            }
            Fit::Unknown if self.unknown_hash == UnknownHash::Trust => Ok(()),
            Fit::Unknown => Err(Error::unproved(Prefix::of(cid), what, at)),
        }
    }

    /// Removes the links above `height` from the stack, and closes the levels that pushed them. The
    /// links above `keep_top` count as skipped.
    fn pop_to(&mut self, height: usize, keep_top: usize, frame_at: u64) {
        let mut top = self.stack.len();
        while top > keep_top {
            let Some((bucket, start)) = self.link_below(top) else { break };
            self.skip(bucket, start, top);
            top = start;
        }
        self.stack.truncate(height);
        while let Some(level) = self.levels.pop_if(|level| level.base > height) {
            self.table.close(level.id, frame_at);
        }
    }

    fn skip(&mut self, bucket: u16, start: usize, end: usize) {
        self.summary.skipped_links = self.summary.skipped_links.saturating_add(1);
        if self.missing_max == 0 {
            return;
        }
        let digest = self.stack.get(start..end.saturating_sub(2)).unwrap_or_default();
        if self.table.find(bucket, digest).is_some() {
            return;
        }
        let mut key = self.table.prefix_bytes(bucket).to_vec();
        key.extend_from_slice(digest);
        if self.missing.len() < self.missing_max {
            self.missing.insert(key);
        } else if !self.missing.contains(&key) {
            self.summary.missing_more = true;
        }
    }

    /// Ends the current DAG: no link waits afterwards.
    pub(crate) fn end_dag(&mut self, at: u64) {
        self.pop_to(0, 0, at);
        while let Some(level) = self.levels.pop() {
            self.table.close(level.id, at);
        }
    }

    /// Returns the number of open blocks.
    pub(crate) fn open_count(&self) -> usize {
        self.levels.len()
    }

    /// Ends the walk of a subtree: removes the links above `floor` from the stack, and closes all
    /// levels except the first `keep`.
    pub(crate) fn end_region(&mut self, keep: usize, floor: usize, at: u64) {
        self.pop_to(floor, floor, at);
        while let Some(level) = self.levels.get(keep..).and_then(|levels| levels.last()) {
            self.table.close(level.id, at);
            self.levels.pop();
        }
    }

    /// Assigns a block to the waiting link that [`Self::fit`] found. Returns the block's number.
    /// The subtrees of the blocks above that link end at `here`, which is the offset of the frame,
    /// or of a back-reference to it. If the table is known to lack the block, `fresh` is the hash
    /// of the block's key.
    pub(crate) fn take_block(
        &mut self,
        taken: &Taken,
        fresh: Option<u32>,
        data: &[u8],
        here: u64,
        frame_at: u64,
        frame_end: u64,
    ) -> Result<Id, Error> {
        let prefix = self.table.prefix(taken.bucket);
        let mut digest = [0; DIGEST_LEN_MAX];
        let len = self.taken_digest(taken).len();
        if let Some(to) = digest.get_mut(..len) {
            to.copy_from_slice(self.taken_digest(taken));
        }
        let digest = digest.get(..len).unwrap_or_default();
        let keep_top = taken.start.saturating_add(len).saturating_add(2);
        self.pop_to(taken.height, keep_top, here);
        let codec = prefix.map_or(0, |prefix| prefix.codec);
        if !prefix.is_some_and(|p| hash_is_known(p.hash, p.digest_len)) {
            self.summary.unproven = self.summary.unproven.saturating_add(1);
        }
        self.add(taken.bucket, digest, fresh, codec, data, frame_at, frame_end)
    }

    /// Adds a block as a root. Before this, the caller must end the previous DAG, check
    /// [`Self::is_root`] and prove the block.
    pub(crate) fn take_root(
        &mut self,
        cid: &Cid,
        data: &[u8],
        frame_at: u64,
        frame_end: u64,
    ) -> Result<Id, Error> {
        let prefix = Prefix::of(cid);
        let bucket = self.table.intern(prefix, frame_at, &self.limits)?;
        if !hash_is_known(prefix.hash, prefix.digest_len) {
            self.summary.unproven = self.summary.unproven.saturating_add(1);
        }
        let (digest, codec) = (cid.digest(), cid.codec());
        let id = self.add(bucket, digest, None, codec, data, frame_at, frame_end)?;
        self.note_root(id);
        Ok(id)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they describe one block, and two callers need them"
    )]
    fn add(
        &mut self,
        bucket: u16,
        digest: &[u8],
        fresh: Option<u32>,
        codec: u64,
        data: &[u8],
        frame_at: u64,
        frame_end: u64,
    ) -> Result<Id, Error> {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let id = match fresh {
            Some(hash) => {
                Some(self.table.insert_hashed(hash, bucket, digest, frame_at, len, &self.limits)?)
            }
            None => self.table.insert(bucket, digest, frame_at, len, &self.limits)?,
        };
        // Each block has one frame, and its repeats are back-references. So a second frame is an
        // error.
        let id = id.ok_or(Error::invalid(Structure::Frame, frame_at, Wrong::Unexpected))?;
        self.digest.push(self.table.prefix_bytes(bucket), digest);
        self.summary.blocks = self.summary.blocks.saturating_add(1);
        self.summary.block_bytes = self.summary.block_bytes.saturating_add(data.len() as u64);
        match self.push_links(codec, data, frame_at)? {
            Some(base) => self.levels.push(Level { id, base }),
            None => self.table.close(id, frame_end),
        }
        Ok(id)
    }

    /// Pushes a block's links, with the first link on top. Returns the previous height of the
    /// stack, or `None` if the block has no links.
    fn push_links(&mut self, codec: u64, data: &[u8], at: u64) -> Result<Option<usize>, Error> {
        let mut found = core::mem::take(&mut self.found);
        found.clear();
        match links(codec, data, self.link_order, &mut found) {
            LinkSource::Codec => {}
            LinkSource::UnknownCodec => {
                self.summary.unknown_codec = self.summary.unknown_codec.saturating_add(1);
            }
            LinkSource::Undecodable => {
                self.summary.undecodable = self.summary.undecodable.saturating_add(1);
                found.clear();
            }
        }
        let base = self.stack.len();
        for cid in found.iter().rev() {
            let digest = cid.digest();
            let bucket = self.table.intern(Prefix::of(cid), at, &self.limits)?;
            let needed = self.stack.len().saturating_add(digest.len()).saturating_add(2) as u64;
            let limit = self.limits.pending_len_max;
            if needed > limit {
                let what = Structure::PendingLinks;
                return Err(Error::LimitExceeded { what, at, found: needed, limit });
            }
            self.stack.extend_from_slice(digest);
            self.stack.extend_from_slice(&bucket.to_le_bytes());
        }
        let any = !found.is_empty();
        // Free the memory of a block with very many links.
        found.truncate(0);
        found.shrink_to(4096);
        self.found = found;
        Ok(any.then_some(base))
    }

    /// Tells whether a back-reference for this link would name a block that contains the
    /// back-reference.
    pub(crate) fn loops(&self, taken: &Taken, id: Id) -> bool {
        // An open block contains the back-reference if the block's level lies below the link.
        // Levels above the link end here, so their blocks do not contain the back-reference. The
        // levels are sorted for the binary search, because blocks are numbered in the order in
        // which they are opened.
        let level = self.levels.binary_search_by_key(&id, |level| level.id).ok();
        let level = level.and_then(|place| self.levels.get(place));
        let ends = level.is_some_and(|level| level.base > taken.height);
        !self.table.is_closed(id) && !ends
    }

    /// Assigns a repeated block to the waiting link that [`Self::fit_known`] found.
    pub(crate) fn take_reference(&mut self, taken: &Taken, id: Id, frame_at: u64) {
        let len = self.table.key(id).map_or(0, |(_, digest)| digest.len());
        let keep_top = taken.start.saturating_add(len).saturating_add(2);
        self.pop_to(taken.height, keep_top, frame_at);
        self.summary.repeats = self.summary.repeats.saturating_add(1);
    }

    /// Tells whether this CID is a root already.
    pub(crate) fn is_root(&self, cid: &Cid) -> bool {
        if cid.is_identity() {
            return self.seen_identity.contains(cid);
        }
        self.table.find_cid(cid).is_some_and(|id| self.table.is_root(id))
    }

    fn note_root(&mut self, id: Id) {
        self.table.set_root(id);
        self.roots.push(RootEntry::Block(id));
        self.summary.roots = self.summary.roots.saturating_add(1);
    }

    /// Makes a root of a block that was written before.
    pub(crate) fn take_root_reference(&mut self, id: Id) {
        self.summary.repeats = self.summary.repeats.saturating_add(1);
        self.note_root(id);
    }

    /// Adds an identity CID as a root: from now on, its links wait.
    pub(crate) fn take_identity_root(&mut self, cid: &Cid, at: u64) -> Result<(), Error> {
        let limit = u64::from(self.limits.identity_roots_max);
        let number = self.identity_roots.len() as u64;
        if number >= limit {
            let found = number.saturating_add(1);
            return Err(Error::LimitExceeded { what: Structure::RootMark, at, found, limit });
        }
        self.push_links(cid.codec(), cid.digest(), at)?;
        self.roots.push(RootEntry::Identity(u32::try_from(number).unwrap_or(u32::MAX)));
        self.identity_roots.push(cid.clone());
        self.seen_identity.insert(cid.clone());
        self.summary.roots = self.summary.roots.saturating_add(1);
        Ok(())
    }

    pub(crate) fn root_count(&self) -> usize {
        self.roots.len()
    }

    /// Returns a root by its number. Roots are numbered in the order in which they were written.
    pub(crate) fn root(&self, number: usize) -> Option<Root> {
        match self.roots.get(number)? {
            RootEntry::Block(id) => Some(Root {
                cid: self.table.cid(*id)?,
                offset: Some(self.table.located(*id)?.offset),
            }),
            RootEntry::Identity(i) => {
                let cid = self.identity_roots.get(usize::try_from(*i).ok()?)?.clone();
                Some(Root { cid, offset: None })
            }
        }
    }

    /// Appends a root as the trailer lists it.
    pub(crate) fn push_root(&self, number: usize, out: &mut Vec<u8>) {
        let Some(root) = self.root(number) else { return };
        root.cid.push(out);
        let offset = root.offset.unwrap_or(0);
        crate::varint::push_signed(out, offset.cast_signed());
    }

    /// Notes in the summary the parts of the header that the blocks do not confirm.
    pub(crate) fn judge_header(&mut self, header: &Header) {
        self.summary.unknown_elements = header.unknown_elements;
        self.summary.link_order = header.link_order;
        let absent = |cid: &Cid| !cid.is_identity() && self.table.find_cid(cid).is_none();
        let roots = header.car_roots.iter().flat_map(CidList::iter);
        self.summary.absent_car_roots = roots.filter(absent).collect();
        self.judge_identity_roots(header);
    }

    /// Lists the missing blocks to which identity CIDs of the header link, as many as the options
    /// allow. An identity CID has no frame, but its links count.
    fn judge_identity_roots(&mut self, header: &Header) {
        let mut listed: HashSet<Cid> = self.summary.missing.iter().cloned().collect();
        let mut found = Vec::new();
        for cid in header.car_roots.iter().flat_map(CidList::iter).filter(Cid::is_identity) {
            if self.missing_max == 0 || self.is_root(&cid) {
                continue;
            }
            found.clear();
            links(cid.codec(), cid.digest(), self.link_order, &mut found);
            for link in found.drain(..).filter(|link| self.table.find_cid(link).is_none()) {
                if listed.len() < self.missing_max {
                    if listed.insert(link.clone()) {
                        self.summary.missing.push(link);
                    }
                } else if !listed.contains(&link) {
                    self.summary.missing_more = true;
                }
            }
        }
    }

    /// Ends the blocks. Returns the digest of all their CIDs.
    pub(crate) fn end_blocks(&mut self, at: u64) -> [u8; 64] {
        self.end_dag(at);
        let mut missing: Vec<Vec<u8>> = self.missing.drain().collect();
        missing.sort_unstable();
        for key in missing {
            let Ok(cid) = Cid::read_all(&key) else { continue };
            if self.table.find_cid(&cid).is_none() {
                self.summary.missing.push(cid);
            }
        }
        self.digest.finish()
    }
}

/// Makes the error of a back-reference that names no suitable block.
pub(crate) fn bad_reference(at: u64, wrong: Wrong) -> Error {
    Error::invalid(Structure::Reference, at, wrong)
}
