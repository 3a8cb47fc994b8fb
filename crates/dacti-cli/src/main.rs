//! The `dacti` program: packages from the command line.
//!
//! Each verb is a file of its own that knows its arguments and nothing of the others. What they
//! share is how to open a package (`remote`), how to fail (`outcome`), what to print (`output`),
//! which paths are meant (`select`), which of them are one (`files`), which keys count (`keys`),
//! how many threads work (`threads`) and how far they are (`progress`).

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this program needs std; paths of alloc would gain nothing"
)]

mod apply;
mod bounded;
mod collect;
mod compact;
mod completions;
mod dar;
mod diff;
mod dry_run;
mod du;
mod files;
mod get;
mod ids;
mod inspect;
mod interrupt;
mod key;
mod keys;
mod ls;
mod man;
mod outcome;
mod output;
mod pack;
mod plan;
mod progress;
mod put;
mod remote;
mod rm;
mod select;
mod serve;
mod sign;
mod threads;
mod unpack;
mod update;
mod verify;

use clap::{Parser, Subcommand};
use outcome::{Failure, Outcome};
use std::process::ExitCode;

/// Packages on plain static hosting: one file that gives up any of its regions in a few range
/// requests.
#[derive(Debug, Parser)]
#[command(name = "dacti", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print nothing but errors and what is lost.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Say what is done with each region.
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with loss (what is lost was printed).";

#[derive(Debug, Subcommand)]
enum Verb {
    Pack(pack::Args),
    Ls(ls::Args),
    Get(get::Args),
    Unpack(unpack::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Put(put::Args),
    Rm(rm::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Key(key::Args),
    Sign(sign::Args),
    Du(du::Args),
    Diff(diff::Args),
    Serve(serve::Args),
    Compact(compact::Args),
    Dar(dar::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// How much to say on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Talk {
    Quiet,
    Normal,
    Verbose,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let talk = match (cli.quiet, cli.verbose) {
        (true, _) => Talk::Quiet,
        (_, true) => Talk::Verbose,
        _ => Talk::Normal,
    };
    let result = match cli.verb {
        Verb::Pack(args) => args.run(talk),
        Verb::Ls(args) => args.run(talk),
        Verb::Get(args) => args.run(talk),
        Verb::Unpack(args) => args.run(talk),
        Verb::Inspect(args) => args.run(),
        Verb::Verify(args) => args.run(talk),
        Verb::Put(args) => args.run(talk),
        Verb::Rm(args) => args.run(talk),
        Verb::Plan(args) => args.run(),
        Verb::Apply(args) => args.run(talk),
        Verb::Key(args) => args.run(talk),
        Verb::Sign(args) => args.run(talk),
        Verb::Du(args) => args.run(talk),
        Verb::Diff(args) => args.run(talk),
        Verb::Serve(args) => args.run(talk),
        Verb::Compact(args) => args.run(talk),
        Verb::Dar(args) => args.run(talk),
        Verb::Completions(args) => args.run(),
        Verb::Man(args) => args.run(talk),
    };
    match result {
        // Where standard output was closed, whoever reads it has seen enough.
        Ok(Outcome::Done) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Ok(Outcome::Loss) => ExitCode::from(3),
        Ok(Outcome::Differs) => ExitCode::FAILURE,
        Err(Failure::Usage(message)) => {
            output::error(&message);
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            output::error(&message);
            ExitCode::FAILURE
        }
    }
}
