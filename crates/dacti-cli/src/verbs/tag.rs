//! `dacti tag`: a copy of a head under another name, and back.

use crate::outcome::{Failure, Outcome};
use crate::place::PublishArgs;
use crate::{Talk, keys, output};
use dacti::publish::{PublishOptions, tag};
use std::path::PathBuf;
use uuid::Uuid;

/// Copy the head of a published package to another name in the same folder.
///
/// Use a copy as a version, a channel or a preview. It costs one object of 64 KiB, because both
/// heads share their parts. To roll back, copy an older head to the package's own name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The head that is copied: a path, or a URL such as `s3://BUCKET/NAME` (or `gs://`, `az://`).
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The name of the copy, without a folder.
    #[arg(value_name = "NAME")]
    name: String,
    /// Copy the archived version with this number, which `dacti log` lists.
    #[arg(long, value_name = "N")]
    at: Option<u64>,
    /// If the head of another package has this name, replace it.
    #[arg(long)]
    replace: bool,
    /// Sign the copy with the private key in this file, if it needs a signature of its own.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Let an unsigned head replace a signed one, or copy a signed head without its signature.
    #[arg(long, conflicts_with = "sign")]
    unsigned: bool,
    #[command(flatten)]
    publish: PublishArgs,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let place = self.publish.place(&self.package)?;
        let key = keys::signing(self.sign.as_deref(), self.package_id)?;
        let options =
            PublishOptions { replace: self.replace, ..self.publish.options(key, self.unsigned) };
        let sequence = tag(&place, self.at, &self.name, &options);
        let sequence = sequence.map_err(|error| Failure::with(&self.package, &error))?;
        if talk >= Talk::Normal {
            let name = output::printable(&self.name);
            output::note(&format!("{name} is a copy of {} (version {sequence})", place.shown()));
        }
        Ok(Outcome::Done)
    }
}
