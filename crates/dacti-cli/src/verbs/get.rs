//! `dacti get`: prints one region.

mod terminal;

use super::unpack::place::fill;
use crate::dry_run::{self, DryRun};
use crate::files::Output;
use crate::json::Place;
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome, content_fault, region_fault};
use crate::remote::{self, Remote};
use crate::{Talk, interrupt, output, select};
use dacti::{AtomicFile, Error, Limits, Located, Package, RegionName};
use serde::Serialize;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use terminal::TextOnly;
use uuid::Uuid;

/// Print the content of one region.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The path of the region, or its id as a UUID with hyphens.
    #[arg(value_name = "PATH|UUID")]
    region: String,
    /// Write the content to this file, which appears whole or not at all; - is standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the stored bytes without decoding them.
    #[arg(long)]
    raw: bool,
    /// Refuse a region whose content is longer than this many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().stream_len_max)]
    max_len: u64,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print one JSON object about the region, with -o FILE, or about the cost, with --dry-run.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// The object that `get --json` prints.
#[derive(Debug, Serialize)]
struct Got<'g> {
    path: Option<String>,
    id: Uuid,
    kind: &'static str,
    place: Place,
    encoding: String,
    #[serde(serialize_with = "output::serialize_place")]
    output: &'g Path,
    len: u64,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        self.check_output()?;
        if self.json && !self.dry_run.dry_run && !self.is_to_file() {
            let message = "--json needs -o FILE, because standard output is for the content; with \
                           --dry-run it needs no file";
            return Err(Failure::Usage(message.into()));
        }
        let failed = |error| Failure::with(&self.package, &error);
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let (package, costs) =
            self.remote.open(&self.package, limits, self.dry_run.dry_run, talk)?;
        let package = self.trust.applied(package)?;
        let name_text = select::path(&self.region);
        let (name, found) = match select::find(&package, &name_text) {
            // A path of a region never ends with a slash, so this error may mean that the text is
            // the path of a folder.
            Err(Error::Path { .. }) if self.meant(&package).is_some() => {
                return Err(self.not_found(&package, RegionName::Path(&name_text)));
            }
            found => found.map_err(failed)?,
        };
        let Some(located) = found else {
            costs.tell(&self.remote);
            return Err(self.not_found(&package, name));
        };
        if talk == Talk::Verbose {
            let Located { id, span, encoding, .. } = located;
            output::note(&format!("{id} at {span}, {} bytes, {encoding}", span.len()));
        }
        if self.dry_run.dry_run {
            let mut plan = match (self.raw, self.is_to_file()) {
                (true, true) => package.unverified_stored_readers_at([located]).plan().clone(),
                (true, false) => package.stored_readers_at([located]).plan().clone(),
                (false, true) => package.unverified_readers_at([located]).plan().clone(),
                (false, false) => package.readers_at([located]).plan().clone(),
            };
            // A run that reads only one region does not check the head again at its end. So the
            // plan leaves out this second read of the head.
            plan.look = None;
            dry_run::print(&self.package, &plan, 0, &costs, self.json)?;
            costs.tell(&self.remote);
            return Ok(Outcome::Done);
        }
        if self.output.is_some() {
            // Only a run that writes a file leaves something to clean up after a signal.
            interrupt::listen();
        }
        let content = self.content(&package, located);
        let content = content.map_err(|error| self.unreadable(&region_fault(&error)));
        let copied = content.and_then(|mut content| self.copy(&mut *content));
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        copied?;
        if let Some(file) = self.output.as_deref().filter(|_| self.json) {
            let found = std::fs::metadata(file);
            let got = Got {
                path: matches!(name, RegionName::Path(_)).then(|| name_text.into_owned()),
                id: located.id,
                kind: "region",
                place: located.span.into(),
                encoding: located.encoding.to_string(),
                output: file,
                len: found.map(|found| found.len()).unwrap_or_default(),
            };
            output::json(&mut io::stdout().lock(), &got)?;
        }
        Ok(Outcome::Done)
    }

    /// Returns a reader of the content. For a file, the reader may return bytes before it has
    /// verified them, because the file gets its name only after all content is verified. Standard
    /// output gets bytes only after all content is verified.
    fn content(&self, package: &Package, located: Located) -> Result<Box<dyn Read>, Error> {
        Ok(match (self.raw, self.is_to_file(), self.trust.is_required()) {
            (true, true, _) => Box::new(package.unverified_stored_reader_at(located)?),
            (true, false, _) => Box::new(package.stored_reader_at(located)?),
            (false, true, _) => Box::new(package.unverified_reader_at(located)?),
            // If a signature is required, this reader refuses a region without one.
            (false, false, true) => Box::new(package.verified_reader_at(located)?),
            (false, false, false) => Box::new(package.reader_at(located)?),
        })
    }

    fn is_to_file(&self) -> bool {
        self.output.as_deref().is_some_and(|path| path.as_os_str() != "-")
    }

    /// Returns the failure of a name that no region has.
    fn not_found(&self, package: &Package, name: RegionName<'_>) -> Failure {
        let meant = self.meant(package).unwrap_or_else(|| select::LIST.into());
        Failure::Failed(format!("{}: no region {name}: {meant}", output::shown(&self.package)))
    }

    /// Suggests another name, if the package is on disk: there, reading the names list costs no
    /// request.
    fn meant(&self, package: &Package) -> Option<String> {
        if remote::url(&self.package).is_some() || !self.remote.is_unbounded() {
            return None;
        }
        let listed = package.list().ok()?;
        select::meant(&self.region, listed.iter().filter_map(|listed| listed.path.as_deref()))
    }

    /// Refuses an output that is the package itself, or to which `-o` cannot write. Call this
    /// before anything is read.
    fn check_output(&self) -> Result<(), Failure> {
        let output = self.output.as_deref().filter(|output| output.as_os_str() != "-");
        let mut inputs: Vec<&Path> = self.trust.files().collect();
        if remote::url(&self.package).is_none() {
            inputs.push(&self.package);
        }
        let output = output.map(|path| Output { path, option: "-o", has_standard: true });
        output.map_or(Ok(()), |output| output.check(&inputs))
    }

    fn copy(&self, content: &mut dyn Read) -> Result<(), Failure> {
        // The start is decoded before anything is created or printed, so that most errors leave
        // nothing behind.
        let mut first = vec![0; 64 * 1024];
        let read =
            fill(content, &mut first).map_err(|error| self.unreadable(&content_fault(&error)))?;
        first.truncate(read);
        if let Some(path) = self.output.as_deref().filter(|path| path.as_os_str() != "-") {
            let mut file = AtomicFile::create(path)?;
            self.copy_all(&first, content, |bytes| {
                file.write_all(bytes).map_err(|error| {
                    Failure::Failed(format!("cannot write {}: {error}", output::shown(path)))
                })
            })?;
            return Ok(file.commit()?);
        }
        let mut out = io::stdout().lock();
        if out.is_terminal() {
            let mut text = TextOnly::default();
            self.copy_all(&first, content, |bytes| {
                let shown = text.pass(bytes).map_err(|_| self.binary())?;
                Ok(out.write_all(&shown)?)
            })?;
            text.end().map_err(|_| self.binary())?;
        } else {
            self.copy_all(&first, content, |bytes| Ok(out.write_all(bytes)?))?;
        }
        Ok(out.flush()?)
    }

    /// Copies `first` and then the rest of the content, piece by piece.
    fn copy_all(
        &self,
        first: &[u8],
        content: &mut dyn Read,
        mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        write(first)?;
        let mut buf = vec![0; 256 * 1024];
        loop {
            interrupt::check()?;
            let read =
                content.read(&mut buf).map_err(|error| self.unreadable(&content_fault(&error)))?;
            if read == 0 {
                return Ok(());
            }
            write(buf.get(..read).unwrap_or_default())?;
        }
    }

    fn unreadable(&self, fault: &str) -> Failure {
        let region = output::quoted(&self.region);
        Failure::Failed(format!("{}: {region}: {fault}", output::shown(&self.package)))
    }

    fn binary(&self) -> Failure {
        Failure::Failed(format!(
            "{} is binary, and standard output is a terminal: use `-o FILE` or a pipe",
            output::quoted(&self.region)
        ))
    }
}
