//! `dacti apply`: carries out a saved plan.

use crate::barriers::Barriers;
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::update::standing::{Standing, text};
use crate::{Talk, interrupt, output};
use dacti::update::{Extent, SavedPlan, UpdateProgress};
use std::path::PathBuf;

/// Carry out a saved plan on a package.
///
/// The plan and its bytes are checked before anything is written. After a crash at any point the
/// package opens in its old or its new state, and --resume does the remaining steps.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saved plan. Its bytes are in the file PLAN.data.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Carry out only this step, which must be the next one. `dacti plan` shows the numbers.
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    step: Option<usize>,
    /// Carry out the steps that an earlier run has left undone.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    barriers: Barriers,
    /// Print how many steps are done as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let saved = SavedPlan::open(&self.plan)?;
        let extent = match (self.step, self.resume) {
            (Some(step), _) => Extent::Step(step),
            (None, true) => Extent::Rest,
            (None, false) => Extent::Whole,
        };
        interrupt::listen();
        let standing = {
            let mut bar = Bar::bytes("writing", 0, talk);
            let mut progress = |at: UpdateProgress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            if self.barriers.is_given() {
                let file = self.barriers.open(&self.package, talk);
                file.and_then(|file| saved.apply_to(&file, extent, &mut progress))
            } else {
                saved.apply_with(&self.package, extent, &mut progress)
            }
        };
        let standing = standing.map_err(|error| Failure::with(&self.package, &error))?;
        if self.json {
            output::json(&mut std::io::stdout().lock(), &Standing::from(standing))?;
        } else if talk >= Talk::Normal {
            let package = output::shown(&self.package);
            output::note(&format!("{package}: {}", text(standing)));
        }
        Ok(if standing.is_done() { self.barriers.purge(talk) } else { Outcome::Done })
    }
}
