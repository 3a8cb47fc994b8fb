//! `dacti pull`: a local copy of a package, made or brought up to date.

use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, shown};
use crate::progress::Bar;
use crate::remote::Remote;
use crate::total::MaxTotal;
use crate::{Talk, interrupt, output};
use dacti::Limits;
use dacti::publish::{CopyState, Pulled, pull, unfinished_copy};
use serde::Serialize;
use std::path::PathBuf;

/// Make a local copy of a package, or bring one up to date.
///
/// The copy is one file, even if the package is in parts. If FILE is an earlier state of the same
/// package, only the bytes that it lacks are fetched. Digests are checked before the new copy
/// replaces the old copy, so readers of the copy see the old package or the new one.
///
/// A pull that is interrupted leaves its bytes in the file `.dacti-pull-FILE` beside FILE. The next
/// pull resumes from it, and removes it at the end. If you do not pull again, delete it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package: a URL, or a file or head on this machine.
    #[arg(value_name = "URL")]
    package: PathBuf,
    /// The copy.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    max_total: MaxTotal,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Serialize)]
struct Json {
    file: String,
    copy: &'static str,
    len: u64,
    fetched: u64,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.file.as_os_str() == "-" {
            let message = "a copy is a file: `dacti pull` cannot write to standard output";
            return Err(Failure::Usage(message.into()));
        }
        let failed = |error| Failure::with(&self.package, &error);
        let limits = self.max_total.applied(Limits::default());
        let (package, costs) = self.remote.open(&self.package, limits, false, talk)?;
        interrupt::listen();
        let pulled = {
            let mut bar = Bar::bytes("pulling", 0, talk);
            let pulled = pull(&package, &self.file, &mut |done, total| {
                bar.set(done, total);
                interrupt::go_on()
            });
            drop(bar);
            pulled.inspect_err(|_| self.tell_unfinished(talk)).map_err(failed)?
        };
        costs.tell(&self.remote);
        let Pulled { copy, len, fetched } = pulled;
        let file = shown(&self.file);
        if self.json {
            let copy = match copy {
                CopyState::New => "new",
                CopyState::Grown => "grown",
                CopyState::Same => "same",
            };
            let file = output::place(&self.file);
            output::json(&mut std::io::stdout().lock(), &Json { file, copy, len, fetched })?;
        } else if talk >= Talk::Normal {
            let is_whole = fetched >= len.saturating_sub(dacti::HEAD_LEN);
            let (len, fetched) = (bytes(len), bytes(fetched));
            output::note(&match copy {
                CopyState::New if is_whole => format!("{file}: {len}, all fetched"),
                CopyState::New | CopyState::Grown => format!("{file}: {len}, {fetched} fetched"),
                CopyState::Same => format!("{file} is up to date"),
            });
        }
        Ok(Outcome::Done)
    }

    /// Names the file that an interrupted pull leaves.
    fn tell_unfinished(&self, talk: Talk) {
        let Some(unfinished) = unfinished_copy(&self.file).filter(|_| talk >= Talk::Normal) else {
            return;
        };
        output::note(&format!(
            "{} has the bytes that were fetched: the next pull resumes from it; delete it if you \
             do not pull again",
            shown(&unfinished),
        ));
    }
}
