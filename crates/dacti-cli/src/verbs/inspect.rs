//! `dacti inspect`: the parts of a file, down to the use of every byte.

mod serve;
mod svg;
mod text;

use crate::dry_run::{self, DryRun};
use crate::outcome::{Failure, Outcome};
use crate::remote::{self, Remote};
use crate::{Talk, output};
use dacti::fetch::{FileSource, ReadAt};
use dacti::report::FileMap;
use dacti::report::inspect::{ContainerMap, Inspection, Outline, is_other_format, oddities};
use dacti::{Error, Limits};
use std::io::{self, Write};
use std::path::PathBuf;

/// Show the parts of a file: format, tables, components, groups, and the use of every byte.
///
/// A package is shown with its index, layout and seals. Any other daicon file on disk is shown
/// with its format, tables and components.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package, or another daicon file.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print one JSON object, which docs/json.md describes.
    #[arg(long)]
    json: bool,
    /// Print a picture as SVG: each byte of the first 64 KiB, and the whole file to scale.
    #[arg(long, conflicts_with = "json")]
    svg: bool,
    /// Show the file in a browser: a map of all bytes, regions with previews, and the requests that
    /// reading takes. Serves the pages at a port of this machine, any free one by default, until
    /// Ctrl-C. PKG may be a URL that pages of other sites may read (CORS). The page can open other
    /// files, too, but it shows a map only for PKG.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true,
        default_missing_value = "0", conflicts_with_all = ["json", "svg", "dry_run"])]
    serve: Option<u16>,
    #[command(flatten)]
    remote: Remote,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if let Some(port) = self.serve {
            return serve::run(&self.package, port, || self.inspection(talk), talk);
        }
        if let Some(source) = self.other_format() {
            return self.show_container(&source);
        }
        let failed = |error| Failure::with(&self.package, &error);
        let (package, costs) =
            self.remote.open(&self.package, Limits::default(), self.dry_run.dry_run, talk)?;
        if self.dry_run.dry_run {
            let then = "the first 64 MiB of unclaimed bytes";
            let costs = (&costs, &self.remote);
            dry_run::print_list(&self.package, &package, then, costs, self.json)?;
            return Ok(Outcome::Done);
        }
        let mut out = output::stdout();
        let outline = Outline::of(&package);
        if !self.json && !self.svg {
            // The parts that need no index come first, because people inspect damaged files.
            text::print_outline(&mut out, &outline)?;
            text::print_layout(&mut out, &package)?;
            text::print_seals(&mut out, &package)?;
            text::print_parts(&mut out, &package)?;
            out.flush()?;
        }
        let scan = package.scan_index().map_err(failed)?;
        let (groups, map) = (scan.groups(), FileMap::of(&package, &scan).map_err(failed)?);
        if self.json {
            let inspection = Inspection::of_package(&package, &outline, groups, &map);
            output::json(&mut out, &inspection)?;
        } else if self.svg {
            svg::print(&mut out, &output::shown(&self.package), &map.claims)?;
        } else {
            text::print_groups(&mut out, &package, groups)?;
            text::print_map(&mut out, &map.claims)?;
            text::print_shared(&mut out, map.shared)?;
            text::print_odd(&mut out, &oddities(&package, &map))?;
        }
        out.flush()?;
        costs.tell(&self.remote);
        Ok(Outcome::Done)
    }

    /// Returns the file if it is a daicon file on disk that is not a package.
    ///
    /// Returns `None` on any fault. Then the reader of packages opens the file and reports the
    /// fault.
    fn other_format(&self) -> Option<FileSource> {
        if remote::url(&self.package).is_some() || self.dry_run.dry_run {
            return None;
        }
        let source = FileSource::open(&self.package).ok()?;
        let bytes = source.read_up_to(0, 28).ok()?;
        is_other_format(&bytes).then_some(source)
    }

    /// Describes the file. A package on disk that cannot be opened is described as a container.
    fn inspection(&self, talk: Talk) -> Result<Inspection, Failure> {
        if let Some(source) = self.other_format() {
            return Ok(Inspection::of_container(&self.container(&source)?));
        }
        let failed = |error| Failure::with(&self.package, &error);
        match self.remote.open(&self.package, Limits::default(), false, talk) {
            Ok((package, _)) => Inspection::read(&package).map_err(failed),
            Err(failure) if remote::url(&self.package).is_some() => Err(failure),
            Err(failure) => {
                let source = FileSource::open(&self.package).map_err(|_| failure)?;
                Ok(Inspection::of_container(&self.container(&source)?))
            }
        }
    }

    fn container(&self, source: &dyn ReadAt) -> Result<ContainerMap, Failure> {
        ContainerMap::read(source).map_err(|error| match error {
            Error::Io { source, .. } => {
                Failure::Failed(format!("cannot read {}: {source}", output::shown(&self.package)))
            }
            error => Failure::with(&self.package, &error),
        })
    }

    fn show_container(&self, source: &dyn ReadAt) -> Result<Outcome, Failure> {
        let container = self.container(source)?;
        let mut out = output::stdout();
        if self.json {
            output::json(&mut out, &Inspection::of_container(&container))?;
        } else if self.svg {
            svg::print(&mut out, &output::shown(&self.package), &container.claims)?;
        } else {
            Self::print_container(&mut out, &container)?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }

    fn print_container(out: &mut impl Write, container: &ContainerMap) -> io::Result<()> {
        text::print_outline(out, &container.outline)?;
        text::print_map(out, &container.claims)?;
        text::print_odd(out, &container.odd)
    }
}
