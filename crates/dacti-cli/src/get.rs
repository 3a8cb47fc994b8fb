//! `dacti get`: one region.

use crate::outcome::{Failure, Outcome};
use crate::{Talk, files, interrupt, output};
use dacti::source::{Counted, FileSource};
use dacti::{AtomicFile, Encoding, Key, Limits, Located, Package};
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

/// Print one region, decoded.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Its path, or its id as a UUID with hyphens.
    #[arg(value_name = "PATH|UUID")]
    key: String,
    /// Write to this file, which appears whole or not at all, and not to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the stored bytes, not decoded.
    #[arg(long)]
    raw: bool,
    /// The most bytes that the region may decode to.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().stream_len_max)]
    max_len: u64,
    /// Say on standard error how much was read.
    #[arg(long)]
    stats: bool,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        self.refuse_own_package()?;
        let failed = |error| Failure::with(&self.package, &error);
        let source = FileSource::open(&self.package).map_err(failed)?;
        let source = Counted::new(Arc::new(source));
        let limits = Limits { stream_len_max: self.max_len, ..Limits::default() };
        let package = Package::from_source(Arc::new(source.clone()), limits).map_err(failed)?;
        let located = self.locate(&package).map_err(failed)?;
        if talk == Talk::Verbose {
            let Located { id, span, encoding, .. } = located;
            output::note(&format!("{id} at {span}, {} bytes, {encoding}", span.len()));
        }
        // Stored bytes are what a region without encoding would be.
        let encoding = if self.raw { Encoding::NONE } else { located.encoding };
        let mut content = package.reader_at(Located { encoding, ..located }).map_err(failed)?;
        interrupt::listen();
        self.copy(&mut content)?;
        if self.stats {
            let stats = source.stats();
            output::note(&format!("{} reads, {} bytes", stats.reads, stats.bytes));
        }
        Ok(Outcome::Done)
    }

    fn refuse_own_package(&self) -> Result<(), Failure> {
        let place = self.output.as_deref().and_then(files::place);
        let same = place.is_some_and(|place| files::is_at(&self.package, &place));
        if same {
            let shown = output::shown(&self.package);
            return Err(Failure::Failed(format!("{shown} is both package and output")));
        }
        Ok(())
    }

    /// By id where the key looks like one and the package has it, else by path.
    fn locate(&self, package: &Package) -> Result<Located, dacti::Error> {
        let hyphenated = self.key.len() == uuid::fmt::Hyphenated::LENGTH;
        if let Some(id) = Uuid::parse_str(&self.key).ok().filter(|_| hyphenated)
            && let Some(located) = package.find(id)?
        {
            return Ok(located);
        }
        package.locate(Key::Path(&self.key))
    }

    fn copy(&self, content: &mut dyn Read) -> Result<(), Failure> {
        let shown = output::shown(&self.package);
        let unreadable =
            |error: io::Error| Failure::Failed(format!("{shown}: {:?}: {error}", self.key));
        // Decoded before anything is created or printed, so that most errors leave nothing behind.
        let mut first = vec![0; 64 * 1024];
        let read = read_start(content, &mut first).map_err(unreadable)?;
        first.truncate(read);
        if let Some(path) = &self.output {
            let mut file = AtomicFile::create(path)?;
            let unwritable = |error: io::Error| {
                Failure::Failed(format!("cannot write {}: {error}", output::shown(path)))
            };
            file.write_all(&first).map_err(unwritable)?;
            copy_rest(content, &mut file, unreadable, unwritable)?;
            return Ok(file.commit()?);
        }
        let mut out = io::stdout().lock();
        if out.is_terminal() && !is_text(&first) {
            return Err(Failure::Failed(format!(
                "{:?} is binary: -o FILE writes it to a file, and a pipe takes it too",
                self.key
            )));
        }
        out.write_all(&first)?;
        copy_rest(content, &mut out, unreadable, Failure::from)?;
        Ok(out.flush()?)
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

fn copy_rest(
    content: &mut dyn Read,
    out: &mut dyn Write,
    unreadable: impl Fn(io::Error) -> Failure,
    unwritable: impl Fn(io::Error) -> Failure,
) -> Result<(), Failure> {
    let mut buf = vec![0; 256 * 1024];
    loop {
        interrupt::check()?;
        let read = content.read(&mut buf).map_err(&unreadable)?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(buf.get(..read).unwrap_or_default()).map_err(&unwritable)?;
    }
}

/// Whether bytes may be shown on a terminal: UTF-8 without control characters other than white
/// space.
fn is_text(bytes: &[u8]) -> bool {
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character may be cut at the end of what was looked at.
        Err(error) if error.error_len().is_none() => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            core::str::from_utf8(valid).unwrap_or("\0")
        }
        Err(_) => return false,
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::is_text;

    #[test]
    fn terminals_get_text_only() {
        assert!(is_text("plain ü\n\tlines\r\n".as_bytes()));
        assert!(is_text(b""));
        assert!(is_text("cut \u{fc}".as_bytes().split_last().unwrap().1));
        assert!(!is_text(b"nul\0"));
        assert!(!is_text(b"\xff\xfe"));
        assert!(!is_text(b"\x1b[2J"));
    }
}
