//! `dacti pack`: makes a package of folders and files.

use crate::collect::{Collected, Collector, Filters, LeftOut};
use crate::dictionary::Dictionary;
use crate::files::Output;
use crate::ids::IdsFile;
use crate::keep::Keep;
use crate::layout::{Layout, slice_len};
use crate::outcome::{Failure, Outcome};
use crate::progress::Bar;
use crate::select::Pattern;
use crate::{Talk, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use dacti::layout::ExpectedUpdates;
use dacti::seal::SecretKey;
use dacti::{
    BuildOptions, Built, Content, DictionaryChoice, DigestListChoice, EncodingChoice, InputName,
    PackageBuilder,
};
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Make a package of folders and files.
///
/// A folder gives all files below it, with paths relative to it; a file gives its name. Hidden
/// files are left out unless --hidden is given. Names are brought into Unicode normalisation form
/// C. Folders without files are not kept. The package appears whole or not at all, and the same
/// input gives the same bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders and files.
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,
    /// The package to write.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// cdn: a package that can be updated. compact: a smaller file that never changes.
    #[arg(long, value_enum, default_value_t = Layout::Cdn)]
    layout: Layout,
    /// The length of the slices in which caches hold the package. The end of the package is padded
    /// to a multiple of this length, and updates begin there. A power of two from 4KiB to 1GiB;
    /// auto is 64KiB.
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = slice_len)]
    slice: u64,
    /// Leave room in the head for N updates of REGIONS regions each, so that these updates need no
    /// new index. Only for the cdn layout.
    #[arg(long, value_name = "N/REGIONS", value_parser = expected_updates, conflicts_with = "hot")]
    expect_updates: Option<ExpectedUpdates>,
    /// Write no digests after regions. Without digests, readers cannot detect damaged and stale
    /// bytes. The compact layout never has digests.
    #[arg(long)]
    no_seals: bool,
    /// Store the bytes of each file, even if other files have the same content. By default, up to
    /// 16 files with the same content share their stored bytes. Then a reader fetches up to 1.5 kB
    /// more with each file, and older versions of dacti refuse the package. The compact layout
    /// always stores equal files once.
    #[arg(long)]
    no_share: bool,
    /// List the first bytes of all digests in one place. If a package is built anew, `dacti pull`
    /// and `dacti diff` use this list to find the unchanged regions. auto: write the list if there
    /// are at least a thousand regions, and the list takes less than about 1 % of the package.
    #[arg(long, value_enum, default_value_t = DigestList::Auto)]
    digest_list: DigestList,
    /// Sign every region with the private key in this file, made with `dacti key new`. Only for
    /// the cdn layout, with seals.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Put files whose path matches this pattern into the head, so that the request that opens the
    /// package also brings them: at most 255 files, and about 50 kB of stored bytes. May be given
    /// several times. Only for the cdn layout.
    #[arg(long, value_name = "PATTERN")]
    hot: Vec<String>,
    /// auto: brotli if it makes the package smaller, else none. If the --hot files fit the head in
    /// only one encoding, auto takes that one.
    #[arg(long, value_enum, default_value_t = Encoding::Auto)]
    encoding: Encoding,
    /// Brotli's quality: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// The dictionary for brotli, which makes packages of many similar small files much smaller.
    /// auto: a dictionary made from a sample of the files, if it makes the package at least 5 %
    /// smaller. FILE: a file of at most 1 MiB, with strings that many files contain. OLD: the
    /// dictionary of the package OLD, so that the stored bytes of unchanged files stay the same.
    #[arg(long, value_name = "auto|none|FILE|OLD", default_value = "auto")]
    dictionary: Dictionary,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    ids: IdsFile,
    /// Threads that encode, at most 256; by default one for each core. The bytes are the same with
    /// any number.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object about the package.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    Auto,
    None,
    Brotli,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DigestList {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Serialize)]
struct Summary<'p> {
    #[serde(serialize_with = "output::serialize_place")]
    package: &'p Path,
    len: u64,
    regions: u64,
    content_len: u64,
    stored_len: u64,
    names_len: u64,
    dictionary_len: u64,
    dictionary_saves: u64,
    shared_len: u64,
    first_get_len: u64,
    encoding: String,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.expect_updates.is_some() && self.layout == Layout::Compact {
            let message =
                "--expect-updates needs the cdn layout: the compact layout has no room for updates";
            return Err(Failure::Usage(message.into()));
        }
        let inputs = self.sign.iter().chain(&self.ids.path).map(PathBuf::as_path);
        let inputs: Vec<&Path> = inputs.chain(self.dictionary.file()).collect();
        Output { path: &self.output, option: "-o", has_standard: false }.check(&inputs)?;
        let mut ids = self.ids.read()?;
        let collected = self.collect()?;
        let mut builder = PackageBuilder::new(self.options());
        if let Some(dictionary) = self.dictionary.read()? {
            builder.set_dictionary(dictionary)?;
        }
        if let Some(path) = &self.sign {
            builder.sign(self.key(path)?);
        }
        let hot = self.hot(&collected.files)?;
        let mut files = Vec::new();
        for (path, file) in collected.files {
            if talk == Talk::Verbose {
                output::note(&output::printable(&path));
            }
            let is_hot = hot.iter().any(|pattern| pattern.matches(&path));
            let attributes = self.keep.attributes(&file)?;
            let id = ids.take(&path);
            let name = match id {
                Some((id, _)) => InputName::path_with_id(path, id),
                None => path.into(),
            };
            let name = name.with_attributes(attributes);
            if id.is_none() && !is_hot {
                files.push((name, file));
                continue;
            }
            let content = Content::file(file);
            let added =
                if is_hot { builder.add_hot(name, content) } else { builder.add(name, content) };
            added.map_err(|error| match (&error, id) {
                (dacti::Error::ReservedId { .. }, Some((_, line))) => {
                    ids.wrong(line, &error.to_string())
                }
                _ => error.into(),
            })?;
        }
        builder.add_files(files)?;
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

    /// Finds the files to pack.
    fn collect(&self) -> Result<Collected, Failure> {
        let inputs: Vec<_> = self.inputs.iter().map(PathBuf::as_path).collect();
        let collector = Collector::new(&self.filters, &inputs, &self.output)?;
        let mut collected = Collected::default();
        for input in inputs {
            collected.append(collector.collect(input)?);
        }
        LeftOut::refuse_nothing(collected.files.len(), collected.left_out.filtered)?;
        collector.tell_unused()?;
        Ok(collected)
    }

    /// Returns the patterns of hot files. Fails if a pattern matches nothing, because this is a
    /// mistake of the user.
    fn hot(&self, inputs: &[(String, PathBuf)]) -> Result<Vec<Pattern>, Failure> {
        let pattern = |text: &String| {
            let pattern = Pattern::new(text, inputs.iter().map(|(path, _)| path))?;
            if !inputs.iter().any(|(path, _)| pattern.matches(path)) {
                let message = format!("--hot {text:?} matches no packed file");
                return Err(Failure::Failed(message));
            }
            Ok(pattern)
        };
        self.hot.iter().map(pattern).collect()
    }

    /// Recommends shorter slices, if the bytes of an expected update fit in one shorter slice.
    fn shorter_slices(&self, built: &Built) -> Option<String> {
        let mean = built.stored_len.checked_div(built.regions).unwrap_or_default();
        let padding = dacti::layout::padding(&self.expect_updates?, built.regions, mean);
        (padding.slice_len < self.slice).then(|| {
            format!(
                "each update is padded to a multiple of {}; use --slice {} if no cache has longer \
                 slices",
                output::bytes(self.slice),
                padding.slice_len
            )
        })
    }

    /// Reads the key to sign with.
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
            share: !self.no_share,
            digest_list: match self.digest_list {
                DigestList::Auto => DigestListChoice::Auto,
                DigestList::Always => DigestListChoice::Always,
                DigestList::Never => DigestListChoice::Never,
            },
            encoding: match self.encoding {
                Encoding::Auto => EncodingChoice::Auto,
                Encoding::None => EncodingChoice::None,
                Encoding::Brotli => EncodingChoice::Brotli,
            },
            quality: self.quality,
            dictionary: match self.dictionary {
                Dictionary::Auto => DictionaryChoice::Auto,
                Dictionary::None | Dictionary::File(_) => DictionaryChoice::None,
            },
            threads: self.threads,
            ..BuildOptions::default()
        }
    }

    fn print(&self, built: &Built, talk: Talk) -> Result<(), Failure> {
        let package = &*self.output;
        let Built {
            len,
            regions,
            content_len,
            stored_len,
            names_len,
            dictionary_len,
            dictionary_saves,
            shared_len,
            first_get_len,
            encoding,
        } = *built;
        if self.json {
            let encoding = encoding.to_string();
            let summary = Summary {
                package,
                len,
                regions,
                content_len,
                stored_len,
                names_len,
                dictionary_len,
                dictionary_saves,
                shared_len,
                first_get_len,
                encoding,
            };
            return Ok(output::json(&mut std::io::stdout().lock(), &summary)?);
        }
        if talk >= Talk::Normal {
            let shared = output::saved_by_sharing(shared_len);
            let dictionary = match (dictionary_len, dictionary_saves) {
                (0, _) => String::new(),
                (len, 0) => format!(", dictionary of {}", output::bytes(len)),
                (len, saves) => format!(
                    ", about {} saved by a dictionary of {}",
                    output::bytes(saves),
                    output::bytes(len)
                ),
            };
            let names = match names_len {
                0 => String::new(),
                len => format!(", names list of {}", output::bytes(len)),
            };
            output::note(&format!(
                "{}: {}, {} stored as {} ({encoding}){dictionary}{shared}{names}, file of {}; a \
                 reader fetches {} for a first region of average length{}",
                output::shown(package),
                output::counted(regions, "region", "regions"),
                output::bytes(content_len),
                output::bytes(stored_len),
                output::bytes(len),
                output::bytes(first_get_len),
                self.keep.dropped(),
            ));
        }
        Ok(())
    }
}

/// Reads a number of updates, and the number of regions in each, such as `100/20`.
fn expected_updates(text: &str) -> Result<ExpectedUpdates, String> {
    let parts = text.split_once('/');
    let numbers = parts.and_then(|(updates, regions)| {
        Some(ExpectedUpdates { updates: updates.parse().ok()?, regions: regions.parse().ok()? })
    });
    numbers.ok_or_else(|| {
        "expected a number of updates and the regions of each, such as 100/20".into()
    })
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
