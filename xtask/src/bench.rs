//! `bench`: the criterion benches.

use crate::run::{Context, Outcome, Result, run};

/// `--test` builds as `test` does, features and all, so that CI needs no second set of builds;
/// everything else is handed on to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    let (flags, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--test");
    let call: &[&str] =
        if flags.is_empty() { &["bench", "-p", "dacti-benches"] } else { &["test", "--workspace"] };
    let mut command = context.cargo(call.iter().copied());
    command.args(["--bench", "*", "--"]);
    // Criterion runs each bench once when it is told so, and does not know libtest's other flags.
    command.args(flags.first()).args(rest);
    run(&mut command)?;
    Ok(Outcome::Done)
}
