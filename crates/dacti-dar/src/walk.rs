//! Walks the DAG under one block by random access. Reads the block's own contiguous range, and the
//! ranges of blocks that lie earlier in the archive. Follows the order of the frames, without
//! recursion.
//!
//! The index states the end of each subtree. Without an index, one pass over the whole archive
//! finds these ends. The walk checks that each frame inside a subtree matches a waiting link, and
//! that the frame after the subtree matches none.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;
use multihash::Multihash;

use crate::archive::Archive;
use crate::cid::{Cid, DIGEST_LEN_MAX};
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::frame::Head;
use crate::hash::Hashed;
use crate::index::READ_LEN;
use crate::links::depends_on_order;
use crate::order::{Order, Summary, Taken, Work, bad_reference};
use crate::source::{ReadAt, ReadError};
use crate::stream::{ByteRange, StreamReader};
use crate::table::{BlockPlace, Id};
use crate::varint;

/// The source of the places of blocks.
#[derive(Debug)]
enum Map {
    Index,
    Scan(Box<StreamReader>),
}

/// A subtree that is being walked.
#[derive(Debug, Clone, Copy)]
struct Region {
    pos: u64,
    end: u64,
    /// The height of the stack of waiting links before the links of the subtree were pushed.
    floor: usize,
    /// The number of blocks that were open when the walk entered the subtree.
    open: usize,
}

/// Bytes that were read ahead.
#[derive(Debug, Default)]
struct Ahead {
    start: u64,
    bytes: Vec<u8>,
}

/// A frame after a subtree, and the digests of this frame's block that were computed so far.
#[derive(Debug)]
struct After {
    head: Head,
    body_at: u64,
    digests: Vec<Multihash<DIGEST_LEN_MAX>>,
}

/// A block of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked<'w> {
    /// Its CID.
    pub cid: Cid,
    /// The offset of its frame.
    pub at: u64,
    /// Its bytes, checked against the CID.
    pub data: &'w [u8],
}

/// The places of all blocks under one block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubDag {
    /// The contiguous range of the block and of all blocks that were first written under it. The
    /// range is empty for an identity CID: the links in that CID lead to the ranges in `outside`.
    pub range: ByteRange,
    /// Ranges outside `range` to which back-references lead: ascending, not overlapping.
    pub outside: Vec<ByteRange>,
    /// The counts of the walk: distinct blocks, skipped links, missing blocks.
    pub summary: Summary,
}

/// A walk over the DAG under one block; [`Archive::dag`] begins one.
///
/// Memory: 66 to 133 bytes for each distinct block and 16 more for its place; the waiting links;
/// and two buffers of at most [`Limits::read_len_max`](crate::Limits::read_len_max) for bytes that
/// were read ahead.
#[derive(Debug)]
pub struct Walk<'a, S> {
    archive: &'a Archive<S>,
    map: Map,
    order: Order,
    /// The top of the DAG, until the walk has read it. An identity CID has no place.
    start: Option<(Cid, Option<BlockPlace>)>,
    /// Whether `order` has the order of links that the header states.
    knows_link_order: bool,
    /// The frames that the walk has checked because they follow a subtree, by their offsets.
    after: HashMap<u64, After>,
    regions: Vec<Region>,
    by_offset: HashMap<u64, Id>,
    spans: Vec<ByteRange>,
    /// Bytes that were read ahead: in the first range, and in the current range if it is another
    /// one.
    first: Ahead,
    other: Ahead,
    done: bool,
}

enum Next {
    Block { cid: Cid, at: u64, body_at: u64, len: u64 },
    Moved,
}

impl<S: ReadAt> Archive<S> {
    /// Walks the DAG under a block depth-first: follows back-references, and returns each block
    /// once. With an index, this costs one look-up. Without an index, it reads the archive once.
    ///
    /// # Errors
    /// [`Misuse::NoSuchBlock`], a fault of the index, or an error of the source.
    pub fn dag(&self, cid: &Cid) -> Result<Walk<'_, S>, ReadError> {
        Walk::new(self, cid)
    }
}

impl<'a, S: ReadAt> Walk<'a, S> {
    fn new(archive: &'a Archive<S>, cid: &Cid) -> Result<Self, ReadError> {
        let options = archive.options();
        let map = match archive.buckets() {
            Ok(_) => Map::Index,
            Err(Error::Misuse(_)) => {
                let mut reader = archive.stream()?;
                while reader.next_block()?.is_some() {}
                Map::Scan(Box::new(reader.into_machine()))
            }
            Err(error) => return Err(error.into()),
        };
        let missing_max = usize::try_from(options.missing_max).unwrap_or(usize::MAX);
        let mut walk = Self {
            archive,
            map,
            order: Order::new(options.limits, options.unknown_hash, missing_max, false),
            start: None,
            knows_link_order: false,
            after: HashMap::new(),
            regions: Vec::new(),
            by_offset: HashMap::new(),
            spans: Vec::new(),
            first: Ahead::default(),
            other: Ahead::default(),
            done: false,
        };
        let located = if cid.is_identity() {
            None
        } else {
            Some(walk.locate(cid, None)?.ok_or(Error::Misuse(Misuse::NoSuchBlock))?)
        };
        walk.start = Some((cid.clone(), located));
        Ok(walk)
    }

    /// Finds the place of a block. If `at` is given, ignores records with other offsets.
    fn locate(&self, cid: &Cid, at: Option<u64>) -> Result<Option<BlockPlace>, ReadError> {
        match (&self.map, at) {
            (Map::Scan(scan), _) => Ok(scan.locate(cid)),
            (Map::Index, None) => self.archive.locate(cid),
            (Map::Index, Some(at)) => {
                let found = self.archive.candidates(cid)?;
                Ok(found.into_iter().find(|located| located.offset == at))
            }
        }
    }

    /// Reads the next block in depth-first order; `None` after the last.
    ///
    /// # Errors
    /// A fault of the blocks or the index, or an error of the source. After an error, the walk has
    /// ended.
    pub fn next_block(&mut self) -> Result<Option<Walked<'_>>, ReadError> {
        let found = loop {
            if self.done {
                break None;
            }
            match self.step() {
                Ok(Some(Next::Moved)) => {}
                Ok(Some(Next::Block { cid, at, body_at, len })) => {
                    break Some((cid, at, body_at, len));
                }
                Ok(None) => {
                    self.order.end_blocks(0);
                    self.done = true;
                }
                Err(error) => {
                    self.done = true;
                    return Err(error);
                }
            }
        };
        let Some((cid, at, body_at, len)) = found else { return Ok(None) };
        let data = self.held(body_at, len).unwrap_or_default();
        Ok(Some(Walked { cid, at, data }))
    }

    /// Returns the counts so far. They are complete at the end of the walk.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.order.summary
    }

    /// Returns the work done so far.
    #[must_use]
    pub fn work(&self) -> Work {
        self.order.work
    }

    /// Walks to the end. Returns the places of all blocks.
    ///
    /// # Errors
    /// The errors of [`Self::next_block`].
    pub fn finish(mut self) -> Result<SubDag, ReadError> {
        while self.next_block()?.is_some() {}
        let range = self.spans.first().copied().unwrap_or(ByteRange { start: 0, len: 0 });
        let mut outside: Vec<ByteRange> = Vec::new();
        let mut spans = self.spans.split_off(1.min(self.spans.len()));
        spans.sort_unstable_by_key(|span| (span.start, span.len));
        for span in spans {
            if span.start >= range.start && span.end() <= range.end() {
                continue;
            }
            match outside.last_mut() {
                Some(last) if span.start <= last.end() => {
                    last.len = span.end().max(last.end()).saturating_sub(last.start);
                }
                _ => outside.push(span),
            }
        }
        Ok(SubDag { range, outside, summary: self.order.summary })
    }

    fn step(&mut self) -> Result<Option<Next>, ReadError> {
        match self.start.take() {
            Some((cid, Some(located))) => return self.begin(&cid, &located).map(Some),
            Some((cid, None)) => return self.begin_identity(&cid).map(Some),
            None => {}
        }
        let Some(region) = self.regions.last().copied() else { return self.step_identity() };
        let waiting = self.order.height() > region.floor;
        if region.pos >= region.end || !waiting {
            self.end_region(&region, waiting)?;
            return Ok(Some(Next::Moved));
        }
        let at = region.pos;
        if let Some(&id) = self.by_offset.get(&at) {
            // The walk has already read this frame, because an earlier back-reference led to it.
            let taken = self.order.fit_known(id, region.floor);
            let taken = taken.ok_or(bad_reference(at, Wrong::UnexpectedReference))?;
            if self.order.loops(&taken, id) {
                return Err(bad_reference(at, Wrong::Loop).into());
            }
            self.order.take_reference(&taken, id, at);
            let len = self.order.table.located(id).map_or(1, |located| located.subtree_len);
            self.move_to(at.saturating_add(len.max(1)));
            return Ok(Some(Next::Moved));
        }
        let (head, head_len) = self.read_head(at, region.end)?;
        match head {
            Head::Block(len) => {
                let body_at = at.saturating_add(head_len);
                let end = self.need(at, body_at, len, region.end)?;
                let ahead = current(&self.regions, &self.first, &self.other);
                let mut hashed = Hashed::new(ahead.get(body_at, len).unwrap_or_default());
                let unexpected = Error::invalid(Structure::Frame, at, Wrong::Unexpected);
                let taken = self.order.fit(&mut hashed, body_at, region.floor)?;
                let cid = self.take(&taken.ok_or(unexpected)?, at, at, body_at, len, end)?;
                self.move_to(end);
                Ok(Some(Next::Block { cid, at, body_at, len }))
            }
            Head::Reference(target) => {
                self.move_to(at.saturating_add(head_len));
                self.follow(at, target, region.floor).map(Some)
            }
            _ => Err(Error::invalid(Structure::Frame, at, Wrong::Mark).into()),
        }
    }

    fn move_to(&mut self, pos: u64) {
        if let Some(region) = self.regions.last_mut() {
            region.pos = pos;
        }
    }

    fn push_region(&mut self, located: &BlockPlace, pos: u64, floor: usize, open: usize) {
        let end = located.offset.saturating_add(located.subtree_len);
        self.spans.push(ByteRange { start: located.offset, len: located.subtree_len });
        self.regions.push(Region { pos, end, floor, open });
    }

    fn begin(&mut self, cid: &Cid, located: &BlockPlace) -> Result<Next, ReadError> {
        let at = located.offset;
        let region_end = at.saturating_add(located.subtree_len);
        self.push_region(located, at, 0, 0);
        let (head, head_len) = self.read_head(at, region_end)?;
        let Head::Block(len) = head else {
            return Err(Error::invalid(Structure::IndexRecord, at, Wrong::NotAFrame).into());
        };
        let body_at = at.saturating_add(head_len);
        let end = self.need(at, body_at, len, region_end)?;
        let data = self.held(body_at, len).unwrap_or_default().to_vec();
        self.order.prove(cid, &mut Hashed::new(&data), body_at)?;
        self.learn_link_order(cid.codec(), &data)?;
        let id = self.order.take_root(cid, &data, at, end)?;
        self.by_offset.insert(at, id);
        self.move_to(end);
        Ok(Next::Block { cid: cid.clone(), at, body_at, len })
    }

    /// Begins with the links of an identity CID, which has no frame.
    fn begin_identity(&mut self, cid: &Cid) -> Result<Next, ReadError> {
        self.learn_link_order(cid.codec(), cid.digest())?;
        self.order.take_identity_root(cid, 0)?;
        self.spans.push(ByteRange { start: 0, len: 0 });
        Ok(Next::Moved)
    }

    /// Walks the subtree of the topmost waiting link, if the top of the DAG is an identity CID.
    fn step_identity(&mut self) -> Result<Option<Next>, ReadError> {
        let height = self.order.height();
        let Some(taken) = self.order.link_at(height) else { return Ok(None) };
        let located = match self.order.taken_cid(&taken) {
            Some(cid) => self.locate(&cid, None)?,
            None => None,
        };
        let Some(BlockPlace { offset, .. }) = located else {
            self.order.skip_top(0);
            return Ok(Some(Next::Moved));
        };
        if let Some(&id) = self.by_offset.get(&offset) {
            self.order.take_reference(&taken, id, offset);
            return Ok(Some(Next::Moved));
        }
        self.enter(offset, offset, 0).map(Some)
    }

    /// Reads the order of links from the header, if the links of a block depend on it.
    fn learn_link_order(&mut self, codec: u64, data: &[u8]) -> Result<(), ReadError> {
        if !self.knows_link_order && depends_on_order(codec, data) {
            self.order.link_order = self.archive.header()?.link_order;
            self.knows_link_order = true;
        }
        Ok(())
    }

    /// Checks that a frame's body lies in its region, and reads the body.
    fn need(&mut self, at: u64, body_at: u64, len: u64, region_end: u64) -> Result<u64, ReadError> {
        let (what, limit) = (Structure::Block, u64::from(self.order.limits.block_len_max));
        if len > limit {
            return Err(Error::LimitExceeded { what, at, found: len, limit }.into());
        }
        let target = body_at.saturating_add(len);
        if target > region_end {
            return Err(Error::OutOfBounds { what, at, target, from: at, to: region_end }.into());
        }
        self.fill(body_at, len, region_end)?;
        Ok(target)
    }

    fn take(
        &mut self,
        taken: &Taken,
        here: u64,
        at: u64,
        body_at: u64,
        len: u64,
        end: u64,
    ) -> Result<Cid, ReadError> {
        let unexpected = Error::invalid(Structure::Frame, at, Wrong::Unexpected);
        let cid = self.order.taken_cid(taken).ok_or(unexpected)?;
        let ahead = current(&self.regions, &self.first, &self.other);
        let data = ahead.get(body_at, len).unwrap_or_default();
        if !self.knows_link_order && depends_on_order(cid.codec(), data) {
            self.order.link_order = self.archive.header()?.link_order;
            self.knows_link_order = true;
        }
        let id = self.order.take_block(taken, None, data, here, at, end)?;
        self.by_offset.insert(at, id);
        Ok(cid)
    }

    /// Follows a back-reference.
    fn follow(&mut self, at: u64, target: u64, floor: usize) -> Result<Next, ReadError> {
        if target >= at {
            return Err(bad_reference(at, Wrong::ForwardReference).into());
        }
        if let Some(&id) = self.by_offset.get(&target) {
            let taken = self.order.fit_known(id, floor);
            let taken = taken.ok_or(bad_reference(at, Wrong::UnexpectedReference))?;
            if self.order.loops(&taken, id) {
                return Err(bad_reference(at, Wrong::Loop).into());
            }
            self.order.take_reference(&taken, id, at);
            return Ok(Next::Moved);
        }
        // The block lies before this DAG and was not read yet, so the walk enters the block's own
        // range.
        self.enter(at, target, floor)
    }

    /// Walks a subtree in another range. `at` is the offset of the reference, for errors.
    fn enter(&mut self, at: u64, target: u64, floor: usize) -> Result<Next, ReadError> {
        let to = self.archive.frames_end();
        let unknown = BlockPlace { offset: target, len: 0, subtree_len: to.saturating_sub(target) };
        let open = self.order.open_count();
        self.push_region(&unknown, target, floor, open);
        self.spans.pop();
        let (head, head_len) = self.read_head(target, to)?;
        let Head::Block(len) = head else {
            return Err(bad_reference(at, Wrong::NotAFrame).into());
        };
        let body_at = target.saturating_add(head_len);
        let limit = u64::from(self.order.limits.block_len_max);
        if len > limit || body_at.saturating_add(len) > to {
            return Err(bad_reference(at, Wrong::NotAFrame).into());
        }
        let end = self.need(target, body_at, len, to)?;
        let ahead = current(&self.regions, &self.first, &self.other);
        let mut hashed = Hashed::new(ahead.get(body_at, len).unwrap_or_default());
        let taken = self.order.fit(&mut hashed, body_at, floor)?;
        let taken = taken.ok_or(bad_reference(at, Wrong::UnexpectedReference))?;
        self.order.summary.repeats = self.order.summary.repeats.saturating_add(1);
        let cid = self.take(&taken, at, target, body_at, len, end)?;
        let located = self.locate(&cid, Some(target))?;
        let located = located.ok_or(bad_reference(at, Wrong::NotAFrame))?;
        self.regions.pop();
        let open = self.order.open_count();
        let has_links = self.order.table.find_cid(&cid).is_some_and(|id| !self.closed(id));
        let keep = if has_links { open.saturating_sub(1) } else { open };
        self.push_region(&located, end, Order::taken_height(&taken), keep);
        Ok(Next::Block { cid, at: target, body_at, len })
    }

    fn closed(&self, id: Id) -> bool {
        self.order.table.is_closed(id)
    }

    fn end_region(&mut self, region: &Region, waiting: bool) -> Result<(), ReadError> {
        if region.pos != region.end {
            let (what, at) = (Structure::IndexRecord, region.pos);
            let (expected, found) = (region.pos, region.end);
            return Err(Error::Mismatch { what, at, expected, found }.into());
        }
        if waiting {
            self.check_after(region)?;
        }
        self.order.end_region(region.open, region.floor, region.end);
        self.regions.pop();
        Ok(())
    }

    /// Checks that the frame after a subtree matches no waiting link of the subtree. If the frame
    /// matches one, the subtree is longer than the index states. No frame is read or hashed twice
    /// for this check.
    fn check_after(&mut self, region: &Region) -> Result<(), ReadError> {
        let (at, to) = (region.end, self.archive.frames_end());
        if at >= to {
            return Ok(());
        }
        let after = if let Some(after) = self.after.remove(&at) {
            after
        } else {
            let (head, head_len) = self.read_head(at, to)?;
            After { head, body_at: at.saturating_add(head_len), digests: Vec::new() }
        };
        let (after, takes) = self.takes_frame(after, at, region.floor)?;
        self.after.insert(at, after);
        if takes {
            return Err(Error::invalid(Structure::IndexRecord, at, Wrong::Differs).into());
        }
        Ok(())
    }

    /// Tells whether a frame would be assigned to a waiting link above height `floor`.
    fn takes_frame(
        &mut self,
        mut after: After,
        at: u64,
        floor: usize,
    ) -> Result<(After, bool), ReadError> {
        let takes = match after.head {
            Head::Block(len) => {
                let mut codes = self.order.functions_above(floor);
                codes.retain(|code| after.digests.iter().all(|digest| digest.code() != *code));
                if !codes.is_empty() {
                    self.need(at, after.body_at, len, self.archive.frames_end())?;
                    let data = self.held(after.body_at, len).unwrap_or_default();
                    let mut hashed = Hashed::new(data);
                    after
                        .digests
                        .extend(codes.iter().filter_map(|code| hashed.digest(*code).copied()));
                    let work = hashed.work();
                    self.order.work.hashed = self.order.work.hashed.saturating_add(work);
                }
                let mut hashed = Hashed::known(after.digests.clone());
                matches!(self.order.fit(&mut hashed, after.body_at, floor), Ok(Some(_)))
            }
            Head::Reference(target) => {
                let id = self.by_offset.get(&target).copied();
                id.is_some_and(|id| self.order.fit_known(id, floor).is_some())
            }
            _ => false,
        };
        Ok((after, takes))
    }

    fn read_head(&mut self, at: u64, end: u64) -> Result<(Head, u64), ReadError> {
        let len = (varint::LEN_MAX as u64).min(end.saturating_sub(at));
        self.fill(at, len, end)?;
        let bytes = self.held(at, len).unwrap_or_default();
        let (head, len) =
            Head::read(bytes).map_err(|fault| Error::varint(fault, Structure::Frame, at, end))?;
        Ok((head, len as u64))
    }

    fn held(&self, at: u64, len: u64) -> Option<&[u8]> {
        current(&self.regions, &self.first, &self.other).get(at, len)
    }

    /// Makes sure that bytes are in memory. Reads as much of the rest of the region as the limit
    /// allows.
    fn fill(&mut self, at: u64, len: u64, end: u64) -> Result<(), ReadError> {
        if self.held(at, len).is_some() {
            return Ok(());
        }
        let most = u64::from(self.order.limits.read_len_max);
        // The first range is read once, from start to end. The walk may leave other ranges and
        // return to them, so reads there are short at first, and double as long as they are
        // consecutive.
        let other = &self.other.bytes;
        let on = self.other.start.saturating_add(other.len() as u64) == at;
        let doubled = (other.len() as u64).saturating_mul(2);
        let ahead = match self.regions.len() {
            0 | 1 => most,
            _ if on => doubled.clamp(READ_LEN, most.max(READ_LEN)),
            _ => READ_LEN,
        };
        let len = end.saturating_sub(at).min(ahead).max(len);
        let bytes = self.archive.read(ByteRange { start: at, len })?;
        let into = if self.regions.len() <= 1 { &mut self.first } else { &mut self.other };
        *into = Ahead { start: at, bytes };
        Ok(())
    }
}

/// Returns the bytes that were read ahead in the current region.
fn current<'a>(regions: &[Region], first: &'a Ahead, other: &'a Ahead) -> &'a Ahead {
    if regions.len() <= 1 { first } else { other }
}

impl Ahead {
    fn get(&self, at: u64, len: u64) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(usize::try_from(len).ok()?)?;
        self.bytes.get(from..to)
    }
}
