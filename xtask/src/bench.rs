//! `bench`: the criterion benches. `bench peers|update|cars`: comparisons with other people's
//! crates. `bench ten-million`: a very large package.

use crate::peers::{PEERS, peers};
use crate::run::{Context, Outcome, Result, run};

/// `--test` runs each bench once. All other arguments go to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    if let [first, rest @ ..] = args {
        if PEERS.contains(&first.as_str()) {
            return peers(context, first, rest);
        }
        if first == "ten-million" {
            let example = ["run", "--release", "-p", "dacti-benches", "--example", "ten_million"];
            run(context.cargo(example).arg("--").args(rest))?;
            return Ok(Outcome::Done);
        }
    }
    let (flags, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--test");
    let mut command = if flags.is_empty() {
        context.cargo(["bench", "-p", "dacti-benches", "--benches"])
    } else {
        // The whole workspace is built, so that dependencies have the features that the tests use.
        context.cargo(["test", "--workspace", "--bench", "*"])
    };
    // Criterion accepts the flag to run each bench once, but none of libtest's other flags.
    run(command.arg("--").args(flags.first()).args(rest))?;
    Ok(Outcome::Done)
}
