//! `dacti compact`: a new file with what counts of a package, and nothing else.

use crate::layout::{Layout, slice_len};
use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, shown};
use crate::progress::Bar;
use crate::{Talk, files, interrupt, keys, output, threads};
use clap::ValueEnum;
use core::num::NonZeroUsize;
use dacti::Package;
use dacti::compact::{CompactOptions, Compacted, SealsChoice};
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Write a new file with what counts of a package: sorted, without dead bytes, with room for
/// updates.
///
/// Regions are stored as they are, each with its seal; none is encoded or signed again. The names
/// list becomes one segment. The new file is read back, and appears under its name only when it was
/// found to hold the same regions. It is another file, for another URL.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package. It stays as it is.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The new file. Where it exists, it is replaced; PKG itself is refused.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The layout; by default the one that PKG has.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Length of the slices in which caches hold the file; by default the one of PKG, or 1MiB.
    #[arg(long, value_name = "N", value_parser = slice_len)]
    slice: Option<u64>,
    /// keep: each moves along with its region. digests: so they do, and a package without gets
    /// digests. drop: none is left.
    #[arg(long, value_enum, default_value_t = Seals::Keep)]
    seals: Seals,
    /// In a signed package, the private key that signs the names list, where that has to be
    /// written anew. Nothing else is signed.
    #[arg(long, value_name = "KEY", conflicts_with = "unsigned_names")]
    sign: Option<PathBuf>,
    /// The publisher's package to sign for, where it is not the one in the key's file.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// In a signed package, leave a names list unsigned that has to be written anew.
    #[arg(long)]
    unsigned_names: bool,
    /// Leave out this component, which is none of dacti's. May be given several times.
    #[arg(long, value_name = "UUID")]
    drop_component: Vec<Uuid>,
    /// Brotli's quality for a names list that is written anew: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    /// Threads that copy and hash, at most 1024; as many as there are cores by default.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Seals {
    Keep,
    Digests,
    Drop,
}

#[derive(Debug, Serialize)]
struct Json<'p> {
    package: &'p Path,
    old_len: u64,
    len: u64,
    regions: u64,
    stored_len: u64,
    names_len: u64,
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
        if self.output.as_os_str() == "-" {
            let message = "a package cannot be written to standard output: -o ./- is a file";
            return Err(Failure::Usage(message.into()));
        }
        if self.sign.is_some() && matches!(self.seals, Seals::Drop) {
            let message = "--sign signs the names list, and --seals drop leaves out all signatures";
            return Err(Failure::Usage(message.into()));
        }
        let (from, to) = (&self.package, &self.output);
        if files::place(to).is_some_and(|place| files::is_at(from, &place)) {
            let message = "is the package that is to be compacted: name another file";
            return Err(Failure::Failed(format!("{} {message}", shown(to))));
        }
        let options = self.options()?;
        let package = Package::open(from).map_err(|error| Failure::with(from, &error))?;
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
        if self.json {
            output::json(&mut std::io::stdout().lock(), &json(to, &compacted))?;
        } else if talk >= Talk::Normal {
            self.tell(&compacted);
        }
        Ok(Outcome::Done)
    }

    fn options(&self) -> Result<CompactOptions, Failure> {
        let key = self.sign.as_deref().map(keys::read_private).transpose()?;
        Ok(CompactOptions {
            layout: self.layout.map(Into::into),
            slice_len: self.slice,
            seals: match self.seals {
                Seals::Keep => SealsChoice::Keep,
                Seals::Digests => SealsChoice::Digests,
                Seals::Drop => SealsChoice::Drop,
            },
            key: match (key, self.package_id) {
                (Some(key), Some(package)) => Some(key.for_package(package)),
                (key, _) => key,
            },
            unsigned_names: self.unsigned_names,
            drop_components: self.drop_component.clone(),
            quality: Some(self.quality),
            threads: self.threads,
        })
    }

    fn tell(&self, compacted: &Compacted) {
        let Compacted { built, old_len, names_kept, names_dropped, hot_dropped, proof } = compacted;
        let (to, len) = (shown(&self.output), bytes(built.len));
        let (old_len, proven) = (bytes(*old_len), bytes(proof.bytes));
        output::note(&format!("{to}: {} regions, {len} where there were {old_len}", built.regions));
        if *names_dropped > 0 {
            output::note(&format!("{names_dropped} names without a region were dropped"));
        }
        if *hot_dropped > 0 {
            let what = "hot regions did not fit the head any more and lie behind it";
            output::note(&format!("{hot_dropped} {what}"));
        }
        if !names_kept {
            output::note(&"the names list was written anew, as one segment");
        }
        let seals = match (proof.digests, proof.signatures) {
            (0, _) => String::new(),
            (digests, 0) => format!(", {digests} digests fit"),
            (digests, signed) => format!(", {digests} digests fit, {signed} signatures are kept"),
        };
        output::note(&format!(
            "both hold the same: {} regions by id, encoding, length and hash, {} names; {proven} \
             read back{seals}",
            proof.regions, proof.names,
        ));
    }
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
        shared_len: built.shared_len,
        names_kept: *names_kept,
        names_dropped: *names_dropped,
        hot_dropped: *hot_dropped,
        proof: Proof { regions, bytes, names, digests, signatures },
    }
}
