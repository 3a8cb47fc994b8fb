//! `dacti sync`: makes a published package equal to a folder.

use crate::Talk;
use crate::collect::{Collected, Collector, Filters};
use crate::ids::IdsFile;
use crate::keep::Keep;
use crate::outcome::{Failure, Outcome};
use crate::output::{self, counted, shown};
use crate::update::{Options, others};
use dacti::{Content, RegionName};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Make a package equal to a folder, without breaking anyone who reads it.
///
/// New and changed files are put, and one small write in the first 64 KiB publishes them all. With
/// --delete, the same write removes regions that are not files of the folder. A file that --exclude
/// or a .dactiignore leaves out counts as missing: the package then has the files that `dacti pack`
/// would pack. Regions without a path stay.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The folder, whose files have paths relative to it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Remove regions that are not files of the folder.
    #[arg(long)]
    delete: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    ids: IdsFile,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let mut ids = self.ids.read()?;
        if !self.folder.is_dir() {
            let folder = shown(&self.folder);
            return Err(Failure::Failed(format!(
                "{folder} is not a folder: put it with `dacti put`"
            )));
        }
        let Collected { files, left_out } = self.collect()?;
        let paths: BTreeSet<String> = files.iter().map(|(path, _)| path.clone()).collect();
        let inputs: Vec<&Path> = files.iter().map(|(_, file)| file.as_path()).collect();
        let mut update = self.options.open(&self.package, &inputs, false, talk)?;
        for (path, file) in files {
            if talk == Talk::Verbose {
                output::note(&output::printable(&path));
            }
            let attributes = self.keep.attributes(&file)?;
            ids.put(&mut update, path, attributes, Content::file(file))?;
        }
        ids.end()?;
        let others = others(&update, &paths);
        let others = others.map_err(|error| Failure::with(&self.package, &error))?;
        if self.delete {
            let removed = update.remove_many(others.iter().map(|path| RegionName::Path(path)));
            removed.map_err(|error| Failure::with(&self.package, &error))?;
        }
        if talk >= Talk::Normal {
            left_out.notes().iter().for_each(|line| output::note(line));
            if !self.delete && !others.is_empty() {
                let count = u64::try_from(others.len()).unwrap_or(u64::MAX);
                let regions = counted(count, "region is not a file", "regions are not files");
                output::note(&format!("{regions} of the folder: --delete removes such regions"));
            }
        }
        self.options.finish(&self.package, update, talk)
    }

    fn collect(&self) -> Result<Collected, Failure> {
        let collector = Collector::new(&self.filters, &[&self.folder], &self.package)?;
        let collected = collector.collect(&self.folder)?;
        collector.tell_unused()?;
        if collected.files.is_empty() && self.delete {
            return Err(Failure::Failed(format!(
                "{}: the folder has no files to put, so --delete would remove all regions: if you \
                 want that, run `dacti rm PKG '**'`",
                shown(&self.folder)
            )));
        }
        Ok(collected)
    }
}
