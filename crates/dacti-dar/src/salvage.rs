//! Salvage: finds the blocks of a cut or damaged archive that can still be proved, and writes them
//! as a new archive.
//!
//! Two passes find the blocks. The first pass reads the frames in order, from the header on. If the
//! block of a frame matches no waiting link, the frame is lost, and the pass tries the next frames.
//! The second pass uses the index, if the index is readable. Each record states a place and the
//! first bytes of a digest; the block at that place must match these bytes.

use alloc::vec::Vec;
use std::io::Write;

use crate::archive::Archive;
use crate::cid::{Cid, CidFault, Prefix};
use crate::convert::{PlacedStore, write_dag, write_rest};
use crate::encode::WriteOptions;
use crate::error::Error;
use crate::frame::Head;
use crate::hash::{Hashed, digest_head, multihash};
use crate::header::{self, Header};
use crate::index::{IndexBucket, RECORD_LEN, Record};
use crate::order::{Order, Summary};
use crate::source::{ReadAt, ReadError, ReadFrom};
use crate::stream::{ByteRange, ReadOptions};
use crate::table::BlockTable;
use crate::varint;
use crate::window::Window;
use crate::writer::Writer;

/// The report of [`salvage`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Salvaged {
    /// Frames whose blocks could not be proved.
    pub lost_frames: u64,
    /// The offset at which reading in order ended, if it did not end at the end mark.
    pub stopped_at: Option<u64>,
    /// Blocks that only the index found.
    pub by_index: u64,
    /// Roots that the archive names, but whose blocks are lost.
    pub lost_roots: Vec<Cid>,
    /// Blocks that became roots, because no block above them was saved.
    pub further_roots: u64,
    /// The counts of the archive that was written.
    pub summary: Summary,
}

/// The maximum number of comparisons with waiting links in the first pass. Each lost frame is
/// compared with every waiting link, so a hostile archive could cause a far larger number.
const COMPARED_MAX: u64 = 1 << 28;

/// Writes a new archive of all blocks that can still be proved in a damaged archive.
///
/// Memory: twice 66 to 133 bytes for each distinct block.
///
/// # Errors
/// A fault of the magic or the header, a limit, an error of the source or the sink.
pub fn salvage<S: ReadAt, W: Write>(
    source: S,
    sink: W,
    options: &WriteOptions,
) -> Result<(W, Salvaged), ReadError> {
    let mut report = Salvaged::default();
    let mut saver = Saver::new(&source, options)?;
    saver.read_frames(&mut report)?;
    saver.read_index(&mut report)?;
    let Saver { header, table, roots, .. } = saver;
    let mut writer = Writer::with_header(sink, options, header)?;
    let block_len_max = options.limits.block_len_max;
    let mut store = PlacedStore { source: &source, table, block_len_max };
    for root in &roots {
        if !writer.is_root(root) && !write_dag(&mut writer, root, &mut store)? {
            report.lost_roots.push(root.clone());
        }
    }
    let mut further = crate::cid_list::CidList::default();
    write_rest(&mut writer, &mut store, &mut further)?;
    report.further_roots = further.len() as u64;
    let (sink, summary) = writer.finish()?;
    report.summary = summary;
    Ok((sink, report))
}

struct Saver<'s, S> {
    source: &'s S,
    options: ReadOptions,
    len: u64,
    header: Header,
    table: BlockTable,
    roots: Vec<Cid>,
}

impl<'s, S: ReadAt> Saver<'s, S> {
    fn new(source: &'s S, options: &WriteOptions) -> Result<Self, ReadError> {
        let limits = options.limits;
        let options = ReadOptions { limits, ..ReadOptions::default() };
        let len = source.len()?;
        let mut window = Window::new(ReadFrom::new(source, 0));
        let mut ask = 1024_u64;
        let header = loop {
            window.fill(0, ask)?;
            match header::read(window.bytes(), &limits)? {
                Some(header) => break header,
                None if ask >= len || ask >= u64::from(limits.header_len_max) => {
                    let (at, needed, end) = (0, ask.saturating_mul(4), len);
                    let what = crate::error::Structure::Header;
                    return Err(Error::Truncated { what, at, needed, end }.into());
                }
                None => ask = ask.saturating_mul(4),
            }
        };
        Ok(Self { source, options, len, header, table: BlockTable::default(), roots: Vec::new() })
    }

    /// Records the place of a block's bytes.
    fn keep(&mut self, cid: &Cid, body_at: u64, len: u64) -> Result<bool, ReadError> {
        let limits = &self.options.limits;
        let bucket = self.table.intern(Prefix::of(cid), body_at, limits)?;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Ok(self.table.insert(bucket, cid.digest(), body_at, len, limits)?.is_some())
    }

    fn note_root(&mut self, cid: &Cid) {
        // The writer refuses a second root of the same CID, so duplicates need no check here.
        self.roots.push(cid.clone());
    }

    /// Reads the frames in order, as long as the end of each frame is known.
    fn read_frames(&mut self, report: &mut Salvaged) -> Result<(), ReadError> {
        let limits = self.options.limits;
        let mut order = Order::new(limits, self.options.unknown_hash, 0, false);
        order.link_order = self.header.link_order;
        let mut window = Window::new(ReadFrom::new(self.source, 0));
        let mut pos = self.header.frames_at;
        let mut root: Option<Cid> = None;
        loop {
            window.fill(pos, (varint::LEN_MAX + crate::cid::IDENTITY_CID_LEN_MAX) as u64)?;
            let bytes = window.bytes();
            let Ok((head, head_len)) = Head::read(bytes) else { break };
            let body_at = pos.saturating_add(head_len as u64);
            match head {
                Head::Block(len) => {
                    let end = body_at.saturating_add(len);
                    if len > u64::from(limits.block_len_max) || end > self.len {
                        break;
                    }
                    window.fill(body_at, len)?;
                    let len_here = usize::try_from(len).unwrap_or(usize::MAX);
                    let data = window.bytes().get(..len_here).unwrap_or_default();
                    match take(&mut order, root.take(), data, pos, end)? {
                        Some(cid) => {
                            self.keep(&cid, body_at, len)?;
                        }
                        None => report.lost_frames = report.lost_frames.saturating_add(1),
                    }
                    pos = end;
                }
                Head::Reference(target) => {
                    let known = order.table.at_offset(target);
                    if let Some(id) = known.filter(|_| root.is_none())
                        && let Some(taken) = order.fit_known(id, 0)
                        && !order.loops(&taken, id)
                    {
                        order.take_reference(&taken, id, pos);
                    }
                    root = None;
                    pos = body_at;
                }
                Head::Root => match Cid::read(bytes.get(head_len..).unwrap_or_default()) {
                    Ok((cid, cid_len)) => {
                        order.end_dag(pos);
                        self.note_root(&cid);
                        if cid.is_identity() {
                            if !order.is_root(&cid) {
                                order.take_identity_root(&cid, pos)?;
                            }
                        } else {
                            root = Some(cid);
                        }
                        pos = body_at.saturating_add(cid_len as u64);
                    }
                    Err(CidFault::Short | CidFault::Invalid | CidFault::DigestTooLong(_)) => break,
                },
                Head::End => return Ok(()),
                Head::Index | Head::Reserved => break,
            }
            if order.work.compared > COMPARED_MAX {
                break;
            }
        }
        report.stopped_at = Some(pos);
        Ok(())
    }

    /// Reads the blocks that an index names, and the roots that a trailer lists.
    fn read_index(&mut self, report: &mut Salvaged) -> Result<(), ReadError> {
        let Ok(archive) = Archive::open_with(self.source, &self.options) else { return Ok(()) };
        for root in archive.roots().unwrap_or_default() {
            self.note_root(&root.cid);
        }
        let buckets: Vec<IndexBucket> = archive.buckets().unwrap_or_default().to_vec();
        for bucket in buckets {
            // The records are adjacent, so each read returns up to 2,048 records in 48 KiB.
            let mut record = 0_u64;
            while record < bucket.count {
                let count = bucket.count.saturating_sub(record).min(2048);
                let start = bucket.at.saturating_add(record.saturating_mul(RECORD_LEN));
                let len = count.saturating_mul(RECORD_LEN);
                let bytes = archive.read(ByteRange { start, len })?;
                for chunk in bytes.chunks_exact(24) {
                    if let Some(found) = Record::read(chunk)
                        && self.read_record(&archive, bucket.prefix, &found)?
                    {
                        report.by_index = report.by_index.saturating_add(1);
                    }
                }
                record = record.saturating_add(count);
            }
        }
        Ok(())
    }

    /// Reads the block of a record. Returns true if it is proved and was not found before.
    fn read_record(
        &mut self,
        archive: &Archive<&S>,
        prefix: Prefix,
        record: &Record,
    ) -> Result<bool, ReadError> {
        let place = record.located;
        let head_len = varint::len_signed(i64::from(place.len));
        let body_at = place.offset.saturating_add(head_len);
        let len = u64::from(place.len);
        let end = body_at.saturating_add(len);
        if end > archive.frames_end() || place.len > self.options.limits.block_len_max {
            return Ok(false);
        }
        let bytes = archive.read(ByteRange { start: body_at, len })?;
        let Some(hash) = multihash(prefix.hash, &bytes) else { return Ok(false) };
        let digest = hash.digest().get(..usize::from(prefix.digest_len)).unwrap_or_default();
        let cid = prefix.with(digest).filter(|_| digest_head(digest) == record.head);
        match cid {
            Some(cid) => self.keep(&cid, body_at, len),
            None => Ok(false),
        }
    }
}

/// Takes the block of a frame, if the block is the announced root or matches a waiting link.
fn take(
    order: &mut Order,
    root: Option<Cid>,
    data: &[u8],
    frame_at: u64,
    end: u64,
) -> Result<Option<Cid>, ReadError> {
    let mut hashed = Hashed::new(data);
    if let Some(cid) = root {
        let proved = order.prove(&cid, &mut hashed, frame_at).is_ok();
        if proved && order.table.find_cid(&cid).is_none() {
            order.take_root(&cid, data, frame_at, end)?;
            return Ok(Some(cid));
        }
        return Ok(None);
    }
    let Ok(Some(taken)) = order.fit(&mut hashed, frame_at, 0) else { return Ok(None) };
    let Some(cid) = order.taken_cid(&taken) else { return Ok(None) };
    if order.table.find_cid(&cid).is_some() {
        return Ok(None);
    }
    order.take_block(&taken, None, data, frame_at, frame_at, end)?;
    Ok(Some(cid))
}
