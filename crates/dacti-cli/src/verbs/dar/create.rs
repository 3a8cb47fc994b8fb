//! `dacti dar create`: files and folders become a `UnixFS` DAG in an archive.

use super::unixfs::Builder;
use super::{Counts, Out, Sink, Watched, failed, note_written};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::{Limits, WriteOptions, Writer, write_dag};
use serde::Serialize;
use std::path::PathBuf;

/// Make an archive of files and folders, as a `UnixFS` DAG: what IPFS nodes make of them with raw
/// leaves and CIDs of version 1.
///
/// The archive has one root for each argument. Symbolic links are refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and folders.
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    out: Out,
    /// Bytes of a file in one block.
    #[arg(long, value_name = "BYTES", default_value_t = 262_144,
        value_parser = clap::value_parser!(u32).range(1024..=2_097_152))]
    chunk: u32,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print what was written as one JSON object, unless the archive goes to standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Json {
    roots: Vec<JsonRoot>,
    written: Counts,
}

#[derive(Debug, Serialize)]
struct JsonRoot {
    path: String,
    cid: String,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let mut builder = Builder::new(self.chunk, talk);
        let mut roots = Vec::new();
        for input in &self.inputs {
            roots.push((input.display().to_string(), builder.add(input)?));
        }
        let options = WriteOptions {
            limits: Limits::default(),
            index: !self.no_index,
            threads: true,
            ..WriteOptions::default()
        };
        let total = builder.len();
        let sink = Watched::new(Sink::create(&self.out.output)?, "writing", total, talk);
        let unwritable = failed(&self.out.output);
        let mut writer = Writer::with_options(sink, &options).map_err(&unwritable)?;
        let mut written = Vec::new();
        for (_, cid) in &roots {
            // The same content twice is one root.
            if !written.contains(cid) {
                write_dag(&mut writer, cid, &mut builder).map_err(&unwritable)?;
                written.push(*cid);
            }
        }
        let (sink, summary) = writer.finish().map_err(&unwritable)?;
        sink.inner.commit()?;
        let standard = super::is_standard(&self.out.output);
        if self.json && !standard {
            let roots =
                roots.into_iter().map(|(path, cid)| JsonRoot { path, cid: cid.to_string() });
            let json = Json { roots: roots.collect(), written: Counts::from(&summary) };
            output::json(&mut std::io::stdout().lock(), &json)?;
        } else if talk >= Talk::Normal {
            for (path, cid) in &roots {
                output::note(&format!("{cid} {}", output::printable(path)));
            }
            note_written(&self.out.output, &summary, talk);
        }
        Ok(Outcome::Done)
    }
}
