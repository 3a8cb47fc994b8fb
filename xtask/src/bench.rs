//! `bench`: runs the benches of criterion. `bench peers|update|cars` compares with crates of other
//! projects, and `bench archives` with archivers. `bench ten-million` measures a very large
//! package.

use crate::archives::archives;
use crate::peers::{PEERS, peers};
use crate::run::{Context, Outcome, Result, run};

/// With `--test`, it runs each bench once. All other arguments are passed to criterion.
pub fn bench(context: &Context, args: &[String]) -> Result<Outcome> {
    if let [first, rest @ ..] = args {
        if PEERS.contains(&first.as_str()) {
            return peers(context, first, rest);
        }
        if first == "archives" {
            return archives(context, rest);
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
        // Builds the whole workspace, so that dependencies have the same features as for the tests.
        context.cargo(["test", "--workspace", "--bench", "*"])
    };
    // Of the flags of libtest, criterion accepts only the one that runs each bench once.
    run(command.arg("--").args(flags.first()).args(rest))?;
    Ok(Outcome::Done)
}
