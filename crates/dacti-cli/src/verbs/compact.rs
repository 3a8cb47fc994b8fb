//! `dacti compact`: writes a new file with only those bytes of a package that are in use.

use crate::dictionary::Dictionary;
use crate::layout::{Layout, slice_len};
use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, counted, shown};
use crate::place::{self, PublishArgs, Rewritten};
use crate::progress::Bar;
use crate::total::MaxTotal;
use crate::{Talk, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use dacti::Limits;
use dacti::compact::{CompactOptions, Compacted, Recompress, SealsChoice};
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Write a package into a new file: sorted, without dead bytes, and with room for updates.
///
/// Stored bytes and seals are copied: no region is encoded or signed again, except with
/// --recompress. The names list becomes one segment. The new file is read back, and gets its final
/// name only if it holds the same regions. It has a new file id, so publish it under another URL.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Args {
    /// The package, which is not changed.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The new file. An existing file is replaced, unless it is PKG. Without -o, a package that is
    /// published in parts is replaced in its place.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The layout of the new file; by default that of PKG.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// The length of the slices in which caches hold the file; by default that of PKG, or 1MiB.
    #[arg(long, value_name = "N", value_parser = slice_len)]
    slice: Option<u64>,
    /// keep: keep the seals as they are. digests: keep the seals, or write digests if the package
    /// has no seals. drop: write no seals.
    #[arg(long, value_enum, default_value_t = Seals::Keep)]
    seals: Seals,
    /// Store the bytes of each region, even if other regions have the same bytes. See
    /// `dacti pack`.
    #[arg(long)]
    no_share: bool,
    /// If a signed package needs a new names list, sign that list with the private key in this
    /// file. Without --recompress, nothing else is signed.
    #[arg(long, value_name = "KEY", conflicts_with = "unsigned_names")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// If a signed package needs a new names list, leave that list unsigned. If the package is
    /// published in parts, leave its head unsigned.
    #[arg(long)]
    unsigned_names: bool,
    /// Leave out the component with this UUID, which another project defines. May be given several
    /// times.
    #[arg(long, value_name = "UUID")]
    drop_component: Vec<Uuid>,
    /// Encode the contents of all regions anew, and train a new dictionary. A signed package is
    /// signed anew, so it needs --sign.
    #[arg(long)]
    recompress: bool,
    /// The dictionary with which contents are encoded anew: see `dacti pack`.
    #[arg(
        long,
        value_name = "auto|none|FILE|OLD",
        default_value = "auto",
        requires = "recompress"
    )]
    dictionary: Dictionary,
    /// Brotli's quality for a new names list, and with --recompress for all regions: 0 is fast, 11
    /// is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// Threads that copy and hash, at most 256; by default one for each core.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    max_total: MaxTotal,
    /// Print one JSON object about the new file.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    publish: PublishArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Seals {
    Keep,
    Digests,
    Drop,
}

#[derive(Debug, Serialize)]
struct Json<'p> {
    #[serde(serialize_with = "output::serialize_place")]
    package: &'p Path,
    old_len: u64,
    len: u64,
    regions: u64,
    stored_len: u64,
    names_len: u64,
    dictionary_len: u64,
    shared_len: u64,
    names_kept: bool,
    names_dropped: u64,
    hot_dropped: u64,
    proof: Proof,
}

#[derive(Debug, Serialize)]
struct Proof {
    regions: u64,
    bytes: u64,
    names: u64,
    digests: u64,
    signatures: u64,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.sign.is_some() && matches!(self.seals, Seals::Drop) {
            let message =
                "--sign and --seals drop contradict each other: `drop` leaves out all signatures";
            return Err(Failure::Usage(message.into()));
        }
        let from = &self.package;
        let inputs: Vec<&Path> =
            self.sign.as_deref().into_iter().chain(self.dictionary.file()).collect();
        let rewritten = Rewritten::new(from, self.output.as_deref(), &self.publish, &inputs)?;
        let to = rewritten.path();
        let options = self.options()?;
        let package = place::open(from, self.max_total.applied(Limits::default()))?;
        let compacted = {
            let mut bar = Bar::bytes("compacting", 0, talk);
            interrupt::listen();
            let progress = &mut |at: dacti::Progress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            let compacted = package.compact(to, &options, progress);
            compacted.map_err(|error| Failure::with(from, &error))?
        };
        rewritten.finish(&self.publish, options.key, self.unsigned_names)?;
        let to = self.output.as_ref().unwrap_or(from);
        if self.json {
            output::json(&mut std::io::stdout().lock(), &json(to, &compacted))?;
        } else if talk >= Talk::Normal {
            tell(to, &compacted, self.recompress);
        }
        Ok(Outcome::Done)
    }

    /// Returns the options for encoding contents anew; `None` if stored bytes are copied.
    fn recompress(&self) -> Result<Option<Recompress>, Failure> {
        if !self.recompress {
            return Ok(None);
        }
        Ok(Some(match (&self.dictionary, self.dictionary.read()?) {
            (_, Some(dictionary)) => Recompress::With(dictionary),
            (Dictionary::None, _) => Recompress::Plain,
            _ => Recompress::Auto,
        }))
    }

    fn options(&self) -> Result<CompactOptions, Failure> {
        Ok(CompactOptions {
            unshare: self.no_share,
            layout: self.layout.map(Into::into),
            slice_len: self.slice,
            seals: match self.seals {
                Seals::Keep => SealsChoice::Keep,
                Seals::Digests => SealsChoice::Digests,
                Seals::Drop => SealsChoice::Drop,
            },
            key: keys::signing(self.sign.as_deref(), self.package_id)?,
            unsigned_names: self.unsigned_names,
            drop_components: self.drop_component.clone(),
            recompress: self.recompress()?,
            quality: Some(self.quality),
            threads: self.threads,
        })
    }
}

fn tell(to: &Path, compacted: &Compacted, recompressed: bool) {
    let Compacted { built, old_len, names_kept, names_dropped, hot_dropped, proof } = compacted;
    let (to, len) = (shown(to), bytes(built.len));
    let (old_len, proven) = (bytes(*old_len), bytes(proof.bytes));
    let shared = output::saved_by_sharing(built.shared_len);
    output::note(&format!(
        "{to}: {}, {len} in place of {old_len}{shared}",
        counted(built.regions, "region", "regions")
    ));
    if *names_dropped > 0 {
        output::note(&format!(
            "dropped {} without a region",
            counted(*names_dropped, "name", "names")
        ));
    }
    if *hot_dropped > 0 {
        let regions = counted(*hot_dropped, "hot region does", "hot regions do");
        output::note(&format!("{regions} not fit into the new head"));
    }
    if !names_kept {
        output::note(&"the names list was written as one new segment");
    }
    let seals = match (proof.digests, proof.signatures) {
        (0, _) => String::new(),
        (digests, 0) => format!(", {digests} digests are right"),
        (digests, signed) => {
            format!(", {digests} digests are right, {signed} signatures are kept")
        }
    };
    let by = if recompressed { "content" } else { "encoding, length and hash" };
    output::note(&format!(
        "both files have the same {} (by id, {by}) and {}; {proven} were read back{seals}",
        counted(proof.regions, "region", "regions"),
        counted(proof.names, "name", "names"),
    ));
}

fn json<'p>(package: &'p Path, compacted: &Compacted) -> Json<'p> {
    let Compacted { built, old_len, names_kept, names_dropped, hot_dropped, proof } = compacted;
    let dacti::compact::Proof { regions, bytes, names, digests, signatures } = *proof;
    Json {
        package,
        old_len: *old_len,
        len: built.len,
        regions: built.regions,
        stored_len: built.stored_len,
        names_len: built.names_len,
        dictionary_len: built.dictionary_len,
        shared_len: built.shared_len,
        names_kept: *names_kept,
        names_dropped: *names_dropped,
        hot_dropped: *hot_dropped,
        proof: Proof { regions, bytes, names, digests, signatures },
    }
}
