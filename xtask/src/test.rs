//! `test`: everything that cargo calls a test.

use crate::run::{Context, Outcome, Result, run, under_ci};
use crate::snapshots;
use std::process::Command;

/// `cargo test` over the whole workspace: dependencies then have the same features for every test,
/// and nothing is built twice.
pub fn of_workspace(context: &Context) -> Command {
    context.cargo(["test", "--workspace"])
}

/// Arguments are handed on to `cargo test`.
pub fn test(context: &Context, args: &[String]) -> Result<Outcome> {
    let mut command = of_workspace(context);
    command.args(args);
    if under_ci() {
        // Nothing is written into the tree there, not even a proposal.
        command.env("INSTA_UPDATE", "no");
    }
    snapshots::record(&mut command, &snapshots::list_of(context)?)?;
    run(&mut command)?;
    Ok(Outcome::Done)
}
