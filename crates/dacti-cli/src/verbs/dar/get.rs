//! `dacti dar get` and `dacti dar extract`: one block, and the DAG under one.

use super::{Counts, Out, Reading, Sink, failed, note_written, open_archive, parse_cid};
use super::{print_json, warn};
use crate::Talk;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use dacti::AtomicFile;
use dacti_dar::{
    Archive, BlockPlace, BlockStore, CarWriter, Cid, Misuse, ReadAt, ReadError, WriteOptions,
};
use dacti_dar::{Error, Summary, Writer, is_identity, write_dag};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// Print one block, checked against its CID.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// The block.
    #[arg(value_name = "CID", value_parser = parse_cid)]
    cid: Cid,
    /// Write to this file, which appears whole or not at all, and not to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print what was written as one JSON object: `cid`, `codec`, `len`.
    #[arg(long, requires = "output")]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// What `get --json` prints. Stable: fields may be added, none taken away.
#[derive(Debug, Serialize)]
struct Gotten {
    cid: String,
    codec: u64,
    len: u64,
}

impl Get {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let archive = open_archive(&self.archive, &self.reading)?;
        let found = find(&archive, &self.cid).map_err(failed(&self.archive))?;
        let shown = self.archive.display();
        let data =
            found.ok_or_else(|| Failure::Failed(format!("{shown}: {} is not in it", self.cid)))?;
        if let Some(path) = &self.output {
            let mut file = AtomicFile::create(path)?;
            file.write_all(&data)
                .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
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
            let message = "the block is binary: -o FILE writes it to a file, a pipe takes it too";
            return Err(Failure::Failed(message.into()));
        }
        out.write_all(&data)?;
        out.flush()?;
        Ok(Outcome::Done)
    }
}

/// By the index; where there is none, by reading the archive.
fn find<S: ReadAt>(archive: &Archive<S>, cid: &Cid) -> Result<Option<Vec<u8>>, ReadError> {
    match archive.get(cid) {
        Err(ReadError::Format(Error::Misuse(Misuse::NoIndex))) => {
            let mut reader = archive.stream()?;
            while let Some((found, data)) = reader.next_block()? {
                if found == *cid {
                    return Ok(Some(data.to_vec()));
                }
            }
            Ok(None)
        }
        other => other,
    }
}

/// Write the DAG under a block as an archive of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct Extract {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// The top of the DAG; the archive's first root by default.
    #[arg(value_name = "CID", value_parser = parse_cid)]
    cid: Option<Cid>,
    #[command(flatten)]
    out: Out,
    /// Write a CAR v1, and not a DAR.
    #[arg(long)]
    car: bool,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print the counts of what was written as one JSON object; to standard error where the
    /// archive goes to standard output.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Blocks by the places that a walk has met.
struct Places<'a> {
    archive: &'a Archive<File>,
    met: HashMap<Cid, BlockPlace>,
    bar: Bar,
    done: u64,
    total: u64,
}

impl BlockStore for Places<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        let Some(located) = self.met.get(cid) else { return Ok(false) };
        let Some(data) = self.archive.block_at(cid, located)? else { return Ok(false) };
        self.done = self.done.saturating_add(data.len() as u64);
        self.bar.set(self.done, self.total);
        *into = data;
        Ok(true)
    }
}

impl Extract {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading)?;
        let cid = match self.cid {
            Some(cid) => cid,
            None => first_root(&archive).map_err(&unreadable)?,
        };
        let sink = Sink::create(&self.out.output)?;
        let (sink, summary) = if self.car {
            write_car(&archive, &cid, sink, talk)
        } else {
            self.write_dar(&archive, &cid, sink, talk)
        }
        .map_err(&unreadable)?;
        sink.commit()?;
        if self.json {
            print_json(&self.out.output, &Counts::from(&summary))?;
            return Ok(Outcome::Done);
        }
        warn(&summary, talk);
        note_written(&self.out.output, &summary, talk);
        Ok(Outcome::Done)
    }

    fn write_dar(
        &self,
        archive: &Archive<File>,
        cid: &Cid,
        sink: Sink,
        talk: Talk,
    ) -> Result<(Sink, Summary), ReadError> {
        let mut walk = archive.dag(cid)?;
        let mut met = HashMap::new();
        let mut total = 0_u64;
        while let Some(block) = walk.next_block()? {
            let len = u32::try_from(block.data.len()).unwrap_or(u32::MAX);
            total = total.saturating_add(u64::from(len));
            let located = BlockPlace { offset: block.at, len, subtree_len: 0 };
            met.insert(block.cid, located);
        }
        let read = self.reading.options();
        let options = WriteOptions {
            limits: read.limits,
            unknown_hash: read.unknown_hash,
            index: !self.no_index,
            car_roots: None,
            missing_max: read.missing_max,
            threads: true,
        };
        let bar = Bar::bytes("extracting", total, talk);
        let mut store = Places { archive, met, bar, done: 0, total };
        let mut writer = Writer::with_options(sink, &options)?;
        write_dag(&mut writer, cid, &mut store)?;
        writer.finish()
    }
}

fn first_root(archive: &Archive<File>) -> Result<Cid, ReadError> {
    let roots = archive.roots()?;
    let root = roots.iter().find(|root| !is_identity(&root.cid));
    root.map(|root| root.cid).ok_or(Error::Misuse(Misuse::NoSuchBlock).into())
}

fn write_car(
    archive: &Archive<File>,
    cid: &Cid,
    sink: Sink,
    talk: Talk,
) -> Result<(Sink, Summary), ReadError> {
    let mut bar = Bar::bytes("extracting", 0, talk);
    let mut walk = archive.dag(cid)?;
    let mut car = CarWriter::new(sink, core::slice::from_ref(cid))?;
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
