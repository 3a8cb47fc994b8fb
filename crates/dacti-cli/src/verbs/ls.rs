//! `dacti ls`: the regions of a package.

use crate::dry_run::{self, DryRun};
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome};
use crate::remote::Remote;
use crate::select::{self, Globs};
use crate::{Talk, output};
use dacti::{Limits, Listed};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use uuid::Uuid;

/// List the regions of a package: those with paths by path, then the others by id.
///
/// No region is read for it: of what is listed, `--key` checks the names list alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    /// Only paths that match. Without a slash it means a name in any folder, with one in front it
    /// starts at the root; regions without a path match by their id.
    glob: Option<String>,
    #[command(flatten)]
    trust: Trust,
    /// Print id, place, lengths and encoding too.
    #[arg(long, short)]
    long: bool,
    /// Print one JSON object a line: `id`, `path`, `at`, `stored_len`, `decoded_len`, `encoding`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// One line of `ls --json`. Lengths and places are in bytes; what is not known is null.
#[derive(Debug, Serialize)]
struct Line<'l> {
    id: Uuid,
    path: Option<&'l str>,
    at: u64,
    stored_len: u64,
    decoded_len: Option<u64>,
    encoding: String,
}

impl<'l> From<&'l Listed> for Line<'l> {
    fn from(listed: &'l Listed) -> Self {
        Self {
            id: listed.located.id,
            path: listed.path.as_deref(),
            at: listed.located.span.start,
            stored_len: listed.located.span.len(),
            decoded_len: listed.decoded_len,
            encoding: listed.located.encoding.to_string(),
        }
    }
}

impl Args {
    pub(crate) fn run(mut self, talk: Talk) -> Result<Outcome, Failure> {
        let globs = Globs::new(&self.glob)?;
        let failed = |error| Failure::with(&self.package, &error);
        self.remote.counts = self.dry_run.dry_run;
        let (package, costs) = self.remote.open(&self.package, Limits::default())?.into_parts();
        if self.dry_run.dry_run {
            let then = "";
            let costs = (&costs, &self.remote);
            dry_run::print_list(&self.package, &package, then, costs, self.json)?;
            return Ok(Outcome::Done);
        }
        let package = self.trust.applied(package)?;
        let mut faults = Vec::new();
        let listed = package.list_lossy(&mut faults).map_err(failed)?;
        let mut out = output::stdout();
        let mut matched = false;
        for listed in &listed {
            if globs.is_empty() || globs.matches(&listed.name()) {
                matched = true;
                self.print(&mut out, listed)?;
            }
        }
        out.flush()?;
        output::errors(faults.iter(), "");
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        // Where names are lost, what has no name may be what was meant.
        if let Some(glob) = self.glob.filter(|_| !matched && faults.is_empty()) {
            return Err(select::nothing_matches(&self.package, &glob, &listed));
        }
        Ok(Outcome::with_loss(!faults.is_empty()))
    }

    fn print(&self, out: &mut impl Write, listed: &Listed) -> std::io::Result<()> {
        let line = Line::from(listed);
        if self.json {
            return output::json(out, &line);
        }
        let name = output::printable(&listed.name());
        if !self.long {
            return writeln!(out, "{name}");
        }
        let decoded = line.decoded_len.map_or_else(|| "-".into(), |len| len.to_string());
        let Line { id, at, stored_len, encoding, .. } = line;
        writeln!(out, "{id} {at:#012x} {stored_len:>12} {decoded:>12} {encoding:4} {name}")
    }
}
