//! `test`: everything that cargo calls a test.

use crate::bench::PEERS;
use crate::run::{Context, Outcome, Result, run, under_ci};
use crate::snapshots;
use std::process::Command;

/// `cargo test` over the whole workspace, for then dependencies have the same features whichever
/// test is meant, and nothing is built twice. Under CI those of the benches beside other people's
/// crates are among them, as these are built there anyway.
pub fn of_workspace(context: &Context) -> Command {
    let mut command = context.cargo(["test", "--workspace"]);
    if under_ci() {
        command.args(["--features", PEERS]);
    }
    command
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
