//! An update of a package in parts. It is planned and executed like the update of a file. Its
//! writes go into a copy of the head in memory, and into a temporary file with the block. At the
//! end, both are published.
//!
//! Specification: `docs/spec/dacti-parts.md`, "Publishing", "The plan".

use super::head::{PublishedHead, check_key, emit, replace};
use super::kept_objects::KeptObjects;
use super::read_ahead::ReadAhead;
use super::upload::{confirm, hashed, upload};
use super::{Condition, Place, PublishFault, PublishOptions};
use crate::Error;
use crate::fetch::parts::{PartObjects, PartsSource};
use crate::fetch::source::{ReadAt, read_file_at, read_full_of, write_file_at};
use crate::update::{Update, UpdateFile, UpdateOptions};
use crate::write::update::read_snapshot;
use core::ops::ControlFlow;
use dacti_cdn::HEAD_LEN;
use dacti_cdn::parts::{
    ListChange, PartEntry, PartList, PartsError, PartsFault, PartsRegion, name_hash, one_file_head,
};
use daicon_core::{Span, to_u64};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A length that no package reaches.
const POSITION_MAX: u64 = 1 << 56;

impl Update {
    /// Opens the package that is published at `place` for an update. No local copy is needed.
    /// Planning reads the head and the objects that it needs. Objects of at most 2 MiB are read
    /// whole, up to 8 MiB together. Of all other objects, only the needed index blocks, names and
    /// digests are read.
    ///
    /// # Errors
    /// [`PublishFault::NoHead`]; faults of the package; errors of the store.
    pub fn at_place(
        place: &Place,
        options: UpdateOptions,
        publish: PublishOptions,
    ) -> Result<Self, Error> {
        let file = PartsFile::open(place, publish)?;
        Self::of_file(Arc::new(file), place.shown(), options)
    }
}

/// The objects of a place, read through its store.
#[derive(Debug)]
pub(super) struct PlaceObjects(pub(super) Place);

impl PartObjects for PlaceObjects {
    fn read_object(&self, name: &str, len: u64, range: Span) -> Result<Vec<u8>, Error> {
        let place = self.0.store().shown(name);
        let found = self.0.store().get(name, Some(range))?;
        let found = found.ok_or(PublishFault::PartLost { place, object: name.into() })?;
        if found.len != len {
            let fault = PartsFault::PartLen { expected: len, found: found.len };
            return Err(dacti_cdn::Error::from(PartsError { at: 0, fault }).into());
        }
        Ok(found.bytes.into())
    }
}

/// A package in parts, in the form of a file to which an update writes. Nothing is stored before
/// [`publish`](UpdateFile::publish).
#[derive(Debug)]
struct PartsFile {
    place: Place,
    options: PublishOptions,
    published: PublishedHead,
    parts: PartsSource,
    ahead: ReadAhead,
    /// The start of the block, absolute.
    block_at: u64,
    state: Mutex<State>,
}

/// The bytes that the update has written so far.
#[derive(Debug)]
struct State {
    /// The head, in the form of a package of one file.
    head: Vec<u8>,
    /// The unnamed file with the block, and the block's length in bytes.
    block: File,
    block_len: u64,
}

impl PartsFile {
    fn open(place: &Place, options: PublishOptions) -> Result<Self, Error> {
        let no_head = || PublishFault::NoHead { place: place.shown() };
        let published = PublishedHead::read(place)?.ok_or_else(no_head)?;
        let objects = Arc::new(KeptObjects::new(place.clone()));
        let parts = PartsSource::new(published.bytes.to_vec().into(), objects)?;
        let head = one_file_head(&published.bytes, published.parsed.region_at);
        let head = head.map_err(dacti_cdn::Error::from)?;
        let block_at = published.parsed.next_block_at();
        let block_at = block_at.ok_or(dacti_cdn::Error::PastLastPosition)?;
        let block = tempfile::tempfile().map_err(|e| Error::io("create", "".as_ref(), e))?;
        let state = Mutex::new(State { head, block, block_len: 0 });
        let ahead = ReadAhead::default();
        Ok(Self { place: place.clone(), options, published, parts, ahead, block_at, state })
    }

    /// Returns the end of the bytes that the update has written.
    fn block_end(&self) -> u64 {
        self.block_at.saturating_add(self.state().block_len)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the list of parts after the update, and the entries of its new parts.
    fn new_list(&self, block: Span) -> Result<(PartList, Vec<PartEntry>), Error> {
        let PublishedHead { parsed, .. } = &self.published;
        if block.is_empty() {
            return Ok((parsed.region.list.clone(), Vec::new()));
        }
        let before = read_snapshot(&self.parts, ReadAt::len(&self.parts))?;
        // The index may end after the block, because the new list gives the last groups of the
        // index a second start there.
        let after = read_snapshot(self, POSITION_MAX)?;
        let change = ListChange {
            block,
            index_before: (before.index(), before.index_groups()),
            index_after: after.index(),
            fresh_end: parsed.layout.fresh_end,
        };
        let next = parsed.region.list.next_entries(&change).map_err(dacti_cdn::Error::from)?;
        hashed(self, next, parsed.region_at, &mut |_, _| Ok(()))
    }
}

/// Reads by position. Positions that no part has are read as zeros. A part that is merged from
/// several parts includes the zeros between them. At the end of the package, the block is written
/// over second starts, which are then no longer read.
impl ReadAt for PartsFile {
    fn len(&self) -> u64 {
        self.block_end().max(self.published.parsed.len)
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if at < HEAD_LEN {
            let state = self.state();
            let rest = usize::try_from(at).ok().and_then(|at| state.head.get(at..));
            let copied = rest.unwrap_or_default().iter().zip(buf.iter_mut());
            return Ok(copied.map(|(from, to)| *to = *from).count());
        }
        if at >= self.block_at && at < self.block_end() {
            let state = self.state();
            let offset = at.saturating_sub(self.block_at);
            let left = state.block_len.saturating_sub(offset);
            let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let buf = buf.get_mut(..len).unwrap_or_default();
            return read_file_at(&state.block, offset, buf);
        }
        let list = &self.published.parsed.region.list;
        let entries = list.entries();
        let border = if at < self.block_at { self.block_at } else { ReadAt::len(self) };
        let i = entries.partition_point(|entry| entry.span.end <= at);
        let next = entries.get(i).map_or(border, |entry| entry.span.start);
        let is_hole = at < next;
        let end = if is_hole { next } else { list.entry_of(at).map_or(next, |e| e.span.end) };
        let len = end.min(border).saturating_sub(at);
        let len = buf.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let buf = buf.get_mut(..len).unwrap_or_default();
        if is_hole {
            buf.fill(0);
            return Ok(len);
        }
        let span = Span { start: at, end: at.saturating_add(to_u64(buf.len())) };
        let ahead = self.ahead.take(span, |span| self.parts.read(span));
        let Some(bytes) = ahead.filter(|bytes| bytes.len() == buf.len()) else {
            return self.parts.read_at(at, buf);
        };
        buf.copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl UpdateFile for PartsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.block_end())
    }

    fn view_len(&self) -> io::Result<u64> {
        Ok(ReadAt::len(self))
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        read_full_of(|at, buf| ReadAt::read_at(self, at, buf), at, buf)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if let Some(offset) = at.checked_sub(self.block_at) {
            write_file_at(&state.block, offset, bytes)?;
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            state.block_len = state.block_len.max(offset.saturating_add(len));
            return Ok(bytes.len());
        }
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let place = state.head.get_mut(start..start.saturating_add(bytes.len()));
        // A plan that was checked writes only into the head and the block.
        place.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let block_len = len.saturating_sub(self.block_at);
        state.block.set_len(block_len)?;
        state.block_len = block_len;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(SystemTime::now())
    }

    fn set_modified(&self, _: SystemTime) -> io::Result<()> {
        Ok(())
    }

    fn is_in_place(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn will_read(&self, spans: &[Span]) {
        self.ahead.tell(spans);
    }

    fn will_not_read(&self, spans: &[Span]) {
        self.ahead.withdraw(spans);
    }

    fn list(&self) -> Option<&PartList> {
        Some(&self.published.parsed.region.list)
    }

    fn publish(&self) -> Result<(), Error> {
        let Self { place, options, published, .. } = self;
        check_key(place, Some(published), options)?;
        let block = Span { start: self.block_at, end: self.block_end() };
        let (list, new) = self.new_list(block)?;
        let old = &published.parsed.region;
        let drops = old.list.loses_part_in(&list);
        upload(place, &old.prefix, &new, self, options.concurrency, &mut |_| {
            ControlFlow::Continue(())
        })?;
        let region = PartsRegion {
            name_hash: name_hash(place.name()),
            prefix: old.prefix.clone(),
            end: block.end.max(old.end),
            list,
            expiry: options.expiry,
            sequence: old.sequence.saturating_add(1),
            ..PartsRegion::default()
        };
        let mut one_file = self.state().head.clone();
        if published.is_copy(place) {
            published.parsed.write_new_file_id(&mut one_file, &region.name_hash);
        }
        let region_at = published.parsed.region_at;
        let head = emit(&one_file, region_at, &region, options.key.as_ref())?;
        if drops || options.archive {
            published.archive(place)?;
        }
        let condition = if options.unconditional { Condition::Any } else { published.unchanged() };
        replace(place, &head, &region, &condition)?;
        confirm(place, &region.prefix, &new, self)
    }
}
