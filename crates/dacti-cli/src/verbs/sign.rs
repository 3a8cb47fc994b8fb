//! `dacti sign`: a package that is there becomes a signed one, in a new file.

use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, shown};
use crate::progress::Bar;
use crate::{Talk, files, interrupt, keys, output, threads};
use core::num::NonZeroUsize;
use dacti::Package;
use dacti::compact::{CompactOptions, Compacted};
use dacti::seal::SecretKey;
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Sign a package that is there: write a new file with the same regions, stored as they are, each
/// with a new signature.
///
/// It is what `compact` makes, with other seals: a signature needs room behind each region, so the
/// file itself cannot be signed in place. What a region has is held against its digest before it is
/// signed; whether somebody else has signed it is not asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package. It stays as it is.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The signed file. Where it exists, it is replaced; PKG itself is refused.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The private key that signs, made with `dacti key new`.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The publisher's package to sign for, where it is not the one in the key's file.
    #[arg(long, value_name = "UUID", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Leave out this component, which is none of dacti's. May be given several times.
    #[arg(long, value_name = "UUID")]
    drop_component: Vec<Uuid>,
    /// Threads that copy, hash and sign, at most 1024; as many as there are cores by default.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Json<'p> {
    package: &'p Path,
    len: u64,
    regions: u64,
    /// Hot regions that lie behind the head now.
    hot_dropped: u64,
    /// Signatures that were read back and found to be by the key.
    signatures: u64,
    public_key: String,
    package_id: Uuid,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        if self.output.as_os_str() == "-" {
            let message = "a package cannot be written to standard output: -o ./- is a file";
            return Err(Failure::Usage(message.into()));
        }
        let (from, to) = (&self.package, &self.output);
        if files::place(to).is_some_and(|place| files::is_at(from, &place)) {
            let message = "is the package that is to be signed: name another file";
            return Err(Failure::Failed(format!("{} {message}", shown(to))));
        }
        let key = keys::read_private(&self.key)?;
        let key = match self.package_id {
            Some(package) => key.for_package(package),
            None => key,
        };
        let package = Package::open(from).map_err(|error| Failure::with(from, &error))?;
        let options = CompactOptions {
            drop_components: self.drop_component.clone(),
            threads: self.threads,
            ..CompactOptions::default()
        };
        let signed = {
            let mut bar = Bar::bytes("signing", 0, talk);
            interrupt::listen();
            let progress = &mut |at: dacti::Progress| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            };
            let signed = package.sign(to, &key, &options, progress);
            signed.map_err(|error| Failure::with(from, &error))?
        };
        self.tell(&signed, &key, talk)?;
        Ok(Outcome::Done)
    }

    fn tell(&self, signed: &Compacted, key: &SecretKey, talk: Talk) -> Result<(), Failure> {
        let Compacted { built, proof, hot_dropped, .. } = signed;
        if self.json {
            let json = Json {
                package: &self.output,
                len: built.len,
                regions: built.regions,
                hot_dropped: *hot_dropped,
                signatures: proof.signatures,
                public_key: crate::output::hex(key.public().key()),
                package_id: key.package(),
            };
            return Ok(output::json(&mut std::io::stdout().lock(), &json)?);
        }
        if talk >= Talk::Normal && *hot_dropped > 0 {
            let what = "hot regions did not fit the head with their signatures and lie behind it";
            output::note(&format!("{hot_dropped} {what}"));
        }
        if talk >= Talk::Normal {
            output::note(&format!(
                "{}: {} regions signed for package {}, file of {}; read back, and all signatures \
                 fit",
                shown(&self.output),
                built.regions,
                key.package(),
                bytes(built.len),
            ));
        }
        Ok(())
    }
}
