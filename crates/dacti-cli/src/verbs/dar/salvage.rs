//! `dacti dar salvage`: copies the blocks of a cut or damaged archive to a new one.

use super::source::Source;
use super::{
    Counts, Out, Reading, Sink, Watched, failed, in_order, note_written, open, plan, print_json,
    texts,
};
use super::{convert, warn};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::{ReadAt, salvage};
use serde::Serialize;
use std::io;
use std::path::PathBuf;

/// Save the blocks of a cut or damaged archive as a new archive.
///
/// Blocks are found by reading in order, as far as the archive can be read, and by its index. Every
/// block is proved by its hash. Exit code 3: something was lost.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive; - is standard input, which is copied to a temporary file first.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    #[command(flatten)]
    out: Out,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print a report as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Copies a source to a temporary file, in order.
fn copied(source: Source, talk: Talk) -> io::Result<Source> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut in_order(source, "reading", talk), &mut file)?;
    Ok(Source::of_file(file))
}

#[derive(Debug, Serialize)]
struct Json {
    lost_frames: u64,
    stopped_at: Option<u64>,
    by_index: u64,
    lost_roots: Vec<String>,
    further_roots: u64,
    written: Counts,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::whole(&self.archive, &self.reading, self.json, talk);
        }
        let mut source = open(&self.archive, &self.reading, talk)?;
        if source.is_remote() {
            // The blocks are read a second time, one by one. Without a copy, each read would be a
            // request.
            source = copied(source, talk).map_err(|error| failed(&self.archive)(error.into()))?;
        }
        let total = ReadAt::len(&source).unwrap_or(0);
        let sink = Sink::create(&self.out.output, &[&self.archive])?;
        let sink = Watched::new(sink, "saving", total, talk);
        let options = convert::write_options(&self.reading, !self.no_index);
        let (sink, report) = salvage(&source, sink, &options).map_err(failed(&self.archive))?;
        sink.inner.commit()?;
        let missing = !report.summary.missing.is_empty() || report.summary.missing_more;
        let lost = report.lost_frames > 0
            || report.stopped_at.is_some()
            || !report.lost_roots.is_empty()
            || missing;
        if self.json {
            let json = Json {
                lost_frames: report.lost_frames,
                stopped_at: report.stopped_at,
                by_index: report.by_index,
                lost_roots: texts(&report.lost_roots),
                further_roots: report.further_roots,
                written: Counts::from(&report.summary),
            };
            print_json(&self.out.output, &json)?;
            return Ok(Outcome::with_loss(lost));
        }
        if let Some(at) = report.stopped_at {
            output::warning(&format!("the archive can be read in order only up to {at:#x}"));
        }
        if report.lost_frames > 0 {
            output::warning(&format!(
                "{} lost",
                output::counted(report.lost_frames, "frame was", "frames were")
            ));
        }
        for cid in report.lost_roots.iter().take(10) {
            output::warning(&format!("{cid} was a root, and is lost"));
        }
        warn(&report.summary, talk);
        note_written(&self.out.output, &report.summary, talk);
        Ok(Outcome::with_loss(lost))
    }
}
