//! `dacti inspect`: what a package is made of, down to what every byte is for.

mod json;
mod names;
mod odd;
mod svg;
mod text;

use crate::dry_run::{self, DryRun};
use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::remote::Remote;
use dacti::Limits;
use dacti::report::FileMap;
use std::io::Write;
use std::path::PathBuf;

/// Show what a package is made of: head, tables, components, groups, and what every byte is for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print one JSON object: format, length, tables, components, index, diagnostics, layout,
    /// seals, map.
    #[arg(long)]
    json: bool,
    /// Print a picture of the package as SVG: each byte of the head, and the whole file to scale.
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Args {
    pub(crate) fn run(mut self) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        self.remote.counts = self.dry_run.dry_run;
        let (package, costs) = self.remote.open(&self.package, Limits::default())?.into_parts();
        if self.dry_run.dry_run {
            let then = "of the bytes that nobody claims, the first ones";
            let costs = (&costs, &self.remote);
            dry_run::print_list(&self.package, &package, then, costs, self.json)?;
            return Ok(Outcome::Done);
        }
        let mut out = output::stdout();
        if !self.json && !self.svg {
            // First what needs no index: one inspects what is at fault.
            text::print_head(&mut out, &package)?;
            out.flush()?;
        }
        let scan = package.scan_index().map_err(failed)?;
        let (groups, map) = (scan.groups(), FileMap::of(&package, &scan).map_err(failed)?);
        if self.json {
            output::json(&mut out, &json::Inspection::new(&package, groups, &map))?;
        } else if self.svg {
            svg::print(&mut out, &output::shown(&self.package), &map)?;
        } else {
            text::print_index(&mut out, &package, groups, &map)?;
        }
        out.flush()?;
        costs.tell(&self.remote);
        Ok(Outcome::Done)
    }
}
