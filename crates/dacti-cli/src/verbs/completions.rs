//! `dacti completions`: what a shell needs to complete the program's arguments.

use crate::Cli;
use crate::outcome::{Failure, Outcome};
use crate::output;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Print a script that has a shell complete verbs, options and files.
///
/// Where it goes depends on the shell: bash takes it from
/// ~/.local/share/bash-completion/completions/dacti, fish from
/// ~/.config/fish/completions/dacti.fish, zsh from a file _dacti in a folder of its fpath.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        // Made in memory: what makes it panics where standard output is closed.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "dacti", &mut script);
        let mut out = output::stdout();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Outcome::Done)
    }
}
