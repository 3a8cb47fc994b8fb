//! Conversions: CAR to DAR and back, a DAG from a store, a copy with an index or without. Every
//! block is kept, and so is the CAR's own list of roots.

use alloc::vec::Vec;
use std::io::{Read, Write};

use cid::Cid;
use hashbrown::HashSet;

use crate::car::{CarStream, CarWriter};
use crate::content::{Fit, fits, is_identity};
use crate::encode::WriteOptions;
use crate::error::{Error, Misuse, Structure, Wrong};
use crate::links::links;
use crate::order::Summary;
use crate::reader::Reader;
use crate::source::{ReadAt, ReadError, ReadFrom};
use crate::stream::{ReadOptions, StreamEvent};
use crate::table::BlockTable;
use crate::writer::Writer;

/// A source of blocks for [`write_dag`].
pub trait BlockStore {
    /// Appends the block of a CID to `into`, which is empty. Returns false if the store lacks it.
    ///
    /// # Errors
    /// An error of the store.
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError>;
}

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
    if !writer.contains(root) && !is_identity(root) && !store.get(root, &mut data)? {
        return Ok(false);
    }
    writer.root(root, &data)?;
    while let Some(cid) = writer.expected() {
        data.clear();
        let result = if writer.contains(&cid) {
            writer.repeat(&cid)
        } else if store.get(&cid, &mut data)? {
            writer.block(&cid, &data)
        } else {
            writer.skip();
            continue;
        };
        match result {
            Ok(_) => {}
            // A link was skipped whose block has the same bytes: this block becomes a root later.
            // Loops, which only unchecked hashes can make, are skipped too.
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
    pub car_roots: Vec<Cid>,
    /// Roots in that list whose blocks the CAR lacks.
    pub absent_roots: Vec<Cid>,
    /// Blocks that no root of the CAR reaches. They became roots.
    pub further_roots: Vec<Cid>,
    /// The number of sections that repeat an earlier one.
    pub duplicates: u64,
    /// The counts of the archive that was written.
    pub summary: Summary,
}

/// A CAR whose blocks are found by CID. One pass finds and proves them.
struct CarStore<S> {
    source: S,
    table: BlockTable,
    block_len_max: u32,
}

impl<S: ReadAt> BlockStore for CarStore<S> {
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
        // The CAR may have changed since it was proved.
        if let Fit::No(found) = fits(cid, into) {
            let expected = crate::content::digest_head(cid.hash().digest());
            let (what, at) = (Structure::CarSection, located.offset);
            return Err(Error::WrongHash { what, at, expected, found }.into());
        }
        Ok(true)
    }
}

/// Makes a DAR of a CAR, version 1 or 2. The CAR's roots come first, in their order; then the
/// blocks that they do not reach, each under a root of its own DAG.
///
/// Memory: 66 to 133 bytes per distinct block for finding it, and the same again for writing it.
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
        ..ReadOptions::default()
    };
    let mut report = FromCar::default();
    let mut table = BlockTable::default();
    let mut identities = Vec::new();
    let mut seen = HashSet::new();
    let mut stream = CarStream::new(ReadFrom::new(&source, 0), &read_options);
    let header = stream.header()?.clone();
    while let Some(block) = stream.next_block()? {
        if is_identity(&block.cid) {
            if seen.insert(block.cid.to_bytes()) {
                identities.push(block.cid);
            } else {
                report.duplicates = report.duplicates.saturating_add(1);
            }
        } else {
            let prefix = crate::content::Prefix::of(&block.cid);
            let bucket = table.intern(prefix, block.at, &options.limits)?;
            let len = u32::try_from(block.data.len()).unwrap_or(u32::MAX);
            let digest = block.cid.hash().digest();
            if table.insert(bucket, digest, block.at, len, &options.limits)?.is_none() {
                report.duplicates = report.duplicates.saturating_add(1);
            }
        }
    }
    report.car_version = header.version;
    report.car_roots = header.roots;
    let mut options = options.clone();
    options.car_roots = Some(report.car_roots.clone());
    let mut writer = Writer::with_options(sink, &options)?;
    let block_len_max = options.limits.block_len_max;
    let mut store = CarStore { source: &source, table, block_len_max };
    write_roots(&mut writer, &mut store, &identities, &mut report)?;
    write_rest(&mut writer, &mut store, &mut report)?;
    let (sink, summary) = writer.finish()?;
    report.summary = summary;
    Ok((sink, report))
}

/// Writes the CAR's roots, and the identity CIDs that it has as sections.
fn write_roots<W: Write, S: ReadAt>(
    writer: &mut Writer<W>,
    store: &mut CarStore<S>,
    identities: &[Cid],
    report: &mut FromCar,
) -> Result<(), ReadError> {
    let mut done = HashSet::new();
    let sections: HashSet<&Cid> = identities.iter().collect();
    for cid in &report.car_roots {
        if !done.insert(*cid) {
            continue;
        }
        let inline = is_identity(cid) && !sections.contains(cid);
        if inline || !write_dag(writer, cid, store)? {
            report.absent_roots.push(*cid);
        }
    }
    for cid in identities {
        if done.insert(*cid) {
            write_dag(writer, cid, store)?;
            report.further_roots.push(*cid);
        }
    }
    Ok(())
}

/// Writes the blocks that were not reached. Blocks that no other such block links to come first;
/// then the rest, which only loops of unchecked hashes leave.
fn write_rest<W: Write, S: ReadAt>(
    writer: &mut Writer<W>,
    store: &mut CarStore<S>,
    report: &mut FromCar,
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
        links(cid.codec(), &data, &mut found);
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
            report.further_roots.push(cid);
        }
    }
    Ok(())
}

/// The report of [`to_car`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ToCar {
    /// The CAR's list of roots.
    pub roots: Vec<Cid>,
    /// The counts of the archive that was read.
    pub summary: Summary,
    /// The number of bytes written.
    pub len: u64,
}

/// Makes a CAR v1 of a DAR that is read as a stream. Blocks keep their order. The list of roots is
/// the one in the DAR's header or, without one, `roots`.
///
/// # Errors
/// A fault of the archive, an error of the source or the sink. [`Misuse::NoSuchBlock`] if there is
/// no list of roots.
pub fn to_car<R: Read, W: Write>(
    reader: &mut Reader<R>,
    roots: Option<&[Cid]>,
    sink: W,
) -> Result<(W, ToCar), ReadError> {
    if reader.header().frames_at == 0 {
        reader.next_event()?;
    }
    let roots = match (&reader.header().car_roots, roots) {
        (Some(own), _) => own.clone(),
        (None, Some(given)) => given.to_vec(),
        (None, None) => return Err(Error::Misuse(Misuse::NoSuchBlock).into()),
    };
    let mut car = CarWriter::new(sink, &roots)?;
    while let Some(event) = reader.next_event()? {
        match event {
            StreamEvent::Block { cid, data, .. } => car.block(&cid, data)?,
            // An identity CID is a root only if its CAR had it as a section.
            StreamEvent::Root { cid, .. } if is_identity(&cid) => {
                car.block(&cid, cid.hash().digest())?;
            }
            _ => {}
        }
    }
    let (sink, len) = car.finish()?;
    Ok((sink, ToCar { roots, summary: reader.summary().clone(), len }))
}

/// Copies an archive, with an index or without one. Blocks and header stay as they are, unknown
/// elements of the header included. `car_roots` of the options is not used.
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
            (StreamEvent::Root { cid, .. }, _) if is_identity(&cid) => {
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
