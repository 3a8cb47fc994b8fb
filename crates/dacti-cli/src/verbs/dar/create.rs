//! `dacti dar create`: files and folders become a UnixFS DAG in an archive.

use super::tree::Tree;
use super::{Counts, Out, Sink, Watched, failed, note_written};
use crate::collect::LeftOut;
use crate::outcome::{Failure, Outcome};
use crate::{Talk, files, output};
use clap::ValueEnum;
use dacti::dar::key_check;
use dacti_dar::unixfs::Profile;
use dacti_dar::{WriteOptions, Writer, write_dag};
use serde::Serialize;
use std::path::PathBuf;

/// Make an archive of files and folders as a UnixFS DAG. IPFS nodes make the same DAG of the same
/// files, with raw leaves and CIDs of version 1, for folders of any size.
///
/// The archive has one root for each argument. Private keys of dacti are refused, and temporary
/// files of dacti and the output itself are left out.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Args {
    /// Files and folders.
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    out: Out,
    /// The parameters that determine the DAG: `default`, the defaults of IPFS nodes, or
    /// `unixfs-v1-2025` (IPIP-499).
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: Shape,
    /// Bytes of a file in one block; by default those of the profile.
    #[arg(long, value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=2_097_152))]
    chunk: Option<u32>,
    /// How to treat symbolic links in folders: keep them as links, refuse them, follow them, or
    /// skip them.
    #[arg(long, value_name = "HOW", default_value = "keep")]
    symlinks: Links,
    /// Record the permission bits of files and folders.
    #[arg(long)]
    keep_modes: bool,
    /// Record the modification times of files and folders.
    #[arg(long)]
    keep_times: bool,
    /// Write no index.
    #[arg(long)]
    no_index: bool,
    /// Print a report as one JSON object, unless the archive goes to standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    Default,
    #[value(name = "unixfs-v1-2025")]
    V1Of2025,
}

/// The treatment of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Links {
    Keep,
    Refuse,
    Follow,
    Skip,
}

/// The rules about entries of folders, and the counts of entries that were left out.
#[derive(Debug)]
pub(super) struct Guards {
    pub(super) links: Links,
    pub(super) keep_modes: bool,
    pub(super) keep_times: bool,
    /// The place of the archive.
    pub(super) output: Option<PathBuf>,
    pub(super) left_out: LeftOut,
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
        let mut tree = Tree::new(self.profile(), self.guards(), talk);
        let mut roots = Vec::new();
        for input in &self.inputs {
            roots.push((output::place(input), tree.add(input)?));
        }
        if talk >= Talk::Normal {
            tree.guards().left_out.notes().iter().for_each(|note| output::note(note));
        }
        // The files were searched for private keys when the tree was read. This check also searches
        // the names of entries and the targets of links.
        let check = Some(key_check());
        let (index, threads) = (!self.no_index, true);
        let options = WriteOptions { index, threads, check, ..WriteOptions::default() };
        let total = tree.len();
        // No inputs are passed here, because each input was compared with the output when the tree
        // was read.
        let sink = Watched::new(Sink::create(&self.out.output, &[])?, "writing", total, talk);
        let unwritable = failed(&self.out.output);
        let mut writer = Writer::with_options(sink, &options).map_err(&unwritable)?;
        let mut written = Vec::new();
        for (_, cid) in &roots {
            // Two arguments with the same content make one root.
            if !written.contains(cid) {
                write_dag(&mut writer, cid, &mut tree).map_err(&unwritable)?;
                written.push(cid.clone());
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

    fn profile(&self) -> Profile {
        let mut profile = match self.profile {
            Shape::Default => Profile::default(),
            Shape::V1Of2025 => Profile::v1_2025(),
        };
        profile.chunk_len = self.chunk.unwrap_or(profile.chunk_len);
        profile
    }

    fn guards(&self) -> Guards {
        let standard = super::is_standard(&self.out.output);
        Guards {
            links: self.symlinks,
            keep_modes: self.keep_modes,
            keep_times: self.keep_times,
            output: files::place(&self.out.output).filter(|_| !standard),
            left_out: LeftOut::default(),
        }
    }
}
