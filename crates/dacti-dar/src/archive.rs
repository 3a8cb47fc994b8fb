//! Random access: the trailer, the roots, and one block by its CID through the index.
//!
//! Reads the end of the source, and then only the ranges that a caller needs. Proves every block
//! that it returns. Other blocks are not proved, unless the caller reads the whole archive.

use alloc::boxed::Box;
use alloc::vec::Vec;
use std::io::Read;

use crate::cid::{Cid, CidFault, IDENTITY_CID_LEN_MAX, Prefix};
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::frame::{FOOTER_LEN, FRAMES_AT_MIN, Head, MAGIC, NO_INDEX};
use crate::hash::{Fit, digest_head, fits};
use crate::header::{self, Header};
use crate::index::{self, IndexBucket, READ_LEN, Search, Step, TAIL_LEN};
use crate::order::Root;
use crate::reader::Reader;
use crate::source::{ReadAt, ReadError, ReadFrom};
use crate::stream::{ByteRange, ReadOptions, StreamReader};
use crate::table::BlockPlace;
use crate::varint;

/// An archive opened by its trailer.
#[derive(Debug)]
pub struct Archive<S> {
    source: S,
    options: ReadOptions,
    len: u64,
    /// The end of the source, read once.
    tail_at: u64,
    tail: Vec<u8>,
    trailer_at: u64,
    index_at: Option<u64>,
    digest: [u8; 64],
    buckets: Result<Vec<IndexBucket>, Error>,
}

impl<S: ReadAt> Archive<S> {
    /// Opens an archive. Usually this takes one read of at most 64 KiB at the end of the source. If
    /// a long list of roots pushes the directory of the index out of this range, up to two more
    /// reads follow.
    ///
    /// # Errors
    /// A fault of the trailer, or an error of the source.
    pub fn open(source: S) -> Result<Self, ReadError> {
        Self::open_with(source, &ReadOptions::default())
    }

    /// Opens an archive with options.
    ///
    /// # Errors
    /// The errors of [`Self::open`].
    pub fn open_with(source: S, options: &ReadOptions) -> Result<Self, ReadError> {
        let len = source.len()?;
        let tail_at = len.saturating_sub(READ_LEN);
        let tail =
            read_exact(&source, ByteRange { start: tail_at, len: len.saturating_sub(tail_at) })?;
        let Some((trailer_at, index_at, digest)) = read_footer(&tail, len) else {
            // If the source does not begin like an archive, this returns the fault of the first
            // bytes. Otherwise the trailer is missing.
            let begin = read_up_to(&source, 0, MAGIC.len() as u64)?;
            header::read(&begin, &options.limits)?;
            return Err(Error::NoTrailer { end: len }.into());
        };
        let buckets = Err(Error::Misuse(Misuse::NoIndex));
        let options = *options;
        let mut archive =
            Self { source, options, len, tail_at, tail, trailer_at, index_at, digest, buckets };
        if let Some(index_at) = archive.index_at {
            archive.buckets = match archive.read_buckets(index_at) {
                Ok(buckets) => Ok(buckets),
                Err(ReadError::Format(error)) => Err(error),
                Err(error) => return Err(error),
            };
        }
        Ok(archive)
    }

    /// Reads the directory, which ends at the trailer. The lengths in the directory show where the
    /// index starts, so this does not read the start of the index.
    fn read_buckets(&self, index_at: u64) -> Result<Vec<IndexBucket>, ReadError> {
        let what = Structure::IndexDirectory;
        let tail_at = self.trailer_at.saturating_sub(TAIL_LEN);
        if tail_at < index_at {
            let (at, needed, end) = (index_at, TAIL_LEN, self.trailer_at);
            return Err(Error::Truncated { what, at, needed, end }.into());
        }
        let tail = self.read(ByteRange { start: tail_at, len: TAIL_LEN })?;
        let len = u64::from(index::read_tail(&tail, tail_at)?);
        let Some(at) = tail_at.checked_sub(len).filter(|&at| at >= index_at) else {
            let target = tail_at.saturating_sub(len);
            let (from, to) = (index_at, tail_at);
            return Err(Error::OutOfBounds { what, at: tail_at, target, from, to }.into());
        };
        let limit = u64::from(self.options.limits.prefixes_max).saturating_mul(50);
        if len > limit {
            return Err(Error::LimitExceeded { what, at, found: len, limit }.into());
        }
        let directory = self.read(ByteRange { start: at, len })?;
        let prefixes_max = self.options.limits.prefixes_max;
        let buckets = index::read_directory(&directory, at, index_at, prefixes_max)?;
        let records_at = buckets.first().map_or(at, |bucket| bucket.at);
        let size = self.trailer_at.saturating_sub(records_at);
        let expected = index_at.saturating_add(index::head_len(size));
        if expected != records_at {
            let (what, found) = (Structure::Index, records_at);
            return Err(Error::Mismatch { what, at: index_at, expected, found }.into());
        }
        Ok(buckets)
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Returns the archive's length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no archive is empty: it ends in a trailer")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns the offset of the trailer.
    #[must_use]
    pub fn trailer_at(&self) -> u64 {
        self.trailer_at
    }

    /// Returns the offset of the index, if the archive has one.
    #[must_use]
    pub fn index_at(&self) -> Option<u64> {
        self.index_at
    }

    /// Returns the SHA3-512 of all CIDs, as the trailer states it.
    #[must_use]
    pub fn digest(&self) -> &[u8; 64] {
        &self.digest
    }

    /// Returns the index's buckets.
    ///
    /// # Errors
    /// [`Misuse::NoIndex`], or a fault of the index.
    pub fn buckets(&self) -> Result<&[IndexBucket], Error> {
        match &self.buckets {
            Ok(buckets) => Ok(buckets),
            Err(error) => Err(*error),
        }
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Returns the offset of the index, or of the trailer if there is no index. All frames lie
    /// before this offset.
    pub(crate) fn frames_end(&self) -> u64 {
        self.index_at.unwrap_or(self.trailer_at)
    }

    /// Reads a range. If the range lies in the end of the source, which is in memory, copies it
    /// from there.
    pub(crate) fn read(&self, span: ByteRange) -> Result<Vec<u8>, ReadError> {
        if span.start >= self.tail_at {
            let from = usize::try_from(span.start.saturating_sub(self.tail_at)).ok();
            let to = usize::try_from(span.end().saturating_sub(self.tail_at)).ok();
            if let (Some(from), Some(to)) = (from, to)
                && let Some(bytes) = self.tail.get(from..to)
            {
                return Ok(bytes.to_vec());
            }
        }
        read_exact(&self.source, span)
    }

    fn read_up_to(&self, start: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        self.read(ByteRange { start, len: len.min(self.len.saturating_sub(start)) })
    }

    /// Reads the header. One read is enough unless the list of a CAR's roots is long.
    ///
    /// # Errors
    /// A fault of the header, or an error of the source.
    pub fn header(&self) -> Result<Header, ReadError> {
        let mut len = 1024_u64;
        let limit = u64::from(self.options.limits.header_len_max);
        loop {
            let bytes = self.read_up_to(0, len)?;
            if let Some(header) = header::read(&bytes, &self.options.limits)? {
                return Ok(header);
            }
            let (what, found) = (Structure::Header, len.saturating_mul(4));
            if len >= self.len {
                let end = self.len;
                return Err(Error::Truncated { what, at: 0, needed: found, end }.into());
            }
            if len >= limit {
                return Err(Error::LimitExceeded { what, at: 0, found, limit }.into());
            }
            len = found.min(limit);
        }
    }

    /// Tells whether the archive has marks. The format's first implementation wrote none.
    ///
    /// # Errors
    /// The errors of [`Self::header`].
    pub fn has_marks(&self) -> Result<bool, ReadError> {
        let frames_at = self.header()?.frames_at;
        if frames_at >= self.frames_end() {
            return Ok(false);
        }
        let first = self.read_up_to(frames_at, varint::LEN_MAX as u64)?;
        let end = frames_at.saturating_add(first.len() as u64);
        let (head, _) = Head::read(&first)
            .map_err(|fault| Error::varint(fault, Structure::Frame, frames_at, end))?;
        Ok(matches!(head, Head::Root | Head::End))
    }

    /// Reads the whole list of roots, in written order.
    ///
    /// # Errors
    /// A fault of the list, a limit, or an error of the source.
    pub fn roots(&self) -> Result<Vec<Root>, ReadError> {
        let with_offsets = self.read_roots(true);
        match with_offsets {
            Err(ReadError::Format(error))
                if error.kind() == crate::ErrorKind::Corrupt && !self.has_marks()? =>
            {
                // The list may be of the format's first implementation, whose trailers state no
                // offsets.
                self.read_roots(false)
            }
            other => other,
        }
    }

    fn read_roots(&self, offsets: bool) -> Result<Vec<Root>, ReadError> {
        let what = Structure::RootList;
        let end = self.len.saturating_sub(FOOTER_LEN);
        let mut bytes = self.read_up_to(self.trailer_at, READ_LEN)?;
        let mut start = self.trailer_at;
        let (count, len) = varint::read_signed(&bytes)
            .map_err(|fault| Error::varint(fault, what, self.trailer_at, end))?;
        let mut pos = start.saturating_add(len as u64);
        // Each CID takes at least four bytes.
        let most = end.saturating_sub(pos) / 4;
        let found = count.cast_unsigned();
        let limit = u64::from(self.options.limits.roots_max);
        if found > most {
            let (at, from, to) = (self.trailer_at, 0, most);
            return Err(Error::OutOfBounds { what, at, target: found, from, to }.into());
        }
        if found > limit {
            return Err(Error::LimitExceeded { what, at: self.trailer_at, found, limit }.into());
        }
        let mut roots = Vec::new();
        let need = (IDENTITY_CID_LEN_MAX + varint::LEN_MAX) as u64;
        for _ in 0..found {
            let held_to = start.saturating_add(bytes.len() as u64);
            if held_to.saturating_sub(pos) < need && held_to < end {
                start = pos;
                bytes = self.read_up_to(start, READ_LEN)?;
            }
            let from = usize::try_from(pos.saturating_sub(start)).unwrap_or(usize::MAX);
            let room = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let here = bytes.get(from..room.min(bytes.len())).unwrap_or_default();
            let (next, root_len) = read_root(here, pos, end, offsets)?;
            self.check_root(&next, pos)?;
            pos = pos.saturating_add(root_len as u64);
            roots.push(next);
        }
        if pos != end {
            let (at, expected) = (self.trailer_at, end);
            return Err(Error::Mismatch { what, at, expected, found: pos }.into());
        }
        Ok(roots)
    }

    fn check_root(&self, root: &Root, at: u64) -> Result<(), Error> {
        let Some(target) = root.offset else { return Ok(()) };
        let (from, to) = (FRAMES_AT_MIN, self.frames_end());
        if (from..to).contains(&target) {
            return Ok(());
        }
        Err(Error::OutOfBounds { what: Structure::RootList, at, target, from, to })
    }

    /// Returns the places that the index lists for a CID in either version. The blocks are not
    /// read, so nothing is proved. Usually there is at most one place. There are several if several
    /// digests share the prefix that the index stores.
    ///
    /// # Errors
    /// [`Misuse::NoIndex`], a fault of the index, or an error of the source.
    pub fn candidates(&self, cid: &Cid) -> Result<Vec<BlockPlace>, ReadError> {
        let prefix = Prefix::of(cid);
        let mut found = Vec::new();
        // The two versions of a CID name the same block.
        for prefix in core::iter::once(prefix).chain(prefix.other_version()) {
            if let Some(bucket) = self.buckets()?.iter().find(|bucket| bucket.prefix == prefix) {
                self.search(*bucket, cid.digest(), &mut found)?;
            }
        }
        Ok(found)
    }

    /// Finds the place of a block through the index. If the index lists several places, the blocks
    /// there are read to find the right one. A single place is returned without proof. Returns
    /// `None` if the archive lacks the block.
    ///
    /// # Errors
    /// The errors of [`Self::candidates`], and a fault of a block.
    pub fn locate(&self, cid: &Cid) -> Result<Option<BlockPlace>, ReadError> {
        let found = self.candidates(cid)?;
        if found.len() <= 1 {
            return Ok(found.first().copied());
        }
        for place in found {
            if self.block_at(cid, &place)?.is_some() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn search(
        &self,
        bucket: IndexBucket,
        digest: &[u8],
        found: &mut Vec<BlockPlace>,
    ) -> Result<(), ReadError> {
        let mut search = Search::new(bucket, digest);
        // The limit must be lower than the number of records in one read, so that a read whose
        // records all match ends the search: see `Search::feed`.
        let found_max = self.options.limits.candidates_max.min(1024);
        while let Step::Read { record, count } = search.step() {
            let len = count.saturating_mul(index::RECORD_LEN);
            let bytes = self.read(ByteRange { start: search.at(record), len })?;
            search.feed(record, &bytes, found_max)?;
        }
        for record in search.into_found() {
            self.check_located(&record.located, bucket.at)?;
            found.push(record.located);
        }
        Ok(())
    }

    fn check_located(&self, located: &BlockPlace, at: u64) -> Result<(), Error> {
        let what = Structure::IndexRecord;
        let (from, to) = (FRAMES_AT_MIN, self.frames_end());
        let least = varint::len_signed(i64::from(located.len)).saturating_add(located.len.into());
        if located.offset < from
            || located.subtree_len < least
            || located.offset.saturating_add(located.subtree_len) > to
        {
            let target = located.offset.saturating_add(located.subtree_len.max(least));
            return Err(Error::OutOfBounds { what, at, target, from, to });
        }
        let (found, limit) = (u64::from(located.len), self.options.limits.block_len_max.into());
        if found > limit {
            return Err(Error::LimitExceeded { what, at, found, limit });
        }
        Ok(())
    }

    /// Reads a block by its CID through the index: usually one read of 64 KiB in the index, and one
    /// read of the block. Returns `None` if the archive lacks the block.
    ///
    /// # Errors
    /// [`Misuse::NoIndex`], a fault of the index or the block, or an error of the source.
    pub fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, ReadError> {
        if cid.is_identity() {
            return Ok(Some(cid.digest().to_vec()));
        }
        for located in self.candidates(cid)? {
            if let Some(data) = self.block_at(cid, &located)? {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads the block at a place. Returns `None` if another block lies there, whose digest only
    /// begins with the same bytes.
    ///
    /// # Errors
    /// A fault of the block, or an error of the source.
    pub fn block_at(&self, cid: &Cid, located: &BlockPlace) -> Result<Option<Vec<u8>>, ReadError> {
        let (what, at) = (Structure::Block, located.offset);
        let head_len = varint::len_signed(i64::from(located.len));
        let len = head_len.saturating_add(u64::from(located.len));
        let mut bytes = self.read(ByteRange { start: at, len })?;
        let (head, _) = Head::read(&bytes)
            .map_err(|fault| Error::varint(fault, Structure::Frame, at, self.len))?;
        if head != Head::Block(u64::from(located.len)) {
            let what = Structure::IndexRecord;
            return Err(Error::invalid(what, at, Wrong::NotAFrame).into());
        }
        bytes.drain(..usize::try_from(head_len).unwrap_or(0).min(bytes.len()));
        let at = at.saturating_add(head_len);
        match fits(cid, &bytes) {
            Fit::Yes => Ok(Some(bytes)),
            Fit::No(found) => {
                let expected = digest_head(cid.digest());
                if found == expected {
                    return Ok(None);
                }
                Err(Error::WrongHash { what, at, expected, found }.into())
            }
            Fit::Unknown if self.options.unknown_hash == crate::UnknownHash::Trust => {
                Ok(Some(bytes))
            }
            Fit::Unknown => Err(Error::unproved(Prefix::of(cid), what, at).into()),
        }
    }

    /// Returns a reader of the whole archive in order. The archive may have marks or not. Only a
    /// caller that reads to the end has proved the whole archive.
    ///
    /// # Errors
    /// A fault of the header or, without marks, of the list of roots.
    pub fn stream(&self) -> Result<Reader<ReadFrom<&S>>, ReadError> {
        let source = |start| ReadFrom::new(&self.source, start);
        Ok(match self.unmarked()? {
            None => Reader::with_options(source(0), &self.options),
            Some((start, machine)) => Reader::with_machine(source(start), start, machine),
        })
    }

    /// Does the same as [`Self::stream`], and consumes the archive.
    ///
    /// # Errors
    /// The errors of [`Self::stream`].
    pub fn into_stream(self) -> Result<Reader<Box<dyn Read>>, ReadError>
    where
        S: 'static,
    {
        let unmarked = self.unmarked()?;
        let source = |start| -> Box<dyn Read> { Box::new(ReadFrom::new(self.source, start)) };
        Ok(match unmarked {
            None => Reader::with_options(source(0), &self.options),
            Some((start, machine)) => Reader::with_machine(source(start), start, machine),
        })
    }

    /// For an archive without marks, returns the offset of the first frame, and the machine that
    /// reads the frames. Returns `None` if the archive has marks.
    fn unmarked(&self) -> Result<Option<(u64, StreamReader)>, ReadError> {
        if self.has_marks()? {
            return Ok(None);
        }
        let header = self.header()?;
        let roots = self.roots()?.into_iter().map(|root| root.cid).collect();
        let (start, ends) = (header.frames_at, (self.frames_end(), self.len));
        let machine = StreamReader::unmarked(&self.options, header, roots, ends, self.digest);
        Ok(Some((start, machine)))
    }
}

fn read_root(bytes: &[u8], at: u64, end: u64, offsets: bool) -> Result<(Root, usize), Error> {
    let what = Structure::RootList;
    // If a root needs bytes after the end of the list, the count of the list is wrong.
    let wrong = Error::invalid(what, at, Wrong::Cid);
    let (cid, cid_len) = Cid::read(bytes).map_err(|fault| match fault {
        CidFault::DigestTooLong(found) => Error::Unsupported { what, at, found },
        CidFault::Short | CidFault::Invalid => wrong,
    })?;
    if !offsets {
        return Ok((Root { cid, offset: None }, cid_len));
    }
    let offset_at = at.saturating_add(cid_len as u64);
    let (offset, len) = varint::read_signed(bytes.get(cid_len..).unwrap_or_default()).map_err(
        |fault| match fault {
            varint::Fault::Short => wrong,
            other => Error::varint(other, what, offset_at, end),
        },
    )?;
    let offset = match offset {
        0 if cid.is_identity() => None,
        offset => Some(u64::try_from(offset).map_err(|_| {
            let (from, to) = (FRAMES_AT_MIN, end);
            Error::OutOfBounds { what, at: offset_at, target: offset.cast_unsigned(), from, to }
        })?),
    };
    Ok((Root { cid, offset }, cid_len.saturating_add(len)))
}

type Footer = (u64, Option<u64>, [u8; 64]);

/// Returns the trailer offset, the index offset and the digest, if the offsets are plausible.
fn read_footer(tail: &[u8], len: u64) -> Option<Footer> {
    let (rest, trailer_at) = tail.split_last_chunk::<8>()?;
    let (rest, index_at) = rest.split_last_chunk::<8>()?;
    let digest = *rest.last_chunk::<64>()?;
    let trailer_at = u64::try_from(i64::from_be_bytes(*trailer_at)).ok()?;
    let last = len.checked_sub(FOOTER_LEN)?.checked_sub(1)?;
    if !(FRAMES_AT_MIN..=last).contains(&trailer_at) {
        return None;
    }
    let index_at = match i64::from_be_bytes(*index_at) {
        NO_INDEX => None,
        at => Some(u64::try_from(at).ok().filter(|at| (FRAMES_AT_MIN..trailer_at).contains(at))?),
    };
    Some((trailer_at, index_at, digest))
}

fn read_up_to<S: ReadAt>(source: &S, start: u64, len: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = alloc::vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
    let got = source.read_at(start, &mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// Reads a range that lies within the source.
fn read_exact<S: ReadAt>(source: &S, span: ByteRange) -> Result<Vec<u8>, ReadError> {
    let bytes = read_up_to(source, span.start, span.len)?;
    if (bytes.len() as u64) < span.len {
        let (what, at, needed) = (Structure::Frame, span.start, span.len);
        let end = at.saturating_add(bytes.len() as u64);
        return Err(Error::Truncated { what, at, needed, end }.into());
    }
    Ok(bytes)
}
