//! `dacti sign`: writes a signed copy of a package.

use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, counted, shown};
use crate::place::{self, PublishArgs, Rewritten};
use crate::progress::Bar;
use crate::total::MaxTotal;
use crate::{Talk, interrupt, keys, output, threads};
use core::num::NonZeroUsize;
use dacti::Limits;
use dacti::compact::{CompactOptions, Compacted};
use dacti::seal::SecretKey;
use daicon_core::Hex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Write a signed copy of a package: the same stored bytes, each region with a new signature.
///
/// A signature needs room after its region, so a package cannot be signed in place. Each region is
/// checked against its digest before it is signed. Existing signatures are not checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package, which is not changed.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The signed file. An existing file is replaced, unless it is PKG. Without -o, a package that
    /// is published in parts is replaced in its place, with a signed head.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The file of the private key, made with `dacti key new`.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Store the bytes of each region, even if other regions have the same bytes. See
    /// `dacti pack`.
    #[arg(long)]
    no_share: bool,
    /// Leave out the component with this UUID, which another project defines. May be given several
    /// times.
    #[arg(long, value_name = "UUID")]
    drop_component: Vec<Uuid>,
    /// Threads that copy, hash and sign, at most 256; by default one for each core.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    #[command(flatten)]
    max_total: MaxTotal,
    /// Print one JSON object about the signed file.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    publish: PublishArgs,
}

#[derive(Debug, Serialize)]
struct Json<'p> {
    #[serde(serialize_with = "output::serialize_place")]
    package: &'p Path,
    len: u64,
    regions: u64,
    /// Hot regions that no longer lie in the head.
    hot_dropped: u64,
    /// Signatures that were read back and checked with the key.
    signatures: u64,
    public_key: String,
    package_id: Uuid,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let from = &self.package;
        let rewritten = Rewritten::new(from, self.output.as_deref(), &self.publish, &[&*self.key])?;
        let to = rewritten.path();
        let key = keys::read_private(&self.key)?;
        let key = match self.package_id {
            Some(package) => key.for_package(package),
            None => key,
        };
        let package = place::open(from, self.max_total.applied(Limits::default()))?;
        let options = CompactOptions {
            unshare: self.no_share,
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
        rewritten.finish(&self.publish, Some(key.clone()), false)?;
        self.tell(&signed, &key, talk)?;
        Ok(Outcome::Done)
    }

    fn tell(&self, signed: &Compacted, key: &SecretKey, talk: Talk) -> Result<(), Failure> {
        let Compacted { built, proof, hot_dropped, .. } = signed;
        let to = self.output.as_ref().unwrap_or(&self.package);
        if self.json {
            let json = Json {
                package: to,
                len: built.len,
                regions: built.regions,
                hot_dropped: *hot_dropped,
                signatures: proof.signatures,
                public_key: Hex(key.public().key()).to_string(),
                package_id: key.package(),
            };
            return Ok(output::json(&mut std::io::stdout().lock(), &json)?);
        }
        if talk >= Talk::Normal && *hot_dropped > 0 {
            let regions = counted(*hot_dropped, "hot region does", "hot regions do");
            output::note(&format!("with signatures, {regions} not fit into the new head"));
        }
        if talk >= Talk::Normal {
            output::note(&format!(
                "{}: {} signed for package {}, file of {}; all signatures were read back and are \
                 right",
                shown(to),
                counted(built.regions, "region", "regions"),
                key.package(),
                bytes(built.len),
            ));
        }
        Ok(())
    }
}
