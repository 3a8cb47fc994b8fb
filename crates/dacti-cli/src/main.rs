//! The `dacti` program: packages from the command line.
//!
//! Each verb is one module in `verbs`. Verbs share the modules beside that folder: these modules
//! open packages (`remote`), choose regions (`select`) and files (`collect`, `patterns`), check
//! outputs (`files`), read keys (`keys`), and print (`output`, `progress`).

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this program needs std, so imports from alloc would gain nothing"
)]

mod barriers;
mod collect;
mod dictionary;
mod dry_run;
mod files;
mod hint;
mod ids;
mod input;
mod interrupt;
mod json;
mod keep;
mod keys;
mod layout;
mod outcome;
mod output;
mod overlap;
mod patterns;
mod place;
mod progress;
mod remote;
mod select;
mod server;
mod sniff;
mod threads;
mod total;
mod update;
mod verbs;
mod web;

use clap::Parser;
use dacti::fetch::Location;
use outcome::{Failure, Outcome};
use std::io::Write;
use std::process::ExitCode;
use verbs::Verb;

/// Pack files into one package on plain static hosting, and read any of them by a few range
/// requests.
#[derive(Debug, Parser)]
#[command(name = "dacti", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print only errors, and messages about lost data.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print the name of each region that is packed, put, read or unpacked.
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with loss (messages name the lost parts).";

/// How much to say on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Talk {
    Quiet,
    Normal,
    Verbose,
}

/// Prints help, or an error about the arguments. Clap repeats arguments in its messages, so secrets
/// are removed from URLs among them.
fn usage(error: &clap::Error) -> ExitCode {
    let mut text = error.render().to_string();
    let arguments: Vec<_> = std::env::args_os().filter_map(|arg| arg.into_string().ok()).collect();
    let values = arguments.iter().filter_map(|arg| arg.split_once('=')).map(|(_, value)| value);
    for given in arguments.iter().map(String::as_str).chain(values) {
        // An argument may be a mistyped URL, which can contain secrets, too.
        let shown = Location::from(given).to_string();
        if shown != given {
            text = text.replace(given, &shown);
        }
    }
    if text == error.render().to_string() {
        error.exit();
    }
    // If standard error is closed, the text is lost; there is no other place for it.
    let _ = write!(std::io::stderr().lock(), "{text}");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let talk = match (cli.quiet, cli.verbose) {
        (true, _) => Talk::Quiet,
        (_, true) => Talk::Verbose,
        _ => Talk::Normal,
    };
    match cli.verb.run(talk) {
        // If standard output is closed, its reader needs no more output.
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
        Err(Failure::Interrupted) => {
            output::error(&"interrupted");
            interrupt::end();
            ExitCode::from(130)
        }
    }
}
