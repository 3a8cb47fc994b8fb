//! The index, an addition of this project: one bucket per CID prefix. A bucket has one record of
//! fixed size per block, sorted by digest. Writes an index from a table of blocks, and searches an
//! index without loading it. A search names the records that it wants and does no IO.

use alloc::vec::Vec;

use crate::cid::Prefix;
use crate::error::{Error, Structure, Wrong};
use crate::frame::MARK_INDEX;
use crate::hash::digest_head;
use crate::table::{BlockPlace, BlockTable, Id, OFFSET_MAX};
use crate::varint;

/// The length of a record: 8 bytes of the digest, 6 of the frame offset, 4 of the block's length, 6
/// of the subtree's length.
pub(crate) const RECORD_LEN: u64 = 24;
/// The length of the bytes after the directory: the directory's length, and the index's magic.
pub(crate) const TAIL_LEN: u64 = 8;
pub(crate) const INDEX_MAGIC: [u8; 4] = *b"dix\x01";
/// The maximum length of one read of a search.
pub(crate) const READ_LEN: u64 = 64 << 10;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) head: u64,
    pub(crate) located: BlockPlace,
}

fn push_be(out: &mut Vec<u8>, value: u64, width: usize) {
    let bytes = value.to_be_bytes();
    out.extend_from_slice(bytes.get(bytes.len().saturating_sub(width)..).unwrap_or_default());
}

impl Record {
    fn push(&self, out: &mut Vec<u8>) {
        push_be(out, self.head, 8);
        push_be(out, self.located.offset, 6);
        push_be(out, u64::from(self.located.len), 4);
        push_be(out, self.located.subtree_len, 6);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<u64> {
            Some(bytes.get(from..to)?.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
        };
        let located = BlockPlace {
            offset: number(8, 14)?,
            len: u32::try_from(number(14, 18)?).ok()?,
            subtree_len: number(18, 24)?,
        };
        Some(Self { head: number(0, 8)?, located })
    }
}

/// An index, made a piece at a time.
#[derive(Debug)]
pub(crate) struct IndexImage {
    head: Vec<u8>,
    buckets: Vec<(Prefix, Vec<Id>)>,
    tail: Vec<u8>,
    bucket: usize,
    record: usize,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Records,
    Done,
}

impl IndexImage {
    /// Makes the index of a table in which the end of every subtree is set.
    pub(crate) fn new(table: &BlockTable) -> Self {
        let buckets = table.sorted();
        let mut tail = Vec::new();
        varint::push(&mut tail, buckets.len() as u64);
        let mut records = 0_u64;
        for (prefix, ids) in &buckets {
            let count = ids.len() as u64;
            records = records.saturating_add(count);
            let Prefix { version, codec, hash, digest_len } = *prefix;
            for value in [u64::from(version), codec, hash, u64::from(digest_len), count] {
                varint::push(&mut tail, value);
            }
        }
        let directory_len = tail.len() as u64;
        push_be(&mut tail, directory_len, 4);
        tail.extend_from_slice(&INDEX_MAGIC);
        let len = records.saturating_mul(RECORD_LEN).saturating_add(tail.len() as u64);
        let mut head = Vec::new();
        varint::push_signed(&mut head, MARK_INDEX);
        varint::push_signed(&mut head, len.cast_signed());
        Self { head, buckets, tail, bucket: 0, record: 0, stage: Stage::Head }
    }

    /// Returns the next piece of about 64 KiB; an empty one at the end.
    pub(crate) fn next_piece(&mut self, table: &BlockTable) -> Vec<u8> {
        let mut out = Vec::new();
        if self.stage == Stage::Head {
            out.append(&mut self.head);
            self.stage = Stage::Records;
        }
        while self.stage == Stage::Records && (out.len() as u64) < READ_LEN {
            let Some((_, ids)) = self.buckets.get(self.bucket) else {
                out.append(&mut self.tail);
                self.stage = Stage::Done;
                break;
            };
            let Some(&id) = ids.get(self.record) else {
                self.bucket = self.bucket.saturating_add(1);
                self.record = 0;
                continue;
            };
            self.record = self.record.saturating_add(1);
            if let (Some((_, digest)), Some(located)) = (table.key(id), table.located(id)) {
                Record { head: digest_head(digest), located }.push(&mut out);
            }
        }
        out
    }
}

/// A bucket in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexBucket {
    /// The CID prefix that its blocks have in common.
    pub prefix: Prefix,
    /// The offset of its records.
    pub at: u64,
    /// The number of its records.
    pub count: u64,
}

/// Reads the last 8 bytes of an index. Returns the directory's length.
pub(crate) fn read_tail(bytes: &[u8], at: u64) -> Result<u32, Error> {
    let what = Structure::IndexDirectory;
    let short = Error::Truncated { what, at, needed: TAIL_LEN, end: at };
    let (len, magic) = bytes.split_first_chunk::<4>().ok_or(short)?;
    if magic != INDEX_MAGIC {
        let found = digest_head(magic) >> 32;
        return Err(Error::Unsupported { what, at: at.saturating_add(4), found });
    }
    Ok(u32::from_be_bytes(*len))
}

/// Returns the length of the mark and of the size field at the start of an index of this size.
pub(crate) fn head_len(size: u64) -> u64 {
    varint::len_signed(MARK_INDEX).saturating_add(varint::len_signed(size.cast_signed()))
}

/// Reads the directory at `at`. The records end where the directory starts; they begin after
/// `index_at`.
pub(crate) fn read_directory(
    bytes: &[u8],
    at: u64,
    index_at: u64,
    prefixes_max: u16,
) -> Result<Vec<IndexBucket>, Error> {
    let what = Structure::IndexDirectory;
    let mut pos = 0_usize;
    let mut next = || -> Result<u64, Error> {
        let here = at.saturating_add(pos as u64);
        let end = at.saturating_add(bytes.len() as u64);
        let (value, len) = varint::read(bytes.get(pos..).unwrap_or_default())
            .map_err(|fault| Error::varint(fault, what, here, end))?;
        pos = pos.saturating_add(len);
        Ok(value)
    };
    let found = next()?;
    let limit = u64::from(prefixes_max);
    if found > limit {
        return Err(Error::LimitExceeded { what, at, found, limit });
    }
    let mut buckets: Vec<IndexBucket> = Vec::new();
    let mut records = 0_u64;
    for _ in 0..found {
        let (version, codec, hash) = (next()?, next()?, next()?);
        let (digest_len, count) = (next()?, next()?);
        let version = u8::try_from(version).unwrap_or(u8::MAX);
        let digest_len = u16::try_from(digest_len).unwrap_or(u16::MAX);
        let prefix = Prefix { version, codec, hash, digest_len };
        if version > 1 || !prefix.is_valid() {
            return Err(Error::invalid(what, at, Wrong::Cid));
        }
        if buckets.last().is_some_and(|last| last.prefix >= prefix) {
            return Err(Error::invalid(what, at, Wrong::Unsorted));
        }
        // For now, the offset is relative to the first record. It becomes absolute when all records
        // are counted.
        buckets.push(IndexBucket { prefix, at: records.saturating_mul(RECORD_LEN), count });
        records = records.saturating_add(count);
    }
    if pos != bytes.len() {
        return Err(Error::invalid(what, at.saturating_add(pos as u64), Wrong::TrailingBytes));
    }
    let len = records.saturating_mul(RECORD_LEN);
    let Some(records_at) = at.checked_sub(len).filter(|&start| start >= index_at) else {
        let (target, from, to) = (at.saturating_sub(len), index_at, at);
        return Err(Error::OutOfBounds { what, at, target, from, to });
    };
    for bucket in &mut buckets {
        bucket.at = bucket.at.saturating_add(records_at);
    }
    Ok(buckets)
}

/// A search for the records of one digest. Names the records to read next, and evaluates them.
#[derive(Debug)]
pub(crate) struct Search {
    bucket: IndexBucket,
    head: u64,
    /// The first record that can still match. The last one lies before `high`.
    low: u64,
    high: u64,
    /// The smallest digest that these records can have. The largest one is `high_head`.
    low_head: u64,
    high_head: u64,
    tries: u32,
    found: Vec<Record>,
}

/// The next step of a search.
pub(crate) enum Step {
    /// Read `count` records from number `record` on.
    Read {
        record: u64,
        count: u64,
    },
    Done,
}

impl Search {
    pub(crate) fn new(bucket: IndexBucket, digest: &[u8]) -> Self {
        Self {
            bucket,
            head: digest_head(digest),
            low: 0,
            high: bucket.count,
            low_head: 0,
            high_head: u64::MAX,
            tries: 0,
            found: Vec::new(),
        }
    }

    pub(crate) fn into_found(self) -> Vec<Record> {
        self.found
    }

    /// Returns the archive offset of a record.
    pub(crate) fn at(&self, record: u64) -> u64 {
        self.bucket.at.saturating_add(record.saturating_mul(RECORD_LEN))
    }

    pub(crate) fn step(&self) -> Step {
        let len = self.high.saturating_sub(self.low);
        let most = READ_LEN / RECORD_LEN;
        if len == 0 {
            return Step::Done;
        }
        if len <= most {
            return Step::Read { record: self.low, count: len };
        }
        // Digests are spread evenly, so the digest predicts the position of its record. After two
        // wrong guesses, halving limits the cost of a hostile index.
        let guess = if self.tries < 2 {
            let span = u128::from(self.high_head.saturating_sub(self.low_head)).max(1);
            let into = u128::from(self.head.saturating_sub(self.low_head));
            let place = u128::from(len).saturating_mul(into).checked_div(span).unwrap_or(0);
            self.low.saturating_add(u64::try_from(place).unwrap_or(0))
        } else {
            self.low.saturating_add(len / 2)
        };
        let record = guess.saturating_sub(most / 2).clamp(self.low, self.high.saturating_sub(most));
        Step::Read { record, count: most }
    }

    /// Evaluates the records that [`Self::step`] asked for.
    pub(crate) fn feed(&mut self, record: u64, bytes: &[u8], found_max: u32) -> Result<(), Error> {
        let what = Structure::IndexRecord;
        self.tries = self.tries.saturating_add(1);
        let mut previous = self.low_head;
        let mut first = None;
        let (mut below, mut hits) = (0_u64, 0_u64);
        let mut count = 0_u64;
        let mut found = Vec::new();
        for chunk in bytes.chunks_exact(24) {
            let at = self.at(record.saturating_add(count));
            let Some(read) = Record::read(chunk) else { continue };
            if read.head < previous || read.head > self.high_head {
                return Err(Error::invalid(what, at, Wrong::Unsorted));
            }
            previous = read.head;
            first = first.or(Some(read.head));
            count = count.saturating_add(1);
            if read.head < self.head {
                below = below.saturating_add(1);
            } else if read.head == self.head {
                hits = hits.saturating_add(1);
                found.push(read);
            }
            let number = hits.saturating_add(self.found.len() as u64);
            if number > u64::from(found_max) {
                let limit = u64::from(found_max);
                return Err(Error::LimitExceeded { what, at, found: number, limit });
            }
            if read.located.offset > OFFSET_MAX {
                return Err(Error::invalid(what, at, Wrong::Differs));
            }
        }
        self.narrow(record, count, below, hits, first.unwrap_or(0), previous);
        self.found.append(&mut found);
        Ok(())
    }

    /// Narrows the range of records that can match. Of the records in the last read, the first
    /// `below` have digests smaller than the wanted digest, and the next `hits` match it.
    fn narrow(&mut self, record: u64, count: u64, below: u64, hits: u64, first: u64, last: u64) {
        let end = record.saturating_add(count);
        let above = count.saturating_sub(below).saturating_sub(hits);
        if count == 0 {
            self.low = self.high;
        } else if below > 0 && above > 0 {
            // The read has a record before and a record after all matches, so the search is
            // complete.
            self.low = self.high;
        } else if below > 0 {
            // Only records after this read can match.
            self.low = end;
            self.low_head = last;
        } else if above > 0 {
            self.high = record;
            self.high_head = first;
        } else if record > self.low {
            // All records of this read match, so there may be more matches before and after them.
            // The search goes on with the records before them. If the limit on candidates is lower
            // than the number of records in a read, the search has failed before this point.
            self.high = record;
            self.high_head = first;
        } else {
            self.low = end;
            self.low_head = last;
        }
        if self.high <= self.low {
            self.high = self.low;
        }
    }
}
