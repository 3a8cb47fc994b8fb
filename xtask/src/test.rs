//! `test`: runs all tests.

use crate::run::{Context, Outcome, Result, run, under_ci};
use crate::snapshots;
use std::process::Command;

/// Returns the command `cargo test` for the whole workspace. Dependencies then have the same
/// features for all tests, so nothing is built twice.
pub fn of_workspace(context: &Context) -> Command {
    context.cargo(["test", "--workspace"])
}

/// Runs `cargo test` with these arguments.
pub fn test(context: &Context, args: &[String]) -> Result<Outcome> {
    let mut command = of_workspace(context);
    command.args(args);
    if under_ci() {
        // In CI, insta must not write into the repository, not even a proposal for a snapshot.
        command.env("INSTA_UPDATE", "no");
    }
    snapshots::record(&mut command, &snapshots::list_of(context)?)?;
    run(&mut command)?;
    Ok(Outcome::Done)
}
