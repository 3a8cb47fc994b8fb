//! `test`: runs all tests.

use crate::run::{Context, Outcome, Result, run, under_ci};
use crate::snapshots;
use std::process::Command;

/// Returns `cargo test` for the whole workspace. With it, dependencies have the same features for
/// every test, and nothing is built twice.
pub fn of_workspace(context: &Context) -> Command {
    context.cargo(["test", "--workspace"])
}

/// Passes its arguments on to `cargo test`.
pub fn test(context: &Context, args: &[String]) -> Result<Outcome> {
    let mut command = of_workspace(context);
    command.args(args);
    if under_ci() {
        // In CI, insta writes nothing into the tree, not even a proposed snapshot.
        command.env("INSTA_UPDATE", "no");
    }
    snapshots::record(&mut command, &snapshots::list_of(context)?)?;
    run(&mut command)?;
    Ok(Outcome::Done)
}
