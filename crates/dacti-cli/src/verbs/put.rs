//! `dacti put`: adds regions to a published package, or replaces them.

use crate::collect::{Collector, Filters, LeftOut};
use crate::ids::IdsFile;
use crate::input::{Input, Source};
use crate::keep::Keep;
use crate::outcome::{Failure, Outcome};
use crate::update::Options;
use crate::{Talk, output};
use dacti::{Attributes, Content};
use std::path::{Path, PathBuf};

/// Add regions to a package, or replace them, without breaking anyone who reads it.
///
/// New bytes go after the old end, and one small write in the first 64 KiB publishes all of them:
/// readers and caches see either the old package or the new one. Regions with unchanged content are
/// skipped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// What to put: PATH=FILE (FILE can be - for standard input); PATH=FOLDER for all files below a
    /// folder; a folder, whose files have paths relative to it; or a file, under its own name. If a
    /// file has the whole text as its name, including =, that file is put. To use = in PATH, write
    /// a backslash before it.
    #[arg(required = true, value_name = "PATH=FILE|FOLDER")]
    inputs: Vec<String>,
    /// Put regions even if their content is unchanged.
    #[arg(long)]
    force: bool,
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
        let inputs: Vec<Input> =
            self.inputs.iter().map(|text| Input::parse(text)).collect::<Result<_, _>>()?;
        if inputs.iter().filter(|input| input.source == Source::Standard).count() > 1 {
            return Err(Failure::Usage("standard input can be put only once".into()));
        }
        let collector = Collector::new(&self.filters, &files_of(&inputs), &self.package)?;
        let mut update = self.options.open(&self.package, &files_of(&inputs), self.force, talk)?;
        let (mut count, mut filtered) = (0_usize, 0_u64);
        for Input { prefix, source } in inputs {
            let from = match source {
                Source::Standard | Source::Pipe(_) => {
                    let path = prefix.unwrap_or_default();
                    ids.put(&mut update, path, Attributes::default(), source.content()?)?;
                    count = count.saturating_add(1);
                    continue;
                }
                Source::File(from) => from,
            };
            let is_dir = from.is_dir();
            let collected = collector.collect(&from)?;
            count = count.saturating_add(collected.files.len());
            filtered = filtered.saturating_add(collected.left_out.filtered);
            for (path, file) in collected.files {
                let path = match &prefix {
                    Some(prefix) if is_dir => format!("{prefix}/{path}"),
                    Some(prefix) => prefix.clone(),
                    None => path,
                };
                if talk == Talk::Verbose {
                    output::note(&output::printable(&path));
                }
                let attributes = self.keep.attributes(&file)?;
                ids.put(&mut update, path, attributes, Content::file(file))?;
            }
            if talk >= Talk::Normal {
                collected.left_out.notes().iter().for_each(|line| output::note(line));
            }
        }
        LeftOut::refuse_nothing(count, filtered)?;
        collector.tell_unused()?;
        ids.end()?;
        self.options.finish(&self.package, update, talk)
    }
}

fn files_of(inputs: &[Input]) -> Vec<&Path> {
    let files = inputs.iter().filter_map(|input| match &input.source {
        Source::File(file) => Some(file.as_path()),
        Source::Standard | Source::Pipe(_) => None,
    });
    files.collect()
}
