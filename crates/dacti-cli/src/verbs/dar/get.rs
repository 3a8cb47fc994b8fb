//! `dacti dar get` and `dacti dar extract`: one block, and the DAG under one.

use super::files::Files;
use super::source::Source;
use super::{Counts, Reading, Sink, convert, failed, note_written, open_archive, parse_cid, plan};
use super::{is_standard, print_json, warn};
use crate::files::Output;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::{Talk, output};
use dacti::AtomicFile;
use dacti::dar::key_check;
use dacti_dar::{
    Archive, BlockPlace, BlockStore, CarWriter, Cid, CidList, Misuse, ReadAt, ReadError,
    WriteOptions,
};
use dacti_dar::{Error, FramePlace, NearReader, Root, Summary, Walk, Writer, resolve, write_dag};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Print one block, checked against its CID.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// The CID of the block.
    #[arg(value_name = "CID", value_parser = parse_cid)]
    cid: Cid,
    /// Write to this file instead of standard output. The file appears whole or not at all.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a report as one JSON object: `cid`, `codec`, `len`.
    #[arg(long, requires = "output")]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// The output of `get --json`.
#[derive(Debug, Serialize)]
struct Gotten {
    cid: String,
    codec: u64,
    len: u64,
}

impl Get {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::block(&self.archive, &self.reading, &self.cid, self.json, talk);
        }
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let found = find(&archive, &self.cid).map_err(failed(&self.archive))?;
        let shown = output::shown(&self.archive);
        let data = found.ok_or_else(|| {
            Failure::Failed(format!("{shown}: {} is not in this archive", self.cid))
        })?;
        if let Some(path) = self.output.as_ref().filter(|path| !is_standard(path)) {
            Output { path, option: "-o", has_standard: true }.check(&[&self.archive])?;
            let mut file = AtomicFile::create(path)?;
            file.write_all(&data)
                .map_err(|error| Failure::Failed(format!("{}: {error}", output::shown(path))))?;
            file.commit()?;
            if self.json {
                let (cid, codec) = (self.cid.to_string(), self.cid.codec());
                let gotten = Gotten { cid, codec, len: data.len() as u64 };
                print_json(path, &gotten)?;
            }
            return Ok(Outcome::Done);
        }
        let mut out = io::stdout().lock();
        if out.is_terminal() && core::str::from_utf8(&data).is_err() {
            let message = "the block is binary: write it to a file with -o FILE, or to a pipe";
            return Err(Failure::Failed(message.into()));
        }
        out.write_all(&data)?;
        out.flush()?;
        Ok(Outcome::Done)
    }
}

/// Finds a block by the index. Without an index, reads the archive to find it.
fn find<S: ReadAt>(archive: &Archive<S>, cid: &Cid) -> Result<Option<Vec<u8>>, ReadError> {
    match archive.get(cid) {
        Err(ReadError::Format(Error::Misuse(Misuse::NoIndex))) => {
            let mut reader = archive.stream()?;
            while let Some((found, data)) = reader.next_block()? {
                if found.is_same_block(cid) {
                    return Ok(Some(data.to_vec()));
                }
            }
            Ok(None)
        }
        other => other,
    }
}

/// Write the DAG under a block: as an archive of its own, as a CAR, or as files.
#[derive(Debug, clap::Args)]
pub(crate) struct Extract {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// The CID of the block at the top of the DAG; by default the first root of the archive.
    #[arg(value_name = "CID", value_parser = parse_cid)]
    cid: Option<Cid>,
    /// The file to write; - is standard output.
    #[arg(short, long, value_name = "OUT", required_unless_present = "files")]
    output: Option<PathBuf>,
    /// A path that starts at this block: names in UnixFS folders, keys in maps and positions in
    /// lists, with slashes between them.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    #[command(flatten)]
    files: Files,
    /// Write a CAR of version 1 instead of a DAR archive.
    #[arg(long)]
    car: bool,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print the counts of the new archive as one JSON object; to standard error if the archive
    /// goes to standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// The blocks of a DAG, by the places that a walk has found.
pub(super) struct Places<'a> {
    archive: &'a Archive<Source>,
    found: HashMap<Cid, BlockPlace>,
}

impl<'a> Places<'a> {
    /// Walks the DAG under a block, and notes the places of all its blocks.
    pub(super) fn walk(archive: &'a Archive<Source>, cid: &Cid) -> Result<Self, ReadError> {
        let mut walk = archive.dag(cid)?;
        let mut found = HashMap::new();
        while let Some(block) = walk.next_block()? {
            let len = u32::try_from(block.data.len()).unwrap_or(u32::MAX);
            found.insert(block.cid, BlockPlace { offset: block.at, len, subtree_len: 0 });
        }
        Ok(Self { archive, found })
    }
}

impl BlockStore for Places<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let other = || self.found.get(&cid.other_version()?);
        let Some(located) = self.found.get(cid).or_else(other) else { return Ok(false) };
        let Some(data) = self.archive.block_at(cid, located)? else { return Ok(false) };
        *into = data;
        Ok(true)
    }
}

/// The blocks of a DAG in the order of a walk. A writer asks for them in the same order. Each block
/// is read once.
struct Walked<'a> {
    walk: Walk<'a, Source>,
    /// The next block of the walk. If the writer asks for a different block, the walk did not find
    /// that block.
    next: Option<(Cid, Vec<u8>)>,
    bar: Bar,
    done: u64,
}

impl BlockStore for Walked<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        if self.next.is_none()
            && let Some(block) = self.walk.next_block()?
        {
            self.done = self.done.saturating_add(block.data.len() as u64);
            self.bar.set(self.done, self.done);
            self.next = Some((block.cid, block.data.to_vec()));
        }
        match self.next.take_if(|(next, _)| next.is_same_block(cid)) {
            Some((_, data)) => *into = data,
            None => return Ok(false),
        }
        Ok(true)
    }
}

/// All blocks of an archive, found by its index.
struct Indexed<'a> {
    archive: &'a Archive<Source>,
    /// The root and its block, if the block was read at the offset in the list of roots.
    root: Option<(Cid, Vec<u8>)>,
}

impl BlockStore for Indexed<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let root = self.root.take_if(|(root, _)| root == cid);
        let found = match root {
            Some((_, block)) => Some(block),
            None => find(self.archive, cid)?,
        };
        into.extend(found.iter().flatten());
        Ok(found.is_some())
    }
}

/// Returns the CID of the top of the DAG. A walk begins at `cid`, or at the first root if `cid` is
/// not given. If a path is given, the walk follows it to the top.
pub(super) fn top(
    archive: &Archive<Source>,
    shown: &Path,
    cid: Option<&Cid>,
    path: Option<&str>,
) -> Result<Cid, Failure> {
    let mut root = None;
    let cid = match (cid, path) {
        (Some(cid), _) => cid.clone(),
        (None, None) => first_root(archive).map_err(failed(shown))?.cid,
        (None, Some(_)) => {
            let first = first_root(archive).map_err(failed(shown))?;
            root = root_block(archive, &first).map_err(failed(shown))?;
            first.cid
        }
    };
    let Some(path) = path else { return Ok(cid) };
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let found = resolve(&mut Indexed { archive, root }, &cid, &names)
        .map_err(|error| Failure::Failed(format!("{}: {path}: {error}", output::shown(shown))))?;
    found.ok_or_else(|| {
        let shown = output::shown(shown);
        Failure::Failed(format!("{shown}: nothing is at {} under {cid}", output::printable(path)))
    })
}

/// Writes the DAG under a block as an archive.
pub(super) fn write_dar<W: Write>(
    archive: &Archive<Source>,
    cid: &Cid,
    sink: W,
    options: &WriteOptions,
    talk: Talk,
) -> Result<(W, Summary), ReadError> {
    let link_order = archive.header()?.link_order;
    let options = WriteOptions { link_order, ..options.clone() };
    let bar = Bar::bytes("extracting", 0, talk);
    let mut store = Walked { walk: archive.dag(cid)?, next: None, bar, done: 0 };
    let mut writer = Writer::with_options(sink, &options)?;
    write_dag(&mut writer, cid, &mut store)?;
    writer.finish()
}

impl Extract {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let Some(output) = &self.output else {
            let (cid, path) = (self.cid.as_ref(), self.path.as_deref());
            let archive = open_archive(&self.archive, &self.reading, talk)?;
            let cid = top(&archive, &self.archive, cid, path)?;
            if self.reading.dry_run {
                return plan::dag(&self.archive, &archive, &cid, self.json);
            }
            return self.files.run(archive, &self.archive, &cid, self.json, talk);
        };
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let cid = top(&archive, &self.archive, self.cid.as_ref(), self.path.as_deref())?;
        if self.reading.dry_run {
            return plan::dag(&self.archive, &archive, &cid, self.json);
        }
        let sink = Sink::create(output, &[&self.archive])?;
        let (sink, summary) = if self.car {
            write_car(&archive, &cid, sink, talk)
        } else {
            write_dar(
                &archive,
                &cid,
                sink,
                &convert::write_options(&self.reading, !self.no_index),
                talk,
            )
        }
        .map_err(&unreadable)?;
        sink.commit()?;
        if self.json {
            print_json(output, &Counts::from(&summary))?;
            return Ok(Outcome::Done);
        }
        warn(&summary, talk);
        note_written(output, &summary, talk);
        Ok(Outcome::Done)
    }
}

pub(super) fn first_root(archive: &Archive<Source>) -> Result<Root, ReadError> {
    let root = archive.roots()?.into_iter().next();
    root.ok_or(Error::Misuse(Misuse::NoSuchBlock).into())
}

/// Reads the block of a root at its offset in the list of roots, which saves a look-up in the
/// index.
fn root_block(archive: &Archive<Source>, root: &Root) -> Result<Option<(Cid, Vec<u8>)>, ReadError> {
    let Some(at) = root.offset else { return Ok(None) };
    let block = NearReader::default().read_at(archive, FramePlace::after(at), &root.cid)?;
    Ok(block.map(|block| (root.cid.clone(), block)))
}

fn write_car(
    archive: &Archive<Source>,
    cid: &Cid,
    sink: Sink,
    talk: Talk,
) -> Result<(Sink, Summary), ReadError> {
    let mut bar = Bar::bytes("extracting", 0, talk);
    let mut walk = archive.dag(cid)?;
    let mut car =
        CarWriter::new(sink, &CidList::from([cid.clone()]))?.with_check(Some(key_check()));
    let mut done = 0_u64;
    while let Some(block) = walk.next_block()? {
        car.block(&block.cid, block.data)?;
        done = done.saturating_add(block.data.len() as u64);
        bar.set(done, done);
    }
    let (sink, len) = car.finish()?;
    let mut summary = walk.summary().clone();
    summary.len = len;
    Ok((sink, summary))
}
