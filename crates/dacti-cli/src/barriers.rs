//! Caches in front of a package that is one file: the barriers that an update passes, and the
//! commands that purge the caches.

use crate::outcome::{Failure, Outcome};
use crate::{Talk, interrupt, output};
use core::time::Duration;
use dacti::fetch::{HttpOptions, Location, OnPause};
use dacti::update::{LockedFile, ServedAt, ServedFile, UpdateFile};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Options of verbs that write to a package in its place.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Caches in front of a package in one file")]
pub(crate) struct Barriers {
    /// The URL of the package at the origin, past all caches. Before each step that depends on
    /// earlier ones, the origin must answer with the new bytes.
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// A URL of the package at a cache, which must answer with the new bytes, too. May be given
    /// several times.
    #[arg(long = "edge", value_name = "URL")]
    edges: Vec<String>,
    /// The maximum number of seconds for which caches keep an answer: the sum over all tiers of
    /// caches. Without --edge, the update waits this long at each barrier. With --edge, it fails if
    /// a cache is still stale after this time.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
    /// A program that purges a URL from a cache, and its first arguments, such as `curl -X PURGE`.
    /// The program runs after the update, once for each URL of --edge, with the URL as its last
    /// argument.
    #[arg(long, value_name = "CMD", requires = "edges")]
    purge: Option<String>,
}

impl Barriers {
    /// Returns whether an option asks for barriers.
    pub(crate) fn is_given(&self) -> bool {
        self.origin.is_some() || self.max_age.is_some() || !self.edges.is_empty()
    }

    /// Refuses barriers for a package in parts, which needs none.
    pub(crate) fn refuse_for_parts(&self) -> Result<(), Failure> {
        let is_for_purge = self.purge.is_some() && self.origin.is_none() && self.max_age.is_none();
        if is_for_purge || !self.is_given() {
            return Ok(());
        }
        Err(Failure::Usage(
            "an update of a package in parts does not wait for caches: run again without --origin, \
             --edge and --max-age (--edge may stay if --purge is given)"
                .into(),
        ))
    }

    /// Opens a package for an update, with the barriers that the options ask for.
    pub(crate) fn open(
        &self,
        package: &Path,
        talk: Talk,
    ) -> Result<Arc<dyn UpdateFile>, dacti::Error> {
        let file = LockedFile::open(package)?;
        if !self.is_given() {
            return Ok(Arc::new(file));
        }
        let on_pause = match talk {
            Talk::Quiet => OnPause::default(),
            _ => OnPause::new(|pause| output::note(&pause)),
        };
        let served_at = ServedAt {
            origin: self.origin.clone(),
            edges: self.edges.clone(),
            max_age: self.max_age.map(|seconds| Duration::from_secs(seconds.into())),
            http: HttpOptions { on_pause, ..HttpOptions::default() },
            go_on: interrupt::go_on,
        };
        interrupt::listen();
        Ok(Arc::new(ServedFile::new(file, served_at)?))
    }

    /// Purges the caches after an update that was carried out.
    pub(crate) fn purge(&self, talk: Talk) -> Outcome {
        let Some(purge) = &self.purge else { return Outcome::Done };
        let mut lost = false;
        for edge in &self.edges {
            let shown = Location::from(edge.as_str());
            match run(purge, edge) {
                Ok(()) if talk >= Talk::Normal => output::note(&format!("{shown}: purged")),
                Ok(()) => {}
                Err(why) => {
                    lost = true;
                    output::error(&format!(
                        "{shown}: the update is published, but this URL was not purged: {why}"
                    ));
                }
            }
        }
        Outcome::with_loss(lost)
    }
}

/// Runs a purge command for one URL.
fn run(purge: &str, url: &str) -> Result<(), String> {
    let mut words = purge.split_ascii_whitespace();
    let program = words.next().ok_or("--purge names no program")?;
    let status = Command::new(program).args(words).arg(url).stdout(std::io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} ended with {status}")),
        Err(error) => Err(format!("{program} does not start: {error}")),
    }
}
