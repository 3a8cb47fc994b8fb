//! `dacti log`: lists the archived versions of a published package.

use crate::outcome::{Failure, Outcome};
use crate::output::bytes;
use crate::{Talk, output, place};
use dacti::publish::{ArchivedHead, history};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// List the archived versions of a published package, the latest first.
///
/// A publication archives the head that it replaces if the new head drops some of its parts, or if
/// --archive is given. `dacti get --at N` reads from a version, and `dacti tag` brings one back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package: the path of its head, or the head's URL, such as `s3://BUCKET/NAME` (or `gs://`,
    /// `az://`).
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Print each version as a JSON object on a line of its own.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Json<'h> {
    version: u64,
    stored: String,
    len: u64,
    signed: bool,
    object: &'h str,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let place = place::with_history(&self.package)?;
        let heads = history(&place).map_err(|error| Failure::with(&self.package, &error))?;
        let mut out = output::stdout();
        for head in &heads {
            let ArchivedHead { name, sequence, modified, is_signed, len } = head;
            let (version, stored) = (*sequence, time(*modified));
            if self.json {
                let json = Json { version, stored, len: *len, signed: *is_signed, object: name };
                output::json(&mut out, &json)?;
            } else {
                let signed = if *is_signed { "signed" } else { "" };
                writeln!(out, "{version:>8}  {stored}  {:>12}  {signed}", bytes(*len))?;
            }
        }
        out.flush()?;
        if heads.is_empty() && talk >= Talk::Normal && !self.json {
            output::note(&format!("{} has no archived versions", place.shown()));
        }
        Ok(Outcome::Done)
    }
}

/// Returns a time as RFC 3339 writes it, to the second.
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
