//! `dacti ls`: lists the regions of a package.

use crate::dry_run::{self, DryRun};
use crate::json::Place;
use crate::keep;
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome};
use crate::remote::Remote;
use crate::select;
use crate::{Talk, output, overlap};
use dacti::{Limits, ListedRef};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use uuid::Uuid;

/// List the regions of a package: those with a path by path, then the others by id.
///
/// Regions are not read, so --key checks only the signature of the names list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    /// List only regions whose path matches this pattern. Regions without a path match by their id.
    /// A pattern without a slash matches a name in any folder; a pattern that begins with a slash
    /// matches from the root. A pattern that is the path of a region means only that region.
    pattern: Option<String>,
    #[command(flatten)]
    trust: Trust,
    /// Also print ids, places, lengths and encodings. If any listed file has attributes, two more
    /// columns are printed: x for a program, and the modification time.
    #[arg(long, short)]
    long: bool,
    /// Print one JSON object a line, which docs/json.md describes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// One line of `ls --json`.
#[derive(Debug, Serialize)]
struct Line<'l> {
    path: Option<&'l str>,
    id: Uuid,
    kind: &'static str,
    place: Place,
    decoded_len: Option<u64>,
    encoding: String,
    modified: Option<String>,
    executable: Option<bool>,
}

impl<'l> From<&ListedRef<'l>> for Line<'l> {
    fn from(listed: &ListedRef<'l>) -> Self {
        Self {
            path: listed.path,
            id: listed.located.id,
            kind: "region",
            place: listed.located.span.into(),
            decoded_len: listed.decoded_len(),
            encoding: listed.located.encoding.to_string(),
            modified: listed.attributes.modified.map(keep::text),
            executable: listed.attributes.executable,
        }
    }
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let (package, costs) =
            self.remote.open(&self.package, Limits::default(), self.dry_run.dry_run, talk)?;
        if self.dry_run.dry_run {
            let then = "";
            let costs = (&costs, &self.remote);
            dry_run::print_list(&self.package, &package, then, costs, self.json)?;
            return Ok(Outcome::Done);
        }
        let package = self.trust.applied(package)?;
        let mut faults = Vec::new();
        let listing = package.listing(&mut faults).map_err(failed)?;
        if let Some(found) = overlap::find(&package, &listing) {
            found.tell(talk);
        }
        let mut out = output::stdout();
        let wanted = select::matching(self.pattern.as_deref(), &listing)?;
        let keeps = self.long && wanted.clone().any(|listed| !listed.attributes.is_empty());
        let mut has_match = false;
        for listed in wanted {
            has_match = true;
            self.print(&mut out, &listed, keeps)?;
        }
        out.flush()?;
        output::errors(faults.iter(), "");
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        // If no region matches, the command fails, unless a segment of the names list is lost: the
        // pattern may match a path of the lost segment.
        if let Some(pattern) = self.pattern.filter(|_| !has_match && faults.is_empty()) {
            return Err(select::nothing_matches(&self.package, &pattern, listing.iter()));
        }
        Ok(Outcome::with_loss(!faults.is_empty()))
    }

    fn print(
        &self,
        out: &mut impl Write,
        listed: &ListedRef<'_>,
        keeps: bool,
    ) -> std::io::Result<()> {
        if self.json {
            return output::json(out, &Line::from(listed));
        }
        let name = listed.name();
        let name = output::printable(&name);
        if self.long {
            let Line { id, encoding, decoded_len, executable, modified, .. } = Line::from(listed);
            let decoded = decoded_len.map_or_else(|| "-".into(), |len| len.to_string());
            let (at, stored_len) = (listed.located.span.start, listed.located.span.len());
            write!(out, "{id} {at:#012x} {stored_len:>12} {decoded:>12} {encoding:4} ")?;
            if keeps {
                let x = if executable == Some(true) { "x" } else { "-" };
                write!(out, "{x} {:20} ", modified.unwrap_or_else(|| "-".into()))?;
            }
        }
        out.write_all(name.as_bytes())?;
        out.write_all(b"\n")
    }
}
