//! `dacti gc`: deletes parts and archived heads that no reader needs any more.

use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, counted};
use crate::{Talk, output, place};
use core::time::Duration;
use dacti::publish::{Collected, StoredObject, collect};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Delete parts that no head names any more, and archived heads past the grace.
///
/// Without --delete, the objects are listed and nothing is deleted. A part stays if any head in the
/// package's folder names it, including tags, previews and archived heads within the grace. Objects
/// that were stored within the grace stay, too, because a publisher may be about to name them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package: the path of its head, or the head's URL, such as `s3://BUCKET/NAME` (or `gs://`,
    /// `az://`).
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The grace: the time in days for which replaced versions stay readable.
    #[arg(long, value_name = "DAYS", default_value_t = 7.0, value_parser = days)]
    grace: f64,
    /// Delete the objects, instead of only listing them.
    #[arg(long)]
    delete: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn days(text: &str) -> Result<f64, String> {
    let days: f64 = text.parse().map_err(|_| "expected a number of days, such as 7 or 0.5")?;
    if (0.0..=36_500.0).contains(&days) {
        return Ok(days);
    }
    Err("expected a number of days from 0 to 36500".into())
}

#[derive(Debug, Serialize)]
struct Json<'c> {
    package: String,
    deleted: bool,
    heads: Vec<&'c str>,
    parts: Vec<&'c str>,
    bytes: u64,
    kept: usize,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let place = place::of(&self.package)?;
        let grace = Duration::from_secs_f64(self.grace * 86_400.0);
        let collected = collect(&place, grace, !self.delete);
        let collected = collected.map_err(|error| Failure::with(&self.package, &error))?;
        let Collected { heads, parts, kept } = &collected;
        let all = || heads.iter().chain(parts);
        let total = all().fold(0, |sum: u64, object| sum.saturating_add(object.len));
        if self.json {
            let names = |objects: &'_ [StoredObject]| -> Vec<String> {
                objects.iter().map(|object| object.name.clone()).collect()
            };
            let (heads, parts) = (names(heads), names(parts));
            let json = Json {
                package: place.shown(),
                deleted: self.delete,
                heads: heads.iter().map(String::as_str).collect(),
                parts: parts.iter().map(String::as_str).collect(),
                bytes: total,
                kept: *kept,
            };
            output::json(&mut std::io::stdout().lock(), &json)?;
            return Ok(Outcome::Done);
        }
        let mut out = output::stdout();
        for object in all() {
            writeln!(out, "{:>12}  {}", bytes(object.len), output::printable(&object.name))?;
        }
        out.flush()?;
        if talk >= Talk::Normal {
            let count =
                counted(u64::try_from(all().count()).unwrap_or(u64::MAX), "object", "objects");
            let what = if self.delete { "deleted" } else { "to delete with --delete" };
            output::note(&format!("{count} ({}) {what}, {kept} stay", bytes(total)));
        }
        Ok(Outcome::Done)
    }
}
