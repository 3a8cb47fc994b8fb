//! Conversions: CAR to DAR and back, a DAG from a store, and a copy with or without an index. Every
//! block and the CAR's own list of roots are kept.

use alloc::vec::Vec;
use std::io::{Read, Write};

use hashbrown::HashSet;

use crate::car::{CarStream, CarWriter};
use crate::check::BlockCheck;
use crate::cid::{Cid, Prefix};
use crate::cid_list::CidList;
use crate::encode::WriteOptions;
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::hash::{Fit, digest_head, fits};
use crate::links::links;
use crate::order::{Summary, Work};
use crate::reader::Reader;
use crate::source::{BlockStore, ReadAt, ReadError, ReadFrom};
use crate::stream::{ReadOptions, StreamEvent};
use crate::table::BlockTable;
use crate::writer::Writer;

/// Writes the DAG under a root, depth-first, as far as the store has it. A root that was written
/// before becomes a back-reference. Returns false if the store lacks the root.
///
/// # Errors
/// An error of the store or of the writer.
pub fn write_dag<W: Write>(
    writer: &mut Writer<W>,
    root: &Cid,
    store: &mut impl BlockStore,
) -> Result<bool, ReadError> {
    let mut data = Vec::new();
    if !writer.contains(root) && !root.is_identity() && !store.get(root, &mut data)? {
        return Ok(false);
    }
    writer.root(root, &data)?;
    while let Some(cid) = writer.expected() {
        data.clear();
        let result = if writer.contains(&cid) {
            writer.repeat(&cid)
        } else if writer.was_refused(&cid) {
            writer.skip();
            continue;
        } else if store.get(&cid, &mut data)? {
            writer.block(&cid, &data)
        } else {
            writer.skip();
            continue;
        };
        match result {
            Ok(_) => {}
            // A skipped link names a block with the same bytes, so this block cannot be written
            // now. It can become a root later. Loops, which only unchecked hashes can make, are
            // skipped too.
            Err(ReadError::Format(Error::Misuse(Misuse::AmbiguousSkip | Misuse::Loop))) => {
                writer.skip();
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The report of [`from_car`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FromCar {
    /// The CAR's version.
    pub car_version: u8,
    /// The CAR's list of roots.
    pub car_roots: CidList,
    /// Roots in that list whose blocks the CAR lacks.
    pub absent_roots: CidList,
    /// Blocks that became roots, because no root of the CAR reaches them.
    pub further_roots: CidList,
    /// The number of sections that repeat an earlier one.
    pub duplicates: u64,
    /// The work of writing the archive.
    pub work: Work,
    /// The counts of the archive that was written.
    pub summary: Summary,
}

/// A source of blocks at known places. An earlier pass has found and proved the blocks.
pub(crate) struct PlacedStore<S> {
    pub(crate) source: S,
    pub(crate) table: BlockTable,
    pub(crate) block_len_max: u32,
}

impl<S: ReadAt> BlockStore for PlacedStore<S> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let Some(located) = self.table.find_cid(cid).and_then(|id| self.table.located(id)) else {
            return Ok(false);
        };
        let len = located.len.min(self.block_len_max);
        into.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        let got = self.source.read_at(located.offset, into)?;
        if got < into.len() {
            let (what, at, needed) = (Structure::CarSection, located.offset, u64::from(len));
            let end = at.saturating_add(got as u64);
            return Err(Error::Truncated { what, at, needed, end }.into());
        }
        // The source may have changed since the block was proved, so the block is proved again.
        if let Fit::No(found) = fits(cid, into) {
            let expected = digest_head(cid.digest());
            let (what, at) = (Structure::CarSection, located.offset);
            return Err(Error::WrongHash { what, at, expected, found }.into());
        }
        Ok(true)
    }
}

/// Makes a DAR from a CAR of version 1 or 2. The CAR's roots are written first, in their order.
/// Then follow the blocks that these roots do not reach: some of them become further roots.
///
/// Memory: 66 to 133 bytes for each distinct block to find it again, and the same amount to write
/// it.
///
/// # Errors
/// A fault of the CAR, a limit, an error of the source or the sink.
pub fn from_car<S: ReadAt, W: Write>(
    source: S,
    sink: W,
    options: &WriteOptions,
) -> Result<(W, FromCar), ReadError> {
    let read_options = ReadOptions {
        limits: options.limits,
        unknown_hash: options.unknown_hash,
        allow_padding: options.allow_padding,
        ..ReadOptions::default()
    };
    let mut report = FromCar::default();
    let mut table = BlockTable::default();
    let mut identities = Vec::new();
    let mut seen = HashSet::new();
    let mut stream = CarStream::new(ReadFrom::new(&source, 0), &read_options);
    let header = stream.header()?.clone();
    while let Some(block) = stream.next_block()? {
        if block.cid.is_identity() {
            if seen.insert(block.cid.clone()) {
                identities.push(block.cid);
            } else {
                report.duplicates = report.duplicates.saturating_add(1);
            }
        } else {
            let prefix = Prefix::of(&block.cid);
            let bucket = table.intern(prefix, block.at, &options.limits)?;
            let len = u32::try_from(block.data.len()).unwrap_or(u32::MAX);
            let digest = block.cid.digest();
            if table.insert(bucket, digest, block.at, len, &options.limits)?.is_none() {
                report.duplicates = report.duplicates.saturating_add(1);
            }
        }
    }
    report.car_version = header.version;
    report.car_roots = header.roots;
    drop(stream);
    let mut options = options.clone();
    options.car_roots = Some(report.car_roots.clone());
    let mut writer = Writer::with_options(sink, &options)?;
    let block_len_max = options.limits.block_len_max;
    let mut store = PlacedStore { source: &source, table, block_len_max };
    write_roots(&mut writer, &mut store, &identities, &mut report)?;
    write_rest(&mut writer, &mut store, &mut report.further_roots)?;
    report.work = writer.work();
    let (sink, summary) = writer.finish()?;
    report.summary = summary;
    Ok((sink, report))
}

/// Writes the CAR's roots, and the identity CIDs that have sections in the CAR.
fn write_roots<W: Write, S: ReadAt>(
    writer: &mut Writer<W>,
    store: &mut PlacedStore<S>,
    identities: &[Cid],
    report: &mut FromCar,
) -> Result<(), ReadError> {
    let sections: HashSet<&Cid> = identities.iter().collect();
    let roots = report.car_roots.clone();
    for cid in &roots {
        if writer.is_root(&cid) {
            continue;
        }
        if cid.is_identity() && !sections.contains(&cid) {
            // The CAR has no section for this root. Instead of the root, the blocks to which it
            // links become roots.
            report.absent_roots.push(&cid);
            write_links(writer, store, &cid, report)?;
        } else if !write_dag(writer, &cid, store)? {
            report.absent_roots.push(&cid);
        }
    }
    report.absent_roots = report.absent_roots.distinct();
    for cid in identities {
        if !writer.is_root(cid) {
            write_dag(writer, cid, store)?;
            report.further_roots.push(cid);
        }
    }
    Ok(())
}

/// Writes the blocks that an identity CID links to, each as a root.
fn write_links<W: Write, S: ReadAt>(
    writer: &mut Writer<W>,
    store: &mut PlacedStore<S>,
    cid: &Cid,
    report: &mut FromCar,
) -> Result<(), ReadError> {
    let mut found = Vec::new();
    links(cid.codec(), cid.digest(), writer.link_order(), &mut found);
    for link in found {
        if !writer.is_root(&link) && write_dag(writer, &link, store)? {
            report.further_roots.push(&link);
        }
    }
    Ok(())
}

/// Writes the blocks that no root has reached. First come the blocks to which no other of these
/// blocks links. If blocks then remain, they form loops, which are possible only with unchecked
/// hashes.
pub(crate) fn write_rest<W: Write, S: ReadAt>(
    writer: &mut Writer<W>,
    store: &mut PlacedStore<S>,
    further_roots: &mut CidList,
) -> Result<(), ReadError> {
    let count = store.table.len();
    let mut linked: HashSet<u32> = HashSet::new();
    let (mut data, mut found) = (Vec::new(), Vec::new());
    for id in 0..count {
        let Some(cid) = store.table.cid(id) else { continue };
        if writer.contains(&cid) {
            continue;
        }
        data.clear();
        found.clear();
        store.get(&cid, &mut data)?;
        links(cid.codec(), &data, writer.link_order(), &mut found);
        for link in &found {
            let other = store.table.find_cid(link).filter(|&other| other != id);
            linked.extend(other.filter(|_| !writer.contains(link)));
        }
    }
    for tops in [true, false] {
        for id in 0..count {
            let Some(cid) = store.table.cid(id) else { continue };
            if writer.contains(&cid) || (tops && linked.contains(&id)) {
                continue;
            }
            write_dag(writer, &cid, store)?;
            further_roots.push(&cid);
        }
    }
    Ok(())
}

/// The report of [`to_car`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ToCar {
    /// The CAR's list of roots.
    pub roots: CidList,
    /// The counts of the archive that was read.
    pub summary: Summary,
    /// The number of bytes written.
    pub len: u64,
}

/// Makes a CAR v1 from a DAR that is read as a stream. Blocks keep their order. The CAR gets the
/// list of roots in the DAR's header. If the header has no list, the CAR gets `roots`. A `check`
/// sees each block before it is written, and may refuse it.
///
/// # Errors
/// A fault of the archive, an error of the source, the check or the sink. [`Misuse::NoSuchBlock`]
/// if there is no list of roots.
pub fn to_car<R: Read, W: Write>(
    reader: &mut Reader<R>,
    roots: Option<&CidList>,
    check: Option<BlockCheck>,
    sink: W,
) -> Result<(W, ToCar), ReadError> {
    if reader.header().frames_at == 0 {
        reader.next_event()?;
    }
    let roots = match (&reader.header().car_roots, roots) {
        (Some(own), _) => own.clone(),
        (None, Some(given)) => given.clone(),
        (None, None) => return Err(Error::Misuse(Misuse::NoSuchBlock).into()),
    };
    let mut car = CarWriter::new(sink, &roots)?.with_check(check);
    while let Some(event) = reader.next_event()? {
        match event {
            StreamEvent::Block { cid, data, .. } => car.block(&cid, data)?,
            // An identity CID is a root only if the original CAR had a section for it.
            StreamEvent::Root { cid, .. } if cid.is_identity() => {
                car.block(&cid, cid.digest())?;
            }
            _ => {}
        }
    }
    let (sink, len) = car.finish()?;
    Ok((sink, ToCar { roots, summary: reader.summary().clone(), len }))
}

/// Copies an archive. The options say whether the copy has an index. The blocks and the header are
/// not changed; unknown elements of the header are kept. Ignores `car_roots` of the options.
///
/// # Errors
/// A fault of the archive, an error of the source or the sink. An archive without marks is refused:
/// [`Error::NoMarks`].
pub fn copy<R: Read, W: Write>(
    reader: &mut Reader<R>,
    sink: W,
    options: &WriteOptions,
) -> Result<(W, Summary), ReadError> {
    if reader.header().frames_at == 0 {
        reader.next_event()?;
    }
    let mut writer = Writer::with_header(sink, options, reader.header().clone())?;
    let mut root = None;
    while let Some(event) = reader.next_event()? {
        match (event, root.take()) {
            (StreamEvent::Root { cid, .. }, _) if cid.is_identity() => {
                writer.root(&cid, &[])?;
            }
            (StreamEvent::Root { cid, .. }, _) => root = Some(cid),
            (StreamEvent::Block { cid, data, .. }, Some(_)) => {
                writer.root(&cid, data)?;
            }
            (StreamEvent::Block { cid, data, .. }, None) => {
                writer.block(&cid, data)?;
            }
            (StreamEvent::Repeat { cid, .. }, Some(_)) => {
                writer.root(&cid, &[])?;
            }
            (StreamEvent::Repeat { cid, .. }, None) => {
                writer.repeat(&cid)?;
            }
            (StreamEvent::Header | StreamEvent::End, _) => {}
        }
    }
    let (sink, summary) = writer.finish()?;
    if summary.blocks != reader.summary().blocks {
        return Err(Error::invalid(Structure::Frame, 0, Wrong::Differs).into());
    }
    Ok((sink, summary))
}
