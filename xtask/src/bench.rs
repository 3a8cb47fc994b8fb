//! `bench`: the criterion benches.

use crate::run::{Context, Outcome, Result, run};

/// `--test` builds as `test` does, so that CI needs no second set of optimised builds; without it
/// everything else is handed on to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    let (flags, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--test");
    let verb = if flags.is_empty() { "bench" } else { "test" };
    let mut command = context.cargo([verb, "-p", "dacti-benches", "--bench", "*", "--"]);
    // Criterion runs each bench once when it is told so, and does not know libtest's other flags.
    command.args(flags.first()).args(rest);
    run(&mut command)?;
    Ok(Outcome::Done)
}
