//! `dacti completions`: prints scripts that let shells complete arguments.

use crate::Cli;
use crate::outcome::{Failure, Outcome};
use crate::output;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Print a script that lets a shell complete verbs, options and files.
///
/// Save the script where the shell looks for it: for bash
/// ~/.local/share/bash-completion/completions/dacti, for fish
/// ~/.config/fish/completions/dacti.fish, for zsh _dacti in a folder of $fpath.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        // The script is made in memory first, because the generator panics if standard output is
        // closed.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "dacti", &mut script);
        let mut out = output::stdout();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Outcome::Done)
    }
}
