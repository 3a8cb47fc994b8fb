//! `dacti man`: writes the manual pages, made from the texts of `--help`.

use crate::outcome::{Failure, Outcome};
use crate::{Cli, Talk, output};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use dacti::AtomicFile;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Write the manual pages: dacti.1, and one page for each verb, such as dacti-pack.1.
///
/// Existing pages are replaced. `manpath` lists the folders that `man` searches. Write the pages
/// into the folder `man1` below one of them, for example into ~/.local/share/man/man1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write into. It is made if it does not exist.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let shown = output::shown(&self.directory);
        fs::create_dir_all(&self.directory)
            .map_err(|error| Failure::Failed(format!("cannot make {shown}: {error}")))?;
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let pages = write_pages(&command, &self.directory)?;
        if talk >= Talk::Normal {
            output::note(&format!("{pages} pages written to {shown}"));
        }
        Ok(Outcome::Done)
    }
}

/// Writes the page of a command and the pages of its verbs. Returns the number of pages.
fn write_pages(command: &Command, directory: &Path) -> Result<u64, Failure> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut file = AtomicFile::create(directory.join(man.get_filename()))?;
    file.write_all(&page)?;
    file.commit()?;
    let mut pages = 1_u64;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        pages = pages.saturating_add(write_pages(verb, directory)?);
    }
    Ok(pages)
}
