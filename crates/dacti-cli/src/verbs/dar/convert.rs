//! `dacti dar index`, `from-car` and `to-car`: the same blocks in another file.

use super::{Counts, Out, Reading, Sink, Watched, failed, note_written, open, open_archive, plan};
use super::{Texts, print_json, shown, warn};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use clap::ValueEnum;
use dacti::dar::key_check;
use dacti_dar::{CidList, LinkOrder, ReadAt, WriteOptions, copy, from_car, to_car};
use serde::Serialize;
use std::path::PathBuf;

/// Returns the options of a writer that copies. The writer refuses private keys, because archives
/// are published.
pub(super) fn write_options(reading: &Reading, index: bool) -> WriteOptions {
    let read = reading.options();
    WriteOptions {
        limits: read.limits,
        unknown_hash: read.unknown_hash,
        index,
        car_roots: None,
        link_order: LinkOrder::Bytes,
        allow_padding: false,
        missing_max: read.missing_max,
        threads: true,
        check: Some(key_check()),
    }
}

/// Copy an archive and add an index, or remove the index. Blocks and header stay as they are.
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
        if self.reading.dry_run {
            return plan::whole(&self.archive, &self.reading, self.json, talk);
        }
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let mut reader = archive.stream().map_err(&unreadable)?;
        let sink = Sink::create(&self.out.output, &[&self.archive])?;
        let sink = Watched::new(sink, "copying", archive.len(), talk);
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

/// Make a DAR archive from a CAR of version 1 or 2. All blocks and the CAR's own list of roots are
/// kept. A block with a private key of dacti is refused.
///
/// Blocks that no root reaches become further roots, and are listed.
#[derive(Debug, clap::Args)]
pub(crate) struct FromCar {
    /// The CAR; - is standard input, which is copied to a temporary file first.
    #[arg(value_name = "CAR")]
    car: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Accept zeros after the CAR's last section, up to its end.
    #[arg(long)]
    allow_padding: bool,
    /// The order in which links are followed: `bytes`, their order in a block, or `mst`, the order
    /// of the keys of the Merkle search trees of AT protocol repositories.
    #[arg(long, value_name = "ORDER", default_value = "bytes")]
    link_order: Links,
    /// Print a report as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Links {
    Bytes,
    Mst,
}

#[derive(Debug, Serialize)]
struct FromCarJson {
    car_version: u8,
    car_roots: Texts,
    absent_roots: Texts,
    further_roots: Texts,
    duplicates: u64,
    written: Counts,
}

impl FromCar {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::whole(&self.car, &self.reading, self.json, talk);
        }
        let source = open(&self.car, &self.reading, talk)?;
        let total = ReadAt::len(&source).unwrap_or(0);
        let sink = Sink::create(&self.out.output, &[&self.car])?;
        let sink = Watched::new(sink, "converting", total, talk);
        let link_order = match self.link_order {
            Links::Bytes => LinkOrder::Bytes,
            Links::Mst => LinkOrder::MerkleSearchTree,
        };
        let allow_padding = self.allow_padding;
        let options = write_options(&self.reading, !self.no_index);
        let options = WriteOptions { link_order, allow_padding, ..options };
        let (sink, report) = from_car(&source, sink, &options).map_err(failed(&self.car))?;
        sink.inner.commit()?;
        if self.json {
            let json = FromCarJson {
                car_version: report.car_version,
                car_roots: Texts(report.car_roots),
                absent_roots: Texts(report.absent_roots),
                further_roots: Texts(report.further_roots),
                duplicates: report.duplicates,
                written: Counts::from(&report.summary),
            };
            print_json(&self.out.output, &json)?;
            return Ok(Outcome::Done);
        }
        warn(&report.summary, talk);
        if talk >= Talk::Normal {
            list(&report.further_roots, "is not reached from a root, so it became a root", talk);
        }
        note_written(&self.out.output, &report.summary, talk);
        Ok(Outcome::Done)
    }
}

/// Prints the first CIDs of a list, or all with --verbose.
fn list(cids: &CidList, what: &str, talk: Talk) {
    let most = if talk == Talk::Verbose { usize::MAX } else { 10 };
    for cid in cids.iter().take(most) {
        output::note(&format!("{cid} {what}"));
    }
    let rest = cids.len().saturating_sub(most);
    if rest > 0 {
        output::note(&format!("and {rest} more: --verbose lists them"));
    }
}

/// Make a CAR of version 1 from a DAR archive. Blocks keep their order. If the DAR was made from a
/// CAR, the new CAR gets the list of roots of that CAR. Otherwise it gets the roots of the DAR.
#[derive(Debug, clap::Args)]
pub(crate) struct ToCar {
    /// The archive; - is standard input, which is copied to a temporary file first.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Print a report as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct ToCarJson {
    car_roots: Texts,
    car_len: u64,
    read: Counts,
}

impl ToCar {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::whole(&self.archive, &self.reading, self.json, talk);
        }
        let unreadable = failed(&self.archive);
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let roots = match archive.header().map_err(&unreadable)?.car_roots {
            Some(roots) => roots,
            None => archive.roots().map_err(&unreadable)?.into_iter().map(|r| r.cid).collect(),
        };
        let mut reader = archive.stream().map_err(&unreadable)?;
        let sink = Sink::create(&self.out.output, &[&self.archive])?;
        let sink = Watched::new(sink, "converting", archive.len(), talk);
        let sink = std::io::BufWriter::with_capacity(256 << 10, sink);
        let (sink, report) =
            to_car(&mut reader, Some(&roots), Some(key_check()), sink).map_err(&unreadable)?;
        let sink = sink.into_inner().map_err(|error| Failure::from(error.into_error()))?;
        sink.inner.commit()?;
        if self.json {
            let json = ToCarJson {
                car_roots: Texts(report.roots),
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
