//! `dacti pack`: a directory or files become a package.

use crate::collect::{Collector, LeftOut, Symlinks};
use crate::ids::Ids;
use crate::layout::{Layout, slice_len};
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::select::Globs;
use crate::{Talk, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use dacti::layout::ExpectedUpdates;
use dacti::seal::SecretKey;
use dacti::{BuildOptions, Built, Content, EncodingChoice, InputName, PackageBuilder};
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Build a package from a directory or files.
///
/// A directory gives all files below it, with paths relative to it; a file gives its name. Names
/// are brought into Unicode normalisation form C. Folders without files are not kept. The package
/// appears whole or not at all, and the same input gives the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directories and files.
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,
    /// The package to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// cdn: with room for updates and caches. compact: for a file that never changes.
    #[arg(long, value_enum, default_value_t = Layout::Cdn)]
    layout: Layout,
    /// Length of the slices in which caches hold the package: the end is padded to it, and updates
    /// begin at a multiple. auto is 1MiB. A power of two from 4KiB to 1GiB.
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = slice_len)]
    slice: u64,
    /// Leave room in the head for so many updates of so many regions each, until the package is
    /// compacted. Only for the cdn layout; regions that are hot take what room they need.
    #[arg(long, value_name = "N/REGIONS", value_parser = expected_updates, conflicts_with = "hot")]
    expect_updates: Option<ExpectedUpdates>,
    /// Write no digests behind regions, by which readers tell damaged and stale bytes. The compact
    /// layout has none anyway.
    #[arg(long)]
    no_seals: bool,
    /// Sign every region with the private key in this file, made with `dacti key new`. Only for
    /// the cdn layout, with seals.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The publisher's package to sign for, where it is not the one in the key's file.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Put the files whose paths match this glob into the head, so that the request that opens the
    /// package brings them: at most 255, of some 50 kB in all as they are stored. May be given
    /// several times. Only for the cdn layout.
    #[arg(long, value_name = "GLOB")]
    hot: Vec<String>,
    /// auto: brotli where the whole becomes smaller, else none; where --hot files fit the head in
    /// one of them alone, that one.
    #[arg(long, value_enum, default_value_t = Encoding::Auto)]
    encoding: Encoding,
    /// Brotli's quality: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// Take only paths that match this glob. May be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out paths that match this glob, folders with all that is in them. May be given
    /// several times.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Give paths ids of their own. Each line of the file is a UUID and a path; # starts a
    /// comment.
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// What to do about symbolic links.
    #[arg(long, value_enum, default_value_t = Symlinks::Refuse)]
    symlinks: Symlinks,
    /// Threads that encode, at most 1024; as many as there are cores by default. Changes no byte.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print what was built as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    Auto,
    None,
    Brotli,
}

#[derive(Debug, Serialize)]
struct Summary<'p> {
    package: &'p Path,
    len: u64,
    regions: u64,
    content_len: u64,
    stored_len: u64,
    names_len: u64,
    shared_len: u64,
    encoding: String,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.output.as_os_str() == "-" {
            let message = "a package cannot be written to standard output: -o ./- is a file";
            return Err(Failure::Usage(message.into()));
        }
        if self.expect_updates.is_some() && self.layout == Layout::Compact {
            let message = "--expect-updates needs the cdn layout: compact leaves no room";
            return Err(Failure::Usage(message.into()));
        }
        let mut ids = self.ids.as_deref().map(Ids::read).transpose()?.unwrap_or_default();
        let collector = Collector::new(&self.include, &self.exclude, self.symlinks, &self.output)?;
        let collected = collector.collect(&self.inputs)?;
        LeftOut::refuse_nothing(collected.files.len(), collected.left_out.filtered)?;
        let mut builder = PackageBuilder::new(self.options());
        if let Some(path) = &self.sign {
            builder.sign(self.key(path)?);
        }
        let hot = self.hot(&collected.files)?;
        for (path, file) in collected.files {
            if talk == Talk::Verbose {
                output::note(&output::printable(&path));
            }
            let is_hot = hot.matches(&path);
            let add = |name: InputName| {
                let content = Content::file(file);
                if is_hot { builder.add_hot(name, content) } else { builder.add(name, content) }
                    .map(|_| ())
            };
            match ids.take(&path) {
                Some((id, line)) => {
                    add(InputName::path_with_id(path, id)).map_err(|error| match error {
                        dacti::Error::ReservedId { .. } => ids.wrong(line, &error.to_string()),
                        error => error.into(),
                    })?;
                }
                None => add(path.into())?,
            }
        }
        ids.end()?;
        interrupt::listen();
        let built = {
            let mut bar = Bar::bytes("packing", 0, talk);
            builder.build_with(&self.output, &mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            })?
        };
        if talk >= Talk::Normal {
            for line in collected.left_out.notes().into_iter().chain(self.shorter_slices(&built)) {
                output::note(&line);
            }
        }
        self.print(&built, talk)?;
        Ok(Outcome::Done)
    }

    /// What is to be hot. A glob that matches nothing is a mistake.
    fn hot(&self, inputs: &[(String, PathBuf)]) -> Result<Globs, Failure> {
        for glob in &self.hot {
            let one = Globs::new([glob])?;
            if !inputs.iter().any(|(path, _)| one.matches(path)) {
                let message = format!("--hot {glob:?}: matches nothing of what is packed");
                return Err(Failure::Failed(message));
            }
        }
        Globs::new(&self.hot)
    }

    /// That shorter slices would do for the expected updates, where they would.
    fn shorter_slices(&self, built: &Built) -> Option<String> {
        let mean = built.stored_len.checked_div(built.regions).unwrap_or_default();
        let padding = dacti::layout::padding(&self.expect_updates?, built.regions, mean);
        (padding.slice_len < self.slice).then(|| {
            format!(
                "each update is padded to {}: --slice {} does, where no cache has longer slices",
                output::bytes(self.slice),
                padding.slice_len
            )
        })
    }

    /// The key to sign with.
    fn key(&self, path: &Path) -> Result<SecretKey, Failure> {
        let key = keys::read_private(path)?;
        Ok(match self.package_id {
            Some(package) => key.for_package(package),
            None => key,
        })
    }

    fn options(&self) -> BuildOptions {
        BuildOptions {
            layout: self.layout.into(),
            slice_len: self.slice,
            expect: self.expect_updates,
            seals: !self.no_seals,
            encoding: match self.encoding {
                Encoding::Auto => EncodingChoice::Auto,
                Encoding::None => EncodingChoice::None,
                Encoding::Brotli => EncodingChoice::Brotli,
            },
            quality: self.quality,
            threads: self.threads,
            ..BuildOptions::default()
        }
    }

    fn print(&self, built: &Built, talk: Talk) -> Result<(), Failure> {
        let package = &*self.output;
        let Built { len, regions, content_len, stored_len, names_len, shared_len, encoding } =
            *built;
        if self.json {
            let encoding = encoding.to_string();
            let summary = Summary {
                package,
                len,
                regions,
                content_len,
                stored_len,
                names_len,
                shared_len,
                encoding,
            };
            return Ok(output::json(&mut std::io::stdout().lock(), &summary)?);
        }
        if talk >= Talk::Normal {
            let shared = match shared_len {
                0 => String::new(),
                len => format!(", {} saved by storing equal contents once", output::bytes(len)),
            };
            let names = match names_len {
                0 => String::new(),
                len => format!(", names list of {}", output::bytes(len)),
            };
            output::note(&format!(
                "{}: {regions} regions, {} stored as {} ({encoding}){shared}{names}, file of {}",
                output::shown(package),
                output::bytes(content_len),
                output::bytes(stored_len),
                output::bytes(len),
            ));
        }
        Ok(())
    }
}

/// Updates and the regions of each, as in `100/20`.
fn expected_updates(text: &str) -> Result<ExpectedUpdates, String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(updates, regions)| {
        Some(ExpectedUpdates { updates: updates.parse().ok()?, regions: regions.parse().ok()? })
    });
    numbers.ok_or_else(|| "expected updates and the regions of each, such as 100/20".into())
}

#[cfg(test)]
mod tests {
    use super::expected_updates;
    use dacti::layout::ExpectedUpdates;

    #[test]
    fn expected_updates_are_two_numbers() {
        let expected = ExpectedUpdates { updates: 100, regions: 20 };
        assert_eq!(expected_updates("100/20"), Ok(expected));
        for wrong in ["", "100", "/", "100/", "-1/2", "a/b", "1/2/3"] {
            assert!(expected_updates(wrong).is_err(), "{wrong}");
        }
    }
}
