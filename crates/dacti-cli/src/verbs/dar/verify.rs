//! `dacti dar verify`: checks that an archive is whole.

use super::{Counts, Reading, blocks_and_roots, failed, open_stream, plan, shown, warn};
use crate::outcome::{Failure, Outcome};
use crate::{Talk, output};
use dacti_dar::Summary;
use std::path::PathBuf;

/// Verify an archive: compare every block with its CID, and compare the order, the index, the roots
/// and the digest with the blocks.
///
/// Exit code 0: the archive is whole. 1: it is damaged, or cannot be read. 3: it is whole, but
/// blocks are missing (with --complete) or could not be proved.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The archive; - is standard input.
    #[arg(value_name = "DAR")]
    archive: PathBuf,
    /// Count missing blocks as lost: blocks that a link names and the archive does not hold.
    /// Without this option such blocks are only listed.
    #[arg(long)]
    complete: bool,
    /// Print the counts as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.reading.dry_run {
            return plan::whole(&self.archive, &self.reading, self.json, talk);
        }
        let summary = self.verify(talk)?;
        if self.json {
            output::json(&mut std::io::stdout().lock(), &Counts::from(&summary))?;
        } else {
            warn(&summary, talk);
            if talk >= Talk::Normal {
                output::note(&format!(
                    "{}: whole; {}, {} in {}{}",
                    shown(&self.archive),
                    blocks_and_roots(&summary),
                    output::bytes(summary.block_bytes),
                    output::bytes(summary.len),
                    if summary.indexed { ", with an index" } else { "" },
                ));
            }
        }
        let missing = !summary.missing.is_empty() || summary.missing_more;
        Ok(Outcome::with_loss(summary.unproven > 0 || (self.complete && missing)))
    }

    fn verify(&self, talk: Talk) -> Result<Summary, Failure> {
        let reader = open_stream(&self.archive, "verifying", &self.reading, talk)?;
        reader.verify().map_err(failed(&self.archive))
    }
}
