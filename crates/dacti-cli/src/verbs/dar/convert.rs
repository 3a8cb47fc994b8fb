//! `dacti dar index`, `from-car` and `to-car`: the same blocks in another file.

use super::{Counts, Out, Reading, Sink, Watched, failed, note_written, open, open_archive};
use super::{print_json, shown, texts, warn};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::{Cid, ReadAt, WriteOptions, copy, from_car, to_car};
use serde::Serialize;
use std::path::PathBuf;

/// What is written from what is read.
fn write_options(reading: &Reading, index: bool) -> WriteOptions {
    let read = reading.options();
    WriteOptions {
        limits: read.limits,
        unknown_hash: read.unknown_hash,
        index,
        car_roots: None,
        missing_max: read.missing_max,
        threads: true,
    }
}

/// Copy an archive and give it an index, or take it away. Blocks and header stay as they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Index {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Write no index.
    #[arg(long)]
    remove: bool,
    /// Print the counts as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Index {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading)?;
        let mut reader = archive.stream().map_err(&unreadable)?;
        let sink = Watched::new(Sink::create(&self.out.output)?, "copying", archive.len(), talk);
        let options = write_options(&self.reading, !self.remove);
        let (sink, summary) = copy(&mut reader, sink, &options).map_err(&unreadable)?;
        sink.inner.commit()?;
        if self.json {
            print_json(&self.out.output, &Counts::from(&summary))?;
        } else {
            note_written(&self.out.output, &summary, talk);
        }
        Ok(Outcome::Done)
    }
}

/// Make a DAR of a CAR, version 1 or 2. Every block is kept, and the CAR's own list of roots.
///
/// Blocks that no root reaches become further roots, and are said.
#[derive(Debug, clap::Args)]
pub(crate) struct FromCar {
    /// The CAR; - is standard input, which is kept in a temporary file first.
    #[arg(value_name = "CAR")]
    car: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct FromCarJson {
    car_version: u8,
    car_roots: Vec<String>,
    absent_roots: Vec<String>,
    further_roots: Vec<String>,
    duplicates: u64,
    written: Counts,
}

impl FromCar {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let source = open(&self.car)?;
        let total = ReadAt::len(&source).unwrap_or(0);
        let sink = Watched::new(Sink::create(&self.out.output)?, "converting", total, talk);
        let options = write_options(&self.reading, !self.no_index);
        let (sink, report) = from_car(&source, sink, &options).map_err(failed(&self.car))?;
        sink.inner.commit()?;
        if self.json {
            let json = FromCarJson {
                car_version: report.car_version,
                car_roots: texts(&report.car_roots),
                absent_roots: texts(&report.absent_roots),
                further_roots: texts(&report.further_roots),
                duplicates: report.duplicates,
                written: Counts::from(&report.summary),
            };
            print_json(&self.out.output, &json)?;
            return Ok(Outcome::Done);
        }
        warn(&report.summary, talk);
        if talk >= Talk::Normal {
            said(&report.further_roots, "is reached by no root, and became one", talk);
        }
        note_written(&self.out.output, &report.summary, talk);
        Ok(Outcome::Done)
    }
}

fn said(cids: &[Cid], what: &str, talk: Talk) {
    let most = if talk == Talk::Verbose { usize::MAX } else { 10 };
    for cid in cids.iter().take(most) {
        output::note(&format!("{cid} {what}"));
    }
    let rest = cids.len().saturating_sub(most);
    if rest > 0 {
        output::note(&format!("and {rest} more: --verbose lists them"));
    }
}

/// Make a CAR v1 of a DAR: its blocks in their order, and the list of roots of the CAR that it came
/// from, or its own.
#[derive(Debug, clap::Args)]
pub(crate) struct ToCar {
    /// The archive; - is standard input, which is kept in a temporary file first.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct ToCarJson {
    car_roots: Vec<String>,
    car_len: u64,
    read: Counts,
}

impl ToCar {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading)?;
        let roots = match archive.header().map_err(&unreadable)?.car_roots {
            Some(roots) => roots,
            None => archive.roots().map_err(&unreadable)?.into_iter().map(|r| r.cid).collect(),
        };
        let mut reader = archive.stream().map_err(&unreadable)?;
        let sink = Watched::new(Sink::create(&self.out.output)?, "converting", archive.len(), talk);
        let sink = std::io::BufWriter::with_capacity(256 << 10, sink);
        let (sink, report) = to_car(&mut reader, Some(&roots), sink).map_err(&unreadable)?;
        let sink = sink.into_inner().map_err(|error| Failure::from(error.into_error()))?;
        sink.inner.commit()?;
        if self.json {
            let json = ToCarJson {
                car_roots: texts(&report.roots),
                car_len: report.len,
                read: Counts::from(&report.summary),
            };
            print_json(&self.out.output, &json)?;
            return Ok(Outcome::Done);
        }
        warn(&report.summary, talk);
        if talk >= Talk::Normal {
            output::note(&format!(
                "{}: {} blocks as a CAR of {}",
                shown(&self.archive),
                report.summary.blocks,
                output::bytes(report.len),
            ));
        }
        Ok(Outcome::Done)
    }
}
