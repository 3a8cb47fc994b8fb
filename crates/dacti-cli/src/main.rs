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

mod collect;
mod dry_run;
mod files;
mod hint;
mod ids;
mod interrupt;
mod keys;
mod layout;
mod outcome;
mod output;
mod progress;
mod remote;
mod select;
mod threads;
mod update;
mod verbs;

use clap::Parser;
use outcome::{Failure, Outcome};
use std::process::ExitCode;
use verbs::Verb;

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
    match cli.verb.run(talk) {
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
