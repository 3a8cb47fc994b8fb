//! `bench`: the criterion benches; `bench peers`: packages beside other people's crates; `bench
//! ten-million`: a package as large as they come.

use crate::peers::peers;
use crate::run::{Context, Outcome, Result, run};

/// `--test` builds as `test` does, features and all, so that CI needs no second set of builds, but
/// for the peers, which come last; everything else is handed on to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    if let [first, rest @ ..] = args
        && first == "peers"
    {
        return peers(context, rest);
    }
    if let [first, rest @ ..] = args
        && first == "ten-million"
    {
        let example = ["run", "--release", "-p", "dacti-benches", "--example", "ten_million", "--"];
        run(context.cargo(example).args(rest))?;
        return Ok(Outcome::Done);
    }
    let (flags, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--test");
    let call: &[&str] =
        if flags.is_empty() { &["bench", "-p", "dacti-benches"] } else { &["test", "--workspace"] };
    let mut command = context.cargo(call.iter().copied());
    command.args(["--bench", "*", "--"]);
    // Criterion runs each bench once when it is told so, and does not know libtest's other flags.
    command.args(flags.first()).args(rest);
    run(&mut command)?;
    if !flags.is_empty() {
        let mut command =
            context.cargo(["test", "--workspace", "--bench", "peers", "--bench", "update"]);
        run(command.args(["--features", "dacti-benches/peers", "--", "--test"]))?;
    }
    Ok(Outcome::Done)
}
