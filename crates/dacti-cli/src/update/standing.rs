//! How many steps of a saved plan are done on a package.

use dacti::update::SavedStanding;
use serde::Serialize;

/// How many steps of a plan are done.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    steps: usize,
    done: usize,
    begun: bool,
}

impl From<SavedStanding> for Standing {
    fn from(found: SavedStanding) -> Self {
        Self { steps: found.steps, done: found.done, begun: found.begun }
    }
}

/// Returns the progress in words.
pub(crate) fn text(found: SavedStanding) -> String {
    let SavedStanding { done, steps, begun, .. } = found;
    let next = done.saturating_add(1);
    match (found.is_done(), begun, done) {
        (true, ..) => format!("all {steps} steps are done"),
        (false, false, 0) => format!("none of {steps} steps is done"),
        (false, false, _) => format!("{done} of {steps} steps are done, step {next} is next"),
        (false, true, _) => format!("step {next} of {steps} was begun and not finished"),
    }
}
