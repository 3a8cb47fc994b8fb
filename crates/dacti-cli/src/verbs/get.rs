//! `dacti get`: one region.

mod terminal;

use crate::dry_run::{self, DryRun};
use crate::keys::Trust;
use crate::outcome::{Failure, Outcome, content_fault, region_fault};
use crate::remote::{self, Remote};
use crate::{Talk, files, interrupt, output, select};
use dacti::{AtomicFile, Error, Limits, Located, Package};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use terminal::TextOnly;

/// Print one region, decoded.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Its path, or its id as a UUID with hyphens.
    #[arg(value_name = "PATH|UUID")]
    key: String,
    /// Write to this file, which appears whole or not at all, and not to standard output; - is
    /// standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the stored bytes, not decoded.
    #[arg(long)]
    raw: bool,
    /// The most bytes that the region may decode to.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().stream_len_max)]
    max_len: u64,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    dry_run: DryRun,
    /// Print the dry run as one JSON object.
    #[arg(long, requires = "dry_run")]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Args {
    pub(crate) fn run(mut self, talk: Talk) -> Result<Outcome, Failure> {
        self.check_output()?;
        self.remote.counts = self.dry_run.dry_run;
        let failed = |error| Failure::with(&self.package, &error);
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let (package, costs) = self.remote.open(&self.package, limits)?.into_parts();
        let package = self.trust.applied(package)?;
        let (key, found) = select::find(&package, &self.key).map_err(failed)?;
        let Some(located) = found else {
            costs.tell(&self.remote);
            return Err(failed(Error::NotFound { region: key.to_string() }));
        };
        if talk == Talk::Verbose {
            let Located { id, span, encoding, .. } = located;
            output::note(&format!("{id} at {span}, {} bytes, {encoding}", span.len()));
        }
        if self.dry_run.dry_run {
            let plan = match (self.raw, self.is_to_file()) {
                (true, true) => package.unverified_stored_readers_at([located]).plan().clone(),
                (true, false) => package.stored_readers_at([located]).plan().clone(),
                (false, true) => package.unverified_readers_at([located]).plan().clone(),
                (false, false) => package.readers_at([located]).plan().clone(),
            };
            dry_run::print(&self.package, &plan, 0, &costs, self.json)?;
            costs.tell(&self.remote);
            return Ok(Outcome::Done);
        }
        if self.output.is_some() {
            // To standard output there is nothing to clean up.
            interrupt::listen();
        }
        let content = self.content(&package, located);
        let content = content.map_err(|error| self.unreadable(&region_fault(&error)));
        let copied = content.and_then(|mut content| self.copy(&mut *content));
        output::fences_fault(&package, talk);
        costs.tell(&self.remote);
        copied?;
        Ok(Outcome::Done)
    }

    /// Returns the content. A file gets its name when all of it is verified; standard output gets no
    /// byte before that.
    fn content(&self, package: &Package, located: Located) -> Result<Box<dyn Read>, Error> {
        Ok(match (self.raw, self.is_to_file(), self.trust.is_required()) {
            (true, true, _) => Box::new(package.unverified_stored_reader_at(located)?),
            (true, false, _) => Box::new(package.stored_reader_at(located)?),
            (false, true, _) => Box::new(package.unverified_reader_at(located)?),
            // A signature is required, so a region without one is refused by the type.
            (false, false, true) => Box::new(package.verified_reader_at(located)?),
            (false, false, false) => Box::new(package.reader_at(located)?),
        })
    }

    fn is_to_file(&self) -> bool {
        self.output.as_deref().is_some_and(|path| path.as_os_str() != "-")
    }

    /// Refuses, before anything is read, an output that is the package, or that `-o` cannot make.
    fn check_output(&self) -> Result<(), Failure> {
        let output = self.output.as_deref().filter(|output| output.as_os_str() != "-");
        output.map_or(Ok(()), AtomicFile::check).map_err(|error| {
            Failure::Failed(format!("{error}, which -o makes: -o - is standard output"))
        })?;
        let place = output.and_then(files::place);
        let is_file = remote::url(&self.package).is_none();
        let same = is_file && place.is_some_and(|place| files::is_at(&self.package, &place));
        if same {
            let shown = output::shown(&self.package);
            return Err(Failure::Failed(format!("{shown} is both package and output")));
        }
        Ok(())
    }

    fn copy(&self, content: &mut dyn Read) -> Result<(), Failure> {
        // Decoded before anything is created or printed, so that most errors leave nothing behind.
        let mut first = vec![0; 64 * 1024];
        let read = read_start(content, &mut first)
            .map_err(|error| self.unreadable(&content_fault(&error)))?;
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

    /// Hands `first` and the rest of the content on, piece by piece.
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
        Failure::Failed(format!("{}: {:?}: {fault}", output::shown(&self.package), self.key))
    }

    fn binary(&self) -> Failure {
        Failure::Failed(format!(
            "{:?} is binary: -o FILE writes it to a file, and a pipe takes it too",
            self.key
        ))
    }
}

/// Fills `buf` as far as the content goes.
fn read_start(content: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match content.read(rest)? {
            0 => break,
            read => filled = filled.saturating_add(read),
        }
    }
    Ok(filled)
}
