//! `bench`: the criterion benches; `bench peers` and `bench update`: packages beside other people's
//! crates; `bench ten-million`: a package as large as they come.

use crate::peers::peers;
use crate::run::{Context, Outcome, Result, run};

/// The feature that brings other people's crates.
pub const PEERS: &str = "dacti-benches/peers";

/// `--test` runs each once, those beside other people's crates too; everything else is handed on
/// to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    if let [first, rest @ ..] = args
        && ["peers", "update"].contains(&first.as_str())
    {
        return peers(context, first, rest);
    }
    if let [first, rest @ ..] = args
        && first == "ten-million"
    {
        let example = ["run", "--release", "-p", "dacti-benches", "--example", "ten_million", "--"];
        run(context.cargo(example).args(rest))?;
        return Ok(Outcome::Done);
    }
    let (flags, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--test");
    let mut command = if flags.is_empty() {
        // Those beside other people's crates are verbs of their own.
        context.cargo(["bench", "-p", "dacti-benches", "--benches"])
    } else {
        // The whole workspace, with the features that CI tests it with: one set of builds.
        context.cargo(["test", "--workspace", "--features", PEERS, "--bench", "*"])
    };
    // Criterion runs each bench once when it is told so, and does not know libtest's other flags.
    run(command.arg("--").args(flags.first()).args(rest))?;
    Ok(Outcome::Done)
}
