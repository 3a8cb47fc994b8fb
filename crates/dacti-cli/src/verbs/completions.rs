//! `dacti completions`: prints scripts that let shells complete arguments.

use crate::Cli;
use crate::outcome::{Failure, Outcome};
use crate::output;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Print a script that lets a shell complete verbs, options and files.
///
/// Save it where the shell looks for it: for bash as
/// ~/.local/share/bash-completion/completions/dacti, for fish as
/// ~/.config/fish/completions/dacti.fish, for zsh as _dacti in a folder of its fpath.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        // Made in memory, because the generator panics if standard output is closed.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "dacti", &mut script);
        let mut out = output::stdout();
        out.write_all(&script)?;
        out.flush()?;
        Ok(Outcome::Done)
    }
}
