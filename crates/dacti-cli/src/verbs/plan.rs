//! `dacti plan`: shows a saved plan, and how much of it is done.

use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::update::show;
use crate::update::standing::{Standing, text};
use dacti::update::SavedPlan;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Show a plan that `dacti put`, `rm` or `sync` has saved with --plan, and which of its steps are
/// done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saved plan. Its bytes are in the file PLAN.data.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The package of the plan. If it is given, the output marks the steps that are done.
    #[arg(value_name = "PKG")]
    package: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The object that `plan --json` prints.
#[derive(Debug, Serialize)]
struct Line {
    plans: Vec<show::PlanLine>,
    standing: Option<Standing>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let saved = SavedPlan::open(&self.plan)?;
        let standing = self
            .package
            .as_deref()
            .map(|package| saved.standing(package).map_err(|error| Failure::with(package, &error)));
        let standing = standing.transpose()?;
        let mut out = output::stdout();
        if self.json {
            let plans = saved.plans().iter().map(show::PlanLine::from).collect();
            output::json(&mut out, &Line { plans, standing: standing.map(Standing::from) })?;
        } else {
            let steps: usize = saved.plans().iter().map(|plan| plan.steps.len()).sum();
            writeln!(out, "{}: {steps} steps", output::shown(&self.plan))?;
            show::plans(&mut out, saved.plans())?;
            if let (Some(standing), Some(package)) = (standing, &self.package) {
                writeln!(out, "\n{}: {}", output::shown(package), text(standing))?;
            }
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}
