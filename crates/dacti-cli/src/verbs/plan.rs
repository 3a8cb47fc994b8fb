//! `dacti plan`: a saved plan, and how far a package has come with it.

use crate::outcome::{Failure, Outcome};
use crate::output;
use crate::update::show;
use crate::update::standing::{Standing, text};
use dacti::update::SavedPlan;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Show a plan that `dacti put --plan` or `dacti rm --plan` has saved, and how far a package has
/// come with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The saved plan; its bytes lie beside it, in PLAN.data.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The package that it is for.
    #[arg(value_name = "PKG")]
    package: Option<PathBuf>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// What `plan` and `apply` print with `--json`.
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
