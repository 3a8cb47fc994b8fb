//! `dacti dar ls` and `dacti dar roots`: the blocks and the roots of an archive.

use super::{Reading, failed, open_archive, open_stream, plan, warn};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::StreamEvent;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// List the blocks of an archive in their order. Reads and checks the whole archive.
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// Print offset and length too, and back-references.
    #[arg(long, short)]
    long: bool,
    /// Print one JSON object a line: `kind` (root, block, repeat), `cid`, `at`, `len`, `target`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

/// One line of `ls --json`.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    cid: String,
    at: u64,
    len: Option<u64>,
    target: Option<u64>,
}

impl Ls {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::whole(&self.archive, &self.reading, self.json, talk);
        }
        let unreadable = failed(&self.archive);
        let mut out = output::stdout();
        let mut reader = open_stream(&self.archive, "listing", &self.reading, talk)?;
        loop {
            let event = reader.next_event().map_err(&unreadable);
            if event.is_err() {
                // Flushes the output, so that the blocks before the fault appear before the error.
                out.flush()?;
            }
            let line = match event? {
                Some(StreamEvent::Root { cid, at }) => {
                    Line { kind: "root", cid: cid.to_string(), at, len: None, target: None }
                }
                Some(StreamEvent::Block { cid, at, data }) => {
                    let len = Some(data.len() as u64);
                    Line { kind: "block", cid: cid.to_string(), at, len, target: None }
                }
                Some(StreamEvent::Repeat { cid, at, target }) => {
                    let target = Some(target);
                    Line { kind: "repeat", cid: cid.to_string(), at, len: None, target }
                }
                Some(_) => continue,
                None => break,
            };
            self.print(&mut out, &line)?;
        }
        out.flush()?;
        warn(reader.summary(), talk);
        Ok(Outcome::Done)
    }

    fn print(&self, out: &mut impl Write, line: &Line) -> std::io::Result<()> {
        if self.json {
            return output::json(out, line);
        }
        let Line { kind, cid, at, len, target } = line;
        if !self.long {
            return if *kind == "block" { writeln!(out, "{cid}") } else { Ok(()) };
        }
        let len = match (len, target) {
            (Some(len), _) => len.to_string(),
            (None, Some(target)) => format!("={target:#x}"),
            (None, None) => "-".into(),
        };
        writeln!(out, "{at:#012x} {len:>12} {kind:6} {cid}")
    }
}

/// List the roots of an archive. Reads only its trailer.
#[derive(Debug, clap::Args)]
pub(crate) struct Roots {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// Print one JSON object a line: `cid`, `at` (null if the trailer states no offset).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct RootLine {
    cid: String,
    at: Option<u64>,
}

impl Roots {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::roots(&self.archive, &self.reading, self.json, talk);
        }
        let archive = open_archive(&self.archive, &self.reading, talk)?;
        let mut out = output::stdout();
        for root in archive.roots().map_err(failed(&self.archive))? {
            let line = RootLine { cid: root.cid.to_string(), at: root.offset };
            if self.json {
                output::json(&mut out, &line)?;
            } else {
                writeln!(out, "{}", line.cid)?;
            }
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}
